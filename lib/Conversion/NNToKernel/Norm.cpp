// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// norm: a vector kernel for rows of the innermost dims, another for statistics
// per channel or group with channels last, else scalar loops, one set of
// statistics at a time: mean, variance about it, result.
#include "Conversion/NNToVector/Norm.h"
#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToKernel/KernelFamily.h"
#include "Conversion/NNToKernel/LoopSpace.h"
#include "Conversion/NNToKernel/NormCode.h"
#include "Conversion/NNToKernel/RowView.h"
#include "Conversion/NNToVector/ChannelNorm.h"

using namespace mlir;

namespace dlc {

namespace {

/// Whether the vector kernel takes the dispatch: its rows, and scale and bias
/// along the columns or the same for a whole row.
bool hasVectorKernel(nn::DispatchOp dispatch, nn::NormOp op) {
  Type stat = getStatType(op);
  int64_t rowDims = op.getInput().getType().getRank() - op.getAxes().size();
  auto isRowDim = [&](int64_t dim) { return dim < rowDims; };
  bool affineFits = op.getAffineDims() == op.getAxes() ||
                    llvm::all_of(op.getAffineDims(), isRowDim);
  auto isDirect = [](Value tensor) {
    return !tensor || isa<BlockArgument>(tensor) ||
           tensor.getDefiningOp<arith::ConstantOp>();
  };
  return op.getGroups() == 0 && (stat.isF32() || stat.isF64()) && affineFits &&
         isDirect(op.getScale()) && isDirect(op.getBias()) &&
         hasVectorRows(dispatch, op.getInput(), op.getAxes());
}

kernel::NormStatistic statisticOf(nn::NormOp op) {
  return op.getStat() == nn::NormStat::mean_var
             ? kernel::NormStatistic::MeanVariance
             : kernel::NormStatistic::RootMeanSquare;
}

/// What the vector kernel needs to know, without loads and stores.
kernel::NormSpec createSpec(DispatchContext &context, nn::NormOp op) {
  kernel::NormSpec spec;
  spec.columns =
      context.math.constant(countColumns(op.getInput(), op.getAxes()));
  spec.acc = getStatType(op);
  spec.statistic = statisticOf(op);
  spec.epsilon = op.getEpsilon().convertToDouble();
  return spec;
}

/// Whether the tensor is [..., points, channels], each channel or group of
/// channels normalised over all points, with a scale and bias per channel, and
/// all around it elementwise.
bool hasChannelKernel(nn::DispatchOp dispatch, nn::NormOp op) {
  RankedTensorType type = op.getInput().getType();
  int64_t channelDim = type.getRank() - 1;
  Type stat = getStatType(op);
  if (type.isDynamicDim(channelDim) || type.getDimSize(channelDim) == 0 ||
      op.getAxes().empty() || op.getMean() || op.getInvStd() ||
      !(stat.isF32() || stat.isF64()) ||
      (op.getGroups() > 0 && op.getChannelDim() != channelDim)) {
    return false;
  }
  for (auto [i, axis] : llvm::enumerate(llvm::reverse(op.getAxes()))) {
    if (axis != channelDim - 1 - static_cast<int64_t>(i)) {
      return false;
    }
  }
  auto isPerChannel = [&](Value tensor) {
    return !tensor || (isa<BlockArgument>(tensor) &&
                       op.getAffineDims() == ArrayRef(channelDim));
  };
  return isPerChannel(op.getScale()) && isPerChannel(op.getBias()) &&
         hasVectorSurroundings(dispatch);
}

/// What that kernel needs to know, without loads and stores.
kernel::ChannelNormSpec createChannelSpec(DispatchContext &context,
                                          nn::NormOp op) {
  kernel::ChannelNormSpec spec;
  nn::Sizes sizes = context.sizes(op.getInput());
  spec.points = context.math.constant(1);
  for (int64_t axis : op.getAxes()) {
    spec.points = context.math.mul(spec.points, sizes[axis]);
  }
  spec.channels = *getConstantIntValue(sizes.back());
  spec.groupWidth =
      op.getGroups() > 0 ? spec.channels / int64_t(op.getGroups()) : 1;
  spec.acc = getStatType(op);
  spec.statistic = statisticOf(op);
  spec.epsilon = op.getEpsilon().convertToDouble();
  return spec;
}

/// Loads and stores of that kernel while it is emitted.
class ChannelView {
public:
  ChannelView(KernelBuilder &kb, nn::NormOp op, Type acc)
      : kb(kb), op(op), acc(acc), sizes(kb.sizes(op.getInput())),
        vectors(kb, op.getResult(), eachDimAlone(sizes.size())) {}

  Value load(Value batch, Value point, Value channel, Value mask) {
    int64_t lanes = kb.target.lanesFor(acc.getIntOrFloatBitWidth());
    SmallVector<Value> at = place(batch, point, channel);
    Value vector = vectors.load(op.getInput(), lanes, at, offsetOf(at), mask);
    return emitCast(kb.b, vector, op.getInput().getType().getElementType(),
                    acc);
  }

