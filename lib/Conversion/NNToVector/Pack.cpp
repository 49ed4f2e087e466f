// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Host packing of matrices and filters into panels; see the header for the
// layout.
#include "Conversion/NNToVector/Pack.h"

#include <cassert>
#include <cstring>

using namespace dlc::kernel;

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

void dlc::kernel::pack(const PackedLayout &layout, const SourceStrides &strides,
                       const void *source, void *packed, int64_t elementBytes) {
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

SourceStrides dlc::kernel::matrixStrides(int64_t k, int64_t n,
                                         bool transposed) {
  if (transposed)
    return {/*group=*/0, /*tap=*/0, /*k=*/1, /*n=*/k};
  return {/*group=*/0, /*tap=*/0, /*k=*/n, /*n=*/1};
}

SourceStrides dlc::kernel::filterStrides(const PackedLayout &layout,
                                         bool transposed) {
  int64_t group = layout.n * layout.k * layout.taps;
  if (transposed)
    return {group, /*tap=*/1, /*k=*/layout.n * layout.taps, /*n=*/layout.taps};
  return {group, /*tap=*/1, /*k=*/layout.taps, /*n=*/layout.k * layout.taps};
}
