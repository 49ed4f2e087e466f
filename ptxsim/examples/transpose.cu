// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A transpose through shared memory whose author forgot a barrier: README.md
// shows how to find that. transpose.ptx is made from it by
//   nvcc -ptx -O3 -arch=sm_80 -lineinfo transpose.cu
extern "C" __global__ void transpose(const float *x, float *y, int w, int h) {
  __shared__ float tile[32][33];
  int col = blockIdx.x * 32 + threadIdx.x, row = blockIdx.y * 32 + threadIdx.y;
  for (int i = 0; i < 32; i += 8)
    tile[threadIdx.y + i][threadIdx.x] = x[(row + i) * w + col];
  // __syncthreads() is missing here.
  int row_out = blockIdx.x * 32 + threadIdx.y;
  int col_out = blockIdx.y * 32 + threadIdx.x;
  for (int i = 0; i < 32; i += 8)
    y[(row_out + i) * h + col_out] = tile[threadIdx.x][threadIdx.y + i];
}
