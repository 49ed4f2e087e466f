// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Schedules of the CPU contraction kernels and the static rules that choose
// them. Plain C++: the binary writer needs the panel width to pack parameters,
// and sees no MLIR.
#ifndef DLC_CONVERSION_NNTOVECTOR_SCHEDULE_H
#define DLC_CONVERSION_NNTOVECTOR_SCHEDULE_H

#include <cstdint>

namespace dlc::kernel {

/// A size that is only known at run time.
inline constexpr int64_t kDynamic = -1;

/// Work items that suffice to keep a few threads evenly busy; finer items cost
/// nothing, since neighbouring items share their operands.
inline constexpr int64_t kMinItems = 16;

/// The vector unit a kernel is emitted for.
struct VectorTarget {
  /// 32-bit lanes of one register: 16 (AVX-512), 8 (AVX2) or 4 (SSE, NEON).
  int64_t lanes = 16;
  /// Architectural vector registers: 32 or 16.
  int64_t registers = 32;
  /// Elements of a loop nest that one work item should have at least. On a GPU
  /// an item is a thread's: 1.
  int64_t itemElements = 4096;

  /// Whether kernels are to be scalar loops: each GPU thread runs one.
  bool isScalar() const { return lanes == 1; }

  /// Lanes of one register for elements of `bits` bits, bits >= 32.
  int64_t lanesFor(int64_t bits) const { return lanes * 32 / bits; }
};

/// How B, or the filter of a convolution, is read.
enum class BLayout {
  /// [ceil(N/NR)][K][NR], columns past N zero: parameters, packed when the
  /// binary is written.
  Packed,
  /// [K][N] with a row stride.
  RowMajor,
  /// [N][K] with a row stride.
  Transposed,
};

/// `#sched.gemm`: one register tile of `mr` rows by `nv` vectors, kept over all
/// of K.
struct GemmSchedule {
  int64_t mr = 8;
  int64_t nv = 3;
  /// Rows of C per work item, a multiple of `mr`; 0 for all of M.
  int64_t mBlock = 0;
  /// Work items run over row blocks outside and panels inside, rather than the
  /// panel-stationary order. Helps only where A has several blocks that do not
  /// fit the L2 cache.
  bool blocksOutside = false;
  /// Copy each panel of a B that is not packed into scratch before use.
  bool packB = true;

  /// Columns of one panel of B, for `lanes` lanes a vector.
  int64_t panelWidth(int64_t lanes) const { return nv * lanes; }
};

/// `#sched.conv`: a register tile of `mr` neighbouring output pixels of one row
/// by `nv` vectors of output channels.
struct ConvSchedule {
  int64_t mr = 8;
  int64_t nv = 2;
  /// Output rows per work item; 0 for all rows of an image.
  int64_t rowBlock = 0;

  int64_t panelWidth(int64_t lanes) const { return nv * lanes; }
};

/// `#sched.winograd`: register tile of the products, and output tiles (2x2
/// pixels) per work item, a multiple of `mr`.
struct WinogradSchedule {
  int64_t mr = 8;
  int64_t nv = 3;
  int64_t tiles = 32;
};

/// The static rules of the schedule space: minimises the issue cycles of all
/// register tiles, tails included. Sizes may be kDynamic. `lanes` is the
/// target's count for the accumulator type. `minItems` asks for at least so
/// many work items where the shape allows (threads).
GemmSchedule chooseGemmSchedule(int64_t m, int64_t n, int64_t k,
                                const VectorTarget &target, int64_t lanes,
                                BLayout layout = BLayout::Packed,
                                int64_t minItems = kMinItems);

/// As above for a direct convolution with `width` output pixels a row, `rows`
/// output rows an image and `channels` output channels a group.
ConvSchedule chooseConvSchedule(int64_t width, int64_t rows, int64_t channels,
                                const VectorTarget &target, int64_t lanes,
                                int64_t minItems = kMinItems);

/// Tile of the depthwise kernel (see DepthwiseConv.h): `mr` pixels by `nv`
/// vectors. `channels` counts output channels of all groups, `inputChannels`
/// those of one group.
ConvSchedule chooseDepthwiseSchedule(int64_t width, int64_t rows,
                                     int64_t channels, int64_t inputChannels,
                                     const VectorTarget &target, int64_t lanes,
                                     int64_t minItems = kMinItems);

/// Tile and block of a Winograd convolution. `images` may be kDynamic, as may
/// be the output sizes.
WinogradSchedule chooseWinogradSchedule(int64_t images, int64_t rows,
                                        int64_t width, int64_t inputChannels,
                                        int64_t outputChannels,
                                        const VectorTarget &target);

} // namespace dlc::kernel

#endif // DLC_CONVERSION_NNTOVECTOR_SCHEDULE_H
