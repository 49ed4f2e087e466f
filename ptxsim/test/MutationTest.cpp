// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Planted bugs: every synchronisation of correct kernels is removed or
// weakened, and shared memory offsets are shifted, one place at a time. The
// race checker, a fault, a deadlock or a wrong result must show each of them.
#include "Driver.h"
#include <map>

using namespace test;

static std::string Root;

namespace {

struct Program {
  const char *File, *Entry;
  /// Runs the kernel; the bytes of its output.
  std::function<std::vector<uint8_t>(Kernel &, CUresult &)> Run;
};

struct Mutant {
  std::string Text, Name;
};

} // namespace

static std::vector<uint8_t> bytesOf(const Buffer &B) {
  return B.read<uint8_t>();
}

// ---- mutations -----------------------------------------------------------
static size_t findWord(const std::string &Line, const char *Word) {
  size_t At = Line.find_first_not_of(" \t");
  if (At != std::string::npos && Line[At] == '@') // behind the guard
    At = Line.find_first_not_of(" \t", Line.find_first_of(" \t", At));
  return At != std::string::npos && !Line.compare(At, std::strlen(Word), Word)
             ? At
             : std::string::npos;
}

/// Adds Delta to the last integer of a line.
static std::string shiftNumber(std::string Line, size_t From, int Delta) {
  size_t End = Line.find_last_of("0123456789");
  size_t Begin = End;
  while (Begin > From && Line[Begin - 1] >= '0' && Line[Begin - 1] <= '9')
    --Begin;
  int V = std::atoi(Line.substr(Begin, End - Begin + 1).c_str());
  return Line.substr(0, Begin) + std::to_string(V + Delta) +
         Line.substr(End + 1);
}

static void mutateLine(const std::string &Line, std::vector<std::string> &Out) {
  for (const char *Word :
       {"bar.sync", "bar.warp.sync", "cp.async.commit_group",
        "cp.async.wait_group", "fence.proxy.async", "wgmma.commit_group",
        "wgmma.wait_group", "mbarrier.arrive", "barrier.cluster.arrive",
        "cp.async.bulk.wait_group"}) {
    if (findWord(Line, Word) == std::string::npos)
      continue;
    bool Removable = std::strcmp(Word, "bar.warp.sync");
    if (Removable)
      Out.push_back("// removed");
    if (std::strstr(Word, "wait_group"))
      Out.push_back(shiftNumber(Line, findWord(Line, Word), 1));
  }
  // Only constant offsets from a register: [%r1+16].
  bool Shared = Line.find("ld.shared") != std::string::npos ||
                Line.find("st.shared") != std::string::npos;
  size_t Close = Line.find(']'), Plus = Line.find('+');
  if (Shared && Plus != std::string::npos && Plus < Close) {
    std::string Head = shiftNumber(Line.substr(0, Close), Plus, 4);
    Out.push_back(Head + Line.substr(Close));
  }
}

/// All mutants of one kernel's body, at most Limit per kind of line.
static std::vector<Mutant> mutantsOf(const std::string &Text, const char *Entry,
                                     size_t Limit) {
  std::vector<Mutant> Out;
  size_t Begin = Text.find(std::string(".entry ") + Entry + "(");
  size_t End = Text.find("\n}\n", Begin);
  std::map<std::string, size_t> Count;
  unsigned Number = 1;
  for (size_t K = 0; K < Begin; ++K)
    Number += Text[K] == '\n';
  for (size_t At = Begin; At < End; ++Number) {
    size_t Next = std::min(Text.find('\n', At), End);
    std::string Line = Text.substr(At, Next - At);
    std::vector<std::string> Changed;
    mutateLine(Line, Changed);
    size_t Word = Line.find_first_not_of(" \t");
    std::string Kind =
        Word == std::string::npos
            ? ""
            : Line.substr(Word, Line.find_first_of(" ;\t", Word) - Word);
    for (const std::string &C : Changed) {
      if (++Count[Kind] > Limit)
        break;
      Out.push_back({Text.substr(0, At) + C + Text.substr(Next),
                     std::string(Entry) + " line " + std::to_string(Number) +
                         ": '" + Line + "' becomes '" + C + "'"});
    }
    At = Next + 1;
  }
  return Out;
}

// ---- programs ------------------------------------------------------------
static std::vector<float> Floats = randomFloats(4096, 1);

template <class F>
static std::function<std::vector<uint8_t>(Kernel &, CUresult &)>
inPlace(size_t OutBytes, F Launch) {
  return [=](Kernel &K, CUresult &R) {
    Buffer In(Floats), Out(std::vector<uint8_t>(OutBytes, 0));
    K.arg(In.Address).arg(Out.Address);
    R = Launch(K);
    return bytesOf(Out);
  };
}

