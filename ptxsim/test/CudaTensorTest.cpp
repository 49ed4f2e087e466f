// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// cuda/wgmma.cu and cuda/im2col.cu, compiled by nvcc for sm_90a, against host
// results.
#include "Corpus.h"
#include "MatrixOracle.h"

using namespace test;

static const std::initializer_list<const char *> Hopper = {"sm_90a"};

// ---- products of a warpgroup -----------------------------------------------
namespace {
/// A kernel of wgmma.cu: its types, how many products it adds, and the sign.
struct Product {
  const char *Entry, *D, *A, *B;
  unsigned Steps = 3;
  double Sign = 1;
};
} // namespace

/// Bytes of X, or of its transpose, row by row.
static std::vector<uint8_t> bytesOf(const Matrix &X, bool Transposed) {
  unsigned Size = X.Type.bits() / 8;
  std::vector<uint8_t> Out(X.Bits.size() * Size);
  for (unsigned R = 0; R < X.Rows; ++R)
    for (unsigned C = 0; C < X.Columns; ++C) {
      uint64_t V = X.at(R, C);
      size_t At =
          Transposed ? size_t(C) * X.Rows + R : size_t(R) * X.Columns + C;
      std::memcpy(&Out[At * Size], &V, Size);
    }
  return Out;
}

static void product(const Product &P, bool Keep) {
  constexpr unsigned N = 16, Lanes = 128;
  ElementType TD{P.D}, TA{P.A}, TB{P.B};
  unsigned K = P.Steps * 32 * 8 / TA.bits(), Count = N / 2 / TD.perRegister();
  Random R(std::hash<std::string>()(P.Entry) + Keep);
  Matrix A(TA, 64, K, R), B(TB, K, N, R), C(TD, 64, N, R), D(TD, 64, N);
  auto Place = [&](unsigned L, unsigned Reg, unsigned Part) {
    FragmentPlace At = placeInC(TD, 16, L % 32, Reg, Part);
    return FragmentPlace{At.Row + L / 32 * 16, At.Column};
  };
  // The oracle has registers outermost, the kernel threads.
  std::vector<uint64_t> Packed = pack(C, Count, Lanes, Place);
  std::vector<uint32_t> Start(Packed.size());
  for (unsigned I = 0; I < Start.size(); ++I)
    Start[I] = uint32_t(Packed[I % Count * Lanes + I / Count]);
  auto Got = runProgram<uint32_t>(
      "wgmma", P.Entry,
      [&](Kernel &Fn) {
        Buffer DA(bytesOf(A, false)), DB(bytesOf(B, true)), DD(Start);
        Fn.arg(DA.Address).arg(DB.Address).arg(DD.Address);
        Fn.arg(int(P.Steps)).arg(int(Keep));
        launched(Fn, {1}, {Lanes});
        return DD.read<uint32_t>();
      },
      Hopper);
  if (Got.size() != Start.size())
    return;
  for (unsigned I = 0; I < Got.size(); ++I)
    Packed[I % Count * Lanes + I / Count] = Got[I];
  unpack(Packed, Count, Lanes, Place, D);
  std::string Why;
  bool Saturates = std::string(P.Entry) == "s8_saturated";
  ProductRule Rule{A, B, Keep ? &C : nullptr, P.Sign, Saturates};
  check(Rule.accepts(D, Why), std::string(P.Entry) + ": " + Why);
}

static void products() {
  for (const Product &P : std::initializer_list<Product>{
           {"f16_f32_ss", "f32", "f16", "f16"},
           {"f16_f32_rs", "f32", "f16", "f16"},
           {"f16_f16_ss", "f16", "f16", "f16"},
           {"f16_f16_rs", "f16", "f16", "f16"},
           {"bf16_ss", "f32", "bf16", "bf16"},
           {"bf16_rs", "f32", "bf16", "bf16"},
           {"tf32_ss", "f32", "tf32", "tf32"},
           {"tf32_rs", "f32", "tf32", "tf32"},
           {"e4m3_e4m3_ss", "f32", "e4m3", "e4m3"},
           {"e4m3_e5m2_rs", "f32", "e4m3", "e5m2"},
           {"e5m2_e4m3_ss", "f32", "e5m2", "e4m3"},
           {"e5m2_e5m2_rs", "f32", "e5m2", "e5m2"},
           {"e4m3_f16_ss", "f16", "e4m3", "e4m3", 1},
           {"e5m2_f16_rs", "f16", "e5m2", "e5m2", 1},
           {"s8_s8_ss", "s32", "s8", "s8"},
           {"s8_u8_rs", "s32", "s8", "u8"},
           {"u8_s8_ss", "s32", "u8", "s8"},
           {"u8_u8_rs", "s32", "u8", "u8"},
           {"s8_saturated", "s32", "s8", "s8", 1},
           {"f16_tn", "f32", "f16", "f16"},
           {"f16_nt", "f32", "f16", "f16"},
           {"bf16_tt", "f32", "bf16", "bf16"},
           {"bf16_rs_t", "f32", "bf16", "bf16"},
           {"bf16_minus_a", "f32", "bf16", "bf16", 3, -1},
           {"tf32_minus_b", "f32", "tf32", "tf32", 3, -1},
           {"f16_minus_both", "f16", "f16", "f16"},
       })
    for (bool Keep : {false, true})
      product(P, Keep);
}

