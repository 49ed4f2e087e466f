// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Calls in modules of many functions: deep chains, functions that call others
// several times, pointers to hundreds of functions, recursion. Programs are
// generated, and evaluated by the host as well.
#include "Driver.h"
#include <chrono>
#include <random>

using namespace test;

static const char *const Head =
    ".version 8.6\n.target sm_90\n.address_size 64\n";

static bool inRaceMode() {
  const char *V = std::getenv("PTXSIM_RACE");
  return V && *V == '1';
}

/// A kernel whose body may use %tid in %r0, %r, %rd, %p, and stores %r1.
static std::string kernel(const std::string &Body) {
  return ".visible .entry k(.param .u64 out)\n{\n.reg .b32 %r<16>;\n"
         ".reg .b64 %rd<16>;\n.reg .pred %p<4>;\n.reg .f64 %d<4>;\n"
         "mov.u32 %r0, %tid.x;\n" +
         Body +
         "ld.param.u64 %rd1, [out];\nmad.wide.u32 %rd1, %r0, 4, %rd1;\n"
         "st.global.u32 [%rd1], %r1;\nret;\n}\n";
}

/// Runs threads 0 to Count - 1 and returns what each of them stored.
static std::vector<uint32_t> run(const std::string &Text, unsigned Count,
                                 const char *What) {
  Kernel K(Head + Text, "k");
  if (!check(K.Ok, std::string(What) + ": " + K.Error))
    return {};
  Buffer Out(Count * 4);
  CUresult R = K.arg(Out.Address).run({1}, {Count});
  check(R == CUDA_SUCCESS, std::string(What) + ": " + api().ptxsimLastReport());
  return Out.read<uint32_t>();
}
static void expect(const std::string &Text, unsigned Count, const char *What,
                   const std::function<uint32_t(uint32_t)> &Want) {
  std::vector<uint32_t> Got = run(Text, Count, What);
  for (uint32_t K = 0; K < Got.size(); ++K)
    if (!check(Got[K] == Want(K), std::string(What) + ", thread " +
                                      std::to_string(K) + ": got " +
                                      std::to_string(Got[K])))
      return;
}
static void expectFault(const std::string &Text, const char *Says,
                        unsigned Count = 1) {
  Kernel K(Head + Text, "k");
  check(K.Ok, K.Error);
  Buffer Out(Count * 4);
  CUresult R = K.arg(Out.Address).run({1}, {Count});
  std::string Report = api().ptxsimLastReport();
  check(R != CUDA_SUCCESS && Report.find(Says) != std::string::npos,
        std::string("expected a report of '") + Says + "', got '" + Report +
            "'");
}

/// "{ st.param; call; ld.param; }" of a function of words.
static std::string call(const std::string &Result, const std::string &Callee,
                        const std::vector<std::string> &Args) {
  std::string S = "{\n.param .u32 got;\n", Names;
  for (size_t K = 0; K < Args.size(); ++K) {
    std::string N = "a" + std::to_string(K);
    S += ".param .u32 " + N + ";\nst.param.u32 [" + N + "], " + Args[K] + ";\n";
    Names += (K ? ", " : "") + N;
  }
  return S + "call (got), " + Callee + ", (" + Names + ");\nld.param.u32 " +
         Result + ", [got];\n}\n";
}

// ---- chains ----------------------------------------------------------------
/// f_k(x) = 3 f_{k-1}(x) + k, f_0(x) = x; odd x end in the middle.
static std::string chain(unsigned Count) {
  std::string S =
      ".func (.param .u32 r) f0(.param .u32 x)\n{\n.reg .b32 %r<4>;\n"
      "ld.param.u32 %r1, [x];\nst.param.u32 [r], %r1;\nret;\n}\n";
  for (unsigned K = 1; K < Count; ++K) {
    S += ".func (.param .u32 r) f" + std::to_string(K) +
         "(.param .u32 x)\n{\n.reg .b32 %r<6>;\n.reg .pred %p<2>;\n"
         "ld.param.u32 %r1, [x];\n";
    if (K == Count / 2)
      S += "and.b32 %r3, %r1, 1;\nsetp.ne.u32 %p1, %r3, 0;\n"
           "st.param.u32 [r], %r1;\n@%p1 ret;\n";
    S += call("%r2", "f" + std::to_string(K - 1), {"%r1"}) +
         "mad.lo.u32 %r2, %r2, 3, " + std::to_string(K) +
         ";\nst.param.u32 [r], %r2;\nret;\n}\n";
  }
  return S;
}
static void testChains() {
  for (unsigned Count : {2u, 24u, 26u, 60u, 1000u}) {
    std::string Last = "f" + std::to_string(Count - 1);
    expect(chain(Count) + kernel(call("%r1", Last, {"%r0"})), 40, "chain",
           [&](uint32_t X) {
             uint32_t V = X;
             for (unsigned K = X & 1 ? Count / 2 + 1 : 1; K < Count; ++K)
               V = 3 * V + K;
             return V;
           });
  }
}

