// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Passes of the dispatch phase.
#ifndef DLC_TRANSFORMS_DISPATCH_PASSES
#define DLC_TRANSFORMS_DISPATCH_PASSES

include "mlir/Pass/PassBase.td"

def FormDispatchesPass : Pass<"dlc-form-dispatches", "mlir::func::FuncOp"> {
  let summary = "Group nn ops into dispatches, each one kernel";
  let description = [{
    A dispatch is a root (conv, contract, reduce, ...) with the elementwise ops behind it that only it
    feeds (epilogue), and the elementwise and view ops before it that its loops can compute in place
    (prologue); or an elementwise or view op that has to lie in memory, with its prologue.

    ```mlir
    %c = nn.conv %x, %w {...}
    %r = nn.elementwise relu(%c)
    // becomes
    %r = nn.dispatch(%x, %w) sizes() result_sizes() : ... {
    ^bb0(%a, %b):
      %c = nn.conv %a, %b {..., nn.root}
      %r = nn.elementwise relu(%c)
      nn.yield %r
    }
    ```

    nonzero becomes nonzero_bounded and an rt.shrink of its result; rnn becomes a contraction and a
    recurrence. reshape stays outside: it is another view of the same memory. An op is computed twice only if that is
    cheap (views, iota, constants).

    With `fuse-rows`, reductions over the same dims of one tensor are one dispatch with the ops behind them that
    bring the results back to that tensor's shape, as in `x / sqrt(sum(x * x))`: a row that is kept is read once
    (`Analysis/RowGroup.h`). Only GPUs have kernels for it.
  }];
  let options = [
    Option<"fuseRows", "fuse-rows", "bool", "false", "Fuse reductions with what they go back to">,
  ];
  let dependentDialects = ["::dlc::nn::NNDialect", "::dlc::rt::RTDialect",
                           "::mlir::tensor::TensorDialect", "::mlir::affine::AffineDialect"];
}

#endif // DLC_TRANSFORMS_DISPATCH_PASSES
