// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attention on CUDA cores: a block has some rows of the query and walks over
// tiles of keys, with the online softmax of FlashAttention (Dao et al., 2022).
#include "AttentionEmitter.h"

#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToGPU/AttentionRegion.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace dlc {

namespace attention {

/// rowsEach x keysEach products of queries and keys.
SmallVector<Value> AttentionEmitter::emitScores() {
  Value row = math.value(math.mul(rowPlace, plan.rowsEach)),
        key = math.value(math.mul(columnPlace, plan.keysEach));
  SmallVector<Value> sums(plan.rowsEach * plan.keysEach,
                          emitConstant(b, f32, 0));
  auto addStep = [&](Value step, SmallVector<Value> state) {
    SmallVector<Value> x =
        readVector(queries, swizzle(step, row, plan.getRows()), plan.rowsEach);
    SmallVector<Value> y =
        readVector(keys, swizzle(step, key, plan.getKeys()), plan.keysEach);
    for (int64_t i = 0; i < plan.rowsEach; ++i) {
      for (int64_t j = 0; j < plan.keysEach; ++j) {
        Value &sum = state[i * plan.keysEach + j];
        sum = math::FmaOp::create(b, x[i], y[j], sum);
      }
    }
    return state;
  };
  int64_t unrolled = plan.depth / 4 * 4;
  sums = kernel::emitFor(b, math.constant(0), math.constant(unrolled),
                         math.constant(4), sums,
                         [&](Value step, ValueRange carried) {
                           SmallVector<Value> state(carried);
                           for (int64_t i = 0; i < 4; ++i) {
                             state = addStep(add(step, i), std::move(state));
                           }
                           return state;
                         });
  for (int64_t step = unrolled; step < plan.depth; ++step) {
    sums = addStep(math.value(step), std::move(sums));
  }
  return sums;
}

Value AttentionEmitter::finishScore(Value score, Value row, Value key) {
  unsigned maskMaps = 4 + op.getScoreInputs().size();
  // Regions see places that exist; what they say of others is dropped.
  auto within = [&](Value index, OpFoldResult size) {
    return math.value(math.min(index, math.sub(size, math.constant(1))));
  };
  loops[kM] = within(row, plan.sizes[kM]);
  loops[kN] = within(key, plan.sizes[kN]);
  KernelBuilder::MemoScope scope(kb);
  Value scale = emitConstant(b, f32, op.getScale().convertToDouble());
  Value value = arith::MulFOp::create(b, score, scale);
  if (!op.getScore().empty()) {
    value = emitAttentionRegion(kb, op, op.getScore(), value,
                                op.getScoreInputs(), 4, loops);
  }
  double infinity = std::numeric_limits<double>::infinity();
  if (!op.getMask().empty()) {
    // A finite value makes a row without keys the average of all.
    bool averages = op.getEmptyRow() == EmptyRow::average;
    Value masked = emitConstant(
        b, f32,
        averages ? double(std::numeric_limits<float>::lowest()) : -infinity);
    Value counts = emitAttentionRegion(kb, op, op.getMask(), nullptr,
                                       op.getMaskInputs(), maskMaps, loops);
    value = arith::SelectOp::create(b, counts, value, masked);
  }
  Value exists = math.less(key, plan.sizes[kN]);
  return arith::SelectOp::create(b, exists, value,
                                 emitConstant(b, f32, -infinity));
}

Value AttentionEmitter::reduceRow(Value value, bool isSum) {
  return emitWarpReduce(
      kb, value, kColumnGroups,
      [&](ValueRange x, ValueRange y) -> SmallVector<Value> {
        return {isSum ? Value(arith::AddFOp::create(b, x[0], y[0]))
                      : Value(arith::MaximumFOp::create(b, x[0], y[0]))};
      })[0];
}

Value AttentionEmitter::powerPlace(OpFoldResult group, int64_t key, Value row) {
  int64_t rows = plan.getRows();
  Value quads = math.value(
      math.mul(math.rem(group, math.constant(swizzleMask(rows) + 1)), 4));
  Value line = add(math.value(math.mul(group, plan.keysEach)), key);
  if (rows < 32) {
    // Two keys fill the banks: the upper half of the groups swaps them.
    Value upper = math.value(math.rem(
        math.div(group, math.constant(kColumnGroups / 2)), math.constant(2)));
    line = arith::XOrIOp::create(b, line, upper);
  }
  return math.value(math.add(math.mul(line, rows),
                             arith::XOrIOp::create(b, row, quads).getResult()));
}

/// Writes the thread's rowsEach x keysEach powers, the rows of a key at once.
void AttentionEmitter::storePowers(ArrayRef<Value> scores) {
  Value row = math.value(math.mul(rowPlace, plan.rowsEach));
  for (int64_t key = 0; key < plan.keysEach; ++key) {
    SmallVector<Value> column;
    for (int64_t i = 0; i < plan.rowsEach; ++i) {
      column.push_back(scores[i * plan.keysEach + key]);
    }
    Value vector = vector::FromElementsOp::create(
        b, VectorType::get({plan.rowsEach}, f32), column);
    auto stored = vector::StoreOp::create(b, vector, powers,
                                          powerPlace(columnPlace, key, row));
    stored.setAlignment(4 * plan.rowsEach);
  }
}

/// Adds powers times values to the rowsEach x (4 panels) sums.
SmallVector<Value> AttentionEmitter::multiplyValues(SmallVector<Value> sums) {
  int64_t width = panels * kPanel, each = 4 * panels;
  Value row = math.value(math.mul(rowPlace, plan.rowsEach)),
        column = math.value(math.mul(columnPlace, 4));
  return kernel::emitFor(
      b, math.constant(0), math.constant(plan.getKeys()),
      math.constant(plan.keysEach), sums, [&](Value first, ValueRange carried) {
        SmallVector<Value> state(carried);
        OpFoldResult group = math.div(first, math.constant(plan.keysEach));
        for (int64_t i = 0; i < plan.keysEach; ++i) {
          Value key = add(first, i);
          SmallVector<Value> x =
              readVector(powers, powerPlace(group, i, row), plan.rowsEach);
          for (int64_t panel = 0; panel < panels; ++panel) {
            OpFoldResult at = math.add(math.mul(key, width), column);
            SmallVector<Value> y = readVector(
                values, math.value(math.add(at, math.constant(panel * kPanel))),
                4);
            for (int64_t r = 0; r < plan.rowsEach; ++r) {
              for (int64_t j = 0; j < 4; ++j) {
                Value &sum = state[r * each + panel * 4 + j];
                sum = math::FmaOp::create(b, x[r], y[j], sum);
              }
            }
          }
        }
        return state;
      });
}

/// State: per row maximum and sum, then the sums of values.
SmallVector<Value> AttentionEmitter::emitTile(Value firstKey,
                                              ValueRange state) {
  int64_t count = plan.rowsEach, each = 4 * panels;
  kb.emitBarrier(); // the last tile's values are read
  loadTransposed(op.getKey(), op.getMap(1), kN, firstKey, plan.getKeys(), keys);
  kb.emitBarrier();
  SmallVector<Value> scores = emitScores();
  SmallVector<Value> next(state);
  Value column = math.value(math.mul(columnPlace, plan.keysEach));
  Value lowest = emitConstant(b, f32, -std::numeric_limits<double>::infinity());
  for (int64_t i = 0; i < count; ++i) {
    Value inTile = add(math.value(math.mul(rowPlace, count)), i);
    Value row = math.value(math.add(firstRow, inTile));
    MutableArrayRef<Value> mine =
        MutableArrayRef(scores).slice(i * plan.keysEach, plan.keysEach);
    Value top = lowest;
    for (auto [j, score] : llvm::enumerate(mine)) {
      Value key = math.value(math.add(firstKey, add(column, j)));
      score = finishScore(score, row, key);
      top = arith::MaximumFOp::create(b, top, score);
    }
    top = arith::MaximumFOp::create(b, next[2 * i],
                                    reduceRow(top, /*isSum=*/false));
    Value isEmpty =
        arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, top, lowest);
    Value shift =
        arith::SelectOp::create(b, isEmpty, emitConstant(b, f32, 0), top);
    auto power = [&](Value x) -> Value {
      return kb.emitPower(arith::SubFOp::create(b, x, shift));
    };
    Value rescale = power(next[2 * i]), sum = emitConstant(b, f32, 0);
    for (Value &score : mine) {
      score = power(score);
      sum = arith::AddFOp::create(b, sum, score);
    }
    sum = reduceRow(sum, /*isSum=*/true);
    next[2 * i] = top;
    next[2 * i + 1] = math::FmaOp::create(b, next[2 * i + 1], rescale, sum);
    for (int64_t j = 0; j < each; ++j) {
      Value &part = next[2 * count + i * each + j];
      part = arith::MulFOp::create(b, part, rescale);
    }
  }
  storePowers(scores);
  kb.emitBarrier(); // the keys are read, the powers written
  loadValues(firstKey);
  kb.emitBarrier();
  SmallVector<Value> sums(next.begin() + 2 * count, next.end());
  sums = multiplyValues(std::move(sums));
  next.truncate(2 * count);
  llvm::append_range(next, sums);
  return next;
}

