// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// sm_90a: tensor copies, matrix products of a warpgroup, clusters and
// distributed shared memory, warp specialisation.
#include <cooperative_groups.h>
#include <cstdint>
#include <cuda.h>
#include <cuda_bf16.h>
namespace cg = cooperative_groups;

// ---- barrier objects and copies --------------------------------------------
__device__ static uint32_t shared(const void *P) {
  return uint32_t(__cvta_generic_to_shared(P));
}
__device__ static void initBarrier(uint64_t *B, unsigned Count) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared(B)),
               "r"(Count));
}
__device__ static void expectBytes(uint64_t *B, unsigned Bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(
                   shared(B)),
               "r"(Bytes)
               : "memory");
}
__device__ static void arriveAt(uint64_t *B, unsigned Rank) {
  asm volatile("{ .reg .b32 r; mapa.shared::cluster.u32 r, %0, %1;\n"
               "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [r]; }" ::
                   "r"(shared(B)),
               "r"(Rank)
               : "memory");
}
__device__ static void waitFor(uint64_t *B, unsigned Parity) {
  uint32_t Done;
  do
    asm volatile(
        "{ .reg .pred p;\n"
        "mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 p, [%1], %2;\n"
        "selp.u32 %0, 1, 0, p; }"
        : "=r"(Done)
        : "r"(shared(B)), "r"(Parity)
        : "memory");
  while (!Done);
}
__device__ static void load2D(void *To, const CUtensorMap &M, int X, int Y,
                              uint64_t *B) {
  asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::"
               "complete_tx::bytes [%0], [%1, {%2, %3}], [%4];" ::"r"(shared(To)),
               "l"(&M), "r"(X), "r"(Y), "r"(shared(B))
               : "memory");
}
__device__ static void load2DMulticast(void *To, const CUtensorMap &M, int X,
                                       int Y, uint64_t *B, uint16_t Ctas) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::"
      "complete_tx::bytes.multicast::cluster [%0], [%1, {%2, %3}], [%4], %5;" ::
          "r"(shared(To)),
      "l"(&M), "r"(X), "r"(Y), "r"(shared(B)), "h"(Ctas)
      : "memory");
}

// ---- products of a warpgroup -----------------------------------------------
// Rows of 128 bytes of k with the 128-byte swizzle; blocks of 8 rows.
__device__ static uint64_t descriptor(const void *P) {
  return uint64_t(shared(P) >> 4) | uint64_t(1) << 16 | uint64_t(64) << 32 |
         uint64_t(1) << 62;
}
#define ROW8(A, K)                                                             \
  "+f"(A[K]), "+f"(A[K + 1]), "+f"(A[K + 2]), "+f"(A[K + 3]), "+f"(A[K + 4]),  \
      "+f"(A[K + 5]), "+f"(A[K + 6]), "+f"(A[K + 7])
__device__ static void product64x64x16(float (&A)[32], uint64_t X, uint64_t Y) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "
      "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,"
      "%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31}, %32, %33, 1, 1, 1, 0, "
      "0;"
      : ROW8(A, 0), ROW8(A, 8), ROW8(A, 16), ROW8(A, 24)
      : "l"(X), "l"(Y));
}
__device__ static void fenceProducts() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
template <int N> __device__ static void waitProducts() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory");
}

constexpr int Stages = 3, TileK = 64;
struct Stage {
  __nv_bfloat16 A[128 * TileK], B[64 * TileK];
};
struct Pipeline {
  Stage S[Stages];
  uint64_t Full[Stages], Empty[Stages];
};

