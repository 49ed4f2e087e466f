// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// PTX scanner.
#include "Lexer.h"
#include <algorithm>
#include <cstdlib>
#include <cstring>

using namespace ptxsim;

static bool isWordStart(char C) {
  return (C >= 'a' && C <= 'z') || (C >= 'A' && C <= 'Z') || C == '_' ||
         C == '$' || C == '%';
}
static bool isDigit(char C) { return C >= '0' && C <= '9'; }
static bool isWordChar(char C) { return isWordStart(C) || isDigit(C); }

bool Lexer::skip() {
  while (Pos < Text.size()) {
    char C = Text[Pos];
    if (C == '\n') {
      ++Line;
      ++Pos;
    } else if (C == ' ' || C == '\t' || C == '\r' || C == '\0') {
      ++Pos;
    } else if (C == '/' && Pos + 1 < Text.size() && Text[Pos + 1] == '/') {
      while (Pos < Text.size() && Text[Pos] != '\n')
        ++Pos;
    } else if (C == '/' && Pos + 1 < Text.size() && Text[Pos + 1] == '*') {
      size_t End = Text.find("*/", Pos + 2);
      End = End == std::string_view::npos ? Text.size() : End + 2;
      for (; Pos < End; ++Pos)
        Line += Text[Pos] == '\n';
    } else if (C == '#') { // line markers of a preprocessor
      while (Pos < Text.size() && Text[Pos] != '\n')
        ++Pos;
    } else {
      return true;
    }
  }
  return false;
}

bool Lexer::accept(char C) {
  if (peek() != C)
    return false;
  ++Pos;
  return true;
}

bool Lexer::acceptWord(std::string_view W) {
  if (!skip() || Text.substr(Pos, W.size()) != W)
    return false;
  if (Pos + W.size() < Text.size() && isWordChar(Text[Pos + W.size()]))
    return false;
  Pos += W.size();
  return true;
}

std::string_view Lexer::identifier() {
  if (!skip() || !isWordStart(Text[Pos]))
    return {};
  size_t Begin = Pos++;
  while (Pos < Text.size() && isWordChar(Text[Pos]))
    ++Pos;
  return Text.substr(Begin, Pos - Begin);
}

std::string_view Lexer::dottedWord() {
  if (!skip() || !(isWordStart(Text[Pos]) || Text[Pos] == '.'))
    return {};
  size_t Begin = Pos++;
  while (Pos < Text.size()) {
    if (isWordChar(Text[Pos])) {
      ++Pos;
    } else if (Text[Pos] == '.' && Pos + 1 < Text.size() &&
               isWordChar(Text[Pos + 1])) {
      ++Pos;
    } else if (Text.substr(Pos, 2) == "::") {
      Pos += 2;
    } else {
      break;
    }
  }
  return Text.substr(Begin, Pos - Begin);
}

bool Lexer::hexFloat(Operand &Out) {
  bool Double = Text[Pos + 1] == 'd' || Text[Pos + 1] == 'D';
  size_t Digits = Double ? 16 : 8;
  if (Pos + 2 + Digits > Text.size())
    return false;
  uint64_t V = 0;
  for (size_t K = 0; K < Digits; ++K) {
    char C = Text[Pos + 2 + K];
    int D = isDigit(C)             ? C - '0'
            : C >= 'a' && C <= 'f' ? C - 'a' + 10
            : C >= 'A' && C <= 'F' ? C - 'A' + 10
                                   : -1;
    if (D < 0)
      return false;
    V = V << 4 | unsigned(D);
  }
  Pos += 2 + Digits;
  Out.IsFloat = true;
  if (Double) {
    Out.Imm = V;
    return true;
  }
  // Keep single precision bits exactly (NaN payloads too): mark by Negated.
  Out.Imm = V;
  Out.Negated = true;
  return true;
}

bool Lexer::number(Operand &Out) {
  if (!skip() || !isDigit(Text[Pos]))
    return false;
  Out = Operand();
  Out.Kind = OperandKind::Immediate;
  char Next = Pos + 1 < Text.size() ? Text[Pos + 1] : 0;
  if (Text[Pos] == '0' && std::strchr("fFdD", Next) && Next)
    return hexFloat(Out);
  char Buffer[64];
  size_t N = std::min(Text.size() - Pos, sizeof(Buffer) - 1);
  std::memcpy(Buffer, Text.data() + Pos, N);
  Buffer[N] = 0;
  char *End = nullptr;
  int Base = 10;
  const char *Digits = Buffer;
  if (Buffer[0] == '0' && (Next == 'x' || Next == 'X')) {
    Base = 16;
  } else if (Buffer[0] == '0' && (Next == 'b' || Next == 'B')) {
    Base = 2;
    Digits += 2;
  } else if (Buffer[0] == '0' && isDigit(Next)) {
    Base = 8;
  }
  Out.Imm = std::strtoull(Digits, &End, Base);
  if (End == Digits)
    return false;
  if (Base != 16 && (*End == '.' || *End == 'e' || *End == 'E')) {
    double V = std::strtod(Buffer, &End);
    std::memcpy(&Out.Imm, &V, 8);
    Out.IsFloat = true;
  } else if (*End == 'U') {
    Out.Negated = true;
    ++End;
  }
  Pos += size_t(End - Buffer);
  return true;
}

bool Lexer::literal(Operand &Out) {
  Lexer Ahead = *this;
  bool Minus = Ahead.accept('-');
  if (!Ahead.number(Out) || !Out.IsFloat)
    return false;
  if (Minus)
    Out.Imm ^= Out.Negated ? uint64_t(1) << 31 : uint64_t(1) << 63;
  *this = Ahead;
  return true;
}

bool Lexer::startsWith(std::string_view Word, bool Take) {
  if (!skip() || Text.substr(Pos, Word.size()) != Word)
    return false;
  if (Take)
    Pos += Word.size();
  return true;
}

bool Lexer::quoted(std::string &Out) {
  if (!accept('"'))
    return false;
  size_t End = Text.find('"', Pos);
  if (End == std::string_view::npos)
    return false;
  Out.assign(Text.substr(Pos, End - Pos));
  Pos = End + 1;
  return true;
}

bool Lexer::skipPast(char C) {
  while (skip()) {
    if (Text[Pos++] == C)
      return true;
  }
  return false;
}
