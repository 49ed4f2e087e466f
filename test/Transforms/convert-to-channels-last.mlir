// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --pass-pipeline='builtin.module(dlc-convert-to-channels-last,cse)' --split-input-file | FileCheck %s

// A residual block with a pooled head: one transpose at the entry, none after.
// CHECK-LABEL: @residual_block
// CHECK: %[[X:.+]] = nn.transpose %{{.+}} [0, 2, 3, 1] : tensor<1x4x8x8xf32> -> tensor<1x8x8x4xf32>
// CHECK-NOT: nn.transpose
// CHECK: nn.conv %[[X]], {{.+}}channels_last
// CHECK: nn.elementwise add(%{{.+}}, %[[X]]) : (tensor<1x8x8x4xf32>
// CHECK: nn.reduce mean(%{{.+}}) axes [1, 2]
// CHECK-NOT: nn.transpose
// CHECK: return
func.func @residual_block(%x: tensor<1x4x8x8xf32>, %w: tensor<4x4x3x3xf32>) -> tensor<1x4xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pad_low = array<i64: 1, 1>, pad_high = array<i64: 1, 1>} : tensor<1x4x8x8xf32>, tensor<4x4x3x3xf32> -> tensor<1x4x8x8xf32>
  %1 = nn.elementwise relu(%0) : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %2 = nn.conv %1, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pad_low = array<i64: 1, 1>, pad_high = array<i64: 1, 1>} : tensor<1x4x8x8xf32>, tensor<4x4x3x3xf32> -> tensor<1x4x8x8xf32>
  %3 = nn.elementwise add(%2, %x) : (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %4 = nn.pool max(%3) {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pad_low = array<i64: 0, 0>, pad_high = array<i64: 0, 0>} : (tensor<1x4x8x8xf32>) -> tensor<1x4x4x4xf32>
  %5 = nn.reduce mean(%4) axes [2, 3] : tensor<1x4x4x4xf32> -> tensor<1x4xf32>
  return %5 : tensor<1x4xf32>
}

// -----

// Constants are permuted at compile time; concat and pad count dims anew.
// CHECK-LABEL: @concat_and_pad
// CHECK: nn.elementwise mul(%{{.+}}, %{{.+}}) : (tensor<1x8x8x2xf32>, tensor<1x1x1x2xf32>)
// CHECK: nn.pad constant(%{{.+}}) low [0, 1, 2, 0] high [0, 3, 4, 0]
// CHECK: nn.concat axis 3
// CHECK: nn.transpose %{{.+}} [0, 3, 1, 2] : tensor<1x12x14x4xf32> -> tensor<1x4x12x14xf32>
// CHECK-NEXT: return
func.func @concat_and_pad(%x: tensor<1x2x8x8xf32>, %w: tensor<2x2x1x1xf32>) -> tensor<1x4x12x14xf32> {
  %c = arith.constant dense<[[[[1.0]], [[2.0]]]]> : tensor<1x2x1x1xf32>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pad_low = array<i64: 0, 0>, pad_high = array<i64: 0, 0>} : tensor<1x2x8x8xf32>, tensor<2x2x1x1xf32> -> tensor<1x2x8x8xf32>
  %1 = nn.elementwise mul(%0, %c) : (tensor<1x2x8x8xf32>, tensor<1x2x1x1xf32>) -> tensor<1x2x8x8xf32>
  %2 = nn.pad constant(%1) low [0, 0, 1, 2] high [0, 0, 3, 4] : tensor<1x2x8x8xf32> -> tensor<1x2x12x14xf32>
  %3 = nn.concat axis 1 (%2, %2) : (tensor<1x2x12x14xf32>, tensor<1x2x12x14xf32>) -> tensor<1x4x12x14xf32>
  return %3 : tensor<1x4x12x14xf32>
}

// -----

