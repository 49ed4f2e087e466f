// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --pass-pipeline='builtin.module(dlc-recognize-attention)' --split-input-file | FileCheck %s
// RUN: dlc-opt %s --pass-pipeline='builtin.module(dlc-recognize-attention)' --split-input-file --remark-format=emitRemark --remarks-filter='dlc-.*' 2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK

#qk = affine_map<(b, m, n, d) -> (b, m, d)>
#kn = affine_map<(b, m, n, d) -> (b, n, d)>
#s = affine_map<(b, m, n, d) -> (b, m, n)>
#p = affine_map<(b, m, e, n) -> (b, m, n)>
#v = affine_map<(b, m, e, n) -> (b, n, e)>
#o = affine_map<(b, m, e, n) -> (b, m, e)>

// REMARK: kept softmax and contractions apart: scores or probabilities have other users
// CHECK-LABEL: @probabilities_returned
// CHECK: nn.softmax
func.func @probabilities_returned(%q: tensor<2x5x4xf32>, %k: tensor<2x5x4xf32>, %v: tensor<2x5x4xf32>) -> (tensor<2x5x4xf32>, tensor<2x5x5xf32>) {
  %scores = nn.contract %q, %k maps [#qk, #kn, #s] : tensor<2x5x4xf32>, tensor<2x5x4xf32> -> tensor<2x5x5xf32>
  %p = nn.softmax %scores axes [2] : tensor<2x5x5xf32> -> tensor<2x5x5xf32>
  %r = nn.contract %p, %v maps [#p, #v, #o] : tensor<2x5x5xf32>, tensor<2x5x4xf32> -> tensor<2x5x4xf32>
  return %r, %p : tensor<2x5x4xf32>, tensor<2x5x5xf32>
}

// -----

#qk = affine_map<(b, m, n, d) -> (b, m, d)>
#kn = affine_map<(b, m, n, d) -> (b, n, d)>
#s = affine_map<(b, m, n, d) -> (b, m, n)>
#p = affine_map<(b, m, e, n) -> (b, m, n)>
#v = affine_map<(b, m, e, n) -> (b, n, e)>
#o = affine_map<(b, m, e, n) -> (b, m, e)>

// A softmax over the rows normalises another sum than the one taken.
// REMARK: kept softmax and contractions apart: the second contraction does not sum over the keys
// CHECK-LABEL: @softmax_over_rows
// CHECK: nn.softmax
func.func @softmax_over_rows(%q: tensor<2x5x4xf32>, %k: tensor<2x5x4xf32>, %v: tensor<2x5x4xf32>) -> tensor<2x5x4xf32> {
  %scores = nn.contract %q, %k maps [#qk, #kn, #s] : tensor<2x5x4xf32>, tensor<2x5x4xf32> -> tensor<2x5x5xf32>
  %p = nn.softmax %scores axes [1] : tensor<2x5x5xf32> -> tensor<2x5x5xf32>
  %r = nn.contract %p, %v maps [#p, #v, #o] : tensor<2x5x5xf32>, tensor<2x5x4xf32> -> tensor<2x5x4xf32>
  return %r : tensor<2x5x4xf32>
}

// -----

#qk = affine_map<(b, m, n, d) -> (b, m, d)>
#kn = affine_map<(b, m, n, d) -> (b, n, d)>
#s = affine_map<(b, m, n, d) -> (b, m, n)>
#p = affine_map<(b, m, e, n) -> (b, m, n)>
#v = affine_map<(b, m, e, n) -> (b, n, e)>
#o = affine_map<(b, m, e, n) -> (b, m, e)>

// A softmax over heads or batches.
// REMARK: kept softmax and contractions apart: softmax runs over a dim of query and key
// CHECK-LABEL: @softmax_over_batch
// CHECK: nn.softmax
func.func @softmax_over_batch(%q: tensor<2x5x4xf32>, %k: tensor<2x5x4xf32>, %v: tensor<2x5x4xf32>) -> tensor<2x5x4xf32> {
  %scores = nn.contract %q, %k maps [#qk, #kn, #s] : tensor<2x5x4xf32>, tensor<2x5x4xf32> -> tensor<2x5x5xf32>
  %p = nn.softmax %scores axes [0] : tensor<2x5x5xf32> -> tensor<2x5x5xf32>
  %r = nn.contract %p, %v maps [#p, #v, #o] : tensor<2x5x5xf32>, tensor<2x5x4xf32> -> tensor<2x5x4xf32>
  return %r : tensor<2x5x4xf32>
}

// -----

#qk = affine_map<(b, m, n, d) -> (b, m, d)>
#kn = affine_map<(b, m, n, d) -> (b, n, d)>
#s = affine_map<(b, m, n, d) -> (b, m, n)>
#p = affine_map<(b, m, e, n) -> (b, m, n)>
#v = affine_map<(b, m, e, n) -> (b, n, e)>
#o = affine_map<(b, m, e, n) -> (b, m, e)>

// A mask that is multiplied after softmax changes the numerator only.
// CHECK-LABEL: @mask_after_softmax
// CHECK: nn.softmax
// CHECK: nn.elementwise mul
func.func @mask_after_softmax(%q: tensor<2x5x4xf32>, %k: tensor<2x5x4xf32>, %v: tensor<2x5x4xf32>, %mask: tensor<1x5x5xf32>) -> tensor<2x5x4xf32> {
  %scores = nn.contract %q, %k maps [#qk, #kn, #s] : tensor<2x5x4xf32>, tensor<2x5x4xf32> -> tensor<2x5x5xf32>
  %p = nn.softmax %scores axes [2] : tensor<2x5x5xf32> -> tensor<2x5x5xf32>
  %masked = nn.elementwise mul(%p, %mask) : (tensor<2x5x5xf32>, tensor<1x5x5xf32>) -> tensor<2x5x5xf32>
  %r = nn.contract %masked, %v maps [#p, #v, #o] : tensor<2x5x5xf32>, tensor<2x5x4xf32> -> tensor<2x5x4xf32>
  return %r : tensor<2x5x4xf32>
}

// -----

#qk = affine_map<(b, m, n, d) -> (b, m, d)>
#kn = affine_map<(b, m, n, d) -> (b, n, d)>
#s = affine_map<(b, m, n, d) -> (b, m, n)>
#p = affine_map<(b, m, e, n) -> (b, m, n)>
#v = affine_map<(b, m, e, n) -> (b, n, e)>
#o = affine_map<(b, m, e, n) -> (b, m, e)>

// A factor of the key's place is no scale, but a score.
// CHECK-LABEL: @factor_of_the_key
// CHECK: nn.attention %{{.+}} score_inputs(%{{.+}} : tensor<5xf32>) scale 1.000000e+00
// CHECK: arith.mulf
func.func @factor_of_the_key(%q: tensor<2x5x4xf32>, %k: tensor<2x5x4xf32>, %v: tensor<2x5x4xf32>, %factor: tensor<1x1x5xf32>) -> tensor<2x5x4xf32> {
  %scores = nn.contract %q, %k maps [#qk, #kn, #s] : tensor<2x5x4xf32>, tensor<2x5x4xf32> -> tensor<2x5x5xf32>
  %scaled = nn.elementwise mul(%scores, %factor) : (tensor<2x5x5xf32>, tensor<1x1x5xf32>) -> tensor<2x5x5xf32>
  %p = nn.softmax %scaled axes [2] : tensor<2x5x5xf32> -> tensor<2x5x5xf32>
  %r = nn.contract %p, %v maps [#p, #v, #o] : tensor<2x5x5xf32>, tensor<2x5x4xf32> -> tensor<2x5x4xf32>
  return %r : tensor<2x5x4xf32>
}

// -----

#qk = affine_map<(b, m, n, d) -> (b, m, d)>
#kn = affine_map<(b, m, n, d) -> (b, n, d)>
#s = affine_map<(b, m, n, d) -> (b, m, n)>
#p = affine_map<(b, m, e, n) -> (b, m, n)>
#v = affine_map<(b, m, e, n) -> (b, n, e)>
#o = affine_map<(b, m, e, n) -> (b, m, e)>

// A soft cap behind a mask would make hidden keys visible again.
// REMARK: kept softmax and contractions apart: 'tanh' between scores and softmax has no region form
// CHECK-LABEL: @cap_behind_mask
// CHECK: nn.softmax
func.func @cap_behind_mask(%q: tensor<2x5x4xf32>, %k: tensor<2x5x4xf32>, %v: tensor<2x5x4xf32>, %shown: tensor<1x5x5xi1>) -> tensor<2x5x4xf32> {
  %hidden = arith.constant dense<0xFF800000> : tensor<1x1x1xf32>
  %scores = nn.contract %q, %k maps [#qk, #kn, #s] : tensor<2x5x4xf32>, tensor<2x5x4xf32> -> tensor<2x5x5xf32>
  %masked = nn.elementwise select(%shown, %scores, %hidden) : (tensor<1x5x5xi1>, tensor<2x5x5xf32>, tensor<1x1x1xf32>) -> tensor<2x5x5xf32>
  %capped = nn.elementwise tanh(%masked) : (tensor<2x5x5xf32>) -> tensor<2x5x5xf32>
  %p = nn.softmax %capped axes [2] : tensor<2x5x5xf32> -> tensor<2x5x5xf32>
  %r = nn.contract %p, %v maps [#p, #v, #o] : tensor<2x5x5xf32>, tensor<2x5x4xf32> -> tensor<2x5x4xf32>
  return %r : tensor<2x5x4xf32>
}

// -----

#qk = affine_map<(b, m, n, d) -> (b, m, d)>
#kn = affine_map<(b, m, n, d) -> (b, n, d)>
#s = affine_map<(b, m, n, d) -> (b, m, n)>
#p = affine_map<(b, m, e, n) -> (b, m, n)>
#v = affine_map<(b, m, e, n) -> (b, n, e)>
#o = affine_map<(b, m, e, n) -> (b, m, e)>

// f16's lowest number is no -inf: a row of it alone is a softmax of the scores.
// CHECK-LABEL: @lowest_f16_is_a_score
// CHECK: nn.attention %{{.+}} score_inputs(%{{.+}} : tensor<5x5xi1>)
// CHECK: arith.select %{{.+}}, %{{.+}}, %{{.+}} : f32
// CHECK: } mask {
// CHECK-NEXT: }
func.func @lowest_f16_is_a_score(%q: tensor<2x5x4xf16>, %k: tensor<2x5x4xf16>, %v: tensor<2x5x4xf16>, %shown: tensor<1x5x5xi1>) -> tensor<2x5x4xf16> {
  %lowest = arith.constant dense<-65504.0> : tensor<1x1x1xf16>
  %scores = nn.contract %q, %k maps [#qk, #kn, #s] : tensor<2x5x4xf16>, tensor<2x5x4xf16> -> tensor<2x5x5xf16>
  %masked = nn.elementwise select(%shown, %scores, %lowest) : (tensor<1x5x5xi1>, tensor<2x5x5xf16>, tensor<1x1x1xf16>) -> tensor<2x5x5xf16>
  %p = nn.softmax %masked axes [2] : tensor<2x5x5xf16> -> tensor<2x5x5xf16>
  %r = nn.contract %p, %v maps [#p, #v, #o] : tensor<2x5x5xf16>, tensor<2x5x4xf16> -> tensor<2x5x4xf16>
  return %r : tensor<2x5x4xf16>
}
