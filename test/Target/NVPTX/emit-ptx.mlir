// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A kernel as PTX: the lowest ISA of each architecture, vectors of 16 bytes from
// and to global memory, 32-bit indices, and elementary functions as arithmetic.
// RUN: dlc-opt %s --dlc-lower-to-nvvm=index-bits=32 --dlc-emit-ptx=arch=sm_80 -o /dev/null | FileCheck %s --check-prefixes=CHECK,SM80
// RUN: dlc-opt %s --dlc-lower-to-nvvm=index-bits=32 --dlc-emit-ptx=arch=sm_90a -o /dev/null | FileCheck %s --check-prefixes=CHECK,SM90A
// RUN: dlc-opt %s --dlc-lower-to-nvvm=index-bits=32 --dlc-emit-ptx=arch=sm_120a -o /dev/null | FileCheck %s --check-prefixes=CHECK,SM120A

// SM80: .version 7.0
// SM80: .target sm_80
// SM90A: .version 8.0
// SM90A: .target sm_90a
// SM120A: .version 8.7
// SM120A: .target sm_120a
// CHECK-NOT: .extern
// CHECK: .visible .entry exp_rows(
// CHECK: .maxntid 256
// CHECK: mul.wide.s32
// CHECK: ld.global.v{{4.b32|2.b64}}
// CHECK: fma.rn.f32
// CHECK: st.global.v{{4.b32|2.b64}}
func.func @exp_rows(%in: memref<f32> {llvm.noalias}, %out: memref<f32> {llvm.noalias})
    attributes {dlc.kernel, dlc.threads = 256 : i64} {
  %c4 = arith.constant 4 : index
  %x = memref.reinterpret_cast %in to offset: [0], sizes: [4096], strides: [1] : memref<f32> to memref<4096xf32, strided<[1]>>
  %y = memref.reinterpret_cast %out to offset: [0], sizes: [4096], strides: [1] : memref<f32> to memref<4096xf32, strided<[1]>>
  %t32 = nvvm.read.ptx.sreg.tid.x : i32
  %b32 = nvvm.read.ptx.sreg.ctaid.x : i32
  %t = arith.index_cast %t32 : i32 to index
  %b = arith.index_cast %b32 : i32 to index
  %c256 = arith.constant 256 : index
  %base = arith.muli %b, %c256 : index
  %i = arith.addi %base, %t : index
  %at = arith.muli %i, %c4 : index
  %v = vector.load %x[%at] {alignment = 16 : i64} : memref<4096xf32, strided<[1]>>, vector<4xf32>
  %e = math.exp %v : vector<4xf32>
  vector.store %e, %y[%at] {alignment = 16 : i64} : memref<4096xf32, strided<[1]>>, vector<4xf32>
  return
}
