// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Planted bugs in pipelines, epilogues and clusters: kernels with marked places
// that are left out or changed one at a time. Every mutant must be reported in
// race mode, the kernel itself must not, and its results must not depend on
// when asynchronous work completes.
#include "Driver.h"
#include "PipelineKernels.h"
#include <set>

using namespace test;

namespace {
/// From becomes To. Without To, From is the name of a piece that is left out:
/// the text from "/*name{*/" to its "/*}*/".
struct Change {
  std::string From, To;
};
struct Mutant {
  std::string Name;
  std::vector<Change> Changes;
};
struct Pipeline {
  const char *Name, *Body;
  unsigned Ctas, Cluster, Threads;
  std::vector<Mutant> Mutants;
};
} // namespace

// ---- mutants
// -----------------------------------------------------------------
static const Pipeline Pipe{
    "Pipe",
    PipeBody,
    1,
    1,
    96,
    {{"no wait for a full stage", {{"FWAIT", ""}}},
     {"one parity for full stages", {{"/*FPAR*/1", "0"}}},
     {"no wait for an empty stage", {{"EWAIT", ""}}},
     {"the wrong parity for empty stages", {{"/*EPAR*/1", "0"}}},
     {"half of the bytes expected", {{"/*BYTES*/512", "256"}}},
     {"twice the bytes expected", {{"/*BYTES*/512", "1024"}}},
     {"a stage released before it is read",
      {{"LATE", ""},
       {"/*EARLY*/",
        "bar.warp.sync -1;\n@%p2 mbarrier.arrive.shared.b64 _, [%r15+16];"}}},
     {"no barrier behind the initialisation", {{"/*INITBAR*/bar.sync 0;", ""}}},
     {"one arrival for two warps", {{"/*CNT*/2", "1"}}},
     {"one round too few", {{"/*ROUNDS*/6", "5"}}},
     {"stages that overlap", {{"/*STAGE*/9", "8"}}}}};

static const Pipeline Epilogue{
    "Epilogue",
    EpilogueBody,
    1,
    1,
    96,
    {{"no proxy fence", {{"FENCE", ""}}},
     {"no barrier before the store", {{"BAR1", ""}}},
     {"no wait for the source", {{"WAITR", ""}}},
     {"no barrier behind the wait", {{"BAR2", ""}}},
     {"a wait that leaves one group", {{"/*KEEP*/0", "1"}}},
     {"no commit", {{"COMMIT", ""}}},
     {"another warp waits", {{"/*WHO*/%p1", "%p5"}}},
     {"another thread of the warp waits", {{"/*WHO*/%p1", "%p4"}}},
     {"the fence before the writes",
      {{"FENCE", ""}, {"/*FENCE0*/", "fence.proxy.async.shared::cta;"}}},
     {"a fence for global memory",
      {{"fence.proxy.async.shared::cta;", "fence.proxy.async.global;"}}},
     {"the destination read back",
      {{"/*READ*/", "ld.global.u32 %r30, [%d3];"}}}}};

static const Pipeline TwoSlots{
    "TwoSlots",
    TwoSlotsBody,
    1,
    1,
    96,
    {{"a wait that leaves two groups", {{"/*KEEP*/1", "2"}}},
     {"one slot for two groups", {{"/*SLOT*/384", "0"}}}}};

static const Pipeline Multicast{
    "Multicast",
    MulticastBody,
    2,
    2,
    96,
    {{"no cluster barrier behind the initialisation", {{"CINIT", ""}}},
     {"a barrier of the CTA there",
      {{"CINIT", ""}, {"/*CBAR*/", "bar.sync 0;"}}},
     {"no wait for an empty stage", {{"EWAIT", ""}}},
     {"a mask without the other CTA", {{"/*MASK*/3", "1"}}},
     {"a mask without CTA 0", {{"/*MASK*/3", "2"}}},
     {"half of the bytes expected", {{"/*BYTES*/512", "256"}}},
     {"no wait for a full stage", {{"FWAIT", ""}}},
     {"only the own CTA told of empty stages",
      {{"REMOTE", ""}, {"/*ECNT*/4", "2"}}},
     {"only the other CTA told", {{"LOCAL", ""}, {"/*ECNT*/4", "2"}}},
     {"no cluster barrier at the end", {{"EXIT", ""}}}}};

static const Pipeline Ring{
    "Ring",
    RingBody,
    2,
    2,
    32,
    {{"no wait for credit", {{"CREDIT", ""}}},
     {"no wait for data", {{"FULL", ""}}},
     {"credit given before the data are read",
      {{"GIVE", ""},
       {"/*EARLY*/",
        "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%r23+8];"}}},
     {"no fence behind the initialisation", {{"INIT", ""}}},
     {"credit given by a relaxed arrival",
      {{"arrive.release.cluster", "arrive.relaxed.cluster"}}},
     {"a relaxed wait for credit", {{"parity.acquire", "parity.relaxed"}}},
     {"no cluster barrier at the end", {{"EXIT", ""}}},
     {"a relaxed cluster barrier at the end",
      {{"/*EXIT{*/barrier.cluster.arrive",
        "/*EXIT{*/barrier.cluster.arrive.relaxed"}}},
     {"half of the bytes expected", {{"/*BYTES*/128", "64"}}},
     {"twice the bytes expected", {{"/*BYTES*/128", "256"}}}}};

