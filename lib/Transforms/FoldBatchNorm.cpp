// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Folds inference batch norms into filters and biases, in f64 with one rounding
// (Jacob et al., "Quantization and Training of Neural Networks for Efficient
// Integer-Arithmetic-Only Inference", section 3.2, has the same algebra).
#include "Match.h"
#include "Transforms/Passes.h"

#include <cmath>

using namespace mlir;

namespace dlc {
#define GEN_PASS_DEF_FOLDBATCHNORMPASS
#include "Transforms/Passes.h.inc"

using namespace nn;

namespace {

/// y = scale * x + shift, per channel.
struct ChannelAffine {
  SmallVector<double> scale, shift;
};

class BatchNormFolder {
public:
  BatchNormFolder(BatchNormOp op, Constants &constants)
      : op(op), constants(constants), b(op) {}

  /// Reads the four vectors; false where one is not constant.
  bool readAffine();
  /// Folds into the op before; false, after a remark, where that is not legal.
  bool fold();
  /// Replaces the op by mul and add.
  void expand();

private:
  bool decline(const Twine &reason);
  bool foldIntoConv(ConvOp conv);
  bool foldIntoContract(ContractOp contract, ElementwiseOp biasAdd);
  /// Whether `filter` times the scales stays in range; `axis` and `inner` give
  /// the channel of element i as for a vector along the axis.
  bool fitsFilter(Value filter, llvm::function_ref<int64_t(int64_t)> channelOf);
  /// `bias` * scale + shift as a vector; `bias` may be null. Null if it is not
  /// constant.
  Value makeBias(Value bias, Type element, ArrayRef<int64_t> shape);
  DenseFPElementsAttr scaleAttr();
  Value makeVector(ArrayRef<double> values, Type element,
                   ArrayRef<int64_t> shape, StringRef name);
  SmallVector<int64_t> broadcastShape();

