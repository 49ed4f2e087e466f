// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// wgmma.mma_async and its groups. Each of the four warps computes its 16 rows
// of the 64; the image of B is built once and shared while the shared memory
// it came from is unchanged.
#include "../TensorMap.h"
#include "Async.h"
#include "MmaEngine.h"
#include "Race.h"
#include <algorithm>

using namespace ptxsim;

namespace {

/// A shared memory matrix descriptor, decoded.
struct MatrixDescriptor {
  uint32_t Start, Leading, Stride, Span;
  Swizzle Mode;
  explicit MatrixDescriptor(uint64_t D)
      : Start(uint32_t(D & 0x3fff) << 4),
        Leading(uint32_t(D >> 16 & 0x3fff) << 4),
        Stride(uint32_t(D >> 32 & 0x3fff) << 4) {
    constexpr Swizzle Modes[] = {Swizzle::None, Swizzle::B128, Swizzle::B64,
                                 Swizzle::B32};
    Mode = Modes[D >> 62];
    Span = Mode == Swizzle::None ? 16 : swizzleSpan(Mode);
  }
  /// Row-like index Row (8 rows per core matrix) and byte B of k.
  uint32_t kMajor(uint32_t Row, uint32_t B) const {
    uint32_t A = Start + Row / 8 * Stride + Row % 8 * Span;
    A += Mode == Swizzle::None ? B / 16 * Leading + B % 16 : B;
    return swizzled(Mode, A);
  }
  /// Element (Mn, K) of a transposed matrix of 16-bit elements.
  uint32_t mnMajor(uint32_t Mn, uint32_t K) const {
    uint32_t PerRow = Span / 2, A = Start + K % 8 * Span + Mn % PerRow * 2;
    if (Mode == Swizzle::None)
      A += Mn / PerRow * Stride + K / 8 * Leading;
    else
      A += Mn / PerRow * Leading + K / 8 * Stride;
    return swizzled(Mode, A);
  }
};

/// Products that run together at most, and images of B that are kept.
constexpr unsigned MaxBatch = 4, CachedImages = 8, MaxGroups = 32,
                   MaxImageA = 32 / 4;

struct CachedB {
  uint64_t Owner = 0, Desc = 0, Version = 0;
  const Detail *D = nullptr;
  uint64_t LastUse = 0; // 0: empty
  bool Trans = false, Negate = false;
  alignas(64) PatternB Image[MaxGroups * 8 * 32];
};

} // namespace

static const uint8_t *sharedAt(const Cta *C, uint32_t A, uint32_t Bytes) {
  // Descriptors hold 18 bits of the address; out of range reads are checked
  // at issue, this clamps what a late change could still reach.
  uint32_t Room = C->SharedBytes - std::min(C->SharedBytes, Bytes);
  return C->Shared + std::min(A - SharedBase, Room);
}

static void buildB(const WgmmaProduct &P, const Cta *C, PatternB *Out) {
  const OpcodeInfo &Info = P.D->Info;
  MatrixType T = matrixType(Info.Types[2]);
  MatrixDescriptor Desc(P.DescB);
  unsigned K = Info.Shape.K;
  for (unsigned J = 0; J < Info.Shape.N / 8u; ++J) {
    uint32_t Words[8][8];
    for (unsigned N = 0; N < 8; ++N)
      for (unsigned Chunk = 0; Chunk < 2; ++Chunk) {
        if (!P.TransB) {
          std::memcpy(&Words[N][4 * Chunk],
                      sharedAt(C, Desc.kMajor(8 * J + N, 16 * Chunk), 16), 16);
          continue;
        }
        uint16_t Eight[8];
        for (unsigned E = 0; E < 8; ++E)
          std::memcpy(&Eight[E],
                      sharedAt(C, Desc.mnMajor(8 * J + N, 8 * Chunk + E), 2),
                      2);
        std::memcpy(&Words[N][4 * Chunk], Eight, 16);
      }
    patternFromWords(T, Words, Out + size_t(J) * 8 * K);
  }
  if (P.NegateB)
    for (size_t E = 0; E < size_t(Info.Shape.N) * K; ++E)
      Out[E] = -Out[E];
}