// The consumers' part: two warpgroups, 64 rows each.
__device__ static void consume(Pipeline &P, float *C, int N, int K, int Row,
                               int Column, int Ctas) {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
  int Group = threadIdx.x / 128 - 1, Warp = threadIdx.x / 32 % 4;
  int Lane = threadIdx.x % 32;
  float Acc[32] = {};
  for (int Step = 0; Step < K / TileK; ++Step) {
    int S = Step % Stages;
    waitFor(&P.Full[S], Step / Stages & 1);
    fenceProducts();
    for (int J = 0; J < TileK / 16; ++J)
      product64x64x16(Acc,
                      descriptor(P.S[S].A + Group * 64 * TileK) + 2 * J,
                      descriptor(P.S[S].B) + 2 * J);
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
    waitProducts<0>();
    if (threadIdx.x % 128 < Ctas)
      arriveAt(&P.Empty[S], threadIdx.x % 128);
  }
  for (int J = 0; J < 32; ++J) {
    int R = Row + Group * 64 + Warp * 16 + Lane / 4 + (J & 2 ? 8 : 0);
    C[(size_t)R * N + Column + J / 4 * 8 + Lane % 4 * 2 + J % 2] = Acc[J];
  }
}

// C = A B^T with a producer warpgroup and two consumers, tiles of 128 x 64.
extern "C" __global__ void __launch_bounds__(384)
    gemmSpecialised(const __grid_constant__ CUtensorMap MA,
                    const __grid_constant__ CUtensorMap MB, float *C, int N,
                    int K) {
  extern __shared__ __align__(1024) uint8_t Memory[];
  Pipeline &P = *reinterpret_cast<Pipeline *>(Memory);
  int Row = blockIdx.y * 128, Column = blockIdx.x * 64;
  if (threadIdx.x == 0) {
    for (int S = 0; S < Stages; ++S) {
      initBarrier(&P.Full[S], 1);
      initBarrier(&P.Empty[S], 2);
    }
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
  __syncthreads();
  if (threadIdx.x >= 128) {
    consume(P, C, N, K, Row, Column, 1);
    return;
  }
  asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
  if (threadIdx.x)
    return;
  for (int Step = 0; Step < K / TileK; ++Step) {
    int S = Step % Stages;
    waitFor(&P.Empty[S], (Step / Stages & 1) ^ 1);
    expectBytes(&P.Full[S], sizeof(Stage));
    load2D(P.S[S].A, MA, Step * TileK, Row, &P.Full[S]);
    load2D(P.S[S].B, MB, Step * TileK, Column, &P.Full[S]);
  }
}

// The same by clusters of two: each CTA has rows of its own and loads half of
// the tile of B for both.
extern "C" __global__ void __launch_bounds__(384) __cluster_dims__(1, 2, 1)
    gemmMulticast(const __grid_constant__ CUtensorMap MA,
                  const __grid_constant__ CUtensorMap MB, float *C, int N,
                  int K) {
  extern __shared__ __align__(1024) uint8_t Memory[];
  Pipeline &P = *reinterpret_cast<Pipeline *>(Memory);
  cg::cluster_group Cluster = cg::this_cluster();
  int Row = blockIdx.y * 128, Column = blockIdx.x * 64;
  int Half = int(Cluster.block_rank()) * 32;
  if (threadIdx.x == 0) {
    for (int S = 0; S < Stages; ++S) {
      initBarrier(&P.Full[S], 1);
      initBarrier(&P.Empty[S], 4);
    }
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
  Cluster.sync();
  if (threadIdx.x >= 128) {
    consume(P, C, N, K, Row, Column, 2);
  } else {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
    for (int Step = 0; threadIdx.x == 0 && Step < K / TileK; ++Step) {
      int S = Step % Stages;
      waitFor(&P.Empty[S], (Step / Stages & 1) ^ 1);
      expectBytes(&P.Full[S], sizeof(Stage));
      load2D(P.S[S].A, MA, Step * TileK, Row, &P.Full[S]);
      load2DMulticast(P.S[S].B + Half * TileK, MB, Step * TileK, Column + Half,
                      &P.Full[S], 3);
    }
  }
  Cluster.sync();
}

// ---- distributed shared memory ---------------------------------------------
// Histogram of 256 bins, 64 in each CTA of a cluster of four.
extern "C" __global__ void __cluster_dims__(4)
    clusterHistogram(const uint8_t *X, unsigned *Bins, int N) {
  __shared__ unsigned Mine[64];
  cg::cluster_group Cluster = cg::this_cluster();
  if (threadIdx.x < 64)
    Mine[threadIdx.x] = 0;
  Cluster.sync();
  for (int I = blockIdx.x * blockDim.x + threadIdx.x; I < N;
       I += gridDim.x * blockDim.x) {
    unsigned *Remote = Cluster.map_shared_rank(Mine, X[I] / 64);
    atomicAdd(&Remote[X[I] % 64], 1u);
  }
  Cluster.sync();
  if (threadIdx.x < 64)
    atomicAdd(&Bins[Cluster.block_rank() * 64 + threadIdx.x], Mine[threadIdx.x]);
}

// Sum of a row per cluster: each CTA sums a part, rank 0 gathers.
extern "C" __global__ void clusterSum(const float *X, float *Y, int N) {
  __shared__ float Parts[8], Mine;
  cg::cluster_group Cluster = cg::this_cluster();
  unsigned Ctas = Cluster.num_blocks(), Rank = Cluster.block_rank();
  int Row = blockIdx.x / Ctas;
  float Sum = 0;
  for (int I = Rank * blockDim.x + threadIdx.x; I < N; I += Ctas * blockDim.x)
    Sum += X[(size_t)Row * N + I];
  for (int D = 16; D; D /= 2)
    Sum += __shfl_xor_sync(~0u, Sum, D);
  if (threadIdx.x % 32 == 0)
    Parts[threadIdx.x / 32] = Sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    Mine = 0;
    for (int I = 0; I < blockDim.x / 32; ++I)
      Mine += Parts[I];
  }
  Cluster.sync();
  if (Rank == 0 && threadIdx.x == 0) {
    float Total = 0;
    for (unsigned I = 0; I < Ctas; ++I)
      Total += *Cluster.map_shared_rank(&Mine, I);
    Y[Row] = Total;
  }
  Cluster.sync();
}

// ---- boxes -----------------------------------------------------------------
// Loads a box, adds one to every word, stores it through another map.
#define BOX(D, COORDS, ...)                                                    \
  extern "C" __global__ void box##D(const __grid_constant__ CUtensorMap From,  \
                                    const __grid_constant__ CUtensorMap To,    \
                                    int Words, int X) {                        \
    extern __shared__ __align__(1024) unsigned Tile[];                         \
    __shared__ uint64_t Barrier;                                               \
    if (threadIdx.x == 0) {                                                    \
      initBarrier(&Barrier, 1);                                                \
      asm volatile("fence.proxy.async;" ::: "memory");                         \
      expectBytes(&Barrier, Words * 4);                                        \
      asm volatile("cp.async.bulk.tensor." #D                                  \
                   "d.shared::cluster.global.tile.mbarrier::complete_tx::"     \
                   "bytes [%0], [%1, " COORDS "], [%2];" ::"r"(shared(Tile)),  \
                   "l"(&From), "r"(shared(&Barrier)), "r"(X), __VA_ARGS__      \
                   : "memory");                                                \
    }                                                                          \
    __syncthreads();                                                           \
    waitFor(&Barrier, 0);                                                      \
    for (int I = threadIdx.x; I < Words; I += blockDim.x)                      \
      Tile[I] += 1;                                                            \
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");               \
    __syncthreads();                                                           \
    if (threadIdx.x == 0) {                                                    \
      asm volatile("cp.async.bulk.tensor." #D                                  \
                   "d.global.shared::cta.tile.bulk_group [%1, " COORDS         \
                   "], [%0];" ::"r"(shared(Tile)),                             \
                   "l"(&To), "r"(0), "r"(X), __VA_ARGS__                       \
                   : "memory");                                                \
      asm volatile("cp.async.bulk.commit_group;\n"                             \
                   "cp.async.bulk.wait_group 0;" ::: "memory");                \
    }                                                                          \
  }
BOX(1, "{%3}", "n"(0))
BOX(2, "{%3, %4}", "r"(1))
BOX(3, "{%3, %4, %5}", "r"(1), "r"(2))
BOX(4, "{%3, %4, %5, %6}", "r"(1), "r"(2), "r"(0))
BOX(5, "{%3, %4, %5, %6, %7}", "r"(1), "r"(2), "r"(0), "r"(1))
