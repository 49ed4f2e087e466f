// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s -split-input-file -dlc-form-dispatches -dlc-outline-kernels | FileCheck %s
// Operations and bytes of a launch, for profiles and the cost model.

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>

// 2 * 3 * 5 * 7 of the product and 3 * 5 of relu; 4 * (3 * 7 + 7 * 5 + 3 * 5).
// CHECK-LABEL: func.func @static
// CHECK: rt.dispatch @contract_0{{.*}}bytes = 284 : i64, flops = 225 : i64
func.func @static(%x: tensor<3x7xf32>, %w: tensor<7x5xf32>) -> tensor<3x5xf32> {
  %0 = nn.contract %x, %w maps [#a, #b, #c] : tensor<3x7xf32>, tensor<7x5xf32> -> tensor<3x5xf32>
  %1 = nn.elementwise relu(%0) : (tensor<3x5xf32>) -> tensor<3x5xf32>
  return %1 : tensor<3x5xf32>
}

// -----

// Each of the 2 * 4 * 4 * 6 results takes a filter of 3 * 3 * 5.
// CHECK-LABEL: func.func @conv
// CHECK: rt.dispatch @conv_0{{.*}}flops = 17280 : i64
func.func @conv(%x: tensor<2x6x6x5xf32>, %w: tensor<6x5x3x3xf32>) -> tensor<2x4x4x6xf32> {
  %0 = nn.conv %x, %w {channels_last, dilations = array<i64: 1, 1>, pad_high = array<i64: 0, 0>,
    pad_low = array<i64: 0, 0>, strides = array<i64: 1, 1>}
    : tensor<2x6x6x5xf32>, tensor<6x5x3x3xf32> -> tensor<2x4x4x6xf32>
  return %0 : tensor<2x4x4x6xf32>
}

// -----

// A size of the run leaves them unknown.
// CHECK-LABEL: func.func @dynamic
// CHECK: rt.dispatch
// CHECK-NOT: flops
func.func @dynamic(%x: tensor<?x7xf32>) -> tensor<?x7xf32> {
  %0 = nn.elementwise relu(%x) : (tensor<?x7xf32>) -> tensor<?x7xf32>
  return %0 : tensor<?x7xf32>
}
