// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// sm_90a: a wgmma product of 64 x 16 for every type, with A in shared memory or
// in registers, both orders of 16-bit operands, negation and saturation.
#include <cstdint>

constexpr int N = 16, StepBytes = 32; // of k, in one product

__device__ static uint32_t shared(const void *P) {
  return uint32_t(__cvta_generic_to_shared(P));
}

// Where a byte of k of a row lies: core matrices of 8 rows of 16 bytes, 128
// bytes each; those of the other half of k follow all of the first half's.
// With rows innermost (16-bit types) core matrices are transposed.
__device__ static int place(int Rows, int Row, int Byte, bool RowsInner) {
  int Half = Byte / 16;
  int Inner = RowsInner ? Byte / 2 % 8 * 16 + Row % 8 * 2 + Byte % 2
                        : Row % 8 * 16 + Byte % 16;
  return Half * (Rows / 8 * 128) + Row / 8 * 128 + Inner;
}
__device__ static void stage(uint8_t *To, const uint8_t *From, int Rows,
                             int RowBytes, int Step, bool RowsInner) {
#pragma unroll 1
  for (int I = threadIdx.x; I < Rows * StepBytes; I += blockDim.x) {
    int Row = I / StepBytes, Byte = I % StepBytes;
    To[place(Rows, Row, Byte, RowsInner)] =
        From[Row * RowBytes + Step * StepBytes + Byte];
  }
}
__device__ static uint64_t descriptor(const void *P, int Rows) {
  return uint64_t(shared(P) >> 4) | uint64_t(Rows / 8 * 128 >> 4) << 16 |
         uint64_t(128 >> 4) << 32;
}

struct Acc_f32 {
  using T = float;
  static constexpr int Count = 8;
};
struct Acc_s32 {
  using T = int;
  static constexpr int Count = 8;
};
struct Acc_f16 {
  using T = uint32_t;
  static constexpr int Count = 4;
};
#define LIST8(C) C(A[0]), C(A[1]), C(A[2]), C(A[3]), C(A[4]), C(A[5]), C(A[6]), C(A[7])
#define LIST4(C) C(A[0]), C(A[1]), C(A[2]), C(A[3])
#define OUT_f32 LIST8("+f")
#define OUT_s32 LIST8("+r")
#define OUT_f16 LIST4("+r")
#define D_f32 "{%0,%1,%2,%3,%4,%5,%6,%7}"
#define D_s32 D_f32
#define D_f16 "{%0,%1,%2,%3}"
#define SS_f32 "%8, %9, p"
#define SS_s32 SS_f32
#define SS_f16 "%4, %5, p"
#define RS_f32 "{%8,%9,%10,%11}, %12, p"
#define RS_s32 RS_f32
#define RS_f16 "{%4,%5,%6,%7}, %8, p"
#define P_SS_f32 "{ .reg .pred p; setp.ne.b32 p, %10, 0;\n"
#define P_SS_s32 P_SS_f32
#define P_SS_f16 "{ .reg .pred p; setp.ne.b32 p, %6, 0;\n"
#define P_RS_f32 "{ .reg .pred p; setp.ne.b32 p, %13, 0;\n"
#define P_RS_s32 P_RS_f32
#define P_RS_f16 "{ .reg .pred p; setp.ne.b32 p, %9, 0;\n"

