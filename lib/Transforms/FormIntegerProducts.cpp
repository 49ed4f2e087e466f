// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Products of quantised tensors as products of 8-bit integers.
#include "Dialect/NN/Sizes.h"
#include "Match.h"
#include "Transforms/Passes.h"

#include "mlir/IR/Iterators.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;

namespace dlc {
#define GEN_PASS_DEF_FORMINTEGERPRODUCTSPASS
#include "Transforms/Passes.h.inc"

using namespace nn;

namespace {

/// So many products of differences of 8-bit integers, each at most 255 * 255,
/// have a sum in i32.
constexpr int64_t kMaxTerms = INT32_MAX / (255 * 255);

/// (bytes - zero) * scale; `zero` may be null. `axis` is the dim that a vector
/// of scales runs along; none where there is one scale.
struct Quantized {
  Value bytes, scale, zero;
  std::optional<int64_t> axis;
};

/// A scalar or vector as a tensor that repeats along all dims of `type` but
/// `dim`.
Value spread(OpBuilder &b, Location loc, Value vector, int64_t dim,
             RankedTensorType type) {
  SmallVector<int64_t> shape(type.getRank(), 1);
  SmallVector<Value> sizes;
  if (typeOf(vector).getRank() > 0) {
    int64_t size = typeOf(vector).getDimSize(0);
    // A vector of unknown length has that of the dim.
    shape[dim] = ShapedType::isDynamic(size) ? type.getDimSize(dim) : size;
    if (ShapedType::isDynamic(shape[dim])) {
      sizes = dynamicSizes(sizesOf(b, loc, vector));
    }
  }
  return ReshapeOp::create(b, loc, typeOf(vector).clone(shape), vector, sizes);
}

class ProductFormer {
public:
  explicit ProductFormer(Operation *op) : op(op), b(op) {}

  /// Replaces the op's uses if its factors are quantised.
  void run();

private:
  std::optional<Quantized> read(Value factor);
  Value transposeBytes(Value bytes, TransposeOp transpose);
  Value subtractZero(const Quantized &value);
  Value multiplyDifferences(const Quantized &lhs, const Quantized &rhs);
  Value multiplyIntegers(ContractOp contract, const Quantized &lhs,
                         const Quantized &rhs);
  Value multiplyIntegers(ConvOp conv, const Quantized &input,
                         const Quantized &filter);
  bool rewrite(ContractOp contract);
  bool rewrite(ConvOp conv);
  bool hasUsableAxis(ContractOp contract, unsigned factor,
                     const Quantized &value);
  Value scaleSums(Value sums, Value scale, std::optional<int64_t> dim);
  void remarkFloats(const Twine &reason) {
    remarkMissed(op, "dlc-form-integer-products", "FormIntegerProducts",
                 "multiplied as floats: " + reason);
  }
  bool decline(const Twine &reason) {
    remarkFloats(reason);
    return false;
  }

