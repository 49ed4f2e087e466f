// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Copies of what a convolution's pixels see of an image.
#include "KernelEmitter.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace dlc::tile {

/// What the rows of a thread's chunks are in the image, once for all taps.
void KernelEmitter::emitWindow(WindowOp op) {
  auto get = [&](Value value) { return mapping.lookupOrDefault(value); };
  auto i64 = [&](Value x, Value y) {
    return arith::MulIOp::create(b, math.extend(x), y).getResult();
  };
  auto copy = cast<CopyOp>(*op->user_begin());
  ChunkMap map(copy.getTarget().getType(), kernel.getThreads());
  Value width = get(op.getOutputWidth());
  Value area = arith::MulIOp::create(b, get(op.getOutputHeight()), width);
  SmallVector<WindowPixel> pixels;
  for (int64_t i = 0; i != map.perThread(); ++i) {
    Value row = math.add(math.div(thread, map.rowChunks),
                         i * (map.threads / map.rowChunks));
    row = math.add(row, get(op.getFirst()));
    Value image = arith::DivUIOp::create(b, row, area);
    Value pixel = arith::RemUIOp::create(b, row, area);
    Value y = math.sub(
        math.mul(arith::DivUIOp::create(b, pixel, width), op.getStrides()[0]),
        get(op.getPadTop()));
    Value x = math.sub(
        math.mul(arith::RemUIOp::create(b, pixel, width), op.getStrides()[1]),
        get(op.getPadLeft()));
    Value offset = arith::AddIOp::create(b, get(op.getOffset()),
                                         i64(image, get(op.getImageStride())));
    offset = arith::AddIOp::create(b, offset, i64(y, get(op.getRowStride())));
    offset = arith::AddIOp::create(b, offset, i64(x, get(op.getPixelStride())));
    // No tap brings a pixel that does not exist into the image.
    y = arith::SelectOp::create(b, math.less(row, get(op.getRows())), y,
                                math.constant(INT32_MIN / 2));
    pixels.push_back({offset, y, x});
  }
  windows[op.getResult()] = std::move(pixels);
}

/// Whether a tap of a pixel lies in the image.
Value KernelEmitter::isInImage(WindowOp window, const WindowPixel &pixel,
                               Value tapY, Value tapX) {
  auto below = [&](Value x, Value bound) {
    return arith::CmpIOp::create(b, arith::CmpIPredicate::ult, x,
                                 mapping.lookupOrDefault(bound));
  };
  return arith::AndIOp::create(
      b, below(math.add(pixel.row, tapY), window.getHeight()),
      below(math.add(pixel.column, tapX), window.getWidth()));
}

KernelEmitter::ChunkSource
KernelEmitter::getWindowSource(CopyOp op, int64_t round, Value column) {
  auto window = op.getSource().getDefiningOp<WindowOp>();
  auto get = [&](Value value) { return mapping.lookupOrDefault(value); };
  const WindowPixel &pixel = windows.at(op.getSource())[round];
  Value tapY = get(op.getTap()[0]), tapX = get(op.getTap()[1]);
  Value exists = isInImage(window, pixel, tapY, tapX);
  Value columnBytes = getExistingBytes(op, get(window.getColumns()), column);
  // With a fill, what is outside of the image is not copied at all.
  Value bytes = columnBytes;
  if (!op.getFill()) {
    bytes = arith::SelectOp::create(b, exists,
                                    bytes ? bytes : math.constant(kChunkBytes),
                                    math.constant(0));
  }
  Value tap = arith::AddIOp::create(
      b,
      arith::MulIOp::create(b, math.extend(tapY), get(window.getRowStride())),
      arith::MulIOp::create(b, math.extend(tapX),
                            get(window.getPixelStride())));
  Value offset = arith::AddIOp::create(b, pixel.offset, tap);
  offset = arith::AddIOp::create(b, offset, math.extend(column));
  return {get(window.getBase()),
          offset,
          bytes,
          static_cast<int64_t>(window.getAlignment()),
          exists,
          columnBytes};
}

/// 16 bytes of fill, as far as columns exist.
void KernelEmitter::storeFill(const ChunkSource &source, Value fill,
                              Value target) {
  SmallVector<Value> words;
  Type wide = b.getI64Type();
  Value one = arith::ConstantIntOp::create(b, wide, 1);
  for (int64_t at = 0; at != kChunkBytes; at += 4) {
    Value word = fill;
    if (source.columnBytes) {
      // The lowest bytes of a word are its first elements.
      Value count = math.max(math.min(math.add(source.columnBytes, -at), 4), 0);
      Value mask =
          arith::ShLIOp::create(b, one, math.extend(math.mul(count, 8)));
      mask = arith::SubIOp::create(b, mask, one);
      word = arith::AndIOp::create(
          b, word, arith::TruncIOp::create(b, b.getI32Type(), mask));
    }
    words.push_back(word);
  }
  Value vector = vector::FromElementsOp::create(
      b, VectorType::get({4}, b.getI32Type()), words);
  LLVM::StoreOp::create(b, vector, target, kChunkBytes);
}

