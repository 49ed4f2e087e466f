// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Schedules that dispatches bring: kept where they fit, else replaced.
// RUN: dlc-opt %s -split-input-file -dlc-schedule-gpu-kernels -verify-diagnostics | FileCheck %s
// RUN: dlc-opt %s -split-input-file -dlc-schedule-gpu-kernels=shared-bytes=101376 | FileCheck %s --check-prefix=SMALL
// RUN: dlc-opt %s -split-input-file -dlc-schedule-gpu-kernels=portable-shared-bytes=65536 | FileCheck %s --check-prefix=PORTABLE

// CHECK-LABEL: func.func @kept
// CHECK: schedule(#tile.gemm_schedule<tile_m = 128, tile_n = 128, tile_k = 64, stages = 4, warps_m = 2, warps_n = 2>)
// PORTABLE-LABEL: func.func @kept
// PORTABLE: tile_k = 64, stages = 4
// SMALL-LABEL: func.func @kept
// SMALL-NOT: tile_k = 64, stages = 4
// SMALL: schedule(#tile.gemm_schedule<
func.func @kept(%x: tensor<512x512xbf16>, %w: tensor<512x512xbf16>) -> tensor<512x512xf32> {
  %0 = nn.dispatch(%x, %w) sizes() result_sizes() schedule(#tile.gemm_schedule<tile_m = 128, tile_n = 128, tile_k = 64, stages = 4, warps_m = 2, warps_n = 2>) : (tensor<512x512xbf16>, tensor<512x512xbf16>) -> tensor<512x512xf32> {
  ^bb0(%a: tensor<512x512xbf16>, %b: tensor<512x512xbf16>):
    %1 = nn.contract %a, %b maps [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>] {nn.root} : tensor<512x512xbf16>, tensor<512x512xbf16> -> tensor<512x512xf32>
    nn.yield %1 : tensor<512x512xf32>
  }
  return %0 : tensor<512x512xf32>
}

// -----

// CHECK-LABEL: func.func @replaced
// CHECK-NOT: stages = 6
// CHECK: schedule(#tile.gemm_schedule<
func.func @replaced(%x: tensor<512x512xbf16>, %w: tensor<512x512xbf16>) -> tensor<512x512xf32> {
  // expected-warning @+1 {{schedule needs 196608 bytes of shared memory, 29696 more than the 166912 that a block may have}}
  %0 = nn.dispatch(%x, %w) sizes() result_sizes() schedule(#tile.gemm_schedule<tile_m = 128, tile_n = 128, tile_k = 64, stages = 6, warps_m = 2, warps_n = 2>) : (tensor<512x512xbf16>, tensor<512x512xbf16>) -> tensor<512x512xf32> {
  ^bb0(%a: tensor<512x512xbf16>, %b: tensor<512x512xbf16>):
    %1 = nn.contract %a, %b maps [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>] {nn.root} : tensor<512x512xbf16>, tensor<512x512xbf16> -> tensor<512x512xf32>
    nn.yield %1 : tensor<512x512xf32>
  }
  return %0 : tensor<512x512xf32>
}

// -----

// CHECK-LABEL: func.func @no_product
// CHECK-NOT: schedule
func.func @no_product(%x: tensor<64x64xf32>) -> tensor<64x64xf32> {
  // expected-warning @+1 {{expected no schedule, got #tile.gemm_schedule}}
  %0 = nn.dispatch(%x) sizes() result_sizes() schedule(#tile.gemm_schedule<tile_m = 128, tile_n = 128, tile_k = 32, stages = 4, warps_m = 2, warps_n = 2>) : (tensor<64x64xf32>) -> tensor<64x64xf32> {
  ^bb0(%a: tensor<64x64xf32>):
    %1 = nn.elementwise relu(%a) {nn.root} : (tensor<64x64xf32>) -> tensor<64x64xf32>
    nn.yield %1 : tensor<64x64xf32>
  }
  return %0 : tensor<64x64xf32>
}

// -----

// Code that runs on GPUs with less shared memory takes no more than they have.
// CHECK-LABEL: func.func @portable
// CHECK: schedule(#tile.attention_schedule<queries = 64, keys = 32, stages = 2, warps = 4>)
// PORTABLE-LABEL: func.func @portable
// PORTABLE: schedule(#tile.attention_schedule<queries = 64, keys = 16, stages = 2, warps = 4>)
func.func @portable(%q: tensor<2x128x3x1x256xbf16>, %k: tensor<2x128x3x256xbf16>, %v: tensor<2x128x3x256xbf16>) -> tensor<2x128x3x1x256xbf16> {
  %0 = nn.dispatch(%q, %k, %v) sizes() result_sizes() : (tensor<2x128x3x1x256xbf16>, tensor<2x128x3x256xbf16>, tensor<2x128x3x256xbf16>) -> tensor<2x128x3x1x256xbf16> {
  ^bb0(%a: tensor<2x128x3x1x256xbf16>, %b: tensor<2x128x3x256xbf16>, %c: tensor<2x128x3x256xbf16>):
    %1 = nn.attention %a, %b, %c scale 6.250000e-02 maps [affine_map<(b, h, g, m, n, d, e) -> (b, m, h, g, d)>, affine_map<(b, h, g, m, n, d, e) -> (b, n, h, d)>, affine_map<(b, h, g, m, n, d, e) -> (b, n, h, e)>, affine_map<(b, h, g, m, n, d, e) -> (b, m, h, g, e)>] attributes {nn.product_type = bf16, nn.root} score {
    } mask {
    } : tensor<2x128x3x1x256xbf16>, tensor<2x128x3x256xbf16>, tensor<2x128x3x256xbf16> -> tensor<2x128x3x1x256xbf16>
    nn.yield %1 : tensor<2x128x3x1x256xbf16>
  }
  return %0 : tensor<2x128x3x1x256xbf16>
}
