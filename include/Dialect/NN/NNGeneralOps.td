// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// General ops: elementwise functions, reductions, contractions, views, gather and scatter.
#ifndef DLC_DIALECT_NN_NNGENERALOPS_TD
#define DLC_DIALECT_NN_NNGENERALOPS_TD

include "Dialect/NN/NNBase.td"
include "Dialect/NN/NNEnums.td"

def NN_ElementwiseOp : NN_PureOp<"elementwise"> {
  let summary = "one scalar function of the operands' elements at the same index";
  let description = [{
    `nn.elementwise add(%x, %bias) : (tensor<2x3xf32>, tensor<1x3xf32>) -> tensor<2x3xf32>`

    A result dim is any non-1 dim of an operand; where `maybe_broadcast` flags (operand, dim), the
    operand's size may turn out to be 1 at run time and is then repeated.
    c1: operands have the result's rank. c2: each operand dim equals the result's, is 1, or is flagged.
    c3: element types fit `fn` (see docs/nn-dialect.md). c4: `params` are exactly those of `fn`:
    leaky_relu{alpha} elu{alpha, scale, input_scale} silu{beta} hard_sigmoid{alpha, beta}
    softplus{beta, threshold} is_inf{negative, positive}.
  }];
  let arguments = (ins NN_FnAttr:$fn, Variadic<NN_Tensor>:$inputs,
                       OptionalAttr<DictionaryAttr>:$params,
                       OptionalAttr<TypedArrayAttrBase<DenseI64ArrayAttr, "dims per operand">>:$maybe_broadcast);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $fn `(` $inputs `)` (`maybe_broadcast` $maybe_broadcast^)? attr-dict `:` functional-type($inputs, $result)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The named parameter as a double; the op must have it.
    double getParam(::llvm::StringRef name);
    /// Whether dim `dim` of operand `operand` is flagged as perhaps 1 at run time.
    bool mayBroadcast(unsigned operand, int64_t dim);
  }];
}

