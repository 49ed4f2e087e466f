// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s -split-input-file -verify-diagnostics

func.func @dispatch_c1_result_sizes(%x: tensor<?xf32>, %n: index) -> tensor<?xf32> {
  // expected-error @below {{expected 1 result sizes, got 0}}
  %y = rt.dispatch @k(%x) items(%n) work(%n) : (tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// -----

builtin.module @kernels {
}
func.func @dispatch_c2_unknown_kernel(%x: tensor<4xf32>, %n: index) -> tensor<4xf32> {
  // expected-error @below {{expected a kernel named 'k'}}
  %y = rt.dispatch @k(%x) items(%n) work(%n) : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

builtin.module @kernels {
  // expected-note @below {{the kernel is here}}
  func.func private @k(memref<f32>, index, index, !llvm.ptr)
}
func.func @dispatch_c2_kernel_signature(%x: tensor<4xf32>, %n: index) -> tensor<4xf32> {
  // expected-error @below {{expected a kernel of 2 buffers, 0 sizes and 0 maps}}
  %y = rt.dispatch @k(%x) items(%n) work(%n) : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

func.func @dispatch_c3_tie_count(%x: tensor<4xf32>, %n: index) -> tensor<4xf32> {
  // expected-error @below {{expected 1 entries in 'ties', got 2}}
  %y = rt.dispatch @k(%x) items(%n) work(%n) {ties = array<i64: 0, 0>} : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

func.func @dispatch_c3_tie_range(%x: tensor<4xf32>, %n: index) -> tensor<4xf32> {
  // expected-error @below {{expected 'ties' to be -1 or one of 1 inputs, got 1}}
  %y = rt.dispatch @k(%x) items(%n) work(%n) {ties = array<i64: 1>} : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

func.func @shrink_c1_element_type(%x: tensor<?xf32>, %n: index) -> tensor<?xi64> {
  // expected-error @below {{expected a result of rank 1 and type 'f32', got 'tensor<?xi64>'}}
  %y = rt.shrink %x[%n] : tensor<?xf32> -> tensor<?xi64>
  return %y : tensor<?xi64>
}

// -----

func.func @shrink_c1_static_size(%x: tensor<3x?xf32>, %n: index) -> tensor<2x?xf32> {
  // expected-error @below {{expected size 3 of dim 0, got 2}}
  %y = rt.shrink %x[%n] : tensor<3x?xf32> -> tensor<2x?xf32>
  return %y : tensor<2x?xf32>
}
