// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --dlc-lower-tile-pipelines | FileCheck %s --check-prefix=LOOP
// RUN: dlc-opt %s --dlc-lower-tile-pipelines --dlc-assign-tile-layouts | FileCheck %s --check-prefix=LAYOUT
// RUN: dlc-opt %s --dlc-lower-tile-pipelines --dlc-assign-tile-layouts --dlc-convert-tile-to-nvvm --cse | FileCheck %s --check-prefix=CODE

!slot_a = !tile.tile<16x32xf16, shared>
!slot_b = !tile.tile<32x128xf16, shared>
!acc = !tile.tile<16x128xf32, registers>

// One thread starts the copies of a stage, and an mbarrier counts their bytes. Its phase turns with the ring.
// LOOP-LABEL: tile.kernel @product(
// Rows of 256 bytes are two panels; rings begin where the swizzle does; the mbarriers are behind them.
// LAYOUT-LABEL: tile.kernel @product(
// LAYOUT-SAME: shared_bytes = 27776 : i64
// CODE-LABEL: llvm.func @product(
// CODE-SAME: %[[A:[^:]+]]: !llvm.ptr {llvm.align = 128 : i64, llvm.byval = !llvm.array<128 x i8>, nvvm.grid_constant}
tile.kernel @product(%a: !llvm.ptr {llvm.align = 128 : i64, llvm.byval = !llvm.array<128 x i8>},
                     %b: !llvm.ptr {llvm.align = 128 : i64, llvm.byval = !llvm.array<128 x i8>},
                     %upper: i32, %batch: i32) attributes {warps = array<i64: 1, 1>} {
  %zero = arith.constant 0 : i32
  %f0 = arith.constant 0.0 : f32
  %init = tile.splat %f0 : f32 -> !acc
  %view_a = tile.mapped_view %a batch(%batch) : !llvm.ptr -> !tile.tile<?x?xf16, global>
  %view_b = tile.mapped_view %b : !llvm.ptr -> !tile.tile<?x?xf16, global>
  // LAYOUT: tile.alloc at 0 : !tile.ring<3, !tile.tile<16x32xf16, shared, #tile.swizzle<period = 2, count = 4, step = 1>>>
  %ring_a = tile.alloc : !tile.ring<3, !slot_a>
  // LAYOUT: tile.alloc at 3072 : !tile.ring<3, !tile.tile<32x128xf16, shared, #tile.swizzle<period = 1, count = 8, step = 1, panel = 8>>>
  %ring_b = tile.alloc : !tile.ring<3, !slot_b>
  // LOOP: %[[BARRIERS:.+]] = tile.alloc_barriers : !tile.barriers<3>
  // LAYOUT: tile.alloc_barriers at 27648
  // LOOP: scf.if
  // LOOP-NEXT: tile.bulk_copies %[[BARRIERS]][%{{.+}}]
  // LOOP: tile.copy %{{.+}} to
  // LOOP: tile.copy %{{.+}} to
  // LOOP-NOT: tile.commit
  // LOOP: %{{.+}}:3 = scf.for %{{.+}} iter_args(%[[STAGE:.+]] = %{{.+}}, %[[PHASE:.+]] = %{{.+}}, %{{.+}} = %{{.+}})
  // LOOP-NEXT: tile.await_bulk %[[BARRIERS]][%[[STAGE]]] phase %[[PHASE]]
  // LOOP: tile.bulk_copies %[[BARRIERS]]
  // LOOP: tile.mma
  // LOOP: %[[LAST:.+]] = arith.cmpi eq
  // LOOP: %[[TURN:.+]] = arith.extui %[[LAST]] : i1 to i32
  // LOOP: arith.xori %[[PHASE]], %[[TURN]]

  // CODE: scf.if
  // CODE-COUNT-3: nvvm.mbarrier.init %{{.+}}, %{{.+}} : !llvm.ptr<3>, i32
  // CODE: nvvm.fence.mbarrier.init
  // CODE: nvvm.barrier0
  // 16 x 32 and 32 x 128 halves are 9216 bytes.
  // CODE: %[[BYTES:.+]] = arith.constant 9216 : i32
  // CODE: nvvm.mbarrier.arrive.expect_tx %[[BARRIER:.+]], %[[BYTES]] : !llvm.ptr<3>, i32
  // CODE: nvvm.cp.async.bulk.tensor.shared.cluster.global %{{.+}}, %[[A]], %[[BARRIER]], box[%{{.+}}, %{{.+}}, %{{.+}}] : !llvm.ptr<7>, !llvm.ptr
  // CODE-COUNT-2: nvvm.cp.async.bulk.tensor.shared.cluster.global %{{.+}}, %{{.+}}, %[[BARRIER]], box[%{{.+}}, %{{.+}}] : !llvm.ptr<7>, !llvm.ptr
  // CODE: scf.for
  // CODE: scf.while
  // CODE: nvvm.mbarrier.try_wait %{{.+}}, %{{.+}} : !llvm.ptr<3>, i32 -> i1
  // CODE: nvvm.barrier0
  %sum = tile.pipeline %zero to %upper rings(%ring_a, %ring_b : !tile.ring<3, !slot_a>, !tile.ring<3, !slot_b>)
      init(%init : !acc) channels [2] -> !acc consume {
  ^bb0(%k: i32, %token: !tile.token, %acc: !acc):
    %x, %y = tile.await %token : !slot_a, !slot_b
    %next = tile.mma %x, %y, %acc : !slot_a, !slot_b, !acc -> !acc
    tile.release %token
    tile.yield %next : !acc
  } fill {
  ^bb0(%k: i32, %x: !slot_a, %y: !slot_b):
    tile.copy %view_a[%zero, %k] to %x : !tile.tile<?x?xf16, global> to !slot_a
    tile.copy %view_b[%k, %zero] to %y : !tile.tile<?x?xf16, global> to !slot_b
    tile.yield
  }
  tile.return
}
