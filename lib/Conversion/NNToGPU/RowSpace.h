// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels that work along rows: which threads have a row, and which of its
// elements each of them has.
#ifndef DLC_LIB_CONVERSION_NNTOGPU_ROWSPACE_H
#define DLC_LIB_CONVERSION_NNTOGPU_ROWSPACE_H

#include "RowProgram.h"
#include "RowSchedule.h"

namespace dlc {

/// The elements of a tensor as rows, one for each place in the dims that are no
/// axes. Rows whose elements are neighbours in memory have a warp or a block;
/// else 32 rows that are neighbours share a block, each with a thread of every
/// warp.
///
/// Few rows that are neighbours are woven: thread t of a block has the elements
/// t, t + s, t + 2 s ... of those of all rows, counted from the sector on that
/// the first one lies in. With s a multiple of the rows' number and of a
/// sector's elements, they are all of one row, and warps read whole sectors
/// wherever rows begin. So are single rows that begin at any place.
///
/// Rows of groups of channels that lie innermost are cut into pieces, one for
/// each place in the other axes. Where these are shorter than sectors, a block
/// has so many groups that their pieces fill some; thread t has vector t % v of
/// the v of a line of pieces.
///
/// Kernels that pass over a row several times keep its elements: the first
/// columns in registers, the next ones in shared memory, each where only the
/// thread that read it looks; what is beyond is read again. A schedule can give
/// the rows of a block to a cluster of them, whose threads count as one
/// block's.
class RowSpace {
public:
  RowSpace(DispatchContext &context, const RowShape &shape)
      : RowSpace(context, shape, getRowSchedule(context)) {}
  RowSpace(DispatchContext &context, const RowShape &shape,
           const RowSchedule &schedule);

  mlir::OpFoldResult getRows() const { return rows; }
  mlir::OpFoldResult getColumns() const { return columns; }
  /// The tensor as (slabs, columns, lanes): row (slab, lane) has the elements
  /// (slab, 0.., lane). None where dims of the rows lie between the axes.
  struct Slabs {
    mlir::OpFoldResult slabs, lanes;
  };
  const std::optional<Slabs> &getSlabs() const { return slabs; }
  /// Whether all tensors that elements come from or go to have them in the
  /// input's order, and the bytes of the widest of their elements.
  bool isOrdered() const { return hasOrder; }
  int64_t getElementBytes() const { return elementBytes; }
  /// Inputs that repeat, where only these keep the tensors from being ordered.
  llvm::ArrayRef<mlir::Value> getRepeated() const { return repeated; }
  const nn::Sizes &getSizes() const { return sizes; }
  /// Whether the accesses of a warp fill whole sectors, and most of its lanes
  /// have something to do.
  bool fillsSectors() const;

  int64_t getBlockThreads() const { return blockThreads; }
  /// Blocks that share rows.
  int64_t getClusterBlocks() const { return clusterBlocks; }
  /// Whether all elements of a row are kept; none where only the run knows
  /// their number.
  std::optional<bool> keepsRows() const;
  /// Elements of the rows of a block; a guess where only the run knows.
  int64_t getBlockElements() const;
  /// Blocks of a launch.
  mlir::OpFoldResult getBlocks(kernel::IndexMath &math) const;
  /// The rows of a block, which follow each other.
  int64_t getBlockRows() const { return blockRows; }
  /// Of dim `dim`, how many indices a row has, where the next row has the next
  /// ones, and behind the last ones come the first again.
  std::optional<int64_t> getRowPart(int64_t dim) const;

  /// Emits `body` for the thread's row. All threads of a warp run it together,
  /// and all of a block where they share rows; a row need not exist, but has no
  /// elements then.
  void emitRows(GPUKernelBuilder &kb,
                llvm::function_ref<void(mlir::Value row)> body);

  /// The tensor's indices of element `column` of `row`; null for `column`
  /// leaves those of the axes null.
  llvm::SmallVector<mlir::Value>
  getIndices(GPUKernelBuilder &kb, mlir::Value row, mlir::Value column);
  /// Indices by which elements are read and stored: the same, or the place in
  /// memory as the last one where the tensors are ordered.
  llvm::SmallVector<mlir::Value> getAccess(GPUKernelBuilder &kb,
                                           mlir::Value row, mlir::Value column);
  llvm::SmallVector<mlir::Value> getAccess(GPUKernelBuilder &kb,
                                           mlir::Value place, bool isOrdered);
  /// Indices of a tensor that has only the rows' dims.
  llvm::SmallVector<mlir::Value> getRowIndices(GPUKernelBuilder &kb,
                                               mlir::Value row);

