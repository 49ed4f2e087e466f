// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Functions with bodies of their own and memory on the stack. The stack of a
// thread grows upwards behind the kernel's fixed local memory. A frame begins
// with the caller's frame address, then come the parameters, in the order of
// results and arguments, the variables, and registers that outlive a call.
#include "Lowering.h"
#include <algorithm>

using namespace ptxsim;

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
  if (F.Body != NoReg)
    Out.FrameAlign = std::max(Out.FrameAlign, uint32_t(Align));
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
    F.LocalAt.push_back(OnStack ? reserve(F, V.Size, V.Align) : ~uint64_t(0));
    uint64_t Used = F.Body == NoReg ? LocalEnd : Out.Bodies[F.Body].FrameBytes;
    if (Used > (1u << 19))
      return fail(V.Line, "local memory exceeds 512 KiB per thread");
  }
  return true;
}

/// Where the bodies expect their results and parameters. Parameters that are
/// registers have places as well.
void Lowering::beginBodies() {
  Out.Bodies.resize(Plan->bodies().size());
  Out.IsUnbounded = Plan->isUnbounded();
  for (const Function *Fn : Plan->bodies()) {
    Frame F(*Fn);
    F.Body = uint32_t(Bodies.size());
    std::vector<uint32_t> Align = Plan->alignments(*Fn);
    for (const Variable *V : slotsOf(Fn->Returns, Fn->Params)) {
      uint64_t At =
          reserve(F, std::max<uint64_t>(V->Size, 4), Align[F.SlotAt.size()]);
      F.SlotAt.push_back(At);
      F.Formals[V->Name] = At;
    }
    Out.ArgumentBytes =
        std::max(Out.ArgumentBytes, Out.Bodies[F.Body].FrameBytes);
    Bodies.push_back(std::move(F));
  }
}

/// Fetches a body's register parameters from its frame, or puts such results
/// there.
bool Lowering::moveFormals(const Frame &F, const std::vector<Variable> &Formals,
                           size_t FirstSlot, bool In) {
  Instruction I;
  I.Line = F.Fn->Line;
  I.Text = In ? "(entry)" : "ret;";
  for (size_t K = 0; K < Formals.size(); ++K) {
    const Variable &V = Formals[K];
    Place Slot{true, frameRef(), int64_t(F.SlotAt[FirstSlot + K])};
    if (!V.IsReg)
      continue;
    Place Register{false, regRef(F, V.Reg), 0};
    if (!moveValue(I, In ? Register : Slot, In ? Slot : Register, V.Size,
                   V.Element == Type::Pred, 1))
      return false;
  }
  return true;
}

/// Bodies stand behind the kernel's code.
bool Lowering::lowerBodies() {
  closeCode(Out);
  InlineDepth.resize(Out.Code.size());
  for (uint32_t K = 0; K < Bodies.size(); ++K) {
    Out.Bodies[K].Entry = uint32_t(Out.Code.size());
    Out.Bodies[K].FirstReg = uint32_t(Out.Regs.size());
    Frame &F = Bodies[K];
    if (!beginFrame(F) ||
        !moveFormals(F, F.Fn->Params, F.Fn->Returns.size(), true) ||
        !lowerBody(F, 1) || !moveFormals(F, F.Fn->Returns, 0, false))
      return false;
    Instruction End;
    End.Line = F.Fn->Line;
    End.Text = "ret;";
    Lowered Ret = callOfBody(F, End, Op::BodyRet);
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
  Lowered L = like(I, Opcode);
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

/// A predicate in memory is a word.
bool Lowering::movePredicate(const Instruction &I, const Place &To,
                             const Place &From, unsigned Depth) {
  Place Word{false, scratchRef(Type::B32), 0};
  if (From.InMemory)
    return emit(I, "ld.local.b32", Word, From, Depth) &&
           compare(I, "setp.ne.b32", To.Value, Word.Value, constRef(0, false),
                   Depth);
  Lowered L = like(I, "selp.b32");
  open(L, Role::Def);
  append(L, Word.Value, Role::Def);
  for (const Ref &R : {constRef(1, false), constRef(0, false), From.Value}) {
    open(L, Role::Use);
    append(L, R, Role::Use);
  }
  return finish(std::move(L), Depth) &&
         emit(I, "st.local.b32", To, Word, Depth);
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
  if (IsPred && To.InMemory != From.InMemory)
    return movePredicate(I, To, From, Depth);
  if (!To.InMemory)
    return emit(I, Named("ld.local", Bytes).c_str(), To, From, Depth);
  if (!From.InMemory)
    return emit(I, Named("st.local", Bytes).c_str(), To, From, Depth);
  Lowered L = like(I, "st.local.b64");
  L.Info.O = Op::CopyLocal;
  L.Immediates.push_back(int64_t(Bytes));
  for (const Place *P : {&To, &From}) {
    open(L, Role::Use);
    L.Operands.back().Offset = P->Offset;
    append(L, P->Value, Role::Use);
  }
  return finish(std::move(L), Depth);
}

/// Where a function finds its parameter.
Lowering::Place Lowering::formalPlace(const Frame &F, const Variable &V) const {
  if (V.IsReg)
    return {false, regRef(F, V.Reg), 0};
  return {true, F.Body == NoReg ? constRef(0, true) : frameRef(),
          int64_t(F.Formals.at(V.Name))};
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
/// A call of a body, or a body's end: both change frame and stack.
Lowered Lowering::callOfBody(const Frame &F, const Instruction &I, Op O) const {
  Lowered L = like(I, O == Op::BodyRet ? "ret" : "call");
  L.Info.O = O;
  L.Home = F.Body;
  for (const Ref &R : {frameRef(), stackRef()}) {
    L.Operands.push_back({uint16_t(L.Refs.size()), 1, Role::DefUse});
    L.Refs.push_back(R);
    L.Roles.push_back(Role::DefUse);
  }
  return L;
}

uint32_t Lowering::tableOf(const CallShape &Shape) {
  auto [It, New] = Tables.emplace(&Shape, uint32_t(Out.CallTables.size()));
  if (New) {
    Out.CallTables.emplace_back();
    for (const Function *Fn : Shape.Candidates) // ascending addresses
      Out.CallTables.back().push_back(
          {M.functionAddress(Fn->Name), Plan->bodyOf(*Fn)});
  }
  return It->second;
}

/// The arguments go to the new frame, which begins where the stack ends; the
/// results are fetched from there. Body: one with that frame's places.
bool Lowering::stackCall(Frame &F, const Instruction &I, uint32_t Body,
                         Lowered Call, const std::vector<Variable> &Results,
                         const std::vector<Variable> &Params,
                         const Operand *Returns, const Operand *Args,
                         unsigned Depth) {
  for (bool Back : {false, true}) {
    const std::vector<Variable> &Formals = Back ? Results : Params;
    const Operand *Actuals = Back ? Returns : Args;
    for (size_t K = 0; K < Formals.size(); ++K) {
      const Operand &A = Actuals->Parts[K];
      const Variable &V = Formals[K];
      if (A.Kind == OperandKind::Sink)
        continue;
      size_t Slot = Back ? K : Results.size() + K;
      Place Formal{true, stackRef(), int64_t(Bodies[Body].SlotAt[Slot])},
          Actual;
      if (!actualPlace(F, I, A, V, Back, Actual) ||
          !moveValue(I, Back ? Actual : Formal, Back ? Formal : Actual, V.Size,
                     V.Element == Type::Pred, Depth))
        return false;
    }
    if (!Back && !finish(std::move(Call), Depth))
      return false;
  }
  return finishCall(Depth);
}
