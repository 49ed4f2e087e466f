// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The static rule for rows that are too long for a block to keep, or too few.
#include "RowSchedule.h"
#include "StagedRows.h"

using namespace mlir;

namespace dlc {

/// Bytes of a block's shared memory for its threads' exchange and tables.
static constexpr int64_t kOtherBytes = 16 << 10;
/// With fewer blocks than this, most of a large GPU would be idle.
static constexpr int64_t kFewBlocks = 128;
/// Elements of a row for each block that it is cut among for that reason. To
/// stream as many takes one multiprocessor about two microseconds, twice what
/// the cluster's barriers take.
static constexpr int64_t kLeastColumns = 8192;

int64_t getMostKeptBytes(const GPULimits &limits) {
  return std::max(RowSchedule().keptBytes,
                  static_cast<int64_t>(
                      llvm::alignDown(limits.sharedBytes - kOtherBytes, 16)));
}

RowSchedule getRowSchedule(DispatchContext &context) {
  auto given = dyn_cast_or_null<nn::RowScheduleAttr>(
      context.getDispatch().getScheduleAttr());
  return given ? RowSchedule{given.getBlocks(), given.getKeptBytes()}
               : RowSchedule();
}

/// Whether each row can be cut among twice as many blocks for more of them.
static bool leavesIdle(DispatchContext &context, const RowSpace &space) {
  std::optional<int64_t> columns = kernel::IndexMath::known(space.getColumns()),
                         blocks = kernel::IndexMath::known(
                             space.getBlocks(context.math));
  int64_t cut = 2 * space.getClusterBlocks();
  return columns && blocks && 2 * *blocks <= kFewBlocks &&
         *columns * space.getBlockRows() >= cut * kLeastColumns;
}

Attribute chooseRowSchedule(DispatchContext &context, const RowShape &shape,
                            const GPULimits &limits) {
  RowSchedule schedule;
  auto isEnough = [&] {
    RowSpace space(context, shape, schedule);
    return *space.keepsRows() && !leavesIdle(context, space);
  };
  RowSpace space(context, shape, schedule);
  StagedRows staged(context.math, space, shape);
  if (!shape.isKept || !space.keepsRows() ||
      staged.getUse() != StagedRows::Use::never) {
    return {};
  }
  if (!*space.keepsRows()) {
    schedule.keptBytes = getMostKeptBytes(limits);
  }
  while (schedule.blocks < limits.clusterBlocks && !isEnough()) {
    schedule.blocks *= 2;
  }
  return schedule == RowSchedule()
             ? Attribute()
             : nn::RowScheduleAttr::get(context.b.getContext(), schedule.blocks,
                                        schedule.keptBytes);
}

} // namespace dlc
