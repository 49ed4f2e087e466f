// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --pass-pipeline='builtin.module(dlc-lower-to-cpu{cpu=x86-64-v3})' --split-input-file --verify-diagnostics

// Kernels have scratch and an arena; a heap allocation is an error.
func.func @allocates(%begin: index, %end: index, %scratch: !llvm.ptr) attributes {dlc.kernel} {
  // expected-error@+1 {{failed to legalize operation 'memref.alloc'}}
  %0 = memref.alloc() : memref<4xf32>
  return
}

// -----

func.func @tensors_left(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{expected memref operands only at this point}}
  %0 = linalg.add ins(%x, %x : tensor<4xf32>, tensor<4xf32>) outs(%y : tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
