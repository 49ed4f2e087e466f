// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Products with few results and a long sum: parts of it by many blocks, then
// their sum by a kernel that has the epilogue.
// RUN: dlc-opt %s -dlc-schedule-gpu-kernels | FileCheck %s --check-prefix=RULE
// RUN: dlc-opt %s -dlc-schedule-gpu-kernels -dlc-outline-gpu-kernels | FileCheck %s

// RULE-LABEL: func.func @thin
// RULE: schedule(#tile.gemm_schedule<{{.*}}, split_k = 16>)
// CHECK-LABEL: func.func @thin
// CHECK: %[[PARTS:.*]] = rt.dispatch @contract_0(%arg0, %arg1, %arg2) {{.*}} : ({{.*}}) -> tensor<65536xf32>
// CHECK: rt.dispatch @contract_1_sum(%arg0, %arg1, %arg2, %[[PARTS]]) {{.*}} threads = 256 : i64} : ({{.*}}, tensor<65536xf32>) -> tensor<64x64xbf16>
func.func @thin(%x: tensor<64x4096xbf16>, %w: tensor<4096x64xbf16>, %bias: tensor<1x64xf32>) -> tensor<64x64xbf16> {
  %0 = nn.dispatch(%x, %w, %bias) sizes() result_sizes() : (tensor<64x4096xbf16>, tensor<4096x64xbf16>, tensor<1x64xf32>) -> tensor<64x64xbf16> {
  ^bb0(%a: tensor<64x4096xbf16>, %b: tensor<4096x64xbf16>, %c: tensor<1x64xf32>):
    %1 = nn.contract %a, %b maps [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>] {nn.root} : tensor<64x4096xbf16>, tensor<4096x64xbf16> -> tensor<64x64xf32>
    %2 = nn.elementwise add(%1, %c) : (tensor<64x64xf32>, tensor<1x64xf32>) -> tensor<64x64xf32>
    %3 = nn.cast %2 : tensor<64x64xf32> -> tensor<64x64xbf16>
    nn.yield %3 : tensor<64x64xbf16>
  }
  return %0 : tensor<64x64xbf16>
}

// Enough results for all multiprocessors.
// RULE-LABEL: func.func @wide
// RULE: schedule(#tile.gemm_schedule<{{[^>]*}}warps_n = 2>)
// CHECK-LABEL: func.func @wide
// CHECK-COUNT-1: rt.dispatch
// CHECK: return
func.func @wide(%x: tensor<2048x512xbf16>, %w: tensor<512x2048xbf16>) -> tensor<2048x2048xf32> {
  %0 = nn.dispatch(%x, %w) sizes() result_sizes() : (tensor<2048x512xbf16>, tensor<512x2048xbf16>) -> tensor<2048x2048xf32> {
  ^bb0(%a: tensor<2048x512xbf16>, %b: tensor<512x2048xbf16>):
    %1 = nn.contract %a, %b maps [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>] {nn.root} : tensor<2048x512xbf16>, tensor<512x2048xbf16> -> tensor<2048x2048xf32>
    nn.yield %1 : tensor<2048x2048xf32>
  }
  return %0 : tensor<2048x2048xf32>
}

// On CUDA cores, without a schedule.
// CHECK-LABEL: func.func @thin_f32
// CHECK: %[[PARTS:.*]] = rt.dispatch @contract_{{[0-9]+}}(%arg0, %arg1) {{.*}} -> tensor<{{[0-9]+}}xf32>
// CHECK: rt.dispatch @contract_{{[0-9]+}}_sum(%arg0, %arg1, %[[PARTS]])
func.func @thin_f32(%x: tensor<37x4096xf32>, %w: tensor<4096x50xf32>) -> tensor<37x50xf32> {
  %0 = nn.dispatch(%x, %w) sizes() result_sizes() : (tensor<37x4096xf32>, tensor<4096x50xf32>) -> tensor<37x50xf32> {
  ^bb0(%a: tensor<37x4096xf32>, %b: tensor<4096x50xf32>):
    %1 = nn.contract %a, %b maps [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>] {nn.root} : tensor<37x4096xf32>, tensor<4096x50xf32> -> tensor<37x50xf32>
    nn.yield %1 : tensor<37x50xf32>
  }
  return %0 : tensor<37x50xf32>
}

