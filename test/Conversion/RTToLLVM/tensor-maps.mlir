// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --pass-pipeline='builtin.module(dlc-convert-rt-to-llvm,canonicalize)' | FileCheck %s

// There is memory for the records of the launch with most maps: two of 120
// bytes. They lie as dlc_tensor_map says; values of the run are where `?` is.
// CHECK-LABEL: llvm.func @dlc_run
// CHECK-DAG: %[[I0:.*]] = llvm.mlir.constant(0 : i32) : i32
// CHECK-DAG: %[[I1:.*]] = llvm.mlir.constant(1 : i32) : i32
// CHECK-DAG: %[[I2:.*]] = llvm.mlir.constant(2 : i32) : i32
// CHECK-DAG: %[[I3:.*]] = llvm.mlir.constant(3 : i32) : i32
// CHECK-DAG: %[[I4:.*]] = llvm.mlir.constant(4 : i32) : i32
// CHECK-DAG: %[[I8:.*]] = llvm.mlir.constant(8 : i32) : i32
// CHECK-DAG: %[[I16:.*]] = llvm.mlir.constant(16 : i32) : i32
// CHECK-DAG: %[[I32:.*]] = llvm.mlir.constant(32 : i32) : i32
// CHECK-DAG: %[[I64:.*]] = llvm.mlir.constant(64 : i32) : i32
// CHECK-DAG: %[[L8:.*]] = llvm.mlir.constant(8 : i64) : i64
// CHECK-DAG: %[[L12:.*]] = llvm.mlir.constant(12 : i64) : i64
// CHECK-DAG: %[[L30:.*]] = llvm.mlir.constant(30 : i64) : i64
// CHECK-DAG: %[[L32:.*]] = llvm.mlir.constant(32 : i64) : i64
// CHECK-DAG: %[[L512:.*]] = llvm.mlir.constant(512 : i64) : i64
// CHECK-DAG: %[[L1024:.*]] = llvm.mlir.constant(1024 : i64) : i64
// CHECK-DAG: %[[WITH_MAPS:.*]] = llvm.mlir.constant(-2147483648 : i32) : i32
// CHECK: %[[LAUNCH:.*]] = llvm.alloca %[[L12]] x i64
// CHECK: %[[MAPS:.*]] = llvm.alloca %[[L30]] x i64
// CHECK-NEXT: %[[FIELD:.*]] = llvm.getelementptr %[[LAUNCH]][80]
// CHECK-NEXT: llvm.store %[[MAPS]], %[[FIELD]]
// CHECK: %[[M:.*]] = llvm.load %{{.*}} : !llvm.ptr -> i64
// CHECK: %[[K:.*]] = llvm.load %{{.*}} : !llvm.ptr -> i64
// CHECK: %[[S:.*]] = llvm.load %{{.*}} : !llvm.ptr -> i64

// A launch without maps has the kernel's index alone.
// CHECK: llvm.store %[[I0]], %[[LAUNCH]] : i32
// CHECK: llvm.call %{{.*}}(%arg0, %[[LAUNCH]])

