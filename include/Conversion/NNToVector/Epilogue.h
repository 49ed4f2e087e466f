// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What happens to a finished accumulator of a contraction or convolution before
// and when it is stored. Both kernels see their result as [batch][m][n]: rows
// or pixels m, columns or channels n.
#ifndef DLC_CONVERSION_NNTOVECTOR_EPILOGUE_H
#define DLC_CONVERSION_NNTOVECTOR_EPILOGUE_H

#include "mlir/IR/ImplicitLocOpBuilder.h"

#include <functional>

namespace dlc::kernel {

/// Position of one vector of results.
struct EpilogueIndices {
  /// Batch indices; a convolution has one, the image.
  llvm::SmallVector<mlir::Value> batch;
  /// Row of C, or the pixel's row-major number within its output image.
  mlir::Value m;
  /// Column or output channel (over all groups) of lane 0.
  mlir::Value n;
  /// Offset of lane 0 in the output buffer, in elements.
  mlir::Value offset;
};

/// Gets `acc`, vector<lanes x acc type>, and returns the vector to store.
/// `mask` is vector<lanes xi1>, or null where all lanes are valid; a load at an
/// index of lane i is legal only where mask[i] is set (loadVector does this).
using EpilogueFn =
    std::function<mlir::Value(mlir::ImplicitLocOpBuilder &, mlir::Value acc,
                              const EpilogueIndices &, mlir::Value mask)>;

/// Stores what EpilogueFn returned.
using StoreFn = std::function<void(mlir::ImplicitLocOpBuilder &, mlir::Value,
                                   const EpilogueIndices &, mlir::Value mask)>;

struct Epilogue {
  /// Null: the accumulator itself.
  EpilogueFn compute;
  /// Null: to the output buffer at `offset`, rounded to its element type.
  StoreFn store;
  /// Park the tile in scratch and run `compute` in a rolled loop. For epilogues
  /// of more than a few instructions (exp, erf, division), whose unrolled
  /// copies overflow the decoders.
  bool rolled = false;
};

/// `base` (memref of any rank, element T, at least element-aligned) seen as
/// memref<?xT> from its first element on, for loadVector and storeVector.
mlir::Value flatten(mlir::ImplicitLocOpBuilder &b, mlir::Value base);

/// vector<lanes x T> of `flat` at `index`; lanes outside the mask read as zero,
/// without access.
mlir::Value loadVector(mlir::ImplicitLocOpBuilder &b, mlir::Value flat,
                       mlir::Value index, int64_t lanes, mlir::Value mask);

/// Stores `vector` at `index` of `flat`, which has the same element type.
void storeVector(mlir::ImplicitLocOpBuilder &b, mlir::Value vector,
                 mlir::Value flat, mlir::Value index, mlir::Value mask);

/// `value`, scalar or vector, as `element`: float extension, one rounding or
/// truncation of an integer; integers widen with sign unless `isUnsigned`.
mlir::Value convertElement(mlir::ImplicitLocOpBuilder &b, mlir::Value value,
                           mlir::Type element, bool isUnsigned = false);

} // namespace dlc::kernel

#endif // DLC_CONVERSION_NNTOVECTOR_EPILOGUE_H
