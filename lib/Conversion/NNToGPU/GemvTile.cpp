// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Products of a matrix with a few vectors, which read the matrix once: a warp
// has a row of it where its steps lie side by side, else the warps of a block
// share the steps of neighbouring columns.
#include "Conversion/NNToGPU/GemmTile.h"

#include "Conversion/Common/ElementwiseFn.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace dlc {

namespace {

/// Loads under way of a thread, at least.
constexpr int64_t kUnroll = 4;

class GemvEmitter {
public:
  GemvEmitter(GPUKernelBuilder &kb, const GemmTileSpec &spec,
              const GemmTileShape &shape, Value block)
      : kb(kb), b(kb.b), math(kb.math), spec(spec), shape(shape),
        matrix(shape.flipped ? spec.a : spec.b),
        vectors(shape.flipped ? spec.b : spec.a),
        numRows(shape.flipped ? spec.m : spec.n), block(block),
        count(*math.known(shape.flipped ? spec.n : spec.m)),
        width(shape.getWidth()) {
    for (int64_t i = 0; i < count; ++i) {
      states.push_back(prepare(vectors, math.value(i)));
    }
  }

  void emitRows();
  void emitColumns();

private:
  static SmallVector<Value> prepare(const GemmOperand &operand, Value row) {
    return operand.prepareRow ? operand.prepareRow(row) : SmallVector<Value>();
  }
  /// `steps` steps of a row, or zeros where `exists`, null for true, is false.
  SmallVector<Value> load(const GemmOperand &operand, ValueRange state,
                          Value row, Value step, int64_t steps, Value exists);
  /// Adds products at `step`, `width` of them a vector, to `sums`.
  void addStep(MutableArrayRef<Value> sums, ValueRange state, Value row,
               Value step, Value exists);
  /// Loop over the steps from `first` on, `stride` apart.
  SmallVector<Value> accumulate(Value first, int64_t stride, ValueRange state,
                                Value row, Value rowExists);
  void store(Value row, int64_t vector, Value sum) {
    Value place = math.value(vector);
    shape.flipped ? spec.store(row, place, sum) : spec.store(place, row, sum);
  }

