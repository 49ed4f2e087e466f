// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// contract on tensor cores: a batched matrix product in any transposition.
#include "StaticContract.h"

#include "Conversion/Common/ElementwiseFn.h"
#include "Dialect/Tile/GemmKernel.h"

using namespace mlir;

namespace dlc {

namespace {

/// Fewer columns or summed elements leave most of a tensor core's tile unused.
constexpr int64_t kMinColumns = 8, kMinSteps = 8;

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
  tile::MatrixSpec makeOperand(const StaticContract::Operand &operand,
                               bool rowsAreK, Value map);
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
  return builder.getSize(known.stride(builder.kb(), tensor, map, group));
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

tile::MatrixSpec
ContractEmitter::makeOperand(const StaticContract::Operand &operand,
                             bool rowsAreK, Value map) {
  tile::MatrixSpec matrix;
  matrix.base = builder.getPointer(operand.tensor);
  matrix.element = typeOf(operand.tensor).getElementType();
  matrix.alignment = known.getAlignment(operand);
  matrix.map = map;
  matrix.mapBatch = known.getMapBatch(operand);
  bool contiguousK = known.hasContiguousK(operand);
  tile::Size one = builder.b.getI64IntegerAttr(1);
  tile::Size outer = groupStride(operand.tensor, operand.map,
                                 contiguousK ? operand.rows : shape.k);
  bool contiguousColumns = contiguousK != rowsAreK;
  matrix.rowStride = contiguousColumns ? outer : one;
  matrix.columnStride = contiguousColumns ? one : outer;
  matrix.offset = makeOffset(operand.tensor, operand.map);
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
  spec.alignment =
      known.getAlignment(result, op.getMap(2), spec.element, strided);
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
  bool bulk = !arguments.maps.empty();
  spec.a = makeOperand(known.getA(), /*rowsAreK=*/false,
                       bulk ? arguments.maps[0] : Value());
  spec.b = makeOperand(known.getB(), /*rowsAreK=*/true,
                       bulk ? arguments.maps[1] : Value());
  spec.zeros = {makeZeroPoint(known.getZeroA(), shape.getMapA(op)),
                makeZeroPoint(known.getZeroB(), shape.getMapB(op))};
  spec.c = makeResult();
  return spec;
}

FailureOr<tile::KernelOp>
ContractEmitter::emit(tile::GemmScheduleAttr schedule) {
  builder.signature.maps = schedule.getBulk() ? 2 : 0;
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
    tile::ProductTraits traits = contract.getTraits();
    remarkWithoutBulk(dispatch, limits, tile::getBulkObstacle(traits));
    return chooseGemmSchedule(dispatch.getContext(), contract.getSizes(),
                              traits, limits);
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

  SmallVector<GPUTensorMap> getMaps(DispatchContext &context) const override {
    auto schedule = getSchedule(context.getDispatch());
    if (!schedule.getBulk()) {
      return {};
    }
    StaticContract known(context.getDispatch());
    tile::ProductTraits traits = known.getTraits();
    return {known.getMap(context, known.getA(), getBoxOfA(schedule, traits)),
            known.getMap(context, known.getB(), getBoxOfB(schedule, traits))};
  }

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
  auto isReadable = [&](const StaticContract::Operand &operand) {
    auto [tensor, map, rows] = operand;
    return contract.isInnermost(tensor, map, shape.k) ||
           contract.isInnermost(tensor, map, rows) ||
           (shape.k.empty() && rows.empty());
  };
  if (!isReadable(contract.getA()) || !isReadable(contract.getB())) {
    return "neighbours in an operand are neither rows nor columns";
  }
  tile::ProductTraits traits = contract.getTraits();
  if (traits.elementBytes == 1 &&
      !(traits.contiguousKOfA && traits.contiguousKOfB)) {
    return "8-bit operands that are not constants have neighbours in other "
           "dims than the summed one";
  }
  if (!contract.hasUsableZero(contract.getZeroA(), contract.getA()) ||
      !contract.hasUsableZero(contract.getZeroB(), contract.getB())) {
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
