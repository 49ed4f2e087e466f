// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// contract on tensor cores: a batched matrix product in any transposition.
#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToGPU/TileKernelFamily.h"
#include "Conversion/NNToKernel/ContractShape.h"
#include "Dialect/Tile/GemmKernel.h"

using namespace mlir;

namespace dlc {

namespace {

/// Fewer columns or summed elements leave most of a tensor core's tile unused.
constexpr int64_t kMinColumns = 8, kMinSteps = 8;

/// What is known of a contraction without its run-time sizes.
struct StaticContract {
  explicit StaticContract(nn::DispatchOp dispatch)
      : op(cast<nn::ContractOp>(dispatch.getRootOp())),
        shape(ContractShape::create(op)) {}

  int64_t groupSize(ArrayRef<unsigned> group) const {
    return getStaticGroupSize(op, group);
  }
  /// The same at run time.
  OpFoldResult dimSize(DispatchContext &context, unsigned dim) const {
    AffineExpr expr = getAffineDimExpr(dim, op.getContext());
    std::optional<unsigned> inLhs = op.getMap(0).getResultPosition(expr);
    return inLhs ? context.size(op.getLhs(), *inLhs)
                 : context.size(op.getRhs(),
                                *op.getMap(1).getResultPosition(expr));
  }
  OpFoldResult groupSize(DispatchContext &context,
                         ArrayRef<unsigned> group) const {
    OpFoldResult size = context.math.constant(1);
    for (unsigned dim : group) {
      size = context.math.mul(size, dimSize(context, dim));
    }
    return size;
  }
  OpFoldResult batchSize(DispatchContext &context) const {
    OpFoldResult size = context.math.constant(1);
    for (const DimGroup &group : shape->batch) {
      size = context.math.mul(size, groupSize(context, group));
    }
    return size;
  }
  int64_t groupDivisor(ArrayRef<unsigned> group) const {
    return getKnownDivisor(llvm::map_to_vector(
        group, [&](unsigned dim) { return getStaticLoopSize(op, dim); }));
  }
  int64_t typicalSize(ArrayRef<unsigned> group) const {
    int64_t size = 1;
    for (unsigned dim : group) {
      AffineExpr expr = getAffineDimExpr(dim, op.getContext());
      std::optional<unsigned> inLhs = op.getMap(0).getResultPosition(expr);
      Value input = inLhs ? op.getLhs() : op.getRhs();
      unsigned place = inLhs ? *inLhs : *op.getMap(1).getResultPosition(expr);
      size = multiplySizes(
          size,
          getTypicalSize(op->getParentOfType<nn::DispatchOp>(), input, place));
    }
    return size;
  }
  /// Typical ones.
  ProductSizes getSizes() const {
    ProductSizes sizes{typicalSize(shape->m), typicalSize(shape->n),
                       typicalSize(shape->k), 1};
    for (const DimGroup &group : shape->batch) {
      sizes.batch = multiplySizes(sizes.batch, typicalSize(group));
    }
    return sizes;
  }
  /// Place of a group's last dim in a tensor.
  std::optional<unsigned> getPlace(AffineMap map,
                                   ArrayRef<unsigned> group) const {
    return group.empty() ? std::nullopt
                         : map.getResultPosition(getAffineDimExpr(
                               group.back(), op->getContext()));
  }
  /// A number that divides the stride of a group in a tensor; 0 where it has
  /// none.
  int64_t strideDivisor(Value tensor, AffineMap map,
                        ArrayRef<unsigned> group) const {
    std::optional<unsigned> place = getPlace(map, group);
    return place ? getKnownDivisor(
                       typeOf(tensor).getShape().drop_front(*place + 1))
                 : 0;
  }
  /// Whether the elements of a group are neighbours in a tensor.
  bool isInnermost(Value tensor, AffineMap map,
                   ArrayRef<unsigned> group) const {
    std::optional<unsigned> place = getPlace(map, group);
    return place &&
           llvm::all_of(typeOf(tensor).getShape().drop_front(*place + 1),
                        [](int64_t size) { return size == 1; });
  }
  /// Whether k runs along neighbours of an operand whose other dim is `rows`.
  bool hasContiguousK(Value tensor, AffineMap map,
                      ArrayRef<unsigned> rows) const {
    return isInnermost(tensor, map, shape->k) ||
           !isInnermost(tensor, map, rows);
  }
  tile::ProductTraits getTraits() const {
    Type element = getElementTypeOrSelf(op.getLhs());
    return {static_cast<int64_t>(element.getIntOrFloatBitWidth() / 8),
            hasContiguousK(shape->getA(op), shape->getMapA(op), shape->m),
            hasContiguousK(shape->getB(op), shape->getMapB(op), shape->n),
            getNonZero(getZeroB()) != nullptr,
            getNonZero(getZeroA()) != nullptr};
  }
  Value getZeroA() const {
    return shape->swapped ? op.getRhsZero() : op.getLhsZero();
  }
  Value getZeroB() const {
    return shape->swapped ? op.getLhsZero() : op.getRhsZero();
  }
  /// The dim that a vector of zero points runs along: the operand's last one
  /// that is not reduced.
  std::optional<unsigned> getZeroDim(AffineMap map) const {
    for (AffineExpr expr : llvm::reverse(map.getResults())) {
      unsigned dim = cast<AffineDimExpr>(expr).getPosition();
      if (!op.isReduction(dim)) {
        return dim;
      }
    }
    return std::nullopt;
  }
  /// Whether a zero point is one number, or one for each of the operand's rows
  /// (or columns).
  bool hasUsableZero(Value zero, AffineMap map, ArrayRef<unsigned> rows) const {
    if (!getNonZero(zero) ||
        (typeOf(zero).hasStaticShape() && typeOf(zero).getNumElements() == 1)) {
      return true;
    }
    std::optional<unsigned> dim = getZeroDim(map);
    return dim && !rows.empty() && rows.back() == *dim;
  }

