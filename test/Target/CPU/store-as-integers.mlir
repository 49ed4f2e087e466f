// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --dlc-store-bools-as-bytes --split-input-file --verify-diagnostics | FileCheck %s

// Loads compare with zero, stores extend, in scalar and vector form.
// CHECK-LABEL: func.func @copies(
// CHECK-SAME: memref<?xi8>, %{{.*}}: memref<?xi8>
// CHECK: %[[BYTE:.*]] = memref.load
// CHECK: %[[BIT:.*]] = arith.cmpi ne, %[[BYTE]], %{{.*}} : i8
// CHECK: %[[BACK:.*]] = arith.extui %[[BIT]] : i1 to i8
// CHECK: memref.store %[[BACK]], %{{.*}} : memref<?xi8>
// CHECK: %[[BYTES:.*]] = vector.load %{{.*}} : memref<?xi8>, vector<16xi8>
// CHECK: %[[BITS:.*]] = arith.cmpi ne, %[[BYTES]]
// CHECK: arith.extui %[[BITS]] : vector<16xi1> to vector<16xi8>
func.func @copies(%in: memref<?xi1>, %out: memref<?xi1>, %i: index) {
  %0 = memref.load %in[%i] : memref<?xi1>
  memref.store %0, %out[%i] : memref<?xi1>
  %1 = vector.load %in[%i] : memref<?xi1>, vector<16xi1>
  vector.store %1, %out[%i] : memref<?xi1>, vector<16xi1>
  return
}

// -----

// The values of a masked load that are not loaded become bytes too; its mask
// stays.
// CHECK-LABEL: func.func @masked(
// CHECK: %[[OTHER:.*]] = arith.extui %{{.*}} : vector<8xi1> to vector<8xi8>
// CHECK: vector.maskedload %{{.*}}[%{{.*}}], %{{.*}}, %[[OTHER]] : memref<?xi8>, vector<8xi1>, vector<8xi8> into vector<8xi8>
func.func @masked(%in: memref<?xi1>, %i: index, %mask: vector<8xi1>, %other: vector<8xi1>) -> vector<8xi1> {
  %0 = vector.maskedload %in[%i], %mask, %other : memref<?xi1>, vector<8xi1>, vector<8xi1> into vector<8xi1>
  return %0 : vector<8xi1>
}

// -----

func.func @unknown_access(%in: memref<4xi1>) -> memref<4xi1> {
  // expected-error@+1 {{cannot access a memref of i1}}
  %0 = memref.realloc %in : memref<4xi1> to memref<4xi1>
  return %0 : memref<4xi1>
}
