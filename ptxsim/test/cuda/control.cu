// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Divergence, local memory, device functions, integer and bit tricks.
#include <cstdint>

extern "C" __global__ void collatz(const unsigned *X, unsigned *Y) {
  unsigned I = blockIdx.x * blockDim.x + threadIdx.x, N = X[I], C = 0;
  while (N != 1) {
    N = N & 1 ? 3 * N + 1 : N >> 1;
    ++C;
  }
  Y[I] = C;
}

extern "C" __global__ void mandelbrot(uint16_t *Out, int W, int H, int Limit) {
  int X = blockIdx.x * blockDim.x + threadIdx.x;
  int Y = blockIdx.y * blockDim.y + threadIdx.y;
  if (X >= W || Y >= H)
    return;
  double CR = -2.0 + 3.0 * X / W, CI = -1.0 + 2.0 * Y / H, R = 0, I = 0;
  int N = 0;
  for (; N < Limit && R * R + I * I < 4; ++N) {
    double NR = R * R - I * I + CR;
    I = 2 * R * I + CI;
    R = NR;
  }
  Out[Y * W + X] = N;
}

// Sum of the values of a binary tree's nodes below Limit, with a stack.
struct Node {
  int Value, Left, Right;
};
extern "C" __global__ void treeWalk(const Node *Tree, const int *Limit,
                                    int *Out) {
  int Stack[32], Top = 0, Sum = 0;
  int I = blockIdx.x * blockDim.x + threadIdx.x;
  Stack[Top++] = 0;
  while (Top) {
    int At = Stack[--Top];
    Node N = Tree[At];
    if (N.Value >= Limit[I])
      continue;
    Sum += N.Value;
    if (N.Left >= 0)
      Stack[Top++] = N.Left;
    if (N.Right >= 0)
      Stack[Top++] = N.Right;
  }
  Out[I] = Sum;
}

// A little stack machine: a switch becomes a branch table.
extern "C" __global__ void interpreter(const uint8_t *Program, int Length,
                                       int *Out) {
  int A = threadIdx.x, B = blockIdx.x, C = 1;
  for (int I = 0; I < Length; ++I)
    switch ((Program[I] + (A & 3)) % 9) {
    case 0: A += B; break;
    case 1: B ^= A; break;
    case 2: C = C * 3 + A; break;
    case 3: A = -A; break;
    case 4: B = B >> 1; break;
    case 5: C -= B; break;
    case 6: A = A * 5 + 7; break;
    case 7: B += C << 2; break;
    case 8: C ^= 0x55; break;
    }
  Out[blockIdx.x * blockDim.x + threadIdx.x] = A + 31 * B + 17 * C;
}

__constant__ float Coefficients[8] = {1, -1, 0.5f, 0.25f, -2, 3, 0.125f, 1};
__device__ __noinline__ float horner(float X, int Degree) {
  float S = 0;
  for (int I = Degree; I >= 0; --I)
    S = S * X + Coefficients[I];
  return S;
}
extern "C" __global__ void polynomial(const float *X, float *Y, int N) {
  int I = blockIdx.x * blockDim.x + threadIdx.x;
  if (I < N)
    Y[I] = horner(X[I], I % 8) + horner(-X[I], 3);
}

// Philox 4x32-10.
extern "C" __global__ void philox(uint4 *Out, unsigned Seed) {
  unsigned I = blockIdx.x * blockDim.x + threadIdx.x;
  uint4 C = {I, 0, 0, 0};
  unsigned K0 = Seed, K1 = 0x1234;
  for (int R = 0; R < 10; ++R) {
    unsigned H0 = __umulhi(0xD2511F53u, C.x), L0 = 0xD2511F53u * C.x;
    unsigned H1 = __umulhi(0xCD9E8D57u, C.z), L1 = 0xCD9E8D57u * C.z;
    C = {H1 ^ C.y ^ K0, L1, H0 ^ C.w ^ K1, L0};
    K0 += 0x9E3779B9u;
    K1 += 0xBB67AE85u;
  }
  Out[I] = C;
}

extern "C" __global__ void modpow(const uint64_t *Base, const uint64_t *Mod,
                                  uint64_t *Out, unsigned Exponent) {
  int I = blockIdx.x * blockDim.x + threadIdx.x;
  uint64_t B = Base[I] % Mod[I], R = 1;
  for (unsigned E = Exponent; E; E >>= 1) {
    if (E & 1)
      R = R * B % Mod[I];
    B = B * B % Mod[I];
  }
  Out[I] = R;
}

extern "C" __global__ void lifeStep(const uint8_t *In, uint8_t *Out, int W,
                                    int H) {
  int X = blockIdx.x * blockDim.x + threadIdx.x, Y = blockIdx.y;
  if (X >= W)
    return;
  int N = 0;
  for (int DY = -1; DY <= 1; ++DY)
    for (int DX = -1; DX <= 1; ++DX)
      if (DX || DY)
        N += In[(Y + DY + H) % H * W + (X + DX + W) % W];
  uint8_t Live = In[Y * W + X];
  Out[Y * W + X] = N == 3 || (Live && N == 2);
}

extern "C" __global__ void bitTricks(const uint64_t *X, uint32_t *Y) {
  int I = blockIdx.x * blockDim.x + threadIdx.x;
  uint64_t V = X[I];
  uint32_t L = uint32_t(V), H = uint32_t(V >> 32);
  uint32_t R = __popcll(V) + 3 * __clzll(V) + 5 * __ffsll(V);
  R ^= __brev(L) + __byte_perm(L, H, 0x3715);
  R += __funnelshift_l(L, H, H & 63) ^ __funnelshift_rc(L, H, H & 63);
  R ^= __vadd4(L, H) + __vmaxs2(L, H) + __vabsdiffu4(L, H);
  R += __dp4a(int(L), int(H), 7) + __dp4a(L, H, 9u);
  R ^= __usad(L, H, 1) + __uhadd(L, H) + __mulhi(int(L), int(H));
  Y[I] = R + uint32_t(__umul64hi(V, ~V)) + uint32_t(__brevll(V) >> 7);
}

extern "C" __global__ void lowerBound(const int *Sorted, int N, const int *Key,
                                      int *Out) {
  int I = blockIdx.x * blockDim.x + threadIdx.x, Lo = 0, Hi = N;
  while (Lo < Hi) {
    int Mid = (Lo + Hi) / 2;
    if (Sorted[Mid] < Key[I])
      Lo = Mid + 1;
    else
      Hi = Mid;
  }
  Out[I] = Lo;
}
