// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Race checks of global memory. Clusters of a launch are ordered only by
// synchronisation through global memory: an atomic, volatile, relaxed, acquire
// or release access of an address publishes what its cluster has done and
// learns what earlier ones published there. (That is coarser than the memory
// model, which also wants fences: it never reports a race that is none.) Warps
// of one cluster are ordered by its own clocks. Also: reads of global memory
// that nobody has written.
#include "RaceState.h"
#include <algorithm>
#include <unordered_map>

using namespace ptxsim;

namespace {
struct Access {
  uint32_t Task = 0; // of the cluster, plus 1; 0: none
  uint32_t Release;  // releases of that cluster before it
  uint32_t Clock, Pc;
  uint16_t Agent;
  uint8_t Bytes;
  bool Strong : 1; // synchronising accesses do not race with each other
  bool Atomic : 1;
  bool sameEpoch(const Access &O) const {
    return Task == O.Task && Agent == O.Agent && Clock == O.Clock &&
           Release == O.Release && Pc == O.Pc;
  }
};
/// 8 bytes of memory: the last write and two reads.
struct Granule {
  Access Write, Reads[2];
};
constexpr uint64_t GranuleBytes = 8, PageBytes = 512;
constexpr unsigned PageGranules = PageBytes / GranuleBytes;
/// A read of whole granules, one bit each.
struct WideRead {
  Access A;
  uint64_t Granules;
};
/// Most pages are only read, and by few instructions: their reads are kept as
/// they come until there are many of them, or something else happens.
struct Page {
  static constexpr unsigned MaxRecent = 16;
  const Allocation *Owner = nullptr;
  bool Written = false; // by a kernel
  unsigned NumRecent = 0;
  WideRead Recent[MaxRecent];
  std::unique_ptr<Granule[]> Granules; // null: no other accesses

  void addRead(const Access &A, uint64_t Which);
  Granule *granules();
};
/// What has been published at an address: releases by task, and the clocks of
/// the warps of each task.
struct SyncObject {
  std::unordered_map<uint32_t, uint32_t> Releases;
  std::unordered_map<uint32_t, VectorClock> Clocks;
};
struct TaskState {
  uint32_t Release = 1;
  std::unordered_map<uint32_t, uint32_t> Seen; // releases of other tasks
};
} // namespace

void Page::addRead(const Access &A, uint64_t Which) {
  if (NumRecent && Recent[NumRecent - 1].A.sameEpoch(A)) {
    Recent[NumRecent - 1].Granules |= Which;
    return;
  }
  if (NumRecent == MaxRecent)
    granules();
  Recent[NumRecent] = {A, Which};
  Recent[NumRecent++].A.Bytes = 0xff;
}

/// Moves all reads to the granules: of a granule's first task and of the last
/// other one, the last read.
Granule *Page::granules() {
  if (!Granules)
    Granules = std::make_unique<Granule[]>(PageGranules);
  for (const WideRead *R = Recent; R != Recent + NumRecent; ++R)
    for (uint64_t Left = R->Granules; Left; Left &= Left - 1) {
      Granule &G = Granules[unsigned(std::countr_zero(Left))];
      bool First = !G.Reads[0].Task || G.Reads[0].Task == R->A.Task;
      G.Reads[First ? 0 : 1] = R->A;
    }
  NumRecent = 0;
  return Granules.get();
}

namespace ptxsim {
struct GlobalShadow {
  std::unordered_map<uint64_t, std::unique_ptr<Page>> Pages;
  struct Recent {
    uint64_t Number = ~uint64_t(0);
    Page *Where = nullptr;
  };
  Recent Cache[256];
  std::unordered_map<uint64_t, SyncObject> Sync; // by address
  std::unordered_map<uint32_t, TaskState> Tasks;

  Page &page(const LaunchState &L, uint64_t Address) {
    uint64_t Number = Address / PageBytes;
    Recent &R = Cache[(Number ^ Number >> 8) % 256];
    if (R.Number != Number) {
      std::unique_ptr<Page> &P = Pages[Number];
      if (!P) {
        P = std::make_unique<Page>();
        P->Owner = findAllocation(L, Address, 1);
      }
      R = {Number, P.get()};
    }
    return *R.Where;
  }
};
std::shared_ptr<GlobalShadow> makeGlobalShadow() {
  return std::make_shared<GlobalShadow>();
}
} // namespace ptxsim

