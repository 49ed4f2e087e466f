// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The passes of the graph phase, in the order in which the phase runs them.
#ifndef DLC_TRANSFORMS_PASSES
#define DLC_TRANSFORMS_PASSES

include "mlir/Pass/PassBase.td"

def SimplifySizesPass : Pass<"dlc-simplify-sizes", "mlir::ModuleOp"> {
  let summary = "Simplify arithmetic on sizes and move static sizes into types";
  let description = [{
    Ranges of `nn.sym_dim` decide comparisons, minima and maxima; a quotient that
    is exact whatever the dims becomes a product; `maybe_broadcast` loses dims
    that are equal; checks that hold vanish. A check that can hold only for a dim
    of at most c (the sum of x rows with the first x of c rows) bounds the dim,
    so that the runtime refuses a larger one at the entry. Static sizes, from
    operands to users, become static dims of the results' types.
  }];
  let dependentDialects = ["::dlc::nn::NNDialect", "::mlir::arith::ArithDialect",
                           "::mlir::tensor::TensorDialect",
                           "::mlir::affine::AffineDialect"];
}

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
}

def SimplifyViewsPass : Pass<"dlc-simplify-views", "mlir::ModuleOp"> {
  let summary = "Bring views to one form and let contractions read through them";
  let description = [{
    A row of reshapes and transposes becomes at most a reshape, a transpose and a
    reshape, where the sizes prove which factors of the dims stay together:

    ```mlir
    %0 = nn.reshape %x : tensor<2x4x8x3xf32> -> tensor<8x8x3xf32>
    %1 = nn.transpose %0 [0, 2, 1]
    %2 = nn.reshape %1 : tensor<8x3x8xf32> -> tensor<2x4x3x8xf32>
    // becomes
    %2 = nn.transpose %x [0, 1, 3, 2]
    ```

    Slices move before transposes; gathers by a constant number or progression
    become slices; transposes, and broadcasts of dims that the other operand has,
    go into the maps of contractions.
  }];
  let dependentDialects = ["::dlc::nn::NNDialect", "::mlir::tensor::TensorDialect",
                           "::mlir::affine::AffineDialect"];
}

def FoldConstantsPass : Pass<"dlc-fold-constants", "mlir::ModuleOp"> {
  let summary = "Evaluate ops on constants";
  let description = [{
    Transposes, reshapes and casts of params become transforms of the param,
    whatever their size. Other ops on constants are evaluated where the result
    has at most 1 MiB, or 64 MiB for slices and concatenations; ramps (`iota`)
    and repeated numbers (`broadcast`) stay, since they are cheaper to compute
    than to load. Zero points that are zero everywhere are dropped. Equal params
    are merged.
  }];
  let dependentDialects = ["::dlc::nn::NNDialect", "::mlir::arith::ArithDialect"];
}

def SimplifyElementwisePass : Pass<"dlc-simplify-elementwise", "mlir::ModuleOp"> {
  let summary = "Drop identities and rewrite elementwise ops to cheaper forms";
  let description = [{
    x * 1, x - 0 and `b and true` are x; pow(x, 2) is x * x; 1 / sqrt(x) is
    rsqrt(x); booleans lose double negations, comparisons with constants and
    casts to numbers and back; `select(is_nan(p), 0, p)` of a softmax p becomes
    the softmax's `nan_row = zero`; operands are not repeated to a size that
    another operand has. x + 0 stays, since -0 + 0 is 0.
  }];
  let dependentDialects = ["::dlc::nn::NNDialect", "::mlir::arith::ArithDialect"];
}

def RecognizeNormPass : Pass<"dlc-recognize-norm", "mlir::ModuleOp"> {
  let summary = "Make one op of a written-out normalisation";
  let description = [{
    `x * rsqrt(mean(x * x) + e)` is an RMS norm; with x - mean(x) for x, and the
    mean over the same axes, a layer norm; `sqrt` and `div` may stand for the
    inverse root. A reshape to rows of groups, a norm of each row and a reshape
    back is a group norm. Constant factors and terms along the normalised dims
    (of a group norm: the channels) become scale and bias. Left alone: another
    tensor's statistics, axes that differ, factors that are not constant.
  }];
  let dependentDialects = ["::dlc::nn::NNDialect", "::mlir::arith::ArithDialect",
                           "::mlir::affine::AffineDialect"];
}

