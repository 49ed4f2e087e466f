// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Conversions between floating-point formats.
#ifndef PTXSIM_EXEC_CONVERTFLOAT_H
#define PTXSIM_EXEC_CONVERTFLOAT_H

#include "Exec.h"

namespace ptxsim {

/// Handler of a cvt whose both types are floating point. Inst::Aux holds the
/// rounding (bits 0-3), saturation (16), flushing (32) and relu (64).
Handler pickFloatConversion(const OpcodeInfo &Info);

/// Rounds f32 lanes to binary16 in any of the four modes.
RowU32 roundToHalf(RowF32 X, Rounding Mode);
/// The same for bfloat16.
RowU32 roundToBhalf(RowF32 X, Rounding Mode);

} // namespace ptxsim
#endif
