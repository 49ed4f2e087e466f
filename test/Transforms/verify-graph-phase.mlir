// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --pass-pipeline='builtin.module(dlc-verify-graph-phase)' --split-input-file --verify-diagnostics

func.func @channels_first_conv(%x: tensor<1x1x4xf32>, %w: tensor<1x1x1xf32>) -> tensor<1x1x4xf32> {
  // expected-error @below {{expected channels last after the graph phase}}
  %c = nn.conv %x, %w {strides = array<i64: 1>, dilations = array<i64: 1>, pad_low = array<i64: 0>, pad_high = array<i64: 0>} : tensor<1x1x4xf32>, tensor<1x1x1xf32> -> tensor<1x1x4xf32>
  return %c : tensor<1x1x4xf32>
}

// -----

func.func @foreign_dialect(%x: memref<4xf32>, %v: vector<4xf32>, %i: index) {
  // expected-error @below {{expected nn, scf, func and arithmetic after the graph phase, got 'vector.store'}}
  vector.store %v, %x[%i] : memref<4xf32>, vector<4xf32>
  return
}

// -----

func.func @fused_too_early(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @below {{expected no 'nn.fused' before the dispatch phase}}
  %0 = nn.fused -> tensor<4xf32> {
    %1 = nn.elementwise relu(%x) {nn.root} : (tensor<4xf32>) -> tensor<4xf32>
    nn.yield %1 : tensor<4xf32>
  }
  return %0 : tensor<4xf32>
}

// -----

func.func @accepted(%x: tensor<1x4x1xf32>, %w: tensor<1x1x1xf32>) -> tensor<1x4x1xf32> {
  %c = nn.conv %x, %w {strides = array<i64: 1>, dilations = array<i64: 1>, pad_low = array<i64: 0>, pad_high = array<i64: 0>, channels_last} : tensor<1x4x1xf32>, tensor<1x1x1xf32> -> tensor<1x4x1xf32>
  return %c : tensor<1x4x1xf32>
}
