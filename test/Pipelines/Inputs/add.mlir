// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// y = (x + [1, 2, 3, 4]) * 2, as the codegen phase takes it.
module {
  builtin.module @kernels {
    func.func @add(%a: memref<f32> {llvm.noalias}, %b: memref<f32> {llvm.noalias}, %y: memref<f32> {llvm.noalias}, %n: index, %begin: index, %end: index, %scratch: !llvm.ptr) attributes {dlc.kernel} {
      %c1 = arith.constant 1 : index
      %av = memref.reinterpret_cast %a to offset: [0], sizes: [%n], strides: [1] : memref<f32> to memref<?xf32>
      %bv = memref.reinterpret_cast %b to offset: [0], sizes: [%n], strides: [1] : memref<f32> to memref<?xf32>
      %yv = memref.reinterpret_cast %y to offset: [0], sizes: [%n], strides: [1] : memref<f32> to memref<?xf32>
      scf.for %i = %begin to %end step %c1 {
        %0 = memref.load %av[%i] : memref<?xf32>
        %1 = memref.load %bv[%i] : memref<?xf32>
        %2 = arith.addf %0, %1 : f32
        memref.store %2, %yv[%i] : memref<?xf32>
      }
      return
    }
  }
  func.func @main(%x: tensor<4xf32> {nn.name = "x"}) -> (tensor<4xf32> {nn.name = "y"}) {
    %c4 = arith.constant 4 : index
    %w = arith.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
    %a = rt.dispatch @add(%x, %w) sizes(%c4) items(%c4) work(%c4) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32> loc("first")
    %y = rt.dispatch @add(%a, %a) sizes(%c4) items(%c4) work(%c4) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32> loc("second")
    return %y : tensor<4xf32>
  }
}
