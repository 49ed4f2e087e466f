// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Packing of constant operands on host memory into the layout the CPU kernels
// read. No MLIR: the binary writer calls this once per parameter. Elements are
// moved, never converted.
#ifndef DLC_CONVERSION_NNTOVECTOR_PACK_H
#define DLC_CONVERSION_NNTOVECTOR_PACK_H

#include <cstdint>

namespace dlc::kernel {

/// A packed operand: [groups][ceil(n/nr)][taps][k][nr], columns past n zero. A
/// matrix B has one group and one tap; the filter of a convolution has its
/// window flattened into taps (x fastest), input channels of a group as k and
/// output channels of a group as n.
struct PackedLayout {
  int64_t groups = 1;
  int64_t taps = 1;
  int64_t k = 0;
  int64_t n = 0;
  int64_t nr = 0;

  int64_t panels() const { return (n + nr - 1) / nr; }
  /// Elements of one panel.
  int64_t panelElements() const { return taps * k * nr; }
  /// Elements of the whole packed operand.
  int64_t elements() const { return groups * panels() * panelElements(); }
};

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

/// A row-major B [k][n] or, with `transposed`, [n][k]; rows are dense.
SourceStrides matrixStrides(int64_t k, int64_t n, bool transposed);

/// ONNX's filter [groups * n][k][taps] of a convolution, or [groups *
/// k][n][taps] of a transposed one.
SourceStrides filterStrides(const PackedLayout &layout, bool transposed);

/// Transforms a 3x3 f32 filter for Winograd's F(2x2, 3x3), U = G g G^T in
/// double, and packs it: `layout` has 16 taps, `strides.tap` steps through the
/// 9 of the source, row by row.
void packWinogradFilter(const PackedLayout &layout,
                        const SourceStrides &strides, const float *source,
                        float *packed);

} // namespace dlc::kernel

#endif // DLC_CONVERSION_NNTOVECTOR_PACK_H