void AttentionEmitter::emitStores(ValueRange state) {
  int64_t count = plan.rowsEach, each = 4 * panels;
  Value zero = emitConstant(b, f32, 0);
  Value result = kb.viewResult(0);
  Type element = op.getResult().getType().getElementType();
  for (int64_t i = 0; i < count; ++i) {
    Value row = math.value(
        math.add(firstRow, add(math.value(math.mul(rowPlace, count)), i)));
    Value top = state[2 * i], sum = state[2 * i + 1];
    Value isNaN = arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, sum, sum);
    Value isEmpty =
        arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, sum, zero);
    kernel::emitIf(b, math.less(row, plan.sizes[kM]), [&] {
      for (int64_t panel = 0; panel < panels; ++panel) {
        auto storePanel = [&](int64_t j) {
          Value column = math.value(math.add(
              math.mul(columnPlace, 4), math.constant(panel * kPanel + j)));
          Value value = arith::DivFOp::create(
              b, state[2 * count + i * each + panel * 4 + j], sum);
          if (op.getNanRow() == NanRow::zero) {
            value = arith::SelectOp::create(b, isNaN, zero, value);
          }
          if (op.getEmptyRow() == EmptyRow::zero) {
            value = arith::SelectOp::create(b, isEmpty, zero, value);
          }
          SmallVector<Value> at;
          for (AffineExpr expr : op.getMap(3).getResults()) {
            unsigned dim = cast<AffineDimExpr>(expr).getPosition();
            at.push_back(dim == kM ? row : dim == kE ? column : loops[dim]);
          }
          auto store = [&] {
            memref::StoreOp::create(b, emitCast(b, value, f32, element), result,
                                    at);
          };
          if (panels * kPanel == plan.columns) {
            store();
          } else {
            kernel::emitIf(b, math.less(column, math.constant(plan.columns)),
                           store);
          }
        };
        for (int64_t j = 0; j < 4; ++j) {
          storePanel(j);
        }
      }
      if (op.getLse()) {
        Value lse = arith::AddFOp::create(
            b, top, math::LogOp::create(b, sum).getResult());
        kernel::emitIf(b, math.equal(columnPlace, math.constant(0)), [&] {
          memref::StoreOp::create(
              b, lse, kb.viewResult(1),
              ValueRange{loops[kB], loops[kH], loops[kG], row});
        });
      }
    });
  }
}

