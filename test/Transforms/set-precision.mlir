// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What products read in a lower precision, and who else reads it.
// RUN: dlc-opt %s -split-input-file -dlc-set-precision=precision=bf16 -dlc-fold-constants | FileCheck %s
// RUN: dlc-opt %s -split-input-file -dlc-set-precision=precision=tf32 | FileCheck %s --check-prefix=TF32

// The norm lies in memory as bf16 alone: the residual sum reads it, too. The
// result of the function is not rounded.
// CHECK-LABEL: func.func @residual
// CHECK: %[[W:.+]] = nn.param_ref @{{.+}} : tensor<64x64xbf16>
// CHECK: %[[NORM:.+]] = nn.norm
// CHECK: %[[LOW:.+]] = nn.cast %[[NORM]] : tensor<8x64xf32> -> tensor<8x64xbf16>
// CHECK: %[[P:.+]] = nn.contract %[[LOW]], %[[W]] {{.+}} -> tensor<8x64xf32>
// CHECK: %[[WIDE:.+]] = nn.cast %[[LOW]] : tensor<8x64xbf16> -> tensor<8x64xf32>
// CHECK: %[[SUM:.+]] = nn.elementwise add(%[[P]], %[[WIDE]])
// CHECK: return %[[SUM]] : tensor<8x64xf32>
// TF32-LABEL: func.func @residual
// TF32: nn.contract {{.+}}nn.product_type = tf32{{.+}} : tensor<8x64xf32>, tensor<64x64xf32>
nn.param @w : tensor<64x64xf32> = (#nn.data<"m.onnx", offset = 0, bytes = 16384>) : tensor<64x64xf32>
func.func @residual(%x: tensor<8x64xf32>) -> tensor<8x64xf32> {
  %w = nn.param_ref @w : tensor<64x64xf32>
  %n = nn.norm mean_var(%x) axes [1] {affine_dims = array<i64: 1>, epsilon = 1.0e-5, resultSegmentSizes = array<i32: 1, 0, 0>} : (tensor<8x64xf32>) -> tensor<8x64xf32>
  %p = nn.contract %n, %w maps [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>] : tensor<8x64xf32>, tensor<64x64xf32> -> tensor<8x64xf32>
  %s = nn.elementwise add(%p, %n) : (tensor<8x64xf32>, tensor<8x64xf32>) -> tensor<8x64xf32>
  return %s : tensor<8x64xf32>
}

// -----

// Through a reshape and a max pool to the op that computes.
// CHECK-LABEL: func.func @views
// CHECK: %[[R:.+]] = nn.elementwise relu
// CHECK: %[[LOW:.+]] = nn.cast %[[R]] : {{.+}} -> tensor<2x64x8xbf16>
// CHECK: %[[V:.+]] = nn.reshape %[[LOW]]
// CHECK: %[[POOL:.+]] = nn.pool max(%[[V]]) {{.+}} : (tensor<2x8x8x8xbf16>) -> tensor<2x4x4x8xbf16>
// CHECK: nn.conv %[[POOL]], %{{.+}} : tensor<2x4x4x8xbf16>, tensor<16x8x1x1xbf16> -> tensor<2x4x4x16xf32>
func.func @views(%x: tensor<2x64x8xf32>, %w: tensor<16x8x1x1xf32>) -> tensor<2x4x4x16xf32> {
  %r = nn.elementwise relu(%x) : (tensor<2x64x8xf32>) -> tensor<2x64x8xf32>
  %v = nn.reshape %r [] : tensor<2x64x8xf32> -> tensor<2x8x8x8xf32>
  %p = nn.pool max(%v) {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pad_low = array<i64: 0, 0>, pad_high = array<i64: 0, 0>, channels_last} : (tensor<2x8x8x8xf32>) -> tensor<2x4x4x8xf32>
  %c = nn.conv %p, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pad_low = array<i64: 0, 0>, pad_high = array<i64: 0, 0>, channels_last} : tensor<2x4x4x8xf32>, tensor<16x8x1x1xf32> -> tensor<2x4x4x16xf32>
  return %c : tensor<2x4x4x16xf32>
}

// -----

// f64 and integers are left alone.
// CHECK-LABEL: func.func @double
// CHECK-NOT: nn.cast
// TF32-LABEL: func.func @double
// TF32-NOT: product_type
func.func @double(%x: tensor<8x8xf64>) -> tensor<8x8xf64> {
  %p = nn.contract %x, %x maps [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>] : tensor<8x8xf64>, tensor<8x8xf64> -> tensor<8x8xf64>
  return %p : tensor<8x8xf64>
}