namespace {
/// One access of one warp, while it is checked.
struct GlobalCheck {
  Warp *W;
  const Inst *I;
  GlobalShadow &S;
  const RaceState &R;
  TaskState &Mine;
  Access A;
  bool IsWrite;
  bool OldWrites = true; // the access that is looked at

  bool ordered(const Access &Old) const;
  /// A plain read beside an atomic operation: loops of compare-and-swap start
  /// with one as a guess, which the operation then proves or disproves.
  bool guess(const Access &Old) const {
    return (Old.Atomic && !IsWrite) || (A.Atomic && !OldWrites);
  }
  bool conflict(const Access &Old) const {
    return Old.Task && (Old.Bytes & A.Bytes) && !(Old.Strong && A.Strong) &&
           !guess(Old) && !ordered(Old);
  }
  bool checkGranule(uint32_t Lane, Granule &G, uint64_t Address);
  bool checkWritten(uint32_t Lane, const Allocation *Owner, uint64_t Granule);
  bool readWhole(Page &P, uint64_t At, uint64_t Bytes);
  bool range(uint32_t Lane, uint64_t Address, uint64_t Bytes,
             uint64_t LaneBytes);
  void record(Granule &G);
};
} // namespace

bool GlobalCheck::ordered(const Access &Old) const {
  if (Old.Task == A.Task)
    return Old.Agent == A.Agent ||
           Old.Clock <= R.Clocks[A.Agent % R.Warps].Now[Old.Agent];
  auto It = Mine.Seen.find(Old.Task);
  return It != Mine.Seen.end() && It->second >= Old.Release;
}

void GlobalCheck::record(Granule &G) {
  Access *To = &G.Write;
  if (!IsWrite) {
    Access &First = G.Reads[0];
    bool Mine = !First.Task || First.Task == A.Task;
    To = Mine || ordered(First) ? &First : &G.Reads[1];
  }
  uint8_t Before = To->sameEpoch(A) ? To->Bytes : 0;
  *To = A;
  To->Bytes |= Before;
}

bool GlobalCheck::checkGranule(uint32_t Lane, Granule &G, uint64_t Address) {
  if (!IsWrite && !G.Write.Task && G.Reads[0].sameEpoch(A)) {
    G.Reads[0].Bytes |= A.Bytes;
    return true;
  }
  const Access *Old = nullptr;
  OldWrites = true;
  if (conflict(G.Write))
    Old = &G.Write;
  for (const Access &Read : G.Reads) {
    if (!IsWrite || Old)
      break;
    OldWrites = false;
    if (conflict(Read))
      Old = &Read;
  }
  if (!Old) {
    record(G);
    return true;
  }
  std::string Who = Old->Task == A.Task
                        ? "warp " + std::to_string(Old->Agent % R.WarpsPerCta) +
                              " of the same cluster"
                        : "cluster " + std::to_string(Old->Task - 1);
  fault(W, I, FaultKind::Race, Lane,
        "race on global address " + hex(Address) + ": " +
            (IsWrite ? "write" : "read") + " is not ordered after the " +
            (OldWrites ? "write" : "read") + " by " + Who +
            "\n  earlier: " + describeSource(*W->P, Old->Pc));
  return false;
}

/// Bytes of an allocation that the host or a kernel has written. Allocations
/// begin at multiples of 8: a granule's bits are one byte.
bool GlobalCheck::checkWritten(uint32_t Lane, const Allocation *Owner,
                               uint64_t Granule) {
  if (!Owner || !Owner->Written)
    return true;
  uint64_t First = Granule - Owner->Begin;
  uint8_t &Bits = Owner->Written[First / 8];
  uint8_t Missing = uint8_t(A.Bytes & ~Bits);
  if (Missing && (!IsWrite || A.Atomic)) {
    uint64_t Byte = First + uint64_t(std::countr_zero(Missing));
    fault(W, I, FaultKind::Uninitialised, Lane,
          "read of uninitialised global memory at " + hex(Owner->Begin + Byte) +
              ", byte " + std::to_string(Byte) + " of allocation " +
              std::to_string(Owner->Id));
    return false;
  }
  if (IsWrite)
    Bits |= A.Bytes;
  return true;
}

/// A read of whole granules within a page that nobody has written.
bool GlobalCheck::readWhole(Page &P, uint64_t At, uint64_t Bytes) {
  if (IsWrite || P.Written || (At | Bytes) % GranuleBytes)
    return false;
  uint64_t Count = Bytes / GranuleBytes;
  if (P.Owner && P.Owner->Written) {
    const uint8_t *Bits = P.Owner->Written + (At - P.Owner->Begin) / 8;
    uint8_t All = 0xff;
    for (uint64_t K = 0; K < Count; ++K)
      All &= Bits[K];
    if (All != 0xff)
      return false;
  }
  P.addRead(A, (~uint64_t(0) >> (64 - Count))
                   << (At % PageBytes / GranuleBytes));
  return true;
}

