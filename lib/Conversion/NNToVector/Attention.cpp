// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention on the CPU: per head, keys are packed into panels [n / NR][d][NR];
// per block of queries, blocks of keys go through scores, softmax and the
// product with the values (AttentionBlock.cpp).
#include "AttentionEmitter.h"
#include "PackPanel.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace dlc;
using namespace dlc::kernel;

static constexpr double kLog2E = 1.4426950408889634;
static constexpr int64_t kFloatBytes = 4;

AttentionSchedule
dlc::kernel::chooseAttentionSchedule(int64_t m, int64_t e,
                                     const VectorTarget &target) {
  AttentionSchedule sched;
  int64_t columns = llvm::divideCeil(e, target.lanes);
  bool wide = target.registers >= 32;
  if (columns % 4 == 0 || (!wide && columns > 1)) {
    // Both tiles take six rows, and so does the block.
    sched.scoreRows = sched.valueRows = 6;
    sched.scoreVectors = sched.valueVectors = wide ? 4 : 2;
    sched.queryBlock = 66;
  } else {
    sched.scoreRows = 4;
    sched.scoreVectors = wide ? 4 : 2;
    sched.queryBlock = 64;
    sched.valueVectors = columns % 3 == 0   ? 3
                         : columns % 5 == 0 ? 5
                         : columns == 1     ? 1
                                            : 2;
    sched.valueRows = sched.valueVectors == 5           ? 4
                      : wide && sched.valueVectors == 1 ? 16
                                                        : 8;
  }
  if (m != kDynamic && m < sched.scoreRows)
    sched.scoreRows = sched.valueRows = std::max<int64_t>(m, 1);
  return sched;
}

AttentionShapes::AttentionShapes(ImplicitLocOpBuilder &b,
                                 const AttentionSpec &spec,
                                 const AttentionSchedule &sched,
                                 const VectorTarget &target)
    : lanes(target.lanes) {
  IndexMath math(b);
  panelWidth = sched.scoreVectors * lanes;
  keyBlock = std::max<int64_t>(1, sched.keyBlock / panelWidth) * panelWidth;
  queryBlock = sched.queryBlock;
  if (std::optional<int64_t> n = IndexMath::known(spec.n))
    keyBlock = std::min<int64_t>(
        keyBlock, llvm::alignTo(std::max<int64_t>(*n, 1), panelWidth));
  if (std::optional<int64_t> m = IndexMath::known(spec.m))
    queryBlock = std::min(queryBlock, std::max<int64_t>(*m, 1));
  blockRows = std::max<int64_t>(llvm::alignTo(queryBlock, sched.scoreRows),
                                llvm::alignTo(queryBlock, sched.valueRows));
  // Off the power of two, so that rows do not meet in one cache set.
  scoreStride = keyBlock + lanes;
  outputStride = llvm::alignTo(spec.e, lanes);
  panelRows = packedPanelRows(b, spec.keyLayout, spec.d, lanes);
  panelElements = math.mul(panelRows, panelWidth);
  queryBlocks = math.ceilDiv(spec.m, math.constant(queryBlock));
  OpFoldResult panels = math.ceilDiv(spec.n, math.constant(panelWidth));

  scoreBytes = math.mul(math.mul(panels, panelElements), kFloatBytes);
  outputBytes = math.add(scoreBytes,
                         math.constant(blockRows * scoreStride * kFloatBytes));
  statisticsBytes = math.add(
      outputBytes, math.constant(blockRows * outputStride * kFloatBytes));
  scratchBytes =
      math.add(statisticsBytes,
               math.constant(llvm::alignTo(3 * blockRows * kFloatBytes, 64)));
}

