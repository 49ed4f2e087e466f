// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Schedules that dispatches bring: kept where they fit, else replaced.
// RUN: dlc-opt %s -split-input-file -dlc-schedule-gpu-kernels -verify-diagnostics | FileCheck %s
// RUN: dlc-opt %s -split-input-file -dlc-schedule-gpu-kernels=shared-bytes=101376 | FileCheck %s --check-prefix=SMALL

// CHECK-LABEL: func.func @kept
// CHECK: schedule(#tile.gemm_schedule<tile_m = 128, tile_n = 128, tile_k = 64, stages = 4, warps_m = 2, warps_n = 2>)
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
