// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The product whose simulation is timed: 128 x 128 tiles, 8 x 8 per thread.
extern "C" __global__ void __launch_bounds__(256)
    sgemm128(const float *A, const float *B, float *C, int M, int N, int K) {
  __shared__ float SA[8][128], SB[8][128];
  int T = threadIdx.x, X = T % 16, Y = T / 16;
  int Row = blockIdx.y * 128, Col = blockIdx.x * 128;
  float Acc[8][8] = {};
  const float *PA = A + (size_t)(Row + T / 2) * K + T % 2 * 4;
  const float *PB = B + (size_t)(T / 32) * N + Col + T % 32 * 4;
  for (int K0 = 0; K0 < K; K0 += 8) {
    float4 VA = *(const float4 *)PA, VB = *(const float4 *)PB;
    PA += 8;
    PB += 8 * (size_t)N;
    __syncthreads();
    SA[T % 2 * 4][T / 2] = VA.x;
    SA[T % 2 * 4 + 1][T / 2] = VA.y;
    SA[T % 2 * 4 + 2][T / 2] = VA.z;
    SA[T % 2 * 4 + 3][T / 2] = VA.w;
    *(float4 *)&SB[T / 32][T % 32 * 4] = VB;
    __syncthreads();
#pragma unroll
    for (int J = 0; J < 8; ++J) {
      float4 A0 = *(float4 *)&SA[J][Y * 8], A1 = *(float4 *)&SA[J][Y * 8 + 4];
      float4 B0 = *(float4 *)&SB[J][X * 4], B1 = *(float4 *)&SB[J][64 + X * 4];
      float P[8] = {A0.x, A0.y, A0.z, A0.w, A1.x, A1.y, A1.z, A1.w};
      float Q[8] = {B0.x, B0.y, B0.z, B0.w, B1.x, B1.y, B1.z, B1.w};
#pragma unroll
      for (int I = 0; I < 8; ++I)
#pragma unroll
        for (int L = 0; L < 8; ++L)
          Acc[I][L] = fmaf(P[I], Q[L], Acc[I][L]);
    }
  }
  for (int I = 0; I < 8; ++I) {
    float *P = C + (size_t)(Row + Y * 8 + I) * N + Col + X * 4;
    *(float4 *)P = {Acc[I][0], Acc[I][1], Acc[I][2], Acc[I][3]};
    *(float4 *)(P + 64) = {Acc[I][4], Acc[I][5], Acc[I][6], Acc[I][7]};
  }
}
