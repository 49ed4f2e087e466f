// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The legal schedules.
#include "Dialect/Tile/Schedules.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/MathExtras.h"

#include <numeric>

using namespace mlir;

namespace dlc::tile {

/// The same for the code that a caller gives attention: addresses and bounds of
/// two rows.
static constexpr int64_t kScoreRegisters = 52;

/// A convolution keeps each of a thread's pixels: an offset, a row, a column,
/// and where channels are read one by one, 64-bit addresses; measured.
static constexpr int64_t kPlaceRegisters = 7;

/// Where taps are joined, each piece of a chunk has a place of its own: an
/// offset, a row and a column.
static constexpr int64_t kPieceRegisters = 4;

/// Pieces of a stage that a thread copies where taps are joined: all may be
/// under way at once. With 64, ptxas spilled.
static constexpr int64_t kMaxCopyPieces = 32;

/// Rows of a warp's queries whose registers kOtherRegisters has room for; with
/// 32 rows, ptxas spilled.
static constexpr int64_t kMeasuredQueries = 16;

/// Chunks of one copy that a thread of attention has addresses for beside its
/// tiles; with 12 and more, ptxas spilled.
static constexpr int64_t kMaxCopyChunks = 8;

/// The sums of a warp's part of a product, of its operands where needed, and
/// operands of one step.
static int64_t getFragmentRegisters(int64_t rows, int64_t columns,
                                    const ProductTraits &traits) {
  int64_t sums =
      (traits.sumsRows ? rows / 8 : 0) + (traits.sumsColumns ? columns / 8 : 0);
  return rows * columns / 32 + rows / 4 + columns / 4 + sums;
}

static LogicalResult checkRange(EmitErrorFn emitError, StringRef name,
                                int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) {
    return success();
  }
  return emitError() << "expected '" << name << "' from " << least << " to "
                     << most << ", got " << value;
}

/// A side of a tile. None of more than kMaxSide fits shared memory, and
/// products of three of them fit int64_t.
static LogicalResult checkSide(EmitErrorFn emitError, StringRef name,
                               int64_t value, int64_t divisor) {
  constexpr int64_t kMaxSide = 1 << 16;
  if (failed(checkRange(emitError, name, value, 1, kMaxSide))) {
    return failure();
  }
  if (value % divisor == 0) {
    return success();
  }
  return emitError() << "expected '" << name << "' to be a multiple of "
                     << divisor << ", got " << value;
}

static LogicalResult checkShared(EmitErrorFn emitError, int64_t bytes,
                                 const BlockLimits &limits) {
  if (bytes <= limits.sharedBytes) {
    return success();
  }
  return emitError() << "schedule needs " << bytes
                     << " bytes of shared memory, "
                     << bytes - limits.sharedBytes << " more than the "
                     << limits.sharedBytes << " that a block may have";
}

static LogicalResult checkRegisters(EmitErrorFn emitError, int64_t tiles,
                                    int64_t threads,
                                    const BlockLimits &limits) {
  int64_t available =
      std::min(limits.threadRegisters, limits.registers / threads);
  if (tiles + kOtherRegisters <= available) {
    return success();
  }
  return emitError() << "schedule needs " << tiles
                     << " registers of a thread for tiles, "
                     << tiles + kOtherRegisters - available
                     << " more than it may have";
}

/// Of the mbarriers of a channel with bulk copies.
static int64_t getBarrierBytes(bool bulk, int64_t stages) {
  return bulk ? llvm::alignTo(kBarrierBytes * stages, kRingAlignment) : 0;
}

int64_t getSharedBytes(GemmScheduleAttr schedule, const ProductTraits &traits) {
  int64_t alignment = schedule.getBulk() ? kBulkRingAlignment : kRingAlignment;
  int64_t a = llvm::alignTo(schedule.getStages() * schedule.getTileM() *
                                schedule.getTileK() * traits.elementBytes,
                            alignment);
  int64_t b = llvm::alignTo(schedule.getStages() * schedule.getTileN() *
                                schedule.getTileK() * traits.elementBytes,
                            kRingAlignment);
  return a + b + getBarrierBytes(schedule.getBulk(), schedule.getStages());
}

