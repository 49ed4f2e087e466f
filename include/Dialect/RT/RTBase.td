// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The rt dialect and the base class of its ops.
#ifndef DLC_DIALECT_RT_RTBASE_TD
#define DLC_DIALECT_RT_RTBASE_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def RT_Dialect : Dialect {
  let name = "rt";
  let cppNamespace = "::dlc::rt";
  let summary = "the host program of a model binary";
  let description = [{
    Two levels. On tensors, `rt.dispatch` is one execution of a kernel, in a `func.func` that still has
    values and no memory. `rt.program` is what that function becomes: a table of buffers, inputs,
    outputs and sizes, and straight-line code over addresses: launches, copies, checks.
    Kernels lie as `func.func`s in the module `@kernels` beside either; see Target/CPU/LowerToLLVM.h.
  }];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"];
}

class RT_Op<string mnemonic, list<Trait> traits = []> : Op<RT_Dialect, mnemonic, traits>;

def RT_Tensor : AnyTypeOf<[AnyRankedTensor], "ranked tensor", "::mlir::RankedTensorType">;

#endif // DLC_DIALECT_RT_RTBASE_TD
