// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// PTX parser, function bodies: scopes, registers, labels, instructions.
#include "Parser.h"
#include <algorithm>

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
  Scopes.push_back({NoReg, {}, {}});
  CurrentScope = 0;
  if (!expect('{') || !declareFormals(F, F.Returns) ||
      !declareFormals(F, F.Params))
    return false;
  for (;;) {
    if (!Lex.skip())
      return error("expected '}' at the end of function '" +
                   std::string(F.Name) + "'");
    if (Lex.accept('{')) {
      Scopes.push_back({CurrentScope, {}, {}});
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
  if (!parseFileNumber(File) || !parseUnsigned(Line) || !parseUnsigned(Column))
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
  return parseFileNumber(File) && parseUnsigned(Line) && parseUnsigned(Column);
}

/// Names of one type: Count registers each (0: one without a number), each of
/// Parts registers in a row.
bool Parser::declareRegisters(Function &F, std::string_view Name,
                              uint64_t Count, Type Ty, uint8_t Parts) {
  if (Count > (MaxRegisters - F.Registers.size()) / Parts)
    return error("too many registers");
  bool Quad = Ty == Type::B128;
  RegisterRange Range{uint32_t(F.Registers.size()), uint32_t(Count), Parts};
  if (!Scopes[CurrentScope].Registers.emplace(Name, Range).second)
    return error("register '" + std::string(Name) + "' is declared twice");
  for (uint32_t K = 0; K < std::max<uint32_t>(Range.Count, 1); ++K)
    for (unsigned P = 0; P < Parts; ++P)
      F.Registers.push_back({Name, Count ? K : NoReg, Quad ? Type::B64 : Ty,
                             uint8_t(P ? 1 : Parts), Quad});
  return true;
}

/// Parameters that are registers.
bool Parser::declareFormals(Function &F, std::vector<Variable> &Formals) {
  for (Variable &V : Formals) {
    if (!V.IsReg)
      continue;
    if (V.Element == Type::B128)
      return error("expected a register parameter of at most 64 bits");
    V.Reg = uint32_t(F.Registers.size());
    if (!declareRegisters(F, V.Name, 0, V.Element, 1))
      return false;
  }
  return true;
}

bool Parser::parseRegisters(Function &F) {
  uint8_t Parts = Lex.acceptWord(".v2") ? 2 : Lex.acceptWord(".v4") ? 4 : 1;
  std::string_view TypeWord = Lex.dottedWord();
  Type Ty = TypeWord.empty() ? Type::None : typeFromName(TypeWord.substr(1));
  unsigned Bits = bitWidth(Ty);
  if (Ty == Type::None || Bits == 4 || Ty == Type::B1 || Bits * Parts > 128)
    return error("unknown register type '" + std::string(TypeWord) + "'");
  if (Bits == 128)
    Parts = 2;
  do {
    std::string_view Name = Lex.identifier();
    if (Name.empty())
      return error("expected a register name");
    Operand Count;
    bool IsRange = Lex.accept('<');
    if (IsRange && (!Lex.number(Count) || Count.IsFloat))
      return error("expected the number of registers");
    if ((IsRange && !expect('>')) ||
        !declareRegisters(F, Name, Count.Imm, Ty, Parts))
      return false;
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
        It != Sc.Registers.end() && !It->second.Count) {
      Reg = It->second.First;
      return true;
    }
    if (!Numbered)
      continue;
    auto It = Sc.Registers.find(Name.substr(0, Digits));
    if (It != Sc.Registers.end() && Number < It->second.Count) {
      Reg = It->second.First + Number * It->second.Parts;
      return true;
    }
  }
  return false;
}

