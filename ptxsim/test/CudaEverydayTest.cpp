// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// cuda/everyday.cu against the host.
#include "Corpus.h"
#include <algorithm>
#include <bit>
#include <unistd.h>

using namespace test;

template <class T> static std::vector<T> randomWords(size_t N, uint64_t Seed) {
  Random G(Seed);
  std::vector<T> V(N);
  for (T &X : V)
    X = T(G.next() ^ G.next() << 31);
  return V;
}

/// Runs a kernel of (inputs..., Out) in one block.
template <class T, class... In>
static std::vector<T> run(const char *Entry, unsigned Threads, size_t Count,
                          const std::vector<In> &...Inputs) {
  return runProgram<T>("everyday", Entry, [&](Kernel &Fn) {
    Buffer Out(Count * sizeof(T));
    std::vector<std::unique_ptr<Buffer>> Buffers;
    (Buffers.push_back(std::make_unique<Buffer>(Inputs)), ...);
    for (auto &B : Buffers)
      Fn.arg(B->Address);
    Fn.arg(Out.Address);
    launched(Fn, {1}, {Threads});
    return Out.read<T>();
  });
}

static void radixSort() {
  auto X = randomWords<unsigned>(1024, 1), Want = X;
  std::sort(Want.begin(), Want.begin() + 512);
  std::sort(Want.begin() + 512, Want.end());
  same("radixSort",
       runProgram<unsigned>("everyday", "radixSort",
                            [&](Kernel &Fn) {
                              Buffer B(X);
                              Fn.arg(B.Address);
                              launched(Fn, {2}, {128});
                              return B.read<unsigned>();
                            }),
       Want);
}

// ---- packed halves ---------------------------------------------------------
static float half(double V) { return halfToFloat(floatToHalf(float(V))); }
static float bhalf(double V) { return bf16ToFloat(floatToBf16(float(V))); }

static void halves() {
  auto X = randomHalves(128, 2), Y = randomHalves(128, 3);
  std::vector<double> Want, Got;
  for (size_t I = 0; I < 128; I += 2) {
    float R[2];
    bool Greater = true;
    for (size_t J = 0; J < 2; ++J) {
      float A = halfToFloat(X[I + J]), B = halfToFloat(Y[I + J]);
      Greater &= A > B;
      R[J] = half(double(A) * B + half(A + B));
      R[J] = half(std::max(R[J], half(A * 0.5f)) + B);
    }
    for (size_t J = 0; J < 2; ++J) {
      float A = halfToFloat(X[I + J]), B = halfToFloat(Y[I + J]);
      R[J] = Greater ? std::fabs(R[J]) : R[J];
      R[J] = half(R[J] + half(std::sqrt(std::fabs(A))));
      R[J] = half(R[J] + half(1 / half(std::fabs(B) + 1)));
      R[J] = std::min(R[J], 8.f);
    }
    Want.push_back(std::min(R[0], R[1]));
    Want.push_back(half(std::exp(half(R[0] * 0.125f))));
  }
  for (uint16_t V : run<uint16_t>("half2Ops", 64, 128, X, Y))
    Got.push_back(halfToFloat(V));
  check(relativeError(Got, Want) < 1e-3, "half2Ops");

  X = randomBf16(128, 4), Y = randomBf16(128, 5);
  Want.clear(), Got.clear();
  for (size_t I = 0; I < 128; I += 2) {
    float R[2], A[2], B[2];
    for (size_t J = 0; J < 2; ++J) {
      A[J] = bf16ToFloat(X[I + J]), B[J] = bf16ToFloat(Y[I + J]);
      R[J] = bhalf(double(A[J]) * B[J] + A[J]);
      R[J] = bhalf(std::max(R[J], bhalf(B[J] * B[J])) - A[J]);
      R[J] = bhalf(R[J] + std::fabs(B[J]));
    }
    Want.push_back(bhalf(R[0] + R[1]));
    Want.push_back(bhalf(A[0] * B[1]));
  }
  for (uint16_t V : run<uint16_t>("bf162Ops", 64, 128, X, Y))
    Got.push_back(bf16ToFloat(V));
  check(relativeError(Got, Want) < 1e-2, "bf162Ops");
}

// ---- atomics ---------------------------------------------------------------
namespace {
/// The operands of allAtomics, one after the other.
struct Cells {
  int I[8];
  unsigned U[8];
  unsigned long long L[8];
  long long S[2];
  float F[2];
  double D[1];
  uint16_t H[4], B[4], C[4];
};
} // namespace

