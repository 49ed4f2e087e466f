// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --dlc-convert-tile-to-nvvm --cse | FileCheck %s

#rows64 = #tile.swizzle<period = 2, count = 4, step = 1>
#sums = #tile.accumulator<warps_m = 1, warps_n = 1>

// CHECK: llvm.mlir.global external @dlc_shared() {addr_space = 3 : i32, alignment = 1024 : i64} : !llvm.array<0 x i8>

// Rows of 16-byte chunks are copied whole, with as many bytes as exist.
// CHECK-LABEL: llvm.func @copy(
// CHECK-SAME: attributes {nvvm.kernel, nvvm.minctasm = 1 : i32, nvvm.reqntid = array<i32: 32, 1, 1>, tile.shared_bytes = 1024 : i64, tile.threads = 32 : i64}
tile.kernel @copy(%base: !llvm.ptr<1>, %offset: i64, %n: i32) attributes {shared_bytes = 1024 : i64, warps = array<i64: 1, 1>} {
  %ring = tile.alloc at 0 : !tile.ring<1, !tile.tile<16x32xbf16, shared, #rows64>>
  %slot = tile.slot %ring[%n] : !tile.ring<1, !tile.tile<16x32xbf16, shared, #rows64>> -> !tile.tile<16x32xbf16, shared, #rows64>
  %view = tile.view %base[%offset] rows %n stride %offset columns %n alignment 16 : !llvm.ptr<1> -> !tile.tile<?x?xbf16, global>
  // CHECK-COUNT-2: nvvm.cp.async.shared.global %{{.+}}, %{{.+}}, 16, cache = cg, %{{.+}} : !llvm.ptr<3>, !llvm.ptr<1>, i32
  // CHECK-NOT: nvvm.cp.async.shared.global
  tile.copy %view[%n, %n] to %slot : !tile.tile<?x?xbf16, global> to !tile.tile<16x32xbf16, shared, #rows64>
  // CHECK: nvvm.cp.async.commit.group
  tile.commit
  // CHECK-NEXT: nvvm.cp.async.wait.group 1
  // CHECK-NEXT: nvvm.barrier0
  tile.wait 1
  // CHECK: llvm.return
  tile.return
}

// Rows at odd addresses take narrower copies, and element loads where no copy is narrow enough.
// CHECK-LABEL: llvm.func @narrow_copies(
tile.kernel @narrow_copies(%base: !llvm.ptr<1>, %offset: i64, %n: i32) attributes {shared_bytes = 512 : i64, warps = array<i64: 1, 1>} {
  %ring = tile.alloc at 0 : !tile.ring<1, !tile.tile<16x16xbf16, shared, #rows64>>
  %slot = tile.slot %ring[%n] : !tile.ring<1, !tile.tile<16x16xbf16, shared, #rows64>> -> !tile.tile<16x16xbf16, shared, #rows64>
  %words = tile.view %base[%offset] rows %n stride %offset columns %n alignment 4 : !llvm.ptr<1> -> !tile.tile<?x?xbf16, global>
  // CHECK-COUNT-4: nvvm.cp.async.shared.global %{{.+}}, %{{.+}}, 4, cache = ca
  tile.copy %words[%n, %n] to %slot rows_exist columns_exist : !tile.tile<?x?xbf16, global> to !tile.tile<16x16xbf16, shared, #rows64>
  %halves = tile.view %base[%offset] rows %n stride %offset columns %n alignment 2 : !llvm.ptr<1> -> !tile.tile<?x?xbf16, global>
  // CHECK-NOT: nvvm.cp.async
  // CHECK-COUNT-8: llvm.load %{{.+}} {alignment = 2 : i64} : !llvm.ptr<1> -> i16
  // CHECK: llvm.store %{{.+}}, %{{.+}} {alignment = 16 : i64} : vector<8xi16>, !llvm.ptr<3>
  tile.copy %halves[%n, %n] to %slot : !tile.tile<?x?xbf16, global> to !tile.tile<16x16xbf16, shared, #rows64>
  tile.return
}