  /// Elements of a row that this thread has in registers.
  int64_t getThreadElements() const { return threadElements; }
  /// Elements that a block keeps in shared memory.
  int64_t getSharedElements() const {
    return sharedColumns / clusterBlocks * blockRows;
  }
  /// The bytes of these that come with the launch; 0: they are the kernel's.
  int64_t getDynamicBytes(mlir::Type kept) const;

  /// Calls `body` for each of the thread's elements with its column and the
  /// state; returns the state at the end.
  using ElementFn = llvm::function_ref<llvm::SmallVector<mlir::Value>(
      mlir::Value column, mlir::ValueRange state)>;
  llvm::SmallVector<mlir::Value>
  forElements(GPUKernelBuilder &kb, mlir::ValueRange state, ElementFn body);

  /// The same for those in registers; they have numbers from 0 on.
  using NumberedFn = llvm::function_ref<llvm::SmallVector<mlir::Value>(
      int64_t number, mlir::Value column, mlir::ValueRange state)>;
  llvm::SmallVector<mlir::Value>
  forRegisters(GPUKernelBuilder &kb, mlir::ValueRange state, NumberedFn body);

  /// The same for all others; they have a slot of the block's elements in
  /// shared memory, or null where they are not kept.
  using LoopedFn = llvm::function_ref<llvm::SmallVector<mlir::Value>(
      mlir::Value slot, mlir::Value column, mlir::ValueRange state)>;
  llvm::SmallVector<mlir::Value>
  forOthers(GPUKernelBuilder &kb, mlir::ValueRange state, LoopedFn body);

  /// Combines the states of the threads of a row; see emitWarpReduce.
  using CombineFn = llvm::function_ref<llvm::SmallVector<mlir::Value>(
      mlir::ValueRange, mlir::ValueRange)>;
  llvm::SmallVector<mlir::Value>
  combine(GPUKernelBuilder &kb, mlir::ValueRange state, CombineFn body);

  /// Emits `body` for one of the threads of a row.
  void emitOnce(GPUKernelBuilder &kb, llvm::function_ref<void()> body);

private:
  /// Threads of a row in one block.
  int64_t getOwnThreads() const { return rowThreads / clusterBlocks; }
  /// Place of the thread among those of its row; among those in its block; and
  /// its row's number among the block's.
  mlir::Value getPlace(GPUKernelBuilder &kb);
  mlir::Value getOwnPlace(GPUKernelBuilder &kb);
  mlir::OpFoldResult getRowInBlock(GPUKernelBuilder &kb);
  /// The column `i` behind `first`, in its vector.
  mlir::Value getColumn(GPUKernelBuilder &kb, mlir::Value first, int64_t i);
  /// Indices of a column in the columns' dims.
  nn::Sizes splitColumn(GPUKernelBuilder &kb, mlir::Value column);
  /// Slot of a column that is kept in shared memory.
  mlir::Value getSlot(GPUKernelBuilder &kb, mlir::Value column);
  /// Of the columns that are kept in shared memory, the number of `column`
  /// among those of this block.
  mlir::OpFoldResult getKeptColumn(GPUKernelBuilder &kb, mlir::Value column);
  llvm::SmallVector<mlir::Value>
  combineInBlock(GPUKernelBuilder &kb, mlir::ValueRange state, CombineFn body);
  llvm::SmallVector<mlir::Value> combineInCluster(GPUKernelBuilder &kb,
                                                  mlir::ValueRange state,
                                                  CombineFn body);
  llvm::SmallVector<mlir::Value> emitVectors(GPUKernelBuilder &kb,
                                             int64_t begin, int64_t end,
                                             mlir::ValueRange state,
                                             NumberedFn body);
  llvm::SmallVector<mlir::Value>
  emitLoop(GPUKernelBuilder &kb, mlir::OpFoldResult begin,
           mlir::OpFoldResult end, mlir::ValueRange state, ElementFn body);
  void findSlabs(DispatchContext &context, const RowShape &shape);
  mlir::Value emitWovenRow(GPUKernelBuilder &kb);
  int64_t getLargestBlock(mlir::Type kept, bool isLarge) const;
  void chooseThreads(unsigned elementBits, mlir::Type kept, bool isLarge);
  void chooseWeave(mlir::Type kept, bool isLarge);
  /// Whether rows are cut into pieces; then also who has which.
  bool choosePieces();
  mlir::Value emitPieceRow(GPUKernelBuilder &kb);
  /// The piece that a column lies in; indices there, those of an access, and
  /// its slot if it is kept in shared memory.
  mlir::OpFoldResult getLine(kernel::IndexMath &math, mlir::Value column);
  llvm::SmallVector<mlir::Value>
  getPieceIndices(GPUKernelBuilder &kb, mlir::Value row, mlir::Value column);
  llvm::SmallVector<mlir::Value>
  getPieceAccess(GPUKernelBuilder &kb, mlir::Value row, mlir::Value column);
  mlir::OpFoldResult getPieceSlot(GPUKernelBuilder &kb, mlir::Value column);
  /// The first column of a vector, and the place of `column` there.
  std::pair<mlir::Value, int64_t> splitVector(mlir::Value column) const;
  /// Indices with those of the row only.
  llvm::SmallVector<mlir::Value> getRowPlace(GPUKernelBuilder &kb,
                                             mlir::Value row);
  void choosePlaces(mlir::Type kept, int64_t keptBytes);

