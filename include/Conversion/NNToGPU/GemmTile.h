// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Matrix products on CUDA cores: a tile of C per block, a register tile per
// thread, A and B through shared memory.
#ifndef DLC_CONVERSION_NNTOGPU_GEMMTILE_H
#define DLC_CONVERSION_NNTOGPU_GEMMTILE_H

#include "Conversion/NNToGPU/GPUKernelBuilder.h"

namespace dlc {

/// `bm` x `bn` elements of C per block. As a tile: `tm` x `tn` per thread, `bk`
/// of the reduced dim at a time; `tm` and `tn` are 4 or 8. For a few vectors,
/// the rows of A (B's columns if `flipped`), times a matrix: a warp per row of
/// the matrix, or all warps for columns of it, one or four a thread. A tile may
/// be computed in `parts` of k, of whole steps of `bk`, by as many blocks.
struct GemmTileShape {
  enum class Form { Tile, GemvRows, GemvColumns };

  int64_t bm = 64, bn = 64, bk = 8, tm = 8, tn = 8;
  Form form = Form::Tile;
  bool flipped = false;
  int64_t parts = 1;

  int64_t getThreads() const {
    return form == Form::Tile       ? bm / tm * (bn / tn)
           : form == Form::GemvRows ? getNumRows() * kWarpThreads
                                    : 8 * kWarpThreads;
  }
  /// See GPULaunch: what leaves each thread of a small block the registers of
  /// its part of the tile, 255 or 128. ptxas would aim at more blocks. Places
  /// of operands whose sizes only the run knows take registers, too: 128 were
  /// too few.
  int64_t getResidentBlocks(bool areSizesKnown) const {
    bool isSmall = form == Form::Tile && getThreads() <= 2 * kWarpThreads;
    return isSmall ? (tm * tn > 32 || !areSizesKnown ? 4 : 8) : 0;
  }
  /// Of a block's part of the matrix: rows or columns.
  int64_t getNumRows() const { return flipped ? bm : bn; }
  /// Elements of the matrix that a thread loads at once.
  int64_t getWidth() const { return flipped ? tm : tn; }
};

/// Vectors that products with a matrix take.
inline constexpr int64_t kMaxVectors = 8;

/// A, or B with its columns in the place of rows: a matrix of `rows` by k.
struct GemmOperand {
  /// Neighbours in memory run along the reduced dim, else along the rows.
  bool denseInK = true;
  /// Whether four neighbours from a multiple of four on exist all or not at
  /// all, and lie in one aligned piece of memory where they can be read
  /// together.
  bool hasVectors = false;
  /// State of row `row` that the places of its elements need; made once per row
  /// that a thread loads. May be null.
  std::function<llvm::SmallVector<mlir::Value>(mlir::Value row)> prepareRow;
  /// Elements [at, at + count) along the dense dim, in the accumulator's type;
  /// they exist as far as the sizes say, anything else the operand checks and
  /// gives 0 for.
  std::function<llvm::SmallVector<mlir::Value>(
      mlir::ValueRange rowState, mlir::Value row, mlir::Value k, int64_t count)>
      load;
};

struct GemmTileSpec {
  mlir::OpFoldResult m, n, k;
  mlir::Type acc;
  /// Which part of k the block takes, of shape.parts; null: the only one.
  mlir::Value part;
  GemmOperand a, b;
  /// Takes neighbours of one row. Called for those that exist.
  std::function<void(mlir::Value row, llvm::ArrayRef<mlir::Value> columns,
                     mlir::ValueRange values)>
      store;
};

/// x * y + sum, of floats or integers.
mlir::Value emitMultiplyAdd(mlir::ImplicitLocOpBuilder &b, mlir::Value x,
                            mlir::Value y, mlir::Value sum);

/// Emits the block of a product of one of the forms for vectors; see
/// emitGemmTile.
void emitGemv(GPUKernelBuilder &kb, const GemmTileSpec &spec,
              const GemmTileShape &shape, mlir::Value block);

/// Emits the tile of the block at (`blockM`, `blockN`), in tiles.
void emitGemmTile(GPUKernelBuilder &kb, const GemmTileSpec &spec,
                  const GemmTileShape &shape, mlir::Value blockM,
                  mlir::Value blockN);

/// What chooseGemmTile needs to know; sizes may be unknown.
struct GemmProblem {
  std::optional<int64_t> m, n, k, batch;
  mlir::Type acc;
  /// As in GemmOperand.
  bool aDenseInK = true, bDenseInK = true;
  bool aHasVectors = false, bHasVectors = false;
  /// Whether partial sums may take the place of the result.
  bool maySplit = false;
};

/// The static rule: large tiles where they fill a GPU, else parts of k.
GemmTileShape chooseGemmTile(const GemmProblem &problem);

} // namespace dlc

#endif // DLC_CONVERSION_NNTOGPU_GEMMTILE_H
