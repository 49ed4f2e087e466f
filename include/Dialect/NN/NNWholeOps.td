// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Whole ops: what a pass must see whole, or whose lowering is a schedule's choice.
#ifndef DLC_DIALECT_NN_NNWHOLEOPS_TD
#define DLC_DIALECT_NN_NNWHOLEOPS_TD

include "Dialect/NN/NNBase.td"
include "Dialect/NN/NNEnums.td"



def NN_ConvOp : NN_PureOp<"conv", [AttrSizedOperandSegments]> {
  let summary = "N-D convolution, with groups, dilation and its transposed form";
  let description = [{
    input (N, C, spatial...), filter (O, C/groups, spatial...), bias (O); transposed: filter
    (C, O/groups, spatial...). With `channels_last` input and result are (N, spatial..., C); the
    filter's order does not change.
    A pad of kDynamic takes the next of the operands `pads` (first the low pads, then the high ones).
    Result size: (d + low + high - k_eff) / stride + 1; transposed:
    (d - 1) * stride + k_eff - low - high + output_padding, with k_eff = (k - 1) * dilation + 1.

    c1: ranks are equal and at least 3. c2: C = groups * the filter's input channels. c3: strides and
    dilations are at least 1. c4: groups divides O. c5: output_padding only transposed, and below
    stride or dilation. c6: zero points only on 8-bit integers. c7: the result has the size above.
  }];
  let arguments = (ins NN_Tensor:$input, NN_Tensor:$filter, Optional<NN_Tensor>:$bias,
                       Optional<NN_Tensor>:$input_zero, Optional<NN_Tensor>:$filter_zero,
                       Variadic<Index>:$pads, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations,
                       DenseI64ArrayAttr:$pad_low, DenseI64ArrayAttr:$pad_high,
                       DefaultValuedAttr<I64Attr, "1">:$groups, UnitAttr:$transposed,
                       OptionalAttr<DenseI64ArrayAttr>:$output_padding, UnitAttr:$channels_last,
                       OptionalAttr<TypeAttr>:$acc);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $input `,` $filter (`bias` $bias^ `:` type($bias))? (`input_zero` $input_zero^ `:` type($input_zero))?
    (`filter_zero` $filter_zero^ `:` type($filter_zero))? (`pads` `(` $pads^ `)`)? attr-dict
    `:` type($input) `,` type($filter) `->` type($result)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    unsigned getSpatialRank() { return ::llvm::cast<::mlir::RankedTensorType>(getInput().getType()).getRank() - 2; }
    ::llvm::SmallVector<::mlir::OpFoldResult> getMixedPadLow();
    ::llvm::SmallVector<::mlir::OpFoldResult> getMixedPadHigh();
    unsigned getChannelDim() { return getChannelsLast() ? getSpatialRank() + 1 : 1; }
    unsigned getSpatialDim(unsigned i) { return getChannelsLast() ? i + 1 : i + 2; }
    int64_t getOutputPaddingAt(unsigned i) {
      return getOutputPadding() ? (*getOutputPadding())[i] : 0;
    }
  }];
}

def NN_PoolOp : NN_PureOp<"pool"> {
  let summary = "max, average, sum or p-norm of a sliding window";
  let description = [{
    input (N, C, spatial...), or (N, spatial..., C) with `channels_last`. With `ceil_mode` the size is
    rounded up, and a window that would start in the high pad is dropped. avg divides by the window's
    elements inside the input, or with `count_include_pad` inside the padded input. `indices` (max
    only): the flat row-major (N, C, spatial) place of each maximum; `column_major_indices` orders the
    spatial dims the other way.
    c1: the input has two dims more than the kernel; each of the lists has an entry per dim of it, strides
    and dilations are at least 1. c2: indices only for max.
  }];
  let arguments = (ins NN_Tensor:$input, Variadic<Index>:$pads, NN_PoolKindAttr:$kind,
                       DenseI64ArrayAttr:$kernel, DenseI64ArrayAttr:$strides,
                       DenseI64ArrayAttr:$dilations, DenseI64ArrayAttr:$pad_low,
                       DenseI64ArrayAttr:$pad_high, UnitAttr:$ceil_mode, UnitAttr:$count_include_pad,
                       DefaultValuedAttr<I64Attr, "2">:$p, UnitAttr:$channels_last,
                       UnitAttr:$column_major_indices);
  let results = (outs NN_Tensor:$result, Optional<NN_Tensor>:$indices);
  let assemblyFormat = [{
    $kind `(` $input `)` (`pads` `(` $pads^ `)`)? attr-dict `:` functional-type($input, results)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    unsigned getSpatialRank() { return getKernel().size(); }
    ::llvm::SmallVector<::mlir::OpFoldResult> getMixedPadLow();
    ::llvm::SmallVector<::mlir::OpFoldResult> getMixedPadHigh();
    unsigned getSpatialDim(unsigned i) { return getChannelsLast() ? i + 1 : i + 2; }
  }];
}

