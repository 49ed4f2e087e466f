// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The state of lowering one kernel (Lower.cpp, LowerOperands.cpp).
#ifndef PTXSIM_LOWERING_H
#define PTXSIM_LOWERING_H

#include "CallPlan.h"
#include "Lower.h"
#include <optional>
#include <unordered_map>

namespace ptxsim {

class Lowering {
public:
  Lowering(const Module &M, const SymbolTable &Symbols, LoweredKernel &Out,
           Diagnostic &Diag)
      : M(M), Symbols(Symbols), Out(Out), Diag(Diag) {}
  bool run(const Function &Entry);

  struct RuntimeFunction {
    const char *Name;
    RuntimeCallee Callee;
    unsigned Arguments;
  };

private:
  static constexpr uint32_t ReturnTarget = ~1u;

  /// One instance of a function body: the kernel, an inlined callee, or a body
  /// that calls share.
  struct Frame {
    explicit Frame(const Function &Fn) : Fn(&Fn) {}
    const Function *Fn;
    uint32_t Body = NoReg; // whose stack frame has the variables, or none
    uint32_t FirstReg = 0;
    std::vector<uint64_t> LocalAt; // frame offset per Fn->Locals
    std::map<std::string_view, uint64_t> Formals;
    std::vector<uint64_t> SlotAt; // of a body: of its results and parameters
  };
  /// Where a value of a call lies: in local memory, or in a register.
  struct Place {
    bool InMemory = false;
    Ref Value;          // or the base of the address
    int64_t Offset = 0; // from the base
  };

  bool lowerBody(Frame &F, unsigned Depth);
  void resolveTargets(size_t Base, const std::vector<uint32_t> &Start,
                      unsigned Depth);
  bool lowerInstruction(Frame &F, const Instruction &I, unsigned Depth);
  bool lowerCall(Frame &F, const Instruction &I, Lowered L, unsigned Depth);
  bool lowerRuntimeCall(Frame &F, const Instruction &I, Lowered L,
                        const RuntimeFunction &Which, const Operand *Args,
                        const Operand *Returns, unsigned Depth);
  bool lowerIndirectCall(Frame &F, const Instruction &I, unsigned Depth);
  bool callFunction(Frame &F, const Instruction &I, const Function &Callee,
                    const Operand *Returns, const Operand *Args,
                    unsigned Depth);
  bool inlineCall(Frame &F, const Instruction &I, const Function &Callee,
                  const Operand *Returns, const Operand *Args, unsigned Depth);
  bool tryCandidates(Frame &F, const Instruction &I, const CallShape &Shape,
                     const Ref &Address, const Operand *Returns,
                     const Operand *Args, unsigned Depth);
  size_t branch(const Instruction &I, const Ref &Guard);
  /// What stands in the text where I does; with an opcode, but no operands.
  static Lowered inPlaceOf(const Instruction &I);
  static Lowered like(const Instruction &I, std::string_view Opcode);
  bool compare(const Instruction &I, std::string_view Opcode, const Ref &To,
               const Ref &A, const Ref &B, unsigned Depth);
  bool finishCall(unsigned Depth);
  bool checkArguments(const Instruction &I, const Operand *Actuals,
                      const std::vector<Variable> &Formals);
  bool bindFormals(Frame &F, const Instruction &I, const Operand *Actuals,
                   const std::vector<Variable> &Formals, Frame &G);
  bool passValues(Frame &F, const Instruction &I, const Operand *Actuals,
                  const std::vector<Variable> &Formals, const Frame &G,
                  bool Back, unsigned Depth);

