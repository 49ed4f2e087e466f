// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The pass that replaces math ops by dlc's own code for them.
#ifndef DLC_CONVERSION_COMMON_EXPANDMATH_H
#define DLC_CONVERSION_COMMON_EXPANDMATH_H

#include <memory>

namespace mlir {
class Operation;
class Pass;
} // namespace mlir

namespace dlc {

struct ExpandMathOptions {
  /// The target has fused multiply-add. Without it, math.fma (whose accuracy
  /// somebody relies on) is computed in f64, and vector.fma (a multiply and an
  /// add that may fuse) becomes two ops.
  bool hasFMA = true;
  /// The target rounds f32 to integers in one instruction (SSE4.1).
  bool hasRounding = true;
  /// Elementary functions on f64 may call libm.
  bool hasLibm = true;
};

/// `dlc-expand-math`: elementary functions on f16, bf16 and f32, scalar or
/// vector, become straight-line arithmetic (ScalarMath.h), so that no call into
/// libm remains and LLVM can vectorise them; those on f64 call libm, or where
/// there is none become arithmetic, too, if hasDoubleCode. Arithmetic
/// on f16 and bf16 is done in f32; what one op hands to the next may stay
/// unrounded.
std::unique_ptr<mlir::Pass> createExpandMathPass(ExpandMathOptions options);

} // namespace dlc

#endif // DLC_CONVERSION_COMMON_EXPANDMATH_H
