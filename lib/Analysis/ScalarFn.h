// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Elementwise functions on single numbers, as docs of nn.elementwise define
// them: integer division truncates and never traps, NaN propagates.
#ifndef DLC_LIB_ANALYSIS_SCALARFN_H
#define DLC_LIB_ANALYSIS_SCALARFN_H

#include "Dialect/NN/NNDialect.h"

namespace dlc {

/// fn of integers of this width and signedness, before wrapping; nothing where
/// the function takes floats only.
std::optional<int64_t> evaluateIntFn(nn::Fn fn, llvm::ArrayRef<int64_t> args,
                                     mlir::Type type);
/// A comparison, as 0 or 1; `T` is double or int64_t.
std::optional<bool> compareFloats(nn::Fn fn, double lhs, double rhs);
std::optional<bool> compareInts(nn::Fn fn, int64_t lhs, int64_t rhs,
                                bool isUnsigned);

} // namespace dlc

#endif // DLC_LIB_ANALYSIS_SCALARFN_H