def NN_BatchNormOp : NN_PureOp<"batch_norm"> {
  let summary = "(x - mean) / sqrt(variance + epsilon) * scale + bias, per channel";
  let description = "Inference only. c1: the four vectors have the size of `channel_dim`.";
  let arguments = (ins NN_FloatTensor:$input, NN_FloatTensor:$scale, NN_FloatTensor:$bias,
                       NN_FloatTensor:$mean, NN_FloatTensor:$variance, F64Attr:$epsilon,
                       DefaultValuedAttr<I64Attr, "1">:$channel_dim);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = [{
    $input `,` $scale `,` $bias `,` $mean `,` $variance attr-dict
    `:` type($input) `,` type($scale) `,` type($bias) `,` type($mean) `,` type($variance) `->` type($result)
  }];
  let hasVerifier = 1;
}

def NN_NormOp : NN_PureOp<"norm", [AttrSizedOperandSegments, AttrSizedResultSegments]> {
  let summary = "layer, RMS, group and instance normalisation";
  let description = [{
    y = (x - mean) * rsqrt(var + epsilon) * scale + bias with statistics over `axes` (rms: no mean, the
    mean square for var). With `groups` G > 0, dim `channel_dim` is first split into G groups of
    consecutive channels and the statistics run over the rest of the group and `axes`. scale and bias
    have the sizes of `affine_dims` of the input, in order. Statistics are computed in `stat_type`
    (default f32). The optional results have the input's shape with `axes` of size 1.
    c1: groups divide C. c2: scale and bias fit `affine_dims`.
  }];
  let arguments = (ins NN_FloatTensor:$input, Optional<NN_FloatTensor>:$scale,
                       Optional<NN_FloatTensor>:$bias, NN_NormStatAttr:$stat, DenseI64ArrayAttr:$axes,
                       DefaultValuedAttr<I64Attr, "0">:$groups, DefaultValuedAttr<I64Attr, "1">:$channel_dim,
                       DenseI64ArrayAttr:$affine_dims, F64Attr:$epsilon, OptionalAttr<TypeAttr>:$stat_type);
  let results = (outs NN_FloatTensor:$result, Optional<NN_FloatTensor>:$mean,
                      Optional<NN_FloatTensor>:$inv_std);
  let assemblyFormat = [{
    $stat `(` $input (`scale` $scale^ `:` type($scale))? (`bias` $bias^ `:` type($bias))? `)` `axes` $axes
    attr-dict `:` functional-type($input, results)
  }];
  let hasVerifier = 1;
}

