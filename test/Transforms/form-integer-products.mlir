// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s -split-input-file -dlc-form-integer-products | FileCheck %s

// The scale per column of the right factor becomes one of the result's columns.
// CHECK-LABEL: func.func @contract
// CHECK: %[[SUM:.+]] = nn.contract %arg0, %arg1 lhs_zero %arg3 : tensor<ui8> maps {{.*}} : tensor<?x64xui8>, tensor<64x32xi8> -> tensor<?x32xi32>
// CHECK: %[[FLOAT:.+]] = nn.cast %[[SUM]]
// CHECK: %[[SX:.+]] = nn.reshape %arg2[] : tensor<f32> -> tensor<1x1xf32>
// CHECK: %[[SCALED:.+]] = nn.elementwise mul(%[[FLOAT]], %[[SX]])
// CHECK: %[[SW:.+]] = nn.reshape %arg4[] : tensor<32xf32> -> tensor<1x32xf32>
// CHECK: %[[RESULT:.+]] = nn.elementwise mul(%[[SCALED]], %[[SW]])
// CHECK: return %[[RESULT]]
func.func @contract(%x: tensor<?x64xui8>, %w: tensor<64x32xi8>, %sx: tensor<f32>, %zx: tensor<ui8>, %sw: tensor<32xf32>) -> tensor<?x32xf32> {
  %a = nn.dequantize %x, %sx, %zx : tensor<ui8> : tensor<?x64xui8>, tensor<f32> -> tensor<?x64xf32>
  %b = nn.dequantize %w, %sw {axis = 1 : i64} : tensor<64x32xi8>, tensor<32xf32> -> tensor<64x32xf32>
  %0 = nn.contract %a, %b maps [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>] : tensor<?x64xf32>, tensor<64x32xf32> -> tensor<?x32xf32>
  return %0 : tensor<?x32xf32>
}

// -----

// Scales that change within a sum stay where they are.
// CHECK-LABEL: func.func @scales_of_summed
// CHECK: nn.contract {{.*}} -> tensor<8x32xf32>
func.func @scales_of_summed(%x: tensor<8x64xui8>, %w: tensor<64x32xi8>, %sx: tensor<f32>, %sw: tensor<64xf32>) -> tensor<8x32xf32> {
  %a = nn.dequantize %x, %sx : tensor<8x64xui8>, tensor<f32> -> tensor<8x64xf32>
  %b = nn.dequantize %w, %sw {axis = 0 : i64} : tensor<64x32xi8>, tensor<64xf32> -> tensor<64x32xf32>
  %0 = nn.contract %a, %b maps [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>] : tensor<8x64xf32>, tensor<64x32xf32> -> tensor<8x32xf32>
  return %0 : tensor<8x32xf32>
}

// -----

// 33026 products of 255 * 255 do not fit 32 bits. They are summed as floats,
// but without the scales, which a low precision would round.
// CHECK-LABEL: func.func @long_sum
// CHECK: %[[X:.+]] = nn.cast %arg0
// CHECK: %[[W:.+]] = nn.cast %arg1
// CHECK: %[[SUM:.+]] = nn.contract %[[X]], %[[W]] {{.*}} -> tensor<8x8xf32>
// CHECK: %[[SX:.+]] = nn.elementwise mul(%[[SUM]], %{{.+}})
// CHECK: nn.elementwise mul(%[[SX]], %{{.+}})
func.func @long_sum(%x: tensor<8x33026xui8>, %w: tensor<33026x8xi8>, %s: tensor<f32>) -> tensor<8x8xf32> {
  %a = nn.dequantize %x, %s : tensor<8x33026xui8>, tensor<f32> -> tensor<8x33026xf32>
  %b = nn.dequantize %w, %s : tensor<33026x8xi8>, tensor<f32> -> tensor<33026x8xf32>
  %0 = nn.contract %a, %b maps [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>] : tensor<8x33026xf32>, tensor<33026x8xf32> -> tensor<8x8xf32>
  return %0 : tensor<8x8xf32>
}

// -----

// Nor is a sum of unknown length known to fit; scales may be of unknown number.
// CHECK-LABEL: func.func @unknown_sum
// CHECK: %[[X:.+]] = nn.cast %arg0
// CHECK: %[[Z:.+]] = nn.cast %arg3
// CHECK: %[[ZERO:.+]] = nn.reshape %[[Z]][] : tensor<f32> -> tensor<1x1xf32>
// CHECK: %[[A:.+]] = nn.elementwise sub(%[[X]], %[[ZERO]])
// CHECK: %[[B:.+]] = nn.cast %arg1
// CHECK: %[[SUM:.+]] = nn.contract %[[A]], %[[B]] {{.*}} -> tensor<?x?xf32>
// CHECK: %[[SX:.+]] = nn.elementwise mul(%[[SUM]], %{{.+}})
// CHECK: %[[SIZE:.+]] = tensor.dim %arg4
// CHECK: %[[SW:.+]] = nn.reshape %arg4[%[[SIZE]]] : tensor<?xf32> -> tensor<1x?xf32>
// CHECK: nn.elementwise mul(%[[SX]], %[[SW]])
func.func @unknown_sum(%x: tensor<?x?xui8>, %w: tensor<?x?xi8>, %sx: tensor<f32>, %zx: tensor<ui8>, %sw: tensor<?xf32>) -> tensor<?x?xf32> {
  %a = nn.dequantize %x, %sx, %zx : tensor<ui8> : tensor<?x?xui8>, tensor<f32> -> tensor<?x?xf32>
  %b = nn.dequantize %w, %sw {axis = 1 : i64} : tensor<?x?xi8>, tensor<?xf32> -> tensor<?x?xf32>
  %0 = nn.contract %a, %b maps [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>] : tensor<?x?xf32>, tensor<?x?xf32> -> tensor<?x?xf32>
  return %0 : tensor<?x?xf32>
}

