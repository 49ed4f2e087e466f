// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What CUDA C++ programs take for granted of the language and its headers:
// 128-bit integers, barriers of a whole grid, casts of NaN, shuffles of halves,
// operations on parts of words, conversions of bfloat16.
#include <cooperative_groups.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

namespace cg = cooperative_groups;

using Wide = unsigned __int128;

/// Quotient and remainder of 128-bit numbers, and of their differences.
extern "C" __global__ void divide128(const ulonglong2 *x, ulonglong2 *y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  Wide a = (Wide)x[2 * i].y << 64 | x[2 * i].x;
  Wide b = (Wide)x[2 * i + 1].y << 64 | x[2 * i + 1].x;
  Wide out[3] = {a - b, a / b, a % b};
  for (int k = 0; k < 3; ++k)
    y[3 * i + k] = make_ulonglong2((unsigned long long)out[k],
                                   (unsigned long long)(out[k] >> 64));
}

/// Steps of a ring of values, with barriers of the whole grid between them.
extern "C" __global__ void gridSteps(int *x, int *y, int n, int steps) {
  cg::grid_group grid = cg::this_grid();
  int i = (int)grid.thread_rank();
  for (int s = 0; s < steps; ++s) {
    if (i < n)
      y[i] = x[(i + 1) % n] + 1;
    grid.sync();
    if (i < n)
      x[i] = y[(i + 3) % n];
    grid.sync();
  }
}

/// Casts of floating-point numbers to integers of every width.
extern "C" __global__ void casts(const double *x, long long *y, int n) {
  int i = threadIdx.x;
  if (i >= n)
    return;
  double d = x[i];
  float f = (float)d;
  __half h = __float2half(f);
  long long out[] = {(long long)d, (long long)f, __half2ll_rz(h),
                     (long long)(unsigned long long)d,
                     (long long)(unsigned long long)f, (int)d, (int)f,
                     __half2int_rz(h), (unsigned)d, (unsigned)f};
  for (int k = 0; k < 10; ++k)
    y[10 * i + k] = out[k];
}

/// Shuffles of 16-bit types; their header asks for the warp's size.
extern "C" __global__ void shuffles(const __half *x, const __nv_bfloat162 *y,
                                    __half *u, __nv_bfloat162 *v) {
  int i = threadIdx.x;
  u[i] = __shfl_down_sync(~0u, x[i], 3, 16);
  v[i] = __shfl_xor_sync(~0u, y[i], 5);
}

/// Sums of differences, and maxima that are at least 0, of halves of words.
extern "C" __global__ void parts(const unsigned *x, unsigned *y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  unsigned a = x[3 * i], b = x[3 * i + 1], c = x[3 * i + 2];
  y[4 * i] = __vsadu2(a, b);
  y[4 * i + 1] = __vimax_s16x2_relu(a, b);
  y[4 * i + 2] = (unsigned)__vimin_s32_relu((int)a, (int)c);
  y[4 * i + 3] = __vimax3_s16x2_relu(a, b, c);
}

/// bfloat16 from and to other types, by every rounding.
extern "C" __global__ void bfloats(const float *x, int *y, int n) {
  int i = threadIdx.x;
  if (i >= n)
    return;
  float f = x[i];
  __nv_bfloat16 b = __float2bfloat16_rn(f);
  int k = __float2int_rn(f);
  int out[] = {__bfloat16_as_short(__float2bfloat16_rd(f)),
               __bfloat16_as_short(__float2bfloat16_ru(f)),
               __bfloat16_as_short(__float2bfloat16_rz(f)),
               __bfloat16_as_short(__double2bfloat16((double)f / 3)),
               __bfloat16_as_short(__int2bfloat16_rd(k)),
               __bfloat16_as_short(__int2bfloat16_ru(k)),
               __bfloat162int_rn(b),
               __bfloat162int_rd(b),
               __bfloat162int_ru(b),
               __bfloat16_as_short(hfloor(b))};
  for (int j = 0; j < 10; ++j)
    y[10 * i + j] = out[j];
}
