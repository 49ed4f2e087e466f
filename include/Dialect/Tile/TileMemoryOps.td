// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tiles in memory: views of global memory, shared memory, copies, the end of an accumulator.
#ifndef DLC_DIALECT_TILE_TILEMEMORYOPS_TD
#define DLC_DIALECT_TILE_TILEMEMORYOPS_TD

include "Dialect/Tile/TileTypes.td"

def Tile_ViewOp : Tile_Op<"view", [Pure]> {
  let summary = "a matrix in global memory";
  let description = [{
    Element (r, c) lies `offset + r * row_stride + c` elements from `base`; rows and columns from `rows`
    and `columns` on do not exist. `alignment`: a power of two of bytes that divides the address of
    column 0 of each row. c1: `alignment` is a power of two from the element's bytes to 16.
  }];
  let arguments = (ins Tile_Pointer:$base, I64:$offset, I32:$rows, I32:$columns, I64:$row_stride,
                       I64Attr:$alignment);
  let results = (outs Tile_GlobalTile:$result);
  let assemblyFormat = [{
    $base `[` $offset `]` `rows` $rows `stride` $row_stride `columns` $columns `alignment` $alignment
    attr-dict `:` qualified(type($base)) `->` qualified(type($result))
  }];
  let hasVerifier = 1;
}

def Tile_MappedViewOp : Tile_Op<"mapped_view", [Pure]> {
  let summary = "a matrix in global memory that a tensor map describes";
  let description = [{
    `map` points to a CUtensorMap among the kernel's parameters, whose first two dims are the matrix's
    columns and rows; `batch` is where the matrix lies in the map's further dims. Only bulk copies read it.
    c1: at most three values of `batch`.
  }];
  let arguments = (ins Tile_MapPointer:$map, Variadic<I32>:$batch);
  let results = (outs Tile_GlobalTile:$result);
  let assemblyFormat = "$map (`batch` `(` $batch^ `)`)? attr-dict `:` qualified(type($map)) `->` qualified(type($result))";
  let hasVerifier = 1;
}

def Tile_WindowOp : Tile_Op<"window", [Pure]> {
  let summary = "what output pixels of a convolution see of an image, as a matrix";
  let description = [{
    Row r is output pixel r, of all images row by row, and columns are channels. At a tap of the window, at
    (h, w) from its corner, pixel (y, x) of an image sees input position (y * strides[0] - pad_top + h,
    x * strides[1] - pad_left + w), which does not exist outside of the image. `image_stride`,
    `row_stride` and `pixel_stride` are the input's, in elements. Copies begin at row `first`.
    With `taps`, [taps in a row, dilation of rows, of columns, channels], columns are taps by channels: column k
    is channel k mod channels of tap t = k / channels, at (t / taps[0] * taps[1], t mod taps[0] * taps[2]) from
    the corner.
    c1: as for `tile.view`. c2: two positive strides. c3: four positive `taps`, and `alignment` divides the
    bytes of the channels.
  }];
  let arguments = (ins Tile_Pointer:$base, I64:$offset, I32:$first, I32:$rows, I32:$columns, I32:$height, I32:$width,
                       I32:$output_height, I32:$output_width, I32:$pad_top, I32:$pad_left, I64:$image_stride,
                       I64:$row_stride, I64:$pixel_stride, DenseI64ArrayAttr:$strides,
                       OptionalAttr<DenseI64ArrayAttr>:$taps, I64Attr:$alignment);
  let results = (outs Tile_GlobalTile:$result);
  let assemblyFormat = [{
    $base `[` $offset `]` `rows` $first `below` $rows `columns` $columns `input` `(` $height `,` $width `)`
    `output` `(` $output_height `,` $output_width `)` `pad` `(` $pad_top `,` $pad_left `)`
    `stride` `(` $image_stride `,` $row_stride `,` $pixel_stride `)` `by` $strides (`taps` $taps^)?
    `alignment` $alignment
    attr-dict `:` qualified(type($base)) `->` qualified(type($result))
  }];
  let hasVerifier = 1;
}

def Tile_AllocOp : Tile_Op<"alloc", [MemoryEffects<[MemAlloc]>]> {
  let summary = "shared memory of a block, for the whole kernel";
  let description = [{
    `overlay`: the memory may be that of rings whose use has ended. `offset`, once assigned: bytes from
    the start of the block's dynamic shared memory.
  }];
  let arguments = (ins UnitAttr:$overlay, OptionalAttr<I64Attr>:$offset);
  let results = (outs Tile_RingType:$ring);
  let assemblyFormat = "(`overlay` $overlay^)? (`at` $offset^)? attr-dict `:` qualified(type($ring))";
}

def Tile_SlotOp : Tile_Op<"slot", [Pure]> {
  let summary = "one stage of a ring";
  let description = "c1: the result is the ring's tile.";
  let arguments = (ins Tile_RingType:$ring, I32:$stage);
  let results = (outs Tile_SharedTile:$result);
  let assemblyFormat = "$ring `[` $stage `]` attr-dict `:` qualified(type($ring)) `->` qualified(type($result))";
  let hasVerifier = 1;
}