// ---- convolutions ----------------------------------------------------------
namespace {
/// As in im2col.cu.
struct Convolution {
  int Out[3], Taps[3], Stride[3], Pad[3];
  int Images, Channels, Pixels, Swizzled;
};
} // namespace

static CUtensorMap im2colMap(const Buffer &B, const Convolution &C,
                             const int *In, unsigned Dims) {
  CUtensorMap M;
  uint64_t Extent[5] = {uint64_t(C.Channels)}, Stride[5];
  uint32_t Steps[5] = {1, 1, 1, 1, 1};
  int Lower[3], Upper[3];
  uint64_t Bytes = 4 * uint64_t(C.Channels);
  for (unsigned D = 0; D <= Dims; ++D) {
    Extent[D + 1] = uint64_t(D < Dims ? In[D] : C.Images);
    Stride[D] = Bytes;
    Bytes *= Extent[D + 1];
  }
  for (unsigned D = 0; D < Dims; ++D) {
    Lower[D] = -C.Pad[D];
    Upper[D] = C.Pad[D] - (C.Taps[D] - 1);
    Steps[D + 1] = uint32_t(C.Stride[D]);
  }
  check(api().cuTensorMapEncodeIm2col(
            &M, 7, Dims + 2, reinterpret_cast<void *>(B.Address), Extent,
            Stride, Lower, Upper, uint32_t(C.Channels), uint32_t(C.Pixels),
            Steps, 0, C.Swizzled, 0, 0) == CUDA_SUCCESS,
        "an im2col map is encoded");
  return M;
}

/// Y by the definition of a convolution.
static std::vector<double> convolve(const std::vector<float> &X,
                                    const std::vector<float> &W,
                                    const Convolution &C, const int *In) {
  std::vector<double> Y;
  for (int I = 0; I < C.Images * C.Out[0] * C.Out[1] * C.Out[2]; ++I) {
    int At[3] = {I % C.Out[0], I / C.Out[0] % C.Out[1],
                 I / C.Out[0] / C.Out[1] % C.Out[2]};
    int N = I / C.Out[0] / C.Out[1] / C.Out[2], Tap = 0;
    double Sum = 0;
    for (int Z = 0; Z < C.Taps[2]; ++Z)
      for (int V = 0; V < C.Taps[1]; ++V)
        for (int U = 0; U < C.Taps[0]; ++U, ++Tap) {
          int P[3] = {U, V, Z};
          bool Inside = true;
          for (int D = 0; D < 3; ++D) {
            P[D] += At[D] * C.Stride[D] - C.Pad[D];
            Inside &= P[D] >= 0 && P[D] < In[D];
          }
          size_t From =
              size_t(((N * In[2] + P[2]) * In[1] + P[1]) * In[0] + P[0]);
          for (int K = 0; Inside && K < C.Channels; ++K)
            Sum += double(X[From * C.Channels + K]) *
                   double(W[Tap * C.Channels + K]);
        }
    Y.push_back(Sum);
  }
  return Y;
}

/// Dims dimensions of extents In; Out is computed.
static void convolution(unsigned Dims, const int *In, Convolution C) {
  size_t Inputs = size_t(C.Images * C.Channels), Taps = size_t(C.Channels);
  for (int D = 0; D < 3; ++D) {
    C.Out[D] = (In[D] + 2 * C.Pad[D] - C.Taps[D]) / C.Stride[D] + 1;
    Inputs *= size_t(In[D]);
    Taps *= size_t(C.Taps[D]);
  }
  auto X = randomFloats(Inputs, 31), W = randomFloats(Taps, 32);
  auto Want = convolve(X, W, C, In);
  std::string Name = "convolve" + std::to_string(Dims + 2);
  unsigned Blocks =
      unsigned((Want.size() + size_t(C.Pixels) - 1) / size_t(C.Pixels));
  auto Got = runProgram<float>(
      "im2col", Name.c_str(),
      [&](Kernel &Fn) {
        Buffer DX(X), DW(W), DY(Want.size() * 4);
        Fn.arg(im2colMap(DX, C, In, Dims)).arg(DW.Address).arg(DY.Address);
        Fn.arg(C);
        launched(Fn, {Blocks}, {64}, unsigned(C.Pixels * C.Channels) * 4);
        return DY.read<float>();
      },
      Hopper);
  close(Name.c_str(), Got, Want, 1e-5);
}

static void convolutions() {
  for (int Swizzled : {0, 1}) {
    const int Line[] = {37, 1, 1}, Image[] = {9, 7, 1}, Volume[] = {5, 6, 4};
    convolution(1, Line,
                {{}, {5, 1, 1}, {1, 1, 1}, {2, 0, 0}, 3, 8, 16, Swizzled});
    convolution(1, Line, {{}, {3, 1, 1}, {2, 1, 1}, {0, 0, 0}, 2, 4, 20, 0});
    convolution(2, Image,
                {{}, {3, 3, 1}, {1, 1, 1}, {1, 1, 0}, 2, 8, 32, Swizzled});
    convolution(2, Image,
                {{}, {2, 5, 1}, {2, 1, 1}, {0, 2, 0}, 3, 8, 24, Swizzled});
    convolution(3, Volume,
                {{}, {3, 2, 3}, {1, 2, 1}, {1, 0, 1}, 2, 8, 48, Swizzled});
  }
}

int main(int, char **Argv) {
  CorpusDirectory = Argv[1];
  products();
  convolutions();
  return finish("CudaTensorTest");
}
