// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Register rows: sums that stay in place, then linear scan over live ranges.
// PTX registers are virtual; packing them keeps a warp's rows in the host's
// first-level cache.
#include "Regions.h"
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

} // namespace

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
  size_t Old = T.size();
  T.insert(T.end(), Touches[Sum].begin(), Touches[Sum].end());
  // Most often the sum is all that comes behind.
  auto First = std::lower_bound(T.begin(), T.begin() + long(Old), T[Old]);
  std::sort(First, T.end());
  T.erase(std::unique(First, T.end()), T.end());
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
/// A call within a body saves those of the body's registers that are used
/// behind it, as bodies share their rows: they become its last operand.
static void saveRegisters(LoweredKernel &K, const FlowGraph &G,
                          const Regions &R, const Liveness &Live) {
  for (uint32_t P = 0; P < K.Code.size(); ++P) {
    Lowered &L = K.Code[P];
    if (!callsBody(L.Info.O))
      continue;
    LoweredOperand Saved;
    Saved.First = uint16_t(L.Refs.size());
    if (L.Home != NoReg) {
      const Region &Part = R.All[L.Home + 1];
      Live.out(G.BlockOf[P]).forEach([&](size_t N) {
        Ref Out;
        Out.Kind = Ref::Reg;
        Out.Value = Part.Passing[N];
        Out.Wide = K.Regs[Out.Value].Wide();
        Out.IsPred = K.Regs[Out.Value].Ty == Type::Pred;
        L.Refs.push_back(Out);
        L.Roles.push_back(Role::Use);
        ++Saved.Count;
      });
      K.Bodies[L.Home].SaveBytes =
          std::max<uint64_t>(K.Bodies[L.Home].SaveBytes, 8 * Saved.Count);
    }
    L.Operands.push_back(Saved);
  }
}

static uint64_t alignTo(uint64_t V, uint64_t A) { return (V + A - 1) / A * A; }

uint64_t ptxsim::frameBytes(const LoweredKernel &K, uint32_t Body) {
  const StackBody &B = K.Bodies[Body];
  return alignTo(alignTo(B.FrameBytes, 8) + B.SaveBytes, K.FrameAlign);
}

/// Sizes of frames, and of the stack that calls need which do not recurse:
/// bodies stand behind those that they call.
static void planFrames(LoweredKernel &K) {
  std::vector<uint64_t> Needed(K.Bodies.size());
  auto Need = [&](uint32_t Home, uint32_t Callee) {
    if (Home != NoReg && Callee >= Home)
      return;
    uint64_t &Of = Home == NoReg ? K.StackBytes : Needed[Home];
    Of = std::max(Of, Needed[Callee] + frameBytes(K, Callee));
  };
  uint32_t Kernel =
      K.Bodies.empty() ? uint32_t(K.Code.size()) : K.Bodies[0].Entry;
  for (uint32_t J = 0; J < K.Code.size(); ++J) {
    uint32_t P = (J + Kernel) % uint32_t(K.Code.size()); // the kernel is last
    Lowered &L = K.Code[P];
    if (!callsBody(L.Info.O))
      continue;
    uint64_t SaveAt =
        L.Home == NoReg ? 0 : alignTo(K.Bodies[L.Home].FrameBytes, 8);
    L.Immediates = {0, int64_t(SaveAt)};
    if (L.Info.O == Op::CallBody) {
      L.Immediates[0] = int64_t(frameBytes(K, L.Callee));
      Need(L.Home, L.Callee);
    } else {
      for (auto [Address, Callee] : K.CallTables[L.Callee])
        Need(L.Home, Callee);
    }
  }
}

// ---- rows ------------------------------------------------------------------
namespace {
class RowAssignment {
public:
  RowAssignment(const LoweredKernel &K, const FlowGraph &G, const Regions &R,
                const Liveness &Live);
  void run();
  std::vector<uint32_t> Order;  // registers in use
  std::vector<uint32_t> Number; // of a register's row, within its class
  uint32_t Count[3] = {0, 0, 0};

private:
  void findIntervals();
  void scan(std::vector<uint32_t> &Regs, uint32_t (&Rows)[3]);
  const LoweredKernel &K;
  const FlowGraph &G;
  const Regions &R;
  const Liveness &Live;
  std::vector<Interval> I;
  std::vector<bool> Everywhere; // rows that nothing else may use
};
} // namespace

RowAssignment::RowAssignment(const LoweredKernel &K, const FlowGraph &G,
                             const Regions &R, const Liveness &Live)
    : Number(K.Regs.size()), K(K), G(G), R(R), Live(Live), I(K.Regs.size()),
      Everywhere(K.Regs.size()) {
  // Asynchronous matrix products write their rows as late as the wait.
  for (const Lowered &L : K.Code)
    if (L.Info.O == Op::Wgmma)
      for (const Ref &Row : L.Refs)
        if (Row.Kind == Ref::Reg)
          Everywhere[Row.Value] = true;
  for (uint32_t Row : {K.FrameReg, K.StackReg})
    if (Row != NoReg)
      Everywhere[Row] = true;
  findIntervals();
}