/// Fragment registers of the warp's 16 rows of A, from shared memory.
static void gatherA(const WgmmaProduct &P, const Warp *W,
                    uint32_t (*Regs)[32]) {
  MatrixDescriptor Desc(P.DescA);
  const Cta *C = W->C;
  uint32_t FirstRow = W->Id % 4 * 16;
  for (unsigned Reg = 0; Reg < 4; ++Reg)
    for (unsigned G = 0; G < 8; ++G) {
      uint32_t Row = FirstRow + G + 8 * (Reg & 1), Chunk = Reg / 2;
      if (!P.TransA) {
        std::memcpy(&Regs[Reg][4 * G],
                    sharedAt(C, Desc.kMajor(Row, 16 * Chunk), 16), 16);
        continue;
      }
      uint16_t Eight[8];
      for (unsigned E = 0; E < 8; ++E)
        std::memcpy(&Eight[E], sharedAt(C, Desc.mnMajor(Row, 8 * Chunk + E), 2),
                    2);
      std::memcpy(&Regs[Reg][4 * G], Eight, 16);
    }
}

/// The least recently used image makes room, so that those of one batch stay.
static const PatternB *imageOfB(const WgmmaProduct &P, Cta *C) {
  static thread_local CachedB Cache[CachedImages];
  static thread_local uint64_t Uses = 0;
  uint64_t Version = C->SharedChanges, Owner = C->Serial;
  CachedB *Oldest = Cache;
  for (CachedB &E : Cache) {
    if (E.LastUse && E.Owner == Owner && E.Desc == P.DescB && E.D == P.D &&
        E.Version == Version && E.Trans == P.TransB && E.Negate == P.NegateB) {
      E.LastUse = ++Uses;
      return E.Image;
    }
    if (E.LastUse < Oldest->LastUse)
      Oldest = &E;
  }
  CachedB &E = *Oldest;
  E.Owner = Owner;
  E.Desc = P.DescB;
  E.Version = Version;
  E.D = P.D;
  E.Trans = P.TransB;
  E.Negate = P.NegateB;
  E.LastUse = ++Uses;
  buildB(P, C, E.Image);
  return E.Image;
}

/// f16 accumulators: pairs of columns per register.
static void multiplyHalf(Warp *W, const WgmmaProduct &P, const FragmentA *A,
                         const PatternB *B) {
  const OpcodeInfo &Info = P.D->Info;
  for (unsigned J = 0; J < Info.Shape.N / 8u; ++J) {
    alignas(128) uint8_t Acc[4][128];
    constexpr uint32_t Places[4] = {0, 128, 256, 384}, NoOffset = 0;
    for (unsigned R = 0; R < 4; ++R) {
      RowU32 X = rowAt<RowU32>(W->Rows + P.D->slot(0, 2 * J + R / 2));
      rowAt<RowF32>(Acc[R]) = halfToFloat(X >> (16 * (R & 1)));
    }
    MmaOperands Operands{A, B + size_t(J) * 8 * Info.Shape.K, &NoOffset};
    multiplyFloat(Acc[0], Places, P.Zero ? nullptr : Places, &Operands, 1, 1,
                  Info.Shape.K, perWord(matrixType(Info.Types[1])), true);
    for (unsigned R = 0; R < 2; ++R)
      rowAt<RowU32>(W->Rows + P.D->slot(0, 2 * J + R)) =
          floatToHalf(rowAt<RowF32>(Acc[2 * R])) |
          floatToHalf(rowAt<RowF32>(Acc[2 * R + 1])) << 16;
  }
}

/// A, from registers or shared memory.
static void imageOfA(Warp *W, const WgmmaProduct &P, FragmentA *A) {
  const OpcodeInfo &Info = P.D->Info;
  alignas(128) uint32_t Gathered[4][32];
  const uint8_t *Regs[4];
  if (!P.FromRegisters)
    gatherA(P, W, Gathered);
  for (unsigned K = 0; K < 4; ++K)
    Regs[K] = P.FromRegisters ? W->Rows + P.D->slot(1, K)
                              : reinterpret_cast<uint8_t *>(Gathered[K]);
  unsigned K = Info.Shape.K;
  decodeA(matrixType(Info.Types[1]), Regs, K, true, A);
  if (P.NegateA)
    for (unsigned J = 0; J < K / 4; ++J)
      for (unsigned L = 0; L < 32; ++L) {
        A[J][0][L] = -A[J][0][L];
        A[J][1][L] = -A[J][1][L];
      }
}

