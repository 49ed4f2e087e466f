// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s -split-input-file -dlc-form-dispatches -dlc-outline-kernels | FileCheck %s

// The kernel of nonzero writes to a buffer of the bound; what counts of it is
// known when it has run.
// CHECK-LABEL: func.func @nonzero
// CHECK: %[[R:.*]]:2 = rt.dispatch @nonzero_bounded_0(%{{.*}}) items(%{{.*}}) work
// CHECK-SAME: -> (tensor<2x12xi64>, tensor<i64>)
// CHECK: %[[COUNT:.*]] = tensor.extract %[[R]]#1[]
// CHECK: %[[N:.*]] = arith.index_cast %[[COUNT]]
// CHECK: rt.shrink %[[R]]#0[%[[N]]] : tensor<2x12xi64> -> tensor<2x?xi64>
func.func @nonzero(%x: tensor<3x4xf32>) -> tensor<2x?xi64> {
  %0 = nn.nonzero %x : tensor<3x4xf32> -> tensor<2x?xi64>
  return %0 : tensor<2x?xi64>
}

// -----

// The products of all steps are one contraction.
// CHECK-LABEL: func.func @lstm
// CHECK: %[[P:.*]] = rt.dispatch @contract_0({{.*}} -> tensor<7x2x1x32xf32>
// CHECK: rt.dispatch @recurrence_1(%[[P]], %{{[a-z0-9]+}})
// CHECK-SAME: (tensor<7x2x1x32xf32>, tensor<1x32x8xf32>)
func.func @lstm(%x: tensor<7x2x3xf32>, %w: tensor<1x32x3xf32>, %r: tensor<1x32x8xf32>)
    -> tensor<7x1x2x8xf32> {
  %0:3 = nn.rnn lstm forward (%x, %w, %r) : tensor<7x2x3xf32>, tensor<1x32x3xf32>,
    tensor<1x32x8xf32> -> tensor<7x1x2x8xf32>, tensor<1x2x8xf32>, tensor<1x2x8xf32>
  return %0#0 : tensor<7x1x2x8xf32>
}

// -----

// Updates of one row of dest never meet those of another: a row is an item.
// CHECK-LABEL: func.func @scatter_rows
// CHECK: %[[ITEMS:.*]] = arith.constant 5 : index
// CHECK: rt.dispatch @scatter_0({{.*}} items(%[[ITEMS]])
func.func @scatter_rows(%d: tensor<5x9xf32>, %u: tensor<5x2xf32>, %i: tensor<5x2xi64>)
    -> tensor<5x9xf32> {
  %0 = nn.scatter assign %u into %d, (%i) indexed [1] index_maps [affine_map<(a, b) -> (a, b)>]
    dest_map affine_map<(a, b) -> (a)> : tensor<5x2xf32> into tensor<5x9xf32>, (tensor<5x2xi64>)
    -> tensor<5x9xf32>
  return %0 : tensor<5x9xf32>
}

// -----

// An elementwise op behind a resize joins its kernel.
// CHECK-LABEL: func.func @resize_epilogue
// CHECK-COUNT-1: rt.dispatch
// CHECK-NOT: rt.dispatch
// CHECK: return
func.func @resize_epilogue(%x: tensor<1x4xf32>) -> tensor<1x8xf32> {
  %0 = nn.resize linear(%x) axes [1] [] {static_scales = array<f64: 2.0>,
    coordinate = #nn<coordinate_mode half_pixel>} : tensor<1x4xf32> -> tensor<1x8xf32>
  %1 = nn.elementwise relu(%0) : (tensor<1x8xf32>) -> tensor<1x8xf32>
  return %1 : tensor<1x8xf32>
}

// -----

// A scale that only the run knows is passed as the bits of an index.
// CHECK-LABEL: func.func @resize_scale
// CHECK: %[[BITS:.*]] = arith.bitcast %{{.*}} : f32 to i32
// CHECK: %[[INDEX:.*]] = arith.index_cast %[[BITS]] : i32 to index
// CHECK: rt.dispatch @resize_0(%{{[a-z0-9]+}}) sizes(%[[INDEX]]
func.func @resize_scale(%x: tensor<1x4xf32>, %s: f32) -> tensor<1x8xf32> {
  %0 = nn.resize linear(%x) axes [1] [] scales %s
    {coordinate = #nn<coordinate_mode half_pixel>} : tensor<1x4xf32> -> tensor<1x8xf32>
  return %0 : tensor<1x8xf32>
}