// D = (Keep ? D : 0) + A B^T over Steps products. A is 64, B 16 rows of Steps
// times 32 bytes; TRANSA, TRANSB: rows innermost in shared memory. D as the
// instruction leaves it in the registers of the 128 threads.
#define PRODUCT(NAME, D, WHERE, SHAPE, TYPES, TRANSA, TRANSB, IMM)             \
  extern "C" __global__ void NAME(const uint8_t *GA, const uint8_t *GB,        \
                                  Acc_##D::T *Out, int Steps, int Keep) {      \
    __shared__ __align__(1024) uint8_t SA[64 * StepBytes], SB[N * StepBytes];  \
    Acc_##D::T A[Acc_##D::Count];                                              \
    for (int I = 0; I < Acc_##D::Count; ++I)                                   \
      A[I] = Out[threadIdx.x * Acc_##D::Count + I];                            \
    for (int Step = 0; Step < Steps; ++Step) {                                 \
      stage(SA, GA, 64, Steps * StepBytes, Step, TRANSA);                      \
      stage(SB, GB, N, Steps * StepBytes, Step, TRANSB);                       \
      asm volatile("fence.proxy.async.shared::cta;" ::: "memory");             \
      __syncthreads();                                                         \
      int Row = threadIdx.x / 32 * 16 + threadIdx.x % 32 / 4;                  \
      int Byte = threadIdx.x % 4 * 4;                                          \
      uint32_t R[4];                                                           \
      for (int I = 0; I < 4; ++I)                                              \
        R[I] = *(const uint32_t *)(SA + place(64, Row + I % 2 * 8,             \
                                              Byte + I / 2 * 16, false));      \
      (void)R;                                                                 \
      uint64_t DA = descriptor(SA, 64), DB = descriptor(SB, N);                \
      asm volatile("wgmma.fence.sync.aligned;" ::: "memory");                  \
      asm volatile(P_##WHERE##_##D "wgmma.mma_async.sync.aligned." SHAPE       \
                                   "." TYPES " " D_##D ", " WHERE##_##D IMM    \
                                   "; }"                                       \
                   : OUT_##D                                                   \
                   : IN_##WHERE, "l"(DB), "r"(int(Step || Keep)));                  \
      asm volatile("wgmma.commit_group.sync.aligned;\n"                        \
                   "wgmma.wait_group.sync.aligned 0;" ::: "memory");           \
      __syncthreads();                                                         \
    }                                                                          \
    for (int I = 0; I < Acc_##D::Count; ++I)                                   \
      Out[threadIdx.x * Acc_##D::Count + I] = A[I];                            \
  }
#define IN_SS "l"(DA)
#define IN_RS "r"(R[0]), "r"(R[1]), "r"(R[2]), "r"(R[3])

PRODUCT(f16_f32_ss, f32, SS, "m64n16k16", "f32.f16.f16", 0, 0, ", 1, 1, 0, 0")
PRODUCT(f16_f32_rs, f32, RS, "m64n16k16", "f32.f16.f16", 0, 0, ", 1, 1, 0")
PRODUCT(f16_f16_ss, f16, SS, "m64n16k16", "f16.f16.f16", 0, 0, ", 1, 1, 0, 0")
PRODUCT(f16_f16_rs, f16, RS, "m64n16k16", "f16.f16.f16", 0, 0, ", 1, 1, 0")
PRODUCT(bf16_ss, f32, SS, "m64n16k16", "f32.bf16.bf16", 0, 0, ", 1, 1, 0, 0")
PRODUCT(bf16_rs, f32, RS, "m64n16k16", "f32.bf16.bf16", 0, 0, ", 1, 1, 0")
PRODUCT(tf32_ss, f32, SS, "m64n16k8", "f32.tf32.tf32", 0, 0, ", 1, 1")
PRODUCT(tf32_rs, f32, RS, "m64n16k8", "f32.tf32.tf32", 0, 0, ", 1, 1")
PRODUCT(e4m3_e4m3_ss, f32, SS, "m64n16k32", "f32.e4m3.e4m3", 0, 0, ", 1, 1")
PRODUCT(e4m3_e5m2_rs, f32, RS, "m64n16k32", "f32.e4m3.e5m2", 0, 0, ", 1, 1")
PRODUCT(e5m2_e4m3_ss, f32, SS, "m64n16k32", "f32.e5m2.e4m3", 0, 0, ", 1, 1")
PRODUCT(e5m2_e5m2_rs, f32, RS, "m64n16k32", "f32.e5m2.e5m2", 0, 0, ", 1, 1")
PRODUCT(e4m3_f16_ss, f16, SS, "m64n16k32", "f16.e4m3.e4m3", 0, 0, ", 1, 1")
PRODUCT(e5m2_f16_rs, f16, RS, "m64n16k32", "f16.e5m2.e5m2", 0, 0, ", 1, 1")
PRODUCT(s8_s8_ss, s32, SS, "m64n16k32", "s32.s8.s8", 0, 0, "")
PRODUCT(s8_u8_rs, s32, RS, "m64n16k32", "s32.s8.u8", 0, 0, "")
PRODUCT(u8_s8_ss, s32, SS, "m64n16k32", "s32.u8.s8", 0, 0, "")
PRODUCT(u8_u8_rs, s32, RS, "m64n16k32", "s32.u8.u8", 0, 0, "")
PRODUCT(s8_saturated, s32, SS, "m64n16k32.satfinite", "s32.s8.s8", 0, 0, "")
// Rows innermost, as in A^T B products.
PRODUCT(f16_tn, f32, SS, "m64n16k16", "f32.f16.f16", 1, 0, ", 1, 1, 1, 0")
PRODUCT(f16_nt, f32, SS, "m64n16k16", "f32.f16.f16", 0, 1, ", 1, 1, 0, 1")
PRODUCT(bf16_tt, f32, SS, "m64n16k16", "f32.bf16.bf16", 1, 1, ", 1, 1, 1, 1")
PRODUCT(bf16_rs_t, f32, RS, "m64n16k16", "f32.bf16.bf16", 0, 1, ", 1, 1, 1")
// Negated operands.
PRODUCT(bf16_minus_a, f32, SS, "m64n16k16", "f32.bf16.bf16", 0, 0,
        ", -1, 1, 0, 0")
PRODUCT(tf32_minus_b, f32, RS, "m64n16k8", "f32.tf32.tf32", 0, 0, ", 1, -1")
PRODUCT(f16_minus_both, f16, SS, "m64n16k16", "f16.f16.f16", 0, 1,
        ", -1, -1, 0, 1")
