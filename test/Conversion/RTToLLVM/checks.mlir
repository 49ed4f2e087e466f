// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --pass-pipeline='builtin.module(dlc-convert-rt-to-llvm,canonicalize)' | FileCheck %s

// Dims are counted over all inputs; a check that fails gives its place in the
// table and its values.
// CHECK-LABEL: llvm.func @dlc_size
// CHECK-DAG: %[[SECOND:.*]] = llvm.mlir.constant(1 : i32) : i32
// CHECK: %[[DIMS:.*]] = llvm.getelementptr %arg0[16]
// CHECK: %[[BASE:.*]] = llvm.load %[[DIMS]]
// CHECK: llvm.getelementptr %[[BASE]][24]
// CHECK: llvm.getelementptr %arg0[80]
// CHECK: llvm.getelementptr %arg0[80]
// CHECK: llvm.call %{{.*}}(%arg0, %[[SECOND]], %{{.*}}, %[[SECOND]])
// CHECK: llvm.getelementptr %arg0[32]

// Checks of the run follow those of the sizing function in the table. Memory
// that is not there ends the run with -1.
// CHECK-LABEL: llvm.func @dlc_run
// CHECK-DAG: %[[THIRD:.*]] = llvm.mlir.constant(2 : i32) : i32
// CHECK: llvm.call %{{.*}}(%arg0, %[[THIRD]], %{{.*}}, %{{.*}})
// CHECK: %[[LATE:.*]] = llvm.call %{{.*}}(%arg0, %{{.*}}, %{{.*}}) : !llvm.ptr, (!llvm.ptr, i32, i64) -> !llvm.ptr
// CHECK: %[[MISSING:.*]] = llvm.icmp "eq" %[[LATE]], %{{.*}} : !llvm.ptr
// CHECK: llvm.sext %[[MISSING]] : i1 to i32
rt.program @checks weights 0 {
  rt.input "a" : tensor<2x3xf32> []
  rt.input "b" : tensor<4x?xf32> [""]
  rt.output "y" : tensor<?xf32> [""]
  rt.buffer late steps [0, 0]
  rt.size {
    %n = rt.input_dim 1[1]
    %c3 = arith.constant 3 : index
    %above = arith.cmpi sgt, %n, %c3 : index
    %below = arith.cmpi slt, %n, %c3 : index
    rt.check %above, "first" (%n)
    rt.check %below, "second" (%n)
    rt.set_output_dim 0[0], %n
  }
  rt.run {
    %n = rt.input_dim 1[1]
    %c3 = arith.constant 3 : index
    %above = arith.cmpi sgt, %n, %c3 : index
    rt.check %above, "third"
    %late = rt.late_address 0, %n
    %v = rt.load %late[%c3] : i1
    %y = rt.output_address 0
    rt.copy %late to %y, %n
  }
}
