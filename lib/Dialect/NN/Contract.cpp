// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// contract.
#include "Verify.h"

using namespace mlir;
using namespace dlc::nn;

FusionRole ContractOp::getFusionRole() { return FusionRole::Contraction; }

/// Place of loop dim `dim` among the map's results, or -1.
static int64_t positionOf(AffineMap map, unsigned dim) {
  std::optional<unsigned> position =
      map.getResultPosition(getAffineDimExpr(dim, map.getContext()));
  return position ? static_cast<int64_t>(*position) : -1;
}

LogicalResult ContractOp::verify() {
  if (getMaps().size() != 3) {
    return emitOpError() << "expected 3 maps, got " << getMaps().size();
  }
  Value tensors[] = {getLhs(), getRhs(), getResult()};
  static constexpr StringLiteral names[] = {"lhs", "rhs", "result"};
  SmallVector<int64_t> loops(getNumDims(), ShapedType::kDynamic);
  SmallVector<bool> read(getNumDims(), false);
  for (unsigned i = 0; i < 3; ++i) {
    AffineMap map = getMap(i);
    RankedTensorType type = tensorType(tensors[i]);
    if (map.getNumDims() != getNumDims() ||
        !map.isProjectedPermutation()) { // c1
      return emitOpError() << "expected map " << i
                           << " to be a projected permutation of "
                           << getNumDims() << " dims, got "
                           << AffineMapAttr::get(map);
    }
    if (failed(
            verifyRank(*this, names[i], type.getRank(), map.getNumResults()))) {
      return failure();
    }
    for (auto [position, expr] : llvm::enumerate(map.getResults())) {
      unsigned dim = cast<AffineDimExpr>(expr).getPosition();
      int64_t size = type.getDimSize(position);
      if (!sizesAgree(loops[dim], size)) { // c2
        return emitOpError() << "expected '" << names[i] << "' dim " << position
                             << " to be " << loops[dim] << ", got " << size;
      }
      if (!ShapedType::isDynamic(size)) {
        loops[dim] = size;
      }
      read[dim] = read[dim] || i < 2;
    }
  }
  for (auto [dim, inOperand] : llvm::enumerate(read)) { // c3
    if (!inOperand) {
      return emitOpError() << "expected dim " << dim << " in an operand";
    }
  }
  bool zeroPoints = getLhsZero() || getRhsZero();
  if (zeroPoints &&
      !isa<IntegerType>(getLhs().getType().getElementType())) { // c4
    return emitOpError() << "expected no zero points on element type "
                         << getLhs().getType().getElementType();
  }
  return success();
}

LogicalResult ContractOp::reifyResultShapes(OpBuilder &b,
                                            ReifiedRankedShapedTypeDims &dims) {
  Sizes sizes;
  for (AffineExpr expr : getMap(2).getResults()) {
    unsigned dim = cast<AffineDimExpr>(expr).getPosition();
    int64_t inLhs = positionOf(getMap(0), dim);
    sizes.push_back(
        inLhs >= 0 ? sizeOf(b, getLoc(), getLhs(), inLhs)
                   : sizeOf(b, getLoc(), getRhs(), positionOf(getMap(1), dim)));
  }
  appendShape(b, getResult(), sizes, dims);
  return success();
}