// Buffer, bytes of elements, rank, swizzle; sizes, strides from dim 1 on, box.
// CHECK: llvm.store %[[I0]], %[[MAPS]] : i32
// CHECK: %[[FIELD:.*]] = llvm.getelementptr %[[MAPS]][4]
// CHECK-NEXT: llvm.store %[[I2]], %[[FIELD]] : i32
// CHECK: %[[FIELD:.*]] = llvm.getelementptr %[[MAPS]][8]
// CHECK-NEXT: llvm.store %[[I2]], %[[FIELD]] : i32
// CHECK: %[[FIELD:.*]] = llvm.getelementptr %[[MAPS]][12]
// CHECK-NEXT: llvm.store %[[I64]], %[[FIELD]] : i32
// CHECK: %[[FIELD:.*]] = llvm.getelementptr %[[MAPS]][116]
// CHECK-NEXT: llvm.store %[[I0]], %[[FIELD]] : i32
// CHECK: %[[FIELD:.*]] = llvm.getelementptr %[[MAPS]][16]
// CHECK-NEXT: llvm.store %[[L512]], %[[FIELD]] : i64
// CHECK: %[[FIELD:.*]] = llvm.getelementptr %[[MAPS]][24]
// CHECK-NEXT: llvm.store %[[M]], %[[FIELD]] : i64
// CHECK: %[[FIELD:.*]] = llvm.getelementptr %[[MAPS]][64]
// CHECK-NEXT: llvm.store %[[L1024]], %[[FIELD]] : i64
// CHECK: %[[FIELD:.*]] = llvm.getelementptr %[[MAPS]][96]
// CHECK-NEXT: llvm.store %[[I32]], %[[FIELD]] : i32
// CHECK: %[[FIELD:.*]] = llvm.getelementptr %[[MAPS]][100]
// CHECK-NEXT: llvm.store %[[I16]], %[[FIELD]] : i32
// CHECK: %[[SECOND:.*]] = llvm.getelementptr %[[MAPS]][120]
// CHECK: llvm.store %[[I1]], %[[SECOND]] : i32
// CHECK: %[[FIELD:.*]] = llvm.getelementptr %[[SECOND]][4]
// CHECK-NEXT: llvm.store %[[I4]], %[[FIELD]] : i32
// CHECK: %[[FIELD:.*]] = llvm.getelementptr %[[SECOND]][8]
// CHECK-NEXT: llvm.store %[[I3]], %[[FIELD]] : i32
// CHECK: %[[FIELD:.*]] = llvm.getelementptr %[[SECOND]][12]
// CHECK-NEXT: llvm.store %[[I0]], %[[FIELD]] : i32
// CHECK: %[[FIELD:.*]] = llvm.getelementptr %[[SECOND]][116]
// CHECK-NEXT: llvm.store %[[I0]], %[[FIELD]] : i32
// CHECK: %[[FIELD:.*]] = llvm.getelementptr %[[SECOND]][16]
// CHECK-NEXT: llvm.store %[[L8]], %[[FIELD]] : i64
// CHECK: %[[FIELD:.*]] = llvm.getelementptr %[[SECOND]][24]
// CHECK-NEXT: llvm.store %[[L8]], %[[FIELD]] : i64
// CHECK: %[[FIELD:.*]] = llvm.getelementptr %[[SECOND]][32]
// CHECK-NEXT: llvm.store %[[K]], %[[FIELD]] : i64
// CHECK: %[[FIELD:.*]] = llvm.getelementptr %[[SECOND]][64]
// CHECK-NEXT: llvm.store %[[L32]], %[[FIELD]] : i64
// CHECK: %[[FIELD:.*]] = llvm.getelementptr %[[SECOND]][72]
// CHECK-NEXT: llvm.store %[[S]], %[[FIELD]] : i64
// CHECK: %[[FIELD:.*]] = llvm.getelementptr %[[SECOND]][96]
// CHECK-NEXT: llvm.store %[[I8]], %[[FIELD]] : i32
// CHECK: %[[FIELD:.*]] = llvm.getelementptr %[[SECOND]][100]
// CHECK-NEXT: llvm.store %[[I4]], %[[FIELD]] : i32
// CHECK: %[[FIELD:.*]] = llvm.getelementptr %[[SECOND]][104]
// CHECK-NEXT: llvm.store %[[I1]], %[[FIELD]] : i32

// The number of maps, and the bit of the kernel's index that says so.
// CHECK: %[[FIELD:.*]] = llvm.getelementptr %[[LAUNCH]][88]
// CHECK-NEXT: llvm.store %[[I2]], %[[FIELD]] : i32
// CHECK: %[[FIELD:.*]] = llvm.getelementptr %[[LAUNCH]][92]
// CHECK-NEXT: llvm.store %[[I0]], %[[FIELD]] : i32
// CHECK: llvm.store %[[WITH_MAPS]], %[[LAUNCH]] : i32
// CHECK: llvm.call %{{.*}}(%arg0, %[[LAUNCH]])

// CHECK-NOT: %[[MAPS]],
// CHECK-NOT: %[[WITH_MAPS]],
// CHECK-NOT: %[[LAUNCH]][88]
// CHECK: llvm.store %[[I0]], %[[LAUNCH]] : i32
// CHECK: llvm.call %{{.*}}(%arg0, %[[LAUNCH]])
rt.program @maps weights 0 on_device {
  rt.input "x" : tensor<?x?x?xf16> ["", "", ""]
  rt.output "y" : tensor<4xf32> []
  rt.run {
    %m = rt.input_dim 0[0]
    %k = rt.input_dim 0[1]
    %s = rt.input_dim 0[2]
    %c1 = arith.constant 1 : index
    %x = rt.input_address 0
    %y = rt.output_address 0
    rt.launch @k(%x, %y) items(%c1) work(%c1) {threads = 128 : i64}
    rt.launch @k(%x, %y) sizes(%m) items(%c1) work(%c1) maps [
        #rt.tensor_map<buffer = 0, element_bytes = 2, swizzle_bytes = 64, sizes = [512, ?], strides = [1024],
                       box = [32, 16]>,
        #rt.tensor_map<buffer = 1, element_bytes = 4, swizzle_bytes = 0, sizes = [8, 8, ?], strides = [32, ?],
                       box = [8, 4, 1]>] (%m, %k, %s) {threads = 128 : i64}
    rt.launch @k(%x, %y) items(%c1) work(%c1) {threads = 128 : i64}
  }
}
