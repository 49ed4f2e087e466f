// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The linker edits texts: names in a module are views into its text, so each
// place where a name stands is known.
#include "Linker.h"
#include "Program.h"
#include <algorithm>
#include <cstdlib>
#include <tuple>
#include <unordered_set>

using namespace ptxsim;

namespace {
struct Definition {
  std::string_view Name; // where it stands in the text of its input
  Linkage Link;
  const Function *Fn; // null of a variable
  const Variable *Var;
  size_t Input;
};

class Linker {
public:
  Linker(const std::vector<LinkInput> &Inputs, std::string &Log)
      : Inputs(Inputs), Log(Log), Locals(Inputs.size()), Edits(Inputs.size()) {}
  bool run(std::string &Image);

private:
  void collect(size_t K);
  void addGlobal(Definition D);
  const Definition *find(size_t K, std::string_view Name) const;
  void checkDeclarations(size_t K);
  void checkFunction(size_t K, const Function &F, bool Used);
  void checkVariable(size_t K, const Variable &V, bool Used);
  void separateLocals(size_t K);
  void renumberFiles(size_t K);
  std::string header() const;
  std::string edited(size_t K) const;
  void replace(size_t K, std::string_view Where, std::string Text) {
    size_t At = size_t(Where.data() - Inputs[K].Source->Text.data());
    Edits[K][At] = {Where.size(), std::move(Text)};
  }
  std::string unused(std::string_view Name);
  void error(const std::string &Message) { Log += "error: " + Message + "\n"; }
  std::string quoted(size_t K) const { return "'" + Inputs[K].Name + "'"; }

  using Table = std::unordered_map<std::string_view, Definition>;
  const std::vector<LinkInput> &Inputs;
  std::string &Log;
  Table Globals;
  std::vector<Table> Locals;                                 // by input
  std::unordered_map<std::string_view, unsigned> InputsWith; // the name
  struct Edit {
    size_t Length;
    std::string Text;
  };
  std::vector<std::map<size_t, Edit>> Edits; // by input and place
  unsigned Renamed = 0;
  uint32_t FileBase = 0;
};
} // namespace

static std::string quote(std::string_view Name) {
  return "'" + std::string(Name) + "'";
}

// ---- where names stand ---------------------------------------------------
template <class F> static void forNames(const Operand &O, F Fn) {
  if (O.Kind == OperandKind::Symbol && O.Reg == NoReg)
    Fn(O.Name);
  for (const Operand &Part : O.Parts)
    forNames(Part, Fn);
}
static bool isOwn(const Function &F, std::string_view Name) {
  auto Named = [&](const Variable &V) { return V.Name == Name; };
  return std::any_of(F.Params.begin(), F.Params.end(), Named) ||
         std::any_of(F.Returns.begin(), F.Returns.end(), Named) ||
         F.Prototypes.count(Name);
}
/// Every use of a name of the module.
template <class F> static void forUses(const Module &M, F Fn) {
  for (const Variable &V : M.Variables)
    for (const Relocation &R : V.Relocations)
      Fn(R.Symbol);
  for (const auto &Body : M.Functions)
    for (const Instruction &I : Body->Code)
      for (const Operand &O : I.Operands)
        forNames(O, [&](std::string_view Name) {
          if (!isOwn(*Body, Name))
            Fn(Name);
        });
}
template <class F> static void forDeclared(const Module &M, F Fn) {
  for (const Variable &V : M.Variables)
    Fn(V.Name);
  for (const auto &Body : M.Functions)
    Fn(Body->Name);
}

// ---- definitions ---------------------------------------------------------
void Linker::collect(size_t K) {
  const Module &M = *Inputs[K].Source;
  auto Add = [&](Definition D) {
    if (D.Link == Linkage::Local)
      Locals[K].emplace(D.Name, D);
    else
      addGlobal(D);
  };
  for (const Variable &V : M.Variables)
    if (!V.isExtern())
      Add({V.Name, V.Link, nullptr, &V, K});
  for (const auto &F : M.Functions) {
    // The host finds every kernel by its name.
    bool Public = F->IsEntry && F->Link == Linkage::Local;
    if (F->HasBody)
      Add({F->Name, Public ? Linkage::Visible : F->Link, F.get(), nullptr, K});
  }
  std::unordered_set<std::string_view> Names;
  forDeclared(M, [&](std::string_view Name) { Names.insert(Name); });
  for (std::string_view Name : Names)
    ++InputsWith[Name];
}

