// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The program level: the tables of the binary's header, and code on addresses.
#ifndef DLC_DIALECT_RT_RTPROGRAMOPS_TD
#define DLC_DIALECT_RT_RTPROGRAMOPS_TD

include "Dialect/RT/RTAttrs.td"
include "Dialect/RT/RTBase.td"
include "Dialect/RT/RTTypes.td"

def RT_ProgramOp : RT_Op<"program", [Symbol, IsolatedFromAbove, NoRegionArguments, SingleBlock, NoTerminator]> {
  let summary = "one model: what its header says, and its host code";
  let description = [{
    ```mlir
    rt.program @main arena 4096 bound 4096 weights 256 {
      rt.symbol "batch" min 1 max 32 divisor 1
      rt.input "x" : tensor<?x8xf32> ["batch"]
      rt.output "y" : tensor<?x8xf32> ["batch"]
      rt.buffer bytes 1024 steps [0, 1] offset 0
      rt.size {
        %n = rt.input_dim 0[0]
        rt.set_output_dim 0[0], %n
      }
      rt.run { ... }
    }
    ```
    The tables' records are ops; their place among ops of the same kind is their index, and the code
    names them by it. See runtime/include/dlc/format.h for what the records mean, exec.h for the code.

    With `arena` there is a plan: every buffer that is not late has an offset, which holds for every
    accepted shape; `arena` is the bytes of all together, `bound` the most bytes live in one step. `weights`: bytes of all
    parameters, which `rt.param_address` places. `on_device`: all addresses are a GPU's, and so are the kernels.

    c1: there is one `rt.run`, and at most one `rt.size`. c2: an index in the code has a record.
    c3: with a plan, each buffer of known bytes has an offset and none is sized at run time.
    c4: without `rt.size`, no dim of an output is dynamic and no buffer has `at_sizing`.
    c5: a symbol in a dim has a record.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, OptionalAttr<I64Attr>:$arena_bytes,
                       OptionalAttr<I64Attr>:$arena_lower_bound,
                       DefaultValuedAttr<I64Attr, "0">:$weights_bytes, UnitAttr:$on_device);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $sym_name (`arena` $arena_bytes^ `bound` $arena_lower_bound)?
    `weights` $weights_bytes (`on_device` $on_device^)? attr-dict-with-keyword $body
  }];
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    /// The records of one kind, in order.
    template <typename OpT> ::llvm::SmallVector<OpT> getRecords() {
      auto ops = getBody().getOps<OpT>();
      return ::llvm::SmallVector<OpT>(ops.begin(), ops.end());
    }
    /// The sizing function; null when nothing depends on sizes.
    ::dlc::rt::SizeOp getSize();
    ::dlc::rt::RunOp getRun();
    /// All checks, in the order of the header's table: sizing before run.
    ::llvm::SmallVector<::dlc::rt::CheckOp> getChecks();
  }];
}

class RT_RecordOp<string mnemonic> : RT_Op<mnemonic, [HasParent<"ProgramOp">]>;

def RT_SymbolOp : RT_RecordOp<"symbol"> {
  let summary = "a size that dims of inputs and outputs share";
  let description = "min <= size <= max, a multiple of divisor; max -1: no bound.";
  let arguments = (ins StrAttr:$name, I64Attr:$min, I64Attr:$max, I64Attr:$divisor);
  let assemblyFormat = "$name `min` $min `max` $max `divisor` $divisor attr-dict";
  let hasVerifier = 1;
}

class RT_ValueRecordOp<string mnemonic> : RT_RecordOp<mnemonic> {
  let arguments = (ins StrAttr:$name, TypeAttrOf<RT_Tensor>:$type, StrArrayAttr:$dims);
  let assemblyFormat = "$name `:` $type $dims attr-dict";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::RankedTensorType getTensorType() { return ::llvm::cast<::mlir::RankedTensorType>(getType()); }
  }];
}
def RT_InputOp : RT_ValueRecordOp<"input"> {
  let summary = "an input of the model";
  let description = [{
    `dims` has, per dynamic dim, the name of its symbol, or "" for a size of its own.
    c1: there is an entry per dynamic dim.
  }];
}
def RT_OutputOp : RT_ValueRecordOp<"output"> {
  let summary = "an output of the model";
  let description = [{
    As for `rt.input`. `late`: its memory comes from `rt.late_output_address`, once the run knows its size.
    c1: there is an entry per dynamic dim.
  }];
  let arguments = (ins StrAttr:$name, TypeAttrOf<RT_Tensor>:$type, StrArrayAttr:$dims, UnitAttr:$late);
  let assemblyFormat = "$name `:` $type $dims (`late` $late^)? attr-dict";
}

