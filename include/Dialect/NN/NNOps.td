// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// All ops of the nn dialect, by kind.
#ifndef DLC_DIALECT_NN_NNOPS_TD
#define DLC_DIALECT_NN_NNOPS_TD

include "Dialect/NN/NNInterfaces.td"
include "Dialect/NN/NNBase.td"
include "Dialect/NN/NNAttrs.td"
include "Dialect/NN/NNGeneralOps.td"
include "Dialect/NN/NNWholeOps.td"
include "Dialect/NN/NNStructureOps.td"

#endif // DLC_DIALECT_NN_NNOPS_TD
