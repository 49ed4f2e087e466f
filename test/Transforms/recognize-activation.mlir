// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --pass-pipeline='builtin.module(dlc-recognize-activation)' --split-input-file | FileCheck %s

// CHECK-LABEL: @silu
// CHECK: nn.elementwise silu(%{{.+}}) {params = {beta = 1.000000e+00 : f64}}
// CHECK-NEXT: return
func.func @silu(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = nn.elementwise sigmoid(%x) : (tensor<3xf32>) -> tensor<3xf32>
  %1 = nn.elementwise mul(%0, %x) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  return %1 : tensor<3xf32>
}

// -----

// CHECK-LABEL: @gate_of_another_tensor
// CHECK-NOT: silu
func.func @gate_of_another_tensor(%x: tensor<3xf32>, %y: tensor<3xf32>) -> tensor<3xf32> {
  %0 = nn.elementwise sigmoid(%y) : (tensor<3xf32>) -> tensor<3xf32>
  %1 = nn.elementwise mul(%0, %x) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  return %1 : tensor<3xf32>
}

// -----

// x / sqrt(2) by a quotient, the half at the end.
// CHECK-LABEL: @gelu_by_erf
// CHECK: nn.elementwise gelu(%{{.+}})
// CHECK-NEXT: return
func.func @gelu_by_erf(%x: tensor<3xf32>) -> tensor<3xf32> {
  %root = arith.constant dense<1.41421354> : tensor<1xf32>
  %one = arith.constant dense<1.0> : tensor<1xf32>
  %half = arith.constant dense<0.5> : tensor<1xf32>
  %0 = nn.elementwise div(%x, %root) : (tensor<3xf32>, tensor<1xf32>) -> tensor<3xf32>
  %1 = nn.elementwise erf(%0) : (tensor<3xf32>) -> tensor<3xf32>
  %2 = nn.elementwise add(%1, %one) : (tensor<3xf32>, tensor<1xf32>) -> tensor<3xf32>
  %3 = nn.elementwise mul(%x, %2) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %4 = nn.elementwise mul(%3, %half) : (tensor<3xf32>, tensor<1xf32>) -> tensor<3xf32>
  return %4 : tensor<3xf32>
}

// -----

// As GPT-2 has it.
// CHECK-LABEL: @gelu_by_tanh
// CHECK: nn.elementwise gelu_tanh(%{{.+}})
// CHECK-NEXT: return
func.func @gelu_by_tanh(%x: tensor<3xf32>) -> tensor<3xf32> {
  %half = arith.constant dense<0.5> : tensor<1xf32>
  %three = arith.constant dense<3.0> : tensor<1xf32>
  %cubic = arith.constant dense<0.044715> : tensor<1xf32>
  %root = arith.constant dense<0.797884583> : tensor<1xf32>
  %one = arith.constant dense<1.0> : tensor<1xf32>
  %0 = nn.elementwise mul(%x, %half) : (tensor<3xf32>, tensor<1xf32>) -> tensor<3xf32>
  %1 = nn.elementwise pow(%x, %three) : (tensor<3xf32>, tensor<1xf32>) -> tensor<3xf32>
  %2 = nn.elementwise mul(%1, %cubic) : (tensor<3xf32>, tensor<1xf32>) -> tensor<3xf32>
  %3 = nn.elementwise add(%x, %2) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %4 = nn.elementwise mul(%3, %root) : (tensor<3xf32>, tensor<1xf32>) -> tensor<3xf32>
  %5 = nn.elementwise tanh(%4) : (tensor<3xf32>) -> tensor<3xf32>
  %6 = nn.elementwise add(%5, %one) : (tensor<3xf32>, tensor<1xf32>) -> tensor<3xf32>
  %7 = nn.elementwise mul(%0, %6) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  return %7 : tensor<3xf32>
}

// -----

// 0.8 is no root of 2 / pi.
// CHECK-LABEL: @wrong_constant
// CHECK-NOT: gelu_tanh
func.func @wrong_constant(%x: tensor<3xf32>) -> tensor<3xf32> {
  %half = arith.constant dense<0.5> : tensor<1xf32>
  %cubic = arith.constant dense<0.044715> : tensor<1xf32>
  %root = arith.constant dense<0.8> : tensor<1xf32>
  %one = arith.constant dense<1.0> : tensor<1xf32>
  %square = nn.elementwise mul(%x, %x) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %cube = nn.elementwise mul(%square, %x) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %2 = nn.elementwise mul(%cube, %cubic) : (tensor<3xf32>, tensor<1xf32>) -> tensor<3xf32>
  %3 = nn.elementwise add(%x, %2) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %4 = nn.elementwise mul(%3, %root) : (tensor<3xf32>, tensor<1xf32>) -> tensor<3xf32>
  %5 = nn.elementwise tanh(%4) : (tensor<3xf32>) -> tensor<3xf32>
  %6 = nn.elementwise add(%5, %one) : (tensor<3xf32>, tensor<1xf32>) -> tensor<3xf32>
  %7 = nn.elementwise mul(%x, %6) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %8 = nn.elementwise mul(%7, %half) : (tensor<3xf32>, tensor<1xf32>) -> tensor<3xf32>
  return %8 : tensor<3xf32>
}

// -----

// CHECK-LABEL: @hard_swish
// CHECK: nn.elementwise hard_swish(%{{.+}})
// CHECK-NEXT: return
func.func @hard_swish(%x: tensor<3xf32>) -> tensor<3xf32> {
  %three = arith.constant dense<3.0> : tensor<1xf32>
  %zero = arith.constant dense<0.0> : tensor<1xf32>
  %six = arith.constant dense<6.0> : tensor<1xf32>
  %0 = nn.elementwise add(%x, %three) : (tensor<3xf32>, tensor<1xf32>) -> tensor<3xf32>
  %1 = nn.elementwise clamp(%0, %zero, %six) : (tensor<3xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<3xf32>
  %2 = nn.elementwise mul(%x, %1) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %3 = nn.elementwise div(%2, %six) : (tensor<3xf32>, tensor<1xf32>) -> tensor<3xf32>
  return %3 : tensor<3xf32>
}

// -----

// hard_sigmoid's default slope of 0.2 makes no hard swish.
// CHECK-LABEL: @hard_sigmoid_of_another_slope
// CHECK-NOT: hard_swish
func.func @hard_sigmoid_of_another_slope(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = nn.elementwise hard_sigmoid(%x) {params = {alpha = 0.2 : f64, beta = 0.5 : f64}} : (tensor<3xf32>) -> tensor<3xf32>
  %1 = nn.elementwise mul(%x, %0) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  return %1 : tensor<3xf32>
}
