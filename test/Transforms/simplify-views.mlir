// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --pass-pipeline='builtin.module(dlc-simplify-views)' --split-input-file | FileCheck %s

// Merging B and H, swapping S and D, splitting again is one transpose.
// CHECK-LABEL: @detour_over_three_dims
// CHECK-SAME: (%[[X:.+]]: tensor<2x4x8x3xf32>)
// CHECK: %[[Y:.+]] = nn.transpose %[[X]] [0, 1, 3, 2]
// CHECK-NEXT: return %[[Y]]
func.func @detour_over_three_dims(%x: tensor<2x4x8x3xf32>) -> tensor<2x4x3x8xf32> {
  %0 = nn.reshape %x[] : tensor<2x4x8x3xf32> -> tensor<8x8x3xf32>
  %1 = nn.transpose %0 [0, 2, 1] : tensor<8x8x3xf32> -> tensor<8x3x8xf32>
  %2 = nn.reshape %1[] : tensor<8x3x8xf32> -> tensor<2x4x3x8xf32>
  return %2 : tensor<2x4x3x8xf32>
}

// -----

// The same with sizes of the run: 12 * B is known as a product.
// CHECK-LABEL: @detour_of_dynamic_sizes
// CHECK-SAME: (%[[X:.+]]: tensor<?x12x?x64xf32>)
// CHECK: %[[Y:.+]] = nn.transpose %[[X]] [0, 1, 3, 2]
// CHECK: return %[[Y]]
func.func @detour_of_dynamic_sizes(%x: tensor<?x12x?x64xf32>) -> tensor<?x12x64x?xf32> {
  %b = nn.sym_dim "B"
  %s = nn.sym_dim "S"
  %c12 = arith.constant 12 : index
  %c64 = arith.constant 64 : index
  nn.bind_shape %x[%b, %c12, %s, %c64] : tensor<?x12x?x64xf32>
  %bh = affine.apply affine_map<()[s0] -> (s0 * 12)>()[%b]
  %0 = nn.reshape %x[%bh, %s] : tensor<?x12x?x64xf32> -> tensor<?x?x64xf32>
  %1 = nn.transpose %0 [0, 2, 1] : tensor<?x?x64xf32> -> tensor<?x64x?xf32>
  %2 = nn.reshape %1[%b, %s] : tensor<?x64x?xf32> -> tensor<?x12x64x?xf32>
  return %2 : tensor<?x12x64x?xf32>
}

// -----

// Sizes that are not known to be equal prove nothing.
// CHECK-LABEL: @keeps_detour_of_unrelated_sizes
// CHECK: nn.reshape
// CHECK: nn.transpose
// CHECK: nn.reshape
func.func @keeps_detour_of_unrelated_sizes(%x: tensor<?x?x64xf32>, %n: index, %m: index) -> tensor<?x64x?xf32> {
  %0 = nn.reshape %x[%n] : tensor<?x?x64xf32> -> tensor<?x64xf32>
  %1 = nn.transpose %0 [1, 0] : tensor<?x64xf32> -> tensor<64x?xf32>
  %2 = nn.reshape %1[%m, %n] : tensor<64x?xf32> -> tensor<?x64x?xf32>
  return %2 : tensor<?x64x?xf32>
}

// -----

// Dropping a dim of size 1 moves before the transpose.
// CHECK-LABEL: @transpose_goes_last
// CHECK: %[[DROPPED:.+]] = nn.reshape %{{.+}}[] : tensor<2x1x3x4xf32> -> tensor<2x3x4xf32>
// CHECK: nn.transpose %[[DROPPED]] [2, 0, 1]
func.func @transpose_goes_last(%x: tensor<2x1x3x4xf32>) -> tensor<4x2x3xf32> {
  %0 = nn.transpose %x [1, 3, 0, 2] : tensor<2x1x3x4xf32> -> tensor<1x4x2x3xf32>
  %1 = nn.reshape %0[] : tensor<1x4x2x3xf32> -> tensor<4x2x3xf32>
  return %1 : tensor<4x2x3xf32>
}

// -----