  void store(Value batch, Value point, Value channel, Value value, Value mask) {
    SmallVector<Value> at = place(batch, point, channel);
    Value offset = offsetOf(at);
    Value stored = vectors.compute(value, at, offset, mask);
    kernel::storeVector(
        kb.b, stored, kernel::flatten(kb.b, kb.getResultBase(0)), offset, mask);
  }

  /// An operand with one element a channel.
  std::function<Value(ImplicitLocOpBuilder &, Value, Value)>
  getAffine(Value tensor) {
    if (!tensor) {
      return nullptr;
    }
    return [this, tensor](ImplicitLocOpBuilder &b, Value channel, Value mask) {
      Value flat = kernel::flatten(b, kb.getInputBase(tensor));
      Value vector = kernel::loadVector(
          b, flat, channel, kb.target.lanesFor(acc.getIntOrFloatBitWidth()),
          mask);
      return emitCast(b, vector,
                      cast<RankedTensorType>(tensor.getType()).getElementType(),
                      acc);
    };
  }

private:
  static SmallVector<SmallVector<unsigned>> eachDimAlone(unsigned rank) {
    return llvm::map_to_vector(llvm::seq(rank), [](unsigned dim) {
      return SmallVector<unsigned>{dim};
    });
  }

  SmallVector<Value> place(Value batch, Value point, Value channel) {
    size_t numPoints = op.getAxes().size();
    ArrayRef<OpFoldResult> leading = ArrayRef(sizes).drop_back(1 + numPoints);
    SmallVector<OpFoldResult> at = kernel::delinearize(kb.math, batch, leading);
    llvm::append_range(
        at,
        kernel::delinearize(kb.math, point,
                            ArrayRef(sizes).drop_back().take_back(numPoints)));
    at.push_back(channel);
    return llvm::map_to_vector(
        at, [&](OpFoldResult index) { return kb.math.value(index); });
  }

  Value offsetOf(ArrayRef<Value> at) {
    OpFoldResult offset = kb.math.constant(0);
    for (auto [index, size] : llvm::zip_equal(at, sizes)) {
      offset = kb.math.add(kb.math.mul(offset, size), index);
    }
    return kb.math.value(offset);
  }

  KernelBuilder &kb;
  nn::NormOp op;
  Type acc;
  nn::Sizes sizes;
  VectorEpilogue vectors;
};

class NormEmitter {
public:
  explicit NormEmitter(KernelBuilder &kb) : kb(kb), code(kb), op(code.op) {}

  /// Emits the set of statistics whose place among the other dims is `indices`;
  /// with groups, the channel index is the group's number.
  void emitSet(MutableArrayRef<Value> indices);

private:
  SmallVector<LoopRange> setRanges(ArrayRef<Value> indices);
  /// Sum of `term` over the set.
  Value emitSum(ArrayRef<LoopRange> ranges, MutableArrayRef<Value> indices,
                llvm::function_ref<Value(Value)> term);

  KernelBuilder &kb;
  NormCode code;
  nn::NormOp op;
};

SmallVector<LoopRange> NormEmitter::setRanges(ArrayRef<Value> indices) {
  SmallVector<LoopRange> ranges;
  if (op.getGroups() > 0) {
    unsigned dim = op.getChannelDim();
    OpFoldResult width = kb.math.div(kb.size(op.getInput(), dim),
                                     kb.math.constant(op.getGroups()));
    OpFoldResult first = kb.math.mul(indices[dim], width);
    ranges.push_back({dim, first, kb.math.add(first, width)});
  }
  llvm::append_range(ranges, wholeRanges(kb, op.getInput(), op.getAxes()));
  return ranges;
}

Value NormEmitter::emitSum(ArrayRef<LoopRange> ranges,
                           MutableArrayRef<Value> indices,
                           llvm::function_ref<Value(Value)> term) {
  auto reassociate = arith::FastMathFlagsAttr::get(
      kb.b.getContext(), arith::FastMathFlags::reassoc);
  return emitLoopNest(kb, ranges, indices, emitConstant(kb.b, code.stat, 0),
                      [&](ValueRange state) -> SmallVector<Value> {
                        return {arith::AddFOp::create(kb.b, state[0],
                                                      term(code.load(indices)),
                                                      reassociate)};
                      })[0];
}

void NormEmitter::emitSet(MutableArrayRef<Value> indices) {
  SmallVector<Value> place(indices);
  SmallVector<LoopRange> ranges = setRanges(indices);
  OpFoldResult count = kb.math.constant(1);
  for (const LoopRange &range : ranges) {
    count = kb.math.mul(count, kb.math.sub(range.upper, range.lower));
  }
  Value mean = code.emitMean(count, [&] {
    return emitSum(ranges, indices, [](Value x) { return x; });
  });
  Value squares = emitSum(ranges, indices, [&](Value x) -> Value {
    Value centred = code.centre(x, mean);
    return arith::MulFOp::create(kb.b, centred, centred);
  });
  Value invStd = code.emitInvStd(count, squares);
  emitLoopNest(kb, ranges, indices, {}, [&](ValueRange) -> SmallVector<Value> {
    code.storeElement(code.load(indices), mean, invStd, indices);
    return {};
  });
  for (int64_t axis : op.getAxes()) {
    place[axis] = kb.math.value(0);
  }
  code.storeStatistics(place, mean, invStd);
}

class NormFamily final : public KernelFamily {
public:
  Launch getLaunch(DispatchContext &context) const override {
    auto op = cast<nn::NormOp>(context.getRoot());
    OpFoldResult elements =
        nn::productOf(context.b, op.getLoc(), context.sizes(op.getInput()));
    if (hasVectorKernel(context.getDispatch(), op)) {
      return {countRows(context, op.getInput(), op.getAxes()),
              estimateWork(context, elements, 0.3),
              kernel::getNormScratchBytes(context.b, createSpec(context, op))};
    }
    if (hasChannelKernel(context.getDispatch(), op)) {
      return {
          context.math.mul(countBatches(context, op),
                           kernel::getChannelNormBlocks(
                               createChannelSpec(context, op), context.target)),
          estimateWork(context, elements, 0.3), context.math.constant(0)};
    }
    return {nn::productOf(context.b, op.getLoc(), setSizes(context, op)),
            estimateWork(context, elements, 0.5), context.math.constant(0)};
  }

