// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Calls: device functions are inlined or have bodies on the stack
// (CallPlan.cpp, LowerStack.cpp), those of the run-time library become
// instructions of their own.
#include "Lowering.h"
#include <algorithm>

using namespace ptxsim;

/// Functions of the run-time library: results and arguments together.
static constexpr Lowering::RuntimeFunction RuntimeFunctions[] = {
    {"vprintf", PrintCallee, 3},
    {"__assertfail", AssertCallee, 5},
    {"malloc", MallocCallee, 2},
    {"free", FreeCallee, 1},
};

bool ptxsim::isRuntimeFunction(std::string_view Name) {
  return std::any_of(
      std::begin(RuntimeFunctions), std::end(RuntimeFunctions),
      [&](const Lowering::RuntimeFunction &R) { return Name == R.Name; });
}

/// A call is inlined: formal parameters become the caller's .param variables.
bool Lowering::lowerCall(Frame &F, const Instruction &I, Lowered L,
                         unsigned Depth) {
  size_t K = 0;
  const Operand *Returns = nullptr, *Args = nullptr;
  if (K < I.Operands.size() && I.Operands[K].Kind == OperandKind::List)
    Returns = &I.Operands[K++];
  if (K < I.Operands.size() && I.Operands[K].Kind == OperandKind::Register)
    return lowerIndirectCall(F, I, Depth);
  if (K >= I.Operands.size() || I.Operands[K].Kind != OperandKind::Symbol)
    return fail(I.Line, "expected a function to call");
  std::string_view Name = I.Operands[K++].Name;
  if (K < I.Operands.size() && I.Operands[K].Kind == OperandKind::List)
    Args = &I.Operands[K++];
  if (K != I.Operands.size())
    return fail(I.Line, "unexpected operand of call");
  if (I.Pred != NoReg)
    return fail(I.Line, "guarded calls are not supported");
  const Function *Callee = M.findFunction(Name);
  if (Callee && Callee->IsEntry)
    return fail(I.Line, "expected a function to call, '" + std::string(Name) +
                            "' is a kernel");
  if (Callee && Callee->HasBody)
    return callFunction(F, I, *Callee, Returns, Args, Depth);
  for (const RuntimeFunction &R : RuntimeFunctions)
    if (Name == R.Name)
      return lowerRuntimeCall(F, I, std::move(L), R, Args, Returns, Depth);
  return fail(I.Line, "unknown function '" + std::string(Name) + "'");
}

bool Lowering::callFunction(Frame &F, const Instruction &I,
                            const Function &Callee, const Operand *Returns,
                            const Operand *Args, unsigned Depth) {
  if (!checkArguments(I, Returns, Callee.Returns) ||
      !checkArguments(I, Args, Callee.Params))
    return false;
  if (Plan->inlines(Callee))
    return inlineCall(F, I, Callee, Returns, Args, Depth);
  uint32_t Body = Plan->bodyOf(Callee);
  Lowered Call = callOfBody(F, I, Op::CallBody);
  Call.Callee = Body;
  return stackCall(F, I, Body, std::move(Call), Callee.Returns, Callee.Params,
                   Returns, Args, Depth);
}

/// Takes memory on the stack, which its end gives back.
static bool allocates(const Function &Fn) {
  return std::any_of(Fn.Code.begin(), Fn.Code.end(), [](const Instruction &I) {
    return I.Opcode.starts_with("alloca.");
  });
}

bool Lowering::inlineCall(Frame &F, const Instruction &I,
                          const Function &Callee, const Operand *Returns,
                          const Operand *Args, unsigned Depth) {
  Frame G(Callee);
  G.Body = F.Body;
  Place Stack{false, stackRef(), 0}, Old;
  bool Allocates = allocates(Callee);
  if (Allocates) {
    Old.Value = scratchRef(Type::B64);
    if (!emit(I, "mov.b64", Old, Stack, Depth))
      return false;
  }
  if (!beginFrame(G) || !bindFormals(F, I, Returns, Callee.Returns, G) ||
      !bindFormals(F, I, Args, Callee.Params, G) ||
      !passValues(F, I, Args, Callee.Params, G, false, Depth) ||
      !lowerBody(G, Depth + 1) || !finishCall(Depth))
    return false;
  this->Depth = Depth;
  if (Allocates && !emit(I, "mov.b64", Stack, Old, Depth))
    return false;
  return passValues(F, I, Returns, Callee.Returns, G, true, Depth);
}

