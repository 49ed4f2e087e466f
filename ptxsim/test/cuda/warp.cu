// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Warp-level algorithms, atomics, grid barriers, half precision.
#include <cstdint>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

// Keeps the multiples of three, in order within a block.
extern "C" __global__ void compact(const int *X, int *Out, int *Count) {
  __shared__ int Base[9];
  int I = blockIdx.x * 256 + threadIdx.x, W = threadIdx.x / 32;
  bool Keep = X[I] % 3 == 0;
  unsigned M = __ballot_sync(~0u, Keep);
  if (threadIdx.x % 32 == 0)
    Base[W] = __popc(M);
  __syncthreads();
  if (threadIdx.x == 0) {
    int S = 0;
    for (int K = 0; K < 8; ++K) {
      int N = Base[K];
      Base[K] = S;
      S += N;
    }
    Count[blockIdx.x] = S;
  }
  __syncthreads();
  if (Keep)
    Out[blockIdx.x * 256 + Base[W] +
        __popc(M & ((1u << threadIdx.x % 32) - 1))] = X[I];
}

// Adds one per distinct value of a warp, counted with match.
extern "C" __global__ void distinct(const int *X, unsigned *Bins) {
  int V = X[blockIdx.x * blockDim.x + threadIdx.x];
  unsigned Same = __match_any_sync(~0u, V);
  if (threadIdx.x % 32 == __ffs(Same) - 1)
    atomicAdd(&Bins[V], __popc(Same));
}

extern "C" __global__ void votes(const int *X, unsigned *Out) {
  int I = blockIdx.x * blockDim.x + threadIdx.x, V = X[I];
  unsigned R = __all_sync(~0u, V > -900) * 2 + __any_sync(~0u, V > 900);
  R += __reduce_add_sync(~0u, unsigned(V)) * 4;
  R ^= unsigned(__reduce_max_sync(~0u, V)) << 3;
  R += __syncthreads_count(V & 1) + 7 * __syncthreads_or(V > 990) +
       11 * __syncthreads_and(V > -990);
  Out[I] = R ^ __shfl_sync(~0u, V, threadIdx.x * 7 % 32, 16);
}

extern "C" __global__ void atomics(unsigned *U, int *S,
                                   unsigned long long *L, float *F) {
  unsigned I = blockIdx.x * blockDim.x + threadIdx.x;
  atomicAdd(&U[0], I);
  atomicMax(&U[1], I * 2654435761u);
  atomicMin(&S[0], int(I * 40503u) - 1000000);
  atomicXor(&U[2], I * I);
  atomicOr(&U[3], 1u << (I % 31));
  atomicAnd(&U[4], ~(1u << (I % 17)));
  atomicInc(&U[5], 99);
  atomicAdd(&L[0], (unsigned long long)I << 20);
  atomicAdd(&F[0], 1.0f);
  unsigned Old = U[6], Seen;
  do {
    Seen = Old;
    Old = atomicCAS(&U[6], Seen, Seen + (I & 3));
  } while (Old != Seen);
}

// Jacobi steps with a barrier of the whole grid between them.
__device__ unsigned Arrived = 0;
__device__ volatile unsigned Generation = 0;
__device__ void gridBarrier() {
  __syncthreads();
  if (threadIdx.x == 0) {
    unsigned G = Generation;
    __threadfence();
    if (atomicAdd(&Arrived, 1) == gridDim.x - 1) {
      Arrived = 0;
      __threadfence();
      Generation = G + 1;
    } else {
      while (Generation == G)
        ;
    }
    __threadfence();
  }
  __syncthreads();
}
extern "C" __global__ void gridJacobi(float *A, float *B, int N, int Steps) {
  int I = blockIdx.x * blockDim.x + threadIdx.x;
  for (int S = 0; S < Steps; ++S) {
    volatile float *X = S & 1 ? B : A, *Y = S & 1 ? A : B;
    if (I > 0 && I < N - 1)
      Y[I] = 0.25f * X[I - 1] + 0.5f * X[I] + 0.25f * X[I + 1];
    else if (I < N)
      Y[I] = X[I];
    gridBarrier();
  }
}

extern "C" __global__ void halfMath(const __half2 *A, const __half2 *B,
                                    __half2 *Out) {
  int I = blockIdx.x * blockDim.x + threadIdx.x;
  __half2 S = __hfma2(A[I], B[I], __hmul2(A[I], A[I]));
  S = __hadd2(S, __hmax2(A[I], B[I]));
  S = __hsub2(S, __hmin2(__hneg2(A[I]), B[I]));
  Out[I] = __hgt2(A[I], B[I]).x == __half(1.0f) ? S : __hadd2(S, B[I]);
}

extern "C" __global__ void gelu(const __nv_bfloat16 *X, __nv_bfloat16 *Y,
                                int N) {
  int I = blockIdx.x * blockDim.x + threadIdx.x;
  if (I >= N)
    return;
  float V = __bfloat162float(X[I]);
  float G = 0.5f * V * (1 + tanhf(0.79788456f * (V + 0.044715f * V * V * V)));
  Y[I] = __float2bfloat16(G);
}

extern "C" __global__ void nbody(const float4 *P, float4 *A, int N) {
  __shared__ float4 S[64];
  int I = blockIdx.x * 64 + threadIdx.x;
  float4 Me = P[I];
  float X = 0, Y = 0, Z = 0;
  for (int T = 0; T < N; T += 64) {
    S[threadIdx.x] = P[T + threadIdx.x];
    __syncthreads();
    for (int J = 0; J < 64; ++J) {
      float DX = S[J].x - Me.x, DY = S[J].y - Me.y, DZ = S[J].z - Me.z;
      float R = rsqrtf(DX * DX + DY * DY + DZ * DZ + 0.01f);
      float F = S[J].w * R * R * R;
      X += DX * F;
      Y += DY * F;
      Z += DZ * F;
    }
    __syncthreads();
  }
  A[I] = {X, Y, Z, 0};
}

extern "C" __global__ void transcendental(const float *X, float *Y,
                                          const double *XD, double *YD) {
  int I = blockIdx.x * blockDim.x + threadIdx.x;
  float V = X[I];
  Y[I] = sinf(V) + cosf(V * 3) + logf(fabsf(V) + 1) + expf(-V * V) +
         atanf(V) + erff(V) + cbrtf(V) + powf(fabsf(V) + 0.5f, 1.7f);
  double D = XD[I];
  YD[I] = sin(D) + log(fabs(D) + 1) + exp(-D) + sqrt(fabs(D)) + floor(D) +
          fmod(D, 0.3) + rint(D * 7);
}

extern "C" __global__ void spmv(const int *Start, const int *Column,
                                const float *Value, const float *X, float *Y,
                                int Rows) {
  int R = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
  if (R >= Rows)
    return;
  float S = 0;
  for (int I = Start[R] + threadIdx.x % 32; I < Start[R + 1]; I += 32)
    S += Value[I] * X[Column[I]];
  for (int O = 16; O; O >>= 1)
    S += __shfl_down_sync(~0u, S, O);
  if (threadIdx.x % 32 == 0)
    Y[R] = S;
}
