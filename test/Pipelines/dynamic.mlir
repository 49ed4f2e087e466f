// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-compile --from=codegen %s -o %t.dlc
// RUN: dlc-run %t.dlc --input=x=3xf32=2 | FileCheck %s
// RUN: dlc-run %t.dlc --input=x=5xf32=2 | FileCheck %s --check-prefix=FIVE
// RUN: not dlc-run %t.dlc --input=x=1xf32=2 2>&1 | FileCheck %s --check-prefix=CHECK-FAILS
// RUN: not dlc-run %t.dlc --input=x=9xf32=2 2>&1 | FileCheck %s --check-prefix=RANGE

// One binary for all sizes; a check on sizes and the symbol's range say no.
// CHECK: y: float32 [3]
// CHECK-NEXT: 8, 8, 8
// FIVE: y: float32 [5]
// CHECK-FAILS: node 'twice': expected more than 1 element, got 1
// RANGE: expected dim 0 'n' to be in 1..8, got 9
module {
  builtin.module @kernels {
    func.func @double(%x: memref<f32> {llvm.noalias}, %y: memref<f32> {llvm.noalias}, %n: index, %begin: index, %end: index, %scratch: !llvm.ptr) attributes {dlc.kernel} {
      %c1 = arith.constant 1 : index
      %xs = memref.reinterpret_cast %x to offset: [0], sizes: [%n], strides: [1] : memref<f32> to memref<?xf32>
      %ys = memref.reinterpret_cast %y to offset: [0], sizes: [%n], strides: [1] : memref<f32> to memref<?xf32>
      scf.for %i = %begin to %end step %c1 {
        %0 = memref.load %xs[%i] : memref<?xf32>
        %1 = arith.addf %0, %0 : f32
        memref.store %1, %ys[%i] : memref<?xf32>
      }
      return
    }
  }
  func.func @main(%x: tensor<?xf32> {nn.name = "x"}) -> (tensor<?xf32> {nn.name = "y"}) {
    %c1 = arith.constant 1 : index
    %n = nn.sym_dim "n" {min = 1 : i64, max = 8 : i64}
    nn.bind_shape %x[%n] : tensor<?xf32>
    %many = arith.cmpi sgt, %n, %c1 : index
    nn.check %many, "node 'twice': expected more than 1 element, got {0}" (%n)
    %a = rt.dispatch @double(%x) sizes(%n) result_sizes(%n) items(%n) work(%n) : (tensor<?xf32>) -> tensor<?xf32>
    %y = rt.dispatch @double(%a) sizes(%n) result_sizes(%n) items(%n) work(%n) : (tensor<?xf32>) -> tensor<?xf32>
    return %y : tensor<?xf32>
  }
}
