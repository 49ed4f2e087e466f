// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Arithmetic on sizes in which equal sizes are the same value.
#include "Import/Build/GraphBuilder.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace dlc::build {

Value GraphBuilder::toValue(OpFoldResult size) {
  return llvm::cast<Value>(unique([&]() -> OpFoldResult {
    if (auto value = dyn_cast<Value>(size)) {
      return value;
    }
    auto number = llvm::cast<IntegerAttr>(llvm::cast<Attribute>(size));
    return arith::ConstantOp::create(*this, loc, number).getResult();
  }));
}

OpFoldResult GraphBuilder::unique(llvm::function_ref<OpFoldResult()> make) {
  Block *block = getInsertionBlock();
  Operation *before = block->empty() ? nullptr : &block->back();
  OpFoldResult result = make();
  Block::iterator it =
      before ? std::next(before->getIterator()) : block->begin();
  while (it != block->end()) {
    Operation *op = &*it++;
    llvm::hash_code hash = OperationEquivalence::computeHash(
        op, OperationEquivalence::directHashValue,
        OperationEquivalence::ignoreHashValue,
        OperationEquivalence::IgnoreLocations);
    auto &candidates = this->made[hash];
    Operation *equal = nullptr;
    for (Operation *candidate : candidates) {
      if (candidate != op &&
          candidate->getParentRegion()->isAncestor(block->getParent()) &&
          OperationEquivalence::isEquivalentTo(
              candidate, op, OperationEquivalence::IgnoreLocations)) {
        equal = candidate;
        break;
      }
    }
    if (!equal) {
      if (!llvm::is_contained(candidates, op)) {
        candidates.push_back(op);
      }
      continue;
    }
    if (auto value = dyn_cast_if_present<Value>(result);
        value && value.getDefiningOp() == op) {
      result = equal->getResult(llvm::cast<OpResult>(value).getResultNumber());
    }
    op->replaceAllUsesWith(equal);
    op->erase();
  }
  return result;
}

/// `combine` of two static numbers where it does not overflow.
template <typename Combine>
static OpFoldResult foldStatic(GraphBuilder &b, OpFoldResult lhs,
                               OpFoldResult rhs, Combine combine) {
  std::optional<int64_t> left = getConstantIntValue(lhs),
                         right = getConstantIntValue(rhs);
  if (!left || !right) {
    return {};
  }
  return b.getIndexAttr(combine(*left, *right));
}

OpFoldResult GraphBuilder::add(OpFoldResult lhs, OpFoldResult rhs) {
  // Overflow wraps: numbers of a model may be anything, sizes are checked.
  if (OpFoldResult folded =
          foldStatic(*this, lhs, rhs, [](uint64_t a, uint64_t b) {
            return static_cast<int64_t>(a + b);
          })) {
    return folded;
  }
  return unique([&] { return nn::addSizes(*this, loc, lhs, rhs); });
}

OpFoldResult GraphBuilder::sub(OpFoldResult lhs, OpFoldResult rhs) {
  if (OpFoldResult folded =
          foldStatic(*this, lhs, rhs, [](uint64_t a, uint64_t b) {
            return static_cast<int64_t>(a - b);
          })) {
    return folded;
  }
  return unique([&] { return nn::subSizes(*this, loc, lhs, rhs); });
}

OpFoldResult GraphBuilder::mul(OpFoldResult lhs, OpFoldResult rhs) {
  if (OpFoldResult folded =
          foldStatic(*this, lhs, rhs, [](uint64_t a, uint64_t b) {
            return static_cast<int64_t>(a * b);
          })) {
    return folded;
  }
  return unique([&] { return nn::mulSizes(*this, loc, lhs, rhs); });
}

OpFoldResult GraphBuilder::floorDiv(OpFoldResult lhs, OpFoldResult rhs) {
  return unique([&] { return nn::floorDivSizes(*this, loc, lhs, rhs); });
}

OpFoldResult GraphBuilder::ceilDiv(OpFoldResult lhs, OpFoldResult rhs) {
  return unique([&] { return nn::ceilDivSizes(*this, loc, lhs, rhs); });
}