// CHECK-LABEL: @transpose_with_another_user_stays
// CHECK: %[[T:.+]] = nn.transpose
// CHECK: return %{{.+}}, %[[T]]
func.func @transpose_with_another_user_stays(%x: tensor<2x3xf32>) -> (tensor<6xf32>, tensor<3x2xf32>) {
  %0 = nn.transpose %x [1, 0] : tensor<2x3xf32> -> tensor<3x2xf32>
  %1 = nn.reshape %0[] : tensor<3x2xf32> -> tensor<6xf32>
  return %1, %0 : tensor<6xf32>, tensor<3x2xf32>
}

// -----

// Query of a packed projection: gather by a number of a permuted view.
// CHECK-LABEL: @gather_of_a_number
// CHECK: %[[SLICE:.+]] = nn.slice %{{.+}}[0, 0, 2, 0, 0] [1, 5, 1, 2, 4] [1, 1, 1, 1, 1]
// CHECK: %[[HEADS:.+]] = nn.reshape %[[SLICE]]
// CHECK: nn.transpose %[[HEADS]] [{{.+}}] : {{.+}} -> tensor<1x2x5x4xf32>
// CHECK-NOT: nn.gather
func.func @gather_of_a_number(%x: tensor<1x5x3x2x4xf32>) -> tensor<1x2x5x4xf32> {
  %i = arith.constant dense<-1> : tensor<i64>
  %0 = nn.transpose %x [2, 0, 3, 1, 4] : tensor<1x5x3x2x4xf32> -> tensor<3x1x2x5x4xf32>
  %1 = nn.gather %0, (%i) indexed [0] index_maps [affine_map<(a, b, c, d) -> ()>] input_map affine_map<(a, b, c, d) -> (a, b, c, d)> [] negative_wrap bounds error : tensor<3x1x2x5x4xf32>, (tensor<i64>) -> tensor<1x2x5x4xf32>
  return %1 : tensor<1x2x5x4xf32>
}

// -----

// CHECK-LABEL: @gather_of_every_second
// CHECK: nn.slice %{{.+}}[0, 1] [4, 3] [1, 2]
func.func @gather_of_every_second(%x: tensor<4x6xf32>) -> tensor<4x3xf32> {
  %i = arith.constant dense<[1, 3, 5]> : tensor<3xi64>
  %1 = nn.gather %x, (%i) indexed [1] index_maps [affine_map<(r, c) -> (c)>] input_map affine_map<(r, c) -> (r)> [] bounds error : tensor<4x6xf32>, (tensor<3xi64>) -> tensor<4x3xf32>
  return %1 : tensor<4x3xf32>
}

// -----

// CHECK-LABEL: @keeps_gather_without_a_step
// CHECK: nn.gather
func.func @keeps_gather_without_a_step(%x: tensor<4x6xf32>) -> tensor<4x3xf32> {
  %i = arith.constant dense<[1, 3, 4]> : tensor<3xi64>
  %1 = nn.gather %x, (%i) indexed [1] index_maps [affine_map<(r, c) -> (c)>] input_map affine_map<(r, c) -> (r)> [] bounds error : tensor<4x6xf32>, (tensor<3xi64>) -> tensor<4x3xf32>
  return %1 : tensor<4x3xf32>
}

// -----

// CHECK-DAG: #[[$LHS:.+]] = affine_map<(d0, d1, d2) -> (d2, d0)>
// CHECK-DAG: #[[$RHS:.+]] = affine_map<(d0, d1, d2) -> (d2, d1)>
// CHECK-LABEL: @contract_reads_through_views
// CHECK-SAME: (%[[A:.+]]: tensor<3x5xf32>, %[[B:.+]]: tensor<3x4xf32>)
// CHECK: nn.contract %[[A]], %[[B]] maps [#[[$LHS]], #[[$RHS]], #{{.+}}]
func.func @contract_reads_through_views(%a: tensor<3x5xf32>, %b: tensor<3x4xf32>) -> tensor<5x4xf32> {
  %t = nn.transpose %a [1, 0] : tensor<3x5xf32> -> tensor<5x3xf32>
  %r = nn.contract %t, %b maps [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>] : tensor<5x3xf32>, tensor<3x4xf32> -> tensor<5x4xf32>
  return %r : tensor<5x4xf32>
}

// -----

