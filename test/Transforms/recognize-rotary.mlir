// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --pass-pipeline='builtin.module(dlc-recognize-rotary,canonicalize)' --split-input-file | FileCheck %s

// CHECK-LABEL: @dynamic_angles
// CHECK-SAME: (%[[X:.+]]: tensor<2x3x?x4xf32>, %{{.+}}: tensor<1x1x?x2xf32>)
// CHECK-DAG: %[[COS:.+]] = nn.slice %{{.+}}[0, 0, 0, 0] [1, 1, %{{.+}}, 2]
// CHECK-DAG: %[[SIN:.+]] = nn.slice %{{.+}}[0, 0, 0, 0] [1, 1, %{{.+}}, 2]
// CHECK: nn.rotary %[[X]], %[[COS]], %[[SIN]] dim 3
func.func @dynamic_angles(%x: tensor<2x3x?x4xf32>, %f: tensor<1x1x?x2xf32>) -> tensor<2x3x?x4xf32> {
  %c2 = arith.constant 2 : index
  %s = tensor.dim %x, %c2 : tensor<2x3x?x4xf32>
  %both = nn.concat axis 3 (%f, %f) : (tensor<1x1x?x2xf32>, tensor<1x1x?x2xf32>) -> tensor<1x1x?x4xf32>
  %cos = nn.elementwise cos(%both) : (tensor<1x1x?x4xf32>) -> tensor<1x1x?x4xf32>
  %sin = nn.elementwise sin(%both) : (tensor<1x1x?x4xf32>) -> tensor<1x1x?x4xf32>
  %0 = nn.elementwise mul(%x, %cos) : (tensor<2x3x?x4xf32>, tensor<1x1x?x4xf32>) -> tensor<2x3x?x4xf32>
  %low = nn.slice %x[0, 0, 0, 0] [2, 3, %s, 2] [1, 1, 1, 1] : tensor<2x3x?x4xf32> -> tensor<2x3x?x2xf32>
  %high = nn.slice %x[0, 0, 0, 2] [2, 3, %s, 2] [1, 1, 1, 1] : tensor<2x3x?x4xf32> -> tensor<2x3x?x2xf32>
  %neg = nn.elementwise neg(%high) : (tensor<2x3x?x2xf32>) -> tensor<2x3x?x2xf32>
  %half = nn.concat axis 3 (%neg, %low) : (tensor<2x3x?x2xf32>, tensor<2x3x?x2xf32>) -> tensor<2x3x?x4xf32>
  %1 = nn.elementwise mul(%half, %sin) : (tensor<2x3x?x4xf32>, tensor<1x1x?x4xf32>) -> tensor<2x3x?x4xf32>
  %2 = nn.elementwise add(%0, %1) : (tensor<2x3x?x4xf32>, tensor<2x3x?x4xf32>) -> tensor<2x3x?x4xf32>
  return %2 : tensor<2x3x?x4xf32>
}

// -----

// Halves of the table that differ are no rotation by one angle.
// CHECK-LABEL: @keeps_angles_that_differ
// CHECK-NOT: nn.rotary
func.func @keeps_angles_that_differ(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %cos = arith.constant dense<[[1.0, 0.5, 1.0, 0.25]]> : tensor<1x4xf32>
  %0 = nn.elementwise mul(%x, %cos) : (tensor<2x4xf32>, tensor<1x4xf32>) -> tensor<2x4xf32>
  %low = nn.slice %x[0, 0] [2, 2] [1, 1] : tensor<2x4xf32> -> tensor<2x2xf32>
  %high = nn.slice %x[0, 2] [2, 2] [1, 1] : tensor<2x4xf32> -> tensor<2x2xf32>
  %neg = nn.elementwise neg(%high) : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %half = nn.concat axis 1 (%neg, %low) : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x4xf32>
  %1 = nn.elementwise mul(%half, %cos) : (tensor<2x4xf32>, tensor<1x4xf32>) -> tensor<2x4xf32>
  %2 = nn.elementwise add(%0, %1) : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  return %2 : tensor<2x4xf32>
}

// -----

// The other sign turns the other way.
// CHECK-LABEL: @keeps_other_sign
// CHECK-NOT: nn.rotary
func.func @keeps_other_sign(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %cos = arith.constant dense<[[1.0, 0.5, 1.0, 0.5]]> : tensor<1x4xf32>
  %0 = nn.elementwise mul(%x, %cos) : (tensor<2x4xf32>, tensor<1x4xf32>) -> tensor<2x4xf32>
  %low = nn.slice %x[0, 0] [2, 2] [1, 1] : tensor<2x4xf32> -> tensor<2x2xf32>
  %high = nn.slice %x[0, 2] [2, 2] [1, 1] : tensor<2x4xf32> -> tensor<2x2xf32>
  %neg = nn.elementwise neg(%low) : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %half = nn.concat axis 1 (%high, %neg) : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x4xf32>
  %1 = nn.elementwise mul(%half, %cos) : (tensor<2x4xf32>, tensor<1x4xf32>) -> tensor<2x4xf32>
  %2 = nn.elementwise add(%0, %1) : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  return %2 : tensor<2x4xf32>
}
