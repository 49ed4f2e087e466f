// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Score and mask regions of attention. A step is a mask only if the keys that
// it hides get weight 0 exactly: -inf, or so low a number that every score
// added to it rounds to it. Everything else is a change of the score.
#include "AttentionScores.h"
#include "Match.h"

#include <cmath>

using namespace mlir;

namespace dlc {

using namespace nn;

/// f32 scores vanish in a sum with numbers as low as this.
static constexpr double kHidden = -1e30;
/// Masks up to this size are looked into.
static constexpr int64_t kMaxMaskBytes = int64_t(1) << 26;

std::pair<Value, AffineMap> splitIntoLoops(OpBuilder &b, Value tensor,
                                           ArrayRef<LoopDim> dims) {
  SmallVector<SizeExpr> sizes;
  SmallVector<AffineExpr> exprs;
  for (auto [dim, loops] : llvm::enumerate(dims)) {
    if (typeOf(tensor).getDimSize(dim) == 1) {
      continue;
    }
    for (auto [loop, size] : llvm::zip_equal(loops.loops, loops.sizes)) {
      sizes.push_back(size);
      exprs.push_back(b.getAffineDimExpr(loop));
    }
  }
  return {reshapeTo(b, tensor.getLoc(), tensor, sizes),
          AffineMap::get(kNumAttentionLoops, 0, exprs, b.getContext())};
}

namespace {

/// Emits scalar code for elements of tensors at the loops' indices.
class RegionBuilder {
public:
  RegionBuilder(OpBuilder &b, bool hasScore, FloatType element,
                Constants &constants)
      : outer(b), inner(b.getContext()), hasScore(hasScore), element(element),
        constants(constants), loc(b.getUnknownLoc()) {
    region.block = std::make_unique<Block>();
    if (hasScore) {
      region.block->addArgument(element, loc);
    }
    for (unsigned i = 0; i < 5; ++i) {
      region.block->addArgument(b.getIndexType(), loc);
    }
    inner.setInsertionPointToEnd(region.block.get());
  }

  OpBuilder &builder() { return inner; }
  Location getLoc() const { return loc; }
  Value score() { return region.block->getArgument(0); }
  Value index(unsigned loop) {
    return region.block->getArgument(loop + hasScore);
  }
  /// The element of `tensor`: i1, index for other integers, or a float of the
  /// scores' type. Null where there is no scalar form.
  Value element_(Value tensor, const LoopDims &dims);
  /// fn of such scalars, or null.
  Value apply(Fn fn, ArrayRef<Value> args);
  AttentionRegion finish(Value result) {
    YieldOp::create(inner, loc, result);
    return std::move(region);
  }

private:
  Value leaf(Value tensor, const LoopDims &dims);
  Value convert(Value scalar, Type to);
  Value computed(Value tensor, const LoopDims &dims);
  Value applyFloat(Fn fn, ArrayRef<Value> args);
  Value applyInt(Fn fn, ArrayRef<Value> args);
  static bool comesFromIota(Value tensor, unsigned depth = 0);

