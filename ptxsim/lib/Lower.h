// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Lowered form between the syntax tree and decoded instructions: opcodes are
// matched, operands checked and resolved, calls inlined.
#ifndef PTXSIM_LOWER_H
#define PTXSIM_LOWER_H

#include "Program.h"

namespace ptxsim {

/// A value an instruction reads or writes. DynamicShared and StackBase are
/// constants that are known at the end: Value is added to where dynamic shared
/// memory or the stack begins.
struct Ref {
  enum KindTy : uint8_t { None, Reg, Const, Special, DynamicShared, StackBase };
  KindTy Kind = None;
  bool Wide = false; // 64-bit row
  bool IsPred = false;
  uint64_t Value = 0; // register number, constant, or SpecialReg
  ImageRow Image;     // for Special
};

enum class Role : uint8_t { Def, Use, DefUse };

struct LoweredOperand {
  uint16_t First = 0, Count = 0; // in Lowered::Refs
  Role How = Role::Use;
  bool Negated = false;
  bool IsAddress = false;
  int64_t Offset = 0;
};

/// What a call is of, if not of a function in the module. BadCallee: a pointer
/// to no function that fits.
enum RuntimeCallee : uint32_t {
  NoCallee,
  PrintCallee,
  AssertCallee,
  BadCallee,
  MallocCallee,
  FreeCallee,
};

struct Lowered {
  OpcodeInfo Info;
  uint32_t Line = 0, SourceFile = 0, SourceLine = 0;
  std::string_view Text;
  Ref Guard;
  bool GuardNegated = false;
  bool Quad = false; // of .b128, which is lowered as two of .b64
  std::vector<Ref> Refs;
  std::vector<Role> Roles; // of each Ref
  std::vector<LoweredOperand> Operands;
  std::vector<int64_t> Immediates;
  uint32_t Target = ~0u;         // index into the lowered code
  std::vector<uint32_t> Targets; // of a branch table
  // RuntimeCallee; of CallBody, in LoweredKernel::Bodies; of CallTable, in
  // LoweredKernel::CallTables
  uint32_t Callee = 0;
  uint32_t Home = NoReg; // of these two: the body that they are in, or none
};

/// A virtual register of the kernel, inlined callees included.
struct VirtualReg {
  Type Ty = Type::None;
  bool Wide() const { return bitWidth(Ty) == 64; }
};

/// A function whose code stands once, behind the kernel's: every call of it has
/// a frame on the thread's stack.
struct StackBody {
  uint32_t Entry = 0;                // index into the lowered code
  uint32_t FirstReg = 0, EndReg = 0; // its registers, of inlined callees too
  uint64_t FrameBytes = 16;          // the caller's frame pointer, variables
  uint64_t SaveBytes = 0;            // behind them, registers during a call
};
/// Addresses of functions, ascending, and their bodies.
using CallTable = std::vector<std::pair<uint64_t, uint32_t>>;

struct LoweredKernel {
  std::vector<Lowered> Code;
  std::vector<VirtualReg> Regs;
  std::vector<StackBody> Bodies;
  std::vector<CallTable> CallTables;
  uint32_t FrameAlign = 16; // of all frames
  // What a caller may write of the next frame; what calls need that do not
  // recurse; and whether some do, or alloca takes memory too.
  uint64_t ArgumentBytes = 0, StackBytes = 0;
  bool IsUnbounded = false;
  // Registers of the frame's and the stack's address, if a stack is used.
  uint32_t FrameReg = NoReg, StackReg = NoReg;
  uint32_t StaticShared = 0, DynamicSharedOffset = 0, LocalBytes = 0;
  uint32_t ParamBytes = 0;
  bool UsesReserved = false; // reads %reserved_smem_offset
};

bool lowerKernel(const Module &M, const Function &Entry,
                 const SymbolTable &Symbols, LoweredKernel &Out,
                 Diagnostic &Diag);

/// A kernel's last instruction must not fall off the end.
void closeCode(LoweredKernel &K);

/// Control flow of lowered code in terms of instruction indices.
struct FlowGraph {
  std::vector<uint32_t> BlockBegin;              // first instruction of a block
  std::vector<uint32_t> BlockOf;                 // block of an instruction
  std::vector<std::vector<uint32_t>> Successors; // exit is block count
  std::vector<uint32_t> PostDominator;           // immediate, ~0 for none
  uint32_t blockEnd(uint32_t B, uint32_t N) const {
    return B + 1 < BlockBegin.size() ? BlockBegin[B + 1] : N;
  }
};
FlowGraph buildFlowGraph(const LoweredKernel &K);

/// Assigns a byte offset to every virtual register; returns the bytes used. May
/// give several registers of K one name.
uint32_t assignRows(LoweredKernel &K, const FlowGraph &G,
                    std::vector<uint32_t> &Offset, uint32_t &Registers);

/// Bytes that a call of the body takes from the stack; known once rows are
/// assigned.
uint64_t frameBytes(const LoweredKernel &K, uint32_t Body);

/// Registers that may be read before they are written on some path, and those
/// of matrix products: all that the register checks have to watch.
std::vector<bool> suspiciousRegisters(const LoweredKernel &K,
                                      const FlowGraph &G);

inline bool callsBody(Op O) { return O == Op::CallBody || O == Op::CallTable; }
inline bool endsBlock(Op O) {
  return O == Op::Bra || O == Op::BrxIdx || O == Op::Ret || O == Op::Exit ||
         O == Op::Trap || callsBody(O) || O == Op::BodyRet;
}

} // namespace ptxsim
#endif
