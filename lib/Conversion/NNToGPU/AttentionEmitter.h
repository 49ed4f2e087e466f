// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attention on CUDA cores: how its loops are cut, and the emitter of a block.
//
// The 128 threads form 16 groups of rows by 8 groups of columns; the threads of
// a row are neighbours in a warp. In shared memory lie Q and K as
// [depth][rows], V as [keys][columns], and P as [keys][rows]; K and V take
// turns in one place.
#ifndef DLC_LIB_CONVERSION_NNTOGPU_ATTENTIONEMITTER_H
#define DLC_LIB_CONVERSION_NNTOGPU_ATTENTIONEMITTER_H

#include "Conversion/NNToGPU/GPUKernelFamily.h"

namespace dlc::attention {

using namespace mlir;
using namespace nn;

constexpr int64_t kRowGroups = 16, kColumnGroups = 8,
                  kThreads = kRowGroups * kColumnGroups;
/// Leaves a thread all 255 registers; with a value head of 256, a mask and a
/// soft cap it takes more than 168.
constexpr int64_t kResidentBlocks = 2;
/// Columns of V that the column groups have at once, four each.
constexpr int64_t kPanel = 4 * kColumnGroups;
constexpr int64_t kMaxDepth = 256;

enum LoopDim : unsigned { kB, kH, kG, kM, kN, kD, kE, kNumLoops };

/// The sizes of the loops, and how they are cut.
class AttentionPlan {
public:
  explicit AttentionPlan(DispatchContext &context)
      : op(cast<AttentionOp>(context.getRoot())) {
    Value operands[] = {op.getQuery(), op.getKey(), op.getValue()};
    for (unsigned loop = 0; loop < kNumLoops; ++loop) {
      sizes[loop] = context.math.constant(1);
      for (unsigned i = 0; i < 3; ++i) {
        AffineExpr expr = getAffineDimExpr(loop, op.getContext());
        if (auto place = op.getMap(i).getResultPosition(expr)) {
          sizes[loop] = context.size(operands[i], *place);
          break;
        }
      }
    }
    depth = *getConstantIntValue(sizes[kD]);
    columns = *getConstantIntValue(sizes[kE]);
    int64_t widest = std::max(depth, columns);
    rowsEach = widest <= 64 ? 4 : widest <= 128 ? 2 : 1;
    keysEach = widest <= 128 ? 4 : 2;
    if (std::optional<int64_t> rows = getConstantIntValue(sizes[kM])) {
      while (rowsEach > 1 && *rows <= kRowGroups * rowsEach / 2) {
        rowsEach /= 2;
      }
    }
  }

  int64_t getRows() const { return kRowGroups * rowsEach; }
  int64_t getKeys() const { return kColumnGroups * keysEach; }
  nn::Sizes getGrid(kernel::IndexMath &math) const {
    return {sizes[kB], sizes[kH], sizes[kG],
            math.ceilDiv(sizes[kM], math.constant(getRows()))};
  }

  AttentionOp op;
  OpFoldResult sizes[kNumLoops];
  int64_t depth = 0, columns = 0, rowsEach = 4, keysEach = 4;
};

/// Rows or keys of an operand in shared memory as [depth][rows], quads of four
/// steps XORed into the row so that transposing stores spread over the banks.
inline int64_t swizzleMask(int64_t rows) {
  return std::min<int64_t>(rows, 32) / 4 - 1;
}

class AttentionEmitter {
public:
  explicit AttentionEmitter(GPUKernelBuilder &kb)
      : kb(kb), b(kb.b), math(kb.math), plan(kb), op(plan.op),
        f32(b.getF32Type()) {}

  void emit();

private:
  Value add(Value x, int64_t y) {
    return math.value(math.add(x, math.constant(y)));
  }
  Value swizzle(Value step, Value row, int64_t rows);
  Value loadOperand(Value tensor, AffineMap map, unsigned loop, Value index,
                    unsigned inner, Value column);
  /// Copies `rows` rows from `first` on of an operand to `shared`.
  void loadTransposed(Value tensor, AffineMap map, unsigned loop, Value first,
                      int64_t rows, Value shared);
  void loadValues(Value first);
  SmallVector<Value> readVector(Value shared, Value index, int64_t count);
  SmallVector<Value> emitScores();
  /// Score of a key as softmax sees it.
  Value finishScore(Value score, Value row, Value key);
  Value reduceRow(Value value, bool isSum);
  SmallVector<Value> emitTile(Value firstKey, ValueRange state);
  /// Where the power of key `key` of a group and `row` lies, and those of the
  /// rows after it that the thread has.
  Value powerPlace(OpFoldResult group, int64_t key, Value row);
  void storePowers(ArrayRef<Value> scores);
  SmallVector<Value> multiplyValues(SmallVector<Value> sums);
  void emitStores(ValueRange state);

  GPUKernelBuilder &kb;
  ImplicitLocOpBuilder &b;
  kernel::IndexMath &math;
  AttentionPlan plan;
  AttentionOp op;
  Type f32;
  /// Indices of the loops; those of the block stay.
  Value loops[kNumLoops];
  Value firstRow, rowPlace, columnPlace;
  Value queries, keys, values, powers;
  int64_t panels = 0;
};

} // namespace dlc::attention

#endif // DLC_LIB_CONVERSION_NNTOGPU_ATTENTIONEMITTER_H