def NN_CastOp : NN_PureOp<"cast"> {
  let summary = "conversion of each element to another type";
  let description = [{
    Float to narrower float rounds to nearest even; float to integer truncates, saturates, and maps NaN
    to 0; integer to integer wraps; anything to i1 is `x != 0`. c1: `saturate` only for f8 targets.
  }];
  let arguments = (ins NN_Tensor:$input, OptionalAttr<BoolAttr>:$saturate);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def NN_IotaOp : NN_PureOp<"iota"> {
  let summary = "each element is its own index along `dim`";
  let description = "`sizes` are those of the result's dynamic dims. c1: `dim` is smaller than the rank.";
  let arguments = (ins Variadic<Index>:$sizes, I64Attr:$dim);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$dim `(` $sizes `)` attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def NN_ReduceOp : NN_PureOp<"reduce"> {
  let summary = "combine all elements along `axes`, which leave the shape";
  let description = [{
    `nn.reduce sum(%x) axes [1] : tensor<2x3xf32> -> tensor<2xf32>`

    Of nothing: sum 0, mean NaN, prod 1, max the type's lowest (-inf), min its highest, all true, any
    false. argmax and argmin take one axis, give the first such index (`select_last`: the last) as i64,
    and the first NaN wins. max and min propagate NaN. `acc` is the type of accumulation (default f32
    for floats below f64, the type itself otherwise).
    c1: axes are sorted, unique and in range. c2: `kind` fits the type.
  }];
  let arguments = (ins NN_ReduceKindAttr:$kind, NN_Tensor:$input, DenseI64ArrayAttr:$axes,
                       UnitAttr:$select_last, OptionalAttr<TypeAttr>:$acc);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $kind `(` $input `)` `axes` $axes (`select_last` $select_last^)? attr-dict `:` type($input) `->` type($result)
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def NN_ContractOp : NN_PureOp<"contract", [AttrSizedOperandSegments]> {
  let summary = "sum of products over the dims that the result lacks";
  let description = [{
    `nn.contract %a, %b maps [(m, n, k) -> (m, k), (m, n, k) -> (k, n), (m, n, k) -> (m, n)]`
    is a matrix product; batched, transposed and grouped products and every two-operand einsum have
    their own maps. Accumulates in `acc` and rounds once to the result's type. `lhs_zero` and
    `rhs_zero` (scalars, or vectors along the operand's non-reduced dim) are subtracted from 8-bit
    operands first.
    c1: maps are projected permutations. c2: a dim has the same size in every operand.
    c3: each dim is in an operand, each result dim in an operand. c4: zero points only on integers.
  }];
  let arguments = (ins NN_Tensor:$lhs, NN_Tensor:$rhs, Optional<NN_Tensor>:$lhs_zero,
                       Optional<NN_Tensor>:$rhs_zero, AffineMapArrayAttr:$maps,
                       OptionalAttr<TypeAttr>:$acc);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $lhs `,` $rhs (`lhs_zero` $lhs_zero^ `:` type($lhs_zero))? (`rhs_zero` $rhs_zero^ `:` type($rhs_zero))?
    `maps` $maps attr-dict `:` type($lhs) `,` type($rhs) `->` type($result)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::AffineMap getMap(unsigned i) {
      return ::llvm::cast<::mlir::AffineMapAttr>(getMaps()[i]).getValue();
    }
    unsigned getNumDims() { return getMap(0).getNumDims(); }
    bool isReduction(unsigned dim) { return !getMap(2).isFunctionOfDim(dim); }
  }];
}

def NN_ReshapeOp : NN_PureOp<"reshape"> {
  let summary = "the same elements, in row-major order, in another shape";
  let description = [{
    `sizes` are those of the result's dynamic dims. c1: the element counts agree (statically, or by a
    `check` that the importer placed).
  }];
  let arguments = (ins NN_Tensor:$input, Variadic<Index>:$sizes);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input `[` $sizes `]` attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
  let hasCanonicalizeMethod = 1;
}

def NN_TransposeOp : NN_PureOp<"transpose"> {
  let summary = "result dim i is input dim permutation[i]";
  let description = "c1: `permutation` is a permutation of the input's dims.";
  let arguments = (ins NN_Tensor:$input, DenseI64ArrayAttr:$permutation);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input $permutation attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def NN_BroadcastOp : NN_PureOp<"broadcast"> {
  let summary = "repeat along dims of size 1";
  let description = [{
    `sizes` are those of the result's dynamic dims. `maybe_broadcast` lists input dims that may be 1 at
    run time. c1: equal ranks. c2: each input dim equals the result's, is 1, or is flagged.
  }];
  let arguments = (ins NN_Tensor:$input, Variadic<Index>:$sizes,
                       OptionalAttr<DenseI64ArrayAttr>:$maybe_broadcast);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $input `[` $sizes `]` (`maybe_broadcast` $maybe_broadcast^)? attr-dict `:` type($input) `->` type($result)
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def NN_SliceOp : NN_PureOp<"slice", [AttrSizedOperandSegments]> {
  let summary = "elements offset + i * stride of each dim, for i below size";
  let description = [{
    `nn.slice %x[0, %o] [2, %n] [1, -1] : tensor<4x?xf32> -> tensor<2x?xf32>`. A negative stride walks
    backwards from `offset`. c1: every element read lies in range. c2: strides are not 0.
  }];
  let arguments = (ins NN_Tensor:$input, Variadic<Index>:$offsets, Variadic<Index>:$sizes,
                       Variadic<Index>:$strides, DenseI64ArrayAttr:$static_offsets,
                       DenseI64ArrayAttr:$static_sizes, DenseI64ArrayAttr:$static_strides);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $input `` custom<DynamicIndexList>($offsets, $static_offsets)
    custom<DynamicIndexList>($sizes, $static_sizes) custom<DynamicIndexList>($strides, $static_strides)
    attr-dict `:` type($input) `->` type($result)
  }];
  let builders = [
    OpBuilder<(ins "::mlir::Value":$input, "::llvm::ArrayRef<::mlir::OpFoldResult>":$offsets,
                   "::llvm::ArrayRef<::mlir::OpFoldResult>":$sizes,
                   "::llvm::ArrayRef<::mlir::OpFoldResult>":$strides)>];
  let extraClassDeclaration = [{
    ::llvm::SmallVector<::mlir::OpFoldResult> getMixedOffsets();
    ::llvm::SmallVector<::mlir::OpFoldResult> getMixedSizes();
    ::llvm::SmallVector<::mlir::OpFoldResult> getMixedStrides();
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def NN_InsertSliceOp : NN_PureOp<"insert_slice", [AttrSizedOperandSegments]> {
  let summary = "`dest` with the elements offset + i * stride of each dim taken from `source`";
  let description = "c1, c2 as for slice, on `dest`. The sizes are those of `source`.";
  let arguments = (ins NN_Tensor:$dest, NN_Tensor:$source, Variadic<Index>:$offsets,
                       Variadic<Index>:$strides, DenseI64ArrayAttr:$static_offsets,
                       DenseI64ArrayAttr:$static_strides);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $source `into` $dest `` custom<DynamicIndexList>($offsets, $static_offsets)
    custom<DynamicIndexList>($strides, $static_strides)
    attr-dict `:` type($source) `into` type($dest) `->` type($result)
  }];
  let extraClassDeclaration = [{
    ::llvm::SmallVector<::mlir::OpFoldResult> getMixedOffsets();
    ::llvm::SmallVector<::mlir::OpFoldResult> getMixedStrides();
  }];
  let hasVerifier = 1;
}

def NN_PadOp : NN_PureOp<"pad", [AttrSizedOperandSegments]> {
  let summary = "a border of `low` and `high` elements around each dim";
  let description = [{
    `value` (a scalar tensor, default 0) fills the border in mode constant.
    c1: low and high are not negative. c2: reflect needs a border smaller than the dim, wrap one that is
    not larger.
  }];
  let arguments = (ins NN_Tensor:$input, Optional<NN_Tensor>:$value, Variadic<Index>:$low,
                       Variadic<Index>:$high, DenseI64ArrayAttr:$static_low,
                       DenseI64ArrayAttr:$static_high, NN_PadModeAttr:$mode);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $mode `(` $input (`,` $value^ `:` type($value))? `)` `low` custom<DynamicIndexList>($low, $static_low)
    `high` custom<DynamicIndexList>($high, $static_high) attr-dict `:` type($input) `->` type($result)
  }];
  let builders = [
    OpBuilder<(ins "::mlir::Value":$input, "::mlir::Value":$value,
                   "::llvm::ArrayRef<::mlir::OpFoldResult>":$low,
                   "::llvm::ArrayRef<::mlir::OpFoldResult>":$high, "::dlc::nn::PadMode":$mode)>];
  let extraClassDeclaration = [{
    ::llvm::SmallVector<::mlir::OpFoldResult> getMixedLow();
    ::llvm::SmallVector<::mlir::OpFoldResult> getMixedHigh();
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def NN_ConcatOp : NN_PureOp<"concat"> {
  let summary = "the inputs one after the other along `axis`";
  let description = "c1: all other dims agree.";
  let arguments = (ins Variadic<NN_Tensor>:$inputs, I64Attr:$axis);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "`axis` $axis `(` $inputs `)` attr-dict `:` functional-type($inputs, $result)";
  let builders = [OpBuilder<(ins "::mlir::ValueRange":$inputs, "int64_t":$axis)>];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def NN_GatherOp : NN_PureOp<"gather", [AttrSizedOperandSegments]> {
  let summary = "elements of the input at computed places";
  let description = [{
    result[l] = input[p] for each index l of the result, where p takes, for input dim
    `indexed_dims[i]`, the element of `indices[i]` at `index_maps[i](l)`, and for the other input dims,
    in order, the results of `input_map(l)`.

    Rows 3 and 1 of a table: `nn.gather %table, (%i) indexed [0] index_maps [(r, c) -> (r)]
    input_map (r, c) -> (c)`. `index_maps` may hold constants (the last dim of GatherND).
    `negative_wrap`: a negative index counts from the end. `bounds`: error (checked where the importer
    could not prove it), clamp, or zero.
    c1: each input dim has an index operand or a result of `input_map`. c2: indices are integers.
    c3: the maps' domain is the result's index space.
  }];
  let arguments = (ins NN_Tensor:$input, Variadic<NN_IntTensor>:$indices, DenseI64ArrayAttr:$indexed_dims,
                       AffineMapArrayAttr:$index_maps, AffineMapAttr:$input_map, Variadic<Index>:$sizes,
                       UnitAttr:$negative_wrap, NN_BoundsModeAttr:$bounds);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $input `,` `(` $indices `)` `indexed` $indexed_dims `index_maps` $index_maps `input_map` $input_map
    `[` $sizes `]` (`negative_wrap` $negative_wrap^)? `bounds` $bounds attr-dict
    `:` type($input) `,` `(` type($indices) `)` `->` type($result)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::AffineMap getIndexMap(unsigned i) {
      return ::llvm::cast<::mlir::AffineMapAttr>(getIndexMaps()[i]).getValue();
    }
  }];
}

def NN_ScatterOp : NN_PureOp<"scatter"> {
  let summary = "`dest` changed at computed places";
  let description = [{
    For each index l of `updates`, in row-major order: dest[p] becomes kind(dest[p], updates[l]), where
    p takes, for dest dim `indexed_dims[i]`, the element of `indices[i]` at `index_maps[i](l)`, and for
    the other dest dims, in order, the results of `dest_map(l)`. Of several assignments to one place the
    last wins; `unique_indices` promises that there are none. c1 to c3 as for gather.
  }];
  let arguments = (ins NN_Tensor:$dest, NN_Tensor:$updates, Variadic<NN_IntTensor>:$indices,
                       NN_ScatterKindAttr:$kind, DenseI64ArrayAttr:$indexed_dims,
                       AffineMapArrayAttr:$index_maps, AffineMapAttr:$dest_map, UnitAttr:$negative_wrap,
                       UnitAttr:$unique_indices);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $kind $updates `into` $dest `,` `(` $indices `)` `indexed` $indexed_dims `index_maps` $index_maps
    `dest_map` $dest_map (`negative_wrap` $negative_wrap^)? (`unique` $unique_indices^)? attr-dict
    `:` type($updates) `into` type($dest) `,` `(` type($indices) `)` `->` type($result)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::AffineMap getIndexMap(unsigned i) {
      return ::llvm::cast<::mlir::AffineMapAttr>(getIndexMaps()[i]).getValue();
    }
  }];
}

#endif // DLC_DIALECT_NN_NNGENERALOPS_TD
