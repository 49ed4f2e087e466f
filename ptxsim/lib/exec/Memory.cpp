// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// ld, st, prefetch and fences.
#include "AccessFlags.h"
#include "Race.h"
#include "SharedOffsets.h"

using namespace ptxsim;

namespace {
enum LoadFlags : uint16_t { SignExtend = 1, WideRow = 2 };
}

/// Element of a lane, extended to the row's width.
template <unsigned Bytes>
static void loadElement(const uint8_t *P, uint8_t *Row, uint32_t L,
                        uint16_t Flags) {
  uint64_t V = 0;
  std::memcpy(&V, P, Bytes);
  if (Bytes < 8 && (Flags & SignExtend))
    V = uint64_t(int64_t(V << (64 - 8 * Bytes)) >> (64 - 8 * Bytes));
  if (Bytes == 8 || (Flags & WideRow))
    std::memcpy(Row + 8 * L, &V, 8);
  else
    std::memcpy(Row + 4 * L, &V, 4);
}

/// Four 4-byte elements per lane, at Address(lane), into four rows: eight lanes
/// at a time, as two transpositions of 4 x 4 side by side. With Repeat lanes 16
/// to 31 have the addresses of lanes 0 to 15.
template <class F>
static void loadQuads(F Address, uint8_t *const *Rows, bool Repeat) {
  auto Quad = [&](unsigned L) {
    return _mm_loadu_ps(reinterpret_cast<const float *>(Address(L)));
  };
  for (unsigned L = 0; L < (Repeat ? 16 : 32); L += 8) {
    __m256 Q[4];
    for (unsigned K = 0; K < 4; ++K)
      Q[K] = _mm256_insertf128_ps(_mm256_castps128_ps256(Quad(L + K)),
                                  Quad(L + K + 4), 1);
    __m256 Lo01 = _mm256_unpacklo_ps(Q[0], Q[1]),
           Lo23 = _mm256_unpacklo_ps(Q[2], Q[3]),
           Hi01 = _mm256_unpackhi_ps(Q[0], Q[1]),
           Hi23 = _mm256_unpackhi_ps(Q[2], Q[3]);
    auto Pairs = [](__m256 X, __m256 Y, auto Select) {
      return _mm256_castpd_ps(Select(_mm256_castps_pd(X), _mm256_castps_pd(Y)));
    };
    auto Lows = [](__m256d X, __m256d Y) { return _mm256_unpacklo_pd(X, Y); };
    auto Highs = [](__m256d X, __m256d Y) { return _mm256_unpackhi_pd(X, Y); };
    auto Store = [&](unsigned K, __m256 V) {
      auto *To = reinterpret_cast<float *>(Rows[K] + 4 * L);
      _mm256_store_ps(To, V);
      if (Repeat)
        _mm256_store_ps(To + 16, V);
    };
    Store(0, Pairs(Lo01, Lo23, Lows));
    Store(1, Pairs(Lo01, Lo23, Highs));
    Store(2, Pairs(Hi01, Hi23, Lows));
    Store(3, Pairs(Hi01, Hi23, Highs));
  }
}

/// Lanes that walk along rows of their own need more streams than the host's
/// prefetchers follow.
static void prefetchAhead(const Lanes &A) {
  constexpr uintptr_t Line = 64;
  if (uintptr_t(A.Ptr[2]) - uintptr_t(A.Ptr[0]) <= 2 * Line)
    return;
  for (unsigned L = 0; L < 32; ++L)
    __builtin_prefetch(A.Ptr[L] + Line);
}

template <unsigned Bytes, unsigned Count>
static void loadLanes(const Lanes &A, uint8_t *const *Rows, uint32_t M,
                      uint16_t Flags) {
  if constexpr (Bytes == 4) {
    if (!Flags && M == AllLanes) {
      prefetchAhead(A);
      if constexpr (Count == 4)
        return loadQuads([&](unsigned L) { return A.Ptr[L]; }, Rows, false);
      for (unsigned K = 0; K < Count; ++K)
        for (unsigned L = 0; L < 32; ++L)
          std::memcpy(Rows[K] + 4 * L, A.Ptr[L] + 4 * K, 4);
      return;
    }
  }
  forLanes(M, [&](uint32_t L) {
    for (unsigned K = 0; K < Count; ++K)
      loadElement<Bytes>(A.Ptr[L] + K * Bytes, Rows[K], L, Flags);
  });
}
template <unsigned Bytes, unsigned Count>
static void storeLanes(const Lanes &A, uint8_t *const *Rows, uint32_t M,
                       uint16_t Flags) {
  unsigned Stride = Bytes == 8 || (Flags & WideRow) ? 8 : 4;
  forLanes(M, [&](uint32_t L) {
    for (unsigned K = 0; K < Count; ++K)
      std::memcpy(A.Ptr[L] + K * Bytes, Rows[K] + Stride * L, Bytes);
  });
}

