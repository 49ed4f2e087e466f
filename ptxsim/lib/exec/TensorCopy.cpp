// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// cp.async.bulk.tensor: tiles of 1 to 5 dimensions and im2col boxes between
// global and shared memory, with swizzling, zero fill, multicast, reduction.
#include "TensorCopy.h"
#include "../TensorMap.h"
#include "Race.h"
#include <algorithm>

using namespace ptxsim;

namespace {

/// A box: rows of Inner bytes each, in the order they lie in shared memory.
struct TensorBox {
  TensorMap Map;
  int64_t Start[5];
  uint32_t Offsets[3] = {};
  uint32_t Bytes = 0; // in shared memory
};

/// Bytes [Skip, Skip + Count) of a row that are inside the tensor, and where
/// they are in global memory; Count 0 if the row is outside.
struct RowPart {
  uint64_t Address = 0;
  uint32_t Skip = 0, Count = 0;
};

} // namespace

static uint32_t steps(uint32_t Box, uint32_t Stride) {
  return (Box + Stride - 1) / Stride;
}
static bool inside(const TensorMap &M, unsigned Dim, int64_t X) {
  return X >= 0 && uint64_t(X) <= M.LastIndex[Dim];
}

/// Clips the innermost dimension from X on for N elements.
static RowPart clipRow(const TensorMap &M, uint64_t Base, int64_t X,
                       uint32_t N) {
  unsigned Size = tensorTypeBytes(M.Type);
  if (!M.Im2col && M.ElementStride[0] > 1) // clipped element by element
    return {Base + uint64_t(X) * Size, 0, N * Size};
  int64_t First = std::max<int64_t>(X, 0);
  int64_t Last = std::min<int64_t>(X + N, int64_t(M.LastIndex[0]) + 1);
  if (Last <= First)
    return {};
  return {Base + uint64_t(First) * Size, uint32_t(First - X) * Size,
          uint32_t(Last - First) * Size};
}

/// Calls Fn(row number, part) for the rows of a tile.
template <class F> static void forTileRows(const TensorBox &B, F Fn) {
  const TensorMap &M = B.Map;
  uint32_t Count[5], Index[5] = {}, Rows = 1;
  for (unsigned D = 0; D < M.Rank; ++D)
    Count[D] = steps(M.Box[D], M.ElementStride[D]);
  for (unsigned D = 1; D < M.Rank; ++D)
    Rows *= Count[D];
  for (uint32_t Row = 0; Row < Rows; ++Row) {
    uint64_t Address = M.Base;
    bool In = true;
    for (unsigned D = 1; D < M.Rank; ++D) {
      int64_t X = B.Start[D] + int64_t(Index[D]) * M.ElementStride[D];
      In &= inside(M, D, X);
      Address += uint64_t(X) * M.Stride[D - 1];
    }
    Fn(Row, In ? clipRow(M, Address, B.Start[0], Count[0]) : RowPart{});
    for (unsigned D = 1; D < M.Rank && ++Index[D] == Count[D]; ++D)
      Index[D] = 0;
  }
}

/// im2col: pixels of the bounding box in row-major order from the start; each
/// pixel's channels, displaced by the offsets, are one row.
template <class F> static void forIm2colRows(const TensorBox &B, F Fn) {
  const TensorMap &M = B.Map;
  unsigned Spatial = M.Rank - 2u;
  int64_t At[4];
  for (unsigned D = 0; D <= Spatial; ++D)
    At[D] = B.Start[D + 1];
  for (uint32_t Row = 0; Row < M.Pixels; ++Row) {
    uint64_t Address = M.Base;
    bool In = inside(M, M.Rank - 1, At[Spatial]);
    Address += uint64_t(At[Spatial]) * M.Stride[M.Rank - 2];
    for (unsigned D = 0; D < Spatial; ++D) {
      int64_t X = At[D] + B.Offsets[D];
      In &= inside(M, D + 1, X);
      Address += uint64_t(X) * M.Stride[D];
    }
    Fn(Row, In ? clipRow(M, Address, B.Start[0], M.Channels) : RowPart{});
    for (unsigned D = 0; D <= Spatial; ++D) {
      if (D == Spatial) { // next image
        ++At[D];
        break;
      }
      At[D] += M.ElementStride[D + 1];
      if (At[D] <= int64_t(M.LastIndex[D + 1]) + M.Upper[D])
        break;
      At[D] = M.Lower[D];
    }
  }
}
template <class F> static void forRows(const TensorBox &B, F Fn) {
  if (B.Map.Im2col)
    forIm2colRows(B, Fn);
  else
    forTileRows(B, Fn);
}

