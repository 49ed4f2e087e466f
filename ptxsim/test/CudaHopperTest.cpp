// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Programs of cuda/hopper.cu, compiled by nvcc for sm_90a, against host
// results: tensor copies, wgmma, clusters, warp specialisation.
#include "Corpus.h"
#include <algorithm>

using namespace test;

static const std::initializer_list<const char *> Hopper = {"sm_90a"};

// ---- matrix products -------------------------------------------------------
/// bf16 matrix of Rows x K, boxes of 64 columns with the 128-byte swizzle.
static CUtensorMap matrixMap(const Buffer &B, uint64_t Rows, uint64_t K,
                             uint32_t BoxRows) {
  CUtensorMap M;
  uint64_t Extent[] = {K, Rows}, Stride[] = {K * 2};
  uint32_t Box[] = {64, BoxRows}, Ones[] = {1, 1};
  check(api().cuTensorMapEncodeTiled(
            &M, 9, 2, reinterpret_cast<void *>(B.Address), Extent, Stride, Box,
            Ones, 0, 3, 0, 0) == CUDA_SUCCESS,
        "a matrix is encoded");
  return M;
}

static void product(const char *Entry, uint32_t BoxRowsB) {
  constexpr int M = 256, N = 128, K = 320;
  auto A = randomBf16(M * K, 21), B = randomBf16(N * K, 22);
  auto Got = runProgram<float>(
      "hopper", Entry,
      [&](Kernel &Fn) {
        Buffer DA(A), DB(B), DC(std::vector<float>(M * N));
        Fn.arg(matrixMap(DA, M, K, 128)).arg(matrixMap(DB, N, K, BoxRowsB));
        Fn.arg(DC.Address).arg(N).arg(K);
        launched(Fn, {N / 64, M / 128}, {384}, 3 * 24576 + 64);
        return DC.read<float>();
      },
      Hopper);
  std::vector<double> Want(M * N);
  for (int R = 0; R < M; ++R)
    for (int C = 0; C < N; ++C)
      for (int J = 0; J < K; ++J)
        Want[R * N + C] += double(bf16ToFloat(A[R * K + J])) *
                           double(bf16ToFloat(B[C * K + J]));
  close(Entry, Got, Want, 1e-5);
}

// ---- clusters --------------------------------------------------------------
static void histogram() {
  constexpr int N = 5000;
  std::vector<uint8_t> X(N);
  std::vector<unsigned> Want(256);
  Random R(23);
  for (uint8_t &V : X)
    ++Want[V = uint8_t(R.next() * R.next() >> 9)];
  same("clusterHistogram",
       runProgram<unsigned>(
           "hopper", "clusterHistogram",
           [&](Kernel &Fn) {
             Buffer DX(X), DB(std::vector<unsigned>(256));
             Fn.arg(DX.Address).arg(DB.Address).arg(N);
             launched(Fn, {8}, {128});
             return DB.read<unsigned>();
           },
           Hopper),
       Want);
}

static void sums() {
  constexpr int Rows = 3, N = 3001;
  auto X = randomFloats(size_t(Rows) * N, 24);
  std::vector<double> Want(Rows);
  for (int I = 0; I < Rows * N; ++I)
    Want[I / N] += double(X[I]);
  for (unsigned Ctas : {2u, 8u}) {
    auto Got = runProgram<float>(
        "hopper", "clusterSum",
        [&](Kernel &Fn) {
          Buffer DX(X), DY(Rows * sizeof(float));
          Fn.arg(DX.Address).arg(DY.Address).arg(N);
          launched(Fn, {Rows * Ctas}, {128}, 0, {Ctas});
          return DY.read<float>();
        },
        Hopper);
    close("clusterSum", Got, Want, 1e-5);
  }
}

// ---- boxes -----------------------------------------------------------------
namespace {
/// A tensor of u32, the box of it that the kernel moves, and where it starts;
/// parts of the box lie outside of the tensor.
struct BoxCase {
  static constexpr uint64_t Extent[] = {12, 5, 4, 3, 2};
  static constexpr uint32_t Box[] = {8, 6, 2, 2, 2};
  static constexpr int Start[] = {0, 1, 2, 0, 1};
  unsigned Rank;
  int X;
  uint64_t words() const {
    uint64_t N = 1;
    for (unsigned D = 0; D < Rank; ++D)
      N *= Extent[D];
    return N;
  }
  int boxWords() const {
    int N = 1;
    for (unsigned D = 0; D < Rank; ++D)
      N *= int(Box[D]);
    return N;
  }
  /// Whether the word at a linear index lies in the box.
  bool holds(uint64_t Index) const {
    for (unsigned D = 0; D < Rank; ++D) {
      int At = int(Index % Extent[D]) - (D ? Start[D] : X);
      Index /= Extent[D];
      if (At < 0 || At >= int(Box[D]))
        return false;
    }
    return true;
  }
  CUtensorMap map(const Buffer &B, int Swizzle) const {
    CUtensorMap M;
    uint64_t Stride[5], Bytes = 4;
    uint32_t Ones[] = {1, 1, 1, 1, 1};
    for (unsigned D = 0; D < Rank; ++D)
      Stride[D] = Bytes *= Extent[D];
    check(api().cuTensorMapEncodeTiled(
              &M, 2, Rank, reinterpret_cast<void *>(B.Address), Extent, Stride,
              Box, Ones, 0, Swizzle, 0, 0) == CUDA_SUCCESS,
          "a box is encoded");
    return M;
  }
};
} // namespace

static void boxes(unsigned Rank, int Swizzle, int X) {
  BoxCase B{Rank, X};
  std::vector<uint32_t> In(B.words()), Want(B.words());
  for (uint64_t K = 0; K < In.size(); ++K) {
    In[K] = uint32_t(K * 7 + 1);
    Want[K] = B.holds(K) ? In[K] + 1 : 0;
  }
  std::string Name = "box" + std::to_string(Rank);
  same(Name.c_str(),
       runProgram<uint32_t>(
           "hopper", Name.c_str(),
           [&](Kernel &Fn) {
             Buffer From(In), To(std::vector<uint32_t>(In.size()));
             Fn.arg(B.map(From, Swizzle)).arg(B.map(To, Swizzle));
             Fn.arg(B.boxWords()).arg(X);
             launched(Fn, {1}, {64}, unsigned(B.boxWords()) * 4);
             return To.read<uint32_t>();
           },
           Hopper),
       Want);
}

int main(int, char **Argv) {
  CorpusDirectory = Argv[1];
  product("gemmSpecialised", 64);
  product("gemmMulticast", 32);
  histogram();
  sums();
  for (unsigned Rank = 1; Rank <= 5; ++Rank)
    for (int Swizzle = 0; Swizzle < 4; ++Swizzle)
      for (int X : {-4, 0, 8})
        boxes(Rank, Swizzle, X);
  return finish("CudaHopperTest");
}
