// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The nine kernels of test/kernels (written for sm_80 and sm_90a) against
// double-precision references, in every completion mode. Outputs must agree
// bit for bit between modes.
#include "Driver.h"

using namespace test;

static const char *Directory;

static std::string kernelText(const char *Name) {
  return readText(std::string(Directory) + "/" + Name + ".ptx");
}

/// Runs Once in all modes; all outputs must equal the first.
template <class T>
static std::vector<T> inAllModes(const char *Name,
                                 const std::function<std::vector<T>()> &Once) {
  std::vector<T> First;
  forModes([&](const std::string &Mode) {
    std::vector<T> Got = Once();
    if (First.empty())
      First = Got;
    check(Got == First,
          std::string(Name) + ": " + Mode + " differs from eager");
  });
  return First;
}

static void elementwise() {
  constexpr size_t Rows = 2, N = 4096;
  auto X = randomBf16(Rows * N, 1), Z = randomBf16(Rows * N, 2);
  auto B = randomFloats(N, 3);
  Kernel K(kernelText("a_elementwise"), "host_kernel");
  if (!check(K.Ok, "a_elementwise loads: " + K.Error))
    return;
  auto Y = inAllModes<uint16_t>("a_elementwise", [&] {
    Buffer DX(X), DZ(Z), DB(B), DY(Rows * N * 2);
    K.arg(DX.Address).arg(DZ.Address).arg(DB.Address).arg(DY.Address);
    check(K.run({4, Rows}, {128}) == CUDA_SUCCESS, "a_elementwise runs");
    return DY.read<uint16_t>();
  });
  std::vector<double> Got, Want;
  for (size_t I = 0; I < Rows * N; ++I) {
    double A = double(bf16ToFloat(X[I])) + B[I % N];
    Want.push_back(A / (1 + std::exp(-A)) + bf16ToFloat(Z[I]));
    Got.push_back(bf16ToFloat(Y[I]));
  }
  // bf16 results: half an ulp is 2^-9.
  check(relativeError(Got, Want) < 3e-3, "a_elementwise values");
}

static void softmax() {
  constexpr size_t Rows = 16, N = 4096;
  auto X = randomBf16(Rows * N, 4);
  Kernel K(kernelText("d_softmax"), "softmax");
  if (!check(K.Ok, "d_softmax loads: " + K.Error))
    return;
  auto Y = inAllModes<uint16_t>("d_softmax", [&] {
    Buffer DX(X), DY(Rows * N * 2);
    K.arg(DX.Address).arg(DY.Address);
    check(K.run({Rows}, {256}) == CUDA_SUCCESS, "d_softmax runs");
    return DY.read<uint16_t>();
  });
  std::vector<double> Got, Want;
  for (size_t R = 0; R < Rows; ++R) {
    double Sum = 0;
    for (size_t I = 0; I < N; ++I)
      Sum += std::exp(double(bf16ToFloat(X[R * N + I])));
    for (size_t I = 0; I < N; ++I) {
      Want.push_back(std::exp(double(bf16ToFloat(X[R * N + I]))) / Sum);
      Got.push_back(bf16ToFloat(Y[R * N + I]));
    }
  }
  check(relativeError(Got, Want) < 3e-3, "d_softmax values");
}

/// Rows r (every Step) and columns [First, First + Count) of A (rows x K) times
/// B (K x N), against C (rows x N).
struct Product {
  size_t Rows, N, K, First, Count, Step;
};
static void checkProduct(const char *Name, const Product &P,
                         const std::function<double(size_t, size_t)> &A,
                         const std::function<double(size_t, size_t)> &B,
                         const std::function<double(size_t, size_t)> &C,
                         double Tolerance) {
  std::vector<double> Got, Want;
  for (size_t R = 0; R < P.Rows; R += P.Step)
    for (size_t J = P.First; J < P.First + P.Count; ++J) {
      double Sum = 0;
      for (size_t K = 0; K < P.K; ++K)
        Sum += A(R, K) * B(K, J);
      Want.push_back(Sum);
      Got.push_back(C(R, J));
    }
  double E = relativeError(Got, Want);
  check(E < Tolerance,
        std::string(Name) + " values, error " + std::to_string(E));
}