/// Each function calls the one below once, and again where a bit says so.
static void testDoubling() {
  constexpr unsigned Count = 40;
  std::string S =
      ".func (.param .u32 r) f0(.param .u32 x)\n{\n.reg .b32 %r<4>;\n"
      "ld.param.u32 %r1, [x];\nadd.u32 %r1, %r1, 7;\n"
      "st.param.u32 [r], %r1;\nret;\n}\n";
  for (unsigned K = 1; K < Count; ++K) {
    std::string Below = "f" + std::to_string(K - 1);
    S += ".func (.param .u32 r) f" + std::to_string(K) +
         "(.param .u32 x)\n{\n.reg .b32 %r<6>;\n.reg .pred %p<2>;\n"
         "ld.param.u32 %r1, [x];\n" +
         call("%r2", Below, {"%r1"}) + "shr.u32 %r3, %r1, " +
         std::to_string(K % 32) +
         ";\nand.b32 %r3, %r3, 1;\nsetp.eq.u32 %p1, %r3, 0;\n@%p1 bra END;\n"
         "add.u32 %r4, %r1, %r2;\n" +
         call("%r4", Below, {"%r4"}) +
         "mad.lo.u32 %r2, %r4, 5, %r2;\nEND:\nadd.u32 %r2, %r2, %r1;\n"
         "st.param.u32 [r], %r2;\nret;\n}\n";
  }
  std::function<uint32_t(unsigned, uint32_t)> F = [&](unsigned K, uint32_t X) {
    if (!K)
      return X + 7;
    uint32_t R = F(K - 1, X);
    if (X >> K % 32 & 1)
      R += 5 * F(K - 1, X + R);
    return R + X;
  };
  expect(S + kernel(call("%r1", "f12", {"%r0"})), 32, "doubling",
         [&](uint32_t X) { return F(12, X); });
  // Running the whole of it takes too long, loading it does not.
  std::string Deep = S + kernel("setp.ne.u32 %p1, %r0, 99;\nmov.u32 %r1, 5;\n"
                                "@%p1 bra SKIP;\n" +
                                call("%r1", "f39", {"%r0"}) + "SKIP:\n");
  expect(Deep, 8, "doubling, 39", [](uint32_t) { return 5u; });
}

// ---- random programs -------------------------------------------------------
namespace {
struct RandomCall {
  unsigned Callee;
  uint32_t Bit; // of the first argument: whether the call takes place
};
struct RandomFunction {
  std::vector<uint32_t> Factors; // of values that live across all calls
  std::vector<RandomCall> Calls;
};
} // namespace

