// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --dlc-expand-math | FileCheck %s

// Nothing of the math dialect remains that LLVM would turn into a call.
// CHECK-LABEL: func.func @f32(
// CHECK-NOT: math.exp
// CHECK-COUNT-6: math.fma
// CHECK: return
func.func @f32(%x: vector<16xf32>) -> vector<16xf32> {
  %0 = math.exp %x : vector<16xf32>
  return %0 : vector<16xf32>
}

// Half precision goes through f32 and is rounded once.
// CHECK-LABEL: func.func @f16(
// CHECK: arith.extf %{{.*}} : f16 to f32
// CHECK-NOT: arith.truncf
// CHECK: arith.truncf %{{.*}} : f32 to f16
// CHECK-NEXT: return
func.func @f16(%x: f16) -> f16 {
  %0 = math.tanh %x : f16
  return %0 : f16
}

// libm knows f64, one element at a time.
// CHECK-LABEL: func.func @f64(
// CHECK-COUNT-2: call @erf(%{{.*}}) : (f64) -> f64
// CHECK-NOT: call
// CHECK: return
func.func @f64(%x: vector<2xf64>) -> vector<2xf64> {
  %0 = math.erf %x : vector<2xf64>
  return %0 : vector<2xf64>
}