/// All lanes side by side: one copy of 128 bytes.
static bool isContiguous(const Lanes &A, uint32_t M, unsigned Step) {
  if (M != AllLanes)
    return false;
  RowU64 P;
  std::memcpy(&P, A.Ptr, sizeof(P));
  RowU64 Want = __builtin_convertvector(laneNumbers(), RowU64) * Step + P[0];
  return toMask((RowI64)(P == Want)) == AllLanes;
}

// ---- the common case of shared memory ------------------------------------
static bool plainShared(const Warp *W, const Inst *I, const uint8_t *R,
                        uint32_t On, unsigned Bytes, SharedOffsets &Out) {
  return On == AllLanes && !I->Aux &&
         Out.resolve(W->C, I->Where, R + I->A, I->Wide, I->Imm, On, Bytes);
}

/// False if the access is not that simple. Ok: no fault.
template <unsigned Bytes, unsigned Count>
static bool loadPlainShared(Warp *W, const Inst *I, uint8_t *R, uint32_t On,
                            bool &Ok) {
  SharedOffsets Offset;
  if (Bytes != 4 || !plainShared(W, I, R, On, Bytes * Count, Offset))
    return false;
  Ok = Offset.observe(W, I, On, Bytes * Count, AccessKind::Read);
  if (!Ok)
    return true;
  const uint8_t *Base = W->C->Shared;
  uint8_t *Rows[Count];
  for (unsigned K = 0; K < Count; ++K)
    Rows[K] = R + W->P->Extra[I->X + K];
  if (Offset.halvesAgree()) {
    for (unsigned K = 0; K < Count; ++K)
      for (unsigned Half = 0; Half < 2; ++Half) {
        float V;
        std::memcpy(&V, Base + Offset.Lane[16 * Half] + 4 * K, 4);
        auto *To = reinterpret_cast<float *>(Rows[K] + 64 * Half);
        _mm256_store_ps(To, _mm256_set1_ps(V));
        _mm256_store_ps(To + 8, _mm256_set1_ps(V));
      }
  } else if constexpr (Count == 4) {
    auto Address = [&](unsigned L) { return Base + Offset.Lane[L]; };
    if (Offset.halvesRepeat())
      loadQuads(Address, Rows, true);
    else
      loadQuads(Address, Rows, false);
  } else {
    if (Count == 1 && Offset.contiguous(4)) {
      std::memcpy(Rows[0], Base + Offset.Lane[0], 128);
      return true;
    }
    for (unsigned K = 0; K < Count; ++K)
      for (unsigned L = 0; L < 32; ++L)
        std::memcpy(Rows[K] + 4 * L, Base + Offset.Lane[L] + 4 * K, 4);
  }
  return true;
}
template <unsigned Bytes, unsigned Count>
static bool storePlainShared(Warp *W, const Inst *I, uint8_t *R, uint32_t On) {
  SharedOffsets Offset;
  if (Bytes != 4 || W->C->Observed ||
      !plainShared(W, I, R, On, Bytes * Count, Offset))
    return false;
  ++W->Effects;
  touchShared(W->C);
  uint8_t *Base = W->C->Shared;
  const uint32_t *Rows = W->P->Extra.data() + I->X;
  if (Count == 1 && Offset.contiguous(4)) {
    std::memcpy(Base + Offset.Lane[0], R + Rows[0], 128);
    return true;
  }
  // Lane by lane: of two lanes that write one address the last one wins.
  for (unsigned L = 0; L < 32; ++L)
    for (unsigned K = 0; K < Count; ++K)
      std::memcpy(Base + Offset.Lane[L] + 4 * K, R + Rows[K] + 4 * L, 4);
  return true;
}

template <unsigned Bytes, unsigned Count> static void load(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  bool Ok = true;
  if (On && !loadPlainShared<Bytes, Count>(W, I, R, On, Ok)) {
    Lanes A;
    if (!resolve(W, I, On, addressRow(I, R), I->Where, Bytes * Count,
                 AccessKind::Read, I->E, A))
      return;
    uint8_t *Rows[Count];
    for (unsigned K = 0; K < Count; ++K)
      Rows[K] = R + W->P->Extra[I->X + K];
    if (Bytes == 4 && Count == 1 && !I->Aux && isContiguous(A, On, 4))
      std::memcpy(Rows[0], A.Ptr[0], 128);
    else
      loadLanes<Bytes, Count>(A, Rows, On, I->Aux);
  }
  if (!Ok)
    return;
  PTXSIM_NEXT;
}
void ptxsim::loadQuadsGeneral(PTXSIM_ARGS) {
  [[clang::musttail]] return load<4, 4>(I, R, W, M);
}

