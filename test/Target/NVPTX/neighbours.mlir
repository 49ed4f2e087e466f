// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Accesses to neighbours become one of 16 bytes where the address is aligned,
// however the index is spelled, and where parts of it are behind a condition.
// RUN: dlc-opt %s -dlc-lower-to-nvvm=index-bits=32 -dlc-emit-ptx -o /dev/null | FileCheck %s

// CHECK-LABEL: .entry copy(
// CHECK: ld.global.v4.b32
// CHECK: st.global.v4.b32
// CHECK: ret
func.func @copy(%x: memref<f32> {llvm.align = 16 : i64, llvm.noalias}, %y: memref<f32> {llvm.align = 16 : i64, llvm.noalias}, %n: i64)
    attributes {dlc.kernel, dlc.threads = 128 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %c4 = arith.constant 4 : index
  %c50 = arith.constant 50 : index
  %t = nvvm.read.ptx.sreg.tid.x : i32
  %thread = arith.index_cast %t : i32 to index
  %b = nvvm.read.ptx.sreg.ctaid.x : i32
  %block = arith.index_cast %b : i32 to index
  %from = memref.reinterpret_cast %x to offset: [0], sizes: [100, 50, 512], strides: [25600, 512, 1]
    : memref<f32> to memref<100x50x512xf32, strided<[25600, 512, 1]>>
  %to = memref.reinterpret_cast %y to offset: [0], sizes: [100, 50, 512], strides: [25600, 512, 1]
    : memref<f32> to memref<100x50x512xf32, strided<[25600, 512, 1]>>
  %i = arith.divui %block, %c50 : index
  %j = arith.remui %block, %c50 : index
  %first = arith.muli %thread, %c4 : index
  %k1 = arith.addi %first, %c1 : index
  %k2 = arith.addi %first, %c2 : index
  %k3 = arith.addi %k2, %c1 : index
  %0 = memref.load %from[%i, %j, %first] : memref<100x50x512xf32, strided<[25600, 512, 1]>>
  %1 = memref.load %from[%i, %j, %k1] : memref<100x50x512xf32, strided<[25600, 512, 1]>>
  %2 = memref.load %from[%i, %j, %k2] : memref<100x50x512xf32, strided<[25600, 512, 1]>>
  %3 = memref.load %from[%i, %j, %k3] : memref<100x50x512xf32, strided<[25600, 512, 1]>>
  memref.store %0, %to[%i, %j, %first] : memref<100x50x512xf32, strided<[25600, 512, 1]>>
  memref.store %1, %to[%i, %j, %k1] : memref<100x50x512xf32, strided<[25600, 512, 1]>>
  memref.store %2, %to[%i, %j, %k2] : memref<100x50x512xf32, strided<[25600, 512, 1]>>
  memref.store %3, %to[%i, %j, %k3] : memref<100x50x512xf32, strided<[25600, 512, 1]>>
  return
}

// The epilogues of tile kernels read through casts of global pointers.
// CHECK-LABEL: .entry through_cast(
// CHECK: ld.global.v4.b32
// CHECK: ret
llvm.func @through_cast(%x: !llvm.ptr<1> {llvm.align = 16 : i64, llvm.noalias}, %y: !llvm.ptr<1> {llvm.align = 16 : i64, llvm.noalias})
    attributes {nvvm.kernel} {
  %t = nvvm.read.ptx.sreg.tid.x : i32
  %c2 = llvm.mlir.constant(2 : i32) : i32
  %first = llvm.shl %t, %c2 : i32
  %at = llvm.zext %first : i32 to i64
  %generic = llvm.addrspacecast %x : !llvm.ptr<1> to !llvm.ptr
  %p0 = llvm.getelementptr %generic[%at] : (!llvm.ptr, i64) -> !llvm.ptr, f32
  %p1 = llvm.getelementptr %p0[1] : (!llvm.ptr) -> !llvm.ptr, f32
  %p2 = llvm.getelementptr %p0[2] : (!llvm.ptr) -> !llvm.ptr, f32
  %p3 = llvm.getelementptr %p0[3] : (!llvm.ptr) -> !llvm.ptr, f32
  %0 = llvm.load %p0 {alignment = 4 : i64} : !llvm.ptr -> f32
  %1 = llvm.load %p1 {alignment = 4 : i64} : !llvm.ptr -> f32
  %2 = llvm.load %p2 {alignment = 4 : i64} : !llvm.ptr -> f32
  %3 = llvm.load %p3 {alignment = 4 : i64} : !llvm.ptr -> f32
  %s0 = llvm.fadd %0, %1 : f32
  %s1 = llvm.fadd %2, %3 : f32
  %sum = llvm.fadd %s0, %s1 : f32
  %to = llvm.getelementptr %y[%at] : (!llvm.ptr<1>, i64) -> !llvm.ptr<1>, f32
  llvm.store %sum, %to {alignment = 4 : i64} : f32, !llvm.ptr<1>
  llvm.return
}

// Buffers that are not known to be aligned keep their single accesses.
// CHECK-LABEL: .entry unaligned(
// CHECK-NOT: .v4
// CHECK-NOT: .v2
// CHECK: ret
func.func @unaligned(%x: memref<f32> {llvm.noalias}, %y: memref<f32> {llvm.noalias})
    attributes {dlc.kernel, dlc.threads = 128 : i64} {
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %t = nvvm.read.ptx.sreg.tid.x : i32
  %thread = arith.index_cast %t : i32 to index
  %from = memref.reinterpret_cast %x to offset: [0], sizes: [256], strides: [1] : memref<f32> to memref<256xf32, strided<[1]>>
  %to = memref.reinterpret_cast %y to offset: [0], sizes: [256], strides: [1] : memref<f32> to memref<256xf32, strided<[1]>>
  %first = arith.muli %thread, %c2 : index
  %second = arith.addi %first, %c1 : index
  %0 = memref.load %from[%first] : memref<256xf32, strided<[1]>>
  %1 = memref.load %from[%second] : memref<256xf32, strided<[1]>>
  memref.store %0, %to[%first] : memref<256xf32, strided<[1]>>
  memref.store %1, %to[%second] : memref<256xf32, strided<[1]>>
  return
}
