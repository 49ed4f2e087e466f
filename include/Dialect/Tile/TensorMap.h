// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Limits of tensor maps and bulk copies (CUDA driver API,
// cuTensorMapEncodeTiled; PTX ISA, "Tensors"), and the boxes that copies take.
#ifndef DLC_DIALECT_TILE_TENSORMAP_H
#define DLC_DIALECT_TILE_TENSORMAP_H

#include <algorithm>
#include <cstdint>

namespace dlc::tile {

/// Dims of a tensor map, and bytes and alignment of one as a parameter (the
/// alignment of CUDA 13; before, it was 64).
inline constexpr unsigned kMaxMapRank = 5;
inline constexpr int64_t kMapBytes = 128, kMapAlignment = 128;
/// Elements of a side of a box.
inline constexpr int64_t kMaxBoxSide = 256;
/// Bytes of a box's row with the longest swizzle.
inline constexpr int64_t kMaxBoxRowBytes = 128;
/// Bytes of an mbarrier.
inline constexpr int64_t kBarrierBytes = 8;

/// Where rings begin in shared memory: at a row of all banks, or where the
/// longest swizzle begins again.
inline constexpr int64_t kRingAlignment = 128, kBulkRingAlignment = 1024;

/// What one bulk copy writes of a tile: `rows` rows of `columns` elements in
/// 32, 64 or 128 bytes, which is the swizzle, too. Longer rows are copied in
/// panels.
struct MapBox {
  int64_t rows = 0, columns = 0, swizzleBytes = 0;

  static MapBox get(int64_t tileRows, int64_t tileColumns,
                    int64_t elementBytes) {
    int64_t bytes = std::min(tileColumns * elementBytes, kMaxBoxRowBytes);
    return {tileRows, bytes / elementBytes, bytes};
  }

  /// Whether bulk copies can write tiles of these rows.
  static bool canCopy(int64_t tileRows, int64_t tileColumns,
                      int64_t elementBytes) {
    int64_t bytes = tileColumns * elementBytes;
    return tileRows <= kMaxBoxSide &&
           (bytes == 32 || bytes == 64 || bytes % kMaxBoxRowBytes == 0);
  }
};

} // namespace dlc::tile

#endif // DLC_DIALECT_TILE_TENSORMAP_H
