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

// Columns: parts of them meet in shared memory.
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
// CHECK-LABEL: func.func @scan
// CHECK: rt.dispatch @scan_0({{.*}}threads = 128
func.func @scan(%x: tensor<5x9xf32>) -> tensor<5x9xf32> {
  %0 = nn.scan sum(%x) axis 1 : tensor<5x9xf32> -> tensor<5x9xf32>
  return %0 : tensor<5x9xf32>
}