/// Next continues First's sum: the accumulators need not be stored between.
static bool continues(const WgmmaProduct &First, const WgmmaProduct &Next) {
  const OpcodeInfo &A = First.D->Info, &B = Next.D->Info;
  if (A.Types[0] != Type::F32 || B.Types[0] != Type::F32 || Next.Zero ||
      A.Shape.N != B.Shape.N || A.Shape.K != B.Shape.K)
    return false;
  for (unsigned R = 0; R < A.Shape.N / 2u; ++R)
    if (First.D->slot(0, R) != Next.D->slot(0, R))
      return false;
  return true;
}

/// Accumulators of f32 for all warps. A piece of B stays in the host's first
/// cache while the warps use it one after the other.
static void multiplyTogether(Warp *const *W, unsigned NumWarps,
                             const WgmmaProduct &First,
                             MmaOperands (*Operands)[MaxBatch],
                             unsigned Count) {
  constexpr unsigned Piece = 4;
  const OpcodeInfo &Info = First.D->Info;
  unsigned Groups = Info.Shape.N / 8u, K = Info.Shape.K;
  unsigned PerWord = perWord(matrixType(Info.Types[1]));
  const uint32_t *Acc = &First.D->Slots[First.D->Operands[0].First];
  uint32_t Offset[MaxGroups];
  for (unsigned J = 0; J < Groups; ++J)
    Offset[J] = J * 8 * K;
  for (unsigned At = 0; At < Groups; At += Piece)
    for (unsigned X = 0; X < NumWarps; ++X) {
      for (unsigned J = 0; J < Count; ++J)
        Operands[X][J].Offset = Offset + At;
      const uint32_t *Rows = Acc + 4 * At;
      multiplyFloat(W[X]->Rows, Rows, First.Zero ? nullptr : Rows, Operands[X],
                    Count, std::min(Piece, Groups - At), K, PerWord, true);
    }
}

/// Runs the first Count products of some warps of a group, of which each
/// continues the one before. The warps' products differ in A only.
static void runBatch(Warp *const *W, unsigned NumWarps, unsigned Count) {
  alignas(128) static thread_local FragmentA A[4][MaxBatch][MaxImageA];
  const WgmmaProduct &First = asyncOf(W[0]).Products[0];
  const OpcodeInfo &Info = First.D->Info;
  unsigned K = Info.Shape.K, Groups = Info.Shape.N / 8u;
  MmaOperands Operands[4][MaxBatch];
  for (unsigned J = 0; J < Count; ++J) {
    const PatternB *B = imageOfB(asyncOf(W[0]).Products[J], W[0]->C);
    for (unsigned X = 0; X < NumWarps; ++X) {
      imageOfA(W[X], asyncOf(W[X]).Products[J], A[X][J]);
      Operands[X][J] = {A[X][J], B, nullptr};
    }
  }
  CounterSet &Counters = W[0]->C->Work->Counters;
  Counters.MatrixOps += NumWarps * Count;
  Counters.MatrixMacs += uint64_t(16) * Info.Shape.N * K * NumWarps * Count;
  if (Info.Types[0] == Type::F32)
    return multiplyTogether(W, NumWarps, First, Operands, Count);
  const uint32_t *Acc = &First.D->Slots[First.D->Operands[0].First];
  for (unsigned X = 0; X < NumWarps; ++X)
    if (Info.Types[0] == Type::F16)
      multiplyHalf(W[X], First, A[X][0], Operands[X][0].B);
    else
      multiplyInteger(W[X]->Rows, Acc, A[X][0], Operands[X][0].B, Groups, K,
                      perWord(matrixType(Info.Types[1])), First.Zero, true,
                      Info.has(Mod::Satfinite));
}

