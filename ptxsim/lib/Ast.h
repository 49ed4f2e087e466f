// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the parser produces: a PTX module as data. Names are views into the
// module's own text, so a Module must not be copied or moved after parsing.
#ifndef PTXSIM_AST_H
#define PTXSIM_AST_H

#include "Types.h"
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace ptxsim {

/// An error with the 1-based line of the PTX text it belongs to (0: none).
struct Diagnostic {
  uint32_t Line = 0;
  std::string Message;
};

enum class OperandKind : uint8_t {
  Register,  // Reg
  Immediate, // Imm (integer, two's complement) or Float
  Symbol,    // Name, plus Imm as byte offset; Reg indexes Locals if local
  Label,     // Imm is the instruction index
  Special,   // Name of a special register such as %tid.x
  Address,   // Parts[0] is the base, Imm the byte offset, Parts[1] coordinates
  Vector,    // Parts
  Pair,      // Parts[0] '|' Parts[1]
  List,      // Parts, written in parentheses (call arguments)
  Sink,      // '_'
};

struct Operand {
  OperandKind Kind = OperandKind::Sink;
  bool Negated = false; // '!p' or a minus sign before a register
  bool IsFloat = false; // the immediate was written as a floating point number
  bool Quad = false;    // Vector: the halves of a .b128 register
  uint32_t Reg = ~0u;
  uint64_t Imm = 0; // integer value, or the bits of a double if IsFloat
  std::string_view Name;
  std::string_view Selector; // bytes or halves of a register, as in %r1.b0
  std::vector<Operand> Parts;
};

constexpr uint32_t NoReg = ~0u;

struct Instruction {
  uint32_t Line = 0;
  uint32_t SourceFile = 0, SourceLine = 0; // from .loc, 0 if none
  std::string_view Opcode;
  std::string_view Text; // the statement as written, one line
  uint32_t Pred = NoReg;
  bool PredNegated = false;
  std::vector<Operand> Operands;
};

struct Register {
  std::string_view Prefix; // name, or the prefix of a range
  uint32_t Index = NoReg;  // number within a range
  Type Ty = Type::None;
  uint8_t Parts = 1; // registers of a vector variable or a .b128, from this on
  bool Quad = false; // half of a .b128
  std::string name() const;
};

/// Initial value of part of a variable that is an address (name + addend), or
/// a byte of it.
struct Relocation {
  uint64_t Offset = 0;
  std::string_view Symbol;
  int64_t Addend = 0;
  bool Generic = false;
  uint8_t Bytes = 8, Shift = 0; // the address, shifted right by bits
};

/// How a name of a module is seen by other modules that are linked with it.
enum class Linkage : uint8_t { Local, Extern, Visible, Weak, Common };

struct Variable {
  std::string_view Name;
  uint32_t Line = 0;
  Space Where = Space::Global;
  Type Element = Type::B8;
  uint32_t Align = 1;
  uint64_t Size = 0;   // bytes
  uint32_t Vector = 1; // .v2 / .v4
  Linkage Link = Linkage::Local;
  bool Unsized = false; // 'name[]'
  bool IsReg = false;   // a .reg parameter of a function
  uint32_t Reg = NoReg; // then, its place in Function::Registers
  std::vector<uint8_t> Init;
  std::vector<Relocation> Relocations;
  bool isExtern() const { return Link == Linkage::Extern; }
};

struct Dim3 {
  uint32_t X = 0, Y = 0, Z = 0;
  uint64_t count() const { return uint64_t(X) * Y * Z; }
};

/// What an indirect call passes and gets back (.callprototype).
struct Prototype {
  std::vector<Variable> Returns, Params;
};

struct Function {
  std::string_view Name;
  uint32_t Line = 0;
  Linkage Link = Linkage::Local;
  bool IsEntry = false;
  bool HasBody = false;
  std::vector<Variable> Params, Returns;
  std::vector<Register> Registers;
  std::vector<Variable> Locals; // .shared, .local and .param of the body
  std::vector<Instruction> Code;
  std::map<std::string, uint32_t> Labels; // scoped name -> instruction index
  std::map<std::string, Prototype, std::less<>> Prototypes;
  std::map<std::string, std::vector<std::string>> BranchTables;
  std::map<std::string, std::vector<uint32_t>> BranchTargets; // resolved
  Dim3 MaxNtid, ReqNtid, ReqCluster;
  uint32_t MinCtas = 0, MaxNreg = 0;
  bool ExplicitCluster = false;
};

struct Module {
  std::string Text;
  uint32_t VersionMajor = 0, VersionMinor = 0;
  uint32_t TargetSM = 0; // 80, 90, 120
  char TargetSuffix = 0; // 'a', 'f' or 0
  std::vector<Variable> Variables;
  std::vector<std::unique_ptr<Function>> Functions;
  std::vector<const Function *> PointedTo; // whose address is taken, in order
  std::map<uint32_t, std::string> SourceFiles;
  // For the linker: the directives .version, .target and .address_size, and
  // the numbers of source files, where they stand in Text.
  std::vector<std::string_view> Headers, FileNumbers;
  /// Adds to Functions.
  void addFunction(std::unique_ptr<Function> F);
  /// After parsing: finds what names mean and which functions' addresses are
  /// taken.
  void finish();
  /// The definition of a name, else a declaration, else null.
  const Function *findFunction(std::string_view Name) const;
  const Variable *findVariable(std::string_view Name) const;
  /// What a pointer to a device function holds; 0 if there is none of the name.
  uint64_t functionAddress(std::string_view Name) const;

private:
  std::unordered_map<std::string_view, uint32_t> FunctionAt, VariableAt;
};

/// Parses Text. On failure returns null and fills Diag.
std::unique_ptr<Module> parseModule(std::string Text, Diagnostic &Diag);

} // namespace ptxsim
#endif
