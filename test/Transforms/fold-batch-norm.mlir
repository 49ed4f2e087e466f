// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --pass-pipeline='builtin.module(dlc-fold-batch-norm)' --split-input-file | FileCheck %s

// scale 2, bias 1, mean 3, variance 3, epsilon 1: s = 1, t = -2; then s = 2, t = -5.

// The factors become a transform of the param; the bias is folded at once.
// CHECK: nn.param @[[$W:[a-z_0-9]+]] : tensor<2x40x1x1xf32>
// CHECK-SAME: transforms [#nn.scale<0, dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf64>>]
// CHECK-LABEL: @folds_into_conv
// CHECK-DAG: %[[BIAS:.+]] = arith.constant dense<[8.000000e+00, 1.500000e+01]> : tensor<2xf32>
// CHECK-DAG: %[[FILTER:.+]] = nn.param_ref @[[$W]]
// CHECK: %[[CONV:.+]] = nn.conv %{{.+}}, %[[FILTER]] bias %[[BIAS]]
// CHECK-NOT: nn.batch_norm
// CHECK: return %[[CONV]]
nn.param @w : tensor<2x40x1x1xf32> = (dense<1.0> : tensor<2x40x1x1xf32>) : tensor<2x40x1x1xf32>
func.func @folds_into_conv(%x: tensor<1x40x4x4xf32>) -> tensor<1x2x4x4xf32> {
  %w = nn.param_ref @w : tensor<2x40x1x1xf32>
  %b = arith.constant dense<10.0> : tensor<2xf32>
  %scale = arith.constant dense<[2.0, 4.0]> : tensor<2xf32>
  %bias = arith.constant dense<1.0> : tensor<2xf32>
  %mean = arith.constant dense<3.0> : tensor<2xf32>
  %variance = arith.constant dense<3.0> : tensor<2xf32>
  %c = nn.conv %x, %w bias %b : tensor<2xf32> {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pad_low = array<i64: 0, 0>, pad_high = array<i64: 0, 0>} : tensor<1x40x4x4xf32>, tensor<2x40x1x1xf32> -> tensor<1x2x4x4xf32>
  %y = nn.batch_norm %c, %scale, %bias, %mean, %variance {epsilon = 1.0 : f64} : tensor<1x2x4x4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32> -> tensor<1x2x4x4xf32>
  return %y : tensor<1x2x4x4xf32>
}

// -----

// Channel o of group g of a transposed filter lies at (g * C / groups + i, o).
// CHECK-LABEL: @folds_into_grouped_transposed_conv
// CHECK: arith.constant dense<{{\[}}{{\[}}[1.000000e+00], [2.000000e+00]], {{\[}}[1.000000e+00], [2.000000e+00]], {{\[}}[3.000000e+00], [4.000000e+00]], {{\[}}[3.000000e+00], [4.000000e+00]]]> : tensor<4x2x1xf32>
// CHECK-NOT: nn.batch_norm
func.func @folds_into_grouped_transposed_conv(%x: tensor<1x4x5xf32>) -> tensor<1x4x5xf32> {
  %w = arith.constant dense<1.0> : tensor<4x2x1xf32>
  %scale = arith.constant dense<[2.0, 4.0, 6.0, 8.0]> : tensor<4xf32>
  %zero = arith.constant dense<0.0> : tensor<4xf32>
  %variance = arith.constant dense<4.0> : tensor<4xf32>
  %c = nn.conv %x, %w {strides = array<i64: 1>, dilations = array<i64: 1>, pad_low = array<i64: 0>, pad_high = array<i64: 0>, groups = 2, transposed} : tensor<1x4x5xf32>, tensor<4x2x1xf32> -> tensor<1x4x5xf32>
  %y = nn.batch_norm %c, %scale, %zero, %zero, %variance {epsilon = 0.0 : f64} : tensor<1x4x5xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32> -> tensor<1x4x5xf32>
  return %y : tensor<1x4x5xf32>
}

// -----

// CHECK-LABEL: @folds_into_contract_with_bias
// CHECK-DAG: %[[FILTER:.+]] = arith.constant dense<{{\[}}[1.000000e+00, 2.000000e+00], [1.000000e+00, 2.000000e+00], [1.000000e+00, 2.000000e+00]]> : tensor<3x2xf32>
// CHECK-DAG: %[[BIAS:.+]] = arith.constant dense<{{\[}}[5.000000e+00, 1.000000e+01]]> : tensor<1x2xf32>
// CHECK: %[[PRODUCT:.+]] = nn.contract %{{.+}}, %[[FILTER]]
// CHECK: nn.elementwise add(%[[PRODUCT]], %[[BIAS]])
// CHECK-NOT: nn.elementwise
func.func @folds_into_contract_with_bias(%x: tensor<?x3xf32>) -> tensor<?x2xf32> {
  %w = arith.constant dense<1.0> : tensor<3x2xf32>
  %b = arith.constant dense<5.0> : tensor<1x2xf32>
  %scale = arith.constant dense<[2.0, 4.0]> : tensor<2xf32>
  %zero = arith.constant dense<0.0> : tensor<2xf32>
  %variance = arith.constant dense<4.0> : tensor<2xf32>
  %c = nn.contract %x, %w maps [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>] : tensor<?x3xf32>, tensor<3x2xf32> -> tensor<?x2xf32>
  %a = nn.elementwise add(%c, %b) : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x2xf32>
  %y = nn.batch_norm %a, %scale, %zero, %zero, %variance {epsilon = 0.0 : f64} : tensor<?x2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32> -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// -----

// A batch norm behind another op becomes a product and a sum per channel.
// CHECK-LABEL: @expands_behind_relu
// CHECK: %[[RELU:.+]] = nn.elementwise relu
// CHECK: %[[SCALE:.+]] = arith.constant dense<2.000000e+00> : tensor<1x2x1xf32>
// CHECK: %[[SCALED:.+]] = nn.elementwise mul(%[[RELU]], %[[SCALE]])
// CHECK: %[[SHIFT:.+]] = arith.constant dense<-5.000000e+00> : tensor<1x2x1xf32>
// CHECK: nn.elementwise add(%[[SCALED]], %[[SHIFT]])
func.func @expands_behind_relu(%x: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %scale = arith.constant dense<4.0> : tensor<2xf32>
  %bias = arith.constant dense<1.0> : tensor<2xf32>
  %mean = arith.constant dense<3.0> : tensor<2xf32>
  %variance = arith.constant dense<3.0> : tensor<2xf32>
  %r = nn.elementwise relu(%x) : (tensor<1x2x4xf32>) -> tensor<1x2x4xf32>
  %y = nn.batch_norm %r, %scale, %bias, %mean, %variance {epsilon = 1.0 : f64} : tensor<1x2x4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32> -> tensor<1x2x4xf32>
  return %y : tensor<1x2x4xf32>
}
