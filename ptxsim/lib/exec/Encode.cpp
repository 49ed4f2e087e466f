// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Lowered code to decoded instructions: rows for constants and special
// registers, reconvergence points, and the choice of handlers.
#include "MmaPlan.h"
#include <algorithm>

using namespace ptxsim;

Encoder::Encoder(Program &P, const LoweredKernel &K,
                 const std::vector<uint32_t> &RegOffset, uint32_t RegBytes)
    : P(P), K(K), RegOffset(RegOffset), Next((RegBytes + 255) & ~255u),
      Planner(std::make_unique<MmaPlanner>(P)) {
  Ref Ones;
  Ones.Kind = Ref::Const;
  Ones.Value = ~0u;
  Ones.IsPred = true;
  AllOnes = row(Ones);
}

Encoder::~Encoder() = default;

static uint32_t alignRow(uint32_t Offset, bool Wide) {
  uint32_t A = Wide ? 256 : 128;
  return (Offset + A - 1) / A * A;
}

uint32_t Encoder::row(const Ref &R) {
  switch (R.Kind) {
  case Ref::Reg: return RegOffset[R.Value];
  case Ref::Const: {
    uint64_t V = R.IsPred ? (R.Value ? ~0u : 0) : R.Value;
    auto [It, New] = ConstAt.emplace(std::pair(V, int(R.Wide)), 0);
    if (New) {
      It->second = Next = alignRow(Next, R.Wide);
      P.Consts.push_back({Next, V, R.Wide});
      Next += R.Wide ? 256 : 128;
    }
    return It->second;
  }
  case Ref::Special: {
    uint32_t Key = R.Image.Bytes | R.Image.Signed << 8 | R.Wide << 9;
    auto [It, New] =
        SpecialAt.emplace(std::tuple(R.Image.Which, R.Image.Value, Key), 0);
    if (New) {
      It->second = Next = alignRow(Next, R.Wide);
      ImageRow Row = R.Image;
      Row.Offset = Next;
      P.Image.push_back(Row);
      Next += R.Wide ? 256 : 128;
    }
    return It->second;
  }
  default: return AllOnes;
  }
}

uint32_t Encoder::row(const Lowered &L, unsigned Operand, unsigned Index) {
  if (!present(L, Operand) || Index >= L.Operands[Operand].Count)
    return AllOnes;
  return row(L.Refs[L.Operands[Operand].First + Index]);
}

uint32_t Encoder::addExtra(const std::vector<uint32_t> &Rows) {
  uint32_t At = uint32_t(P.Extra.size());
  P.Extra.insert(P.Extra.end(), Rows.begin(), Rows.end());
  return At;
}

uint32_t Encoder::addDetail(const Lowered &L) {
  Detail D;
  D.Info = L.Info;
  D.Immediates = L.Immediates;
  for (const LoweredOperand &O : L.Operands) {
    DetailOperand Out;
    Out.First = uint16_t(D.Slots.size());
    Out.Count = O.Count;
    Out.Negated = O.Negated;
    Out.Offset = int32_t(O.Offset);
    for (unsigned J = 0; J < O.Count; ++J) {
      const Ref &R = L.Refs[O.First + J];
      Out.Wide = R.Wide;
      D.Slots.push_back(row(R));
    }
    D.Operands.push_back(Out);
  }
  P.Details.push_back(std::move(D));
  return uint32_t(P.Details.size() - 1);
}

uint32_t Encoder::addBranchTable(const std::vector<uint32_t> &Targets) {
  std::vector<uint32_t> T;
  for (uint32_t Old : Targets)
    T.push_back(NewIndex[Old]);
  P.BranchTables.push_back(std::move(T));
  return uint32_t(P.BranchTables.size() - 1);
}

/// D is the first written operand, A to E the read ones in order. An operand
/// without a row still takes its letter.
void Encoder::fillRows(const Lowered &L, Inst &I) {
  uint32_t *const Uses[] = {&I.A, &I.B, &I.C, &I.E};
  unsigned NextUse = 0;
  bool HaveDef = false;
  for (unsigned K = 0; K < L.Operands.size(); ++K) {
    const LoweredOperand &O = L.Operands[K];
    if (O.How == Role::Def) {
      if (!HaveDef)
        I.D = row(L, K);
      HaveDef = true;
    } else if (NextUse < 4) {
      *Uses[NextUse++] = row(L, K);
    }
    if (O.IsAddress) {
      I.Imm = int32_t(O.Offset);
      I.Wide = wide(L, K);
    }
  }
}

