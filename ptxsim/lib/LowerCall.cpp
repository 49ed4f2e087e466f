// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Calls: device functions are inlined, those of the run-time library become
// instructions of their own.
#include "Lowering.h"
#include <algorithm>

using namespace ptxsim;

static constexpr unsigned MaxInlineDepth = 24;

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
  if (Name == "vprintf" || Name == "__assertfail")
    return lowerRuntimeCall(F, I, std::move(L), Name, Args, Returns, Depth);
  const Function *Callee = M.findFunction(Name);
  if (!Callee || !Callee->HasBody)
    return fail(I.Line, "unknown function '" + std::string(Name) + "'");
  return inlineCall(F, I, *Callee, Returns, Args, Depth);
}

bool Lowering::inlineCall(Frame &F, const Instruction &I,
                          const Function &Callee, const Operand *Returns,
                          const Operand *Args, unsigned Depth) {
  if (Depth >= MaxInlineDepth)
    return fail(I.Line, "calls of '" + std::string(Callee.Name) +
                            "' are nested too deeply; recursion is not "
                            "supported");
  Frame G{&Callee, 0, {}, {}};
  return bindFormals(F, I, Returns, Callee.Returns, G) &&
         bindFormals(F, I, Args, Callee.Params, G) &&
         lowerFunction(G, Depth + 1) && finishCall(Depth);
}

// ---- pointers to functions -------------------------------------------------
static bool sameSizes(const std::vector<Variable> &A,
                      const std::vector<Variable> &B) {
  return std::equal(
      A.begin(), A.end(), B.begin(), B.end(),
      [](const Variable &X, const Variable &Y) { return X.Size == Y.Size; });
}

/// Functions of a prototype whose address the module takes somewhere.
std::vector<const Function *> Lowering::pointedTo(const Prototype &P) {
  auto Note = [&](std::string_view Name) {
    if (M.functionAddress(Name))
      AddressTaken.insert(M.findFunction(Name));
  };
  if (!AddressesKnown) {
    for (const Variable &V : M.Variables)
      for (const Relocation &R : V.Relocations)
        Note(R.Symbol);
    for (const auto &Fn : M.Functions)
      for (const Instruction &I : Fn->Code)
        for (const Operand &O : I.Operands)
          if (O.Kind == OperandKind::Symbol && O.Reg == NoReg &&
              I.Opcode.starts_with("mov."))
            Note(O.Name);
    AddressesKnown = true;
  }
  std::vector<const Function *> Out;
  for (const auto &Fn : M.Functions) // in the module's order
    if (AddressTaken.count(Fn.get()) && sameSizes(Fn->Params, P.Params) &&
        sameSizes(Fn->Returns, P.Returns))
      Out.push_back(Fn.get());
  return Out;
}

/// A branch whose target is set later; its index.
size_t Lowering::branch(const Lowered &Like, const Ref &Guard) {
  Lowered L = Like;
  std::string Why;
  matchOpcode("bra", L.Info, Why);
  L.Guard = Guard;
  InlineDepth.push_back(Resolved);
  Out.Code.push_back(std::move(L));
  return Out.Code.size() - 1;
}

/// A call through a register: each function that it may point to is inlined
/// behind a comparison with its address.
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
  Lowered Like;
  Like.Line = I.Line;
  Like.SourceFile = I.SourceFile;
  Like.SourceLine = I.SourceLine;
  Like.Text = I.Text;
  Ref Address;
  if (!valueRef(F, I, Pointer, Type::B64, false, Address))
    return false;
  std::string Why;
  std::vector<size_t> Ends;
  for (const Function *Callee : pointedTo(It->second)) {
    Lowered Test = Like;
    matchOpcode("setp.ne.b64", Test.Info, Why);
    Ref Other = scratchRef(Type::Pred);
    open(Test, Role::Def);
    append(Test, Other, Role::Def);
    open(Test, Role::Def); // no second result
    open(Test, Role::Use);
    append(Test, Address, Role::Use);
    open(Test, Role::Use);
    append(Test, constRef(M.functionAddress(Callee->Name), true), Role::Use);
    if (!finish(std::move(Test), Depth))
      return false;
    size_t Skip = branch(Like, Other);
    if (!inlineCall(F, I, *Callee, Returns, Args, Depth))
      return false;
    Ends.push_back(branch(Like, Ref()));
    Out.Code[Skip].Target = uint32_t(Out.Code.size());
  }
  Lowered Bad = Like;
  matchOpcode("call", Bad.Info, Why);
  Bad.Callee = BadCallee;
  open(Bad, Role::Use);
  append(Bad, Address, Role::Use);
  if (!finish(std::move(Bad), Depth))
    return false;
  for (size_t End : Ends)
    Out.Code[End].Target = uint32_t(Out.Code.size());
  return finishCall(Depth);
}

/// Ends an inlined body with a no-op, so that its returns have a target.
bool Lowering::finishCall(unsigned Depth) {
  Lowered L;
  std::string Why;
  matchOpcode("membar.cta", L.Info, Why);
  L.Info.O = Op::Pmevent;
  return finish(std::move(L), Depth);
}

bool Lowering::bindFormals(Frame &F, const Instruction &I,
                           const Operand *Actuals,
                           const std::vector<Variable> &Formals, Frame &G) {
  size_t N = Actuals ? Actuals->Parts.size() : 0;
  if (N != Formals.size())
    return fail(I.Line, "expected " + std::to_string(Formals.size()) +
                            " parameters, got " + std::to_string(N));
  for (size_t K = 0; K < N; ++K) {
    const Operand &A = Actuals->Parts[K];
    if (A.Kind != OperandKind::Symbol || A.Reg == NoReg ||
        F.Fn->Locals[A.Reg].Where != Space::Param ||
        F.Fn->Locals[A.Reg].Size < Formals[K].Size)
      return fail(I.Line, "expected a .param variable as call argument");
    G.Formals[Formals[K].Name] = F.LocalAt[A.Reg];
  }
  return true;
}

bool Lowering::lowerRuntimeCall(Frame &F, const Instruction &I, Lowered L,
                                std::string_view Name, const Operand *Args,
                                const Operand *Returns, unsigned Depth) {
  L.Callee = Name == "vprintf" ? 1 : 2;
  for (const Operand *List : {Returns, Args})
    for (size_t K = 0; List && K < List->Parts.size(); ++K) {
      const Operand &A = List->Parts[K];
      if (A.Kind != OperandKind::Symbol || A.Reg == NoReg)
        return fail(I.Line, "expected a .param variable as call argument");
      L.Immediates.push_back(int64_t(F.LocalAt[A.Reg]));
    }
  size_t Expected = L.Callee == 1 ? 3 : 5;
  if (L.Immediates.size() != Expected)
    return fail(I.Line, "unexpected arguments of '" + std::string(Name) + "'");
  return finish(std::move(L), Depth);
}
