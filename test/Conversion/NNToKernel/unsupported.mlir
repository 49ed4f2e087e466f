// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s -split-input-file -verify-diagnostics -dlc-form-dispatches -dlc-outline-kernels

func.func @element_type(%x: tensor<4xf8E8M0FNU>) -> tensor<4xf32> {
  // expected-error @+1 {{unsupported: 'nn.cast' on elements of type f8E8M0FNU}}
  %0 = nn.cast %x : tensor<4xf8E8M0FNU> -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

func.func @hidden_size(%x: tensor<7x2x3xf32>, %w: tensor<1x?x3xf32>, %r: tensor<1x?x?xf32>)
    -> tensor<7x1x2x?xf32> {
  // expected-error @+1 {{unsupported: 'nn.recurrence' of a hidden size that only the run knows}}
  %0:3 = nn.rnn lstm forward (%x, %w, %r) : tensor<7x2x3xf32>, tensor<1x?x3xf32>,
    tensor<1x?x?xf32> -> tensor<7x1x2x?xf32>, tensor<1x2x?xf32>, tensor<1x2x?xf32>
  return %0#0 : tensor<7x1x2x?xf32>
}

// -----

func.func @head_size(%q: tensor<2x7x8xf32>, %k: tensor<2x9x8xf32>, %v: tensor<2x9x?xf32>)
    -> tensor<2x7x?xf32> {
  // expected-error @+1 {{unsupported: 'nn.attention' of a head size that only the run knows}}
  %0 = nn.attention %q, %k, %v scale 1.0
    maps [affine_map<(b, h, g, m, n, d, e) -> (b, m, d)>, affine_map<(b, h, g, m, n, d, e) -> (b, n, d)>,
          affine_map<(b, h, g, m, n, d, e) -> (b, n, e)>, affine_map<(b, h, g, m, n, d, e) -> (b, m, e)>]
    score {} mask {}
    : tensor<2x7x8xf32>, tensor<2x9x8xf32>, tensor<2x9x?xf32> -> tensor<2x7x?xf32>
  return %0 : tensor<2x7x?xf32>
}