def NN_SoftmaxOp : NN_PureOp<"softmax"> {
  let summary = "exp(x - max) / sum over `axes`, or its logarithm";
  let description = [{
    Computed in `acc` (default f32). `nan_row = zero` replaces a row that is NaN by zeros.
    c1: axes are sorted, unique and in range.
  }];
  let arguments = (ins NN_FloatTensor:$input, DenseI64ArrayAttr:$axes, UnitAttr:$log,
                       DefaultValuedAttr<NN_NanRowAttr, "NanRow::keep">:$nan_row,
                       OptionalAttr<TypeAttr>:$acc);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = "$input `axes` $axes (`log` $log^)? attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

def NN_AttentionOp : NN_PureOp<"attention",
    [AttrSizedOperandSegments]> {
  let summary = "softmax(score(q . k)) . v without the score matrix";
  let description = [{
    Over the dims (b, h, g, m, n, d, e): batch, key heads, query heads per key head, query rows, keys,
    score width, value width. `maps` place them in query, key, value, result, then in each of the
    `score_inputs` and `mask_inputs`, in that order.
    s = scale * sum_d q k; the `score` region maps (s, b, h, g, m, n, score elements...) to a score and
    the `mask` region (b, h, g, m, n, mask elements...) to true where key n counts for row m; both may
    be empty. `empty_row` says what a row without keys gives (nan is what softmax of all -inf gives);
    `nan_row = zero` zeroes rows that are NaN. Accumulates in f32 (f64 for f64).
    c1: maps fit the operands. c2: sizes of a dim agree. c3: the mask yields i1, the score a float.
  }];
  let arguments = (ins NN_FloatTensor:$query, NN_FloatTensor:$key, NN_FloatTensor:$value,
                       Variadic<NN_Tensor>:$score_inputs, Variadic<NN_Tensor>:$mask_inputs,
                       AffineMapArrayAttr:$maps, F64Attr:$scale,
                       DefaultValuedAttr<NN_EmptyRowAttr, "EmptyRow::nan">:$empty_row,
                       DefaultValuedAttr<NN_NanRowAttr, "NanRow::keep">:$nan_row);
  let results = (outs NN_FloatTensor:$result, Optional<NN_FloatTensor>:$lse);
  let regions = (region MaxSizedRegion<1>:$score, MaxSizedRegion<1>:$mask);
  let assemblyFormat = [{
    $query `,` $key `,` $value (`score_inputs` `(` $score_inputs^ `:` type($score_inputs) `)`)?
    (`mask_inputs` `(` $mask_inputs^ `:` type($mask_inputs) `)`)? `scale` $scale `maps` $maps
    attr-dict-with-keyword `score` $score `mask` $mask
    `:` type($query) `,` type($key) `,` type($value) `->` type(results)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::AffineMap getMap(unsigned i) {
      return ::llvm::cast<::mlir::AffineMapAttr>(getMaps()[i]).getValue();
    }
    /// The loop of neighbouring elements of a tensor read or written under `map`: that of the innermost
    /// dim that is not 1; none where all are.
    static ::std::optional<unsigned> getInnermostLoop(::mlir::AffineMap map, ::mlir::ShapedType type);
  }];
}

def NN_RotaryOp : NN_PureOp<"rotary"> {
  let summary = "rotary position embedding of the first 2 * width elements of `dim`";
  let description = [{
    With pairs (x1, x2) = (x[i], x[i + width]), or (x[2i], x[2i + 1]) if `interleaved`:
    y1 = x1 cos - x2 sin, y2 = x1 sin + x2 cos; the rest of the dim passes through. `cos` and `sin` have
    the input's rank, size `width` on `dim`, and equal or 1 elsewhere. c1: 2 * width <= the dim.
  }];
  let arguments = (ins NN_FloatTensor:$input, NN_FloatTensor:$cos, NN_FloatTensor:$sin, I64Attr:$dim,
                       UnitAttr:$interleaved);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = [{
    $input `,` $cos `,` $sin `dim` $dim (`interleaved` $interleaved^)? attr-dict
    `:` type($input) `,` type($cos) `,` type($sin) `->` type($result)
  }];
  let hasVerifier = 1;
}

def NN_QuantizeOp : NN_PureOp<"quantize"> {
  let summary = "saturate(round_even(x / scale) + zero_point)";
  let description = [{
    scale and zero_point are scalars (rank 0), vectors along `axis`, or with `block` > 0 of the input's
    shape divided, rounded up, by `block` on `axis`. c1: zero_point has scale's shape and the result's
    element type.
  }];
  let arguments = (ins NN_FloatTensor:$input, NN_FloatTensor:$scale, Optional<NN_Tensor>:$zero_point,
                       DefaultValuedAttr<I64Attr, "0">:$axis, DefaultValuedAttr<I64Attr, "0">:$block,
                       DefaultValuedAttr<BoolAttr, "true">:$saturate);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $input `,` $scale (`,` $zero_point^ `:` type($zero_point))? attr-dict
    `:` type($input) `,` type($scale) `->` type($result)
  }];
  let hasVerifier = 1;
}

