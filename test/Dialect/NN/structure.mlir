// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s | dlc-opt | FileCheck %s
// Every structure op is printed as it is read.

// CHECK: nn.param @w : tensor<3x4xf32> = (#nn.data<"model.onnx", offset = 64, bytes = 48>) : tensor<4x3xf32> transforms [#nn.permute<1, 0>]
nn.param @w : tensor<3x4xf32> = (#nn.data<"model.onnx", offset = 64, bytes = 48>) : tensor<4x3xf32> transforms [#nn.permute<1, 0>]

// CHECK-LABEL: @param_ref
func.func @param_ref() -> tensor<3x4xf32> {
  // CHECK: nn.param_ref @w : tensor<3x4xf32>
  %0 = nn.param_ref @w : tensor<3x4xf32>
  return %0 : tensor<3x4xf32>
}

// CHECK-LABEL: @dispatch
func.func @dispatch(%x: tensor<?x4xf32>, %n: index) -> tensor<?x4xf32> {
  // CHECK: nn.dispatch(%{{.*}}) sizes(%{{.*}}) result_sizes(%{{.*}}) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %0 = nn.dispatch(%x) sizes(%n) result_sizes(%n) : (tensor<?x4xf32>) -> tensor<?x4xf32> {
  ^bb0(%a: tensor<?x4xf32>, %m: index):
    %c4 = arith.constant 4 : index
    // CHECK: nn.bind_shape %{{.*}}[%{{.*}}, %{{.*}}] : tensor<?x4xf32>
    nn.bind_shape %a[%m, %c4] : tensor<?x4xf32>
    // CHECK: nn.elementwise relu(%{{.*}}) {nn.root}
    %1 = nn.elementwise relu(%a) {nn.root} : (tensor<?x4xf32>) -> tensor<?x4xf32>
    nn.yield %1 : tensor<?x4xf32>
  }
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: @sizes
func.func @sizes(%x: tensor<?x4xf32>) {
  // CHECK: %[[N:.*]] = nn.sym_dim "batch" {divisor = 8 : i64, max = 64 : i64, min = 8 : i64}
  %n = nn.sym_dim "batch" {min = 8, max = 64, divisor = 8}
  %c4 = arith.constant 4 : index
  nn.bind_shape %x[%n, %c4] : tensor<?x4xf32>
  %even = arith.cmpi ne, %n, %c4 : index
  // CHECK: nn.check %{{.*}}, "expected not {0}"(%[[N]])
  nn.check %even, "expected not {0}" (%n)
  return
}

// CHECK-LABEL: @packed
func.func @packed(%w: tensor<1x1x4x48xf32>) {
  // CHECK: nn.packed %{{.*}} by [#nn.reshape_to<1, 4, 40>, #nn.pack_panels<48>] : tensor<1x1x4x48xf32> -> tensor<4x40xf32>
  %0 = nn.packed %w by [#nn.reshape_to<1, 4, 40>, #nn.pack_panels<48>]
    : tensor<1x1x4x48xf32> -> tensor<4x40xf32>
  return
}