/// A guarded branch, or a branch table, reconverges at the block's immediate
/// post-dominator; a join instruction is put in front of it.
void Encoder::planJoins(const FlowGraph &G) {
  size_t N = K.Code.size();
  JoinBefore.assign(N + 1, false);
  Reconverge.assign(N, NoReg);
  for (size_t J = 0; J < N; ++J) {
    const Lowered &L = K.Code[J];
    bool Splits = (L.Info.O == Op::Bra && L.Guard.Kind != Ref::None) ||
                  L.Info.O == Op::BrxIdx;
    if (!Splits)
      continue;
    uint32_t D = G.PostDominator[G.BlockOf[J]];
    if (D == NoReg)
      continue;
    Reconverge[J] = G.BlockBegin[D];
    JoinBefore[G.BlockBegin[D]] = true;
  }
  NewIndex.resize(N + 1);
  uint32_t At = 0;
  for (size_t J = 0; J <= N; ++J) {
    NewIndex[J] = At;
    At += JoinBefore[J] ? 2 : 1;
  }
}

void Encoder::addCallTables() {
  for (const CallTable &T : K.CallTables) {
    P.CallTables.emplace_back();
    for (auto [Address, Body] : T)
      P.CallTables.back().push_back(
          {Address, NewIndex[K.Bodies[Body].Entry], frameBytes(K, Body)});
  }
}

static bool isF32Arithmetic(const Lowered &L) {
  switch (L.Info.Row->Class) {
  case OpClass::Float:
  case OpClass::Special:
    return L.Info.O != Op::Copysign && L.Info.O != Op::Testp;
  default: return false;
  }
}

/// True if every instruction that rounds or compares f32 has .ftz, so that
/// the host can flush for the whole launch.
bool Encoder::pureFlush() const {
  bool Any = false;
  for (const Lowered &L : K.Code) {
    OpClass C = L.Info.Row->Class;
    for (unsigned K = 0; K < L.Info.NumTypes; ++K)
      if (L.Info.Types[K] == Type::F64 && L.Info.O != Op::Mov &&
          C != OpClass::Load && C != OpClass::Store)
        return false; // f64 arithmetic never flushes
    bool Converts = L.Info.O == Op::Cvt &&
                    (isFloat(L.Info.Types[0]) || isFloat(L.Info.Types[1]));
    bool Atomic = C == OpClass::Atomic && isFloat(L.Info.Types[0]);
    if (C == OpClass::Double || C == OpClass::Half || C == OpClass::Tensor ||
        Atomic || L.Info.O == Op::CvtPack)
      return false;
    if (!isF32Arithmetic(L) && !Converts)
      continue;
    if (!L.Info.has(Mod::Ftz))
      return false;
    Any = true;
  }
  return Any;
}

void Encoder::addDebug(const Lowered &L) {
  InstDebug D;
  D.Line = L.Line;
  D.SourceFile = L.SourceFile;
  D.SourceLine = L.SourceLine;
  D.Text = L.Text;
  D.Class = L.Info.Row->Class;
  P.Debug.push_back(D);
}

/// The suspicious registers that the instruction reads and writes, its guard
/// first.
void Encoder::addUses(const Lowered &L) {
  P.FirstUse.push_back(uint32_t(P.Uses.size()));
  auto Add = [&](const Ref &R, uint8_t Operand, bool Reads, bool Writes) {
    if (R.Kind == Ref::Reg && Watched[R.Value] != NoReg)
      P.Uses.push_back(
          {Watched[R.Value], Operand, Reads, Writes, R.IsPred, R.Wide});
  };
  Add(L.Guard, RegisterUse::Guard, true, false);
  // What a call saves may be nothing.
  size_t Operands = L.Operands.size() - callsBody(L.Info.O);
  for (size_t K = 0; K < Operands; ++K) {
    const LoweredOperand &O = L.Operands[K];
    for (unsigned J = O.First; J < unsigned(O.First + O.Count); ++J)
      Add(L.Refs[J], uint8_t(K), L.Roles[J] != Role::Def,
          L.Roles[J] != Role::Use);
  }
}