MapBox getBoxOfA(GemmScheduleAttr schedule, const ProductTraits &traits) {
  int64_t m = schedule.getTileM(), k = schedule.getTileK();
  return traits.contiguousKOfA ? MapBox::get(m, k, traits.elementBytes)
                               : MapBox::get(k, m, traits.elementBytes);
}

MapBox getBoxOfB(GemmScheduleAttr schedule, const ProductTraits &traits) {
  int64_t n = schedule.getTileN(), k = schedule.getTileK();
  return traits.contiguousKOfB ? MapBox::get(n, k, traits.elementBytes)
                               : MapBox::get(k, n, traits.elementBytes);
}

bool hasStaging(GemmScheduleAttr schedule, const BlockLimits &limits) {
  return schedule.getTileM() * schedule.getTileN() * 4 +
             getBarrierBytes(schedule.getBulk(), schedule.getStages()) <=
         limits.sharedBytes;
}

bool hasStaging(ConvScheduleAttr schedule, const BlockLimits &limits) {
  return schedule.getTileM() * schedule.getTileN() * 4 <= limits.sharedBytes;
}

static constexpr StringLiteral kUnalignedRows =
    "rows that do not begin at multiples of 16 bytes";

StringRef getBulkObstacle(const ProductTraits &traits) {
  if (!traits.areAligned) {
    return kUnalignedRows;
  }
  if (!traits.haveMapRank) {
    return "more dims than a tensor map has";
  }
  bool isContiguous = traits.contiguousKOfA && traits.contiguousKOfB;
  return traits.elementBytes == 4 && !isContiguous
             ? "f32 without neighbours along k"
             : "";
}

StringRef getBulkObstacle(const AttentionTraits &traits) {
  if (!traits.areMappable) {
    return kUnalignedRows;
  }
  if (traits.elementBytes == 4) {
    return "f32";
  }
  bool fits =
      MapBox::canCopy(1, traits.getPaddedHead(), traits.elementBytes) &&
      MapBox::canCopy(1, traits.getPaddedValueHead(), traits.elementBytes);
  return fits ? ""
              : "heads whose rows are not 32, 64 or a multiple of 128 "
                "bytes in shared memory";
}

/// Whether there are bulk copies, and nothing keeps the operands from them.
static LogicalResult checkBulk(StringRef obstacle, const BlockLimits &limits,
                               EmitErrorFn emitError) {
  if (!limits.bulkCopies) {
    return emitError() << "expected no 'bulk' copies before sm_90";
  }
  if (!obstacle.empty()) {
    return emitError() << "expected no 'bulk' copies of " << obstacle;
  }
  return success();
}

/// Whether bulk copies can write a tile that `name` of the schedule decides.
static LogicalResult checkBox(EmitErrorFn emitError, StringRef name,
                              int64_t rows, int64_t columns,
                              int64_t elementBytes) {
  if (MapBox::canCopy(rows, columns, elementBytes)) {
    return success();
  }
  return emitError() << "expected 'bulk' copies of at most " << kMaxBoxSide
                     << " rows of 32, 64 or a multiple of " << kMaxBoxRowBytes
                     << " bytes for '" << name << "', got " << rows << " of "
                     << columns * elementBytes;
}

/// The same of a product's operand with `side` rows or columns.
static LogicalResult checkOperandBox(EmitErrorFn emitError, StringRef name,
                                     int64_t side, int64_t k, bool contiguousK,
                                     int64_t elementBytes) {
  return contiguousK ? checkBox(emitError, name, side, k, elementBytes)
                     : checkBox(emitError, name, k, side, elementBytes);
}

