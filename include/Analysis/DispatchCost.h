// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a dispatch has to do at least, from its shapes alone: the two numbers of
// a roofline.
#ifndef DLC_ANALYSIS_DISPATCHCOST_H
#define DLC_ANALYSIS_DISPATCHCOST_H

#include "Dialect/NN/NNDialect.h"

namespace dlc {

struct DispatchCost {
  /// Arithmetic operations: two per multiplication and addition of a
  /// contraction, convolution or attention (a mask leaves none out), one per
  /// element that another op reads (reductions, pools by window, norms,
  /// softmax) or makes (elementwise). -1: depends on sizes of the run.
  int64_t flops = -1;
  /// Inputs and results, each once. -1: depends on sizes of the run.
  int64_t bytes = -1;
};

DispatchCost estimateCost(nn::DispatchOp dispatch);

} // namespace dlc

#endif // DLC_ANALYSIS_DISPATCHCOST_H
