// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Structure: parameters, symbolic sizes, checks, fusion groups and dispatches.
#ifndef DLC_DIALECT_NN_NNSTRUCTUREOPS_TD
#define DLC_DIALECT_NN_NNSTRUCTUREOPS_TD

include "Dialect/NN/NNBase.td"

def NN_ParamOp : NN_Op<"param", [Symbol]> {
  let summary = "a model parameter: bytes of a file and what is done to them";
  let description = [{
    `nn.param @w : tensor<64x3xf32> = (#nn.data<"m.onnx", offset = 64, bytes = 768>) : tensor<3x64xf32>
     transforms [#nn.permute<1, 0>]`

    `data` is a #nn.data of type `source_type`, or an elements attribute (small, or a splat). The
    transforms are applied in order, once, when the binary is written. Parameters above 64 elements
    are params; smaller ones are arith.constant.
    c1: the transforms lead from the source type to the param's type.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<NN_Tensor>:$type, AnyAttr:$data,
                       TypeAttrOf<NN_Tensor>:$source_type,
                       DefaultValuedAttr<ArrayAttr, "{}">:$transforms);
  let assemblyFormat = [{
    $sym_name `:` $type `=` `(` $data `)` `:` $source_type (`transforms` $transforms^)? attr-dict
  }];
  let hasVerifier = 1;
}

def NN_ParamRefOp : NN_Op<"param_ref", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "the value of a param";
  let arguments = (ins FlatSymbolRefAttr:$param);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$param attr-dict `:` type($result)";
}

def NN_SymDimOp : NN_Op<"sym_dim", [Pure]> {
  let summary = "a named size of the model's inputs";
  let description = [{
    The same name is the same size everywhere. `max` -1: no bound. `hint`: the size to optimise for, 0
    if none is given.
  }];
  let arguments = (ins StrAttr:$name, DefaultValuedAttr<I64Attr, "0">:$min,
                       DefaultValuedAttr<I64Attr, "-1">:$max, DefaultValuedAttr<I64Attr, "1">:$divisor,
                       DefaultValuedAttr<I64Attr, "0">:$hint);
  let results = (outs Index:$result);
  let assemblyFormat = "$name attr-dict";
  let hasVerifier = 1;
}

def NN_BindShapeOp : NN_Op<"bind_shape", [MemoryEffects<[MemWrite]>]> {
  let summary = "states that an entry argument's dims are these sizes";
  let description = "One index per dim. The runtime checks it before the run. Only at entries.";
  let arguments = (ins NN_Tensor:$input, Variadic<Index>:$sizes);
  let assemblyFormat = "$input `[` $sizes `]` attr-dict `:` type($input)";
  let hasVerifier = 1;
}

def NN_CheckOp : NN_Op<"check", [MemoryEffects<[MemWrite]>]> {
  let summary = "stop the run with a message unless the condition holds";
  let description = "`{0}`, `{1}`, ... in the message stand for `values`. Neither dropped nor moved over another.";
  let arguments = (ins I1:$condition, StrAttr:$message, Variadic<Index>:$values);
  let assemblyFormat = "$condition `,` $message (`(` $values^ `)`)? attr-dict";
  let hasCanonicalizeMethod = 1;
}

def NN_FusedOp : NN_Op<"fused", [SingleBlockImplicitTerminator<"YieldOp">, RecursiveMemoryEffects,
                                 DeclareOpInterfaceMethods<NN_FusionRoleInterface>]> {
  let summary = "nn ops that become one kernel";
  let description = [{
    One block of nn ops that captures its inputs implicitly. The op that carries the unit attribute
    `nn.root` is the one whose schedule rules the kernel. Made by fusion only; other patterns do not
    enter it.
  }];
  let results = (outs Variadic<NN_Tensor>:$outputs);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "attr-dict-with-keyword `->` type($outputs) $body";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::Operation *getRootOp();
  }];
}

def NN_DispatchOp : NN_Op<"dispatch", [IsolatedFromAbove, SingleBlockImplicitTerminator<"YieldOp">, Pure,
                                       AttrSizedOperandSegments,
                                       DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "one kernel launch: isolated nn ops on explicit operands";
  let description = [{
    Block arguments are the tensor `inputs`, then the index `sizes`. `result_sizes` are the sizes of the
    results' dynamic dims, in order. The op that carries the unit attribute `nn.root` is the one that
    rules the kernel; `schedule` is what the kernel follows: #nn.gemm_schedule, #nn.conv_schedule.
    Dispatches with equal bodies and schedules share one kernel.
  }];
  let arguments = (ins Variadic<NN_Tensor>:$inputs, Variadic<Index>:$sizes, Variadic<Index>:$result_sizes,
                       OptionalAttr<AnyAttr>:$schedule);
  let results = (outs Variadic<NN_Tensor>:$outputs);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    `(` $inputs `)` `sizes` `(` $sizes `)` `result_sizes` `(` $result_sizes `)`
    (`schedule` `(` $schedule^ `)`)? attr-dict-with-keyword `:` functional-type($inputs, $outputs) $body
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::Operation *getRootOp();
  }];
}

def NN_PackedOp : NN_PureOp<"packed"> {
  let summary = "the tensor that these transforms turn into the operand";
  let description = [{
    Inside a dispatch: a contraction's or convolution's constant operand, which the kernel reads in the
    layout its schedule asks for. `transforms` are those of nn.param.
    c1: the transforms lead from the result's type to the input's.
  }];
  let arguments = (ins NN_Tensor:$input, ArrayAttr:$transforms);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input `by` $transforms attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

def NN_YieldOp : NN_Op<"yield", [Pure, ReturnLike, Terminator]> {
  let summary = "the values of a region";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
  let builders = [OpBuilder<(ins), [{ build($_builder, $_state, ::mlir::ValueRange{}); }]>];
}

#endif // DLC_DIALECT_NN_NNSTRUCTUREOPS_TD