bool Encoder::encodeOne(const Lowered &L, Diagnostic &Diag) {
  Inst I;
  I.OpId = uint16_t(L.Info.O);
  I.Pred = L.Guard.Kind == Ref::None ? AllOnes : row(L.Guard);
  I.PredXor = L.GuardNegated ? ~0u : 0;
  I.Where = L.Info.Where;
  fillRows(L, I);
  if (L.Target != ~0u)
    I.Target = NewIndex[L.Target];
  if (L.Info.O == Op::CallBody)
    I.Target = NewIndex[K.Bodies[L.Callee].Entry];
  size_t J = size_t(&L - K.Code.data());
  I.Rpc = Reconverge[J] == NoReg ? NoReg : NewIndex[Reconverge[J]];
  bool Found = selectInteger(*this, L, I) || selectBits(*this, L, I) ||
               selectFloat(*this, L, I) || selectSpecial(*this, L, I) ||
               selectHalf(*this, L, I) || selectCompare(*this, L, I) ||
               selectMove(*this, L, I) || selectConvert(*this, L, I) ||
               selectControl(*this, L, I) || selectMemory(*this, L, I) ||
               selectAtomic(*this, L, I) || selectWarp(*this, L, I) ||
               selectBarrier(*this, L, I) || selectCopies(*this, L, I) ||
               selectAsync(*this, L, I) || selectTensorCopy(*this, L, I) ||
               selectMatrix(*this, L, I) || selectWgmma(*this, L, I) ||
               selectVideo(*this, L, I);
  if (!Found || !I.Fn) {
    if (Diag.Message.empty())
      Diag = {L.Line, "unsupported instruction '" + std::string(L.Text) + "'"};
    return false;
  }
  P.Code.push_back(I);
  addDebug(L);
  addUses(L);
  return true;
}

bool Encoder::encodeAll(const FlowGraph &G, Diagnostic &Diag) {
  planJoins(G);
  Watched.assign(K.Regs.size(), NoReg);
  std::vector<bool> Suspicious = suspiciousRegisters(K, G);
  for (size_t J = 0; J < Suspicious.size(); ++J)
    if (Suspicious[J])
      Watched[J] = P.NumRegisters++;
  addCallTables();
  P.FlushDenormals = pureFlush();
  for (size_t J = 0; J < K.Code.size(); ++J) {
    const Lowered &L = K.Code[J];
    if (G.BlockBegin[G.BlockOf[J]] == J)
      Planner->forget();
    if (JoinBefore[J]) {
      Inst Join;
      Join.Fn = joinHandler;
      Join.OpId = uint16_t(Op::Join);
      P.Code.push_back(Join);
      addDebug(L);
      P.FirstUse.push_back(uint32_t(P.Uses.size()));
    }
    if (!encodeOne(L, Diag))
      return false;
    Planner->passed(L, [&](const Ref &R) { return row(R); });
  }
  Planner->forget();
  P.RowBytes = (Next + 255) & ~255u;
  P.NumCaches = NumCaches;
  P.FirstUse.push_back(uint32_t(P.Uses.size()));
  fuseMultiplyAdds(P, plainMultiplyAdd(), AllOnes);
  return true;
}

std::unique_ptr<Program> ptxsim::decodeKernel(std::shared_ptr<const Module> M,
                                              const Function &Entry,
                                              const SymbolTable &Symbols,
                                              Diagnostic &Diag) {
  LoweredKernel K;
  if (!lowerKernel(*M, Entry, Symbols, K, Diag))
    return nullptr;
  FlowGraph G = buildFlowGraph(K);
  auto P = std::make_unique<Program>();
  P->Name = std::string(Entry.Name);
  P->Owner = std::move(M);
  P->Source = &Entry;
  P->StaticShared = K.StaticShared;
  P->UsesReserved = K.UsesReserved;
  P->DynamicSharedOffset = K.DynamicSharedOffset;
  P->LocalBytes = K.LocalBytes;
  P->UsesStack = K.StackReg != NoReg;
  P->StackUnbounded = K.IsUnbounded;
  P->FrameAlign = K.FrameAlign;
  P->ParamBytes = K.ParamBytes;
  std::vector<uint32_t> Offset;
  uint32_t Bytes = assignRows(K, G, Offset, P->Registers);
  P->StackBytes = K.StackBytes;
  P->ArgumentBytes = K.ArgumentBytes;
  constexpr uint64_t MostStack = 1u << 19;
  if (K.StackBytes + K.ArgumentBytes > MostStack) {
    Diag = {Entry.Line, "calls need a stack of " +
                            std::to_string(K.StackBytes + K.ArgumentBytes) +
                            " bytes per thread, there are 512 KiB"};
    return nullptr;
  }
  Encoder E(*P, K, Offset, Bytes);
  if (!E.encodeAll(G, Diag))
    return nullptr;
  return P;
}