  llvm::SmallVector<int64_t> rowDims, columnDims;
  int64_t rank, groups, channelDim;
  nn::Sizes sizes, rowSizes, columnSizes;
  std::optional<Slabs> slabs;
  bool hasOrder = false;
  llvm::SmallVector<mlir::Value> repeated;
  /// Bytes of the widest and of the narrowest of the tensors' elements.
  int64_t elementBytes = 1, leastBytes = 1, inputBits = 32;
  mlir::OpFoldResult rows, columns, groupWidth;
  /// Threads of a row, of all blocks that share it, and of a block.
  int64_t rowThreads = kWarpThreads, blockThreads = 128, width = 1;
  int64_t clusterBlocks = 1;
  int64_t threadElements = 0;
  /// Columns of a row that are kept in shared memory.
  int64_t sharedColumns = 0;
  /// Rows of a block.
  int64_t blockRows = 1;
  /// Whether a row has a thread of every warp, and whether rows are woven.
  bool isAcross = false, isWoven = false;
  /// Of rows in pieces: the threads of each; 0: they are in one.
  int64_t pieceThreads = 0;
  /// Of woven rows: elements of a sector, and how many columns before a row's
  /// first one threads may stand at.
  int64_t unit = 1, before = 0;

  // Of the row under construction.
  /// Whether the thread's row exists; null: all do.
  mlir::Value exists;
  /// Of the columns of each vector that is passed over: the first, and how far
  /// behind it they are.
  llvm::DenseMap<mlir::Value, std::pair<mlir::Value, int64_t>> inVector;
  /// Of woven rows: the first column of the thread in its block, which may be
  /// negative, and the slot of the row's first column that is kept in shared
  /// memory. Of rows in pieces: the thread's place among the row's in its
  /// block, that slot, and the thread's place in its piece. Of both: the row's
  /// number in the block.
  mlir::Value ownPlace;
  mlir::OpFoldResult firstSlot, inPiece, rowInBlock;
  /// Whether all blocks of the cluster are known to have begun.
  bool hasBegun = false;
};

/// Emits a kernel's block with rows in registers, for a program that keeps them
/// with `shared` for elements beyond, or null to allocate it.
void emitRegisterRows(GPUKernelBuilder &kb, RowSpace &space,
                      const RowShape &shape, const RowProgram &program,
                      mlir::Value shared);

/// The tensor whose elements a program on rows gives.
inline mlir::Value getRowResult(DispatchContext &context,
                                const RowShape &shape) {
  return shape.result ? shape.result : context.getRoot()->getResult(0);
}

/// The epilogue of an element of that tensor, which is in the kept type.
mlir::Value emitRowResult(GPUKernelBuilder &kb, const RowShape &shape,
                          mlir::Value element, mlir::ValueRange indices);

} // namespace dlc

#endif // DLC_LIB_CONVERSION_NNTOGPU_ROWSPACE_H
