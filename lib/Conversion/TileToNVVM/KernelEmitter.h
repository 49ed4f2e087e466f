// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Third pass: writes one thread's code of a tile.kernel, op by op.
#ifndef DLC_LIB_CONVERSION_TILETONVVM_KERNELEMITTER_H
#define DLC_LIB_CONVERSION_TILETONVVM_KERNELEMITTER_H

#include "Dialect/Tile/TileDialect.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

#include <functional>
#include <numeric>

namespace dlc::tile {

/// i32 arithmetic that folds constants.
class Int32Math {
public:
  explicit Int32Math(mlir::ImplicitLocOpBuilder &b) : b(b) {}

  mlir::Value constant(int64_t value) const;
  mlir::Value add(mlir::Value x, mlir::Value y) const;
  mlir::Value add(mlir::Value x, int64_t y) const {
    return add(x, constant(y));
  }
  mlir::Value sub(mlir::Value x, mlir::Value y) const;
  mlir::Value mul(mlir::Value x, int64_t y) const;
  mlir::Value exclusiveOr(mlir::Value x, mlir::Value y) const;
  /// Signed minimum and maximum with a constant.
  mlir::Value min(mlir::Value x, int64_t y) const;
  mlir::Value max(mlir::Value x, int64_t y) const;
  /// Quotient and remainder of a non-negative value by a positive constant.
  mlir::Value div(mlir::Value x, int64_t y) const;
  mlir::Value rem(mlir::Value x, int64_t y) const;
  mlir::Value less(mlir::Value x, mlir::Value y) const;
  mlir::Value extend(mlir::Value x) const;

private:
  mlir::ImplicitLocOpBuilder &b;
};

/// Which chunks of a shared tile a thread copies: number i of its chunks lies
/// in row `row(i)`, chunk `chunk(i)` of that row.
struct ChunkMap {
  int64_t rowChunks = 0, total = 0, threads = 0;

  ChunkMap(TileType tile, int64_t threads)
      : rowChunks(tile.getRowBytes() / kChunkBytes),
        total(rowChunks * tile.getShape()[0]), threads(threads) {}

  int64_t perThread() const { return (total + threads - 1) / threads; }
  /// Chunks of a thread that are so many apart have one place within their
  /// rows.
  int64_t period() const { return rowChunks / std::gcd(threads, rowChunks); }
};

/// Registers of one thread that hold a tile: one value per element it owns, or,
/// of an operand, per 32 bits.
using Registers = llvm::SmallVector<mlir::Value>;

/// The least that an asynchronous copy moves.
inline constexpr int64_t kLeastAsyncBytes = 4;

/// Keeps a loop as it is. ptxas unrolls short ones, and over the branches of
/// copies with a fill that takes so many registers that it spills (148 grew to
/// 255).
void forbidUnrolling(mlir::scf::ForOp loop);

class KernelEmitter {
public:
  explicit KernelEmitter(KernelOp kernel);

  /// Writes the `llvm.func` before the kernel.
  mlir::LogicalResult emit();

private:
  // KernelEmitter.cpp: control flow.
  mlir::LogicalResult emitBlock(mlir::Block &block);
  mlir::LogicalResult emitOp(mlir::Operation *op);
  mlir::LogicalResult emitFor(mlir::scf::ForOp op);
  mlir::LogicalResult emitIf(mlir::scf::IfOp op);
  /// Clones a region with one block, its arguments bound to values, and
  /// returns what it yields.
  llvm::SmallVector<mlir::Value> inlineRegion(mlir::Region &region,
                                              mlir::ValueRange arguments);
  llvm::SmallVector<mlir::Type> flatten(mlir::TypeRange types);
  llvm::SmallVector<mlir::Value> flatten(mlir::ValueRange values);
  /// Binds values to as many flat ones as they need.
  void bind(mlir::ValueRange values, mlir::ValueRange flat);
  int64_t countRegisters(TileType tile);
  /// Between its products: attention.
  bool reducesRows();
  /// Of accumulators and left operands.
  int64_t countProductRegisters();
  int64_t countResidentBlocks();
  mlir::Type getRegisterType(TileType tile);

