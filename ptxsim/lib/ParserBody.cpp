// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// PTX parser, function bodies: scopes, registers, labels, instructions.
#include "Parser.h"

using namespace ptxsim;

static constexpr unsigned MaxDepth = 16;
static constexpr uint32_t MaxRegisters = 1u << 20;

std::string Parser::labelKey(uint32_t Scope, std::string_view Name) {
  return std::to_string(Scope) + ":" + std::string(Name);
}

bool Parser::parseBody(Function &F) {
  Scopes.clear();
  InstructionScope.clear();
  LocFile = LocLine = 0;
  Scopes.push_back({NoReg, {}, {}, {}});
  CurrentScope = 0;
  if (!expect('{'))
    return false;
  for (;;) {
    if (!Lex.skip())
      return error("expected '}' at the end of function '" +
                   std::string(F.Name) + "'");
    if (Lex.accept('{')) {
      Scopes.push_back({CurrentScope, {}, {}, {}});
      CurrentScope = uint32_t(Scopes.size() - 1);
    } else if (Lex.accept('}')) {
      CurrentScope = Scopes[CurrentScope].Parent;
      if (CurrentScope == NoReg)
        return resolveLabels(F);
    } else if (!parseStatement(F)) {
      return false;
    }
  }
}

bool Parser::parseStatement(Function &F) {
  if (Lex.accept(';'))
    return true;
  uint32_t Pred = NoReg;
  bool Negated = false;
  Lex.skip();
  size_t Begin = Lex.position();
  if (Lex.accept('@')) {
    Negated = Lex.accept('!');
    std::string_view Name = Lex.identifier();
    if (!findRegister(Name, Pred))
      return error("unknown register '" + std::string(Name) + "'");
    if (F.Registers[Pred].Ty != Type::Pred)
      return error("expected a predicate after '@', got '" + std::string(Name) +
                   "'");
  }
  if (Pred == NoReg && Lex.peek() == '.')
    return parseBodyDirective(F);
  std::string_view Word = Lex.dottedWord();
  if (Word.empty())
    return error(std::string("unexpected character '") + Lex.peek() + "'");
  if (Pred == NoReg && Lex.peek() == ':')
    return Lex.accept(':') && parseLabel(F, Word);
  return parseInstruction(F, Begin, Word, Pred, Negated);
}

/// Words may follow each other without a blank, as in '.reg.b32 x'.
bool Parser::parseBodyDirective(Function &F) {
  if (Lex.acceptWord(".reg"))
    return parseRegisters(F);
  if (Lex.acceptWord(".shared"))
    return parseLocalVariables(F, Space::Shared);
  if (Lex.acceptWord(".local"))
    return parseLocalVariables(F, Space::Local);
  if (Lex.acceptWord(".param"))
    return parseLocalVariables(F, Space::Param);
  if (Lex.acceptWord(".loc"))
    return parseLoc();
  if (Lex.acceptWord(".pragma")) {
    std::string Ignored;
    return (Lex.quoted(Ignored) || error("expected a string")) && expect(';');
  }
  return error("unknown directive '" + std::string(Lex.dottedWord()) + "'");
}

bool Parser::parseLoc() {
  uint64_t File, Line, Column;
  if (!parseUnsigned(File) || !parseUnsigned(Line) || !parseUnsigned(Column))
    return false;
  LocFile = uint32_t(File);
  LocLine = uint32_t(Line);
  if (!Lex.accept(','))
    return true;
  if (!Lex.acceptWord("function_name"))
    return error("expected function_name");
  Lex.identifier();
  if (Lex.accept('+') && !parseUnsigned(Column))
    return false;
  if (!expect(',') || !Lex.acceptWord("inlined_at"))
    return error("expected inlined_at");
  return parseUnsigned(File) && parseUnsigned(Line) && parseUnsigned(Column);
}

bool Parser::parseRegisters(Function &F) {
  std::string_view TypeWord = Lex.dottedWord();
  Type Ty = TypeWord.empty() ? Type::None : typeFromName(TypeWord.substr(1));
  if (Ty == Type::None)
    return error("unknown register type '" + std::string(TypeWord) + "'");
  Scope &S = Scopes[CurrentScope];
  do {
    std::string_view Name = Lex.identifier();
    if (Name.empty())
      return error("expected a register name");
    uint64_t Count = 0;
    if (Lex.accept('<')) {
      if (!parseUnsigned(Count) || !expect('>'))
        return false;
    }
    if (Count > MaxRegisters - F.Registers.size())
      return error("too many registers");
    if (S.Registers.count(Name))
      return error("register '" + std::string(Name) + "' is declared twice");
    S.Registers[Name] = uint32_t(F.Registers.size());
    S.RangeSize[Name] = uint32_t(Count);
    if (!Count)
      F.Registers.push_back({Name, NoReg, Ty});
    for (uint32_t K = 0; K < Count; ++K)
      F.Registers.push_back({Name, K, Ty});
  } while (Lex.accept(','));
  return expect(';');
}