/// A range of memory that the lanes from Lane on access, LaneBytes each.
bool GlobalCheck::range(uint32_t Lane, uint64_t Address, uint64_t Bytes,
                        uint64_t LaneBytes) {
  for (uint64_t At = Address, End = At + Bytes; At < End;) {
    Page &P = S.page(*W->C->L, At);
    uint64_t Stop = std::min(End, At / PageBytes * PageBytes + PageBytes);
    if (readWhole(P, At, Stop - At)) {
      At = Stop;
      continue;
    }
    P.Written |= IsWrite;
    Granule *Granules = P.granules();
    for (uint64_t Count; At < Stop; At += Count) {
      uint64_t First = At % GranuleBytes;
      Count = std::min(GranuleBytes - First, Stop - At);
      A.Bytes = uint8_t(((1u << Count) - 1) << First);
      uint32_t Who = Lane + uint32_t((At - Address) / LaneBytes);
      if (!checkWritten(Who, P.Owner, At - First) ||
          !checkGranule(Who, Granules[At % PageBytes / GranuleBytes], At))
        return false;
    }
  }
  return true;
}

/// Learns what was published at the address, and publishes.
static void synchronise(GlobalCheck &K, RaceState &R, uint64_t Address) {
  SyncObject &O = K.S.Sync[Address];
  uint32_t Task = K.A.Task;
  for (auto [Other, Release] : O.Releases) {
    uint32_t &Seen = K.Mine.Seen[Other];
    Seen = std::max(Seen, Release);
  }
  // What is known of third clusters travels along.
  for (auto [Other, Release] : K.Mine.Seen) {
    uint32_t &Out = O.Releases[Other];
    Out = std::max(Out, Release);
  }
  O.Releases[Task] = K.Mine.Release;
  VectorClock &Mine = clockOf(R, K.W).Now;
  VectorClock &Published = O.Clocks[Task];
  join(Mine, Published);
  join(Published, Mine);
}

static GlobalCheck begin(Warp *W, const Inst *I, AccessKind Kind, bool Strong) {
  RaceState &R = *raceOf(W);
  GlobalShadow &S = *W->C->L->Shadow;
  uint32_t Task = uint32_t(W->C->Group->Task) + 1, Agent = warpIndex(R, W);
  TaskState &Mine = S.Tasks[Task];
  Access A{};
  A.Task = Task;
  A.Release = Mine.Release;
  A.Agent = uint16_t(Agent);
  A.Clock = clockOf(R, W).Now[Agent];
  A.Pc = pcOf(I, W);
  A.Strong = Strong || Kind == AccessKind::Atomic;
  A.Atomic = Kind == AccessKind::Atomic;
  return {W, I, S, R, Mine, A, Kind != AccessKind::Read};
}

bool ptxsim::raceGlobal(Warp *W, const Inst *I, uint32_t M,
                        const uint64_t *Address, unsigned Bytes,
                        AccessKind Kind) {
  if (!W->C->L->Shadow)
    return true;
  bool Plain = Op(I->OpId) == Op::Ld || Op(I->OpId) == Op::St;
  GlobalCheck K = begin(W, I, Kind, Plain && (I->Aux & StrongAccess));
  RaceState &R = *raceOf(W);
  for (uint32_t Left = M; Left;) {
    uint32_t L = uint32_t(std::countr_zero(Left)), Next = L + 1;
    if (K.A.Strong)
      synchronise(K, R, Address[L]);
    else // neighbours that access one piece of memory together
      while (Next < 32 && (M >> Next & 1) &&
             Address[Next] == Address[Next - 1] + Bytes)
        ++Next;
    if (!K.range(L, Address[L], uint64_t(Next - L) * Bytes, Bytes))
      return false;
    Left = Next == 32 ? 0 : Left & (AllLanes << Next);
  }
  if (K.A.Strong) {
    ++K.Mine.Release;
    tick(R, W);
  }
  return true;
}

bool ptxsim::raceGlobalRange(Warp *W, const Inst *I, uint32_t Lane,
                             uint64_t Address, uint64_t Bytes,
                             AccessKind Kind) {
  if (!W->C->L->Shadow)
    return true;
  return begin(W, I, Kind, false).range(Lane, Address, Bytes, Bytes);
}
