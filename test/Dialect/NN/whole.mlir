// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s | dlc-opt | FileCheck %s
// Every whole op is printed as it is read.

// CHECK-LABEL: @conv
func.func @conv(%x: tensor<1x4x9x9xf32>, %w: tensor<6x2x3x3xf32>, %b: tensor<6xf32>) {
  // CHECK: nn.conv %{{.*}}, %{{.*}} bias %{{.*}} : tensor<6xf32> {{{.*}}groups = 2
  %0 = nn.conv %x, %w bias %b : tensor<6xf32> {groups = 2, strides = array<i64: 2, 2>,
    dilations = array<i64: 1, 1>, pad_low = array<i64: 1, 1>, pad_high = array<i64: 1, 1>}
    : tensor<1x4x9x9xf32>, tensor<6x2x3x3xf32> -> tensor<1x6x5x5xf32>
  return
}

// CHECK-LABEL: @pool
func.func @pool(%x: tensor<1x8x9x9xf32>) {
  // CHECK: nn.pool max(%{{.*}}) {{.*}} -> (tensor<1x8x4x4xf32>, tensor<1x8x4x4xi64>)
  %0:2 = nn.pool max(%x) {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>,
    dilations = array<i64: 1, 1>, pad_low = array<i64: 0, 0>, pad_high = array<i64: 0, 0>}
    : (tensor<1x8x9x9xf32>) -> (tensor<1x8x4x4xf32>, tensor<1x8x4x4xi64>)
  return
}

// CHECK-LABEL: @batch_norm
func.func @batch_norm(%x: tensor<1x8x9xf32>, %v: tensor<8xf32>) {
  // CHECK: nn.batch_norm {{.*}}epsilon = 1.000000e-05
  %0 = nn.batch_norm %x, %v, %v, %v, %v {epsilon = 1.0e-5 : f64}
    : tensor<1x8x9xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<1x8x9xf32>
  return
}

// CHECK-LABEL: @norm
func.func @norm(%x: tensor<2x8x9xf32>, %s: tensor<9xf32>) {
  // CHECK: nn.norm rms(%{{.*}} scale %{{.*}} : tensor<9xf32>) axes [2]
  %0 = nn.norm rms(%x scale %s : tensor<9xf32>) axes [2]
    {affine_dims = array<i64: 2>, epsilon = 0.0 : f64, resultSegmentSizes = array<i32: 1, 0, 0>}
    : (tensor<2x8x9xf32>) -> tensor<2x8x9xf32>
  return
}

// CHECK-LABEL: @softmax
func.func @softmax(%x: tensor<2x8xf32>) {
  // CHECK: nn.softmax %{{.*}} axes [1] log : tensor<2x8xf32> -> tensor<2x8xf32>
  %0 = nn.softmax %x axes [1] log : tensor<2x8xf32> -> tensor<2x8xf32>
  return
}

#q = affine_map<(b, h, g, m, n, d, e) -> (b, h, m, d)>
#k = affine_map<(b, h, g, m, n, d, e) -> (b, h, n, d)>
#v = affine_map<(b, h, g, m, n, d, e) -> (b, h, n, e)>
#r = affine_map<(b, h, g, m, n, d, e) -> (b, h, m, e)>
// CHECK-LABEL: @attention
func.func @attention(%q: tensor<2x3x5x8xf32>, %k: tensor<2x3x7x8xf32>, %v: tensor<2x3x7x4xf32>) {
  // CHECK: nn.attention {{.*}} scale 5.000000e-01 maps
  // CHECK: mask
  // CHECK: arith.cmpi sge
  %0 = nn.attention %q, %k, %v scale 0.5 maps [#q, #k, #v, #r] score {
  } mask {
  ^bb0(%b: index, %h: index, %g: index, %m: index, %n: index):
    %counts = arith.cmpi sge, %m, %n : index
    nn.yield %counts : i1
  } : tensor<2x3x5x8xf32>, tensor<2x3x7x8xf32>, tensor<2x3x7x4xf32> -> tensor<2x3x5x4xf32>
  return
}

