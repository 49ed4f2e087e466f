// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the race checker keeps of a cluster: the clocks of its warps, and the
// shadow of its shared memory.
#ifndef PTXSIM_EXEC_RACESTATE_H
#define PTXSIM_EXEC_RACESTATE_H

#include "Async.h"
#include "Race.h"
#include <memory>
#include <unordered_map>

namespace ptxsim {

constexpr uint32_t NoAgent = 0xffff;
/// Instead of a lane: several lanes accessed the same bytes, or different
/// bytes of a cell (then nothing is known about single lanes).
constexpr uint8_t SeveralLanes = 254, UnknownLane = 255;

/// Accesses of 4 bytes: the last write, the last read, and who else has read
/// since the write. No member initialisers: most cells are never touched.
struct Cell {
  uint16_t WriteAgent, ReadAgent;
  uint32_t WriteClock, ReadClock, ReadPc;
  uint32_t WritePc : 24;
  uint32_t WriteAtomic : 1, WriteStrong : 1, WriteAsync : 1;
  uint32_t ClocksDiffer : 1; // CtaShadow::Clocks holds the reads of warps
  /// Warps of the CTA that have read at ReadClock; earlier reads are ordered
  /// before these. Warps step their clocks together, at barriers.
  uint32_t Readers;
  uint32_t MoreReads; // list of reads by other agents, or 0
  // Four bits each, one per byte.
  uint8_t WriteBytes : 4, Initialised : 4; // of the last write; of any
  uint8_t ReadBytes : 4, LastBytes : 4;    // since the write; of the last read
  uint8_t WriteLane, ReadLane;
  static Cell untouched() {
    Cell X{};
    X.WriteAgent = X.ReadAgent = NoAgent;
    return X;
  }
};
static_assert(sizeof(Cell) == 32);
struct ReadEpoch {
  uint32_t Agent, Clock, Pc;
};
struct PlainWrite {
  ReadEpoch Who;
  uint8_t Bytes, Lane;
};

/// What is known of all cells of a block, so that reads of it can be logged.
struct BlockSummary {
  /// Greatest clocks of writes by warps of the CTA and by their cp.async
  /// copies; the others are Foreign.
  uint32_t LastWrite = 0, LastCopy = 0;
  uint32_t LastRead = 0; // greatest clock of a read in the log
  bool Foreign = false;
  uint64_t Written[4] = {}; // words that were written as a whole, a bit each

  /// Bytes First up to End of the block have been written.
  void write(uint32_t First, uint32_t End);
  bool allWritten() const;
};
/// A read by all lanes of a warp: 4, 8 or 16 bytes from Words[lane] on.
struct LoggedRead {
  uint32_t Pc;
  uint8_t Bytes;
  uint16_t Words[32];
};
/// Reads of a warp that are not in the cells, all at one clock, and what the
/// warp knew when the first of them took place.
struct ReadLog {
  uint32_t Clock = 0;
  VectorClock Now;
  std::vector<LoggedRead> Reads;
};

/// The last access of a warp to shared memory of another CTA, or of a copy to
/// any.
struct RemoteAccess {
  uint32_t Agent, Clock, Pc;
};

/// Cells of a CTA. A block of 1 KiB whose cells are all alike has one cell
/// only, so that copies and matrix products of whole tiles are cheap, and so
/// has a quad of 16 bytes. The first access to a part spreads the cell out.
struct CtaShadow {
  static constexpr uint32_t BlockBytes = 1024, QuadBytes = 16;
  static constexpr uint32_t BlockCells = BlockBytes / 4, QuadCells = 4,
                            BlockQuads = BlockBytes / QuadBytes;
  uint32_t Blocks = 0, Stride = 0;
  std::vector<uint8_t> BlockAlike, QuadAlike;
  std::unique_ptr<Cell[]> Cells; // of words, then of quads, then of blocks
  // Reads since the last write, by warps of the CTA: Stride entries per cell.
  std::unique_ptr<uint32_t[]> Clocks;
  std::vector<std::vector<ReadEpoch>> Reads{1};
  std::vector<BlockSummary> Summaries; // by block
  std::vector<ReadLog> Logs;           // by warp; none in clusters of CTAs
  VectorClock Barriers[16];
  std::map<uint32_t, VectorClock> Published; // by address of strong writes
  /// Plain writes that the strong write in a cell has replaced, by cell: strong
  /// accesses race with these only.
  std::unordered_map<uint32_t, PlainWrite> Replaced;
  std::vector<uint8_t> LocalWritten; // by byte of the CTA's local memory
  std::vector<RemoteAccess> Remote;  // that must come before the CTA's end

