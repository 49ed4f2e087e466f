// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How many blocks share a long row, and how much of it they keep.
#ifndef DLC_LIB_CONVERSION_NNTOGPU_ROWSCHEDULE_H
#define DLC_LIB_CONVERSION_NNTOGPU_ROWSCHEDULE_H

#include "RowProgram.h"

namespace dlc {

/// The fields of nn.row_schedule. Of the bytes, a kernel whose rows' length
/// only the run knows takes less.
struct RowSchedule {
  int64_t blocks = 1, keptBytes = 32 << 10;

  bool operator==(const RowSchedule &) const = default;
};

/// The most that a block can keep beside what its threads exchange.
int64_t getMostKeptBytes(const GPULimits &limits);

/// That of the dispatch; the default where it has none.
RowSchedule getRowSchedule(DispatchContext &context);

/// The schedule of a dispatch with such rows; null where the default serves.
mlir::Attribute chooseRowSchedule(DispatchContext &context,
                                  const RowShape &shape,
                                  const GPULimits &limits);

/// A family whose kernels pass over rows several times, and so keep them.
class KeptRowsFamily : public GPUKernelFamily {
public:
  GPULaunch getLaunch(DispatchContext &context) const final {
    return getRowLaunch(context, shapeOf(context));
  }
  bool takesRowSchedule() const final { return true; }
  mlir::Attribute chooseSchedule(DispatchContext &context,
                                 const GPULimits &limits) const final {
    return chooseRowSchedule(context, shapeOf(context), limits);
  }

protected:
  virtual RowShape shapeOf(DispatchContext &context) const = 0;
};

} // namespace dlc

#endif // DLC_LIB_CONVERSION_NNTOGPU_ROWSCHEDULE_H