/// The kernels have K = N = 4096 built in; one CTA row computes 128 rows, and
/// only two CTAs of it run here.
static void matmulBf16() {
  constexpr size_t M = 128, N = 4096, K = 4096;
  auto A = randomBf16(M * K, 5), B = randomBf16(K * N, 6);
  Kernel Mm(kernelText("b_matmul_mma_bf16"), "mm");
  if (!check(Mm.Ok, "b_matmul_mma_bf16 loads: " + Mm.Error))
    return;
  auto C = inAllModes<uint16_t>("b_matmul_mma_bf16", [&] {
    Buffer DA(A), DB(B), DC(M * N * 2);
    Mm.arg(DA.Address).arg(DB.Address).arg(DC.Address);
    CUresult R = Mm.run({2, 1}, {128}, 65536);
    check(R == CUDA_SUCCESS,
          std::string("b_matmul_mma_bf16 runs: ") + api().ptxsimLastReport());
    auto All = DC.read<uint16_t>();
    std::vector<uint16_t> Part;
    for (size_t R = 0; R < M; ++R)
      Part.insert(Part.end(), All.begin() + long(R * N),
                  All.begin() + long(R * N + 256));
    return Part;
  });
  checkProduct(
      "b_matmul_mma_bf16", {M, N, K, 0, 256, 7},
      [&](size_t R, size_t I) { return bf16ToFloat(A[R * K + I]); },
      [&](size_t I, size_t J) { return bf16ToFloat(B[I * N + J]); },
      [&](size_t R, size_t J) { return bf16ToFloat(C[R * 256 + J]); }, 3e-3);
}

template <class T>
static void matmulStock(const char *Name, const std::vector<T> &A,
                        const std::vector<T> &B,
                        const std::function<double(T)> &Value, double Tolerance,
                        unsigned Shared) {
  constexpr size_t M = 128, N = 4096, K = 4096;
  Kernel Mm(kernelText(Name), "mm_kernel");
  if (!check(Mm.Ok, std::string(Name) + " loads: " + Mm.Error))
    return;
  auto C = inAllModes<float>(Name, [&] {
    Buffer DA(A), DB(B), DC(M * N * 4);
    Mm.arg(DC.Address).arg(DA.Address).arg(DB.Address);
    CUresult R = Mm.run({1, 1}, {128}, Shared);
    check(R == CUDA_SUCCESS,
          std::string(Name) + " runs: " + api().ptxsimLastReport());
    auto All = DC.read<float>();
    std::vector<float> Part;
    for (size_t R = 0; R < M; ++R)
      Part.insert(Part.end(), All.begin() + long(R * N),
                  All.begin() + long(R * N + 128));
    return Part;
  });
  checkProduct(
      Name, {M, N, K, 0, 128, 7},
      [&](size_t R, size_t I) { return Value(A[R * K + I]); },
      [&](size_t I, size_t J) { return Value(B[I * N + J]); },
      [&](size_t R, size_t J) { return C[R * 128 + J]; }, Tolerance);
}

static CUtensorMap map2D(CUdeviceptr Base, uint64_t Inner, uint64_t Outer,
                         uint32_t BoxInner, uint32_t BoxOuter) {
  CUtensorMap M;
  uint64_t Extent[] = {Inner, Outer}, Stride[] = {Inner * 2};
  uint32_t Box[] = {BoxInner, BoxOuter}, Ones[] = {1, 1};
  constexpr int Bf16 = 9, Swizzle128 = 3;
  check(api().cuTensorMapEncodeTiled(&M, Bf16, 2, (void *)Base, Extent, Stride,
                                     Box, Ones, 0, Swizzle128, 0,
                                     0) == CUDA_SUCCESS,
        "tensor map");
  return M;
}

/// C = A B^T with A (M x K) and B (N x K), M = 256, N = 512.
static void matmulWgmma(const char *Name, unsigned ClusterY) {
  constexpr size_t M = 256, N = 512, K = 4096;
  auto A = randomBf16(M * K, 7), B = randomBf16(N * K, 8);
  Kernel Mm(kernelText(Name), "mm");
  if (!check(Mm.Ok, std::string(Name) + " loads: " + Mm.Error))
    return;
  auto C = inAllModes<uint16_t>(Name, [&] {
    Buffer DA(A), DB(B), DC(M * N * 2);
    Mm.arg(map2D(DA.Address, K, M, 64, 128))
        .arg(map2D(DB.Address, K, N, 64, 256 / ClusterY))
        .arg(map2D(DC.Address, N, M, 64, 64))
        .arg(DC.Address);
    CUresult R = Mm.run({2, 2}, {384}, 196672, {1, ClusterY});
    check(R == CUDA_SUCCESS,
          std::string(Name) + " runs: " + api().ptxsimLastReport());
    return DC.read<uint16_t>();
  });
  checkProduct(
      Name, {M, N, K, 0, N, 23},
      [&](size_t R, size_t I) { return bf16ToFloat(A[R * K + I]); },
      [&](size_t I, size_t J) { return bf16ToFloat(B[J * K + I]); },
      [&](size_t R, size_t J) { return bf16ToFloat(C[R * N + J]); }, 3e-3);
}

