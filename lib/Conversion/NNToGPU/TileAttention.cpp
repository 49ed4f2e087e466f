// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attention on tensor cores.
#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToGPU/AttentionRegion.h"
#include "Conversion/NNToGPU/TileKernelFamily.h"
#include "Conversion/NNToKernel/KeyBounds.h"
#include "Dialect/Tile/AttentionKernel.h"

using namespace mlir;

namespace dlc {

namespace {

constexpr int64_t kMaxHead = 256;

/// What is known of attention without its run-time sizes.
struct StaticAttention {
  explicit StaticAttention(nn::DispatchOp dispatch)
      : op(cast<nn::AttentionOp>(dispatch.getRootOp())) {}

  std::optional<unsigned> getPlace(unsigned map, unsigned loop) const {
    return op.getMap(map).getResultPosition(
        getAffineDimExpr(loop, op->getContext()));
  }
  /// Query, key, value, result.
  Value getTensor(unsigned map) const {
    return map < 3 ? op->getOperand(map) : op->getResult(0);
  }
  int64_t getSize(unsigned map, unsigned loop) const {
    std::optional<unsigned> place = getPlace(map, loop);
    return place ? typeOf(getTensor(map)).getDimSize(*place) : 1;
  }
  /// Divides the stride of a loop in a tensor; 0 where it has none.
  int64_t strideDivisor(unsigned map, unsigned loop) const {
    std::optional<unsigned> place = getPlace(map, loop);
    return place ? getKnownDivisor(
                       typeOf(getTensor(map)).getShape().drop_front(*place + 1))
                 : 0;
  }
  /// Whether the elements of a loop are neighbours in a tensor.
  bool isInnermost(unsigned map, unsigned loop) const {
    std::optional<unsigned> place = getPlace(map, loop);
    return place &&
           llvm::all_of(
               typeOf(getTensor(map)).getShape().drop_front(*place + 1),
               [](int64_t size) { return size == 1; });
  }
  /// Bytes that divide the addresses of a tensor's rows.
  int64_t getAlignment(unsigned map, Type element) const;
  tile::AttentionTraits getTraits() const;
  /// The loops of the batch that move a tensor.
  SmallVector<unsigned> getMapBatch(unsigned map) const;
  /// Keys or values for bulk copies of `box`.
  GPUTensorMap getMap(DispatchContext &context, unsigned map,
                      const tile::MapBox &box) const;

  mutable nn::AttentionOp op;
};

/// The loop of the rows and of the columns of each tensor.
constexpr unsigned kRowLoops[] = {nn::kRow, nn::kKey, nn::kKey, nn::kRow};
constexpr unsigned kColumnLoops[] = {nn::kDepth, nn::kDepth, nn::kColumn,
                                     nn::kColumn};

constexpr unsigned kBatchLoops[] = {nn::kBatch, nn::kHead, nn::kGroup};

int64_t StaticAttention::getAlignment(unsigned map, Type element) const {
  Builder b(op.getContext());
  SmallVector<unsigned> loops(ArrayRef<unsigned>{kBatchLoops});
  loops.push_back(kRowLoops[map]);
  return tile::getAlignment(
      element, llvm::map_to_vector(loops, [&](unsigned loop) {
        return tile::Size(b.getI64IntegerAttr(strideDivisor(map, loop)));
      }));
}

tile::AttentionTraits StaticAttention::getTraits() const {
  Type element = typeOf(op.getQuery()).getElementType();
  auto isMappable = [&](unsigned map) {
    return getAlignment(map, element) == tile::kChunkBytes;
  };
  return {getSize(0, nn::kDepth), getSize(2, nn::kColumn),
          !op.getScore().empty() || !op.getMask().empty(),
          element.getIntOrFloatBitWidth() / 8, isMappable(1) && isMappable(2)};
}

SmallVector<unsigned> StaticAttention::getMapBatch(unsigned map) const {
  SmallVector<unsigned> dims;
  for (auto [i, loop] : llvm::enumerate(kBatchLoops)) {
    if (getPlace(map, loop)) {
      dims.push_back(i);
    }
  }
  return dims;
}

GPUTensorMap StaticAttention::getMap(DispatchContext &context, unsigned map,
                                     const tile::MapBox &box) const {
  Value tensor = getTensor(map);
  GPUTensorMap made;
  made.buffer = cast<BlockArgument>(tensor).getArgNumber();
  made.elementBytes = typeOf(tensor).getElementTypeBitWidth() / 8;
  made.box = box;
  made.sizes.push_back(context.math.constant(getSize(map, kColumnLoops[map])));
  auto add = [&](unsigned loop) {
    std::optional<unsigned> place = getPlace(map, loop);
    made.sizes.push_back(place ? context.size(tensor, *place)
                               : context.math.constant(1));
    made.strides.push_back(
        place ? context.math.mul(context.stride(tensor, *place),
                                 made.elementBytes)
              : context.math.constant(0));
  };
  add(kRowLoops[map]);
  for (unsigned i : getMapBatch(map)) {
    add(kBatchLoops[i]);
  }
  return made;
}

OpFoldResult getLoopSize(DispatchContext &context, const StaticAttention &known,
                         unsigned loop) {
  for (unsigned map = 0; map < 3; ++map) {
    if (std::optional<unsigned> place = known.getPlace(map, loop)) {
      return context.size(known.getTensor(map), *place);
    }
  }
  return context.math.constant(1);
}

/// Emits one kernel.
class AttentionEmitter {
public:
  AttentionEmitter(TileKernelBuilder &builder,
                   tile::AttentionScheduleAttr schedule)
      : builder(builder), known(builder.dispatch), op(known.op),
        schedule(schedule) {}