  OpBuilder &outer;
  OpBuilder inner;
  bool hasScore;
  FloatType element;
  Constants &constants;
  Location loc;
  AttentionRegion region;
  llvm::DenseMap<Value, Value> leaves;
};

/// Scalars of a region: floats of the scores' type, i1, index.
Value RegionBuilder::convert(Value scalar, Type to) {
  Type from = scalar.getType();
  if (from == to) {
    return scalar;
  }
  if (isa<FloatType>(from) && isa<FloatType>(to)) {
    return from.getIntOrFloatBitWidth() < to.getIntOrFloatBitWidth()
               ? Value(arith::ExtFOp::create(inner, loc, to, scalar))
               : Value(arith::TruncFOp::create(inner, loc, to, scalar));
  }
  if (from.isInteger(1) && isa<FloatType>(to)) {
    return arith::UIToFPOp::create(inner, loc, to, scalar);
  }
  if (from.isInteger(1) && to.isIndex()) {
    return arith::IndexCastUIOp::create(inner, loc, to, scalar);
  }
  if (from.isIndex() && isa<FloatType>(to)) {
    Value wide =
        arith::IndexCastOp::create(inner, loc, inner.getI64Type(), scalar);
    return arith::SIToFPOp::create(inner, loc, to, wide);
  }
  if (isa<IntegerType>(from) && to.isIndex() && !from.isUnsignedInteger()) {
    return arith::IndexCastOp::create(inner, loc, to, scalar);
  }
  if (to.isInteger(1) && from.isIndex()) {
    Value zero = arith::ConstantIndexOp::create(inner, loc, 0);
    return arith::CmpIOp::create(inner, loc, arith::CmpIPredicate::ne, scalar,
                                 zero);
  }
  return {};
}

/// The scalar type of a tensor's elements, or null.
static Type scalarType(Type tensorElement, FloatType element) {
  if (isa<FloatType>(tensorElement)) {
    return element;
  }
  if (tensorElement.isInteger(1)) {
    return tensorElement;
  }
  return IndexType::get(element.getContext());
}

bool RegionBuilder::comesFromIota(Value tensor, unsigned depth) {
  Operation *op = tensor.getDefiningOp();
  if (!op || depth > 16) {
    return false;
  }
  if (isa<IotaOp>(op)) {
    return true;
  }
  return isa<ElementwiseOp, CastOp, BroadcastOp, ReshapeOp, TransposeOp>(op) &&
         llvm::any_of(op->getOperands(), [&](Value operand) {
           return isa<RankedTensorType>(operand.getType()) &&
                  comesFromIota(operand, depth + 1);
         });
}

Value RegionBuilder::leaf(Value tensor, const LoopDims &dims) {
  auto [it, isNew] = leaves.try_emplace(tensor);
  if (isNew) {
    auto [view, map] = splitIntoLoops(outer, tensor, dims);
    region.inputs.push_back(view);
    region.maps.push_back(map);
    it->second =
        region.block->addArgument(typeOf(tensor).getElementType(), loc);
  }
  return convert(it->second,
                 scalarType(typeOf(tensor).getElementType(), element));
}

Value RegionBuilder::element_(Value tensor, const LoopDims &dims) {
  Type type = typeOf(tensor).getElementType();
  if (std::optional<double> splat = constants.getSplat(tensor)) {
    if (isa<FloatType>(type)) {
      return arith::ConstantOp::create(inner, loc,
                                       inner.getFloatAttr(element, *splat));
    }
    if (type.isInteger(1)) {
      return arith::ConstantOp::create(inner, loc,
                                       inner.getBoolAttr(*splat != 0));
    }
    return arith::ConstantIndexOp::create(inner, loc,
                                          static_cast<int64_t>(*splat));
  }
  return comesFromIota(tensor) ? computed(tensor, dims) : leaf(tensor, dims);
}

/// The dims of an operand of an op whose result has `dims`.
static LoopDims operandDims(Value operand, const LoopDims &dims) {
  LoopDims result = dims;
  for (auto [dim, loops] : llvm::enumerate(result)) {
    if (typeOf(operand).getDimSize(dim) == 1) {
      loops = {};
    }
  }
  return result;
}

Value RegionBuilder::computed(Value tensor, const LoopDims &dims) {
  Operation *op = tensor.getDefiningOp();
  if (auto iota = dyn_cast<IotaOp>(op)) {
    const LoopDim &dim = dims[iota.getDim()];
    if (dim.loops.size() > 1) {
      return {};
    }
    Value place = dim.loops.empty()
                      ? Value(arith::ConstantIndexOp::create(inner, loc, 0))
                      : index(dim.loops[0]);
    return convert(place, scalarType(iota.getType().getElementType(), element));
  }
  if (auto cast = dyn_cast<CastOp>(op)) {
    Value scalar = element_(cast.getInput(), dims);
    return scalar ? convert(scalar, scalarType(cast.getType().getElementType(),
                                               element))
                  : Value();
  }
  if (auto broadcast = dyn_cast<BroadcastOp>(op)) {
    return element_(broadcast.getInput(),
                    operandDims(broadcast.getInput(), dims));
  }
  if (auto transpose = dyn_cast<TransposeOp>(op)) {
    LoopDims source(dims.size());
    for (auto [dim, from] : llvm::enumerate(transpose.getPermutation())) {
      source[from] = dims[dim];
    }
    return element_(transpose.getInput(), source);
  }
  if (auto reshape = dyn_cast<ReshapeOp>(op)) {
    // Only dims of size 1 may come or go.
    LoopDims wide, source;
    for (auto [dim, size] : llvm::enumerate(reshape.getType().getShape())) {
      if (size != 1) {
        wide.push_back(dims[dim]);
      }
    }
    for (int64_t size : reshape.getInput().getType().getShape()) {
      if (size != 1 && wide.empty()) {
        return {};
      }
      source.push_back(size == 1 ? LoopDim() : wide.front());
      if (size != 1) {
        wide.erase(wide.begin());
      }
    }
    return wide.empty() ? element_(reshape.getInput(), source) : Value();
  }
  auto elementwise = cast<ElementwiseOp>(op);
  SmallVector<Value> args;
  for (Value operand : elementwise.getInputs()) {
    Value arg = element_(operand, operandDims(operand, dims));
    if (!arg) {
      return {};
    }
    args.push_back(arg);
  }
  return apply(elementwise.getFn(), args);
}

Value RegionBuilder::applyFloat(Fn fn, ArrayRef<Value> args) {
  using arith::CmpFPredicate;
  auto compare = [&](CmpFPredicate predicate) -> Value {
    return arith::CmpFOp::create(inner, loc, predicate, args[0], args[1]);
  };
  switch (fn) {
  case Fn::add:
    return arith::AddFOp::create(inner, loc, args[0], args[1]);
  case Fn::sub:
    return arith::SubFOp::create(inner, loc, args[0], args[1]);
  case Fn::mul:
    return arith::MulFOp::create(inner, loc, args[0], args[1]);
  case Fn::div:
    return arith::DivFOp::create(inner, loc, args[0], args[1]);
  case Fn::maximum:
    return arith::MaximumFOp::create(inner, loc, args[0], args[1]);
  case Fn::minimum:
    return arith::MinimumFOp::create(inner, loc, args[0], args[1]);
  case Fn::neg:
    return arith::NegFOp::create(inner, loc, args[0]);
  case Fn::tanh:
    return math::TanhOp::create(inner, loc, args[0]);
  case Fn::exp:
    return math::ExpOp::create(inner, loc, args[0]);
  case Fn::abs:
    return math::AbsFOp::create(inner, loc, args[0]);
  case Fn::eq:
    return compare(CmpFPredicate::OEQ);
  case Fn::ne:
    return compare(CmpFPredicate::UNE);
  case Fn::lt:
    return compare(CmpFPredicate::OLT);
  case Fn::le:
    return compare(CmpFPredicate::OLE);
  case Fn::gt:
    return compare(CmpFPredicate::OGT);
  case Fn::ge:
    return compare(CmpFPredicate::OGE);
  default:
    return {};
  }
}

Value RegionBuilder::applyInt(Fn fn, ArrayRef<Value> args) {
  using arith::CmpIPredicate;
  auto compare = [&](CmpIPredicate predicate) -> Value {
    return arith::CmpIOp::create(inner, loc, predicate, args[0], args[1]);
  };
  bool isBool = args[0].getType().isInteger(1);
  switch (fn) {
  case Fn::bit_and:
    return arith::AndIOp::create(inner, loc, args[0], args[1]);
  case Fn::bit_or:
    return arith::OrIOp::create(inner, loc, args[0], args[1]);
  case Fn::bit_xor:
    return arith::XOrIOp::create(inner, loc, args[0], args[1]);
  case Fn::bit_not: {
    if (!isBool) {
      return {};
    }
    Value yes = arith::ConstantOp::create(inner, loc, inner.getBoolAttr(true));
    return arith::XOrIOp::create(inner, loc, args[0], yes);
  }
  case Fn::eq:
    return compare(CmpIPredicate::eq);
  case Fn::ne:
    return compare(CmpIPredicate::ne);
  default:
    break;
  }
  if (isBool) {
    return {};
  }
  switch (fn) {
  case Fn::add:
    return arith::AddIOp::create(inner, loc, args[0], args[1]);
  case Fn::sub:
    return arith::SubIOp::create(inner, loc, args[0], args[1]);
  case Fn::mul:
    return arith::MulIOp::create(inner, loc, args[0], args[1]);
  case Fn::lt:
    return compare(CmpIPredicate::slt);
  case Fn::le:
    return compare(CmpIPredicate::sle);
  case Fn::gt:
    return compare(CmpIPredicate::sgt);
  case Fn::ge:
    return compare(CmpIPredicate::sge);
  default:
    return {};
  }
}

Value RegionBuilder::apply(Fn fn, ArrayRef<Value> args) {
  if (fn == Fn::select) {
    return arith::SelectOp::create(inner, loc, args[0], args[1], args[2]);
  }
  return isa<FloatType>(args[0].getType()) ? applyFloat(fn, args)
                                           : applyInt(fn, args);
}

/// A boolean tensor that shows keys where it is `shown`, and how hidden ones
/// are written.
struct MaskCondition {
  /// An i1 tensor; or null and a constant table of 0 and a hiding number.
  Value condition;
  bool shown;
  std::optional<HostTensor> table;
  Value tensor;
  double hiding;
};

class ScoresBuilder {
public:
  ScoresBuilder(OpBuilder &b, FloatType element, Constants &constants)
      : b(b), element(element), constants(constants),
        score(b, true, element, constants), mask(b, false, element, constants) {
  }

