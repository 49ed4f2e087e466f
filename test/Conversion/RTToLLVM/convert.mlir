// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --pass-pipeline='builtin.module(dlc-convert-rt-to-llvm{prefix=v3},canonicalize)' | FileCheck %s

// The frame holds the arrays of the launch with the most operands; a status
// other than 0 ends the run.
// CHECK-LABEL: llvm.func @v3_run(%arg0: !llvm.ptr) -> i32
// CHECK-DAG: %[[KERNEL:.*]] = llvm.mlir.addressof @v3.k : !llvm.ptr
// CHECK-DAG: %[[TWO:.*]] = llvm.mlir.constant(2 : i64) : i64
// CHECK-DAG: %[[BUFFERS:.*]] = llvm.alloca %[[TWO]] x !llvm.ptr
// CHECK: llvm.store %[[KERNEL]], %[[LAUNCH:[0-9]+]] : !llvm.ptr, !llvm.ptr
// CHECK: %[[FIELD:.*]] = llvm.getelementptr %arg0[72]
// CHECK: %[[CALLEE:.*]] = llvm.load %[[FIELD]]
// CHECK: %[[STATUS:.*]] = llvm.call %[[CALLEE]](%arg0, %[[LAUNCH]])
// CHECK: %[[FAILED:.*]] = llvm.icmp "ne" %[[STATUS]], %{{.*}} : i32
// CHECK: llvm.cond_br %[[FAILED]], ^[[EXIT:.*]](%[[STATUS]] : i32), ^{{.*}}
// CHECK-NOT: llvm.alloca
// CHECK: ^[[EXIT]](%[[RESULT:.*]]: i32):
// CHECK-NEXT: llvm.return %[[RESULT]]
rt.program @launch weights 0 {
  rt.input "x" : tensor<4xf32> []
  rt.output "y" : tensor<4xf32> []
  rt.run {
    %c1 = arith.constant 1 : index
    %x = rt.input_address 0
    %y = rt.output_address 0
    rt.launch @k(%x, %y) items(%c1) work(%c1)
    rt.launch @k(%y, %y) items(%c1) work(%c1)
  }
}
