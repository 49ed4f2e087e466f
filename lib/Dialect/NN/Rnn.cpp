// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// rnn.
#include "Verify.h"

using namespace mlir;
using namespace dlc::nn;

FusionRole RnnOp::getFusionRole() { return FusionRole::Scan; }

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

LogicalResult RnnOp::verify() {
  RankedTensorType input = getInput().getType(),
                   recurrent = getRecurrent().getType();
  if (failed(verifyRank(*this, "input", input.getRank(), 3)) ||
      failed(verifyRank(*this, "recurrent", recurrent.getRank(), 3))) {
    return failure();
  }
  int64_t directions = getDirection() == RnnDirection::bidirectional ? 2 : 1;
  int64_t hidden = recurrent.getDimSize(2), batch = input.getDimSize(1);
  int64_t gates =
      ShapedType::isDynamic(hidden) ? hidden : gateCount(getCell()) * hidden;
  if (failed(verifyShape(*this, "weight", getWeight().getType().getShape(),
                         {directions, gates, input.getDimSize(2)})) || // c1
      failed(verifyShape(*this, "recurrent", recurrent.getShape(),
                         {directions, gates, hidden})) ||
      failed(verifyShape(*this, "y", getY().getType().getShape(),
                         {input.getDimSize(0), directions, batch, hidden}))) {
    return failure();
  }
  if (getBias() && !ShapedType::isDynamic(gates) &&
      failed(verifyShape(*this, "bias", getBias().getType().getShape(),
                         {directions, 2 * gates}))) { // c2
    return failure();
  }
  for (auto [name, state] :
       {std::pair<StringRef, Value>("initial_h", getInitialH()),
        {"initial_c", getInitialC()},
        {"last_h", getLastH()},
        {"last_c", getLastC()}}) {
    if (state && failed(verifyShape(*this, name, tensorType(state).getShape(),
                                    {directions, batch, hidden}))) {
      return failure();
    }
  }
  return success();
}

LogicalResult RnnOp::reifyResultShapes(OpBuilder &b,
                                       ReifiedRankedShapedTypeDims &dims) {
  Location loc = getLoc();
  OpFoldResult time = sizeOf(b, loc, getInput(), 0),
               batch = sizeOf(b, loc, getInput(), 1),
               directions = sizeOf(b, loc, getRecurrent(), 0),
               hidden = sizeOf(b, loc, getRecurrent(), 2);
  appendShape(b, getY(), {time, directions, batch, hidden}, dims);
  appendShape(b, getLastH(), {directions, batch, hidden}, dims);
  appendShape(b, getLastC(), {directions, batch, hidden}, dims);
  return success();
}
