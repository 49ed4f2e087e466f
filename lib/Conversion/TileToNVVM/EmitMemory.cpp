// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Shared memory, and copies into it.
#include "KernelEmitter.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace dlc::tile {

static Type sharedPointer(OpBuilder &b) {
  return LLVM::LLVMPointerType::get(b.getContext(), 3);
}

void KernelEmitter::emitAlloc(AllocOp op) {
  addresses[op.getRing()] = LLVM::GEPOp::create(
      b, sharedPointer(b), b.getI8Type(), sharedMemory,
      LLVM::GEPArg(static_cast<int32_t>(op.getOffset().value_or(0))));
}

void KernelEmitter::emitSlot(SlotOp op) {
  Value stage = mapping.lookupOrDefault(op.getStage());
  addresses[op.getResult()] =
      byteAddress(addresses.at(op.getRing()),
                  math.mul(stage, op.getResult().getType().getBytes()));
}

void KernelEmitter::emitWait(WaitOp op) {
  NVVM::CpAsyncWaitGroupOp::create(b, op.getPending());
  NVVM::Barrier0Op::create(b);
}

Value KernelEmitter::byteAddress(Value pointer, Value bytes) {
  return LLVM::GEPOp::create(b, pointer.getType(), b.getI8Type(), pointer,
                             bytes);
}

Value KernelEmitter::chunkOffset(TileType tile, Value row, int64_t addRow,
                                 Value chunk, int64_t addChunk) {
  auto swizzle = cast<SwizzleAttr>(tile.getLayout());
  int64_t rowChunks = tile.getRowBytes() / kChunkBytes;
  int64_t panel = swizzle.getPanel() ? swizzle.getPanel() : rowChunks;
  int64_t pitch = panel * kChunkBytes, panelBytes = pitch * tile.getShape()[0];
  // Whole periods of the swizzle, and whole groups of the chunks that it
  // permutes, become a constant of the address.
  int64_t group = swizzle.getCount() * swizzle.getStep();
  int64_t someRows = addRow % (swizzle.getPeriod() * swizzle.getCount());
  int64_t someChunks = addChunk % group;
  row = math.add(row, someRows);
  chunk = math.add(chunk, someChunks);
  Value panelOffset;
  if (panel < rowChunks) {
    panelOffset = math.mul(math.div(chunk, panel), panelBytes);
    chunk = math.rem(chunk, panel);
  }
  if (swizzle.getCount() > 1) {
    Value turn =
        math.rem(math.div(row, swizzle.getPeriod()), swizzle.getCount());
    chunk = math.exclusiveOr(chunk, math.mul(turn, swizzle.getStep()));
  }
  Value offset = math.add(math.mul(row, pitch), math.mul(chunk, kChunkBytes));
  offset = panelOffset ? math.add(offset, panelOffset) : offset;
  int64_t groups = (addChunk - someChunks) / group;
  int64_t groupBytes = panel < rowChunks ? panelBytes : group * kChunkBytes;
  return math.add(offset, (addRow - someRows) * pitch + groups * groupBytes);
}

/// 16 bytes, one element at a time: rows begin at any element, so no wider
/// access is aligned. Elements that do not exist are zero; the address of one
/// is replaced by that of the matrix.
void KernelEmitter::copyElements(const ChunkSource &source, Value address,
                                 Value target, Type element) {
  int64_t size = element.getIntOrFloatBitWidth() / 8;
  Type integer = b.getIntegerType(8 * size);
  int64_t count = kChunkBytes / size;
  Value zero = arith::ConstantIntOp::create(b, integer, 0);
  SmallVector<Value> elements;
  for (int64_t i = 0; i != count; ++i) {
    Value from =
        LLVM::GEPOp::create(b, address.getType(), b.getI8Type(), address,
                            LLVM::GEPArg(static_cast<int32_t>(i * size)));
    Value exists;
    if (source.bytes) {
      exists = math.less(math.constant(i * size), source.bytes);
      from = arith::SelectOp::create(b, exists, from, source.base);
    }
    Value loaded =
        LLVM::LoadOp::create(b, integer, from, static_cast<unsigned>(size));
    elements.push_back(
        exists ? arith::SelectOp::create(b, exists, loaded, zero).getResult()
               : loaded);
  }
  Value vector = vector::FromElementsOp::create(
      b, VectorType::get({count}, integer), elements);
  LLVM::StoreOp::create(b, vector, target, kChunkBytes);
}

/// Bytes of a chunk that lie before column `columns`; null: all.
Value KernelEmitter::getExistingBytes(CopyOp op, Value columns, Value column) {
  if (op.getColumnsExist()) {
    return {};
  }
  int64_t size = op.getTarget().getType().getElementBytes();
  Value bytes = math.mul(math.sub(columns, column), size);
  return math.max(math.min(bytes, kChunkBytes), 0);
}

KernelEmitter::ChunkSource KernelEmitter::getSource(CopyOp op, Value row,
                                                    Value column) {
  auto view = op.getSource().getDefiningOp<ViewOp>();
  auto get = [&](Value value) { return mapping.lookupOrDefault(value); };
  Value bytes = getExistingBytes(op, get(view.getColumns()), column);
  if (!op.getRowsExist()) {
    bytes = arith::SelectOp::create(b, math.less(row, get(view.getRows())),
                                    bytes ? bytes : math.constant(kChunkBytes),
                                    math.constant(0));
  }
  Value offset =
      b.createOrFold<arith::MulIOp>(math.extend(row), get(view.getRowStride()));
  offset = b.createOrFold<arith::AddIOp>(offset, math.extend(column));
  offset = b.createOrFold<arith::AddIOp>(offset, get(view.getOffset()));
  return {get(view.getBase()),
          offset,
          bytes,
          static_cast<int64_t>(view.getAlignment()),
          Value(),
          Value()};
}

