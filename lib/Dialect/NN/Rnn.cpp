// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// rnn and recurrence.
#include "Verify.h"

using namespace mlir;
using namespace dlc::nn;

FusionRole RnnOp::getFusionRole() { return FusionRole::Scan; }
FusionRole RecurrenceOp::getFusionRole() { return FusionRole::Scan; }

static int64_t gateCount(RnnCell cell) {
  switch (cell) {
  case RnnCell::rnn:
    return 1;
  case RnnCell::lstm:
    return 4;
  case RnnCell::gru:
    return 3;
  }
  llvm_unreachable("closed enum");
}

namespace {
/// The sizes that the operands and results of a recurrence share.
struct RecurrentSizes {
  int64_t time, batch, directions, gates, hidden;
};
} // namespace

static bool isActivation(StringRef name) {
  return llvm::is_contained({"relu", "tanh", "sigmoid", "softplus",
                             "leaky_relu", "hard_sigmoid", "elu", "softsign",
                             "affine", "scaled_tanh", "thresholded_relu"},
                            name);
}

template <typename Op> static LogicalResult verifyActivations(Op op) {
  ArrayAttr names = op.getActivationsAttr();
  for (Attribute name : names ? names.getValue() : ArrayRef<Attribute>()) {
    if (!isActivation(cast<StringAttr>(name))) {
      return op.emitOpError() << "unknown activation " << name; // c3
    }
  }
  return success();
}

/// Checks what rnn and recurrence have in common, given time and batch.
template <typename Op>
static FailureOr<RecurrentSizes> verifyRecurrent(Op op, int64_t time,
                                                 int64_t batch) {
  RankedTensorType recurrent = op.getRecurrent().getType();
  if (failed(verifyActivations(op)) ||
      failed(verifyRank(op, "recurrent", recurrent.getRank(), 3))) {
    return failure();
  }
  int64_t directions = op.getDirection() == RnnDirection::bidirectional ? 2 : 1;
  int64_t hidden = recurrent.getDimSize(2);
  int64_t gates =
      ShapedType::isDynamic(hidden) ? hidden : gateCount(op.getCell()) * hidden;
  if (failed(verifyShape(op, "recurrent", recurrent.getShape(),
                         {directions, gates, hidden})) || // c1
      failed(verifyShape(op, "y", op.getY().getType().getShape(),
                         {time, directions, batch, hidden}))) {
    return failure();
  }
  if (op.getBias() && !ShapedType::isDynamic(gates) &&
      failed(verifyShape(op, "bias", op.getBias().getType().getShape(),
                         {directions, 2 * gates}))) { // c2
    return failure();
  }
  for (auto [name, state] :
       {std::pair<StringRef, Value>("initial_h", op.getInitialH()),
        {"initial_c", op.getInitialC()},
        {"last_h", op.getLastH()},
        {"last_c", op.getLastC()}}) {
    if (state && failed(verifyShape(op, name, tensorType(state).getShape(),
                                    {directions, batch, hidden}))) {
      return failure();
    }
  }
  return RecurrentSizes{time, batch, directions, gates, hidden};
}

LogicalResult RnnOp::verify() {
  RankedTensorType input = getInput().getType();
  if (failed(verifyRank(*this, "input", input.getRank(), 3))) {
    return failure();
  }
  FailureOr<RecurrentSizes> sizes =
      verifyRecurrent(*this, input.getDimSize(0), input.getDimSize(1));
  if (failed(sizes)) {
    return failure();
  }
  return verifyShape(*this, "weight", getWeight().getType().getShape(),
                     {sizes->directions, sizes->gates, input.getDimSize(2)});
}

LogicalResult RecurrenceOp::verify() {
  RankedTensorType products = getProducts().getType();
  if (failed(verifyRank(*this, "products", products.getRank(), 4))) {
    return failure();
  }
  FailureOr<RecurrentSizes> sizes =
      verifyRecurrent(*this, products.getDimSize(0), products.getDimSize(1));
  if (failed(sizes)) {
    return failure();
  }
  return verifyShape(
      *this, "products", products.getShape(),
      {sizes->time, sizes->batch, sizes->directions, sizes->gates});
}

/// The results' shapes; `input` has time and batch in front.
template <typename Op>
static LogicalResult reifyRecurrent(OpBuilder &b, Op op, Value input,
                                    ReifiedRankedShapedTypeDims &dims) {
  Location loc = op.getLoc();
  OpFoldResult time = sizeOf(b, loc, input, 0),
               batch = sizeOf(b, loc, input, 1),
               directions = sizeOf(b, loc, op.getRecurrent(), 0),
               hidden = sizeOf(b, loc, op.getRecurrent(), 2);
  appendShape(b, op.getY(), {time, directions, batch, hidden}, dims);
  appendShape(b, op.getLastH(), {directions, batch, hidden}, dims);
  appendShape(b, op.getLastC(), {directions, batch, hidden}, dims);
  return success();
}

LogicalResult RnnOp::reifyResultShapes(OpBuilder &b,
                                       ReifiedRankedShapedTypeDims &dims) {
  return reifyRecurrent(b, *this, getInput(), dims);
}

LogicalResult
RecurrenceOp::reifyResultShapes(OpBuilder &b,
                                ReifiedRankedShapedTypeDims &dims) {
  return reifyRecurrent(b, *this, getProducts(), dims);
}
