// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The tiles of attention's operands in shared memory.
#include "AttentionEmitter.h"

#include "Conversion/Common/ElementwiseFn.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace dlc::attention {

Value AttentionEmitter::swizzle(Value step, Value row, int64_t rows) {
  OpFoldResult quad = math.rem(math.div(step, math.constant(4)),
                               math.constant(swizzleMask(rows) + 1));
  Value bits = math.value(math.mul(quad, 4));
  return math.value(math.add(math.mul(step, rows),
                             arith::XOrIOp::create(b, row, bits).getResult()));
}

Value AttentionEmitter::loadOperand(Value tensor, AffineMap map, unsigned loop,
                                    Value index, unsigned inner, Value column) {
  SmallVector<Value> at;
  for (AffineExpr expr : map.getResults()) {
    unsigned dim = cast<AffineDimExpr>(expr).getPosition();
    at.push_back(dim == loop ? index : dim == inner ? column : loops[dim]);
  }
  return emitCast(b, kb.load(tensor, at), typeOf(tensor).getElementType(), f32);
}

void AttentionEmitter::loadTransposed(Value tensor, AffineMap map,
                                      unsigned loop, Value first, int64_t rows,
                                      Value shared) {
  // Eight lanes have 32 neighbours of a row, so each bank is written once.
  int64_t quads = llvm::divideCeil(plan.depth, 32) * 8;
  int64_t count = quads * rows;
  for (int64_t base = 0; base < count; base += kThreads) {
    OpFoldResult place = math.add(kb.getThread(), math.constant(base));
    OpFoldResult rest = math.div(place, math.constant(8));
    Value row = math.value(math.rem(rest, math.constant(rows)));
    OpFoldResult quad =
        math.add(math.rem(place, math.constant(8)),
                 math.mul(math.div(rest, math.constant(rows)), 8));
    Value step = math.value(math.mul(quad, 4));
    Value index = math.value(math.add(first, row));
    Value exists = math.less(index, plan.sizes[loop]);
    if (plan.depth % 32 != 0) {
      exists = arith::AndIOp::create(
          b, exists, math.less(step, math.constant(plan.depth)));
    }
    auto copy = [&] {
      SmallVector<Type> types(4, f32);
      return kernel::emitIf(
          b, exists, types,
          [&] {
            KernelBuilder::MemoScope scope(kb);
            SmallVector<Value> elements;
            for (int64_t i = 0; i < 4; ++i) {
              // Past the end of a depth that is no multiple of four, the last
              // element stands in; its product is dropped.
              OpFoldResult at = math.add(step, math.constant(i));
              if (plan.depth % 4 != 0) {
                at = math.min(at, math.constant(plan.depth - 1));
              }
              elements.push_back(
                  loadOperand(tensor, map, loop, index, kD, math.value(at)));
            }
            return elements;
          },
          [&] { return SmallVector<Value>(4, emitConstant(b, f32, 0)); });
    };
    auto store = [&] {
      SmallVector<Value> elements = copy();
      for (int64_t i = 0; i < 4; ++i) {
        memref::StoreOp::create(b, elements[i], shared,
                                swizzle(add(step, i), row, rows));
      }
    };
    if (base + kThreads <= count) {
      store();
    } else {
      kernel::emitIf(b, math.less(place, math.constant(count)), store);
    }
  }
}

void AttentionEmitter::loadValues(Value first) {
  int64_t width = panels * kPanel, quads = width / 4,
          count = plan.getKeys() * quads;
  for (int64_t base = 0; base < count; base += kThreads) {
    OpFoldResult place = math.add(kb.getThread(), math.constant(base));
    Value column =
        math.value(math.mul(math.rem(place, math.constant(quads)), 4));
    Value key = math.value(math.div(place, math.constant(quads)));
    Value index = math.value(math.add(first, key));
    Value exists = math.less(index, plan.sizes[kN]);
    if (width != plan.columns) {
      exists = arith::AndIOp::create(
          b, exists, math.less(column, math.constant(plan.columns)));
    }
    auto store = [&] {
      SmallVector<Value> elements = kernel::emitIf(
          b, exists, SmallVector<Type>(4, f32),
          [&] {
            KernelBuilder::MemoScope scope(kb);
            SmallVector<Value> loaded;
            for (int64_t i = 0; i < 4; ++i) {
              OpFoldResult at = math.add(column, math.constant(i));
              if (plan.columns % 4 != 0) {
                at = math.min(at, math.constant(plan.columns - 1));
              }
              loaded.push_back(loadOperand(op.getValue(), op.getMap(2), kN,
                                           index, kE, math.value(at)));
            }
            return loaded;
          },
          [&] { return SmallVector<Value>(4, emitConstant(b, f32, 0)); });
      Value vector = vector::FromElementsOp::create(
          b, VectorType::get({4}, f32), elements);
      auto stored = vector::StoreOp::create(
          b, vector, values,
          math.value(math.add(math.mul(key, width), column)));
      stored.setAlignment(16);
    };
    if (base + kThreads <= count) {
      store();
    } else {
      kernel::emitIf(b, math.less(place, math.constant(count)), store);
    }
  }
}

SmallVector<Value> AttentionEmitter::readVector(Value shared, Value index,
                                                int64_t count) {
  auto loaded =
      vector::LoadOp::create(b, VectorType::get({count}, f32), shared, index);
  loaded.setAlignment(4 * count);
  SmallVector<Value> elements;
  for (int64_t i = 0; i < count; ++i) {
    elements.push_back(vector::ExtractOp::create(b, loaded, i));
  }
  return elements;
}

} // namespace dlc::attention
