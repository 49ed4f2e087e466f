// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Scalar code of nn.reduce, for loops of any form.
#ifndef DLC_CONVERSION_NNTOKERNEL_REDUCER_H
#define DLC_CONVERSION_NNTOKERNEL_REDUCER_H

#include "Dialect/NN/NNDialect.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace dlc {

inline bool isArgReduction(nn::ReduceKind kind) {
  return kind == nn::ReduceKind::argmax || kind == nn::ReduceKind::argmin;
}

/// What a maximum (or else a minimum) of `accumulator` begins with: the type's
/// least (greatest) value, for floats an infinity. Of the type's code type.
mlir::Value emitNeutralOfExtreme(mlir::ImplicitLocOpBuilder &b,
                                 mlir::Type accumulator, bool isMax);

/// One reduction. Its state is the accumulator, and for arg-reductions the
/// place (i64).
class Reducer {
public:
  Reducer(mlir::ImplicitLocOpBuilder &b, nn::ReduceOp op);

  llvm::SmallVector<mlir::Type> getStateTypes();
  llvm::SmallVector<mlir::Value> emitInit();
  /// The state after `value`, found at `place` along the axis; places rise.
  llvm::SmallVector<mlir::Value> emitStep(mlir::ValueRange state,
                                          mlir::Value value, mlir::Value place);
  /// The state of two disjoint sets of elements.
  llvm::SmallVector<mlir::Value> emitMerge(mlir::ValueRange x,
                                           mlir::ValueRange y);
  /// The result's element, from the state and the number of elements reduced.
  mlir::Value emitFinish(mlir::ValueRange state, mlir::OpFoldResult count);

private:
  bool isMax() {
    return op.getKind() == nn::ReduceKind::max ||
           op.getKind() == nn::ReduceKind::argmax;
  }
  mlir::Value emitNeutral();
  mlir::Value combine(mlir::Value lhs, mlir::Value rhs);
  llvm::SmallVector<mlir::Value>
  emitArgStep(mlir::ValueRange state, mlir::Value value, mlir::Value place);

  mlir::ImplicitLocOpBuilder &b;
  nn::ReduceOp op;
  mlir::Type element, accumulator;
};

} // namespace dlc

#endif // DLC_CONVERSION_NNTOKERNEL_REDUCER_H
