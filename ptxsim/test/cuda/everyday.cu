// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What users write every day: block primitives, packed halves, every atomic
// operation, pointers to functions, constants, bit and video operations, the
// libraries of functions, printf and assert.
#include <cassert>
#include <cstdint>
#include <cstdio>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

// ---- block radix sort of 4 keys per thread
template <int T> __device__ int blockScan(int V, int *S, int &Total) {
  int L = threadIdx.x & 31, W = threadIdx.x >> 5, X = V;
#pragma unroll
  for (int D = 1; D < 32; D *= 2) {
    int Y = __shfl_up_sync(~0u, X, D);
    if (L >= D)
      X += Y;
  }
  if (L == 31)
    S[W] = X;
  __syncthreads();
  if (W == 0) {
    int Y = L < T / 32 ? S[L] : 0, Z = Y;
    for (int D = 1; D < 32; D *= 2) {
      int Q = __shfl_up_sync(~0u, Z, D);
      if (L >= D)
        Z += Q;
    }
    if (L < T / 32)
      S[L] = Z - Y;
    if (L == T / 32 - 1)
      S[32] = Z;
  }
  __syncthreads();
  int R = X - V + S[W];
  Total = S[32];
  __syncthreads();
  return R;
}
extern "C" __global__ void __launch_bounds__(128) radixSort(unsigned *Keys) {
  __shared__ unsigned A[512];
  __shared__ int S[33];
  for (int I = threadIdx.x; I < 512; I += 128)
    A[I] = Keys[blockIdx.x * 512 + I];
  __syncthreads();
  for (int Bit = 0; Bit < 32; ++Bit) {
    unsigned K[4];
    int Z = 0;
    for (int J = 0; J < 4; ++J) {
      K[J] = A[threadIdx.x * 4 + J];
      Z += !(K[J] >> Bit & 1);
    }
    int Total, Before = blockScan<128>(Z, S, Total),
               Ones = threadIdx.x * 4 - Before;
    for (int J = 0; J < 4; ++J)
      if (K[J] >> Bit & 1)
        A[Total + Ones++] = K[J];
      else
        A[Before++] = K[J];
    __syncthreads();
  }
  for (int I = threadIdx.x; I < 512; I += 128)
    Keys[blockIdx.x * 512 + I] = A[I];
}
// ---- packed halves
extern "C" __global__ void half2Ops(const __half2 *X, const __half2 *Y,
                                    __half2 *O) {
  int I = threadIdx.x;
  __half2 A = X[I], B = Y[I];
  __half2 R = __hfma2(A, B, __hadd2(A, B));
  R = __hmax2(R, __hmul2(A, __float2half2_rn(0.5f)));
  R = __hsub2(R, __hneg2(B));
  if (__hbgt2(A, B))
    R = __habs2(R);
  R = __hadd2(R, h2sqrt(__habs2(A)));
  R = __hadd2(R, h2rcp(__hadd2(__habs2(B), __float2half2_rn(1.f))));
  R = __hmin2(R, __float2half2_rn(8.f));
  __half Lo = __low2half(R), Hi = __high2half(R);
  O[I] = __halves2half2(__hlt(Lo, Hi) ? Lo : Hi,
                        hexp(__hmul(Lo, __float2half(0.125f))));
}
extern "C" __global__ void
bf162Ops(const __nv_bfloat162 *X, const __nv_bfloat162 *Y, __nv_bfloat162 *O) {
  int I = threadIdx.x;
  __nv_bfloat162 A = X[I], B = Y[I];
  __nv_bfloat162 R = __hfma2(A, B, A);
  R = __hmax2(R, __hmul2(B, B));
  R = __hsub2(R, A);
  R = __hadd2(R, __habs2(B));
  float F = __bfloat162float(__low2bfloat16(R)) + __high2float(R);
  O[I] = __floats2bfloat162_rn(
      F, __bfloat162float(__hmul(__low2bfloat16(A), __high2bfloat16(B))));
}
// ---- atomics
extern "C" __global__ void allAtomics(int *I, unsigned *U,
                                      unsigned long long *L, long long *S,
                                      float *F, double *D, __half2 *H,
                                      __nv_bfloat162 *B, unsigned short *C) {
  unsigned T = blockIdx.x * blockDim.x + threadIdx.x;
  atomicAdd(&I[0], int(T));
  atomicSub(&I[1], 3);
  atomicMin(&I[2], -int(T * 7 % 501));
  atomicMax(&I[3], int(T * 11 % 997));
  atomicExch(&I[4], 42);
  atomicAnd(&I[5], ~(1 << (T & 15)));
  atomicOr(&I[6], 1 << (T & 15));
  atomicXor(&I[7], 1 << (T % 13));
  atomicInc(&U[0], 100);
  atomicDec(&U[1], 77);
  atomicAdd(&U[2], T);
  atomicAdd(&L[0], 1ull << 33);
  atomicMax(&L[1], (unsigned long long)T << 20);
  atomicMin(&L[2], ~0ull - T);
  atomicAnd(&L[3], ~(1ull << (T & 63)));
  atomicOr(&L[4], 1ull << (T & 63));
  atomicXor(&L[5], 1ull << (T % 61));
  atomicCAS(&L[6], 0ull, 7ull);
  atomicExch(&L[7], 9ull);
  atomicMin(&S[0], -(long long)T);
  atomicMax(&S[1], (long long)T * 5);
  atomicAdd(&F[0], 1.0f);
  atomicAdd(&D[0], 0.5);
  atomicAdd(&H[0], __floats2half2_rn(1.f, 2.f));
  atomicAdd(&B[0], __floats2bfloat162_rn(1.f, 0.f));
  // max of floats by CAS
  int *A = (int *)&F[1];
  int Old = *A, Seen;
  float V = float(T * 37 % 1000);
  do {
    Seen = Old;
    if (__int_as_float(Seen) >= V)
      break;
    Old = atomicCAS(A, Seen, __float_as_int(V));
  } while (Old != Seen);
  unsigned short Cur = C[0], Exp;
  do {
    Exp = Cur;
    Cur = atomicCAS(&C[0], Exp, (unsigned short)(Exp + 3));
  } while (Cur != Exp);
  atomicAdd_block(&U[3], 1);
  atomicAdd_system(&U[4], 2u);
}
// ---- pointers to functions, switch, locals
__device__ int addOne(int X) { return X + 1; }
__device__ int twice(int X) { return X * 2; }
__device__ int square(int X) { return X * X; }
__device__ __noinline__ int mix(int X, int Y) { return X * 31 + (Y ^ X >> 3); }
typedef int (*Fn)(int);
__device__ Fn Table[3] = {addOne, twice, square};
extern "C" __global__ void functionPointers(const int *X, int *O) {
  int I = threadIdx.x;
  Fn F = Table[X[I] % 3];
  int V = F(X[I]);
  Fn G = X[I] & 1 ? addOne : square;
  O[I] = mix(V, G(I));
}
__constant__ float Weights[9] = {1, 2, 1, 2, 4, 2, 1, 2, 1};
extern "C" __global__ void blur(const float *__restrict__ X, float *Y, int W,
                                int H) {
  int I = blockIdx.x * blockDim.x + threadIdx.x,
      J = blockIdx.y * blockDim.y + threadIdx.y;
  if (I >= W || J >= H)
    return;
  float S = 0;
  for (int V = -1; V <= 1; ++V)
    for (int U = -1; U <= 1; ++U) {
      int P = min(max(I + U, 0), W - 1), Q = min(max(J + V, 0), H - 1);
      S += Weights[(V + 1) * 3 + U + 1] * __ldg(&X[Q * W + P]);
    }
  Y[J * W + I] = S / 16;
}
extern "C" __global__ void bits(const unsigned *X, unsigned *O) {
  unsigned V = X[threadIdx.x], R = __popc(V);
  unsigned long long L = (unsigned long long)V << 17 | V;
  R = R * 33 + __brev(V);
  R = R * 33 + __ffs(V) + __ffsll(L);
  R = R * 33 + __clz(V) + __clzll(L) + __popcll(L);
  R ^= __brevll(L) >> 32;
  R += __byte_perm(V, R, 0x3175);
  R ^= __funnelshift_l(V, R, V & 31) + __funnelshift_rc(V, R, V >> 5);
  R += __dp4a((int)V, (int)R, 5);
  R += __dp4a(V, R, 7u);
  R += __dp2a_lo((int)V, (int)R, 1);
  R ^= __vadd4(V, R);
  R += __vabsdiffs2(V, R) + __vmaxu4(V, R) + __vcmpgtu2(V, R) + __vsub2(R, V) +
       __vavgu4(V, R) + __vsadu4(V, R);
  R += __mulhi((int)V, (int)R) + __umulhi(V, R) +
       (unsigned)__mul64hi((long long)L, (long long)R) + __usad(V, R, 3) +
       __sad((int)V, (int)R, 1u) + __hadd((int)V, (int)R) + __rhadd(3, (int)V) +
       __mul24((int)V, 5);
  R += __fns(V | 1, 0, 1);
  O[threadIdx.x] = R;
}
extern "C" __global__ void clocks(long long *O) {
  long long A = clock64();
  unsigned B = clock();
  __nanosleep(100);
  long long C = clock64();
  unsigned long long G;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(G));
  O[threadIdx.x] = (C >= A) + 2 * (clock() != 0 || B == 0) + 4 * (G != 0);
}
extern "C" __global__ void prints(int N) {
  if (threadIdx.x < N)
    printf("thread %d of %u: %5.2f %s %c %lld %p %%\n", threadIdx.x, blockDim.x,
           threadIdx.x * 0.5, "text", 'x', 1ll << 40, (void *)0);
}
extern "C" __global__ void asserts(int N) { assert(threadIdx.x < N); }
struct Item {
  double D;
  short S;
  char C;
  long long L;
};
extern "C" __global__ void structs(const Item *X, Item *Y, Item Z) {
  Item V = X[threadIdx.x];
  V.D += Z.D;
  V.S += Z.S;
  V.C ^= Z.C;
  V.L -= Z.L;
  Y[threadIdx.x] = V;
}
extern "C" __global__ void doubles(const double *X, double *O) {
  double V = X[threadIdx.x];
  O[threadIdx.x] = sqrt(fabs(V)) + rint(V) * floor(V) -
                   fma(V, V, 1.0 / (V + 3)) + fmod(V, 0.7) + (double)llrint(V) +
                   copysign(2.0, V) + exp(V) + log(fabs(V) + 1) +
                   pow(fabs(V), 1.5) + sin(V) + atan2(V, 2.0) + cbrt(V) +
                   erf(V) + tgamma(fabs(V) + 1);
}
extern "C" __global__ void floats(const float *X, float *O) {
  float V = X[threadIdx.x];
  O[threadIdx.x] = sqrtf(fabsf(V)) + rintf(V) * floorf(V) + fmodf(V, 0.7f) +
                   expf(V) + logf(fabsf(V) + 1) + powf(fabsf(V), 1.5f) +
                   sinf(V * 1000) + atan2f(V, 2.0f) + cbrtf(V) + erff(V) +
                   tgammaf(fabsf(V) + 1) + __expf(V) + __sinf(V) +
                   __fdividef(V, 3) + rsqrtf(fabsf(V) + 1) + ldexpf(V, 3) +
                   (float)ilogbf(V + 5) + truncf(V) + tanhf(V) + hypotf(V, 1) +
                   normcdff(V) + __saturatef(V) + nextafterf(V, 9);
}
extern "C" __global__ void longDivide(const long long *X, const long long *Y,
                                      long long *O) {
  long long A = X[threadIdx.x], B = Y[threadIdx.x];
  O[threadIdx.x] =
      A / B + A % B * 3 +
      (long long)((unsigned long long)A / (unsigned long long)B % 1000) +
      (__int128(A) * B >> 64);
}
extern "C" __global__ void insertionSort(const int *X, int *O) {
  int S[16];
  for (int I = 0; I < 16; ++I)
    S[I] = X[threadIdx.x * 16 + I];
  for (int I = 1; I < 16; ++I) {
    int V = S[I], J = I;
    for (; J && S[J - 1] > V; --J)
      S[J] = S[J - 1];
    S[J] = V;
  }
  for (int I = 0; I < 16; ++I)
    O[threadIdx.x * 16 + I] = S[I];
}
