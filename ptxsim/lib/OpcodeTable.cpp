// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Matches opcode strings against the rows of Opcodes.def.
#include "OpcodeTable.h"
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <unordered_map>

using namespace ptxsim;

namespace {

struct NamedType {
  const char *Name;
  Type Ty;
};
constexpr NamedType TypeNames[] = {
    {"pred", Type::Pred},     {"b8", Type::B8},
    {"u8", Type::U8},         {"s8", Type::S8},
    {"b16", Type::B16},       {"u16", Type::U16},
    {"s16", Type::S16},       {"f16", Type::F16},
    {"bf16", Type::BF16},     {"e4m3x2", Type::E4M3x2},
    {"e5m2x2", Type::E5M2x2}, {"ue8m0x2", Type::UE8M0x2},
    {"b32", Type::B32},       {"u32", Type::U32},
    {"s32", Type::S32},       {"f32", Type::F32},
    {"f16x2", Type::F16x2},   {"bf16x2", Type::BF16x2},
    {"tf32", Type::TF32},     {"u16x2", Type::U16x2},
    {"s16x2", Type::S16x2},   {"b64", Type::B64},
    {"u64", Type::U64},       {"s64", Type::S64},
    {"f64", Type::F64},       {"b128", Type::B128},
    {"e4m3", Type::E4M3},     {"e5m2", Type::E5M2},
    {"s4", Type::S4},         {"u4", Type::U4},
    {"b1", Type::B1},
};

/// One component of a pattern: alternatives, maybe optional.
struct Component {
  std::vector<std::string_view> Choices;
  bool Optional = false;
};

struct CompiledRow {
  const OpcodeRow *Row;
  std::vector<Component> Parts;
  std::vector<OperandSpec> Specs;
};

struct Table {
  std::vector<OpcodeRow> Rows;
  std::vector<CompiledRow> Compiled;
  std::unordered_map<std::string_view, std::vector<uint32_t>> ByHead;
  std::unordered_map<std::string_view, Mod> Mods;
  Table();
};

} // namespace

static std::vector<std::string_view> splitDots(std::string_view S) {
  std::vector<std::string_view> Out;
  size_t Begin = 0;
  for (size_t K = 0; K <= S.size(); ++K)
    if (K == S.size() || S[K] == '.') {
      Out.push_back(S.substr(Begin, K - Begin));
      Begin = K + 1;
    }
  return Out;
}

static std::vector<Component> compilePattern(std::string_view P) {
  std::vector<Component> Out;
  for (std::string_view Part : splitDots(P)) {
    Component C;
    if (Part.front() == '{' || Part.front() == '[') {
      C.Optional = Part.front() == '[';
      Part = Part.substr(1, Part.size() - 2);
    }
    for (size_t Begin = 0; Begin <= Part.size();) {
      size_t End = std::min(Part.find(',', Begin), Part.size());
      C.Choices.push_back(Part.substr(Begin, End - Begin));
      Begin = End + 1;
    }
    Out.push_back(std::move(C));
  }
  return Out;
}

static OperandSpec compileOperand(std::string_view Text) {
  OperandSpec S;
  if (Text.back() == '?') {
    S.Optional = true;
    Text.remove_suffix(1);
  }
  if (Text.size() > 2 && Text.substr(Text.size() - 2) == "|p") {
    S.PairPred = true;
    Text.remove_suffix(2);
  }
  switch (Text[0]) {
  case 'd': S.Kind = OperandSpec::Def; break;
  case 's': S.Kind = OperandSpec::Use; break;
  case 'x': S.Kind = OperandSpec::DefUse; break;
  case 'D':
    S.Kind = OperandSpec::Def;
    S.Vector = true;
    break;
  case 'S':
    S.Kind = OperandSpec::Use;
    S.Vector = true;
    break;
  case 'm': S.Kind = OperandSpec::Memory; return S;
  case 'n': S.Kind = OperandSpec::Tensor; return S;
  case '#': S.Kind = OperandSpec::Imm; return S;
  case '@': S.Kind = OperandSpec::Label; return S;
  case '&': S.Kind = OperandSpec::Name; return S;
  }
  if (Text[1] == 'f') { // fragment: 'dfD', 'sfA'
    S.Fragment = Text[2];
    return S;
  }
  S.TypeCode = Text[1];
  return S;
}

static std::vector<OperandSpec> compileOperands(std::string_view Text) {
  std::vector<OperandSpec> Out;
  for (size_t Begin = 0; Begin < Text.size();) {
    size_t End = std::min(Text.find(' ', Begin), Text.size());
    Out.push_back(compileOperand(Text.substr(Begin, End - Begin)));
    Begin = End + 1;
  }
  return Out;
}

