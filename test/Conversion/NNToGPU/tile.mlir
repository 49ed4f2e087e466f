// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Dispatches on tensor cores: their schedules, their kernels, and those that
// have none.
// RUN: dlc-opt %s -split-input-file -dlc-form-dispatches -dlc-schedule-gpu-kernels -dlc-outline-gpu-kernels -verify-diagnostics | FileCheck %s
// RUN: dlc-opt %s -split-input-file -dlc-form-dispatches -dlc-schedule-gpu-kernels -dlc-outline-gpu-kernels -dlc-lower-gpu-tile-kernels -verify-diagnostics | FileCheck %s --check-prefix=LOWERED

// Bias and activation are the epilogue; what is stored is bf16.
// CHECK-LABEL: func.func @gemm
// CHECK: rt.dispatch @contract_0({{.*}}threads = 64
// CHECK: tile.kernel @contract_0
// CHECK: tile.mma
// CHECK: tile.epilogue
// CHECK: memref.load %{{.+}} : memref<1x128xf32
// CHECK: arith.addf
// CHECK: arith.truncf %{{.+}} : f32 to bf16
// LOWERED-LABEL: func.func @gemm
// LOWERED: rt.dispatch @contract_0({{.*}}shared_bytes = {{[1-9][0-9]+}}
// LOWERED: llvm.func @contract_0(%{{.+}}: !llvm.ptr<1> {llvm.align = 16 : i64, llvm.noalias}
// LOWERED-SAME: dlc.index_bits = 32
// LOWERED-SAME: nvvm.kernel
func.func @gemm(%x: tensor<64x96xbf16>, %w: tensor<96x128xbf16>, %b: tensor<1x128xf32>) -> tensor<64x128xbf16> {
  %0 = nn.contract %x, %w maps [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>] : tensor<64x96xbf16>, tensor<96x128xbf16> -> tensor<64x128xf32>
  %1 = nn.elementwise add(%0, %b) : (tensor<64x128xf32>, tensor<1x128xf32>) -> tensor<64x128xf32>
  %2 = nn.elementwise relu(%1) : (tensor<64x128xf32>) -> tensor<64x128xf32>
  %3 = nn.cast %2 : tensor<64x128xf32> -> tensor<64x128xbf16>
  return %3 : tensor<64x128xbf16>
}

// -----

// f32 is not multiplied on tensor cores unless the op says so.
// CHECK-LABEL: func.func @tf32
// CHECK: func.func @contract_0
// CHECK: tile.kernel @contract_1
func.func @tf32(%x: tensor<64x96xf32>, %w: tensor<96x128xf32>) -> (tensor<64x128xf32>, tensor<64x128xf32>) {
  %0 = nn.contract %x, %w maps [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>] : tensor<64x96xf32>, tensor<96x128xf32> -> tensor<64x128xf32>
  %1 = nn.contract %x, %w maps [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>] {nn.product_type = tf32} : tensor<64x96xf32>, tensor<96x128xf32> -> tensor<64x128xf32>
  return %0, %1 : tensor<64x128xf32>, tensor<64x128xf32>
}

// -----

// CHECK-LABEL: func.func @attention
// CHECK: tile.kernel @attention_0
// CHECK-NOT: memref.load
// CHECK: tile.return
func.func @attention(%q: tensor<2x50x4x64xbf16>, %k: tensor<2x50x2x64xbf16>, %v: tensor<2x50x2x64xbf16>) -> tensor<2x50x4x64xbf16> {
  %qg = nn.reshape %q [] : tensor<2x50x4x64xbf16> -> tensor<2x50x2x2x64xbf16>
  %0 = nn.attention %qg, %k, %v scale 1.250000e-01 maps [affine_map<(b, h, g, m, n, d, e) -> (b, m, h, g, d)>, affine_map<(b, h, g, m, n, d, e) -> (b, n, h, d)>, affine_map<(b, h, g, m, n, d, e) -> (b, n, h, e)>, affine_map<(b, h, g, m, n, d, e) -> (b, m, h, g, e)>] attributes {nn.product_type = bf16} score {
  } mask {
  ^bb0(%b: index, %h: index, %g: index, %m: index, %n: index):
    %seen = arith.cmpi sle, %n, %m : index
    nn.yield %seen : i1
  } : tensor<2x50x2x2x64xbf16>, tensor<2x50x2x64xbf16>, tensor<2x50x2x64xbf16> -> tensor<2x50x2x2x64xbf16>
  %1 = nn.reshape %0 [] : tensor<2x50x2x2x64xbf16> -> tensor<2x50x4x64xbf16>
  return %1 : tensor<2x50x4x64xbf16>
}

