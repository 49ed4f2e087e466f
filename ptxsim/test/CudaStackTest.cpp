// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// nvcc's programs with a heap and a stack (cuda/stack.cu): malloc and free,
// alloca, recursion, virtual functions, against the host.
#include "Corpus.h"
#include <algorithm>
#include <numeric>

using namespace test;

static std::string Folder;
static const std::vector<const char *> Targets = {"sm_80", "sm_90a"};

static bool inRaceMode() {
  const char *V = std::getenv("PTXSIM_RACE");
  return V && *V == '1';
}
static std::string textFor(const char *Target) {
  return readText(Folder + "/stack." + Target + ".ptx");
}
/// Loads an entry for each target and runs Fn in every mode.
static void
forKernels(const char *Entry,
           const std::function<void(Kernel &, const std::string &)> &Fn) {
  for (const char *Target : Targets)
    forModes([&](const std::string &Mode) {
      Kernel K(textFor(Target), Entry);
      std::string What = std::string(Entry) + " " + Target + " " + Mode;
      if (check(K.Ok, What + ": " + K.Error))
        Fn(K, What);
    });
}
static bool runs(CUresult R, const std::string &What) {
  return check(R == CUDA_SUCCESS, What + ": " + api().ptxsimLastReport());
}

// ---- heap ------------------------------------------------------------------
static void testLists() {
  forKernels("lists", [](Kernel &K, const std::string &What) {
    constexpr int Threads = 96;
    std::vector<int> Length(2 * Threads), Want;
    for (int I = 0; I < 2 * Threads; ++I) {
      Length[I] = I * 7 % 23;
      unsigned Sum = 0; // wraps around
      for (int C = Length[I] - 1; C >= 0; --C)
        Sum = Sum * 3 + unsigned(C * I);
      Want.push_back(int(Sum));
    }
    Buffer L(Length), Out(Length.size() * 4);
    runs(K.arg(L.Address).arg(Out.Address).run({2}, {Threads}), What);
    check(Out.read<int>() == Want, What);
  });
}

static void testKeep() {
  for (const char *Target : Targets) {
    constexpr int Threads = 64, Count = 9;
    Kernel Keep(textFor(Target), "keep"), Drop(textFor(Target), "drop");
    Buffer Slots(Threads * 8), Out(Threads * 4);
    std::string What = std::string("keep ") + Target;
    runs(Keep.arg(Slots.Address).arg(Count).run({1}, {Threads}), What);
    runs(
        Drop.arg(Slots.Address).arg(Count).arg(Out.Address).run({1}, {Threads}),
        What);
    std::vector<int> Want;
    for (int I = 0; I < Threads; ++I)
      Want.push_back((I + 1) % Threads * 100 * Count + Count * (Count - 1) / 2);
    check(Out.read<int>() == Want, What);
  }
}

static void testExhaust() {
  for (const char *Target : Targets) {
    Kernel K(textFor(Target), "exhaust");
    Buffer Out(16);
    runs(K.arg(Out.Address).run({1}, {1}), "exhaust");
    std::vector<uint64_t> Got = Out.read<uint64_t>();
    // The heap has 8 MiB unless cuCtxSetLimit says otherwise.
    check(Got[0] == 8 && Got[1] == 1,
          "the heap has its size, and gets memory back; got " +
              std::to_string(Got[0]));
  }
}

/// A kernel that faults, and what the report says.
static void expectFault(const char *Entry, int Argument, const char *Says) {
  Kernel K(textFor("sm_80"), Entry);
  Buffer Out(64);
  K.arg(Out.Address);
  if (Argument >= 0)
    K.arg(Argument);
  CUresult R = K.run({1}, {1});
  std::string Report = api().ptxsimLastReport();
  check(R != CUDA_SUCCESS && Report.find(Says) != std::string::npos,
        std::string(Entry) + ": expected a report of '" + Says + "', got '" +
            Report + "'");
}
static void testHeapFaults() {
  expectFault("freeTwice", -1, "free of 0x");
  expectFault("useFreed", -1, "in the heap but in no block");
  expectFault("pastEnd", 4, "in the heap but in no block");
  Kernel K(textFor("sm_80"), "pastEnd");
  Buffer Out(64);
  runs(K.arg(Out.Address).arg(3).run({1}, {1}), "the last word of a block");
  if (inRaceMode())
    expectFault("readUnwritten", -1, "uninitialised");
}

// ---- stack -----------------------------------------------------------------
static int sumOf(const int *Values, int Count) {
  unsigned Sum = 0;
  for (int K = Count - 1; K >= 0; --K)
    Sum = Sum * 5 + unsigned(Values[K] + K);
  return int(Sum);
}
static void testDynamicStack() {
  forKernels("dynamicStack", [](Kernel &K, const std::string &What) {
    constexpr int Threads = 40;
    std::vector<int> Values(256), Count, Want;
    std::iota(Values.begin(), Values.end(), 3);
    for (int I = 0; I < Threads; ++I) {
      Count.push_back(I * 5);
      int Sum = 0;
      for (int J = 0; J < 40; ++J)
        Sum ^= sumOf(Values.data(), Count[I]) + J;
      Want.push_back(Sum);
    }
    Buffer V(Values), C(Count), Out(Threads * 4);
    runs(K.arg(V.Address).arg(C.Address).arg(Out.Address).run({1}, {Threads}),
         What);
    check(Out.read<int>() == Want, What);
  });
}

