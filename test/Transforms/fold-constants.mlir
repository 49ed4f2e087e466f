// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --pass-pipeline='builtin.module(dlc-fold-constants,canonicalize,cse)' --split-input-file | FileCheck %s

// CHECK-LABEL: @saturating_cast_of_a_quotient
// CHECK: arith.constant dense<[3, -3, 127, 0]> : tensor<4xi8>
func.func @saturating_cast_of_a_quotient() -> tensor<4xi8> {
  %x = arith.constant dense<[7.0, -7.0, 1000.0, 0.0]> : tensor<4xf32>
  %y = arith.constant dense<[2.0, 2.0, 2.0, 0.0]> : tensor<4xf32>
  %0 = nn.elementwise div(%x, %y) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = nn.cast %0 : tensor<4xf32> -> tensor<4xi8>
  return %1 : tensor<4xi8>
}

// -----

// Integer division by zero gives 0, and lowest / -1 is lowest.
// CHECK-LABEL: @integer_division_never_traps
// CHECK: arith.constant dense<[0, -128, -2]> : tensor<3xi8>
func.func @integer_division_never_traps() -> tensor<3xi8> {
  %x = arith.constant dense<[5, -128, -5]> : tensor<3xi8>
  %y = arith.constant dense<[0, -1, 2]> : tensor<3xi8>
  %0 = nn.elementwise div(%x, %y) : (tensor<3xi8>, tensor<3xi8>) -> tensor<3xi8>
  return %0 : tensor<3xi8>
}

// -----

// CHECK-LABEL: @lower_triangle_from_iota
// CHECK: arith.constant dense<{{\[}}[true, false], [true, true]]> : tensor<2x2xi1>
func.func @lower_triangle_from_iota() -> tensor<2x2xi1> {
  %row = nn.iota 0 () : tensor<2x2xi64>
  %column = nn.iota 1 () : tensor<2x2xi64>
  %0 = nn.elementwise ge(%row, %column) : (tensor<2x2xi64>, tensor<2x2xi64>) -> tensor<2x2xi1>
  return %0 : tensor<2x2xi1>
}

// -----

// A large mask stays arithmetic on indices.
// CHECK-LABEL: @keeps_large_iota
// CHECK-COUNT-2: nn.iota
// CHECK: nn.elementwise ge
func.func @keeps_large_iota() -> tensor<99x99xi1> {
  %row = nn.iota 0 () : tensor<99x99xi64>
  %column = nn.iota 1 () : tensor<99x99xi64>
  %0 = nn.elementwise ge(%row, %column) : (tensor<99x99xi64>, tensor<99x99xi64>) -> tensor<99x99xi1>
  return %0 : tensor<99x99xi1>
}

// -----

// The last of several updates of one place wins.
// CHECK-LABEL: @scatter_and_gather_back
// CHECK: arith.constant dense<[7, 0, 9]> : tensor<3xi32>
func.func @scatter_and_gather_back() -> tensor<3xi32> {
  %dest = arith.constant dense<0> : tensor<3xi32>
  %updates = arith.constant dense<[8, 9, 7]> : tensor<3xi32>
  %at = arith.constant dense<[0, 2, 0]> : tensor<3xi64>
  %0 = nn.scatter assign %updates into %dest, (%at) indexed [0] index_maps [affine_map<(i) -> (i)>] dest_map affine_map<(i) -> ()> : tensor<3xi32> into tensor<3xi32>, (tensor<3xi64>) -> tensor<3xi32>
  return %0 : tensor<3xi32>
}

// -----

// CHECK-LABEL: @reductions
// CHECK-DAG: arith.constant dense<[3.500000e+00, 2.000000e+00]> : tensor<2xf32>
// CHECK-DAG: arith.constant dense<[4.000000e+00, 0x7FC00000]> : tensor<2xf32>
func.func @reductions() -> (tensor<2xf32>, tensor<2xf32>) {
  %x = arith.constant dense<[[3.0, 4.0], [1.0, 3.0]]> : tensor<2x2xf32>
  %y = arith.constant dense<[[3.0, 4.0], [0x7FC00000, 3.0]]> : tensor<2x2xf32>
  %0 = nn.reduce mean(%x) axes [1] : tensor<2x2xf32> -> tensor<2xf32>
  %1 = nn.reduce max(%y) axes [1] : tensor<2x2xf32> -> tensor<2xf32>
  return %0, %1 : tensor<2xf32>, tensor<2xf32>
}

