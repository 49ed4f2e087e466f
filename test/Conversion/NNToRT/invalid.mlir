// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s -split-input-file -verify-diagnostics -dlc-convert-nn-to-rt

func.func @tensor_op(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @below {{expected nothing but dispatches, reshapes, params and host reads}}
  %y = nn.elementwise neg(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

func.func @symbol_of_no_input(%x: tensor<4xf32>) -> tensor<?xf32> {
  // expected-error @below {{expected a dim of an input to be 'n'}}
  %n = nn.sym_dim "n"
  %y = rt.dispatch @k(%x) result_sizes(%n) items(%n) work(%n) : (tensor<4xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// -----

// expected-error @below {{expected one function of one block, got 0}}
builtin.module {
}