// A 16x16 product of one k step: a matrix load per operand, two instructions.
// CHECK-LABEL: llvm.func @product(
tile.kernel @product(%n: i32, %x: f32) attributes {shared_bytes = 512 : i64, warps = array<i64: 1, 1>} {
  %ring = tile.alloc at 0 : !tile.ring<1, !tile.tile<16x16xbf16, shared, #rows64>>
  %slot = tile.slot %ring[%n] : !tile.ring<1, !tile.tile<16x16xbf16, shared, #rows64>> -> !tile.tile<16x16xbf16, shared, #rows64>
  %acc = tile.splat %x : f32 -> !tile.tile<16x16xf32, registers, #sums>
  // CHECK: nvvm.ldmatrix {{.*}}layout = #nvvm.mma_layout<row>
  // CHECK: nvvm.ldmatrix {{.*}}layout = #nvvm.mma_layout<col>
  // CHECK-COUNT-2: nvvm.mma.sync {{.*}}multiplicandAPtxType = #nvvm.mma_type<bf16>{{.*}}shape = #nvvm.shape<m = 16, n = 8, k = 16>
  // CHECK-NOT: nvvm.mma.sync
  %sum = tile.mma %slot, %slot, %acc : !tile.tile<16x16xbf16, shared, #rows64>, !tile.tile<16x16xbf16, shared, #rows64>, !tile.tile<16x16xf32, registers, #sums> -> !tile.tile<16x16xf32, registers, #sums>
  tile.return
}

// f32 operands are rounded to tf32 after their prologue, element by element.
// CHECK-LABEL: llvm.func @floats(
tile.kernel @floats(%n: i32, %x: f32) attributes {shared_bytes = 512 : i64, warps = array<i64: 1, 1>} {
  %ring = tile.alloc at 0 : !tile.ring<1, !tile.tile<16x8xf32, shared, #rows64>>
  %slot = tile.slot %ring[%n] : !tile.ring<1, !tile.tile<16x8xf32, shared, #rows64>> -> !tile.tile<16x8xf32, shared, #rows64>
  %acc = tile.splat %x : f32 -> !tile.tile<16x16xf32, registers, #sums>
  // CHECK: arith.negf %{{.+}} : vector<1xf32>
  // CHECK: nvvm.convert.float.to.tf32 %{{.+}} {rnd = #nvvm.fp_rnd_mode<rna>}
  // CHECK-COUNT-2: nvvm.mma.sync {{.*}}multiplicandAPtxType = #nvvm.mma_type<tf32>{{.*}}shape = #nvvm.shape<m = 16, n = 8, k = 8>
  %sum = tile.mma %slot, %slot, %acc transpose_b : !tile.tile<16x8xf32, shared, #rows64>, !tile.tile<16x8xf32, shared, #rows64>, !tile.tile<16x16xf32, registers, #sums> -> !tile.tile<16x16xf32, registers, #sums> prologue_a {
  ^bb0(%e: vector<1xf32>):
    %minus = arith.negf %e : vector<1xf32>
    tile.yield %minus : vector<1xf32>
  }
  tile.return
}

// The lanes of a row exchange their maxima.
// CHECK-LABEL: llvm.func @row_maxima(
tile.kernel @row_maxima(%x: f32) attributes {shared_bytes = 0 : i64, warps = array<i64: 1, 1>} {
  %acc = tile.splat %x : f32 -> !tile.tile<16x16xf32, registers, #sums>
  // CHECK-COUNT-4: nvvm.shfl.sync bfly
  // CHECK-NOT: nvvm.shfl.sync
  %m = tile.reduce max %acc : !tile.tile<16x16xf32, registers, #sums> -> !tile.tile<16xf32, registers, #tile.rows<warps_m = 1, warps_n = 1>>
  tile.return
}

// Each lane hands out its eight elements in pairs, and checks that they exist.
// CHECK-LABEL: llvm.func @epilogue(
// CHECK-SAME: %[[BASE:[^:]*]]: !llvm.ptr<1>, %[[N:[^:]*]]: i32
tile.kernel @epilogue(%base: !llvm.ptr<1>, %n: i32, %x: f32) attributes {shared_bytes = 0 : i64, warps = array<i64: 1, 1>} {
  %acc = tile.splat %x : f32 -> !tile.tile<16x16xf32, registers, #sums>
  // CHECK: arith.cmpi slt, %{{.+}}, %[[N]]
  // CHECK: scf.if
  // CHECK-COUNT-4: llvm.store %{{.+}}, %[[BASE]] : vector<2xf32>
  tile.epilogue %acc[%n, %n] below[%n, %n] lanes 2 columns_exist : !tile.tile<16x16xf32, registers, #sums> {
  ^bb0(%v: vector<2xf32>, %row: i32, %column: i32):
    llvm.store %v, %base : vector<2xf32>, !llvm.ptr<1>
    tile.yield
  }
  tile.return
}

