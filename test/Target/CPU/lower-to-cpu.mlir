// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --pass-pipeline='builtin.module(dlc-lower-to-cpu{cpu=x86-64-v3})' | FileCheck %s
// RUN: not dlc-opt %s --pass-pipeline='builtin.module(dlc-lower-to-cpu{cpu=z80})' 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// UNKNOWN: unknown cpu 'z80', expected native, {{.*}}x86-64-v3

// Buffers arrive as bare pointers and stay free of aliases.
// CHECK-LABEL: llvm.func internal @add.body(
// CHECK-SAME: !llvm.ptr {llvm.noalias}, %{{.*}}: !llvm.ptr {llvm.noalias}, %{{.*}}: i64, %{{.*}}: i64, %{{.*}}: i64, %{{.*}}: !llvm.ptr)
// CHECK: llvm.fadd
// CHECK-NOT: unrealized_conversion_cast
func.func @add(%in: memref<f32> {llvm.noalias}, %out: memref<f32> {llvm.noalias}, %n: index, %begin: index, %end: index, %scratch: !llvm.ptr) attributes {dlc.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %x = memref.reinterpret_cast %in to offset: [0], sizes: [%n], strides: [1] : memref<f32> to memref<?xf32>
  %y = memref.reinterpret_cast %out to offset: [0], sizes: [%n], strides: [1] : memref<f32> to memref<?xf32>
  scf.for %i = %begin to %end step %c1 {
    %0 = memref.load %x[%i] : memref<?xf32>
    %1 = arith.addf %0, %0 : f32
    memref.store %1, %y[%i] : memref<?xf32>
  }
  return
}
