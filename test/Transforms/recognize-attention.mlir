// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --pass-pipeline='builtin.module(dlc-simplify-elementwise,dlc-simplify-views,dlc-recognize-attention,canonicalize,cse)' --split-input-file | FileCheck %s

#qk = affine_map<(b, h, m, n, d) -> (b, h, m, d)>
#kt = affine_map<(b, h, m, n, d) -> (b, h, d, n)>
#s = affine_map<(b, h, m, n, d) -> (b, h, m, n)>
#p = affine_map<(b, h, m, e, n) -> (b, h, m, n)>
#v = affine_map<(b, h, m, e, n) -> (b, h, n, e)>
#o = affine_map<(b, h, m, e, n) -> (b, h, m, e)>

// As BERT comes out of an exporter: K by a detour over three dims, the scale's
// root on both factors, a padding mask added, a guard against NaN.
// CHECK-DAG: #[[$Q:.+]] = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d3, d1, d5)>
// CHECK-DAG: #[[$K:.+]] = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d4, d1, d5)>
// CHECK-DAG: #[[$V:.+]] = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d4, d1, d6)>
// CHECK-DAG: #[[$O:.+]] = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d3, d1, d6)>
// CHECK-DAG: #[[$MASK:.+]] = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d4)>
// CHECK-LABEL: @bert
// CHECK-SAME: (%[[Q:.+]]: tensor<2x5x3x4xf32>, %[[K:.+]]: tensor<2x5x3x4xf32>, %[[V:.+]]: tensor<2x5x3x4xf32>, %[[SHOWN:.+]]: tensor<2x1x1x5xi1>)
// CHECK: %[[ROW:.+]] = nn.reshape %[[SHOWN]][] : tensor<2x1x1x5xi1> -> tensor<2x5xi1>
// CHECK: %[[O:.+]] = nn.attention %[[Q]], %[[K]], %[[V]] mask_inputs(%[[ROW]] : tensor<2x5xi1>) scale 2.500000e-01 maps [#[[$Q]], #[[$K]], #[[$V]], #[[$O]], #[[$MASK]]]
// CHECK-SAME: empty_row = #nn<empty_row average>, nan_row = #nn<nan_row zero>
// CHECK-SAME: score {
// CHECK-NEXT: } mask {
// CHECK: nn.yield %{{.+}} : i1
// CHECK: nn.reshape %[[O]][] : tensor<2x5x3x4xf32> -> tensor<2x5x12xf32>
func.func @bert(%q: tensor<2x5x3x4xf32>, %k: tensor<2x5x3x4xf32>, %v: tensor<2x5x3x4xf32>, %shown: tensor<2x1x1x5xi1>) -> tensor<2x5x12xf32> {
  %root = arith.constant dense<0.5> : tensor<1x1x1x1xf32>
  %zero = arith.constant dense<0.0> : tensor<1x1x1x1xf32>
  %lowest = arith.constant dense<0xFF7FFFFF> : tensor<1x1x1x1xf32>
  %qt = nn.transpose %q [0, 2, 1, 3] : tensor<2x5x3x4xf32> -> tensor<2x3x5x4xf32>
  %qs = nn.elementwise mul(%qt, %root) : (tensor<2x3x5x4xf32>, tensor<1x1x1x1xf32>) -> tensor<2x3x5x4xf32>
  %kt = nn.transpose %k [0, 2, 1, 3] : tensor<2x5x3x4xf32> -> tensor<2x3x5x4xf32>
  %k3 = nn.reshape %kt[] : tensor<2x3x5x4xf32> -> tensor<6x5x4xf32>
  %k3t = nn.transpose %k3 [0, 2, 1] : tensor<6x5x4xf32> -> tensor<6x4x5xf32>
  %k4 = nn.reshape %k3t[] : tensor<6x4x5xf32> -> tensor<2x3x4x5xf32>
  %ks = nn.elementwise mul(%k4, %root) : (tensor<2x3x4x5xf32>, tensor<1x1x1x1xf32>) -> tensor<2x3x4x5xf32>
  %vt = nn.transpose %v [0, 2, 1, 3] : tensor<2x5x3x4xf32> -> tensor<2x3x5x4xf32>
  %scores = nn.contract %qs, %ks maps [#qk, #kt, #s] : tensor<2x3x5x4xf32>, tensor<2x3x4x5xf32> -> tensor<2x3x5x5xf32>
  %bias = nn.elementwise select(%shown, %zero, %lowest) : (tensor<2x1x1x5xi1>, tensor<1x1x1x1xf32>, tensor<1x1x1x1xf32>) -> tensor<2x1x1x5xf32>
  %sum = nn.elementwise add(%scores, %bias) : (tensor<2x3x5x5xf32>, tensor<2x1x1x5xf32>) -> tensor<2x3x5x5xf32>
  %p = nn.softmax %sum axes [3] : tensor<2x3x5x5xf32> -> tensor<2x3x5x5xf32>
  %nan = nn.elementwise is_nan(%p) : (tensor<2x3x5x5xf32>) -> tensor<2x3x5x5xi1>
  %guarded = nn.elementwise select(%nan, %zero, %p) : (tensor<2x3x5x5xi1>, tensor<1x1x1x1xf32>, tensor<2x3x5x5xf32>) -> tensor<2x3x5x5xf32>
  %r = nn.contract %guarded, %vt maps [#p, #v, #o] : tensor<2x3x5x5xf32>, tensor<2x3x5x4xf32> -> tensor<2x3x5x4xf32>
  %rt = nn.transpose %r [0, 2, 1, 3] : tensor<2x3x5x4xf32> -> tensor<2x5x3x4xf32>
  %flat = nn.reshape %rt[] : tensor<2x5x3x4xf32> -> tensor<2x5x12xf32>
  return %flat : tensor<2x5x12xf32>
}

// -----

#qk = affine_map<(b, h, m, n, d) -> (b, h, m, d)>
#kt = affine_map<(b, h, m, n, d) -> (b, h, d, n)>
#s = affine_map<(b, h, m, n, d) -> (b, h, m, n)>
#p = affine_map<(b, h, m, e, n) -> (b, h, m, n)>
#v = affine_map<(b, h, m, e, n) -> (b, h, n, e)>
#o = affine_map<(b, h, m, e, n) -> (b, h, m, e)>

// As GPT-2: a constant table of 0 and the lowest number is n <= m.
// CHECK-LABEL: @constant_causal_table
// CHECK: nn.attention %{{.+}}, %{{.+}}, %{{.+}} scale 1.250000e-01
// CHECK: mask {
// CHECK-NEXT: ^bb0(%{{.+}}: index, %{{.+}}: index, %{{.+}}: index, %[[M:.+]]: index, %[[N:.+]]: index):
// CHECK-NEXT: %[[SEEN:.+]] = arith.cmpi sle, %[[N]], %[[M]] : index
// CHECK-NEXT: nn.yield %[[SEEN]] : i1
func.func @constant_causal_table(%q: tensor<2x3x3x4xf32>, %k: tensor<2x3x4x3xf32>, %v: tensor<2x3x3x4xf32>) -> tensor<2x3x3x4xf32> {
  %eight = arith.constant dense<8.0> : tensor<1x1x1x1xf32>
  %table = arith.constant dense<[[[[0.0, 0xFF7FFFFF, 0xFF7FFFFF], [0.0, 0.0, 0xFF7FFFFF], [0.0, 0.0, 0.0]]]]> : tensor<1x1x3x3xf32>
  %scores = nn.contract %q, %k maps [#qk, #kt, #s] : tensor<2x3x3x4xf32>, tensor<2x3x4x3xf32> -> tensor<2x3x3x3xf32>
  %scaled = nn.elementwise div(%scores, %eight) : (tensor<2x3x3x3xf32>, tensor<1x1x1x1xf32>) -> tensor<2x3x3x3xf32>
  %sum = nn.elementwise add(%table, %scaled) : (tensor<1x1x3x3xf32>, tensor<2x3x3x3xf32>) -> tensor<2x3x3x3xf32>
  %p = nn.softmax %sum axes [3] : tensor<2x3x3x3xf32> -> tensor<2x3x3x3xf32>
  %r = nn.contract %p, %v maps [#p, #v, #o] : tensor<2x3x3x3xf32>, tensor<2x3x3x4xf32> -> tensor<2x3x3x4xf32>
  return %r : tensor<2x3x3x4xf32>
}

// -----

#qk = affine_map<(b, h, m, n, d) -> (b, h, m, d)>
#kt = affine_map<(b, h, m, n, d) -> (b, h, d, n)>
#s = affine_map<(b, h, m, n, d) -> (b, h, m, n)>
#p = affine_map<(b, h, m, e, n) -> (b, h, m, n)>
#v = affine_map<(b, h, m, e, n) -> (b, h, n, e)>
#o = affine_map<(b, h, m, e, n) -> (b, h, m, e)>

// As Llama: K and V repeated for two query heads each, causal by index, sizes of
// the run. The repetition ends up in the maps: no g (d2) in K's.
// CHECK-DAG: #[[$Q:.+]] = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d3, d1, d2, d5)>
// CHECK-DAG: #[[$K:.+]] = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d4, d1, d5)>
// CHECK-LABEL: @grouped_queries
// CHECK-SAME: (%[[Q:.+]]: tensor<?x?x6x4xf32>, %[[K:.+]]: tensor<?x?x3x4xf32>, %[[V:.+]]: tensor<?x?x3x4xf32>)
// CHECK: %[[GROUPS:.+]] = nn.reshape %[[Q]][%{{.+}}, %{{.+}}] : tensor<?x?x6x4xf32> -> tensor<?x?x3x2x4xf32>
// CHECK: nn.attention %[[GROUPS]], %[[K]], %[[V]] scale 1.000000e+00 maps [#[[$Q]], #[[$K]],
// CHECK-NOT: empty_row
// CHECK: arith.cmpi sle, %{{.+}}, %{{.+}} : index
func.func @grouped_queries(%q: tensor<?x?x6x4xf32>, %k: tensor<?x?x3x4xf32>, %v: tensor<?x?x3x4xf32>) -> tensor<?x?x24xf32> {
  %b = nn.sym_dim "B"
  %n = nn.sym_dim "S"
  %c3 = arith.constant 3 : index
  %c4 = arith.constant 4 : index
  %c6 = arith.constant 6 : index
  nn.bind_shape %q[%b, %n, %c6, %c4] : tensor<?x?x6x4xf32>
  nn.bind_shape %k[%b, %n, %c3, %c4] : tensor<?x?x3x4xf32>
  nn.bind_shape %v[%b, %n, %c3, %c4] : tensor<?x?x3x4xf32>
  %hidden = arith.constant dense<0xFF800000> : tensor<1x1x1x1xf32>
  %qt = nn.transpose %q [0, 2, 1, 3] : tensor<?x?x6x4xf32> -> tensor<?x6x?x4xf32>
  %kt = nn.transpose %k [0, 2, 1, 3] : tensor<?x?x3x4xf32> -> tensor<?x3x?x4xf32>
  %k5 = nn.reshape %kt[%b, %n] : tensor<?x3x?x4xf32> -> tensor<?x3x1x?x4xf32>
  %kb = nn.broadcast %k5[%b, %n] : tensor<?x3x1x?x4xf32> -> tensor<?x3x2x?x4xf32>
  %k4 = nn.reshape %kb[%b, %n] : tensor<?x3x2x?x4xf32> -> tensor<?x6x?x4xf32>
  %kd = nn.transpose %k4 [0, 1, 3, 2] : tensor<?x6x?x4xf32> -> tensor<?x6x4x?xf32>
  %vt = nn.transpose %v [0, 2, 1, 3] : tensor<?x?x3x4xf32> -> tensor<?x3x?x4xf32>
  %v5 = nn.reshape %vt[%b, %n] : tensor<?x3x?x4xf32> -> tensor<?x3x1x?x4xf32>
  %vb = nn.broadcast %v5[%b, %n] : tensor<?x3x1x?x4xf32> -> tensor<?x3x2x?x4xf32>
  %v4 = nn.reshape %vb[%b, %n] : tensor<?x3x2x?x4xf32> -> tensor<?x6x?x4xf32>
  %scores = nn.contract %qt, %kd maps [#qk, #kt, #s] : tensor<?x6x?x4xf32>, tensor<?x6x4x?xf32> -> tensor<?x6x?x?xf32>
  %row = nn.iota 2 (%n) : tensor<1x1x?x1xi64>
  %column = nn.iota 3 (%n) : tensor<1x1x1x?xi64>
  %shown = nn.elementwise le(%column, %row) : (tensor<1x1x1x?xi64>, tensor<1x1x?x1xi64>) -> tensor<1x1x?x?xi1>
  %masked = nn.elementwise select(%shown, %scores, %hidden) : (tensor<1x1x?x?xi1>, tensor<?x6x?x?xf32>, tensor<1x1x1x1xf32>) -> tensor<?x6x?x?xf32>
  %p = nn.softmax %masked axes [3] : tensor<?x6x?x?xf32> -> tensor<?x6x?x?xf32>
  %r = nn.contract %p, %v4 maps [#p, #v, #o] : tensor<?x6x?x?xf32>, tensor<?x6x?x4xf32> -> tensor<?x6x?x4xf32>
  %rt = nn.transpose %r [0, 2, 1, 3] : tensor<?x6x?x4xf32> -> tensor<?x?x6x4xf32>
  %flat = nn.reshape %rt[%b, %n] : tensor<?x?x6x4xf32> -> tensor<?x?x24xf32>
  return %flat : tensor<?x?x24xf32>
}

// -----

#qk = affine_map<(b, h, m, n, d) -> (b, h, m, d)>
#kt = affine_map<(b, h, m, n, d) -> (b, h, d, n)>
#s = affine_map<(b, h, m, n, d) -> (b, h, m, n)>
#p = affine_map<(b, h, m, e, n) -> (b, h, m, n)>
#v = affine_map<(b, h, m, e, n) -> (b, h, n, e)>
#o = affine_map<(b, h, m, e, n) -> (b, h, m, e)>

// As Swin: a bias for each head, and a -100 for keys of other windows, added
// after a reshape to windows and back. exp(-100) is not 0: a score, not a mask.
// CHECK-DAG: #[[$BIAS:.+]] = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d1, d3, d4)>
// CHECK-DAG: #[[$WINDOW:.+]] = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d3, d4)>
// CHECK-LABEL: @swin
// CHECK: nn.attention %{{.+}} score_inputs(%{{.+}}, %{{.+}} : tensor<3x2x2xf32>, tensor<8x2x2xf32>) scale 5.000000e-01 maps [{{.+}}, #[[$BIAS]], #[[$WINDOW]]]
// CHECK: score {
// CHECK-NEXT: ^bb0(%[[S:.+]]: f32, %{{.+}}: index, %{{.+}}: index, %{{.+}}: index, %{{.+}}: index, %{{.+}}: index, %[[B:.+]]: f32, %[[W:.+]]: f32):
// CHECK-NEXT: %[[SUM:.+]] = arith.addf %[[S]], %[[B]]
// CHECK-NEXT: arith.addf %[[SUM]], %[[W]]
func.func @swin(%q: tensor<8x3x2x4xf32>, %k: tensor<8x3x4x2xf32>, %v: tensor<8x3x2x4xf32>, %bias: tensor<1x3x2x2xf32>, %windows: tensor<1x8x1x2x2xf32>) -> tensor<8x3x2x4xf32> {
  %half = arith.constant dense<0.5> : tensor<1x1x1x1xf32>
  %qs = nn.elementwise mul(%q, %half) : (tensor<8x3x2x4xf32>, tensor<1x1x1x1xf32>) -> tensor<8x3x2x4xf32>
  %scores = nn.contract %qs, %k maps [#qk, #kt, #s] : tensor<8x3x2x4xf32>, tensor<8x3x4x2xf32> -> tensor<8x3x2x2xf32>
  %0 = nn.elementwise add(%scores, %bias) : (tensor<8x3x2x2xf32>, tensor<1x3x2x2xf32>) -> tensor<8x3x2x2xf32>
  %1 = nn.reshape %0[] : tensor<8x3x2x2xf32> -> tensor<1x8x3x2x2xf32>
  %2 = nn.elementwise add(%1, %windows) : (tensor<1x8x3x2x2xf32>, tensor<1x8x1x2x2xf32>) -> tensor<1x8x3x2x2xf32>
  %3 = nn.reshape %2[] : tensor<1x8x3x2x2xf32> -> tensor<8x3x2x2xf32>
  %p = nn.softmax %3 axes [3] : tensor<8x3x2x2xf32> -> tensor<8x3x2x2xf32>
  %r = nn.contract %p, %v maps [#p, #v, #o] : tensor<8x3x2x2xf32>, tensor<8x3x2x4xf32> -> tensor<8x3x2x4xf32>
  return %r : tensor<8x3x2x4xf32>
}

// -----

// One batch dim of heads and batches merged, as bmm has it.
// CHECK-LABEL: @merged_batch
// CHECK: nn.attention
// CHECK-NOT: nn.softmax
func.func @merged_batch(%q: tensor<6x5x4xf32>, %k: tensor<6x5x4xf32>, %v: tensor<6x5x8xf32>) -> tensor<6x5x8xf32> {
  %scores = nn.contract %q, %k maps [affine_map<(b, m, n, d) -> (b, m, d)>, affine_map<(b, m, n, d) -> (b, n, d)>, affine_map<(b, m, n, d) -> (b, m, n)>] : tensor<6x5x4xf32>, tensor<6x5x4xf32> -> tensor<6x5x5xf32>
  %p = nn.softmax %scores axes [2] : tensor<6x5x5xf32> -> tensor<6x5x5xf32>
  %r = nn.contract %p, %v maps [affine_map<(b, m, e, n) -> (b, m, n)>, affine_map<(b, m, e, n) -> (b, n, e)>, affine_map<(b, m, e, n) -> (b, m, e)>] : tensor<6x5x5xf32>, tensor<6x5x8xf32> -> tensor<6x5x8xf32>
  return %r : tensor<6x5x8xf32>
}

// -----

// Kernels read a bias along the keys, and values along their columns: what lies
// otherwise is transposed first.
// CHECK-LABEL: @rows
// CHECK-SAME: (%[[Q:.+]]: tensor<3x5x4xf32>, %[[K:.+]]: tensor<3x6x4xf32>, %[[V:.+]]: tensor<3x4x6xf32>, %[[BIAS:.+]]: tensor<5x6x3xf32>)
// CHECK-DAG: %[[VT:.+]] = nn.transpose %[[V]] [0, 2, 1]
// CHECK-DAG: %[[BT:.+]] = nn.transpose %[[BIAS]] [{{.+}}] : tensor<5x6x3xf32> -> tensor<[[#]]x[[#]]x6xf32>
// CHECK: nn.attention %[[Q]], %[[K]], %[[VT]] score_inputs(%[[BT]]
func.func @rows(%q: tensor<3x5x4xf32>, %k: tensor<3x6x4xf32>, %v: tensor<3x4x6xf32>, %bias: tensor<5x6x3xf32>) -> tensor<3x5x4xf32> {
  %scores = nn.contract %q, %k maps [affine_map<(b, m, n, d) -> (b, m, d)>, affine_map<(b, m, n, d) -> (b, n, d)>, affine_map<(b, m, n, d) -> (b, m, n)>] : tensor<3x5x4xf32>, tensor<3x6x4xf32> -> tensor<3x5x6xf32>
  %t = nn.transpose %bias [2, 0, 1] : tensor<5x6x3xf32> -> tensor<3x5x6xf32>
  %s = nn.elementwise add(%scores, %t) : (tensor<3x5x6xf32>, tensor<3x5x6xf32>) -> tensor<3x5x6xf32>
  %p = nn.softmax %s axes [2] : tensor<3x5x6xf32> -> tensor<3x5x6xf32>
  %r = nn.contract %p, %v maps [affine_map<(b, m, e, n) -> (b, m, n)>, affine_map<(b, m, e, n) -> (b, e, n)>, affine_map<(b, m, e, n) -> (b, m, e)>] : tensor<3x5x6xf32>, tensor<3x4x6xf32> -> tensor<3x5x4xf32>
  return %r : tensor<3x5x4xf32>
}
