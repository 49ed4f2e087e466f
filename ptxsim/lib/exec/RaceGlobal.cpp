// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Race checks of global memory. Clusters of a launch are ordered only by
// synchronisation through global memory: a release, or a fence followed by a
// relaxed, volatile or atomic write, publishes at an address what its cluster
// has done so far; an acquire, or a relaxed read followed by a fence, learns
// what was published there. (Clusters stand for all their warps and scopes are
// not looked at, which is coarser than the memory model: races may be missed,
// none is made up.) Warps of one cluster are ordered by its own clocks. Also:
// reads of global memory that nobody has written.
#include "AccessFlags.h"
#include "Heap.h"
#include "RaceState.h"
#include <algorithm>
#include <array>
#include <map>
#include <optional>
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
  bool Async : 1; // of a copy
  bool Proxy : 1; // through the asynchronous proxy
  bool sameEpoch(const Access &O) const {
    return Task == O.Task && Agent == O.Agent && Clock == O.Clock &&
           Release == O.Release && Pc == O.Pc;
  }
};
/// 8 bytes of memory: the last write, two reads by warps and one by a copy.
struct Granule {
  Access Write, Reads[3];
};
constexpr unsigned CopyRead = 2; // of Granule::Reads
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
using ReleaseMap = std::unordered_map<uint32_t, uint32_t>; // by task
/// What has been published at an address: releases by task, and the clocks of
/// the warps of each task.
struct SyncObject {
  ReleaseMap Releases;
  std::unordered_map<uint32_t, VectorClock> Clocks;
};
struct TaskState {
  uint32_t Release = 1;
  uint32_t Fenced = 0; // the release that the last fence made
  /// Releases of other tasks: known, and found by relaxed reads since the last
  /// fence.
  ReleaseMap Seen, Found;
  /// What proxy fences have covered: of this task, and releases of others.
  VectorClock ProxyView;
  ReleaseMap ProxySeen;
  /// By agent: its copies up to Clock were known to be done before Release.
  struct DoneCopies {
    uint32_t Clock, Release;
  };
  std::unordered_map<uint32_t, std::vector<DoneCopies>> Done;