static uint32_t rowBytes(const TensorMap &M) {
  uint32_t N = M.Im2col ? M.Channels : steps(M.Box[0], M.ElementStride[0]);
  return N * tensorTypeBytes(M.Type);
}

// ---- data movement -------------------------------------------------------
/// What out-of-bounds elements read as: zero, or the NaN of the hardware.
static void fillOutside(const TensorMap &M, uint8_t *Row, uint32_t Bytes) {
  std::memset(Row, 0, Bytes);
  if (!M.FillNaN)
    return;
  uint64_t NaN = M.Type == TensorType::F64    ? 0x7ff8000000000000ull
                 : M.Type == TensorType::BF16 ? 0x7fffull
                 : M.Type == TensorType::F16  ? 0x7fffull
                                              : 0x7fffffffull;
  unsigned Size = tensorTypeBytes(M.Type);
  for (uint32_t K = 0; K < Bytes; K += Size)
    std::memcpy(Row + K, &NaN, Size);
}

/// tf32 maps drop the low mantissa bits, _ftz maps flush subnormals.
static void convertElements(const TensorMap &M, uint8_t *Row, uint32_t Bytes) {
  bool Ftz = M.Type == TensorType::F32Ftz || M.Type == TensorType::TF32Ftz;
  bool Tf32 = M.Type == TensorType::TF32 || M.Type == TensorType::TF32Ftz;
  if (!Ftz && !Tf32)
    return;
  for (uint32_t K = 0; K < Bytes; K += 4) {
    uint32_t V;
    std::memcpy(&V, Row + K, 4);
    if (Ftz && !(V & 0x7f800000u))
      V &= 0x80000000u;
    if (Tf32)
      V &= 0xffffe000u;
    std::memcpy(Row + K, &V, 4);
  }
}

static constexpr uint32_t MaxRow = 256 * 8;

/// Elements that lie side by side in memory and go to shared memory as they
/// are.
static bool isPlain(const TensorMap &M) {
  bool Converts = M.Type == TensorType::F32Ftz || M.Type == TensorType::TF32 ||
                  M.Type == TensorType::TF32Ftz;
  return !Converts && (M.Im2col || M.ElementStride[0] == 1);
}

static void loadBox(const TensorBox &B, Cta *C, uint32_t Offset) {
  const TensorMap &M = B.Map;
  uint32_t Inner = rowBytes(M);
  bool Plain = isPlain(M);
  auto Store = [&](uint32_t Row, const uint8_t *From) {
    uint32_t At = Offset + Row * Inner;
    for (uint32_t K = 0; K < Inner; K += 16)
      std::memcpy(C->Shared + (swizzled(M.Swizzling, At + K) - SharedBase),
                  From + K, 16);
  };
  forRows(B, [&](uint32_t Row, RowPart P) {
    uint8_t Buffer[MaxRow];
    // Rows are far apart: the host's prefetchers do not see the next ones.
    uint64_t Ahead = P.Address + 8 * (M.Rank > 1 ? M.Stride[0] : 0);
    __builtin_prefetch(reinterpret_cast<const void *>(Ahead));
    __builtin_prefetch(reinterpret_cast<const void *>(Ahead + 64));
    if (Plain && P.Count == Inner)
      return Store(Row, reinterpret_cast<const uint8_t *>(P.Address));
    if (P.Count != Inner)
      fillOutside(M, Buffer, Inner);
    if (P.Count) {
      unsigned Step = M.Im2col ? 1 : M.ElementStride[0];
      unsigned Size = tensorTypeBytes(M.Type);
      if (Step == 1)
        std::memcpy(Buffer + P.Skip, reinterpret_cast<void *>(P.Address),
                    P.Count);
      else
        for (uint32_t K = 0; K < Inner / Size; ++K)
          if (inside(M, 0, B.Start[0] + int64_t(K) * Step))
            std::memcpy(Buffer + K * Size,
                        reinterpret_cast<void *>(P.Address - P.Skip +
                                                 uint64_t(K) * Step * Size),
                        Size);
          else
            fillOutside(M, Buffer + K * Size, Size);
      convertElements(M, Buffer, Inner);
    }
    Store(Row, Buffer);
  });
  touchShared(C);
}

static Type elementType(TensorType T) {
  switch (T) {
  case TensorType::U8: return Type::U8;
  case TensorType::U16: return Type::U16;
  case TensorType::U32: return Type::U32;
  case TensorType::S32: return Type::S32;
  case TensorType::U64: return Type::U64;
  case TensorType::S64: return Type::S64;
  case TensorType::F16: return Type::F16;
  case TensorType::BF16: return Type::BF16;
  case TensorType::F64: return Type::F64;
  default: return Type::F32;
  }
}

