// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The form of one kernel of each family, and how it is launched.
// RUN: dlc-opt %s -split-input-file -dlc-form-dispatches -dlc-schedule-gpu-kernels -dlc-outline-gpu-kernels | FileCheck %s

// A flat grid: 1000 elements are 250 vectors of 16 bytes.
// CHECK-LABEL: func.func @map
// CHECK: %[[BLOCKS:.*]] = arith.constant 1 : index
// CHECK: rt.dispatch @elementwise_0({{.*}} items(%[[BLOCKS]]) {{.*}}threads = 256
// CHECK: func.func @elementwise_0(%{{.*}}: memref<f32> {llvm.align = 16 : i64, llvm.noalias}
// CHECK-SAME: dlc.index_bits = 32
// CHECK-SAME: dlc.kernel
// CHECK-COUNT-4: memref.load
// CHECK-COUNT-4: memref.store
func.func @map(%x: tensor<1000xf32>) -> tensor<1000xf32> {
  %0 = nn.elementwise relu(%x) : (tensor<1000xf32>) -> tensor<1000xf32>
  return %0 : tensor<1000xf32>
}

// -----

// Short rows belong to warps: no shared memory, five exchanges a sum.
// CHECK-LABEL: func.func @softmax
// CHECK: rt.dispatch @softmax_0({{.*}}threads = 128
// CHECK: func.func @softmax_0
// CHECK-NOT: nvvm.barrier0
// CHECK-COUNT-10: nvvm.shfl.sync bfly
// CHECK-NOT: nvvm.shfl.sync
// CHECK: return
func.func @softmax(%x: tensor<8x128xf32>) -> tensor<8x128xf32> {
  %0 = nn.softmax %x axes [1] : tensor<8x128xf32> -> tensor<8x128xf32>
  return %0 : tensor<8x128xf32>
}

// -----

// Rows of unknown length: what 16 registers of each thread do not hold goes to
// shared memory, and only what that does not hold is loaded by all three passes.
// CHECK-LABEL: func.func @softmax_unknown
// CHECK: rt.dispatch @softmax_0({{.*}}threads = 256
// CHECK: memref.global "private" @softmax_0_shared_0 : memref<6144xf32, 3> = uninitialized
// CHECK: func.func @softmax_0
// CHECK-COUNT-18: memref.load %reinterpret_cast
// CHECK: nvvm.barrier0
// CHECK-COUNT-1: memref.load %reinterpret_cast
// CHECK: nvvm.barrier0
// CHECK-COUNT-1: memref.load %reinterpret_cast
// CHECK-NOT: memref.load %reinterpret_cast
// CHECK: return
func.func @softmax_unknown(%x: tensor<8x?xf32>) -> tensor<8x?xf32> {
  %0 = nn.softmax %x axes [1] : tensor<8x?xf32> -> tensor<8x?xf32>
  return %0 : tensor<8x?xf32>
}

// -----

// Rows longer than a block's registers: the rest, 5520 columns in turns of 1024
// vectors, stays in shared memory.
// CHECK-LABEL: func.func @softmax_long
// CHECK: rt.dispatch @softmax_0({{.*}}threads = 1024
// CHECK: memref.global "private" @softmax_0_shared_0 : memref<8192xf32, 3> = uninitialized
// CHECK: func.func @softmax_0
// CHECK-COUNT-24: memref.load %reinterpret_cast
// CHECK: nvvm.barrier0
// CHECK-NOT: memref.load %reinterpret_cast
// CHECK: return
func.func @softmax_long(%x: tensor<8x26000xf32>) -> tensor<8x26000xf32> {
  %0 = nn.softmax %x axes [1] : tensor<8x26000xf32> -> tensor<8x26000xf32>
  return %0 : tensor<8x26000xf32>
}

// -----

// Rows that lie side by side: each thread has some elements of one of 32 rows,
// and the parts meet in shared memory.
// CHECK-LABEL: func.func @reduce_columns
// CHECK: %[[BLOCKS:.*]] = arith.constant 2 : index
// CHECK: rt.dispatch @reduce_0({{.*}} items(%[[BLOCKS]]) {{.*}}threads = 256
// CHECK: memref.global "private" @reduce_0_shared_0 : memref<256xf32, 3> = uninitialized
// CHECK: nvvm.barrier0
func.func @reduce_columns(%x: tensor<49x64xf32>) -> tensor<64xf32> {
  %0 = nn.reduce sum(%x) axes [0] : tensor<49x64xf32> -> tensor<64xf32>
  return %0 : tensor<64xf32>
}

// -----

