// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Recursive functions and memory on the stack. The stack of a thread grows
// upwards behind the kernel's fixed local memory. A frame begins with the
// caller's frame address, then come the parameters, in the order of results and
// arguments, the variables, and registers that outlive a call.
#include "Lowering.h"
#include <algorithm>

using namespace ptxsim;

static constexpr uint64_t FrameAlign = 16;

static uint64_t alignTo(uint64_t V, uint64_t A) { return (V + A - 1) / A * A; }

Ref Lowering::stackRef() const {
  Ref R;
  R.Kind = Ref::Reg;
  R.Value = Out.StackReg;
  R.Wide = true;
  return R;
}
Ref Lowering::frameRef() const {
  Ref R = stackRef();
  R.Value = Out.FrameReg;
  return R;
}

// ---- who calls whom --------------------------------------------------------
std::vector<const Function *> Lowering::callees(const Function &Fn) {
  std::vector<const Function *> Found;
  for (const Instruction &I : Fn.Code) {
    if (!I.Opcode.starts_with("call") || I.Operands.empty())
      continue;
    const Operand &First = I.Operands[I.Operands[0].Kind == OperandKind::List &&
                                      I.Operands.size() > 1];
    if (First.Kind == OperandKind::Symbol) {
      if (const Function *Callee = M.findFunction(First.Name))
        Found.push_back(Callee);
    } else if (auto P = Fn.Prototypes.find(I.Operands.back().Name);
               P != Fn.Prototypes.end()) {
      for (const Function *Callee : pointedTo(P->second))
        Found.push_back(Callee);
    }
  }
  return Found;
}

/// Whether a call of the function may lead to another one of it.
bool Lowering::isRecursive(const Function &Fn) {
  if (auto It = Recursive.find(&Fn); It != Recursive.end())
    return It->second;
  std::set<const Function *> Seen;
  std::vector<const Function *> Work = callees(Fn);
  while (!Work.empty() && !Seen.count(&Fn)) {
    const Function *Next = Work.back();
    Work.pop_back();
    if (!Seen.insert(Next).second)
      continue;
    std::vector<const Function *> More = callees(*Next);
    Work.insert(Work.end(), More.begin(), More.end());
  }
  return Recursive[&Fn] = Seen.count(&Fn);
}

bool Lowering::needsStack() {
  for (const auto &Fn : M.Functions) {
    for (const Instruction &I : Fn->Code)
      if (I.Opcode.starts_with("alloca.") || I.Opcode.starts_with("stack"))
        return true;
    if (isRecursive(*Fn))
      return true;
  }
  return false;
}

/// The kernel's own variables are at fixed addresses, its frame's is 0.
void Lowering::beginStack() {
  Out.FrameReg = uint32_t(Out.Regs.size());
  Out.StackReg = Out.FrameReg + 1;
  Out.Regs.push_back({Type::B64});
  Out.Regs.push_back({Type::B64});
  Ref Base;
  Base.Kind = Ref::StackBase;
  Base.Wide = true;
  emit({}, "mov.b64", {false, frameRef(), 0}, {false, constRef(0, true), 0}, 0);
  emit({}, "mov.b64", {false, stackRef(), 0}, {false, Base, 0}, 0);
}

// ---- frames ----------------------------------------------------------------
/// Bytes of the frame's local memory, or of the kernel's.
uint64_t Lowering::reserve(const Frame &F, uint64_t Bytes, uint64_t Align) {
  uint64_t &Top = F.Body == NoReg ? LocalEnd : Out.Bodies[F.Body].FrameBytes;
  uint64_t At = alignTo(Top, std::max<uint64_t>(Align, 8));
  Top = At + Bytes;
  return At;
}

