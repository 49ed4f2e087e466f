// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s | dlc-opt | FileCheck %s

module {
  builtin.module @kernels {
    // Two buffers, a size, two maps, the scratch.
    func.func private @copy(memref<f16>, memref<f16>, index, !llvm.ptr, !llvm.ptr, !llvm.ptr)
  }

  // CHECK-LABEL: func @dispatch
  // CHECK: rt.dispatch @copy({{.*}}) sizes(%[[M:[a-z0-9]+]]) {{.*}} scratch(%[[M]])
  // CHECK-SAME: maps [
  // CHECK-SAME: #rt.tensor_map<buffer = 0, element_bytes = 2, swizzle_bytes = 64, sizes = [512, ?], strides = [1024], box = [32, 16]>,
  // CHECK-SAME: #rt.tensor_map<buffer = 1, element_bytes = 4, swizzle_bytes = 0, sizes = [?, 4, ?], strides = [?, 64], box = [4, 256, 1]>
  // CHECK-SAME: ](%[[M]], %[[K:[a-z0-9]+]], %[[M]], %[[STRIDE:[a-z0-9]+]]) {threads = 128 : i64}
  func.func @dispatch(%x: tensor<?x512xf16>, %m: index, %k: index, %stride: index) -> tensor<4x4xf16> {
    %y = rt.dispatch @copy(%x) sizes(%m) items(%m) work(%m) scratch(%m) maps [
        #rt.tensor_map<buffer = 0, element_bytes = 2, swizzle_bytes = 64, sizes = [512, ?], strides = [1024],
                       box = [32, 16]>,
        #rt.tensor_map<buffer = 1, element_bytes = 4, swizzle_bytes = 0, sizes = [?, 4, ?], strides = [?, 64],
                       box = [4, 256, 1]>] (%m, %k, %m, %stride) {threads = 128} : (tensor<?x512xf16>) -> tensor<4x4xf16>
    return %y : tensor<4x4xf16>
  }

  // Without values, there are no parentheses.
  // CHECK-LABEL: rt.program @launch
  // CHECK: rt.launch @copy
  // CHECK-SAME: maps [#rt.tensor_map<buffer = 0, element_bytes = 1, swizzle_bytes = 128, sizes = [0, 1, 2, 3, 4], strides = [16, 32, 48, 64], box = [128, 1, 1, 1, 1]>]
  // CHECK-SAME: {threads = 32 : i64}
  // CHECK: rt.launch @copy
  // CHECK-SAME: sizes = [8, ?]
  // CHECK-SAME: ](%{{[0-9]+}}) {threads = 32 : i64}
  rt.program @launch weights 0 on_device {
    rt.input "x" : tensor<4xf32> []
    rt.run {
      %n = rt.input_dim 0[0]
      %x = rt.input_address 0
      rt.launch @copy(%x) items(%n) work(%n) maps [
          #rt.tensor_map<buffer = 0, element_bytes = 1, swizzle_bytes = 128, sizes = [0, 1, 2, 3, 4],
                         strides = [16, 32, 48, 64], box = [128, 1, 1, 1, 1]>] {threads = 32 : i64}
      rt.launch @copy(%x) items(%n) work(%n) maps [
          #rt.tensor_map<buffer = 0, element_bytes = 2, swizzle_bytes = 0, sizes = [8, ?], strides = [16],
                         box = [8, 8]>] (%n) {threads = 32 : i64}
    }
  }
}
