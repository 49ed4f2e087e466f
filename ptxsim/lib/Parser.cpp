// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// PTX parser, module level: directives, variables and function headers.
#include "Parser.h"
#include <cstring>

using namespace ptxsim;

std::string Register::name() const {
  std::string N(Prefix);
  if (Index != NoReg)
    N += std::to_string(Index);
  return N;
}

std::unique_ptr<Module> ptxsim::parseModule(std::string Text,
                                            Diagnostic &Diag) {
  auto M = std::make_unique<Module>();
  M->Text = std::move(Text);
  Parser P(*M, Diag);
  if (!P.parse())
    return nullptr;
  M->finish();
  return M;
}

bool Parser::errorAt(uint32_t Line, std::string Message) {
  Diag.Line = Line;
  Diag.Message = std::move(Message);
  return false;
}
bool Parser::error(std::string Message) {
  return errorAt(Lex.line(), std::move(Message));
}
bool Parser::expect(char C) {
  if (Lex.accept(C))
    return true;
  char Next = Lex.peek();
  std::string Got = Next ? std::string("'") + Next + "'" : "end of text";
  return error(std::string("expected '") + C + "', got " + Got);
}

bool Parser::parseUnsigned(uint64_t &Out) {
  Operand O;
  if (!Lex.number(O) || O.IsFloat)
    return error("expected an unsigned integer");
  Out = O.Imm;
  return true;
}

bool Parser::parseCount(uint32_t &Out) {
  uint64_t N;
  if (!parseUnsigned(N))
    return false;
  if (N > INT32_MAX)
    return error("expected a smaller number, got " + std::to_string(N));
  Out = uint32_t(N);
  return true;
}

bool Parser::parse() {
  while (Lex.skip())
    if (!parseTopLevel())
      return false;
  if (!M.VersionMajor)
    return errorAt(1, "expected a .version directive");
  if (!M.TargetSM)
    return errorAt(1, "expected a .target directive");
  uint64_t ConstBytes = 0;
  constexpr uint64_t MostConst = 64 * 1024;
  for (const Variable &V : M.Variables) {
    ConstBytes += V.Where == Space::Const ? V.Size : 0;
    if (ConstBytes > MostConst)
      return errorAt(V.Line, "constant memory exceeds 64 KiB");
  }
  return true;
}

bool Parser::parseVersion() {
  Operand O;
  if (!Lex.number(O) || !O.IsFloat)
    return error("expected a version such as 8.0");
  double V;
  std::memcpy(&V, &O.Imm, 8);
  M.VersionMajor = uint32_t(V);
  M.VersionMinor = uint32_t((V - M.VersionMajor) * 10 + 0.5);
  if (M.VersionMajor < 3 || M.VersionMajor > 9)
    return error("unsupported PTX version " + std::to_string(M.VersionMajor) +
                 "." + std::to_string(M.VersionMinor));
  return true;
}

bool Parser::parseTarget() {
  do {
    std::string_view W = Lex.identifier();
    if (W.substr(0, 3) == "sm_") {
      size_t K = 3;
      uint32_t SM = 0;
      for (; K < W.size() && W[K] >= '0' && W[K] <= '9' && K < 7; ++K)
        SM = SM * 10 + uint32_t(W[K] - '0');
      M.TargetSM = SM;
      M.TargetSuffix = K < W.size() ? W[K] : 0;
      if (!SM || K + 1 < W.size() ||
          (M.TargetSuffix && M.TargetSuffix != 'a' && M.TargetSuffix != 'f'))
        return error("unknown target '" + std::string(W) + "'");
    } else if (W != "debug" && W != "texmode_independent") {
      return error("unknown target '" + std::string(W) + "'");
    }
  } while (Lex.accept(','));
  return true;
}

bool Parser::parseFileNumber(uint64_t &Out) {
  Lex.skip();
  size_t Begin = Lex.position();
  if (!parseUnsigned(Out))
    return false;
  M.FileNumbers.push_back(Lex.textBetween(Begin, Lex.position()));
  return true;
}

