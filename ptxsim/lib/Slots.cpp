// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Register rows: liveness on blocks, sums that stay in place, then linear scan.
// PTX registers are virtual; packing them keeps a warp's rows in the host's
// first-level cache.
#include "Lower.h"
#include <algorithm>

using namespace ptxsim;

namespace {

struct Interval {
  uint32_t Begin = ~0u, End = 0;
  void touch(uint32_t At) {
    Begin = std::min(Begin, At);
    End = std::max(End, At);
  }
};

/// Live registers of every block as bit sets.
class Liveness {
public:
  Liveness(const LoweredKernel &K, const FlowGraph &G);
  std::vector<Interval> intervals() const;
  bool liveOut(uint32_t Block, uint32_t Register) const {
    return test(Out[Block], Register);
  }

private:
  void scanBlock(uint32_t B);
  void solve();
  using Bits = std::vector<uint64_t>;
  static bool test(const Bits &S, size_t R) {
    return S[R / 64] >> (R % 64) & 1;
  }
  static void set(Bits &S, size_t R) { S[R / 64] |= uint64_t(1) << (R % 64); }
  const LoweredKernel &K;
  const FlowGraph &G;
  uint32_t N;
  std::vector<Bits> Use, Kill, In, Out;
};

} // namespace

Liveness::Liveness(const LoweredKernel &K, const FlowGraph &G)
    : K(K), G(G), N(uint32_t(K.Code.size())) {
  size_t Words = (K.Regs.size() + 63) / 64;
  size_t Blocks = G.BlockBegin.size();
  for (auto *S : {&Use, &Kill, &In, &Out})
    S->assign(Blocks, Bits(Words));
  for (uint32_t B = 0; B < Blocks; ++B)
    scanBlock(B);
  solve();
}

void Liveness::scanBlock(uint32_t B) {
  for (uint32_t P = G.BlockBegin[B]; P < G.blockEnd(B, N); ++P) {
    const Lowered &L = K.Code[P];
    auto Read = [&](const Ref &R) {
      if (R.Kind == Ref::Reg && !test(Kill[B], R.Value))
        set(Use[B], R.Value);
    };
    Read(L.Guard);
    for (size_t J = 0; J < L.Refs.size(); ++J)
      if (L.Roles[J] != Role::Def)
        Read(L.Refs[J]);
    // A guarded write keeps the old value in some lanes.
    bool Kills = L.Guard.Kind == Ref::None;
    for (size_t J = 0; J < L.Refs.size(); ++J)
      if (L.Roles[J] == Role::Def && L.Refs[J].Kind == Ref::Reg && Kills &&
          !test(Use[B], L.Refs[J].Value))
        set(Kill[B], L.Refs[J].Value);
  }
}

void Liveness::solve() {
  size_t Blocks = G.BlockBegin.size();
  for (bool Changed = true; Changed;) {
    Changed = false;
    for (size_t B = Blocks; B-- > 0;) {
      for (uint32_t S : G.Successors[B])
        if (S < Blocks)
          for (size_t W = 0; W < Out[B].size(); ++W)
            Out[B][W] |= In[S][W];
      for (size_t W = 0; W < Out[B].size(); ++W) {
        uint64_t New = Use[B][W] | (Out[B][W] & ~Kill[B][W]);
        Changed |= New != In[B][W];
        In[B][W] = New;
      }
    }
  }
}

std::vector<Interval> Liveness::intervals() const {
  std::vector<Interval> I(K.Regs.size());
  for (uint32_t P = 0; P < N; ++P) {
    const Lowered &L = K.Code[P];
    if (L.Guard.Kind == Ref::Reg)
      I[L.Guard.Value].touch(P);
    for (const Ref &R : L.Refs)
      if (R.Kind == Ref::Reg)
        I[R.Value].touch(P);
  }
  for (uint32_t B = 0; B < G.BlockBegin.size(); ++B)
    for (size_t R = 0; R < K.Regs.size(); ++R) {
      if (test(In[B], R))
        I[R].touch(G.BlockBegin[B]);
      if (test(Out[B], R))
        I[R].touch(G.blockEnd(B, N));
    }
  // The registers of recursive functions are in use whenever a call may be.
  for (const StackBody &B : K.Bodies)
    for (uint32_t R = B.FirstReg; R < B.EndReg; ++R) {
      I[R].touch(0);
      I[R].touch(N);
    }
  for (uint32_t R : {K.FrameReg, K.StackReg})
    if (R != NoReg) {
      I[R].touch(0);
      I[R].touch(N);
    }
  // Asynchronous matrix products write their rows as late as the wait, so
  // these rows are never shared.
  for (const Lowered &L : K.Code)
    if (L.Info.O == Op::Wgmma)
      for (const Ref &R : L.Refs)
        if (R.Kind == Ref::Reg) {
          I[R.Value].touch(0);
          I[R.Value].touch(N);
        }
  return I;
}

