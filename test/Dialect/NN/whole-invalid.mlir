// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --split-input-file --verify-diagnostics
// An invalid twin of each rule of the whole ops.

func.func @conv_c1_rank(%x: tensor<1x4x9xf32>, %w: tensor<6x4x3x3xf32>) {
  // expected-error @below {{expected 'filter' of rank 3, got 4}}
  %0 = nn.conv %x, %w {dilations = array<i64: 1, 1>, strides = array<i64: 1, 1>,
    pad_low = array<i64: 0, 0>, pad_high = array<i64: 0, 0>}
    : tensor<1x4x9xf32>, tensor<6x4x3x3xf32> -> tensor<1x6x7x7xf32>
  return
}

// -----

func.func @conv_c2_channels(%x: tensor<1x4x9x9xf32>, %w: tensor<6x4x3x3xf32>) {
  // expected-error @below {{expected 8 input channels (2 groups), got 4}}
  %0 = nn.conv %x, %w {dilations = array<i64: 1, 1>, strides = array<i64: 1, 1>,
    pad_low = array<i64: 0, 0>, pad_high = array<i64: 0, 0>, groups = 2}
    : tensor<1x4x9x9xf32>, tensor<6x4x3x3xf32> -> tensor<1x6x7x7xf32>
  return
}

// -----

func.func @conv_c3_stride(%x: tensor<1x4x9x9xf32>, %w: tensor<6x4x3x3xf32>) {
  // expected-error @below {{expected strides and dilations of at least 1, got [0, 1] and [1, 1]}}
  %0 = nn.conv %x, %w {dilations = array<i64: 1, 1>, strides = array<i64: 0, 1>,
    pad_low = array<i64: 0, 0>, pad_high = array<i64: 0, 0>}
    : tensor<1x4x9x9xf32>, tensor<6x4x3x3xf32> -> tensor<1x6x7x7xf32>
  return
}

// -----

func.func @conv_c4_groups(%x: tensor<1x4x9x9xf32>, %w: tensor<5x2x3x3xf32>) {
  // expected-error @below {{expected 'filter' dim 0 to be a multiple of 2 groups, got 5}}
  %0 = nn.conv %x, %w {dilations = array<i64: 1, 1>, strides = array<i64: 1, 1>,
    pad_low = array<i64: 0, 0>, pad_high = array<i64: 0, 0>, groups = 2}
    : tensor<1x4x9x9xf32>, tensor<5x2x3x3xf32> -> tensor<1x5x7x7xf32>
  return
}

// -----

func.func @conv_c5_output_padding(%x: tensor<1x4x9x9xf32>, %w: tensor<6x4x3x3xf32>) {
  // expected-error @below {{expected 'output_padding' below the stride or dilation, on a transposed conv, got 1}}
  %0 = nn.conv %x, %w {dilations = array<i64: 1, 1>, strides = array<i64: 1, 1>,
    pad_low = array<i64: 0, 0>, pad_high = array<i64: 0, 0>, output_padding = array<i64: 1, 1>}
    : tensor<1x4x9x9xf32>, tensor<6x4x3x3xf32> -> tensor<1x6x7x7xf32>
  return
}

// -----

func.func @conv_c6_zero_point(%x: tensor<1x4x9x9xf32>, %w: tensor<6x4x3x3xf32>, %z: tensor<f32>) {
  // expected-error @below {{expected no zero points on element type 'f32'}}
  %0 = nn.conv %x, %w input_zero %z : tensor<f32> {dilations = array<i64: 1, 1>,
    strides = array<i64: 1, 1>, pad_low = array<i64: 0, 0>, pad_high = array<i64: 0, 0>}
    : tensor<1x4x9x9xf32>, tensor<6x4x3x3xf32> -> tensor<1x6x7x7xf32>
  return
}

// -----

