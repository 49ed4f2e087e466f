// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What CUDA C++ programs take for granted of the language and its headers:
// 128-bit integers, barriers of a whole grid, casts of NaN.
#include <cooperative_groups.h>
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
