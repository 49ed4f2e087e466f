// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --pass-pipeline='builtin.module(dlc-fold-batch-norm)' --split-input-file | FileCheck %s
// RUN: dlc-opt %s --pass-pipeline='builtin.module(dlc-fold-batch-norm)' --split-input-file --remark-format=emitRemark --remarks-filter='dlc-.*' 2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK

// Another user of the convolution wants it unscaled.
// REMARK: kept batch norm apart: the convolution has other users
// CHECK-LABEL: @keeps_conv_of_two_users
// CHECK: %[[CONV:.+]] = nn.conv
// CHECK: nn.elementwise mul(%[[CONV]]
func.func @keeps_conv_of_two_users(%x: tensor<1x1x4xf32>) -> (tensor<1x1x4xf32>, tensor<1x1x4xf32>) {
  %w = arith.constant dense<1.0> : tensor<1x1x1xf32>
  %one = arith.constant dense<1.0> : tensor<1xf32>
  %c = nn.conv %x, %w {strides = array<i64: 1>, dilations = array<i64: 1>, pad_low = array<i64: 0>, pad_high = array<i64: 0>} : tensor<1x1x4xf32>, tensor<1x1x1xf32> -> tensor<1x1x4xf32>
  %y = nn.batch_norm %c, %one, %one, %one, %one {epsilon = 0.0 : f64} : tensor<1x1x4xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32> -> tensor<1x1x4xf32>
  return %y, %c : tensor<1x1x4xf32>, tensor<1x1x4xf32>
}

// -----

// A filter that two convolutions share cannot carry one's factors.
// REMARK: kept batch norm apart: the filter is shared or not constant
// CHECK-LABEL: @keeps_shared_filter
// CHECK: nn.elementwise mul
func.func @keeps_shared_filter(%x: tensor<1x1x4xf32>) -> (tensor<1x1x4xf32>, tensor<1x1x4xf32>) {
  %w = arith.constant dense<1.0> : tensor<1x1x1xf32>
  %one = arith.constant dense<1.0> : tensor<1xf32>
  %c = nn.conv %x, %w {strides = array<i64: 1>, dilations = array<i64: 1>, pad_low = array<i64: 0>, pad_high = array<i64: 0>} : tensor<1x1x4xf32>, tensor<1x1x1xf32> -> tensor<1x1x4xf32>
  %d = nn.conv %c, %w {strides = array<i64: 1>, dilations = array<i64: 1>, pad_low = array<i64: 0>, pad_high = array<i64: 0>} : tensor<1x1x4xf32>, tensor<1x1x1xf32> -> tensor<1x1x4xf32>
  %y = nn.batch_norm %d, %one, %one, %one, %one {epsilon = 0.0 : f64} : tensor<1x1x4xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32> -> tensor<1x1x4xf32>
  return %y, %c : tensor<1x1x4xf32>, tensor<1x1x4xf32>
}

// -----

// 40000 * 2 is no f16.
// REMARK: kept batch norm apart: a scaled filter element leaves its type's range
// CHECK-LABEL: @keeps_factor_out_of_range
func.func @keeps_factor_out_of_range(%x: tensor<1x1x4xf16>) -> tensor<1x1x4xf16> {
  %w = arith.constant dense<40000.0> : tensor<1x1x1xf16>
  %one = arith.constant dense<1.0> : tensor<1xf16>
  %two = arith.constant dense<2.0> : tensor<1xf16>
  %c = nn.conv %x, %w {strides = array<i64: 1>, dilations = array<i64: 1>, pad_low = array<i64: 0>, pad_high = array<i64: 0>} : tensor<1x1x4xf16>, tensor<1x1x1xf16> -> tensor<1x1x4xf16>
  %y = nn.batch_norm %c, %two, %one, %one, %one {epsilon = 0.0 : f64} : tensor<1x1x4xf16>, tensor<1xf16>, tensor<1xf16>, tensor<1xf16>, tensor<1xf16> -> tensor<1x1x4xf16>
  return %y : tensor<1x1x4xf16>
}

// -----

// REMARK: kept batch norm apart: its statistics are not constant
// CHECK-LABEL: @keeps_dynamic_statistics
// CHECK: nn.batch_norm
func.func @keeps_dynamic_statistics(%x: tensor<1x1x4xf32>, %s: tensor<1xf32>) -> tensor<1x1x4xf32> {
  %y = nn.batch_norm %x, %s, %s, %s, %s {epsilon = 0.0 : f64} : tensor<1x1x4xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32> -> tensor<1x1x4xf32>
  return %y : tensor<1x1x4xf32>
}