static unsigned rowClass(const VirtualReg &R) {
  return R.Ty == Type::Pred ? 0 : R.Wide() ? 2 : 1;
}

// ---- sums ------------------------------------------------------------------
namespace {
/// Compilers give every step of a sum a register of its own. Where the addend
/// dies and the sum lives within a block, the sum takes over its register, as
/// in hand-written code that names one register for both.
class SumMerger {
public:
  SumMerger(LoweredKernel &K, const FlowGraph &G, const Liveness &L);
  void run();

private:
  void visit(uint32_t Pc);
  bool mayMerge(uint32_t Pc, uint32_t Sum, uint32_t Addend) const;
  void merge(uint32_t Sum, uint32_t Addend);
  bool redefines(uint32_t Pc, uint32_t Register) const;
  LoweredKernel &K;
  const FlowGraph &G;
  const Liveness &Live;
  std::vector<std::vector<uint32_t>> Touches; // instructions, ascending
  std::vector<bool> Fixed; // written later than their instruction says
};
} // namespace

/// Reads all operands before it writes a result.
static bool readsFirst(const Lowered &L) {
  return L.Info.Row->Class == OpClass::Float || L.Info.O == Op::Mma;
}

SumMerger::SumMerger(LoweredKernel &K, const FlowGraph &G, const Liveness &L)
    : K(K), G(G), Live(L), Touches(K.Regs.size()), Fixed(K.Regs.size()) {
  auto Touch = [&](const Ref &R, uint32_t P, bool IsFixed) {
    if (R.Kind != Ref::Reg)
      return;
    if (Touches[R.Value].empty() || Touches[R.Value].back() != P)
      Touches[R.Value].push_back(P);
    if (IsFixed)
      Fixed[R.Value] = true;
  };
  for (uint32_t P = 0; P < K.Code.size(); ++P) {
    Touch(K.Code[P].Guard, P, true);
    for (const Ref &R : K.Code[P].Refs)
      Touch(R, P, K.Code[P].Info.O == Op::Wgmma);
  }
}

/// Writes the register in all lanes without reading it.
bool SumMerger::redefines(uint32_t Pc, uint32_t Register) const {
  const Lowered &L = K.Code[Pc];
  bool Writes = false;
  for (size_t J = 0; J < L.Refs.size(); ++J)
    if (L.Refs[J].Kind == Ref::Reg && L.Refs[J].Value == Register) {
      if (L.Roles[J] != Role::Def)
        return false;
      Writes = true;
    }
  return Writes && L.Guard.Kind == Ref::None;
}

bool SumMerger::mayMerge(uint32_t Pc, uint32_t Sum, uint32_t Addend) const {
  uint32_t Block = G.BlockOf[Pc];
  uint32_t End = G.blockEnd(Block, uint32_t(K.Code.size()));
  if (Sum == Addend || Fixed[Sum] || Fixed[Addend] ||
      rowClass(K.Regs[Sum]) != rowClass(K.Regs[Addend]) ||
      Touches[Sum].front() != Pc || Touches[Sum].back() >= End)
    return false;
  const std::vector<uint32_t> &T = Touches[Addend];
  auto Next = std::upper_bound(T.begin(), T.end(), Pc);
  if (Next == T.end() || *Next >= End)
    return !Live.liveOut(Block, Addend);
  uint32_t Last = Touches[Sum].back();
  return redefines(*Next, Addend) &&
         (Last < *Next || (Last == *Next && readsFirst(K.Code[Last])));
}

void SumMerger::merge(uint32_t Sum, uint32_t Addend) {
  for (uint32_t P : Touches[Sum])
    for (Ref &R : K.Code[P].Refs)
      if (R.Kind == Ref::Reg && R.Value == Sum)
        R.Value = Addend;
  std::vector<uint32_t> &T = Touches[Addend];
  T.insert(T.end(), Touches[Sum].begin(), Touches[Sum].end());
  std::sort(T.begin(), T.end());
  T.erase(std::unique(T.begin(), T.end()), T.end());
  Touches[Sum].clear();
}

void SumMerger::visit(uint32_t Pc) {
  const Lowered &L = K.Code[Pc];
  if (L.Guard.Kind != Ref::None || !readsFirst(L))
    return;
  const LoweredOperand &To = L.Operands.front();
  const LoweredOperand &From =
      L.Operands[std::min<size_t>(L.Operands.size(), 4) - 1];
  if (To.How != Role::Def || From.How != Role::Use || To.Count != From.Count)
    return;
  for (unsigned J = 0; J < To.Count; ++J) {
    const Ref &D = L.Refs[To.First + J], &C = L.Refs[From.First + J];
    auto IsC = [&](const Ref &R) {
      return R.Kind == Ref::Reg && R.Value == C.Value;
    };
    if (D.Kind == Ref::Reg && C.Kind == Ref::Reg &&
        std::count_if(L.Refs.begin(), L.Refs.end(), IsC) == 1 &&
        mayMerge(Pc, uint32_t(D.Value), uint32_t(C.Value)))
      merge(uint32_t(D.Value), uint32_t(C.Value));
  }
}

