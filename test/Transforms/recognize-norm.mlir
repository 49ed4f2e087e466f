// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --pass-pipeline='builtin.module(dlc-recognize-norm)' --split-input-file | FileCheck %s

// As Llama's exporter writes it, weight first.
// CHECK-LABEL: @rms_norm
// CHECK-SAME: (%[[X:.+]]: tensor<2x?x4xf32>)
// CHECK: nn.norm rms(%[[X]] scale %{{.+}} : tensor<4xf32>) axes [2] {affine_dims = array<i64: 2>, epsilon = 1.000000e+00
// CHECK-NOT: nn.elementwise
func.func @rms_norm(%x: tensor<2x?x4xf32>) -> tensor<2x?x4xf32> {
  %c1 = arith.constant 1 : index
  %s = tensor.dim %x, %c1 : tensor<2x?x4xf32>
  %w = arith.constant dense<[[[1.0, 2.0, 3.0, 4.0]]]> : tensor<1x1x4xf32>
  %e = arith.constant dense<1.0> : tensor<1x1x1xf32>
  %0 = nn.elementwise mul(%x, %x) : (tensor<2x?x4xf32>, tensor<2x?x4xf32>) -> tensor<2x?x4xf32>
  %1 = nn.reduce mean(%0) axes [2] : tensor<2x?x4xf32> -> tensor<2x?xf32>
  %2 = nn.reshape %1[%s] : tensor<2x?xf32> -> tensor<2x?x1xf32>
  %3 = nn.elementwise add(%2, %e) : (tensor<2x?x1xf32>, tensor<1x1x1xf32>) -> tensor<2x?x1xf32>
  %4 = nn.elementwise rsqrt(%3) : (tensor<2x?x1xf32>) -> tensor<2x?x1xf32>
  %5 = nn.elementwise mul(%x, %4) : (tensor<2x?x4xf32>, tensor<2x?x1xf32>) -> tensor<2x?x4xf32>
  %6 = nn.elementwise mul(%w, %5) : (tensor<1x1x4xf32>, tensor<2x?x4xf32>) -> tensor<2x?x4xf32>
  return %6 : tensor<2x?x4xf32>
}

// -----

// Layer norm by quotient and root, with scale and bias.
// CHECK-LABEL: @layer_norm
// CHECK: nn.norm mean_var(%{{.+}} scale %{{.+}} : tensor<4xf32> bias %{{.+}} : tensor<4xf32>) axes [1]
// CHECK-NOT: nn.elementwise
func.func @layer_norm(%x: tensor<3x4xf32>) -> tensor<3x4xf32> {
  %w = arith.constant dense<[[1.0, 2.0, 3.0, 4.0]]> : tensor<1x4xf32>
  %e = arith.constant dense<1.0> : tensor<1x1xf32>
  %m = nn.reduce mean(%x) axes [1] : tensor<3x4xf32> -> tensor<3xf32>
  %m1 = nn.reshape %m[] : tensor<3xf32> -> tensor<3x1xf32>
  %d = nn.elementwise sub(%x, %m1) : (tensor<3x4xf32>, tensor<3x1xf32>) -> tensor<3x4xf32>
  %0 = nn.elementwise mul(%d, %d) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %1 = nn.reduce mean(%0) axes [1] : tensor<3x4xf32> -> tensor<3xf32>
  %2 = nn.reshape %1[] : tensor<3xf32> -> tensor<3x1xf32>
  %3 = nn.elementwise add(%2, %e) : (tensor<3x1xf32>, tensor<1x1xf32>) -> tensor<3x1xf32>
  %4 = nn.elementwise sqrt(%3) : (tensor<3x1xf32>) -> tensor<3x1xf32>
  %5 = nn.elementwise div(%d, %4) : (tensor<3x4xf32>, tensor<3x1xf32>) -> tensor<3x4xf32>
  %6 = nn.elementwise mul(%5, %w) : (tensor<3x4xf32>, tensor<1x4xf32>) -> tensor<3x4xf32>
  %7 = nn.elementwise add(%6, %w) : (tensor<3x4xf32>, tensor<1x4xf32>) -> tensor<3x4xf32>
  return %7 : tensor<3x4xf32>
}

// -----