func.func @conv_c7_size(%x: tensor<1x4x9x9xf32>, %w: tensor<6x4x3x3xf32>) {
  // expected-error @below {{expected 'result' dim 2 to be 7, got 9}}
  %0 = nn.conv %x, %w {dilations = array<i64: 1, 1>, strides = array<i64: 1, 1>,
    pad_low = array<i64: 0, 0>, pad_high = array<i64: 0, 0>}
    : tensor<1x4x9x9xf32>, tensor<6x4x3x3xf32> -> tensor<1x6x9x7xf32>
  return
}

// -----

func.func @conv_bias(%x: tensor<1x4x9x9xf32>, %w: tensor<6x4x3x3xf32>, %b: tensor<4xf32>) {
  // expected-error @below {{expected 'bias' of 6 elements, got 4}}
  %0 = nn.conv %x, %w bias %b : tensor<4xf32> {dilations = array<i64: 1, 1>,
    strides = array<i64: 1, 1>, pad_low = array<i64: 0, 0>, pad_high = array<i64: 0, 0>}
    : tensor<1x4x9x9xf32>, tensor<6x4x3x3xf32> -> tensor<1x6x7x7xf32>
  return
}

// -----

func.func @conv_pads(%x: tensor<1x4x9x9xf32>, %w: tensor<6x4x3x3xf32>) {
  // expected-error @below {{expected 1 pad operands, got 0}}
  %0 = nn.conv %x, %w {dilations = array<i64: 1, 1>, strides = array<i64: 1, 1>,
    pad_low = array<i64: -9223372036854775808, 0>, pad_high = array<i64: 0, 0>}
    : tensor<1x4x9x9xf32>, tensor<6x4x3x3xf32> -> tensor<1x6x?x7xf32>
  return
}

// -----

func.func @pool_c1_stride(%x: tensor<1x8x9x9xf32>) {
  // expected-error @below {{expected strides, dilations and pads of 2 dims, got 1}}
  %0 = nn.pool max(%x) {kernel = array<i64: 3, 3>, strides = array<i64: 1>,
    dilations = array<i64: 1, 1>, pad_low = array<i64: 0, 0>, pad_high = array<i64: 0, 0>}
    : (tensor<1x8x9x9xf32>) -> tensor<1x8x7x7xf32>
  return
}

// -----

func.func @pool_c2_indices(%x: tensor<1x8x9x9xf32>) {
  // expected-error @below {{expected 'indices' only of max, got avg}}
  %0:2 = nn.pool avg(%x) {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>,
    dilations = array<i64: 1, 1>, pad_low = array<i64: 0, 0>, pad_high = array<i64: 0, 0>}
    : (tensor<1x8x9x9xf32>) -> (tensor<1x8x7x7xf32>, tensor<1x8x7x7xi64>)
  return
}

// -----

func.func @batch_norm_c1(%x: tensor<1x8x9xf32>, %v: tensor<8xf32>, %w: tensor<9xf32>) {
  // expected-error @below {{expected 'mean' of shape 8, got 9}}
  %0 = nn.batch_norm %x, %v, %v, %w, %v {epsilon = 0.0 : f64}
    : tensor<1x8x9xf32>, tensor<8xf32>, tensor<8xf32>, tensor<9xf32>, tensor<8xf32> -> tensor<1x8x9xf32>
  return
}

// -----

func.func @norm_c1_groups(%x: tensor<2x8x9xf32>) {
  // expected-error @below {{expected 'groups' to divide 8 channels, got 3}}
  %0 = nn.norm mean_var(%x) axes [2] {groups = 3, affine_dims = array<i64: 1>, epsilon = 0.0 : f64,
    resultSegmentSizes = array<i32: 1, 0, 0>} : (tensor<2x8x9xf32>) -> tensor<2x8x9xf32>
  return
}

// -----