  // LowerStack.cpp: bodies, their frames and the stack.
  void beginStack();
  void beginBodies();
  bool lowerBodies();
  bool moveFormals(const Frame &F, const std::vector<Variable> &Formals,
                   size_t FirstSlot, bool In);
  bool stackCall(Frame &F, const Instruction &I, uint32_t Body, Lowered Call,
                 const std::vector<Variable> &Results,
                 const std::vector<Variable> &Params, const Operand *Returns,
                 const Operand *Args, unsigned Depth);
  Lowered callOfBody(const Frame &F, const Instruction &I, Op O) const;
  uint32_t tableOf(const CallShape &Shape);
  bool beginFrame(Frame &F);
  uint64_t reserve(const Frame &F, uint64_t Bytes, uint64_t Align);
  Ref stackRef() const;
  Ref frameRef() const;
  bool moveValue(const Instruction &I, const Place &To, const Place &From,
                 uint64_t Bytes, bool IsPred, unsigned Depth);
  bool movePredicate(const Instruction &I, const Place &To, const Place &From,
                     unsigned Depth);
  bool emit(const Instruction &I, const char *Opcode, const Place &To,
            const Place &From, unsigned Depth);
  Place formalPlace(const Frame &F, const Variable &V) const;
  bool actualPlace(Frame &F, const Instruction &I, const Operand &O,
                   const Variable &Formal, bool Written, Place &Out);
  bool lowerPack(Frame &F, const Instruction &I, Lowered L, unsigned Depth);
  bool lowerQuadMove(Frame &F, const Instruction &I, Lowered L, unsigned Depth);
  static bool isPackOrUnpack(const Instruction &I);
  bool finish(Lowered L, unsigned Depth);
  bool placeDynamicShared(const Function &Entry);

  // LowerOperands.cpp
  bool lowerOperands(Frame &F, const Instruction &I, Lowered &L);
  bool checkBarrier(const Instruction &I, const Lowered &L);
  bool addSelectors(const Instruction &I, Lowered &L);
  bool lowerOperand(Frame &F, const Instruction &I, Lowered &L,
                    const OperandSpec &S, const Operand &O);
  bool addFragment(Frame &F, const Instruction &I, Lowered &L,
                   const OperandSpec &S, const Operand &O);
  bool addVector(Frame &F, const Instruction &I, Lowered &L, const Operand &O,
                 Type Ty, Role How, bool AllowWider);
  bool addScalar(Frame &F, const Instruction &I, Lowered &L, const Operand &O,
                 Type Ty, Role How, bool AllowWider);
  bool addAddress(Frame &F, const Instruction &I, Lowered &L, const Operand &O);
  bool addTensor(Frame &F, const Instruction &I, Lowered &L, const Operand &O);
  bool addParamRead(const Instruction &I, Lowered &L, uint64_t Offset);
  bool valueRef(Frame &F, const Instruction &I, const Operand &O, Type Ty,
                bool AllowWider, Ref &R);
  Ref localRef(const Frame &F, uint64_t At) const;
  bool symbolRef(Frame &F, const Instruction &I, const Operand &O, Ref &R,
                 Space &Where);
  bool sharedRef(const Variable &V, bool Dynamic, Ref &R);
  bool specialRef(const Instruction &I, const Operand &O, Ref &R);
  bool checkRegister(Frame &F, const Instruction &I, uint32_t Reg, Type Ty,
                     bool AllowWider);
  bool lowerTarget(Frame &F, const Instruction &I, Lowered &L,
                   const Operand &O);
  Ref regRef(const Frame &F, uint32_t Reg) const;
  Ref scratchRef(Type Ty);
  static Ref constRef(uint64_t V, bool Wide);
  void append(Lowered &L, const Ref &R, Role How);
  void open(Lowered &L, Role How);

  bool fail(uint32_t Line, std::string Message);

  const Module &M;
  const SymbolTable &Symbols;
  LoweredKernel &Out;
  Diagnostic &Diag;
  std::map<std::string_view, uint32_t> ParamOffset;
  std::map<const Variable *, uint64_t> SharedAt;
  std::unordered_map<std::string_view, OpcodeInfo> Matched;
  static constexpr unsigned Resolved = ~0u; // instead of a depth
  std::vector<unsigned> InlineDepth;
  uint64_t SharedEnd = SharedBase;
  uint32_t DynamicAlign = 16;
  uint64_t LocalEnd = 16; // address 0 stays unused
  std::optional<CallPlan> Plan;
  std::vector<Frame> Bodies;                    // of Out.Bodies
  std::map<const CallShape *, uint32_t> Tables; // in Out.CallTables
  unsigned Depth = 0; // of the instruction that is being lowered
};

} // namespace ptxsim
#endif
