// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Where outlined kernels stand, and how they are declared, on any target.
#ifndef DLC_CONVERSION_NNTOKERNEL_KERNELFUNCTION_H
#define DLC_CONVERSION_NNTOKERNEL_KERNELFUNCTION_H

#include "Dialect/NN/NNDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace dlc {

/// The module of `module`'s kernels, made where there is none: text that enters
/// after outlining brings its own.
mlir::ModuleOp getKernelsModule(mlir::ModuleOp module);

/// The name of kernel `number` of a module, the one of `dispatch`.
std::string getKernelName(nn::DispatchOp dispatch, unsigned number);

/// Declares kernel `number` of `dispatch` with an empty body: its inputs and
/// results as rank-0 memrefs that do not overlap, then `parameters`.
mlir::func::FuncOp createKernelFunction(mlir::ModuleOp kernels,
                                        nn::DispatchOp dispatch,
                                        mlir::TypeRange parameters,
                                        unsigned number);

} // namespace dlc

#endif // DLC_CONVERSION_NNTOKERNEL_KERNELFUNCTION_H
