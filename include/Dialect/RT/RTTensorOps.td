// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The tensor level: executions of kernels before memory is assigned.
#ifndef DLC_DIALECT_RT_RTTENSOROPS_TD
#define DLC_DIALECT_RT_RTTENSOROPS_TD

include "Dialect/RT/RTAttrs.td"
include "Dialect/RT/RTBase.td"

def RT_DispatchOp : RT_Op<"dispatch", [Pure, AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<SymbolUserOpInterface>,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "one execution of a kernel on tensors";
  let description = [{
    ```mlir
    %y = rt.dispatch @conv_0(%x, %w) sizes(%n) result_sizes(%n) items(%items) work(%ns) scratch(%bytes)
        {flops = 2359296 : i64, bytes = 40960 : i64}
        : (tensor<?x3x8x8xf32>, tensor<16x3x3x3xf32>) -> tensor<?x16x8x8xf32>
    ```

    `kernel` names a function of the module `@kernels`, whose parameters are one buffer per input, one
    per result, one index per size, begin, end, scratch. `result_sizes` are the sizes of the results'
    dynamic dims, in order; where only the run finds a size, its upper bound stands there and an
    `rt.shrink` follows. `items` is the number of work items (any partition gives the same bits), `work`
    the estimated nanoseconds of all of them on one core, `scratch` the bytes of memory that each worker needs (none: 0). `flops` and
    `bytes` (moved from and to memory) are estimates for the report; -1: unknown.
    `ties` has an entry per result: the input whose memory the result may take over when nothing else
    uses that memory any more, or -1. The kernel then reads an element of that input no later than it
    writes the same place of the result, within one work item.
    The location names the model's nodes.

    With `threads`, the kernel is a GPU's: it has one parameter per buffer and size, and one for scratch if
    there is any; `items` are its blocks of `threads` threads each, with `shared_bytes` of dynamic shared
    memory, in clusters of `cluster` blocks, and `scratch` the bytes of memory that all blocks share.

    Such a kernel may have `maps`: tensors, of inputs or results, that it copies by bulk tensor copies, with
    a parameter for each behind those of the sizes. `map_sizes` are the values for `?` in them, map by map.

    c1: one result size per dynamic dim of the results. c2: the kernel, where `@kernels` exists, has that
    many buffers, sizes and maps. c3: `ties` has an entry per result, each -1 or an input. c4: `maps` only
    with `threads`, each of an input or a result. c5: one map size per `?`.
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<RT_Tensor>:$inputs, Variadic<Index>:$sizes,
                       Variadic<Index>:$result_sizes, Index:$items, Index:$work,
                       Optional<Index>:$scratch, Variadic<Index>:$map_sizes,
                       DefaultValuedAttr<I64Attr, "-1">:$flops, DefaultValuedAttr<I64Attr, "-1">:$bytes,
                       OptionalAttr<DenseI64ArrayAttr>:$ties,
                       OptionalAttr<I64Attr>:$threads, OptionalAttr<I64Attr>:$shared_bytes,
                       OptionalAttr<I64Attr>:$cluster, OptionalAttr<RT_TensorMapArrayAttr>:$maps);
  let results = (outs Variadic<RT_Tensor>:$outputs);
  let assemblyFormat = [{
    $kernel `(` $inputs `)` (`sizes` `(` $sizes^ `)`)? (`result_sizes` `(` $result_sizes^ `)`)?
    `items` `(` $items `)` `work` `(` $work `)`
    (`scratch` `(` $scratch^ `)`)? (`maps` $maps^)? (`(` $map_sizes^ `)`)? attr-dict `:` functional-type($inputs, $outputs)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The sizes of the dynamic dims of result `i`.
    ::mlir::ValueRange getSizesOfResult(unsigned i);
    /// The input whose memory result `i` may take over, or -1.
    int64_t getTie(unsigned i) { return getTies() ? (*getTies())[i] : -1; }
  }];
}

def RT_ShrinkOp : RT_Op<"shrink", [Pure,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "the part of a tensor that its kernel found to have written";
  let description = [{
    ```mlir
    %bound:2 = rt.dispatch @nonzero(%x) result_sizes(%elements) ... -> (tensor<2x?xi64>, tensor<i64>)
    %count = tensor.extract %bound#1[] : tensor<i64>
    %n = arith.index_cast %count : i64 to index
    %r = rt.shrink %bound#0[%n] : tensor<2x?xi64> -> tensor<2x?xi64>
    ```

    The path of results whose size the data decides. The kernel gets a buffer of the upper bound and
    writes the elements of the smaller tensor densely, row-major, to its front; a scalar i64 result says
    how many there are. `sizes` are those of the result's dynamic dims, none above the bound. The memory
    is the same, so nothing moves.
    c1: input and result have one element type and rank; a static size stays.
  }];
  let arguments = (ins RT_Tensor:$input, Variadic<Index>:$sizes);
  let results = (outs RT_Tensor:$result);
  let assemblyFormat = "$input `[` $sizes `]` attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

#endif // DLC_DIALECT_RT_RTTENSOROPS_TD
