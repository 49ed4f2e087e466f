// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reshapes: to given sizes, with a dim of -1 or 0, and by whole dims.
#include "Import/Build/GraphBuilder.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"

using namespace mlir;

namespace dlc::build {

Value GraphBuilder::reshape(Value x, const Sizes &sizes) {
  if (!x) {
    return {};
  }
  Sizes current = this->sizes(x);
  if (current == sizes) {
    return x;
  }
  if (DenseElementsAttr elements = constantOf(x)) {
    RankedTensorType type = resultType(elementOf(x), sizes);
    if (type && type.hasStaticShape() &&
        type.getNumElements() == elements.getNumElements()) {
      return constant(elements.reshape(type));
    }
  }
  RankedTensorType type = resultType(elementOf(x), sizes);
  if (type && type.hasStaticShape() && typeOf(x).hasStaticShape() &&
      type.getNumElements() != typeOf(x).getNumElements()) {
    return invalid("cannot reshape " + Twine(typeOf(x).getNumElements()) +
                   " elements to " + Twine(type.getNumElements()));
  }
  return make<nn::ReshapeOp>(elementOf(x), sizes, x, nn::dynamicSizes(sizes));
}

namespace {
/// A product of sizes: a constant times values.
struct Product {
  int64_t factor = 1;
  SmallVector<Value> values;

