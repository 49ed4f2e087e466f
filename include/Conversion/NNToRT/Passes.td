// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From the graph of dispatches to the host program.
#ifndef DLC_CONVERSION_NNTORT_PASSES
#define DLC_CONVERSION_NNTORT_PASSES

include "mlir/Pass/PassBase.td"

def ConvertNNToRTPass : Pass<"dlc-convert-nn-to-rt", "mlir::ModuleOp"> {
  let summary = "Give every tensor of the entry function memory, as an rt.program";
  let description = [{
    The module's one `func.func` becomes an `rt.program`. It may hold `rt.dispatch`, `rt.shrink`,
    `nn.reshape`, `nn.param_ref`, `nn.sym_dim`, `nn.bind_shape`, `nn.check`, tensor constants,
    `tensor.dim`, `tensor.extract` and index arithmetic; anything else on tensors is an error.

    A result that the model returns is written to the output's memory; it is copied only when it is
    returned twice, shrunk, an input, or a param. Other results lie in the arena, reshapes share the
    memory of what they reshape, and a tied result takes over the memory of its input where nothing
    reads that later. Constants become params. Sizes that depend on what the host reads from tensors
    make their buffers and outputs late.

    What depends on input dims only (output dims, bytes, checks) goes to `rt.size`. When all sizes are
    known or bounded, the arena is planned here, at the bounds; else at run time.

    ```mlir
    func.func @main(%x: tensor<4xf32> {nn.name = "x"}) -> (tensor<4xf32> {nn.name = "y"}) {
      %c1 = arith.constant 1 : index
      %y = rt.dispatch @k(%x) items(%c1) work(%c1) : (tensor<4xf32>) -> tensor<4xf32>
      return %y : tensor<4xf32>
    }
    // becomes
    rt.program @main arena 0 bound 0 weights 0 {
      rt.input "x" : tensor<4xf32> []
      rt.output "y" : tensor<4xf32> []
      rt.run {
        %c1 = arith.constant 1 : index
        %x = rt.input_address 0
        %y = rt.output_address 0
        rt.launch @k(%x, %y) items(%c1) work(%c1)
      }
    }
    ```
  }];
  let options = [Option<"onDevice", "on-device", "bool", "false", "Tensors lie on a GPU">];
  let dependentDialects = ["::dlc::rt::RTDialect", "::dlc::nn::NNDialect", "::mlir::affine::AffineDialect"];
}

#endif // DLC_CONVERSION_NNTORT_PASSES
