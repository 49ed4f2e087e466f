// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Memory spaces, layouts and schedules.
#ifndef DLC_DIALECT_TILE_TILEATTRS_TD
#define DLC_DIALECT_TILE_TILEATTRS_TD

include "mlir/IR/AttrTypeBase.td"
include "Dialect/Tile/TileBase.td"

def Tile_MemorySpace : I32Enum<"MemorySpace", "where a tile lies", [
    I32EnumCase<"Global", 0, "global">, I32EnumCase<"Shared", 1, "shared">,
    I32EnumCase<"Registers", 2, "registers">]> {
  let cppNamespace = "::dlc::tile";
}

def Tile_ReduceKind : I32Enum<"ReduceKind", "how elements of a row are combined", [
    I32EnumCase<"Add", 0, "add">, I32EnumCase<"Max", 1, "max">]> {
  let cppNamespace = "::dlc::tile";
}
def Tile_ReduceKindAttr : EnumAttr<Tile_Dialect, Tile_ReduceKind, "reduce_kind"> {
  let assemblyFormat = "$value";
}

class Tile_Attr<string name, string attrMnemonic> : AttrDef<Tile_Dialect, name> {
  let mnemonic = attrMnemonic;
}

// Layouts.
def Tile_SwizzleAttr : Tile_Attr<"Swizzle", "swizzle"> {
  let summary = "rows of 16-byte chunks in shared memory, permuted within each row";
  let description = [{
    Chunk c of row r lies at chunk `c xor (r / period mod count) * step` of that row, so that the eight
    rows which a matrix load touches fall into different banks. With a `panel`, rows are cut into panels
    of so many chunks, and all rows of a panel lie before those of the next one: the way bulk copies
    write rows of more than 128 bytes.
    c1: `count` is a power of two, `period` and `step` are positive. c2: `panel` is 0 or
    `count * step`.
  }];
  let parameters = (ins "int64_t":$period, "int64_t":$count, "int64_t":$step,
                        DefaultValuedParameter<"int64_t", "0">:$panel);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

class Tile_RegisterLayoutAttr<string name, string attrMnemonic> : Tile_Attr<name, attrMnemonic> {
  let parameters = (ins "int64_t":$warps_m, "int64_t":$warps_n);
  let assemblyFormat = "`<` struct(params) `>`";
}
def Tile_AccumulatorAttr : Tile_RegisterLayoutAttr<"Accumulator", "accumulator"> {
  let summary = "result of mma.sync m16n8: warps own consecutive rows and columns";
  let description = [{
    Element (i, j) of a warp's 16x8 block belongs to lane `4 * (i mod 8) + j / 2`, whose registers hold
    (i, j), (i, j + 1), (i + 8, j), (i + 8, j + 1). Blocks go by rows.
  }];
}
def Tile_OperandAAttr : Tile_RegisterLayoutAttr<"OperandA", "operand_a"> {
  let summary = "left operand of mma.sync m16n8k16: pairs of neighbouring columns in one register; or of m16n8k8, of f32";
}
def Tile_PairedOperandAAttr : Tile_RegisterLayoutAttr<"PairedOperandA", "paired_operand_a"> {
  let summary = "left operand of mma.sync m16n8k8 in the order of an accumulator's columns";
  let description = [{
    Columns 2i and 2i + 1 of a 16x8 block are k = i and i + 4 of the instruction: each lane of an accumulator
    holds what it holds of the operand. The right operand's rows are read in the same order, so sums only
    change their order.
  }];
}
def Tile_RowsAttr : Tile_RegisterLayoutAttr<"Rows", "rows"> {
  let summary = "one value per row of an accumulator, the same in all lanes that own the row";
}
def Tile_RowPartsAttr : Tile_RegisterLayoutAttr<"RowParts", "row_parts"> {
  let summary = "one value per row, the sum of what the four lanes that own the row hold";
}
def Tile_ColumnsAttr : Tile_RegisterLayoutAttr<"Columns", "columns"> {
  let summary = "one value per column of an accumulator, the same in all lanes that own the column";
}
def Tile_ColumnPartsAttr : Tile_RegisterLayoutAttr<"ColumnParts", "column_parts"> {
  let summary = "one value per column, the sum of what four lanes hold";
  let description = "Of a warp's block of 8 columns, column j belongs to lanes 4j to 4j + 3: the right operand of mma.sync.";
}

// Schedules. Schedules.h says which values are legal for which problem.
def Tile_GemmScheduleAttr : Tile_Attr<"GemmSchedule", "gemm_schedule"> {
  let summary = "tiles of a matrix product on tensor cores";
  let description = [{
    A block makes `tile_m` x `tile_n` results, `tile_k` of the contraction at a time in a ring of `stages`
    stages. Its `warps_m` x `warps_n` warps share the results. `split_k`: blocks per result tile. `bulk`:
    one thread copies operands, by tensor maps (sm_90 and later), instead of all threads by cp.async.
  }];
  let parameters = (ins "int64_t":$tile_m, "int64_t":$tile_n, "int64_t":$tile_k, "int64_t":$stages,
                        "int64_t":$warps_m, "int64_t":$warps_n, DefaultValuedParameter<"int64_t", "1">:$split_k,
                        DefaultValuedParameter<"bool", "false">:$bulk);
  let assemblyFormat = "`<` struct(params) `>`";
}
def Tile_ConvScheduleAttr : Tile_Attr<"ConvSchedule", "conv_schedule"> {
  let summary = "tiles of a convolution as a matrix product of pixels and output channels";
  let description = [{
    As `gemm_schedule`; `tile_k` counts channels of one tap of the window, `split_k` parts of all taps'.
  }];
  let parameters = (ins "int64_t":$tile_m, "int64_t":$tile_n, "int64_t":$tile_k, "int64_t":$stages,
                        "int64_t":$warps_m, "int64_t":$warps_n, DefaultValuedParameter<"int64_t", "1">:$split_k);
  let assemblyFormat = "`<` struct(params) `>`";
}
def Tile_AttentionScheduleAttr : Tile_Attr<"AttentionSchedule", "attention_schedule"> {
  let summary = "tiles of attention: queries and keys at a time, stages of keys and values, warps over the queries";
  let description = "`bulk` as of `gemm_schedule`, of keys and values.";
  let parameters = (ins "int64_t":$queries, "int64_t":$keys, "int64_t":$stages, "int64_t":$warps,
                        DefaultValuedParameter<"bool", "false">:$bulk);
  let assemblyFormat = "`<` struct(params) `>`";
}

#endif // DLC_DIALECT_TILE_TILEATTRS_TD