void RowAssignment::findIntervals() {
  uint32_t N = uint32_t(K.Code.size());
  for (uint32_t P = 0; P < N; ++P)
    forRegisters(
        K.Code[P], [&](const Ref &Read) { I[Read.Value].touch(P); },
        [&](const Ref &Written, bool) { I[Written.Value].touch(P); });
  for (const Region &Part : R.All)
    for (uint32_t B = Part.FirstBlock; B < Part.EndBlock; ++B) {
      Live.in(B).forEach(
          [&](size_t J) { I[Part.Passing[J]].touch(G.BlockBegin[B]); });
      Live.out(B).forEach(
          [&](size_t J) { I[Part.Passing[J]].touch(G.blockEnd(B, N)); });
    }
  for (size_t J = 0; J < I.size(); ++J)
    if (Everywhere[J]) {
      I[J].touch(0);
      I[J].touch(N);
    }
}

/// Linear scan; Rows counts the rows of each class, and those that are in use
/// already are not for these registers.
void RowAssignment::scan(std::vector<uint32_t> &Regs, uint32_t (&Rows)[3]) {
  std::sort(Regs.begin(), Regs.end(), [&](uint32_t A, uint32_t B) {
    return std::pair(I[A].Begin, A) < std::pair(I[B].Begin, B);
  });
  std::vector<uint32_t> Free[3];
  std::vector<std::pair<uint32_t, uint32_t>> Active; // (end, register), a heap
  auto Later = [](const auto &A, const auto &B) { return A.first > B.first; };
  for (uint32_t Next : Regs) {
    while (!Active.empty() && Active.front().first < I[Next].Begin) {
      uint32_t Old = Active.front().second;
      Free[rowClass(K.Regs[Old])].push_back(Number[Old]);
      std::pop_heap(Active.begin(), Active.end(), Later);
      Active.pop_back();
    }
    unsigned C = rowClass(K.Regs[Next]);
    if (Free[C].empty()) {
      Number[Next] = Rows[C]++;
    } else {
      Number[Next] = Free[C].back();
      Free[C].pop_back();
    }
    Active.push_back({I[Next].End, Next});
    std::push_heap(Active.begin(), Active.end(), Later);
  }
  Order.insert(Order.end(), Regs.begin(), Regs.end());
}

/// The bodies share rows with each other, not with the kernel, which does not
/// save its registers when it calls them.
void RowAssignment::run() {
  auto Used = [&](uint32_t Row) { return I[Row].Begin <= I[Row].End; };
  std::vector<uint32_t> Regs;
  for (uint32_t J = 0; J < I.size(); ++J)
    if (Used(J) && (Everywhere[J] || J < R.All[0].EndReg))
      Regs.push_back(J);
  uint32_t Kernel[3] = {0, 0, 0};
  scan(Regs, Kernel);
  std::copy(std::begin(Kernel), std::end(Kernel), Count);
  for (size_t P = 1; P < R.All.size(); ++P) {
    Regs.clear();
    for (uint32_t J = R.All[P].FirstReg; J < R.All[P].EndReg; ++J)
      if (Used(J) && !Everywhere[J])
        Regs.push_back(J);
    uint32_t Rows[3] = {Kernel[0], Kernel[1], Kernel[2]};
    scan(Regs, Rows);
    for (unsigned C = 0; C < 3; ++C)
      Count[C] = std::max(Count[C], Rows[C]);
  }
}

uint32_t ptxsim::assignRows(LoweredKernel &K, const FlowGraph &G,
                            std::vector<uint32_t> &Offset,
                            uint32_t &Registers) {
  static constexpr uint32_t RowBytes[] = {4, 128, 256};
  Regions R(K, G);
  Liveness Live(K, G, R);
  SumMerger(K, G, Live).run();
  saveRegisters(K, G, R, Live);
  planFrames(K);
  RowAssignment Rows(K, G, R, Live);
  Rows.run();
  // Wide rows come first, predicates last.
  uint32_t Base[3];
  Base[2] = 0;
  Base[1] = Rows.Count[2] * RowBytes[2];
  Base[0] = Base[1] + Rows.Count[1] * RowBytes[1];
  Offset.assign(K.Regs.size(), 0);
  for (uint32_t J : Rows.Order) {
    unsigned C = rowClass(K.Regs[J]);
    Offset[J] = Base[C] + Rows.Number[J] * RowBytes[C];
  }
  Registers = Rows.Count[1] + 2 * Rows.Count[2];
  return Base[0] + Rows.Count[0] * RowBytes[0];
}
