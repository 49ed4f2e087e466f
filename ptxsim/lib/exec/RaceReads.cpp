// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Race checker: reads of shared memory that need no look at single cells. Most
// reads follow a barrier behind all writes of their block, and the next barrier
// makes them known to every warp before anybody writes there again. Such reads
// are only logged. A write that they might conflict with first enters them into
// the cells, as if they had been entered at once.
#include "RaceCell.h"

using namespace ptxsim;

static uint32_t blockOf(uint32_t Offset) {
  return (Offset - SharedBase) / CtaShadow::BlockBytes;
}
static uint32_t leastOf(const VectorClock &Now, uint32_t First,
                        uint32_t Count) {
  return *std::min_element(Now.begin() + First, Now.begin() + First + Count);
}

/// Least and greatest of 32 offsets.
static std::pair<uint32_t, uint32_t> boundsOf(const uint32_t *Offset) {
  auto Load = [&](unsigned K) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i *>(Offset) + K);
  };
  __m256i Low = Load(0), High = Low;
  for (unsigned K = 1; K < 4; ++K) {
    Low = _mm256_min_epu32(Low, Load(K));
    High = _mm256_max_epu32(High, Load(K));
  }
  uint32_t L[8], H[8];
  std::memcpy(L, &Low, sizeof(L));
  std::memcpy(H, &High, sizeof(H));
  return {*std::min_element(L, L + 8), *std::max_element(H, H + 8)};
}

void BlockSummary::write(uint32_t First, uint32_t End) {
  for (uint32_t Word = (First + 3) / 4; Word < End / 4; ++Word)
    Written[Word / 64] |= uint64_t(1) << Word % 64;
}
bool BlockSummary::allWritten() const {
  return (Written[0] & Written[1] & Written[2] & Written[3]) == ~uint64_t(0);
}

/// Every lane reads words that have been written as a whole.
static bool wordsWritten(const CtaShadow &Sh, const uint32_t *Offset,
                         unsigned Bytes) {
  for (unsigned L = 0; L < 32; ++L)
    for (uint32_t At = Offset[L]; At < Offset[L] + Bytes; At += 4) {
      uint32_t Word = (At - SharedBase) / 4 % CtaShadow::BlockCells;
      if (!(Sh.Summaries[blockOf(At)].Written[Word / 64] >> Word % 64 & 1))
        return false;
    }
  return true;
}

// ---- the log -------------------------------------------------------------
/// Enters a lane's read of whole words.
static void enterRead(CellCheck &K, uint32_t At, unsigned Bytes) {
  CtaShadow &Sh = K.Sh;
  uint32_t Block = At / Sh.BlockBytes, Quad = At / Sh.QuadBytes;
  if (Sh.BlockAlike[Block])
    Sh.spreadBlock(Block);
  if (Sh.QuadAlike[Quad]) {
    if (Bytes == Sh.QuadBytes)
      return K.record(Sh.quadCell(Quad), 0xf);
    Sh.spreadQuad(Quad);
  }
  for (uint32_t Word = At / 4; Word < (At + Bytes) / 4; ++Word)
    K.record(Word, 0xf);
}

/// Enters the reads of one warp into the cells.
static void enterLog(RaceState &S, Cta &C, uint32_t Warp) {
  ReadLog &Log = S.Ctas[0].Logs[Warp];
  for (const LoggedRead &X : Log.Reads) {
    RaceAccess A;
    A.Agent = Warp;
    A.Clock = Log.Clock;
    A.Pc = X.Pc;
    uint32_t Offset[32], Left, Several;
    for (unsigned L = 0; L < 32; ++L)
      Offset[L] = X.Words[L] * 4u;
    mergeReads(AllLanes, Offset, Left, Several);
    CellCheck K(&C.Warps[Warp], nullptr, S, C, A, Log.Now);
    forLanes(Left, [&](uint32_t L) {
      A.Lane = Several >> L & 1 ? SeveralLanes : uint8_t(L);
      enterRead(K, Offset[L], X.Bytes);
    });
  }
  Log.Reads.clear();
}

