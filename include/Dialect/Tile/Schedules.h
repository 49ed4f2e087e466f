// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which schedules are legal for a kernel: the one place that says so. Every
// schedule that a check accepts compiles and gives right results.
#ifndef DLC_DIALECT_TILE_SCHEDULES_H
#define DLC_DIALECT_TILE_SCHEDULES_H

#include "Dialect/Tile/TensorMap.h"
#include "Dialect/Tile/TileDialect.h"

namespace dlc::tile {

/// What a block may use.
struct BlockLimits {
  /// Bytes of dynamic shared memory: 166912 on sm_80 (and sm_87), 101376 on
  /// sm_86, sm_89 and sm_120, 232448 on sm_90.
  int64_t sharedBytes = 166912;
  int64_t threads = 512;
  /// 32-bit registers of a multiprocessor, and of one thread.
  int64_t registers = 65536, threadRegisters = 255;
  /// Whether there are bulk copies: sm_90 and later.
  bool bulkCopies = false;
};

/// Registers for addresses, bounds and loop counters, beside tiles; measured
/// over ptxas' reports of the schedule sample.
inline constexpr int64_t kOtherRegisters = 56;

/// What the rules for a product depend on besides the schedule.
struct ProductTraits {
  /// 1 (8-bit integers), 2 (bf16, f16) or 4 (f32, computed as tf32).
  int64_t elementBytes = 2;
  /// A has rows, B has columns with neighbouring elements of k.
  bool contiguousKOfA = true, contiguousKOfB = true;
  /// For zero points, A's rows and B's columns are summed.
  bool sumsRows = false, sumsColumns = false;
  /// Of a convolution: taps, and channels of a group.
  int64_t taps = 1, channels = 1;
  /// Whether tensor maps can describe A and B: rows (or columns, where those
  /// are contiguous) begin at multiples of 16 bytes, and the batch has few
  /// dims.
  bool areAligned = false, haveMapRank = true;
};

using EmitErrorFn = llvm::function_ref<mlir::InFlightDiagnostic()>;

/// Rules for a matrix product. With e the bytes of an element:
///  * tile_m is a multiple of 16 * warps_m, tile_n of 16 * warps_n, e * tile_k
///    of 32; with f32, tile_m is a multiple of 32 unless k is contiguous in A,
///    tile_n unless it is in B;
///  * with 8-bit integers, k is contiguous in A and B;
///  * 2 <= stages <= 8; warps_m * warps_n * 32 threads at most; 1 <= split_k;
///  * accumulators and fragments fit a thread's registers;
///  * the ring of stages fits into shared memory;
///  * `bulk` only with bulk copies and operands that tensor maps can describe,
///    rows of 32, 64 or a multiple of 128 bytes in shared memory, at most 256
///    of them, and with f32, k contiguous in A and B.
mlir::LogicalResult checkSchedule(GemmScheduleAttr schedule,
                                  const ProductTraits &traits,
                                  const BlockLimits &limits,
                                  EmitErrorFn emitError);

/// As for a product of pixels, taps x channels and output channels; k is
/// contiguous in the input. e * tile_k is a power of two up to 512; the places
/// of a thread's pixels fit its registers, too; where taps are joined, a thread
/// copies at most 32 pieces of neighbouring channels for a stage.
mlir::LogicalResult checkSchedule(ConvScheduleAttr schedule,
                                  const ProductTraits &traits,
                                  const BlockLimits &limits,
                                  EmitErrorFn emitError);

/// Whether a convolution's steps go over all taps and channels as one dim. Else
/// each step belongs to one tap, whose channels are padded to tile_k.
bool joinsTaps(ConvScheduleAttr schedule, const ProductTraits &traits);

/// What the rules for attention depend on besides the schedule.
struct AttentionTraits {
  /// Columns of queries and keys, and of values.
  int64_t head = 0, valueHead = 0;
  /// The caller changes scores or hides keys, which takes registers.
  bool hasScoreCode = false;
  /// 2 (bf16, f16) or 4 (f32, computed as tf32).
  int64_t elementBytes = 2;
  /// Whether tensor maps can describe keys and values, as of a product.
  bool areMappable = false;

  /// The same columns in shared memory, whole blocks of the product; values of
  /// f32 in whole rows of its banks.
  int64_t getPaddedHead() const;
  int64_t getPaddedValueHead() const;
  /// Wider queries stay in shared memory, the accumulator needs the registers.
  bool keepsQueriesInRegisters() const;
};

/// Rules for attention: queries are a multiple of 16 * warps, keys of 16;
/// 2 <= stages <= 4; registers and shared memory as above; a thread copies at
/// most 8 chunks of 16 bytes of a stage's keys, and of its values; `bulk` as
/// above, of keys and values of 16 bits.
mlir::LogicalResult checkSchedule(AttentionScheduleAttr schedule,
                                  const AttentionTraits &traits,
                                  const BlockLimits &limits,
                                  EmitErrorFn emitError);

/// Bytes of shared memory of a kernel with that schedule.
int64_t getSharedBytes(GemmScheduleAttr schedule, const ProductTraits &traits);
int64_t getSharedBytes(AttentionScheduleAttr schedule,
                       const AttentionTraits &traits);
/// Of queries, keys and values alone.
int64_t getRingBytes(AttentionScheduleAttr schedule,
                     const AttentionTraits &traits);

/// What keeps operands from bulk copies under every schedule; empty: nothing.
llvm::StringRef getBulkObstacle(const ProductTraits &traits);
llvm::StringRef getBulkObstacle(const AttentionTraits &traits);

/// What a bulk copy brings of A and of B, of keys and of values; of legal
/// schedules with `bulk`.
MapBox getBoxOfA(GemmScheduleAttr schedule, const ProductTraits &traits);
MapBox getBoxOfB(GemmScheduleAttr schedule, const ProductTraits &traits);
MapBox getBoxOfKeys(AttentionScheduleAttr schedule,
                    const AttentionTraits &traits);
MapBox getBoxOfValues(AttentionScheduleAttr schedule,
                      const AttentionTraits &traits);

/// Whether the results go through shared memory on their way out, for longer
/// accesses: where an f32 tile of them fits, beside mbarriers.
bool hasStaging(GemmScheduleAttr schedule, const BlockLimits &limits);
bool hasStaging(ConvScheduleAttr schedule, const BlockLimits &limits);

/// The legal schedules among the usual values: tiles of 32 to 256 by powers of
/// two, 16 to 64 of k, 2 to 6 stages, 1 to 8 warps.
llvm::SmallVector<GemmScheduleAttr>
getGemmSchedules(mlir::MLIRContext *context, const ProductTraits &traits,
                 const BlockLimits &limits);

} // namespace dlc::tile

#endif // DLC_DIALECT_TILE_SCHEDULES_H