// -----

// The convolution reads transposed bytes; its bias is added to the scaled sum.
// CHECK-LABEL: func.func @conv
// CHECK: %[[X:.+]] = nn.transpose %arg0 [0, 2, 3, 1] : tensor<1x16x8x8xui8> -> tensor<1x8x8x16xui8>
// CHECK: %[[SUM:.+]] = nn.conv %[[X]], %arg1 input_zero %arg3 : tensor<ui8> {channels_last, {{.*}}} : tensor<1x8x8x16xui8>, tensor<8x16x3x3xi8> -> tensor<1x6x6x8xi32>
// CHECK: nn.cast %[[SUM]]
// CHECK: nn.elementwise mul
// CHECK: nn.elementwise mul
// CHECK: nn.elementwise add({{.*}}) : (tensor<1x6x6x8xf32>, tensor<1x1x1x8xf32>)
func.func @conv(%x: tensor<1x16x8x8xui8>, %w: tensor<8x16x3x3xi8>, %sx: tensor<f32>, %zx: tensor<ui8>, %sw: tensor<8xf32>, %bias: tensor<8xf32>) -> tensor<1x6x6x8xf32> {
  %a = nn.dequantize %x, %sx, %zx : tensor<ui8> : tensor<1x16x8x8xui8>, tensor<f32> -> tensor<1x16x8x8xf32>
  %t = nn.transpose %a [0, 2, 3, 1] : tensor<1x16x8x8xf32> -> tensor<1x8x8x16xf32>
  %b = nn.dequantize %w, %sw {axis = 0 : i64} : tensor<8x16x3x3xi8>, tensor<8xf32> -> tensor<8x16x3x3xf32>
  %0 = nn.conv %t, %b bias %bias : tensor<8xf32> {channels_last, dilations = array<i64: 1, 1>, pad_high = array<i64: 0, 0>, pad_low = array<i64: 0, 0>, strides = array<i64: 1, 1>} : tensor<1x8x8x16xf32>, tensor<8x16x3x3xf32> -> tensor<1x6x6x8xf32>
  return %0 : tensor<1x6x6x8xf32>
}

// -----

// Quantisation comes before a transpose, as elementwise ops.
// CHECK-LABEL: func.func @quantize
// CHECK: %[[DIV:.+]] = nn.elementwise div(%arg0, %{{.+}}) : (tensor<1x8x8x16xf32>, tensor<1x1x1x1xf32>)
// CHECK: %[[ROUND:.+]] = nn.elementwise round_even(%[[DIV]])
// CHECK: %[[SUM:.+]] = nn.elementwise add(%[[ROUND]], %{{.+}})
// CHECK: %[[BYTES:.+]] = nn.cast %[[SUM]] : tensor<1x8x8x16xf32> -> tensor<1x8x8x16xui8>
// CHECK: %[[T:.+]] = nn.transpose %[[BYTES]] [0, 3, 1, 2]
// CHECK: return %[[T]]
func.func @quantize(%x: tensor<1x8x8x16xf32>, %s: tensor<f32>, %z: tensor<ui8>) -> tensor<1x16x8x8xui8> {
  %t = nn.transpose %x [0, 3, 1, 2] : tensor<1x8x8x16xf32> -> tensor<1x16x8x8xf32>
  %0 = nn.quantize %t, %s, %z : tensor<ui8> : tensor<1x16x8x8xf32>, tensor<f32> -> tensor<1x16x8x8xui8>
  return %0 : tensor<1x16x8x8xui8>
}

// -----

// A filter of unknown channels: padding counts 0 among differences, too, and the
// bias is added to the scaled sum.
// CHECK-LABEL: func.func @unknown_filter
// CHECK: %[[A:.+]] = nn.elementwise sub(%{{.+}}, %{{.+}})
// CHECK: %[[SUM:.+]] = nn.conv %[[A]], %{{[0-9]+}} {{.*}} : tensor<?x?x8x8xf32>, tensor<8x?x3x3xf32> -> tensor<?x8x8x8xf32>
// CHECK: nn.elementwise mul
// CHECK: nn.elementwise mul
// CHECK: nn.elementwise add
func.func @unknown_filter(%x: tensor<?x?x8x8xui8>, %w: tensor<8x?x3x3xi8>, %sx: tensor<f32>, %zx: tensor<ui8>, %sw: tensor<8xf32>, %bias: tensor<8xf32>) -> tensor<?x8x8x8xf32> {
  %a = nn.dequantize %x, %sx, %zx : tensor<ui8> : tensor<?x?x8x8xui8>, tensor<f32> -> tensor<?x?x8x8xf32>
  %b = nn.dequantize %w, %sw {axis = 0 : i64} : tensor<8x?x3x3xi8>, tensor<8xf32> -> tensor<8x?x3x3xf32>
  %0 = nn.conv %a, %b bias %bias : tensor<8xf32> {dilations = array<i64: 1, 1>, pad_high = array<i64: 1, 1>, pad_low = array<i64: 1, 1>, strides = array<i64: 1, 1>} : tensor<?x?x8x8xf32>, tensor<8x?x3x3xf32> -> tensor<?x8x8x8xf32>
  return %0 : tensor<?x8x8x8xf32>
}