// What has no family of its own has a thread per item of the shared code, and
// scratch memory for all of them where items need some.
// CHECK-LABEL: func.func @pool_planes
// CHECK: %[[BLOCKS:.*]] = arith.constant 2 : index
// CHECK: rt.dispatch @pool_0({{.*}} items(%[[BLOCKS]]) {{.*}}threads = 128
func.func @pool_planes(%x: tensor<1x5x6x16xf32>) -> tensor<1x5x3x15xf32> {
  %0 = nn.pool max(%x) {kernel = array<i64: 2, 2>, strides = array<i64: 2, 1>, dilations = array<i64: 1, 1>, pad_low = array<i64: 0, 0>, pad_high = array<i64: 0, 0>} : (tensor<1x5x6x16xf32>) -> tensor<1x5x3x15xf32>
  return %0 : tensor<1x5x3x15xf32>
}

// -----

// Four neighbouring channels a thread: 1x3x15x4 threads, whose windows' columns
// are written out.
// CHECK-LABEL: func.func @pool
// CHECK: %[[BLOCKS:.*]] = arith.constant 2 : index
// CHECK: rt.dispatch @pool_0({{.*}} items(%[[BLOCKS]]) {{.*}}threads = 128
// CHECK: func.func @pool_0
// CHECK: scf.for
// CHECK-COUNT-8: memref.load
// CHECK-NOT: memref.load
// CHECK: return
func.func @pool(%x: tensor<1x6x16x16xf32>) -> tensor<1x3x15x16xf32> {
  %0 = nn.pool max(%x) {channels_last, kernel = array<i64: 2, 2>, strides = array<i64: 2, 1>, dilations = array<i64: 1, 1>, pad_low = array<i64: 0, 0>, pad_high = array<i64: 0, 0>} : (tensor<1x6x16x16xf32>) -> tensor<1x3x15x16xf32>
  return %0 : tensor<1x3x15x16xf32>
}

// -----

