// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The static plan, made by the very planner that the runtime uses for shapes
// known late.
#include "Plan.h"

#include "dlc/plan.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace dlc {

/// Above this, sizes of one run are likely to be far from their bounds, and the
/// arena is planned for each shape instead.
static constexpr int64_t kMaxBoundedArenaBytes = int64_t(4) << 30;

unsigned elementBits(RankedTensorType type) {
  unsigned bits = type.getElementTypeBitWidth();
  return bits == 1 ? 8 : bits;
}

/// The most bytes of a buffer.
static std::optional<int64_t> boundBytes(const Buffer &buffer,
                                         EntryShapes &shapes) {
  int64_t elements = 1;
  for (OpFoldResult size : buffer.sizes) {
    std::optional<int64_t> bound = shapes.upperBound(size);
    if (!bound || llvm::MulOverflow(elements, *bound, elements)) {
      return std::nullopt;
    }
  }
  int64_t bits;
  if (llvm::MulOverflow(elements, int64_t(elementBits(buffer.type)), bits)) {
    return std::nullopt;
  }
  return llvm::divideCeil(bits, 8);
}

std::optional<ArenaPlan> planArena(ArrayRef<Buffer> buffers,
                                   EntryShapes &shapes) {
  ArenaPlan plan;
  SmallVector<dlc_format_buffer> records;
  bool dynamic = false;
  for (const Buffer &buffer : buffers) {
    std::optional<int64_t> bytes =
        buffer.late ? -1 : boundBytes(buffer, shapes);
    if (!bytes) {
      return std::nullopt;
    }
    dynamic |= !buffer.type.hasStaticShape();
    plan.bytes.push_back(*bytes);
    records.push_back({*bytes, 64, buffer.first, buffer.last});
  }
  plan.offsets.resize(buffers.size());
  SmallVector<uint64_t> workspace(
      llvm::divideCeil(dlc_plan_workspace_bytes(buffers.size()), 8));
  dlc_plan_result result;
  if (dlc_plan(records.data(), plan.bytes.data(), records.size(),
               workspace.data(), plan.offsets.data(), &result) ||
      (dynamic && result.arena_bytes > kMaxBoundedArenaBytes)) {
    return std::nullopt;
  }
  plan.arenaBytes = result.arena_bytes;
  plan.lowerBound = result.lower_bound;
  return plan;
}

} // namespace dlc