def NN_DequantizeOp : NN_PureOp<"dequantize"> {
  let summary = "(x - zero_point) * scale";
  let description = "Shapes as for quantize. c1: zero_point has scale's shape and the input's element type.";
  let arguments = (ins NN_Tensor:$input, NN_FloatTensor:$scale, Optional<NN_Tensor>:$zero_point,
                       DefaultValuedAttr<I64Attr, "0">:$axis, DefaultValuedAttr<I64Attr, "0">:$block);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = [{
    $input `,` $scale (`,` $zero_point^ `:` type($zero_point))? attr-dict
    `:` type($input) `,` type($scale) `->` type($result)
  }];
  let hasVerifier = 1;
}

def NN_ResizeOp : NN_PureOp<"resize", [AttrSizedOperandSegments]> {
  let summary = "interpolation to another size, as ONNX Resize defines it";
  let description = [{
    `axes` are resized: to `sizes` (of the result's dynamic dims), with the coordinate scale of each
    axis from `scales` (f64 attribute where static, else f32 scalar operands). `roi` (start and end per
    axis) only for tf_crop_and_resize. c1: scales are positive.
  }];
  let arguments = (ins NN_Tensor:$input, Variadic<Index>:$sizes, Variadic<F32>:$scales,
                       Optional<NN_Tensor>:$roi, DenseI64ArrayAttr:$axes,
                       OptionalAttr<DenseF64ArrayAttr>:$static_scales, NN_ResizeModeAttr:$mode,
                       NN_CoordinateModeAttr:$coordinate,
                       DefaultValuedAttr<NN_NearestModeAttr, "NearestMode::round_prefer_floor">:$nearest,
                       DefaultValuedAttr<F64Attr, "-0.75">:$cubic_a, UnitAttr:$exclude_outside,
                       UnitAttr:$antialias, DefaultValuedAttr<F64Attr, "0.0">:$extrapolation);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $mode `(` $input `)` `axes` $axes `[` $sizes `]` (`scales` $scales^)? (`roi` $roi^ `:` type($roi))?
    attr-dict `:` type($input) `->` type($result)
  }];
  let hasVerifier = 1;
}

/// A recurrence over time: what comes in, and the state and attributes that all have.
class NN_RecurrentOp<string mnemonic, dag inputs>
    : NN_PureOp<mnemonic, [AttrSizedOperandSegments]> {
  let arguments = !con(inputs,
      (ins NN_FloatTensor:$recurrent,
           Optional<NN_FloatTensor>:$bias, Optional<NN_IntTensor>:$lengths,
           Optional<NN_FloatTensor>:$initial_h, Optional<NN_FloatTensor>:$initial_c,
           Optional<NN_FloatTensor>:$peephole, NN_RnnCellAttr:$cell,
           NN_RnnDirectionAttr:$direction, OptionalAttr<StrArrayAttr>:$activations,
           OptionalAttr<DenseF64ArrayAttr>:$alphas, OptionalAttr<DenseF64ArrayAttr>:$betas,
           OptionalAttr<F64Attr>:$clip, UnitAttr:$linear_before_reset, UnitAttr:$input_forget));
  let results = (outs NN_FloatTensor:$y, NN_FloatTensor:$last_h, NN_FloatTensor:$last_c);
  let hasVerifier = 1;
}

def NN_RnnOp : NN_RecurrentOp<"rnn", (ins NN_FloatTensor:$input, NN_FloatTensor:$weight)> {
  let summary = "simple, LSTM or GRU recurrence over time, as ONNX defines it";
  let description = [{
    input (T, B, I), weight (D, G*H, I), recurrent (D, G*H, H), bias (D, 2*G*H), lengths (B) i32,
    initial_h and initial_c (D, B, H), peephole (D, 3*H); D directions, G gates: 1, 4 (i o f c), 3 (z r h).
    Results: y (T, D, B, H), last_h (D, B, H), last_c (LSTM; else unused and of last_h's type).
    `activations` names G' functions per direction (relu, tanh, sigmoid, ...; empty: the cell's own).
    c1: gate count fits the cell. c2: shapes agree. c3: activations are relu, tanh, sigmoid, softplus,
    softsign, leaky_relu, thresholded_relu, hard_sigmoid, elu, affine or scaled_tanh.
  }];
  let assemblyFormat = [{
    $cell $direction `(` $input `,` $weight `,` $recurrent (`bias` $bias^ `:` type($bias))?
    (`lengths` $lengths^ `:` type($lengths))? (`h` $initial_h^ `:` type($initial_h))?
    (`c` $initial_c^ `:` type($initial_c))? (`peephole` $peephole^ `:` type($peephole))? `)`
    attr-dict `:` type($input) `,` type($weight) `,` type($recurrent) `->` type(results)
  }];
}

