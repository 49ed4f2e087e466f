// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Data-parallel classics: products, reductions, scans, sorting, stencils.
#include <cstdint>

constexpr int T = 16;
extern "C" __global__ void sgemm(const float *A, const float *B, float *C,
                                 int M, int N, int K) {
  __shared__ float SA[T][T], SB[T][T + 1];
  int Row = blockIdx.y * T + threadIdx.y, Col = blockIdx.x * T + threadIdx.x;
  float Sum = 0;
  for (int K0 = 0; K0 < K; K0 += T) {
    int KA = K0 + threadIdx.x, KB = K0 + threadIdx.y;
    SA[threadIdx.y][threadIdx.x] = Row < M && KA < K ? A[Row * K + KA] : 0;
    SB[threadIdx.y][threadIdx.x] = KB < K && Col < N ? B[KB * N + Col] : 0;
    __syncthreads();
    for (int J = 0; J < T; ++J)
      Sum += SA[threadIdx.y][J] * SB[J][threadIdx.x];
    __syncthreads();
  }
  if (Row < M && Col < N)
    C[Row * N + Col] = Sum;
}

extern "C" __global__ void reduce(const int *X, int *Out, int N) {
  __shared__ int Part[32];
  int Sum = 0;
  for (int I = blockIdx.x * blockDim.x + threadIdx.x; I < N;
       I += gridDim.x * blockDim.x)
    Sum += X[I];
  for (int O = 16; O; O >>= 1)
    Sum += __shfl_down_sync(~0u, Sum, O);
  if (threadIdx.x % 32 == 0)
    Part[threadIdx.x / 32] = Sum;
  __syncthreads();
  if (threadIdx.x < 32) {
    Sum = threadIdx.x < blockDim.x / 32 ? Part[threadIdx.x] : 0;
    for (int O = 16; O; O >>= 1)
      Sum += __shfl_xor_sync(~0u, Sum, O);
    if (threadIdx.x == 0)
      atomicAdd(Out, Sum);
  }
}

extern "C" __global__ void blockScan(const int *X, int *Y) {
  __shared__ int S[2][256];
  int I = threadIdx.x, In = 0;
  S[0][I] = X[blockIdx.x * 256 + I];
  __syncthreads();
  for (int O = 1; O < 256; O *= 2, In ^= 1) {
    S[In ^ 1][I] = I >= O ? S[In][I] + S[In][I - O] : S[In][I];
    __syncthreads();
  }
  Y[blockIdx.x * 256 + I] = S[In][I];
}

// Single-pass scan: each block publishes its sum and looks back.
extern "C" __global__ void lookbackScan(const int *X, int *Y,
                                        volatile int *Flag, volatile int *Sum,
                                        volatile int *Prefix, int *Ticket) {
  __shared__ int S[256];
  __shared__ int Block, Before;
  if (threadIdx.x == 0)
    Block = atomicAdd(Ticket, 1);
  __syncthreads();
  int B = Block, I = threadIdx.x;
  S[I] = X[B * 256 + I];
  __syncthreads();
  for (int O = 1; O < 256; O *= 2) {
    int V = I >= O ? S[I - O] : 0;
    __syncthreads();
    S[I] += V;
    __syncthreads();
  }
  if (I == 0) {
    Sum[B] = S[255];
    __threadfence();
    Flag[B] = 1;
    int Total = 0;
    for (int P = B - 1; P >= 0; --P) {
      int F;
      while ((F = Flag[P]) == 0)
        ;
      __threadfence();
      if (F == 2) {
        Total += Prefix[P];
        break;
      }
      Total += Sum[P];
    }
    Prefix[B] = Total + S[255];
    __threadfence();
    Flag[B] = 2;
    Before = Total;
  }
  __syncthreads();
  Y[B * 256 + I] = Before + S[I];
}

extern "C" __global__ void histogram(const uint8_t *X, unsigned *Bins, int N) {
  __shared__ unsigned S[256];
  for (int I = threadIdx.x; I < 256; I += blockDim.x)
    S[I] = 0;
  __syncthreads();
  for (int I = blockIdx.x * blockDim.x + threadIdx.x; I < N;
       I += gridDim.x * blockDim.x)
    atomicAdd(&S[X[I]], 1u);
  __syncthreads();
  for (int I = threadIdx.x; I < 256; I += blockDim.x)
    atomicAdd(&Bins[I], S[I]);
}

