// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How the CPU kernels want a constant operand to lie in memory.
#ifndef DLC_CONVERSION_NNTOVECTOR_PACKEDLAYOUT_H
#define DLC_CONVERSION_NNTOVECTOR_PACKEDLAYOUT_H

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

} // namespace dlc::kernel

#endif // DLC_CONVERSION_NNTOVECTOR_PACKEDLAYOUT_H