def Tile_CopyOp : Tile_Op<"copy", [MemoryEffects<[MemRead, MemWrite]>, AttrSizedOperandSegments]> {
  let summary = "start to copy a part of a global matrix to shared memory";
  let description = [{
    The part has the target's shape and begins at (`row`, `column`); what of it does not exist becomes
    zero. `rows_exist`, `columns_exist`: all of it does, in that direction. `row` is a window's `first`, and
    `tap` is where in a window without `taps`, in input positions. `fill`: four equal 8-bit elements, repeated
    where the tap lies outside of the image.
    c1: element types agree. c2: two values of `tap` with a `tile.window` without `taps`, else none.
    c3: `fill` only with 8-bit elements and a `tile.window`. c4: a copy of a `tile.mapped_view` stands in
    `tile.bulk_copies`, or in a pipeline before its lowering.
  }];
  let arguments = (ins Tile_GlobalTile:$source, I32:$row, I32:$column, Tile_SharedTile:$target,
                       Variadic<I32>:$tap, Optional<I32>:$fill, UnitAttr:$rows_exist, UnitAttr:$columns_exist);
  let assemblyFormat = [{
    $source `[` $row `,` $column `]` (`tap` `(` $tap^ `)`)? (`fill` $fill^)? `to` $target (`rows_exist` $rows_exist^)?
    (`columns_exist` $columns_exist^)? attr-dict `:` qualified(type($source)) `to` qualified(type($target))
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Whether a tensor map describes the source.
    bool isBulk();
  }];
}

def Tile_CommitOp : Tile_Op<"commit", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "close a group of copies";
  let assemblyFormat = "attr-dict";
}

def Tile_WaitOp : Tile_Op<"wait", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "wait until at most `pending` groups of this thread's copies are under way, then for all threads";
  let description = "What the other groups copied, and all threads wrote to shared memory before, can be read then.";
  let arguments = (ins I32Attr:$pending);
  let assemblyFormat = "$pending attr-dict";
}

def Tile_AllocBarriersOp : Tile_Op<"alloc_barriers", [MemoryEffects<[MemAlloc]>]> {
  let summary = "mbarriers of a block, for the whole kernel";
  let description = [{
    Each waits for the bytes of one `tile.bulk_copies` at a time. All threads may use them afterwards.
    `offset` as of `tile.alloc`; 8 bytes each.
  }];
  let arguments = (ins OptionalAttr<I64Attr>:$offset);
  let results = (outs Tile_BarriersType:$barriers);
  let assemblyFormat = "(`at` $offset^)? attr-dict `:` qualified(type($barriers))";
}

def Tile_BulkCopiesOp : Tile_Op<"bulk_copies", [RecursiveMemoryEffects, NoTerminator]> {
  let summary = "copies that one thread starts, and whose bytes complete a phase of a stage's mbarrier";
  let description = [{
    ```mlir
    tile.bulk_copies %barriers[%stage] : !tile.barriers<4> {
      tile.copy %a[%row, %k] to %slot_a : ...
      tile.copy %b[%k, %column] to %slot_b : ...
    }
    ```
    The bytes of all copies within are announced, then the copies start (PTX ISA,
    "cp.async.bulk.tensor"). c1: the copies' sources are of `tile.mapped_view`.
    c2: there are no other ops with effects, and no arguments.
  }];
  let arguments = (ins Tile_BarriersType:$barriers, I32:$stage);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$barriers `[` $stage `]` attr-dict `:` qualified(type($barriers)) $body";
  let hasVerifier = 1;
}

def Tile_AwaitBulkOp : Tile_Op<"await_bulk", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "wait for a stage's bulk copies, then for all threads";
  let description = [{
    `phase`: the parity of how often the stage was waited for before. What was copied, and what all threads
    wrote to shared memory before, can be read then.
  }];
  let arguments = (ins Tile_BarriersType:$barriers, I32:$stage, I32:$phase);
  let assemblyFormat = "$barriers `[` $stage `]` `phase` $phase attr-dict `:` qualified(type($barriers))";
}

def Tile_EpilogueOp : Tile_Op<"epilogue", [MemoryEffects<[MemRead, MemWrite]>, RecursiveMemoryEffects]> {
  let summary = "hand the elements of a register tile out, where they exist";
  let description = [{
    The region is run for each `lanes` neighbouring elements of a row, as a vector, with their row and
    first column, which count from (`row`, `column`). Elements at rows or columns from `rows` and
    `columns` on do not exist. It stores them. `staging`: shared memory to go through, so that threads
    get longer runs of a row; it has the tile's shape and element, f32 or i32. Of a tile with a value per
    row, each value is the only column of its row.
    c1: the region's arguments are a vector of `lanes` elements, i32 and i32. c2: `lanes` is 1 or 2
    without staging, with it a power of two up to 8, of values per row 1. c3: `staging` has the tile's
    shape and its element of 32 bits.
  }];
  let arguments = (ins Tile_RegisterTile:$tile, I32:$row, I32:$column, I32:$rows, I32:$columns,
                       Optional<Tile_SharedTile>:$staging, I64Attr:$lanes,
                       UnitAttr:$rows_exist, UnitAttr:$columns_exist);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $tile `[` $row `,` $column `]` `below` `[` $rows `,` $columns `]` `lanes` $lanes
    (`rows_exist` $rows_exist^)? (`columns_exist` $columns_exist^)?
    (`staging` `(` $staging^ `:` qualified(type($staging)) `)`)? attr-dict `:` qualified(type($tile)) $body
  }];
  let hasVerifier = 1;
}

#endif // DLC_DIALECT_TILE_TILEMEMORYOPS_TD