// -----

// The logarithms of the sums leave the kernel before the values, row by row.
// CHECK-LABEL: func.func @attention_with_logarithms
// CHECK: rt.dispatch @attention_0
// CHECK: tile.kernel @attention_0
// CHECK: tile.epilogue {{.*}} lanes 1 columns_exist : !tile.tile<64xf32, registers>
// CHECK: llvm.store
// CHECK: tile.epilogue
// LOWERED-LABEL: func.func @attention_with_logarithms
// LOWERED: llvm.func @attention_0
// LOWERED: math.log
func.func @attention_with_logarithms(%q: tensor<2x50x2x2x64xbf16>, %k: tensor<2x50x2x64xbf16>, %v: tensor<2x50x2x64xbf16>) -> (tensor<2x50x2x2x64xf32>, tensor<2x2x2x50xf32>) {
  %0, %1 = nn.attention %q, %k, %v scale 1.250000e-01 maps [affine_map<(b, h, g, m, n, d, e) -> (b, m, h, g, d)>, affine_map<(b, h, g, m, n, d, e) -> (b, n, h, d)>, affine_map<(b, h, g, m, n, d, e) -> (b, n, h, e)>, affine_map<(b, h, g, m, n, d, e) -> (b, m, h, g, e)>] attributes {nn.product_type = bf16} score {
  } mask {
  } : tensor<2x50x2x2x64xbf16>, tensor<2x50x2x64xbf16>, tensor<2x50x2x64xbf16> -> tensor<2x50x2x2x64xf32>, tensor<2x2x2x50xf32>
  return %0, %1 : tensor<2x50x2x2x64xf32>, tensor<2x2x2x50xf32>
}

// -----

// In tf32 the probabilities stay f32.
// CHECK-LABEL: func.func @attention_tf32
// CHECK: tile.kernel @attention_0
// CHECK: tile.mma {{.*}} : !tile.tile<64x64xf32, registers>, !tile.tile<64x64xf32, shared>
// CHECK-NOT: tile.cast
// CHECK: tile.mma {{.*}} : !tile.tile<64x64xf32, registers>, !tile.tile<64x64xf32, shared>
func.func @attention_tf32(%q: tensor<2x50x2x2x64xf32>, %k: tensor<2x50x2x64xf32>, %v: tensor<2x50x2x64xf32>) -> tensor<2x50x2x2x64xf32> {
  %0 = nn.attention %q, %k, %v scale 1.250000e-01 maps [affine_map<(b, h, g, m, n, d, e) -> (b, m, h, g, d)>, affine_map<(b, h, g, m, n, d, e) -> (b, n, h, d)>, affine_map<(b, h, g, m, n, d, e) -> (b, n, h, e)>, affine_map<(b, h, g, m, n, d, e) -> (b, m, h, g, e)>] attributes {nn.product_type = tf32} score {
  } mask {
  } : tensor<2x50x2x2x64xf32>, tensor<2x50x2x64xf32>, tensor<2x50x2x64xf32> -> tensor<2x50x2x2x64xf32>
  return %0 : tensor<2x50x2x2x64xf32>
}

// -----

