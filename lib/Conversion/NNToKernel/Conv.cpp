// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// conv: the vector kernels where the filter is a packed constant, else a loop
// nest with one accumulator per result element.
#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToKernel/ConvCode.h"
#include "Conversion/NNToKernel/ConvShape.h"
#include "Conversion/NNToKernel/KernelFamily.h"
#include "Conversion/NNToKernel/LoopSpace.h"
#include "Conversion/NNToKernel/Scheduling.h"
#include "Conversion/NNToKernel/VectorEpilogue.h"
#include "Conversion/NNToKernel/ZeroPoint.h"
#include "Conversion/NNToVector/DepthwiseConv.h"

using namespace mlir;

namespace dlc {

namespace {

Type elementOf(Value tensor) {
  return cast<RankedTensorType>(tensor.getType()).getElementType();
}

class ConvLoops {
public:
  explicit ConvLoops(KernelBuilder &kb)
      : kb(kb), b(kb.b), math(kb.math), op(cast<nn::ConvOp>(kb.getRoot())),
        code(kb) {}

  void emitElement(ValueRange indices);

private:
  /// Input coordinate of tap `tap` of spatial dim `i`, and whether it exists.
  std::pair<Value, Value> inputCoordinate(unsigned i, Value output, Value tap);

  KernelBuilder &kb;
  ImplicitLocOpBuilder &b;
  kernel::IndexMath &math;
  nn::ConvOp op;
  ConvCode code;
};

std::pair<Value, Value> ConvLoops::inputCoordinate(unsigned i, Value output,
                                                   Value tap) {
  OpFoldResult low = kb.index(op.getMixedPadLow()[i]),
               stride = math.constant(op.getStrides()[i]);
  OpFoldResult reach = math.mul(tap, op.getDilations()[i]);
  Value size = math.value(kb.size(op.getInput(), op.getSpatialDim(i)));
  auto below = [&](Value x, Value y) -> Value {
    return arith::CmpIOp::create(b, arith::CmpIPredicate::ult, x, y);
  };
  if (!op.getTransposed()) {
    Value position =
        math.value(math.sub(math.add(math.mul(output, stride), reach), low));
    return {position, below(position, size)};
  }
  // output = input * stride - low + reach
  Value spread = math.value(math.sub(math.add(output, low), reach));
  Value step = math.value(stride);
  Value position = arith::FloorDivSIOp::create(b, spread, step);
  Value exact =
      arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                            arith::MulIOp::create(b, position, step), spread);
  return {position, arith::AndIOp::create(b, exact, below(position, size))};
}

void ConvLoops::emitElement(ValueRange indices) {
  unsigned channelDim = op.getChannelDim(), spatial = op.getSpatialRank();
  OpFoldResult groups = math.constant(op.getGroups());
  OpFoldResult outPerGroup =
      math.div(kb.size(op.getResult(), channelDim), groups);
  OpFoldResult inPerGroup =
      math.div(kb.size(op.getInput(), channelDim), groups);
  Value channel = indices[channelDim];
  OpFoldResult group = math.div(channel, outPerGroup);
  OpFoldResult firstIn = math.mul(group, inPerGroup);

  // Loops over input channels of the group, then taps; places 0 and 1 + i of
  // `loops`.
  SmallVector<LoopRange> ranges{{0, math.constant(0), inPerGroup}};
  for (unsigned i = 0; i < spatial; ++i) {
    ranges.push_back({i + 1, math.constant(0), kb.size(op.getFilter(), i + 2)});
  }
  SmallVector<Value> loops(spatial + 1);
  Value init = code.emitZero();
  Value sum = emitLoopNest(
      kb, ranges, loops, init, [&](ValueRange state) -> SmallVector<Value> {
        SmallVector<Value> inputAt(indices), filterAt;
        Value inChannel = math.value(math.add(firstIn, loops[0]));
        inputAt[channelDim] = inChannel;
        if (op.getTransposed()) {
          filterAt = {inChannel, math.value(math.sub(
                                     channel, math.mul(group, outPerGroup)))};
        } else {
          filterAt = {channel, loops[0]};
        }
        Value exists = arith::ConstantIntOp::create(b, 1, 1);
        for (unsigned i = 0; i < spatial; ++i) {
          auto [position, inside] =
              inputCoordinate(i, indices[op.getSpatialDim(i)], loops[i + 1]);
          inputAt[op.getSpatialDim(i)] = position;
          exists = arith::AndIOp::create(b, exists, inside);
          filterAt.push_back(loops[i + 1]);
        }
        return kernel::emitIf(
            b, exists, state[0].getType(),
            [&] {
              Value x = code.convertInput(kb.load(op.getInput(), inputAt));
              Value w = code.convertFilter(kb.load(op.getFilter(), filterAt),
                                           channel);
              return SmallVector<Value>{code.accumulate(state[0], x, w)};
            },
            [&] { return SmallVector<Value>{state[0]}; });
      })[0];
  emitEpilogueStore(kb, 0, op.getResult(), code.finish(sum, channel), indices);
}

/// The kernels that read a packed filter.
class PackedConv {
public:
  explicit PackedConv(DispatchContext &context)
      : context(context), op(cast<nn::ConvOp>(context.getRoot())),
        spec(createConvSpec(context)), kernel(chooseConvKernel(context, spec)) {
  }

  Launch getLaunch();
  void emit(KernelBuilder &kb);

private:
  void setOperands(KernelBuilder &kb);
  Value emitBias(KernelBuilder &kb, Value acc,
                 const kernel::EpilogueIndices &at, Value mask);

