// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Schedules of dispatches, and the operand layouts that follow from them.
#ifndef DLC_CONVERSION_NNTOKERNEL_SCHEDULING_H
#define DLC_CONVERSION_NNTOKERNEL_SCHEDULING_H

#include "Conversion/NNToKernel/ContractShape.h"
#include "Conversion/NNToVector/Schedule.h"

namespace dlc {

/// Work items that a kernel is cut into at least, where its shape allows:
/// enough to keep the threads of a large machine busy, few enough to cost
/// nothing on one.
inline constexpr int64_t kMinItems = 32;

/// The type that products of `element` are summed in: f32 for floats below f64,
/// i32 for integers of up to 16 bits, else the type itself.
mlir::Type getAccumulatorType(mlir::Type element);

/// Whether the matrix product kernel takes the operands: whole buffers, with
/// the columns or the reduced dim of B innermost, and one zero point at most
/// for each.
bool isGemmOperand(nn::ContractOp op, const ContractShape &shape);
kernel::BLayout getBLayout(nn::ContractOp op, const ContractShape &shape);

/// Lanes of a vector of accumulators; narrow ones fill 32 bits each.
int64_t getAccumulatorLanes(const kernel::VectorTarget &target,
                            mlir::Type accumulator);

/// The schedule that the dispatch carries, if it carries one of that kind.
std::optional<kernel::GemmSchedule> readGemmSchedule(nn::DispatchOp dispatch);
/// Lets the dispatch carry `schedule`.
void writeGemmSchedule(nn::DispatchOp dispatch,
                       const kernel::GemmSchedule &schedule);

/// The schedule that the dispatch carries, else the static rules' choice.
kernel::GemmSchedule getGemmSchedule(nn::DispatchOp dispatch,
                                     const ContractShape &shape,
                                     const kernel::VectorTarget &target);

} // namespace dlc

#endif // DLC_CONVERSION_NNTOKERNEL_SCHEDULING_H
