// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// conv as a matrix product that reads the input in place of its im2col form:
// rows are output pixels, columns output channels of a group, and steps the
// taps and, innermost, input channels of a group.
#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToGPU/GPUKernelFamily.h"
#include "Conversion/NNToGPU/GemmTile.h"
#include "Conversion/NNToKernel/Scheduling.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace dlc {

namespace {

/// Whether the matrix product computes `op`; see DirectConv.cpp for the others.
bool isMatrixProduct(nn::ConvOp op) {
  ArrayRef<int64_t> filter = op.getFilter().getType().getShape();
  if (op.getTransposed() || op.getInputZero() || op.getFilterZero() ||
      !op.getFilter().getType().hasStaticShape()) {
    return false;
  }
  int64_t columns = filter[0] / op.getGroups();
  return op.getGroups() == 1 || (columns >= 8 && filter[1] >= 4);
}

/// The filter as the kernel reads it: the param in its packed layout, or the
/// operand.
bool isPacked(nn::ConvOp op) {
  return op.getFilter().getDefiningOp<nn::PackedOp>() != nullptr;
}

/// Sizes of the product.
class ConvView {
public:
  explicit ConvView(DispatchContext &context)
      : context(context), op(cast<nn::ConvOp>(context.getRoot())) {
    ArrayRef<int64_t> filter = op.getFilter().getType().getShape();
    groups = op.getGroups();
    channels = filter[1];
    columns = filter[0] / groups;
    taps = llvm::to_vector(filter.drop_front(2));
    acc = op.getAcc()
              ? *op.getAcc()
              : getAccumulatorType(typeOf(op.getInput()).getElementType());
  }

  /// As GemmOperand::hasVectors of the input.
  bool hasInputVectors() const {
    nn::ConvOp conv = op;
    return conv.getChannelsLast() && channels % 4 == 0 &&
           isa<BlockArgument>(conv.getInput());
  }
  int64_t numSteps() const {
    int64_t steps = channels;
    for (int64_t size : taps) {
      steps *= size;
    }
    return steps;
  }
  /// Sizes of the result's batch and spatial dims: the rows.
  nn::Sizes rowSizes() {
    nn::Sizes sizes{context.size(op.getResult(), 0)};
    for (unsigned i = 0; i < op.getSpatialRank(); ++i) {
      sizes.push_back(context.size(op.getResult(), op.getSpatialDim(i)));
    }
    return sizes;
  }
  OpFoldResult numRows() {
    return nn::productOf(context.b, op.getLoc(), rowSizes());
  }
  bool areImagesKnown() {
    return llvm::all_of(
        ArrayRef(rowSizes()).drop_front(),
        [](OpFoldResult size) { return kernel::IndexMath::known(size); });
  }
  GemmTileShape chooseTile() {
    GemmProblem problem;
    problem.m = kernel::IndexMath::known(numRows());
    problem.n = columns;
    problem.k = numSteps();
    problem.batch = groups;
    problem.acc = acc;
    problem.aDenseInK = op.getChannelsLast();
    problem.bDenseInK = !isPacked(op);
    problem.aHasVectors = hasInputVectors();
    problem.bHasVectors = isPacked(op) && columns % 4 == 0;
    return chooseGemmTile(problem);
  }

  DispatchContext &context;
  nn::ConvOp op;
  int64_t groups, channels, columns;
  SmallVector<int64_t> taps;
  Type acc;
};

class ConvEmitter {
public:
  explicit ConvEmitter(GPUKernelBuilder &kb)
      : kb(kb), b(kb.b), math(kb.math), view(kb), op(view.op) {}

  void emit();

private:
  GemmOperand makeInput();
  GemmOperand makeFilter();
  /// Batch index, then the input coordinate of the first tap per spatial dim.
  SmallVector<Value> prepareRow(Value row);
  SmallVector<Value> loadInput(ValueRange state, Value step, int64_t count);
  Value loadFilter(Value column, Value step);
  void store(Value row, ArrayRef<Value> columns, ValueRange values);
  /// Tap coordinates and channel of a step.
  SmallVector<OpFoldResult> splitStep(OpFoldResult step);

