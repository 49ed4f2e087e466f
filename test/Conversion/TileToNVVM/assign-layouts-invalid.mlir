// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --dlc-assign-tile-layouts=max-shared-bytes=4096 -split-input-file -verify-diagnostics

// expected-error @below {{needs 8192 bytes of shared memory, 4096 more than the 4096 that a block may have}}
tile.kernel @too_much_shared_memory() attributes {warps = array<i64: 1, 1>} {
  %a = tile.alloc : !tile.ring<2, !tile.tile<64x32xbf16, shared>>
  tile.return
}

// -----

tile.kernel @warps_do_not_divide(%x: f32) attributes {warps = array<i64: 4, 1>} {
  // expected-error @below {{expected rows and columns in multiples of 64 and 16 for the kernel's warps}}
  %a = tile.splat %x : f32 -> !tile.tile<32x32xf32, registers>
  tile.return
}

// -----

tile.kernel @uses_disagree(%stage: i32, %x: f32) attributes {warps = array<i64: 1, 1>} {
  // expected-error @below {{expected uses that agree on a layout}}
  %a = tile.alloc : !tile.ring<1, !tile.tile<32x32xf32, shared>>
  %s = tile.slot %a[%stage] : !tile.ring<1, !tile.tile<32x32xf32, shared>> -> !tile.tile<32x32xf32, shared>
  %zero = tile.splat %x : f32 -> !tile.tile<32x32xf32, registers>
  %o = tile.mma %s, %s, %zero : !tile.tile<32x32xf32, shared>, !tile.tile<32x32xf32, shared>, !tile.tile<32x32xf32, registers> -> !tile.tile<32x32xf32, registers>
  tile.return
}

// -----

tile.kernel @several_warps_share_an_operand(%b: !tile.ring<1, !tile.tile<32x32xf16, shared>>, %x: f16, %y: f32) attributes {warps = array<i64: 1, 2>} {
  %ring = tile.alloc : !tile.ring<1, !tile.tile<32x32xf16, shared>>
  %zero = arith.constant 0 : i32
  %s = tile.slot %ring[%zero] : !tile.ring<1, !tile.tile<32x32xf16, shared>> -> !tile.tile<32x32xf16, shared>
  %p = tile.splat %x : f16 -> !tile.tile<32x32xf16, registers>
  %c = tile.splat %y : f32 -> !tile.tile<32x32xf32, registers>
  // expected-error @below {{expected one column of warps where sums are an operand, got 2}}
  %o = tile.mma %p, %s, %c : !tile.tile<32x32xf16, registers>, !tile.tile<32x32xf16, shared>, !tile.tile<32x32xf32, registers> -> !tile.tile<32x32xf32, registers>
  tile.return
}

// -----

tile.kernel @rows_for_bulk_copies(%map: !llvm.ptr, %i: i32) attributes {warps = array<i64: 1, 1>} {
  %view = tile.mapped_view %map : !llvm.ptr -> !tile.tile<?x?xf16, global>
  // expected-error @below {{expected at most 256 rows of 32, 64 or a multiple of 128 bytes where bulk copies fill a ring, got '!tile.tile<16x160xf16, shared>'}}
  %ring = tile.alloc : !tile.ring<2, !tile.tile<16x160xf16, shared>>
  %barriers = tile.alloc_barriers : !tile.barriers<2>
  tile.bulk_copies %barriers[%i] : !tile.barriers<2> {
    %slot = tile.slot %ring[%i] : !tile.ring<2, !tile.tile<16x160xf16, shared>> -> !tile.tile<16x160xf16, shared>
    tile.copy %view[%i, %i] to %slot : !tile.tile<?x?xf16, global> to !tile.tile<16x160xf16, shared>
  }
  tile.return
}