extern "C" __global__ void bitonicSort(unsigned *X) {
  __shared__ unsigned S[512];
  unsigned *P = X + blockIdx.x * 512;
  for (int I = threadIdx.x; I < 512; I += 256)
    S[I] = P[I];
  for (int K = 2; K <= 512; K *= 2)
    for (int J = K / 2; J; J /= 2) {
      __syncthreads();
      int I = 2 * threadIdx.x - (threadIdx.x & (J - 1));
      unsigned A = S[I], B = S[I + J];
      if ((A > B) == ((I & K) == 0)) {
        S[I] = B;
        S[I + J] = A;
      }
    }
  __syncthreads();
  for (int I = threadIdx.x; I < 512; I += 256)
    P[I] = S[I];
}

extern "C" __global__ void transpose(const float *X, float *Y, int W, int H) {
  __shared__ float S[32][33];
  int C = blockIdx.x * 32 + threadIdx.x, R = blockIdx.y * 32 + threadIdx.y;
  for (int I = 0; I < 32; I += 8)
    if (C < W && R + I < H)
      S[threadIdx.y + I][threadIdx.x] = X[(R + I) * W + C];
  __syncthreads();
  C = blockIdx.y * 32 + threadIdx.x;
  R = blockIdx.x * 32 + threadIdx.y;
  for (int I = 0; I < 32; I += 8)
    if (C < H && R + I < W)
      Y[(R + I) * H + C] = S[threadIdx.x][threadIdx.y + I];
}

extern "C" __global__ void stencil(const float *X, float *Y, int N) {
  extern __shared__ float Tile[];
  int G = blockIdx.x * blockDim.x + threadIdx.x, L = threadIdx.x + 3;
  Tile[L] = G < N ? X[G] : 0;
  if (threadIdx.x < 3) {
    Tile[L - 3] = G >= 3 ? X[G - 3] : 0;
    int R = G + blockDim.x;
    Tile[L + blockDim.x] = R < N ? X[R] : 0;
  }
  __syncthreads();
  float S = 0;
  for (int O = -3; O <= 3; ++O)
    S += Tile[L + O] * (4 - abs(O));
  if (G < N)
    Y[G] = S;
}

__device__ float warpMax(float V) {
  for (int O = 16; O; O >>= 1)
    V = fmaxf(V, __shfl_xor_sync(~0u, V, O));
  return V;
}
__device__ float warpSum(float V) {
  for (int O = 16; O; O >>= 1)
    V += __shfl_xor_sync(~0u, V, O);
  return V;
}
extern "C" __global__ void softmax(const float *X, float *Y, int N) {
  __shared__ float A[4], B[4];
  const float *P = X + blockIdx.x * N;
  int I0 = threadIdx.x;
  float M = -INFINITY, S = 0;
  for (int I = I0; I < N; I += 128)
    M = fmaxf(M, P[I]);
  M = warpMax(M);
  if (I0 % 32 == 0)
    A[I0 / 32] = M;
  __syncthreads();
  M = fmaxf(fmaxf(A[0], A[1]), fmaxf(A[2], A[3]));
  for (int I = I0; I < N; I += 128)
    S += expf(P[I] - M);
  S = warpSum(S);
  if (I0 % 32 == 0)
    B[I0 / 32] = S;
  __syncthreads();
  S = B[0] + B[1] + B[2] + B[3];
  for (int I = I0; I < N; I += 128)
    Y[blockIdx.x * N + I] = expf(P[I] - M) / S;
}

extern "C" __global__ void layernorm(const float *X, const float *G,
                                     const float *B, float *Y, int N) {
  const float *P = X + blockIdx.x * N;
  float S = 0, Q = 0;
  for (int I = threadIdx.x; I < N; I += 32) {
    S += P[I];
    Q += P[I] * P[I];
  }
  float Mean = warpSum(S) / N, R = rsqrtf(warpSum(Q) / N - Mean * Mean + 1e-5f);
  for (int I = threadIdx.x; I < N; I += 32)
    Y[blockIdx.x * N + I] = (P[I] - Mean) * R * G[I] + B[I];
}
