// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Race checker: an access against the history of one cell of shared memory.
#ifndef PTXSIM_EXEC_RACECELL_H
#define PTXSIM_EXEC_RACECELL_H

#include "RaceState.h"
#include <algorithm>

namespace ptxsim {

/// An access and what it is checked against.
struct CellCheck {
  Warp *W;
  const Inst *I;
  RaceState &S;
  CtaShadow &Sh;
  const RaceAccess &A;
  const VectorClock &Now; // of the warp that issued it
  uint32_t FirstWarp;     // agent of the CTA's first warp
  uint32_t LeastNow;      // what is known of every warp of the CTA
  uint32_t Synced;        // the issuing warp's WarpClock::Synced
  ReadEpoch Old{};        // the conflicting access, once one is found
  bool OldWrite = true;

  /// An access of W to shared memory of C.
  CellCheck(Warp *W, const Inst *I, RaceState &S, const Cta &C,
            const RaceAccess &A)
      : CellCheck(W, I, S, C, A, clockOf(S, W).Now) {}
  CellCheck(Warp *W, const Inst *I, RaceState &S, const Cta &C,
            const RaceAccess &A, const VectorClock &Now)
      : W(W), I(I), S(S), Sh(S.Ctas[C.Rank]), A(A), Now(Now),
        FirstWarp(C.Rank * S.WarpsPerCta),
        LeastNow(*std::min_element(Now.begin() + FirstWarp,
                                   Now.begin() + FirstWarp + S.WarpsPerCta)),
        Synced(clockOf(S, W).Synced) {}
  /// Checks the access of some bytes (a bit each) of cell At, whose address is
  /// Address, against its history; false after a fault.
  bool check(uint32_t Lane, uint32_t At, uint32_t Address, uint8_t Bytes);
  /// Adds it to the history.
  void record(uint32_t At, uint8_t Bytes) {
    if (A.Write)
      recordWrite(At, Bytes);
    else
      recordRead(At, Bytes);
  }
  bool ownWarp() const { return A.Agent - FirstWarp < S.WarpsPerCta; }
  bool harmless(const Cell &X) const;
  bool mayBeGuessed() const { return S.MayGuess && A.Atomic; }
  bool findConflict(uint32_t At, uint8_t Bytes);
  bool findUnorderedRead(uint32_t At);
  bool readersOrdered(const Cell &X) const;
  void noteReader(uint32_t At, Cell &X);
  bool findLaneConflict(const Cell &X, uint8_t Bytes);
  void recordRead(uint32_t At, uint8_t Bytes);
  void recordWrite(uint32_t At, uint8_t Bytes);
  void keepReplaced(uint32_t At);
  bool findReplaced(uint32_t At, uint8_t Bytes);
};

/// Tells the summaries of the blocks of a write that is about to be checked.
/// Logged reads that it might conflict with go to the cells.
void summariseWrite(const CellCheck &K, Cta &C, uint32_t Offset,
                    uint32_t Bytes);

/// The common case of an access, with what it needs at hand: a whole cell that
/// is ordered after the last write, by a warp that has not written it since its
/// last synchronisation, or any write that is ordered after all reads.
struct FastCheck {
  const uint32_t *Now;
  uint32_t Agent, Clock, LeastNow, Synced, Bit, Pc;
  explicit FastCheck(const CellCheck &K)
      : Now(K.Now.data()), Agent(K.A.Agent), Clock(K.A.Clock),
        LeastNow(K.LeastNow), Synced(K.Synced),
        Bit(K.ownWarp() ? 1u << (K.A.Agent - K.FirstWarp) : 0), Pc(K.A.Pc) {}

  bool afterWrite(const Cell &X) const {
    return X.WriteAgent == NoAgent ||
           (X.WriteClock <= Now[X.WriteAgent] &&
            !(X.WriteAgent == Agent && X.WriteClock >= Synced));
  }
  bool sameRead(const Cell &X) const {
    return X.ReadAgent == Agent && X.ReadClock == Clock;
  }
  bool mayWrite(const Cell &X) const {
    return afterWrite(X) && !X.MoreReads && !X.ClocksDiffer && !sameRead(X) &&
           (!X.Readers || X.ReadClock <= LeastNow);
  }
  /// Checks and records a read; false if the case is not that simple.
  bool read(Cell &X, uint8_t Lane) const {
    bool SameClock = X.ReadClock == Clock;
    if (!Bit || X.Initialised != 0xf || X.ClocksDiffer || !afterWrite(X) ||
        (X.Readers && !SameClock && X.ReadClock > LeastNow))
      return false;
    X.ReadLane = sameRead(X) && X.ReadLane != Lane ? SeveralLanes : Lane;
    X.Readers = SameClock ? X.Readers | Bit : Bit;
    X.LastBytes = X.ReadBytes = 0xf;
    X.ReadAgent = uint16_t(Agent);
    X.ReadClock = Clock;
    X.ReadPc = Pc;
    return true;
  }
};

/// What the access made of the last cell: neighbours mostly have the same
/// history, up to the lanes.
class LastCell {
public:
  /// Does the same to X if X is alike.
  bool repeat(Cell &X, uint8_t Lane) const {
    if (!Known || !alike(X))
      return false;
    uint8_t OldWrite = X.WriteLane, OldRead = X.ReadLane;
    X = After;
    X.WriteLane = Write ? Lane : OldWrite;
    X.ReadLane = Write                         ? OldRead
                 : SameRead && OldRead != Lane ? SeveralLanes
                                               : Lane;
    return true;
  }
  void learn(const Cell &From, const Cell &To, const FastCheck &Fast,
             bool IsWrite) {
    Before = From;
    After = To;
    Known = true;
    Write = IsWrite;
    SameRead = Fast.sameRead(From);
  }

private:
  bool alike(const Cell &X) const {
    static_assert(offsetof(Cell, WriteLane) == 30 && sizeof(Cell) == 32);
    __m256i Differ = _mm256_xor_si256(
        _mm256_loadu_si256(reinterpret_cast<const __m256i *>(&X)),
        _mm256_loadu_si256(reinterpret_cast<const __m256i *>(&Before)));
    return _mm256_testz_si256(
        Differ, _mm256_set_epi32(0xffff, -1, -1, -1, -1, -1, -1, -1));
  }
  Cell Before, After;
  bool Known = false, Write = false, SameRead = false;
};

} // namespace ptxsim
#endif
