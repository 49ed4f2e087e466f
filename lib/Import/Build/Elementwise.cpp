// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Elementwise functions with ONNX's broadcasting, casts and iota.
#include "Import/Build/GraphBuilder.h"

using namespace mlir;

namespace dlc::build {

bool GraphBuilder::isOneForSure(OpFoldResult size) {
  return isConstantIntValue(size, 1);
}

/// Whether two sizes that broadcast are equal: `part` is min(whole, n) with n
/// of at least 2, so that either both are 1 or none is.
bool GraphBuilder::isPartOf(OpFoldResult part, OpFoldResult whole) {
  auto value = dyn_cast<Value>(part);
  auto min = value ? value.getDefiningOp<arith::MinSIOp>() : arith::MinSIOp();
  if (!min || getConstantIntValue(whole)) {
    return false;
  }
  Value other = min.getLhs() == llvm::cast<Value>(whole)   ? min.getRhs()
                : min.getRhs() == llvm::cast<Value>(whole) ? min.getLhs()
                                                           : Value();
  return other && getConstantIntValue(other).value_or(0) > 1;
}

LogicalResult GraphBuilder::checkBroadcast(OpFoldResult size,
                                           OpFoldResult result, int64_t dim) {
  OpFoldResult fits = compare(arith::CmpIPredicate::eq, size, result);
  OpFoldResult isOne = compare(arith::CmpIPredicate::eq, size, index(1));
  OpFoldResult either = select(fits, getBoolAttr(true), isOne);
  if (auto fitsValue = dyn_cast<Value>(fits)) {
    either = unique([&]() -> OpFoldResult {
      return arith::OrIOp::create(*this, loc, fitsValue,
                                  llvm::cast<Value>(isOne))
          .getResult();
    });
  }
  return check(either,
               "expected dim " + Twine(dim) +
                   " of size {0} or 1 to broadcast, got {1}",
               {result, size});
}

/// Size of one dim of the operands' broadcast. `flagged` gets the operands that
/// may turn out to be 1 at run time.
FailureOr<OpFoldResult>
GraphBuilder::broadcastDim(ArrayRef<OpFoldResult> operands, int64_t dim,
                           SmallVectorImpl<unsigned> &flagged) {
  OpFoldResult sure; // a size that is the result's, whatever the others are
  SmallVector<OpFoldResult> open;
  for (OpFoldResult size : operands) {
    if (isOneForSure(size) || size == sure) {
      continue;
    }
    bool notOne = getConstantIntValue(size) || assumeStrictDims ||
                  lowerBound(size).value_or(0) > 1;
    if (!notOne) {
      if (!llvm::is_contained(open, size)) {
        open.push_back(size);
      }
    } else if (!sure ||
               (!getConstantIntValue(sure) && getConstantIntValue(size))) {
      if (sure && failed(checkEqual(size, sure, "dim " + Twine(dim)))) {
        return failure();
      }
      sure = size;
    } else if (failed(checkEqual(sure, size, "dim " + Twine(dim)))) {
      return failure();
    }
  }
  for (auto *part = open.begin(); part != open.end();) {
    auto *whole = llvm::find_if(
        open, [&](OpFoldResult size) { return isPartOf(*part, size); });
    if (whole == open.end()) {
      ++part;
      continue;
    }
    if (failed(checkEqual(*whole, *part, "dim " + Twine(dim)))) {
      return failure();
    }
    part = open.erase(part);
  }
  if (!sure && open.empty()) {
    return OpFoldResult(index(1));
  }
  if (!sure && open.size() == 1) {
    return open.front();
  }
  OpFoldResult result = sure;
  if (!result) {
    result = open.front();
    for (OpFoldResult size : ArrayRef(open).drop_front()) {
      result = select(compare(arith::CmpIPredicate::eq, result, index(1)), size,
                      result);
    }
  }
  for (OpFoldResult size : open) {
    if (failed(checkBroadcast(size, result, dim))) {
      return failure();
    }
  }
  for (auto [i, size] : llvm::enumerate(operands)) {
    if (llvm::is_contained(open, size)) {
      flagged.push_back(i);
    }
  }
  return result;
}

FailureOr<Sizes> GraphBuilder::broadcastSizes(ArrayRef<Value> operands) {
  int64_t rank = 0;
  for (Value operand : operands) {
    if (!operand) {
      return failure();
    }
    rank = std::max(rank, rankOf(operand));
  }
  Sizes result;
  for (int64_t dim = 0; dim < rank; ++dim) {
    SmallVector<OpFoldResult> candidates;
    for (Value operand : operands) {
      int64_t at = dim - (rank - rankOf(operand));
      candidates.push_back(at < 0 ? OpFoldResult(index(1)) : size(operand, at));
    }
    SmallVector<unsigned> flagged;
    FailureOr<OpFoldResult> joined = broadcastDim(candidates, dim, flagged);
    if (failed(joined)) {
      return failure();
    }
    result.push_back(*joined);
  }
  return result;
}

static Type resultElement(const nn::FnInfo &info, ArrayRef<Value> operands,
                          Type given) {
  switch (info.result) {
  case nn::FnResult::Bool:
    return IntegerType::get(operands[0].getContext(), 1);
  case nn::FnResult::EqualWidth:
    return given;
  case nn::FnResult::Same:
    return GraphBuilder::elementOf(operands.back());
  }
  llvm_unreachable("closed enum");
}

static DictionaryAttr paramsOf(OpBuilder &b,
                               ArrayRef<std::pair<StringRef, double>> params,
                               nn::Fn fn) {
  if (params.empty()) {
    return {};
  }
  SmallVector<NamedAttribute> entries;
  for (auto [name, value] : params) {
    Attribute attribute = fn == nn::Fn::is_inf
                              ? Attribute(b.getBoolAttr(value != 0))
                              : Attribute(b.getF64FloatAttr(value));
    entries.push_back(b.getNamedAttr(name, attribute));
  }
  return b.getDictionaryAttr(entries);
}

Value GraphBuilder::elementwise(nn::Fn fn, ArrayRef<Value> operands,
                                ArrayRef<std::pair<StringRef, double>> params,
                                Type result) {
  if (llvm::is_contained(operands, Value())) {
    return {};
  }
  int64_t rank = 0;
  for (Value operand : operands) {
    rank = std::max(rank, rankOf(operand));
  }
  SmallVector<Value> aligned;
  for (Value operand : operands) {
    aligned.push_back(padRank(operand, rank));
  }
  Sizes sizesOfResult;
  SmallVector<SmallVector<int64_t>> flags(operands.size());
  bool anyFlag = false;
  for (int64_t dim = 0; dim < rank; ++dim) {
    SmallVector<OpFoldResult> candidates;
    for (Value operand : aligned) {
      candidates.push_back(size(operand, dim));
    }
    SmallVector<unsigned> flagged;
    FailureOr<OpFoldResult> joined = broadcastDim(candidates, dim, flagged);
    if (failed(joined)) {
      return {};
    }
    sizesOfResult.push_back(*joined);
    for (unsigned i : flagged) {
      flags[i].push_back(dim);
      anyFlag = true;
    }
  }
  ArrayAttr maybeBroadcast;
  if (anyFlag) {
    maybeBroadcast =
        getArrayAttr(llvm::map_to_vector(flags, [&](auto &dims) -> Attribute {
          return getDenseI64ArrayAttr(dims);
        }));
  }
  Type element = resultElement(nn::getFnInfo(fn), aligned, result);
  return make<nn::ElementwiseOp>(element, sizesOfResult, fn, aligned,
                                 paramsOf(*this, params, fn), maybeBroadcast);
}

Value GraphBuilder::binary(nn::Fn fn, Value lhs, double rhs) {
  return lhs ? binary(fn, lhs, scalar(elementOf(lhs), rhs)) : Value();
}

Value GraphBuilder::cast(Value x, Type element, std::optional<bool> saturate) {
  if (!x || elementOf(x) == element) {
    return x;
  }
  BoolAttr attribute;
  if (saturate && element.getIntOrFloatBitWidth() <= 8 &&
      isa<FloatType>(element)) {
    attribute = getBoolAttr(*saturate);
  }
  Sizes shape = sizes(x);
  return make<nn::CastOp>(element, shape, x, attribute);
}

Value GraphBuilder::widen(Value x) {
  auto type = dyn_cast_or_null<FloatType>(x ? elementOf(x) : Type());
  return type && type.getWidth() < 32 ? cast(x, getF32Type()) : x;
}

Value GraphBuilder::iota(const Sizes &sizes, int64_t dim, Type element) {
  return make<nn::IotaOp>(element, sizes, nn::dynamicSizes(sizes), dim);
}

} // namespace dlc::build