  LogicalResult emit(KernelBuilder &kb) const override {
    auto op = cast<nn::NormOp>(kb.getRoot());
    if (hasVectorKernel(kb.getDispatch(), op)) {
      emitRows(kb, op);
      return success();
    }
    if (hasChannelKernel(kb.getDispatch(), op)) {
      emitChannels(kb, op);
      return success();
    }
    nn::Sizes sizes = setSizes(kb, op);
    kernel::emitFor(
        kb.b, kb.getBegin(), kb.getEnd(), kb.math.constant(1), [&](Value item) {
          SmallVector<Value> indices;
          for (OpFoldResult index : kernel::delinearize(kb.math, item, sizes)) {
            indices.push_back(kb.math.value(index));
          }
          NormEmitter(kb).emitSet(indices);
        });
    return success();
  }

private:
  static void emitRows(KernelBuilder &kb, nn::NormOp op) {
    kernel::NormSpec spec = createSpec(kb, op);
    RowView rows(kb, op.getInput(), op.getResult(), op.getAxes(), spec.acc);
    spec.load = rows.getLoad();
    spec.store = rows.getStore();
    spec.scale = rows.getAffine(op.getScale(), op.getAffineDims());
    spec.bias = rows.getAffine(op.getBias(), op.getAffineDims());
    if (op.getMean() || op.getInvStd()) {
      spec.storeStatistics = [&](ImplicitLocOpBuilder &b, Value row, Value mean,
                                 Value inverse) {
        unsigned result = 1;
        for (auto [tensor, value] :
             {std::pair(op.getMean(), mean), {op.getInvStd(), inverse}}) {
          if (tensor) {
            Value known = value ? value : emitConstant(b, spec.acc, 0);
            Value stored =
                emitCast(b, known, spec.acc, tensor.getType().getElementType());
            memref::StoreOp::create(
                b, stored, kernel::flatten(b, kb.getResultBase(result++)), row);
          }
        }
      };
    }
    kernel::emitNormRows(kb.b, spec, kb.target, kb.getScratch(), kb.getBegin(),
                         kb.getEnd());
  }

  static OpFoldResult countBatches(DispatchContext &context, nn::NormOp op) {
    nn::Sizes sizes = context.sizes(op.getInput());
    sizes.truncate(sizes.size() - 1 - op.getAxes().size());
    return nn::productOf(context.b, op.getLoc(), sizes);
  }

  static void emitChannels(KernelBuilder &kb, nn::NormOp op) {
    kernel::ChannelNormSpec spec = createChannelSpec(kb, op);
    ChannelView view(kb, op, spec.acc);
    spec.load = [&](ImplicitLocOpBuilder &, Value batch, Value point,
                    Value channel, Value mask) {
      return view.load(batch, point, channel, mask);
    };
    spec.store = [&](ImplicitLocOpBuilder &, Value batch, Value point,
                     Value channel, Value value, Value mask) {
      view.store(batch, point, channel, value, mask);
    };
    spec.scale = view.getAffine(op.getScale());
    spec.bias = view.getAffine(op.getBias());
    kernel::emitChannelNorm(kb.b, spec, kb.target, kb.getBegin(), kb.getEnd());
  }

  /// The input's sizes with 1 for the axes and the groups for the channels.
  static nn::Sizes setSizes(DispatchContext &context, nn::NormOp op) {
    nn::Sizes sizes = context.sizes(op.getInput());
    for (int64_t axis : op.getAxes()) {
      sizes[axis] = context.math.constant(1);
    }
    if (op.getGroups() > 0) {
      sizes[op.getChannelDim()] = context.math.constant(op.getGroups());
    }
    return sizes;
  }
};

} // namespace

const KernelFamily *getNormFamily() {
  static const NormFamily family;
  return &family;
}

} // namespace dlc
