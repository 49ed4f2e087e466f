// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s -split-input-file -verify-diagnostics

// expected-error @below {{expected two positive 'warps' with a product of at most 32, got 8, 8}}
tile.kernel @kernel_c1_warps() attributes {warps = array<i64: 8, 8>} {
  tile.return
}

// -----

// expected-error @below {{expected no results, got 1}}
tile.kernel @kernel_c2_results() -> i32 attributes {warps = array<i64: 1, 1>} {
  tile.return
}

// -----

// expected-error @below {{expected one block, got 0}}
tile.kernel @kernel_c3_no_body() attributes {warps = array<i64: 1, 1>}

// -----

// expected-error @below {{expected one or two dims, got 3}}
func.func private @tile_c1_dims(!tile.tile<2x3x4xf32, registers>)

// -----

// expected-error @below {{rows of whole 16-byte chunks, got rows of 8 bytes}}
func.func private @tile_c2_chunks(!tile.tile<2x4xbf16, shared>)

// -----

// expected-error @below {{expected known, positive sizes of a tile in registers memory}}
func.func private @tile_sizes(!tile.tile<?x4xbf16, registers>)

// -----

// expected-error @below {{expected a layout for a tile of 2 dims in registers memory}}
func.func private @tile_c3_layout(!tile.tile<16x16xf32, registers, #tile.swizzle<period = 1, count = 8, step = 1>>)

// -----

// expected-error @below {{expected a layout for a tile of 2 dims in registers memory, got #tile.rows<warps_m = 1, warps_n = 1>}}
func.func private @tile_c3_rows(!tile.tile<16x16xf32, registers, #tile.rows<warps_m = 1, warps_n = 1>>)

// -----

// expected-error @below {{expected positive 'period' and 'step' and a power of two as 'count', got 1, 1 and 3}}
func.func private @swizzle_c1(!tile.tile<16x16xf32, shared, #tile.swizzle<period = 1, count = 3, step = 1>>)

// -----

// expected-error @below {{expected a 'panel' of 8 chunks, or 0, got 4}}
func.func private @swizzle_c2(!tile.tile<16x128xf16, shared, #tile.swizzle<period = 1, count = 8, step = 1, panel = 4>>)

// -----

// expected-error @below {{expected at least one stage, got 0}}
func.func private @barriers_c1(!tile.barriers<0>)

// -----

// expected-error @below {{expected at least one stage, got 0}}
func.func private @ring_c1(!tile.ring<0, !tile.tile<16x16xf32, shared>>)

// -----

// expected-error @below {{expected a tile in shared memory}}
func.func private @ring_c2(!tile.ring<2, !tile.tile<16x16xf32, registers>>)

// -----

tile.kernel @pipeline_c1_channels(%k: i32) attributes {warps = array<i64: 1, 1>} {
  %a = tile.alloc : !tile.ring<2, !tile.tile<16x16xf16, shared>>
  // expected-error @below {{expected 'channels' of 1 rings, got 2}}
  tile.pipeline %k to %k rings(%a : !tile.ring<2, !tile.tile<16x16xf16, shared>>) channels [2] consume {
  ^bb0(%i: i32, %t: !tile.token):
    %x = tile.await %t : !tile.tile<16x16xf16, shared>
    tile.release %t
    tile.yield
  } fill {
  ^bb0(%i: i32, %x: !tile.tile<16x16xf16, shared>):
    tile.yield
  }
  tile.return
}

// -----

tile.kernel @pipeline_c2_stages(%k: i32) attributes {warps = array<i64: 1, 1>} {
  %a = tile.alloc : !tile.ring<1, !tile.tile<16x16xf16, shared>>
  // expected-error @below {{expected rings of one number of stages, at least 2, got 1 and 1}}
  tile.pipeline %k to %k rings(%a : !tile.ring<1, !tile.tile<16x16xf16, shared>>) channels [1] consume {
  ^bb0(%i: i32, %t: !tile.token):
    %x = tile.await %t : !tile.tile<16x16xf16, shared>
    tile.release %t
    tile.yield
  } fill {
  ^bb0(%i: i32, %x: !tile.tile<16x16xf16, shared>):
    tile.yield
  }
  tile.return
}

// -----

tile.kernel @pipeline_c3_fill_arguments(%k: i32) attributes {warps = array<i64: 1, 1>} {
  %a = tile.alloc : !tile.ring<2, !tile.tile<16x16xf16, shared>>
  // expected-error @below {{of 'fill', got}}
  tile.pipeline %k to %k rings(%a : !tile.ring<2, !tile.tile<16x16xf16, shared>>) channels [1] consume {
  ^bb0(%i: i32, %t: !tile.token):
    %x = tile.await %t : !tile.tile<16x16xf16, shared>
    tile.release %t
    tile.yield
  } fill {
  ^bb0(%i: i32):
    tile.yield
  }
  tile.return
}

// -----

tile.kernel @pipeline_c4_consume_arguments(%k: i32) attributes {warps = array<i64: 1, 1>} {
  %a = tile.alloc : !tile.ring<2, !tile.tile<16x16xf16, shared>>
  // expected-error @below {{of 'consume', got}}
  tile.pipeline %k to %k rings(%a : !tile.ring<2, !tile.tile<16x16xf16, shared>>) channels [1] consume {
  ^bb0(%i: i32):
    tile.yield
  } fill {
  ^bb0(%i: i32, %x: !tile.tile<16x16xf16, shared>):
    tile.yield
  }
  tile.return
}

// -----

tile.kernel @pipeline_c5_no_release(%k: i32) attributes {warps = array<i64: 1, 1>} {
  %a = tile.alloc : !tile.ring<2, !tile.tile<16x16xf16, shared>>
  // expected-error @below {{expected 'consume' to await and release channel 0}}
  tile.pipeline %k to %k rings(%a : !tile.ring<2, !tile.tile<16x16xf16, shared>>) channels [1] consume {
  ^bb0(%i: i32, %t: !tile.token):
    %x = tile.await %t : !tile.tile<16x16xf16, shared>
    tile.yield
  } fill {
  ^bb0(%i: i32, %x: !tile.tile<16x16xf16, shared>):
    tile.yield
  }
  tile.return
}

// -----

tile.kernel @pipeline_c5_release_before_await(%k: i32) attributes {warps = array<i64: 1, 1>} {
  %a = tile.alloc : !tile.ring<2, !tile.tile<16x16xf16, shared>>
  tile.pipeline %k to %k rings(%a : !tile.ring<2, !tile.tile<16x16xf16, shared>>) channels [1] consume {
  ^bb0(%i: i32, %t: !tile.token):
    // expected-error @below {{expected a token that is awaited and not yet released}}
    tile.release %t
    tile.yield
  } fill {
  ^bb0(%i: i32, %x: !tile.tile<16x16xf16, shared>):
    tile.yield
  }
  tile.return
}

// -----

tile.kernel @await_c1_slots(%k: i32) attributes {warps = array<i64: 1, 1>} {
  %a = tile.alloc : !tile.ring<2, !tile.tile<16x16xf16, shared>>
  tile.pipeline %k to %k rings(%a : !tile.ring<2, !tile.tile<16x16xf16, shared>>) channels [1] consume {
  ^bb0(%i: i32, %t: !tile.token):
    // expected-error @below {{expected slots}}
    %x = tile.await %t : !tile.tile<16x32xf16, shared>
    tile.release %t
    tile.yield
  } fill {
  ^bb0(%i: i32, %x: !tile.tile<16x16xf16, shared>):
    tile.yield
  }
  tile.return
}

// -----

tile.kernel @view_c1_alignment(%p: !llvm.ptr<1>, %o: i64, %n: i32) attributes {warps = array<i64: 1, 1>} {
  // expected-error @below {{expected 'alignment' to be a power of two from 4 to 16, got 2}}
  %v = tile.view %p[%o] rows %n stride %o columns %n alignment 2 : !llvm.ptr<1> -> !tile.tile<?x?xf32, global>
  tile.return
}

// -----

tile.kernel @slot_c1(%n: i32) attributes {warps = array<i64: 1, 1>} {
  %a = tile.alloc : !tile.ring<2, !tile.tile<16x16xf16, shared>>
  // expected-error @below {{expected a result of '!tile.tile<16x16xf16, shared>'}}
  %s = tile.slot %a[%n] : !tile.ring<2, !tile.tile<16x16xf16, shared>> -> !tile.tile<16x32xf16, shared>
  tile.return
}

// -----

tile.kernel @copy_c1(%p: !llvm.ptr<1>, %o: i64, %n: i32) attributes {warps = array<i64: 1, 1>} {
  %v = tile.view %p[%o] rows %n stride %o columns %n alignment 16 : !llvm.ptr<1> -> !tile.tile<?x?xf32, global>
  %a = tile.alloc : !tile.ring<2, !tile.tile<16x16xf16, shared>>
  %s = tile.slot %a[%n] : !tile.ring<2, !tile.tile<16x16xf16, shared>> -> !tile.tile<16x16xf16, shared>
  // expected-error @below {{expected 'target' of 'f32', got 'f16'}}
  tile.copy %v[%n, %n] to %s : !tile.tile<?x?xf32, global> to !tile.tile<16x16xf16, shared>
  tile.return
}

// -----

tile.kernel @epilogue_c1(%n: i32, %t: !tile.tile<16x16xf32, registers>) attributes {warps = array<i64: 1, 1>} {
  // expected-error @below {{of the region, got}}
  tile.epilogue %t[%n, %n] below [%n, %n] lanes 2 : !tile.tile<16x16xf32, registers> {
  ^bb0(%v: vector<4xf32>, %row: i32, %column: i32):
    tile.yield
  }
  tile.return
}

// -----

tile.kernel @epilogue_c2(%n: i32, %t: !tile.tile<16x16xf32, registers>) attributes {warps = array<i64: 1, 1>} {
  // expected-error @below {{expected 'lanes' to be a power of two up to 2, got 4}}
  tile.epilogue %t[%n, %n] below [%n, %n] lanes 4 : !tile.tile<16x16xf32, registers> {
  ^bb0(%v: vector<4xf32>, %row: i32, %column: i32):
    tile.yield
  }
  tile.return
}

// -----

tile.kernel @epilogue_c3(%n: i32, %t: !tile.tile<16x16xf32, registers>, %s: !tile.tile<16x32xf32, shared>) attributes {warps = array<i64: 1, 1>} {
  // expected-error @below {{expected 'staging' of f32 or i32 with the shape and element of}}
  tile.epilogue %t[%n, %n] below [%n, %n] lanes 2 staging(%s : !tile.tile<16x32xf32, shared>) : !tile.tile<16x16xf32, registers> {
  ^bb0(%v: vector<2xf32>, %row: i32, %column: i32):
    tile.yield
  }
  tile.return
}

// -----

tile.kernel @splat_c1(%x: f16) attributes {warps = array<i64: 1, 1>} {
  // expected-error @below {{expected a value of 'f32', got 'f16'}}
  %t = tile.splat %x : f16 -> !tile.tile<16x16xf32, registers>
  tile.return
}

// -----

tile.kernel @load_c1(%s: !tile.tile<16x16xf32, shared>) attributes {warps = array<i64: 1, 1>} {
  // expected-error @below {{expected a result like '!tile.tile<16x16xf32, shared>', got '!tile.tile<16x32xf32, registers>'}}
  %t = tile.load %s : !tile.tile<16x16xf32, shared> -> !tile.tile<16x32xf32, registers>
  tile.return
}

// -----

tile.kernel @mma_c1_k(%a: !tile.tile<16x32xf16, shared>, %b: !tile.tile<16x16xf16, shared>, %c: !tile.tile<16x16xf32, registers>) attributes {warps = array<i64: 1, 1>} {
  // expected-error @below {{expected a product of 16x32 and 16x16 to agree with}}
  %t = tile.mma %a, %b, %c : !tile.tile<16x32xf16, shared>, !tile.tile<16x16xf16, shared>, !tile.tile<16x16xf32, registers> -> !tile.tile<16x16xf32, registers>
  tile.return
}

// -----

tile.kernel @mma_c2_elements(%a: !tile.tile<16x16xf16, shared>, %b: !tile.tile<16x16xbf16, shared>, %c: !tile.tile<16x16xf32, registers>) attributes {warps = array<i64: 1, 1>} {
  // expected-error @below {{expected operands of bf16, f16 or f32 and an f32 accumulator, or of i8 or ui8 and an i32 one, got 'f16', 'bf16' and 'f32'}}
  %t = tile.mma %a, %b, %c : !tile.tile<16x16xf16, shared>, !tile.tile<16x16xbf16, shared>, !tile.tile<16x16xf32, registers> -> !tile.tile<16x16xf32, registers>
  tile.return
}

// -----

tile.kernel @mma_c3_registers(%a: !tile.tile<16x16xf16, registers>, %b: !tile.tile<16x16xf16, shared>, %c: !tile.tile<16x16xf32, registers>) attributes {warps = array<i64: 1, 1>} {
  // expected-error @below {{expected 'a' in registers to have elements of 16 or 32 bits and no 'transpose_a'}}
  %t = tile.mma %a, %b, %c transpose_a : !tile.tile<16x16xf16, registers>, !tile.tile<16x16xf16, shared>, !tile.tile<16x16xf32, registers> -> !tile.tile<16x16xf32, registers>
  tile.return
}

// -----

tile.kernel @mma_c4_prologue(%a: !tile.tile<16x16xf16, shared>, %b: !tile.tile<16x16xf16, shared>, %c: !tile.tile<16x16xf32, registers>) attributes {warps = array<i64: 1, 1>} {
  // expected-error @below {{expected 'prologue_a' to map one 'vector<2xf16>' to another}}
  %t = tile.mma %a, %b, %c : !tile.tile<16x16xf16, shared>, !tile.tile<16x16xf16, shared>, !tile.tile<16x16xf32, registers> -> !tile.tile<16x16xf32, registers> prologue_a {
  ^bb0(%x: f16):
    tile.yield %x : f16
  }
  tile.return
}

// -----

tile.kernel @map_c1_shape(%a: !tile.tile<32xf32, registers>) attributes {warps = array<i64: 1, 1>} {
  // expected-error @below {{expected an operand to go with '!tile.tile<16xf32, registers>', got '!tile.tile<32xf32, registers>'}}
  %t = tile.map %a : !tile.tile<32xf32, registers> -> !tile.tile<16xf32, registers> {
  ^bb0(%x: f32):
    tile.yield %x : f32
  }
  tile.return
}

// -----

tile.kernel @map_c2_yield(%a: !tile.tile<16xf32, registers>) attributes {warps = array<i64: 1, 1>} {
  // expected-error @below {{expected the region to yield 'f16'}}
  %t = tile.map %a : !tile.tile<16xf32, registers> -> !tile.tile<16xf16, registers> {
  ^bb0(%x: f32):
    tile.yield %x : f32
  }
  tile.return
}

// -----

tile.kernel @map_c3_origin(%a: !tile.tile<16xf32, registers>, %i: i32) attributes {warps = array<i64: 1, 1>} {
  // expected-error @below {{expected an origin of 2 values for a result with two dims, got 2}}
  %t = tile.map %a origin(%i, %i) : !tile.tile<16xf32, registers> -> !tile.tile<16xf32, registers> {
  ^bb0(%x: f32, %r: i32, %c: i32):
    tile.yield %x : f32
  }
  tile.return
}

// -----

tile.kernel @reduce_c1(%a: !tile.tile<16x16xf32, registers>) attributes {warps = array<i64: 1, 1>} {
  // expected-error @below {{expected f32 for each of 16 rows, got}}
  %t = tile.reduce add %a : !tile.tile<16x16xf32, registers> -> !tile.tile<32xf32, registers>
  tile.return
}

// -----

tile.kernel @convert_layout_c1(%a: !tile.tile<16x16xf16, registers>) attributes {warps = array<i64: 1, 1>} {
  // expected-error @below {{expected two layouts of one tile}}
  %t = tile.convert_layout %a : !tile.tile<16x16xf16, registers> -> !tile.tile<16x16xf16, registers>
  tile.return
}

// -----

tile.kernel @copy_c2_tap(%p: !llvm.ptr<1>, %o: i64, %n: i32, %slot: !tile.tile<16x16xf16, shared>) attributes {warps = array<i64: 1, 1>} {
  %v = tile.view %p[%o] rows %n stride %o columns %n alignment 16 : !llvm.ptr<1> -> !tile.tile<?x?xf16, global>
  // expected-error @below {{expected 0 values of 'tap', got 2}}
  tile.copy %v[%n, %n] tap(%n, %n) to %slot : !tile.tile<?x?xf16, global> to !tile.tile<16x16xf16, shared>
  tile.return
}

// -----

tile.kernel @window_c1_alignment(%p: !llvm.ptr<1>, %o: i64, %n: i32) attributes {warps = array<i64: 1, 1>} {
  // expected-error @below {{expected 'alignment' to be a power of two from 2 to 16, got 32}}
  %w = tile.window %p[%o] rows %n below %n columns %n input(%n, %n) output(%n, %n) pad(%n, %n) stride(%o, %o, %o) by [1, 2] alignment 32 : !llvm.ptr<1> -> !tile.tile<?x?xf16, global>
  tile.return
}

// -----

tile.kernel @window_c2_strides(%p: !llvm.ptr<1>, %o: i64, %n: i32) attributes {warps = array<i64: 1, 1>} {
  // expected-error @below {{expected two positive strides, got 1, 0}}
  %w = tile.window %p[%o] rows %n below %n columns %n input(%n, %n) output(%n, %n) pad(%n, %n) stride(%o, %o, %o) by [1, 0] alignment 16 : !llvm.ptr<1> -> !tile.tile<?x?xf16, global>
  tile.return
}

// -----

tile.kernel @window_c3_taps(%p: !llvm.ptr<1>, %o: i64, %n: i32) attributes {warps = array<i64: 1, 1>} {
  // expected-error @below {{expected four positive 'taps', got 3, 1, 1}}
  %w = tile.window %p[%o] rows %n below %n columns %n input(%n, %n) output(%n, %n) pad(%n, %n) stride(%o, %o, %o) by [1, 1] taps [3, 1, 1] alignment 2 : !llvm.ptr<1> -> !tile.tile<?x?xf16, global>
  tile.return
}

// -----

tile.kernel @window_c3_alignment(%p: !llvm.ptr<1>, %o: i64, %n: i32) attributes {warps = array<i64: 1, 1>} {
  // expected-error @below {{expected 'alignment' to divide 6 bytes of channels, got 4}}
  %w = tile.window %p[%o] rows %n below %n columns %n input(%n, %n) output(%n, %n) pad(%n, %n) stride(%o, %o, %o) by [1, 1] taps [3, 1, 1, 3] alignment 4 : !llvm.ptr<1> -> !tile.tile<?x?xf16, global>
  tile.return
}

// -----

tile.kernel @cast_c1(%a: !tile.tile<16x16xf32, registers>) attributes {warps = array<i64: 1, 1>} {
  // expected-error @below {{expected bf16 or f16 from f32 of the same shape}}
  %t = tile.cast %a : !tile.tile<16x16xf32, registers> -> !tile.tile<16x32xbf16, registers>
  tile.return
}

// -----

tile.kernel @mma_c2_integers(%a: !tile.tile<16x32xi8, shared>, %b: !tile.tile<16x32xui8, shared>, %c: !tile.tile<16x16xf32, registers>) attributes {warps = array<i64: 1, 1>} {
  // expected-error @below {{or of i8 or ui8 and an i32 one, got 'i8', 'ui8' and 'f32'}}
  %t = tile.mma %a, %b, %c transpose_b : !tile.tile<16x32xi8, shared>, !tile.tile<16x32xui8, shared>, !tile.tile<16x16xf32, registers> -> !tile.tile<16x16xf32, registers>
  tile.return
}

// -----

tile.kernel @mma_c5_along_k(%a: !tile.tile<16x32xi8, shared>, %b: !tile.tile<32x16xi8, shared>, %c: !tile.tile<16x16xi32, registers>) attributes {warps = array<i64: 1, 1>} {
  // expected-error @below {{expected 8-bit operands with 'transpose_b' alone and no prologues}}
  %t = tile.mma %a, %b, %c : !tile.tile<16x32xi8, shared>, !tile.tile<32x16xi8, shared>, !tile.tile<16x16xi32, registers> -> !tile.tile<16x16xi32, registers>
  tile.return
}

// -----

tile.kernel @mma_c6_element(%a: !tile.tile<16x16xf16, shared>, %c: !tile.tile<16x16xf32, registers>, %r: !tile.tile<16xi32, registers>) attributes {warps = array<i64: 1, 1>} {
  // expected-error @below {{expected 'row_sums' only with 8-bit operands, of i32 and shape [16]}}
  %t:2 = tile.mma %a, %a, %c transpose_b row_sums(%r : !tile.tile<16xi32, registers> -> !tile.tile<16xi32, registers>) : !tile.tile<16x16xf16, shared>, !tile.tile<16x16xf16, shared>, !tile.tile<16x16xf32, registers> -> !tile.tile<16x16xf32, registers>
  tile.return
}

// -----

tile.kernel @mma_c6_shape(%a: !tile.tile<16x32xi8, shared>, %c: !tile.tile<16x16xi32, registers>, %s: !tile.tile<1x32xi32, registers>) attributes {warps = array<i64: 1, 1>} {
  // expected-error @below {{expected 'column_sums' only with 8-bit operands, of i32 and shape [1, 16]}}
  %t:2 = tile.mma %a, %a, %c transpose_b column_sums(%s : !tile.tile<1x32xi32, registers> -> !tile.tile<1x32xi32, registers>) : !tile.tile<16x32xi8, shared>, !tile.tile<16x32xi8, shared>, !tile.tile<16x16xi32, registers> -> !tile.tile<16x16xi32, registers>
  tile.return
}

// -----

tile.kernel @copy_c3_fill(%p: !llvm.ptr<1>, %o: i64, %n: i32, %slot: !tile.tile<16x16xi8, shared>) attributes {warps = array<i64: 1, 1>} {
  %v = tile.view %p[%o] rows %n stride %o columns %n alignment 16 : !llvm.ptr<1> -> !tile.tile<?x?xi8, global>
  // expected-error @below {{expected 'fill' only with a window and 8-bit elements}}
  tile.copy %v[%n, %n] fill %n to %slot : !tile.tile<?x?xi8, global> to !tile.tile<16x16xi8, shared>
  tile.return
}

// -----

tile.kernel @mapped_view_c1(%map: !llvm.ptr, %i: i32) attributes {warps = array<i64: 1, 1>} {
  // expected-error @below {{expected at most 3 values of 'batch', got 4}}
  %view = tile.mapped_view %map batch(%i, %i, %i, %i) : !llvm.ptr -> !tile.tile<?x?xf16, global>
  tile.return
}

// -----

tile.kernel @copy_c4(%map: !llvm.ptr, %i: i32) attributes {warps = array<i64: 1, 1>} {
  %view = tile.mapped_view %map : !llvm.ptr -> !tile.tile<?x?xf16, global>
  %ring = tile.alloc : !tile.ring<2, !tile.tile<16x16xf16, shared>>
  %slot = tile.slot %ring[%i] : !tile.ring<2, !tile.tile<16x16xf16, shared>> -> !tile.tile<16x16xf16, shared>
  // expected-error @below {{expected a copy of 'tile.mapped_view' in 'tile.bulk_copies' or a pipeline}}
  tile.copy %view[%i, %i] to %slot : !tile.tile<?x?xf16, global> to !tile.tile<16x16xf16, shared>
  tile.return
}

// -----

tile.kernel @bulk_copies_c1(%view: !tile.tile<?x?xf16, global>, %i: i32) attributes {warps = array<i64: 1, 1>} {
  %ring = tile.alloc : !tile.ring<2, !tile.tile<16x16xf16, shared>>
  %barriers = tile.alloc_barriers : !tile.barriers<2>
  tile.bulk_copies %barriers[%i] : !tile.barriers<2> {
    %slot = tile.slot %ring[%i] : !tile.ring<2, !tile.tile<16x16xf16, shared>> -> !tile.tile<16x16xf16, shared>
    // expected-error @below {{expected a source of 'tile.mapped_view' in 'tile.bulk_copies'}}
    tile.copy %view[%i, %i] to %slot : !tile.tile<?x?xf16, global> to !tile.tile<16x16xf16, shared>
  }
  tile.return
}

// -----

tile.kernel @bulk_copies_c2(%i: i32) attributes {warps = array<i64: 1, 1>} {
  %barriers = tile.alloc_barriers : !tile.barriers<2>
  tile.bulk_copies %barriers[%i] : !tile.barriers<2> {
    // expected-error @below {{expected only copies and ops without effects in 'tile.bulk_copies'}}
    tile.await_bulk %barriers[%i] phase %i : !tile.barriers<2>
  }
  tile.return
}

// -----

tile.kernel @pipeline_c5(%map: !llvm.ptr, %view: !tile.tile<?x?xf16, global>, %i: i32) attributes {warps = array<i64: 1, 1>} {
  %mapped = tile.mapped_view %map : !llvm.ptr -> !tile.tile<?x?xf16, global>
  %ring = tile.alloc : !tile.ring<2, !tile.tile<16x16xf16, shared>>
  tile.pipeline %i to %i rings(%ring, %ring : !tile.ring<2, !tile.tile<16x16xf16, shared>>, !tile.ring<2, !tile.tile<16x16xf16, shared>>) channels [2] consume {
  ^bb0(%k: i32, %token: !tile.token):
    %a, %b = tile.await %token : !tile.tile<16x16xf16, shared>, !tile.tile<16x16xf16, shared>
    tile.release %token
    tile.yield
  } fill {
  ^bb0(%k: i32, %a: !tile.tile<16x16xf16, shared>, %b: !tile.tile<16x16xf16, shared>):
    tile.copy %mapped[%k, %k] to %a : !tile.tile<?x?xf16, global> to !tile.tile<16x16xf16, shared>
    // expected-error @below {{expected sources of 'tile.mapped_view' in all copies of a pipeline, or in none}}
    tile.copy %view[%k, %k] to %b : !tile.tile<?x?xf16, global> to !tile.tile<16x16xf16, shared>
    tile.yield
  }
  tile.return
}
