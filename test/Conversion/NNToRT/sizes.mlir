// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s -split-input-file -dlc-convert-nn-to-rt | FileCheck %s

// With bounds on all sizes the arena is planned at the bounds.
// CHECK-LABEL: rt.program @bounded arena 4096 bound 4096 weights 0
// CHECK: rt.symbol "n" min 1 max 32 divisor 8
// CHECK: rt.input "x" : tensor<?x4xf32> ["n"]
// CHECK: rt.output "y" : tensor<?xf32> [""]
// CHECK: rt.buffer bytes 4096 steps [0, 1] offset 0
// CHECK: rt.size {
// CHECK: %[[N:.*]] = rt.input_dim 0[0]
// CHECK: %[[M:.*]] = affine.apply #{{.*}}()[%[[N]]]
// CHECK: rt.set_output_dim 0[0], %[[M]]
// CHECK-NOT: rt.set_buffer_bytes
// CHECK: rt.run
func.func @bounded(%x: tensor<?x4xf32> {nn.name = "x"}) -> (tensor<?xf32> {nn.name = "y"}) {
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %n = nn.sym_dim "n" {min = 1 : i64, max = 32 : i64, divisor = 8 : i64}
  nn.bind_shape %x[%n, %c4] : tensor<?x4xf32>
  %m = affine.apply affine_map<()[s0] -> (s0 * 32)>()[%n]
  %a = rt.dispatch @k(%x) result_sizes(%m) items(%c1) work(%c1) : (tensor<?x4xf32>) -> tensor<?xf32>
  %y = rt.dispatch @k(%a) result_sizes(%m) items(%c1) work(%c1) : (tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// -----

// Without a bound it is planned at run time, by -1 where the size overflows.
// CHECK-LABEL: rt.program @unbounded weights 0
// CHECK: rt.buffer at_sizing steps [0, 1]
// CHECK: rt.size {
// CHECK: %[[N:.*]] = rt.input_dim 0[0]
// CHECK: rt.set_output_dim 0[0], %[[N]]
// CHECK: %[[BYTES:.*]] = affine.apply #{{.*}}()[%[[N]]]
// CHECK: %[[LOW:.*]] = arith.cmpi sge, %[[N]], %{{.*}}
// CHECK: %[[HIGH:.*]] = arith.cmpi sle, %[[N]], %{{.*}}
// CHECK: %[[FITS:.*]] = arith.andi %[[LOW]], %[[HIGH]]
// CHECK: %[[SAFE:.*]] = arith.select %[[FITS]], %[[BYTES]], %{{.*}}
// CHECK: rt.set_buffer_bytes 0, %[[SAFE]]
func.func @unbounded(%x: tensor<?xf32>) -> tensor<?xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?xf32>
  %a = rt.dispatch @k(%x) result_sizes(%n) items(%n) work(%n) : (tensor<?xf32>) -> tensor<?xf32>
  %y = rt.dispatch @k(%a) result_sizes(%n) items(%n) work(%n) : (tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// -----

// A dim that is no symbol itself is checked.
// CHECK-LABEL: rt.program @derived_dim
// CHECK: rt.input "x" : tensor<?xf32> ["n"]
// CHECK: rt.input "{z" : tensor<?xf32> [""]
// CHECK: rt.size {
// CHECK: %[[ACTUAL:.*]] = rt.input_dim 1[0]
// CHECK: %[[N:.*]] = rt.input_dim 0[0]
// CHECK: %[[EXPECTED:.*]] = affine.apply #{{.*}}()[%[[N]]]
// CHECK: %[[EQUAL:.*]] = arith.cmpi eq, %[[ACTUAL]], %[[EXPECTED]]
// CHECK: rt.check %[[EQUAL]], "input '{{[{][{]}}z': expected dim 0 to be {0}, got {1}"(%[[EXPECTED]], %[[ACTUAL]])
func.func @derived_dim(%x: tensor<?xf32> {nn.name = "x"}, %z: tensor<?xf32> {nn.name = "{z"}) {
  %n = nn.sym_dim "n"
  %m = affine.apply affine_map<()[s0] -> (s0 * 2)>()[%n]
  nn.bind_shape %x[%n] : tensor<?xf32>
  nn.bind_shape %z[%m] : tensor<?xf32>
  return
}

// -----

// Checks on shapes come before the run, those on data in their place.
// CHECK-LABEL: rt.program @checks
// CHECK: rt.size {
// CHECK: rt.check %{{.*}}, "shape"
// CHECK-NOT: rt.check
// CHECK: rt.run {
// CHECK-NOT: rt.check %{{.*}}, "shape"
// CHECK: %[[V:.*]] = rt.load %{{.*}}[%{{.*}}] : i64
// CHECK: %[[I:.*]] = arith.index_cast %[[V]]
// CHECK: rt.check %{{.*}}, "data"(%[[I]])
func.func @checks(%x: tensor<?xi64>) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?xi64>
  %v = tensor.extract %x[%c0] : tensor<?xi64>
  %i = arith.index_cast %v : i64 to index
  %data = arith.cmpi sgt, %i, %c0 : index
  nn.check %data, "data" (%i)
  %shape = arith.cmpi sgt, %n, %c0 : index
  nn.check %shape, "shape"
  return
}
