// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s | dlc-opt | FileCheck %s
// RUN: dlc-opt %s --mlir-print-op-generic | dlc-opt | FileCheck %s

#swizzle = #tile.swizzle<period = 2, count = 4, step = 1>
#gemm = #tile.gemm_schedule<tile_m = 128, tile_n = 128, tile_k = 32, stages = 4, warps_m = 2, warps_n = 2>
#conv = #tile.conv_schedule<tile_m = 128, tile_n = 64, tile_k = 32, stages = 4, warps_m = 2, warps_n = 2>
#attention = #tile.attention_schedule<queries = 64, keys = 64, stages = 2, warps = 4>

// CHECK: module attributes {
// CHECK-SAME: tile.a = #tile.attention_schedule<queries = 64, keys = 64, stages = 2, warps = 4>
// CHECK-SAME: tile.c = #tile.conv_schedule<tile_m = 128, tile_n = 64, tile_k = 32, stages = 4, warps_m = 2, warps_n = 2>
// CHECK-SAME: tile.g = #tile.gemm_schedule<tile_m = 128, tile_n = 128, tile_k = 32, stages = 4, warps_m = 2, warps_n = 2>
module attributes {tile.a = #attention, tile.c = #conv, tile.g = #gemm} {

// A kernel, a pipeline with one channel of two rings, and an epilogue.
// CHECK-LABEL: tile.kernel @product(%{{.*}}: !llvm.ptr<1>, %{{.*}}: i64) attributes {warps = array<i64: 2, 2>}
tile.kernel @product(%base: !llvm.ptr<1>, %stride: i64) attributes {warps = array<i64: 2, 2>} {
  %zero = arith.constant 0 : i32
  %offset = arith.constant 0 : i64
  %steps = arith.constant 8 : i32
  %f0 = arith.constant 0.0 : f32
  // CHECK: tile.view %{{.*}}[%{{.*}}] rows %{{.*}} stride %{{.*}} columns %{{.*}} alignment 16 : !llvm.ptr<1> -> !tile.tile<?x?xbf16, global>
  %view = tile.view %base[%offset] rows %steps stride %stride columns %steps alignment 16 : !llvm.ptr<1> -> !tile.tile<?x?xbf16, global>
  // CHECK: tile.alloc : !tile.ring<4, !tile.tile<64x32xbf16, shared>>
  %a = tile.alloc : !tile.ring<4, !tile.tile<64x32xbf16, shared>>
  %b = tile.alloc at 512 : !tile.ring<4, !tile.tile<32x64xbf16, shared>>
  %init = tile.splat %f0 : f32 -> !tile.tile<64x64xf32, registers>
  // CHECK: tile.pipeline %{{.*}} to %{{.*}} rings(%{{.*}}, %{{.*}} : !tile.ring<4, !tile.tile<64x32xbf16, shared>>, !tile.ring<4, !tile.tile<32x64xbf16, shared>>) init(%{{.*}} : !tile.tile<64x64xf32, registers>) channels [2] -> !tile.tile<64x64xf32, registers> consume {
  %sum = tile.pipeline %zero to %steps rings(%a, %b : !tile.ring<4, !tile.tile<64x32xbf16, shared>>, !tile.ring<4, !tile.tile<32x64xbf16, shared>>)
      init(%init : !tile.tile<64x64xf32, registers>) channels [2] -> !tile.tile<64x64xf32, registers> consume {
  ^bb0(%k: i32, %token: !tile.token, %acc: !tile.tile<64x64xf32, registers>):
    // CHECK: tile.await %{{.*}} : !tile.tile<64x32xbf16, shared>, !tile.tile<32x64xbf16, shared>
    %x, %y = tile.await %token : !tile.tile<64x32xbf16, shared>, !tile.tile<32x64xbf16, shared>
    // CHECK: tile.mma %{{.*}}, %{{.*}}, %{{.*}} : !tile.tile<64x32xbf16, shared>, !tile.tile<32x64xbf16, shared>, !tile.tile<64x64xf32, registers> -> !tile.tile<64x64xf32, registers> prologue_a {
    %next = tile.mma %x, %y, %acc : !tile.tile<64x32xbf16, shared>, !tile.tile<32x64xbf16, shared>, !tile.tile<64x64xf32, registers> -> !tile.tile<64x64xf32, registers> prologue_a {
    ^bb0(%e: vector<2xbf16>):
      %n = arith.negf %e : vector<2xbf16>
      tile.yield %n : vector<2xbf16>
    }
    // CHECK: tile.release
    tile.release %token
    tile.yield %next : !tile.tile<64x64xf32, registers>
  } fill {
  ^bb0(%k: i32, %x: !tile.tile<64x32xbf16, shared>, %y: !tile.tile<32x64xbf16, shared>):
    // CHECK: tile.copy %{{.*}}[%{{.*}}, %{{.*}}] to %{{.*}} rows_exist : !tile.tile<?x?xbf16, global> to !tile.tile<64x32xbf16, shared>
    tile.copy %view[%zero, %k] to %x rows_exist : !tile.tile<?x?xbf16, global> to !tile.tile<64x32xbf16, shared>
    tile.copy %view[%k, %zero] to %y columns_exist : !tile.tile<?x?xbf16, global> to !tile.tile<32x64xbf16, shared>
    tile.yield
  }
  // CHECK: tile.alloc overlay
  %staging = tile.alloc overlay : !tile.ring<1, !tile.tile<64x64xf32, shared>>
  %slot = tile.slot %staging[%zero] : !tile.ring<1, !tile.tile<64x64xf32, shared>> -> !tile.tile<64x64xf32, shared>
  // CHECK: tile.epilogue %{{.*}}[%{{.*}}, %{{.*}}] below[%{{.*}}, %{{.*}}] lanes 4 rows_exist staging(%{{.*}} : !tile.tile<64x64xf32, shared>) : !tile.tile<64x64xf32, registers> {
  tile.epilogue %sum[%zero, %zero] below [%steps, %steps] lanes 4 rows_exist staging(%slot : !tile.tile<64x64xf32, shared>) : !tile.tile<64x64xf32, registers> {
  ^bb0(%v: vector<4xf32>, %row: i32, %column: i32):
    llvm.store %v, %base : vector<4xf32>, !llvm.ptr<1>
    tile.yield
  }
  tile.return
}

// Work on rows, and layouts.
// CHECK-LABEL: tile.kernel @rows
tile.kernel @rows(%stage: i32) attributes {shared_bytes = 4096 : i64, warps = array<i64: 4, 1>} {
  %f0 = arith.constant 0.0 : f32
  %ring = tile.alloc : !tile.ring<2, !tile.tile<64x32xf16, shared, #swizzle>>
  %slot = tile.slot %ring[%stage] : !tile.ring<2, !tile.tile<64x32xf16, shared, #swizzle>> -> !tile.tile<64x32xf16, shared, #swizzle>
  // CHECK: tile.load %{{.*}} : !tile.tile<64x32xf16, shared, #tile.swizzle<period = 2, count = 4, step = 1>> -> !tile.tile<64x32xf16, registers, #tile.operand_a<warps_m = 4, warps_n = 1>>
  %q = tile.load %slot : !tile.tile<64x32xf16, shared, #swizzle> -> !tile.tile<64x32xf16, registers, #tile.operand_a<warps_m = 4, warps_n = 1>>
  %s = tile.splat %f0 : f32 -> !tile.tile<64x64xf32, registers, #tile.accumulator<warps_m = 4, warps_n = 1>>
  // CHECK: tile.reduce max %{{.*}} : !tile.tile<64x64xf32, registers, #tile.accumulator<warps_m = 4, warps_n = 1>> -> !tile.tile<64xf32, registers, #tile.rows<warps_m = 4, warps_n = 1>>
  %m = tile.reduce max %s : !tile.tile<64x64xf32, registers, #tile.accumulator<warps_m = 4, warps_n = 1>> -> !tile.tile<64xf32, registers, #tile.rows<warps_m = 4, warps_n = 1>>
  // CHECK: tile.map %{{.*}}, %{{.*}} origin(%{{.*}}, %{{.*}}) : !tile.tile<64x64xf32, registers, #tile.accumulator<warps_m = 4, warps_n = 1>>, !tile.tile<64xf32, registers, #tile.rows<warps_m = 4, warps_n = 1>> -> !tile.tile<64x64xf16, registers, #tile.accumulator<warps_m = 4, warps_n = 1>> {
  %p = tile.map %s, %m origin(%stage, %stage) : !tile.tile<64x64xf32, registers, #tile.accumulator<warps_m = 4, warps_n = 1>>, !tile.tile<64xf32, registers, #tile.rows<warps_m = 4, warps_n = 1>> -> !tile.tile<64x64xf16, registers, #tile.accumulator<warps_m = 4, warps_n = 1>> {
  ^bb0(%x: f32, %y: f32, %row: i32, %column: i32):
    %d = arith.subf %x, %y : f32
    %h = arith.truncf %d : f32 to f16
    tile.yield %h : f16
  }
  // CHECK: tile.cast %{{.*}} : !tile.tile<64x64xf32, registers, #tile.accumulator<warps_m = 4, warps_n = 1>> -> !tile.tile<64x64xbf16, registers, #tile.accumulator<warps_m = 4, warps_n = 1>>
  %h16 = tile.cast %s : !tile.tile<64x64xf32, registers, #tile.accumulator<warps_m = 4, warps_n = 1>> -> !tile.tile<64x64xbf16, registers, #tile.accumulator<warps_m = 4, warps_n = 1>>
  // CHECK: tile.convert_layout
  %a = tile.convert_layout %p : !tile.tile<64x64xf16, registers, #tile.accumulator<warps_m = 4, warps_n = 1>> -> !tile.tile<64x64xf16, registers, #tile.operand_a<warps_m = 4, warps_n = 1>>
  // CHECK: tile.commit
  tile.commit
  // CHECK: tile.wait 1
  tile.wait 1
  tile.return
}