static LogicalResult checkBulk(GemmScheduleAttr schedule,
                               const ProductTraits &traits,
                               const BlockLimits &limits,
                               EmitErrorFn emitError) {
  int64_t k = schedule.getTileK(), bytes = traits.elementBytes;
  return success(
      succeeded(checkBulk(getBulkObstacle(traits), limits, emitError)) &&
      succeeded(checkOperandBox(emitError, "tile_m", schedule.getTileM(), k,
                                traits.contiguousKOfA, bytes)) &&
      succeeded(checkOperandBox(emitError, "tile_n", schedule.getTileN(), k,
                                traits.contiguousKOfB, bytes)));
}

LogicalResult checkSchedule(GemmScheduleAttr schedule,
                            const ProductTraits &traits,
                            const BlockLimits &limits, EmitErrorFn emitError) {
  int64_t e = traits.elementBytes;
  if (failed(checkRange(emitError, "warps_m", schedule.getWarpsM(), 1, 32)) ||
      failed(checkRange(emitError, "warps_n", schedule.getWarpsN(), 1, 32)) ||
      failed(checkRange(emitError, "warps_m * warps_n * 32",
                        schedule.getWarpsM() * schedule.getWarpsN() * 32, 32,
                        limits.threads)) ||
      failed(checkRange(emitError, "stages", schedule.getStages(), 2, 8)) ||
      failed(checkRange(emitError, "split_k", schedule.getSplitK(), 1, 1024)) ||
      failed(checkSide(emitError, "tile_m", schedule.getTileM(),
                       16 * schedule.getWarpsM())) ||
      failed(checkSide(emitError, "tile_n", schedule.getTileN(),
                       16 * schedule.getWarpsN())) ||
      failed(checkSide(emitError, "tile_k", schedule.getTileK(), 32 / e))) {
    return failure();
  }
  if (e == 1 && !(traits.contiguousKOfA && traits.contiguousKOfB)) {
    return emitError() << "expected 8-bit operands with neighbours along k";
  }
  if (e == 4 && !traits.contiguousKOfA &&
      failed(checkSide(emitError, "tile_m", schedule.getTileM(), 32))) {
    return failure();
  }
  if (e == 4 && !traits.contiguousKOfB &&
      failed(checkSide(emitError, "tile_n", schedule.getTileN(), 32))) {
    return failure();
  }
  if (schedule.getBulk() &&
      failed(checkBulk(schedule, traits, limits, emitError))) {
    return failure();
  }
  int64_t threads = schedule.getWarpsM() * schedule.getWarpsN() * 32;
  int64_t rows = schedule.getTileM() / schedule.getWarpsM();
  int64_t columns = schedule.getTileN() / schedule.getWarpsN();
  if (failed(checkRegisters(emitError,
                            getFragmentRegisters(rows, columns, traits),
                            threads, limits))) {
    return failure();
  }
  return checkShared(emitError, getSharedBytes(schedule, traits), limits);
}

bool joinsTaps(ConvScheduleAttr schedule, const ProductTraits &traits) {
  return traits.taps > 1 && traits.channels % schedule.getTileK() != 0;
}

/// Chunks of the image that a thread copies for each stage.
static int64_t countCopyChunks(ConvScheduleAttr schedule,
                               const ProductTraits &traits) {
  int64_t chunks = schedule.getTileK() * traits.elementBytes / kChunkBytes;
  int64_t threads = schedule.getWarpsM() * schedule.getWarpsN() * 32;
  return llvm::divideCeil(schedule.getTileM() * chunks, threads);
}

/// The copies that a chunk takes: more than one only where taps are joined.
static int64_t countPieces(ConvScheduleAttr schedule,
                           const ProductTraits &traits) {
  return joinsTaps(schedule, traits)
             ? kChunkBytes /
                   std::gcd(traits.channels * traits.elementBytes, kChunkBytes)
             : 1;
}