  GPUKernelBuilder &kb;
  ImplicitLocOpBuilder &b;
  kernel::IndexMath &math;
  const GemmTileSpec &spec;
  const GemmTileShape &shape;
  const GemmOperand &matrix, &vectors;
  OpFoldResult numRows;
  Value block;
  int64_t count, width;
  SmallVector<SmallVector<Value>> states;
};

SmallVector<Value> GemvEmitter::load(const GemmOperand &operand,
                                     ValueRange state, Value row, Value step,
                                     int64_t elements, Value exists) {
  auto loadAll = [&] {
    KernelBuilder::MemoScope scope(kb);
    return operand.load(state, row, step, elements);
  };
  if (!exists) {
    return loadAll();
  }
  return kernel::emitIf(
      b, exists, SmallVector<Type>(elements, spec.acc), loadAll, [&] {
        return SmallVector<Value>(elements, emitConstant(b, spec.acc, 0));
      });
}

void GemvEmitter::addStep(MutableArrayRef<Value> sums, ValueRange state,
                          Value row, Value step, Value exists) {
  bool alongSteps = shape.form == GemmTileShape::Form::GemvRows;
  SmallVector<Value> x = load(matrix, state, row, step, width, exists);
  for (int64_t i = 0; i < count; ++i) {
    int64_t each = alongSteps ? width : 1;
    SmallVector<Value> y;
    // Two operands of the same width may still differ in what is dense.
    if (vectors.denseInK && (vectors.hasVectors || each == 1)) {
      y = load(vectors, states[i], math.value(i), step, each, exists);
    } else {
      for (int64_t j = 0; j < each; ++j) {
        Value at = math.value(math.add(step, math.constant(j)));
        llvm::append_range(
            y, load(vectors, states[i], math.value(i), at, 1, exists));
      }
    }
    for (int64_t j = 0; j < width; ++j) {
      Value &sum = sums[alongSteps ? i : i * width + j];
      sum = emitMultiplyAdd(b, x[j], y[alongSteps ? j : 0], sum);
    }
  }
}

SmallVector<Value> GemvEmitter::accumulate(Value first, int64_t stride,
                                           ValueRange state, Value row,
                                           Value rowExists) {
  bool alongSteps = shape.form == GemmTileShape::Form::GemvRows;
  SmallVector<Value> sums(alongSteps ? count : count * width,
                          emitConstant(b, spec.acc, 0));
  int64_t round = kUnroll * stride;
  std::optional<int64_t> known = kernel::IndexMath::known(spec.k);
  bool isWhole = known && *known % round == 0;
  return kernel::emitFor(
      b, math.constant(0), spec.k, math.constant(round), sums,
      [&](Value base, ValueRange carried) {
        SmallVector<Value> next(carried);
        for (int64_t i = 0; i < kUnroll; ++i) {
          Value step = math.value(
              math.add(math.add(base, first), math.constant(i * stride)));
          Value exists = rowExists;
          if (!isWhole) {
            Value inside = math.less(step, spec.k);
            exists = exists ? Value(arith::AndIOp::create(b, exists, inside))
                            : inside;
          }
          addStep(next, state, row, step, exists);
        }
        return next;
      });
}

SmallVector<Value> addAll(ImplicitLocOpBuilder &b, ValueRange x, ValueRange y) {
  SmallVector<Value> sums;
  for (auto [left, right] : llvm::zip_equal(x, y)) {
    sums.push_back(isa<FloatType>(left.getType())
                       ? Value(arith::AddFOp::create(b, left, right))
                       : Value(arith::AddIOp::create(b, left, right)));
  }
  return sums;
}

void GemvEmitter::emitRows() {
  Value row =
      math.value(math.add(math.mul(block, shape.getNumRows()), kb.getWarp()));
  kernel::emitIf(b, math.less(row, numRows), [&] {
    Value first = math.value(math.mul(kb.getLane(), width));
    SmallVector<Value> sums = accumulate(first, kWarpThreads * width,
                                         prepare(matrix, row), row, nullptr);
    sums =
        emitWarpReduce(kb, sums, kWarpThreads, [&](ValueRange x, ValueRange y) {
          return addAll(b, x, y);
        });
    for (int64_t i = 0; i < count; ++i) {
      kernel::emitIf(b, math.equal(kb.getLane(), math.constant(i)),
                     [&] { store(row, i, sums[i]); });
    }
  });
}

void GemvEmitter::emitColumns() {
  int64_t columns = shape.getNumRows(),
          warps = shape.getThreads() / kWarpThreads;
  Value begin = math.value(math.mul(block, columns));
  Value place = math.value(math.mul(kb.getLane(), width));
  Value row = math.value(math.add(begin, place));
  std::optional<int64_t> known = kernel::IndexMath::known(numRows);
  Value exists =
      known && *known % columns == 0 ? Value() : math.less(row, numRows);
  SmallVector<Value> sums =
      accumulate(kb.getWarp(), warps, prepare(matrix, row), row, exists);

  Value shared = kb.allocateShared(spec.acc, warps * count * columns);
  for (auto [i, sum] : llvm::enumerate(sums)) {
    OpFoldResult line =
        math.add(math.mul(kb.getWarp(), count), math.constant(i / width));
    memref::StoreOp::create(
        b, sum, shared,
        math.value(math.add(math.add(math.mul(line, columns), place),
                            math.constant(i % width))));
  }
  kb.emitBarrier();
  // Every warp adds up some of the columns.
  kernel::emitFor(
      b, kb.getThread(), math.constant(columns),
      math.constant(shape.getThreads()), [&](Value column) {
        Value at = math.value(math.add(begin, column));
        kernel::emitIf(b, math.less(at, numRows), [&] {
          for (int64_t i = 0; i < count; ++i) {
            SmallVector<Value> sum;
            for (int64_t warp = 0; warp < warps; ++warp) {
              Value part = memref::LoadOp::create(
                  b, shared,
                  math.value(math.add(
                      math.constant((warp * count + i) * columns), column)));
              sum = warp == 0 ? SmallVector<Value>{part} : addAll(b, sum, part);
            }
            store(at, i, sum[0]);
          }
        });
      });
}

} // namespace

void emitGemv(GPUKernelBuilder &kb, const GemmTileSpec &spec,
              const GemmTileShape &shape, Value block) {
  GemvEmitter emitter(kb, spec, shape, block);
  if (shape.form == GemmTileShape::Form::GemvRows) {
    emitter.emitRows();
  } else {
    emitter.emitColumns();
  }
}

} // namespace dlc