def RecognizeActivationPass : Pass<"dlc-recognize-activation", "mlir::ModuleOp"> {
  let summary = "Make one function of a written-out activation";
  let description = [{
    `x * sigmoid(b x)` is silu, `x (1 + erf(x / sqrt 2)) / 2` gelu, the same with
    tanh of its cubic gelu_tanh, `x * hard_sigmoid(x)` and `x clamp(x + 3, 0, 6) / 6`
    hard_swish; factors may stand in any order. A formula's constant must be right
    to a few roundings of the element type.
  }];
  let dependentDialects = ["::dlc::nn::NNDialect"];
}

def RecognizeRotaryPass : Pass<"dlc-recognize-rotary", "mlir::ModuleOp"> {
  let summary = "Make one op of a written-out rotary position embedding";
  let description = [{
    `x * c + concat(-high(x), low(x)) * s` becomes `nn.rotary` with the first
    halves of c and s, where both halves are known to be equal: by the contents
    of a constant, or as `concat(f, f)` behind elementwise ops. Declines, with a
    remark, where they are not. Runs before dlc-simplify-views, which moves the
    slices away from the product.
  }];
  let dependentDialects = ["::dlc::nn::NNDialect", "::mlir::tensor::TensorDialect"];
}

def RecognizeAttentionPass : Pass<"dlc-recognize-attention", "mlir::ModuleOp"> {
  let summary = "Make one op of contraction, softmax and contraction";
  let description = [{
    `softmax(f(q . k)) . v` becomes `nn.attention`, whatever the order of dims,
    the place of the scale and the spelling of heads: the loops of the first
    contraction are followed through reshapes and transposes. Between scores and
    softmax stand elementwise ops. A splat factor next to the scores, on the
    query or on the key goes into `scale` (in f64). -inf, or a number of at most
    -1e30 in f32, added or selected by a condition, becomes the `mask` region,
    with `empty_row` nan or average; index arithmetic of the condition, and
    constant causal tables, become arithmetic in the region. All else becomes
    the `score` region.

    Declines, with a remark, where scores or probabilities have other users, the
    softmax runs over another dim than the keys, the value depends on the row,
    there are more than 3 batch dims, or an op in between has no region form.
  }];
  let dependentDialects = ["::dlc::nn::NNDialect", "::mlir::arith::ArithDialect",
                           "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect",
                           "::mlir::affine::AffineDialect"];
}

def ConvertToChannelsLastPass : Pass<"dlc-convert-to-channels-last", "mlir::ModuleOp"> {
  let summary = "Give convolutions and pools their channels in the last dim";
  let description = [{
    Each becomes channels_last between two transposes. The transposes behind
    them move through elementwise ops, casts, softmax, concat, pad, batch norms,
    norms, resizes and views towards the end, and cancel with those in front of
    the next, so that a convolutional network keeps one at its entry and at most
    one at its exit. Constant operands are permuted at compile time. An op whose
    other operand is channels-first and not constant keeps the transpose.
  }];
  let dependentDialects = ["::dlc::nn::NNDialect", "::mlir::arith::ArithDialect",
                           "::mlir::tensor::TensorDialect",
                           "::mlir::affine::AffineDialect"];
}

