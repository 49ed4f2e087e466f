// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s -split-input-file -dlc-form-dispatches -dlc-outline-kernels | FileCheck %s

// Numbers of the host reach a kernel as its index arguments.
// CHECK-LABEL: func.func @add_size
// CHECK: %[[SIZE:.*]] = nn.sym_dim "n"
// CHECK: rt.dispatch @elementwise_0(%{{.*}}) sizes(%{{.*}})
// CHECK-LABEL: func.func @elementwise_0
// CHECK-SAME: %{{.*}}: memref<i64> {{{.*}}}, %{{.*}}: memref<i64> {{{.*}}}, %[[N:[a-z0-9]+]]: index
// CHECK: %[[NUMBER:.*]] = arith.index_cast %[[N]] : index to i64
// CHECK: arith.addi %{{.*}}, %[[NUMBER]] : i64
func.func @add_size(%x: tensor<4xi64>) -> tensor<4xi64> {
  %n = nn.sym_dim "n"
  %i = arith.index_cast %n : index to i64
  %t = tensor.from_elements %i : tensor<1xi64>
  %0 = nn.elementwise add(%x, %t) : (tensor<4xi64>, tensor<1xi64>) -> tensor<4xi64>
  return %0 : tensor<4xi64>
}

// -----

// A list that must lie in memory is a kernel of its own.
// CHECK-LABEL: func.func @list
// CHECK: rt.dispatch @from_elements_0() sizes(%{{.*}})
// CHECK-SAME: -> tensor<2xi32>
// CHECK-LABEL: func.func @from_elements_0
// CHECK: %[[IS_FIRST:.*]] = arith.cmpi eq
// CHECK: arith.select %[[IS_FIRST]], %{{.*}}, %{{.*}} : i32
func.func @list(%x: tensor<?xf32>, %y: tensor<?xf32>) -> tensor<2xi32> {
  %c0 = arith.constant 0 : index
  %a = tensor.dim %x, %c0 : tensor<?xf32>
  %b = tensor.dim %y, %c0 : tensor<?xf32>
  %i = arith.index_cast %a : index to i32
  %j = arith.index_cast %b : index to i32
  %t = tensor.from_elements %i, %j : tensor<2xi32>
  return %t : tensor<2xi32>
}

// -----

// A region's constant stands outside of it: the kernel has its own.
#q = affine_map<(b, h, g, m, n, d, e) -> (m, d)>
#k = affine_map<(b, h, g, m, n, d, e) -> (n, d)>
#v = affine_map<(b, h, g, m, n, d, e) -> (n, e)>
#r = affine_map<(b, h, g, m, n, d, e) -> (m, e)>
// CHECK-LABEL: func.func @region_constant
// CHECK: rt.dispatch @attention_0
// CHECK-LABEL: func.func @attention_0
// CHECK: %[[CAP:.*]] = arith.constant 3.000000e+00 : f32
// CHECK: %[[CAPS:.*]] = vector.broadcast %[[CAP]] : f32 to vector<16xf32>
// CHECK-NEXT: arith.divf %{{.*}}, %[[CAPS]]
func.func @region_constant(%q: tensor<4x8xf32>, %k: tensor<6x8xf32>, %v: tensor<6x8xf32>) -> tensor<4x8xf32> {
  %cap = arith.constant 3.0 : f32
  %0 = nn.attention %q, %k, %v scale 0.5 maps [#q, #k, #v, #r] score {
  ^bb0(%s: f32, %b: index, %h: index, %g: index, %m: index, %n: index):
    %1 = arith.divf %s, %cap : f32
    nn.yield %1 : f32
  } mask {
  } : tensor<4x8xf32>, tensor<6x8xf32>, tensor<6x8xf32> -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}
