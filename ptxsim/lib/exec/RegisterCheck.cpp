// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Checks of registers in race mode: reads of registers that nobody has written,
// and uses of the registers of a matrix product that is still running. A
// checked program is a copy in which every instruction first runs the check and
// then its own handler.
#include "RegisterCheck.h"
#include "Async.h"
#include "Race.h"
#include "Shuffle.h"

using namespace ptxsim;

namespace ptxsim {
/// Of one warp, by register number.
struct RegisterState {
  struct Entry {
    uint32_t Written = 0; // lanes
    uint32_t Fence = ~0u; // wgmma.fence instructions before the last write
    uint64_t Product = 0; // the last product that uses it, from 1
  };
  std::vector<Entry> Registers;
  uint32_t Fences = 0;
};
} // namespace ptxsim

static std::string operandName(const RegisterUse &U) {
  return U.Operand == RegisterUse::Guard
             ? std::string("the guard")
             : "operand " + std::to_string(U.Operand + 1);
}

/// A product reads and writes its registers until its group has been waited
/// for; other instructions must not touch them, and what they wrote before
/// needs a fence.
static bool checkProduct(Warp *W, const Inst *I, RegisterState &S,
                         const RegisterUse &U, bool IsProduct) {
  RegisterState::Entry &E = S.Registers[U.Register];
  if (!IsProduct) {
    if (E.Product <= asyncOf(W).ProductsWaited)
      return true;
    fault(W, I, FaultKind::Race, 0,
          operandName(U) + " belongs to a wgmma that has not been waited for "
                           "(wgmma.wait_group)");
    return false;
  }
  bool Fragment = U.Operand < 2 && !U.Predicate && !U.Wide;
  if (!Fragment)
    return true;
  if (E.Fence == S.Fences) {
    fault(W, I, FaultKind::Race, 0,
          operandName(U) + " was written without a wgmma.fence in between");
    return false;
  }
  E.Product = asyncOf(W).ProductsIssued + 1;
  return true;
}

/// A product that starts at zero only writes its accumulators.
static bool startsAtZero(const Inst *I, const uint8_t *R, const Warp *W) {
  const Detail &D = W->P->Details[I->X];
  uint32_t Scale = laneOf<uint32_t>(R, D.slot(3), 0);
  return !((Scale & 1) ^ D.Operands[3].Negated);
}

/// Lanes of On whose value a shuffle reads on behalf of lanes of On.
static uint32_t shuffledLanes(const Inst *I, const uint8_t *R, uint32_t On) {
  auto Read = [&](const ShuffleSource &From) {
    uint32_t Lanes = 0;
    forLanes(On, [&](uint32_t L) { Lanes |= 1u << From.Lane[L]; });
    return Lanes & On;
  };
  switch (Shuffle(I->Aux)) {
  case Shuffle::Up: return Read(shuffleSource<Shuffle::Up>(I, R));
  case Shuffle::Down: return Read(shuffleSource<Shuffle::Down>(I, R));
  case Shuffle::Bfly: return Read(shuffleSource<Shuffle::Bfly>(I, R));
  case Shuffle::Idx: return Read(shuffleSource<Shuffle::Idx>(I, R));
  }
  return On;
}

/// Lanes whose value of the register the instruction reads.
static uint32_t lanesRead(const Inst *I, const uint8_t *R, const Warp *W,
                          const RegisterUse &U, uint32_t Lanes) {
  constexpr uint8_t ShuffledValue = 2; // shfl d|p, a, ...
  if (!U.Reads)
    return 0;
  if (Op(I->OpId) == Op::Shfl && U.Operand == ShuffledValue)
    return shuffledLanes(I, R, Lanes);
  if (Op(I->OpId) == Op::Wgmma && U.Operand == 0 && Lanes &&
      startsAtZero(I, R, W))
    return 0;
  return Lanes;
}

static void checkRegisters(PTXSIM_ARGS) {
  uint32_t Pc = pcOf(I, W), On = guarded(I, R, M);
  const Program &P = *W->P;
  if (!W->Registers) {
    W->Registers = std::make_shared<RegisterState>();
    W->Registers->Registers.resize(P.NumRegisters);
  }
  RegisterState &S = *W->Registers;
  bool IsProduct = Op(I->OpId) == Op::Wgmma;
  // Compilers put copies of virtual registers behind the fence; they are gone
  // once real registers have been assigned.
  bool IsCopy = Op(I->OpId) == Op::Mov;
  const RegisterUse *Begin = P.Uses.data() + P.FirstUse[Pc],
                    *End = P.Uses.data() + P.FirstUse[Pc + 1];
  if (IsProduct && On && !S.Fences)
    return fault(W, I, FaultKind::Race, 0,
                 "the warp's first wgmma has no wgmma.fence before it");
  for (const RegisterUse *U = Begin; U != End; ++U) {
    uint32_t Lanes = U->Operand == RegisterUse::Guard ? M : On;
    uint32_t Missing =
        lanesRead(I, R, W, *U, Lanes) & ~S.Registers[U->Register].Written;
    if (Missing &&
        !mayReadUnwritten(W, I, uint32_t(std::countr_zero(Missing)),
                          "an uninitialised register, " + operandName(*U)))
      return;
    if (P.UsesWgmma && Lanes && !checkProduct(W, I, S, *U, IsProduct))
      return;
  }
  for (const RegisterUse *U = Begin; U != End; ++U)
    if (U->Writes && On) {
      RegisterState::Entry &E = S.Registers[U->Register];
      E.Written |= On;
      E.Fence = IsProduct || IsCopy ? ~0u : S.Fences;
    }
  if (Op(I->OpId) == Op::WgmmaFence)
    ++S.Fences;
  [[clang::musttail]] return P.Unchecked[Pc](I, R, W, M);
}

const Program &ptxsim::checkedProgram(const Program &P) {
  if (P.Checked)
    return *P.Checked;
  auto C = std::make_shared<Program>(P);
  auto Watched = [&](size_t First, size_t Count) {
    return P.FirstUse[First] != P.FirstUse[First + Count];
  };
  auto RunWatched = [&](uint32_t Run) {
    return Run != MmaPlan::NoRun &&
           Watched(P.MmaRuns[Run].Begin, P.MmaRuns[Run].NumPlans);
  };
  for (size_t K = 0; K < C->Code.size(); ++K) {
    Inst &I = C->Code[K];
    Op O = Op(I.OpId);
    C->Unchecked.push_back(I.Fn);
    if (isFused(I) && Watched(K, C->FmaRuns[I.X].Count))
      C->Unchecked[K] = I.Fn = C->FmaRuns[I.X].Single;
    if (O == Op::Mma && P.Details[I.X].Info.Types[0] == Type::F32) {
      uint32_t &Run = C->MmaPlans[I.E].Run;
      if (Run != MmaPlan::NoRun &&
          (RunWatched(Run) || RunWatched(P.MmaRuns[Run].Partner)))
        Run = MmaPlan::NoRun;
    }
    if (Watched(K, 1) || O == Op::WgmmaFence)
      I.Fn = checkRegisters;
  }
  P.Checked = C;
  return *C;
}