AttentionEmitter::AttentionEmitter(ImplicitLocOpBuilder &b,
                                   const AttentionSpec &spec,
                                   const AttentionSchedule &sched,
                                   const VectorTarget &target,
                                   const AttentionBuffers &buffers)
    : b(b), math(b), spec(spec), sched(sched), shapes(b, spec, sched, target),
      vector(VectorType::get({target.lanes}, b.getF32Type())) {
  query = flatten(b, buffers.query);
  key = flatten(b, buffers.key);
  value = flatten(b, buffers.value);
  output = flatten(b, buffers.output);
  Type f32 = b.getF32Type();
  panels = scratchView(b, buffers.scratch, math.constant(0), f32);
  scores = scratchView(b, buffers.scratch, shapes.scoreBytes, f32);
  accumulators = scratchView(b, buffers.scratch, shapes.outputBytes, f32);
  statistics = scratchView(b, buffers.scratch, shapes.statisticsBytes, f32);
  factor = spec.scale;
  if (!spec.score)
    factor = arith::MulFOp::create(b, factor, floatConstant(b, f32, kLog2E));
  factor = broadcast(factor);
  scoreTypes.a = spec.query;
  scoreTypes.b = spec.key;
  scoreTypes.acc = scoreTypes.c = f32;
  productTypes.a = f32;
  productTypes.b = spec.value;
  productTypes.acc = productTypes.c = f32;
}

//===--- Keys -------------------------------------------------------------===//

OpFoldResult AttentionEmitter::keyLength(ValueRange batch) {
  return spec.keyLength ? spec.keyLength(b, batch, OpFoldResult()) : spec.n;
}

OpFoldResult AttentionEmitter::keyBegin(ValueRange batch,
                                        OpFoldResult firstRow) {
  if (!spec.keyBegin)
    return math.constant(0);
  // Blocks start at whole panels.
  OpFoldResult begin =
      math.max(spec.keyBegin(b, batch, firstRow), math.constant(0));
  return math.mul(math.div(begin, math.constant(shapes.panelWidth)),
                  shapes.panelWidth);
}

OpFoldResult AttentionEmitter::keyEnd(ValueRange batch, OpFoldResult lastRow,
                                      OpFoldResult length) {
  if (!spec.keyEnd)
    return length;
  OpFoldResult end = math.min(spec.keyEnd(b, batch, lastRow), length);
  return math.max(end, math.constant(0));
}

/// Packs the keys that items [low, high) of one head see.
void AttentionEmitter::packKeys(ValueRange indices, Value low, Value high) {
  ValueRange batch = indices.drop_back();
  OpFoldResult length = keyLength(batch);
  OpFoldResult first = math.constant(0), last = length;
  if (spec.keyBegin || spec.keyEnd) {
    // Items of several groups: all rows.
    OpFoldResult lastItem = math.sub(high, math.constant(1));
    Value oneGroup = math.equal(math.div(low, shapes.queryBlocks),
                                math.div(lastItem, shapes.queryBlocks));
    auto choose = [&](OpFoldResult one, OpFoldResult many) -> OpFoldResult {
      return arith::SelectOp::create(b, oneGroup, math.value(one),
                                     math.value(many))
          .getResult();
    };
    OpFoldResult firstRow =
        choose(math.mul(math.rem(low, shapes.queryBlocks), shapes.queryBlock),
               math.constant(0));
    OpFoldResult blocks =
        math.add(math.rem(lastItem, shapes.queryBlocks), math.constant(1));
    OpFoldResult endRow =
        choose(math.min(math.mul(blocks, shapes.queryBlock), spec.m), spec.m);
    first = keyBegin(batch, firstRow);
    last = keyEnd(batch, math.sub(endRow, math.constant(1)), length);
  }
  TileContext ctx{b,       scoreTypes, shapes.lanes, nullptr,
                  nullptr, noEpilogue, Value(),      Value()};
  OpFoldResult offset = spec.keyOffset(b, indices);
  OpFoldResult width = math.constant(shapes.panelWidth);
  emitFor(b, math.div(first, width), math.ceilDiv(last, width),
          math.constant(1), [&](Value panel) {
            PanelSource source{key,
                               offset,
                               spec.keyRowStride,
                               spec.keyLayout,
                               spec.d,
                               length,
                               math.mul(panel, shapes.panelWidth)};
            OpFoldResult at = math.mul(panel, shapes.panelElements);
            auto type = cast<MemRefType>(panels.getType());
            Value packed = memref::ReinterpretCastOp::create(
                b,
                MemRefType::get(type.getShape(), type.getElementType(),
                                StridedLayoutAttr::get(
                                    b.getContext(), ShapedType::kDynamic, 1)),
                panels, OpFoldResult(math.value(at)),
                ArrayRef<OpFoldResult>{math.value(shapes.panelElements)},
                ArrayRef<OpFoldResult>{b.getIndexAttr(1)});
            emitPackPanel(ctx, source, packed, sched.scoreVectors);
          });
}