  mutable nn::ContractOp op;
  FailureOr<ContractShape> shape;
};

/// Emits one kernel.
class ContractEmitter {
public:
  explicit ContractEmitter(TileKernelBuilder &builder)
      : builder(builder), known(builder.dispatch), op(known.op),
        shape(*known.shape) {}

  FailureOr<tile::KernelOp> emit(tile::GemmScheduleAttr schedule);
  tile::KernelOp emitPartialSum(int64_t parts);

private:
  tile::GemmSpec makeSpec(ImplicitLocOpBuilder &b,
                          const tile::KernelArguments &arguments);
  tile::ResultSpec makeResult();
  OpFoldResult dimSize(unsigned dim) {
    return known.dimSize(builder.kb(), dim);
  }
  OpFoldResult groupSize(ArrayRef<unsigned> group) {
    return known.groupSize(builder.kb(), group);
  }
  tile::Size groupStride(Value tensor, AffineMap map, ArrayRef<unsigned> group);
  /// Strides of all batch groups in a tensor.
  tile::OffsetFn makeOffset(Value tensor, AffineMap map);
  int64_t getAlignment(Value tensor, AffineMap map, Type element,
                       ArrayRef<DimGroup> groups);
  tile::MatrixSpec makeOperand(Value tensor, AffineMap map,
                               const DimGroup &rows, bool rowsAreK);
  tile::ZeroPointFn makeZeroPoint(Value zero, AffineMap map);
  Value computeResult(ImplicitLocOpBuilder &b, Value sums,
                      const tile::ResultPlace &place);
  void setIndices(MutableArrayRef<Value> loops, ArrayRef<unsigned> group,
                  Value index, bool whole);