// ---- instructions --------------------------------------------------------
/// The bytes a descriptor reaches must be in the CTA's shared memory.
static bool checkDescriptor(Warp *W, const Inst *I, uint64_t Desc,
                            unsigned Extent, bool Trans, unsigned K,
                            const char *Name, bool Read) {
  // Loops issue the same few descriptors again and again.
  struct Checked {
    uint64_t Desc = ~uint64_t(0);
    uint32_t SharedBytes = 0, Extent = 0;
  };
  static thread_local Checked Known[64];
  Checked &Slot = Known[(Desc ^ Desc >> 7 ^ uint64_t(Trans)) % 64];
  if (Slot.Desc == Desc && Slot.SharedBytes == W->C->SharedBytes &&
      Slot.Extent == Extent * 2 + Trans && !W->C->Group->Race)
    return true;
  MatrixDescriptor D(Desc);
  uint32_t Low = ~0u, High = 0, Limit = SharedBase + W->C->SharedBytes;
  for (unsigned Row = 0; Row < Extent; ++Row) {
    // Core matrices repeat at a fixed stride: the first and last row of eight
    // of the first and last block bound all others.
    bool Inner = Row >= 8 && Row + 8 < Extent;
    if (!Trans && (Inner || Row % 8 % 7))
      continue;
    for (unsigned Chunk = 0; Chunk < (Trans ? K : 2); ++Chunk) {
      uint32_t A = Trans ? D.mnMajor(Row, Chunk) : D.kMajor(Row, 16 * Chunk);
      Low = std::min(Low, A);
      High = std::max(High, A + (Trans ? 2u : 16u));
    }
  }
  if (Low < SharedBase || High > Limit) {
    fault(W, I, FaultKind::Address, 0,
          std::string("matrix ") + Name + " spans shared addresses " +
              hex(Low) + " to " + hex(High) + ", the CTA has " +
              hex(SharedBase) + " to " + hex(Limit));
    return false;
  }
  Slot = {Desc, W->C->SharedBytes, Extent * 2 + Trans};
  // With the widest swizzle a tile is made of blocks of 1 KiB that hold 8 rows
  // of all k: nobody writes one while another part of it is being read.
  constexpr uint32_t Block = 1024;
  if (D.Mode == Swizzle::B128) {
    Low = Low / Block * Block;
    High = std::min((High + Block - 1) / Block * Block, Limit);
  }
  return !Read ||
         raceProductRead(W, I, Low, High - Low, asyncOf(W).ProductsIssued + 1);
}

static bool wgmmaConverged(Warp *W, const Inst *I, uint32_t On) {
  if (On == AllLanes)
    return true;
  fault(W, I, FaultKind::Illegal, 0,
        "wgmma with active lanes " + hex(On) + ", expected the whole warp");
  return false;
}

static bool readProduct(Warp *W, const Inst *I, const uint8_t *R,
                        WgmmaProduct &P) {
  const Detail &D = W->P->Details[I->X];
  const OpcodeInfo &Info = D.Info;
  P.D = &D;
  P.FromRegisters = D.Operands[1].Count == 4;
  P.DescB = laneOf<uint64_t>(R, D.slot(2), 0);
  uint32_t Scale = laneOf<uint32_t>(R, D.slot(3), 0);
  P.Zero = !((Scale & 1) ^ D.Operands[3].Negated);
  const auto &Imm = D.Immediates; // scale-a, scale-b, [trans-a], trans-b
  P.NegateA = Imm.size() > 0 && Imm[0] == -1;
  P.NegateB = Imm.size() > 1 && Imm[1] == -1;
  P.TransB = Imm.size() > 2 && Imm.back() == 1;
  P.TransA = Imm.size() > 3 && Imm[2] == 1;
  if (!P.FromRegisters) {
    P.DescA = laneOf<uint64_t>(R, D.slot(1), 0);
    if (!checkDescriptor(W, I, P.DescA, 64, P.TransA, Info.Shape.K, "A", true))
      return false;
  }
  return checkDescriptor(W, I, P.DescB, Info.Shape.N, P.TransB, Info.Shape.K,
                         "B", true);
}

/// Runs the products of some warps up to the Count-th they ever issued.
static void runProducts(Warp *const *W, unsigned NumWarps, uint64_t Count) {
  AsyncState &A = asyncOf(W[0]);
  while (A.ProductsRun < Count && !A.Products.empty()) {
    unsigned N = 1;
    while (N < MaxBatch && N < A.Products.size() && A.ProductsRun + N < Count &&
           continues(A.Products[0], A.Products[N]))
      ++N;
    runBatch(W, NumWarps, N);
    for (unsigned X = 0; X < NumWarps; ++X) {
      auto &Queue = asyncOf(W[X]).Products;
      Queue.erase(Queue.begin(), Queue.begin() + N);
      asyncOf(W[X]).ProductsRun += N;
    }
  }
}