static std::vector<RandomFunction> randomFunctions(unsigned Count,
                                                   std::mt19937 &Random) {
  std::vector<RandomFunction> All(Count);
  for (unsigned K = 0; K < Count; ++K) {
    for (unsigned J = 1 + Random() % 9; J; --J)
      All[K].Factors.push_back(uint32_t(Random()));
    for (unsigned J = K ? 1 + Random() % 3 : 0; J; --J)
      All[K].Calls.push_back({unsigned(Random()) % K, uint32_t(Random()) % 6});
  }
  return All;
}
static uint32_t evaluate(const std::vector<RandomFunction> &All, unsigned Which,
                         uint32_t X, uint32_t Depth) {
  uint32_t Sum = X;
  if (!Depth)
    return Sum;
  for (const RandomCall &C : All[Which].Calls)
    if (X >> C.Bit & 1)
      Sum = Sum * 9 + evaluate(All, C.Callee, X + Sum, Depth - 1);
  for (uint32_t F : All[Which].Factors)
    Sum = (Sum ^ (X * F)) * 31;
  return Sum;
}
static std::string textOf(const RandomFunction &F, unsigned Number) {
  std::string S = ".func (.param .u32 r) f" + std::to_string(Number) +
                  "(.param .u32 x, .param .u32 depth)\n{\n.reg .b32 %r<16>;\n"
                  ".reg .pred %p<8>;\nld.param.u32 %r1, [x];\n"
                  "ld.param.u32 %r2, [depth];\nmov.u32 %r3, %r1;\n"
                  "setp.eq.u32 %p1, %r2, 0;\n@%p1 bra END;\n"
                  "sub.u32 %r2, %r2, 1;\n";
  for (size_t K = 0; K < F.Factors.size(); ++K)
    S += "mul.lo.u32 %r" + std::to_string(7 + K) + ", %r1, " +
         std::to_string(F.Factors[K]) + ";\n";
  unsigned N = 0;
  for (const RandomCall &C : F.Calls) {
    std::string Skip = "SKIP" + std::to_string(N++);
    S += "and.b32 %r4, %r1, " + std::to_string(1u << C.Bit) +
         ";\nsetp.eq.u32 %p2, %r4, 0;\n@%p2 bra " + Skip +
         ";\nadd.u32 %r4, %r1, %r3;\n" +
         call("%r5", "f" + std::to_string(C.Callee), {"%r4", "%r2"}) +
         "mad.lo.u32 %r3, %r3, 9, %r5;\n" + Skip + ":\n";
  }
  for (size_t K = 0; K < F.Factors.size(); ++K)
    S += "xor.b32 %r3, %r3, %r" + std::to_string(7 + K) +
         ";\nmul.lo.u32 %r3, %r3, 31;\n";
  return S + "END:\nst.param.u32 [r], %r3;\nret;\n}\n";
}
static void testRandomPrograms() {
  std::mt19937 Random(7);
  for (unsigned Count : {6u, 40u, 300u, 2000u}) {
    std::vector<RandomFunction> All = randomFunctions(Count, Random);
    std::string S, Body = "mov.u32 %r1, 0;\nmul.lo.u32 %r3, %r0, 77;\n"
                          "mov.u32 %r4, 6;\n";
    for (unsigned K = 0; K < Count; ++K)
      S += textOf(All[K], K);
    for (unsigned K = 1; K < 5; ++K)
      Body += call("%r2", "f" + std::to_string(Count - K), {"%r3", "%r4"}) +
              "mad.lo.u32 %r1, %r1, 13, %r2;\n";
    expect(S + kernel(Body), 64, "random functions", [&](uint32_t T) {
      uint32_t Sum = 0;
      for (unsigned K = 1; K < 5; ++K)
        Sum = Sum * 13 + evaluate(All, Count - K, T * 77, 6);
      return Sum;
    });
  }
}

/// Loading takes time in proportion to the text, however functions call.
static void testLoadTime() {
  std::mt19937 Random(8);
  constexpr unsigned Count = 6000;
  std::vector<RandomFunction> All = randomFunctions(Count, Random);
  std::string S;
  for (unsigned K = 0; K < Count; ++K)
    S += textOf(All[K], K);
  S += kernel(call("%r1", "f" + std::to_string(Count - 1), {"%r0", "%r0"}));
  auto Begin = std::chrono::steady_clock::now();
  Kernel K(Head + S, "k");
  double Seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - Begin)
          .count();
  check(K.Ok, K.Error);
  // 0.4 s on a core of its own; 60 s were not enough with every call inlined.
  check(Seconds < 10,
        "6000 functions load in " + std::to_string(Seconds) + " s");
}

