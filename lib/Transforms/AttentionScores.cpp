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

namespace {

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
  AttentionRegionBuilder score, mask;
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
  return mask.emitElement(
      constants.create(b, condition.tensor.getLoc(), flags, "mask"), dims);
}

bool ScoresBuilder::addMask(const ScoreStep &step,
                            const MaskCondition &condition) {
  if (condition.hiding == 0) {
    return true; // A sum with zeros.
  }
  Value seen;
  if (condition.table) {
    seen =
        maskFromTable(condition, getOperandDims(condition.tensor, step.dims));
  } else {
    seen = mask.emitElement(condition.condition,
                            getOperandDims(condition.condition, step.dims));
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
    Value arg =
        i == step.path
            ? (scoreValue ? scoreValue : score.score())
            : score.emitElement(operand, getOperandDims(operand, step.dims));
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
