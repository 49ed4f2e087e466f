// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Packing of matrices and filters into panels, element by element.
#include "HostPack.h"

#include <cassert>
#include <cstring>

using namespace dlc::kernel;
using namespace dlc::kernel::testing;

template <typename T>
static void packElements(const PackedLayout &layout,
                         const SourceStrides &strides, const T *source,
                         T *packed) {
  for (int64_t g = 0; g < layout.groups; ++g) {
    for (int64_t n0 = 0; n0 < layout.n; n0 += layout.nr) {
      int64_t width = layout.n - n0 < layout.nr ? layout.n - n0 : layout.nr;
      for (int64_t tap = 0; tap < layout.taps; ++tap) {
        for (int64_t k = 0; k < layout.k; ++k, packed += layout.nr) {
          const T *row = source + g * strides.group + tap * strides.tap +
                         k * strides.k + n0 * strides.n;
          for (int64_t j = 0; j < width; ++j)
            packed[j] = row[j * strides.n];
          std::memset(packed + width, 0, (layout.nr - width) * sizeof(T));
        }
      }
    }
  }
}

void dlc::kernel::testing::pack(const PackedLayout &layout,
                                const SourceStrides &strides,
                                const void *source, void *packed,
                                int64_t elementBytes) {
  auto run = [&](auto zero) {
    using T = decltype(zero);
    packElements(layout, strides, static_cast<const T *>(source),
                 static_cast<T *>(packed));
  };
  switch (elementBytes) {
  case 1:
    return run(uint8_t{});
  case 2:
    return run(uint16_t{});
  case 4:
    return run(uint32_t{});
  case 8:
    return run(uint64_t{});
  }
  assert(false && "expected an element of 1, 2, 4 or 8 bytes");
}

SourceStrides dlc::kernel::testing::filterStrides(const PackedLayout &layout,
                                                  bool transposed) {
  int64_t group = layout.n * layout.k * layout.taps;
  if (transposed)
    return {group, /*tap=*/1, /*k=*/layout.n * layout.taps, /*n=*/layout.taps};
  return {group, /*tap=*/1, /*k=*/layout.taps, /*n=*/layout.k * layout.taps};
}

SourceStrides
dlc::kernel::testing::depthwiseFilterStrides(const ConvSpec &spec) {
  int64_t taps = 1;
  for (int64_t size : spec.kernel)
    taps *= size;
  // Also right for a transposed filter [groups * inputs][outputs][taps] when
  // one of the two is 1.
  return {/*group=*/0, /*tap=*/1, /*k=*/taps,
          /*n=*/spec.inputChannels * taps};
}

/// One dimension of G g, three taps to four frequencies.
static void transformTaps(const double *taps, int64_t stride, double *out,
                          int64_t outStride) {
  double g0 = taps[0], g1 = taps[stride], g2 = taps[2 * stride];
  out[0] = g0;
  out[outStride] = (g0 + g1 + g2) / 2;
  out[2 * outStride] = (g0 - g1 + g2) / 2;
  out[3 * outStride] = g2;
}

void dlc::kernel::testing::packWinogradFilter(const PackedLayout &layout,
                                              const SourceStrides &strides,
                                              const float *source,
                                              float *packed) {
  assert(layout.groups == 1 && layout.taps == 16);
  std::memset(packed, 0, layout.elements() * sizeof(float));
  for (int64_t n = 0; n < layout.n; ++n) {
    for (int64_t k = 0; k < layout.k; ++k) {
      double taps[9], half[12], frequencies[16];
      for (int64_t t = 0; t < 9; ++t)
        taps[t] = source[n * strides.n + k * strides.k + t * strides.tap];
      for (int64_t column = 0; column < 3; ++column)
        transformTaps(taps + column, 3, half + column, 3);
      for (int64_t row = 0; row < 4; ++row)
        transformTaps(half + row * 3, 1, frequencies + row * 4, 1);
      float *panel = packed + n / layout.nr * layout.panelElements();
      for (int64_t f = 0; f < 16; ++f)
        panel[(f * layout.k + k) * layout.nr + n % layout.nr] =
            static_cast<float>(frequencies[f]);
    }
  }
}