// A schedule that the dispatch brings, for a number of rows that the run knows.
// CHECK-LABEL: func.func @dynamic
// CHECK: rt.dispatch @contract_{{[0-9]+}}(%arg0, %arg1) sizes(%arg2) result_sizes(%{{.*}}) {{.*}} -> tensor<?xf32>
// CHECK: rt.dispatch @contract_{{[0-9]+}}_sum({{.*}}) sizes(%arg2) result_sizes(%arg2) {{.*}} -> tensor<?x64xf32>
func.func @dynamic(%x: tensor<?x4096xbf16>, %w: tensor<4096x64xbf16>, %rows: index) -> tensor<?x64xf32> {
  %0 = nn.dispatch(%x, %w) sizes(%rows) result_sizes(%rows) schedule(#tile.gemm_schedule<tile_m = 64, tile_n = 64, tile_k = 32, stages = 4, warps_m = 2, warps_n = 2, split_k = 3>) : (tensor<?x4096xbf16>, tensor<4096x64xbf16>) -> tensor<?x64xf32> {
  ^bb0(%a: tensor<?x4096xbf16>, %b: tensor<4096x64xbf16>, %n: index):
    %c4096 = arith.constant 4096 : index
    nn.bind_shape %a[%n, %c4096] : tensor<?x4096xbf16>
    %1 = nn.contract %a, %b maps [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>] {nn.root} : tensor<?x4096xbf16>, tensor<4096x64xbf16> -> tensor<?x64xf32>
    nn.yield %1 : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// Late in a network, an image has few pixels left: taps and channels are cut.
// RULE-LABEL: func.func @thin_conv
// RULE: schedule(#tile.conv_schedule<{{.*}}, split_k = {{[1-9][0-9]*}}>)
// CHECK-LABEL: func.func @thin_conv
// CHECK: %[[PARTS:.*]] = rt.dispatch @conv_{{[0-9]+}}(%arg0, %arg1, %arg2) {{.*}} -> tensor<{{[0-9]+}}xf32>
// CHECK: rt.dispatch @conv_{{[0-9]+}}_sum(%arg0, %arg1, %arg2, %[[PARTS]]) {{.*}} -> tensor<1x7x7x512xf32>
func.func @thin_conv(%x: tensor<1x7x7x8192xbf16>, %w: tensor<512x8192x1x1xbf16>, %bias: tensor<512xf32>) -> tensor<1x7x7x512xf32> {
  %0 = nn.dispatch(%x, %w, %bias) sizes() result_sizes() : (tensor<1x7x7x8192xbf16>, tensor<512x8192x1x1xbf16>, tensor<512xf32>) -> tensor<1x7x7x512xf32> {
  ^bb0(%a: tensor<1x7x7x8192xbf16>, %b: tensor<512x8192x1x1xbf16>, %c: tensor<512xf32>):
    %1 = nn.conv %a, %b bias %c : tensor<512xf32> {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pad_low = array<i64: 0, 0>, pad_high = array<i64: 0, 0>, groups = 1 : i64, channels_last, nn.root} : tensor<1x7x7x8192xbf16>, tensor<512x8192x1x1xbf16> -> tensor<1x7x7x512xf32>
    nn.yield %1 : tensor<1x7x7x512xf32>
  }
  return %0 : tensor<1x7x7x512xf32>
}

// Of rows that only the run knows, as many count as they are optimised for or as
// there may be at most.
// RULE-LABEL: func.func @bounded
// RULE: schedule(#tile.gemm_schedule<{{.*}}, split_k = 16>)
// RULE: schedule(#tile.gemm_schedule<{{[^>]*}}warps_n = 2>)
// RULE: schedule(#tile.gemm_schedule<{{.*}}, split_k = 16>)
// CHECK-LABEL: func.func @bounded
// CHECK: rt.dispatch @contract_{{[0-9]+}}({{.*}}) {{.*}} -> tensor<?xf32>
// CHECK: rt.dispatch @contract_{{[0-9]+}}_sum(
func.func @bounded(%x: tensor<?x4096xbf16>, %y: tensor<?x4096xbf16>, %z: tensor<?x4096xbf16>, %w: tensor<4096x64xbf16>) -> (tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>) {
  %c2 = arith.constant 2 : index
  %batch = nn.sym_dim "batch" {max = 32 : i64}
  %many = nn.sym_dim "many" {max = 65536 : i64}
  %often = nn.sym_dim "often" {max = 65536 : i64, hint = 64 : i64}
  %rows = arith.muli %batch, %c2 : index
  %0 = nn.dispatch(%x, %w) sizes(%rows) result_sizes(%rows) : (tensor<?x4096xbf16>, tensor<4096x64xbf16>) -> tensor<?x64xf32> {
  ^bb0(%a: tensor<?x4096xbf16>, %b: tensor<4096x64xbf16>, %n: index):
    %c4096 = arith.constant 4096 : index
    nn.bind_shape %a[%n, %c4096] : tensor<?x4096xbf16>
    %1 = nn.contract %a, %b maps [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>] {nn.root} : tensor<?x4096xbf16>, tensor<4096x64xbf16> -> tensor<?x64xf32>
    nn.yield %1 : tensor<?x64xf32>
  }
  %2 = nn.dispatch(%y, %w) sizes(%many) result_sizes(%many) : (tensor<?x4096xbf16>, tensor<4096x64xbf16>) -> tensor<?x64xf32> {
  ^bb0(%a: tensor<?x4096xbf16>, %b: tensor<4096x64xbf16>, %n: index):
    %c4096 = arith.constant 4096 : index
    nn.bind_shape %a[%n, %c4096] : tensor<?x4096xbf16>
    %1 = nn.contract %a, %b maps [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>] {nn.root} : tensor<?x4096xbf16>, tensor<4096x64xbf16> -> tensor<?x64xf32>
    nn.yield %1 : tensor<?x64xf32>
  }
  %3 = nn.dispatch(%z, %w) sizes(%often) result_sizes(%often) : (tensor<?x4096xbf16>, tensor<4096x64xbf16>) -> tensor<?x64xf32> {
  ^bb0(%a: tensor<?x4096xbf16>, %b: tensor<4096x64xbf16>, %n: index):
    %c4096 = arith.constant 4096 : index
    nn.bind_shape %a[%n, %c4096] : tensor<?x4096xbf16>
    %1 = nn.contract %a, %b maps [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>] {nn.root} : tensor<?x4096xbf16>, tensor<4096x64xbf16> -> tensor<?x64xf32>
    nn.yield %1 : tensor<?x64xf32>
  }
  return %0, %2, %3 : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>
}
