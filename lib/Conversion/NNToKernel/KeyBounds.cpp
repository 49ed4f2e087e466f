// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Finds bounds of the keys among the conditions of attention's mask.
#include "Conversion/NNToKernel/KeyBounds.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace dlc {

/// What an index of the mask is cast from, or the value itself.
static Value skipIndexCast(Value value) {
  auto cast = value.getDefiningOp<arith::IndexCastOp>();
  return cast ? cast.getIn() : value;
}

/// `value` as the row and offsets that are the same for all of the kernel.
static std::optional<RowBound> parseRowBound(Value value, Block &mask) {
  RowBound offsets;
  SmallVector<Value> terms{value};
  bool hasRow = false;
  for (size_t i = 0; i < terms.size(); ++i) {
    Value term = skipIndexCast(terms[i]);
    if (term == mask.getArgument(nn::kRow)) {
      if (std::exchange(hasRow, true)) {
        return std::nullopt;
      }
    } else if (term.getParentBlock() != &mask) {
      offsets.push_back(term);
    } else if (auto sum = term.getDefiningOp<arith::AddIOp>()) {
      terms.append({sum.getLhs(), sum.getRhs()});
    } else {
      return std::nullopt;
    }
  }
  return hasRow ? std::optional(offsets) : std::nullopt;
}

/// The bounds of any mask.
static KeyBounds parseMask(nn::AttentionOp op) {
  KeyBounds bounds;
  if (op.getMask().empty()) {
    return bounds;
  }
  bounds.areWholeMask = true;
  Block &mask = op.getMask().front();
  SmallVector<Value> conditions{
      cast<nn::YieldOp>(mask.getTerminator()).getValues()[0]};
  for (size_t i = 0; i < conditions.size(); ++i) {
    if (auto both = conditions[i].getDefiningOp<arith::AndIOp>()) {
      conditions.append({both.getLhs(), both.getRhs()});
      continue;
    }
    auto compare = conditions[i].getDefiningOp<arith::CmpIOp>();
    std::optional<RowBound> *side = nullptr;
    if (compare &&
        skipIndexCast(compare.getLhs()) == mask.getArgument(nn::kKey)) {
      side = compare.getPredicate() == arith::CmpIPredicate::sle ? &bounds.last
             : compare.getPredicate() == arith::CmpIPredicate::sge
                 ? &bounds.first
                 : nullptr;
    }
    std::optional<RowBound> found;
    if (side && !*side) {
      found = parseRowBound(compare.getRhs(), mask);
    }
    if (found) {
      *side = found;
    } else {
      bounds.areWholeMask = false;
    }
  }
  return bounds;
}

KeyBounds findKeyBounds(nn::AttentionOp op) {
  KeyBounds bounds = parseMask(op);
  bool seesFirst = bounds.areWholeMask && !bounds.first && bounds.last &&
                   bounds.last->empty();
  bool averages = op.getEmptyRow() == nn::EmptyRow::average;
  return averages && !seesFirst ? KeyBounds() : bounds;
}

OpFoldResult sumOffsets(KernelBuilder &kb, const RowBound &bound) {
  OpFoldResult sum = kb.math.constant(0);
  for (Value offset : bound) {
    Value scalar = kb.scalar(offset);
    if (!scalar.getType().isIndex()) {
      scalar = arith::IndexCastOp::create(kb.b, kb.b.getIndexType(), scalar);
    }
    sum = kb.math.add(sum, scalar);
  }
  return sum;
}

} // namespace dlc
