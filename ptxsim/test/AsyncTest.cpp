// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Hopper's asynchronous units against naive loops: tensor copies in 1 to 5
// dimensions with every swizzle, im2col, reductions, multicast and distributed
// shared memory, and wgmma in every type. PTX is generated here.
#include "Driver.h"
#include <sstream>

using namespace test;

static std::string kernelOf(const std::string &Params, const std::string &Body,
                            const char *Extra = "") {
  return std::string(".version 8.6\n.target sm_90a\n.address_size 64\n"
                     ".extern .shared .align 1024 .b8 smem[];\n"
                     ".visible .entry k(") +
         Params + ")\n" + Extra +
         "{\n.reg .pred %p<8>;\n.reg .b16 %rs<8>;\n.reg .b32 %r<64>;\n"
         ".reg .f32 %f<256>;\n.reg .b64 %rd<16>;\n" +
         Body + "ret;\n}\n";
}

/// Waits for phase 0 of the barrier object in %r1.
static const char *WaitPhase0 =
    "W:\nmbarrier.try_wait.parity.shared::cta.b64 %p1, [%r1], 0;\n"
    "@!%p1 bra W;\n";

static uint32_t swizzled(int Mode, uint32_t A) {
  uint32_t Mask = Mode == 1 ? 1 : Mode == 2 ? 3 : Mode == 3 ? 7 : 0;
  return A ^ (A >> 7 & Mask) << 4;
}

// ---- tiles ---------------------------------------------------------------
struct Tile {
  unsigned Rank;
  int Swizzle;
  uint32_t Box[5];
  int Start[5];
};

static CUtensorMap encode(CUdeviceptr P, const Tile &T,
                          const uint64_t *Extent) {
  CUtensorMap M;
  uint64_t Stride[4];
  uint32_t Ones[5] = {1, 1, 1, 1, 1};
  uint64_t Bytes = Extent[0] * 4;
  for (unsigned D = 1; D < T.Rank; ++D) {
    Stride[D - 1] = Bytes;
    Bytes *= Extent[D];
  }
  constexpr int Uint32 = 2;
  check(api().cuTensorMapEncodeTiled(&M, Uint32, T.Rank, (void *)P, Extent,
                                     Stride, T.Box, Ones, 0, T.Swizzle, 0,
                                     0) == CUDA_SUCCESS,
        "tile is encoded");
  return M;
}

static std::string coordinates(const Tile &T) {
  std::string S = "{";
  for (unsigned D = 0; D < T.Rank; ++D)
    S += std::string(D ? ", " : "") + "%r" + std::to_string(10 + D);
  return S + "}";
}
static std::string setCoordinates(const Tile &T) {
  std::string S;
  for (unsigned D = 0; D < T.Rank; ++D)
    S += "mov.u32 %r" + std::to_string(10 + D) + ", " +
         std::to_string(T.Start[D]) + ";\n";
  return S;
}

/// Loads a tile, copies shared memory out as it lies.
static std::string loadKernel(const Tile &T, uint32_t Bytes) {
  std::ostringstream S;
  S << "mov.u32 %r2, smem;\nadd.u32 %r1, %r2, " << Bytes << ";\n"
    << "mov.u32 %r3, %tid.x;\nsetp.ne.u32 %p2, %r3, 0;\n@%p2 bra J;\n"
    << "mbarrier.init.shared::cta.b64 [%r1], 1;\n"
    << "fence.mbarrier_init.release.cluster;\n"
    << "mbarrier.arrive.expect_tx.shared::cta.b64 %rd2, [%r1], " << Bytes
    << ";\nmov.b64 %rd1, map;\n"
    << setCoordinates(T) << "cp.async.bulk.tensor." << T.Rank
    << "d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%r2], "
    << "[%rd1, " << coordinates(T) << "], [%r1];\nJ:\nbar.sync 0;\n"
    << WaitPhase0 << "ld.param.u64 %rd3, [out];\n"
    << "L:\nshl.b32 %r4, %r3, 2;\nadd.u32 %r5, %r2, %r4;\n"
    << "ld.shared.u32 %r6, [%r5];\ncvt.u64.u32 %rd4, %r4;\n"
    << "add.s64 %rd5, %rd3, %rd4;\nst.global.u32 [%rd5], %r6;\n"
    << "add.u32 %r3, %r3, 32;\nsetp.lt.u32 %p3, %r3, " << Bytes / 4
    << ";\n@%p3 bra L;\n";
  return kernelOf(".param .align 64 .b8 map[128], .param .u64 out", S.str());
}