  /// The first release that publishes a copy's end; none: it is under way.
  std::optional<uint32_t> releaseOf(uint32_t Agent, uint32_t Clock) const {
    auto It = Done.find(Agent);
    if (It == Done.end())
      return std::nullopt;
    auto First = std::lower_bound(
        It->second.begin(), It->second.end(), Clock,
        [](const DoneCopies &D, uint32_t C) { return D.Clock < C; });
    if (First == It->second.end())
      return std::nullopt;
    return First->Release;
  }
};
void joinReleases(ReleaseMap &To, const ReleaseMap &From) {
  for (auto [Task, Release] : From) {
    uint32_t &Out = To[Task];
    Out = std::max(Out, Release);
  }
}
bool knows(const ReleaseMap &Map, uint32_t Task, uint32_t Release) {
  auto It = Map.find(Task);
  return It != Map.end() && It->second >= Release;
}
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
/// other one the last read, and that of the last copy.
Granule *Page::granules() {
  if (!Granules)
    Granules = std::make_unique<Granule[]>(PageGranules);
  for (const WideRead *R = Recent; R != Recent + NumRecent; ++R)
    for (uint64_t Left = R->Granules; Left; Left &= Left - 1) {
      Granule &G = Granules[unsigned(std::countr_zero(Left))];
      bool First = !G.Reads[0].Task || G.Reads[0].Task == R->A.Task;
      G.Reads[R->A.Async ? CopyRead : First ? 0 : 1] = R->A;
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
  /// Plain writes, and reductions of bulk copies, that the strong write in a
  /// granule has replaced, by its address: strong accesses race with the plain
  /// ones only.
  std::unordered_map<uint64_t, Access> Replaced;
  /// Writes of the tensor maps that a task has acquired, by task and address.
  std::map<std::pair<uint32_t, uint64_t>, std::array<Access, 16>> Maps;
  enum { Unknown, No, Yes } ComparesAndSwaps = Unknown;

  Page &page(const LaunchState &L, uint64_t Address) {
    uint64_t Number = Address / PageBytes;
    Recent &R = Cache[(Number ^ Number >> 8) % 256];
    if (R.Number != Number) {
      std::unique_ptr<Page> &P = Pages[Number];
      if (!P) {
        P = std::make_unique<Page>();
        P->Owner = L.Heap && L.Heap->contains(Address)
                       ? L.Heap->whole()
                       : findAllocation(L, Address, 1);
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
  bool TakesOld;         // the old value matters
  bool OldWrites = true; // the access that is looked at

  bool ordered(const Access &Old) const;
  bool fenced(const Access &Old) const;
  /// A plain read beside an atomic operation: loops of compare-and-swap start
  /// with one as a guess, which the operation then proves or disproves.
  bool guess(const Access &Old) const {
    return (Old.Atomic && !IsWrite) || (A.Atomic && !OldWrites);
  }
  const Access *replaced(const Granule &G, uint64_t Address) const {
    if (!G.Write.Strong || S.Replaced.empty())
      return nullptr;
    auto It = S.Replaced.find(Address / GranuleBytes);
    return It == S.Replaced.end() ? nullptr : &It->second;
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
  if (Old.Task != A.Task) {
    std::optional<uint32_t> Release = Old.Release;
    if (Old.Proxy)
      Release = S.Tasks[Old.Task].releaseOf(Old.Agent, Old.Clock);
    return Release && (knows(Mine.Seen, Old.Task, *Release) ||
                       (A.Strong && knows(Mine.Found, Old.Task, *Release)));
  }
  const WarpClock &C = R.Clocks[warpIndex(R, W)];
  bool Same = Old.Agent == A.Agent && (!A.Proxy || Old.Clock == A.Clock);
  return Same || Old.Clock <= C.Now[Old.Agent] ||
         (A.Strong && Old.Agent < C.Found.size() &&
          Old.Clock <= C.Found[Old.Agent]);
}

/// A proxy fence lies between the generic write Old and the bulk copy.
bool GlobalCheck::fenced(const Access &Old) const {
  const TaskState &Theirs = S.Tasks[Old.Task];
  if (Old.Task != A.Task)
    return covers(Theirs.ProxyView, Old.Agent, Old.Clock) ||
           knows(Mine.ProxySeen, Old.Task, Old.Release);
  return covers(R.Clocks[Old.Agent % R.Warps].GlobalView, Old.Agent,
                Old.Clock) ||
         covers(R.Clocks[warpIndex(R, W)].GlobalView, Old.Agent, Old.Clock);
}

void GlobalCheck::record(Granule &G) {
  Access *To = &G.Write;
  if (!IsWrite && A.Async) {
    To = &G.Reads[CopyRead];
  } else if (!IsWrite) {
    Access &First = G.Reads[0];
    bool Mine = !First.Task || First.Task == A.Task;
    To = Mine || ordered(First) ? &First : &G.Reads[1];
  }
  uint8_t Before = To->sameEpoch(A) ? To->Bytes : 0;
  *To = A;
  To->Bytes |= Before;
}

bool GlobalCheck::checkGranule(uint32_t Lane, Granule &G, uint64_t Address) {
  Access &Like = G.Reads[A.Async ? CopyRead : 0];
  if (!IsWrite && !G.Write.Task && Like.sameEpoch(A)) {
    Like.Bytes |= A.Bytes;
    return true;
  }
  const Access *Old = nullptr;
  OldWrites = true;
  if (conflict(G.Write))
    Old = &G.Write;
  else if (const Access *Plain = replaced(G, Address);
           Plain && conflict(*Plain))
    Old = Plain;
  for (const Access &Read : G.Reads) {
    if (!IsWrite || Old)
      break;
    OldWrites = false;
    if (conflict(Read))
      Old = &Read;
  }
  bool Unfenced = !Old && A.Proxy && G.Write.Task && !G.Write.Proxy &&
                  (G.Write.Bytes & A.Bytes) && !(G.Write.Strong && A.Strong) &&
                  !fenced(G.Write);
  if (Unfenced) {
    Old = &G.Write;
    OldWrites = true;
  }
  if (!Old) {
    bool KeepsLast = !G.Write.Strong || (G.Write.Proxy && !ordered(G.Write));
    if (IsWrite && A.Strong && G.Write.Task && KeepsLast)
      S.Replaced[Address / GranuleBytes] = G.Write;
    record(G);
    return true;
  }
  std::string Who = Old->Task == A.Task
                        ? agentName(R, Old->Agent) + " of the same cluster"
                        : "cluster " + std::to_string(Old->Task - 1);
  fault(W, I, FaultKind::Race, Lane,
        (Unfenced ? "missing fence.proxy.async: " : "race on ") +
            std::string("global address ") + hex(Address) + ": " +
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
  if (Missing && TakesOld) {
    uint64_t Byte = First + uint64_t(std::countr_zero(Missing));
    if (!mayReadUnwritten(W, I, Lane,
                          "uninitialised global memory at " +
                              hex(Owner->Begin + Byte) + ", byte " +
                              std::to_string(Byte) + " of allocation " +
                              std::to_string(Owner->Id)))
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

/// Finds what was published at the address, and publishes.
static void synchronise(GlobalCheck &K, WarpClock &Mine, uint16_t Flags,
                        uint64_t Address) {
  SyncObject &O = K.S.Sync[Address];
  bool Acquires = Flags & AcquireAccess, Releases = Flags & ReleaseAccess;
  uint32_t Task = K.A.Task;
  if (!K.IsWrite || K.A.Atomic) {
    joinReleases(Acquires ? K.Mine.Seen : K.Mine.Found, O.Releases);
    auto It = O.Clocks.find(Task);
    if (It != O.Clocks.end())
      join(Acquires ? Mine.Now : Mine.Found, It->second);
  }
  if (!K.IsWrite)
    return;
  uint32_t Release = Releases ? K.Mine.Release : K.Mine.Fenced;
  if (Release) {
    // What is known of third clusters travels along.
    joinReleases(O.Releases, K.Mine.Seen);
    joinReleases(O.Releases, {{Task, Release}});
  }
  const VectorClock &Out = Releases ? Mine.Now : Mine.Fenced;
  if (!Out.empty())
    join(O.Clocks[Task], Out);
}

/// Number of the warp's task: 0 is none.
static uint32_t taskNumber(const Warp *W) {
  return uint32_t(W->C->Group->Task) + 1;
}
static TaskState &taskOf(Warp *W) {
  return W->C->L->Shadow->Tasks[taskNumber(W)];
}

void ptxsim::fenceGlobal(Warp *W) {
  if (!W->C->L->Shadow)
    return;
  TaskState &T = taskOf(W);
  joinReleases(T.Seen, T.Found);
  T.Found.clear();
  T.Fenced = T.Release++;
}

void ptxsim::fenceProxyGlobal(Warp *W) {
  if (!W->C->L->Shadow)
    return;
  TaskState &T = taskOf(W);
  join(T.ProxyView, clockOf(*raceOf(W), W).Now);
  joinReleases(T.ProxySeen, T.Seen);
}

bool ptxsim::comparesAndSwaps(const LaunchState &L) {
  if (!L.Shadow)
    return false;
  auto &Known = L.Shadow->ComparesAndSwaps;
  if (Known == GlobalShadow::Unknown) {
    bool Any =
        std::any_of(L.P->Code.begin(), L.P->Code.end(),
                    [](const Inst &I) { return Op(I.OpId) == Op::AtomCas; });
    Known = Any ? GlobalShadow::Yes : GlobalShadow::No;
  }
  return Known == GlobalShadow::Yes;
}

static GlobalCheck begin(Warp *W, const Inst *I, AccessKind Kind, bool Strong) {
  RaceState &R = *raceOf(W);
  GlobalShadow &S = *W->C->L->Shadow;
  const WarpClock &C = clockOf(R, W);
  uint32_t Agent = warpIndex(R, W);
  TaskState &Mine = taskOf(W);
  Access A{};
  A.Task = taskNumber(W);
  A.Release = Mine.Release;
  A.Agent = uint16_t(Agent);
  A.Clock = C.Now[Agent];
  if (Op(I->OpId) == Op::CpAsync) { // reads until the copy is waited for
    A.Agent = uint16_t(agentOf(R, W, AgentKind::Copy));
    A.Clock = C.CopyClock;
    A.Async = true;
  }
  A.Pc = pcOf(I, W);
  A.Strong = Strong;
  A.Atomic = Kind == AccessKind::Atomic;
  return {
      W, I, S, R, Mine, A, Kind != AccessKind::Read, Kind != AccessKind::Write};
}

bool ptxsim::raceGlobal(Warp *W, const Inst *I, uint32_t M,
                        const uint64_t *Address, unsigned Bytes,
                        AccessKind Kind) {
  if (!W->C->L->Shadow)
    return true;
  uint16_t Flags = accessFlags(I);
  GlobalCheck K = begin(W, I, Kind, Flags & StrongAccess);
  RaceState &R = *raceOf(W);
  for (uint32_t Left = M; Left;) {
    uint32_t L = uint32_t(std::countr_zero(Left)), Next = L + 1;
    if (K.A.Strong)
      synchronise(K, clockOf(R, W), Flags, Address[L]);
    else // neighbours that access one piece of memory together
      while (Next < 32 && (M >> Next & 1) &&
             Address[Next] == Address[Next - 1] + Bytes)
        ++Next;
    if (!K.range(L, Address[L], uint64_t(Next - L) * Bytes, Bytes))
      return false;
    Left = Next == 32 ? 0 : Left & (AllLanes << Next);
  }
  if (Flags & ReleaseAccess) {
    ++K.Mine.Release;
    tick(R, W);
  }
  return true;
}

/// Reductions are relaxed atomic operations that do not start with a guess.
bool ptxsim::raceCopyGlobal(Warp *W, const Inst *I, uint32_t Lane,
                            uint64_t Address, uint64_t Bytes, AccessKind Kind,
                            CopyEpoch Copy) {
  if (!W->C->L->Shadow)
    return true;
  GlobalCheck K = begin(W, I, Kind, Kind == AccessKind::Atomic);
  K.A.Agent = uint16_t(Copy.Agent);
  K.A.Clock = Copy.Clock;
  K.A.Async = K.A.Proxy = true;
  K.A.Atomic = false;
  return K.range(Lane, Address, Bytes, Bytes);
}

void ptxsim::noteDone(Warp *W, uint32_t Agent, uint32_t Clock) {
  if (!Clock || !W->C->L->Shadow)
    return;
  TaskState &T = taskOf(W);
  auto &Done = T.Done[Agent];
  if (Done.empty() || Done.back().Clock < Clock)
    Done.push_back({Clock, T.Release});
}

// ---- tensor maps -----------------------------------------------------------
/// The last writes of a map's 128 bytes.
static std::array<Access, 16> mapWrites(GlobalShadow &S, const LaunchState &L,
                                        uint64_t Address) {
  std::array<Access, 16> Out{};
  for (Access &A : Out) {
    Page &P = S.page(L, Address);
    if (P.Written)
      A = P.granules()[Address % PageBytes / GranuleBytes].Write;
    Address += GranuleBytes;
  }
  return Out;
}

void ptxsim::raceFenceMap(Warp *W, uint64_t Address) {
  if (!W->C->L->Shadow)
    return;
  GlobalShadow &S = *W->C->L->Shadow;
  S.Maps[{taskNumber(W), Address}] = mapWrites(S, *W->C->L, Address);
}

bool ptxsim::raceReadMap(Warp *W, const Inst *I, uint32_t Lane,
                         uint64_t Address) {
  constexpr unsigned Bytes = 128;
  const Allocation *Where = findAllocation(*W->C->L, Address, Bytes);
  if (!W->C->L->Shadow || !Where || Where->Param)
    return true;
  GlobalShadow &S = *W->C->L->Shadow;
  GlobalCheck K = begin(W, I, AccessKind::Read, false);
  if (!K.range(Lane, Address, Bytes, Bytes))
    return false;
  auto Now = mapWrites(S, *W->C->L, Address);
  auto It = S.Maps.find({K.A.Task, Address});
  for (unsigned J = 0; J < Now.size(); ++J) {
    if (!Now[J].Task || (It != S.Maps.end() && It->second[J].sameEpoch(Now[J])))
      continue;
    fault(W, I, FaultKind::Race, Lane,
          "missing fence.proxy.tensormap (acquire) for the tensor map at " +
              hex(Address) + ", which the kernel has changed\n  earlier: " +
              describeSource(*W->P, Now[J].Pc));
    return false;
  }
  return true;
}