/// The warps have the same products to run, up to A.
static bool agree(Warp *X, Warp *Y) {
  const AsyncState &A = asyncOf(X), &B = asyncOf(Y);
  return A.ProductsRun == B.ProductsRun &&
         std::equal(A.Products.begin(), A.Products.end(), B.Products.begin(),
                    B.Products.end(),
                    [](const WgmmaProduct &P, const WgmmaProduct &Q) {
                      return P.D == Q.D && P.DescB == Q.DescB &&
                             P.TransB == Q.TransB && P.NegateB == Q.NegateB &&
                             P.Zero == Q.Zero;
                    });
}

/// A product is one operation of a warpgroup: it completes only once all four
/// warps have issued their part, and then for all of them.
static bool completeForWarpgroup(Warp *W, uint64_t Count) {
  uint32_t First = W->Id / 4 * 4;
  auto &Warps = W->C->Warps;
  Warp *Four[4];
  for (uint32_t K = 0; K < 4; ++K) {
    if (First + K >= Warps.size() ||
        asyncOf(&Warps[First + K]).ProductsIssued < Count)
      return false;
    Four[K] = &Warps[First + K];
  }
  if (agree(Four[0], Four[1]) && agree(Four[0], Four[2]) &&
      agree(Four[0], Four[3])) {
    runProducts(Four, 4, Count);
    return true;
  }
  for (Warp *X : Four)
    runProducts(&X, 1, Count);
  return true;
}

static void wgmma(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (!On)
    PTXSIM_NEXT;
  WgmmaProduct P;
  if (!wgmmaConverged(W, I, On) || !readProduct(W, I, R, P))
    return;
  ++W->Effects;
  AsyncState &A = asyncOf(W);
  A.Products.push_back(P);
  ++A.ProductsIssued;
  // Products of a warp complete in order: earlier ones go first.
  if (runsAtIssue(W))
    runProducts(&W, 1, A.ProductsIssued);
  PTXSIM_NEXT;
}
static void wgmmaCommit(PTXSIM_ARGS) {
  if (guarded(I, R, M)) {
    AsyncState &A = asyncOf(W);
    A.ProductGroups.push_back(A.ProductsIssued);
  }
  PTXSIM_NEXT;
}
static void wgmmaWait(PTXSIM_ARGS) {
  if (guarded(I, R, M)) {
    AsyncState &A = asyncOf(W);
    size_t Keep = size_t(I->Imm);
    if (A.ProductGroups.size() > Keep) {
      uint64_t Count = A.ProductGroups[A.ProductGroups.size() - Keep - 1];
      if (!completeForWarpgroup(W, Count)) {
        W->Waiting = true;
        leave(W, pcOf(I, W), M);
        return;
      }
      while (A.ProductGroups.size() > Keep)
        A.ProductGroups.pop_front();
      ++W->Effects;
      A.ProductsWaited = Count;
      raceWaitProducts(W, Count);
    }
  }
  PTXSIM_NEXT;
}
static void wgmmaFence(PTXSIM_ARGS) { PTXSIM_NEXT; }

static bool legalImmediates(const Lowered &L) {
  const auto &Imm = L.Immediates;
  bool Registers = L.Operands[1].Count == 4;
  bool Sixteen = bitWidth(L.Info.Types[1]) == 16;
  if (Sixteen && Imm.size() != (Registers ? 3u : 4u))
    return false;
  for (size_t K = 0; K < Imm.size(); ++K)
    if (K < 2 ? Imm[K] != 1 && Imm[K] != -1 : Imm[K] != 0 && Imm[K] != 1)
      return false;
  return true;
}

bool ptxsim::selectWgmma(Encoder &E, const Lowered &L, Inst &I) {
  switch (L.Info.O) {
  case Op::Wgmma:
    if (!legalImmediates(L))
      return false;
    E.program().UsesWgmma = true;
    I.X = E.addDetail(L);
    I.Fn = wgmma;
    return true;
  case Op::WgmmaFence: I.Fn = wgmmaFence; return true;
  case Op::WgmmaCommit: I.Fn = wgmmaCommit; return true;
  case Op::WgmmaWait:
    I.Imm = int32_t(L.Immediates[0]);
    I.Fn = wgmmaWait;
    return true;
  default: return false;
  }
}