void ptxsim::enterLogs(RaceState &S, Cta &C) {
  for (uint32_t K = 0; K < S.Warps; ++K)
    enterLog(S, C, K);
  for (BlockSummary &X : S.Ctas[0].Summaries)
    X.LastRead = 0;
}

/// The warp's reads up to Clock come before all that any warp does from now on.
static bool knownToAll(const RaceState &S, uint32_t Warp, uint32_t Clock) {
  return std::all_of(S.Clocks.begin(), S.Clocks.end(),
                     [&](const WarpClock &C) { return C.Now[Warp] >= Clock; });
}

/// Makes room for reads at the warp's present clock.
static ReadLog &openLog(RaceState &S, Cta &C, uint32_t Warp) {
  constexpr size_t Most = 512;
  ReadLog &Log = S.Ctas[0].Logs[Warp];
  const VectorClock &Now = S.Clocks[Warp].Now;
  if (Log.Clock == Now[Warp] && Log.Reads.size() < Most)
    return Log;
  if (Log.Clock == Now[Warp] || !knownToAll(S, Warp, Log.Clock))
    enterLog(S, C, Warp);
  Log.Reads.clear();
  Log.Clock = Now[Warp];
  Log.Now = Now;
  return Log;
}

bool ptxsim::logRead(RaceState &S, Cta &C, uint32_t Warp, uint32_t Pc,
                     const uint32_t *Offset, unsigned Bytes) {
  constexpr uint32_t MostBlocks = 8;
  if (S.Ctas.size() != 1 || Bytes < 4)
    return false;
  CtaShadow &Sh = S.Ctas[0];
  auto [Low, High] = boundsOf(Offset);
  uint32_t First = blockOf(Low), Last = blockOf(High + Bytes - 1);
  if (Last - First >= MostBlocks)
    return false;
  const VectorClock &Now = S.Clocks[Warp].Now;
  uint32_t Known =
      std::min(leastOf(Now, 0, S.Warps), S.Clocks[Warp].Synced - 1);
  bool Whole = true;
  for (uint32_t B = First; B <= Last; ++B) {
    const BlockSummary &X = Sh.Summaries[B];
    if (X.Foreign || X.LastWrite > Known ||
        (X.LastCopy && X.LastCopy > leastOf(Now, S.Warps, S.Warps)))
      return false;
    Whole &= X.allWritten();
  }
  if (!Whole && !wordsWritten(Sh, Offset, Bytes))
    return false;
  LoggedRead &R = openLog(S, C, Warp).Reads.emplace_back();
  R.Pc = Pc;
  R.Bytes = uint8_t(Bytes);
  for (unsigned L = 0; L < 32; ++L)
    R.Words[L] = uint16_t((Offset[L] - SharedBase) / 4);
  for (uint32_t B = First; B <= Last; ++B)
    Sh.Summaries[B].LastRead = std::max(Sh.Summaries[B].LastRead, Now[Warp]);
  return true;
}

void ptxsim::summariseWrite(const CellCheck &K, Cta &C, uint32_t Offset,
                            uint32_t Bytes) {
  CtaShadow &Sh = K.Sh;
  bool ByWarp = K.ownWarp();
  bool ByCopy = K.A.Agent / K.S.Warps == uint32_t(AgentKind::Copy);
  uint32_t Known = ByWarp ? std::min(K.LeastNow, K.A.Clock - 1) : K.LeastNow;
  for (uint32_t At = Offset - SharedBase, End = At + Bytes; At < End;) {
    uint32_t Block = At / Sh.BlockBytes, From = At % Sh.BlockBytes;
    uint32_t To = std::min(Sh.BlockBytes, From + End - At);
    BlockSummary &X = Sh.Summaries[Block];
    if (X.LastRead > Known)
      enterLogs(K.S, C);
    if (ByWarp)
      X.LastWrite = std::max(X.LastWrite, K.A.Clock);
    else if (ByCopy)
      X.LastCopy = std::max(X.LastCopy, K.A.Clock);
    else
      X.Foreign = true;
    X.write(From, To);
    At += To - From;
  }
}