// Statistics of another tensor normalise nothing.
// CHECK-LABEL: @keeps_statistics_of_another_tensor
// CHECK-NOT: nn.norm
func.func @keeps_statistics_of_another_tensor(%x: tensor<3x4xf32>, %y: tensor<3x4xf32>) -> tensor<3x4xf32> {
  %e = arith.constant dense<1.0> : tensor<1x1xf32>
  %0 = nn.elementwise mul(%y, %y) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %1 = nn.reduce mean(%0) axes [1] : tensor<3x4xf32> -> tensor<3xf32>
  %2 = nn.reshape %1[] : tensor<3xf32> -> tensor<3x1xf32>
  %3 = nn.elementwise add(%2, %e) : (tensor<3x1xf32>, tensor<1x1xf32>) -> tensor<3x1xf32>
  %4 = nn.elementwise rsqrt(%3) : (tensor<3x1xf32>) -> tensor<3x1xf32>
  %5 = nn.elementwise mul(%x, %4) : (tensor<3x4xf32>, tensor<3x1xf32>) -> tensor<3x4xf32>
  return %5 : tensor<3x4xf32>
}

// -----

// A sum of squares is no mean.
// CHECK-LABEL: @keeps_sum_of_squares
// CHECK-NOT: nn.norm
func.func @keeps_sum_of_squares(%x: tensor<3x4xf32>) -> tensor<3x4xf32> {
  %e = arith.constant dense<1.0> : tensor<1x1xf32>
  %0 = nn.elementwise mul(%x, %x) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %1 = nn.reduce sum(%0) axes [1] : tensor<3x4xf32> -> tensor<3xf32>
  %2 = nn.reshape %1[] : tensor<3xf32> -> tensor<3x1xf32>
  %3 = nn.elementwise add(%2, %e) : (tensor<3x1xf32>, tensor<1x1xf32>) -> tensor<3x1xf32>
  %4 = nn.elementwise rsqrt(%3) : (tensor<3x1xf32>) -> tensor<3x1xf32>
  %5 = nn.elementwise mul(%x, %4) : (tensor<3x4xf32>, tensor<3x1xf32>) -> tensor<3x4xf32>
  return %5 : tensor<3x4xf32>
}

// -----

// As torch exports group norm: rows of groups, then a factor per channel.
// CHECK-LABEL: @group_norm
// CHECK-SAME: (%[[X:.+]]: tensor<2x6x8x8xf32>)
// CHECK: nn.norm mean_var(%[[X]] scale %{{.+}} : tensor<6xf32>) axes [2, 3] {affine_dims = array<i64: 1>, epsilon = 1.000000e+00 : f64, groups = 3
func.func @group_norm(%x: tensor<2x6x8x8xf32>) -> tensor<2x6x8x8xf32> {
  %one = arith.constant dense<1.0> : tensor<3xf32>
  %zero = arith.constant dense<0.0> : tensor<3xf32>
  %w = arith.constant dense<[[[[1.0]], [[2.0]], [[3.0]], [[4.0]], [[5.0]], [[6.0]]]]> : tensor<1x6x1x1xf32>
  %0 = nn.reshape %x[] : tensor<2x6x8x8xf32> -> tensor<2x3x128xf32>
  %1 = nn.norm mean_var(%0 scale %one : tensor<3xf32> bias %zero : tensor<3xf32>) axes [2] {affine_dims = array<i64: 1>, epsilon = 1.0 : f64, resultSegmentSizes = array<i32: 1, 0, 0>} : (tensor<2x3x128xf32>) -> tensor<2x3x128xf32>
  %2 = nn.reshape %1[] : tensor<2x3x128xf32> -> tensor<2x6x8x8xf32>
  %3 = nn.elementwise mul(%2, %w) : (tensor<2x6x8x8xf32>, tensor<1x6x1x1xf32>) -> tensor<2x6x8x8xf32>
  return %3 : tensor<2x6x8x8xf32>
}

// -----

// A factor per position is no scale of channels.
// CHECK-LABEL: @keeps_factor_of_other_dims
// CHECK: nn.norm
// CHECK: nn.elementwise mul
func.func @keeps_factor_of_other_dims(%x: tensor<3x4xf32>) -> tensor<3x4xf32> {
  %w = arith.constant dense<[[1.0], [2.0], [3.0]]> : tensor<3x1xf32>
  %0 = nn.norm mean_var(%x) axes [1] {affine_dims = array<i64>, epsilon = 1.0 : f64, resultSegmentSizes = array<i32: 1, 0, 0>} : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %1 = nn.elementwise mul(%0, %w) : (tensor<3x4xf32>, tensor<3x1xf32>) -> tensor<3x4xf32>
  return %1 : tensor<3x4xf32>
}
