// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Divergence with independent thread scheduling: the paths of a warp, where
// they meet, and how the lanes of different paths wait for each other.
//
// A branch whose lanes disagree opens a join at its reconvergence point; the
// paths run one after the other and become one there. A path that waits in a
// warp-level operation for lanes of other paths lets these run. Paths take
// turns when a time slice ends, and lanes leave a join before all have come
// where a path waits or polls memory for long: no lane waits for one that could
// go on.
#ifndef PTXSIM_EXEC_PATHS_H
#define PTXSIM_EXEC_PATHS_H

#include "Exec.h"

namespace ptxsim {

/// Continues with the warp's current path.
#define PTXSIM_RESUME                                                          \
  do {                                                                         \
    W->Segment = W->Pc;                                                        \
    PTXSIM_GOTO(W->P->Code.data() + W->Pc, W->Mask);                           \
  } while (0)
/// Continues with another path, unless the warp has ended or faulted.
#define PTXSIM_SWITCH                                                          \
  do {                                                                         \
    if (!nextPath(W))                                                          \
      return;                                                                  \
    PTXSIM_RESUME;                                                             \
  } while (0)

/// Opens a join at Rpc for lanes M, within the one of the current path, which
/// goes on under it; nothing to do if the current path meets there anyway.
inline void openJoin(Warp *W, uint32_t Rpc, uint32_t M) {
  if (W->Rpc == Rpc || Rpc == NoReg)
    return;
  W->Joins.push_back({Rpc, W->Join, M, 0});
  W->Join = uint32_t(W->Joins.size() - 1);
  W->Rpc = Rpc;
}
/// Lanes M call a function: they meet when they return, to Pc.
inline void openCall(Warp *W, uint32_t Pc, uint32_t M) {
  W->Joins.push_back({Pc, W->Join, M, 0, true});
  W->Join = uint32_t(W->Joins.size() - 1);
  W->Rpc = NoReg;
}

/// Adds a path of lanes Mask that goes on at Pc under the current join.
void addPath(Warp *W, uint32_t Pc, uint32_t Mask, uint32_t Waits = 0);

/// Lanes M of the current path have come to its join. True if all have: the
/// warp's current path is then that of all of them, under the outer join.
bool arriveAtJoin(Warp *W, uint32_t M);

/// Lanes of the current path have ended; joins no longer expect them.
void leaveJoins(Warp *W, uint32_t Lanes);

/// Bits of Inst::Aux of barriers: the form is .aligned; it is .relaxed.
constexpr uint16_t AlignedBarrier = 8, RelaxedBarrier = 16;

/// Two paths wait for the same lanes in the same operation, though perhaps in
/// different instructions.
bool waitTogether(const Warp &W, const Path &A, const Path &B);

/// Makes a path that can go on the current one; the old one has been added to
/// the others, or is gone. False if the warp has ended or no path can go on.
bool nextPath(Warp *W);

/// Between two slices: the path that has waited longest gets its turn.
void rotatePaths(Warp *W);
unsigned readyPaths(const Warp &W);

/// True if the lanes of each member mask among On, in MaskRow, are all in On.
bool groupsHere(const Warp *W, const uint8_t *R, uint32_t On, uint32_t MaskRow);
inline bool membersHere(const Warp *W, const uint8_t *R, uint32_t On,
                        uint32_t MaskRow) {
  RowU32 Masks = rowAt<RowU32>(R + MaskRow);
  uint32_t First = Masks[std::countr_zero(On)];
  uint32_t Others = toMask((RowI32)(Masks != First)) & On;
  return __builtin_expect(On == (First & W->Alive) && !Others, 1) ||
         groupsHere(W, R, On, MaskRow);
}

/// A warp-level operation some of whose members are not here: these lanes wait,
/// or, where the last ones have come, it takes place for all.
void waitForMembers(PTXSIM_ARGS);
#define PTXSIM_NEED_MEMBERS(On, MaskRow)                                       \
  do {                                                                         \
    if (!membersHere(W, R, On, MaskRow)) [[clang::musttail]]                   \
      return waitForMembers(I, R, W, M);                                       \
  } while (0)

/// An operation of the whole warp that lanes On of M have reached. True if all
/// lanes that have not ended are here, or wait in another instruction of the
/// kind; it then takes place once, and goes on with lanes M. False if the path
/// waits, or is at fault because the form is .aligned (PTXSIM_SWITCH).
bool wholeWarpHere(Warp *W, const Inst *I, uint32_t &M, uint32_t On);

/// Inst::Aux of vote.ballot.
constexpr uint16_t BallotVote = 3;

/// "lanes 0x.. wait at ..." for each path but the running one.
std::string describePaths(const Warp &W);

} // namespace ptxsim
#endif