static bool sameKind(const Definition &A, const Definition &B) {
  return !A.Fn == !B.Fn &&
         (A.Fn ? A.Fn->IsEntry == B.Fn->IsEntry : A.Var->Where == B.Var->Where);
}
/// Of several definitions of one name the strongest counts, of equally common
/// ones the largest, else the first.
static bool isStronger(const Definition &A, const Definition &B) {
  auto Strength = [](const Definition &D) {
    return D.Link == Linkage::Visible ? 2 : D.Link == Linkage::Common ? 1 : 0;
  };
  if (Strength(A) != Strength(B))
    return Strength(A) > Strength(B);
  return A.Link == Linkage::Common && A.Var && B.Var &&
         A.Var->Size > B.Var->Size;
}
/// The definitions that do not count stay, under names that nobody uses.
void Linker::addGlobal(Definition D) {
  auto [It, New] = Globals.emplace(D.Name, D);
  if (New)
    return;
  Definition &Old = It->second;
  std::string Where = "in " + quoted(Old.Input) + " and " + quoted(D.Input);
  if (!sameKind(Old, D))
    return error(quote(D.Name) + " is defined as different things " + Where);
  if (Old.Link == Linkage::Visible && D.Link == Linkage::Visible)
    return error(quote(D.Name) + " is defined twice, " + Where);
  if (isStronger(D, Old))
    std::swap(D, Old);
  replace(D.Input, D.Name, unused(D.Name));
}

std::string Linker::unused(std::string_view Name) {
  for (;;) {
    std::string New = std::string(Name) + "$" + std::to_string(++Renamed);
    auto Stands = [&](const LinkInput &I) {
      return I.Source->Text.find(New) != std::string::npos;
    };
    if (std::none_of(Inputs.begin(), Inputs.end(), Stands))
      return New;
  }
}

const Definition *Linker::find(size_t K, std::string_view Name) const {
  for (const Table *T : {&Locals[K], &Globals})
    if (auto It = T->find(Name); It != T->end())
      return &It->second;
  return nullptr;
}

// ---- declarations --------------------------------------------------------
static bool sameLayout(const std::vector<Variable> &A,
                       const std::vector<Variable> &B) {
  auto Same = [](const Variable &X, const Variable &Y) {
    return X.Size == Y.Size;
  };
  return std::equal(A.begin(), A.end(), B.begin(), B.end(), Same);
}

void Linker::checkFunction(size_t K, const Function &F, bool Used) {
  const Definition *D = find(K, F.Name);
  if (!D) {
    if (Used && !isRuntimeFunction(F.Name))
      error("undefined reference to function " + quote(F.Name) + " in " +
            quoted(K));
    return;
  }
  if (!D->Fn || D->Fn->IsEntry || !sameLayout(D->Fn->Params, F.Params) ||
      !sameLayout(D->Fn->Returns, F.Returns))
    error("function " + quote(F.Name) + " is declared in " + quoted(K) +
          " otherwise than it is defined in " + quoted(D->Input));
}

void Linker::checkVariable(size_t K, const Variable &V, bool Used) {
  const Definition *D = find(K, V.Name);
  bool Dynamic = V.Where == Space::Shared && V.Unsized; // given by the launch
  if (!D) {
    if (Used && !Dynamic)
      error("undefined reference to variable " + quote(V.Name) + " in " +
            quoted(K));
    return;
  }
  bool SameSize = V.Unsized || (D->Var && D->Var->Size == V.Size);
  if (!D->Var || D->Var->Where != V.Where || !SameSize)
    error("variable " + quote(V.Name) + " is declared in " + quoted(K) +
          " otherwise than it is defined in " + quoted(D->Input));
}

