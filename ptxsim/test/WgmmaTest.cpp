// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// wgmma with every swizzle, transposed operands and operands in registers,
// against naive loops, in all modes. MatrixTest has the types and shapes.
#include "AsyncKernels.h"
#include <sstream>

using namespace test;

struct Product {
  const char *Shape, *D, *A, *B;
  unsigned N, K, Bits;
  bool TransB, FromRegisters;
};

static double element(const std::vector<uint8_t> &Bytes, size_t I,
                      const std::string &Type) {
  if (Type == "f16" || Type == "bf16") {
    uint16_t V;
    std::memcpy(&V, &Bytes[2 * I], 2);
    return Type == "f16" ? halfToFloat(V) : bf16ToFloat(V);
  }
  if (Type == "tf32") {
    float F;
    std::memcpy(&F, &Bytes[4 * I], 4);
    return F;
  }
  uint8_t V = Bytes[I];
  if (Type == "s8")
    return int8_t(V);
  if (Type == "u8")
    return V;
  bool E5 = Type == "e5m2";
  int Mantissa = E5 ? 2 : 3, Bias = E5 ? 15 : 7;
  int Exponent = (V & 127) >> Mantissa, Fraction = V & ((1 << Mantissa) - 1);
  double M = Exponent ? std::ldexp(Fraction + (1 << Mantissa),
                                   Exponent - Bias - Mantissa)
                      : std::ldexp(Fraction, 1 - Bias - Mantissa);
  return V & 128 ? -M : M;
}

/// Random bits that are small finite numbers in every format.
static std::vector<uint8_t> operand(size_t Elements, const std::string &Type,
                                    uint64_t Seed) {
  Random G(Seed);
  std::vector<uint8_t> Out;
  for (size_t I = 0; I < Elements; ++I) {
    float F = float(int(G.next() % 17) - 8) / 4;
    uint16_t H = Type == "f16" ? floatToHalf(F) : floatToBf16(F);
    const uint8_t *P = reinterpret_cast<uint8_t *>(&H);
    if (Type == "tf32")
      Out.insert(Out.end(), reinterpret_cast<uint8_t *>(&F),
                 reinterpret_cast<uint8_t *>(&F) + 4);
    else if (Type == "f16" || Type == "bf16")
      Out.insert(Out.end(), P, P + 2);
    else
      Out.push_back(uint8_t(G.next() & (Type[0] == 'e' ? 0xbf : 0xff)));
  }
  return Out;
}

/// Core matrices without swizzle: 8 rows of 16 bytes, 128 bytes each; the
/// second half of k lies Rows / 8 of them later. MN-major blocks likewise.
static std::vector<uint8_t> arrange(const std::vector<uint8_t> &X,
                                    unsigned Rows, unsigned K, unsigned Bits,
                                    bool Trans) {
  std::vector<uint8_t> Out(X.size());
  unsigned Size = Bits / 8;
  for (unsigned R = 0; R < Rows; ++R)
    for (unsigned I = 0; I < K; ++I) {
      unsigned Byte = I * Size;
      size_t At = Trans ? R / 8 * 128 + I / 8 * (Rows / 8 * 128) + I % 8 * 16 +
                              R % 8 * 2
                        : R / 8 * 128 + Byte / 16 * (Rows / 8 * 128) +
                              R % 8 * 16 + Byte % 16;
      std::memcpy(&Out[At], &X[(R * K + I) * Size], Size);
    }
  return Out;
}

static uint64_t descriptor(uint32_t Leading, uint32_t Stride) {
  return uint64_t(Leading >> 4) << 16 | uint64_t(Stride >> 4) << 32;
}

