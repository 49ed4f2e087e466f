// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// concat: a flat grid over the result. A thread has neighbours of one input,
// and finds that input once for all of them. Where inputs are no whole number
// of vectors, a block copies what its part of the result takes of each to
// shared memory, in whole sectors, and writes vectors from there.
#include "SectorRun.h"

#include "Conversion/Common/ElementwiseFn.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace dlc {

namespace {

constexpr int64_t kThreads = 256;

/// Vectors of a thread whose block goes through shared memory.
constexpr int64_t kThreadVectors = 4;

/// Neighbours of one thread that fill 16 bytes.
int64_t getWidth(nn::ConcatOp op) {
  RankedTensorType type = op.getResult().getType();
  return std::max<int64_t>(1,
                           128 / std::max(8u, type.getElementTypeBitWidth()));
}

/// Whether each input's rows are a whole number of vectors.
bool isWhole(nn::ConcatOp op) {
  int64_t last = op.getResult().getType().getRank() - 1;
  return llvm::all_of(op.getInputs(), [&](Value input) {
    int64_t size = typeOf(input).getDimSize(last);
    return !ShapedType::isDynamic(size) && size % getWidth(op) == 0;
  });
}

/// A block's part of the result on its way through shared memory.
class StagedConcat {
public:
  explicit StagedConcat(GPUKernelBuilder &kb)
      : kb(kb), math(kb.math), op(cast<nn::ConcatOp>(kb.getRoot())),
        sizes(kb.sizes(op.getResult())),
        total(nn::productOf(kb.b, op.getLoc(), sizes)) {}

  /// Elements of a block.
  static int64_t getCapacity(nn::ConcatOp op) {
    return kThreads * kThreadVectors * getWidth(op);
  }
  void emit();

private:
  /// What lies together in one tensor: its elements along the axis, and inside.
  OpFoldResult getRun(Value tensor);
  /// Copies the part of an input whose runs begin at `offset` of the result's.
  void copyInput(Value input, OpFoldResult offset);
  SmallVector<Value> loadElements(ArrayRef<Value> places);
  /// Emits the results at `places`, which are neighbours.
  void emitResults(ArrayRef<Value> places);
  void emitVector(OpFoldResult first);

  GPUKernelBuilder &kb;
  kernel::IndexMath &math;
  nn::ConcatOp op;
  nn::Sizes sizes;
  OpFoldResult total, begin, end;
  Value shared;
};

OpFoldResult StagedConcat::getRun(Value tensor) {
  OpFoldResult run = math.constant(1);
  for (OpFoldResult size :
       ArrayRef(kb.sizes(tensor)).drop_front(op.getAxis())) {
    run = math.mul(run, size);
  }
  return run;
}

void StagedConcat::copyInput(Value input, OpFoldResult offset) {
  OpFoldResult all = getRun(op.getResult()), own = getRun(input);
  nn::Sizes inner = kb.sizes(input), outer = inner;
  outer.truncate(op.getAxis());
  inner.erase(inner.begin(), inner.begin() + op.getAxis());
  // None has no runs, and is not divided by.
  OpFoldResult size = math.max(all, math.constant(1));
  OpFoldResult team = getRunTeam(kb, own);
  OpFoldResult row =
      math.add(math.div(begin, size), math.div(kb.getThread(), team));
  kernel::emitFor(
      kb.b, row, math.ceilDiv(end, size),
      math.div(math.constant(kThreads), team), [&](Value number) {
        KernelBuilder::MemoScope scope(kb);
        OpFoldResult first = math.add(math.mul(number, all), offset);
        SectorRun run{math.mul(number, own),
                      math.max(math.sub(begin, first), math.constant(0)),
                      math.min(math.sub(end, first), own),
                      getSectorElements(input)};
        emitSectorRun(kb, run, team, [&](Value i) {
          SmallVector<Value> at;
          for (OpFoldResult index : kernel::delinearize(math, number, outer)) {
            at.push_back(math.value(index));
          }
          for (OpFoldResult index : kernel::delinearize(math, i, inner)) {
            at.push_back(math.value(index));
          }
          Value slot = math.value(math.sub(math.add(first, i), begin));
          memref::StoreOp::create(kb.b, kb.load(input, at), shared, slot);
        });
      });
}

SmallVector<Value> StagedConcat::loadElements(ArrayRef<Value> places) {
  Type element = cast<MemRefType>(shared.getType()).getElementType();
  int64_t width = places.size();
  // A vector of bits is none of bytes.
  if (width == 1 || element.isInteger(1)) {
    return llvm::map_to_vector(places, [&](Value place) -> Value {
      return memref::LoadOp::create(kb.b, shared,
                                    math.value(math.sub(place, begin)));
    });
  }
  auto loaded =
      vector::LoadOp::create(kb.b, VectorType::get({width}, element), shared,
                             math.value(math.sub(places[0], begin)));
  loaded.setAlignment(width * element.getIntOrFloatBitWidth() / 8);
  SmallVector<Value> elements;
  for (int64_t i = 0; i < width; ++i) {
    elements.push_back(vector::ExtractOp::create(kb.b, loaded, i));
  }
  return elements;
}

void StagedConcat::emitResults(ArrayRef<Value> places) {
  KernelBuilder::MemoScope scope(kb);
  SmallVector<Value> results, elements = loadElements(places);
  for (auto [place, element] : llvm::zip_equal(places, elements)) {
    KernelBuilder::MemoScope each(kb);
    SmallVector<Value> at;
    for (OpFoldResult index : kernel::delinearize(math, place, sizes)) {
      at.push_back(math.value(index));
    }
    kb.setElement(op.getResult(), element);
    results.push_back(kb.load(kb.getYielded(0), at));
  }
  Value all = kb.view(kb.getResultBase(0), {total});
  for (auto [result, place] : llvm::zip_equal(results, places)) {
    memref::StoreOp::create(kb.b, result, all, place);
  }
}

void StagedConcat::emitVector(OpFoldResult first) {
  SmallVector<Value> places;
  for (int64_t i = 0; i < getWidth(op); ++i) {
    places.push_back(math.value(math.add(first, math.constant(i))));
  }
  OpFoldResult behind = math.add(first, math.constant(getWidth(op)));
  kernel::emitIf(
      kb.b, math.lessEqual(behind, end), [&] { emitResults(places); },
      [&] {
        kernel::emitFor(kb.b, first, end, math.constant(1),
                        [&](Value place) { emitResults(place); });
      });
}

void StagedConcat::emit() {
  int64_t capacity = getCapacity(op);
  begin = math.mul(kb.getBlock(), capacity);
  end = math.min(math.add(begin, math.constant(capacity)), total);
  Type element = getCodeType(op.getResult().getType().getElementType());
  shared = kb.allocateShared(element, capacity);
  OpFoldResult offset = math.constant(0);
  for (Value input : op.getInputs()) {
    copyInput(input, offset);
    offset = math.add(offset, getRun(input));
  }
  kb.emitBarrier();
  OpFoldResult first = math.add(begin, math.mul(kb.getThread(), getWidth(op)));
  for (int64_t i = 0; i < kThreadVectors; ++i) {
    emitVector(math.add(first, math.constant(i * kThreads * getWidth(op))));
  }
}

class ConcatGPUFamily final : public GPUKernelFamily {
public:
  GPULaunch getLaunch(DispatchContext &context) const override {
    auto op = cast<nn::ConcatOp>(context.getRoot());
    kernel::IndexMath &math = context.math;
    if (!isWhole(op)) {
      nn::Sizes sizes = context.sizes(op.getResult());
      return {math.ceilDiv(nn::productOf(context.b, op.getLoc(), sizes),
                           math.constant(StagedConcat::getCapacity(op))),
              kThreads, math.constant(0)};
    }
    OpFoldResult vectors = countVectors(context, op);
    return {math.ceilDiv(vectors, math.constant(kThreads)), kThreads,
            math.constant(0)};
  }