bool Parser::findRegister(std::string_view Name, uint32_t &Reg) const {
  size_t Digits = Name.size();
  while (Digits && Name[Digits - 1] >= '0' && Name[Digits - 1] <= '9')
    --Digits;
  uint32_t Number = 0;
  bool Numbered = Digits < Name.size() && Name.size() - Digits < 8;
  for (size_t K = Digits; Numbered && K < Name.size(); ++K)
    Number = Number * 10 + uint32_t(Name[K] - '0');
  for (uint32_t S = CurrentScope; S != NoReg; S = Scopes[S].Parent) {
    const Scope &Sc = Scopes[S];
    if (auto It = Sc.Registers.find(Name);
        It != Sc.Registers.end() && !Sc.RangeSize.at(Name)) {
      Reg = It->second;
      return true;
    }
    if (!Numbered)
      continue;
    auto It = Sc.Registers.find(Name.substr(0, Digits));
    if (It != Sc.Registers.end() && Number < Sc.RangeSize.at(It->first)) {
      Reg = It->second + Number;
      return true;
    }
  }
  return false;
}

bool Parser::parseLocalVariables(Function &F, Space Where) {
  size_t First = F.Locals.size();
  std::vector<Variable> Vars;
  if (!parseVariables(Where, false, Vars))
    return false;
  while (Where == Space::Param && Lex.accept(',')) {
    Variable V = Vars.back();
    V.Name = Lex.identifier();
    if (!parseDeclarator(V, Vars))
      return false;
  }
  for (Variable &V : Vars) {
    Scopes[CurrentScope].Locals[V.Name] = uint32_t(First++);
    F.Locals.push_back(std::move(V));
  }
  return expect(';');
}

bool Parser::parseLabel(Function &F, std::string_view Name) {
  if (Lex.acceptWord(".branchtargets")) {
    std::vector<std::string> &Targets = F.BranchTables[std::string(Name)];
    do {
      Targets.emplace_back(Lex.identifier());
    } while (Lex.accept(','));
    return expect(';');
  }
  if (Lex.acceptWord(".callprototype")) {
    Prototype &P = F.Prototypes[std::string(Name)];
    P = Prototype();
    if (Lex.peek() == '(' && !parseParamList(P.Returns))
      return false;
    Lex.identifier(); // '_'
    if (Lex.peek() == '(' && !parseParamList(P.Params))
      return false;
    Lex.acceptWord(".noreturn");
    return expect(';');
  }
  if (Lex.acceptWord(".calltargets"))
    return error("lists of call targets are not supported");
  auto [It, New] =
      F.Labels.emplace(labelKey(CurrentScope, Name), uint32_t(F.Code.size()));
  return New || error("label '" + std::string(Name) + "' is defined twice");
}

bool Parser::parseInstruction(Function &F, size_t Begin,
                              std::string_view Opcode, uint32_t Pred,
                              bool PredNegated) {
  Instruction I;
  I.Line = Lex.line();
  I.SourceFile = LocFile;
  I.SourceLine = LocLine;
  I.Opcode = Opcode;
  I.Pred = Pred;
  I.PredNegated = PredNegated;
  Depth = 0;
  if (Lex.peek() != ';') {
    do {
      Operand O;
      if (!parseOperand(F, O))
        return false;
      I.Operands.push_back(std::move(O));
    } while (Lex.accept(','));
  }
  if (!expect(';'))
    return false;
  I.Text = Lex.textBetween(Begin, Lex.position());
  F.Code.push_back(std::move(I));
  InstructionScope.push_back(CurrentScope);
  return true;
}

bool Parser::parseOperandList(Function &F, char Close,
                              std::vector<Operand> &Out) {
  if (Lex.accept(Close))
    return true;
  do {
    Out.emplace_back();
    Operand O;
    if (!parseOperand(F, O))
      return false;
    Out.back() = std::move(O);
  } while (Lex.accept(','));
  return expect(Close);
}

bool Parser::parseOperand(Function &F, Operand &Out) {
  if (++Depth > MaxDepth)
    return error("operands are nested too deeply");
  if (!parsePrimary(F, Out))
    return false;
  if (Lex.accept('|')) {
    Operand Pair;
    Pair.Kind = OperandKind::Pair;
    Pair.Parts.resize(2);
    Pair.Parts[0] = std::move(Out);
    if (!parsePrimary(F, Pair.Parts[1]))
      return false;
    Out = std::move(Pair);
  }
  --Depth;
  return true;
}

bool Parser::parseSigned(Operand &Out) {
  bool Minus = Lex.accept('-');
  if (!Minus)
    Lex.accept('+');
  if (!Lex.number(Out))
    return error("expected a number");
  if (Minus && Out.IsFloat)
    Out.Imm ^= Out.Negated ? uint64_t(1) << 31 : uint64_t(1) << 63;
  else if (Minus)
    Out.Imm = 0 - Out.Imm;
  return true;
}

