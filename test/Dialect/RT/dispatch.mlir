// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s | dlc-opt | FileCheck %s
// RUN: dlc-opt %s -resolve-shaped-type-result-dims | FileCheck %s --check-prefix=DIM

module {
  builtin.module @kernels {
    func.func @conv(memref<f32>, memref<f32>, memref<f32>, index, index, index, !llvm.ptr) attributes {dlc.kernel} {
    ^bb0(%x: memref<f32>, %w: memref<f32>, %y: memref<f32>, %n: index, %begin: index, %end: index, %scratch: !llvm.ptr):
      return
    }
  }

  // CHECK-LABEL: func @round_trip
  // CHECK: rt.dispatch @conv(%{{.*}}, %{{.*}}) sizes(%[[N:.*]]) result_sizes(%[[N]]) items(%[[N]]) work(%{{.*}}) scratch(%[[N]]) {bytes = 10 : i64, flops = 100 : i64, ties = array<i64: 0>}
  // CHECK-SAME: : (tensor<?x3xf32>, tensor<3x4xf32>) -> tensor<?x4xf32>
  func.func @round_trip(%x: tensor<?x3xf32>, %w: tensor<3x4xf32>, %n: index) -> tensor<?x4xf32> {
    %y = rt.dispatch @conv(%x, %w) sizes(%n) result_sizes(%n) items(%n) work(%n)
        scratch(%n) {flops = 100, bytes = 10, ties = array<i64: 0>}
        : (tensor<?x3xf32>, tensor<3x4xf32>) -> tensor<?x4xf32>
    return %y : tensor<?x4xf32>
  }

  // A result's size is that of its `result_sizes`.
  // DIM-LABEL: func @dim_of_result(
  // DIM-SAME: %{{.*}}: tensor<?x3xf32>, %{{.*}}: tensor<3x4xf32>, %[[N:.*]]: index)
  // DIM: return %[[N]]
  func.func @dim_of_result(%x: tensor<?x3xf32>, %w: tensor<3x4xf32>, %n: index) -> index {
    %c0 = arith.constant 0 : index
    %y = rt.dispatch @conv(%x, %w) sizes(%n) result_sizes(%n) items(%n) work(%n)
        : (tensor<?x3xf32>, tensor<3x4xf32>) -> tensor<?x4xf32>
    %d = tensor.dim %y, %c0 : tensor<?x4xf32>
    return %d : index
  }

  // CHECK-LABEL: func @shrink
  // CHECK: rt.shrink %{{.*}}[%{{.*}}] : tensor<2x?xi64> -> tensor<2x?xi64>
  // DIM-LABEL: func @shrink(
  // DIM-SAME: %{{.*}}: tensor<2x?xi64>, %[[COUNT:.*]]: index)
  // DIM: return %{{.*}}, %[[COUNT]]
  func.func @shrink(%bound: tensor<2x?xi64>, %count: index) -> (tensor<2x?xi64>, index) {
    %c1 = arith.constant 1 : index
    %r = rt.shrink %bound[%count] : tensor<2x?xi64> -> tensor<2x?xi64>
    %d = tensor.dim %r, %c1 : tensor<2x?xi64>
    return %r, %d : tensor<2x?xi64>, index
  }
}