// ---- parameters ------------------------------------------------------------
/// Sums 64, 32, 16 and 1 bits through registers; recursive, so that it has a
/// frame.
static void testRegisterParameters() {
  std::string S =
      ".func (.reg .b32 r) f(.reg .b32 n, .reg .b64 w, .reg .u16 h, "
      ".reg .pred q, .reg .f64 d)\n{\n.reg .b32 %r<8>;\n"
      ".reg .b64 %w;\n.reg .b16 %h;\n.reg .pred %p<4>;\n.reg .f64 %d<2>;\n"
      "setp.eq.u32 %p1, n, 0;\n@%p1 bra LAST;\n"
      "sub.u32 %r1, n, 1;\nadd.u64 %w, w, 0x100000001;\nadd.u16 %h, h, 3;\n"
      "not.pred %p2, q;\nadd.f64 %d1, d, 0d3FF0000000000000;\n"
      "call (r), f, (%r1, %w, %h, %p2, %d1);\n"
      "add.u32 r, r, n;\n@q add.u32 r, r, 1000;\nret;\n"
      "LAST:\ncvt.u32.u64 %r2, w;\nshr.u64 %w, w, 32;\ncvt.u32.u64 %r3, %w;\n"
      "cvt.u32.u16 %r4, h;\ncvt.rzi.u32.f64 %r5, d;\n"
      "mad.lo.u32 r, %r2, 3, %r3;\nmad.lo.u32 r, r, 7, %r4;\n"
      "mad.lo.u32 r, r, 7, %r5;\nselp.u32 %r6, 1, 0, q;\n"
      "mad.lo.u32 r, r, 2, %r6;\nret;\n}\n";
  expect(S + kernel("mov.u64 %rd2, 5;\nsetp.gt.u32 %p1, %r0, 3;\n"
                    "mov.f64 %d1, 0d4024000000000000;\n"
                    "call (%r1), f, (%r0, %rd2, 65530, %p1, %d1);\n"),
         12, "register parameters", [](uint32_t T) {
           bool Q = T > 3;
           uint32_t Sum = 0, R;
           for (uint32_t N = T; N; --N) {
             Sum += N + (Q ? 1000 : 0);
             Q = !Q;
           }
           R = (5 + T) * 3 + T;
           R = R * 7 + uint16_t(65530 + 3 * T);
           R = (R * 7 + 10 + T) * 2 + Q;
           return R + Sum;
         });
}

/// A predicate and a word come back through a chain that is too deep to inline.
static void testPredicateResults() {
  std::string S = ".func (.reg .pred q, .reg .b32 r) f0(.reg .b32 n)\n{\n"
                  "setp.gt.u32 q, n, 5;\nmov.b32 r, n;\nret;\n}\n";
  for (unsigned K = 1; K < 60; ++K)
    S += ".func (.reg .pred q, .reg .b32 r) f" + std::to_string(K) +
         "(.reg .b32 n)\n{\ncall (q, r), f" + std::to_string(K - 1) +
         ", (n);\n@q add.u32 r, r, " + std::to_string(K) +
         ";\nnot.pred q, q;\nret;\n}\n";
  expect(S + kernel("call (%p1, %r1), f59, (%r0);\n"
                    "@%p1 add.u32 %r1, %r1, 90000;\n"),
         12, "predicate results", [](uint32_t T) {
           bool Q = T > 5;
           uint32_t R = T;
           for (unsigned K = 1; K < 60; ++K) {
             R += Q ? K : 0;
             Q = !Q;
           }
           return R + (Q ? 90000 : 0);
         });
}

/// A recursive function's parameters and variables lie as they ask for.
static void testAlignment() {
  std::string S =
      ".func (.param .u32 r) f(.param .u32 n, "
      ".param .align 64 .b8 s[72])\n{\n.reg .b32 %r<8>;\n.reg .b64 %rd<8>;\n"
      ".reg .pred %p1;\n.local .align 256 .b8 buf[40];\n"
      "ld.param.u32 %r1, [n];\nmov.b64 %rd1, buf;\nmov.b64 %rd2, s;\n"
      "and.b64 %rd1, %rd1, 255;\nand.b64 %rd2, %rd2, 63;\n"
      "or.b64 %rd1, %rd1, %rd2;\ncvt.u32.u64 %r2, %rd1;\n"
      "ld.param.u32 %r3, [s+68];\nst.local.u32 [buf+36], %r1;\n"
      "setp.eq.u32 %p1, %r1, 0;\nst.param.u32 [r], %r3;\n@%p1 ret;\n"
      "sub.u32 %r4, %r1, 1;\nadd.u32 %r3, %r3, 10;\n"
      "{\n.param .u32 q;\n.param .u32 m;\n.param .align 64 .b8 t[72];\n"
      "st.param.u32 [m], %r4;\nst.param.u32 [t+68], %r3;\n"
      "call (q), f, (m, t);\nld.param.u32 %r5, [q];\n}\n"
      "ld.local.u32 %r6, [buf+36];\nadd.u32 %r5, %r5, %r6;\n"
      "mad.lo.u32 %r5, %r2, 1000, %r5;\n"
      "st.param.u32 [r], %r5;\nret;\n}\n";
  expect(S + kernel("{\n.param .u32 q;\n.param .u32 m;\n"
                    ".param .align 64 .b8 t[72];\nst.param.u32 [m], %r0;\n"
                    "st.param.u32 [t+68], 3;\ncall (q), f, (m, t);\n"
                    "ld.param.u32 %r1, [q];\n}\n"),
         9, "alignment",
         [](uint32_t T) { return 3 + 10 * T + T * (T + 1) / 2; });
}