def NN_RecurrenceOp : NN_RecurrentOp<"recurrence", (ins NN_FloatTensor:$products)> {
  let summary = "rnn, given the products of its input and weight";
  let description = [{
    What remains of `rnn` when one contraction has computed `products` (T, B, D, G*H), the input times
    the transposed weight, for all steps. Everything else is as in rnn.
  }];
  let assemblyFormat = [{
    $cell $direction `(` $products `,` $recurrent (`bias` $bias^ `:` type($bias))?
    (`lengths` $lengths^ `:` type($lengths))? (`h` $initial_h^ `:` type($initial_h))?
    (`c` $initial_c^ `:` type($initial_c))? (`peephole` $peephole^ `:` type($peephole))? `)`
    attr-dict `:` type($products) `,` type($recurrent) `->` type(results)
  }];
}

def NN_ScanOp : NN_PureOp<"scan"> {
  let summary = "running sum, product, max or min along `axis`";
  let description = "`exclusive` leaves out the element itself; `reverse` runs from the end.";
  let arguments = (ins NN_ScanKindAttr:$kind, NN_Tensor:$input, I64Attr:$axis, UnitAttr:$exclusive,
                       UnitAttr:$reverse);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $kind `(` $input `)` `axis` $axis (`exclusive` $exclusive^)? (`reverse` $reverse^)? attr-dict
    `:` type($input) `->` type($result)
  }];
  let hasVerifier = 1;
}

def NN_SortOp : NN_PureOp<"sort"> {
  let summary = "the first k elements along `axis` in order, and where they stood";
  let description = [{
    `k` is the size of the result's dim `axis` when that is dynamic. Ties keep the lower index first.
    NaN sorts as the largest value. c1: k is not above the dim.
  }];
  let arguments = (ins NN_Tensor:$input, Optional<Index>:$k, I64Attr:$axis, UnitAttr:$descending);
  let results = (outs NN_Tensor:$values, NN_Tensor:$indices);
  let assemblyFormat = [{
    $input (`k` $k^)? `axis` $axis (`descending` $descending^)? attr-dict `:` functional-type($input, results)
  }];
  let hasVerifier = 1;
}

def NN_NonzeroOp : NN_Op<"nonzero", [Pure, DeclareOpInterfaceMethods<NN_FusionRoleInterface>]> {
  let summary = "the coordinates of all elements that are not zero, in row-major order";
  let description = [{
    (rank, count) i64. `count` is known only when the op has run: the result's own `tensor.dim`, at
    most the number of elements.
  }];
  let arguments = (ins NN_Tensor:$input);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

def NN_NonzeroBoundedOp : NN_PureOp<"nonzero_bounded"> {
  let summary = "nonzero in a buffer of the upper bound, and how much of it counts";
  let description = [{
    What a kernel computes of `nonzero`: the first rank * count elements of `coordinates`, which has room
    for all elements of the input, are the (rank, count) result, row-major; the rest is undefined.
    c1: coordinates is (rank, elements) i64, count a scalar i64.
  }];
  let arguments = (ins NN_Tensor:$input);
  let results = (outs NN_Tensor:$coordinates, NN_Tensor:$count);
  let assemblyFormat = "$input attr-dict `:` functional-type($input, results)";
  let hasVerifier = 1;
}

def NN_CacheUpdateOp : NN_PureOp<"cache_update"> {
  let summary = "`dest` with `update` written along `axis` from a start per batch row";
  let description = [{
    start (B) or absent (0). `circular`: positions wrap around. c1: update is not longer than dest.
  }];
  let arguments = (ins NN_Tensor:$dest, NN_Tensor:$update, Optional<NN_IntTensor>:$start, I64Attr:$axis,
                       DefaultValuedAttr<I64Attr, "0">:$batch_axis, UnitAttr:$circular);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $update `into` $dest (`from` $start^ `:` type($start))? `axis` $axis (`circular` $circular^)? attr-dict
    `:` type($update) `into` type($dest) `->` type($result)
  }];
  let hasVerifier = 1;
}

#endif // DLC_DIALECT_NN_NNWHOLEOPS_TD