  BatchNormOp op;
  Constants &constants;
  OpBuilder b;
  ChannelAffine affine;
};

bool BatchNormFolder::readAffine() {
  SmallVector<HostTensor, 4> vectors;
  for (Value value :
       {op.getScale(), op.getBias(), op.getMean(), op.getVariance()}) {
    std::optional<HostTensor> vector = constants.get(value);
    if (!vector) {
      return decline("its statistics are not constant");
    }
    vectors.push_back(std::move(*vector));
  }
  double epsilon = op.getEpsilon().convertToDouble();
  for (int64_t c = 0; c < vectors[0].getNumElements(); ++c) {
    double scale =
        vectors[0].getFloat(c) / std::sqrt(vectors[3].getFloat(c) + epsilon);
    affine.scale.push_back(scale);
    affine.shift.push_back(vectors[1].getFloat(c) -
                           vectors[2].getFloat(c) * scale);
  }
  return true;
}

bool BatchNormFolder::decline(const Twine &reason) {
  remarkMissed(op, "dlc-fold-batch-norm", "FoldBatchNorm",
               "kept batch norm apart: " + reason);
  return false;
}

bool BatchNormFolder::fold() {
  Value input = op.getInput();
  if (auto conv = input.getDefiningOp<ConvOp>()) {
    return foldIntoConv(conv);
  }
  if (auto contract = input.getDefiningOp<ContractOp>()) {
    return foldIntoContract(contract, nullptr);
  }
  auto add = input.getDefiningOp<ElementwiseOp>();
  if (add && add.getFn() == Fn::add) {
    if (auto contract = add.getInputs()[0].getDefiningOp<ContractOp>()) {
      return foldIntoContract(contract, add);
    }
  }
  return decline("its input is no convolution or contraction");
}

bool BatchNormFolder::fitsFilter(
    Value filter, llvm::function_ref<int64_t(int64_t)> channelOf) {
  std::optional<HostTensor> tensor =
      constants.get(filter, std::numeric_limits<int64_t>::max());
  if (!tensor || !isa<FloatType>(tensor->getElementType())) {
    return decline("its filter is not constant");
  }
  const llvm::fltSemantics &semantics =
      cast<FloatType>(tensor->getElementType()).getFloatSemantics();
  double limit = APFloat::getLargest(semantics).convertToDouble() / 2;
  for (double scale : affine.scale) {
    if (!std::isfinite(scale)) {
      return decline("a factor is not finite");
    }
  }
  for (int64_t i = 0; i < tensor->getNumElements(); ++i) {
    double product = tensor->getFloat(i) * affine.scale[channelOf(i)];
    if (std::abs(product) > limit) {
      return decline("a scaled filter element leaves its type's range");
    }
  }
  return true;
}

Value BatchNormFolder::makeVector(ArrayRef<double> values, Type element,
                                  ArrayRef<int64_t> shape, StringRef name) {
  HostTensor tensor(RankedTensorType::get(shape, element));
  for (auto [i, value] : llvm::enumerate(values)) {
    tensor.setFloat(i, value);
  }
  return constants.create(b, op.getLoc(), tensor, name);
}

Value BatchNormFolder::makeBias(Value bias, Type element,
                                ArrayRef<int64_t> shape) {
  SmallVector<double> values(affine.shift);
  if (bias) {
    std::optional<HostTensor> old = constants.get(bias);
    if (!old || old->getNumElements() != static_cast<int64_t>(values.size())) {
      return {};
    }
    for (auto [c, value] : llvm::enumerate(values)) {
      value += old->getFloat(c) * affine.scale[c];
    }
  }
  return makeVector(values, element, shape, "folded_bias");
}

DenseFPElementsAttr BatchNormFolder::scaleAttr() {
  auto type = RankedTensorType::get({static_cast<int64_t>(affine.scale.size())},
                                    b.getF64Type());
  return cast<DenseFPElementsAttr>(
      DenseElementsAttr::get(type, ArrayRef<double>(affine.scale)));
}

/// The transforms that scale a conv's filter per output channel. A transposed
/// filter is (C, O / groups, ...), where channel o of group g is at
/// (g * C / groups + i, o): groups are brought next to O first.
SmallVector<Attribute> filterTransforms(ConvOp conv,
                                        DenseFPElementsAttr scale) {
  MLIRContext *context = conv.getContext();
  int64_t groups = conv.getGroups();
  if (!conv.getTransposed() || groups == 1) {
    return {ScaleAttr::get(context, conv.getTransposed() ? 1 : 0, scale)};
  }
  ArrayRef<int64_t> shape = conv.getFilter().getType().getShape();
  int64_t perGroup = shape[0] / groups;
  SmallVector<int64_t> split{groups, perGroup, shape[1]},
      merged{groups * shape[1], perGroup},
      regrouped{groups, shape[1], perGroup};
  SmallVector<int64_t> swap{0, 2, 1};
  for (int64_t dim = 2; dim < static_cast<int64_t>(shape.size()); ++dim) {
    for (SmallVector<int64_t> *list : {&split, &merged, &regrouped}) {
      list->push_back(shape[dim]);
    }
    swap.push_back(dim + 1);
  }
  auto permute = PermuteAttr::get(context, swap);
  return {
      ReshapeToAttr::get(context, split),     permute,
      ReshapeToAttr::get(context, merged),    ScaleAttr::get(context, 0, scale),
      ReshapeToAttr::get(context, regrouped), permute,
      ReshapeToAttr::get(context, shape)};
}

bool BatchNormFolder::foldIntoConv(ConvOp conv) {
  if (!conv.getResult().hasOneUse()) {
    return decline("the convolution has other users");
  }
  if (static_cast<int64_t>(op.getChannelDim()) !=
      static_cast<int64_t>(conv.getChannelDim())) {
    return decline("it normalises another dim than the channels");
  }
  Value filter = conv.getFilter();
  if (!constants.isConstant(filter) || constants.isShared(filter)) {
    return decline("the filter is shared or not constant");
  }
  ArrayRef<int64_t> shape = typeOf(filter).getShape();
  int64_t groups = conv.getGroups();
  int64_t inner = typeOf(filter).getNumElements() /
                  std::max<int64_t>(shape[0] * shape[1], 1);
  bool transposed = conv.getTransposed();
  auto channelOf = [&](int64_t i) {
    int64_t first = i / inner / shape[1], second = i / inner % shape[1];
    return transposed ? first / (shape[0] / groups) * shape[1] + second : first;
  };
  if (!fitsFilter(filter, channelOf)) {
    return false;
  }
  Type element = conv.getResult().getType().getElementType();
  int64_t channels = affine.scale.size();
  b.setInsertionPoint(conv);
  Value bias = makeBias(conv.getBias(), element, {channels});
  if (!bias) {
    return decline("the bias is not constant");
  }
  Value scaled =
      constants.transform(b, filter, filterTransforms(conv, scaleAttr()));
  conv.getFilterMutable().assign(scaled);
  conv.getBiasMutable().assign(bias);
  op.replaceAllUsesWith(conv.getResult());
  op.erase();
  return true;
}

bool BatchNormFolder::foldIntoContract(ContractOp contract,
                                       ElementwiseOp biasAdd) {
  if (!contract.getResult().hasOneUse() ||
      (biasAdd && !biasAdd.getResult().hasOneUse())) {
    return decline("the contraction has other users");
  }
  AffineMap result = contract.getMap(2), rhs = contract.getMap(1);
  AffineExpr loop = result.getResult(op.getChannelDim());
  std::optional<unsigned> axis = rhs.getResultPosition(loop);
  Value filter = contract.getRhs();
  if (!axis || contract.getMap(0).getResultPosition(loop) ||
      !constants.isConstant(filter) || constants.isShared(filter)) {
    return decline("the right-hand side is shared or not constant");
  }
  ArrayRef<int64_t> shape = typeOf(filter).getShape();
  int64_t inner = 1;
  for (int64_t size : shape.drop_front(*axis + 1)) {
    inner *= size;
  }
  if (!fitsFilter(filter,
                  [&](int64_t i) { return i / inner % shape[*axis]; })) {
    return false;
  }
  b.setInsertionPoint(contract);
  Value bias =
      makeBias(biasAdd ? biasAdd.getInputs()[1] : Value(),
               typeOf(op.getResult()).getElementType(), broadcastShape());
  if (!bias) {
    return decline("the bias is not constant");
  }
  contract.getRhsMutable().assign(constants.transform(
      b, filter, ScaleAttr::get(op.getContext(), *axis, scaleAttr())));
  b.setInsertionPoint(op);
  auto add = ElementwiseOp::create(b, op.getLoc(), op.getType(), Fn::add,
                                   ValueRange{contract.getResult(), bias},
                                   nullptr, nullptr);
  op.replaceAllUsesWith(add.getResult());
  op.erase();
  if (biasAdd) {
    biasAdd.erase();
  }
  return true;
}

SmallVector<int64_t> BatchNormFolder::broadcastShape() {
  SmallVector<int64_t> shape(typeOf(op.getInput()).getRank(), 1);
  shape[op.getChannelDim()] = affine.scale.size();
  return shape;
}

void BatchNormFolder::expand() {
  Type element = typeOf(op.getResult()).getElementType();
  b.setInsertionPoint(op);
  Value value = op.getInput();
  for (auto [fn, vector] : {std::pair(Fn::mul, ArrayRef(affine.scale)),
                            {Fn::add, ArrayRef(affine.shift)}}) {
    Value factor = makeVector(vector, element, broadcastShape(), "batch_norm");
    value = ElementwiseOp::create(b, op.getLoc(), op.getType(), fn,
                                  ValueRange{value, factor}, nullptr, nullptr)
                .getResult();
  }
  op.replaceAllUsesWith(value);
  op.erase();
}

class FoldBatchNorm final : public impl::FoldBatchNormPassBase<FoldBatchNorm> {
public:
  void runOnOperation() override {
    Constants constants(getOperation());
    SmallVector<BatchNormOp> ops;
    getOperation().walk([&](BatchNormOp op) { ops.push_back(op); });
    for (BatchNormOp op : ops) {
      BatchNormFolder folder(op, constants);
      if (!folder.readAffine()) {
        continue;
      }
      if (!folder.fold()) {
        folder.expand();
      }
    }
    constants.eraseUnusedParams();
  }
};

} // namespace
} // namespace dlc
