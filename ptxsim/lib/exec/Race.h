// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The race checker: happens-before with vector clocks (FastTrack: Flanagan,
// Freund, PLDI 2009) over 4-byte cells of shared memory and 8-byte granules of
// global memory, and reads of shared memory nobody wrote.
//
// Agents are the warps of a cluster, and for each warp its cp.async copies,
// its bulk copies in groups (what they read and what they write apart) and its
// matrix products, which are ordered with the warp only by their waits; and for
// each mbarrier object the bulk copies that complete on it, whoever issues
// them. Lanes of one warp are ordered only by
// synchronisation of the warp, although the simulator runs them in lock step.
#ifndef PTXSIM_EXEC_RACE_H
#define PTXSIM_EXEC_RACE_H

#include "Resolve.h"

namespace ptxsim {

using VectorClock = std::vector<uint32_t>;

/// Kinds of agents, times the number of warps in the cluster.
enum class AgentKind : uint8_t { Warp, Copy, Bulk, Product, BulkWrite };
constexpr uint32_t NumAgentKinds = 5;

/// An access as the checker sees it.
struct RaceAccess {
  uint32_t Agent = 0, Clock = 0, Pc = 0;
  uint8_t Lane = 0;
  bool Write = false, Atomic = false;
  bool Strong = false;     // volatile, relaxed, acquire, release or atomic
  bool Exchange = false;   // atomic, and independent of the old value
  bool AsyncProxy = false; // reads or writes through the asynchronous proxy
};

struct Mbarrier;
struct RaceState;

std::shared_ptr<RaceState> makeRaceState(Cluster &G);

// Every hook returns at once when the launch is not checked. Those that
// return bool return false after recording a fault.
bool raceShared(Warp *W, const Inst *I, Cta *C, uint32_t M,
                const uint32_t *Offset, unsigned Bytes, AccessKind Kind);
bool raceGlobal(Warp *W, const Inst *I, uint32_t M, const uint64_t *Address,
                unsigned Bytes, AccessKind Kind);

/// A bulk copy as the agent that it runs as, and how many of that agent's there
/// have been.
struct CopyEpoch {
  uint32_t Agent = 0, Clock = 0;
};
/// A bulk copy reads or writes a range of global memory on behalf of a lane.
bool raceCopyGlobal(Warp *W, const Inst *I, uint32_t Lane, uint64_t Address,
                    uint64_t Bytes, AccessKind Kind, CopyEpoch Copy);

/// A lane reads or writes its local memory, from byte At of the CTA's on.
bool raceLocal(Warp *W, const Inst *I, uint32_t Lane, uint64_t At,
               unsigned Bytes, AccessKind Kind);
/// A call passes Bytes of it on: what has not been written stays so.
void raceCopyLocal(Warp *W, uint64_t To, uint64_t From, uint64_t Bytes);

/// Lanes of W read What, which nobody has written. True if the launch goes on,
/// false after recording a fault.
void goOnAfterUnwritten(bool GoOn); // of the whole process
bool mayReadUnwritten(Warp *W, const Inst *I, uint32_t Lane,
                      const std::string &What);

/// A fence of the generic proxy: later relaxed writes publish what came before
/// it, and what earlier relaxed reads found is known behind it.
void raceFence(Warp *W);
/// All lanes of W end at I. False after recording a fault.
bool raceExit(Warp *W, const Inst *I);

void raceWarpSync(Warp *W);
/// Lanes of W meet in an operation that is no barrier: what they have read
/// cannot depend on what any of them writes from then on, and nothing else.
void raceMeet(Warp *W);
void raceArriveBarrier(Warp *W, unsigned Id);
void raceJoinBarrier(Cta *C, unsigned Id);
void raceArriveCluster(Warp *W, bool Relaxed);
void raceJoinCluster(Cluster *G);
void raceWaitCluster(Warp *W);

bool raceAsyncCopy(Warp *W, const Inst *I, uint32_t M, const uint32_t *Offset,
                   uint32_t Bytes);
void raceCommitCopies(Warp *W);
void raceWaitCopies(Warp *W, size_t Keep);

void raceInitMbarrier(Warp *W, const Inst *I, Mbarrier *B);
/// Checks that the use of an object of Owner follows its initialisation.
bool raceUseMbarrier(Warp *W, const Inst *I, uint32_t Lane, Cta *Owner,
                     const Mbarrier *B);
/// W's initialisations so far are known behind its next barrier of the cluster,
/// relaxed or not.
void raceFenceInits(Warp *W);
/// W arrives, or its copies by cp.async so far do.
void raceArriveMbarrier(Warp *W, Mbarrier *B, bool Relaxed);
void raceArriveCopies(Warp *W, Mbarrier *B);
/// The object at Barrier of C completes its phase, and W has waited for that.
void raceCompletePhase(Cta *C, uint32_t Barrier, Mbarrier *B);
void raceWaitMbarrier(Warp *W, uint32_t Rank, uint32_t Barrier, Mbarrier *B,
                      bool Relaxed);

/// A bulk copy begins that is one of the lane's bulk group, and what it reads
/// and writes as.
void raceBeginGroup(Warp *W, const Inst *I, uint32_t Lane, CopyEpoch &Reads,
                    CopyEpoch &Writes);
/// A bulk copy of W begins that completes on the object at Barrier of Owner.
/// False after a fault: it may deliver its bytes to an earlier phase.
bool raceBeginBulk(Warp *W, const Inst *I, uint32_t Lane, Cta *Owner,
                   uint32_t Barrier, CopyEpoch &Copy);
/// It has delivered its bytes.
void raceEndBulk(Cta *Owner, uint32_t Barrier);
/// What a copy does to a range of shared memory. Store and Reduce: through the
/// generic proxy (st.async, red.async); the others through the asynchronous
/// one.
enum class CopyAccess : uint8_t { Read, Write, ReduceBulk, Store, Reduce };
/// A copy of W reads or writes shared memory of C.
bool raceCopyShared(Warp *W, const Inst *I, Cta *C, uint32_t Offset,
                    uint32_t Bytes, CopyAccess Kind, CopyEpoch Copy);
/// W lets later copies see the tensor map at a global address as it is now, and
/// a copy takes one from there. False after a fault.
void raceFenceMap(Warp *W, uint64_t Address);
bool raceReadMap(Warp *W, const Inst *I, uint32_t Lane, uint64_t Address);
void raceCommitBulk(Warp *W, uint32_t Lanes);
/// With OnlyRead the older groups have read their sources, else they are done.
void raceWaitBulk(Warp *W, uint32_t Lanes, size_t Keep, bool OnlyRead);

/// The Number-th product of W reads shared memory.
bool raceProductRead(Warp *W, const Inst *I, uint32_t Offset, uint32_t Bytes,
                     uint64_t Number);
void raceWaitProducts(Warp *W, uint64_t Count);
/// A fence between the generic and the asynchronous proxy, for these spaces.
void raceFenceProxy(Warp *W, bool Shared, bool Global);

} // namespace ptxsim
#endif