//===--- Blocks of queries ------------------------------------------------===//

void AttentionEmitter::emit(Value begin, Value end) {
  SmallVector<OpFoldResult> pairSizes = spec.batch;
  pairSizes.push_back(spec.heads);
  OpFoldResult perPair = math.mul(spec.groups, shapes.queryBlocks);
  emitIf(b, math.less(begin, end), [&] {
    emitFor(b, math.div(begin, perPair), math.ceilDiv(end, perPair),
            math.constant(1), [&](Value pair) {
              OpFoldResult base = math.mul(pair, perPair);
              OpFoldResult low = math.sub(math.max(begin, base), base);
              OpFoldResult high =
                  math.sub(math.min(end, math.add(base, perPair)), base);
              SmallVector<Value> indices;
              for (OpFoldResult index : delinearize(math, pair, pairSizes))
                indices.push_back(math.value(index));
              Value lowValue = math.value(low), highValue = math.value(high);
              packKeys(indices, lowValue, highValue);
              emitFor(b, lowValue, highValue, math.constant(1),
                      [&](Value item) { emitBlock(indices, item); });
            });
  });
}

void AttentionEmitter::emitBlock(ValueRange indices, Value item) {
  QueryBlock block;
  llvm::append_range(block.at.batch, indices.drop_back());
  block.at.head = indices.back();
  block.at.group = math.value(math.div(item, shapes.queryBlocks));
  block.firstRow =
      math.mul(math.rem(item, shapes.queryBlocks), shapes.queryBlock);
  std::optional<int64_t> m = IndexMath::known(spec.m);
  block.rows = m && *m % shapes.queryBlock == 0
                   ? math.constant(shapes.queryBlock)
                   : math.min(math.sub(spec.m, block.firstRow),
                              math.constant(shapes.queryBlock));
  SmallVector<Value> withGroup = llvm::to_vector(indices);
  withGroup.push_back(block.at.group);
  block.queryOffset = spec.queryOffset(b, withGroup);
  block.outputOffset = spec.outputOffset(b, withGroup);
  block.valueOffset = spec.valueOffset(b, indices);
  block.length = keyLength(block.at.batch);

  clearBlock(block);
  OpFoldResult lastRow =
      math.sub(math.add(block.firstRow, block.rows), math.constant(1));
  OpFoldResult end = keyEnd(block.at.batch, lastRow, block.length);
  emitFor(b, keyBegin(block.at.batch, block.firstRow), end,
          math.constant(shapes.keyBlock), [&](Value first) {
            std::optional<int64_t> known = IndexMath::known(end);
            OpFoldResult count = known && *known % shapes.keyBlock == 0
                                     ? math.constant(shapes.keyBlock)
                                     : math.min(math.sub(end, first),
                                                math.constant(shapes.keyBlock));
            emitKeyBlock(block, {first, count});
          });
  storeBlock(block);
}

//===--- Interface --------------------------------------------------------===//

OpFoldResult dlc::kernel::getAttentionItems(ImplicitLocOpBuilder &b,
                                            const AttentionSpec &spec,
                                            const AttentionSchedule &sched,
                                            const VectorTarget &target) {
  IndexMath math(b);
  AttentionShapes shapes(b, spec, sched, target);
  OpFoldResult items = math.mul(spec.heads, spec.groups);
  for (OpFoldResult size : spec.batch)
    items = math.mul(items, size);
  return math.mul(items, shapes.queryBlocks);
}

OpFoldResult dlc::kernel::getAttentionScratchBytes(
    ImplicitLocOpBuilder &b, const AttentionSpec &spec,
    const AttentionSchedule &sched, const VectorTarget &target) {
  return AttentionShapes(b, spec, sched, target).scratchBytes;
}

void dlc::kernel::emitAttention(ImplicitLocOpBuilder &b,
                                const AttentionSpec &spec,
                                const AttentionSchedule &sched,
                                const VectorTarget &target,
                                const AttentionBuffers &buffers, Value begin,
                                Value end) {
  AttentionEmitter(b, spec, sched, target, buffers).emit(begin, end);
}