bool Parser::parsePrimary(Function &F, Operand &Out) {
  char C = Lex.peek();
  if (Lex.accept('{')) {
    Out.Kind = OperandKind::Vector;
    return parseOperandList(F, '}', Out.Parts);
  }
  if (Lex.accept('(')) {
    Out.Kind = OperandKind::List;
    return parseOperandList(F, ')', Out.Parts);
  }
  if (Lex.accept('['))
    return parseAddress(F, Out);
  if (Lex.accept('!')) {
    if (!resolveName(Lex.identifier(), Out))
      return false;
    Out.Negated = true;
    return Out.Kind == OperandKind::Register ||
           error("expected a predicate after '!'");
  }
  if (C == '-' || (C >= '0' && C <= '9'))
    return parseSigned(Out);
  std::string_view Name = Lex.identifier();
  if (Name.empty())
    return error(C ? std::string("unexpected character '") + C + "'"
                   : "unexpected end of text");
  if (Name == "_") {
    Out.Kind = OperandKind::Sink;
    return true;
  }
  if (Name == "WARP_SZ") {
    Out.Kind = OperandKind::Immediate;
    Out.Imm = 32;
    return true;
  }
  if (!resolveName(Name, Out))
    return false;
  if (Out.Kind == OperandKind::Symbol && Lex.accept('+')) {
    uint64_t Offset;
    if (!parseUnsigned(Offset))
      return false;
    Out.Imm = Offset;
  }
  return true;
}

bool Parser::resolveName(std::string_view Name, Operand &Out) {
  if (findRegister(Name, Out.Reg)) {
    Out.Kind = OperandKind::Register;
    return true;
  }
  Out.Reg = NoReg;
  if (Name.empty())
    return error("expected an operand");
  Out.Name = Name;
  if (Name[0] == '%') {
    size_t Dot = Lex.position();
    if (Lex.accept('.')) {
      std::string_view Part = Lex.identifier();
      if (Part != "x" && Part != "y" && Part != "z")
        return error("unknown component '." + std::string(Part) + "'");
      Out.Name = Lex.textBetween(Dot - Name.size(), Lex.position());
    }
    Out.Kind = OperandKind::Special;
    return true;
  }
  Out.Kind = OperandKind::Symbol;
  for (uint32_t S = CurrentScope; S != NoReg; S = Scopes[S].Parent) {
    auto It = Scopes[S].Locals.find(Name);
    if (It != Scopes[S].Locals.end()) {
      Out.Reg = It->second;
      break;
    }
  }
  return true;
}

bool Parser::parseAddress(Function &F, Operand &Out) {
  Out.Kind = OperandKind::Address;
  Out.Parts.resize(1);
  Operand Base;
  char C = Lex.peek();
  if (C >= '0' && C <= '9') {
    if (!parseSigned(Base))
      return false;
  } else if (!resolveName(Lex.identifier(), Base)) {
    return false;
  }
  while (Lex.peek() == '+' || Lex.peek() == '-') {
    Operand Offset;
    bool Minus = Lex.accept('-');
    if (!Minus)
      Lex.accept('+');
    if (!parseSigned(Offset))
      return false;
    if (Offset.IsFloat)
      return error("expected an integer offset");
    Out.Imm += Minus ? 0 - Offset.Imm : Offset.Imm;
  }
  Out.Parts[0] = std::move(Base);
  while (Lex.accept(',')) {
    Operand Extra;
    if (!parseOperand(F, Extra))
      return false;
    Out.Parts.push_back(std::move(Extra));
  }
  return expect(']');
}

const uint32_t *Parser::findLabel(Function &F, uint32_t S,
                                  std::string_view Name) const {
  for (; S != NoReg; S = Scopes[S].Parent) {
    auto It = F.Labels.find(labelKey(S, Name));
    if (It != F.Labels.end())
      return &It->second;
  }
  return nullptr;
}

bool Parser::resolveLabels(Function &F) {
  for (auto &[Name, Labels] : F.BranchTables)
    for (const std::string &Label : Labels) {
      const uint32_t *At = nullptr;
      for (uint32_t S = 0; S < Scopes.size() && !At; ++S)
        At = findLabel(F, S, Label);
      if (!At)
        return error("unknown label '" + Label + "'");
      F.BranchTargets[Name].push_back(*At);
    }
  if (F.Labels.empty())
    return true;
  for (size_t K = 0; K < F.Code.size(); ++K)
    for (Operand &O : F.Code[K].Operands) {
      if (O.Kind != OperandKind::Symbol || O.Reg != NoReg)
        continue;
      if (const uint32_t *At = findLabel(F, InstructionScope[K], O.Name)) {
        O.Kind = OperandKind::Label;
        O.Imm = *At;
      }
    }
  return true;
}