// Bytes of mixed signs: two instructions, and a dot product with ones for each register of the right operand.
// CHECK-LABEL: llvm.func @bytes(
tile.kernel @bytes(%n: i32, %acc: i32) attributes {shared_bytes = 512 : i64, warps = array<i64: 1, 1>} {
  %ra = tile.alloc at 0 : !tile.ring<1, !tile.tile<16x32xui8, shared, #rows64>>
  %a = tile.slot %ra[%n] : !tile.ring<1, !tile.tile<16x32xui8, shared, #rows64>> -> !tile.tile<16x32xui8, shared, #rows64>
  %rb = tile.alloc at 512 : !tile.ring<1, !tile.tile<16x32xi8, shared, #rows64>>
  %b = tile.slot %rb[%n] : !tile.ring<1, !tile.tile<16x32xi8, shared, #rows64>> -> !tile.tile<16x32xi8, shared, #rows64>
  %zero = arith.constant 0 : i32
  %sums = tile.splat %acc : i32 -> !tile.tile<16x16xi32, registers, #sums>
  %columns = tile.splat %zero : i32 -> !tile.tile<1x16xi32, registers, #tile.column_parts<warps_m = 1, warps_n = 1>>
  // CHECK-COUNT-4: nvvm.dot.accumulate.4way %{{.+}} <signed>
  // CHECK-NOT: nvvm.dot.accumulate
  // CHECK-COUNT-2: nvvm.mma.sync {{.*}}intOverflowBehavior = #nvvm.mma_int_overflow<wrapped>{{.*}}multiplicandAPtxType = #nvvm.mma_type<u8>, multiplicandBPtxType = #nvvm.mma_type<s8>, shape = #nvvm.shape<m = 16, n = 8, k = 32>
  %t:2 = tile.mma %a, %b, %sums transpose_b column_sums(%columns : !tile.tile<1x16xi32, registers, #tile.column_parts<warps_m = 1, warps_n = 1>> -> !tile.tile<1x16xi32, registers, #tile.column_parts<warps_m = 1, warps_n = 1>>) : !tile.tile<16x32xui8, shared, #rows64>, !tile.tile<16x32xi8, shared, #rows64>, !tile.tile<16x16xi32, registers, #sums> -> !tile.tile<16x16xi32, registers, #sums>
  // Two blocks of columns: each is added up over four lanes and read by the lanes of its columns.
  // CHECK-COUNT-2: nvvm.shfl.sync bfly
  // CHECK-COUNT-2: nvvm.shfl.sync idx
  // CHECK-COUNT-2: nvvm.shfl.sync bfly
  // CHECK-COUNT-2: nvvm.shfl.sync idx
  %c = tile.convert_layout %t#1 : !tile.tile<1x16xi32, registers, #tile.column_parts<warps_m = 1, warps_n = 1>> -> !tile.tile<1x16xi32, registers, #tile.columns<warps_m = 1, warps_n = 1>>
  tile.return
}

// What lies outside of an image is stored, not copied; loops with such copies are not unrolled.
// CHECK-LABEL: llvm.func @fill(
tile.kernel @fill(%base: !llvm.ptr<1>, %o: i64, %n: i32, %bytes: i32) attributes {shared_bytes = 512 : i64, warps = array<i64: 1, 1>} {
  %zero = arith.constant 0 : i32
  %one = arith.constant 1 : i32
  %ring = tile.alloc at 0 : !tile.ring<1, !tile.tile<16x32xi8, shared, #rows64>>
  %slot = tile.slot %ring[%zero] : !tile.ring<1, !tile.tile<16x32xi8, shared, #rows64>> -> !tile.tile<16x32xi8, shared, #rows64>
  %window = tile.window %base[%o] rows %n below %n columns %n input(%n, %n) output(%n, %n) pad(%n, %n) stride(%o, %o, %o) by [1, 1] alignment 16 : !llvm.ptr<1> -> !tile.tile<?x?xi8, global>
  // CHECK: scf.for
  scf.for %i = %zero to %n step %one : i32 {
    // CHECK: scf.if
    // CHECK: nvvm.cp.async.shared.global
    // CHECK: else
    // CHECK: llvm.store %{{.+}} {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr<3>
    tile.copy %window[%n, %zero] tap(%i, %i) fill %bytes to %slot columns_exist : !tile.tile<?x?xi8, global> to !tile.tile<16x32xi8, shared, #rows64>
    // CHECK: } {llvm.loop_annotation = {{.+}}}
  }
  tile.return
}
