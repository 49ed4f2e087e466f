// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Few long rows are reduced in two stages.
// RUN: dlc-opt %s -split-input-file -dlc-split-reductions | FileCheck %s
// RUN: dlc-opt %s -split-input-file -dlc-split-reductions=cluster-blocks=8 | FileCheck %s --check-prefix=CLUSTER
// RUN: dlc-opt %s -split-input-file -dlc-split-reductions --remark-format=emitRemark --remarks-filter='dlc-.*' 2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK

// The squares are computed in the new shape, so that they stay in the kernel.
// CHECK-LABEL: func.func @whole
// CHECK-NOT: nn.elementwise mul{{.+}} -> tensor<1048576xf32>
// CHECK: %[[X:.+]] = nn.reshape %{{.+}} : tensor<1048576xf32> -> tensor<512x2048xf32>
// CHECK: %[[SQUARES:.+]] = nn.elementwise mul(%[[X]], %{{.+}}) : {{.+}} -> tensor<512x2048xf32>
// CHECK: %[[PARTS:.+]] = nn.reduce sum(%[[SQUARES]]) axes [1] : tensor<512x2048xf32> -> tensor<512xf32>
// CHECK: nn.reduce sum(%[[PARTS]]) axes [0] : tensor<512xf32> -> tensor<f32>
func.func @whole(%x: tensor<1048576xf32>, %y: tensor<1048576xf32>) -> tensor<f32> {
  %m = nn.elementwise mul(%x, %y) : (tensor<1048576xf32>, tensor<1048576xf32>) -> tensor<1048576xf32>
  %r = nn.reduce sum(%m) axes [0] : tensor<1048576xf32> -> tensor<f32>
  return %r : tensor<f32>
}

// -----

// 64 rows side by side are two blocks: the outer dim is split. The operand that
// repeats along it does so along both halves.
// CHECK-LABEL: func.func @rows_side_by_side
// CHECK: nn.reshape %{{.+}} : tensor<1x64xf32> -> tensor<1x1x64xf32>
// CHECK: %[[PARTS:.+]] = nn.reduce max(%{{.+}}) axes [1] : tensor<256x256x64xf32> -> tensor<256x64xf32>
// CHECK: nn.reduce max(%[[PARTS]]) axes [0] : tensor<256x64xf32> -> tensor<64xf32>
func.func @rows_side_by_side(%x: tensor<65536x64xf32>, %bias: tensor<1x64xf32>) -> tensor<64xf32> {
  %m = nn.elementwise add(%x, %bias) : (tensor<65536x64xf32>, tensor<1x64xf32>) -> tensor<65536x64xf32>
  %r = nn.reduce max(%m) axes [0] : tensor<65536x64xf32> -> tensor<64xf32>
  return %r : tensor<64xf32>
}

// -----

// The partial results of bf16 are f32, in which it accumulates.
// CHECK-LABEL: func.func @narrow
// CHECK: nn.cast %{{.+}} : tensor<128x2048xbf16> -> tensor<128x2048xf32>
// CHECK: nn.reduce mean({{.+}} -> tensor<128xf32>
// CHECK: %[[R:.+]] = nn.reduce mean({{.+}} -> tensor<f32>
// CHECK: nn.cast %[[R]] : tensor<f32> -> tensor<bf16>
func.func @narrow(%x: tensor<262144xbf16>) -> tensor<bf16> {
  %r = nn.reduce mean(%x) axes [0] : tensor<262144xbf16> -> tensor<bf16>
  return %r : tensor<bf16>
}

// -----

// Rows enough, or short ones.
// CHECK-LABEL: func.func @busy
// CHECK-NOT: nn.reshape
func.func @busy(%x: tensor<64x65536xf32>, %y: tensor<2048xf32>) -> (tensor<64xf32>, tensor<f32>) {
  %r = nn.reduce sum(%x) axes [1] : tensor<64x65536xf32> -> tensor<64xf32>
  %s = nn.reduce sum(%y) axes [0] : tensor<2048xf32> -> tensor<f32>
  return %r, %s : tensor<64xf32>, tensor<f32>
}

// -----

// A block keeps the rows for the division. Where it cannot, the cast is no
// reason to write the rows in f32.
// CHECK-LABEL: func.func @goes_back
// CHECK: nn.reduce sum(%{{.+}}) axes [1] : tensor<3x20000xf32> -> tensor<3xf32>
// CHECK: %[[PARTED:.+]] = nn.reshape %{{.+}} : tensor<3x60000xf16> ->
// CHECK: nn.cast %[[PARTED]]
// REMARK: kept one stage: rows of 20000 elements are kept for their results
// CLUSTER-LABEL: func.func @goes_back
// CLUSTER-NOT: nn.reshape {{.+}} : tensor<3x60000xf16>
// CLUSTER: return
func.func @goes_back(%x: tensor<3x20000xf32>, %y: tensor<3x60000xf16>) -> (tensor<3x20000xf32>, tensor<3x60000xf32>) {
  %sum = nn.reduce sum(%x) axes [1] : tensor<3x20000xf32> -> tensor<3xf32>
  %kept = nn.reshape %sum[] : tensor<3xf32> -> tensor<3x1xf32>
  %r = nn.elementwise div(%x, %kept) : (tensor<3x20000xf32>, tensor<3x1xf32>) -> tensor<3x20000xf32>
  %wide = nn.cast %y : tensor<3x60000xf16> -> tensor<3x60000xf32>
  %max = nn.reduce max(%wide) axes [1] : tensor<3x60000xf32> -> tensor<3xf32>
  %top = nn.reshape %max[] : tensor<3xf32> -> tensor<3x1xf32>
  %s = nn.elementwise sub(%wide, %top) : (tensor<3x60000xf32>, tensor<3x1xf32>) -> tensor<3x60000xf32>
  return %r, %s : tensor<3x20000xf32>, tensor<3x60000xf32>
}

// -----

// REMARK: kept one stage: an index has no partial result
// REMARK: kept one stage: no dim of 1000003 elements has a fitting divisor
func.func @declined(%x: tensor<1048576xf32>, %y: tensor<1000003xf32>) -> (tensor<i64>, tensor<f32>) {
  %r = nn.reduce argmax(%x) axes [0] : tensor<1048576xf32> -> tensor<i64>
  %s = nn.reduce sum(%y) axes [0] : tensor<1000003xf32> -> tensor<f32>
  return %r, %s : tensor<i64>, tensor<f32>
}
