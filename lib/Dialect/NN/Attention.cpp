// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attention.
#include "Verify.h"

using namespace mlir;
using namespace dlc::nn;

FusionRole AttentionOp::getFusionRole() { return FusionRole::Contraction; }

std::optional<unsigned> AttentionOp::getInnermostLoop(AffineMap map,
                                                      ShapedType type) {
  for (unsigned dim = map.getNumResults(); dim-- > 0;) {
    auto loop = dyn_cast<AffineDimExpr>(map.getResult(dim));
    if (loop && type.getDimSize(dim) != 1) {
      return loop.getPosition();
    }
  }
  return std::nullopt;
}

/// c1, c2: every operand's map is from the 7 dims to its rank, and a dim has
/// one size.
static LogicalResult verifyMaps(AttentionOp op) {
  SmallVector<Value> tensors{op.getQuery(), op.getKey(), op.getValue(),
                             op.getResult()};
  llvm::append_range(tensors, op.getScoreInputs());
  llvm::append_range(tensors, op.getMaskInputs());
  if (op.getMaps().size() != tensors.size()) {
    return op.emitOpError() << "expected " << tensors.size() << " maps, got "
                            << op.getMaps().size();
  }
  SmallVector<int64_t> loops(kNumAttentionLoops, ShapedType::kDynamic);
  for (auto [i, tensor] : llvm::enumerate(tensors)) {
    AffineMap map = op.getMap(i);
    RankedTensorType type = tensorType(tensor);
    if (map.getNumDims() != kNumAttentionLoops ||
        map.getNumResults() != type.getRank()) {
      return op.emitOpError()
             << "expected map " << i << " from " << kNumAttentionLoops
             << " dims to " << type.getRank() << ", got "
             << AffineMapAttr::get(map);
    }
    for (auto [position, expr] : llvm::enumerate(map.getResults())) {
      auto dim = dyn_cast<AffineDimExpr>(expr);
      int64_t size = type.getDimSize(position);
      if (!dim || ShapedType::isDynamic(size)) {
        continue;
      }
      int64_t &loop = loops[dim.getPosition()];
      if (!sizesAgree(loop, size)) {
        return op.emitOpError() << "expected dim " << position << " of operand "
                                << i << " to be " << loop << ", got " << size;
      }
      loop = size;
    }
  }
  return success();
}

/// c3: the region takes (`leading` float?, 5 indices, elements) and yields one
/// value accepted by `ok`.
static LogicalResult verifyRegion(AttentionOp op, Region &region,
                                  StringRef name, bool hasScore,
                                  ValueRange inputs,
                                  llvm::function_ref<bool(Type)> ok) {
  if (region.empty()) {
    return success();
  }
  unsigned expected = (hasScore ? 1 : 0) + 5 + inputs.size();
  Block &block = region.front();
  if (block.getNumArguments() != expected) {
    return op.emitOpError()
           << "expected '" << name << "' region of " << expected
           << " arguments, got " << block.getNumArguments();
  }
  auto yield = block.empty() ? YieldOp() : dyn_cast<YieldOp>(block.back());
  if (!yield || yield.getValues().size() != 1 ||
      !ok(yield.getValues()[0].getType())) {
    return op.emitOpError() << "expected '" << name
                            << "' region to yield one value of the right type";
  }
  return success();
}

LogicalResult AttentionOp::verify() {
  if (failed(verifyMaps(*this)) ||
      failed(verifyRegion(*this, getScore(), "score", true, getScoreInputs(),
                          [](Type type) { return isa<FloatType>(type); }))) {
    return failure();
  }
  return verifyRegion(*this, getMask(), "mask", false, getMaskInputs(),
                      [](Type type) { return type.isInteger(1); });
}

LogicalResult
AttentionOp::reifyResultShapes(OpBuilder &b,
                               ReifiedRankedShapedTypeDims &dims) {
  Value operands[] = {getQuery(), getKey(), getValue()};
  auto sizeOfLoop = [&](AffineExpr loop) -> OpFoldResult {
    for (unsigned i = 0; i < 3; ++i) {
      if (std::optional<unsigned> position =
              getMap(i).getResultPosition(loop)) {
        return sizeOf(b, getLoc(), operands[i], *position);
      }
    }
    return b.getIndexAttr(1);
  };
  Sizes sizes = llvm::map_to_vector(getMap(3).getResults(), sizeOfLoop);
  appendShape(b, getResult(), sizes, dims);
  if (getLse()) { // (b, h, g, m)
    Sizes rows;
    for (unsigned loop = 0; loop < 4; ++loop) {
      rows.push_back(sizeOfLoop(b.getAffineDimExpr(loop)));
    }
    appendShape(b, getLse(), rows, dims);
  }
  return success();
}