/// The pieces of a thread's chunks, whose first column is `column`: each the
/// channels, or some of them, of one tap.
SmallVector<KernelEmitter::TapPiece> KernelEmitter::getTapPieces(CopyOp op,
                                                                 Value column) {
  auto window = op.getSource().getDefiningOp<WindowOp>();
  auto get = [&](Value value) { return mapping.lookupOrDefault(value); };
  auto i64 = [&](Value x, Value y) {
    return arith::MulIOp::create(b, math.extend(x), y).getResult();
  };
  ArrayRef<int64_t> taps = *window.getTaps();
  int64_t size = op.getTarget().getType().getElementBytes();
  auto width = static_cast<int64_t>(window.getAlignment());
  SmallVector<TapPiece> pieces;
  for (int64_t at = 0; at != kChunkBytes; at += width) {
    TapPiece piece;
    Value k = math.add(column, at / size);
    Value tap = math.div(k, taps[3]);
    piece.row = math.mul(math.div(tap, taps[0]), taps[1]);
    piece.column = math.mul(math.rem(tap, taps[0]), taps[2]);
    piece.offset =
        arith::AddIOp::create(b, i64(piece.row, get(window.getRowStride())),
                              i64(piece.column, get(window.getPixelStride())));
    piece.offset = arith::AddIOp::create(b, piece.offset,
                                         math.extend(math.rem(k, taps[3])));
    if (!op.getColumnsExist()) {
      piece.exists = math.less(k, get(window.getColumns()));
    }
    pieces.push_back(piece);
  }
  return pieces;
}

/// A piece of at most 8 bytes, as an integer: the image's, or the fill.
Value KernelEmitter::loadPiece(CopyOp op, const TapPiece &piece, Value address,
                               Value inside, int64_t width) {
  auto window = op.getSource().getDefiningOp<WindowOp>();
  Type integer = b.getIntegerType(8 * width);
  Value zero = arith::ConstantIntOp::create(b, integer, 0);
  Value other = zero;
  if (op.getFill()) {
    Value twice = arith::ConstantIntOp::create(b, b.getI64Type(), 0x100000001);
    Value fill = arith::ExtUIOp::create(b, b.getI64Type(),
                                        mapping.lookupOrDefault(op.getFill()));
    other = arith::MulIOp::create(b, fill, twice);
    other = width == 8 ? other
                       : arith::TruncIOp::create(b, integer, other).getResult();
    other = piece.exists ? arith::SelectOp::create(b, piece.exists, other, zero)
                         : other;
  }
  Value base = mapping.lookupOrDefault(window.getBase());
  Value from = arith::SelectOp::create(b, inside, address, base);
  Value loaded =
      LLVM::LoadOp::create(b, integer, from, static_cast<unsigned>(width));
  return arith::SelectOp::create(b, inside, loaded, other);
}

/// A piece of 4, 8 or 16 bytes, with a fill of 16; what is outside of the image
/// is not copied at all then.
void KernelEmitter::copyPiece(CopyOp op, const TapPiece &piece, Value address,
                              Value inside, Value target, int64_t width) {
  auto modifier = width == kChunkBytes ? NVVM::LoadCacheModifierKind::CG
                                       : NVVM::LoadCacheModifierKind::CA;
  auto copy = [&](Value bytes) {
    NVVM::CpAsyncOp::create(b, target, address, width, modifier, bytes);
  };
  if (!op.getFill()) {
    copy(arith::SelectOp::create(b, inside, math.constant(width),
                                 math.constant(0)));
    return;
  }
  auto branch = scf::IfOp::create(b, inside, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  copy(Value());
  b.setInsertionPointToStart(branch.elseBlock());
  Value word = mapping.lookupOrDefault(op.getFill());
  if (piece.exists) {
    word = arith::SelectOp::create(b, piece.exists, word, math.constant(0));
  }
  auto vector = VectorType::get({4}, b.getI32Type());
  LLVM::StoreOp::create(b, vector::BroadcastOp::create(b, vector, word), target,
                        kChunkBytes);
}

/// A chunk of a window with joined taps, of the pixel number `round` of the
/// thread's.
void KernelEmitter::copyPieces(CopyOp op, ArrayRef<TapPiece> pieces,
                               int64_t round, Value target) {
  auto window = op.getSource().getDefiningOp<WindowOp>();
  const WindowPixel &pixel = windows.at(op.getSource())[round];
  Value base = mapping.lookupOrDefault(window.getBase());
  Type element = b.getIntegerType(
      op.getTarget().getType().getElementType().getIntOrFloatBitWidth());
  auto width = static_cast<int64_t>(window.getAlignment());
  // Stores of less than a chunk would have bank conflicts.
  bool isLoaded = width < 4 || (op.getFill() && width < kChunkBytes);
  SmallVector<Value> loaded;
  for (auto [i, piece] : llvm::enumerate(pieces)) {
    Value inside = isInImage(window, pixel, piece.row, piece.column);
    if (piece.exists) {
      inside = arith::AndIOp::create(b, inside, piece.exists);
    }
    Value offset = arith::AddIOp::create(b, pixel.offset, piece.offset);
    Value address =
        LLVM::GEPOp::create(b, base.getType(), element, base, offset);
    if (isLoaded) {
      loaded.push_back(loadPiece(op, piece, address, inside, width));
      continue;
    }
    LLVM::GEPArg step(static_cast<int32_t>(static_cast<int64_t>(i) * width));
    Value to =
        LLVM::GEPOp::create(b, target.getType(), b.getI8Type(), target, step);
    copyPiece(op, piece, address, inside, to, width);
  }
  if (isLoaded) {
    auto type = VectorType::get({kChunkBytes / width}, loaded[0].getType());
    LLVM::StoreOp::create(b, vector::FromElementsOp::create(b, type, loaded),
                          target, kChunkBytes);
  }
}

} // namespace dlc::tile
