// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Syntax tree to lowered code: matches opcodes, checks operands against the
// opcode table and resolves symbols. Calls: LowerCall.cpp, LowerStack.cpp.
#include "Lowering.h"
#include <algorithm>
#include <bit>

using namespace ptxsim;

static constexpr size_t MaxLowered = 1u << 22;

bool Lowering::fail(uint32_t Line, std::string Message) {
  if (Diag.Message.empty())
    Diag = {Line, std::move(Message)};
  return false;
}

static uint64_t alignTo(uint64_t V, uint64_t A) { return (V + A - 1) / A * A; }

bool Lowering::run(const Function &Entry) {
  uint64_t Offset = 0;
  // PTX 8.1 has longer parameter lists.
  bool Old = M.VersionMajor * 10 + M.VersionMinor < 81;
  uint64_t Most = Old ? 4352 : 32764;
  for (const Variable &P : Entry.Params) {
    Offset = alignTo(Offset, P.Align);
    ParamOffset[P.Name] = uint32_t(Offset);
    Offset += P.Size;
    if (Offset > Most)
      return fail(Entry.Line, "parameters of kernel '" +
                                  std::string(Entry.Name) + "' exceed " +
                                  std::to_string(Most) + " bytes");
  }
  Out.ParamBytes = uint32_t(Offset);
  Frame F(Entry);
  Plan.emplace(M, Entry);
  if (Plan->usesStack())
    beginStack();
  beginBodies();
  return beginFrame(F) && lowerBody(F, 0) && lowerBodies() &&
         placeDynamicShared(Entry);
}

bool Lowering::placeDynamicShared(const Function &Entry) {
  if (SharedEnd > SharedBase + 227 * 1024)
    return fail(Entry.Line, "static shared memory of " +
                                std::to_string(SharedEnd - SharedBase) +
                                " bytes exceeds 227 KiB");
  uint64_t Dynamic = alignTo(SharedEnd, std::max(16u, DynamicAlign));
  Out.StaticShared = uint32_t(SharedEnd - SharedBase);
  Out.DynamicSharedOffset = uint32_t(Dynamic);
  Out.LocalBytes = uint32_t(alignTo(LocalEnd, Out.FrameAlign));
  for (Lowered &L : Out.Code)
    for (Ref &R : L.Refs)
      if (R.Kind == Ref::DynamicShared) {
        R.Kind = Ref::Const;
        R.Value += Dynamic;
      } else if (R.Kind == Ref::StackBase) {
        R.Kind = Ref::Const;
        R.Value += Out.LocalBytes;
      }
  return true;
}

/// The instructions of a function instance.
bool Lowering::lowerBody(Frame &F, unsigned Depth) {
  const Function &Fn = *F.Fn;
  size_t Base = Out.Code.size();
  std::vector<uint32_t> Start(Fn.Code.size() + 1);
  for (size_t K = 0; K < Fn.Code.size(); ++K) {
    Start[K] = uint32_t(Out.Code.size());
    if (!lowerInstruction(F, Fn.Code[K], Depth))
      return false;
    if (Out.Code.size() > MaxLowered)
      return fail(Fn.Code[K].Line, "kernel is too large after inlining");
  }
  Start[Fn.Code.size()] = uint32_t(Out.Code.size());
  resolveTargets(Base, Start, Depth);
  return true;
}

/// Branch targets were left as syntax-tree indices, returns of inlined
/// functions as ReturnTarget.
void Lowering::resolveTargets(size_t Base, const std::vector<uint32_t> &Start,
                              unsigned Depth) {
  uint32_t End = uint32_t(Out.Code.size());
  for (size_t K = Base; K < End; ++K) {
    Lowered &L = Out.Code[K];
    if (InlineDepth[K] != Depth)
      continue;
    if (L.Target == ReturnTarget)
      L.Target = End;
    else if (L.Target != ~0u)
      L.Target = Start[L.Target];
    for (uint32_t &T : L.Targets)
      T = Start[T];
  }
}

static bool targetHas(const Module &M, const OpcodeRow &Row) {
  if (Row.Suffix == 'h')
    return M.TargetSM == 90 && M.TargetSuffix == 'a';
  return M.TargetSM >= Row.MinSM &&
         (!Row.Suffix || M.TargetSuffix == Row.Suffix);
}