static std::vector<Program> basicPrograms() {
  const char *File = "cuda/ptx/basic.sm_80.ptx";
  auto Sort = [](Kernel &K, CUresult &R) {
    Buffer X(Floats);
    K.arg(X.Address);
    R = K.run({2}, {256});
    return bytesOf(X);
  };
  return {
      {File, "reduce",
       inPlace(4, [](Kernel &K) { return K.arg(4096).run({2}, {128}); })},
      {File, "blockScan",
       inPlace(4096, [](Kernel &K) { return K.run({4}, {256}); })},
      {File, "histogram",
       [](Kernel &K, CUresult &R) {
         Buffer X(Floats), Bins(std::vector<unsigned>(256));
         K.arg(X.Address).arg(Bins.Address).arg(16384);
         R = K.run({2}, {192});
         return bytesOf(Bins);
       }},
      {File, "bitonicSort", Sort},
      {File, "transpose",
       inPlace(
           4096 * 4,
           [](Kernel &K) { return K.arg(64).arg(64).run({2, 2}, {32, 8}); })},
      {File, "stencil",
       inPlace(4096,
               [](Kernel &K) { return K.arg(1000).run({8}, {128}, 134 * 4); })},
      {File, "softmax",
       inPlace(4096 * 4,
               [](Kernel &K) { return K.arg(1024).run({4}, {128}); })},
  };
}

static Program pipelinedProgram() {
  return {"cuda/ptx/matrix.sm_80.ptx", "pipelined", [](Kernel &K, CUresult &R) {
            static auto A = randomBf16(64 * 256, 2),
                        B = randomBf16(64 * 256, 3);
            Buffer DA(A), DB(B), DC(std::vector<float>(64 * 64));
            K.arg(DA.Address).arg(DB.Address).arg(DC.Address).arg(64).arg(256);
            R = K.run({1, 1}, {128});
            return bytesOf(DC);
          }};
}

static Program wgmmaProgram() {
  return {"kernels/c_wgmma_ws.ptx", "mm", [](Kernel &Fn, CUresult &R) {
            constexpr uint64_t M = 128, N = 256, K = 4096;
            static auto A = randomBf16(M * K, 4), B = randomBf16(N * K, 5);
            Buffer DA(A), DB(B), DC(std::vector<uint16_t>(M * N));
            auto Map = [](CUdeviceptr P, uint64_t Inner, uint64_t Outer,
                          uint32_t BoxOuter) {
              CUtensorMap T;
              uint64_t Extent[] = {Inner, Outer}, Stride[] = {Inner * 2};
              uint32_t Box[] = {64, BoxOuter}, Ones[] = {1, 1};
              api().cuTensorMapEncodeTiled(&T, 9, 2, (void *)P, Extent, Stride,
                                           Box, Ones, 0, 3, 0, 0);
              return T;
            };
            Fn.arg(Map(DA.Address, K, M, 128)).arg(Map(DB.Address, K, N, 256));
            Fn.arg(Map(DC.Address, N, M, 64)).arg(DC.Address);
            R = Fn.run({1, 1}, {384}, 196672);
            return bytesOf(DC);
          }};
}

// ---- judgement -----------------------------------------------------------
/// Mutants that cannot change anything, each with the reason.
static const struct {
  const char *Part, *Why;
} Harmless[] = {
    {"cp.async.bulk.wait_group", "the kernel ends right after; its stores are "
                                 "complete at the end of the grid"},
    {"blockScan line 398", "each thread reads back its own last write"},
    {"bitonicSort line 77", "unrolled copy for more than 1024 elements, which "
                            "512 elements per block never reach"},
    {"cp.async.wait_group 0;' becomes '// removed", "nothing is in flight"},
};

static const char *harmless(const std::string &Name) {
  for (const auto &H : Harmless)
    if (Name.find(H.Part) != std::string::npos)
      return H.Why;
  return nullptr;
}

static unsigned Caught, Total;

static void judge(const Program &P, const Mutant &M,
                  const std::vector<uint8_t> &Golden) {
  ++Total;
  const char *How = nullptr;
  for (const char *Mode : {"late", "eager", "seed:1"}) {
    api().ptxsimConfigure("MODE", Mode);
    Kernel K(M.Text, P.Entry);
    if (!K.Ok) {
      How = "does not load";
      break;
    }
    CUresult R = CUDA_SUCCESS;
    std::vector<uint8_t> Got = P.Run(K, R);
    if (R != CUDA_SUCCESS || Got != Golden) {
      How = R != CUDA_SUCCESS ? "reported" : "wrong result";
      break;
    }
  }
  Caught += How != nullptr;
  const char *Why = harmless(M.Name);
  check(How || Why, "survived: " + M.Name);
}

static void mutate(const Program &P, size_t Limit) {
  std::string Text = readText(Root + "/" + P.File);
  std::vector<uint8_t> Golden;
  {
    Kernel K(Text, P.Entry);
    CUresult R = CUDA_SUCCESS;
    if (check(K.Ok, K.Error))
      Golden = P.Run(K, R);
    check(R == CUDA_SUCCESS,
          std::string(P.Entry) + " is clean: " + api().ptxsimLastReport());
  }
  for (const Mutant &M : mutantsOf(Text, P.Entry, Limit))
    judge(P, M, Golden);
}

int main(int, char **Argv) {
  Root = Argv[1];
  api().ptxsimConfigure("RACE", "1");
  api().ptxsimConfigure("BUDGET", "20000000");
  for (const Program &P : basicPrograms())
    mutate(P, 12);
  mutate(pipelinedProgram(), 8);
  mutate(wgmmaProgram(), 2);
  check(Total >= 40, "at least 40 planted bugs, got " + std::to_string(Total));
  std::printf("%u planted bugs, %u caught, %u proven harmless\n", Total, Caught,
              Total - Caught);
  return finish("MutationTest");
}