static void tile(const Tile &T) {
  static const uint64_t Extent[5] = {40, 9, 5, 4, 3};
  uint64_t Count = 1;
  uint32_t Elements = 1;
  for (unsigned D = 0; D < T.Rank; ++D) {
    Count *= Extent[D];
    Elements *= T.Box[D];
  }
  std::vector<uint32_t> X(Count), Want(Elements);
  for (uint32_t I = 0; I < Count; ++I)
    X[I] = I * 7 + 1;
  for (uint32_t E = 0; E < Elements; ++E) {
    uint64_t At = 0, Scale = 1;
    bool In = true;
    uint32_t Left = E;
    for (unsigned D = 0; D < T.Rank; ++D) {
      int64_t C = T.Start[D] + int64_t(Left % T.Box[D]);
      Left /= T.Box[D];
      In &= C >= 0 && C < int64_t(Extent[D]);
      At += uint64_t(C) * Scale;
      Scale *= Extent[D];
    }
    Want[swizzled(T.Swizzle, E * 4) / 4] = In ? X[At] : 0;
  }
  Kernel K(loadKernel(T, Elements * 4), "k");
  check(K.Ok, K.Error);
  std::string Name = "tile of " + std::to_string(T.Rank) +
                     " dimensions, swizzle " + std::to_string(T.Swizzle);
  forModes([&](const std::string &Mode) {
    // The copy loop runs whole warps: at least 32 elements.
    Buffer DX(X), DO(std::vector<uint32_t>(std::max(Elements, 32u), 9));
    K.arg(encode(DX.Address, T, Extent)).arg(DO.Address);
    CUresult R = K.run({1}, {32}, Elements * 4 + 256);
    check(R == CUDA_SUCCESS, Name + ": " + api().ptxsimLastReport());
    auto Got = DO.read<uint32_t>();
    Got.resize(Elements);
    check(Got == Want, Name + " in mode " + Mode);
  });
}

static void tiles() {
  static const uint32_t Inner[] = {16, 8, 16, 32};
  for (unsigned Rank = 1; Rank <= 5; ++Rank)
    for (int Swizzle = 0; Swizzle < 4; ++Swizzle) {
      Tile T{Rank, Swizzle, {Inner[Swizzle], 4, 3, 2, 2}, {12, -1, 2, 3, 2}};
      tile(T);
      T.Start[0] = -4;
      T.Start[1] = 7;
      tile(T);
    }
}

/// Fills a tile and stores or adds it back.
static void storeTile(bool Add) {
  Tile T{2, 3, {32, 4}, {20, 7}};
  static const uint64_t Extent[] = {40, 9};
  std::ostringstream S;
  S << "mov.u32 %r2, smem;\nmov.u32 %r3, %tid.x;\nmov.u32 %r9, %r3;\n"
    << "L:\nshl.b32 %r4, %r3, 2;\nadd.u32 %r5, %r2, %r4;\n"
    << "st.shared.u32 [%r5], %r3;\nadd.u32 %r3, %r3, 32;\n"
    << "setp.lt.u32 %p3, %r3, 128;\n@%p3 bra L;\n"
    << "fence.proxy.async.shared::cta;\nbar.sync 0;\n"
    << "setp.ne.u32 %p2, %r9, 0;\n@%p2 ret;\nmov.b64 %rd1, map;\n"
    << setCoordinates(T)
    << (Add ? "cp.reduce.async.bulk.tensor.2d.global.shared::cta.add.tile."
              "bulk_group "
            : "cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group ")
    << "[%rd1, " << coordinates(T) << "], [%r2];\n"
    << "cp.async.bulk.commit_group;\ncp.async.bulk.wait_group 0;\n";
  Kernel K(kernelOf(".param .align 64 .b8 map[128]", S.str()), "k");
  check(K.Ok, K.Error);
  std::vector<uint32_t> X(360, 1000), Want = X;
  for (uint32_t E = 0; E < 128; ++E) {
    uint32_t C = 20 + E % 32, Row = 7 + E / 32;
    uint32_t V = swizzled(3, E * 4) / 4;
    if (C < 40 && Row < 9)
      Want[Row * 40 + C] = V + (Add ? 1000 : 0);
  }
  forModes([&](const std::string &Mode) {
    Buffer DX(X);
    K.arg(encode(DX.Address, T, Extent));
    CUresult R = K.run({1}, {32}, 1024);
    check(R == CUDA_SUCCESS && DX.read<uint32_t>() == Want,
          std::string(Add ? "tile reduction" : "tile store") + " in mode " +
              Mode + ": " + api().ptxsimLastReport());
  });
}

