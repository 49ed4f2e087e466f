// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Matrix products by wmma in every type, and a cp.async pipelined mma.sync.
#include <cstdint>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <mma.h>
using namespace nvcuda;

template <class TA, class TC, int M, int N, int K, class LB, class Raw>
__device__ void product(const Raw *A, const Raw *B, TC *C, int Cols, int Depth) {
  wmma::fragment<wmma::matrix_a, M, N, K, TA, wmma::row_major> FA;
  wmma::fragment<wmma::matrix_b, M, N, K, TA, LB> FB;
  wmma::fragment<wmma::accumulator, M, N, K, TC> FC;
  wmma::fill_fragment(FC, TC(0));
  int Row = blockIdx.y * M, Col = blockIdx.x * N;
  constexpr bool ColMajor = std::is_same_v<LB, wmma::col_major>;
  for (int I = 0; I < Depth; I += K) {
    wmma::load_matrix_sync(FA, A + Row * Depth + I, Depth);
    wmma::load_matrix_sync(FB, ColMajor ? B + Col * Depth + I : B + I * Cols + Col,
                           ColMajor ? Depth : Cols);
    wmma::mma_sync(FC, FA, FB, FC);
  }
  for (int I = 0; I < FC.num_elements; ++I)
    FC.x[I] = FC.x[I] + FC.x[I];
  wmma::store_matrix_sync(C + Row * Cols + Col, FC, Cols, wmma::mem_row_major);
}
#define PRODUCT(Name, TA, Raw, TC, M, N, K, LB)                                \
  extern "C" __global__ void Name(const Raw *A, const Raw *B, TC *C, int Cols, \
                                  int Depth) {                                 \
    product<TA, TC, M, N, K, wmma::LB>(A, B, C, Cols, Depth);                  \
  }
PRODUCT(wmmaF16, half, half, float, 16, 16, 16, row_major)
PRODUCT(wmmaF16Half, half, half, half, 32, 8, 16, col_major)
PRODUCT(wmmaBf16, __nv_bfloat16, __nv_bfloat16, float, 8, 32, 16, col_major)
PRODUCT(wmmaTf32, wmma::precision::tf32, float, float, 16, 16, 8, row_major)
PRODUCT(wmmaS8, signed char, signed char, int, 16, 16, 16, col_major)
PRODUCT(wmmaU8, unsigned char, unsigned char, int, 32, 8, 16, row_major)
PRODUCT(wmmaF64, double, double, double, 8, 8, 4, row_major)

// 64 x 64 tiles, k 32, three stages of cp.async; A row-major, B col-major.
constexpr int BM = 64, BN = 64, BK = 32, Stages = 3, Pad = 8;
extern "C" __global__ void __launch_bounds__(128)
    pipelined(const __nv_bfloat16 *A, const __nv_bfloat16 *B, float *C, int N,
              int K) {
  __shared__ __align__(16) __nv_bfloat16 SA[Stages][BM][BK + Pad];
  __shared__ __align__(16) __nv_bfloat16 SB[Stages][BN][BK + Pad];
  int T = threadIdx.x, W = T / 32, L = T % 32;
  auto Load = [&](int Stage, int K0) {
    for (int I = T; I < BM * BK / 8; I += 128) {
      int R = I / (BK / 8), Q = I % (BK / 8) * 8;
      unsigned DA = __cvta_generic_to_shared(&SA[Stage][R][Q]);
      unsigned DB = __cvta_generic_to_shared(&SB[Stage][R][Q]);
      asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(DA),
                   "l"(A + (blockIdx.y * BM + R) * K + K0 + Q));
      asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(DB),
                   "l"(B + (blockIdx.x * BN + R) * K + K0 + Q));
    }
  };
  float Acc[8][4] = {};
  for (int S = 0; S < Stages - 1; ++S) {
    Load(S, S * BK);
    asm volatile("cp.async.commit_group;");
  }
  for (int I = 0; I < K / BK; ++I) {
    asm volatile("cp.async.wait_group 1;");
    __syncthreads();
    int Next = I + Stages - 1;
    if (Next < K / BK)
      Load(Next % Stages, Next * BK);
    asm volatile("cp.async.commit_group;");
    int S = I % Stages;
    for (int KK = 0; KK < BK; KK += 16) {
      unsigned FA[4], FB[2];
      unsigned PA = __cvta_generic_to_shared(
          &SA[S][W * 16 + L % 16][KK + L / 16 * 8]);
      asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                   : "=r"(FA[0]), "=r"(FA[1]), "=r"(FA[2]), "=r"(FA[3])
                   : "r"(PA) : "memory");
      for (int J = 0; J < 8; ++J) {
        unsigned PB = __cvta_generic_to_shared(
            &SB[S][J * 8 + L % 8][KK + L / 8 % 2 * 8]);
        asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];"
                     : "=r"(FB[0]), "=r"(FB[1])
                     : "r"(PB) : "memory");
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                     "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                     : "+f"(Acc[J][0]), "+f"(Acc[J][1]), "+f"(Acc[J][2]),
                       "+f"(Acc[J][3])
                     : "r"(FA[0]), "r"(FA[1]), "r"(FA[2]), "r"(FA[3]),
                       "r"(FB[0]), "r"(FB[1]));
      }
    }
  }
  for (int J = 0; J < 8; ++J)
    for (int E = 0; E < 4; ++E) {
      int R = blockIdx.y * BM + W * 16 + L / 4 + E / 2 * 8;
      C[R * N + blockIdx.x * BN + J * 8 + L % 4 * 2 + E % 2] = Acc[J][E];
    }
}