void Linker::checkDeclarations(size_t K) {
  const Module &M = *Inputs[K].Source;
  std::unordered_set<std::string_view> Used, Seen;
  forUses(M, [&](std::string_view Name) { Used.insert(Name); });
  for (const Variable &V : M.Variables)
    if (V.isExtern() && Seen.insert(V.Name).second)
      checkVariable(K, V, Used.count(V.Name));
  for (const auto &F : M.Functions)
    if (!F->HasBody && Seen.insert(F->Name).second)
      checkFunction(K, *F, Used.count(F->Name));
}

// ---- the image -----------------------------------------------------------
/// Renames what is local to K where another input has the name too.
void Linker::separateLocals(size_t K) {
  std::unordered_map<std::string_view, std::string> NewName;
  for (const auto &[Name, D] : Locals[K])
    if (InputsWith.at(Name) > 1)
      NewName[Name] = unused(Name);
  auto Rename = [&](std::string_view Name) {
    if (auto It = NewName.find(Name); It != NewName.end())
      replace(K, Name, It->second);
  };
  forUses(*Inputs[K].Source, Rename);
  forDeclared(*Inputs[K].Source, Rename);
}

void Linker::renumberFiles(size_t K) {
  const Module &M = *Inputs[K].Source;
  uint32_t Most = 0;
  for (std::string_view Number : M.FileNumbers) {
    uint32_t N =
        uint32_t(std::strtoul(std::string(Number).c_str(), nullptr, 0));
    replace(K, Number, std::to_string(FileBase + N));
    Most = std::max(Most, N);
  }
  FileBase += Most;
}

/// The newest version, and the most special target.
std::string Linker::header() const {
  auto Newer = [](const LinkInput &A, const LinkInput &B) {
    return std::pair(A.Source->VersionMajor, A.Source->VersionMinor) <
           std::pair(B.Source->VersionMajor, B.Source->VersionMinor);
  };
  auto Special = [](const LinkInput &A, const LinkInput &B) {
    return std::tuple(A.Source->TargetSuffix == 'a', A.Source->TargetSuffix,
                      A.Source->TargetSM) <
           std::tuple(B.Source->TargetSuffix == 'a', B.Source->TargetSuffix,
                      B.Source->TargetSM);
  };
  const Module &V =
      *std::max_element(Inputs.begin(), Inputs.end(), Newer)->Source;
  const Module &T =
      *std::max_element(Inputs.begin(), Inputs.end(), Special)->Source;
  return ".version " + std::to_string(V.VersionMajor) + "." +
         std::to_string(V.VersionMinor) + "\n.target sm_" +
         std::to_string(T.TargetSM) +
         (T.TargetSuffix ? std::string(1, T.TargetSuffix) : "") +
         "\n.address_size 64\n";
}

std::string Linker::edited(size_t K) const {
  const std::string &Text = Inputs[K].Source->Text;
  std::string Out;
  size_t At = 0;
  for (const auto &[Begin, E] : Edits[K]) {
    Out.append(Text, At, Begin - At);
    Out += E.Text;
    At = Begin + E.Length;
  }
  return Out.append(Text, At) + "\n";
}

bool Linker::run(std::string &Image) {
  for (size_t K = 0; K < Inputs.size(); ++K)
    collect(K);
  for (size_t K = 0; K < Inputs.size(); ++K)
    checkDeclarations(K);
  if (!Log.empty())
    return false;
  Image = header();
  for (size_t K = 0; K < Inputs.size(); ++K) {
    separateLocals(K);
    renumberFiles(K);
    for (std::string_view Directive : Inputs[K].Source->Headers)
      replace(K, Directive, "");
    Image += edited(K);
  }
  return true;
}

bool ptxsim::linkModules(const std::vector<LinkInput> &Inputs,
                         std::string &Image, std::string &Log) {
  return Linker(Inputs, Log).run(Image);
}