OpFoldResult GraphBuilder::truncDiv(OpFoldResult lhs, OpFoldResult rhs) {
  if (OpFoldResult folded =
          foldStatic(*this, lhs, rhs, [](int64_t a, int64_t b) {
            return b == -1 ? static_cast<int64_t>(-static_cast<uint64_t>(a))
                           : a / b;
          })) {
    return folded;
  }
  if (isNonNegative(lhs) && lowerBound(rhs).value_or(0) > 0) {
    return floorDiv(lhs, rhs);
  }
  return unique([&]() -> OpFoldResult {
    return arith::DivSIOp::create(*this, loc, toValue(lhs), toValue(rhs))
        .getResult();
  });
}

OpFoldResult GraphBuilder::remainder(OpFoldResult lhs, OpFoldResult rhs) {
  return sub(lhs, mul(truncDiv(lhs, rhs), rhs));
}

OpFoldResult GraphBuilder::min(OpFoldResult lhs, OpFoldResult rhs) {
  if (lhs == rhs) {
    return lhs;
  }
  return unique([&] { return nn::minSizes(*this, loc, lhs, rhs); });
}

OpFoldResult GraphBuilder::max(OpFoldResult lhs, OpFoldResult rhs) {
  if (lhs == rhs) {
    return lhs;
  }
  return unique([&] { return nn::maxSizes(*this, loc, lhs, rhs); });
}

OpFoldResult GraphBuilder::product(ArrayRef<OpFoldResult> sizes) {
  OpFoldResult result = index(1);
  for (OpFoldResult size : sizes) {
    result = mul(result, size);
  }
  return result;
}

OpFoldResult GraphBuilder::compare(arith::CmpIPredicate predicate,
                                   OpFoldResult lhs, OpFoldResult rhs) {
  std::optional<int64_t> left = getConstantIntValue(lhs),
                         right = getConstantIntValue(rhs);
  if (left && right) {
    return getBoolAttr(arith::applyCmpPredicate(
        predicate, APInt(64, *left, true), APInt(64, *right, true)));
  }
  if (lhs == rhs) {
    return getBoolAttr(
        arith::applyCmpPredicate(predicate, APInt(64, 0), APInt(64, 0)));
  }
  return unique([&]() -> OpFoldResult {
    return arith::CmpIOp::create(*this, loc, predicate, toValue(lhs),
                                 toValue(rhs))
        .getResult();
  });
}

OpFoldResult GraphBuilder::select(OpFoldResult condition, OpFoldResult ifTrue,
                                  OpFoldResult ifFalse) {
  if (std::optional<int64_t> known = getConstantIntValue(condition)) {
    return *known ? ifTrue : ifFalse;
  }
  if (ifTrue == ifFalse) {
    return ifTrue;
  }
  return unique([&]() -> OpFoldResult {
    return arith::SelectOp::create(*this, loc, llvm::cast<Value>(condition),
                                   toValue(ifTrue), toValue(ifFalse))
        .getResult();
  });
}

/// Lower bound of an affine expression whose operands have lower bounds.
static std::optional<int64_t>
lowerBoundOf(AffineExpr expr, ArrayRef<std::optional<int64_t>> operands,
             unsigned dims) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
    return constant.getValue();
  }
  if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
    return operands[dim.getPosition()];
  }
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr)) {
    return operands[dims + symbol.getPosition()];
  }
  auto binary = llvm::cast<AffineBinaryOpExpr>(expr);
  std::optional<int64_t> lhs = lowerBoundOf(binary.getLHS(), operands, dims),
                         rhs = lowerBoundOf(binary.getRHS(), operands, dims);
  int64_t result;
  if (!rhs) {
    return std::nullopt;
  }
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    return lhs && !llvm::AddOverflow(*lhs, *rhs, result) ? std::optional(result)
                                                         : std::nullopt;
  case AffineExprKind::Mul:
    return lhs && *lhs >= 0 && *rhs >= 0 &&
                   !llvm::MulOverflow(*lhs, *rhs, result)
               ? std::optional(result)
               : std::nullopt;
  case AffineExprKind::Mod:
    return 0;
  case AffineExprKind::FloorDiv:
    return lhs && *rhs > 0 ? std::optional(llvm::divideFloorSigned(*lhs, *rhs))
                           : std::nullopt;
  case AffineExprKind::CeilDiv:
    return lhs && *rhs > 0 ? std::optional(llvm::divideCeilSigned(*lhs, *rhs))
                           : std::nullopt;
  default:
    return std::nullopt;
  }
}

