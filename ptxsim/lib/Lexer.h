// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Character-level scanner for PTX: skips blanks and comments, counts lines,
// and reads the few kinds of words PTX has.
#ifndef PTXSIM_LEXER_H
#define PTXSIM_LEXER_H

#include "Ast.h"

namespace ptxsim {

class Lexer {
public:
  explicit Lexer(std::string_view Text) : Text(Text) {}

  uint32_t line() const { return Line; }
  size_t position() const { return Pos; }
  std::string_view textBetween(size_t Begin, size_t End) const {
    return Text.substr(Begin, End - Begin);
  }
  /// Skips blanks, comments and '#' lines; false at the end of the text.
  bool skip();
  /// Next character after blanks, 0 at the end.
  char peek() { return skip() ? Text[Pos] : 0; }
  bool accept(char C);
  /// Accepts a directive or word when the whole word equals W.
  bool acceptWord(std::string_view W);
  /// [%A-Za-z_$][A-Za-z0-9_$]*, empty if none.
  std::string_view identifier();
  /// Like identifier, but also takes '.' and '::' parts: opcodes, directives.
  std::string_view dottedWord();
  /// Integer or floating point literal without sign into an immediate; Negated
  /// where an integer has the suffix U, or the bits of a float are of f32.
  bool number(Operand &Out);
  /// A floating point literal, with its sign, and nothing else that an
  /// expression could go on with; takes nothing otherwise.
  bool literal(Operand &Out);
  /// Whether the text goes on with Word; Take moves behind it.
  bool startsWith(std::string_view Word, bool Take = false);
  bool quoted(std::string &Out);
  /// Moves behind the next occurrence of C; false if there is none.
  bool skipPast(char C);

private:
  bool hexFloat(Operand &Out);
  std::string_view Text;
  size_t Pos = 0;
  uint32_t Line = 1;
};

} // namespace ptxsim
#endif
