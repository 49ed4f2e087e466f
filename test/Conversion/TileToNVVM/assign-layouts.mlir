// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --dlc-assign-tile-layouts | FileCheck %s

// Rows of 64 bytes repeat their banks after two rows, rows of 128 bytes at once. Sums that are a left operand change layout.
// CHECK-LABEL: tile.kernel @halves
// CHECK-SAME: shared_bytes = 24576 : i64
tile.kernel @halves(%stage: i32, %one: f32) attributes {warps = array<i64: 4, 1>} {
  // CHECK: %[[A:.+]] = tile.alloc at 0 : !tile.ring<2, !tile.tile<64x32xbf16, shared, #tile.swizzle<period = 2, count = 4, step = 1>>>
  %a = tile.alloc : !tile.ring<2, !tile.tile<64x32xbf16, shared>>
  // CHECK: %[[B:.+]] = tile.alloc at 8192 : !tile.ring<2, !tile.tile<64x64xbf16, shared, #tile.swizzle<period = 1, count = 8, step = 1>>>
  %b = tile.alloc : !tile.ring<2, !tile.tile<64x64xbf16, shared>>
  // CHECK: tile.alloc overlay at 0 : !tile.ring<1, !tile.tile<64x64xbf16, shared, {{.*}}>>
  %c = tile.alloc overlay : !tile.ring<1, !tile.tile<64x64xbf16, shared>>
  %sa = tile.slot %a[%stage] : !tile.ring<2, !tile.tile<64x32xbf16, shared>> -> !tile.tile<64x32xbf16, shared>
  %sb = tile.slot %b[%stage] : !tile.ring<2, !tile.tile<64x64xbf16, shared>> -> !tile.tile<64x64xbf16, shared>
  // CHECK: tile.splat %{{.+}} -> !tile.tile<64x64xf32, registers, #tile.accumulator<warps_m = 4, warps_n = 1>>
  %zero = tile.splat %one : f32 -> !tile.tile<64x64xf32, registers>
  %s = tile.mma %sa, %sa, %zero transpose_b : !tile.tile<64x32xbf16, shared>, !tile.tile<64x32xbf16, shared>, !tile.tile<64x64xf32, registers> -> !tile.tile<64x64xf32, registers>
  // CHECK: %[[P:.+]] = tile.map {{.*}} -> !tile.tile<64x64xbf16, registers, #tile.accumulator<warps_m = 4, warps_n = 1>>
  %p = tile.map %s : !tile.tile<64x64xf32, registers> -> !tile.tile<64x64xbf16, registers> {
  ^bb0(%x: f32):
    %h = arith.truncf %x : f32 to bf16
    tile.yield %h : bf16
  }
  // CHECK: %[[OPERAND:.+]] = tile.convert_layout %[[P]] : {{.*}} -> !tile.tile<64x64xbf16, registers, #tile.operand_a<warps_m = 4, warps_n = 1>>
  // CHECK: tile.mma %[[OPERAND]]
  %o = tile.mma %p, %sb, %zero : !tile.tile<64x64xbf16, registers>, !tile.tile<64x64xbf16, shared>, !tile.tile<64x64xf32, registers> -> !tile.tile<64x64xf32, registers>
  tile.return
}

// Mbarriers are behind what overlays the rings, too.
// CHECK-LABEL: tile.kernel @barriers
// CHECK-SAME: shared_bytes = 16512 : i64
tile.kernel @barriers() attributes {warps = array<i64: 1, 1>} {
  // CHECK: tile.alloc at 0 : !tile.ring<2,
  %a = tile.alloc : !tile.ring<2, !tile.tile<64x16xbf16, shared>>
  // CHECK: tile.alloc_barriers at 16384 : !tile.barriers<2>
  %barriers = tile.alloc_barriers : !tile.barriers<2>
  // CHECK: tile.alloc overlay at 0 : !tile.ring<1,
  %c = tile.alloc overlay : !tile.ring<1, !tile.tile<64x64xf32, shared>>
  tile.return
}

