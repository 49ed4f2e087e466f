// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constant operands in the layout that a kernel wants.
#ifndef DLC_CONVERSION_NNTOKERNEL_PARAMPACKER_H
#define DLC_CONVERSION_NNTOKERNEL_PARAMPACKER_H

#include "Dialect/NN/NNDialect.h"

#include "mlir/IR/SymbolTable.h"

namespace dlc {

/// The param behind a value of a dispatch's body, if it is one.
nn::ParamRefOp getParam(nn::DispatchOp dispatch, mlir::Value value);

/// Makes params of a module in other layouts; dispatches that ask for the same
/// one share it.
class ParamPacker {
public:
  explicit ParamPacker(mlir::ModuleOp module)
      : module(module), symbols(module) {}

  /// Replaces body operand `use`, a param, by its packed form.
  void pack(nn::DispatchOp dispatch, mlir::OpOperand &use,
            llvm::ArrayRef<mlir::Attribute> transforms);

private:
  nn::ParamOp getPackedParam(nn::ParamOp param,
                             llvm::ArrayRef<mlir::Attribute> transforms,
                             mlir::RankedTensorType type);

  mlir::ModuleOp module;
  mlir::SymbolTable symbols;
  llvm::DenseMap<std::pair<mlir::Operation *, mlir::Attribute>, nn::ParamOp>
      packed;
};

} // namespace dlc

#endif // DLC_CONVERSION_NNTOKERNEL_PARAMPACKER_H