// What output pixels see of an image, one tap of the window at a time.
// CHECK-LABEL: tile.kernel @window
tile.kernel @window(%base: !llvm.ptr<1>, %o: i64, %n: i32, %slot: !tile.tile<16x16xf16, shared>) attributes {warps = array<i64: 1, 1>} {
  // CHECK: %[[WINDOW:.+]] = tile.window %{{.*}}[%{{.*}}] rows %{{.*}} below %{{.*}} columns %{{.*}} input(%{{.*}}, %{{.*}}) output(%{{.*}}, %{{.*}}) pad(%{{.*}}, %{{.*}}) stride(%{{.*}}, %{{.*}}, %{{.*}}) by [1, 2] alignment 8 : !llvm.ptr<1> -> !tile.tile<?x?xf16, global>
  %window = tile.window %base[%o] rows %n below %n columns %n input(%n, %n) output(%n, %n) pad(%n, %n) stride(%o, %o, %o) by [1, 2] alignment 8 : !llvm.ptr<1> -> !tile.tile<?x?xf16, global>
  // CHECK: tile.copy %[[WINDOW]][%{{.*}}, %{{.*}}] tap(%{{.*}}, %{{.*}}) to %{{.*}}
  tile.copy %window[%n, %n] tap(%n, %n) to %slot : !tile.tile<?x?xf16, global> to !tile.tile<16x16xf16, shared>
  // CHECK: %[[JOINED:.+]] = tile.window {{.*}} by [1, 2] taps [7, 1, 1, 3] alignment 2
  %joined = tile.window %base[%o] rows %n below %n columns %n input(%n, %n) output(%n, %n) pad(%n, %n) stride(%o, %o, %o) by [1, 2] taps [7, 1, 1, 3] alignment 2 : !llvm.ptr<1> -> !tile.tile<?x?xf16, global>
  // CHECK: tile.copy %[[JOINED]][%{{.*}}, %{{.*}}] to %{{.*}}
  tile.copy %joined[%n, %n] to %slot : !tile.tile<?x?xf16, global> to !tile.tile<16x16xf16, shared>
  tile.return
}