// ShuffleNet's reshape, transpose, reshape acts on the last dim.
// CHECK-LABEL: @channel_shuffle
// CHECK: %[[CONV:.+]] = nn.conv
// CHECK: %[[SPLIT:.+]] = nn.reshape %[[CONV]][] : tensor<1x8x8x6xf32> -> tensor<64x2x3xf32>
// CHECK: %[[SWAP:.+]] = nn.transpose %[[SPLIT]] [0, 2, 1]
// CHECK: %[[MERGED:.+]] = nn.reshape %[[SWAP]][] : tensor<64x3x2xf32> -> tensor<1x8x8x6xf32>
// CHECK: nn.conv %[[MERGED]]
func.func @channel_shuffle(%x: tensor<1x6x8x8xf32>, %w: tensor<6x6x1x1xf32>) -> tensor<1x6x8x8xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pad_low = array<i64: 0, 0>, pad_high = array<i64: 0, 0>} : tensor<1x6x8x8xf32>, tensor<6x6x1x1xf32> -> tensor<1x6x8x8xf32>
  %1 = nn.reshape %0[] : tensor<1x6x8x8xf32> -> tensor<1x2x3x8x8xf32>
  %2 = nn.transpose %1 [0, 2, 1, 3, 4] : tensor<1x2x3x8x8xf32> -> tensor<1x3x2x8x8xf32>
  %3 = nn.reshape %2[] : tensor<1x3x2x8x8xf32> -> tensor<1x6x8x8xf32>
  %4 = nn.conv %3, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pad_low = array<i64: 0, 0>, pad_high = array<i64: 0, 0>} : tensor<1x6x8x8xf32>, tensor<6x6x1x1xf32> -> tensor<1x6x8x8xf32>
  return %4 : tensor<1x6x8x8xf32>
}

// -----

// A channels-first operand that is not constant would need a transpose.
// CHECK-LABEL: @keeps_order_of_other_operand
// CHECK: nn.conv
// CHECK: %[[BACK:.+]] = nn.transpose
// CHECK: nn.elementwise add(%[[BACK]], %{{.+}}) : (tensor<1x2x8x8xf32>
func.func @keeps_order_of_other_operand(%x: tensor<1x2x8x8xf32>, %w: tensor<2x2x1x1xf32>, %y: tensor<1x2x8x8xf32>) -> tensor<1x2x8x8xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pad_low = array<i64: 0, 0>, pad_high = array<i64: 0, 0>} : tensor<1x2x8x8xf32>, tensor<2x2x1x1xf32> -> tensor<1x2x8x8xf32>
  %1 = nn.elementwise add(%0, %y) : (tensor<1x2x8x8xf32>, tensor<1x2x8x8xf32>) -> tensor<1x2x8x8xf32>
  return %1 : tensor<1x2x8x8xf32>
}

// -----

// CHECK-LABEL: @dynamic_batch
// CHECK-COUNT-1: nn.transpose
// CHECK-NOT: nn.transpose
// CHECK: nn.reshape %{{.+}}[%{{.+}}] : tensor<?x1x1x4xf32> -> tensor<?x4xf32>
func.func @dynamic_batch(%x: tensor<?x4x8x8xf32>, %w: tensor<4x4x8x8xf32>) -> tensor<?x4xf32> {
  %n = nn.sym_dim "N"
  %c4 = arith.constant 4 : index
  %c8 = arith.constant 8 : index
  nn.bind_shape %x[%n, %c4, %c8, %c8] : tensor<?x4x8x8xf32>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pad_low = array<i64: 0, 0>, pad_high = array<i64: 0, 0>} : tensor<?x4x8x8xf32>, tensor<4x4x8x8xf32> -> tensor<?x4x1x1xf32>
  %1 = nn.elementwise relu(%0) : (tensor<?x4x1x1xf32>) -> tensor<?x4x1x1xf32>
  %2 = nn.reshape %1[%n] : tensor<?x4x1x1xf32> -> tensor<?x4xf32>
  return %2 : tensor<?x4xf32>
}