  bool build(ArrayRef<ScoreStep> steps, std::string &why);
  AttentionScores finish();

private:
  bool takeScale(const ScoreStep &step);
  std::optional<MaskCondition> asMask(const ScoreStep &step);
  std::optional<MaskCondition> asAddedMask(Value operand);
  bool addMask(const ScoreStep &step, const MaskCondition &condition);
  Value maskFromTable(const MaskCondition &condition, const LoopDims &dims);
  bool addScore(const ScoreStep &step);

  OpBuilder &b;
  FloatType element;
  Constants &constants;
  RegionBuilder score, mask;
  Value scoreValue, shown;
  AttentionScores result;
  bool hidesByNumber = false;
};

bool ScoresBuilder::takeScale(const ScoreStep &step) {
  if (scoreValue || shown) {
    return false;
  }
  Fn fn = step.getOp().getFn();
  if (fn != Fn::mul && !(fn == Fn::div && step.path == 0)) {
    return false;
  }
  std::optional<double> factor =
      constants.getSplat(step.getOp().getInputs()[1 - step.path]);
  if (!factor) {
    return false;
  }
  result.scale =
      fn == Fn::mul ? result.scale * *factor : result.scale / *factor;
  return true;
}

/// Whether a number hides a key wherever it is added to a score.
static bool hides(std::optional<double> number, Type type) {
  return number && *number <= kHidden &&
         (std::isinf(*number) || type.getIntOrFloatBitWidth() >= 32);
}

std::optional<MaskCondition> ScoresBuilder::asAddedMask(Value operand) {
  Type type = typeOf(operand).getElementType();
  while (auto broadcast = operand.getDefiningOp<BroadcastOp>()) {
    operand = broadcast.getInput();
  }
  if (ElementwiseOp select = asFn(operand, Fn::select)) {
    std::optional<double> first = constants.getSplat(select.getInputs()[1]),
                          second = constants.getSplat(select.getInputs()[2]);
    if (first == 0.0 && hides(second, type)) {
      return MaskCondition{select.getInputs()[0], true, {}, operand, *second};
    }
    if (second == 0.0 && hides(first, type)) {
      return MaskCondition{select.getInputs()[0], false, {}, operand, *first};
    }
    return std::nullopt;
  }
  std::optional<HostTensor> table = constants.get(operand, kMaxMaskBytes);
  if (!table) {
    return std::nullopt;
  }
  double hiding = 0;
  for (int64_t i = 0; i < table->getNumElements(); ++i) {
    double number = table->getNumber(i);
    if (number == 0) {
      continue;
    }
    if (!hides(number, type) || (hiding != 0 && number != hiding)) {
      return std::nullopt;
    }
    hiding = number;
  }
  return MaskCondition{Value(), true, std::move(table), operand, hiding};
}

std::optional<MaskCondition> ScoresBuilder::asMask(const ScoreStep &step) {
  OperandRange inputs = step.getOp().getInputs();
  if (step.getOp().getFn() == Fn::add) {
    return asAddedMask(inputs[1 - step.path]);
  }
  if (step.getOp().getFn() != Fn::select || step.path == 0) {
    return std::nullopt;
  }
  std::optional<double> other = constants.getSplat(inputs[3 - step.path]);
  if (!hides(other, step.getOp().getType().getElementType())) {
    return std::nullopt;
  }
  MaskCondition condition{inputs[0], step.path == 1, {}, inputs[0], *other};
  if (constants.isConstant(inputs[0])) {
    condition.table = constants.get(inputs[0], kMaxMaskBytes);
  }
  return condition;
}

/// The number of keys by which row m sees more than m + 1 of them, where the
/// shown keys of each row are those up to m plus that number; `isShown` is
/// asked for (m, n).
static std::optional<int64_t>
causalOffset(int64_t rows, int64_t columns,
             llvm::function_ref<bool(int64_t, int64_t)> isShown) {
  int64_t offset = -1;
  while (offset + 1 < columns && isShown(0, offset + 1)) {
    ++offset;
  }
  for (int64_t m = 0; m < rows; ++m) {
    for (int64_t n = 0; n < columns; ++n) {
      if (isShown(m, n) != (n <= m + offset)) {
        return std::nullopt;
      }
    }
  }
  return rows > 1 ? std::optional(offset) : std::nullopt;
}

Value ScoresBuilder::maskFromTable(const MaskCondition &condition,
                                   const LoopDims &dims) {
  const HostTensor &table = *condition.table;
  bool isBool = table.getElementType().isInteger(1);
  auto isShownAt = [&](int64_t i) {
    return isBool ? (table.getInt(i) != 0) == condition.shown
                  : table.getNumber(i) == 0;
  };
  // Rows and columns as the only dims: index arithmetic instead of a table.
  SmallVector<unsigned> loops;
  SmallVector<int64_t> sizes;
  for (auto [dim, size] : llvm::enumerate(table.getType().getShape())) {
    if (size != 1) {
      loops.append(dims[dim].loops.begin(), dims[dim].loops.end());
      sizes.push_back(size);
    }
  }
  OpBuilder &inner = mask.builder();
  Location loc = mask.getLoc();
  if (loops == SmallVector<unsigned>{kRow, kKey}) {
    std::optional<int64_t> offset =
        causalOffset(sizes[0], sizes[1], [&](int64_t m, int64_t n) {
          return isShownAt(m * sizes[1] + n);
        });
    if (offset) {
      Value last = mask.index(kRow);
      if (*offset != 0) {
        Value by = arith::ConstantIndexOp::create(inner, loc, *offset);
        last = arith::AddIOp::create(inner, loc, last, by);
      }
      return arith::CmpIOp::create(inner, loc, arith::CmpIPredicate::sle,
                                   mask.index(kKey), last);
    }
  }
  HostTensor flags(table.getType().clone(b.getI1Type()));
  for (int64_t i = 0; i < table.getNumElements(); ++i) {
    flags.setInt(i, isShownAt(i));
  }
  return mask.element_(
      constants.create(b, condition.tensor.getLoc(), flags, "mask"), dims);
}

bool ScoresBuilder::addMask(const ScoreStep &step,
                            const MaskCondition &condition) {
  if (condition.hiding == 0) {
    return true; // A sum with zeros.
  }
  Value seen;
  if (condition.table) {
    seen = maskFromTable(condition, operandDims(condition.tensor, step.dims));
  } else {
    seen = mask.element_(condition.condition,
                         operandDims(condition.condition, step.dims));
    if (seen && !condition.shown) {
      seen = mask.apply(Fn::bit_not, seen);
    }
  }
  if (!seen) {
    return false;
  }
  bool byNumber = std::isfinite(condition.hiding);
  // Two finite masks could add up to -inf, and a row hidden by one alone would
  // then win over keys hidden by both.
  if (shown && (byNumber || hidesByNumber)) {
    return false;
  }
  hidesByNumber = byNumber;
  result.emptyRow = byNumber ? EmptyRow::average : EmptyRow::nan;
  shown = shown ? mask.apply(Fn::bit_and, {shown, seen}) : seen;
  return true;
}

bool ScoresBuilder::addScore(const ScoreStep &step) {
  // Behind a mask only sums leave hidden keys hidden.
  if (shown && step.getOp().getFn() != Fn::add) {
    return false;
  }
  SmallVector<Value> args;
  for (auto [i, operand] : llvm::enumerate(step.getOp().getInputs())) {
    Value arg = i == step.path
                    ? (scoreValue ? scoreValue : score.score())
                    : score.element_(operand, operandDims(operand, step.dims));
    if (!arg) {
      return false;
    }
    args.push_back(arg);
  }
  scoreValue = score.apply(step.getOp().getFn(), args);
  return scoreValue != nullptr;
}

bool ScoresBuilder::build(ArrayRef<ScoreStep> steps, std::string &why) {
  for (const ScoreStep &step : steps) {
    if (takeScale(step)) {
      continue;
    }
    std::optional<MaskCondition> condition = asMask(step);
    if (condition && addMask(step, *condition)) {
      continue;
    }
    if (!addScore(step)) {
      why = ("'" + stringifyFn(step.getOp().getFn()) +
             "' between scores and softmax has no region form")
                .str();
      return false;
    }
  }
  return true;
}

AttentionScores ScoresBuilder::finish() {
  if (scoreValue) {
    result.score = score.finish(scoreValue);
  }
  if (shown) {
    result.mask = mask.finish(shown);
  }
  return std::move(result);
}

} // namespace

std::optional<AttentionScores>
buildAttentionScores(OpBuilder &b, ArrayRef<ScoreStep> steps, FloatType element,
                     Constants &constants, std::string &why) {
  ScoresBuilder builder(b, element, constants);
  if (!builder.build(steps, why)) {
    return std::nullopt;
  }
  return builder.finish();
}

} // namespace dlc