/// Fragment of the warp: rows 16 w + g and + 8, 16 bytes of k each.
static const char *const LoadFragment =
    "shr.u32 %r20, %r3, 5;\nand.b32 %r21, %r3, 31;\n"
    "shr.u32 %r22, %r21, 2;\nand.b32 %r23, %r21, 3;\n"
    "shl.b32 %r24, %r20, 8;\nshl.b32 %r25, %r22, 4;\n"
    "shl.b32 %r26, %r23, 2;\nadd.u32 %r24, %r24, %r25;\n"
    "add.u32 %r24, %r24, %r26;\nadd.u32 %r24, %r24, %r2;\n"
    "ld.shared.b32 %r30, [%r24];\nld.shared.b32 %r31, [%r24+128];\n"
    "ld.shared.b32 %r32, [%r24+1024];\n"
    "ld.shared.b32 %r33, [%r24+1152];\n";

static std::string wgmmaKernel(const Product &P, uint32_t ABytes,
                               uint32_t BBytes) {
  unsigned Regs = P.N / 8 * (std::string(P.D) == "f16" ? 2 : 4);
  const char *Kind = std::string(P.D) == "f32" ? "%f" : "%r1";
  bool Sixteen = P.Bits == 16;
  std::ostringstream S;
  // Copy both operands in; 128 threads, 16 bytes at a time.
  S << "mov.u32 %r2, smem;\nmov.u32 %r3, %tid.x;\nld.param.u64 %rd1, [in];\n"
    << "shl.b32 %r4, %r3, 4;\nL:\nadd.u32 %r5, %r2, %r4;\n"
    << "cvt.u64.u32 %rd2, %r4;\nadd.s64 %rd3, %rd1, %rd2;\n"
    << "ld.global.v4.b32 {%r6, %r7, %r8, %r9}, [%rd3];\n"
    << "st.shared.v4.b32 [%r5], {%r6, %r7, %r8, %r9};\n"
    << "add.u32 %r4, %r4, 2048;\nsetp.lt.u32 %p1, %r4, " << ABytes + BBytes
    << ";\n@%p1 bra L;\nfence.proxy.async.shared::cta;\nbar.sync 0;\n"
    << "shr.u32 %r5, %r2, 4;\ncvt.u64.u32 %rd4, %r5;\n"
    << "add.s64 %rd5, %rd4, " << descriptor(1024, 128) << ";\n"
    << "add.s64 %rd6, %rd4, " << ABytes / 16 << ";\n"
    << "add.s64 %rd6, %rd6, " << descriptor(P.N / 8 * 128, 128) << ";\n";
  if (P.FromRegisters)
    S << LoadFragment;
  std::string List;
  for (unsigned I = 0; I < Regs; ++I)
    List += std::string(I ? ", " : "") + Kind + std::to_string(I);
  S << ".reg .b32 %r1<128>;\nmov.pred %p2, 0;\nwgmma.fence.sync.aligned;\n"
    << "wgmma.mma_async.sync.aligned." << P.Shape << "." << P.D << "." << P.A
    << "." << P.B << " {" << List << "}, "
    << (P.FromRegisters ? "{%r30, %r31, %r32, %r33}" : "%rd5") << ", %rd6, %p2";
  if (P.D[0] != 's')
    S << ", 1, 1";
  if (Sixteen)
    S << (P.FromRegisters ? ", " : ", 0, ") << P.TransB;
  S << ";\nwgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;\n"
    << "ld.param.u64 %rd7, [out];\nmul.lo.u32 %r4, %r3, " << Regs * 4
    << ";\ncvt.u64.u32 %rd8, %r4;\nadd.s64 %rd9, %rd7, %rd8;\n";
  for (unsigned I = 0; I < Regs; ++I)
    S << "st.global.b32 [%rd9+" << 4 * I << "], " << Kind << I << ";\n";
  std::string Text = S.str();
  size_t At;
  while ((At = Text.find("%r1<128>")) != std::string::npos)
    Text.replace(At, 8, "%d<128>");
  // Accumulators of integer and f16 products are named %d.
  if (Kind[1] == 'r')
    for (unsigned I = Regs; I-- > 0;) {
      std::string From = "%r1" + std::to_string(I),
                  To = "%d" + std::to_string(I);
      for (const char *End : {",", "}", ";"})
        for (size_t K = Text.find("mma_async");
             (K = Text.find(From + End, K)) != std::string::npos;)
          Text.replace(K, From.size(), To);
    }
  return kernelOf(".param .u64 in, .param .u64 out", Text);
}