// ---- pointers to functions -------------------------------------------------
Lowered Lowering::inPlaceOf(const Instruction &I) {
  Lowered L;
  L.Line = I.Line;
  L.SourceFile = I.SourceFile;
  L.SourceLine = I.SourceLine;
  L.Text = I.Text;
  return L;
}
Lowered Lowering::like(const Instruction &I, std::string_view Opcode) {
  Lowered L = inPlaceOf(I);
  std::string Why;
  matchOpcode(Opcode, L.Info, Why);
  return L;
}

/// A branch whose target is set later; its index.
size_t Lowering::branch(const Instruction &I, const Ref &Guard) {
  Lowered L = like(I, "bra");
  L.Guard = Guard;
  InlineDepth.push_back(Resolved);
  Out.Code.push_back(std::move(L));
  return Out.Code.size() - 1;
}

/// A setp with one result.
bool Lowering::compare(const Instruction &I, std::string_view Opcode,
                       const Ref &To, const Ref &A, const Ref &B,
                       unsigned Depth) {
  Lowered L = like(I, Opcode);
  open(L, Role::Def);
  append(L, To, Role::Def);
  open(L, Role::Def); // no second result
  for (const Ref &R : {A, B}) {
    open(L, Role::Use);
    append(L, R, Role::Use);
  }
  return finish(std::move(L), Depth);
}

/// Each function that the pointer may mean is called behind a comparison with
/// its address.
bool Lowering::tryCandidates(Frame &F, const Instruction &I,
                             const CallShape &Shape, const Ref &Address,
                             const Operand *Returns, const Operand *Args,
                             unsigned Depth) {
  std::vector<size_t> Ends;
  for (const Function *Callee : Shape.Candidates) {
    Ref Other = scratchRef(Type::Pred);
    if (!compare(I, "setp.ne.b64", Other, Address,
                 constRef(M.functionAddress(Callee->Name), true), Depth))
      return false;
    size_t Skip = branch(I, Other);
    if (!callFunction(F, I, *Callee, Returns, Args, Depth))
      return false;
    Ends.push_back(branch(I, Ref()));
    Out.Code[Skip].Target = uint32_t(Out.Code.size());
  }
  Lowered Bad = like(I, "call");
  Bad.Callee = BadCallee;
  open(Bad, Role::Use);
  append(Bad, Address, Role::Use);
  if (!finish(std::move(Bad), Depth))
    return false;
  for (size_t End : Ends)
    Out.Code[End].Target = uint32_t(Out.Code.size());
  return finishCall(Depth);
}

/// A call through a register.
bool Lowering::lowerIndirectCall(Frame &F, const Instruction &I,
                                 unsigned Depth) {
  bool HasReturns = I.Operands[0].Kind == OperandKind::List;
  size_t K = HasReturns;
  const Operand &Pointer = I.Operands[K++];
  const Operand *Returns = HasReturns ? &I.Operands[0] : nullptr;
  const Operand *Args = nullptr;
  if (K < I.Operands.size() && I.Operands[K].Kind == OperandKind::List)
    Args = &I.Operands[K++];
  if (K + 1 != I.Operands.size() || I.Pred != NoReg)
    return fail(I.Line, "expected the prototype of an indirect call");
  auto It = F.Fn->Prototypes.find(I.Operands[K].Name);
  if (It == F.Fn->Prototypes.end())
    return fail(I.Line,
                "unknown prototype '" + std::string(I.Operands[K].Name) + "'");
  const Prototype &P = It->second;
  Ref Address;
  if (!valueRef(F, I, Pointer, Type::B64, false, Address) ||
      !checkArguments(I, Returns, P.Returns) ||
      !checkArguments(I, Args, P.Params))
    return false;
  const CallShape *Shape = Plan->shapeOf(P);
  if (!Shape || !Shape->ByTable)
    return tryCandidates(F, I, Shape ? *Shape : CallShape(), Address, Returns,
                         Args, Depth);
  Lowered Call = callOfBody(F, I, Op::CallTable);
  Call.Callee = tableOf(*Shape);
  open(Call, Role::Use);
  append(Call, Address, Role::Use);
  return stackCall(F, I, Plan->bodyOf(*Shape->Candidates[0]), std::move(Call),
                   P.Returns, P.Params, Returns, Args, Depth);
}