  // EmitMemory.cpp: shared memory and copies.
  void emitAlloc(AllocOp op);
  void emitSlot(SlotOp op);
  int64_t emitPiecewiseRounds(CopyOp op, const ChunkMap &map);
  void emitCopy(CopyOp op);
  void emitWait(WaitOp op);
  // EmitBulk.cpp: bulk copies.
  void emitAllocBarriers(AllocBarriersOp op);
  mlir::LogicalResult emitBulkCopies(BulkCopiesOp op);
  void emitBulkCopy(CopyOp op, mlir::Value barrier);
  void emitAwaitBulk(AwaitBulkOp op);
  mlir::Value getBarrier(mlir::Value barriers, mlir::Value stage);
  /// Emits `body` for one thread of the block.
  void emitByOneThread(llvm::function_ref<void()> body);
  /// Bytes from the start of a shared tile to the chunk; `row` and `chunk` plus
  /// constants.
  mlir::Value chunkOffset(TileType tile, mlir::Value row, int64_t addRow,
                          mlir::Value chunk, int64_t addChunk);
  mlir::Value byteAddress(mlir::Value pointer, mlir::Value bytes);
  /// Where a chunk's elements lie, and how many bytes of them exist; null: 16.
  /// Of a window: whether the pixel is in the image, and the bytes before the
  /// last column; `bytes` are 0 for others where there is no fill for them.
  struct ChunkSource {
    mlir::Value base, offset, bytes;
    int64_t alignment;
    mlir::Value exists, columnBytes;
  };
  ChunkSource getSource(CopyOp op, mlir::Value row, mlir::Value column);
  mlir::Value getExistingBytes(CopyOp op, mlir::Value columns,
                               mlir::Value column);
  mlir::Value getColumn(CopyOp op, mlir::Value chunk);
  /// A part of a chunk whose elements lie side by side: its tap's place in the
  /// window and its elements' (i64), and whether the tap exists; null: it does.
  struct TapPiece {
    mlir::Value row, column, offset, exists;
  };
  void copyRound(CopyOp op, mlir::Value id, int64_t addRow, int64_t round,
                 llvm::ArrayRef<TapPiece> pieces);
  void copyChunk(const ChunkSource &source, mlir::Value target,
                 mlir::Type element);
  void copyElements(const ChunkSource &source, mlir::Value address,
                    mlir::Value target, mlir::Type element);

  // EmitWindow.cpp: copies of an image's pixels.
  void emitWindow(WindowOp op);
  /// A pixel's place in memory, less the tap (i64), and its row and column in
  /// the image (i32).
  struct WindowPixel {
    mlir::Value offset, row, column;
  };
  mlir::Value isInImage(WindowOp window, const WindowPixel &pixel,
                        mlir::Value tapY, mlir::Value tapX);
  ChunkSource getWindowSource(CopyOp op, int64_t round, mlir::Value column);
  void storeFill(const ChunkSource &source, mlir::Value fill,
                 mlir::Value target);
  llvm::SmallVector<TapPiece> getTapPieces(CopyOp op, mlir::Value column);
  mlir::Value loadPiece(CopyOp op, const TapPiece &piece, mlir::Value address,
                        mlir::Value inside, int64_t width);
  void copyPiece(CopyOp op, const TapPiece &piece, mlir::Value address,
                 mlir::Value inside, mlir::Value target, int64_t width);
  void copyPieces(CopyOp op, llvm::ArrayRef<TapPiece> pieces, int64_t round,
                  mlir::Value target);