static Cells startCells() {
  Cells C{};
  C.I[5] = -1;
  C.L[2] = C.L[3] = ~0ull;
  return C;
}
static Cells atomicsOnHost(unsigned Threads) {
  Cells C = startCells();
  unsigned N = Threads;
  for (unsigned T = 0; T < N; ++T) {
    C.I[0] += int(T);
    C.I[1] -= 3;
    C.I[2] = std::min(C.I[2], -int(T * 7 % 501));
    C.I[3] = std::max(C.I[3], int(T * 11 % 997));
    C.I[5] &= ~(1 << (T & 15));
    C.I[6] |= 1 << (T & 15);
    C.I[7] ^= 1 << T % 13;
    C.U[0] = C.U[0] >= 100 ? 0 : C.U[0] + 1;
    C.U[1] = !C.U[1] || C.U[1] > 77 ? 77 : C.U[1] - 1;
    C.U[2] += T;
    C.L[1] = std::max(C.L[1], (unsigned long long)T << 20);
    C.L[2] = std::min(C.L[2], ~0ull - T);
    C.L[3] &= ~(1ull << (T & 63));
    C.L[4] |= 1ull << (T & 63);
    C.L[5] ^= 1ull << T % 61;
    C.S[0] = std::min(C.S[0], -(long long)T);
    C.S[1] = std::max(C.S[1], (long long)T * 5);
    C.F[1] = std::max(C.F[1], float(T * 37 % 1000));
  }
  C.I[4] = 42;
  C.U[3] = N, C.U[4] = 2 * N;
  C.L[0] = (1ull << 33) * N, C.L[6] = 7, C.L[7] = 9;
  C.F[0] = float(N), C.D[0] = 0.5 * N;
  C.H[0] = floatToHalf(float(N)), C.H[1] = floatToHalf(2 * float(N));
  C.B[0] = floatToBf16(float(N));
  C.C[0] = uint16_t(3 * N);
  return C;
}
static void atomics() {
  auto Words = [](const Cells &C) {
    std::vector<uint8_t> V(sizeof(C));
    std::memcpy(V.data(), &C, sizeof(C));
    return V;
  };
  same("allAtomics",
       runProgram<uint8_t>(
           "everyday", "allAtomics",
           [&](Kernel &Fn) {
             Buffer B(Words(startCells()));
             for (size_t At :
                  {offsetof(Cells, I), offsetof(Cells, U), offsetof(Cells, L),
                   offsetof(Cells, S), offsetof(Cells, F), offsetof(Cells, D),
                   offsetof(Cells, H), offsetof(Cells, B), offsetof(Cells, C)})
               Fn.arg(B.Address + At);
             launched(Fn, {2}, {128});
             return B.read<uint8_t>();
           }),
       Words(atomicsOnHost(256)));
}

// ---- functions, constants, structures --------------------------------------
static void functionPointers() {
  auto X = randomWords<int>(64, 6);
  std::vector<int> Want;
  for (int I = 0; I < 64; ++I) {
    X[size_t(I)] &= 0xffff;
    int V = X[size_t(I)];
    int F = V % 3 == 0   ? V + 1
            : V % 3 == 1 ? V * 2
                         : int(unsigned(V) * unsigned(V));
    int G = V & 1 ? I + 1 : I * I;
    Want.push_back(int(unsigned(F) * 31u + unsigned(G ^ F >> 3)));
  }
  same("functionPointers", run<int>("functionPointers", 64, 64, X), Want);
}

static void blur() {
  const int W = 37, H = 19;
  auto X = randomFloats(size_t(W * H), 7);
  std::vector<double> Want;
  for (int J = 0; J < H; ++J)
    for (int I = 0; I < W; ++I) {
      double S = 0;
      for (int V = -1; V <= 1; ++V)
        for (int U = -1; U <= 1; ++U)
          S += (2 - std::abs(U)) * (2 - std::abs(V)) *
               double(X[size_t(std::clamp(J + V, 0, H - 1) * W +
                               std::clamp(I + U, 0, W - 1))]);
      Want.push_back(S / 16);
    }
  close("blur",
        runProgram<float>("everyday", "blur",
                          [&](Kernel &Fn) {
                            Buffer DX(X), DY(X.size() * 4);
                            Fn.arg(DX.Address).arg(DY.Address);
                            Fn.arg(W).arg(H);
                            launched(Fn, {3, 3}, {16, 8});
                            return DY.read<float>();
                          }),
        Want, 1e-6);
}

namespace {
struct Item {
  double D;
  short S;
  char C;
  long long L;
  bool operator==(const Item &O) const {
    return D == O.D && S == O.S && C == O.C && L == O.L;
  }
};
} // namespace
static void structures() {
  std::vector<Item> X(32), Want;
  Item Z{0.25, 7, 0x55, 1ll << 40};
  for (int I = 0; I < 32; ++I) {
    std::memset(static_cast<void *>(&X[size_t(I)]), 0, sizeof(Item));
    X[size_t(I)].D = I * 0.5, X[size_t(I)].S = short(I * 2000);
    X[size_t(I)].C = char(I), X[size_t(I)].L = I - 16;
    Item V = X[size_t(I)];
    V.D += Z.D, V.S = short(V.S + Z.S), V.C ^= Z.C, V.L -= Z.L;
    Want.push_back(V);
  }
  same("structs",
       runProgram<Item>("everyday", "structs",
                        [&](Kernel &Fn) {
                          Buffer DX(X), DY(X);
                          Fn.arg(DX.Address).arg(DY.Address).arg(Z);
                          launched(Fn, {1}, {32});
                          return DY.read<Item>();
                        }),
       Want);
}

