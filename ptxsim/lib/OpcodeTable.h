// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The opcode table: which opcode strings are legal, what their operands are,
// and how a string decomposes into types, rounding, space and flags. Parser,
// decoder, documentation and tests all read the rows of Opcodes.def.
#ifndef PTXSIM_OPCODETABLE_H
#define PTXSIM_OPCODETABLE_H

#include "Types.h"
#include <bitset>
#include <string>
#include <string_view>
#include <vector>

namespace ptxsim {

enum class Op : uint16_t {
#define OPNAME(Name) Name,
#include "OpcodeNames.def"
};

/// Counter class of an instruction.
enum class OpClass : uint8_t {
  Integer,
  Float,
  Double,
  Half,
  Special,
  Convert,
  Move,
  Load,
  Store,
  Atomic,
  Control,
  Barrier,
  Warp,
  Async,
  Tensor,
  NumClasses,
};
std::string_view className(OpClass C);

/// Every modifier that is neither a type nor a rounding nor a comparison.
enum class Mod : uint8_t {
#define MODIFIER(Id, Text) Id,
#include "OpcodeNames.def"
  NumMods,
};

struct MatrixShape {
  uint16_t M = 0, N = 0, K = 0;
};

struct OpcodeRow {
  Op O;
  const char *Pattern;  // see Opcodes.def
  const char *Operands; // see Opcodes.def
  OpClass Class;
  uint16_t MinSM;
  char Suffix; // 'a' if only the exact sm_XXa target has it, else 0
};

/// One opcode string, matched and decomposed.
struct OpcodeInfo {
  const OpcodeRow *Row = nullptr;
  Op O{};
  Type Types[4] = {};
  uint8_t NumTypes = 0;
  Cmp Compare = Cmp::Eq;
  Rounding Round = Rounding::None;
  Space Where = Space::Generic;
  Space Where2 = Space::Generic; // second space named, e.g. cp.async source
  uint8_t NumSpaces = 0;
  uint8_t VectorWidth = 1;
  uint8_t Dims = 0; // tensor copies
  MatrixShape Shape;
  std::bitset<size_t(Mod::NumMods)> Mods;
  bool has(Mod M) const { return Mods[size_t(M)]; }
};

/// Video instructions, whose registers may be followed by selectors.
constexpr bool isVideo(Op O) {
  return O == Op::Video || O == Op::VideoSet || O == Op::VideoMad;
}
/// Elements that a video instruction works on: 1, 2 or 4.
unsigned videoElements(const OpcodeInfo &I);

const std::vector<OpcodeRow> &opcodeTable();

/// Matches an opcode string; false with a reason if no row accepts it.
bool matchOpcode(std::string_view Opcode, OpcodeInfo &Out, std::string &Why);

/// All concrete opcode strings of a row, at most Limit.
std::vector<std::string> expandRow(const OpcodeRow &Row, size_t Limit);

/// One operand slot of a row's operand description, parsed.
struct OperandSpec {
  enum KindTy : uint8_t { Def, Use, DefUse, Memory, Tensor, Imm, Label, Name };
  KindTy Kind = Use;
  char TypeCode = 0; // '0'-'3', 'w', 'p', 'h', 'i', 'l', 'q'; see Opcodes.def
  bool PairPred = false; // '|p' may follow
  bool Vector = false;   // width from .v2/.v4, scalar otherwise
  char Fragment = 0;     // 'D', 'A', 'B', 'C' matrix fragment
  bool Optional = false;
  bool SignedOffset = false;
};
const std::vector<OperandSpec> &operandSpecs(const OpcodeRow &Row);

/// Type an operand has under its spec.
Type operandType(const OperandSpec &S, const OpcodeInfo &I);

/// Registers a matrix fragment occupies per thread; 0 if I has none.
unsigned fragmentSize(char Fragment, const OpcodeInfo &I);
/// Register type of a matrix fragment.
Type fragmentType(char Fragment, const OpcodeInfo &I);

} // namespace ptxsim
#endif
