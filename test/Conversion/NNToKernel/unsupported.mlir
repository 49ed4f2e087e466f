// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s -split-input-file -verify-diagnostics -dlc-form-dispatches -dlc-outline-kernels

func.func @element_type(%x: tensor<4xf8E8M0FNU>) -> tensor<4xf32> {
  // expected-error @+1 {{unsupported: 'nn.cast' on elements of type 'f8E8M0FNU' on the CPU}}
  %0 = nn.cast %x : tensor<4xf8E8M0FNU> -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

func.func @hidden_size(%x: tensor<7x2x3xf32>, %w: tensor<1x?x3xf32>, %r: tensor<1x?x?xf32>)
    -> tensor<7x1x2x?xf32> {
  // expected-error @+1 {{unsupported: 'nn.rnn' of a hidden size that only the run knows}}
  %0:3 = nn.rnn lstm forward (%x, %w, %r) : tensor<7x2x3xf32>, tensor<1x?x3xf32>,
    tensor<1x?x?xf32> -> tensor<7x1x2x?xf32>, tensor<1x2x?xf32>, tensor<1x2x?xf32>
  return %0#0 : tensor<7x1x2x?xf32>
}

// -----

func.func @activation(%x: tensor<7x2x3xf32>, %w: tensor<1x8x3xf32>, %r: tensor<1x8x8xf32>)
    -> tensor<7x1x2x8xf32> {
  // expected-error @+1 {{unsupported: activation "gelu" of 'nn.rnn'}}
  %0:3 = nn.rnn rnn forward (%x, %w, %r) {activations = ["gelu"]} : tensor<7x2x3xf32>,
    tensor<1x8x3xf32>, tensor<1x8x8xf32> -> tensor<7x1x2x8xf32>, tensor<1x2x8xf32>,
    tensor<1x2x8xf32>
  return %0#0 : tensor<7x1x2x8xf32>
}