  void multiply(OpFoldResult size);
};
} // namespace

void Product::multiply(OpFoldResult size) {
  if (std::optional<int64_t> number = getConstantIntValue(size)) {
    factor = static_cast<int64_t>(static_cast<uint64_t>(factor) *
                                  static_cast<uint64_t>(*number));
    return;
  }
  Value value = llvm::cast<Value>(size);
  if (auto product = value.getDefiningOp<arith::MulIOp>()) {
    multiply(getAsOpFoldResult(product.getLhs()));
    multiply(getAsOpFoldResult(product.getRhs()));
    return;
  }
  if (auto apply = value.getDefiningOp<affine::AffineApplyOp>()) {
    AffineExpr expr = apply.getAffineMap().getResult(0);
    auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
    if (binary && binary.getKind() == AffineExprKind::Mul &&
        isa<AffineSymbolExpr, AffineDimExpr>(binary.getLHS()) &&
        isa<AffineConstantExpr>(binary.getRHS())) {
      factor *= llvm::cast<AffineConstantExpr>(binary.getRHS()).getValue();
      multiply(apply.getMapOperands()[0]);
      return;
    }
  }
  values.push_back(value);
}

/// The size of entry `unknown` of `spec`: the count of elements divided by the
/// other entries, without a division where it cancels.
FailureOr<OpFoldResult>
GraphBuilder::inferDim(Value x, ArrayRef<OpFoldResult> spec, size_t unknown) {
  Product count, others;
  for (OpFoldResult size : sizes(x)) {
    count.multiply(size);
  }
  for (auto [i, size] : llvm::enumerate(spec)) {
    if (i != unknown) {
      others.multiply(size);
    }
  }
  for (Value *it = others.values.begin(); it != others.values.end();) {
    Value *same = llvm::find(count.values, *it);
    if (same == count.values.end()) {
      ++it;
      continue;
    }
    count.values.erase(same);
    it = others.values.erase(it);
  }
  if (others.factor == 0) {
    invalid("cannot infer dim " + Twine(unknown) +
            " of a reshape where another dim is 0");
    return failure();
  }
  // count.factor / others.factor in lowest terms.
  int64_t common = std::gcd(count.factor, others.factor);
  if (common != 0) {
    count.factor /= common;
    others.factor /= common;
  }
  OpFoldResult dividend = index(count.factor);
  for (Value value : count.values) {
    dividend = mul(dividend, value);
  }
  OpFoldResult divisor = index(others.factor);
  for (Value value : others.values) {
    divisor = mul(divisor, value);
  }
  if (isConstantIntValue(divisor, 1)) {
    return dividend;
  }
  if (!getConstantIntValue(divisor) &&
      failed(check(compare(arith::CmpIPredicate::sgt, divisor, index(0)),
                   "cannot infer dim " + Twine(unknown) +
                       " of a reshape from other dims of product {0}",
                   {divisor}))) {
    return failure();
  }
  OpFoldResult quotient = floorDiv(dividend, divisor);
  if (failed(check(
          compare(arith::CmpIPredicate::eq, mul(quotient, divisor), dividend),
          "cannot reshape {0} elements into parts of {1}",
          {dividend, divisor}))) {
    return failure();
  }
  return quotient;
}

/// A run-time 0 copies, a run-time -1 is what is left.
void GraphBuilder::resolveRuntime(Value x, const Sizes &spec,
                                  ArrayRef<size_t> open, bool allowZero,
                                  std::optional<size_t> unknown,
                                  Sizes &result) {
  for (size_t i : open) {
    OpFoldResult entry = spec[i];
    if (!allowZero && static_cast<int64_t>(i) < rankOf(x)) {
      entry = select(compare(arith::CmpIPredicate::eq, entry, index(0)),
                     size(x, i), entry);
    }
    result[i] = entry;
  }
  Sizes positive;
  for (auto [i, entry] : llvm::enumerate(result)) {
    if (unknown && i == *unknown) {
      continue;
    }
    OpFoldResult isUnknown =
        llvm::is_contained(open, i)
            ? compare(arith::CmpIPredicate::eq, entry, index(-1))
            : OpFoldResult(getBoolAttr(false));
    positive.push_back(select(isUnknown, index(1), entry));
  }
  OpFoldResult rest =
      floorDiv(product(sizes(x)), max(product(positive), index(1)));
  for (size_t i : open) {
    result[i] = select(compare(arith::CmpIPredicate::eq, result[i], index(-1)),
                       rest, result[i]);
  }
  if (unknown) {
    result[*unknown] = rest;
  }
}

Value GraphBuilder::reshapeTo(Value x, const Sizes &spec, bool allowZero) {
  if (!x) {
    return {};
  }
  Sizes result;
  std::optional<size_t> unknown;
  SmallVector<size_t> open; // run-time numbers that may be 0 or -1
  for (auto [i, entry] : llvm::enumerate(spec)) {
    std::optional<int64_t> number = getConstantIntValue(entry);
    result.push_back(entry);
    if (number == 0 && !allowZero) {
      if (static_cast<int64_t>(i) >= rankOf(x)) {
        return invalid("shape entry " + Twine(i) +
                       " is 0, but the input has rank " + Twine(rankOf(x)));
      }
      result[i] = size(x, i);
    } else if (number == -1) {
      if (unknown) {
        return invalid("expected at most one -1 in the shape of a reshape");
      }
      unknown = i;
    } else if (number && *number < 0) {
      return invalid("expected shape entries of at least -1, got " +
                     Twine(*number));
    } else if (!number && !isNonNegative(entry)) {
      open.push_back(i);
    }
  }
  if (!open.empty()) {
    resolveRuntime(x, spec, open, allowZero, unknown, result);
  } else if (unknown) {
    FailureOr<OpFoldResult> inferred = inferDim(x, result, *unknown);
    if (failed(inferred)) {
      return {};
    }
    result[*unknown] = *inferred;
    return reshape(x, result);
  }
  if (!resultType(elementOf(x), result)) {
    return {};
  }
  Product before, after;
  for (OpFoldResult size : sizes(x)) {
    before.multiply(size);
  }
  for (OpFoldResult size : result) {
    after.multiply(size);
  }
  bool same = before.factor == after.factor &&
              before.values.size() == after.values.size() &&
              std::is_permutation(before.values.begin(), before.values.end(),
                                  after.values.begin());
  if (!same) {
    OpFoldResult have = product(sizes(x)), want = product(result);
    if (failed(check(compare(arith::CmpIPredicate::eq, have, want),
                     "cannot reshape {0} elements to {1}", {have, want}))) {
      return {};
    }
  }
  return reshape(x, result);
}

Value GraphBuilder::collapse(Value x, int64_t begin, int64_t end) {
  if (!x) {
    return {};
  }
  Sizes all = sizes(x), result(all.begin(), all.begin() + begin);
  result.push_back(product(ArrayRef(all).slice(begin, end - begin)));
  result.append(all.begin() + end, all.end());
  return reshape(x, result);
}

Value GraphBuilder::unsqueeze(Value x, Ints dims) {
  if (!x) {
    return {};
  }
  Sizes result = sizes(x);
  for (int64_t dim : dims) {
    result.insert(result.begin() + dim, index(1));
  }
  return reshape(x, result);
}

Value GraphBuilder::squeeze(Value x, Ints dims) {
  if (!x) {
    return {};
  }
  Sizes result;
  for (auto [dim, size] : llvm::enumerate(Sizes(sizes(x)))) {
    if (!llvm::is_contained(dims, static_cast<int64_t>(dim))) {
      result.push_back(size);
    } else if (failed(checkEqual(index(1), size,
                                 "dim " + Twine(dim) + " to squeeze"))) {
      return {};
    }
  }
  return reshape(x, result);
}

Value GraphBuilder::padRank(Value x, int64_t rank) {
  if (!x || rankOf(x) == rank) {
    return x;
  }
  Sizes result(rank - rankOf(x), index(1));
  llvm::append_range(result, sizes(x));
  return reshape(x, result);
}

} // namespace dlc::build