/// From: the bytes of shared memory from Offset on.
static void storeBox(const TensorBox &B, const uint8_t *From, uint32_t Offset,
                     bool Reduces, Mod Operation) {
  const TensorMap &M = B.Map;
  uint32_t Inner = rowBytes(M);
  forRows(B, [&](uint32_t Row, RowPart P) {
    if (!P.Count)
      return;
    uint8_t Buffer[MaxRow];
    uint32_t At = Offset + Row * Inner;
    for (uint32_t K = 0; K < Inner; K += 16)
      std::memcpy(Buffer + K, From + (swizzled(M.Swizzling, At + K) - Offset),
                  16);
    uint8_t *Dst = reinterpret_cast<uint8_t *>(P.Address);
    if (Reduces)
      reduceBytes(Dst, Buffer + P.Skip, P.Count, elementType(M.Type),
                  Operation);
    else
      std::memcpy(Dst, Buffer + P.Skip, P.Count);
  });
}

// ---- operands and checks -------------------------------------------------
static bool readMap(Warp *W, const Inst *I, uint32_t L, uint64_t Address,
                    TensorMap &Out) {
  uint8_t *P =
      resolveOne(W, I, L, Address, Space::Generic, 128, 64, AccessKind::Read);
  if (!P)
    return false;
  if (!raceReadMap(W, I, L, uint64_t(P)))
    return false;
  std::memcpy(&Out, P, sizeof(Out));
  if (Out.Magic == TensorMap::MagicValue)
    return true;
  fault(W, I, FaultKind::Illegal, L,
        "no tensor map at " + hex(Address) +
            "; it must be encoded by cuTensorMapEncodeTiled or Im2col");
  return false;
}

/// Every element a copy may touch must be in one allocation.
static bool checkTensor(Warp *W, const Inst *I, uint32_t L,
                        const TensorMap &M) {
  uint64_t Bytes = (uint64_t(M.LastIndex[0]) + 1) * tensorTypeBytes(M.Type);
  for (unsigned D = 1; D < M.Rank; ++D)
    Bytes += uint64_t(M.LastIndex[D]) * M.Stride[D - 1];
  if (findAllocation(*W->C->L, M.Base, Bytes))
    return true;
  fault(W, I, FaultKind::Address, L,
        "the tensor at " + hex(M.Base) + " of " + std::to_string(Bytes) +
            " bytes is not inside one allocation");
  return false;
}

/// Reads tensor map and coordinates from operands Operand and the next.
static bool readBox(Warp *W, const Inst *I, const uint8_t *R, uint32_t L,
                    unsigned Operand, TensorBox &B) {
  const Detail &D = W->P->Details[I->X];
  if (!readMap(W, I, L, detailAddress(D, Operand, R, L), B.Map) ||
      !checkTensor(W, I, L, B.Map))
    return false;
  if (B.Map.Rank != D.Info.Dims ||
      bool(B.Map.Im2col) !=
          (D.Info.has(Mod::Im2col) || D.Info.has(Mod::Im2colNoOffs))) {
    fault(W, I, FaultKind::Illegal, L,
          "the tensor map has " + std::to_string(B.Map.Rank) + " dimensions" +
              (B.Map.Im2col ? " in im2col mode" : " in tile mode") +
              ", the instruction says otherwise");
    return false;
  }
  for (unsigned K = 0; K < B.Map.Rank; ++K)
    B.Start[K] = laneOf<int32_t>(R, D.slot(Operand + 1, K), L);
  uint32_t Rows = B.Map.Im2col ? B.Map.Pixels : 1;
  for (unsigned K = 1; !B.Map.Im2col && K < B.Map.Rank; ++K)
    Rows *= steps(B.Map.Box[K], B.Map.ElementStride[K]);
  B.Bytes = rowBytes(B.Map) * Rows;
  return true;
}

/// Tells the race checker of the box's part of global memory.
static bool raceBox(Warp *W, const Inst *I, uint32_t L, const TensorBox &B,
                    AccessKind Kind, CopyEpoch Copy) {
  if (!W->C->L->Shadow)
    return true;
  bool Ok = true;
  forRows(B, [&](uint32_t, RowPart P) {
    Ok = Ok &&
         (!P.Count || raceCopyGlobal(W, I, L, P.Address, P.Count, Kind, Copy));
  });
  return Ok;
}

