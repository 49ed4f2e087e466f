// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --dlc-store-as-integers --split-input-file --verify-diagnostics | FileCheck %s

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

// bf16s are i16s in memory; a value that was made of bits is stored as those.
// CHECK-LABEL: func.func @bfloats(
// CHECK-SAME: memref<?xi16>, %{{.*}}: memref<?xi16>, %{{.*}}: index, %[[BITS:.*]]: i16, %[[VALUE:.*]]: bf16)
// CHECK: %[[LOADED:.*]] = memref.load
// CHECK: arith.bitcast %[[LOADED]] : i16 to bf16
// CHECK: memref.store %[[BITS]]
// CHECK: %[[STORED:.*]] = arith.bitcast %[[VALUE]] : bf16 to i16
// CHECK: memref.store %[[STORED]], %{{.*}} : memref<?xi16>
func.func @bfloats(%in: memref<?xbf16>, %out: memref<?xbf16>, %i: index, %bits: i16, %value: bf16) -> bf16 {
  %0 = memref.load %in[%i] : memref<?xbf16>
  %1 = arith.bitcast %bits : i16 to bf16
  memref.store %1, %out[%i] : memref<?xbf16>
  memref.store %value, %out[%i] : memref<?xbf16>
  return %0 : bf16
}

// -----

func.func @unknown_access(%in: memref<4xi1>) -> memref<4xi1> {
  // expected-error@+1 {{cannot access a memref of i1}}
  %0 = memref.realloc %in : memref<4xi1> to memref<4xi1>
  return %0 : memref<4xi1>
}
