// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// sm_90a: convolutions in 1 to 3 dimensions whose inputs come through im2col
// tensor maps, one box of pixels per tap of the filter.
#include <cstdint>
#include <cuda.h>

// Innermost dimension first: width, height, depth. One filter.
struct Convolution {
  int Out[3], Taps[3], Stride[3], Pad[3];
  int Images, Channels, Pixels; // Pixels: of a box
  int Swizzled;                 // 32-byte swizzle, else none
};

__device__ static uint32_t shared(const void *P) {
  return uint32_t(__cvta_generic_to_shared(P));
}
__device__ static float element(const float *Tile, int Index, bool Swizzled) {
  unsigned Byte = unsigned(Index) * 4;
  if (Swizzled)
    Byte ^= (Byte >> 7 & 1) << 4;
  return Tile[Byte / 4];
}

// Y[pixel] = sum over taps and channels of X W; a thread per pixel.
#define CONVOLVE(RANK, COORDS, OFFSETS, ...)                                   \
  extern "C" __global__ void convolve##RANK(                                   \
      const __grid_constant__ CUtensorMap X, const float *Filter, float *Y,    \
      Convolution C) {                                                         \
    extern __shared__ __align__(256) float Tile[];                             \
    __shared__ uint64_t Barrier;                                               \
    int First = blockIdx.x * C.Pixels, Mine = First + threadIdx.x;             \
    int W = First % C.Out[0], H = First / C.Out[0] % C.Out[1];                 \
    int D = First / C.Out[0] / C.Out[1] % C.Out[2];                            \
    int N = First / C.Out[0] / C.Out[1] / C.Out[2];                            \
    W = W * C.Stride[0] - C.Pad[0];                                            \
    H = H * C.Stride[1] - C.Pad[1];                                            \
    D = D * C.Stride[2] - C.Pad[2];                                            \
    if (threadIdx.x == 0) {                                                    \
      asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(             \
          shared(&Barrier)));                                                  \
      asm volatile("fence.proxy.async.shared::cta;" ::: "memory");             \
    }                                                                          \
    __syncthreads();                                                           \
    float Sum = 0;                                                             \
    unsigned Phase = 0;                                                        \
    for (short Z = 0; Z < C.Taps[2]; ++Z)                                      \
      for (short V = 0; V < C.Taps[1]; ++V)                                    \
        for (short U = 0; U < C.Taps[0]; ++U) {                                \
          if (threadIdx.x == 0) {                                              \
            asm volatile(                                                      \
                "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::    \
                    "r"(shared(&Barrier)),                                     \
                "r"(C.Pixels * C.Channels * 4)                                 \
                : "memory");                                                   \
            asm volatile("cp.async.bulk.tensor." #RANK                         \
                         "d.shared::cluster.global.im2col.mbarrier::complete_" \
                         "tx::bytes [%0], [%1, " COORDS "], [%2], " OFFSETS    \
                         ";" ::"r"(shared(Tile)),                              \
                         "l"(&X), "r"(shared(&Barrier)), __VA_ARGS__           \
                         : "memory");                                          \
          }                                                                    \
          uint32_t Done;                                                       \
          do                                                                   \
            asm volatile("{ .reg .pred p;\n"                                   \
                         "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], "  \
                         "%2;\nselp.u32 %0, 1, 0, p; }"                        \
                         : "=r"(Done)                                          \
                         : "r"(shared(&Barrier)), "r"(Phase)                   \
                         : "memory");                                          \
          while (!Done);                                                       \
          Phase ^= 1;                                                          \
          if (threadIdx.x < C.Pixels)                                          \
            for (int K = 0; K < C.Channels; ++K)                               \
              Sum += element(Tile, threadIdx.x * C.Channels + K, C.Swizzled) * \
                     *Filter++;                                                \
          __syncthreads();                                                     \
        }                                                                      \
    if (threadIdx.x < C.Pixels &&                                              \
        Mine < C.Images * C.Out[0] * C.Out[1] * C.Out[2])                      \
      Y[Mine] = Sum;                                                           \
  }
CONVOLVE(3, "{%3, %4, %5}", "{%6}", "r"(0), "r"(W), "r"(N), "h"(U))
CONVOLVE(4, "{%3, %4, %5, %6}", "{%7, %8}", "r"(0), "r"(W), "r"(H), "r"(N),
         "h"(U), "h"(V))
CONVOLVE(5, "{%3, %4, %5, %6, %7}", "{%8, %9, %10}", "r"(0), "r"(W), "r"(H),
         "r"(D), "r"(N), "h"(U), "h"(V), "h"(Z))