def RT_BufferOp : RT_RecordOp<"buffer"> {
  let summary = "memory of a run";
  let description = [{
    `bytes` in the arena, or `at_sizing`: as many as the sizing function says, or `late`: allocated by
    `rt.late_address`. Buffers share memory unless their inclusive step ranges overlap; the steps are
    the launches and copies of the run, counted from 0. `offset` is the place in the arena.
    c1: exactly one of `bytes`, `at_sizing`, `late`. c2: 0 <= first <= last. c3: late has no offset.
  }];
  let arguments = (ins OptionalAttr<I64Attr>:$bytes, UnitAttr:$at_sizing, UnitAttr:$late, I64Attr:$first,
                       I64Attr:$last, OptionalAttr<I64Attr>:$offset);
  let assemblyFormat = [{
    (`bytes` $bytes^)? (`at_sizing` $at_sizing^)? (`late` $late^)? `steps` ` ` `[` $first `,` $last `]`
    (`offset` $offset^)? attr-dict
  }];
  let hasVerifier = 1;
}

class RT_FunctionOp<string mnemonic> : RT_Op<mnemonic, [HasParent<"ProgramOp">, NoRegionArguments, SingleBlock, NoTerminator]> {
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "attr-dict-with-keyword $body";
}
def RT_SizeOp : RT_FunctionOp<"size"> {
  let summary = "the sizing function: output dims and buffer bytes from input dims";
  let description = "Sees input dims only. Does the checks that depend on nothing else.";
}
def RT_RunOp : RT_FunctionOp<"run"> {
  let summary = "the run function: does the work, after the sizing function";
}

// Code. Every op with an effect stays in its place.
class RT_CodeOp<string mnemonic, list<Trait> traits = []> : RT_Op<mnemonic, traits>;
class RT_EffectOp<string mnemonic, list<Trait> traits = []>
    : RT_CodeOp<mnemonic, !listconcat([MemoryEffects<[MemRead, MemWrite]>], traits)>;

def RT_InputDimOp : RT_CodeOp<"input_dim", [Pure]> {
  let summary = "the size of an input's dim";
  let arguments = (ins I64Attr:$input, I64Attr:$dim);
  let results = (outs Index:$result);
  let assemblyFormat = "$input `[` $dim `]` attr-dict";
}

def RT_SetOutputDimOp : RT_EffectOp<"set_output_dim"> {
  let summary = "say the size of an output's dim; -1: the run will";
  let arguments = (ins I64Attr:$output, I64Attr:$dim, Index:$size);
  let assemblyFormat = "$output `[` $dim `]` `,` $size attr-dict";
}

def RT_SetBufferBytesOp : RT_EffectOp<"set_buffer_bytes", [ParentOneOf<["SizeOp"]>]> {
  let summary = "say the bytes of a buffer that is sized at run time";
  let arguments = (ins I64Attr:$buffer, Index:$size);
  let assemblyFormat = "$buffer `,` $size attr-dict";
}

class RT_PlaceOp<string mnemonic> : RT_CodeOp<mnemonic, [Pure, ParentOneOf<["RunOp"]>]> {
  let arguments = (ins I64Attr:$index);
  let results = (outs RT_AddressType:$result);
  let assemblyFormat = "$index attr-dict";
}
def RT_InputAddressOp : RT_PlaceOp<"input_address"> {
  let summary = "the caller's memory of an input";
}
def RT_OutputAddressOp : RT_PlaceOp<"output_address"> {
  let summary = "the caller's memory of an output that is not late";
}
def RT_ArenaAddressOp : RT_PlaceOp<"arena_address"> {
  let summary = "a buffer's place in the arena";
}
def RT_ParamAddressOp : RT_CodeOp<"param_address", [Pure, ParentOneOf<["RunOp"]>]> {
  let summary = "a parameter's place in the mapped weights";
  let description = "`offset` in bytes, a multiple of 64. The same param has the same offset everywhere.";
  let arguments = (ins FlatSymbolRefAttr:$param, I64Attr:$offset);
  let results = (outs RT_AddressType:$result);
  let assemblyFormat = "$param `at` $offset attr-dict";
}