func.func @norm_c2_scale(%x: tensor<2x8x9xf32>, %s: tensor<8xf32>) {
  // expected-error @below {{expected 'scale' of shape 9, got 8}}
  %0 = nn.norm rms(%x scale %s : tensor<8xf32>) axes [2] {affine_dims = array<i64: 2>, epsilon = 0.0 : f64,
    resultSegmentSizes = array<i32: 1, 0, 0>} : (tensor<2x8x9xf32>) -> tensor<2x8x9xf32>
  return
}

// -----

func.func @softmax_c1(%x: tensor<2x8xf32>) {
  // expected-error @below {{expected sorted, unique axes below 2, got [1, 1]}}
  %0 = nn.softmax %x axes [1, 1] : tensor<2x8xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @softmax_shape(%x: tensor<2x8xf32>) {
  // expected-error @below {{expected 'result' of shape 2x8, got 2x9}}
  %0 = nn.softmax %x axes [1] : tensor<2x8xf32> -> tensor<2x9xf32>
  return
}

// -----

#q = affine_map<(b, h, g, m, n, d, e) -> (b, m, d)>
#k = affine_map<(b, h, g, m, n, d, e) -> (b, n, d)>
#v = affine_map<(b, h, g, m, n, d, e) -> (b, n, e)>
#r = affine_map<(b, h, g, m, n, d, e) -> (b, m, e)>
func.func @attention_c1_maps(%q: tensor<2x5x8xf32>, %k: tensor<2x7x8xf32>) {
  // expected-error @below {{expected 4 maps, got 3}}
  %0 = nn.attention %q, %k, %k scale 0.5 maps [#q, #k, #v] score {
  } mask {
  } : tensor<2x5x8xf32>, tensor<2x7x8xf32>, tensor<2x7x8xf32> -> tensor<2x5x8xf32>
  return
}

// -----

#q = affine_map<(b, h, g, m, n, d, e) -> (b, m, d)>
#k = affine_map<(b, h, g, m, n, d, e) -> (b, n, d)>
#v = affine_map<(b, h, g, m, n, d, e) -> (b, n, e)>
#r = affine_map<(b, h, g, m, n, d, e) -> (b, m, e)>
func.func @attention_c1_rank(%q: tensor<2x5x8xf32>, %k: tensor<2x7xf32>, %v: tensor<2x7x8xf32>) {
  // expected-error @below {{expected map 1 from 7 dims to 2, got affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d4, d5)>}}
  %0 = nn.attention %q, %k, %v scale 0.5 maps [#q, #k, #v, #r] score {
  } mask {
  } : tensor<2x5x8xf32>, tensor<2x7xf32>, tensor<2x7x8xf32> -> tensor<2x5x8xf32>
  return
}

// -----

#q = affine_map<(b, h, g, m, n, d, e) -> (b, m, d)>
#k = affine_map<(b, h, g, m, n, d, e) -> (b, n, d)>
#v = affine_map<(b, h, g, m, n, d, e) -> (b, n, e)>
#r = affine_map<(b, h, g, m, n, d, e) -> (b, m, e)>
func.func @attention_c2_size(%q: tensor<2x5x8xf32>, %k: tensor<2x7x8xf32>, %v: tensor<2x6x8xf32>) {
  // expected-error @below {{expected dim 1 of operand 2 to be 7, got 6}}
  %0 = nn.attention %q, %k, %v scale 0.5 maps [#q, #k, #v, #r] score {
  } mask {
  } : tensor<2x5x8xf32>, tensor<2x7x8xf32>, tensor<2x6x8xf32> -> tensor<2x5x8xf32>
  return
}

// -----

#q = affine_map<(b, h, g, m, n, d, e) -> (b, m, d)>
#k = affine_map<(b, h, g, m, n, d, e) -> (b, n, d)>
#v = affine_map<(b, h, g, m, n, d, e) -> (b, n, e)>
#r = affine_map<(b, h, g, m, n, d, e) -> (b, m, e)>
func.func @attention_c3_arguments(%q: tensor<2x5x8xf32>, %k: tensor<2x7x8xf32>) {
  // expected-error @below {{expected 'mask' region of 5 arguments, got 1}}
  %0 = nn.attention %q, %k, %k scale 0.5 maps [#q, #k, #v, #r] score {
  } mask {
  ^bb0(%b: index):
    %true = arith.constant true
    nn.yield %true : i1
  } : tensor<2x5x8xf32>, tensor<2x7x8xf32>, tensor<2x7x8xf32> -> tensor<2x5x8xf32>
  return
}

// -----

#q = affine_map<(b, h, g, m, n, d, e) -> (b, m, d)>
#k = affine_map<(b, h, g, m, n, d, e) -> (b, n, d)>
#v = affine_map<(b, h, g, m, n, d, e) -> (b, n, e)>
#r = affine_map<(b, h, g, m, n, d, e) -> (b, m, e)>
func.func @attention_c3_type(%q: tensor<2x5x8xf32>, %k: tensor<2x7x8xf32>) {
  // expected-error @below {{expected 'mask' region to yield one value of the right type}}
  %0 = nn.attention %q, %k, %k scale 0.5 maps [#q, #k, #v, #r] score {
  } mask {
  ^bb0(%b: index, %h: index, %g: index, %m: index, %n: index):
    nn.yield %n : index
  } : tensor<2x5x8xf32>, tensor<2x7x8xf32>, tensor<2x7x8xf32> -> tensor<2x5x8xf32>
  return
}

// -----

func.func @rotary_c1(%x: tensor<2x6xf32>, %c: tensor<1x4xf32>) {
  // expected-error @below {{expected 'cos' of at most 3 along dim 1, got 4}}
  %0 = nn.rotary %x, %c, %c dim 1 : tensor<2x6xf32>, tensor<1x4xf32>, tensor<1x4xf32> -> tensor<2x6xf32>
  return
}

// -----

func.func @quantize_c1_shape(%x: tensor<2x8xf32>, %s: tensor<8xf32>, %z: tensor<4xi8>) {
  // expected-error @below {{expected 'zero_point' of shape 8, got 4}}
  %0 = nn.quantize %x, %s, %z : tensor<4xi8> {axis = 1} : tensor<2x8xf32>, tensor<8xf32> -> tensor<2x8xi8>
  return
}

// -----

func.func @quantize_c1_type(%x: tensor<2x8xf32>, %s: tensor<f32>, %z: tensor<ui8>) {
  // expected-error @below {{expected 'zero_point' of element type 'i8', got 'ui8'}}
  %0 = nn.quantize %x, %s, %z : tensor<ui8> : tensor<2x8xf32>, tensor<f32> -> tensor<2x8xi8>
  return
}

// -----

func.func @dequantize_c1(%x: tensor<2x8xi8>, %s: tensor<f32>, %z: tensor<ui8>) {
  // expected-error @below {{expected 'zero_point' of element type 'i8', got 'ui8'}}
  %0 = nn.dequantize %x, %s, %z : tensor<ui8> : tensor<2x8xi8>, tensor<f32> -> tensor<2x8xf32>
  return
}

// -----

func.func @resize_c1(%x: tensor<1x4x8xf32>) {
  // expected-error @below {{expected positive scales, got -2.000000e+00}}
  %0 = nn.resize linear(%x) axes [2][] {static_scales = array<f64: -2.0>,
    coordinate = #nn<coordinate_mode half_pixel>} : tensor<1x4x8xf32> -> tensor<1x4x16xf32>
  return
}

// -----

func.func @resize_scales(%x: tensor<1x4x8xf32>) {
  // expected-error @below {{expected 1 scales, got 2}}
  %0 = nn.resize linear(%x) axes [2][] {static_scales = array<f64: 2.0, 2.0>,
    coordinate = #nn<coordinate_mode half_pixel>} : tensor<1x4x8xf32> -> tensor<1x4x16xf32>
  return
}

// -----

func.func @rnn_c1_gates(%x: tensor<7x2x3xf32>, %w: tensor<1x24x3xf32>, %r: tensor<1x24x8xf32>) {
  // expected-error @below {{expected 'recurrent' of shape 1x32x8, got 1x24x8}}
  %0:3 = nn.rnn lstm forward (%x, %w, %r) : tensor<7x2x3xf32>, tensor<1x24x3xf32>,
    tensor<1x24x8xf32> -> tensor<7x1x2x8xf32>, tensor<1x2x8xf32>, tensor<1x2x8xf32>
  return
}

// -----

func.func @rnn_c2_shape(%x: tensor<7x2x3xf32>, %w: tensor<1x32x4xf32>, %r: tensor<1x32x8xf32>) {
  // expected-error @below {{expected 'weight' of shape 1x32x3, got 1x32x4}}
  %0:3 = nn.rnn lstm forward (%x, %w, %r) : tensor<7x2x3xf32>, tensor<1x32x4xf32>,
    tensor<1x32x8xf32> -> tensor<7x1x2x8xf32>, tensor<1x2x8xf32>, tensor<1x2x8xf32>
  return
}

// -----

func.func @rnn_c3_activation(%x: tensor<7x2x3xf32>, %w: tensor<1x8x3xf32>, %r: tensor<1x8x8xf32>) {
  // expected-error @below {{unknown activation "gelu"}}
  %0:3 = nn.rnn rnn forward (%x, %w, %r) {activations = ["gelu"]} : tensor<7x2x3xf32>, tensor<1x8x3xf32>,
    tensor<1x8x8xf32> -> tensor<7x1x2x8xf32>, tensor<1x2x8xf32>, tensor<1x2x8xf32>
  return
}

// -----

func.func @recurrence_c1(%p: tensor<7x2x1x24xf32>, %r: tensor<1x24x8xf32>) {
  // expected-error @below {{expected 'recurrent' of shape 1x32x8, got 1x24x8}}
  %0:3 = nn.recurrence lstm forward (%p, %r) : tensor<7x2x1x24xf32>,
    tensor<1x24x8xf32> -> tensor<7x1x2x8xf32>, tensor<1x2x8xf32>, tensor<1x2x8xf32>
  return
}

// -----

func.func @scan_axis(%x: tensor<2x8xf32>) {
  // expected-error @below {{expected 'axis' below 2, got 2}}
  %0 = nn.scan sum(%x) axis 2 : tensor<2x8xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @sort_c1(%x: tensor<2x8xf32>) {
  // expected-error @below {{expected at most 8 elements along axis 1, got 9}}
  %0:2 = nn.sort %x axis 1 : (tensor<2x8xf32>) -> (tensor<2x9xf32>, tensor<2x9xi64>)
  return
}

// -----

func.func @nonzero_rank(%x: tensor<2x8xf32>) {
  // expected-error @below {{expected 'result' of shape 2x?, got 3x?}}
  %0 = nn.nonzero %x : tensor<2x8xf32> -> tensor<3x?xi64>
  return
}

// -----

func.func @nonzero_bounded_c1(%x: tensor<2x8xf32>) {
  // expected-error @below {{expected 'coordinates' of shape 2x16, got 2x15}}
  %0:2 = nn.nonzero_bounded %x : (tensor<2x8xf32>) -> (tensor<2x15xi64>, tensor<i64>)
  return
}

// -----

func.func @cache_update_c1(%d: tensor<2x3x4xf32>, %u: tensor<2x5x4xf32>) {
  // expected-error @below {{expected 'update' of at most 3 along axis 1, got 5}}
  %0 = nn.cache_update %u into %d axis 1
    : tensor<2x5x4xf32> into tensor<2x3x4xf32> -> tensor<2x3x4xf32>
  return
}