/// Race mode: two lanes of one store that write different values to the same
/// address leave either of them behind.
static bool lanesAgree(Warp *W, const Inst *I, uint32_t On, const Lanes &A,
                       uint8_t *const *Rows) {
  uint64_t Seen[64] = {}; // a bit for each address, or for several
  bool Differ = true;
  forLanes(On, [&](uint32_t L) {
    uintptr_t At = uintptr_t(A.Ptr[L]) / I->Bytes;
    uint64_t &Word = Seen[At / 64 % 64], Bit = uint64_t(1) << At % 64;
    Differ &= !(Word & Bit);
    Word |= Bit;
  });
  if (Differ)
    return true;
  unsigned Stride = I->Bytes == 8 || (I->Aux & WideRow) ? 8 : 4;
  auto Same = [&](uint32_t X, uint32_t Y) {
    for (unsigned K = 0; K < I->Count; ++K)
      if (std::memcmp(Rows[K] + Stride * X, Rows[K] + Stride * Y, I->Bytes))
        return false;
    return true;
  };
  for (uint32_t Left = On; Left; Left &= Left - 1) {
    uint32_t X = uint32_t(std::countr_zero(Left));
    for (uint32_t Others = Left & (Left - 1); Others; Others &= Others - 1) {
      uint32_t Y = uint32_t(std::countr_zero(Others));
      if (A.Ptr[X] != A.Ptr[Y] || Same(X, Y))
        continue;
      fault(W, I, FaultKind::Race, Y,
            "lanes " + std::to_string(X) + " and " + std::to_string(Y) +
                " write different values to the same address");
      return false;
    }
  }
  return true;
}

template <unsigned Bytes, unsigned Count> static void store(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (On && !storePlainShared<Bytes, Count>(W, I, R, On)) {
    Lanes A;
    if (!resolve(W, I, On, addressRow(I, R), I->Where, Bytes * Count,
                 AccessKind::Write, I->E, A))
      return;
    ++W->Effects;
    uint8_t *Rows[Count];
    for (unsigned K = 0; K < Count; ++K)
      Rows[K] = R + W->P->Extra[I->X + K];
    if (W->C->Group->Race && !lanesAgree(W, I, On, A, Rows))
      return;
    if (Bytes == 4 && Count == 1 && !I->Aux && isContiguous(A, On, 4))
      std::memcpy(A.Ptr[0], Rows[0], 128);
    else
      storeLanes<Bytes, Count>(A, Rows, On, I->Aux);
  }
  PTXSIM_NEXT;
}

static void noOperation(PTXSIM_ARGS) { PTXSIM_NEXT; }
/// One host thread runs a cluster and stores are immediate, so a fence of the
/// generic proxy changes nothing but what race checks know.
static void fence(PTXSIM_ARGS) {
  if (guarded(I, R, M))
    raceFence(W);
  PTXSIM_NEXT;
}

template <unsigned Count> static Handler pickBytes(unsigned Bytes, bool Store) {
  switch (Bytes) {
  case 1: return Store ? store<1, Count> : load<1, Count>;
  case 2: return Store ? store<2, Count> : load<2, Count>;
  case 4: return Store ? store<4, Count> : load<4, Count>;
  default: return Store ? store<8, Count> : load<8, Count>;
  }
}
static Handler pickAccess(unsigned Bytes, unsigned Count, bool Store) {
  switch (Count) {
  case 1: return pickBytes<1>(Bytes, Store);
  case 2: return pickBytes<2>(Bytes, Store);
  default: return pickBytes<4>(Bytes, Store);
  }
}

static bool selectAccess(Encoder &E, const Lowered &L, Inst &I) {
  const OpcodeInfo &Info = L.Info;
  bool Store = Info.O == Op::St;
  unsigned Data = Store ? 1 : 0, Address = Store ? 0 : 1;
  unsigned Bytes = bitWidth(Info.Types[0]) / 8, Count = Info.VectorWidth;
  if (Bytes * Count > 16)
    return false;
  std::vector<uint32_t> Rows;
  bool Wide = false;
  for (unsigned K = 0; K < Count; ++K) {
    Rows.push_back(E.row(L, Data, K));
    Wide |= L.Refs[L.Operands[Data].First + K].Wide;
  }
  I.X = E.addExtra(Rows);
  I.A = E.row(L, Address);
  I.E = E.newAccessCache();
  I.Count = uint8_t(Count);
  I.Bytes = uint8_t(Bytes);
  I.Aux = uint16_t((isSigned(Info.Types[0]) && Bytes < 8 ? SignExtend : 0) |
                   (Wide && Bytes < 8 ? WideRow : 0));
  if (Bytes == 4)
    I.Aux &= Wide ? ~0 : WideRow;
  I.Fn = pickAccess(Bytes, Count, Store);
  bool Ordered = Info.has(Mod::Volatile) || Info.has(Mod::Acquire) ||
                 Info.has(Mod::Relaxed);
  I.Aux |= accessFlags(Info);
  E.program().MaySpin |= !Store && Ordered;
  if (!Store && Ordered && I.Where != Space::Shared)
    E.program().WaitsOnGlobal = true;
  if (!Store && Bytes == 4 && Count == 4 && !I.Aux && I.Where == Space::Shared)
    I.Fn = quadLoadOfShared();
  return true;
}

bool ptxsim::selectMemory(Encoder &E, const Lowered &L, Inst &I) {
  switch (L.Info.O) {
  case Op::Ld:
  case Op::St: return selectAccess(E, L, I);
  case Op::Prefetch:
  case Op::Discard: I.Fn = noOperation; return true;
  case Op::Membar: I.Fn = fence; return true;
  default: return false;
  }
}
