// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --dlc-wrap-kernels --split-input-file --verify-diagnostics | FileCheck %s

// The body turns private; its name goes to a function with the runtime's
// signature, which loads what the body needs.
// CHECK-LABEL: llvm.func @scale(
// CHECK-SAME: %[[BUFFERS:.*]]: !llvm.ptr, %[[SIZES:.*]]: !llvm.ptr, %[[BEGIN:.*]]: i64, %[[END:.*]]: i64, %[[SCRATCH:.*]]: !llvm.ptr)
// CHECK: %[[SECOND:.*]] = llvm.getelementptr %[[BUFFERS]][1]
// CHECK: %[[OUT:.*]] = llvm.load %[[SECOND]] : !llvm.ptr -> !llvm.ptr
// CHECK: %[[SIZE:.*]] = llvm.load %{{.*}} : !llvm.ptr -> i64
// CHECK: llvm.call @scale.body(%{{.*}}, %[[OUT]], %[[SIZE]], %[[BEGIN]], %[[END]], %[[SCRATCH]])
// CHECK: llvm.func internal @scale.body(%{{.*}}: !llvm.ptr {llvm.noalias}
// CHECK-NOT: dlc.kernel
llvm.func @scale(%in: !llvm.ptr {llvm.noalias}, %out: !llvm.ptr {llvm.noalias}, %n: i64, %begin: i64, %end: i64, %scratch: !llvm.ptr) attributes {dlc.kernel} {
  llvm.return
}

// -----

// Functions without the attribute keep their form.
// CHECK-LABEL: llvm.func @host(
// CHECK-SAME: !llvm.ptr) -> i32
llvm.func @host(%exec: !llvm.ptr) -> i32 {
  %0 = llvm.mlir.constant(0 : i32) : i32
  llvm.return %0 : i32
}

// -----

// expected-error@+1 {{expected a kernel with parameters (buffers..., sizes..., begin, end, scratch) and no result}}
llvm.func @without_scratch(%in: !llvm.ptr, %begin: i64, %end: i64) attributes {dlc.kernel} {
  llvm.return
}
