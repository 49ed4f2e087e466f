// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --dlc-test-build-tile-kernels --dlc-lower-tile-pipelines --dlc-assign-tile-layouts=max-shared-bytes=232448 \
// RUN:   --dlc-convert-tile-to-nvvm | FileCheck %s

// 200 registers of a thread: two warps for each of four schedulers, although the
// registers of all would do for ten.
// CHECK: llvm.func @attention({{.*}} nvvm.minctasm = 4 : i32, nvvm.reqntid = array<i32: 64, 1, 1>
module attributes {tile.test_kernels = [{kind = "attention", name = "attention", element = bf16, result = bf16, batch = 1, heads = 1, shared = 1,
  rows = 8, keys = 8, head = 128, value_head = 128,
  schedule = #tile.attention_schedule<queries = 32, keys = 48, stages = 3, warps = 2, bulk = true>}]} {}