bool Parser::parseLocalVariables(Function &F, Space Where) {
  size_t First = F.Locals.size();
  std::vector<Variable> Vars;
  if (!parseVariables(Where, Linkage::Local, Vars))
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
  InCall = Opcode.starts_with("call");
  InVideo = Opcode[0] == 'v' && !Opcode.starts_with("vote");
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

/// A floating point literal, a constant expression, or a negated register.
bool Parser::parseNumber(Function &F, Operand &Out) {
  if (Lex.literal(Out) && Out.IsFloat)
    return true;
  if (startsConstant()) {
    Out = Operand();
    Out.Kind = OperandKind::Immediate;
    return parseConstant(Out.Imm);
  }
  char Sign = Lex.peek();
  Lex.accept(Sign);
  if (!resolveName(F, Lex.identifier(), Out))
    return false;
  Out.Negated = true;
  bool IsPred = Out.Kind == OperandKind::Register &&
                F.Registers[Out.Reg].Ty == Type::Pred;
  return (Out.Kind == OperandKind::Register && IsPred == (Sign == '!')) ||
         error(Sign == '!' ? "expected a predicate after '!'"
                           : "expected a number or a register after '-'");
}

bool Parser::parsePrimary(Function &F, Operand &Out) {
  char C = Lex.peek();
  if (Lex.accept('{')) {
    Out.Kind = OperandKind::Vector;
    return parseOperandList(F, '}', Out.Parts);
  }
  if (InCall && Lex.accept('(')) {
    Out.Kind = OperandKind::List;
    return parseOperandList(F, ')', Out.Parts);
  }
  if (Lex.accept('['))
    return parseAddress(F, Out);
  if (C == '!' || C == '-' || (C >= '0' && C <= '9') || startsConstant())
    return parseNumber(F, Out);
  std::string_view Name = Lex.identifier();
  if (Name.empty())
    return error(C ? std::string("unexpected character '") + C + "'"
                   : "unexpected end of text");
  if (Name == "_") {
    Out.Kind = OperandKind::Sink;
    return true;
  }
  if (!resolveName(F, Name, Out))
    return false;
  if (Out.Kind == OperandKind::Symbol && Lex.accept('+')) {
    if (!parseConstant(Out.Imm))
      return false;
  }
  return true;
}

/// A register, the registers of a vector, one of them, or parts of a register.
bool Parser::resolveRegister(Function &F, uint32_t Reg, Operand &Out) {
  Out.Kind = OperandKind::Register;
  Out.Reg = Reg;
  const Register &R = F.Registers[Reg];
  std::string_view Part;
  if (!R.Quad && Lex.accept('.'))
    Part = Lex.identifier();
  if (R.Parts == 1) {
    Out.Selector = Part;
    return Part.empty() || InVideo ||
           error("unexpected '." + std::string(Part) + "' after a register");
  }
  if (Part.empty()) {
    Out.Kind = OperandKind::Vector;
    Out.Quad = R.Quad;
    Out.Parts.resize(R.Parts);
    for (unsigned K = 0; K < R.Parts; ++K) {
      Out.Parts[K].Kind = OperandKind::Register;
      Out.Parts[K].Reg = Reg + K;
    }
    return true;
  }
  constexpr std::string_view Axes = "xyzw", Colours = "rgba";
  size_t At = Part.size() != 1
                  ? Axes.npos
                  : std::min(Axes.find(Part[0]), Colours.find(Part[0]));
  if (At >= R.Parts)
    return error("unknown component '." + std::string(Part) + "'");
  Out.Reg = Reg + uint32_t(At);
  return true;
}

bool Parser::resolveName(Function &F, std::string_view Name, Operand &Out) {
  uint32_t Reg;
  if (findRegister(Name, Reg))
    return resolveRegister(F, Reg, Out);
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
  if (startsConstant()) {
    Base.Kind = OperandKind::Immediate;
    if (!parseConstant(Base.Imm))
      return false;
  } else if (!resolveName(F, Lex.identifier(), Base)) {
    return false;
  }
  // The signs of '+4-8' belong to one expression.
  if (Lex.peek() == '+' || Lex.peek() == '-') {
    Lex.accept('+');
    if (!startsConstant())
      return error("expected an integer offset");
    if (!parseConstant(Out.Imm))
      return false;
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
