// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s -split-input-file -verify-diagnostics

// expected-error @below {{expected a buffer of 0 or more, got -1}}
func.func private @map_c1_buffer() attributes {map = #rt.tensor_map<buffer = -1, element_bytes = 2, swizzle_bytes = 0, sizes = [64, 64], strides = [128], box = [8, 8]>}

// -----

// expected-error @below {{expected elements of 1, 2 or 4 bytes, got 8}}
func.func private @map_c1_element_bytes() attributes {map = #rt.tensor_map<buffer = 0, element_bytes = 8, swizzle_bytes = 0, sizes = [64, 64], strides = [128], box = [8, 8]>}

// -----

// expected-error @below {{expected a swizzle of 0, 32, 64 or 128 bytes, got 16}}
func.func private @map_c1_swizzle_bytes() attributes {map = #rt.tensor_map<buffer = 0, element_bytes = 2, swizzle_bytes = 16, sizes = [64, 64], strides = [128], box = [8, 8]>}

// -----

// expected-error @below {{expected 2 to 5 dims, got 1}}
func.func private @map_c2_low_rank() attributes {map = #rt.tensor_map<buffer = 0, element_bytes = 2, swizzle_bytes = 0, sizes = [64], strides = [], box = [8]>}

// -----

// expected-error @below {{expected 2 to 5 dims, got 6}}
func.func private @map_c2_high_rank() attributes {map = #rt.tensor_map<buffer = 0, element_bytes = 2, swizzle_bytes = 0, sizes = [1, 1, 1, 1, 1, 1], strides = [16, 16, 16, 16, 16], box = [8, 1, 1, 1, 1, 1]>}

// -----

// expected-error @below {{expected 1 strides and a box of 2 dims, got 2 and 2}}
func.func private @map_c2_strides() attributes {map = #rt.tensor_map<buffer = 0, element_bytes = 2, swizzle_bytes = 0, sizes = [64, 64], strides = [128, 128], box = [8, 8]>}

// -----

// expected-error @below {{expected 1 strides and a box of 2 dims, got 1 and 1}}
func.func private @map_c2_box() attributes {map = #rt.tensor_map<buffer = 0, element_bytes = 2, swizzle_bytes = 0, sizes = [64, 64], strides = [128], box = [8]>}

// -----

// expected-error @below {{expected sizes of 0 or more, got -1}}
func.func private @map_c3_size() attributes {map = #rt.tensor_map<buffer = 0, element_bytes = 2, swizzle_bytes = 0, sizes = [64, -1], strides = [128], box = [8, 8]>}

// -----

// expected-error @below {{expected positive multiples of 16 as strides, got 100}}
func.func private @map_c3_stride() attributes {map = #rt.tensor_map<buffer = 0, element_bytes = 2, swizzle_bytes = 0, sizes = [64, 64], strides = [100], box = [8, 8]>}

// -----

// expected-error @below {{expected positive multiples of 16 as strides, got 0}}
func.func private @map_c3_zero_stride() attributes {map = #rt.tensor_map<buffer = 0, element_bytes = 2, swizzle_bytes = 0, sizes = [64, 64], strides = [0], box = [8, 8]>}

// -----

// expected-error @below {{expected 1 to 256 elements in each dim of a box, got 257}}
func.func private @map_c4_box_size() attributes {map = #rt.tensor_map<buffer = 0, element_bytes = 2, swizzle_bytes = 0, sizes = [64, 64], strides = [128], box = [8, 257]>}

// -----

// expected-error @below {{expected 1 to 256 elements in each dim of a box, got 0}}
func.func private @map_c4_empty_box() attributes {map = #rt.tensor_map<buffer = 0, element_bytes = 2, swizzle_bytes = 0, sizes = [64, 64], strides = [128], box = [8, 0]>}

// -----

// expected-error @below {{expected 1 to 256 elements in each dim of a box, got -9223372036854775808}}
func.func private @map_c4_dynamic_box() attributes {map = #rt.tensor_map<buffer = 0, element_bytes = 2, swizzle_bytes = 0, sizes = [64, 64], strides = [128], box = [8, ?]>}

// -----

// expected-error @below {{expected a multiple of 16 bytes in dim 0 of a box, got 8}}
func.func private @map_c5_box_bytes() attributes {map = #rt.tensor_map<buffer = 0, element_bytes = 2, swizzle_bytes = 0, sizes = [64, 64], strides = [128], box = [4, 8]>}

// -----

// expected-error @below {{expected at most the 32 bytes of the swizzle in dim 0 of a box, got 64}}
func.func private @map_c5_swizzle() attributes {map = #rt.tensor_map<buffer = 0, element_bytes = 2, swizzle_bytes = 32, sizes = [64, 64], strides = [128], box = [32, 8]>}

// -----

func.func @dispatch_c4_cpu(%x: tensor<64x64xf16>, %n: index) -> tensor<4xf32> {
  // expected-error @below {{expected tensor maps on a GPU only}}
  %y = rt.dispatch @k(%x) items(%n) work(%n) maps [
      #rt.tensor_map<buffer = 0, element_bytes = 2, swizzle_bytes = 0, sizes = [64, 64], strides = [128], box = [8, 8]>] : (tensor<64x64xf16>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

func.func @dispatch_c4_buffer(%x: tensor<64x64xf16>, %n: index) -> tensor<4xf32> {
  // expected-error @below {{expected tensor maps of one of 2 buffers, got 2}}
  %y = rt.dispatch @k(%x) items(%n) work(%n) maps [
      #rt.tensor_map<buffer = 2, element_bytes = 2, swizzle_bytes = 0, sizes = [64, 64], strides = [128], box = [8, 8]>] {threads = 32 : i64} : (tensor<64x64xf16>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

func.func @dispatch_c5_missing(%x: tensor<64x64xf16>, %n: index) -> tensor<4xf32> {
  // expected-error @below {{expected 1 values for '?' in tensor maps, got 0}}
  %y = rt.dispatch @k(%x) items(%n) work(%n) maps [
      #rt.tensor_map<buffer = 0, element_bytes = 2, swizzle_bytes = 0, sizes = [?, 64], strides = [128], box = [8, 8]>] {threads = 32 : i64} : (tensor<64x64xf16>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

func.func @dispatch_c5_too_many(%x: tensor<64x64xf16>, %n: index) -> tensor<4xf32> {
  // expected-error @below {{expected 1 values for '?' in tensor maps, got 2}}
  %y = rt.dispatch @k(%x) items(%n) work(%n) maps [
      #rt.tensor_map<buffer = 0, element_bytes = 2, swizzle_bytes = 0, sizes = [64, 64], strides = [?], box = [8, 8]>] (%n, %n) {threads = 32 : i64} : (tensor<64x64xf16>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

func.func @dispatch_c5_no_maps(%x: tensor<64x64xf16>, %n: index) -> tensor<4xf32> {
  // expected-error @below {{expected 0 values for '?' in tensor maps, got 1}}
  %y = rt.dispatch @k(%x) items(%n) work(%n) (%n) {threads = 32 : i64} : (tensor<64x64xf16>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

builtin.module @kernels {
  // expected-note @below {{the kernel is here}}
  func.func private @k(memref<f16>, memref<f32>)
}
func.func @dispatch_c2_parameter(%x: tensor<64x64xf16>, %n: index) -> tensor<4xf32> {
  // expected-error @below {{expected a kernel of 2 buffers, 0 sizes and 1 maps}}
  %y = rt.dispatch @k(%x) items(%n) work(%n) maps [
      #rt.tensor_map<buffer = 0, element_bytes = 2, swizzle_bytes = 0, sizes = [64, 64], strides = [128], box = [8, 8]>] {threads = 32 : i64} : (tensor<64x64xf16>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

rt.program @launch_c1_cpu weights 0 on_device {
  rt.input "x" : tensor<4xf32> []
  rt.run {
    %n = rt.input_dim 0[0]
    %x = rt.input_address 0
    // expected-error @below {{expected tensor maps on a GPU only}}
    rt.launch @k(%x) items(%n) work(%n) maps [
        #rt.tensor_map<buffer = 0, element_bytes = 2, swizzle_bytes = 0, sizes = [64, 64], strides = [128], box = [8, 8]>]
  }
}

// -----

rt.program @launch_c1_buffer weights 0 on_device {
  rt.input "x" : tensor<4xf32> []
  rt.run {
    %n = rt.input_dim 0[0]
    %x = rt.input_address 0
    // expected-error @below {{expected tensor maps of one of 1 buffers, got 1}}
    rt.launch @k(%x) items(%n) work(%n) maps [
        #rt.tensor_map<buffer = 1, element_bytes = 2, swizzle_bytes = 0, sizes = [64, 64], strides = [128], box = [8, 8]>] {threads = 32 : i64}
  }
}

// -----

rt.program @launch_c2_missing weights 0 on_device {
  rt.input "x" : tensor<4xf32> []
  rt.run {
    %n = rt.input_dim 0[0]
    %x = rt.input_address 0
    // expected-error @below {{expected 2 values for '?' in tensor maps, got 1}}
    rt.launch @k(%x) items(%n) work(%n) maps [
        #rt.tensor_map<buffer = 0, element_bytes = 2, swizzle_bytes = 0, sizes = [?, ?], strides = [128], box = [8, 8]>] (%n) {threads = 32 : i64}
  }
}

// -----

func.func @dispatch_not_maps(%x: tensor<64x64xf16>, %n: index) -> tensor<4xf32> {
  // expected-error @below {{array of tensor maps}}
  %y = rt.dispatch @k(%x) items(%n) work(%n) {maps = [1], threads = 32 : i64} : (tensor<64x64xf16>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
