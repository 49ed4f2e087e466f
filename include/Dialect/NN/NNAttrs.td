// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Where a parameter's bytes lie and what is done to them when the binary is written.
#ifndef DLC_DIALECT_NN_NNATTRS_TD
#define DLC_DIALECT_NN_NNATTRS_TD

include "mlir/IR/AttrTypeBase.td"
include "Dialect/NN/NNEnums.td"

class NN_Attr<string name, string attrMnemonic> : AttrDef<NN_Dialect, name> {
  let mnemonic = attrMnemonic;
}

def NN_DataAttr : NN_Attr<"Data", "data"> {
  let summary = "bytes of a mapped file";
  let description = [{
    `#nn.data<"model.onnx", offset = 128, bytes = 4096>`: dense little-endian row-major elements.
    The source is a path, or the key of memory registered with the dialect's SourceMap.
  }];
  let parameters = (ins "::mlir::StringAttr":$source, "uint64_t":$offset, "uint64_t":$bytes);
  let assemblyFormat = "`<` $source `,` `offset` `=` $offset `,` `bytes` `=` $bytes `>`";
}

// The closed list of parameter transforms. Each maps a tensor to a tensor and is carried out by host
// C++ when the binary is written (lib/Analysis/ParamStore.cpp), never by generated code.
def NN_PermuteAttr : NN_Attr<"Permute", "permute"> {
  let summary = "transpose: result dim i is input dim permutation[i]";
  let parameters = (ins ArrayRefParameter<"int64_t">:$permutation);
  let assemblyFormat = "`<` $permutation `>`";
}
def NN_ReshapeToAttr : NN_Attr<"ReshapeTo", "reshape_to"> {
  let summary = "the same elements in another shape";
  let parameters = (ins ArrayRefParameter<"int64_t">:$shape);
  let assemblyFormat = "`<` $shape `>`";
}
def NN_CastToAttr : NN_Attr<"CastTo", "cast_to"> {
  let summary = "conversion of each element, as nn.cast does it";
  let parameters = (ins "::mlir::Type":$elementType);
  let assemblyFormat = "`<` $elementType `>`";
}
def NN_ScaleAttr : NN_Attr<"Scale", "scale"> {
  let summary = "multiply slice i of dim `axis` by factors[i], in f64, rounded once";
  let parameters = (ins "int64_t":$axis, "::mlir::DenseFPElementsAttr":$factors);
  let assemblyFormat = "`<` $axis `,` $factors `>`";
}
def NN_ShiftAttr : NN_Attr<"Shift", "shift"> {
  let summary = "add terms[i] to slice i of dim `axis`, in f64, rounded once";
  let parameters = (ins "int64_t":$axis, "::mlir::DenseFPElementsAttr":$terms);
  let assemblyFormat = "`<` $axis `,` $terms `>`";
}
def NN_PackPanelsAttr : NN_Attr<"PackPanels", "pack_panels"> {
  let summary = "[groups, K, N] to GEMM panels [groups, ceil(N/width), K, width], zero-filled";
  let parameters = (ins "int64_t":$width);
  let assemblyFormat = "`<` $width `>`";
}

// Schedules of dispatches. The fields are those of the structs in Conversion/NNToVector/Schedule.h.
def NN_GemmScheduleAttr : NN_Attr<"GemmSchedule", "gemm_schedule"> {
  let summary = "register tile and blocking of a matrix product on the CPU";
  let parameters = (ins "int64_t":$mr, "int64_t":$nv, "int64_t":$m_block, "bool":$blocks_outside,
                        "bool":$pack_b);
  let assemblyFormat = "`<` struct(params) `>`";
}
def NN_ConvScheduleAttr : NN_Attr<"ConvSchedule", "conv_schedule"> {
  let summary = "register tile and blocking of a direct convolution on the CPU";
  let parameters = (ins "int64_t":$mr, "int64_t":$nv, "int64_t":$row_block);
  let assemblyFormat = "`<` struct(params) `>`";
}
def NN_RowScheduleAttr : NN_Attr<"RowSchedule", "row_schedule"> {
  let summary = "blocks that share a long row on a GPU, and what each of them keeps of it";
  let description = [{
    A kernel that passes over its rows several times reads a row once if it can keep it: in registers
    and in `kept_bytes` of each block's shared memory. `blocks` of them, a cluster, share each row;
    more than one need sm_90. Dispatches without a schedule have one block and 32 KiB.

    ```mlir
    %y = nn.dispatch(%x) schedule(#nn.row_schedule<blocks = 2, kept_bytes = 84992>)
         : (tensor<8x50257xf32>) -> tensor<8x50257xf32> { ... }
    ```
  }];
  let parameters = (ins "int64_t":$blocks, "int64_t":$kept_bytes);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

#endif // DLC_DIALECT_NN_NNATTRS_TD