static void insertionSort() {
  auto X = randomWords<int>(512, 8), Want = X;
  for (auto At = Want.begin(); At != Want.end(); At += 16)
    std::sort(At, At + 16);
  same("insertionSort", run<int>("insertionSort", 32, 512, X), Want);
}

// ---- integers --------------------------------------------------------------
template <class F>
static unsigned perPart(unsigned A, unsigned B, unsigned Width, F Fn) {
  unsigned R = 0, Mask = (1u << Width) - 1;
  for (unsigned At = 0; At < 32; At += Width)
    R |= (unsigned(Fn(A >> At & Mask, B >> At & Mask)) & Mask) << At;
  return R;
}
static unsigned reverse(unsigned V) {
  unsigned R = 0;
  for (int K = 0; K < 32; ++K)
    R |= (V >> K & 1) << (31 - K);
  return R;
}
static unsigned bitsOf(unsigned V) {
  uint64_t L = uint64_t(V) << 17 | V;
  unsigned R = unsigned(std::popcount(V));
  R = R * 33 + reverse(V);
  R = R * 33 + unsigned(V ? std::countr_zero(V) + 1 : 0) +
      unsigned(L ? std::countr_zero(L) + 1 : 0);
  R = R * 33 +
      unsigned(std::countl_zero(V) + std::countl_zero(L) + std::popcount(L));
  R ^= reverse(unsigned(L)); // the upper half of 64 reversed bits
  uint64_t Bytes = uint64_t(R) << 32 | V;
  unsigned Picked = 0;
  for (unsigned K = 0; K < 4; ++K)
    Picked |= unsigned(Bytes >> 8 * (0x3175u >> 4 * K & 7) & 255) << 8 * K;
  R += Picked;
  uint64_t Pair = uint64_t(R) << 32 | V;
  R ^= unsigned(Pair << (V & 31) >> 32) +
       unsigned(Pair >> std::min(V >> 5, 32u));
  for (unsigned K = 0, Old = R, Sum = 5; K < 4; ++K) {
    Sum += unsigned(int(int8_t(V >> 8 * K)) * int(int8_t(Old >> 8 * K)));
    R = K == 3 ? Old + Sum : R;
  }
  for (unsigned K = 0, Old = R, Sum = 7; K < 4; ++K) {
    Sum += (V >> 8 * K & 255) * (Old >> 8 * K & 255);
    R = K == 3 ? Old + Sum : R;
  }
  R += 1 + unsigned(int(int16_t(V)) * int(int8_t(R)) +
                    int(int16_t(V >> 16)) * int(int8_t(R >> 8)));
  R ^= perPart(V, R, 8, [](unsigned A, unsigned B) { return A + B; });
  unsigned Sad = 0;
  for (unsigned K = 0; K < 32; K += 8)
    Sad += unsigned(std::abs(int(V >> K & 255) - int(R >> K & 255)));
  auto Signed = [](unsigned A) { return int(int16_t(A)); };
  R +=
      perPart(V, R, 16,
              [&](unsigned A, unsigned B) {
                return std::abs(Signed(A) - Signed(B));
              }) +
      perPart(V, R, 8, [](unsigned A, unsigned B) { return std::max(A, B); }) +
      perPart(V, R, 16,
              [](unsigned A, unsigned B) { return A > B ? 0xffffu : 0; }) +
      perPart(R, V, 16, [](unsigned A, unsigned B) { return A - B; }) +
      perPart(V, R, 8, [](unsigned A, unsigned B) { return (A + B + 1) / 2; }) +
      Sad;
  int64_t SV = int(V), SR = int(R);
  R += unsigned(SV * SR >> 32) + unsigned(uint64_t(V) * R >> 32) +
       unsigned(int64_t(__int128(int64_t(L)) * int64_t(R) >> 64)) +
       (V > R ? V - R : R - V) + 3 + unsigned(std::abs(SV - SR)) + 1 +
       unsigned((SV + SR) >> 1) + unsigned((3 + SV + 1) >> 1) +
       unsigned((int64_t(SV << 40) >> 40) * 5);
  return R;
}
static void integers() {
  auto X = randomWords<unsigned>(128, 9);
  X[0] = 0, X[1] = ~0u, X[2] = 1, X[3] = 0x80000000u;
  std::vector<unsigned> Want;
  for (unsigned V : X)
    Want.push_back(bitsOf(V));
  same("bits", run<unsigned>("bits", 128, 128, X), Want);

  auto A = randomWords<long long>(64, 10), B = randomWords<long long>(64, 11);
  std::vector<long long> Quotients;
  for (size_t I = 0; I < 64; ++I) {
    B[I] >>= I % 60;
    B[I] += !B[I];
    unsigned long long U = (unsigned long long)A[I] / (unsigned long long)B[I];
    Quotients.push_back(
        (long long)((unsigned long long)(A[I] / B[I]) +
                    (unsigned long long)(A[I] % B[I]) * 3 + U % 1000 +
                    (unsigned long long)(__int128(A[I]) * B[I] >> 64)));
  }
  same("longDivide", run<long long>("longDivide", 64, 64, A, B), Quotients);
}

