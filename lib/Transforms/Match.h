// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What recognisers ask of elementwise ops, and how they build them.
#ifndef DLC_LIB_TRANSFORMS_MATCH_H
#define DLC_LIB_TRANSFORMS_MATCH_H

#include "Constants.h"

namespace dlc {

inline mlir::RankedTensorType typeOf(mlir::Value tensor) {
  return llvm::cast<mlir::RankedTensorType>(tensor.getType());
}

/// The op that makes `value`, if it is elementwise with this function.
inline nn::ElementwiseOp asFn(mlir::Value value, nn::Fn fn) {
  auto op = value.getDefiningOp<nn::ElementwiseOp>();
  return op && op.getFn() == fn ? op : nn::ElementwiseOp();
}

/// x and c of fn(x, c) with a splat c, for commutative functions also of
/// fn(c, x). x has the result's type.
struct WithSplat {
  mlir::Value input;
  double number;
};
std::optional<WithSplat> matchWithSplat(mlir::Value value, nn::Fn fn,
                                        Constants &constants);

/// Whether |x - y| is within a few roundings of `type`'s precision of y: the
/// constants of a formula, which exporters round on the way.
bool isNearly(double x, double y, mlir::Type type);

/// fn of operands whose broadcast is `type`'s shape.
mlir::Value createFn(mlir::OpBuilder &b, mlir::Location loc, nn::Fn fn,
                     mlir::ValueRange operands, mlir::RankedTensorType type,
                     mlir::DictionaryAttr params = {});
/// fn of operands of the shape of the first.
mlir::Value createFn(mlir::OpBuilder &b, mlir::Location loc, nn::Fn fn,
                     mlir::ValueRange operands,
                     mlir::DictionaryAttr params = {});

/// Reports that a pass left an op alone, and why.
void remarkMissed(mlir::Operation *op, llvm::StringRef pass,
                  llvm::StringRef pattern, const llvm::Twine &reason);

} // namespace dlc

#endif // DLC_LIB_TRANSFORMS_MATCH_H