// ---- im2col --------------------------------------------------------------
static void im2col() {
  // NHWC, 8 channels of u32; 3x3 filter, padding 1, tap (2, 0).
  constexpr int C = 8, W = 6, H = 5, N = 2, Pixels = 48, R = 2, S = 0;
  std::vector<uint32_t> X(size_t(C * W * H * N)), Want;
  for (uint32_t I = 0; I < X.size(); ++I)
    X[I] = I + 1;
  int PW = -1, PH = 0, PN = 0; // start: pixel (w -1, h 0)
  for (int P = 0; P < Pixels; ++P) {
    for (int Ch = 0; Ch < C; ++Ch) {
      int AW = PW + S, AH = PH + R;
      bool In = AW >= 0 && AW < W && AH >= 0 && AH < H && PN < N;
      Want.push_back(In ? X[size_t(((PN * H + AH) * W + AW) * C + Ch)] : 0);
    }
    if (++PW > W - 1 - 1) { // upper corner -1
      PW = -1;
      if (++PH > H - 1 - 1) {
        PH = -1;
        ++PN;
      }
    }
  }
  uint32_t Bytes = Pixels * C * 4;
  std::ostringstream T;
  T << "mov.u32 %r2, smem;\nadd.u32 %r1, %r2, " << Bytes << ";\n"
    << "mov.u32 %r3, %tid.x;\nsetp.ne.u32 %p2, %r3, 0;\n@%p2 bra J;\n"
    << "mbarrier.init.shared::cta.b64 [%r1], 1;\n"
    << "mbarrier.arrive.expect_tx.shared::cta.b64 %rd2, [%r1], " << Bytes
    << ";\nmov.b64 %rd1, map;\nmov.u32 %r10, 0;\nmov.u32 %r11, -1;\n"
    << "mov.b16 %rs1, " << S << ";\nmov.b16 %rs2, " << R << ";\n"
    << "cp.async.bulk.tensor.4d.shared::cluster.global.im2col."
    << "mbarrier::complete_tx::bytes [%r2], [%rd1, {%r10, %r11, %r10, %r10}], "
    << "[%r1], {%rs1, %rs2};\nJ:\nbar.sync 0;\n"
    << WaitPhase0 << "ld.param.u64 %rd3, [out];\n"
    << "L:\nshl.b32 %r4, %r3, 2;\nadd.u32 %r5, %r2, %r4;\n"
    << "ld.shared.u32 %r6, [%r5];\ncvt.u64.u32 %rd4, %r4;\n"
    << "add.s64 %rd5, %rd3, %rd4;\nst.global.u32 [%rd5], %r6;\n"
    << "add.u32 %r3, %r3, 32;\nsetp.lt.u32 %p3, %r3, " << Bytes / 4
    << ";\n@%p3 bra L;\n";
  Kernel K(kernelOf(".param .align 64 .b8 map[128], .param .u64 out", T.str()),
           "k");
  check(K.Ok, K.Error);
  forModes([&](const std::string &Mode) {
    Buffer DX(X), DO(std::vector<uint32_t>(Want.size()));
    CUtensorMap M;
    uint64_t Extent[] = {C, W, H, N};
    uint64_t Stride[] = {C * 4, C * W * 4, C * W * H * 4};
    int Lower[] = {-1, -1}, Upper[] = {-1, -1};
    uint32_t Ones[] = {1, 1, 1, 1};
    check(api().cuTensorMapEncodeIm2col(&M, 2, 4, (void *)DX.Address, Extent,
                                        Stride, Lower, Upper, C, Pixels, Ones,
                                        0, 0, 0, 0) == CUDA_SUCCESS,
          "im2col is encoded");
    K.arg(M).arg(DO.Address);
    CUresult Result = K.run({1}, {32}, Bytes + 64);
    check(Result == CUDA_SUCCESS && DO.read<uint32_t>() == Want,
          "im2col in mode " + Mode + ": " + api().ptxsimLastReport());
  });
}

