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

RankedTensorType typeOf(Value tensor) {
  return cast<RankedTensorType>(tensor.getType());
}

/// What is known of a contraction without its run-time sizes.
struct StaticContract {
  explicit StaticContract(nn::DispatchOp dispatch)
      : op(cast<nn::ContractOp>(dispatch.getRootOp())),
        shape(ContractShape::create(op)) {}

  int64_t groupSize(ArrayRef<unsigned> group) const {
    return getStaticGroupSize(op, group);
  }
  int64_t groupDivisor(ArrayRef<unsigned> group) const {
    return getKnownDivisor(llvm::map_to_vector(
        group, [&](unsigned dim) { return getStaticLoopSize(op, dim); }));
  }
  ProductSizes getSizes() const {
    ProductSizes sizes{groupSize(shape->m), groupSize(shape->n),
                       groupSize(shape->k), 1};
    for (const DimGroup &group : shape->batch) {
      int64_t size = groupSize(group);
      sizes.batch =
          ShapedType::isDynamic(size) || ShapedType::isDynamic(sizes.batch)
              ? ShapedType::kDynamic
              : sizes.batch * size;
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
            hasContiguousK(shape->getB(op), shape->getMapB(op), shape->n)};
  }

  mutable nn::ContractOp op;
  FailureOr<ContractShape> shape;
};

/// Emits one kernel.
class ContractEmitter {
public:
  ContractEmitter(TileKernelBuilder &builder, tile::GemmScheduleAttr schedule)
      : builder(builder), known(builder.dispatch), op(known.op),
        shape(*known.shape), schedule(schedule) {}

  FailureOr<tile::KernelOp> emit();

private:
  tile::GemmSpec makeSpec(ImplicitLocOpBuilder &b,
                          const tile::KernelArguments &arguments);
  OpFoldResult dimSize(unsigned dim);
  OpFoldResult groupSize(ArrayRef<unsigned> group);
  tile::Size groupStride(Value tensor, AffineMap map, ArrayRef<unsigned> group);
  /// Strides of all batch groups in a tensor.
  tile::OffsetFn makeOffset(Value tensor, AffineMap map);
  int64_t getAlignment(Value tensor, AffineMap map, Type element,
                       ArrayRef<DimGroup> groups);
  tile::MatrixSpec makeOperand(Value tensor, AffineMap map,
                               const DimGroup &rows, bool rowsAreK);
  Value computeResult(ImplicitLocOpBuilder &b, Value sums,
                      const tile::ResultPlace &place);
  void setIndices(MutableArrayRef<Value> loops, ArrayRef<unsigned> group,
                  Value index, bool whole);

  TileKernelBuilder &builder;
  StaticContract known;
  nn::ContractOp op;
  const ContractShape &shape;
  tile::GemmScheduleAttr schedule;
  bool wholeRows = false, wholeColumns = false;
};

OpFoldResult ContractEmitter::dimSize(unsigned dim) {
  AffineExpr expr = getAffineDimExpr(dim, op.getContext());
  std::optional<unsigned> inLhs = op.getMap(0).getResultPosition(expr);
  return inLhs ? builder.kb().size(op.getLhs(), *inLhs)
               : builder.kb().size(op.getRhs(),
                                   *op.getMap(1).getResultPosition(expr));
}

OpFoldResult ContractEmitter::groupSize(ArrayRef<unsigned> group) {
  kernel::IndexMath &math = builder.kb().math;
  OpFoldResult size = math.constant(1);
  for (unsigned dim : group) {
    size = math.mul(size, dimSize(dim));
  }
  return size;
}

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
    return std::pair(emitCast(kb.b, sum, kb.b.getF32Type(), element), at);
  });
}

tile::GemmSpec
ContractEmitter::makeSpec(ImplicitLocOpBuilder &b,
                          const tile::KernelArguments &arguments) {
  builder.start(b, arguments);
  auto placesOf = [&](ArrayRef<unsigned> group) {
    return llvm::map_to_vector(group, [&](unsigned dim) {
      return *op.getMap(2).getResultPosition(
          getAffineDimExpr(dim, op.getContext()));
    });
  };
  wholeRows = areDimsUniform(builder.dispatch, placesOf(shape.m));
  wholeColumns = areDimsUniform(builder.dispatch, placesOf(shape.n));
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
  Value result = op.getResult();
  Type yielded = typeOf(builder.kb().getYielded(0)).getElementType();
  spec.c.base = builder.getResultPointer();
  spec.c.element = getCodeType(yielded);
  spec.c.rowStride = groupStride(result, op.getMap(2), shape.m);
  spec.c.offset = makeOffset(result, op.getMap(2));
  SmallVector<DimGroup> strided(shape.batch);
  strided.push_back(shape.m);
  spec.c.alignment =
      getAlignment(result, op.getMap(2), spec.c.element, strided);
  spec.c.columnMultiple = known.groupDivisor(shape.n);
  spec.c.compute = [this](ImplicitLocOpBuilder &b, Value sums,
                          const tile::ResultPlace &place) {
    return computeResult(b, sums, place);
  };
  return spec;
}

