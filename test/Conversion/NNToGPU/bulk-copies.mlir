// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --dlc-form-dispatches --dlc-schedule-gpu-kernels=bulk-copies -verify-diagnostics | FileCheck %s
// RUN: dlc-opt %s --dlc-form-dispatches --dlc-schedule-gpu-kernels=bulk-copies --dlc-outline-gpu-kernels=bulk-copies -canonicalize -cse | FileCheck %s --check-prefix=KERNEL

#a = affine_map<(b, m, n, k) -> (b, m, k)>
#w = affine_map<(b, m, n, k) -> (k, n)>
#c = affine_map<(b, m, n, k) -> (b, m, n)>

// Operands have tensor maps, whose sizes may be those of the run; the batch does not move the second one.
// CHECK-LABEL: func.func @product
// CHECK: schedule(#tile.gemm_schedule<tile_m = {{[0-9]+}}, tile_n = {{[0-9]+}}, {{.*}}, bulk = true>)
// KERNEL-LABEL: func.func @product
// KERNEL: rt.dispatch @contract_0(%{{.+}}, %{{.+}}) {{.*}} maps [
// KERNEL-SAME: #rt.tensor_map<buffer = 0, element_bytes = 2, swizzle_bytes = 64, sizes = [72, ?], strides = [144], box = [32, 32]>,
// KERNEL-SAME: #rt.tensor_map<buffer = 1, element_bytes = 2, swizzle_bytes = 64, sizes = [64, 72], strides = [128], box = [32, 32]>](%{{.+}})
func.func @product(%x: tensor<?x40x72xbf16>, %y: tensor<72x64xbf16>) -> tensor<?x40x64xf32> {
  %r = nn.contract %x, %y maps [#a, #w, #c] : tensor<?x40x72xbf16>, tensor<72x64xbf16> -> tensor<?x40x64xf32>
  return %r : tensor<?x40x64xf32>
}

// CHECK-LABEL: func.func @odd_rows
// CHECK-NOT: bulk
// KERNEL-LABEL: func.func @odd_rows
// KERNEL-NOT: maps
func.func @odd_rows(%x: tensor<2x40x71xbf16>, %y: tensor<71x64xbf16>) -> tensor<2x40x64xf32> {
  // expected-remark @below {{operands copied without tensor maps: rows that do not begin at multiples of 16 bytes}}
  %r = nn.contract %x, %y maps [#a, #w, #c] : tensor<2x40x71xbf16>, tensor<71x64xbf16> -> tensor<2x40x64xf32>
  return %r : tensor<2x40x64xf32>
}

// A tensor map has five dims.
func.func @many_dims(%x: tensor<2x3x5x7x40x72xbf16>, %y: tensor<7x5x3x2x72x64xbf16>) -> tensor<2x3x5x7x40x64xf32> {
  // expected-remark @below {{operands copied without tensor maps: more dims than a tensor map has}}
  %r = nn.contract %x, %y maps [affine_map<(a, b, c, d, m, n, k) -> (a, b, c, d, m, k)>, affine_map<(a, b, c, d, m, n, k) -> (d, c, b, a, k, n)>, affine_map<(a, b, c, d, m, n, k) -> (a, b, c, d, m, n)>] : tensor<2x3x5x7x40x72xbf16>, tensor<7x5x3x2x72x64xbf16> -> tensor<2x3x5x7x40x64xf32>
  return %r : tensor<2x3x5x7x40x64xf32>
}

func.func @padded_heads(%q: tensor<50x80xbf16>, %k: tensor<50x80xbf16>, %v: tensor<50x80xbf16>) -> tensor<50x80xf32> {
  // expected-remark @below {{operands copied without tensor maps: heads whose rows are not 32, 64 or a multiple of 128 bytes in shared memory}}
  %0 = nn.attention %q, %k, %v scale 1.250000e-01 maps [affine_map<(b, h, g, m, n, d, e) -> (m, d)>, affine_map<(b, h, g, m, n, d, e) -> (n, d)>, affine_map<(b, h, g, m, n, d, e) -> (n, e)>, affine_map<(b, h, g, m, n, d, e) -> (m, e)>] attributes {nn.product_type = bf16} score {
  } mask {
  } : tensor<50x80xbf16>, tensor<50x80xbf16>, tensor<50x80xbf16> -> tensor<50x80xf32>
  return %0 : tensor<50x80xf32>
}