class RT_LateMemoryOp<string mnemonic> : RT_EffectOp<mnemonic, [ParentOneOf<["RunOp"]>]> {
  let arguments = (ins I64Attr:$index, Index:$size);
  let results = (outs RT_AddressType:$result);
  let assemblyFormat = "$index `,` $size attr-dict";
}
def RT_LateAddressOp : RT_LateMemoryOp<"late_address"> {
  let summary = "memory for a late buffer; its former memory is gone";
  let description = "`size` in bytes. The run ends when there is no memory.";
}
def RT_LateOutputAddressOp : RT_LateMemoryOp<"late_output_address"> {
  let summary = "memory for a late output";
  let description = "`size` in bytes. The run ends when there is no memory.";
}

def RT_LaunchOp : RT_EffectOp<"launch", [AttrSizedOperandSegments, ParentOneOf<["RunOp"]>]> {
  let summary = "run all items of a kernel, and wait for them (on a GPU: in the order of the launches)";
  let description = [{
    Operands and attributes are those of `rt.dispatch`: one address per input, then one per result. Its
    place among the launches is its index in the header's dispatch table; its location names the nodes.
    c1: `maps` only with `threads`, each of one of the buffers. c2: one map size per `?`.
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<RT_AddressType>:$buffers, Variadic<Index>:$sizes,
                       Index:$items, Index:$work, Optional<Index>:$scratch, Variadic<Index>:$map_sizes,
                       DefaultValuedAttr<I64Attr, "-1">:$flops, DefaultValuedAttr<I64Attr, "-1">:$bytes,
                       OptionalAttr<I64Attr>:$threads, OptionalAttr<I64Attr>:$shared_bytes,
                       OptionalAttr<I64Attr>:$cluster, OptionalAttr<RT_TensorMapArrayAttr>:$maps);
  let assemblyFormat = [{
    $kernel `(` $buffers `)` (`sizes` `(` $sizes^ `)`)? `items` `(` $items `)` `work` `(` $work `)`
    (`scratch` `(` $scratch^ `)`)? (`maps` $maps^)? (`(` $map_sizes^ `)`)? attr-dict
  }];
  let hasVerifier = 1;
}

def RT_CopyOp : RT_EffectOp<"copy", [ParentOneOf<["RunOp"]>]> {
  let summary = "copy bytes; the places do not overlap";
  let arguments = (ins RT_AddressType:$source, RT_AddressType:$target, Index:$size);
  let assemblyFormat = "$source `to` $target `,` $size attr-dict";
}

def RT_LoadOp : RT_EffectOp<"load", [ParentOneOf<["RunOp"]>]> {
  let summary = "one element, read by the host";
  let description = [{
    `place` counts elements. i1 is stored as a byte.
    c1: the element is an integer of 1, 8, 16, 32 or 64 bits, or a float of 16, 32 or 64 bits.
  }];
  let arguments = (ins RT_AddressType:$address, Index:$place);
  let results = (outs AnyTypeOf<[I1, AnyI8, AnyI16, AnyI32, AnyI64, F16, BF16, F32, F64]>:$result);
  let assemblyFormat = "$address `[` $place `]` attr-dict `:` type($result)";
}

def RT_CheckOp : RT_EffectOp<"check"> {
  let summary = "end the run with a message unless the condition holds";
  let description = [{
    `{0}`, `{1}`, ... in the message stand for `values`. `status` is what the run gives, of
    runtime/include/dlc/dlc.h's dlc_status. c1: `status` is not 0.
  }];
  let arguments = (ins I1:$condition, StrAttr:$message, Variadic<Index>:$values,
                       DefaultValuedAttr<I32Attr, "1">:$status);
  let assemblyFormat = "$condition `,` $message (`(` $values^ `)`)? attr-dict";
  let hasVerifier = 1;
}

#endif // DLC_DIALECT_RT_RTPROGRAMOPS_TD