// ---- libraries of functions ------------------------------------------------
static void functions() {
  std::vector<double> X;
  std::vector<float> XF;
  for (int I = 0; I < 128; ++I) {
    X.push_back((I - 60) * 0.0831 + 0.01);
    XF.push_back(float(X.back()));
  }
  std::vector<double> Want, WantF;
  for (double V : X)
    Want.push_back(std::sqrt(std::fabs(V)) + std::rint(V) * std::floor(V) -
                   std::fma(V, V, 1.0 / (V + 3)) + std::fmod(V, 0.7) +
                   double(std::llrint(V)) + std::copysign(2.0, V) +
                   std::exp(V) + std::log(std::fabs(V) + 1) +
                   std::pow(std::fabs(V), 1.5) + std::sin(V) +
                   std::atan2(V, 2.0) + std::cbrt(V) + std::erf(V) +
                   std::tgamma(std::fabs(V) + 1));
  for (float F : XF) {
    double V = double(F);
    WantF.push_back(
        std::sqrt(std::fabs(V)) + std::rint(V) * std::floor(V) +
        double(std::fmod(F, 0.7f)) + std::exp(V) + std::log(std::fabs(V) + 1) +
        std::pow(std::fabs(V), 1.5) + std::sin(double(F * 1000)) +
        std::atan2(V, 2.0) + std::cbrt(V) + std::erf(V) +
        std::tgamma(std::fabs(V) + 1) + std::exp(V) + std::sin(V) + V / 3 +
        1 / std::sqrt(std::fabs(V) + 1) + V * 8 + std::ilogb(V + 5) +
        std::trunc(V) + std::tanh(V) + std::hypot(V, 1) +
        0.5 * std::erfc(-V / std::sqrt(2.0)) + std::clamp(V, 0.0, 1.0) + V);
  }
  auto Got = run<double>("doubles", 128, 128, X);
  check(relativeError(Got, Want) < 1e-14, "doubles");
  close("floats", run<float>("floats", 128, 128, XF), WantF, 1e-6);
}

// ---- clocks, printf, assert
// --------------------------------------------------
static void runTime() {
  std::string Text = readText(CorpusDirectory + "/everyday.sm_80.ptx");
  Kernel Clocks(Text, "clocks"), Prints(Text, "prints"),
      Asserts(Text, "asserts");
  Buffer Out(32 * 8);
  check(Clocks.arg(Out.Address).run({1}, {32}) == CUDA_SUCCESS &&
            Out.read<long long>() == std::vector<long long>(32, 7),
        "clocks go on");

  std::fflush(stdout);
  int Old = dup(1);
  FILE *Into = std::tmpfile();
  dup2(fileno(Into), 1);
  CUresult Printed = Prints.arg(2).run({1}, {64});
  std::fflush(stdout);
  dup2(Old, 1);
  close(Old);
  char Got[256] = "";
  std::rewind(Into);
  Got[std::fread(Got, 1, sizeof(Got) - 1, Into)] = 0;
  std::fclose(Into);
  check(!Printed && std::string(Got) ==
                        "thread 0 of 64:  0.00 text x 1099511627776 (nil) %\n"
                        "thread 1 of 64:  0.50 text x 1099511627776 (nil) %\n",
        std::string("printf, got ") + Got);

  check(Asserts.arg(32).run({1}, {32}) == CUDA_SUCCESS, "an assertion holds");
  check(Asserts.arg(20).run({1}, {32}) == CUDA_ERROR_ASSERT &&
            std::string(api().ptxsimLastReport())
                    .find("assertion 'threadIdx.x < N' failed") !=
                std::string::npos,
        std::string("an assertion fails: ") + api().ptxsimLastReport());
}

int main(int, char **Argv) {
  CorpusDirectory = Argv[1];
  radixSort();
  halves();
  atomics();
  functionPointers();
  blur();
  structures();
  insertionSort();
  integers();
  functions();
  runTime();
  return finish("CudaEverydayTest");
}