static const Pipeline CopyBarrier{
    "CopyBarrier",
    CopyBarrierBody,
    1,
    1,
    96,
    {{"no wait", {{"W", ""}}},
     {"one parity", {{"/*PAR*/1", "0"}}},
     {"no barrier before the next copy", {{"BAR", ""}}},
     {"an arrival that does not wait for copies",
      {{"cp.async.mbarrier.arrive.noinc.shared.b64 [%r5];",
        "mbarrier.arrive.shared.b64 _, [%r5];"}}}}};

static const Pipeline CopyGroups{
    "CopyGroups",
    CopyGroupsBody,
    1,
    1,
    96,
    {{"a wait that leaves two groups", {{"/*N*/1", "2"}}},
     {"no barrier", {{"B1", ""}}},
     {"two stages for three copies", {{"/*S*/3", "2"}}},
     {"no commit", {{"COM", ""}}}}};

static const Pipeline PingPong{
    "PingPong",
    PingPongBody,
    1,
    1,
    96,
    {{"a buffer given back before it is read",
      {{"LATE", ""}, {"/*EARLY*/", "bar.arrive 2, 64;"}}},
     {"a buffer given before it is written",
      {{"GIVE", ""}, {"/*FIRST*/", "bar.arrive 1, 64;"}}},
     {"another barrier", {{"/*ID*/2", "3"}}}}};

static const Pipeline ReduceFlag{
    "ReduceFlag",
    ReduceFlagBody,
    2,
    1,
    32,
    {{"no wait", {{"W", ""}}},
     {"a wait for the source", {{"wait_group/*RD*/ 0", "wait_group.read 0"}}},
     {"no fence before the flag", {{"F", ""}}}}};

static const Pipeline GlobalLoad{
    "GlobalLoad",
    GlobalLoadBody,
    1,
    1,
    96,
    {{"no proxy fence", {{"F", ""}}},
     {"no barrier", {{"B", ""}}},
     {"no wait", {{"W", ""}}},
     {"a fence for shared memory",
      {{"fence.proxy.async;", "fence.proxy.async.shared::cta;"}}}}};

static const Pipeline Exchange{
    "Exchange",
    ExchangeBody,
    2,
    2,
    96,
    {{"no proxy fence", {{"F", ""}}},
     {"no cluster barrier before", {{"C", ""}}},
     {"no wait", {{"W", ""}}},
     {"no cluster barrier at the end", {{"E", ""}}},
     {"a destination over the source", {{"/*OFF*/1024", "128"}}},
     {"the source written behind the wait for the other copy",
      {{"/*REUSE*/", "st.shared.u32 [%r12], 7;"}}}}};

// ---- runs
// --------------------------------------------------------------------
/// The end of the piece that begins at From, whose pieces may be nested.
static size_t endOfPiece(const std::string &Text, size_t From) {
  unsigned Depth = 0;
  for (size_t At = From; At < Text.size(); ++At) {
    if (Text.compare(At, 3, "{*/") == 0)
      ++Depth;
    if (Text.compare(At, 5, "/*}*/") == 0 && !--Depth)
      return At + 5;
  }
  return Text.npos;
}

static bool apply(std::string &Text, const Change &C) {
  bool LeavesOut =
      C.To.empty() && Text.find("/*" + C.From + "{*/") != Text.npos;
  size_t At = Text.find(LeavesOut ? "/*" + C.From + "{*/" : C.From);
  if (At == Text.npos)
    return false;
  size_t End = LeavesOut ? endOfPiece(Text, At) : At + C.From.size();
  Text.replace(At, End - At, C.To);
  return true;
}

static CUresult run(const Pipeline &P, const std::string &Body,
                    std::vector<uint32_t> &Out) {
  constexpr size_t Words = 4096;
  Kernel K(Head + Body + "ret;\n}\n", "k");
  if (!check(K.Ok, std::string(P.Name) + ": " + K.Error))
    return K.LoadResult;
  std::vector<uint32_t> In(Words);
  for (uint32_t I = 0; I < Words; ++I)
    In[I] = I;
  Buffer A(In), B(std::vector<uint32_t>(Words / 2, 0));
  CUresult R = K.arg(A.Address).arg(B.Address).run({P.Ctas}, {P.Threads}, 0,
                                                   {P.Cluster});
  if (R == CUDA_SUCCESS)
    Out = B.read<uint32_t>();
  return R;
}

static void testPipeline(const Pipeline &P) {
  std::set<std::vector<uint32_t>> Results;
  forModes([&](const std::string &Mode) {
    for (const char *Race : {"0", "1"}) {
      api().ptxsimConfigure("RACE", Race);
      std::vector<uint32_t> Out;
      CUresult R = run(P, P.Body, Out);
      if (check(R == CUDA_SUCCESS, std::string(P.Name) + " in mode " + Mode +
                                       ": " + api().ptxsimLastReport()))
        Results.insert(Out);
    }
    for (const Mutant &M : P.Mutants) {
      std::string Body = P.Body;
      for (const Change &C : M.Changes)
        check(apply(Body, C), M.Name + ": no " + C.From);
      std::vector<uint32_t> Out;
      check(run(P, Body, Out) != CUDA_SUCCESS,
            std::string(P.Name) + ", " + M.Name + ", is reported in mode " +
                Mode);
    }
  });
  check(Results.size() == 1, std::string(P.Name) + ": one result in all modes");
}

int main() {
  for (const Pipeline *P :
       {&Pipe, &Epilogue, &TwoSlots, &Multicast, &Ring, &CopyBarrier,
        &CopyGroups, &PingPong, &ReduceFlag, &GlobalLoad, &Exchange})
    testPipeline(*P);
  return finish("PipelineRaceTest");
}