  LogicalResult emit(GPUKernelBuilder &kb) const override {
    auto op = cast<nn::ConcatOp>(kb.getRoot());
    if (!isWhole(op)) {
      StagedConcat(kb).emit();
      return success();
    }
    kernel::IndexMath &math = kb.math;
    OpFoldResult thread =
        math.add(math.mul(kb.getBlock(), kThreads), kb.getThread());
    kernel::emitIf(kb.b, math.less(thread, countVectors(kb, op)), [&] {
      SmallVector<Value> first;
      for (OpFoldResult index :
           kernel::delinearize(math, thread, vectorSizes(kb, op))) {
        first.push_back(math.value(index));
      }
      first.back() = math.value(math.mul(first.back(), getWidth(op)));
      emitInput(kb, op, 0, math.constant(0), first);
    });
    return success();
  }

private:
  /// The result's sizes, with vectors for the last.
  static nn::Sizes vectorSizes(DispatchContext &context, nn::ConcatOp op) {
    nn::Sizes sizes = context.sizes(op.getResult());
    sizes.back() =
        context.math.ceilDiv(sizes.back(), context.math.constant(getWidth(op)));
    return sizes;
  }
  static OpFoldResult countVectors(DispatchContext &context, nn::ConcatOp op) {
    return nn::productOf(context.b, op.getLoc(), vectorSizes(context, op));
  }

  /// The copy from input `i`, which starts at `offset`, or from a later one.
  static void emitInput(GPUKernelBuilder &kb, nn::ConcatOp op, unsigned i,
                        OpFoldResult offset, ArrayRef<Value> first) {
    int64_t axis = op.getAxis();
    Value input = op.getInputs()[i];
    OpFoldResult end = kb.math.add(offset, kb.size(input, axis));
    auto copy = [&] { emitCopy(kb, op, input, offset, first); };
    if (i + 1 == op.getInputs().size()) {
      copy();
      return;
    }
    kernel::emitIf(kb.b, kb.math.less(first[axis], end), copy,
                   [&] { emitInput(kb, op, i + 1, end, first); });
  }

  static void emitCopy(GPUKernelBuilder &kb, nn::ConcatOp op, Value input,
                       OpFoldResult offset, ArrayRef<Value> first) {
    KernelBuilder::MemoScope scope(kb);
    int64_t axis = op.getAxis();
    SmallVector<SmallVector<Value>> places;
    SmallVector<Value> elements;
    for (int64_t j = 0; j < getWidth(op); ++j) {
      SmallVector<Value> target(first);
      target.back() =
          kb.math.value(kb.math.add(target.back(), kb.math.constant(j)));
      SmallVector<Value> source(target);
      source[axis] = kb.math.value(kb.math.sub(source[axis], offset));
      kb.setElement(op.getResult(), kb.load(input, source));
      KernelBuilder::MemoScope each(kb);
      elements.push_back(kb.load(kb.getYielded(0), target));
      places.push_back(std::move(target));
    }
    Value result = kb.viewResult(0);
    for (auto [element, at] : llvm::zip_equal(elements, places)) {
      memref::StoreOp::create(kb.b, element, result, at);
    }
  }
};

} // namespace

const GPUKernelFamily *getConcatGPUFamily() {
  static const ConcatGPUFamily family;
  return &family;
}

} // namespace dlc