  Operation *op;
  OpBuilder b;
};

/// A transposed dequantised tensor is a dequantised transposed one.
Value ProductFormer::transposeBytes(Value bytes, TransposeOp transpose) {
  return TransposeOp::create(
      b, transpose.getLoc(),
      transpose.getResult().getType().clone(typeOf(bytes).getElementType()),
      bytes, transpose.getPermutation());
}

std::optional<Quantized> ProductFormer::read(Value factor) {
  auto transpose = factor.getDefiningOp<TransposeOp>();
  auto dequantize =
      (transpose ? transpose.getInput() : factor).getDefiningOp<DequantizeOp>();
  if (!dequantize || dequantize.getBlock() != 0 ||
      !typeOf(dequantize.getInput()).getElementType().isInteger(8) ||
      !typeOf(dequantize.getScale()).getElementType().isF32()) {
    return std::nullopt;
  }
  Quantized value{dequantize.getInput(), dequantize.getScale(),
                  dequantize.getZeroPoint(), std::nullopt};
  if (typeOf(value.scale).getRank() > 0) {
    value.axis = dequantize.getAxis();
  }
  if (transpose) {
    value.bytes = transposeBytes(value.bytes, transpose);
    if (value.axis) {
      ArrayRef<int64_t> order = transpose.getPermutation();
      value.axis = llvm::find(order, *value.axis) - order.begin();
    }
  }
  return value;
}

/// The bytes less their zero point: floats of at most 255, which every type
/// that products have holds as they are.
Value ProductFormer::subtractZero(const Quantized &value) {
  Location loc = op->getLoc();
  Type f32 = b.getF32Type();
  auto widen = [&](Value bytes) -> Value {
    return CastOp::create(b, loc, typeOf(bytes).clone(f32), bytes,
                          /*saturate=*/BoolAttr());
  };
  Value wide = widen(value.bytes);
  if (!value.zero) {
    return wide;
  }
  Value zero =
      spread(b, loc, widen(value.zero), value.axis.value_or(0), typeOf(wide));
  return createFn(b, loc, Fn::sub, {wide, zero});
}

/// The product of floats without scales. Where precision is low, these would be
/// rounded with the factors.
Value ProductFormer::multiplyDifferences(const Quantized &lhs,
                                         const Quantized &rhs) {
  remarkFloats("their sum may be larger than 32 bits");
  Value factors[] = {subtractZero(lhs), subtractZero(rhs)};
  Operation *product = b.clone(*op);
  product->setOperand(0, factors[0]);
  product->setOperand(1, factors[1]);
  if (auto conv = dyn_cast<ConvOp>(product)) {
    conv.getBiasMutable().clear();
  }
  return product->getResult(0);
}

Value ProductFormer::multiplyIntegers(ContractOp contract, const Quantized &lhs,
                                      const Quantized &rhs) {
  RankedTensorType type = contract.getResult().getType();
  Value sums = ContractOp::create(b, op->getLoc(), type.clone(b.getI32Type()),
                                  lhs.bytes, rhs.bytes, lhs.zero, rhs.zero,
                                  contract.getMaps(), /*acc=*/TypeAttr());
  return CastOp::create(b, op->getLoc(), type, sums, /*saturate=*/BoolAttr());
}

Value ProductFormer::multiplyIntegers(ConvOp conv, const Quantized &input,
                                      const Quantized &filter) {
  RankedTensorType type = conv.getResult().getType();
  auto whole = cast<ConvOp>(b.clone(*op));
  whole.getInputMutable().assign(input.bytes);
  whole.getFilterMutable().assign(filter.bytes);
  whole.getBiasMutable().clear();
  if (input.zero) {
    whole.getInputZeroMutable().assign(input.zero);
  }
  if (filter.zero) {
    whole.getFilterZeroMutable().assign(filter.zero);
  }
  whole.getResult().setType(type.clone(b.getI32Type()));
  return CastOp::create(b, op->getLoc(), type, whole.getResult(),
                        /*saturate=*/BoolAttr());
}

Value ProductFormer::scaleSums(Value sums, Value scale,
                               std::optional<int64_t> dim) {
  RankedTensorType type = typeOf(sums);
  return createFn(b, op->getLoc(), Fn::mul,
                  {sums, spread(b, op->getLoc(), scale, dim.value_or(0), type)},
                  type);
}

/// Scales may run along what stays; zero points along the last of that.
bool ProductFormer::hasUsableAxis(ContractOp contract, unsigned factor,
                                  const Quantized &value) {
  if (!value.axis) {
    return true;
  }
  AffineMap map = contract.getMap(factor);
  auto isKept = [&](int64_t dim) {
    return !contract.isReduction(
        cast<AffineDimExpr>(map.getResult(dim)).getPosition());
  };
  bool isLast = llvm::none_of(
      llvm::seq<int64_t>(*value.axis + 1, map.getNumResults()), isKept);
  return isKept(*value.axis) && (!value.zero || isLast);
}

bool ProductFormer::rewrite(ContractOp contract) {
  std::optional<Quantized> lhs = read(contract.getLhs()),
                           rhs = read(contract.getRhs());
  if (!lhs || !rhs) {
    return false;
  }
  int64_t terms = 1;
  for (auto [i, expr] : llvm::enumerate(contract.getMap(0).getResults())) {
    if (contract.isReduction(cast<AffineDimExpr>(expr).getPosition())) {
      int64_t size = typeOf(lhs->bytes).getDimSize(i);
      terms = ShapedType::isDynamic(size) ? kMaxTerms + 1 : terms * size;
    }
  }
  if (!hasUsableAxis(contract, 0, *lhs) || !hasUsableAxis(contract, 1, *rhs)) {
    return decline("scales change within a sum");
  }
  Value sums = terms > kMaxTerms ? multiplyDifferences(*lhs, *rhs)
                                 : multiplyIntegers(contract, *lhs, *rhs);
  for (unsigned i : {0, 1}) {
    const Quantized &value = i ? *rhs : *lhs;
    std::optional<int64_t> dim;
    if (value.axis) {
      dim = contract.getMap(2).getResultPosition(
          contract.getMap(i).getResult(*value.axis));
    }
    sums = scaleSums(sums, value.scale, dim);
  }
  contract.getResult().replaceAllUsesWith(sums);
  return true;
}

bool ProductFormer::rewrite(ConvOp conv) {
  std::optional<Quantized> input = read(conv.getInput()),
                           filter = read(conv.getFilter());
  if (!input || !filter || conv.getTransposed()) {
    return false;
  }
  int64_t terms = 1;
  for (int64_t size : typeOf(filter->bytes).getShape().drop_front()) {
    terms = ShapedType::isDynamic(size) ? kMaxTerms + 1 : terms * size;
  }
  if (input->axis || filter->axis.value_or(0) != 0) {
    return decline("scales change within a sum");
  }
  RankedTensorType type = conv.getResult().getType();
  Value sums = terms > kMaxTerms ? multiplyDifferences(*input, *filter)
                                 : multiplyIntegers(conv, *input, *filter);
  sums = scaleSums(sums, input->scale, std::nullopt);
  sums = scaleSums(sums, filter->scale, conv.getChannelDim());
  if (Value bias = conv.getBias()) {
    Value wide = spread(b, op->getLoc(), bias, conv.getChannelDim(), type);
    sums = createFn(b, op->getLoc(), Fn::add, {sums, wide}, type);
  }
  conv.getResult().replaceAllUsesWith(sums);
  return true;
}

void ProductFormer::run() {
  auto acc = op->getAttrOfType<TypeAttr>("acc");
  if (op->getNumResults() != 1 ||
      !getElementTypeOrSelf(op->getResult(0)).isF32() ||
      (acc && !acc.getValue().isF32())) {
    return;
  }
  op->removeAttr("acc");
  bool formed = false;
  if (auto contract = dyn_cast<ContractOp>(op)) {
    formed = rewrite(contract);
  } else if (auto conv = dyn_cast<ConvOp>(op)) {
    formed = rewrite(conv);
  }
  if (!formed && acc) {
    op->setAttr("acc", acc);
  }
}

/// Writes quantisation out as elementwise ops, which kernels of products take
/// as their ends, before a transpose rather than behind it.
class QuantizeExpander {
public:
  explicit QuantizeExpander(QuantizeOp op) : op(op), b(op) {}
  void run();

private:
  QuantizeOp op;
  OpBuilder b;
};

void QuantizeExpander::run() {
  RankedTensorType target = op.getResult().getType();
  Value x = op.getInput();
  if (op.getBlock() != 0 || !target.getElementType().isInteger(8) ||
      !typeOf(x).getElementType().isF32() ||
      !typeOf(op.getScale()).getElementType().isF32()) {
    return;
  }
  int64_t axis = op.getAxis();
  auto transpose = x.getDefiningOp<TransposeOp>();
  if (transpose && transpose->hasOneUse()) {
    x = transpose.getInput();
    axis = transpose.getPermutation()[axis];
  } else {
    transpose = {};
  }
  RankedTensorType type = typeOf(x);
  Location loc = op.getLoc();
  auto repeat = [&](Value parameter) {
    return spread(b, loc, parameter, axis, type);
  };
  x = createFn(b, loc, Fn::div, {x, repeat(op.getScale())}, type);
  x = createFn(b, loc, Fn::round_even, x, type);
  if (Value zero = op.getZeroPoint()) {
    Value wide = CastOp::create(b, loc, typeOf(zero).clone(b.getF32Type()),
                                zero, /*saturate=*/BoolAttr());
    x = createFn(b, loc, Fn::add, {x, repeat(wide)}, type);
  }
  x = CastOp::create(b, loc, type.clone(target.getElementType()), x,
                     /*saturate=*/BoolAttr());
  if (transpose) {
    x = TransposeOp::create(b, loc, target, x, transpose.getPermutation());
  }
  op.getResult().replaceAllUsesWith(x);
}

class FormIntegerProducts final
    : public impl::FormIntegerProductsPassBase<FormIntegerProducts> {
public:
  using FormIntegerProductsPassBase::FormIntegerProductsPassBase;

  void runOnOperation() override {
    SmallVector<Operation *> products;
    SmallVector<QuantizeOp> quantizes;
    getOperation().walk([&](Operation *op) {
      if (isa<ConvOp>(op) || (contractions && isa<ContractOp>(op))) {
        products.push_back(op);
      } else if (auto quantize = dyn_cast<QuantizeOp>(op)) {
        quantizes.push_back(quantize);
      }
    });
    for (QuantizeOp op : quantizes) {
      QuantizeExpander(op).run();
    }
    for (Operation *op : products) {
      ProductFormer(op).run();
    }
    getOperation().walk<WalkOrder::PostOrder, ReverseIterator>(
        [](Operation *op) {
          if (isOpTriviallyDead(op)) {
            op->erase();
          }
        });
  }
};

} // namespace
} // namespace dlc
