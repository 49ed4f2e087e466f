// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Recursive-descent parser for PTX modules. Module level in Parser.cpp,
// function bodies in ParserBody.cpp. The first error ends the parse.
#ifndef PTXSIM_PARSER_H
#define PTXSIM_PARSER_H

#include "Lexer.h"
#include <unordered_map>

namespace ptxsim {

class Parser {
public:
  Parser(Module &M, Diagnostic &Diag) : M(M), Diag(Diag), Lex(M.Text) {}
  bool parse();

private:
  // Module level.
  bool parseTopLevel();
  bool parseVersion();
  bool parseTarget();
  bool parseFile();
  Linkage parseLinkage();
  bool parseFileNumber(uint64_t &Out);
  bool parseVariables(Space Where, Linkage Link, std::vector<Variable> &Out);
  bool parseDeclarator(Variable V, std::vector<Variable> &Out);
  bool parseInitializer(Variable &V);
  bool parseInitElement(Variable &V);
  bool parseFunction(bool IsEntry, Linkage Link);
  bool parseHeader();
  bool parseParamList(std::vector<Variable> &Out);
  bool parseFunctionDirectives(Function &F);
  bool parseByteOf(Variable &V, uint64_t Mask);
  bool parseAddress(Relocation &R, const char *Expected);
  bool parseDim3(Dim3 &Out);
  bool parseUnsigned(uint64_t &Out);
  bool parseCount(uint32_t &Out);

  // Constant expressions (ParserConstants.cpp).
  struct Constant {
    uint64_t Bits = 0;
    bool Unsigned = false; // .u64, otherwise .s64
  };
  bool parseConstant(uint64_t &Out);
  bool parseTernary(Constant &Out);
  bool parseBinary(unsigned Level, Constant &Out);
  bool parseUnary(Constant &Out);
  bool parsePrimaryConstant(Constant &Out);
  bool startsConstant();

  // Function bodies.
  struct RegisterRange {
    uint32_t First = 0, Count = 0; // Count 0: a single name
    uint8_t Parts = 1;
  };
  struct Scope {
    uint32_t Parent;
    std::unordered_map<std::string_view, RegisterRange> Registers;
    std::unordered_map<std::string_view, uint32_t> Locals;
  };
  bool parseBody(Function &F);
  bool parseStatement(Function &F);
  bool parseBodyDirective(Function &F);
  bool parseRegisters(Function &F);
  bool declareRegisters(Function &F, std::string_view Name, uint64_t Count,
                        Type Ty, uint8_t Parts);
  bool declareFormals(Function &F, std::vector<Variable> &Formals);
  bool parseLocalVariables(Function &F, Space Where);
  bool parseLabel(Function &F, std::string_view Name);
  bool parseLoc();
  bool parseInstruction(Function &F, size_t Begin, std::string_view Opcode,
                        uint32_t Pred, bool PredNegated);
  bool parseOperand(Function &F, Operand &Out);
  bool parsePrimary(Function &F, Operand &Out);
  bool parseNumber(Function &F, Operand &Out);
  bool parseAddress(Function &F, Operand &Out);
  bool parseOperandList(Function &F, char Close, std::vector<Operand> &Out);
  bool resolveName(Function &F, std::string_view Name, Operand &Out);
  bool resolveRegister(Function &F, uint32_t Reg, Operand &Out);
  bool findRegister(std::string_view Name, uint32_t &Reg) const;
  bool resolveLabels(Function &F);
  const uint32_t *findLabel(Function &F, uint32_t Scope,
                            std::string_view Name) const;
  static std::string labelKey(uint32_t Scope, std::string_view Name);

  bool error(std::string Message);
  bool errorAt(uint32_t Line, std::string Message);
  bool expect(char C);

  Module &M;
  Diagnostic &Diag;
  Lexer Lex;
  std::vector<Scope> Scopes;
  uint32_t CurrentScope = 0;
  std::vector<uint32_t> InstructionScope;
  uint32_t LocFile = 0, LocLine = 0;
  unsigned Depth = 0;   // nesting of operands, bounded against hostile input
  bool InCall = false;  // parentheses are lists, not expressions
  bool InVideo = false; // registers may be followed by selectors
};

} // namespace ptxsim
#endif