def SetPrecisionPass : Pass<"dlc-set-precision", "mlir::ModuleOp"> {
  let summary = "Let products of matrices read a lower precision";
  let description = [{
    The first pass of the dispatch phase of a GPU variant, not of the graph phase: CPU variants of the
    same file stay fp32. With bf16 or fp16, contractions, convolutions and attention of f32 get operands
    of that type; their sums, biases and results stay f32:

    ```mlir
    %0 = nn.norm mean_var(%x ...) : tensor<8x64xf32>
    %1 = nn.contract %0, %w maps ... : tensor<8x64xf32>, tensor<64x64xf32> -> tensor<8x64xf32>
    %2 = nn.elementwise add(%1, %0)
    // becomes
    %0 = nn.norm mean_var(%x ...) : tensor<8x64xf32>
    %l = nn.cast %0 : tensor<8x64xf32> -> tensor<8x64xbf16>
    %v = nn.cast %w : tensor<64x64xf32> -> tensor<64x64xbf16>
    %1 = nn.contract %l, %v maps ... : tensor<8x64xbf16>, tensor<64x64xbf16> -> tensor<8x64xf32>
    %h = nn.cast %l : tensor<8x64xbf16> -> tensor<8x64xf32>
    %2 = nn.elementwise add(%1, %h)
    ```

    A cast stands behind the op that computes the tensor, where dispatch formation makes it part of that
    op's kernel; it moves through views and max pools. Other readers of the tensor read it through a
    cast back, so that it lies in memory once; all arithmetic but the products' stays f32. Results of
    the function are not rounded. Casts of params become their transforms (dlc-fold-constants). Large
    tables that gathers read are stored in the type, too.

    With tf32, types stay, and the products get `nn.product_type = tf32`. Attention always gets the
    attribute, which also lets the probabilities between its products be rounded.
  }];
  let dependentDialects = ["::dlc::nn::NNDialect"];
  let options = [Option<"precision", "precision", "std::string", "\"fp32\"",
                        "fp32, tf32, bf16 or fp16">];
}

def FormIntegerProductsPass : Pass<"dlc-form-integer-products", "mlir::ModuleOp"> {
  let summary = "Multiply quantised tensors as 8-bit integers";
  let description = [{
    The first pass of the dispatch phase. Contractions and convolutions of f32 whose factors are dequantised
    from 8 bits multiply the integers:

    ```mlir
    %a = nn.dequantize %x, %sx, %zx
    %b = nn.dequantize %w, %sw
    %0 = nn.contract %a, %b maps ... : tensor<8x64xf32>, tensor<64x32xf32> -> tensor<8x32xf32>
    // becomes
    %1 = nn.contract %x, %w lhs_zero %zx maps ... : tensor<8x64xui8>, tensor<64x32xi8> -> tensor<8x32xi32>
    %2 = nn.cast %1 : tensor<8x32xi32> -> tensor<8x32xf32>
    %3 = nn.elementwise mul(%2, %sx)
    %0 = nn.elementwise mul(%3, %sw)
    ```

    The sum is exact, and three roundings follow, so the result is nearer to the real one than sums of f32 are.
    Scales may change from one row or column of the result to the next, not within a sum; a remark says what
    stays. Sums that are not known to fit 32 bits are sums of floats, as a remark says, but of the integers
    less their zero points: these are exact in every precision, where scaled values would be rounded. A bias
    is added to the scaled sums. Quantisation to
    8 bits is written out as elementwise ops, which become ends of the products' kernels.
  }];
  let options = [
    Option<"contractions", "contractions", "bool", "true",
           "Contractions, too, not only convolutions: CPUs multiply floats faster than 32-bit integers">,
  ];
  let dependentDialects = ["::dlc::nn::NNDialect"];
}

def SplitReductionsPass : Pass<"dlc-split-reductions", "mlir::ModuleOp"> {
  let summary = "Reduce few long rows in two stages, for GPUs";
  let description = [{
    `sum(x) : tensor<1048576xf32> -> tensor<f32>` becomes a sum of the rows of `x` as `tensor<512x2048xf32>`,
    and a sum of those 512: a kernel gives a row to a block, and one block alone would leave a GPU idle.
    Elementwise ops before the reduction get the shape too, so that they stay in its kernel; partial
    results are kept in the type of accumulation. The result differs from the one of one stage by the
    order of its sums. Only static shapes; a remark says why a reduction of few long rows stays as it is.
  }];
  let dependentDialects = ["::dlc::nn::NNDialect"];
  let options = [Option<"sharedBytes", "shared-bytes", "int64_t", "101376",
                        "shared memory that a block may have; the default is that of sm_80's code">,
                 Option<"clusterBlocks", "cluster-blocks", "int64_t", "1",
                        "blocks that a cluster may have; 1: the GPUs have no clusters">];
}

def VerifyGraphPhasePass : Pass<"dlc-verify-graph-phase", "mlir::ModuleOp"> {
  let summary = "Check what the graph phase promises";
  let description = [{
    Only nn, scf, func, tensor, affine, arith and math ops; no fused ops and
    dispatches yet; ranked tensors without encoding; convolutions and pools with
    channels last (a pool with indices may keep them first).
  }];
}

#endif // DLC_TRANSFORMS_PASSES
