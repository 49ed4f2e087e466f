// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rows that pass through shared memory, in pieces that are whole in global
// memory.
#ifndef DLC_LIB_CONVERSION_NNTOGPU_STAGEDROWS_H
#define DLC_LIB_CONVERSION_NNTOGPU_STAGEDROWS_H

#include "RepeatedOperands.h"
#include "RowSpace.h"

namespace dlc {

/// Slabs of a tensor that follow each other, in shared memory.
struct StagedPiece {
  RowSpace &space;
  mlir::Value shared;
  /// Slabs of the tensor; a slab has columns * lanes elements.
  mlir::OpFoldResult slabs, columns, lanes;
  /// The piece's first slab, and how many it has, if the tensor does.
  mlir::OpFoldResult firstSlab, blockSlabs;
  /// Where its first element is in shared memory.
  mlir::OpFoldResult offset;
};

/// Emits a program's passes over the rows of a piece.
void emitPieceRows(GPUKernelBuilder &kb, const StagedPiece &piece,
                   const RowProgram &program);

/// A tensor as (slabs, columns, lanes): row (slab, lane) has the elements
/// (slab, 0.., lane), and the elements of a slab follow each other in memory.
///
/// Wherever rows begin and however few elements lie together in one, slabs that
/// follow each other are one piece of memory. A block copies such a piece to
/// shared memory by accesses that begin at multiples of a sector, works along
/// its rows there, and copies the results back in the same way. Along rows the
/// lanes of a warp have neighbouring elements, too: those of all lanes of a
/// column, then the next columns, then the next slabs. So no two of them meet
/// in a bank. Small tables that all rows look at go to shared memory, too, and
/// so does what a piece needs of operands that repeat.
class StagedRows {
public:
  StagedRows(kernel::IndexMath &math, RowSpace &space, const RowShape &shape);

  /// Whether this is how to compute the rows: always, where the run says so, or
  /// never.
  enum class Use { always, atRun, never };
  Use getUse() const { return use; }
  /// The condition of Use::atRun.
  mlir::Value emitCondition(kernel::IndexMath &math) const;

  int64_t getBlockThreads() const { return threads; }
  mlir::OpFoldResult getBlocks(kernel::IndexMath &math) const;
  /// Elements in shared memory.
  int64_t getCapacity() const { return capacity; }

  /// Emits one block, with a piece's elements in `memory`.
  void emit(GPUKernelBuilder &kb, const RowShape &shape,
            const RowProgram &program, mlir::Value memory);

private:
  /// Bytes of shared memory for an element, with those of `copied`.
  int64_t getPieceBytes() const;
  void chooseCopies();
  void chooseAccess(const RowShape &shape);
  void chooseSizes(kernel::IndexMath &math);
  void forAccesses(GPUKernelBuilder &kb, mlir::OpFoldResult lower,
                   mlir::OpFoldResult upper,
                   llvm::function_ref<void(mlir::ValueRange places)> body);
  void emitLoads(GPUKernelBuilder &kb, const RowProgram &program,
                 RepeatedOperands &operands);
  void emitStores(GPUKernelBuilder &kb, const RowShape &shape,
                  RepeatedOperands &operands);
  llvm::SmallVector<mlir::Value> getAccess(GPUKernelBuilder &kb,
                                           mlir::Value place);
  void storeShared(GPUKernelBuilder &kb, mlir::ValueRange elements,
                   mlir::Value at);
  llvm::SmallVector<mlir::Value> loadShared(GPUKernelBuilder &kb, int64_t count,
                                            mlir::Value at);

  RowSpace &space;
  mlir::Type kept;
  /// Inputs that repeat, and are copied to shared memory for each piece.
  llvm::SmallVector<mlir::Value> copied;
  Use use = Use::never;
  /// Of the tensor; a slab has columns * lanes elements.
  mlir::OpFoldResult slabs, columns, lanes, slab, total;
  /// Elements of an access, and of what accesses begin at multiples of.
  int64_t width = 1, unit = 1;
  /// Slabs of a block.
  mlir::OpFoldResult blockSlabs;
  int64_t threads = 0, capacity = 0;

  // Of the block under construction.
  mlir::Value shared;
  /// The piece: its first slab, its elements [begin, end), and the first
  /// element in shared memory.
  mlir::OpFoldResult firstSlab, begin, end, start;
  /// Whether pieces begin at multiples of `unit`.
  bool isAligned = false;
};

} // namespace dlc

#endif // DLC_LIB_CONVERSION_NNTOGPU_STAGEDROWS_H
