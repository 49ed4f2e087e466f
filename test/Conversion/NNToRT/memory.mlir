// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s -split-input-file -dlc-convert-nn-to-rt | FileCheck %s

// What is returned is written in place; what is not lies in the arena while it
// is used, and disjoint lives share bytes.
// CHECK-LABEL: rt.program @chain arena 128 bound 128 weights 0
// CHECK: rt.buffer bytes 64 steps [0, 1] offset 0
// CHECK: rt.buffer bytes 64 steps [1, 2] offset 64
// CHECK: rt.buffer bytes 64 steps [2, 3] offset 0
// CHECK-NOT: rt.size
// CHECK: %[[X:.*]] = rt.input_address 0
// CHECK: %[[A:.*]] = rt.arena_address 0
// CHECK: rt.launch @k(%[[X]], %[[A]])
// CHECK: %[[Y:.*]] = rt.output_address 0
// CHECK: rt.launch @k(%{{.*}}, %[[Y]])
func.func @chain(%x: tensor<16xf32> {nn.name = "x"}) -> (tensor<16xf32> {nn.name = "y"}) {
  %c1 = arith.constant 1 : index
  %a = rt.dispatch @k(%x) items(%c1) work(%c1) : (tensor<16xf32>) -> tensor<16xf32>
  %b = rt.dispatch @k(%a) items(%c1) work(%c1) : (tensor<16xf32>) -> tensor<16xf32>
  %c = rt.dispatch @k(%b) items(%c1) work(%c1) : (tensor<16xf32>) -> tensor<16xf32>
  %y = rt.dispatch @k(%c) items(%c1) work(%c1) : (tensor<16xf32>) -> tensor<16xf32>
  return %y : tensor<16xf32>
}

// -----

// A reshape is the same memory, and lengthens its life.
// CHECK-LABEL: rt.program @reshape
// CHECK: rt.buffer bytes 64 steps [0, 2]
// CHECK: rt.buffer bytes 64 steps [1, 2]
// CHECK: rt.launch
// CHECK: rt.launch
// CHECK: %[[A:.*]] = rt.arena_address 0
// CHECK: %[[B:.*]] = rt.arena_address 1
// CHECK: rt.launch @add(%[[A]], %[[B]], %{{.*}})
func.func @reshape(%x: tensor<16xf32>) -> tensor<4x4xf32> {
  %c1 = arith.constant 1 : index
  %a = rt.dispatch @k(%x) items(%c1) work(%c1) : (tensor<16xf32>) -> tensor<16xf32>
  %b = rt.dispatch @k(%x) items(%c1) work(%c1) : (tensor<16xf32>) -> tensor<4x4xf32>
  %r = nn.reshape %a[] : tensor<16xf32> -> tensor<4x4xf32>
  %y = rt.dispatch @add(%r, %b) items(%c1) work(%c1) : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  return %y : tensor<4x4xf32>
}

// -----

// A tied result takes over its input's buffer.
// CHECK-LABEL: rt.program @tie arena 64
// CHECK: rt.buffer bytes 64 steps [0, 2]
// CHECK-NOT: rt.buffer
// CHECK: rt.run
func.func @tie(%x: tensor<16xf32>) -> tensor<16xf32> {
  %c1 = arith.constant 1 : index
  %a = rt.dispatch @k(%x) items(%c1) work(%c1) : (tensor<16xf32>) -> tensor<16xf32>
  %b = rt.dispatch @k(%a) items(%c1) work(%c1) {ties = array<i64: 0>} : (tensor<16xf32>) -> tensor<16xf32>
  %y = rt.dispatch @k(%b) items(%c1) work(%c1) : (tensor<16xf32>) -> tensor<16xf32>
  return %y : tensor<16xf32>
}

// -----

// No tie while the input is read later.
// CHECK-LABEL: rt.program @tie_of_a_used_input
// CHECK: rt.buffer bytes 64 steps [0, 2]
// CHECK: rt.buffer bytes 64 steps [1, 2]
func.func @tie_of_a_used_input(%x: tensor<16xf32>) -> tensor<16xf32> {
  %c1 = arith.constant 1 : index
  %a = rt.dispatch @k(%x) items(%c1) work(%c1) : (tensor<16xf32>) -> tensor<16xf32>
  %b = rt.dispatch @k(%a) items(%c1) work(%c1) {ties = array<i64: 0>} : (tensor<16xf32>) -> tensor<16xf32>
  %y = rt.dispatch @add(%a, %b) items(%c1) work(%c1) : (tensor<16xf32>, tensor<16xf32>) -> tensor<16xf32>
  return %y : tensor<16xf32>
}

// -----