FailureOr<tile::KernelOp> ContractEmitter::emit() {
  return tile::buildGemmKernel(
      builder.b, builder.signature, schedule, builder.limits,
      [&](ImplicitLocOpBuilder &b, const tile::KernelArguments &arguments) {
        return makeSpec(b, arguments);
      });
}

class TileContractFamily final : public TileKernelFamily {
public:
  std::string getObstacle(nn::DispatchOp dispatch) const override;

  Attribute chooseSchedule(nn::DispatchOp dispatch,
                           const tile::BlockLimits &limits) const override {
    StaticContract contract(dispatch);
    return chooseGemmSchedule(dispatch.getContext(), contract.getSizes(),
                              contract.getTraits(), limits);
  }

  LogicalResult checkSchedule(nn::DispatchOp dispatch, Attribute schedule,
                              const tile::BlockLimits &limits,
                              tile::EmitErrorFn emitError) const override {
    auto gemm = dyn_cast<tile::GemmScheduleAttr>(schedule);
    if (!gemm || gemm.getSplitK() != 1) {
      return emitError()
             << "expected a #tile.gemm_schedule with split_k 1, got "
             << schedule;
    }
    return tile::checkSchedule(gemm, StaticContract(dispatch).getTraits(),
                               limits, emitError);
  }

  GPULaunch getLaunch(DispatchContext &context) const override;

  FailureOr<tile::KernelOp> build(TileKernelBuilder &builder) const override {
    auto schedule =
        cast<tile::GemmScheduleAttr>(builder.dispatch.getScheduleAttr());
    return ContractEmitter(builder, schedule).emit();
  }
};

std::string TileContractFamily::getObstacle(nn::DispatchOp dispatch) const {
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
  if (!isa<BlockArgument>(op.getLhs()) || !isa<BlockArgument>(op.getRhs())) {
    return "an operand is not in memory";
  }
  if (!isReadable(shape.getA(op), shape.getMapA(op), shape.m) ||
      !isReadable(shape.getB(op), shape.getMapB(op), shape.n)) {
    return "neighbours in an operand are neither rows nor columns";
  }
  ProductSizes sizes = contract.getSizes();
  if (!ShapedType::isDynamic(sizes.n) && sizes.n < kMinColumns) {
    return "too few columns";
  }
  if (!ShapedType::isDynamic(sizes.k) && sizes.k < kMinSteps) {
    return "too few elements in a sum";
  }
  return {};
}

GPULaunch TileContractFamily::getLaunch(DispatchContext &context) const {
  kernel::IndexMath &math = context.math;
  auto schedule =
      cast<tile::GemmScheduleAttr>(context.getDispatch().getScheduleAttr());
  StaticContract contract(context.getDispatch());
  nn::ContractOp op = contract.op;
  auto groupSize = [&](ArrayRef<unsigned> group) {
    OpFoldResult size = math.constant(1);
    for (unsigned dim : group) {
      AffineExpr expr = getAffineDimExpr(dim, op.getContext());
      std::optional<unsigned> inLhs = op.getMap(0).getResultPosition(expr);
      size = math.mul(
          size, inLhs ? context.size(op.getLhs(), *inLhs)
                      : context.size(op.getRhs(),
                                     *op.getMap(1).getResultPosition(expr)));
    }
    return size;
  };
  OpFoldResult blocks =
      math.mul(math.ceilDiv(groupSize(contract.shape->m),
                            math.constant(schedule.getTileM())),
               math.ceilDiv(groupSize(contract.shape->n),
                            math.constant(schedule.getTileN())));
  for (const DimGroup &group : contract.shape->batch) {
    blocks = math.mul(blocks, groupSize(group));
  }
  return {blocks, schedule.getWarpsM() * schedule.getWarpsN() * 32,
          math.constant(0)};
}

} // namespace

const TileKernelFamily *getTileContractFamily() {
  static const TileContractFamily family;
  return &family;
}

} // namespace dlc
