// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --split-input-file --verify-diagnostics
// An invalid twin of each rule of the structure ops.

// expected-error @below {{expected a static source type, got 'tensor<?xf32>'}}
nn.param @param_c1_source : tensor<4xf32> = (#nn.data<"m", offset = 0, bytes = 16>) : tensor<?xf32>

// -----

// expected-error @below {{expected 16 bytes for 'tensor<4xf32>', got 15}}
nn.param @param_bytes : tensor<4xf32> = (#nn.data<"m", offset = 0, bytes = 15>) : tensor<4xf32>

// -----

// expected-error @below {{expected type 'tensor<3x2xf32>' after the transforms, got 'tensor<2x3xf32>'}}
nn.param @param_transforms : tensor<2x3xf32> = (#nn.data<"m", offset = 0, bytes = 24>) : tensor<2x3xf32> transforms [#nn.permute<1, 0>]

// -----

// expected-error @below {{expected a permutation of 2 dims, got #nn.permute<0, 0>}}
nn.param @param_permutation : tensor<2x3xf32> = (#nn.data<"m", offset = 0, bytes = 24>) : tensor<2x3xf32> transforms [#nn.permute<0, 0>]

// -----

func.func @ref_missing() {
  // expected-error @below {{expected a param named 'nothing'}}
  %0 = nn.param_ref @nothing : tensor<4xf32>
  return
}

// -----

nn.param @w : tensor<4xf32> = (#nn.data<"m", offset = 0, bytes = 16>) : tensor<4xf32>

func.func @ref_type() {
  // expected-error @below {{expected the type of 'w', 'tensor<4xf32>', got 'tensor<5xf32>'}}
  %0 = nn.param_ref @w : tensor<5xf32>
  return
}

// -----

func.func @sym_dim_range() {
  // expected-error @below {{expected 0 <= min <= max, got 5 and 4}}
  %0 = nn.sym_dim "n" {min = 5, max = 4}
  return
}

// -----

func.func @sym_dim_divisor() {
  // expected-error @below {{expected a positive divisor, got 0}}
  %0 = nn.sym_dim "n" {divisor = 0}
  return
}

// -----

func.func @bind_shape(%x: tensor<?x4xf32>, %n: index) {
  // expected-error @below {{expected 2 sizes, got 1}}
  nn.bind_shape %x[%n] : tensor<?x4xf32>
  return
}

// -----

func.func @packed_c1(%w: tensor<1x4x48xf32>) {
  // expected-error @below {{expected (groups, K, N) and a positive width, got 'tensor<4x40xf32>' and #nn.pack_panels<48>}}
  %0 = nn.packed %w by [#nn.pack_panels<48>] : tensor<1x4x48xf32> -> tensor<4x40xf32>
  return
}

// -----

func.func @packed_type(%w: tensor<1x4x40xf32>) {
  // expected-error @below {{expected an input of type 'tensor<1x1x4x48xf32>' from the transforms, got 'tensor<1x4x40xf32>'}}
  %0 = nn.packed %w by [#nn.reshape_to<1, 4, 40>, #nn.pack_panels<48>] : tensor<1x4x40xf32> -> tensor<4x40xf32>
  return
}

// -----

func.func @dispatch_no_root(%x: tensor<4xf32>) {
  // expected-error @below {{expected one op marked 'nn.root', got 0}}
  %0 = nn.dispatch(%x) sizes() result_sizes() : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: tensor<4xf32>):
    %1 = nn.elementwise relu(%a) : (tensor<4xf32>) -> tensor<4xf32>
    nn.yield %1 : tensor<4xf32>
  }
  return
}

// -----

func.func @dispatch_arguments(%x: tensor<4xf32>) {
  // expected-error @below {{expected block arguments of the inputs' types and an index per size}}
  %0 = nn.dispatch(%x) sizes() result_sizes() : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: tensor<5xf32>):
    %1 = nn.elementwise relu(%a) {nn.root} : (tensor<5xf32>) -> tensor<5xf32>
    nn.yield %1 : tensor<5xf32>
  }
  return
}

// -----

func.func @dispatch_yield(%x: tensor<4xf32>) {
  // expected-error @below {{expected to yield 1 values of the results' types}}
  %0 = nn.dispatch(%x) sizes() result_sizes() : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: tensor<4xf32>):
    %1 = nn.elementwise relu(%a) {nn.root} : (tensor<4xf32>) -> tensor<4xf32>
    nn.yield
  }
  return
}

// -----

func.func @dispatch_result_sizes(%x: tensor<4xf32>, %n: index) {
  // expected-error @below {{expected 0 result sizes, got 1}}
  %0 = nn.dispatch(%x) sizes() result_sizes(%n) : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: tensor<4xf32>):
    %1 = nn.elementwise relu(%a) {nn.root} : (tensor<4xf32>) -> tensor<4xf32>
    nn.yield %1 : tensor<4xf32>
  }
  return
}

// -----

// expected-error @below {{expected 1, 2, 4 or 8 blocks, got 3}}
func.func private @row_schedule_blocks() attributes {a = #nn.row_schedule<blocks = 3, kept_bytes = 0>}

// -----

// expected-error @below {{expected kept_bytes to be a multiple of 16, got 8}}
func.func private @row_schedule_bytes() attributes {a = #nn.row_schedule<blocks = 1, kept_bytes = 8>}