static void product(const Product &P) {
  unsigned Size = P.Bits / 8;
  auto A = operand(64 * P.K, P.A, 1), B = operand(P.N * P.K, P.B, 2);
  auto In = arrange(A, 64, P.K, P.Bits, false);
  auto PlacedB = arrange(B, P.N, P.K, P.Bits, P.TransB);
  In.insert(In.end(), PlacedB.begin(), PlacedB.end());
  In.resize((In.size() + 2047) / 2048 * 2048);
  Kernel K(
      wgmmaKernel(P, 64 * P.K * Size, uint32_t(In.size()) - 64 * P.K * Size),
      "k");
  std::string Name = std::string(P.Shape) + "." + P.D + "." + P.A + "." + P.B +
                     (P.TransB ? " transposed" : "") +
                     (P.FromRegisters ? " from registers" : "");
  if (!check(K.Ok, Name + ": " + K.Error))
    return;
  bool Half = std::string(P.D) == "f16", Int = P.D[0] == 's';
  unsigned Regs = P.N / 8 * (Half ? 2 : 4);
  std::vector<double> Want;
  for (unsigned T = 0; T < 128; ++T)
    for (unsigned I = 0; I < P.N / 8 * 4; ++I) {
      unsigned Row = T / 32 * 16 + T % 32 / 4 + I % 4 / 2 * 8;
      unsigned Column = I / 4 * 8 + T % 4 * 2 + I % 2;
      double Sum = 0;
      for (unsigned J = 0; J < P.K; ++J)
        Sum +=
            element(A, Row * P.K + J, P.A) * element(B, Column * P.K + J, P.B);
      Want.push_back(Sum);
    }
  forModes([&](const std::string &Mode) {
    Buffer DI(In), DO(std::vector<uint8_t>(128 * Regs * 4));
    CUresult R =
        K.arg(DI.Address).arg(DO.Address).run({1}, {128}, unsigned(In.size()));
    check(R == CUDA_SUCCESS, Name + ": " + api().ptxsimLastReport());
    std::vector<double> Got;
    if (Half)
      for (uint16_t V : DO.read<uint16_t>())
        Got.push_back(halfToFloat(V));
    else if (Int)
      for (int V : DO.read<int>())
        Got.push_back(V);
    else
      for (float V : DO.read<float>())
        Got.push_back(V);
    check(relativeError(Got, Want) <= (Half  ? 1e-3
                                       : Int ? 0
                                             : 1e-6),
          Name + " in mode " + Mode);
  });
}

static void products() {
  for (const Product &P : std::initializer_list<Product>{
           {"m64n64k16", "f32", "f16", "f16", 64, 16, 16, false, false},
           {"m64n64k16", "f16", "f16", "f16", 64, 16, 16, false, false},
           {"m64n128k16", "f32", "bf16", "bf16", 128, 16, 16, true, false},
           {"m64n8k16", "f32", "bf16", "bf16", 8, 16, 16, false, true},
           {"m64n64k16", "f32", "f16", "f16", 64, 16, 16, true, true},
           {"m64n32k8", "f32", "tf32", "tf32", 32, 8, 32, false, false},
           {"m64n64k32", "f32", "e4m3", "e5m2", 64, 32, 8, false, false},
           {"m64n64k32", "f32", "e5m2", "e4m3", 64, 32, 8, false, true},
           {"m64n64k32", "s32", "s8", "s8", 64, 32, 8, false, false},
           {"m64n32k32", "s32", "u8", "s8", 32, 32, 8, false, true},
       })
    product(P);
}

int main() {
  products();
  return finish("WgmmaTest");
}