// CHECK-LABEL: @rotary
func.func @rotary(%x: tensor<2x5x3x8xf32>, %c: tensor<1x5x1x4xf32>) {
  // CHECK: nn.rotary %{{.*}}, %{{.*}}, %{{.*}} dim 3 interleaved
  %0 = nn.rotary %x, %c, %c dim 3 interleaved
    : tensor<2x5x3x8xf32>, tensor<1x5x1x4xf32>, tensor<1x5x1x4xf32> -> tensor<2x5x3x8xf32>
  return
}

// CHECK-LABEL: @quantize
func.func @quantize(%x: tensor<2x8xf32>, %s: tensor<8xf32>, %z: tensor<8xi8>) {
  // CHECK: nn.quantize %{{.*}}, %{{.*}}, %{{.*}} : tensor<8xi8> {axis = 1 : i64}
  %0 = nn.quantize %x, %s, %z : tensor<8xi8> {axis = 1} : tensor<2x8xf32>, tensor<8xf32> -> tensor<2x8xi8>
  // CHECK: nn.dequantize %{{.*}}, %{{.*}}, %{{.*}} : tensor<8xi8> {axis = 1 : i64}
  %1 = nn.dequantize %0, %s, %z : tensor<8xi8> {axis = 1} : tensor<2x8xi8>, tensor<8xf32> -> tensor<2x8xf32>
  return
}

// CHECK-LABEL: @resize
func.func @resize(%x: tensor<1x4x8x8xf32>) {
  // CHECK: nn.resize linear(%{{.*}}) axes [2, 3][] {{.*}}static_scales = array<f64: 2.000000e+00, 2.000000e+00>
  %0 = nn.resize linear(%x) axes [2, 3][] {static_scales = array<f64: 2.0, 2.0>,
    coordinate = #nn<coordinate_mode half_pixel>} : tensor<1x4x8x8xf32> -> tensor<1x4x16x16xf32>
  return
}

// CHECK-LABEL: @rnn
func.func @rnn(%x: tensor<7x2x3xf32>, %w: tensor<1x32x3xf32>, %r: tensor<1x32x8xf32>) {
  // CHECK: nn.rnn lstm forward(%{{.*}}, %{{.*}}, %{{.*}})
  %0:3 = nn.rnn lstm forward (%x, %w, %r) : tensor<7x2x3xf32>, tensor<1x32x3xf32>,
    tensor<1x32x8xf32> -> tensor<7x1x2x8xf32>, tensor<1x2x8xf32>, tensor<1x2x8xf32>
  return
}

// CHECK-LABEL: @scan
func.func @scan(%x: tensor<2x8xf32>) {
  // CHECK: nn.scan sum(%{{.*}}) axis 1 exclusive reverse
  %0 = nn.scan sum(%x) axis 1 exclusive reverse : tensor<2x8xf32> -> tensor<2x8xf32>
  return
}

// CHECK-LABEL: @sort
func.func @sort(%x: tensor<2x8xf32>) {
  // CHECK: nn.sort %{{.*}} axis 1 descending
  %0:2 = nn.sort %x axis 1 descending : (tensor<2x8xf32>) -> (tensor<2x3xf32>, tensor<2x3xi64>)
  return
}

// CHECK-LABEL: @nonzero
func.func @nonzero(%x: tensor<2x8xf32>) {
  // CHECK: nn.nonzero %{{.*}} : tensor<2x8xf32> -> tensor<2x?xi64>
  %0 = nn.nonzero %x : tensor<2x8xf32> -> tensor<2x?xi64>
  // CHECK: nn.nonzero_bounded %{{.*}} : (tensor<2x8xf32>) -> (tensor<2x16xi64>, tensor<i64>)
  %1:2 = nn.nonzero_bounded %x : (tensor<2x8xf32>) -> (tensor<2x16xi64>, tensor<i64>)
  return
}

// CHECK-LABEL: @cache_update
func.func @cache_update(%d: tensor<2x9x4xf32>, %u: tensor<2x1x4xf32>, %s: tensor<2xi64>) {
  // CHECK: nn.cache_update %{{.*}} into %{{.*}} from %{{.*}} : tensor<2xi64> axis 1 circular
  %0 = nn.cache_update %u into %d from %s : tensor<2xi64> axis 1 circular
    : tensor<2x1x4xf32> into tensor<2x9x4xf32> -> tensor<2x9x4xf32>
  return
}