void KernelEmitter::copyChunk(const ChunkSource &source, Value target,
                              Type element) {
  if (element.isInteger()) {
    element = b.getIntegerType(element.getIntOrFloatBitWidth());
  }
  Value address = LLVM::GEPOp::create(b, source.base.getType(), element,
                                      source.base, source.offset);
  int64_t width = source.alignment;
  if (width < kLeastAsyncBytes) {
    copyElements(source, address, target, element);
    return;
  }
  auto modifier = width == kChunkBytes ? NVVM::LoadCacheModifierKind::CG
                                       : NVVM::LoadCacheModifierKind::CA;
  for (int64_t at = 0; at != kChunkBytes; at += width) {
    Value part = source.bytes;
    if (part && width != kChunkBytes) {
      part = math.max(math.min(math.add(part, -at), width), 0);
    }
    LLVM::GEPArg step(static_cast<int32_t>(at));
    NVVM::CpAsyncOp::create(
        b,
        LLVM::GEPOp::create(b, target.getType(), b.getI8Type(), target, step),
        LLVM::GEPOp::create(b, address.getType(), b.getI8Type(), address, step),
        width, modifier, part);
  }
}

/// One chunk of a copy: number `id`, `addRow` rows further on. `pieces`: of a
/// window with joined taps.
void KernelEmitter::copyRound(CopyOp op, Value id, int64_t addRow,
                              int64_t round, ArrayRef<TapPiece> pieces) {
  TileType tile = op.getTarget().getType();
  ChunkMap map(tile, kernel.getThreads());
  Value row = math.div(id, map.rowChunks);
  Value chunk = math.rem(id, map.rowChunks);
  Value target = byteAddress(addresses.at(op.getTarget()),
                             chunkOffset(tile, row, addRow, chunk, 0));
  if (!pieces.empty()) {
    copyPieces(op, pieces, round, target);
    return;
  }
  Value column = getColumn(op, chunk);
  ChunkSource source;
  if (op.getTap().empty()) {
    row = math.add(math.add(row, addRow), mapping.lookupOrDefault(op.getRow()));
    source = getSource(op, row, column);
  } else {
    source = getWindowSource(op, round, column);
  }
  if (!op.getFill()) {
    copyChunk(source, target, tile.getElementType());
    return;
  }
  auto inside = scf::IfOp::create(b, source.exists, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(inside.thenBlock());
  copyChunk(source, target, tile.getElementType());
  b.setInsertionPointToStart(inside.elseBlock());
  storeFill(source, mapping.lookupOrDefault(op.getFill()), target);
}

/// The column of the matrix that a chunk of the copy's rows begins with.
Value KernelEmitter::getColumn(CopyOp op, Value chunk) {
  int64_t elements = kChunkBytes / op.getTarget().getType().getElementBytes();
  return math.add(math.mul(chunk, elements),
                  mapping.lookupOrDefault(op.getColumn()));
}

/// Next to more registers of a product, and in attention, there are none for
/// the addresses of several rounds of a copy; measured.
static constexpr int64_t kRoomyRegisters = 144;

/// The rounds of a copy that all threads take, as a loop: a chunk of several
/// accesses is long code. Returns how many rounds that are.
int64_t KernelEmitter::emitPiecewiseRounds(CopyOp op, const ChunkMap &map) {
  int64_t rounds = map.total / map.threads;
  if (rounds < 3) {
    return 0;
  }
  auto loop = scf::ForOp::create(b, math.constant(0),
                                 math.constant(rounds * map.threads),
                                 math.constant(map.threads));
  if (reducesRows() || countProductRegisters() > kRoomyRegisters) {
    forbidUnrolling(loop);
  }
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  copyRound(op, math.add(thread, loop.getInductionVar()), 0, 0, {});
  return rounds;
}

void KernelEmitter::emitCopy(CopyOp op) {
  ChunkMap map(op.getTarget().getType(), kernel.getThreads());
  auto window = op.getSource().getDefiningOp<WindowOp>();
  SmallVector<TapPiece> pieces;
  if (window && window.getTaps()) {
    // All chunks of a thread have one place within their rows.
    pieces = getTapPieces(op, getColumn(op, math.rem(thread, map.rowChunks)));
  }
  auto view = op.getSource().getDefiningOp<ViewOp>();
  int64_t first = view && view.getAlignment() < kChunkBytes
                      ? emitPiecewiseRounds(op, map)
                      : 0;
  for (int64_t i = first; i != map.perThread(); ++i) {
    // Places within a row come again after a few rounds.
    Value id = math.add(thread, i % map.period() * map.threads);
    int64_t addRow =
        i / map.period() * (map.period() * map.threads / map.rowChunks);
    // The last round may have fewer chunks than threads.
    int64_t left = map.total - i * map.threads;
    emitGuarded(left >= map.threads, thread, math.constant(left),
                [&] { copyRound(op, id, addRow, i, pieces); });
  }
}

} // namespace dlc::tile