bool Parser::parseFile() {
  uint64_t Index, Ignored;
  std::string Name;
  if (!parseFileNumber(Index))
    return false;
  if (!Lex.quoted(Name))
    return error("expected a file name");
  M.SourceFiles[uint32_t(Index)] = Name;
  while (Lex.accept(','))
    if (!parseUnsigned(Ignored))
      return false;
  return true;
}

Linkage Parser::parseLinkage() {
  Linkage Link = Linkage::Local;
  for (;;) {
    if (Lex.acceptWord(".extern"))
      Link = Linkage::Extern;
    else if (Lex.acceptWord(".visible"))
      Link = Linkage::Visible;
    else if (Lex.acceptWord(".weak"))
      Link = Linkage::Weak;
    else if (Lex.acceptWord(".common"))
      Link = Linkage::Common;
    else
      return Link;
  }
}

/// A directive that each module has once: false without an error, and nothing
/// taken, if the text does not go on with one.
bool Parser::parseHeader() {
  if (Lex.acceptWord(".version"))
    return parseVersion();
  if (Lex.acceptWord(".target"))
    return parseTarget();
  uint64_t Bits;
  if (!Lex.acceptWord(".address_size") || !parseUnsigned(Bits))
    return false;
  return Bits == 64 ||
         error("expected address size 64, got " + std::to_string(Bits));
}

bool Parser::parseTopLevel() {
  Lex.skip();
  size_t Begin = Lex.position();
  if (parseHeader()) {
    M.Headers.push_back(Lex.textBetween(Begin, Lex.position()));
    return true;
  }
  if (Lex.position() != Begin)
    return false;
  if (Lex.acceptWord(".file"))
    return parseFile();
  if (Lex.acceptWord(".section")) { // debug information
    Lex.dottedWord();
    if (!expect('{'))
      return false;
    return Lex.skipPast('}') || error("expected '}' after .section");
  }
  if (Lex.acceptWord(".pragma")) {
    std::string Ignored;
    return (Lex.quoted(Ignored) || error("expected a string")) && expect(';');
  }
  Linkage Link = parseLinkage();
  if (Lex.acceptWord(".entry"))
    return parseFunction(true, Link);
  if (Lex.acceptWord(".func"))
    return parseFunction(false, Link);
  if (Lex.acceptWord(".global"))
    return parseVariables(Space::Global, Link, M.Variables) && expect(';');
  if (Lex.acceptWord(".const"))
    return parseVariables(Space::Const, Link, M.Variables) && expect(';');
  if (Lex.acceptWord(".shared"))
    return parseVariables(Space::Shared, Link, M.Variables) && expect(';');
  std::string Word(Lex.dottedWord());
  if (Word.empty() && Lex.peek())
    Word = std::string(1, Lex.peek());
  return error("unknown directive '" + Word + "'");
}

bool Parser::parseVariables(Space Where, Linkage Link,
                            std::vector<Variable> &Out) {
  Variable V;
  V.Where = Where;
  V.Link = Link;
  V.Element = Type::None;
  uint64_t Number;
  bool Aligned = false;
  for (;;) {
    if (Lex.acceptWord(".align")) {
      if (!parseUnsigned(Number))
        return false;
      if (!Number || (Number & (Number - 1)) || Number > (1u << 20))
        return error("expected a power of two alignment, got " +
                     std::to_string(Number));
      V.Align = uint32_t(Number);
      Aligned = true;
    } else if (Lex.acceptWord(".ptr") || Lex.acceptWord(".const") ||
               Lex.acceptWord(".global") || Lex.acceptWord(".local") ||
               Lex.acceptWord(".shared") || Lex.acceptWord(".attribute")) {
      if (Lex.accept('(') && !Lex.skipPast(')'))
        return error("expected ')'");
      // '.ptr .space .align n' describes the pointee, not the variable.
      if (Lex.acceptWord(".align") && !parseUnsigned(Number))
        return false;
    } else if (Lex.acceptWord(".v2")) {
      V.Vector = 2;
    } else if (Lex.acceptWord(".v4")) {
      V.Vector = 4;
    } else {
      std::string_view W = Lex.dottedWord();
      if (W.empty())
        return error("expected a type");
      if (W[0] != '.') { // the name; lexed one word too far
        if (V.Element == Type::None)
          return error("expected a type before '" + std::string(W) + "'");
        V.Name = W;
        break;
      }
      V.Element = typeFromName(W.substr(1));
      if (V.Element == Type::None)
        return error("unknown type '" + std::string(W) + "'");
    }
  }
  if (!Aligned)
    V.Align = std::max(1u, bitWidth(V.Element) / 8 * V.Vector);
  for (;;) {
    if (!parseDeclarator(V, Out))
      return false;
    // A comma continues the list, except between parameters.
    if (Where == Space::Param || !Lex.accept(','))
      return true;
    V.Name = Lex.identifier();
    if (V.Name.empty())
      return error("expected a variable name");
  }
}