  DispatchContext &context;
  nn::ConvOp op;
  kernel::ConvSpec spec;
  ConvKernel kernel;
};

Launch PackedConv::getLaunch() {
  kernel::IndexMath &math = context.math;
  int64_t taps = spec.inputChannels;
  for (int64_t size : spec.kernel) {
    taps *= size;
  }
  OpFoldResult elements =
      nn::productOf(context.b, op.getLoc(), context.sizes(op.getResult()));
  OpFoldResult work =
      estimateWork(context, math.mul(elements, taps),
                   kernel == ConvKernel::Depthwise ? 0.05 : 0.02);
  if (kernel == ConvKernel::MatrixProduct) {
    kernel::GemmSpec product = *kernel::asMatrixProduct(context.b, spec);
    kernel::GemmSchedule schedule = getConvGemmSchedule(context, spec);
    return {kernel::getGemmItems(context.b, product, schedule, context.target),
            work,
            kernel::getGemmScratchBytes(context.b, product, schedule,
                                        context.target)};
  }
  kernel::ConvSchedule schedule = getConvSchedule(context, spec, kernel);
  if (kernel == ConvKernel::Depthwise) {
    return {
        kernel::getDepthwiseItems(context.b, spec, schedule, context.target),
        work,
        math.constant(
            kernel::getDepthwiseScratchBytes(spec, schedule, context.target))};
  }
  return {kernel::getConvItems(context.b, spec, schedule, context.target), work,
          math.constant(
              kernel::getConvScratchBytes(spec, schedule, context.target))};
}

/// Zero points, which the kernels subtract as they load.
void PackedConv::setOperands(KernelBuilder &kb) {
  spec.convertA = subtractZeroPoint(kb, op.getInputZero(), spec.types.acc);
  spec.convertB = subtractZeroPoint(kb, op.getFilterZero(), spec.types.acc);
  if (op.getInputZero()) {
    SmallVector<Value> origin(op.getInputZero().getType().getRank(),
                              kb.math.value(0));
    spec.padValue = kb.load(op.getInputZero(), origin);
  }
}

Value PackedConv::emitBias(KernelBuilder &kb, Value acc,
                           const kernel::EpilogueIndices &at, Value mask) {
  auto type = cast<VectorType>(acc.getType());
  Value flat = kernel::flatten(kb.b, kb.getInputBase(op.getBias()));
  Value bias =
      kernel::loadVector(kb.b, flat, at.n, type.getNumElements(), mask);
  bias = emitCast(kb.b, bias, elementOf(op.getBias()), type.getElementType());
  return emitElementwise(kb.b, nn::Fn::add, {acc, bias}, {},
                         type.getElementType(), type.getElementType());
}

void PackedConv::emit(KernelBuilder &kb) {
  setOperands(kb);
  SmallVector<SmallVector<unsigned>> groups{{0}, {}, {op.getSpatialRank() + 1}};
  for (unsigned i = 0; i < op.getSpatialRank(); ++i) {
    groups[1].push_back(op.getSpatialDim(i));
  }
  VectorEpilogue epilogue(kb, op.getResult(), groups);
  spec.epilogue.compute = [&](ImplicitLocOpBuilder &, Value acc,
                              const kernel::EpilogueIndices &at, Value mask) {
    Value sum = op.getBias() ? emitBias(kb, acc, at, mask) : acc;
    return epilogue.compute(sum, {at.batch[0], at.m, at.n}, at.offset, mask);
  };
  auto packed = op.getFilter().getDefiningOp<nn::PackedOp>();
  kernel::ConvBuffers buffers{kb.getInputBase(op.getInput()),
                              kb.getInputBase(packed.getInput()),
                              kb.getResultBase(0), kb.getScratch()};
  if (kernel == ConvKernel::MatrixProduct) {
    kernel::GemmSpec product = *kernel::asMatrixProduct(kb.b, spec);
    kernel::GemmBuffers operands{buffers.input, buffers.filter, buffers.output,
                                 buffers.scratch};
    kernel::emitGemm(kb.b, product, getConvGemmSchedule(kb, spec), kb.target,
                     operands, kb.getBegin(), kb.getEnd());
    return;
  }
  kernel::ConvSchedule schedule = getConvSchedule(kb, spec, kernel);
  auto emitKernel = kernel == ConvKernel::Depthwise ? kernel::emitDepthwiseConv
                                                    : kernel::emitConv;
  emitKernel(kb.b, spec, schedule, kb.target, buffers, kb.getBegin(),
             kb.getEnd());
}

bool hasPackedFilter(nn::ConvOp op) {
  return op.getFilter().getDefiningOp<nn::PackedOp>() != nullptr;
}

class ConvFamily final : public KernelFamily {
public:
  Launch getLaunch(DispatchContext &context) const override {
    auto op = cast<nn::ConvOp>(context.getRoot());
    if (hasPackedFilter(op)) {
      return PackedConv(context).getLaunch();
    }
    OpFoldResult elements =
        nn::productOf(context.b, op.getLoc(), context.sizes(op.getResult()));
    return {LoopSpace(context, op.getResult(), 256).getItems(),
            estimateWork(context, elements, 500), context.math.constant(0)};
  }

  LogicalResult emit(KernelBuilder &kb) const override {
    auto op = cast<nn::ConvOp>(kb.getRoot());
    if (hasPackedFilter(op)) {
      PackedConv(kb).emit(kb);
      return success();
    }
    LoopSpace(kb, op.getResult(), 256).emitLoops(kb, [&](ValueRange indices) {
      ConvLoops(kb).emitElement(indices);
    });
    return success();
  }
};

} // namespace

const KernelFamily *getConvFamily() {
  static const ConvFamily family;
  return &family;
}

} // namespace dlc
