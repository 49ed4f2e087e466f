// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What every handler file needs: dispatch, accounting, faults, and the
// encoder through which a family picks its handlers.
#ifndef PTXSIM_EXEC_EXEC_H
#define PTXSIM_EXEC_EXEC_H

#include "../Lower.h"
#include "Machine.h"
#include "Row.h"
#include <bit>

namespace ptxsim {

#define PTXSIM_ARGS const Inst *I, uint8_t *R, Warp *W, uint32_t M
/// Continues with instruction Next under mask Lanes, as a guaranteed tail
/// call: the interpreter has no dispatch loop and no stack growth.
#define PTXSIM_GOTO(Next, Lanes)                                               \
  do {                                                                         \
    const Inst *Next_ = (Next);                                                \
    [[clang::musttail]] return Next_->Fn(Next_, R, W, (Lanes));                \
  } while (0)
#define PTXSIM_NEXT PTXSIM_GOTO(I + 1, M)

/// Active lanes whose guard holds.
inline uint32_t guarded(const Inst *I, const uint8_t *R, uint32_t M) {
  return M & (rowAt<uint32_t>(R + I->Pred) ^ I->PredXor);
}
inline uint32_t pcOf(const Inst *I, const Warp *W) {
  return uint32_t(I - W->P->Code.data());
}

/// Accounts for the instructions from the segment's start up to End.
inline void account(Warp *W, uint32_t End) {
  W->Executed += End - W->Segment;
  if (__builtin_expect(W->Counts != nullptr, 0)) {
    ++W->Counts[W->Segment];
    --W->Counts[End];
  }
}
/// Ends the time slice; the warp continues at Pc.
inline void leave(Warp *W, uint32_t Pc, uint32_t M) {
  account(W, Pc);
  W->Pc = Pc;
  W->Mask = M;
  W->Segment = Pc;
}

/// Records a fault of lane Lane at I; the warp does not run on.
void fault(Warp *W, const Inst *I, FaultKind Kind, uint32_t Lane,
           const std::string &Message);
/// "PTX line 12 `add ...`, CTA 0,0,0, thread 1,0,0" for reports.
std::string describe(const Warp *W, uint32_t Pc, uint32_t Lane);
std::string describeSource(const Program &P, uint32_t Pc);
std::string hex(uint64_t V);
/// State of the barrier object a warp polls at Pc, for deadlock reports.
std::string describeAsyncWait(const Warp &W, uint32_t Pc);

/// Calls F(lane) for every lane in M.
template <class Fn> inline void forLanes(uint32_t M, Fn F) {
  for (; M; M &= M - 1)
    F(uint32_t(std::countr_zero(M)));
}

template <class T>
inline T laneOf(const uint8_t *R, uint32_t Row, uint32_t Lane) {
  return reinterpret_cast<const T *>(R + Row)[Lane];
}

/// Gives a family access to rows while it encodes an instruction.
class MmaPlanner;

class Encoder {
public:
  Encoder(Program &P, const LoweredKernel &K,
          const std::vector<uint32_t> &RegOffset, uint32_t RegBytes);
  ~Encoder();
  bool encodeAll(const FlowGraph &G, Diagnostic &Diag);

  /// Row of a reference; constants and special registers get one on demand.
  uint32_t row(const Ref &R);
  uint32_t row(const Lowered &L, unsigned Operand, unsigned K = 0);
  bool present(const Lowered &L, unsigned Operand) const {
    return Operand < L.Operands.size() && L.Operands[Operand].Count;
  }
  bool wide(const Lowered &L, unsigned Operand) const {
    return L.Refs[L.Operands[Operand].First].Wide;
  }
  uint32_t addExtra(const std::vector<uint32_t> &Rows);
  uint32_t addDetail(const Lowered &L);
  void addCallTables();
  uint32_t addBranchTable(const std::vector<uint32_t> &Targets);
  uint32_t newAccessCache() { return NumCaches++; }
  bool flushes() const { return P.FlushDenormals; }
  Program &program() { return P; }
  MmaPlanner &planner() { return *Planner; }

private:
  bool encodeOne(const Lowered &L, Diagnostic &Diag);
  void fillRows(const Lowered &L, Inst &I);
  void planJoins(const FlowGraph &G);
  bool pureFlush() const;
  void addDebug(const Lowered &L);
  void addUses(const Lowered &L);
  Program &P;
  const LoweredKernel &K;
  const std::vector<uint32_t> &RegOffset;
  uint32_t Next; // first free byte of the register file
  uint32_t AllOnes;
  uint32_t NumCaches = 0;
  std::map<std::pair<uint64_t, int>, uint32_t> ConstAt;
  std::map<std::tuple<SpecialReg, uint64_t, uint32_t>, uint32_t> SpecialAt;
  std::vector<uint32_t> NewIndex; // of a lowered instruction or its join
  std::vector<bool> JoinBefore;
  std::vector<uint32_t> Reconverge;
  std::vector<uint32_t> Watched; // numbers of registers that race mode watches
  std::unique_ptr<MmaPlanner> Planner; // for the current block
};

// One selector per family: sets I's handler if the family has the operation.
bool selectInteger(Encoder &E, const Lowered &L, Inst &I);
bool selectBits(Encoder &E, const Lowered &L, Inst &I);
bool selectFloat(Encoder &E, const Lowered &L, Inst &I);
bool selectSpecial(Encoder &E, const Lowered &L, Inst &I);
bool selectHalf(Encoder &E, const Lowered &L, Inst &I);
bool selectCompare(Encoder &E, const Lowered &L, Inst &I);
bool selectMove(Encoder &E, const Lowered &L, Inst &I);
bool selectConvert(Encoder &E, const Lowered &L, Inst &I);
bool selectControl(Encoder &E, const Lowered &L, Inst &I);
/// Faults: a call through a pointer to no function that fits.
void badCall(Warp *W, const Inst *I, uint32_t Lane, uint64_t Address);
bool selectStack(Encoder &E, const Lowered &L, Inst &I);
bool selectMemory(Encoder &E, const Lowered &L, Inst &I);
bool selectAtomic(Encoder &E, const Lowered &L, Inst &I);
bool selectWarp(Encoder &E, const Lowered &L, Inst &I);
bool selectBarrier(Encoder &E, const Lowered &L, Inst &I);
bool selectCopies(Encoder &E, const Lowered &L, Inst &I);
bool selectAsync(Encoder &E, const Lowered &L, Inst &I);
bool selectTensorCopy(Encoder &E, const Lowered &L, Inst &I);
bool selectMatrix(Encoder &E, const Lowered &L, Inst &I);
bool selectVideo(Encoder &E, const Lowered &L, Inst &I);
bool selectWgmma(Encoder &E, const Lowered &L, Inst &I);

void joinHandler(PTXSIM_ARGS);

/// The handler of fma.rn.f32 where the host need not flush operands.
Handler plainMultiplyAdd();
/// Puts one handler in front of every run of unguarded instructions with the
/// handler Single. AllOnes is the guard row of unguarded instructions.
/// The instruction stands for a run; its X numbers it.
bool isFused(const Inst &I);
void fuseMultiplyAdds(Program &P, Handler Single, uint32_t AllOnes);

} // namespace ptxsim
#endif
