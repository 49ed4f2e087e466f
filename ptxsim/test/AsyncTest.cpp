// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Hopper's asynchronous units against naive loops: tensor copies in 1 to 5
// dimensions with every swizzle, im2col, reductions, multicast and distributed
// shared memory. PTX is generated here.
#include "AsyncKernels.h"
#include <sstream>

using namespace test;

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

// ---- bulk groups -----------------------------------------------------------
/// Stores 128 bytes, waits until they have been read, overwrites them, and
/// looks at the destination before and after the whole wait.
static void readWait() {
  std::string Body =
      "mov.u32 %r1, smem;\nmov.u32 %r2, %tid.x;\nshl.b32 %r3, %r2, 2;\n"
      "add.u32 %r4, %r1, %r3;\nadd.u32 %r5, %r2, 500;\n"
      "st.shared.u32 [%r4], %r5;\nfence.proxy.async.shared::cta;\n"
      "bar.sync 0;\nld.param.u64 %rd1, [out];\nld.param.u64 %rd2, [seen];\n"
      "setp.ne.u32 %p1, %r2, 0;\n@%p1 bra A;\n"
      "cp.async.bulk.global.shared::cta.bulk_group [%rd1], [%r1], 128;\n"
      "cp.async.bulk.commit_group;\ncp.async.bulk.wait_group.read 0;\nA:\n"
      "bar.sync 0;\nst.shared.u32 [%r4], 7;\nbar.sync 0;\n@%p1 bra B;\n"
      "ld.global.u32 %r6, [%rd1];\nst.global.u32 [%rd2], %r6;\n"
      "cp.async.bulk.wait_group 0;\nld.global.u32 %r6, [%rd1];\n"
      "st.global.u32 [%rd2+4], %r6;\nB:\n";
  Kernel K(kernelOf(".param .u64 out, .param .u64 seen", Body), "k");
  check(K.Ok, K.Error);
  std::vector<uint32_t> Want;
  for (uint32_t T = 0; T < 32; ++T)
    Want.push_back(500 + T);
  forModes([&](const std::string &Mode) {
    Buffer DO(std::vector<uint32_t>(32, 1)), DS(std::vector<uint32_t>(2));
    CUresult R = K.arg(DO.Address).arg(DS.Address).run({1}, {32}, 256);
    auto Seen = DS.read<uint32_t>();
    check(R == CUDA_SUCCESS && DO.read<uint32_t>() == Want && Seen[1] == 500,
          "wait_group.read in mode " + Mode + ": " + api().ptxsimLastReport());
    check(Mode != "late" || Seen[0] == 1,
          "late: the store has only read its source");
  });
}
/// A kernel ends when its stores have been written, waited for or not.
static void storeAtEnd() {
  std::string Body =
      "mov.u32 %r1, smem;\nmov.u32 %r2, %tid.x;\nshl.b32 %r3, %r2, 2;\n"
      "add.u32 %r4, %r1, %r3;\nst.shared.u32 [%r4], %r2;\n"
      "fence.proxy.async.shared::cta;\nbar.sync 0;\n"
      "ld.param.u64 %rd1, [out];\nsetp.ne.u32 %p1, %r2, 0;\n@%p1 bra A;\n"
      "cp.async.bulk.global.shared::cta.bulk_group [%rd1], [%r1], 128;\n"
      "cp.async.bulk.commit_group;\ncp.async.bulk.wait_group.read 0;\nA:\n";
  Kernel K(kernelOf(".param .u64 out", Body), "k");
  check(K.Ok, K.Error);
  std::vector<uint32_t> Want;
  for (uint32_t T = 0; T < 32; ++T)
    Want.push_back(T);
  forModes([&](const std::string &Mode) {
    Buffer DO(std::vector<uint32_t>(32, 1));
    CUresult R = K.arg(DO.Address).run({1}, {32}, 256);
    check(R == CUDA_SUCCESS && DO.read<uint32_t>() == Want,
          "a store that nobody waits for in mode " + Mode);
  });
}

int main() {
  tiles();
  storeTile(false);
  storeTile(true);
  im2col();
  distributedReduction();
  multicast();
  readWait();
  storeAtEnd();
  return finish("AsyncTest");
}