void SumMerger::run() {
  for (uint32_t P = 0; P < K.Code.size(); ++P)
    visit(P);
}

// ---- calls -----------------------------------------------------------------
/// A call within a recursive function saves those of the function's registers
/// that are used behind it: they become its third operand.
static void planSaves(LoweredKernel &K, const FlowGraph &G,
                      const Liveness &Live) {
  for (uint32_t P = 0; P < K.Code.size(); ++P) {
    Lowered &L = K.Code[P];
    if (L.Info.O != Op::CallBody)
      continue;
    LoweredOperand Saved;
    Saved.First = uint16_t(L.Refs.size());
    if (L.Home != NoReg) {
      const StackBody &B = K.Bodies[L.Home];
      for (uint32_t R = B.FirstReg; R < B.EndReg; ++R)
        if (Live.liveOut(G.BlockOf[P], R)) {
          Ref Out;
          Out.Kind = Ref::Reg;
          Out.Value = R;
          Out.Wide = K.Regs[R].Wide();
          Out.IsPred = K.Regs[R].Ty == Type::Pred;
          L.Refs.push_back(Out);
          L.Roles.push_back(Role::Use);
          ++Saved.Count;
        }
      K.Bodies[L.Home].SaveBytes =
          std::max<uint64_t>(K.Bodies[L.Home].SaveBytes, 8 * Saved.Count);
    }
    L.Operands.push_back(Saved);
  }
  for (Lowered &L : K.Code)
    if (L.Info.O == Op::CallBody) {
      auto Align = [](uint64_t V) { return int64_t((V + 15) / 16 * 16); };
      const StackBody &To = K.Bodies[L.Callee];
      uint64_t SaveAt = L.Home == NoReg ? 0 : K.Bodies[L.Home].FrameBytes;
      L.Immediates = {Align(Align(To.FrameBytes) + To.SaveBytes),
                      Align(SaveAt)};
    }
}

// ---- rows ------------------------------------------------------------------
uint32_t ptxsim::assignRows(LoweredKernel &K, const FlowGraph &G,
                            std::vector<uint32_t> &Offset,
                            uint32_t &Registers) {
  static constexpr uint32_t RowBytes[] = {4, 128, 256};
  Liveness Live(K, G);
  SumMerger(K, G, Live).run();
  planSaves(K, G, Live);
  std::vector<Interval> I = Live.intervals();
  std::vector<uint32_t> Order;
  for (uint32_t R = 0; R < I.size(); ++R)
    if (I[R].Begin <= I[R].End)
      Order.push_back(R);
  std::sort(Order.begin(), Order.end(), [&](uint32_t A, uint32_t B) {
    return std::pair(I[A].Begin, A) < std::pair(I[B].Begin, B);
  });
  // Rows are numbered per class first, then laid out: wide, narrow, predicate.
  std::vector<uint32_t> Free[3], Number(I.size(), 0);
  uint32_t Count[3] = {0, 0, 0};
  std::vector<std::pair<uint32_t, uint32_t>> Active; // (end, register), a heap
  auto Later = [](const auto &A, const auto &B) { return A.first > B.first; };
  for (uint32_t R : Order) {
    while (!Active.empty() && Active.front().first < I[R].Begin) {
      uint32_t Old = Active.front().second;
      Free[rowClass(K.Regs[Old])].push_back(Number[Old]);
      std::pop_heap(Active.begin(), Active.end(), Later);
      Active.pop_back();
    }
    unsigned C = rowClass(K.Regs[R]);
    if (Free[C].empty()) {
      Number[R] = Count[C]++;
    } else {
      Number[R] = Free[C].back();
      Free[C].pop_back();
    }
    Active.push_back({I[R].End, R});
    std::push_heap(Active.begin(), Active.end(), Later);
  }
  uint32_t Base[3];
  Base[2] = 0;
  Base[1] = Count[2] * RowBytes[2];
  Base[0] = Base[1] + Count[1] * RowBytes[1];
  Offset.assign(I.size(), 0);
  for (uint32_t R : Order) {
    unsigned C = rowClass(K.Regs[R]);
    Offset[R] = Base[C] + Number[R] * RowBytes[C];
  }
  Registers = Count[1] + 2 * Count[2];
  return Base[0] + Count[0] * RowBytes[0];
}