// 8-bit integers: sums of operands go along, and a window has a value around it.
// CHECK-LABEL: tile.kernel @bytes
tile.kernel @bytes(%base: !llvm.ptr<1>, %o: i64, %n: i32, %a: !tile.tile<16x32xui8, shared>, %b: !tile.tile<16x32xi8, shared>) attributes {warps = array<i64: 1, 1>} {
  %window = tile.window %base[%o] rows %n below %n columns %n input(%n, %n) output(%n, %n) pad(%n, %n) stride(%o, %o, %o) by [1, 2] alignment 8 : !llvm.ptr<1> -> !tile.tile<?x?xui8, global>
  // CHECK: tile.copy %{{.*}}[%{{.*}}, %{{.*}}] tap(%{{.*}}, %{{.*}}) fill %{{.*}} to %{{.*}}
  tile.copy %window[%n, %n] tap(%n, %n) fill %n to %a : !tile.tile<?x?xui8, global> to !tile.tile<16x32xui8, shared>
  %acc = tile.splat %n : i32 -> !tile.tile<16x16xi32, registers>
  %rows = tile.splat %n : i32 -> !tile.tile<16xi32, registers>
  %columns = tile.splat %n : i32 -> !tile.tile<1x16xi32, registers>
  // CHECK: tile.mma %{{.*}}, %{{.*}}, %{{.*}} transpose_b row_sums(%{{.*}} : !tile.tile<16xi32, registers> -> !tile.tile<16xi32, registers>) column_sums(%{{.*}} : !tile.tile<1x16xi32, registers> -> !tile.tile<1x16xi32, registers>) : !tile.tile<16x32xui8, shared>, !tile.tile<16x32xi8, shared>
  %t:3 = tile.mma %a, %b, %acc transpose_b row_sums(%rows : !tile.tile<16xi32, registers> -> !tile.tile<16xi32, registers>) column_sums(%columns : !tile.tile<1x16xi32, registers> -> !tile.tile<1x16xi32, registers>) : !tile.tile<16x32xui8, shared>, !tile.tile<16x32xi8, shared>, !tile.tile<16x16xi32, registers> -> !tile.tile<16x16xi32, registers>
  // CHECK: tile.map {{.*}} : !tile.tile<16x16xi32, registers>, !tile.tile<1x16xi32, registers> -> !tile.tile<16x16xi32, registers>
  %m = tile.map %t#0, %t#2 : !tile.tile<16x16xi32, registers>, !tile.tile<1x16xi32, registers> -> !tile.tile<16x16xi32, registers> {
  ^bb0(%x: i32, %y: i32):
    tile.yield %x : i32
  }
  tile.return
}

}