  FailureOr<tile::KernelOp> emit() {
    builder.signature.maps = schedule.getBulk() ? 2 : 0;
    return tile::buildAttentionKernel(
        builder.b, builder.signature, schedule, builder.limits,
        [&](ImplicitLocOpBuilder &b, const tile::KernelArguments &arguments) {
          builder.start(b, arguments);
          return makeSpec(arguments.maps);
        });
  }

private:
  tile::AttentionSpec makeSpec(ValueRange maps);
  tile::Size stride(unsigned map, unsigned loop);
  tile::OffsetFn makeOffset(unsigned map);
  tile::MatrixSpec makeOperand(unsigned map, ValueRange maps);
  tile::KeyBoundFn makeBound(const RowBound &bound, int64_t distance);
  void setBounds(tile::AttentionSpec &spec);
  void setRegions(tile::AttentionSpec &spec);
  void setLogSum(tile::AttentionSpec &spec);
  Value emitRegion(ImplicitLocOpBuilder &b, const tile::ScorePlace &place,
                   Value score, bool isMask);

  TileKernelBuilder &builder;
  StaticAttention known;
  nn::AttentionOp op;
  tile::AttentionScheduleAttr schedule;
  /// keyBegin and keyEnd say all that the mask does.
  bool masksByBounds = false;
};

tile::Size AttentionEmitter::stride(unsigned map, unsigned loop) {
  KernelBuilder &kb = builder.kb();
  std::optional<unsigned> place = known.getPlace(map, loop);
  return builder.getSize(place ? kb.stride(known.getTensor(map), *place)
                               : kb.math.constant(0));
}

tile::OffsetFn AttentionEmitter::makeOffset(unsigned map) {
  SmallVector<tile::Size> strides;
  for (unsigned loop : kBatchLoops) {
    strides.push_back(stride(map, loop));
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

/// `maps` are those of keys and values.
tile::MatrixSpec AttentionEmitter::makeOperand(unsigned map, ValueRange maps) {
  tile::MatrixSpec matrix;
  matrix.base = builder.getPointer(known.getTensor(map));
  matrix.element = typeOf(known.getTensor(map)).getElementType();
  matrix.rowStride = stride(map, kRowLoops[map]);
  matrix.columnStride = builder.b.getI64IntegerAttr(1);
  matrix.offset = makeOffset(map);
  matrix.alignment = known.getAlignment(map, matrix.element);
  if (map > 0 && !maps.empty()) {
    matrix.map = maps[map - 1];
    matrix.mapBatch = known.getMapBatch(map);
  }
  return matrix;
}

Value AttentionEmitter::emitRegion(ImplicitLocOpBuilder &b,
                                   const tile::ScorePlace &place, Value score,
                                   bool isMask) {
  KernelBuilder &kb = builder.kb();
  OpBuilder::InsertionGuard guard(kb.b);
  kb.b.restoreInsertionPoint(b.saveInsertionPoint());
  KernelBuilder::MemoScope scope(kb);
  SmallVector<Value> loops(nn::kNumAttentionLoops);
  for (unsigned loop : kBatchLoops) {
    loops[loop] = builder.getIndex(kb.b, place.batch[loop]);
  }
  loops[nn::kRow] = builder.getIndex(kb.b, place.row);
  loops[nn::kKey] = builder.getIndex(kb.b, place.key);
  unsigned maskMaps = 4 + op.getScoreInputs().size();
  return emitAttentionRegion(kb, op, isMask ? op.getMask() : op.getScore(),
                             score,
                             isMask ? op.getMaskInputs() : op.getScoreInputs(),
                             isMask ? maskMaps : 4, loops);
}

/// row + a bound's offsets + `distance`, i32.
tile::KeyBoundFn AttentionEmitter::makeBound(const RowBound &bound,
                                             int64_t distance) {
  KernelBuilder &kb = builder.kb();
  Value sum = kb.math.value(
      kb.math.add(sumOffsets(kb, bound), kb.math.constant(distance)));
  Value offset = arith::IndexCastOp::create(kb.b, kb.b.getI32Type(), sum);
  return [offset](ImplicitLocOpBuilder &b, ValueRange, Value row) {
    return tile::SizeMath(b).add(row, offset);
  };
}

void AttentionEmitter::setBounds(tile::AttentionSpec &spec) {
  KeyBounds bounds = findKeyBounds(op);
  if (bounds.first) {
    spec.keyBegin = makeBound(*bounds.first, 0);
  }
  if (bounds.last) {
    spec.keyEnd = makeBound(*bounds.last, 1);
  }
  masksByBounds = bounds.areWholeMask;
}

void AttentionEmitter::setRegions(tile::AttentionSpec &spec) {
  bool averages = op.getEmptyRow() == nn::EmptyRow::average;
  bool hasMask = !op.getMask().empty() && !masksByBounds;
  if (hasMask && !averages) {
    spec.mask = [this](ImplicitLocOpBuilder &b, const tile::ScorePlace &place) {
      return emitRegion(b, place, nullptr, /*isMask=*/true);
    };
  }
  bool hidesByScore = hasMask && averages;
  if (op.getScore().empty() && !hidesByScore) {
    return;
  }
  spec.score = [this, hidesByScore](ImplicitLocOpBuilder &b, Value score,
                                    const tile::ScorePlace &place) -> Value {
    if (!op.getScore().empty()) {
      score = emitRegion(b, place, score, /*isMask=*/false);
    }
    if (hidesByScore) {
      // A finite score makes a row without keys the average of all; half the
      // range leaves room for the factor of exp2.
      Value counts = emitRegion(b, place, nullptr, /*isMask=*/true);
      Value hidden = arith::ConstantOp::create(
          b, b.getF32FloatAttr(std::numeric_limits<float>::lowest() / 2));
      score = arith::SelectOp::create(b, counts, score, hidden);
    }
    return score;
  };
}

/// The logarithms are a dense tensor of (batch, head, group, row).
void AttentionEmitter::setLogSum(tile::AttentionSpec &spec) {
  if (!op.getLse()) {
    return;
  }
  Value base = builder.getResultPointer(1);
  Type element = typeOf(op.getLse()).getElementType();
  SmallVector<tile::Size> sizes = spec.batch;
  sizes.push_back(spec.rows);
  spec.storeLogSum = [=](ImplicitLocOpBuilder &b, Value value, ValueRange batch,
                         Value row) {
    tile::SizeMath math(b);
    Value offset = math.i64(0);
    SmallVector<Value> indices = llvm::to_vector(batch);
    indices.push_back(math.extend(row));
    for (auto [index, size] : llvm::zip_equal(indices, sizes)) {
      offset = math.add(math.mul(offset, math.i64(size)), index);
    }
    Value address =
        LLVM::GEPOp::create(b, base.getType(), element, base, offset);
    LLVM::StoreOp::create(b, tile::convertFloat(b, value, element), address);
  };
}

tile::AttentionSpec AttentionEmitter::makeSpec(ValueRange maps) {
  KernelBuilder &kb = builder.kb();
  tile::AttentionSpec spec;
  for (unsigned loop : kBatchLoops) {
    spec.batch.push_back(builder.getSize(getLoopSize(kb, known, loop)));
  }
  spec.rows = builder.getSize(getLoopSize(kb, known, nn::kRow));
  spec.keys = builder.getSize(getLoopSize(kb, known, nn::kKey));
  tile::AttentionTraits traits = known.getTraits();
  spec.head = traits.head;
  spec.valueHead = traits.valueHead;
  spec.query = makeOperand(0, maps);
  spec.key = makeOperand(1, maps);
  spec.value = makeOperand(2, maps);
  Type element = typeOf(op.getResult()).getElementType();
  spec.result.base = builder.getResultPointer();
  spec.result.element = element;
  spec.result.rowStride = stride(3, nn::kRow);
  spec.result.offset = makeOffset(3);
  spec.result.alignment = known.getAlignment(3, element);
  spec.scale =
      emitConstant(kb.b, kb.b.getF32Type(), op.getScale().convertToDouble());
  spec.emptyRow = op.getEmptyRow() == nn::EmptyRow::zero ? tile::EmptyRow::Zero
                                                         : tile::EmptyRow::NaN;
  spec.zeroNaNRows = op.getNanRow() == nn::NanRow::zero;
  setBounds(spec);
  setRegions(spec);
  setLogSum(spec);
  return spec;
}

class TileAttentionFamily final
    : public ScheduledTileFamily<tile::AttentionScheduleAttr,
                                 tile::AttentionTraits> {
public:
  Attribute chooseSchedule(nn::DispatchOp dispatch,
                           const tile::BlockLimits &limits) const override {
    StaticAttention known(dispatch);
    std::optional<unsigned> place = known.getPlace(0, nn::kRow);
    int64_t rows =
        place ? getTypicalSize(dispatch, known.getTensor(0), *place) : 1;
    tile::AttentionTraits traits = known.getTraits();
    remarkWithoutBulk(dispatch, limits, tile::getBulkObstacle(traits));
    return chooseAttentionSchedule(dispatch.getContext(), rows, traits, limits);
  }

  FailureOr<tile::KernelOp> build(TileKernelBuilder &builder) const override {
    return AttentionEmitter(builder, getSchedule(builder.dispatch)).emit();
  }

protected:
  std::string findObstacle(nn::DispatchOp dispatch) const override;

  SmallVector<GPUTensorMap> getMaps(DispatchContext &context) const override {
    auto schedule = getSchedule(context.getDispatch());
    if (!schedule.getBulk()) {
      return {};
    }
    StaticAttention known(context.getDispatch());
    tile::AttentionTraits traits = known.getTraits();
    return {known.getMap(context, 1, getBoxOfKeys(schedule, traits)),
            known.getMap(context, 2, getBoxOfValues(schedule, traits))};
  }

  tile::AttentionTraits getTraits(nn::DispatchOp dispatch) const override {
    return StaticAttention(dispatch).getTraits();
  }

  OpFoldResult countBlocks(DispatchContext &context) const override {
    kernel::IndexMath &math = context.math;
    auto schedule = getSchedule(context.getDispatch());
    StaticAttention known(context.getDispatch());
    OpFoldResult blocks = math.ceilDiv(getLoopSize(context, known, nn::kRow),
                                       math.constant(schedule.getQueries()));
    for (unsigned loop : kBatchLoops) {
      blocks = math.mul(blocks, getLoopSize(context, known, loop));
    }
    return blocks;
  }
};

std::string TileAttentionFamily::findObstacle(nn::DispatchOp dispatch) const {
  StaticAttention known(dispatch);
  for (unsigned map = 0; map < 4; ++map) {
    if (!known.isInnermost(map, kColumnLoops[map])) {
      return "neighbours in an operand or the result are not of one row";
    }
  }
  tile::AttentionTraits traits = known.getTraits();
  if (ShapedType::isDynamic(traits.head) ||
      ShapedType::isDynamic(traits.valueHead) ||
      std::max(traits.head, traits.valueHead) > kMaxHead) {
    return "heads wider than 256, or of unknown width";
  }
  return {};
}

} // namespace

const TileKernelFamily *getTileAttentionFamily() {
  static const TileAttentionFamily family;
  return &family;
}

} // namespace dlc