  // EmitEpilogue.cpp.
  void emitEpilogue(EpilogueOp op);
  void emitDirectEpilogue(EpilogueOp op);
  void emitRowsEpilogue(EpilogueOp op);
  void stageTile(EpilogueOp op);
  void emitStagedEpilogue(EpilogueOp op);
  void emitStagedUnit(EpilogueOp op, mlir::Value id);
  Registers loadStaged(EpilogueOp op, mlir::Value row, mlir::Value column,
                       mlir::Value chunk, int64_t count);
  void emitUnit(EpilogueOp op, mlir::Value vector, mlir::Value row,
                mlir::Value column);
  void emitGuarded(bool always, mlir::Value x, mlir::Value bound,
                   llvm::function_ref<void()> body);

  // EmitMma.cpp: fragments and products.
  void emitMma(MmaOp op);
  void emitLoad(LoadOp op);
  /// The registers of rows 16 * block of the warp's part of A, step k of the
  /// instruction.
  Registers loadA(mlir::Value slot, TileType tile, bool transposed,
                  int64_t block, int64_t k);
  /// The registers of columns 16 * block to 16 * block + 15 of an op's B.
  Registers loadB(MmaOp op, int64_t block, int64_t k);
  Registers loadMatrices(mlir::Value address, bool transposing);
  Registers loadElements(mlir::Value slot, TileType tile, mlir::Value row,
                         int64_t addRow, mlir::Value column, int64_t addColumn,
                         int64_t rowStep);
  void applyPrologue(mlir::Region &prologue, mlir::Type element,
                     Registers &registers);
  /// What mma.sync takes of an f32.
  mlir::Value roundToTF32(mlir::Value value);
  Registers multiply(llvm::ArrayRef<mlir::Value> a,
                     llvm::ArrayRef<mlir::Value> b2,
                     llvm::ArrayRef<mlir::Value> acc, mlir::Type element,
                     mlir::Type elementB);
  /// `sum` and four 8-bit elements.
  mlir::Value addBytes(mlir::Value bytes, mlir::Type element, mlir::Value sum);
  void addOperandSums(MmaOp op, llvm::ArrayRef<Registers> as,
                      llvm::ArrayRef<Registers> bs);

  // EmitCompute.cpp: elementwise and rows.
  void emitSplat(SplatOp op);
  void emitMap(MapOp op);
  void emitCast(CastOp op);
  void emitReduce(ReduceOp op);
  void emitConvertLayout(ConvertLayoutOp op);
  void emitAddedParts(ConvertLayoutOp op);
  /// A value of each lane's, from the lane whose number differs in `distance`,
  /// or from lane `source`.
  mlir::Value exchange(mlir::Value value, int64_t distance);
  mlir::Value readLane(mlir::Value value, mlir::Value source);
  Registers packPairs(llvm::ArrayRef<mlir::Value> registers);
  Registers roundSums(llvm::ArrayRef<mlir::Value> registers);

  /// Row and column, within the tile, of a register of an accumulator, less
  /// the lane's part.
  struct Place {
    int64_t block, row, column;
  };
  /// Which register of an operand of the element at `place` a map reads.
  static int64_t getOperandIndex(TileType operand, TileType result,
                                 const Place &place, int64_t index);
  /// Of register number `index` of a tile in accumulator layout.
  Place getPlace(TileType tile, int64_t index);
  /// Row and column of a warp's and lane's first element in such a tile.
  std::pair<mlir::Value, mlir::Value> getLaneOrigin(TileType tile);

  KernelOp kernel;
  mlir::ImplicitLocOpBuilder b;
  Int32Math math;
  mlir::IRMapping mapping;
  llvm::DenseMap<mlir::Value, Registers> tiles;
  /// Base addresses of rings, slots and mbarriers.
  llvm::DenseMap<mlir::Value, mlir::Value> addresses;
  /// Per window and round of its copies.
  llvm::DenseMap<mlir::Value, llvm::SmallVector<WindowPixel>> windows;
  mlir::Value thread, lane, warpM, warpN;
  mlir::Value sharedMemory;
};

} // namespace dlc::tile

#endif // DLC_LIB_CONVERSION_TILETONVVM_KERNELEMITTER_H
