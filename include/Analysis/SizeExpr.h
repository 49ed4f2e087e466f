// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Sizes of tensors as products of a number and symbols, in which equal sizes
// are equal whatever values carry them. What proofs about reshapes work with.
#ifndef DLC_ANALYSIS_SIZEEXPR_H
#define DLC_ANALYSIS_SIZEEXPR_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/OpDefinition.h"

namespace dlc {

/// factor * product of symbols. A symbol is an index value, or a dim of a
/// tensor about which nothing else is known.
class SizeExpr {
public:
  /// (tensor, dim), or (index value, -1).
  using Symbol = std::pair<mlir::Value, int64_t>;

  /*implicit*/ SizeExpr(int64_t factor = 1) : factor(factor) {}
  explicit SizeExpr(mlir::OpFoldResult size);
  /// Size of dim `dim` of a ranked tensor, traced through the ops that made it.
  SizeExpr(mlir::Value tensor, int64_t dim);

  bool isOne() const { return factor == 1 && symbols.empty(); }
  std::optional<int64_t> getStatic() const {
    return symbols.empty() ? std::optional(factor) : std::nullopt;
  }
  bool operator==(const SizeExpr &other) const {
    return factor == other.factor && symbols == other.symbols;
  }
  SizeExpr operator*(const SizeExpr &other) const;
  /// The quotient where the division is exact whatever the symbols' values.
  std::optional<SizeExpr> dividedBy(const SizeExpr &other) const;
  /// As an attribute or an index value made at `b`.
  mlir::OpFoldResult materialize(mlir::OpBuilder &b, mlir::Location loc) const;

private:
  explicit SizeExpr(Symbol symbol) : factor(1), symbols{symbol} {}
  static SizeExpr ofValue(mlir::Value index);
  static SizeExpr ofApply(mlir::AffineExpr expr, unsigned numDims,
                          mlir::ValueRange operands, bool &ok);
  static SizeExpr ofDim(mlir::Value tensor, int64_t dim);
  static std::optional<SizeExpr> ofResultDim(mlir::Value tensor, int64_t dim);

  int64_t factor;
  /// Sorted, with repetitions.
  llvm::SmallVector<Symbol, 1> symbols;
};

/// All sizes of a ranked tensor.
llvm::SmallVector<SizeExpr> sizeExprsOf(mlir::Value tensor);

} // namespace dlc

#endif // DLC_ANALYSIS_SIZEEXPR_H
