// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --dlc-lower-tile-pipelines | FileCheck %s

!slot = !tile.tile<16x16xf16, shared>
!ring = !tile.ring<3, !slot>
!acc = !tile.tile<16x16xf32, registers>

// Two of three stages are filled ahead; iteration k starts the fill of k + 2 in the slot before its own.
// CHECK-LABEL: tile.kernel @one_channel(
// CHECK-SAME: %[[UPPER:[^:]*]]: i32,
tile.kernel @one_channel(%upper: i32, %view: !tile.tile<?x?xf16, global>) attributes {warps = array<i64: 1, 1>} {
  %zero = arith.constant 0 : i32
  %f0 = arith.constant 0.0 : f32
  %init = tile.splat %f0 : f32 -> !acc
  // CHECK: %[[RING:.+]] = tile.alloc
  %ring = tile.alloc : !ring
  // CHECK: scf.if
  // CHECK: tile.copy
  // CHECK: tile.commit
  // CHECK: scf.if
  // CHECK: tile.copy
  // CHECK: tile.commit
  // CHECK-NOT: tile.commit
  // CHECK: %[[LOOP:.+]]:2 = scf.for %[[K:.+]] = %{{.+}} to %[[UPPER]] step %{{.+}} iter_args(%[[STAGE:.+]] = %{{.+}}, %[[ACC:.+]] = %{{.+}}) -> (i32, !tile.tile<16x16xf32, registers>)
  %sum = tile.pipeline %zero to %upper rings(%ring : !ring) init(%init : !acc) channels [1] -> !acc consume {
  ^bb0(%k: i32, %token: !tile.token, %acc: !acc):
    // CHECK-NEXT: tile.wait 1
    // CHECK: %[[AHEAD:.+]] = arith.addi %[[K]], %{{.+}} : i32
    // CHECK: %[[BEFORE:.+]] = arith.select
    // CHECK: %[[MORE:.+]] = arith.cmpi slt, %[[AHEAD]], %[[UPPER]]
    // CHECK: scf.if %[[MORE]] {
    // CHECK: %[[TARGET:.+]] = tile.slot %[[RING]][%[[BEFORE]]]
    // CHECK: tile.copy %{{.+}}[%[[AHEAD]], %[[AHEAD]]] to %[[TARGET]]
    // CHECK: }
    // CHECK-NEXT: tile.commit
    // CHECK: %[[SLOT:.+]] = tile.slot %[[RING]][%[[STAGE]]]
    %slot = tile.await %token : !slot
    // CHECK: tile.mma %[[SLOT]], %[[SLOT]], %[[ACC]]
    %next = tile.mma %slot, %slot, %acc : !slot, !slot, !acc -> !acc
    // CHECK-NOT: tile.release
    tile.release %token
    tile.yield %next : !acc
  } fill {
  ^bb0(%k: i32, %slot: !slot):
    tile.copy %view[%k, %k] to %slot : !tile.tile<?x?xf16, global> to !slot
    tile.yield
  }
  tile.return
}

// The second channel's fill of the next iteration is under way while its present one is awaited.
// CHECK-LABEL: tile.kernel @two_channels(
tile.kernel @two_channels(%upper: i32, %view: !tile.tile<?x?xf16, global>) attributes {warps = array<i64: 1, 1>} {
  %zero = arith.constant 0 : i32
  %a = tile.alloc : !ring
  %b = tile.alloc : !ring
  // CHECK: scf.for
  tile.pipeline %zero to %upper rings(%a, %b : !ring, !ring) channels [1, 1] consume {
  ^bb0(%k: i32, %first: !tile.token, %second: !tile.token):
    // CHECK: tile.wait 3
    // CHECK-COUNT-2: tile.commit
    %x = tile.await %first : !slot
    // CHECK: tile.wait 4
    %y = tile.await %second : !slot
    tile.release %first
    tile.release %second
    tile.yield
  } fill {
  ^bb0(%k: i32, %slot: !slot):
    tile.copy %view[%k, %k] to %slot : !tile.tile<?x?xf16, global> to !slot
    tile.yield
  }, {
  ^bb0(%k: i32, %slot: !slot):
    tile.copy %view[%k, %k] to %slot : !tile.tile<?x?xf16, global> to !slot
    tile.yield
  }
  tile.return
}
