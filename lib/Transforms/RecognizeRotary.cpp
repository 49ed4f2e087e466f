// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Finds rotary position embeddings (Su et al., "RoFormer", 2021) in the form
// x * cos + rotate_half(x) * sin, whose tables repeat each angle for the second
// half of the width.
#include "Match.h"
#include "Transforms/Passes.h"

#include "Dialect/NN/Sizes.h"

using namespace mlir;

namespace dlc {
#define GEN_PASS_DEF_RECOGNIZEROTARYPASS
#include "Transforms/Passes.h.inc"

using namespace nn;

namespace {

/// Tables up to this size are compared.
constexpr int64_t kMaxTableBytes = int64_t(1) << 26;

class RotaryMatcher {
public:
  RotaryMatcher(ElementwiseOp op, Constants &constants)
      : op(op), constants(constants), b(op) {}

  bool rewrite();

private:
  bool matchSum(unsigned plain);
  bool isHalf(Value value, bool high);
  bool halvesAreEqual(Value table, int64_t dim, unsigned depth = 0);
  Value firstHalf(Value table);

  ElementwiseOp op;
  Constants &constants;
  OpBuilder b;
  Value input, cos, sin;
  int64_t dim = 0, width = 0;
};

/// Whether `value` is the lower or higher half of the input along `dim`.
bool RotaryMatcher::isHalf(Value value, bool high) {
  auto slice = value.getDefiningOp<SliceOp>();
  if (!slice || slice.getInput() != input || !slice.getOffsets().empty() ||
      !slice.getStrides().empty()) {
    return false;
  }
  for (int64_t d = 0; d < typeOf(input).getRank(); ++d) {
    bool isOurs = d == dim;
    // A slice from 0 on that keeps the type's size keeps all of a static dim.
    bool keepsAll = slice.getStaticOffsets()[d] == 0 &&
                    slice.getStaticSizes()[d] == typeOf(input).getDimSize(d);
    bool keepsHalf = slice.getStaticOffsets()[d] == (high ? width : 0) &&
                     slice.getStaticSizes()[d] == width;
    if (slice.getStaticStrides()[d] != 1 || !(isOurs ? keepsHalf : keepsAll)) {
      return false;
    }
  }
  return true;
}

/// Whether table[.., i] is table[.., i + width] along `dim`.
bool RotaryMatcher::halvesAreEqual(Value table, int64_t dim, unsigned depth) {
  if (typeOf(table).getDimSize(dim) == 1) {
    return true;
  }
  if (std::optional<HostTensor> values = constants.get(table, kMaxTableBytes)) {
    ArrayRef<int64_t> shape = values->getType().getShape();
    int64_t inner = 1;
    for (int64_t size : shape.drop_front(dim + 1)) {
      inner *= size;
    }
    for (int64_t i = 0; i < values->getNumElements(); ++i) {
      if (i / inner % shape[dim] < width &&
          values->getNumber(i) != values->getNumber(i + width * inner)) {
        return false;
      }
    }
    return true;
  }
  Operation *maker = table.getDefiningOp();
  if (!maker || depth > 8) {
    return false;
  }
  if (auto concat = dyn_cast<ConcatOp>(maker)) {
    return static_cast<int64_t>(concat.getAxis()) == dim &&
           concat.getInputs().size() == 2 &&
           concat.getInputs()[0] == concat.getInputs()[1];
  }
  if (isa<ElementwiseOp, CastOp>(maker)) {
    return llvm::all_of(maker->getOperands(), [&](Value operand) {
      return halvesAreEqual(operand, dim, depth + 1);
    });
  }
  auto reshape = dyn_cast<ReshapeOp>(maker);
  // Of reshapes only those that keep the last dim.
  int64_t last = typeOf(table).getRank() - 1;
  return reshape && dim == last && reshape.getInput().getType().getRank() > 0 &&
         reshape.getInput().getType().getShape().back() == 2 * width &&
         halvesAreEqual(reshape.getInput(),
                        reshape.getInput().getType().getRank() - 1, depth + 1);
}

/// op = input * cos + concat(-high, low) * sin, with input * cos as operand
/// `plain`.
bool RotaryMatcher::matchSum(unsigned plain) {
  ElementwiseOp first = asFn(op.getInputs()[plain], Fn::mul),
                second = asFn(op.getInputs()[1 - plain], Fn::mul);
  if (!first || !second) {
    return false;
  }
  for (unsigned i = 0; i < 4; ++i) {
    auto concat = second.getInputs()[i & 1].getDefiningOp<ConcatOp>();
    input = first.getInputs()[i >> 1];
    if (!concat || concat.getInputs().size() != 2 ||
        input.getType() != op.getType()) {
      continue;
    }
    cos = first.getInputs()[1 - (i >> 1)];
    sin = second.getInputs()[1 - (i & 1)];
    dim = concat.getAxis();
    int64_t size = op.getType().getDimSize(dim);
    if (ShapedType::isDynamic(size) || size % 2 != 0) {
      return false;
    }
    width = size / 2;
    ElementwiseOp negated = asFn(concat.getInputs()[0], Fn::neg);
    if (negated && isHalf(negated.getInputs()[0], true) &&
        isHalf(concat.getInputs()[1], false) &&
        typeOf(cos).getDimSize(dim) == size &&
        typeOf(sin).getDimSize(dim) == size) {
      return true;
    }
  }
  return false;
}

Value RotaryMatcher::firstHalf(Value table) {
  Location loc = op.getLoc();
  Sizes sizes = sizesOf(b, loc, table);
  Sizes offsets(sizes.size(), b.getIndexAttr(0)),
      strides(sizes.size(), b.getIndexAttr(1));
  sizes[dim] = b.getIndexAttr(width);
  return SliceOp::create(b, loc, table, offsets, sizes, strides);
}

bool RotaryMatcher::rewrite() {
  if (op.getMaybeBroadcast() || (!matchSum(0) && !matchSum(1))) {
    return false;
  }
  if (!halvesAreEqual(cos, dim) || !halvesAreEqual(sin, dim)) {
    remarkMissed(op, "dlc-recognize-rotary", "RecognizeRotary",
                 "kept a rotation of halves: the angles of its halves are not "
                 "known to be equal");
    return false;
  }
  auto rotary = RotaryOp::create(b, op.getLoc(), op.getType(), input,
                                 firstHalf(cos), firstHalf(sin), dim, false);
  op.replaceAllUsesWith(rotary.getResult());
  op.erase();
  return true;
}

class RecognizeRotary final
    : public impl::RecognizeRotaryPassBase<RecognizeRotary> {
public:
  void runOnOperation() override {
    Constants constants(getOperation());
    SmallVector<ElementwiseOp> sums;
    getOperation().walk([&](ElementwiseOp op) {
      if (op.getFn() == Fn::add) {
        sums.push_back(op);
      }
    });
    for (ElementwiseOp op : sums) {
      RotaryMatcher(op, constants).rewrite();
    }
  }
};

} // namespace
} // namespace dlc