static unsigned tileAlignment(const TensorMap &M) {
  return M.Swizzling == Swizzle::None
             ? 128
             : std::max(128u, 8 * swizzleSpan(M.Swizzling));
}

static void tensorLoad(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  const Detail &D = W->P->Details[I->X];
  bool Multicast = D.Info.has(Mod::Multicast), Im2col = D.Info.has(Mod::Im2col);
  for (uint32_t Left = On; Left; Left &= Left - 1) {
    uint32_t L = uint32_t(std::countr_zero(Left)), Offset = 0, Barrier = 0;
    TensorBox B;
    Cta *Owner = nullptr, *BarrierOwner = nullptr;
    if (!readBox(W, I, R, L, 1, B) ||
        !resolveOne(W, I, L, detailAddress(D, 0, R, L), Space::SharedCluster,
                    B.Bytes, tileAlignment(B.Map), AccessKind::Read, &Owner,
                    &Offset) ||
        !resolveMbarrier(W, I, L, detailAddress(D, 3, R, L),
                         Space::SharedCluster, BarrierOwner, Barrier) ||
        !findMbarrier(W, I, L, BarrierOwner, Barrier))
      return;
    for (unsigned K = 0; Im2col && K + 2 < B.Map.Rank; ++K)
      B.Offsets[K] = laneOf<uint32_t>(R, D.slot(4, K), L) & 0xffff;
    unsigned MaskOperand = Im2col ? 5 : 4;
    uint64_t Mask =
        Multicast ? laneOf<uint32_t>(R, D.slot(MaskOperand), L) & 0xffff : 0;
    std::vector<CopyTarget> Targets =
        copyTargets(W, I, L, Owner, Offset, Barrier, Mask, Multicast);
    if (Targets.empty())
      return;
    CopyEpoch Copy;
    if (!raceTargets(W, I, L, Targets, B.Bytes, CopyAccess::Write, Copy) ||
        !raceBox(W, I, L, B, AccessKind::Read, Copy))
      return;
    ++W->Effects;
    scheduleWork(W, [B, Targets = std::move(Targets)] {
      for (const CopyTarget &T : Targets) {
        loadBox(B, T.Owner, T.Offset);
        deliverBytes(T.Owner, T.Barrier, B.Bytes);
      }
    });
  }
  PTXSIM_NEXT;
}

static void tensorStore(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  const Detail &D = W->P->Details[I->X];
  bool Reduces = D.Info.O == Op::TensorReduce;
  Mod Operation = reductionOf(D.Info);
  for (uint32_t Left = On; Left; Left &= Left - 1) {
    uint32_t L = uint32_t(std::countr_zero(Left)), Offset = 0;
    TensorBox B;
    Cta *Owner = nullptr;
    if (!readBox(W, I, R, L, 0, B) ||
        !resolveOne(W, I, L, detailAddress(D, 2, R, L), Space::Shared, B.Bytes,
                    tileAlignment(B.Map), AccessKind::Read, &Owner, &Offset))
      return;
    CopyEpoch Reads, Writes;
    raceBeginGroup(W, I, L, Reads, Writes);
    if (!raceCopyShared(W, I, Owner, Offset, B.Bytes, CopyAccess::Read,
                        Reads) ||
        !raceBox(W, I, L, B, Reduces ? AccessKind::Atomic : AccessKind::Write,
                 Writes))
      return;
    if (B.Map.ElementStride[0] != 1)
      return fault(W, I, FaultKind::Illegal, L,
                   "a tensor store cannot have an element stride of " +
                       std::to_string(B.Map.ElementStride[0]));
    ++W->Effects;
    // Swizzles move data within 128 bytes; shared memory has room behind it.
    uint32_t Whole = (B.Bytes + 127) & ~127u;
    auto Write = [=](const uint8_t *From) {
      storeBox(B, From, Offset, Reduces, Operation);
    };
    addBulkWork(W, L,
                {Owner->Shared + (Offset - SharedBase), Whole, Write, {}});
  }
  PTXSIM_NEXT;
}

bool ptxsim::selectTensorCopy(Encoder &E, const Lowered &L, Inst &I) {
  switch (L.Info.O) {
  case Op::TensorLoad: I.Fn = tensorLoad; break;
  case Op::TensorReduce: E.program().GlobalAtomics = true; [[fallthrough]];
  case Op::TensorStore: I.Fn = tensorStore; break;
  default: return selectBulkCopy(E, L, I);
  }
  I.X = E.addDetail(L);
  return true;
}
