// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels that slide a window over channels-last images: which result elements
// a thread computes.
#ifndef DLC_LIB_CONVERSION_NNTOGPU_PIXELSPACE_H
#define DLC_LIB_CONVERSION_NNTOGPU_PIXELSPACE_H

#include "Conversion/NNToGPU/GPUKernelFamily.h"

namespace dlc {

/// Taps of the last spatial dim that are written out rather than looped over.
inline constexpr int64_t kUnrolledTaps = 8;

/// Bytes of an element in memory.
inline int64_t elementBytes(mlir::Value tensor) {
  return std::max(1u, typeOf(tensor).getElementTypeBitWidth() / 8);
}

/// A result (N, spatial..., C) as tiles: `pixels` neighbours along the last
/// spatial dim by `channels` neighbouring channels, up to 16 bytes of them. A
/// tile belongs to a thread; it may reach past the last pixel of a line.
class PixelSpace {
public:
  /// `bytes` of the widest element read or written. `columns`: channels that a
  /// tile must not straddle a multiple of. With `mayOverlap`, windows of
  /// neighbouring pixels have input in common, which a thread with several of
  /// them reads once; it has several where enough threads are left.
  PixelSpace(DispatchContext &context, mlir::Value result, int64_t bytes,
             int64_t columns, bool mayOverlap);

  int64_t getPixels() const { return pixels; }
  int64_t getChannels() const { return channels; }

  GPULaunch getLaunch(kernel::IndexMath &math) const;

  /// Emits `body` for the thread's tile, whose first element is the result's at
  /// `first`.
  void emitTile(
      GPUKernelBuilder &kb,
      llvm::function_ref<void(llvm::ArrayRef<mlir::Value> first)> body) const;

  /// The elements of `tensor` in the tile's channels, from `at` on.
  llvm::SmallVector<mlir::Value> loadChannels(GPUKernelBuilder &kb,
                                              mlir::Value tensor,
                                              llvm::ArrayRef<mlir::Value> at);

  /// Stores the tile, a pixel's channels side by side, behind the epilogue.
  /// `finish` gives the root's element from that of `values`.
  void
  emitStores(GPUKernelBuilder &kb, llvm::ArrayRef<mlir::Value> first,
             mlir::ValueRange values,
             llvm::function_ref<mlir::Value(mlir::Value value, int64_t pixel,
                                            mlir::Value channel)>
                 finish) const;

private:
  /// The result's sizes in tiles.
  nn::Sizes getTiles(kernel::IndexMath &math) const;

  nn::Sizes sizes;
  int64_t pixels = 1, channels = 1;
};

} // namespace dlc

#endif // DLC_LIB_CONVERSION_NNTOGPU_PIXELSPACE_H
