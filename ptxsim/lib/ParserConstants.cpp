// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constant expressions of integers (PTX ISA, "Constant Expressions"): operators
// and precedence of C, values of .s64 and .u64.
#include "Parser.h"

using namespace ptxsim;

static constexpr unsigned MaxDepth = 64;

/// An expression begins here; a name or a floating point literal does not.
bool Parser::startsConstant() {
  Lexer Ahead = Lex;
  while (Ahead.accept('-') || Ahead.accept('+') || Ahead.accept('!') ||
         Ahead.accept('~'))
    ;
  char C = Ahead.peek();
  if (C == '(')
    return !InCall;
  Operand O;
  return Ahead.acceptWord("WARP_SZ") || (Ahead.number(O) && !O.IsFloat);
}

bool Parser::parseConstant(uint64_t &Out) {
  Constant C;
  if (!parseTernary(C))
    return false;
  Out = C.Bits;
  return true;
}

bool Parser::parseTernary(Constant &Out) {
  if (++Depth > MaxDepth)
    return error("expressions are nested too deeply");
  Constant First, Second;
  if (!parseBinary(0, Out))
    return false;
  if (Lex.accept('?')) {
    if (!parseTernary(First) || !expect(':') || !parseTernary(Second))
      return false;
    bool Unsigned = First.Unsigned || Second.Unsigned;
    Out = Out.Bits ? First : Second;
    Out.Unsigned = Unsigned;
  }
  --Depth;
  return true;
}

namespace {
enum class Operator : uint8_t {
  OrElse,
  AndAlso,
  Or,
  Xor,
  And,
  Eq,
  Ne,
  Le,
  Ge,
  Lt,
  Gt,
  Shl,
  Shr,
  Add,
  Sub,
  Mul,
  Div,
  Rem,
};
struct OperatorName {
  Operator O;
  unsigned Level; // of precedence
  const char *Text;
};
} // namespace

/// Longer words first.
static constexpr OperatorName Operators[] = {
    {Operator::OrElse, 0, "||"}, {Operator::AndAlso, 1, "&&"},
    {Operator::Eq, 5, "=="},     {Operator::Ne, 5, "!="},
    {Operator::Le, 6, "<="},     {Operator::Ge, 6, ">="},
    {Operator::Shl, 7, "<<"},    {Operator::Shr, 7, ">>"},
    {Operator::Or, 2, "|"},      {Operator::Xor, 3, "^"},
    {Operator::And, 4, "&"},     {Operator::Lt, 6, "<"},
    {Operator::Gt, 6, ">"},      {Operator::Add, 8, "+"},
    {Operator::Sub, 8, "-"},     {Operator::Mul, 9, "*"},
    {Operator::Div, 9, "/"},     {Operator::Rem, 9, "%"},
};
static constexpr unsigned Levels = 10;

static bool compare(Operator O, uint64_t A, uint64_t B, bool Unsigned) {
  bool Less = Unsigned ? A < B : int64_t(A) < int64_t(B);
  switch (O) {
  case Operator::Eq: return A == B;
  case Operator::Ne: return A != B;
  case Operator::Lt: return Less;
  case Operator::Ge: return !Less;
  case Operator::Le: return Less || A == B;
  case Operator::Gt: return !Less && A != B;
  case Operator::AndAlso: return A && B;
  default: return A || B;
  }
}

/// A quotient or remainder by B, which is not 0.
static uint64_t divide(Operator O, uint64_t A, uint64_t B, bool Unsigned) {
  if (O == Operator::Rem) // of unsigned values
    return A % B;
  if (Unsigned)
    return A / B;
  return B == ~uint64_t(0) ? 0 - A : uint64_t(int64_t(A) / int64_t(B));
}

static uint64_t shift(Operator O, uint64_t A, uint64_t By, bool Unsigned) {
  bool Negative = !Unsigned && int64_t(A) < 0;
  if (By > 63)
    return O == Operator::Shr && Negative ? ~uint64_t(0) : 0;
  if (O == Operator::Shl)
    return A << By;
  return Unsigned ? A >> By : uint64_t(int64_t(A) >> By);
}

bool Parser::parseBinary(unsigned Level, Constant &Out) {
  if (Level == Levels)
    return parseUnary(Out);
  if (!parseBinary(Level + 1, Out))
    return false;
  for (;;) {
    // Most constants stand alone.
    if (std::string_view("|&=!<>^+-*/%").find(Lex.peek()) ==
        std::string_view::npos)
      return true;
    const OperatorName *Found = nullptr;
    for (const OperatorName &N : Operators)
      if (!Found && Lex.startsWith(N.Text))
        Found = &N;
    if (!Found || Found->Level != Level)
      return true;
    Lex.startsWith(Found->Text, true);
    Constant B;
    if (!parseBinary(Level + 1, B))
      return false;
    uint64_t X = Out.Bits, Y = B.Bits;
    bool Unsigned = Out.Unsigned || B.Unsigned;
    switch (Found->O) {
    case Operator::Add: Out = {X + Y, Unsigned}; break;
    case Operator::Sub: Out = {X - Y, Unsigned}; break;
    case Operator::Mul: Out = {X * Y, Unsigned}; break;
    case Operator::And: Out = {X & Y, true}; break;
    case Operator::Or: Out = {X | Y, true}; break;
    case Operator::Xor: Out = {X ^ Y, true}; break;
    case Operator::Shl:
    case Operator::Shr: Out.Bits = shift(Found->O, X, Y, Out.Unsigned); break;
    case Operator::Div:
    case Operator::Rem:
      if (!Y)
        return error("division by zero in a constant expression");
      Out = {divide(Found->O, X, Y, Unsigned),
             Unsigned && Found->O == Operator::Div};
      break;
    default: Out = {compare(Found->O, X, Y, Unsigned), false}; break;
    }
  }
}

bool Parser::parseUnary(Constant &Out) {
  char C = Lex.peek();
  if (C != '-' && C != '+' && C != '!' && C != '~')
    return parsePrimaryConstant(Out);
  if (++Depth > MaxDepth)
    return error("expressions are nested too deeply");
  Lex.accept(C);
  if (!parseUnary(Out))
    return false;
  --Depth;
  if (C == '-')
    Out.Bits = 0 - Out.Bits;
  else if (C == '!')
    Out = {!Out.Bits, false};
  else if (C == '~')
    Out = {~Out.Bits, true};
  return true;
}

/// A literal, an expression in parentheses, or a cast.
bool Parser::parsePrimaryConstant(Constant &Out) {
  if (Lex.accept('(')) {
    bool Signed = Lex.acceptWord(".s64"), Unsigned = Lex.acceptWord(".u64");
    if (!Signed && !Unsigned)
      return parseTernary(Out) && expect(')');
    if (++Depth > MaxDepth)
      return error("expressions are nested too deeply");
    if (!expect(')') || !parseUnary(Out))
      return false;
    --Depth;
    Out.Unsigned = Unsigned;
    return true;
  }
  if (Lex.acceptWord("WARP_SZ")) {
    Out = {32, false};
    return true;
  }
  Operand O;
  if (!Lex.number(O) || O.IsFloat)
    return error("expected an integer constant");
  // Negated marks a literal with the suffix U.
  Out = {O.Imm, O.Negated || O.Imm >> 63};
  return true;
}