  TileKernelBuilder &builder;
  StaticContract known;
  nn::ContractOp op;
  const ContractShape &shape;
  bool wholeRows = false, wholeColumns = false;
};

tile::Size ContractEmitter::groupStride(Value tensor, AffineMap map,
                                        ArrayRef<unsigned> group) {
  kernel::IndexMath &math = builder.kb().math;
  std::optional<unsigned> place = known.getPlace(map, group);
  if (!place) {
    return builder.getSize(math.constant(0));
  }
  OpFoldResult stride = math.constant(1);
  for (unsigned dim = *place + 1; dim < map.getNumResults(); ++dim) {
    stride = math.mul(stride, builder.kb().size(tensor, dim));
  }
  return builder.getSize(stride);
}

tile::OffsetFn ContractEmitter::makeOffset(Value tensor, AffineMap map) {
  SmallVector<tile::Size> strides;
  for (const DimGroup &group : shape.batch) {
    strides.push_back(groupStride(tensor, map, group));
  }
  return [strides](ImplicitLocOpBuilder &b, ValueRange batch) -> tile::Size {
    tile::SizeMath math(b);
    Value offset = math.i64(0);
    for (auto [index, stride] : llvm::zip_equal(batch, strides)) {
      offset = math.add(offset, math.mul(index, math.i64(stride)));
    }
    return offset;
  };
}

int64_t ContractEmitter::getAlignment(Value tensor, AffineMap map, Type element,
                                      ArrayRef<DimGroup> groups) {
  SmallVector<tile::Size> strides;
  for (const DimGroup &group : groups) {
    strides.push_back(
        builder.b.getI64IntegerAttr(known.strideDivisor(tensor, map, group)));
  }
  return tile::getAlignment(element, strides);
}

tile::MatrixSpec ContractEmitter::makeOperand(Value tensor, AffineMap map,
                                              const DimGroup &rows,
                                              bool rowsAreK) {
  tile::MatrixSpec matrix;
  matrix.base = builder.getPointer(tensor);
  matrix.element = typeOf(tensor).getElementType();
  bool contiguousK = known.hasContiguousK(tensor, map, rows);
  SmallVector<DimGroup> strided(shape.batch);
  strided.push_back(contiguousK ? rows : shape.k);
  matrix.alignment = getAlignment(tensor, map, matrix.element, strided);
  tile::Size one = builder.b.getI64IntegerAttr(1);
  tile::Size outer = groupStride(tensor, map, strided.back());
  bool contiguousColumns = contiguousK != rowsAreK;
  matrix.rowStride = contiguousColumns ? outer : one;
  matrix.columnStride = contiguousColumns ? one : outer;
  matrix.offset = makeOffset(tensor, map);
  return matrix;
}

tile::ZeroPointFn ContractEmitter::makeZeroPoint(Value zero, AffineMap map) {
  std::optional<unsigned> dim = known.getZeroDim(map);
  return builder.getZeroPoint(zero, dim ? dimSize(*dim)
                                        : builder.kb().math.constant(1));
}

void ContractEmitter::setIndices(MutableArrayRef<Value> loops,
                                 ArrayRef<unsigned> group, Value index,
                                 bool whole) {
  if (group.empty()) {
    return;
  }
  kernel::IndexMath &math = builder.kb().math;
  if (whole || group.size() == 1) {
    for (unsigned dim : group.drop_back()) {
      loops[dim] = math.value(0);
    }
    loops[group.back()] = index;
    return;
  }
  nn::Sizes sizes =
      llvm::map_to_vector(group, [&](unsigned dim) { return dimSize(dim); });
  for (auto [dim, part] :
       llvm::zip_equal(group, kernel::delinearize(math, index, sizes))) {
    loops[dim] = math.value(part);
  }
}

Value ContractEmitter::computeResult(ImplicitLocOpBuilder &b, Value sums,
                                     const tile::ResultPlace &place) {
  SmallVector<Value> loops;
  Value row = builder.getIndex(b, place.row),
        column = builder.getIndex(b, place.column);
  SmallVector<Value> batch = llvm::map_to_vector(
      place.batch, [&](Value index) { return builder.getIndex(b, index); });
  Type element = typeOf(op.getResult()).getElementType();
  return builder.emitEpilogue(b, sums, [&](int64_t lane, Value sum) {
    KernelBuilder &kb = builder.kb();
    if (lane == 0) {
      loops.assign(op.getNumDims(), kb.math.value(0));
      for (auto [group, index] : llvm::zip_equal(shape.batch, batch)) {
        setIndices(loops, group, index, /*whole=*/false);
      }
      setIndices(loops, shape.m, row, wholeRows);
    }
    setIndices(loops, shape.n,
               kb.math.value(kb.math.add(column, kb.math.constant(lane))),
               wholeColumns);
    SmallVector<Value> at =
        llvm::map_to_vector(op.getMap(2).getResults(), [&](AffineExpr expr) {
          return loops[cast<AffineDimExpr>(expr).getPosition()];
        });
    return std::pair(emitCast(kb.b, sum, sum.getType(), element), at);
  });
}

tile::ResultSpec ContractEmitter::makeResult() {
  auto placesOf = [&](ArrayRef<unsigned> group) {
    return llvm::map_to_vector(group, [&](unsigned dim) {
      return *op.getMap(2).getResultPosition(
          getAffineDimExpr(dim, op.getContext()));
    });
  };
  wholeRows = areDimsUniform(builder.dispatch, placesOf(shape.m));
  wholeColumns = areDimsUniform(builder.dispatch, placesOf(shape.n));
  Value result = op.getResult();
  Type yielded = typeOf(builder.kb().getYielded(0)).getElementType();
  tile::ResultSpec spec;
  spec.base = builder.getResultPointer();
  spec.element = getCodeType(yielded);
  spec.rowStride = groupStride(result, op.getMap(2), shape.m);
  spec.offset = makeOffset(result, op.getMap(2));
  SmallVector<DimGroup> strided(shape.batch);
  strided.push_back(shape.m);
  spec.alignment = getAlignment(result, op.getMap(2), spec.element, strided);
  spec.columnMultiple = known.groupDivisor(shape.n);
  spec.compute = [this](ImplicitLocOpBuilder &b, Value sums,
                        const tile::ResultPlace &place) {
    return computeResult(b, sums, place);
  };
  return spec;
}

tile::GemmSpec
ContractEmitter::makeSpec(ImplicitLocOpBuilder &b,
                          const tile::KernelArguments &arguments) {
  builder.start(b, arguments);
  tile::GemmSpec spec;
  spec.m = builder.getSize(groupSize(shape.m));
  spec.n = builder.getSize(groupSize(shape.n));
  spec.k = builder.getSize(groupSize(shape.k));
  for (const DimGroup &group : shape.batch) {
    spec.batch.push_back(builder.getSize(groupSize(group)));
  }
  spec.a = makeOperand(shape.getA(op), shape.getMapA(op), shape.m,
                       /*rowsAreK=*/false);
  spec.b = makeOperand(shape.getB(op), shape.getMapB(op), shape.n,
                       /*rowsAreK=*/true);
  spec.zeros = {makeZeroPoint(known.getZeroA(), shape.getMapA(op)),
                makeZeroPoint(known.getZeroB(), shape.getMapB(op))};
  spec.c = makeResult();
  return spec;
}

FailureOr<tile::KernelOp>
ContractEmitter::emit(tile::GemmScheduleAttr schedule) {
  return tile::buildGemmKernel(
      builder.b, builder.signature, schedule, builder.limits,
      [&](ImplicitLocOpBuilder &b, const tile::KernelArguments &arguments) {
        return makeSpec(b, arguments);
      });
}

tile::KernelOp ContractEmitter::emitPartialSum(int64_t parts) {
  return builder.emitSplitSum(parts, [&](tile::SplitSumSpec &spec) {
    spec.m = builder.getSize(groupSize(shape.m));
    spec.n = builder.getSize(groupSize(shape.n));
    for (const DimGroup &group : shape.batch) {
      spec.batch.push_back(builder.getSize(groupSize(group)));
    }
    spec.c = makeResult();
  });
}

class TileContractFamily final
    : public ScheduledTileFamily<tile::GemmScheduleAttr, tile::ProductTraits>,
      public SplitSumFamily {
public:
  Attribute chooseSchedule(nn::DispatchOp dispatch,
                           const tile::BlockLimits &limits) const override {
    StaticContract contract(dispatch);
    return chooseGemmSchedule(dispatch.getContext(), contract.getSizes(),
                              contract.getTraits(), limits);
  }

  FailureOr<tile::KernelOp> build(TileKernelBuilder &builder) const override {
    return ContractEmitter(builder).emit(getSchedule(builder.dispatch));
  }

  const SplitSumFamily *getSplitSum() const override { return this; }

  OpFoldResult countResults(DispatchContext &context) const override {
    StaticContract known(context.getDispatch());
    kernel::IndexMath &math = context.math;
    OpFoldResult results = math.mul(known.groupSize(context, known.shape->m),
                                    known.groupSize(context, known.shape->n));
    return math.mul(results, known.batchSize(context));
  }

  int64_t getColumnMultiple(nn::DispatchOp dispatch) const override {
    StaticContract known(dispatch);
    return known.groupDivisor(known.shape->n);
  }

  tile::KernelOp buildPartialSum(TileKernelBuilder &builder,
                                 int64_t parts) const override {
    return ContractEmitter(builder).emitPartialSum(parts);
  }

protected:
  std::string findObstacle(nn::DispatchOp dispatch) const override;

  tile::ProductTraits getTraits(nn::DispatchOp dispatch) const override {
    return StaticContract(dispatch).getTraits();
  }

  OpFoldResult countBlocks(DispatchContext &context) const override {
    kernel::IndexMath &math = context.math;
    auto schedule = getSchedule(context.getDispatch());
    StaticContract known(context.getDispatch());
    OpFoldResult blocks =
        math.mul(math.ceilDiv(known.groupSize(context, known.shape->m),
                              math.constant(schedule.getTileM())),
                 math.ceilDiv(known.groupSize(context, known.shape->n),
                              math.constant(schedule.getTileN())));
    return math.mul(blocks, known.batchSize(context));
  }
};

std::string TileContractFamily::findObstacle(nn::DispatchOp dispatch) const {
  StaticContract contract(dispatch);
  if (failed(contract.shape)) {
    return "not one matrix product";
  }
  const ContractShape &shape = *contract.shape;
  nn::ContractOp op = contract.op;
  auto isReadable = [&](Value tensor, AffineMap map, const DimGroup &rows) {
    return contract.isInnermost(tensor, map, shape.k) ||
           contract.isInnermost(tensor, map, rows) ||
           (shape.k.empty() && rows.empty());
  };
  if (!isReadable(shape.getA(op), shape.getMapA(op), shape.m) ||
      !isReadable(shape.getB(op), shape.getMapB(op), shape.n)) {
    return "neighbours in an operand are neither rows nor columns";
  }
  tile::ProductTraits traits = contract.getTraits();
  if (traits.elementBytes == 1 &&
      !(traits.contiguousKOfA && traits.contiguousKOfB)) {
    return "8-bit operands that are not constants have neighbours in other "
           "dims than the summed one";
  }
  if (!contract.hasUsableZero(contract.getZeroA(), shape.getMapA(op),
                              shape.m) ||
      !contract.hasUsableZero(contract.getZeroB(), shape.getMapB(op),
                              shape.n)) {
    return "zero points along neither rows nor columns";
  }
  int64_t columns = contract.groupSize(shape.n);
  if (!ShapedType::isDynamic(columns) && columns < kMinColumns) {
    return "too few columns";
  }
  int64_t steps = contract.groupSize(shape.k);
  if (!ShapedType::isDynamic(steps) && steps < kMinSteps) {
    return "too few elements in a sum";
  }
  return {};
}

} // namespace

const TileKernelFamily *getTileContractFamily() {
  static const TileContractFamily family;
  return &family;
}

Type getPartialSumType(nn::DispatchOp dispatch) {
  return tile::getSumType(
      getElementTypeOrSelf(dispatch.getRootOp()->getOperand(0)));
}

} // namespace dlc