/// Registers of a function instance, and places of its variables.
bool Lowering::beginFrame(Frame &F) {
  const Function &Fn = *F.Fn;
  F.FirstReg = uint32_t(Out.Regs.size());
  for (const Register &R : Fn.Registers)
    Out.Regs.push_back({R.Ty});
  for (const Variable &V : Fn.Locals) {
    bool OnStack = V.Where == Space::Local || V.Where == Space::Param;
    if (OnStack && F.Body != NoReg && V.Align > FrameAlign)
      return fail(V.Line, "alignment of " + std::to_string(V.Align) +
                              " bytes in a recursive function, expected at "
                              "most 16");
    F.LocalAt.push_back(OnStack ? reserve(F, V.Size, V.Align) : ~uint64_t(0));
    uint64_t Used = F.Body == NoReg ? LocalEnd : Out.Bodies[F.Body].FrameBytes;
    if (Used > (1u << 19))
      return fail(V.Line, "local memory exceeds 512 KiB per thread");
  }
  return true;
}

/// Number of the body of a recursive function, which is lowered later.
bool Lowering::bodyOf(const Instruction &I, const Function &Fn,
                      uint32_t &Body) {
  for (Body = 0; Body < Bodies.size(); ++Body)
    if (Bodies[Body].Fn == &Fn)
      return true;
  Frame F(Fn);
  F.Body = Body;
  Out.Bodies.emplace_back();
  for (const std::vector<Variable> *List : {&Fn.Returns, &Fn.Params})
    for (const Variable &V : *List) {
      if (V.IsReg || V.Align > FrameAlign)
        return fail(I.Line, "parameter '" + std::string(V.Name) +
                                "' of a recursive function is a register or "
                                "aligned to more than 16 bytes");
      F.Formals[V.Name] = reserve(F, V.Size, V.Align);
    }
  Bodies.push_back(std::move(F));
  return true;
}

/// Bodies behind the kernel's code; they may need further ones.
bool Lowering::lowerBodies() {
  std::string Why;
  closeCode(Out);
  InlineDepth.resize(Out.Code.size());
  for (uint32_t K = 0; K < Bodies.size(); ++K) {
    Out.Bodies[K].Entry = uint32_t(Out.Code.size());
    Out.Bodies[K].FirstReg = uint32_t(Out.Regs.size());
    Frame F = Bodies[K];
    if (!beginFrame(F) || !lowerBody(F, 1))
      return false;
    Lowered Ret;
    matchOpcode("ret", Ret.Info, Why);
    Ret.Info.O = Op::BodyRet;
    Ret.Line = F.Fn->Line;
    Ret.Text = "ret;";
    open(Ret, Role::DefUse);
    append(Ret, frameRef(), Role::DefUse);
    open(Ret, Role::DefUse);
    append(Ret, stackRef(), Role::DefUse);
    if (!finish(std::move(Ret), 1))
      return false;
    Out.Bodies[K].EndReg = uint32_t(Out.Regs.size());
  }
  return true;
}

// ---- values ----------------------------------------------------------------
/// One instruction: a move, a load or store of local memory, or the sum of
/// From's value and offset.
bool Lowering::emit(const Instruction &I, const char *Opcode, const Place &To,
                    const Place &From, unsigned Depth) {
  Lowered L;
  L.Line = I.Line;
  L.SourceFile = I.SourceFile;
  L.SourceLine = I.SourceLine;
  L.Text = I.Text;
  std::string Why;
  if (!matchOpcode(Opcode, L.Info, Why))
    return fail(I.Line, Why);
  for (const Place *P : {&To, &From}) {
    Role How = P == &To && !P->InMemory ? Role::Def : Role::Use;
    open(L, How);
    L.Operands.back().IsAddress = P->InMemory;
    L.Operands.back().Offset = P->InMemory ? P->Offset : 0;
    append(L, P->Value, How);
  }
  if (L.Info.O == Op::Add) {
    open(L, Role::Use);
    append(L, constRef(uint64_t(From.Offset), true), Role::Use);
  }
  return finish(std::move(L), Depth);
}

