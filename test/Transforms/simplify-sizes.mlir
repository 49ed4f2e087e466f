// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --pass-pipeline='builtin.module(dlc-simplify-sizes,canonicalize)' --split-input-file | FileCheck %s

// x rows plus the first x of 512: for more than 512 the check fails, so the dim
// is bounded, and all sizes are x.
// CHECK-LABEL: @sum_with_a_slice_bounds_the_dim
// CHECK: %[[X:.+]] = nn.sym_dim "X" {max = 512 : i64}
// CHECK-NOT: nn.check
// CHECK: nn.slice %{{.+}}[0, 0] [%[[X]], 4] [1, 1]
// CHECK: nn.elementwise add(%{{.+}}, %{{.+}}) : (tensor<?x4xf32>, tensor<?x4xf32>)
func.func @sum_with_a_slice_bounds_the_dim(%a: tensor<?x4xf32>, %table: tensor<512x4xf32>) -> tensor<?x4xf32> {
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %c512 = arith.constant 512 : index
  %x = nn.sym_dim "X"
  nn.bind_shape %a[%x, %c4] : tensor<?x4xf32>
  %rows = arith.minsi %x, %c512 : index
  %0 = nn.slice %table[0, 0] [%rows, 4] [1, 1] : tensor<512x4xf32> -> tensor<?x4xf32>
  %one = arith.cmpi eq, %x, %c1 : index
  %size = arith.select %one, %rows, %x : index
  %equal = arith.cmpi eq, %rows, %size : index
  %single = arith.cmpi eq, %rows, %c1 : index
  %ok = arith.ori %equal, %single : i1
  nn.check %ok, "expected {0}, got {1}"(%size, %rows)
  %1 = nn.elementwise add(%a, %0) maybe_broadcast [array<i64: 0>, array<i64: 0>] : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %1 : tensor<?x4xf32>
}

// -----

// A check that may hold for large dims too bounds nothing.
// CHECK-LABEL: @keeps_dim_of_a_check_that_may_hold
// CHECK: nn.sym_dim "X"
// CHECK-NOT: max
// CHECK: nn.check
func.func @keeps_dim_of_a_check_that_may_hold(%y: index) -> index {
  %c512 = arith.constant 512 : index
  %x = nn.sym_dim "X"
  %rows = arith.minsi %x, %c512 : index
  %equal = arith.cmpi eq, %rows, %y : index
  nn.check %equal, "expected {0}, got {1}"(%rows, %y)
  return %rows : index
}

// -----

// CHECK-LABEL: @ranges_decide
// CHECK: %[[X:.+]] = nn.sym_dim "X"
// CHECK: return %[[X]]
func.func @ranges_decide() -> index {
  %c16 = arith.constant 16 : index
  %x = nn.sym_dim "X" {min = 2 : i64, max = 16 : i64}
  %0 = arith.minsi %x, %c16 : index
  %c1 = arith.constant 1 : index
  %one = arith.cmpi eq, %0, %c1 : index
  %1 = arith.select %one, %c16, %0 : index
  return %1 : index
}

// -----

// 768 x / 64 x is 12, a static dim.
// CHECK-LABEL: @quotient_becomes_static
// CHECK: nn.reshape %{{.+}}[%{{.+}}] : tensor<?x768xf32> -> tensor<?x12x64xf32>
// CHECK: nn.transpose %{{.+}} : tensor<?x12x64xf32> -> tensor<12x?x64xf32>
// CHECK: tensor.cast
func.func @quotient_becomes_static(%a: tensor<?x768xf32>) -> tensor<?x?x64xf32> {
  %c768 = arith.constant 768 : index
  %x = nn.sym_dim "X"
  nn.bind_shape %a[%x, %c768] : tensor<?x768xf32>
  %all = affine.apply affine_map<()[s0] -> (s0 * 768)>()[%x]
  %row = affine.apply affine_map<()[s0] -> (s0 * 64)>()[%x]
  %heads = arith.floordivsi %all, %row : index
  %0 = nn.reshape %a[%x, %heads] : tensor<?x768xf32> -> tensor<?x?x64xf32>
  %1 = nn.transpose %0 [1, 0, 2] : tensor<?x?x64xf32> -> tensor<?x?x64xf32>
  %2 = scf.execute_region -> tensor<?x?x64xf32> {
    scf.yield %1 : tensor<?x?x64xf32>
  }
  return %2 : tensor<?x?x64xf32>
}

// -----

// Constant pads of a static tensor give a static one, also behind a cast that
// forgets sizes.
// CHECK-LABEL: func.func @pad
// CHECK-SAME: -> tensor<3x6xf32>
// CHECK: nn.pad {{.+}} : tensor<2x4xf32> -> tensor<3x6xf32>
// CHECK: nn.elementwise relu({{.+}} -> tensor<3x6xf32>
func.func @pad(%x: tensor<2x4xf32>) -> tensor<?x?xf32> {
  %one = arith.constant 1 : index
  %cast = tensor.cast %x : tensor<2x4xf32> to tensor<?x?xf32>
  %p = nn.pad constant(%cast) low [0, %one] high [%one, 1] : tensor<?x?xf32> -> tensor<?x?xf32>
  %y = nn.elementwise relu(%p) : (tensor<?x?xf32>) -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}
