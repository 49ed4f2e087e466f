// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Slices, completion of asynchronous work, deadlock and budget reports.
#include "Scheduler.h"
#include "Paths.h"
#include "Runtime.h"
#include "Stall.h"

using namespace ptxsim;

static constexpr int64_t FixedFuel = 2048, SpinFuel = 256;

static int64_t sliceFuel(LaunchState &L, Worker &Work, const Warp &W) {
  // Lanes of a loose warp poll for each other.
  if (L.Config.Completion != Mode::Seeded)
    return W.Loose ? SpinFuel : FixedFuel;
  // Log-uniform: very short slices are as likely as long ones.
  unsigned Bits = unsigned(Work.Random() % 13);
  return int64_t(Work.Random() & ((uint64_t(1) << Bits) - 1));
}

/// One slice of a ready warp; true if anything another agent can observe, or
/// a computation, went on.
static bool runSlice(LaunchState &L, Worker &Work, Warp &W) {
  uint64_t Effects = W.Effects;
  if (__builtin_expect(!W.Joins.empty() || !W.Paths.empty(), 0))
    rotatePaths(&W);
  W.Waiting = false;
  W.Fuel = sliceFuel(L, Work, W);
  W.Segment = W.Pc;
  const Inst *I = W.P->Code.data() + W.Pc;
  I->Fn(I, W.Rows, &W, W.Mask);
  return W.Effects != Effects || (W.State == WarpState::Ready && !W.Waiting) ||
         W.State == WarpState::Done;
}

/// Completes queued work that is due; in late mode only when nothing else can
/// go on.
static bool completePending(LaunchState &L, Cluster &G, bool Idle) {
  bool Any = false;
  for (size_t K = 0; K < G.Queue.size();) {
    bool Due = L.Config.Completion == Mode::Late
                   ? Idle && !Any
                   : --G.Queue[K].Rounds < 0 || Idle;
    if (!Due) {
      ++K;
      continue;
    }
    std::function<void()> Complete = std::move(G.Queue[K].Complete);
    G.Queue.erase(G.Queue.begin() + long(K));
    Complete();
    Any = true;
  }
  return Any;
}

static bool runRound(LaunchState &L, Worker &Work, Cluster &G) {
  bool Progress = false, Live = false;
  size_t N = 0;
  for (auto &C : G.Ctas)
    N += C->Warps.size();
  size_t First = L.Config.Completion == Mode::Seeded ? Work.Random() % N : 0;
  for (size_t K = 0; K < N && !L.Stop; ++K) {
    size_t At = (First + K) % N, PerCta = G.Ctas[0]->Warps.size();
    Warp &W = G.Ctas[At / PerCta]->Warps[At % PerCta];
    Live |= W.State != WarpState::Done;
    if (W.State != WarpState::Ready)
      continue;
    // A seeded schedule leaves a warp out now and then.
    if (L.Config.Completion == Mode::Seeded && Work.Random() % 4 == 0) {
      Progress = true;
      continue;
    }
    bool Went = runSlice(L, Work, W);
    // While one path polls, another one may be able to go on.
    for (unsigned Ready = readyPaths(W);
         !Went && Ready && W.State == WarpState::Ready && !L.Stop; --Ready)
      Went = runSlice(L, Work, W);
    Progress |= Went;
  }
  G.Done = !Live && G.Queue.empty();
  return Progress;
}

static std::string describeWait(const Warp &W) {
  std::string S = "  CTA " + std::to_string(W.C->Id.X) + "," +
                  std::to_string(W.C->Id.Y) + "," + std::to_string(W.C->Id.Z) +
                  " warp " + std::to_string(W.Id) + ": ";
  uint32_t Pc = W.Pc;
  switch (W.State) {
  case WarpState::Barrier: {
    const NamedBarrier &B = W.C->Barriers[W.BarrierId];
    S += "waits at barrier " + std::to_string(W.BarrierId) + ", " +
         std::to_string(B.Arrived) + " threads of " +
         (B.Expected ? std::to_string(B.Expected) : "the CTA") +
         " have arrived; ";
    --Pc;
    break;
  }
  case WarpState::ClusterBarrier: S += "waits at the cluster barrier; "; break;
  default:
    S += W.Waiting ? "waits at " : "repeats a loop at ";
    if (Pc)
      --Pc;
  }
  return S + describeSource(*W.P, Pc) + describeAsyncWait(W, Pc) +
         describePaths(W);
}

static void report(LaunchState &L, FaultKind Kind, Cluster &G,
                   const std::string &Head) {
  std::string Text = Head;
  unsigned Listed = 0;
  for (auto &C : G.Ctas)
    for (Warp &W : C->Warps)
      if (W.State != WarpState::Done && Listed++ < 32)
        Text += "\n" + describeWait(W);
  if (Listed > 32)
    Text += "\n  and " + std::to_string(Listed - 32) + " more warps";
  std::lock_guard<std::mutex> Guard(L.Lock);
  if (L.First.Kind == FaultKind::None) {
    L.First.Kind = Kind;
    L.First.Message = "kernel '" + L.P->Name + "': " + Text;
    L.First.Cta = G.Ctas[0]->Linear;
  }
  L.Stop = true;
}

static uint64_t executed(const std::vector<std::unique_ptr<Cluster>> &All) {
  uint64_t N = 0;
  for (auto &G : All)
    for (auto &C : G->Ctas)
      for (Warp &W : C->Warps)
        N += W.Executed;
  return N;
}

/// Lets copies end for which loops may be waiting.
static bool completeAny(LaunchState &L, StallWatch &Watch,
                        std::vector<std::unique_ptr<Cluster>> &Resident) {
  bool Any = false;
  for (auto &G : Resident)
    Any |= completePending(L, *G, true);
  Watch.restart();
  return Any;
}

void ptxsim::runResident(LaunchState &L, Worker &Work,
                         std::vector<std::unique_ptr<Cluster>> &Resident) {
  unsigned IdleRounds = 0;
  StallWatch Watch(L);
  for (uint64_t Round = 1; !L.Stop; ++Round) {
    bool Progress = false, AnyDone = false;
    for (auto &G : Resident) {
      bool Went = runRound(L, Work, *G);
      if (completePending(L, *G, !Went && !G->Done)) {
        Watch.restart();
        Went = true;
      }
      Progress |= Went;
      AnyDone |= G->Done;
    }
    if (AnyDone)
      return;
    IdleRounds = Progress ? 0 : IdleRounds + 1;
    if (IdleRounds > 2) {
      report(L, FaultKind::Deadlock, *Resident[0],
             "deadlock, no warp can go on:");
      return;
    }
    if (Watch.stalled(Resident) && !completeAny(L, Watch, Resident)) {
      report(L, FaultKind::Deadlock, *Resident[0],
             "deadlock, all warps wait or repeat a loop, and nobody changes "
             "what they look at:");
      return;
    }
    if (Round % 64 == 0 && executed(Resident) > L.Config.Budget)
      report(L, FaultKind::Budget, *Resident[0],
             "the kernel did not end within " +
                 std::to_string(L.Config.Budget) +
                 " warp instructions (PTXSIM_BUDGET):");
  }
}