Table::Table() {
  Rows = {
#define OPCODE(O, Pattern, Operands, Class, MinSM, Suffix)                     \
  {Op::O, Pattern, Operands, OpClass::Class, MinSM, Suffix},
#include "Opcodes.def"
  };
  for (uint32_t K = 0; K < Rows.size(); ++K) {
    Compiled.push_back({&Rows[K], compilePattern(Rows[K].Pattern),
                        compileOperands(Rows[K].Operands)});
    ByHead[Compiled[K].Parts[0].Choices[0]].push_back(K);
  }
#define MODIFIER(Id, Text) Mods.emplace(Text, Mod::Id);
#include "OpcodeNames.def"
}

static const Table &table() {
  static const Table T;
  return T;
}

const std::vector<OpcodeRow> &ptxsim::opcodeTable() { return table().Rows; }

const std::vector<OperandSpec> &ptxsim::operandSpecs(const OpcodeRow &Row) {
  return table().Compiled[size_t(&Row - table().Rows.data())].Specs;
}

Type ptxsim::typeFromName(std::string_view Name) {
  for (const NamedType &N : TypeNames)
    if (Name == N.Name)
      return N.Ty;
  return Type::None;
}
std::string_view ptxsim::typeName(Type T) {
  for (const NamedType &N : TypeNames)
    if (T == N.Ty)
      return N.Name;
  return "none";
}

std::string_view ptxsim::className(OpClass C) {
  static const char *const Names[] = {
      "integer", "float",   "double", "half",  "special",
      "convert", "move",    "load",   "store", "atomic",
      "control", "barrier", "warp",   "async", "tensor"};
  return Names[size_t(C)];
}

static bool matchParts(const std::vector<Component> &Parts,
                       const std::vector<std::string_view> &Words, size_t P,
                       size_t W) {
  for (; P < Parts.size(); ++P) {
    bool Here = W < Words.size() &&
                std::find(Parts[P].Choices.begin(), Parts[P].Choices.end(),
                          Words[W]) != Parts[P].Choices.end();
    if (Here && Parts[P].Optional && matchParts(Parts, Words, P + 1, W + 1))
      return true;
    if (Parts[P].Optional)
      continue;
    if (!Here)
      return false;
    ++W;
  }
  return W == Words.size();
}

static bool cmpFromName(std::string_view W, Cmp &Out) {
  static const char *const Names[] = {"eq",  "ne",  "lt",  "le",  "gt",  "ge",
                                      "lo",  "ls",  "hi",  "hs",  "equ", "neu",
                                      "ltu", "leu", "gtu", "geu", "num", "nan"};
  for (unsigned K = 0; K < std::size(Names); ++K)
    if (W == Names[K]) {
      Out = Cmp(K);
      return true;
    }
  return false;
}

static Rounding roundingFromName(std::string_view W) {
  static const char *const Names[] = {"",    "rn",  "rz",  "rm",  "rp",
                                      "rni", "rzi", "rmi", "rpi", "rna"};
  for (unsigned K = 1; K < std::size(Names); ++K)
    if (W == Names[K])
      return Rounding(K);
  return Rounding::None;
}

static bool spaceFromName(std::string_view W, Space &Out) {
  static const struct {
    const char *Name;
    Space S;
  } Names[] = {
      {"global", Space::Global},      {"shared", Space::Shared},
      {"shared::cta", Space::Shared}, {"shared::cluster", Space::SharedCluster},
      {"local", Space::Local},        {"const", Space::Const},
      {"param", Space::Param},        {"param::entry", Space::Param},
      {"param::func", Space::Param}};
  for (const auto &N : Names)
    if (W == N.Name) {
      Out = N.S;
      return true;
    }
  return false;
}

static bool shapeFromName(std::string_view W, MatrixShape &Out) {
  if (W.size() < 6 || W[0] != 'm' || W[1] < '0' || W[1] > '9')
    return false;
  std::string Copy(W);
  unsigned M, N, K;
  if (std::sscanf(Copy.c_str(), "m%un%uk%u", &M, &N, &K) != 3)
    return false;
  Out = {uint16_t(M), uint16_t(N), uint16_t(K)};
  return true;
}

/// The comparison is the first word of setp and set, and one of vset's.
static bool mayCompare(Op O, size_t Word) {
  bool First = O == Op::Setp || O == Op::SetpBool || O == Op::Set;
  return First ? Word == 1 : O == Op::VideoSet;
}

static void decomposeWord(std::string_view W, bool ExpectCmp, OpcodeInfo &Out) {
  if (ExpectCmp && cmpFromName(W, Out.Compare))
    return;
  if (Type T = typeFromName(W); T != Type::None) {
    if (Out.NumTypes < 4)
      Out.Types[Out.NumTypes++] = T;
    return;
  }
  if (Rounding R = roundingFromName(W); R != Rounding::None) {
    Out.Round = R;
    return;
  }
  Space S;
  if (spaceFromName(W, S)) {
    (Out.NumSpaces++ ? Out.Where2 : Out.Where) = S;
    return;
  }
  if (shapeFromName(W, Out.Shape))
    return;
  if (W.size() == 2 && W[0] == 'v' && W[1] >= '2' && W[1] <= '8') {
    Out.VectorWidth = uint8_t(W[1] - '0');
    return;
  }
  if (W.size() == 2 && W[1] == 'd' && W[0] >= '1' && W[0] <= '5') {
    Out.Dims = uint8_t(W[0] - '0');
    return;
  }
  auto It = table().Mods.find(W);
  Out.Mods.set(size_t(It == table().Mods.end() ? Mod::Other : It->second));
}

