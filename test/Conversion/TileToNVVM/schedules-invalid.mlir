// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s --dlc-test-build-tile-kernels -split-input-file -verify-diagnostics

// expected-error @below {{schedule needs 196608 bytes of shared memory, 29696 more than the 166912 that a block may have}}
module attributes {tile.test_kernels = [{kind = "gemm", name = "k", element = bf16, result = bf16, m = 8, n = 8, k = 8, batch = 1,
  schedule = #tile.gemm_schedule<tile_m = 128, tile_n = 128, tile_k = 64, stages = 6, warps_m = 2, warps_n = 2>}]} {}

// -----

// expected-error @below {{expected 'tile_m' to be a multiple of 64, got 32}}
module attributes {tile.test_kernels = [{kind = "gemm", name = "k", element = bf16, result = bf16, m = 8, n = 8, k = 8, batch = 1,
  schedule = #tile.gemm_schedule<tile_m = 32, tile_n = 128, tile_k = 32, stages = 3, warps_m = 4, warps_n = 1>}]} {}

// -----

// expected-error @below {{expected 'tile_k' to be a multiple of 16, got 8}}
module attributes {tile.test_kernels = [{kind = "gemm", name = "k", element = bf16, result = bf16, m = 8, n = 8, k = 8, batch = 1,
  schedule = #tile.gemm_schedule<tile_m = 32, tile_n = 128, tile_k = 8, stages = 3, warps_m = 1, warps_n = 4>}]} {}

// -----

// expected-error @below {{expected 'tile_k' from 1 to 65536, got 4611686018427387904}}
module attributes {tile.test_kernels = [{kind = "gemm", name = "k", element = bf16, result = bf16, m = 8, n = 8, k = 8, batch = 1,
  schedule = #tile.gemm_schedule<tile_m = 32, tile_n = 32, tile_k = 4611686018427387904, stages = 2, warps_m = 1, warps_n = 1>}]} {}

// -----

// expected-error @below {{expected 'stages' from 2 to 8, got 1}}
module attributes {tile.test_kernels = [{kind = "gemm", name = "k", element = bf16, result = bf16, m = 8, n = 8, k = 8, batch = 1,
  schedule = #tile.gemm_schedule<tile_m = 32, tile_n = 128, tile_k = 32, stages = 1, warps_m = 1, warps_n = 4>}]} {}

// -----

// expected-error @below {{schedule needs 576 registers of a thread for tiles, 377 more than it may have}}
module attributes {tile.test_kernels = [{kind = "gemm", name = "k", element = bf16, result = bf16, m = 8, n = 8, k = 8, batch = 1,
  schedule = #tile.gemm_schedule<tile_m = 128, tile_n = 128, tile_k = 32, stages = 2, warps_m = 1, warps_n = 1>}]} {}

// -----

// Four-byte elements are read one by one where k is not contiguous, in rows of 128 bytes.
// expected-error @below {{expected 'tile_n' to be a multiple of 32, got 16}}
module attributes {tile.test_kernels = [{kind = "gemm", name = "k", element = f32, result = f32, m = 8, n = 8, k = 8, batch = 1,
  schedule = #tile.gemm_schedule<tile_m = 32, tile_n = 16, tile_k = 16, stages = 2, warps_m = 1, warps_n = 1>}]} {}

// -----

// expected-error @below {{expected 'tile_k' of 2, 4, 8, 16 or 32 chunks of 16 bytes, got 48}}
module attributes {tile.test_kernels = [{kind = "conv", name = "k", element = bf16, result = bf16, images = 1, height = 8, width = 8,
  output_height = 8, output_width = 8, pad_top = 0, pad_left = 0, channels = 48, output_channels = 16,
  schedule = #tile.conv_schedule<tile_m = 32, tile_n = 32, tile_k = 48, stages = 2, warps_m = 1, warps_n = 1>}]} {}

// -----

// expected-error @below {{expected 'queries' to be a multiple of 64, got 48}}
module attributes {tile.test_kernels = [{kind = "attention", name = "k", element = bf16, result = bf16, batch = 1, heads = 1, shared = 1,
  rows = 8, keys = 8, head = 64, value_head = 64,
  schedule = #tile.attention_schedule<queries = 48, keys = 64, stages = 2, warps = 4>}]} {}

// -----

// expected-error @below {{schedule needs 229376 bytes of shared memory, 62464 more than the 166912 that a block may have}}
module attributes {tile.test_kernels = [{kind = "attention", name = "k", element = bf16, result = bf16, batch = 1, heads = 1, shared = 1,
  rows = 8, keys = 8, head = 128, value_head = 128,
  schedule = #tile.attention_schedule<queries = 128, keys = 96, stages = 4, warps = 8>}]} {}

// -----

// A warp's queries take 64 registers.
// expected-error @below {{schedule needs 208 registers of a thread for tiles, 9 more than it may have}}
module attributes {tile.test_kernels = [{kind = "attention", name = "k", element = bf16, result = bf16, batch = 1, heads = 1, shared = 1,
  rows = 8, keys = 8, head = 128, value_head = 128,
  schedule = #tile.attention_schedule<queries = 64, keys = 32, stages = 2, warps = 2>}]} {}

// -----

// expected-error @below {{expected 8-bit operands with neighbours along k}}
module attributes {tile.test_kernels = [{kind = "gemm", name = "k", element = i8, result = i32, m = 8, n = 8, k = 8, batch = 1,
  schedule = #tile.gemm_schedule<tile_m = 32, tile_n = 32, tile_k = 32, stages = 2, warps_m = 1, warps_n = 1>}]} {}

// -----

// expected-error @below {{expected 'tile_k' to be a multiple of 32, got 16}}
module attributes {tile.test_kernels = [{kind = "gemm", name = "k", element = ui8, result = i32, m = 8, n = 8, k = 8, batch = 1, transpose_b,
  schedule = #tile.gemm_schedule<tile_m = 32, tile_n = 32, tile_k = 16, stages = 2, warps_m = 1, warps_n = 1>}]} {}

// -----

// expected-error @below {{expected no 'bulk' copies before sm_90}}
module attributes {tile.test_kernels = [{kind = "gemm", name = "k", element = bf16, result = bf16, m = 8, n = 8, k = 8, batch = 1, sm_80,
  schedule = #tile.gemm_schedule<tile_m = 32, tile_n = 32, tile_k = 32, stages = 2, warps_m = 1, warps_n = 1, bulk = true>}]} {}

// -----

// Rows of A are 24 bytes.
// expected-error @below {{expected no 'bulk' copies of rows that do not begin at multiples of 16 bytes}}
module attributes {tile.test_kernels = [{kind = "gemm", name = "k", element = bf16, result = bf16, m = 8, n = 8, k = 12, batch = 1,
  schedule = #tile.gemm_schedule<tile_m = 32, tile_n = 32, tile_k = 32, stages = 2, warps_m = 1, warps_n = 1, bulk = true>}]} {}

// -----

// Those of B are.
// expected-error @below {{expected no 'bulk' copies of rows that do not begin at multiples of 16 bytes}}
module attributes {tile.test_kernels = [{kind = "gemm", name = "k", element = bf16, result = bf16, m = 8, n = 12, k = 8, batch = 1,
  schedule = #tile.gemm_schedule<tile_m = 32, tile_n = 32, tile_k = 32, stages = 2, warps_m = 1, warps_n = 1, bulk = true>}]} {}

// -----

// expected-error @below {{expected no 'bulk' copies of f32 without neighbours along k}}
module attributes {tile.test_kernels = [{kind = "gemm", name = "k", element = f32, result = f32, m = 8, n = 8, k = 8, batch = 1, transpose_a, transpose_b,
  schedule = #tile.gemm_schedule<tile_m = 32, tile_n = 32, tile_k = 32, stages = 2, warps_m = 1, warps_n = 1, bulk = true>}]} {}

// -----

// expected-error @below {{expected no 'bulk' copies of f32 without neighbours along k}}
module attributes {tile.test_kernels = [{kind = "gemm", name = "k", element = f32, result = f32, m = 8, n = 8, k = 8, batch = 1,
  schedule = #tile.gemm_schedule<tile_m = 32, tile_n = 32, tile_k = 32, stages = 2, warps_m = 1, warps_n = 1, bulk = true>}]} {}

// -----

// expected-error @below {{expected 'bulk' copies of at most 256 rows of 32, 64 or a multiple of 128 bytes for 'tile_m', got 320 of 64}}
module attributes {tile.test_kernels = [{kind = "gemm", name = "k", element = bf16, result = bf16, m = 8, n = 8, k = 8, batch = 1,
  schedule = #tile.gemm_schedule<tile_m = 320, tile_n = 32, tile_k = 32, stages = 2, warps_m = 4, warps_n = 1, bulk = true>}]} {}

// -----

// expected-error @below {{expected 'bulk' copies of at most 256 rows of 32, 64 or a multiple of 128 bytes for 'tile_n', got 512 of 32}}
module attributes {tile.test_kernels = [{kind = "gemm", name = "k", element = bf16, result = bf16, m = 8, n = 8, k = 8, batch = 1, transpose_b,
  schedule = #tile.gemm_schedule<tile_m = 32, tile_n = 512, tile_k = 16, stages = 2, warps_m = 1, warps_n = 8, bulk = true>}]} {}

// -----

// expected-error @below {{expected 'bulk' copies of at most 256 rows of 32, 64 or a multiple of 128 bytes for 'tile_m', got 272 of 64}}
module attributes {tile.test_kernels = [{kind = "gemm", name = "k", element = bf16, result = bf16, m = 8, n = 8, k = 8, batch = 1, transpose_a,
  schedule = #tile.gemm_schedule<tile_m = 32, tile_n = 32, tile_k = 272, stages = 2, warps_m = 1, warps_n = 1, bulk = true>}]} {}

// -----

// expected-error @below {{expected 'bulk' copies of at most 256 rows of 32, 64 or a multiple of 128 bytes for 'tile_m', got 32 of 96}}
module attributes {tile.test_kernels = [{kind = "gemm", name = "k", element = bf16, result = bf16, m = 8, n = 8, k = 8, batch = 1,
  schedule = #tile.gemm_schedule<tile_m = 32, tile_n = 32, tile_k = 48, stages = 2, warps_m = 1, warps_n = 1, bulk = true>}]} {}

// -----

// expected-error @below {{expected 'bulk' copies of at most 256 rows of 32, 64 or a multiple of 128 bytes for 'tile_n', got 32 of 96}}
module attributes {tile.test_kernels = [{kind = "gemm", name = "k", element = bf16, result = bf16, m = 8, n = 8, k = 8, batch = 1,
  schedule = #tile.gemm_schedule<tile_m = 32, tile_n = 48, tile_k = 32, stages = 2, warps_m = 1, warps_n = 1, bulk = true>}]} {}

// -----

// expected-error @below {{expected 'bulk' copies of at most 256 rows of 32, 64 or a multiple of 128 bytes for 'tile_m', got 32 of 160}}
module attributes {tile.test_kernels = [{kind = "gemm", name = "k", element = i8, result = i32, m = 16, n = 16, k = 16, batch = 1, transpose_b,
  schedule = #tile.gemm_schedule<tile_m = 32, tile_n = 32, tile_k = 160, stages = 2, warps_m = 1, warps_n = 1, bulk = true>}]} {}

// -----

// Two rings of 128 KiB, and eight mbarriers.
// expected-error @below {{schedule needs 262272 bytes of shared memory, 29824 more than the 232448 that a block may have}}
module attributes {tile.test_kernels = [{kind = "gemm", name = "k", element = bf16, result = bf16, m = 8, n = 8, k = 8, batch = 1,
  schedule = #tile.gemm_schedule<tile_m = 128, tile_n = 128, tile_k = 64, stages = 8, warps_m = 2, warps_n = 2, bulk = true>}]} {}

// -----

// expected-error @below {{expected no 'bulk' copies before sm_90}}
module attributes {tile.test_kernels = [{kind = "attention", name = "k", element = bf16, result = bf16, batch = 1, heads = 1, shared = 1, sm_80,
  rows = 8, keys = 8, head = 64, value_head = 64,
  schedule = #tile.attention_schedule<queries = 64, keys = 64, stages = 2, warps = 4, bulk = true>}]} {}

// -----

// Rows of keys are 120 bytes.
// expected-error @below {{expected no 'bulk' copies of rows that do not begin at multiples of 16 bytes}}
module attributes {tile.test_kernels = [{kind = "attention", name = "k", element = bf16, result = bf16, batch = 1, heads = 1, shared = 1,
  rows = 8, keys = 8, head = 60, value_head = 64,
  schedule = #tile.attention_schedule<queries = 64, keys = 64, stages = 2, warps = 4, bulk = true>}]} {}

// -----

// Those of values are.
// expected-error @below {{expected no 'bulk' copies of rows that do not begin at multiples of 16 bytes}}
module attributes {tile.test_kernels = [{kind = "attention", name = "k", element = bf16, result = bf16, batch = 1, heads = 1, shared = 1,
  rows = 8, keys = 8, head = 64, value_head = 60,
  schedule = #tile.attention_schedule<queries = 64, keys = 64, stages = 2, warps = 4, bulk = true>}]} {}

// -----

// expected-error @below {{expected no 'bulk' copies of f32}}
module attributes {tile.test_kernels = [{kind = "attention", name = "k", element = f32, result = f32, batch = 1, heads = 1, shared = 1,
  rows = 8, keys = 8, head = 64, value_head = 64,
  schedule = #tile.attention_schedule<queries = 64, keys = 64, stages = 2, warps = 4, bulk = true>}]} {}

// -----

// expected-error @below {{expected 'bulk' copies of at most 256 rows of 32, 64 or a multiple of 128 bytes for 'keys', got 272 of 128}}
module attributes {tile.test_kernels = [{kind = "attention", name = "k", element = bf16, result = bf16, batch = 1, heads = 1, shared = 1,
  rows = 8, keys = 8, head = 64, value_head = 64,
  schedule = #tile.attention_schedule<queries = 64, keys = 272, stages = 2, warps = 4, bulk = true>}]} {}

// -----

// In shared memory, keys have 48 columns.
// expected-error @below {{expected no 'bulk' copies of heads whose rows are not 32, 64 or a multiple of 128 bytes in shared memory}}
module attributes {tile.test_kernels = [{kind = "attention", name = "k", element = bf16, result = bf16, batch = 1, heads = 1, shared = 1,
  rows = 8, keys = 8, head = 40, value_head = 64,
  schedule = #tile.attention_schedule<queries = 64, keys = 64, stages = 2, warps = 4, bulk = true>}]} {}

// -----

// Values have 80.
// expected-error @below {{expected no 'bulk' copies of heads whose rows are not 32, 64 or a multiple of 128 bytes in shared memory}}
module attributes {tile.test_kernels = [{kind = "attention", name = "k", element = bf16, result = bf16, batch = 1, heads = 1, shared = 1,
  rows = 8, keys = 8, head = 64, value_head = 72,
  schedule = #tile.attention_schedule<queries = 64, keys = 64, stages = 2, warps = 4, bulk = true>}]} {}

// -----

// Queries of 32 KiB, two rings of 112 KiB, and four mbarriers for each of these.
// expected-error @below {{schedule needs 262400 bytes of shared memory, 29952 more than the 232448 that a block may have}}
module attributes {tile.test_kernels = [{kind = "attention", name = "k", element = bf16, result = bf16, batch = 1, heads = 1, shared = 1,
  rows = 8, keys = 8, head = 128, value_head = 128,
  schedule = #tile.attention_schedule<queries = 128, keys = 112, stages = 4, warps = 8, bulk = true>}]} {}
