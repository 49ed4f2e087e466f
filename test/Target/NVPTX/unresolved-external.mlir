// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a kernel calls must be in its module: no library is linked.
// RUN: not dlc-opt %s --dlc-emit-ptx=arch=sm_80 2>&1 | FileCheck %s
// RUN: not dlc-opt %s --dlc-emit-ptx=arch=sm_81 2>&1 | FileCheck %s --check-prefix=ARCH

// CHECK: error: unresolved external 'helper' in GPU code
// ARCH: error: unknown GPU architecture 'sm_81', expected one of: sm_80, sm_86
llvm.func @helper(f32) -> f32
llvm.func @kernel(%p: !llvm.ptr) attributes {nvvm.kernel} {
  %x = llvm.load %p : !llvm.ptr -> f32
  %y = llvm.call @helper(%x) : (f32) -> f32
  llvm.store %y, %p : f32, !llvm.ptr
  llvm.return
}