/// Modifiers of atomic operations stand in any order; the table's rows have the
/// ISA's: semantics, scope, state space, the others.
static void orderAtomic(std::vector<std::string_view> &Words) {
  auto Rank = [](std::string_view W) {
    if (W == "relaxed" || W == "acquire" || W == "release" || W == "acq_rel")
      return 0;
    if (W == "cta" || W == "cluster" || W == "gpu" || W == "sys")
      return 1;
    return W == "global" || W.starts_with("shared") ? 2 : 3;
  };
  // Few words: an insertion sort, which keeps the order of equals.
  for (size_t K = 2; K < Words.size(); ++K)
    for (size_t J = K; J > 1 && Rank(Words[J]) < Rank(Words[J - 1]); --J)
      std::swap(Words[J], Words[J - 1]);
}

/// Why there is no opcode of this name.
static std::string unknownOpcode(std::string_view Opcode,
                                 std::string_view Head) {
  static const struct {
    const char *Name, *What;
  } Refused[] = {
      {"tex", "textures"},
      {"tld4", "textures"},
      {"txq", "textures"},
      {"suld", "surfaces"},
      {"sust", "surfaces"},
      {"sured", "surfaces"},
      {"suq", "surfaces"},
      {"istypep", "textures and surfaces"},
      {"multimem", "multicast objects"},
      {"tcgen05", "tensor memory operations"},
      {"clusterlaunchcontrol", "launch cancellations (sm_100 and later)"},
  };
  for (const auto &R : Refused)
    if (Head == R.Name)
      return "'" + std::string(Opcode) + "': " + R.What + " are not supported";
  return "unknown opcode '" + std::string(Opcode) + "'";
}

bool ptxsim::matchOpcode(std::string_view Opcode, OpcodeInfo &Out,
                         std::string &Why) {
  const Table &T = table();
  std::vector<std::string_view> Words = splitDots(Opcode);
  bool Async = Words.size() > 1 && Words[1] == "async";
  if (Words[0] == "atom" || (Words[0] == "red" && !Async))
    orderAtomic(Words);
  auto Head = T.ByHead.find(Words[0]);
  if (Head == T.ByHead.end()) {
    Why = unknownOpcode(Opcode, Words[0]);
    return false;
  }
  for (uint32_t Index : Head->second) {
    const CompiledRow &C = T.Compiled[Index];
    if (!matchParts(C.Parts, Words, 0, 0))
      continue;
    Out = OpcodeInfo();
    Out.Row = C.Row;
    Out.O = C.Row->O;
    for (size_t K = 1; K < Words.size(); ++K)
      decomposeWord(Words[K], mayCompare(Out.O, K), Out);
    return true;
  }
  Why = "unknown combination of modifiers '" + std::string(Opcode) + "'";
  return false;
}

unsigned ptxsim::videoElements(const OpcodeInfo &I) {
  std::string_view Head = I.Row->Pattern;
  char Last = Head[Head.find('.') - 1];
  return Last == '2' || Last == '4' ? unsigned(Last - '0') : 1;
}

static void expandParts(const std::vector<Component> &Parts, size_t P,
                        const std::string &Prefix, size_t Limit,
                        std::vector<std::string> &Out) {
  if (Out.size() >= Limit)
    return;
  if (P == Parts.size()) {
    Out.push_back(Prefix);
    return;
  }
  if (Parts[P].Optional)
    expandParts(Parts, P + 1, Prefix, Limit, Out);
  for (std::string_view C : Parts[P].Choices)
    expandParts(Parts, P + 1, Prefix + (P ? "." : "") + std::string(C), Limit,
                Out);
}

std::vector<std::string> ptxsim::expandRow(const OpcodeRow &Row, size_t Limit) {
  std::vector<std::string> Out;
  expandParts(table().Compiled[size_t(&Row - table().Rows.data())].Parts, 0, "",
              Limit, Out);
  return Out;
}

static Type widened(Type T) {
  switch (T) {
  case Type::U16: return Type::U32;
  case Type::S16: return Type::S32;
  case Type::U32: return Type::U64;
  case Type::S32: return Type::S64;
  default: return Type::None;
  }
}

Type ptxsim::operandType(const OperandSpec &S, const OpcodeInfo &I) {
  switch (S.TypeCode) {
  case '0':
  case '1':
  case '2':
  case '3': return I.Types[S.TypeCode - '0'];
  case 'w': return widened(I.Types[0]);
  case 'p': return Type::Pred;
  case 'h': return Type::B16;
  case 'i': return Type::B32;
  case 'l': return Type::B64;
  default: return Type::None;
  }
}