static void checkAttention(const char *Name, size_t S, size_t D, size_t H,
                           const std::vector<uint16_t> &Q,
                           const std::vector<uint16_t> &Key,
                           const std::vector<uint16_t> &Value,
                           const std::vector<uint16_t> &Out) {
  std::vector<double> Got, Want, P(S);
  for (size_t Head = 0; Head < H; ++Head)
    for (size_t R = 0; R < S; R += 29) {
      size_t Row = (Head * S + R) * D;
      double Sum = 0;
      for (size_t J = 0; J < S; ++J) {
        double Dot = 0;
        for (size_t I = 0; I < D; ++I)
          Dot += double(bf16ToFloat(Q[Row + I])) *
                 bf16ToFloat(Key[(Head * S + J) * D + I]);
        Sum += P[J] = std::exp(Dot / std::sqrt(double(D)));
      }
      for (size_t I = 0; I < D; ++I) {
        double V = 0;
        for (size_t J = 0; J < S; ++J)
          V += P[J] / Sum * bf16ToFloat(Value[(Head * S + J) * D + I]);
        Want.push_back(V);
        Got.push_back(bf16ToFloat(Out[Row + I]));
      }
    }
  double E = relativeError(Got, Want);
  // Probabilities are rounded to bf16 before the second product.
  check(E < 6e-3, std::string(Name) + " values, error " + std::to_string(E));
}

static void attention(const char *Name, bool Hopper) {
  constexpr size_t S = 512, D = 128, H = 2;
  auto Q = randomBf16(H * S * D, 9), Key = randomBf16(H * S * D, 10);
  auto Value = randomBf16(H * S * D, 11);
  Kernel Fa(kernelText(Name), "fa");
  if (!check(Fa.Ok, std::string(Name) + " loads: " + Fa.Error))
    return;
  unsigned Block = Hopper ? 128 : 64;
  auto Map = [&](CUdeviceptr Base) {
    CUtensorMap M;
    uint64_t Extent[] = {D, S, H}, Stride[] = {D * 2, D * S * 2};
    uint32_t Box[] = {64, 128, 1}, Ones[] = {1, 1, 1};
    check(api().cuTensorMapEncodeTiled(&M, 9, 3, (void *)Base, Extent, Stride,
                                       Box, Ones, 0, 3, 0, 0) == CUDA_SUCCESS,
          "tensor map");
    return M;
  };
  auto O = inAllModes<uint16_t>(Name, [&] {
    Buffer DQ(Q), DK(Key), DV(Value), DO(H * S * D * 2);
    if (Hopper)
      Fa.arg(Map(DQ.Address)).arg(Map(DK.Address)).arg(Map(DV.Address));
    else
      Fa.arg(DQ.Address).arg(DK.Address).arg(DV.Address);
    Fa.arg(DO.Address).arg(uint32_t(S / Block)).arg(uint32_t(S));
    Fa.arg(1.44269504f / std::sqrt(float(D)));
    CUresult R = Fa.run({unsigned(S / Block), unsigned(H)},
                        {Hopper ? 384u : 128u}, Hopper ? 163976 : 81920);
    check(R == CUDA_SUCCESS,
          std::string(Name) + " runs: " + api().ptxsimLastReport());
    return DO.read<uint16_t>();
  });
  checkAttention(Name, S, D, H, Q, Key, Value, O);
}

int main(int, char **Argv) {
  Directory = Argv[1];
  elementwise();
  softmax();
  matmulBf16();
  matmulStock<uint16_t>(
      "b_matmul_stock_f16", randomHalves(128 * 4096, 12),
      randomHalves(4096 * 4096, 13), [](uint16_t V) { return halfToFloat(V); },
      1e-5, 0);
  // tf32 operands keep 10 mantissa bits, truncated.
  matmulStock<float>(
      "b_matmul_stock_tf32", randomFloats(128 * 4096, 14),
      randomFloats(4096 * 4096, 15), [](float V) { return V; }, 2e-3, 0);
  matmulWgmma("c_wgmma_ws", 1);
  matmulWgmma("c_wgmma_ws_cluster2", 2);
  attention("e_fa_mma", false);
  attention("e_fa_wgmma", true);
  return finish("KernelsTest");
}
