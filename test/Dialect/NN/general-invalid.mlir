// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --split-input-file --verify-diagnostics

func.func @elementwise_c1_rank(%x: tensor<2x3xf32>, %y: tensor<3xf32>) {
  // expected-error @below {{expected 'operand 1' of rank 2, got 1}}
  %0 = nn.elementwise add(%x, %y) : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @elementwise_c2_dim(%x: tensor<2x3xf32>, %y: tensor<2x4xf32>) {
  // expected-error @below {{expected 'operand 1' dim 1 to be 1 or 3, got 4}}
  %0 = nn.elementwise add(%x, %y) : (tensor<2x3xf32>, tensor<2x4xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @elementwise_c3_type(%x: tensor<2xi32>) {
  // expected-error @below {{'exp' does not take element type 'i32'}}
  %0 = nn.elementwise exp(%x) : (tensor<2xi32>) -> tensor<2xi32>
  return
}

// -----

func.func @elementwise_c3_result(%x: tensor<2xf32>) {
  // expected-error @below {{expected 'result' of element type 'i1', got 'f32'}}
  %0 = nn.elementwise lt(%x, %x) : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @elementwise_c4_missing(%x: tensor<2xf32>) {
  // expected-error @below {{expected parameter 'beta' of 'silu'}}
  %0 = nn.elementwise silu(%x) : (tensor<2xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @elementwise_c4_extra(%x: tensor<2xf32>) {
  // expected-error @below {{expected 0 parameters of 'relu', got 1}}
  %0 = nn.elementwise relu(%x) {params = {alpha = 1.0 : f64}} : (tensor<2xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @elementwise_arity(%x: tensor<2xf32>) {
  // expected-error @below {{expected 2 operands of 'add', got 1}}
  %0 = nn.elementwise add(%x) : (tensor<2xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @cast_shape(%x: tensor<2xf32>) {
  // expected-error @below {{expected 'result' of shape 2, got 3}}
  %0 = nn.cast %x : tensor<2xf32> -> tensor<3xi32>
  return
}

// -----

func.func @cast_c1_saturate(%x: tensor<2xf32>) {
  // expected-error @below {{expected no 'saturate' for element type 'i32'}}
  %0 = nn.cast %x {saturate = true} : tensor<2xf32> -> tensor<2xi32>
  return
}

// -----

func.func @iota_c1_dim() {
  // expected-error @below {{expected 'dim' below 1, got 1}}
  %0 = nn.iota 1 () : tensor<2xi64>
  return
}

// -----

func.func @reduce_c1_axes(%x: tensor<2x3xf32>) {
  // expected-error @below {{expected sorted, unique axes below 2, got [2]}}
  %0 = nn.reduce sum(%x) axes [2] : tensor<2x3xf32> -> tensor<2xf32>
  return
}

// -----

func.func @reduce_c2_kind(%x: tensor<2x3xf32>) {
  // expected-error @below {{'all' does not take element type 'f32'}}
  %0 = nn.reduce all(%x) axes [1] : tensor<2x3xf32> -> tensor<2xf32>
  return
}

// -----

func.func @reduce_shape(%x: tensor<2x3xf32>) {
  // expected-error @below {{expected 'result' of shape 2, got 3}}
  %0 = nn.reduce sum(%x) axes [1] : tensor<2x3xf32> -> tensor<3xf32>
  return
}

// -----

func.func @contract_c1_map(%a: tensor<2x3xf32>, %b: tensor<3x4xf32>) {
  // expected-error @below {{expected map 0 to be a projected permutation of 3 dims}}
  %0 = nn.contract %a, %b maps [affine_map<(m, n, k) -> (m, m)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>] : tensor<2x3xf32>, tensor<3x4xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @contract_c2_size(%a: tensor<2x3xf32>, %b: tensor<5x4xf32>) {
  // expected-error @below {{expected 'rhs' dim 0 to be 3, got 5}}
  %0 = nn.contract %a, %b maps [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>] : tensor<2x3xf32>, tensor<5x4xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @contract_c3_dim(%a: tensor<2x3xf32>, %b: tensor<3x4xf32>) {
  // expected-error @below {{expected dim 3 in an operand}}
  %0 = nn.contract %a, %b maps [affine_map<(m, n, k, z) -> (m, k)>, affine_map<(m, n, k, z) -> (k, n)>, affine_map<(m, n, k, z) -> (m, n, z)>] : tensor<2x3xf32>, tensor<3x4xf32> -> tensor<2x4x7xf32>
  return
}

// -----

func.func @contract_c4_zero(%a: tensor<2x3xf32>, %b: tensor<3x4xf32>, %z: tensor<f32>) {
  // expected-error @below {{expected no zero points on element type 'f32'}}
  %0 = nn.contract %a, %b lhs_zero %z : tensor<f32> maps [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>] : tensor<2x3xf32>, tensor<3x4xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @reshape_c1_count(%x: tensor<2x3xf32>) {
  // expected-error @below {{expected 6 elements, got 8}}
  %0 = nn.reshape %x[] : tensor<2x3xf32> -> tensor<8xf32>
  return
}

// -----

func.func @transpose_c1_permutation(%x: tensor<2x3xf32>) {
  // expected-error @below {{expected a permutation of 2 dims, got [0, 0]}}
  %0 = nn.transpose %x [0, 0] : tensor<2x3xf32> -> tensor<2x2xf32>
  return
}

// -----

func.func @broadcast_c1_rank(%x: tensor<3xf32>) {
  // expected-error @below {{expected 'result' of rank 1, got 2}}
  %0 = nn.broadcast %x[] : tensor<3xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @broadcast_c2_dim(%x: tensor<3xf32>) {
  // expected-error @below {{expected 'input' dim 0 to be 1 or 6, got 3}}
  %0 = nn.broadcast %x[] : tensor<3xf32> -> tensor<6xf32>
  return
}

// -----

func.func @slice_c1_range(%x: tensor<4xf32>) {
  // expected-error @below {{expected elements 1 to 5 of dim 0 below 4}}
  %0 = nn.slice %x[1] [3] [2] : tensor<4xf32> -> tensor<3xf32>
  return
}

// -----

func.func @slice_c2_stride(%x: tensor<4xf32>) {
  // expected-error @below {{expected stride 0 not to be 0}}
  %0 = nn.slice %x[1] [3] [0] : tensor<4xf32> -> tensor<3xf32>
  return
}

// -----

func.func @pad_c1_negative(%x: tensor<4xf32>) {
  // expected-error @below {{expected no negative border of dim 0, got -1 and 0}}
  %0 = nn.pad constant(%x) low [-1] high [0] : tensor<4xf32> -> tensor<3xf32>
  return
}

// -----

func.func @pad_c2_reflect(%x: tensor<4xf32>) {
  // expected-error @below {{expected a border of dim 0 of at most 3, got 4}}
  %0 = nn.pad reflect(%x) low [4] high [0] : tensor<4xf32> -> tensor<8xf32>
  return
}

// -----

func.func @concat_c1_dims(%x: tensor<4x2xf32>, %y: tensor<4x3xf32>) {
  // expected-error @below {{expected 'input 1' of shape ?x2, got 4x3}}
  %0 = nn.concat axis 0 (%x, %y) : (tensor<4x2xf32>, tensor<4x3xf32>) -> tensor<8x2xf32>
  return
}

// -----

func.func @gather_c1_dims(%x: tensor<5x4xf32>, %i: tensor<3xi64>) {
  // expected-error @below {{expected a map of 1 results for the dims without an index, got 0}}
  %0 = nn.gather %x, (%i) indexed [0] index_maps [affine_map<(r) -> (r)>] input_map affine_map<(r) -> ()> [] bounds error : tensor<5x4xf32>, (tensor<3xi64>) -> tensor<3xf32>
  return
}

// -----

func.func @gather_c3_domain(%x: tensor<5x4xf32>, %i: tensor<3xi64>) {
  // expected-error @below {{expected maps of 2 dims, got 1}}
  %0 = nn.gather %x, (%i) indexed [0] index_maps [affine_map<(r) -> (r)>] input_map affine_map<(r) -> (r)> [] bounds error : tensor<5x4xf32>, (tensor<3xi64>) -> tensor<3x4xf32>
  return
}

// -----

func.func @scatter_element_type(%x: tensor<5xf32>, %u: tensor<3xi32>, %i: tensor<3xi64>) {
  // expected-error @below {{expected 'updates' of element type 'f32', got 'i32'}}
  %0 = nn.scatter add %u into %x, (%i) indexed [0] index_maps [affine_map<(r) -> (r)>] dest_map affine_map<(r) -> ()> : tensor<3xi32> into tensor<5xf32>, (tensor<3xi64>) -> tensor<5xf32>
  return
}