// ---- pointers --------------------------------------------------------------
/// g_k(x) = x * (k + 3) + k for k below Count, and their addresses.
static std::string pointedTo(unsigned Count) {
  std::string S, Table;
  for (unsigned K = 0; K < Count; ++K) {
    std::string N = "g" + std::to_string(K);
    S += ".func (.param .u32 r) " + N +
         "(.param .u32 x)\n{\n.reg .b32 %r<4>;\nld.param.u32 %r1, [x];\n"
         "mad.lo.u32 %r1, %r1, " +
         std::to_string(K + 3) + ", " + std::to_string(K) +
         ";\nst.param.u32 [r], %r1;\nret;\n}\n";
    Table += (K ? ", " : "") + N;
  }
  return S + ".global .u64 table[" + std::to_string(Count) + "] = {" + Table +
         "};\n";
}
static std::string callThrough(const std::string &Pointer) {
  return "{\n.param .u32 got;\n.param .u32 a;\nst.param.u32 [a], %r1;\n"
         "P: .callprototype (.param .u32 _) _ (.param .u32 _);\n"
         "call (got), " +
         Pointer + ", (a), P;\nld.param.u32 %r1, [got];\n}\n";
}
static void testPointers() {
  for (unsigned Count : {3u, 33u, 500u}) {
    std::string Body = "mov.u32 %r1, %r0;\n";
    for (unsigned Step : {1u, 7u, 0u, 31u})
      Body += "mad.lo.u32 %r2, %r0, " + std::to_string(Step) +
              ", 2;\nrem.u32 %r2, %r2, " + std::to_string(Count) +
              ";\nmov.u64 %rd2, table;\nmad.wide.u32 %rd2, %r2, 8, %rd2;\n"
              "ld.global.u64 %rd3, [%rd2];\n" +
              callThrough("%rd3");
    expect(pointedTo(Count) + kernel(Body), 70, "pointers", [&](uint32_t T) {
      uint32_t V = T;
      for (unsigned Step : {1u, 7u, 0u, 31u}) {
        uint32_t K = (T * Step + 2) % Count;
        V = V * (K + 3) + K;
      }
      return V;
    });
  }
  expectFault(pointedTo(500) + kernel("mov.u32 %r1, 1;\nmov.u64 %rd3, 4660;\n" +
                                      callThrough("%rd3")),
              "call of 0x1234, which is no function with these parameters");
}

// ---- the stack -------------------------------------------------------------
static const char *const Endless =
    ".func (.param .u32 r) f(.param .u32 a)\n{\n.reg .b32 x;\n"
    "ld.param.u32 x, [a];\nadd.u32 x, x, 1;\n{\n.param .u32 q;\n"
    ".param .u32 s;\nst.param.u32 [q], x;\ncall (s), f, (q);\n"
    "ld.param.u32 x, [s];\n}\nst.param.u32 [r], x;\nret;\n}\n";

static void testOverflow() {
  expectFault(Endless + kernel(call("%r1", "f", {"%r0"})), "stack overflow: ");
  expectFault(Endless + kernel(call("%r1", "f", {"%r0"})),
              "CU_LIMIT_STACK_SIZE");
  // Without arguments the frame itself is what does not fit.
  expectFault(".func f()\n{\ncall f;\nret;\n}\n" +
                  kernel("mov.u32 %r1, 0;\ncall f;\n"),
              "stack overflow: ");
}