/// Registers for the places of what a thread copies of the image.
static int64_t getPlaceRegisters(ConvScheduleAttr schedule,
                                 const ProductTraits &traits) {
  int64_t registers = kPlaceRegisters * countCopyChunks(schedule, traits);
  return joinsTaps(schedule, traits)
             ? registers + kPieceRegisters * countPieces(schedule, traits)
             : registers;
}

LogicalResult checkSchedule(ConvScheduleAttr schedule,
                            const ProductTraits &traits,
                            const BlockLimits &limits, EmitErrorFn emitError) {
  auto product = GemmScheduleAttr::get(
      schedule.getContext(), schedule.getTileM(), schedule.getTileN(),
      schedule.getTileK(), schedule.getStages(), schedule.getWarpsM(),
      schedule.getWarpsN(), schedule.getSplitK(), /*bulk=*/false);
  // A thread's chunks have one place within their rows.
  int64_t chunks = schedule.getTileK() * traits.elementBytes / kChunkBytes;
  if (chunks < 1 || 32 % chunks != 0) {
    return emitError() << "expected 'tile_k' of 2, 4, 8, 16 or 32 chunks of 16 "
                          "bytes, got "
                       << schedule.getTileK();
  }
  if (failed(checkSchedule(product, traits, limits, emitError))) {
    return failure();
  }
  int64_t pieces =
      countCopyChunks(schedule, traits) * countPieces(schedule, traits);
  if (joinsTaps(schedule, traits) && pieces > kMaxCopyPieces) {
    return emitError() << "expected a thread to copy at most " << kMaxCopyPieces
                       << " pieces of the image at a time, got " << pieces;
  }
  int64_t threads = schedule.getWarpsM() * schedule.getWarpsN() * 32;
  int64_t rows = schedule.getTileM() / schedule.getWarpsM();
  int64_t columns = schedule.getTileN() / schedule.getWarpsN();
  return checkRegisters(emitError,
                        getFragmentRegisters(rows, columns, traits) +
                            getPlaceRegisters(schedule, traits),
                        threads, limits);
}

bool AttentionTraits::keepsQueriesInRegisters() const {
  constexpr int64_t kMaxRowBytes = 256;
  return head * elementBytes <= kMaxRowBytes;
}

int64_t AttentionTraits::getPaddedHead() const {
  return llvm::alignTo(head, 16);
}

int64_t AttentionTraits::getPaddedValueHead() const {
  return llvm::alignTo(valueHead, elementBytes == 4 ? 32 : 16);
}

int64_t getRingBytes(AttentionScheduleAttr schedule,
                     const AttentionTraits &traits) {
  int64_t bytes = traits.elementBytes, head = traits.getPaddedHead();
  int64_t alignment = schedule.getBulk() ? kBulkRingAlignment : kRingAlignment;
  int64_t stage = schedule.getStages() * schedule.getKeys() * bytes;
  int64_t queries = schedule.getQueries() * head * bytes;
  int64_t keys = stage * head, values = stage * traits.getPaddedValueHead();
  return llvm::alignTo(llvm::alignTo(queries, alignment) + keys, alignment) +
         llvm::alignTo(values, kRingAlignment);
}

int64_t getSharedBytes(AttentionScheduleAttr schedule,
                       const AttentionTraits &traits) {
  return getRingBytes(schedule, traits) +
         2 * getBarrierBytes(schedule.getBulk(), schedule.getStages());
}

MapBox getBoxOfKeys(AttentionScheduleAttr schedule,
                    const AttentionTraits &traits) {
  return MapBox::get(schedule.getKeys(), traits.getPaddedHead(),
                     traits.elementBytes);
}

MapBox getBoxOfValues(AttentionScheduleAttr schedule,
                      const AttentionTraits &traits) {
  return MapBox::get(schedule.getKeys(), traits.getPaddedValueHead(),
                     traits.elementBytes);
}

