// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Wide heads in tf32 find no room in 99 KiB of shared memory: CUDA cores compute them.
// RUN: dlc-opt %s -dlc-form-dispatches -dlc-schedule-gpu-kernels -dlc-outline-gpu-kernels -verify-diagnostics | FileCheck %s
// RUN: dlc-opt %s -dlc-form-dispatches -dlc-schedule-gpu-kernels=portable-shared-bytes=166912 -dlc-outline-gpu-kernels | FileCheck %s --check-prefix=ROOM

// CHECK-LABEL: func.func @attention
// CHECK: func.func @attention_0
// ROOM-LABEL: func.func @attention
// ROOM: tile.kernel @attention_0
func.func @attention(%q: tensor<50x256xf32>, %k: tensor<50x256xf32>, %v: tensor<50x256xf32>) -> tensor<50x256xf32> {
  // expected-remark @+1 {{computed without tensor cores: no schedule fits}}
  %0 = nn.attention %q, %k, %v scale 1.250000e-01 maps [affine_map<(b, h, g, m, n, d, e) -> (m, d)>, affine_map<(b, h, g, m, n, d, e) -> (n, d)>, affine_map<(b, h, g, m, n, d, e) -> (n, e)>, affine_map<(b, h, g, m, n, d, e) -> (m, e)>] attributes {nn.product_type = tf32} score {
  } mask {
  } : tensor<50x256xf32>, tensor<50x256xf32>, tensor<50x256xf32> -> tensor<50x256xf32>
  return %0 : tensor<50x256xf32>
}
