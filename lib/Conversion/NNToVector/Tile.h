// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The register tile that GEMM and dense convolution share: rows x nv
// accumulators, a reduction loop of one broadcast per row and one vector of B
// per column group, and the store with epilogue.
#ifndef DLC_LIB_CONVERSION_NNTOVECTOR_TILE_H
#define DLC_LIB_CONVERSION_NNTOVECTOR_TILE_H

#include "Conversion/NNToVector/Emit.h"
#include "Conversion/NNToVector/Gemm.h"

#include "mlir/IR/BuiltinTypes.h"

namespace dlc::kernel {

/// What is the same for all tiles of a kernel.
struct TileContext {
  mlir::ImplicitLocOpBuilder &b;
  const ContractionTypes &types;
  int64_t lanes;
  OperandFn convertA, convertB;
  const Epilogue &epilogue;
  /// Flat output buffer.
  mlir::Value output;
  /// Flat memref of the accumulator type for one tile; null unless the epilogue
  /// is rolled.
  mlir::Value parkedTile;

  mlir::VectorType accVector() const {
    return mlir::VectorType::get({lanes}, types.acc);
  }
  /// Element `index` of flat A, converted, in all lanes.
  mlir::Value broadcastA(mlir::Value a, mlir::Value index) const;
  /// Vector at `index` of flat B, converted unless it has the accumulator's
  /// type by packing.
  mlir::Value loadB(mlir::Value bFlat, mlir::Value index, mlir::Value mask,
                    bool converted) const;
  /// x * y + acc, fused for floats.
  mlir::Value multiplyAdd(mlir::Value x, mlir::Value y, mlir::Value acc) const;
};

/// The context of a matrix product or a convolution, from its spec; a rolled
/// epilogue parks its tile at the start of `scratch`. `output` may be null.
template <typename Spec>
TileContext makeTileContext(mlir::ImplicitLocOpBuilder &b, const Spec &spec,
                            int64_t lanes, mlir::Value output,
                            mlir::Value scratch) {
  mlir::Value flat = output ? flatten(b, output) : mlir::Value(), parked;
  if (spec.epilogue.rolled)
    parked = scratchView(b, scratch, b.getIndexAttr(0), spec.types.acc);
  return {b,    spec.types, lanes, spec.convertA, spec.convertB, spec.epilogue,
          flat, parked};
}

/// A row taking part in a reduction, and the offset of its operand from the
/// base.
struct TileRow {
  int64_t row;
  mlir::OpFoldResult offset;
};

/// acc[row][j] += sum over q < count of
///   A[aBase + row offset + q * aStep] * B[bBase + q * bStep + j * lanes].
struct TileReduction {
  mlir::Value a;
  mlir::OpFoldResult aBase;
  llvm::SmallVector<TileRow> rows;
  mlir::OpFoldResult aStep;
  mlir::Value bFlat;
  mlir::OpFoldResult bBase;
  mlir::OpFoldResult bStep;
  /// Per vector of B, or empty: where loads past the matrix must not happen.
  llvm::SmallVector<mlir::Value> bMasks;
  /// B holds accumulator elements already.
  bool bConverted = false;
  mlir::OpFoldResult count;
  /// B elements to bring into the L2 cache meanwhile, from here on; null: none.
  mlir::OpFoldResult prefetchBase;
  /// Cache lines of them for every kPrefetchSteps steps.
  mlir::OpFoldResult prefetchLines;
};

/// Lets a reduction bring its share of the next panel of B, `distance` elements
/// on, into the L2 cache: share `slice` of `slices` equal ones. Without it
/// every new panel starts with the latency and bandwidth of the L3 cache or
/// memory, 10-20% of the time where a panel serves 50 to 200 rows. Does nothing
/// where a panel serves so few tiles that the panels just stream.
void prefetchNextPanel(mlir::ImplicitLocOpBuilder &b, TileReduction &reduction,
                       int64_t nv, mlir::OpFoldResult distance,
                       mlir::OpFoldResult slice, mlir::OpFoldResult slices);

/// `acc` is [row][nv]; returns its next value.
llvm::SmallVector<mlir::Value> emitTileReduction(const TileContext &ctx,
                                                 const TileReduction &reduction,
                                                 mlir::ValueRange acc,
                                                 int64_t nv);

/// Where a tile goes: row i has epilogue index m + i * mStep and offset + i *
/// rowStride.
struct TileStore {
  llvm::SmallVector<mlir::Value> batch;
  mlir::OpFoldResult m, mStep;
  mlir::OpFoldResult n;
  mlir::OpFoldResult offset, rowStride;
  int64_t rows, nv;
  /// Rows and columns to store, from 0 on; more than the tile has means all.
  mlir::OpFoldResult validRows, validColumns;
};

void emitTileStore(const TileContext &ctx, const TileStore &store,
                   mlir::ValueRange acc);

/// Mask of vector j where only `validColumns` columns exist; null where all
/// lanes surely do.
mlir::Value columnMask(mlir::ImplicitLocOpBuilder &b, int64_t lanes, int64_t j,
                       mlir::OpFoldResult validColumns);

} // namespace dlc::kernel

#endif // DLC_LIB_CONVERSION_NNTOVECTOR_TILE_H