static LogicalResult checkBulk(AttentionScheduleAttr schedule,
                               const AttentionTraits &traits,
                               const BlockLimits &limits,
                               EmitErrorFn emitError) {
  auto check = [&](int64_t columns) {
    return checkBox(emitError, "keys", schedule.getKeys(), columns,
                    traits.elementBytes);
  };
  return success(
      succeeded(checkBulk(getBulkObstacle(traits), limits, emitError)) &&
      succeeded(check(traits.getPaddedHead())) &&
      succeeded(check(traits.getPaddedValueHead())));
}

LogicalResult checkSchedule(AttentionScheduleAttr schedule,
                            const AttentionTraits &traits,
                            const BlockLimits &limits, EmitErrorFn emitError) {
  if (failed(checkRange(emitError, "warps", schedule.getWarps(), 1,
                        limits.threads / 32)) ||
      failed(checkRange(emitError, "stages", schedule.getStages(), 2, 4)) ||
      failed(checkSide(emitError, "queries", schedule.getQueries(),
                       16 * schedule.getWarps())) ||
      failed(checkSide(emitError, "keys", schedule.getKeys(), 16))) {
    return failure();
  }
  if (schedule.getBulk() &&
      failed(checkBulk(schedule, traits, limits, emitError))) {
    return failure();
  }
  int64_t valueHead = traits.getPaddedValueHead();
  int64_t widest = std::max(traits.getPaddedHead(), valueHead);
  int64_t chunks = schedule.getKeys() * widest * traits.elementBytes /
                   (kChunkBytes * 32 * schedule.getWarps());
  if (!schedule.getBulk() && chunks > kMaxCopyChunks) {
    return emitError() << "expected keys of at most " << kMaxCopyChunks
                       << " chunks of 16 bytes for each thread, got " << chunks;
  }
  int64_t rows = schedule.getQueries() / schedule.getWarps();
  // The result, scores, and these as an operand.
  int64_t tiles = rows * (valueHead + schedule.getKeys()) / 32 +
                  rows * schedule.getKeys() * traits.elementBytes / 128;
  tiles += traits.hasScoreCode ? kScoreRegisters : 0;
  if (traits.keepsQueriesInRegisters()) {
    tiles += (rows - kMeasuredQueries) * traits.getPaddedHead() *
             traits.elementBytes / 128;
  }
  // For tf32 they are rounded on their way; measured.
  tiles += traits.elementBytes == 4 ? rows * schedule.getKeys() / 128 : 0;
  if (failed(
          checkRegisters(emitError, tiles, schedule.getWarps() * 32, limits))) {
    return failure();
  }
  return checkShared(emitError, getSharedBytes(schedule, traits), limits);
}

SmallVector<GemmScheduleAttr> getGemmSchedules(MLIRContext *context,
                                               const ProductTraits &traits,
                                               const BlockLimits &limits) {
  SmallVector<GemmScheduleAttr> legal;
  ScopedDiagnosticHandler silent(context, [](Diagnostic &) {});
  auto emitError = [&] { return mlir::emitError(UnknownLoc::get(context)); };
  auto add = [&](int64_t m, int64_t n, int64_t k, int64_t stages, int64_t warps,
                 int64_t warpsM) {
    auto schedule = GemmScheduleAttr::get(context, m, n, k, stages, warpsM,
                                          warps / warpsM, /*splitK=*/1,
                                          /*bulk=*/false);
    if (succeeded(checkSchedule(schedule, traits, limits, emitError))) {
      legal.push_back(schedule);
    }
  };
  for (int64_t m : {32, 64, 128, 256}) {
    for (int64_t n : {32, 64, 128, 256}) {
      for (int64_t k : {16, 32, 64}) {
        for (int64_t stages : {2, 3, 4, 6}) {
          for (int64_t warps : {1, 2, 4, 8}) {
            for (int64_t warpsM = 1; warpsM <= warps; warpsM *= 2) {
              add(m, n, k, stages, warps, warpsM);
            }
          }
        }
      }
    }
  }
  return legal;
}

} // namespace dlc::tile
