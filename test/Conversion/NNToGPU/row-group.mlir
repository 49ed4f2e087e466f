// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reductions and what their results go back to, in one kernel.
// RUN: dlc-opt %s -split-input-file '-dlc-form-dispatches=fuse-rows' -dlc-schedule-gpu-kernels -dlc-outline-gpu-kernels | FileCheck %s

// A warp a row: each thread loads its four elements once, in 16 bytes, for the
// sum of the squares and for the quotient. The root is taken once a row.
// CHECK-LABEL: func.func @divides_by_the_norm
// CHECK: func.func @reduce_0
// CHECK-COUNT-4: memref.load
// CHECK-NOT: memref.load
// CHECK-COUNT-5: nvvm.shfl.sync bfly
// CHECK: math.sqrt
// CHECK-NOT: math.sqrt
// CHECK-COUNT-4: memref.store
// CHECK: return
func.func @divides_by_the_norm(%x: tensor<8x128xf32>) -> tensor<8x128xf32> {
  %squares = nn.elementwise mul(%x, %x) : (tensor<8x128xf32>, tensor<8x128xf32>) -> tensor<8x128xf32>
  %sum = nn.reduce sum(%squares) axes [1] : tensor<8x128xf32> -> tensor<8xf32>
  %kept = nn.reshape %sum[] : tensor<8xf32> -> tensor<8x1xf32>
  %root = nn.elementwise sqrt(%kept) : (tensor<8x1xf32>) -> tensor<8x1xf32>
  %y = nn.elementwise div(%x, %root) : (tensor<8x128xf32>, tensor<8x1xf32>) -> tensor<8x128xf32>
  return %y : tensor<8x128xf32>
}
