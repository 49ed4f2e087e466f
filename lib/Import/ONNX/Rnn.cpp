// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RNN, LSTM and GRU.
#include "Builders.h"

#include "llvm/ADT/StringSwitch.h"

using namespace mlir;

namespace dlc::onnx {

using nn::RnnCell;

namespace {
/// An activation's name in nn and the defaults of its parameters.
struct Activation {
  StringRef name;
  double alpha = 0, beta = 0;
  unsigned parameters = 0;
};
} // namespace

static std::optional<Activation> findActivation(StringRef name) {
  return llvm::StringSwitch<std::optional<Activation>>(name.lower())
      .Case("relu", Activation{"relu"})
      .Case("tanh", Activation{"tanh"})
      .Case("sigmoid", Activation{"sigmoid"})
      .Case("softsign", Activation{"softsign"})
      .Case("softplus", Activation{"softplus"})
      .Case("affine", Activation{"affine", 1, 0, 2})
      .Case("leakyrelu", Activation{"leaky_relu", 0.01, 0, 1})
      .Case("thresholdedrelu", Activation{"thresholded_relu", 1, 0, 1})
      .Case("scaledtanh", Activation{"scaled_tanh", 1, 1, 2})
      .Case("hardsigmoid", Activation{"hard_sigmoid", 0.2, 0.5, 2})
      .Case("elu", Activation{"elu", 1, 0, 1})
      .Default(std::nullopt);
}

static unsigned gateCount(RnnCell cell) {
  return cell == RnnCell::lstm ? 4 : cell == RnnCell::gru ? 3 : 1;
}

static unsigned activationCount(RnnCell cell) {
  return cell == RnnCell::lstm ? 3 : cell == RnnCell::gru ? 2 : 1;
}

namespace {
/// The activations of a node; null attributes where they are the cell's own.
struct Activations {
  ArrayAttr names;
  DenseF64ArrayAttr alphas, betas;
};
} // namespace

static FailureOr<Activations> readActivations(NodeContext &ctx, RnnCell cell,
                                              unsigned directions) {
  Activations result;
  const AttributeProto *given = ctx.attribute("activations");
  if (!given || given->strings.empty()) {
    return result;
  }
  if (given->strings.size() != activationCount(cell) * directions) {
    return ctx.invalid("expected " + Twine(activationCount(cell) * directions) +
                       " activations, got " + Twine(given->strings.size()));
  }
  static const std::vector<float> none;
  const AttributeProto *alpha = ctx.attribute("activation_alpha"),
                       *beta = ctx.attribute("activation_beta");
  const std::vector<float> &alphas = alpha ? alpha->floats : none,
                           &betas = beta ? beta->floats : none;
  size_t nextAlpha = 0, nextBeta = 0;
  SmallVector<Attribute> names;
  SmallVector<double> first, second;
  for (StringRef text : given->strings) {
    std::optional<Activation> known = findActivation(text);
    if (!known) {
      return ctx.invalid("unknown activation '" + text + "'");
    }
    // Given values go, in order, to the functions that have parameters.
    if (known->parameters > 0 && nextAlpha < alphas.size()) {
      known->alpha = alphas[nextAlpha++];
    }
    if (known->parameters > 1 && nextBeta < betas.size()) {
      known->beta = betas[nextBeta++];
    }
    names.push_back(ctx.b.getStringAttr(known->name));
    first.push_back(known->alpha);
    second.push_back(known->beta);
  }
  result.names = ctx.b.getArrayAttr(names);
  result.alphas = ctx.b.getDenseF64ArrayAttr(first);
  result.betas = ctx.b.getDenseF64ArrayAttr(second);
  return result;
}

/// Fails unless the tensor, if there is one, has these sizes.
static LogicalResult checkSizes(NodeContext &ctx, Value tensor,
                                llvm::ArrayRef<OpFoldResult> sizes,
                                StringRef what) {
  if (!tensor) {
    return success();
  }
  if (GraphBuilder::rankOf(tensor) != static_cast<int64_t>(sizes.size())) {
    return ctx.invalid("expected " + what + " of rank " + Twine(sizes.size()) +
                       ", got " + Twine(GraphBuilder::rankOf(tensor)));
  }
  for (auto [dim, size] : llvm::enumerate(sizes)) {
    if (failed(ctx.b.checkEqual(size, ctx.b.size(tensor, dim),
                                what + " dim " + Twine(dim)))) {
      return failure();
    }
  }
  return success();
}

template <RnnCell cell> LogicalResult buildRnn(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  auto direction = llvm::StringSwitch<std::optional<nn::RnnDirection>>(
                       ctx.getString("direction", "forward"))
                       .Case("forward", nn::RnnDirection::forward)
                       .Case("reverse", nn::RnnDirection::reverse)
                       .Case("bidirectional", nn::RnnDirection::bidirectional)
                       .Default(std::nullopt);
  if (!direction || ctx.rank() != 3 || ctx.rank(2) != 3) {
    return ctx.invalid("expected X and R of rank 3 and a direction forward, "
                       "reverse or bidirectional");
  }
  bool batchFirst = ctx.getFlag("layout"), isLstm = cell == RnnCell::lstm;
  unsigned directions = *direction == nn::RnnDirection::bidirectional ? 2 : 1;
  FailureOr<Activations> activations = readActivations(ctx, cell, directions);
  if (failed(activations)) {
    return failure();
  }
  Value x = ctx.input(0), h = ctx.input(5), c = isLstm ? ctx.input(6) : Value();
  if (batchFirst) {
    x = b.transpose(x, {1, 0, 2});
    h = h ? b.transpose(h, {1, 0, 2}) : h;
    c = c ? b.transpose(c, {1, 0, 2}) : c;
  }
  OpFoldResult time = b.size(x, 0), batch = b.size(x, 1),
               hidden = b.size(ctx.input(2), 2), sides = b.index(directions);
  OpFoldResult gates = b.mul(hidden, b.index(gateCount(cell)));
  Sizes state{sides, batch, hidden};
  int64_t declared = ctx.getInt("hidden_size", -1);
  if ((declared >= 0 &&
       failed(b.checkEqual(b.index(declared), hidden, "R dim 2"))) ||
      failed(
          checkSizes(ctx, ctx.input(1), {sides, gates, b.size(x, 2)}, "W")) ||
      failed(checkSizes(ctx, ctx.input(2), {sides, gates, hidden}, "R")) ||
      failed(checkSizes(ctx, ctx.input(3), {sides, b.mul(gates, b.index(2))},
                        "B")) ||
      failed(checkSizes(ctx, ctx.input(4), {batch}, "sequence_lens")) ||
      failed(checkSizes(ctx, h, state, "initial_h")) ||
      failed(checkSizes(ctx, c, state, "initial_c"))) {
    return failure();
  }
  Value peephole = isLstm ? ctx.input(7) : Value();
  if (failed(
          checkSizes(ctx, peephole, {sides, b.mul(hidden, b.index(3))}, "P"))) {
    return failure();
  }
  Sizes all{time, sides, batch, hidden};
  RankedTensorType yType = b.resultType(ctx.element(), all),
                   stateType = b.resultType(ctx.element(), state);
  if (!yType || !stateType) {
    return failure();
  }
  FloatAttr clip = ctx.has("clip") ? b.getF64FloatAttr(ctx.getFloat("clip", 0))
                                   : FloatAttr();
  auto flag = [&](StringRef name) {
    return ctx.getFlag(name) ? b.getUnitAttr() : UnitAttr();
  };
  auto op = nn::RnnOp::create(
      b, b.loc, yType, stateType, stateType, x, ctx.input(1), ctx.input(2),
      ctx.input(3), ctx.input(4), h, c, peephole,
      nn::RnnCellAttr::get(b.getContext(), cell),
      nn::RnnDirectionAttr::get(b.getContext(), *direction), activations->names,
      activations->alphas, activations->betas, clip,
      flag("linear_before_reset"), flag("input_forget"));
  Value y = op.getY(), lastH = op.getLastH(), lastC = op.getLastC();
  b.setSizes(y, all);
  b.setSizes(lastH, state);
  b.setSizes(lastC, state);
  if (batchFirst) {
    y = b.transpose(y, {2, 0, 1, 3});
    lastH = b.transpose(lastH, {1, 0, 2});
    lastC = b.transpose(lastC, {1, 0, 2});
  }
  return ctx.results({y, lastH, lastC});
}

template LogicalResult buildRnn<RnnCell::rnn>(NodeContext &);
template LogicalResult buildRnn<RnnCell::lstm>(NodeContext &);
template LogicalResult buildRnn<RnnCell::gru>(NodeContext &);

} // namespace dlc::onnx