// No tie when the kernel reads the same memory through another input.
// CHECK-LABEL: rt.program @tie_of_an_input_passed_twice
// CHECK: rt.buffer bytes 64 steps [0, 1]
// CHECK: rt.buffer bytes 64 steps [1, 2]
func.func @tie_of_an_input_passed_twice(%x: tensor<16xf32>) -> tensor<16xf32> {
  %c1 = arith.constant 1 : index
  %a = rt.dispatch @k(%x) items(%c1) work(%c1) : (tensor<16xf32>) -> tensor<16xf32>
  %b = rt.dispatch @add(%a, %a) items(%c1) work(%c1) {ties = array<i64: 0>} : (tensor<16xf32>, tensor<16xf32>) -> tensor<16xf32>
  %y = rt.dispatch @k(%b) items(%c1) work(%c1) : (tensor<16xf32>) -> tensor<16xf32>
  return %y : tensor<16xf32>
}

// -----

// A value that is two outputs, an input, or a param is copied.
// CHECK-LABEL: rt.program @copies
// CHECK: %[[X:.*]] = rt.input_address 0
// CHECK: rt.copy %[[X]] to %{{.*}}, %{{.*}}
// CHECK: rt.launch @k(%{{.*}}, %{{.*}})
// CHECK: %[[SECOND:.*]] = rt.output_address 1
// CHECK: %[[FIRST:.*]] = rt.output_address 0
// CHECK: rt.copy %[[FIRST]] to %[[SECOND]]
// CHECK: %[[W:.*]] = rt.param_address @w at 0
// CHECK: rt.copy %[[W]] to
nn.param @w : tensor<16xf32> = (dense<1.0> : tensor<16xf32>) : tensor<16xf32>
func.func @copies(%x: tensor<16xf32>) -> (tensor<16xf32>, tensor<4x4xf32>, tensor<16xf32>, tensor<16xf32>) {
  %c1 = arith.constant 1 : index
  %a = rt.dispatch @k(%x) items(%c1) work(%c1) : (tensor<16xf32>) -> tensor<16xf32>
  %r = nn.reshape %a[] : tensor<16xf32> -> tensor<4x4xf32>
  %w = nn.param_ref @w : tensor<16xf32>
  return %a, %r, %x, %w : tensor<16xf32>, tensor<4x4xf32>, tensor<16xf32>, tensor<16xf32>
}

// -----

// Equal constants are one param; params start at multiples of 64.
// CHECK-LABEL: nn.param @constant :
// CHECK: nn.param @constant_0 :
// CHECK-NOT: nn.param
// CHECK: rt.program @constants arena 0 bound 0 weights 128
// CHECK: rt.param_address @constant at 0
// CHECK: rt.param_address @constant_0 at 64
// CHECK: rt.param_address @constant at 0
func.func @constants(%x: tensor<2xf32>) -> tensor<2xf32> {
  %c1 = arith.constant 1 : index
  %a = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %b = arith.constant dense<[3, 4]> : tensor<2xi64>
  %c = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %y = rt.dispatch @k(%a, %b, %c) items(%c1) work(%c1) : (tensor<2xf32>, tensor<2xi64>, tensor<2xf32>) -> tensor<2xf32>
  return %y : tensor<2xf32>
}

// -----

// What nobody uses is not launched.
// CHECK-LABEL: rt.program @unused
// CHECK-NOT: rt.launch
func.func @unused(%x: tensor<2xf32>) -> tensor<2xf32> {
  %c1 = arith.constant 1 : index
  %y = rt.dispatch @k(%x) items(%c1) work(%c1) : (tensor<2xf32>) -> tensor<2xf32>
  return %x : tensor<2xf32>
}

// -----

// The tensor maps of a launch are those of its dispatch, with the values that
// the run has for them.
// CHECK-LABEL: rt.program @tensor_maps
// CHECK: rt.run
// CHECK: %[[N:.*]] = rt.input_dim 0[0]
// CHECK: rt.launch @k
// CHECK-SAME: maps [#rt.tensor_map<buffer = 0, element_bytes = 2, swizzle_bytes = 0, sizes = [8, ?], strides = [16], box = [8, 8]>,
// CHECK-SAME: #rt.tensor_map<buffer = 1, element_bytes = 2, swizzle_bytes = 0, sizes = [8, 2], strides = [?], box = [8, 2]>](%[[N]], %{{.*}}) {threads = 32 : i64}
func.func @tensor_maps(%x: tensor<?x8xf16>) -> tensor<16xf16> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c16 = arith.constant 16 : index
  %n = tensor.dim %x, %c0 : tensor<?x8xf16>
  %y = rt.dispatch @k(%x) items(%c1) work(%c1) maps [
      #rt.tensor_map<buffer = 0, element_bytes = 2, swizzle_bytes = 0, sizes = [8, ?], strides = [16], box = [8, 8]>,
      #rt.tensor_map<buffer = 1, element_bytes = 2, swizzle_bytes = 0, sizes = [8, 2], strides = [?], box = [8, 2]>]
      (%n, %c16) {threads = 32 : i64} : (tensor<?x8xf16>) -> tensor<16xf16>
  return %y : tensor<16xf16>
}
