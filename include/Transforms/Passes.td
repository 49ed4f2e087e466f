// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The passes of the graph phase, in the order in which the phase runs them.
#ifndef DLC_TRANSFORMS_PASSES
#define DLC_TRANSFORMS_PASSES

include "mlir/Pass/PassBase.td"

def FoldBatchNormPass : Pass<"dlc-fold-batch-norm", "mlir::ModuleOp"> {
  let summary = "Fold batch norms into the convolution or contraction before them";
  let description = [{
    With s = scale / sqrt(variance + epsilon) and t = bias - mean * s, computed
    in f64, `batch_norm(conv(x, w, b))` becomes `conv(x, w * s, b * s + t)`.
    The filter stays a reference to the model's file: s is a transform that the
    binary writer carries out. Groups, transposed convolutions and
    `batch_norm(add(contract(x, w), b))` fold the same way.

    Declines, with a remark, where the convolution has other users, the filter
    is not a constant or has other users, or a factor is not finite or takes a
    filter element beyond half of its type's range. Such a batch norm, and one
    behind another op, becomes `x * s + t` with s and t shaped [1, C, 1, ...].
    Left alone only if its own vectors are not constant.
  }];
  let dependentDialects = ["::dlc::nn::NNDialect", "::mlir::arith::ArithDialect"];
  let statistics = [
    Statistic<"numFolded", "num-batch-norms-folded", "Batch norms folded into filters">,
    Statistic<"numExpanded", "num-batch-norms-expanded", "Batch norms made elementwise">
  ];
}

#endif // DLC_TRANSFORMS_PASSES