// ---- clusters ------------------------------------------------------------
/// Every CTA of a cluster of 4 adds up the others' shared memory.
static void distributedReduction() {
  std::string Body =
      "mov.u32 %r1, smem;\nmov.u32 %r2, %tid.x;\nmov.u32 %r3, %ctaid.x;\n"
      "shl.b32 %r4, %r2, 2;\nadd.u32 %r5, %r1, %r4;\n"
      "mad.lo.u32 %r6, %r3, 100, %r2;\nst.shared.u32 [%r5], %r6;\n"
      "barrier.cluster.arrive.release.aligned;\n"
      "barrier.cluster.wait.acquire.aligned;\n"
      "mov.u32 %r7, 0;\nmov.u32 %r8, 0;\n"
      "L:\nmapa.shared::cluster.u32 %r9, %r5, %r7;\n"
      "ld.shared::cluster.u32 %r10, [%r9];\nadd.u32 %r8, %r8, %r10;\n"
      "add.u32 %r7, %r7, 1;\nsetp.lt.u32 %p1, %r7, 4;\n@%p1 bra L;\n"
      "barrier.cluster.arrive.release.aligned;\n"
      "barrier.cluster.wait.acquire.aligned;\n"
      "ld.param.u64 %rd1, [out];\nmad.lo.u32 %r11, %r3, 32, %r2;\n"
      "mul.wide.u32 %rd2, %r11, 4;\nadd.s64 %rd3, %rd1, %rd2;\n"
      "st.global.u32 [%rd3], %r8;\n";
  Kernel K(kernelOf(".param .u64 out", Body), "k");
  check(K.Ok, K.Error);
  std::vector<uint32_t> Want;
  for (uint32_t C = 0; C < 8; ++C)
    for (uint32_t T = 0; T < 32; ++T)
      Want.push_back(4 * T + 100 * (C < 4 ? 0 + 1 + 2 + 3 : 4 + 5 + 6 + 7));
  api().ptxsimConfigure("RACE", "1");
  forModes([&](const std::string &Mode) {
    Buffer DO(std::vector<uint32_t>(256));
    CUresult R = K.arg(DO.Address).run({8}, {32}, 256, {4});
    check(R == CUDA_SUCCESS && DO.read<uint32_t>() == Want,
          "distributed shared memory in mode " + Mode + ": " +
              api().ptxsimLastReport());
  });
  api().ptxsimConfigure("RACE", "0");
}

/// CTA 0 sends 256 bytes to both CTAs of a cluster.
static void multicast() {
  std::string Body =
      "mov.u32 %r2, smem;\nadd.u32 %r1, %r2, 256;\nmov.u32 %r3, %tid.x;\n"
      "mov.u32 %r4, %cluster_ctarank;\nsetp.ne.u32 %p2, %r3, 0;\n"
      "@%p2 bra A;\nmbarrier.init.shared::cta.b64 [%r1], 1;\n"
      "mbarrier.arrive.expect_tx.shared::cta.b64 %rd2, [%r1], 256;\nA:\n"
      "barrier.cluster.arrive.aligned;\nbarrier.cluster.wait.aligned;\n"
      "or.b32 %r5, %r3, %r4;\nsetp.ne.u32 %p3, %r5, 0;\n@%p3 bra B;\n"
      "ld.param.u64 %rd1, [in];\nmov.b16 %rs1, 3;\n"
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes."
      "multicast::cluster [%r2], [%rd1], 256, [%r1], %rs1;\nB:\n"
      "bar.warp.sync -1;\n" +
      std::string(WaitPhase0) +
      "shl.b32 %r6, %r3, 3;\nadd.u32 %r7, %r2, %r6;\n"
      "ld.shared.u64 %rd3, [%r7];\nld.param.u64 %rd4, [out];\n"
      "mad.lo.u32 %r8, %r4, 256, %r6;\ncvt.u64.u32 %rd5, %r8;\n"
      "add.s64 %rd6, %rd4, %rd5;\nst.global.u64 [%rd6], %rd3;\n"
      "barrier.cluster.arrive.aligned;\nbarrier.cluster.wait.aligned;\n";
  Kernel K(kernelOf(".param .u64 in, .param .u64 out", Body), "k");
  check(K.Ok, K.Error);
  auto X = randomFloats(64, 3);
  auto Want = X;
  Want.insert(Want.end(), X.begin(), X.end());
  forModes([&](const std::string &Mode) {
    Buffer DX(X), DO(std::vector<float>(128));
    CUresult R = K.arg(DX.Address).arg(DO.Address).run({2}, {32}, 320, {2});
    check(R == CUDA_SUCCESS && DO.read<float>() == Want,
          "multicast in mode " + Mode + ": " + api().ptxsimLastReport());
  });
}

// ---- wgmma ---------------------------------------------------------------
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
  if (P.FromRegisters) {
    // Fragment of the warp: rows 16 w + g and + 8, 16 bytes of k each.
    S << "shr.u32 %r20, %r3, 5;\nand.b32 %r21, %r3, 31;\n"
      << "shr.u32 %r22, %r21, 2;\nand.b32 %r23, %r21, 3;\n"
      << "shl.b32 %r24, %r20, 8;\nshl.b32 %r25, %r22, 4;\n"
      << "shl.b32 %r26, %r23, 2;\nadd.u32 %r24, %r24, %r25;\n"
      << "add.u32 %r24, %r24, %r26;\nadd.u32 %r24, %r24, %r2;\n"
      << "ld.shared.b32 %r30, [%r24];\nld.shared.b32 %r31, [%r24+128];\n"
      << "ld.shared.b32 %r32, [%r24+1024];\n"
      << "ld.shared.b32 %r33, [%r24+1152];\n";
  }
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
  tiles();
  storeTile(false);
  storeTile(true);
  im2col();
  distributedReduction();
  multicast();
  products();
  return finish("AsyncTest");
}