static unsigned ackermann(unsigned M, unsigned N) {
  if (!M)
    return N + 1;
  return ackermann(M - 1, N ? ackermann(M, N - 1) : 1);
}
static void testAckermann() {
  forKernels("ackermanns", [](Kernel &K, const std::string &What) {
    constexpr unsigned Threads = 45;
    Buffer Out(Threads * 4);
    runs(K.arg(Out.Address).run({1}, {Threads}), What);
    std::vector<unsigned> Want;
    for (unsigned I = 0; I < Threads; ++I)
      Want.push_back(ackermann(I % 3, I / 3));
    check(Out.read<unsigned>() == Want, What);
  });
}

struct TreeNode {
  int Left, Right, Value;
};
static int walk(const std::vector<TreeNode> &T, int At, int Depth, int *Path) {
  int Mine[4] = {Depth, At, Depth * At, 7};
  if (At < 0)
    return Path[0];
  Path[0] += Mine[Depth & 3];
  int L = walk(T, T[At].Left, Depth + 1, Mine);
  int R = walk(T, T[At].Right, Depth + 1, Path);
  return 3 * L + R + T[At].Value + Mine[At & 3];
}
static void testTrees() {
  forKernels("treeSums", [](Kernel &K, const std::string &What) {
    constexpr int Nodes = 60, Threads = 32;
    Random R(5);
    std::vector<TreeNode> T(Nodes);
    for (int I = 0; I < Nodes; ++I) {
      auto Child = [&](int C) { return R.next() % 4 && C < Nodes ? C : -1; };
      T[I] = {Child(2 * I + 1), Child(2 * I + 2), int(R.next() % 100)};
    }
    std::vector<int> Root, Want;
    for (int I = 0; I < 2 * Threads; ++I) {
      Root.push_back(int(R.next() % Nodes));
      int Path[4] = {1, 2, 3, 4};
      int Sum = walk(T, Root[I], 0, Path);
      Want.push_back(Sum + Path[0]);
    }
    Buffer DT(T), DR(Root), Out(Root.size() * 4);
    runs(K.arg(DT.Address).arg(DR.Address).arg(Out.Address).run({2}, {Threads}),
         What);
    check(Out.read<int>() == Want, What);
  });
}

static void testQuicksort() {
  forKernels("quicksorts", [](Kernel &K, const std::string &What) {
    constexpr int Count = 50, Threads = 48;
    Random R(9);
    std::vector<int> V(Count * Threads);
    for (int &X : V)
      X = int(R.next() % 1000);
    Buffer D(V);
    runs(K.arg(D.Address).arg(Count).run({1}, {Threads}), What);
    for (int I = 0; I < Threads; ++I)
      std::sort(V.begin() + I * Count, V.begin() + (I + 1) * Count);
    check(D.read<int>() == V, What);
  });
}

static void testParity() {
  forKernels("parity", [](Kernel &K, const std::string &What) {
    std::vector<unsigned> N, Want;
    for (unsigned I = 0; I < 32; ++I) {
      N.push_back(I * 3);
      Want.push_back(I * 3 % 2 ? 1 : 2);
    }
    Buffer D(N), Out(N.size() * 4);
    runs(K.arg(D.Address).arg(Out.Address).run({1}, {32}), What);
    check(Out.read<unsigned>() == Want, What);
  });
}

static double expression(int Depth, unsigned Seed, double X) {
  if (!Depth)
    return double(Seed % 7) / 4 + X;
  int Right = Depth - 1 - (Depth > 1 && Seed % 2);
  auto A = [&](double Y) { return expression(Depth - 1, Seed * 3 + 1, Y); };
  auto B = [&](double Y) { return expression(Right, Seed * 5 + 2, Y); };
  return Seed % 3 ? A(X + 1) + B(X) : A(X) * B(X - 1);
}
static void testExpressions() {
  forKernels("expressions", [](Kernel &K, const std::string &What) {
    constexpr int Threads = 40;
    std::vector<int> Depth;
    std::vector<double> Want;
    for (int I = 0; I < Threads; ++I) {
      Depth.push_back(I % 5);
      Want.push_back(expression(I % 5, unsigned(I), I));
    }
    Buffer D(Depth), Out(Threads * 8);
    runs(K.arg(D.Address).arg(Out.Address).run({1}, {Threads}), What);
    std::vector<double> Got = Out.read<double>();
    check(relativeError(Got, Want) < 1e-12, What);
  });
}

/// Calls without end are found, with what the thread's stack is.
static void testOverflow() {
  Kernel K(textFor("sm_80"), "treeSums");
  std::vector<TreeNode> Loop(1, {0, -1, 1});
  Buffer D(Loop), Root(std::vector<int>(32)), Out(32 * 4);
  CUresult R =
      K.arg(D.Address).arg(Root.Address).arg(Out.Address).run({1}, {32});
  check(R != CUDA_SUCCESS &&
            std::string(api().ptxsimLastReport()).find("stack overflow") !=
                std::string::npos,
        "a stack overflow is reported");
}

int main(int, char **Argv) {
  Folder = Argv[1];
  testLists();
  testKeep();
  testExhaust();
  testHeapFaults();
  testDynamicStack();
  testAckermann();
  testTrees();
  testQuicksort();
  testParity();
  testExpressions();
  testOverflow();
  return finish("CudaStackTest");
}