bool Parser::parseDeclarator(Variable V, std::vector<Variable> &Out) {
  V.Line = Lex.line();
  uint64_t Element = std::max(1u, bitWidth(V.Element) / 8) * V.Vector;
  V.Size = Element;
  if (Lex.accept('<')) {
    return error("parameterised variable names are not supported");
  }
  while (Lex.accept('[')) {
    uint64_t Count = 0;
    if (Lex.accept(']')) {
      V.Unsized = true;
      V.Size = 0;
      continue;
    }
    if (!parseUnsigned(Count) || !expect(']'))
      return false;
    constexpr uint64_t Largest = uint64_t(1) << 36;
    if (Count && V.Size > Largest / Count)
      return error("variable '" + std::string(V.Name) + "' is too large");
    V.Size *= Count;
  }
  if (Lex.accept('=') && !parseInitializer(V))
    return false;
  Out.push_back(std::move(V));
  return true;
}

bool Parser::parseInitializer(Variable &V) {
  if (!Lex.accept('{'))
    return parseInitElement(V);
  unsigned Nested = 1;
  while (Nested) {
    if (Lex.accept('}'))
      --Nested;
    else if (Lex.accept('{'))
      ++Nested;
    else if (!Lex.accept(',') && !parseInitElement(V))
      return false;
    if (!Lex.peek())
      return error("expected '}' in the initial value");
  }
  if (V.Unsized) {
    V.Size = V.Init.size();
    V.Unsized = false;
  }
  if (V.Init.size() > V.Size)
    return error("initial value of '" + std::string(V.Name) + "' has " +
                 std::to_string(V.Init.size()) + " bytes, expected at most " +
                 std::to_string(V.Size));
  return true;
}

bool Parser::parseInitElement(Variable &V) {
  unsigned Bytes = std::max(1u, bitWidth(V.Element) / 8);
  Operand O;
  uint64_t Bits = 0;
  if (Lex.literal(O) && O.IsFloat) {
    Bits = O.Imm;
    if (!O.Negated && Bytes == 4) {
      double D;
      std::memcpy(&D, &O.Imm, 8);
      float F = float(D);
      uint32_t B;
      std::memcpy(&B, &F, 4);
      Bits = B;
    }
  } else if (startsConstant()) {
    Depth = 0;
    if (!parseConstant(Bits))
      return false;
    if (Lex.accept('('))
      return parseByteOf(V, Bits);
  } else {
    Relocation R;
    R.Offset = V.Init.size();
    R.Bytes = uint8_t(std::min(8u, Bytes));
    if (!parseAddress(R, "an initial value"))
      return false;
    V.Relocations.push_back(R);
  }
  for (unsigned K = 0; K < Bytes; ++K)
    V.Init.push_back(uint8_t(K < 8 ? Bits >> (8 * K) : 0));
  return true;
}

/// The address of `symbol`, `symbol + constant` or `generic(symbol)`. Expected:
/// what a diagnostic calls it.
bool Parser::parseAddress(Relocation &R, const char *Expected) {
  R.Generic = Lex.acceptWord("generic");
  bool Paren = R.Generic && Lex.accept('(');
  R.Symbol = Lex.identifier();
  if (R.Symbol.empty())
    return error(std::string("expected ") + Expected);
  if (Paren && !expect(')'))
    return false;
  uint64_t Addend = 0;
  if (Lex.accept('+') && !parseConstant(Addend))
    return false;
  R.Addend = int64_t(Addend);
  return true;
}

