// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Operands in the layout that kernels read, for the tests that run kernels
// alone. In a model, the transforms of params make it.
#ifndef DLC_TEST_UNITTESTS_CONVERSION_NNTOVECTOR_HOSTPACK_H
#define DLC_TEST_UNITTESTS_CONVERSION_NNTOVECTOR_HOSTPACK_H

#include "Conversion/NNToVector/Conv.h"

namespace dlc::kernel::testing {

/// Where element (group, tap, k, n) of the source lies, in elements from its
/// base.
struct SourceStrides {
  int64_t group = 0;
  int64_t tap = 0;
  int64_t k = 0;
  int64_t n = 0;
};

/// Packs `source` into `packed`, which has room for `layout.elements()`
/// elements of `elementBytes` (1, 2, 4 or 8) bytes each. The two may not
/// overlap.
void pack(const PackedLayout &layout, const SourceStrides &strides,
          const void *source, void *packed, int64_t elementBytes);

/// ONNX's filter [groups * n][k][taps] of a convolution, or [groups *
/// k][n][taps] of a transposed one, for emitConv.
SourceStrides filterStrides(const PackedLayout &layout, bool transposed);

/// The same filter for emitDepthwiseConv.
SourceStrides depthwiseFilterStrides(const ConvSpec &spec);

/// Transforms a 3x3 f32 filter for Winograd's F(2x2, 3x3), U = G g G^T in
/// double, and packs it: `layout` has 16 taps, `strides.tap` steps through the
/// 9 of the source, row by row.
void packWinogradFilter(const PackedLayout &layout,
                        const SourceStrides &strides, const float *source,
                        float *packed);

} // namespace dlc::kernel::testing

#endif // DLC_TEST_UNITTESTS_CONVERSION_NNTOVECTOR_HOSTPACK_H