  void init(const Cta &C, uint32_t Warps);
  uint32_t quadCell(uint32_t Quad) const { return Blocks * BlockCells + Quad; }
  uint32_t blockCell(uint32_t Block) const {
    return Blocks * (BlockCells + BlockQuads) + Block;
  }
  void spreadBlock(uint32_t Block);
  void spreadQuad(uint32_t Quad);

private:
  void spread(uint32_t From, uint32_t First, uint32_t Count);
};

/// Bulk groups of a lane: the clock of its last copy, and of its groups that
/// have not been waited for, to have read and to have written.
struct BulkClocks {
  uint32_t Last = 0;
  std::deque<uint32_t> Reads, Writes;
};

struct WarpClock {
  VectorClock Now;
  /// What a proxy fence on the way here has covered: of shared, of global
  /// memory. Empty until there is something.
  VectorClock SharedView, GlobalView;
  /// What relaxed writes publish: all that came before the last fence. And what
  /// relaxed reads have found since then. Empty until there is something.
  VectorClock Fenced, Found;
  /// The initialisations of mbarrier objects that fences for these have
  /// covered, by the warp or by others before a barrier of the cluster. Empty
  /// until there is something.
  VectorClock Inits;
  /// The warp's clock at its last synchronisation, which orders its lanes;
  /// clocks since then part reads from writes behind a meeting.
  uint32_t Synced = 1;
  uint32_t CopyClock = 1, BulkClock = 1;
  uint32_t StoreClock = 0, StorePc = 0; // the last bulk copy in a bulk group
  std::deque<uint32_t> CopyCommits;     // groups that have not been waited for
  std::map<uint32_t, BulkClocks> Bulk;  // by lane
};

/// Bulk copies that complete on an mbarrier object: behind the agents of warps.
/// The ends of phases that they complete count as well.
struct BarrierAgent {
  uint32_t Agent, Clock;
  uint32_t UnderWay; // copies that have not delivered their bytes
  uint32_t LastEnd;  // of a phase
};

struct RaceState {
  uint32_t Warps = 0; // of the cluster
  uint32_t WarpsPerCta = 0;
  std::vector<CtaShadow> Ctas;
  std::vector<WarpClock> Clocks;
  VectorClock ClusterBarrier, ClusterReleased;
  /// What its arrivals give of the warps' Inits.
  VectorClock ClusterInits, ReleasedInits;
  /// Those of all warps that have arrived at any barrier: a fence
  /// also orders on behalf of the warps that a barrier joins with its own.
  VectorClock Fenced, Found, SharedView, GlobalView;
  /// By rank of the CTA and address.
  std::map<std::pair<uint32_t, uint32_t>, BarrierAgent> BarrierAgents;
  BarrierAgent &barrierAgent(uint32_t Rank, uint32_t Address);
  bool MayGuess = false; // loops of compare-and-swap start with a plain read
};

inline void join(VectorClock &To, const VectorClock &From) {
  if (To.size() < From.size())
    To.resize(From.size());
  for (size_t K = 0; K < From.size(); ++K)
    To[K] = std::max(To[K], From[K]);
}

inline RaceState *raceOf(const Warp *W) { return W->C->Group->Race.get(); }
inline uint32_t warpIndex(const RaceState &S, const Warp *W) {
  return W->C->Rank * S.WarpsPerCta + W->Id;
}
inline WarpClock &clockOf(RaceState &S, const Warp *W) {
  return S.Clocks[warpIndex(S, W)];
}
inline uint32_t agentOf(const RaceState &S, const Warp *W, AgentKind K) {
  return uint32_t(K) * S.Warps + warpIndex(S, W);
}
/// What arriving publishes: a relaxed arrival only what came before a fence.
inline const VectorClock &given(const WarpClock &C, bool Relaxed) {
  return Relaxed ? C.Fenced : C.Now;
}
inline void tick(RaceState &S, const Warp *W) {
  WarpClock &C = clockOf(S, W);
  C.Synced = ++C.Now[warpIndex(S, W)];
}

/// What arriving at a barrier gives to the others, and waiting takes.
inline void giveFences(RaceState &S, const WarpClock &C) {
  join(S.Fenced, C.Fenced);
  join(S.Found, C.Found);
  join(S.SharedView, C.SharedView);
  join(S.GlobalView, C.GlobalView);
}
inline void takeFences(const RaceState &S, WarpClock &C) {
  join(C.Fenced, S.Fenced);
  join(C.Found, S.Found);
  join(C.SharedView, S.SharedView);
  join(C.GlobalView, S.GlobalView);
}

/// The view covers the access.
inline bool covers(const VectorClock &View, uint32_t Agent, uint32_t Clock) {
  return Agent < View.size() && Clock <= View[Agent];
}

/// An access to shared memory of C, by another CTA or by a copy, has to come
/// before C's end. False after a fault: C has ended.
bool noteRemote(Warp *W, const Inst *I, RaceState &S, Cta *C, uint32_t Lane,
                CopyEpoch Who);

std::string agentName(const RaceState &S, uint32_t Agent);

/// The kernel has a compare-and-swap.
bool comparesAndSwaps(const LaunchState &L);
/// The warp's cluster has met a fence of the generic proxy.
void fenceGlobal(Warp *W);
/// The warp's cluster has met a proxy fence for global memory.
void fenceProxyGlobal(Warp *W);
/// The warp's cluster knows that the agent's copies up to Clock are done.
void noteDone(Warp *W, uint32_t Agent, uint32_t Clock);

/// Logs a read by all lanes of a warp if it is ordered after all writes of the
/// blocks it touches; false if its cells have to be looked at.
bool logRead(RaceState &S, Cta &C, uint32_t Warp, uint32_t Pc,
             const uint32_t *Offset, unsigned Bytes);
/// Enters all logged reads into the cells.
void enterLogs(RaceState &S, Cta &C);

/// Lanes that read what another lane reads need no check of their own. Rest:
/// lanes to check; Several: those that stand for more than one.
void mergeReads(uint32_t M, const uint32_t *Offset, uint32_t &Rest,
                uint32_t &Several);

/// Checks and records an access of Bytes at Offset of C's shared memory by each
/// lane of M; false after a fault.
bool checkCells(Warp *W, const Inst *I, Cta *C, uint32_t M,
                const uint32_t *Offset, uint32_t Bytes, const RaceAccess &A);

} // namespace ptxsim
#endif