void AttentionEmitter::emit() {
  SmallVector<OpFoldResult> place =
      kernel::delinearize(math, kb.getBlock(), plan.getGrid(math));
  for (unsigned loop = kB; loop <= kG; ++loop) {
    loops[loop] = math.value(place[loop]);
  }
  firstRow = math.value(math.mul(place[3], plan.getRows()));
  OpFoldResult width = math.constant(kColumnGroups);
  rowPlace = math.value(math.div(kb.getThread(), width));
  columnPlace = math.value(math.rem(kb.getThread(), width));
  panels = llvm::divideCeil(plan.columns, kPanel);
  int64_t depth = llvm::alignTo(plan.depth, 32);
  queries = kb.allocateShared(f32, depth * plan.getRows());
  keys = values =
      kb.allocateShared(f32, std::max(depth, panels * kPanel) * plan.getKeys());
  powers = kb.allocateShared(f32, plan.getKeys() * plan.getRows());
  loadTransposed(op.getQuery(), op.getMap(0), kM, firstRow, plan.getRows(),
                 queries);

  Value zero = emitConstant(b, f32, 0);
  Value lowest = emitConstant(b, f32, -std::numeric_limits<double>::infinity());
  SmallVector<Value> state;
  for (int64_t i = 0; i < plan.rowsEach; ++i) {
    state.push_back(lowest);
    state.push_back(zero);
  }
  state.append(plan.rowsEach * 4 * panels, zero);
  state = kernel::emitFor(b, math.constant(0), plan.sizes[kN],
                          math.constant(plan.getKeys()), state,
                          [&](Value key, ValueRange carried) {
                            KernelBuilder::MemoScope scope(kb);
                            return emitTile(key, carried);
                          });
  emitStores(state);
}

} // namespace attention

using namespace mlir;
using namespace attention;

namespace {

class AttentionGPUFamily final : public GPUKernelFamily {
public:
  GPULaunch getLaunch(DispatchContext &context) const override {
    AttentionPlan plan(context);
    return {nn::productOf(context.b, context.b.getLoc(),
                          plan.getGrid(context.math)),
            kThreads, context.math.constant(0), /*parts=*/1, kResidentBlocks};
  }

  LogicalResult emit(GPUKernelBuilder &kb) const override {
    AttentionEmitter(kb).emit();
    return success();
  }
};

} // namespace

const GPUKernelFamily *getAttentionGPUFamily(nn::DispatchOp dispatch) {
  static const AttentionGPUFamily family;
  auto op = cast<AttentionOp>(dispatch.getRootOp());
  auto sizeOf = [&](Value tensor, unsigned map, unsigned loop) -> int64_t {
    auto place = op.getMap(map).getResultPosition(
        getAffineDimExpr(loop, op.getContext()));
    return place ? typeOf(tensor).getDimSize(*place) : 1;
  };
  int64_t depth = sizeOf(op.getQuery(), 0, kD),
          columns = sizeOf(op.getValue(), 2, kE);
  bool isSmall = !ShapedType::isDynamic(depth) &&
                 !ShapedType::isDynamic(columns) && depth > 0 && columns > 0 &&
                 std::max(depth, columns) <= kMaxDepth;
  bool isDouble = typeOf(op.getQuery()).getElementType().isF64();
  return isSmall && !isDouble ? &family : nullptr;
}

} // namespace dlc