// CHECK-LABEL: @contract_drops_broadcast
// CHECK: %[[ROW:.+]] = nn.reshape %{{.+}}[] : tensor<1x3x4xf32> -> tensor<3x4xf32>
// CHECK: nn.contract %{{.+}}, %[[ROW]]
// CHECK-NOT: nn.broadcast
func.func @contract_drops_broadcast(%a: tensor<2x5x3xf32>, %b: tensor<1x3x4xf32>) -> tensor<2x5x4xf32> {
  %t = nn.broadcast %b[] : tensor<1x3x4xf32> -> tensor<2x3x4xf32>
  %r = nn.contract %a, %t maps [affine_map<(b, m, n, k) -> (b, m, k)>, affine_map<(b, m, n, k) -> (b, k, n)>, affine_map<(b, m, n, k) -> (b, m, n)>] : tensor<2x5x3xf32>, tensor<2x3x4xf32> -> tensor<2x5x4xf32>
  return %r : tensor<2x5x4xf32>
}

// -----

// CHECK-LABEL: @reduce_reads_through_transpose
// CHECK: nn.reduce mean(%{{.+}}) axes [1, 2] : tensor<2x7x7x3xf32>
func.func @reduce_reads_through_transpose(%x: tensor<2x7x7x3xf32>) -> tensor<2x3xf32> {
  %t = nn.transpose %x [0, 3, 1, 2] : tensor<2x7x7x3xf32> -> tensor<2x3x7x7xf32>
  %r = nn.reduce mean(%t) axes [2, 3] : tensor<2x3x7x7xf32> -> tensor<2x3xf32>
  return %r : tensor<2x3xf32>
}

// -----

// A repetition behind which a dim of size 1 is dropped drops it first.
// CHECK-LABEL: @reshape_before_broadcast
// CHECK: %[[R:.+]] = nn.reshape %{{.+}}[] : tensor<1x4x1x5xf32> -> tensor<4x1x5xf32>
// CHECK: nn.broadcast %[[R]][] : tensor<4x1x5xf32> -> tensor<4x3x5xf32>
func.func @reshape_before_broadcast(%x: tensor<1x4x1x5xf32>) -> tensor<4x3x5xf32> {
  %0 = nn.broadcast %x[] : tensor<1x4x1x5xf32> -> tensor<1x4x3x5xf32>
  %1 = nn.reshape %0[] : tensor<1x4x3x5xf32> -> tensor<4x3x5xf32>
  return %1 : tensor<4x3x5xf32>
}

// -----

// CHECK-LABEL: @rotary_before_transpose
// CHECK: %[[R:.+]] = nn.rotary %{{.+}}, %{{.+}}, %{{.+}} dim 3 : tensor<1x5x2x4xf32>, tensor<1x5x1x2xf32>, tensor<1x5x1x2xf32>
// CHECK: nn.transpose %[[R]] [0, 2, 1, 3]
func.func @rotary_before_transpose(%x: tensor<1x5x2x4xf32>, %c: tensor<1x1x5x2xf32>) -> tensor<1x2x5x4xf32> {
  %0 = nn.transpose %x [0, 2, 1, 3] : tensor<1x5x2x4xf32> -> tensor<1x2x5x4xf32>
  %1 = nn.rotary %0, %c, %c dim 3 : tensor<1x2x5x4xf32>, tensor<1x1x5x2xf32>, tensor<1x1x5x2xf32> -> tensor<1x2x5x4xf32>
  return %1 : tensor<1x2x5x4xf32>
}

// -----

// A scalar has no dims, but is reached by a reshape all the same.
// CHECK-LABEL: @reshape_to_scalar
// CHECK-SAME: (%[[X:.+]]: tensor<1xf32>)
// CHECK: %[[Y:.+]] = nn.reshape %[[X]][] : tensor<1xf32> -> tensor<f32>
// CHECK-NEXT: return %[[Y]]
func.func @reshape_to_scalar(%x: tensor<1xf32>) -> tensor<f32> {
  %0 = nn.reshape %x[] : tensor<1xf32> -> tensor<1x1xf32>
  %1 = nn.reshape %0[] : tensor<1x1xf32> -> tensor<f32>
  return %1 : tensor<f32>
}
