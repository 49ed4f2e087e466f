// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s -split-input-file -dlc-convert-nn-to-rt | FileCheck %s

// A kernel that finds its result's size writes to a buffer of the bound; the
// output is what it wrote of it.
// CHECK-LABEL: rt.program @shrunk_output arena 192
// CHECK: rt.output "y" : tensor<2x?xi64> [""] late
// CHECK: rt.buffer bytes 128 steps [0, 1]
// CHECK: rt.buffer bytes 8 steps [0, 0]
// CHECK: rt.size {
// CHECK-NEXT: }
// CHECK: rt.launch @nonzero
// CHECK: %[[N:.*]] = rt.load
// CHECK: %[[I:.*]] = arith.index_cast %[[N]]
// CHECK: rt.set_output_dim 0[1], %[[I]]
// CHECK: %[[Y:.*]] = rt.late_output_address 0, %[[BYTES:.*]]
// CHECK: rt.copy %{{.*}} to %[[Y]], %[[BYTES]]
func.func @shrunk_output(%x: tensor<2x4xf32>) -> (tensor<2x?xi64> {nn.name = "y"}) {
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  %bound:2 = rt.dispatch @nonzero(%x) result_sizes(%c8) items(%c1) work(%c1)
      : (tensor<2x4xf32>) -> (tensor<2x?xi64>, tensor<i64>)
  %count = tensor.extract %bound#1[] : tensor<i64>
  %n = arith.index_cast %count : i64 to index
  %y = rt.shrink %bound#0[%n] : tensor<2x?xi64> -> tensor<2x?xi64>
  return %y : tensor<2x?xi64>
}

// -----

// Results of late size: an output is written in place, buffers that are never
// live together share one.
// CHECK-LABEL: rt.program @late_chain
// CHECK: rt.buffer late steps [0, 3]
// CHECK: rt.buffer late steps [1, 2]
// CHECK-NOT: rt.buffer
// CHECK: %[[A:.*]] = rt.late_address 0
// CHECK: rt.launch @k(%{{.*}}, %[[A]])
// CHECK: %[[B:.*]] = rt.late_address 1
// CHECK: rt.launch @k(%[[A]], %[[B]])
// CHECK: %[[C:.*]] = rt.late_address 0
// CHECK: rt.launch @k(%[[B]], %[[C]])
// CHECK: rt.set_output_dim 0[0]
// CHECK: %[[Y:.*]] = rt.late_output_address 0
// CHECK: rt.launch @k(%[[C]], %[[Y]])
func.func @late_chain(%size: tensor<1xi64>) -> tensor<?xf32> {
  %c0 = arith.constant 0 : index
  %v = tensor.extract %size[%c0] : tensor<1xi64>
  %n = arith.index_cast %v : i64 to index
  %a = rt.dispatch @k(%size) result_sizes(%n) items(%n) work(%n) : (tensor<1xi64>) -> tensor<?xf32>
  %b = rt.dispatch @k(%a) result_sizes(%n) items(%n) work(%n) : (tensor<?xf32>) -> tensor<?xf32>
  %c = rt.dispatch @k(%b) result_sizes(%n) items(%n) work(%n) : (tensor<?xf32>) -> tensor<?xf32>
  %y = rt.dispatch @k(%c) result_sizes(%n) items(%n) work(%n) : (tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// -----

// The output's size is read after the kernel that could write the output in
// place: it is a copy.
// CHECK-LABEL: rt.program @size_read_after
// CHECK: rt.launch @k
// CHECK: %[[N:.*]] = rt.load
// CHECK: rt.set_output_dim 0[0]
// CHECK: %[[Y:.*]] = rt.late_output_address 0
// CHECK: rt.copy %{{.*}} to %[[Y]]
func.func @size_read_after(%size: tensor<1xi64>, %other: tensor<1xi64>) -> tensor<?x?xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %v = tensor.extract %size[%c0] : tensor<1xi64>
  %n = arith.index_cast %v : i64 to index
  %a = rt.dispatch @k(%size) result_sizes(%n) items(%n) work(%n) : (tensor<1xi64>) -> tensor<?xf32>
  %w = tensor.extract %other[%c0] : tensor<1xi64>
  %m = arith.index_cast %w : i64 to index
  %k = arith.divui %n, %m : index
  %y = nn.reshape %a[%m, %k] : tensor<?xf32> -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}