// CHECK-LABEL: func.func @depthwise
// CHECK-NOT: tile.kernel
func.func @depthwise(%x: tensor<1x8x8x32xbf16>, %w: tensor<32x1x3x3xbf16>) -> tensor<1x8x8x32xf32> {
  // expected-remark @+1 {{computed without tensor cores: the filter is not a constant}}
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pad_low = array<i64: 1, 1>, pad_high = array<i64: 1, 1>, groups = 32 : i64, channels_last} : tensor<1x8x8x32xbf16>, tensor<32x1x3x3xbf16> -> tensor<1x8x8x32xf32>
  return %0 : tensor<1x8x8x32xf32>
}

// -----

// Few channels: the steps go over taps and channels at once.
nn.param @filter : tensor<64x3x7x7xbf16> = (dense<1.0> : tensor<64x3x7x7xbf16>) : tensor<64x3x7x7xbf16>
// CHECK-LABEL: func.func @image
// CHECK: tile.kernel @conv_0
// CHECK: tile.window {{.*}} taps [7, 1, 1, 3] alignment 2
// CHECK: tile.pipeline
// CHECK: tile.copy %{{.+}}[%{{.+}}, %{{.+}}] to
func.func @image(%x: tensor<1x32x32x3xbf16>) -> tensor<1x16x16x64xf32> {
  %w = nn.param_ref @filter : tensor<64x3x7x7xbf16>
  %0 = nn.conv %x, %w {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pad_low = array<i64: 3, 3>, pad_high = array<i64: 2, 2>, groups = 1 : i64, channels_last} : tensor<1x32x32x3xbf16>, tensor<64x3x7x7xbf16> -> tensor<1x16x16x64xf32>
  return %0 : tensor<1x16x16x64xf32>
}

// -----

// CHECK-LABEL: func.func @thin
// CHECK-NOT: tile.kernel
func.func @thin(%x: tensor<64x96xbf16>, %w: tensor<96x2xbf16>) -> tensor<64x2xf32> {
  // expected-remark @+1 {{computed without tensor cores: too few columns}}
  %0 = nn.contract %x, %w maps [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>] : tensor<64x96xbf16>, tensor<96x2xbf16> -> tensor<64x2xf32>
  return %0 : tensor<64x2xf32>
}

// -----

// A constant is turned so that both operands lie along k; rows are not summed
// for a zero point of 0.
nn.param @w : tensor<96x128xi8> = (dense<1> : tensor<96x128xi8>) : tensor<96x128xi8>
// CHECK-LABEL: func.func @bytes
// CHECK: rt.dispatch @contract_0({{.*}}tensor<128x96xi8>
// CHECK: tile.kernel @contract_0
// CHECK: tile.mma {{.*}} transpose_b column_sums
// CHECK-NOT: row_sums
// CHECK: tile.epilogue
func.func @bytes(%x: tensor<64x96xui8>, %z: tensor<ui8>) -> tensor<64x128xi32> {
  %w = nn.param_ref @w : tensor<96x128xi8>
  %zero = arith.constant dense<0> : tensor<i8>
  %0 = nn.contract %x, %w lhs_zero %z : tensor<ui8> rhs_zero %zero : tensor<i8> maps [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>] : tensor<64x96xui8>, tensor<96x128xi8> -> tensor<64x128xi32>
  return %0 : tensor<64x128xi32>
}

// -----

// CHECK-LABEL: func.func @bytes_across
// CHECK: func.func @contract_0
func.func @bytes_across(%x: tensor<64x96xi8>, %w: tensor<96x128xi8>) -> tensor<64x128xi32> {
  // expected-remark @+1 {{computed without tensor cores: 8-bit operands that are not constants have neighbours in other dims than the summed one}}
  %0 = nn.contract %x, %w maps [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>] : tensor<64x96xi8>, tensor<96x128xi8> -> tensor<64x128xi32>
  return %0 : tensor<64x128xi32>
}