bool Lowering::moveValue(const Instruction &I, const Place &To,
                         const Place &From, uint64_t Bytes, bool IsPred,
                         unsigned Depth) {
  auto Named = [](const char *Verb, uint64_t N) {
    return std::string(Verb) + ".b" + std::to_string(8 * N);
  };
  if (!To.InMemory && !From.InMemory)
    return emit(I,
                IsPred       ? "mov.pred"
                : Bytes == 8 ? "mov.b64"
                             : "mov.b32",
                To, From, Depth);
  if (IsPred)
    return fail(I.Line, "expected a predicate as argument");
  if (!To.InMemory)
    return emit(I, Named("ld.local", Bytes).c_str(), To, From, Depth);
  if (!From.InMemory)
    return emit(I, Named("st.local", Bytes).c_str(), To, From, Depth);
  Place Source = From, Target = To;
  for (uint64_t Left = Bytes; Left;) {
    uint64_t Part = 8; // as both places are aligned
    while (Part > Left || (Source.Offset | Target.Offset) & int64_t(Part - 1))
      Part /= 2;
    Place Word{false, scratchRef(Part == 8 ? Type::B64 : Type::B32), 0};
    if (!emit(I, Named("ld.local", Part).c_str(), Word, Source, Depth) ||
        !emit(I, Named("st.local", Part).c_str(), Target, Word, Depth))
      return false;
    Source.Offset += int64_t(Part);
    Target.Offset += int64_t(Part);
    Left -= Part;
  }
  return true;
}

/// Where a function finds its parameter. OfCallee: seen by the caller, for
/// whom the frame will begin where the stack ends.
Lowering::Place Lowering::formalPlace(const Frame &F, const Variable &V,
                                      bool OfCallee) const {
  if (V.IsReg)
    return {false, regRef(F, V.Reg), 0};
  int64_t At = int64_t(F.Formals.at(V.Name));
  if (OfCallee)
    return {true, stackRef(), At};
  return {true, F.Body == NoReg ? constRef(0, true) : frameRef(), At};
}

bool Lowering::actualPlace(Frame &F, const Instruction &I, const Operand &O,
                           const Variable &Formal, bool Written, Place &Out) {
  if (O.Kind == OperandKind::Symbol && O.Reg != NoReg) {
    const Variable &V = F.Fn->Locals[O.Reg];
    if (V.Where != Space::Param || V.Size < Formal.Size)
      return fail(I.Line, "expected a .param variable of " +
                              std::to_string(Formal.Size) + " bytes");
    Out = {true, F.Body == NoReg ? constRef(0, true) : frameRef(),
           int64_t(F.LocalAt[O.Reg])};
    return true;
  }
  bool IsValue = O.Kind == OperandKind::Register ||
                 (!Written && O.Kind == OperandKind::Immediate);
  if (!IsValue || Formal.Unsized || Formal.Size > 8 ||
      Formal.Size * 8 > std::max(8u, bitWidth(Formal.Element)))
    return fail(I.Line, "expected a .param variable as call argument");
  Out = Place();
  return valueRef(F, I, O, Formal.Element, false, Out.Value);
}

// ---- calls -----------------------------------------------------------------
/// The arguments go to the new frame, the results are fetched from there.
bool Lowering::stackCall(Frame &F, const Instruction &I, const Function &Callee,
                         const Operand *Returns, const Operand *Args,
                         unsigned Depth) {
  uint32_t Body;
  if (!bodyOf(I, Callee, Body))
    return false;
  for (bool Back : {false, true}) {
    const std::vector<Variable> &Formals =
        Back ? Callee.Returns : Callee.Params;
    const Operand *Actuals = Back ? Returns : Args;
    for (size_t K = 0; K < Formals.size(); ++K) {
      const Operand &A = Actuals->Parts[K];
      if (A.Kind == OperandKind::Sink)
        continue;
      Place Formal = formalPlace(Bodies[Body], Formals[K], true), Actual;
      if (!actualPlace(F, I, A, Formals[K], Back, Actual) ||
          !moveValue(I, Back ? Actual : Formal, Back ? Formal : Actual,
                     Formals[K].Size, false, Depth))
        return false;
    }
    if (Back)
      break;
    Lowered L;
    std::string Why;
    matchOpcode("call", L.Info, Why);
    L.Info.O = Op::CallBody;
    L.Line = I.Line;
    L.SourceFile = I.SourceFile;
    L.SourceLine = I.SourceLine;
    L.Text = I.Text;
    L.Callee = Body;
    L.Home = F.Body;
    for (const Ref &R : {frameRef(), stackRef()}) {
      open(L, Role::DefUse);
      append(L, R, Role::DefUse);
    }
    if (!finish(std::move(L), Depth))
      return false;
  }
  return finishCall(Depth);
}
