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

int main(int, char **Argv) {
  Directory = Argv[1];
  elementwise();
  softmax();
  return finish("KernelsTest");
}
