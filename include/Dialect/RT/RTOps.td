// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// All ops of the rt dialect, by level.
#ifndef DLC_DIALECT_RT_RTOPS_TD
#define DLC_DIALECT_RT_RTOPS_TD

include "Dialect/RT/RTBase.td"
include "Dialect/RT/RTTensorOps.td"
include "Dialect/RT/RTProgramOps.td"

#endif // DLC_DIALECT_RT_RTOPS_TD