std::optional<int64_t> GraphBuilder::lowerBound(OpFoldResult size,
                                                unsigned depth) {
  if (std::optional<int64_t> number = getConstantIntValue(size)) {
    return number;
  }
  Operation *op = llvm::cast<Value>(size).getDefiningOp();
  if (!op || depth == 0) {
    return std::nullopt;
  }
  auto operand = [&](unsigned i) {
    return lowerBound(op->getOperand(i), depth - 1);
  };
  if (auto dim = dyn_cast<nn::SymDimOp>(op)) {
    return static_cast<int64_t>(dim.getMin());
  }
  if (isa<tensor::DimOp>(op)) {
    return 0;
  }
  if (auto apply = dyn_cast<affine::AffineApplyOp>(op)) {
    SmallVector<std::optional<int64_t>> bounds;
    for (unsigned i = 0; i < op->getNumOperands(); ++i) {
      bounds.push_back(operand(i));
    }
    return lowerBoundOf(apply.getAffineMap().getResult(0), bounds,
                        apply.getAffineMap().getNumDims());
  }
  if (!isa<arith::MulIOp, arith::MinSIOp, arith::MaxSIOp, arith::SelectOp,
           arith::FloorDivSIOp, arith::CeilDivSIOp>(op)) {
    return std::nullopt;
  }
  unsigned first = isa<arith::SelectOp>(op) ? 1 : 0;
  std::optional<int64_t> lhs = operand(first), rhs = operand(first + 1);
  if (isa<arith::MaxSIOp>(op)) {
    return std::max(lhs.value_or(INT64_MIN), rhs.value_or(INT64_MIN));
  }
  if (!lhs || !rhs) {
    return std::nullopt;
  }
  if (isa<arith::MinSIOp, arith::SelectOp>(op)) {
    return std::min(*lhs, *rhs);
  }
  int64_t result;
  if (isa<arith::MulIOp>(op)) {
    return *lhs >= 0 && *rhs >= 0 && !llvm::MulOverflow(*lhs, *rhs, result)
               ? std::optional(result)
               : std::nullopt;
  }
  return *lhs >= 0 && *rhs > 0 ? std::optional<int64_t>(0) : std::nullopt;
}

LogicalResult GraphBuilder::check(OpFoldResult condition, const Twine &message,
                                  ArrayRef<OpFoldResult> values) {
  if (std::optional<int64_t> known = getConstantIntValue(condition)) {
    if (*known) {
      return success();
    }
    std::string text = message.str();
    for (auto [i, value] : llvm::enumerate(values)) {
      std::string place = "{" + std::to_string(i) + "}";
      size_t at = text.find(place);
      std::optional<int64_t> number = getConstantIntValue(value);
      if (at != std::string::npos && number) {
        text.replace(at, place.size(), std::to_string(*number));
      }
    }
    invalid(text);
    return failure();
  }
  if (!checked.insert(llvm::cast<Value>(condition)).second) {
    return success();
  }
  SmallVector<Value> operands;
  for (OpFoldResult value : values) {
    operands.push_back(toValue(value));
  }
  nn::CheckOp::create(*this, loc, llvm::cast<Value>(condition),
                      origin + message.str(), operands);
  return success();
}

LogicalResult GraphBuilder::checkEqual(OpFoldResult lhs, OpFoldResult rhs,
                                       const Twine &what) {
  return check(compare(arith::CmpIPredicate::eq, lhs, rhs),
               "expected " + what + " of size {0}, got {1}", {lhs, rhs});
}

} // namespace dlc::build