/// Ends an inlined body with a no-op, so that its returns have a target.
bool Lowering::finishCall(unsigned Depth) {
  Lowered L = like({}, "membar.cta");
  L.Info.O = Op::Pmevent;
  return finish(std::move(L), Depth);
}

bool Lowering::checkArguments(const Instruction &I, const Operand *Actuals,
                              const std::vector<Variable> &Formals) {
  size_t N = Actuals ? Actuals->Parts.size() : 0;
  return N == Formals.size() ||
         fail(I.Line, "expected " + std::to_string(Formals.size()) +
                          " parameters, got " + std::to_string(N));
}

/// A .param variable as argument of a .param parameter: an inlined function
/// uses the caller's variable.
static bool sharesVariable(const Operand &Actual, const Variable &Formal) {
  return Actual.Kind == OperandKind::Symbol && Actual.Reg != NoReg &&
         !Formal.IsReg;
}

/// Places of the parameters of an inlined function.
bool Lowering::bindFormals(Frame &F, const Instruction &I,
                           const Operand *Actuals,
                           const std::vector<Variable> &Formals, Frame &G) {
  for (size_t K = 0; K < Formals.size(); ++K) {
    const Operand &A = Actuals->Parts[K];
    const Variable &V = Formals[K];
    if (sharesVariable(A, V)) {
      Place Checked;
      if (!actualPlace(F, I, A, V, false, Checked))
        return false;
      G.Formals[V.Name] = F.LocalAt[A.Reg];
    } else if (!V.IsReg) {
      G.Formals[V.Name] = reserve(F, V.Size, V.Align);
    }
  }
  return true;
}

/// Copies arguments that an inlined function does not share with its caller,
/// or, Back, such results.
bool Lowering::passValues(Frame &F, const Instruction &I,
                          const Operand *Actuals,
                          const std::vector<Variable> &Formals, const Frame &G,
                          bool Back, unsigned Depth) {
  for (size_t K = 0; K < Formals.size(); ++K) {
    const Operand &A = Actuals->Parts[K];
    const Variable &V = Formals[K];
    if (sharesVariable(A, V) || A.Kind == OperandKind::Sink)
      continue;
    Place Formal = formalPlace(G, V), Actual;
    if (!actualPlace(F, I, A, V, Back, Actual) ||
        !moveValue(I, Back ? Actual : Formal, Back ? Formal : Actual, V.Size,
                   V.Element == Type::Pred, Depth))
      return false;
  }
  return true;
}

/// The arguments' places in local memory become the immediates, relative to
/// the first operand where the caller's frame is on the stack.
bool Lowering::lowerRuntimeCall(Frame &F, const Instruction &I, Lowered L,
                                const RuntimeFunction &Which,
                                const Operand *Args, const Operand *Returns,
                                unsigned Depth) {
  L.Callee = Which.Callee;
  for (const Operand *List : {Returns, Args})
    for (size_t K = 0; List && K < List->Parts.size(); ++K) {
      const Operand &A = List->Parts[K];
      if (A.Kind != OperandKind::Symbol || A.Reg == NoReg)
        return fail(I.Line, "expected a .param variable as call argument");
      L.Immediates.push_back(int64_t(F.LocalAt[A.Reg]));
    }
  if (L.Immediates.size() != Which.Arguments)
    return fail(I.Line,
                "unexpected arguments of '" + std::string(Which.Name) + "'");
  open(L, Role::Use);
  append(L, F.Body == NoReg ? constRef(0, true) : frameRef(), Role::Use);
  return finish(std::move(L), Depth);
}