bool Lowering::lowerInstruction(Frame &F, const Instruction &I,
                                unsigned Depth) {
  this->Depth = Depth;
  Lowered L = inPlaceOf(I);
  std::string Why;
  auto Cached = Matched.find(I.Opcode);
  if (Cached == Matched.end()) {
    if (!matchOpcode(I.Opcode, L.Info, Why))
      return fail(I.Line, Why);
    Matched.emplace(I.Opcode, L.Info);
  } else {
    L.Info = Cached->second;
  }
  const OpcodeRow &Row = *L.Info.Row;
  if (!targetHas(M, Row))
    return fail(I.Line, "'" + std::string(I.Opcode) + "' needs target sm_" +
                            std::to_string(Row.MinSM) +
                            (Row.Suffix ? "a" : ""));
  if (I.Pred != NoReg) {
    L.Guard = regRef(F, I.Pred);
    L.GuardNegated = I.PredNegated;
  }
  if (L.Info.Types[0] == Type::B128) {
    L.Quad = true;
    L.Info.Types[0] = Type::B64;
    L.Info.VectorWidth = 2;
    if (L.Info.O == Op::Mov)
      return lowerQuadMove(F, I, std::move(L), Depth);
  }
  if (L.Info.O == Op::Call)
    return lowerCall(F, I, std::move(L), Depth);
  if (L.Info.O == Op::Mov && isPackOrUnpack(I))
    return lowerPack(F, I, std::move(L), Depth);
  if (!lowerOperands(F, I, L))
    return false;
  if (L.Info.O == Op::Alloca && !L.Immediates.empty() &&
      !std::has_single_bit(uint64_t(L.Immediates[0])))
    return fail(I.Line, "expected a power of two alignment, got " +
                            std::to_string(L.Immediates[0]));
  if (L.Info.O == Op::Alloca || L.Info.O == Op::StackSave ||
      L.Info.O == Op::StackRestore) {
    open(L, Role::DefUse);
    append(L, stackRef(), Role::DefUse);
  }
  return finish(std::move(L), Depth);
}

bool Lowering::finish(Lowered L, unsigned Depth) {
  if (Depth && L.Info.O == Op::Ret) { // return of an inlined function
    std::string Why;
    matchOpcode("bra", L.Info, Why);
    L.Target = ReturnTarget;
  }
  InlineDepth.push_back(Depth);
  Out.Code.push_back(std::move(L));
  return true;
}

bool Lowering::isPackOrUnpack(const Instruction &I) {
  return I.Operands.size() == 2 && (I.Operands[0].Kind == OperandKind::Vector ||
                                    I.Operands[1].Kind == OperandKind::Vector);
}

/// mov.b32 {a, b}, c and mov.b64 c, {a, b}: 2 or 4 parts of equal width.
bool Lowering::lowerPack(Frame &F, const Instruction &I, Lowered L,
                         unsigned Depth) {
  bool Unpack = I.Operands[0].Kind == OperandKind::Vector;
  const Operand &Vec = I.Operands[Unpack ? 0 : 1];
  const Operand &Whole = I.Operands[Unpack ? 1 : 0];
  unsigned Bits = bitWidth(L.Info.Types[0]);
  size_t N = Vec.Parts.size();
  if (Vec.Quad || Whole.Quad)
    return fail(I.Line, "unexpected register of type .b128");
  if ((N != 2 && N != 4) || Bits / N < 8 || Bits / N > 32 ||
      Whole.Kind == OperandKind::Vector)
    return fail(I.Line,
                "expected 2 or 4 vector elements, got " + std::to_string(N));
  L.Info.O = Unpack ? Op::MovUnpack : Op::MovPack;
  Type Part = Bits / N == 8 ? Type::B8 : Bits / N == 16 ? Type::B16 : Type::B32;
  Operand All[2] = {Whole, Vec};
  for (int K = 0; K < 2; ++K) {
    bool IsVec = (K == 0) == Unpack;
    const Operand &O = IsVec ? All[1] : All[0];
    Role How = K == 0 ? Role::Def : Role::Use;
    if (IsVec) {
      if (!addVector(F, I, L, O, Part, How, false))
        return false;
    } else if (!addScalar(F, I, L, O, L.Info.Types[0], How, false)) {
      return false;
    }
  }
  return finish(std::move(L), Depth);
}

/// mov.b128 between .b128 registers and pairs of 64 bits, as two moves.
bool Lowering::lowerQuadMove(Frame &F, const Instruction &I, Lowered L,
                             unsigned Depth) {
  bool Right =
      I.Operands.size() == 2 && (I.Operands[0].Quad || I.Operands[1].Quad);
  for (const Operand &O : I.Operands)
    Right &= O.Kind == OperandKind::Vector && O.Parts.size() == 2;
  if (!Right)
    return fail(I.Line, "expected a register of type .b128 and another one or "
                        "a vector of 2");
  std::string Why;
  L.Quad = false;
  matchOpcode("mov.b64", L.Info, Why);
  for (unsigned K = 0; K < 2; ++K) {
    Lowered Half = L;
    if (!addScalar(F, I, Half, I.Operands[0].Parts[K], Type::B64, Role::Def,
                   false) ||
        !addScalar(F, I, Half, I.Operands[1].Parts[K], Type::B64, Role::Use,
                   false) ||
        !finish(std::move(Half), Depth))
      return false;
  }
  return true;
}

void ptxsim::closeCode(LoweredKernel &K) {
  bool Closed = !K.Code.empty() && endsBlock(K.Code.back().Info.O) &&
                K.Code.back().Guard.Kind == Ref::None;
  bool TargetsEnd = false;
  for (const Lowered &L : K.Code)
    TargetsEnd |= L.Target == K.Code.size();
  if (Closed && !TargetsEnd)
    return;
  Lowered Ret;
  std::string Why;
  matchOpcode("ret", Ret.Info, Why);
  Ret.Line = K.Code.empty() ? 0 : K.Code.back().Line;
  Ret.Text = "ret;";
  K.Code.push_back(std::move(Ret));
}

bool ptxsim::lowerKernel(const Module &M, const Function &Entry,
                         const SymbolTable &Symbols, LoweredKernel &Out,
                         Diagnostic &Diag) {
  Lowering L(M, Symbols, Out, Diag);
  return L.run(Entry);
}