// -----

// Views of params become transforms; params that come out equal are one.
// CHECK: nn.param @[[$W:[a-z_0-9]+]] : tensor<8x2x9xf16>
// CHECK-SAME: transforms [#nn.permute<1, 0>, #nn.reshape_to<8, 2, 9>, #nn.cast_to<f16>]
// CHECK-NOT: nn.param
// CHECK-LABEL: @views_of_params
// CHECK: %[[W:.+]] = nn.param_ref @[[$W]]
// CHECK: return %[[W]], %[[W]]
nn.param @a : tensor<18x8xf32> = (dense<1.0> : tensor<18x8xf32>) : tensor<18x8xf32>
nn.param @b : tensor<8x18xf32> = (dense<1.0> : tensor<18x8xf32>) : tensor<18x8xf32> transforms [#nn.permute<1, 0>]
func.func @views_of_params() -> (tensor<8x2x9xf16>, tensor<8x2x9xf16>) {
  %a = nn.param_ref @a : tensor<18x8xf32>
  %b = nn.param_ref @b : tensor<8x18xf32>
  %t = nn.transpose %a [1, 0] : tensor<18x8xf32> -> tensor<8x18xf32>
  %r = nn.reshape %t[] : tensor<8x18xf32> -> tensor<8x2x9xf32>
  %c = nn.cast %r : tensor<8x2x9xf32> -> tensor<8x2x9xf16>
  %r2 = nn.reshape %b[] : tensor<8x18xf32> -> tensor<8x2x9xf32>
  %c2 = nn.cast %r2 : tensor<8x2x9xf32> -> tensor<8x2x9xf16>
  return %c, %c2 : tensor<8x2x9xf16>, tensor<8x2x9xf16>
}

// -----

// CHECK-LABEL: @zero_points_of_zero
// CHECK: nn.contract %arg0, %arg1 lhs_zero %arg2 : tensor<ui8> maps
// CHECK: nn.dequantize %arg1, %arg3 {axis = 1 : i64}
func.func @zero_points_of_zero(%x: tensor<4x8xui8>, %w: tensor<8x3xi8>, %zx: tensor<ui8>, %s: tensor<3xf32>) -> (tensor<4x3xi32>, tensor<8x3xf32>) {
  %zw = arith.constant dense<0> : tensor<3xi8>
  %0 = nn.contract %x, %w lhs_zero %zx : tensor<ui8> rhs_zero %zw : tensor<3xi8> maps [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>] : tensor<4x8xui8>, tensor<8x3xi8> -> tensor<4x3xi32>
  %1 = nn.dequantize %w, %s, %zw : tensor<3xi8> {axis = 1 : i64} : tensor<8x3xi8>, tensor<3xf32> -> tensor<8x3xf32>
  return %0, %1 : tensor<4x3xi32>, tensor<8x3xf32>
}

// -----

// Both at once.
// CHECK-LABEL: @two_zero_points_of_zero
// CHECK: nn.contract %arg0, %arg1 maps
func.func @two_zero_points_of_zero(%x: tensor<4x8xui8>, %w: tensor<8x3xi8>) -> tensor<4x3xi32> {
  %zx = arith.constant dense<0> : tensor<ui8>
  %zw = arith.constant dense<0> : tensor<3xi8>
  %0 = nn.contract %x, %w lhs_zero %zx : tensor<ui8> rhs_zero %zw : tensor<3xi8> maps [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>] : tensor<4x8xui8>, tensor<8x3xi8> -> tensor<4x3xi32>
  return %0 : tensor<4x3xi32>
}