  GPUKernelBuilder &kb;
  ImplicitLocOpBuilder &b;
  kernel::IndexMath &math;
  ConvView view;
  nn::ConvOp op;
  Value group;
};

SmallVector<Value> ConvEmitter::prepareRow(Value row) {
  SmallVector<OpFoldResult> place =
      kernel::delinearize(math, row, view.rowSizes());
  SmallVector<Value> state{math.value(place[0])};
  for (unsigned i = 0; i < op.getSpatialRank(); ++i) {
    state.push_back(
        math.value(math.sub(math.mul(place[i + 1], op.getStrides()[i]),
                            kb.index(op.getMixedPadLow()[i]))));
  }
  return state;
}

SmallVector<OpFoldResult> ConvEmitter::splitStep(OpFoldResult step) {
  nn::Sizes sizes;
  for (int64_t size : view.taps) {
    sizes.push_back(math.constant(size));
  }
  sizes.push_back(math.constant(view.channels));
  return kernel::delinearize(math, step, sizes);
}

SmallVector<Value> ConvEmitter::loadInput(ValueRange state, Value step,
                                          int64_t count) {
  SmallVector<OpFoldResult> tap = splitStep(step);
  unsigned channelDim = op.getChannelDim();
  SmallVector<Value> at(op.getInput().getType().getRank());
  at[0] = state[0];
  Value exists;
  for (unsigned i = 0; i < op.getSpatialRank(); ++i) {
    unsigned dim = op.getSpatialDim(i);
    Value position = math.value(
        math.add(state[i + 1], math.mul(tap[i], op.getDilations()[i])));
    Value inside =
        arith::CmpIOp::create(b, arith::CmpIPredicate::ult, position,
                              math.value(kb.size(op.getInput(), dim)));
    exists =
        exists ? arith::AndIOp::create(b, exists, inside).getResult() : inside;
    at[dim] = position;
  }
  OpFoldResult channel = math.add(math.mul(group, view.channels), tap.back());
  auto loadAll = [&] {
    KernelBuilder::MemoScope scope(kb);
    SmallVector<Value> elements;
    for (int64_t i = 0; i < count; ++i) {
      at[channelDim] = math.value(math.add(channel, math.constant(i)));
      elements.push_back(emitCast(b, kb.load(op.getInput(), at),
                                  typeOf(op.getInput()).getElementType(),
                                  view.acc));
    }
    return elements;
  };
  Type acc = getCodeType(view.acc);
  return kernel::emitIf(b, exists, SmallVector<Type>(count, acc), loadAll, [&] {
    return SmallVector<Value>(count, emitConstant(b, acc, 0));
  });
}

GemmOperand ConvEmitter::makeInput() {
  GemmOperand operand;
  operand.denseInK = op.getChannelsLast();
  operand.hasVectors = view.hasInputVectors();
  operand.prepareRow = [this](Value row) { return prepareRow(row); };
  operand.load = [this](ValueRange state, Value, Value step, int64_t count) {
    return loadInput(state, step, count);
  };
  return operand;
}

Value ConvEmitter::loadFilter(Value column, Value step) {
  Type element = typeOf(op.getFilter()).getElementType();
  Value value;
  if (auto packed = op.getFilter().getDefiningOp<nn::PackedOp>()) {
    value = memref::LoadOp::create(b, kb.viewInput(packed.getInput()),
                                   ValueRange{group, step, column});
  } else {
    SmallVector<OpFoldResult> tap = splitStep(step);
    SmallVector<Value> at{
        math.value(math.add(math.mul(group, view.columns), column)),
        math.value(tap.back())};
    for (OpFoldResult place : ArrayRef(tap).drop_back()) {
      at.push_back(math.value(place));
    }
    value = kb.load(op.getFilter(), at);
  }
  return emitCast(b, value, element, view.acc);
}

GemmOperand ConvEmitter::makeFilter() {
  GemmOperand operand;
  operand.denseInK = !isPacked(op);
  operand.hasVectors = isPacked(op) && view.columns % 4 == 0;
  operand.load = [this](ValueRange, Value column, Value step, int64_t count) {
    SmallVector<Value> elements;
    for (int64_t i = 0; i < count; ++i) {
      elements.push_back(
          loadFilter(math.value(math.add(column, math.constant(i))), step));
    }
    return elements;
  };
  return operand;
}

void ConvEmitter::store(Value row, ArrayRef<Value> columns, ValueRange values) {
  KernelBuilder::MemoScope scope(kb);
  SmallVector<OpFoldResult> place =
      kernel::delinearize(math, row, view.rowSizes());
  SmallVector<Value> at(op.getResult().getType().getRank());
  at[0] = math.value(place[0]);
  for (unsigned i = 0; i < op.getSpatialRank(); ++i) {
    at[op.getSpatialDim(i)] = math.value(place[i + 1]);
  }
  SmallVector<SmallVector<Value>> places;
  SmallVector<Value> elements;
  for (auto [column, value] : llvm::zip_equal(columns, values)) {
    KernelBuilder::MemoScope each(kb);
    Value channel = math.value(math.add(math.mul(group, view.columns), column));
    at[op.getChannelDim()] = channel;
    places.push_back(at);
    Value sum = value;
    if (op.getBias()) {
      Value bias = emitCast(b, kb.load(op.getBias(), channel),
                            typeOf(op.getBias()).getElementType(), view.acc);
      sum =
          emitElementwise(b, nn::Fn::add, {sum, bias}, {}, view.acc, view.acc);
    }
    kb.setElement(
        op.getResult(),
        emitCast(b, sum, view.acc, typeOf(op.getResult()).getElementType()));
    elements.push_back(kb.load(kb.getYielded(0), at));
  }
  Value result = kb.viewResult(0);
  for (auto [element, indices] : llvm::zip_equal(elements, places)) {
    memref::StoreOp::create(b, element, result, indices);
  }
}

void ConvEmitter::emit() {
  GemmTileShape tile = view.chooseTile();
  GemmTileSpec spec;
  spec.m = view.numRows();
  spec.n = math.constant(view.columns);
  spec.k = math.constant(view.numSteps());
  spec.acc = getCodeType(view.acc);
  nn::Sizes grid{math.constant(view.groups),
                 math.ceilDiv(spec.m, math.constant(tile.bm)),
                 math.ceilDiv(spec.n, math.constant(tile.bn))};
  SmallVector<OpFoldResult> place =
      kernel::delinearize(math, kb.getBlock(), grid);
  group = view.groups == 1 ? math.value(0) : math.value(place[0]);
  spec.a = makeInput();
  spec.b = makeFilter();
  spec.store = [&](Value row, ArrayRef<Value> columns, ValueRange values) {
    store(row, columns, values);
  };
  emitGemmTile(kb, spec, tile, math.value(place[1]), math.value(place[2]));
}

class ConvGPUFamily final : public GPUKernelFamily {
public:
  GPULaunch getLaunch(DispatchContext &context) const override {
    kernel::IndexMath &math = context.math;
    ConvView view(context);
    GemmTileShape tile = view.chooseTile();
    OpFoldResult blocks = math.mul(
        math.ceilDiv(view.numRows(), math.constant(tile.bm)),
        math.ceilDiv(math.constant(view.columns), math.constant(tile.bn)));
    return {math.mul(blocks, view.groups), tile.getThreads(), math.constant(0),
            /*parts=*/1, tile.getResidentBlocks(view.areImagesKnown())};
  }

  LogicalResult emit(GPUKernelBuilder &kb) const override {
    ConvEmitter(kb).emit();
    return success();
  }
};

} // namespace

SmallVector<Attribute> getGPUFilterTransforms(nn::ConvOp op) {
  if (!isMatrixProduct(op)) {
    return getDirectGPUFilterTransforms(op);
  }
  ArrayRef<int64_t> filter = op.getFilter().getType().getShape();
  int64_t groups = op.getGroups(), taps = 1;
  for (int64_t size : filter.drop_front(2)) {
    taps *= size;
  }
  int64_t columns = filter[0] / groups;
  MLIRContext *context = op.getContext();
  return {nn::ReshapeToAttr::get(context, {groups, columns, filter[1], taps}),
          nn::PermuteAttr::get(context, {0, 3, 2, 1}),
          nn::ReshapeToAttr::get(context, {groups, taps * filter[1], columns})};
}

const GPUKernelFamily *getConvGPUFamily(nn::DispatchOp dispatch) {
  static const ConvGPUFamily family;
  return isMatrixProduct(cast<nn::ConvOp>(dispatch.getRootOp()))
             ? &family
             : getDirectConvGPUFamily(dispatch);
}

} // namespace dlc
