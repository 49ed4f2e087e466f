// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// General ops print as they are parsed.
// RUN: dlc-opt %s | dlc-opt | FileCheck %s

// CHECK-LABEL: @elementwise
// CHECK: nn.elementwise add(%{{.+}}, %{{.+}}) maybe_broadcast [array<i64: 0>, array<i64>] : (tensor<?x3xf32>, tensor<?x3xf32>) -> tensor<?x3xf32>
// CHECK: nn.elementwise leaky_relu(%{{.+}}) {params = {alpha = 1.000000e-01 : f64}} : (tensor<?x3xf32>) -> tensor<?x3xf32>
// CHECK: nn.cast %{{.+}} : tensor<?x3xf32> -> tensor<?x3xi8>
// CHECK: nn.iota 1(%{{.+}}) : tensor<2x?xi64>
func.func @elementwise(%x: tensor<?x3xf32>, %n: index) -> (tensor<?x3xi8>, tensor<2x?xi64>) {
  %0 = nn.elementwise add(%x, %x) maybe_broadcast [array<i64: 0>, array<i64>] : (tensor<?x3xf32>, tensor<?x3xf32>) -> tensor<?x3xf32>
  %1 = nn.elementwise leaky_relu(%0) {params = {alpha = 0.1 : f64}} : (tensor<?x3xf32>) -> tensor<?x3xf32>
  %2 = nn.cast %1 : tensor<?x3xf32> -> tensor<?x3xi8>
  %3 = nn.iota 1 (%n) : tensor<2x?xi64>
  return %2, %3 : tensor<?x3xi8>, tensor<2x?xi64>
}

// CHECK-LABEL: @reduce_and_contract
// CHECK: nn.reduce argmax(%{{.+}}) axes [1] select_last : tensor<2x3xf32> -> tensor<2xi64>
// CHECK: nn.contract %{{.+}}, %{{.+}} lhs_zero %{{.+}} : tensor<i8> maps [{{.+}}] : tensor<2x3xi8>, tensor<3x4xi8> -> tensor<2x4xi32>
func.func @reduce_and_contract(%x: tensor<2x3xf32>, %a: tensor<2x3xi8>, %b: tensor<3x4xi8>, %z: tensor<i8>) -> (tensor<2xi64>, tensor<2x4xi32>) {
  %0 = nn.reduce argmax(%x) axes [1] select_last : tensor<2x3xf32> -> tensor<2xi64>
  %1 = nn.contract %a, %b lhs_zero %z : tensor<i8> maps [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>] : tensor<2x3xi8>, tensor<3x4xi8> -> tensor<2x4xi32>
  return %0, %1 : tensor<2xi64>, tensor<2x4xi32>
}

// CHECK-LABEL: @views
// CHECK: nn.reshape %{{.+}}[%{{.+}}] : tensor<?x4xf32> -> tensor<?x2x2xf32>
// CHECK: nn.transpose %{{.+}} [2, 0, 1] : tensor<?x2x2xf32> -> tensor<2x?x2xf32>
// CHECK: nn.broadcast %{{.+}}[%{{.+}}] maybe_broadcast [1] : tensor<2x?x2xf32> -> tensor<2x?x2xf32>
// CHECK: nn.slice %{{.+}}[0, %{{.+}}, 1] [2, %{{.+}}, 2] [1, 1, -1] : tensor<2x?x2xf32> -> tensor<2x?x2xf32>
// CHECK: nn.insert_slice %{{.+}} into %{{.+}}[0, 0, 0] [1, 1, 1] : tensor<2x?x2xf32> into tensor<2x?x2xf32> -> tensor<2x?x2xf32>
// CHECK: nn.pad reflect(%{{.+}}) low [1, 0, 0] high [0, %{{.+}}, 0] : tensor<2x?x2xf32> -> tensor<3x?x2xf32>
// CHECK: nn.concat axis 0(%{{.+}}, %{{.+}}) : (tensor<3x?x2xf32>, tensor<2x?x2xf32>) -> tensor<5x?x2xf32>
func.func @views(%x: tensor<?x4xf32>, %n: index) -> tensor<5x?x2xf32> {
  %0 = nn.reshape %x[%n] : tensor<?x4xf32> -> tensor<?x2x2xf32>
  %1 = nn.transpose %0 [2, 0, 1] : tensor<?x2x2xf32> -> tensor<2x?x2xf32>
  %2 = nn.broadcast %1[%n] maybe_broadcast [1] : tensor<2x?x2xf32> -> tensor<2x?x2xf32>
  %3 = nn.slice %2[0, %n, 1] [2, %n, 2] [1, 1, -1] : tensor<2x?x2xf32> -> tensor<2x?x2xf32>
  %4 = nn.insert_slice %3 into %2[0, 0, 0] [1, 1, 1] : tensor<2x?x2xf32> into tensor<2x?x2xf32> -> tensor<2x?x2xf32>
  %5 = nn.pad reflect(%4) low [1, 0, 0] high [0, %n, 0] : tensor<2x?x2xf32> -> tensor<3x?x2xf32>
  %6 = nn.concat axis 0 (%5, %4) : (tensor<3x?x2xf32>, tensor<2x?x2xf32>) -> tensor<5x?x2xf32>
  return %6 : tensor<5x?x2xf32>
}

// CHECK-LABEL: @gather_and_scatter
// CHECK: nn.gather %{{.+}}, (%{{.+}}) indexed [0] index_maps [{{.+}}] input_map {{.+}}[] negative_wrap bounds error : tensor<5x4xf32>, (tensor<3xi64>) -> tensor<3x4xf32>
// CHECK: nn.scatter add %{{.+}} into %{{.+}}, (%{{.+}}) indexed [0] index_maps [{{.+}}] dest_map {{.+}} unique : tensor<3x4xf32> into tensor<5x4xf32>, (tensor<3xi64>) -> tensor<5x4xf32>
func.func @gather_and_scatter(%x: tensor<5x4xf32>, %i: tensor<3xi64>) -> tensor<5x4xf32> {
  %0 = nn.gather %x, (%i) indexed [0] index_maps [affine_map<(r, c) -> (r)>] input_map affine_map<(r, c) -> (c)> [] negative_wrap bounds error : tensor<5x4xf32>, (tensor<3xi64>) -> tensor<3x4xf32>
  %1 = nn.scatter add %0 into %x, (%i) indexed [0] index_maps [affine_map<(r, c) -> (r)>] dest_map affine_map<(r, c) -> (c)> unique : tensor<3x4xf32> into tensor<5x4xf32>, (tensor<3xi64>) -> tensor<5x4xf32>
  return %1 : tensor<5x4xf32>
}
