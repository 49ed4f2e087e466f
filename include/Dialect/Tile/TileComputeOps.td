// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Computation on tiles in registers.
#ifndef DLC_DIALECT_TILE_TILECOMPUTEOPS_TD
#define DLC_DIALECT_TILE_TILECOMPUTEOPS_TD

include "Dialect/Tile/TileTypes.td"

def Tile_SplatOp : Tile_Op<"splat", [Pure]> {
  let summary = "the same value everywhere";
  let description = "c1: the value has the element type.";
  let arguments = (ins AnyTypeOf<[AnyFloat, I32]>:$value);
  let results = (outs Tile_RegisterTile:$result);
  let assemblyFormat = "$value attr-dict `:` qualified(type($value)) `->` qualified(type($result))";
  let hasVerifier = 1;
}

def Tile_LoadOp : Tile_Op<"load", [MemoryEffects<[MemRead]>]> {
  let summary = "a shared tile as left operands of products";
  let description = "f32 is rounded as by `mma`. c1: shape and element type agree.";
  let arguments = (ins Tile_SharedTile:$source);
  let results = (outs Tile_RegisterTile:$result);
  let assemblyFormat = "$source attr-dict `:` qualified(type($source)) `->` qualified(type($result))";
  let hasVerifier = 1;
}

def Tile_MmaOp : Tile_Op<"mma", [MemoryEffects<[MemRead]>, AttrSizedOperandSegments, AttrSizedResultSegments]> {
  let summary = "a matrix product on tensor cores, acc + a * b";
  let description = [{
    `a` is [m][k], or [k][m] with `transpose_a`; `b` is [k][n], or [n][k] with `transpose_b`. f32
    operands are rounded to tf32, to nearest with ties away from zero. The prologue regions, if any, are
    applied to the operands' elements on their way to the product, as many as fill 32 bits at a time.
    Of 8-bit integers, signed (i8) and unsigned (ui8) in any combination, sums are i32 and wrap around.
    `row_sums` grow by the sums of `a`'s rows, `column_sums` by those of `b`'s columns: what products of
    a - za and b - zb need.
    c1: shapes agree. c2: a and b have the same element type of bf16, f16 and f32, and acc has f32; or both
    have one of i8 and ui8, and acc has i32. c3: `a` in registers has elements of 16 or 32
    bits and is not transposed. c4: a prologue maps vectors of its operand's elements. c5: 8-bit operands lie along k,
    with `transpose_b` and no `transpose_a`, for no matrix load transposes them; they have no prologues.
    c6: only these have `row_sums` ([m]) and `column_sums` ([1][n]), of i32.
  }];
  let arguments = (ins AnyTypeOf<[Tile_SharedTile, Tile_RegisterTile], "", "::dlc::tile::TileType">:$a,
                       Tile_SharedTile:$b, Tile_RegisterTile:$acc, Optional<Tile_RegisterTile>:$row_sums,
                       Optional<Tile_RegisterTile>:$column_sums, UnitAttr:$transpose_a, UnitAttr:$transpose_b);
  let results = (outs Tile_RegisterTile:$result, Optional<Tile_RegisterTile>:$next_row_sums,
                      Optional<Tile_RegisterTile>:$next_column_sums);
  let regions = (region MaxSizedRegion<1>:$prologue_a, MaxSizedRegion<1>:$prologue_b);
  let builders = [OpBuilder<(ins "::mlir::Type":$result, "::mlir::Value":$a, "::mlir::Value":$b, "::mlir::Value":$acc,
                                 "bool":$transpose_a, "bool":$transpose_b), [{
    build($_builder, $_state, result, ::mlir::Type(), ::mlir::Type(), a, b, acc, ::mlir::Value(), ::mlir::Value(),
          transpose_a, transpose_b);
  }]>];
  let assemblyFormat = [{
    $a `,` $b `,` $acc (`transpose_a` $transpose_a^)? (`transpose_b` $transpose_b^)?
    (`row_sums` `(` $row_sums^ `:` qualified(type($row_sums)) `->` qualified(type($next_row_sums)) `)`)?
    (`column_sums` `(` $column_sums^ `:` qualified(type($column_sums)) `->` qualified(type($next_column_sums)) `)`)?
    attr-dict `:` qualified(type($a))
    `,` qualified(type($b)) `,` qualified(type($acc)) `->` qualified(type($result)) (`prologue_a` $prologue_a^)? (`prologue_b` $prologue_b^)?
  }];
  let hasVerifier = 1;
}

def Tile_MapOp : Tile_Op<"map", [Pure, AttrSizedOperandSegments]> {
  let summary = "a function of elements, applied everywhere";
  let description = [{
    Operands with one dim have a value per row, and are repeated along it; those with one row are repeated
    over all rows. With `origin` the region also gets the element's row and column, which count from there.
    c1: operands with two dims have the result's shape, or one row of its columns; others its number of rows. c2: the region's
    arguments are the operands' elements, and with `origin` i32 and i32; it yields one element. c3: a
    result with one dim has operands with one dim only, and no `origin`.
  }];
  let arguments = (ins Variadic<Tile_RegisterTile>:$tiles, Variadic<I32>:$origin);
  let results = (outs Tile_RegisterTile:$result);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $tiles (`origin` `(` $origin^ `)`)? attr-dict `:` type($tiles) `->` qualified(type($result)) $body
  }];
  let hasVerifier = 1;
}

def Tile_CastOp : Tile_Op<"cast", [Pure]> {
  let summary = "f32 elements rounded to 16 bits";
  let description = "c1: the shape stays, from f32 to bf16 or f16.";
  let arguments = (ins Tile_RegisterTile:$source);
  let results = (outs Tile_RegisterTile:$result);
  let assemblyFormat = "$source attr-dict `:` qualified(type($source)) `->` qualified(type($result))";
  let hasVerifier = 1;
}

def Tile_ReduceOp : Tile_Op<"reduce", [Pure]> {
  let summary = "combine the elements of each row";
  let description = [{
    In f32; the order of an addition is the layout's. A maximum with a NaN is the other value.
    c1: the result has the operand's rows and element type, f32.
  }];
  let arguments = (ins Tile_ReduceKindAttr:$kind, Tile_RegisterTile:$source);
  let results = (outs Tile_RegisterTile:$result);
  let assemblyFormat = "$kind $source attr-dict `:` qualified(type($source)) `->` qualified(type($result))";
  let hasVerifier = 1;
}

def Tile_ConvertLayoutOp : Tile_Op<"convert_layout", [Pure]> {
  let summary = "the same tile in another register layout";
  let description = "f32 that becomes an operand is rounded as by `mma`. c1: shape and element type agree, both types have a layout.";
  let arguments = (ins Tile_RegisterTile:$source);
  let results = (outs Tile_RegisterTile:$result);
  let assemblyFormat = "$source attr-dict `:` qualified(type($source)) `->` qualified(type($result))";
  let hasVerifier = 1;
}

#endif // DLC_DIALECT_TILE_TILECOMPUTEOPS_TD
