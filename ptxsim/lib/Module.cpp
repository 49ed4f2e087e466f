// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Names of a module: what they mean, and which functions' addresses are taken.
#include "Ast.h"

using namespace ptxsim;

void Module::addFunction(std::unique_ptr<Function> F) {
  auto [It, New] = FunctionAt.emplace(F->Name, uint32_t(Functions.size()));
  if (F->HasBody)
    It->second = uint32_t(Functions.size());
  Functions.push_back(std::move(F));
}

void Module::finish() {
  for (uint32_t K = 0; K < Variables.size(); ++K) {
    auto [It, New] = VariableAt.emplace(Variables[K].Name, K);
    if (Variables[It->second].isExtern() && !Variables[K].isExtern())
      It->second = K;
  }
  std::vector<bool> Taken(Functions.size());
  auto Note = [&](std::string_view Name) {
    if (functionAddress(Name))
      Taken[FunctionAt.at(Name)] = true;
  };
  for (const Variable &V : Variables)
    for (const Relocation &R : V.Relocations)
      Note(R.Symbol);
  for (const auto &Fn : Functions)
    for (const Instruction &I : Fn->Code)
      for (const Operand &O : I.Operands)
        if (O.Kind == OperandKind::Symbol && O.Reg == NoReg &&
            I.Opcode.starts_with("mov."))
          Note(O.Name);
  for (size_t K = 0; K < Functions.size(); ++K)
    if (Taken[K])
      PointedTo.push_back(Functions[K].get());
}

uint64_t Module::functionAddress(std::string_view Name) const {
  // Far from all memory, so that no function is mistaken for data.
  constexpr uint64_t Window = uint64_t(4) << 56, Spacing = 16;
  auto It = FunctionAt.find(Name);
  if (It == FunctionAt.end() || !Functions[It->second]->HasBody ||
      Functions[It->second]->IsEntry)
    return 0;
  return Window + (It->second + 1) * Spacing;
}

const Function *Module::findFunction(std::string_view Name) const {
  auto It = FunctionAt.find(Name);
  return It == FunctionAt.end() ? nullptr : Functions[It->second].get();
}

const Variable *Module::findVariable(std::string_view Name) const {
  auto It = VariableAt.find(Name);
  return It == VariableAt.end() ? nullptr : &Variables[It->second];
}