/// A function writes below its own variables, where its frame says whose caller
/// it returns to.
static void testOverwrittenFrame() {
  std::string F =
      ".func (.param .u32 r) f(.param .u32 n)\n{\n.local .b8 own[8];\n"
      ".reg .b64 %rd<3>;\n.reg .b32 %r<4>;\n.reg .pred %p1;\n"
      "ld.param.u32 %r1, [n];\nmov.u64 %rd1, own;\n"
      "mov.u64 %rd2, 0x4141414141414140;\n"
      "st.local.u64 [%rd1-32], %rd2;\nst.local.u64 [%rd1-24], %rd2;\n"
      "st.local.u64 [%rd1-16], %rd2;\nst.local.u64 [%rd1-8], %rd2;\n"
      "setp.eq.u32 %p1, %r1, 0;\n@%p1 bra END;\nsub.u32 %r2, %r1, 1;\n" +
      call("%r3", "f", {"%r2"}) +
      "add.u32 %r1, %r1, %r3;\n"
      "END:\nst.param.u32 [r], %r1;\nret;\n}\n";
  expectFault(F + kernel(call("%r1", "f", {"3"})), "the stack was overwritten");
}

/// Chains need no more stack than they take, whatever the limit is.
static void testStackOfChains() {
  constexpr int StackSize = 0; // CU_LIMIT_STACK_SIZE
  auto SetLimit = reinterpret_cast<CUresult (*)(int, size_t)>(
      librarySymbol("cuCtxSetLimit"));
  check(SetLimit(StackSize, 0) == CUDA_SUCCESS, "the limit is set");
  testChains();
  SetLimit(StackSize, 1024);
}

/// A record is passed on though half of it has never been written; what is read
/// of that half is reported.
static void testUnwritten() {
  auto Program = [](const char *Read) {
    return std::string(".func (.param .u32 r) f(.param .u32 n, "
                       ".param .align 16 .b8 s[32])\n{\n.reg .b32 %r<8>;\n"
                       ".reg .b64 %rd<4>;\n.reg .pred %p1;\n"
                       "ld.param.u32 %r1, [n];\nsetp.eq.u32 %p1, %r1, 0;\n"
                       "ld.param.u32 %r2, [") +
           Read +
           "];\nst.param.u32 [r], %r2;\n@%p1 ret;\n"
           "sub.u32 %r1, %r1, 1;\nld.param.u32 %r3, [s];\n"
           "{\n.param .u32 q;\n.param .u32 m;\n"
           ".param .align 16 .b8 t[32];\nst.param.u32 [m], %r1;\n"
           "st.param.u32 [t], %r3;\ncall (q), f, (m, t);\n"
           "ld.param.u32 %r2, [q];\n}\nst.param.u32 [r], %r2;\nret;\n}\n" +
           kernel("{\n.param .u32 q;\n.param .u32 m;\n"
                  ".param .align 16 .b8 t[32];\nst.param.u32 [m], 3;\n"
                  "st.param.u32 [t], 77;\ncall (q), f, (m, t);\n"
                  "ld.param.u32 %r1, [q];\n}\n");
  };
  expect(Program("s"), 3, "half a record", [](uint32_t) { return 77u; });
  if (inRaceMode())
    expectFault(Program("s+16"), "uninitialised local memory");
}

/// A body's own registers are watched as the kernel's are.
static void testUnwrittenRegister() {
  std::string S = ".func (.param .u32 r) f(.param .u32 n)\n{\n"
                  ".reg .b32 %r<4>;\n.reg .pred %p1;\nld.param.u32 %r1, [n];\n"
                  "setp.eq.u32 %p1, %r1, 0;\n@%p1 bra END;\n" +
                  std::string("sub.u32 %r1, %r1, 1;\n") +
                  call("%r2", "f", {"%r1"}) +
                  "END:\nst.param.u32 [r], %r2;\nret;\n}\n";
  if (inRaceMode())
    expectFault(S + kernel(call("%r1", "f", {"%r0"})), "uninitialised register",
                2);
}

int main() {
  testChains();
  testDoubling();
  testRandomPrograms();
  testLoadTime();
  testRegisterParameters();
  testPredicateResults();
  testAlignment();
  testPointers();
  testOverflow();
  testOverwrittenFrame();
  testStackOfChains();
  testUnwritten();
  testUnwrittenRegister();
  return finish("CallTest");
}
