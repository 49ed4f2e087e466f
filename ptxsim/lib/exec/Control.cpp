// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Branches and the end of threads. The paths of a divergent branch meet at its
// immediate post-dominator.
#include "Paths.h"
#include "Race.h"
#include "Runtime.h"

using namespace ptxsim;

/// Lanes Taken go to Target, the others of M to Next; sets W's Pc and Mask to
/// the path that runs first.
static void diverge(Warp *W, uint32_t Taken, uint32_t M, uint32_t Target,
                    uint32_t Next, uint32_t Rpc) {
  openJoin(W, Rpc, M);
  uint32_t Rest = M & ~Taken;
  if (Next == Rpc) {
    arriveAtJoin(W, Rest);
    W->Mask = Taken;
    W->Pc = Target;
    return;
  }
  if (Target == Rpc)
    arriveAtJoin(W, Taken);
  else
    addPath(W, Target, Taken);
  W->Mask = Rest;
  W->Pc = Next;
}

static void branch(PTXSIM_ARGS) {
  uint32_t Pc = pcOf(I, W), Taken = guarded(I, R, M);
  account(W, Pc + 1);
  W->Segment = Pc + 1;
  if (!Taken)
    PTXSIM_NEXT;
  if (Taken == M) {
    uint32_t Target = I->Target;
    W->Segment = Target;
    if (Target <= Pc && (W->Fuel -= Pc - Target + 1) < 0) {
      W->Pc = Target;
      W->Mask = M;
      return;
    }
    PTXSIM_GOTO(W->P->Code.data() + Target, M);
  }
  diverge(W, Taken, M, I->Target, Pc + 1, I->Rpc);
  if (I->Target <= Pc && (W->Fuel -= Pc - I->Target + 1) < 0) {
    W->Segment = W->Pc;
    return;
  }
  PTXSIM_RESUME;
}

/// brx.idx: one path per distinct target.
static void branchTable(PTXSIM_ARGS) {
  uint32_t Pc = pcOf(I, W), Left = guarded(I, R, M);
  account(W, Pc + 1);
  W->Segment = Pc + 1;
  if (!Left)
    PTXSIM_NEXT;
  const std::vector<uint32_t> &Table = W->P->BranchTables[I->X];
  openJoin(W, I->Rpc, M);
  if (uint32_t Rest = M & ~Left)
    addPath(W, Pc + 1, Rest);
  W->Fuel -= 1;
  while (Left) {
    uint32_t Lane = uint32_t(std::countr_zero(Left));
    uint32_t Index = laneOf<uint32_t>(R, I->A, Lane);
    if (Index >= Table.size())
      return fault(W, I, FaultKind::Illegal, Lane,
                   "branch table index " + std::to_string(Index) +
                       " is out of range, the table has " +
                       std::to_string(Table.size()) + " entries");
    uint32_t Same = 0;
    forLanes(Left, [&](uint32_t L) {
      uint32_t Other = laneOf<uint32_t>(R, I->A, L);
      if (Other < Table.size() && Table[Other] == Table[Index])
        Same |= 1u << L;
    });
    Left &= ~Same;
    addPath(W, Table[Index], Same);
  }
  PTXSIM_SWITCH;
}

void ptxsim::joinHandler(PTXSIM_ARGS) {
  uint32_t Pc = pcOf(I, W);
  if (W->Rpc != Pc)
    PTXSIM_NEXT;
  account(W, Pc);
  W->Segment = Pc;
  if (arriveAtJoin(W, M))
    PTXSIM_RESUME;
  PTXSIM_SWITCH;
}

static void ret(PTXSIM_ARGS) {
  uint32_t Pc = pcOf(I, W), Ending = guarded(I, R, M);
  if (!Ending)
    PTXSIM_NEXT;
  if (Ending == W->Alive && !raceExit(W, I))
    return;
  account(W, Pc + 1);
  W->Segment = Pc + 1;
  W->Alive &= ~Ending;
  leaveJoins(W, Ending);
  uint32_t Rest = M & ~Ending;
  if (Rest)
    PTXSIM_GOTO(I + 1, Rest);
  PTXSIM_SWITCH;
}

static void trap(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (!On)
    PTXSIM_NEXT;
  fault(W, I, FaultKind::Trap, uint32_t(std::countr_zero(On)), "trap");
}

static void noOperation(PTXSIM_ARGS) { PTXSIM_NEXT; }

/// nanosleep lets the other warps run.
static void sleepSlice(const Inst *I, uint8_t *, Warp *W, uint32_t M) {
  leave(W, pcOf(I, W) + 1, M);
}

/// Calls of the device run-time library; X is the Detail.
static void print(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  ++W->Effects;
  if (!runtimePrint(W, I, R, On))
    return;
  PTXSIM_NEXT;
}
static void assertFail(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (!On)
    PTXSIM_NEXT;
  runtimeAssert(W, I, On);
}

static void allocate(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  ++W->Effects;
  runtimeAllocate(W, I, On);
  PTXSIM_NEXT;
}
static void release(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  ++W->Effects;
  if (!runtimeRelease(W, I, On))
    return;
  PTXSIM_NEXT;
}

void ptxsim::badCall(Warp *W, const Inst *I, uint32_t Lane, uint64_t Address) {
  fault(W, I, FaultKind::Illegal, Lane,
        "call of " + hex(Address) +
            ", which is no function with these parameters");
}
static void badCallee(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (!On)
    PTXSIM_NEXT;
  uint32_t Lane = uint32_t(std::countr_zero(On));
  badCall(W, I, Lane, laneOf<uint64_t>(R, I->A, Lane));
}

static Handler runtimeHandler(uint32_t Callee) {
  switch (Callee) {
  case PrintCallee: return print;
  case AssertCallee: return assertFail;
  case MallocCallee: return allocate;
  case FreeCallee: return release;
  default: return badCallee;
  }
}

bool ptxsim::selectControl(Encoder &E, const Lowered &L, Inst &I) {
  switch (L.Info.O) {
  case Op::Bra: I.Fn = branch; return true;
  case Op::BrxIdx:
    I.X = E.addBranchTable(L.Targets);
    I.Fn = branchTable;
    return true;
  case Op::Ret:
  case Op::Exit: I.Fn = ret; return true;
  case Op::Trap:
  case Op::Brkpt: I.Fn = trap; return true;
  case Op::Nanosleep: I.Fn = sleepSlice; return true;
  case Op::Pmevent: I.Fn = noOperation; return true;
  case Op::Call:
    I.X = E.addDetail(L);
    I.Fn = runtimeHandler(L.Callee);
    if (L.Callee == MallocCallee || L.Callee == FreeCallee)
      E.program().GlobalAtomics = true; // addresses follow the order of calls
    return true;
  default: return selectStack(E, L, I);
  }
}