/// A byte of an address, as in '0xff00(symbol)'.
bool Parser::parseByteOf(Variable &V, uint64_t Mask) {
  Relocation R;
  R.Offset = V.Init.size();
  R.Bytes = 1;
  while (R.Shift < 64 && Mask != uint64_t(0xff) << R.Shift)
    R.Shift = uint8_t(R.Shift + 8);
  if (R.Shift == 64 || bitWidth(V.Element) != 8)
    return error("expected the mask of one byte and an element of 8 bits");
  if (!parseAddress(R, "the name of a variable"))
    return false;
  V.Relocations.push_back(R);
  V.Init.push_back(0);
  return expect(')');
}

bool Parser::parseDim3(Dim3 &Out) {
  uint64_t V[3] = {1, 1, 1};
  for (int K = 0; K < 3; ++K) {
    if (!parseUnsigned(V[K]))
      return false;
    if (!V[K] || V[K] > 0x7fffffff)
      return error("expected a positive extent, got " + std::to_string(V[K]));
    if (!Lex.accept(','))
      break;
  }
  if (V[0] * V[1] > INT32_MAX || V[0] * V[1] * V[2] > INT32_MAX)
    return error("the product of the extents is too large");
  Out = {uint32_t(V[0]), uint32_t(V[1]), uint32_t(V[2])};
  return true;
}

bool Parser::parseParamList(std::vector<Variable> &Out) {
  if (!expect('('))
    return false;
  if (Lex.accept(')'))
    return true;
  do {
    bool IsReg = Lex.acceptWord(".reg");
    if (!IsReg && !Lex.acceptWord(".param"))
      return error("expected .param or .reg");
    if (!parseVariables(Space::Param, Linkage::Local, Out))
      return false;
    Out.back().IsReg = IsReg;
  } while (Lex.accept(','));
  return expect(')');
}

bool Parser::parseFunctionDirectives(Function &F) {
  uint64_t N;
  for (;;) {
    if (Lex.acceptWord(".maxntid")) {
      if (!parseDim3(F.MaxNtid))
        return false;
    } else if (Lex.acceptWord(".reqntid")) {
      if (!parseDim3(F.ReqNtid))
        return false;
    } else if (Lex.acceptWord(".reqnctapercluster")) {
      if (!parseDim3(F.ReqCluster))
        return false;
    } else if (Lex.acceptWord(".explicitcluster")) {
      F.ExplicitCluster = true;
    } else if (Lex.acceptWord(".minnctapersm")) {
      if (!parseCount(F.MinCtas))
        return false;
    } else if (Lex.acceptWord(".maxnreg")) {
      if (!parseCount(F.MaxNreg))
        return false;
    } else if (Lex.acceptWord(".maxclusterrank")) {
      if (!parseUnsigned(N))
        return false;
    } else if (Lex.acceptWord(".pragma")) {
      std::string Ignored;
      if (!Lex.quoted(Ignored) || !expect(';'))
        return error("expected a pragma string");
    } else if (!Lex.acceptWord(".noreturn")) {
      return true;
    }
  }
}

bool Parser::parseFunction(bool IsEntry, Linkage Link) {
  auto F = std::make_unique<Function>();
  F->IsEntry = IsEntry;
  F->Link = Link;
  F->Line = Lex.line();
  if (!IsEntry && Lex.peek() == '(' && !parseParamList(F->Returns))
    return false;
  F->Name = Lex.identifier();
  if (F->Name.empty())
    return error("expected a function name");
  if (Lex.peek() == '(' && !parseParamList(F->Params))
    return false;
  for (const Variable &P : F->Params)
    if (IsEntry && P.IsReg)
      return error("expected .param for the parameters of a kernel");
  if (!parseFunctionDirectives(*F))
    return false;
  if (Lex.peek() == '{') {
    if (Link == Linkage::Extern)
      return error("expected no body for an .extern function");
    if (const Function *Old = M.findFunction(F->Name); Old && Old->HasBody)
      return error("function '" + std::string(F->Name) + "' is defined twice");
    F->HasBody = true;
    if (!parseBody(*F))
      return false;
  } else if (!expect(';')) {
    return false;
  }
  M.addFunction(std::move(F));
  return true;
}
