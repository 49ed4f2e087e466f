// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-compile --from=codegen %s -o %t.dlc
// RUN: dlc-run %t.dlc --input=n=1xi64=3 | FileCheck %s
// RUN: dlc-run %t.dlc --input=n=1xi64=6 | FileCheck %s --check-prefix=SIX
// RUN: not dlc-run %t.dlc --input=n=1xi64=-1 2>&1 | FileCheck %s --check-prefix=NEGATIVE

// The data decides the output's size: read by the host, through a late buffer.
// CHECK: y: int64 [3]
// CHECK-NEXT: 2, 2, 2
// SIX: y: int64 [6]
// NEGATIVE: expected a size of 0 or more, got -1
module {
  builtin.module @kernels {
    func.func @fill(%y: memref<i64> {llvm.noalias}, %n: index, %begin: index, %end: index, %scratch: !llvm.ptr) attributes {dlc.kernel} {
      %c1 = arith.constant 1 : index
      %one = arith.constant 1 : i64
      %ys = memref.reinterpret_cast %y to offset: [0], sizes: [%n], strides: [1] : memref<i64> to memref<?xi64>
      scf.for %i = %begin to %end step %c1 {
        memref.store %one, %ys[%i] : memref<?xi64>
      }
      return
    }
    func.func @double(%x: memref<i64> {llvm.noalias}, %y: memref<i64> {llvm.noalias}, %n: index, %begin: index, %end: index, %scratch: !llvm.ptr) attributes {dlc.kernel} {
      %c1 = arith.constant 1 : index
      %xs = memref.reinterpret_cast %x to offset: [0], sizes: [%n], strides: [1] : memref<i64> to memref<?xi64>
      %ys = memref.reinterpret_cast %y to offset: [0], sizes: [%n], strides: [1] : memref<i64> to memref<?xi64>
      scf.for %i = %begin to %end step %c1 {
        %0 = memref.load %xs[%i] : memref<?xi64>
        %1 = arith.addi %0, %0 : i64
        memref.store %1, %ys[%i] : memref<?xi64>
      }
      return
    }
  }
  func.func @main(%size: tensor<1xi64> {nn.name = "n"}) -> (tensor<?xi64> {nn.name = "y"}) {
    %c0 = arith.constant 0 : index
    %v = tensor.extract %size[%c0] : tensor<1xi64>
    %n = arith.index_cast %v : i64 to index
    %good = arith.cmpi sge, %n, %c0 : index
    nn.check %good, "expected a size of 0 or more, got {0}" (%n)
    %a = rt.dispatch @fill() sizes(%n) result_sizes(%n) items(%n) work(%n) : () -> tensor<?xi64>
    %y = rt.dispatch @double(%a) sizes(%n) result_sizes(%n) items(%n) work(%n) : (tensor<?xi64>) -> tensor<?xi64>
    return %y : tensor<?xi64>
  }
}
