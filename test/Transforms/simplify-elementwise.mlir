// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --pass-pipeline='builtin.module(dlc-simplify-elementwise)' --split-input-file | FileCheck %s

// CHECK-LABEL: @drops_identities
// CHECK-SAME: (%[[X:.+]]: tensor<2x3xf32>)
// CHECK-NOT: nn.elementwise
// CHECK: return %[[X]]
func.func @drops_identities(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %one = arith.constant dense<1.0> : tensor<1x1xf32>
  %zero = arith.constant dense<0.0> : tensor<1x1xf32>
  %negative = arith.constant dense<-0.0> : tensor<1x1xf32>
  %0 = nn.elementwise mul(%one, %x) : (tensor<1x1xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  %1 = nn.elementwise sub(%0, %zero) : (tensor<2x3xf32>, tensor<1x1xf32>) -> tensor<2x3xf32>
  %2 = nn.elementwise add(%1, %negative) : (tensor<2x3xf32>, tensor<1x1xf32>) -> tensor<2x3xf32>
  return %2 : tensor<2x3xf32>
}

// -----

// -0 + 0 is 0, and 1 - x is not x.
// CHECK-LABEL: @keeps_what_changes_a_value
// CHECK-COUNT-2: nn.elementwise
func.func @keeps_what_changes_a_value(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %zero = arith.constant dense<0.0> : tensor<1x1xf32>
  %0 = nn.elementwise add(%x, %zero) : (tensor<2x3xf32>, tensor<1x1xf32>) -> tensor<2x3xf32>
  %1 = nn.elementwise sub(%zero, %0) : (tensor<1x1xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  return %1 : tensor<2x3xf32>
}

// -----

// CHECK-LABEL: @square_and_inverse_root
// CHECK: %[[SQUARE:.+]] = nn.elementwise mul(%[[X:.+]], %[[X]])
// CHECK: nn.elementwise rsqrt(%[[SQUARE]])
// CHECK-NOT: nn.elementwise
func.func @square_and_inverse_root(%x: tensor<3xf32>) -> tensor<3xf32> {
  %two = arith.constant dense<2.0> : tensor<1xf32>
  %one = arith.constant dense<1.0> : tensor<1xf32>
  %0 = nn.elementwise pow(%x, %two) : (tensor<3xf32>, tensor<1xf32>) -> tensor<3xf32>
  %1 = nn.elementwise sqrt(%0) : (tensor<3xf32>) -> tensor<3xf32>
  %2 = nn.elementwise div(%one, %1) : (tensor<1xf32>, tensor<3xf32>) -> tensor<3xf32>
  return %2 : tensor<3xf32>
}

// -----

// CHECK-LABEL: @guard_after_softmax
// CHECK: %[[P:.+]] = nn.softmax %{{.+}} axes [1] {nan_row = #nn<nan_row zero>}
// CHECK-NEXT: return %[[P]]
func.func @guard_after_softmax(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %zero = arith.constant dense<0.0> : tensor<1x1xf32>
  %0 = nn.softmax %x axes [1] : tensor<2x3xf32> -> tensor<2x3xf32>
  %1 = nn.elementwise is_nan(%0) : (tensor<2x3xf32>) -> tensor<2x3xi1>
  %2 = nn.elementwise select(%1, %zero, %0) : (tensor<2x3xi1>, tensor<1x1xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  return %2 : tensor<2x3xf32>
}

// -----

// A guard against another tensor's NaN is no guard of this one.
// CHECK-LABEL: @keeps_guard_of_another_tensor
// CHECK: nn.elementwise select
func.func @keeps_guard_of_another_tensor(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %zero = arith.constant dense<0.0> : tensor<1x1xf32>
  %0 = nn.softmax %x axes [1] : tensor<2x3xf32> -> tensor<2x3xf32>
  %1 = nn.elementwise is_nan(%x) : (tensor<2x3xf32>) -> tensor<2x3xi1>
  %2 = nn.elementwise select(%1, %zero, %0) : (tensor<2x3xi1>, tensor<1x1xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  return %2 : tensor<2x3xf32>
}

// -----

// CHECK-LABEL: @booleans
// CHECK-SAME: (%[[B:.+]]: tensor<2x3xi1>,
// CHECK-NEXT: nn.elementwise select(%[[B]], %{{.+}}, %{{.+}})
func.func @booleans(%b: tensor<2x3xi1>, %x: tensor<2x3xf32>, %y: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %true = arith.constant dense<true> : tensor<1x1xi1>
  %zero = arith.constant dense<0> : tensor<1x1xi64>
  %0 = nn.elementwise bit_and(%true, %b) : (tensor<1x1xi1>, tensor<2x3xi1>) -> tensor<2x3xi1>
  %1 = nn.cast %0 : tensor<2x3xi1> -> tensor<2x3xi64>
  %2 = nn.elementwise eq(%1, %zero) : (tensor<2x3xi64>, tensor<1x1xi64>) -> tensor<2x3xi1>
  %3 = nn.elementwise select(%2, %y, %x) : (tensor<2x3xi1>, tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  return %3 : tensor<2x3xf32>
}

// -----

// CHECK-LABEL: @drops_broadcast_operand
// CHECK-NOT: nn.broadcast
// CHECK: nn.elementwise add(%{{.+}}, %{{.+}}) : (tensor<2x3xf32>, tensor<1x3xf32>)
func.func @drops_broadcast_operand(%x: tensor<2x3xf32>, %y: tensor<1x3xf32>) -> tensor<2x3xf32> {
  %0 = nn.broadcast %y[] : tensor<1x3xf32> -> tensor<2x3xf32>
  %1 = nn.elementwise add(%x, %0) : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  return %1 : tensor<2x3xf32>
}

// -----

// Both operands repeated: one must bring the size.
// CHECK-LABEL: @keeps_one_broadcast
// CHECK-COUNT-1: nn.broadcast
// CHECK-NOT: nn.broadcast
func.func @keeps_one_broadcast(%x: tensor<1x3xf32>, %y: tensor<1x3xf32>) -> tensor<2x3xf32> {
  %0 = nn.broadcast %y[] : tensor<1x3xf32> -> tensor<2x3xf32>
  %1 = nn.broadcast %x[] : tensor<1x3xf32> -> tensor<2x3xf32>
  %2 = nn.elementwise add(%0, %1) : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  return %2 : tensor<2x3xf32>
}
