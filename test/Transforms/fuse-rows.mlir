// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reductions are one dispatch with what brings their results back to the rows.
// RUN: dlc-opt %s -split-input-file '-dlc-form-dispatches=fuse-rows' | FileCheck %s
// RUN: dlc-opt %s -split-input-file -dlc-form-dispatches | FileCheck %s --check-prefix=APART

// The squares and the rows themselves come from one input. Only with the option.
// CHECK-LABEL: func.func @divides_by_the_norm
// CHECK: nn.dispatch(%{{[a-z0-9]+}})
// CHECK: nn.reduce sum{{.*}}nn.root
// CHECK: nn.reshape
// CHECK: nn.elementwise div
// CHECK-NOT: nn.dispatch
// CHECK: return
// APART-LABEL: func.func @divides_by_the_norm
// APART-COUNT-2: nn.dispatch(
func.func @divides_by_the_norm(%x: tensor<4x100xf32>) -> tensor<4x100xf32> {
  %squares = nn.elementwise mul(%x, %x) : (tensor<4x100xf32>, tensor<4x100xf32>) -> tensor<4x100xf32>
  %sum = nn.reduce sum(%squares) axes [1] : tensor<4x100xf32> -> tensor<4xf32>
  %kept = nn.reshape %sum[] : tensor<4xf32> -> tensor<4x1xf32>
  %root = nn.elementwise sqrt(%kept) : (tensor<4x1xf32>) -> tensor<4x1xf32>
  %y = nn.elementwise div(%x, %root) : (tensor<4x100xf32>, tensor<4x1xf32>) -> tensor<4x100xf32>
  return %y : tensor<4x100xf32>
}

// -----

// Two reductions of one tensor, the sizes those of the run. The gate, which only
// the last op reads, is computed in place; so is the sum that all the others
// read.
// CHECK-LABEL: func.func @two_reductions
// CHECK: nn.dispatch(%{{[a-z0-9]+}}, %{{[a-z0-9]+}}, %{{[a-z0-9]+}})
// CHECK: nn.elementwise add
// CHECK: nn.reduce max
// CHECK: nn.reduce min
// CHECK: nn.elementwise sigmoid
// CHECK: nn.elementwise mul
// CHECK-NOT: nn.dispatch
// CHECK: return
func.func @two_reductions(%a: tensor<?x100xf32>, %b: tensor<?x100xf32>, %g: tensor<?x100xf32>, %n: index) -> tensor<?x100xf32> {
  %c100 = arith.constant 100 : index
  nn.bind_shape %a[%n, %c100] : tensor<?x100xf32>
  nn.bind_shape %b[%n, %c100] : tensor<?x100xf32>
  nn.bind_shape %g[%n, %c100] : tensor<?x100xf32>
  %x = nn.elementwise add(%a, %b) : (tensor<?x100xf32>, tensor<?x100xf32>) -> tensor<?x100xf32>
  %max = nn.reduce max(%x) axes [1] : tensor<?x100xf32> -> tensor<?xf32>
  %min = nn.reduce min(%x) axes [1] : tensor<?x100xf32> -> tensor<?xf32>
  %range = nn.elementwise sub(%max, %min) : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  %kept = nn.reshape %range[%n] : tensor<?xf32> -> tensor<?x1xf32>
  %y = nn.elementwise div(%x, %kept) : (tensor<?x100xf32>, tensor<?x1xf32>) -> tensor<?x100xf32>
  %s = nn.elementwise sigmoid(%g) : (tensor<?x100xf32>) -> tensor<?x100xf32>
  %z = nn.elementwise mul(%y, %s) : (tensor<?x100xf32>, tensor<?x100xf32>) -> tensor<?x100xf32>
  return %z : tensor<?x100xf32>
}

// -----

// Another op needs the sum.
// CHECK-LABEL: func.func @keeps_a_shared_sum
// CHECK-COUNT-2: nn.dispatch(
func.func @keeps_a_shared_sum(%x: tensor<4x100xf32>) -> (tensor<4x100xf32>, tensor<4x1xf32>) {
  %sum = nn.reduce sum(%x) axes [1] : tensor<4x100xf32> -> tensor<4xf32>
  %kept = nn.reshape %sum[] : tensor<4xf32> -> tensor<4x1xf32>
  %root = nn.elementwise sqrt(%kept) : (tensor<4x1xf32>) -> tensor<4x1xf32>
  %y = nn.elementwise div(%x, %root) : (tensor<4x100xf32>, tensor<4x1xf32>) -> tensor<4x100xf32>
  return %y, %root : tensor<4x100xf32>, tensor<4x1xf32>
}

// -----

// A product of two inputs is reduced: the rows of neither are enough.
// CHECK-LABEL: func.func @keeps_two_sources
// CHECK-COUNT-2: nn.dispatch(
func.func @keeps_two_sources(%x: tensor<4x100xf32>, %y: tensor<4x100xf32>) -> tensor<4x100xf32> {
  %products = nn.elementwise mul(%x, %y) : (tensor<4x100xf32>, tensor<4x100xf32>) -> tensor<4x100xf32>
  %dot = nn.reduce sum(%products) axes [1] : tensor<4x100xf32> -> tensor<4xf32>
  %norm = nn.reduce sum(%x) axes [1] : tensor<4x100xf32> -> tensor<4xf32>
  %both = nn.elementwise div(%dot, %norm) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %kept = nn.reshape %both[] : tensor<4xf32> -> tensor<4x1xf32>
  %z = nn.elementwise div(%x, %kept) : (tensor<4x100xf32>, tensor<4x1xf32>) -> tensor<4x100xf32>
  return %z : tensor<4x100xf32>
}