// Sums of f32 keep their lanes as an operand, so the other operand's rows are read in pairs: rows 0, 2, 4, 6 at once.
// CHECK-LABEL: tile.kernel @paired
tile.kernel @paired(%stage: i32, %one: f32) attributes {warps = array<i64: 1, 1>} {
  // CHECK: tile.alloc at 0 : !tile.ring<2, !tile.tile<16x32xf32, shared, #tile.swizzle<period = 2, count = 4, step = 2>>>
  %b = tile.alloc : !tile.ring<2, !tile.tile<16x32xf32, shared>>
  %sb = tile.slot %b[%stage] : !tile.ring<2, !tile.tile<16x32xf32, shared>> -> !tile.tile<16x32xf32, shared>
  %p = tile.splat %one : f32 -> !tile.tile<16x16xf32, registers>
  %zero = tile.splat %one : f32 -> !tile.tile<16x32xf32, registers>
  // CHECK: %[[OPERAND:.+]] = tile.convert_layout %{{.+}} : {{.*}} -> !tile.tile<16x16xf32, registers, #tile.paired_operand_a<warps_m = 1, warps_n = 1>>
  // CHECK: tile.mma %[[OPERAND]]
  %o = tile.mma %p, %sb, %zero : !tile.tile<16x16xf32, registers>, !tile.tile<16x32xf32, shared>, !tile.tile<16x32xf32, registers> -> !tile.tile<16x32xf32, registers>
  tile.return
}

// Single elements of four rows are read at once where a matrix load cannot transpose.
// CHECK-LABEL: tile.kernel @floats
tile.kernel @floats(%stage: i32, %one: f32) attributes {warps = array<i64: 1, 1>} {
  // CHECK: tile.alloc at 0 : !tile.ring<2, !tile.tile<16x64xf32, shared, #tile.swizzle<period = 1, count = 4, step = 2>>>
  %b = tile.alloc : !tile.ring<2, !tile.tile<16x64xf32, shared>>
  // CHECK: tile.alloc at 8192 : !tile.ring<2, !tile.tile<16x16xf32, shared, #tile.swizzle<period = 2, count = 4, step = 1>>>
  %a = tile.alloc : !tile.ring<2, !tile.tile<16x16xf32, shared>>
  %sa = tile.slot %a[%stage] : !tile.ring<2, !tile.tile<16x16xf32, shared>> -> !tile.tile<16x16xf32, shared>
  %sb = tile.slot %b[%stage] : !tile.ring<2, !tile.tile<16x64xf32, shared>> -> !tile.tile<16x64xf32, shared>
  %zero = tile.splat %one : f32 -> !tile.tile<16x64xf32, registers>
  %o = tile.mma %sa, %sb, %zero : !tile.tile<16x16xf32, shared>, !tile.tile<16x64xf32, shared>, !tile.tile<16x64xf32, registers> -> !tile.tile<16x64xf32, registers>
  tile.return
}

// Sums of 8-bit operands lie in parts over lanes until something reads them.
// CHECK-LABEL: tile.kernel @bytes
tile.kernel @bytes(%stage: i32) attributes {warps = array<i64: 1, 2>} {
  %a = tile.alloc : !tile.ring<2, !tile.tile<32x64xi8, shared>>
  %s = tile.slot %a[%stage] : !tile.ring<2, !tile.tile<32x64xi8, shared>> -> !tile.tile<32x64xi8, shared>
  %acc = tile.splat %stage : i32 -> !tile.tile<32x32xi32, registers>
  // CHECK: tile.splat {{.*}} -> !tile.tile<1x32xi32, registers, #tile.column_parts<warps_m = 1, warps_n = 2>>
  %columns = tile.splat %stage : i32 -> !tile.tile<1x32xi32, registers>
  // CHECK: %[[SUM:.+]], %[[PARTS:.+]] = tile.mma
  %t:2 = tile.mma %s, %s, %acc transpose_b column_sums(%columns : !tile.tile<1x32xi32, registers> -> !tile.tile<1x32xi32, registers>) : !tile.tile<32x64xi8, shared>, !tile.tile<32x64xi8, shared>, !tile.tile<32x32xi32, registers> -> !tile.tile<32x32xi32, registers>
  // CHECK: %[[WHOLE:.+]] = tile.convert_layout %[[PARTS]] : {{.*}} -> !tile.tile<1x32xi32, registers, #tile.columns<warps_m = 1, warps_n = 2>>
  // CHECK: tile.map %[[SUM]], %[[WHOLE]]
  %m = tile.map %t#0, %t#1 : !tile.tile<32x32xi32, registers>, !tile.tile<1x32xi32, registers> -> !tile.tile<32x32xi32, registers> {
  ^bb0(%x: i32, %y: i32):
    tile.yield %x : i32
  }
  tile.return
}