// The filter of a depthwise convolution lies tap by tap, so that channels of one
// are neighbours.
// CHECK-LABEL: func.func @depthwise
// CHECK: nn.param_ref @w.packed : tensor<1x9x16xf32>
// CHECK: rt.dispatch @conv_0({{.*}}threads = 128
nn.param @w : tensor<16x1x3x3xf32> = (#nn.data<"m", offset = 0, bytes = 576>) : tensor<16x1x3x3xf32>
func.func @depthwise(%x: tensor<1x6x7x16xf32>) -> tensor<1x4x5x16xf32> {
  %w = nn.param_ref @w : tensor<16x1x3x3xf32>
  %0 = nn.conv %x, %w {channels_last, groups = 16 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pad_low = array<i64: 0, 0>, pad_high = array<i64: 0, 0>} : tensor<1x6x7x16xf32>, tensor<16x1x3x3xf32> -> tensor<1x4x5x16xf32>
  return %0 : tensor<1x4x5x16xf32>
}

// -----

// Five elements are eight lanes' work: three exchanges, no shared memory.
// CHECK-LABEL: func.func @scan_rows
// CHECK: rt.dispatch @scan_0({{.*}}threads = 256
// CHECK-NOT: memref.global
// CHECK-COUNT-4: nvvm.shfl.sync up
// CHECK-NOT: nvvm.shfl.sync up
// CHECK: return
func.func @scan_rows(%x: tensor<3x5xf32>) -> tensor<3x5xf32> {
  %0 = nn.scan sum(%x) axis 1 : tensor<3x5xf32> -> tensor<3x5xf32>
  return %0 : tensor<3x5xf32>
}

// -----

// 100 elements take the places of 128, two lines a block.
// CHECK-LABEL: func.func @top_k
// CHECK: %[[BLOCKS:.*]] = arith.constant 2 : index
// CHECK: rt.dispatch @sort_0({{.*}} items(%[[BLOCKS]]) {{.*}}threads = 128
// CHECK: memref.global "private" @sort_0_shared_0 : memref<256xf32, 3>
func.func @top_k(%x: tensor<3x100xf32>) -> (tensor<3x7xf32>, tensor<3x7xi64>) {
  %0:2 = nn.sort %x axis 1 descending : (tensor<3x100xf32>) -> (tensor<3x7xf32>, tensor<3x7xi64>)
  return %0#0, %0#1 : tensor<3x7xf32>, tensor<3x7xi64>
}

// -----

// Rows of 64: sixteen threads of 16 bytes for each of 200 parts.
// CHECK-LABEL: func.func @scatter
// CHECK: %[[BLOCKS:.*]] = arith.constant 25 : index
// CHECK: rt.dispatch @scatter_0({{.*}} items(%[[BLOCKS]]) {{.*}}threads = 128
func.func @scatter(%d: tensor<200x64xf32>, %i: tensor<50xi64>, %u: tensor<50x64xf32>) -> tensor<200x64xf32> {
  %0 = nn.scatter add %u into %d, (%i) indexed [0] index_maps [affine_map<(r, c) -> (r)>] dest_map affine_map<(r, c) -> (c)> : tensor<50x64xf32> into tensor<200x64xf32>, (tensor<50xi64>) -> tensor<200x64xf32>
  return %0 : tensor<200x64xf32>
}

// -----

// The elements of such rows stay in registers, too: 49 in 8 threads are 7 loads.
// CHECK-LABEL: func.func @softmax_outer
// CHECK: rt.dispatch @softmax_0({{.*}}threads = 256
// CHECK: func.func @softmax_0
// CHECK-COUNT-7: memref.load %reinterpret_cast
// CHECK-NOT: memref.load %reinterpret_cast
// CHECK: nvvm.barrier0
// CHECK: nvvm.barrier0
// CHECK-NOT: memref.load %reinterpret_cast
// CHECK: return
func.func @softmax_outer(%x: tensor<49x64xf32>) -> tensor<49x64xf32> {
  %0 = nn.softmax %x axes [0] : tensor<49x64xf32> -> tensor<49x64xf32>
  return %0 : tensor<49x64xf32>
}

// -----

// Six tiles of 32 by 32, through shared memory by vectors; the epilogue reads
// its other operand where it writes.
// CHECK-LABEL: func.func @transpose
// CHECK: %[[BLOCKS:.*]] = arith.constant 6 : index
// CHECK: rt.dispatch @elementwise_0({{.*}} items(%[[BLOCKS]]) {{.*}}threads = 256
// CHECK: memref.global "private" @elementwise_0_shared_0 : memref<1024xf32, 3>
// CHECK-COUNT-4: memref.load
// CHECK-COUNT-4: memref.store
// CHECK: nvvm.barrier0
// CHECK: vector.load {{.*}}alignment = 16
// CHECK-COUNT-4: memref.load
// CHECK-COUNT-4: memref.store
func.func @transpose(%x: tensor<64x96xf32>, %y: tensor<96x64xf32>) -> tensor<96x64xf32> {
  %0 = nn.transpose %x [1, 0] : tensor<64x96xf32> -> tensor<96x64xf32>
  %1 = nn.elementwise add(%0, %y) : (tensor<96x64xf32>, tensor<96x64xf32>) -> tensor<96x64xf32>
  return %1 : tensor<96x64xf32>
}

// -----

// Sides that no vector fills: single elements, columns of 33.
// CHECK-LABEL: func.func @odd_transpose
// CHECK: memref.global "private" @transpose_0_shared_0 : memref<1056xf32, 3>
func.func @odd_transpose(%x: tensor<51x77xf32>) -> tensor<77x51xf32> {
  %0 = nn.transpose %x [1, 0] : tensor<51x77xf32> -> tensor<77x51xf32>
  return %0 : tensor<77x51xf32>
}

// -----

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>

// Three vectors and a matrix whose columns lie side by side: 32 of them a block.
// CHECK-LABEL: func.func @gemv_columns
// CHECK: %[[BLOCKS:.*]] = arith.constant 7 : index
// CHECK: rt.dispatch @contract_0({{.*}} items(%[[BLOCKS]]) {{.*}}threads = 256
// CHECK: memref.global "private" @contract_0_shared_0 : memref<768xf32, 3>
func.func @gemv_columns(%x: tensor<3x64xf32>, %w: tensor<64x200xf32>) -> tensor<3x200xf32> {
  %0 = nn.contract %x, %w maps [#a, #b, #c] : tensor<3x64xf32>, tensor<64x200xf32> -> tensor<3x200xf32>
  return %0 : tensor<3x200xf32>
}

// -----

#a = affine_map<(m, n, k) -> (m, k)>
#bt = affine_map<(m, n, k) -> (n, k)>
#c = affine_map<(m, n, k) -> (m, n)>

// The same where its steps do: a warp per column, and no shared memory.
// CHECK-LABEL: func.func @gemv_rows
// CHECK: %[[BLOCKS:.*]] = arith.constant 50 : index
// CHECK: rt.dispatch @contract_0({{.*}} items(%[[BLOCKS]]) {{.*}}threads = 128
// CHECK-NOT: memref.global
// CHECK: nvvm.shfl.sync bfly
func.func @gemv_rows(%x: tensor<3x64xf32>, %w: tensor<200x64xf32>) -> tensor<3x200xf32> {
  %0 = nn.contract %x, %w maps [#a, #bt, #c] : tensor<3x64xf32>, tensor<200x64xf32> -> tensor<3x200xf32>
  return %0 : tensor<3x200xf32>
}
