// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// cp.async.bulk and cp.reduce.async.bulk without tensors, bulk groups.
#include "Async.h"
#include "FloatOps.h"
#include "Race.h"
#include "TensorCopy.h"
#include <algorithm>

using namespace ptxsim;

// ---- reductions ----------------------------------------------------------
template <class T, class F>
static void reduceEach(uint8_t *D, const uint8_t *S, size_t Bytes, F Fn) {
  for (size_t K = 0; K + sizeof(T) <= Bytes; K += sizeof(T)) {
    T A, B;
    std::memcpy(&A, D + K, sizeof(T));
    std::memcpy(&B, S + K, sizeof(T));
    A = Fn(A, B);
    std::memcpy(D + K, &A, sizeof(T));
  }
}
template <class T>
static void reduceTyped(uint8_t *D, const uint8_t *S, size_t N, Mod Operation) {
  switch (Operation) {
  case Mod::MinMod:
    return reduceEach<T>(D, S, N, [](T A, T B) { return std::min(A, B); });
  case Mod::MaxMod:
    return reduceEach<T>(D, S, N, [](T A, T B) { return std::max(A, B); });
  default: return reduceEach<T>(D, S, N, [](T A, T B) { return T(A + B); });
  }
}
template <class T>
static void reduceBits(uint8_t *D, const uint8_t *S, size_t N, Mod Operation) {
  switch (Operation) {
  case Mod::AndMod:
    return reduceEach<T>(D, S, N, [](T A, T B) { return A & B; });
  case Mod::OrMod:
    return reduceEach<T>(D, S, N, [](T A, T B) { return A | B; });
  case Mod::XorMod:
    return reduceEach<T>(D, S, N, [](T A, T B) { return A ^ B; });
  case Mod::IncMod:
    return reduceEach<T>(D, S, N, [](T A, T B) { return A >= B ? 0 : A + 1; });
  default:
    return reduceEach<T>(D, S, N,
                         [](T A, T B) { return A == 0 || A > B ? B : A - 1; });
  }
}
static uint16_t combineHalves(uint16_t A, uint16_t B, bool IsB, Mod Operation) {
  RowU32 X = (RowU32)(uint32_t(A)), Y = (RowU32)(uint32_t(B));
  RowF32 P = IsB ? bhalfToFloat(X) : halfToFloat(X);
  RowF32 Q = IsB ? bhalfToFloat(Y) : halfToFloat(Y);
  RowF32 R = Operation == Mod::MinMod   ? select<false, false>(P, Q)
             : Operation == Mod::MaxMod ? select<true, false>(P, Q)
                                        : P + Q;
  return uint16_t((IsB ? floatToBhalf(R) : floatToHalf(R))[0]);
}

void ptxsim::reduceBytes(uint8_t *D, const uint8_t *S, size_t N, Type Ty,
                         Mod Operation) {
  bool Bitwise = Operation == Mod::AndMod || Operation == Mod::OrMod ||
                 Operation == Mod::XorMod || Operation == Mod::IncMod ||
                 Operation == Mod::DecMod;
  if (Bitwise)
    return bitWidth(Ty) == 64 ? reduceBits<uint64_t>(D, S, N, Operation)
                              : reduceBits<uint32_t>(D, S, N, Operation);
  switch (Ty) {
  case Type::U32: return reduceTyped<uint32_t>(D, S, N, Operation);
  case Type::S32: return reduceTyped<int32_t>(D, S, N, Operation);
  case Type::U64: return reduceTyped<uint64_t>(D, S, N, Operation);
  case Type::S64: return reduceTyped<int64_t>(D, S, N, Operation);
  case Type::F32: return reduceTyped<float>(D, S, N, Operation);
  case Type::F64: return reduceTyped<double>(D, S, N, Operation);
  case Type::U8: return reduceTyped<uint8_t>(D, S, N, Operation);
  case Type::U16: return reduceTyped<uint16_t>(D, S, N, Operation);
  default:
    return reduceEach<uint16_t>(D, S, N, [&](uint16_t A, uint16_t B) {
      return combineHalves(A, B, Ty == Type::BF16, Operation);
    });
  }
}

Mod ptxsim::reductionOf(const OpcodeInfo &Info) {
  for (Mod M : {Mod::MinMod, Mod::MaxMod, Mod::AndMod, Mod::OrMod, Mod::XorMod,
                Mod::IncMod, Mod::DecMod})
    if (Info.has(M))
      return M;
  return Mod::AddMod;
}

// ---- bulk groups ---------------------------------------------------------
void ptxsim::addBulkWork(Warp *W, uint32_t Lane, BulkWork Work) {
  if (runsAtIssue(W))
    return Work.finish();
  asyncOf(W).Bulk[Lane].Open.push_back(std::move(Work));
}
static void bulkCommit(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  forLanes(On, [&](uint32_t L) {
    BulkLane &Lane = asyncOf(W).Bulk[L];
    Lane.Groups.push_back(std::move(Lane.Open));
    Lane.Open.clear();
  });
  raceCommitBulk(W, On);
  PTXSIM_NEXT;
}
/// With OnlyRead only the sources of the older groups have been read.
static size_t waitForGroups(BulkLane &Lane, size_t Keep, bool OnlyRead) {
  size_t Old = Lane.Groups.size() - std::min(Lane.Groups.size(), Keep);
  for (size_t K = 0; OnlyRead && K < Old; ++K)
    for (BulkWork &Work : Lane.Groups[K])
      Work.take();
  for (size_t K = 0; !OnlyRead && K < Old; ++K) {
    for (BulkWork &Work : Lane.Groups.front())
      Work.finish();
    Lane.Groups.pop_front();
  }
  return Old;
}
static void bulkWait(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  forLanes(On, [&](uint32_t L) {
    W->Effects += waitForGroups(asyncOf(W).Bulk[L], size_t(I->Imm), I->Aux);
  });
  raceWaitBulk(W, On, size_t(I->Imm), I->Aux);
  PTXSIM_NEXT;
}

void ptxsim::finishBulk(Warp &W) {
  if (!W.Async)
    return;
  for (const auto &[L, Lane] : W.Async->Bulk) {
    for (const BulkGroup &Group : Lane.Groups)
      for (const BulkWork &Work : Group)
        Work.finish();
    for (const BulkWork &Work : Lane.Open)
      Work.finish();
  }
}

// ---- copies --------------------------------------------------------------
static bool checkSize(Warp *W, const Inst *I, uint32_t L, uint32_t Bytes) {
  if (Bytes && Bytes % 16 == 0)
    return true;
  fault(W, I, FaultKind::Illegal, L,
        "expected a positive multiple of 16 bytes, got " +
            std::to_string(Bytes));
  return false;
}

std::vector<CopyTarget> ptxsim::copyTargets(Warp *W, const Inst *I, uint32_t L,
                                            Cta *Owner, uint32_t Offset,
                                            uint32_t Barrier, uint64_t Mask,
                                            bool Multicast) {
  std::vector<CopyTarget> Out;
  if (!Multicast) {
    Out.push_back({Owner, Offset, Barrier});
    return Out;
  }
  auto &Ctas = W->C->Group->Ctas;
  for (uint32_t K = 0; K < 16; ++K) {
    if (!(Mask >> K & 1))
      continue;
    if (K >= Ctas.size()) {
      fault(W, I, FaultKind::Illegal, L,
            "multicast to CTA " + std::to_string(K) + " of a cluster of " +
                std::to_string(Ctas.size()));
      return {};
    }
    Out.push_back({Ctas[K].get(), Offset, Barrier});
  }
  if (Out.empty())
    fault(W, I, FaultKind::Illegal, L, "multicast to no CTA");
  return Out;
}

bool ptxsim::raceTargets(Warp *W, const Inst *I, uint32_t L,
                         const std::vector<CopyTarget> &Targets, uint32_t Bytes,
                         CopyAccess Kind, CopyEpoch &Copy) {
  for (const CopyTarget &T : Targets)
    if (!raceBeginBulk(W, I, L, T.Owner, T.Barrier, Copy) ||
        !raceCopyShared(W, I, T.Owner, T.Offset, Bytes, Kind, Copy))
      return false;
  return true;
}

/// Destination and barrier of a load, both in one CTA of the cluster.
static bool loadTargets(Warp *W, const Inst *I, const uint8_t *R, uint32_t L,
                        uint32_t Bytes, std::vector<CopyTarget> &Out) {
  const Detail &D = W->P->Details[I->X];
  unsigned BarrierOperand = 3;
  Cta *Owner = nullptr, *BarrierOwner = nullptr;
  uint32_t Offset = 0, Barrier = 0;
  if (!resolveOne(W, I, L, detailAddress(D, 0, R, L), Space::SharedCluster,
                  Bytes, 16, AccessKind::Read, &Owner, &Offset) ||
      !resolveMbarrier(W, I, L, detailAddress(D, BarrierOperand, R, L),
                       Space::SharedCluster, BarrierOwner, Barrier) ||
      !findMbarrier(W, I, L, BarrierOwner, Barrier))
    return false;
  bool Multicast = D.Info.has(Mod::Multicast);
  uint64_t Mask = Multicast ? laneOf<uint32_t>(R, D.slot(4), L) & 0xffff : 0;
  if (Owner != BarrierOwner && !Multicast) {
    fault(W, I, FaultKind::Illegal, L,
          "destination and mbarrier are in different CTAs");
    return false;
  }
  Out = copyTargets(W, I, L, Owner, Offset, Barrier, Mask, Multicast);
  return !Out.empty();
}

static void bulkLoad(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  const Detail &D = W->P->Details[I->X];
  bool Reduces = D.Info.O == Op::BulkReduceShared;
  bool FromShared = Reduces || D.Info.O == Op::BulkShared;
  Type Ty = Reduces ? D.Info.Types[0] : Type::B8;
  Mod Operation = reductionOf(D.Info);
  for (uint32_t Left = On; Left; Left &= Left - 1) {
    uint32_t L = uint32_t(std::countr_zero(Left));
    uint32_t Bytes = laneOf<uint32_t>(R, D.slot(2), L);
    std::vector<CopyTarget> Targets;
    Cta *SrcOwner = nullptr;
    uint32_t SrcOffset = 0;
    if (!checkSize(W, I, L, Bytes))
      return;
    uint8_t *Src = resolveOne(W, I, L, detailAddress(D, 1, R, L),
                              FromShared ? Space::Shared : Space::Global, Bytes,
                              16, AccessKind::Read, &SrcOwner, &SrcOffset);
    if (!Src || !loadTargets(W, I, R, L, Bytes, Targets))
      return;
    CopyEpoch Copy;
    if (!raceTargets(W, I, L, Targets, Bytes,
                     Reduces ? CopyAccess::ReduceBulk : CopyAccess::Write,
                     Copy) ||
        (FromShared ? !raceCopyShared(W, I, SrcOwner, SrcOffset, Bytes,
                                      CopyAccess::Read, Copy)
                    : !raceCopyGlobal(W, I, L, uint64_t(Src), Bytes,
                                      AccessKind::Read, Copy)))
      return;
    ++W->Effects;
    scheduleWork(W, [=, Targets = std::move(Targets)] {
      for (const CopyTarget &T : Targets) {
        uint8_t *To = T.Owner->Shared + (T.Offset - SharedBase);
        if (Reduces)
          reduceBytes(To, Src, Bytes, Ty, Operation);
        else
          std::memcpy(To, Src, Bytes);
        touchShared(T.Owner);
        deliverBytes(T.Owner, T.Barrier, Bytes);
      }
    });
  }
  PTXSIM_NEXT;
}

/// Of every 16 bytes those whose bit is set.
static void copyMasked(uint8_t *To, const uint8_t *From, uint32_t Bytes,
                       uint32_t Mask) {
  for (uint32_t K = 0; K < Bytes; ++K)
    if (Mask >> K % 16 & 1)
      To[K] = From[K];
}

/// Shared to global, plain or reducing.
static void bulkStore(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  const Detail &D = W->P->Details[I->X];
  bool Reduces = D.Info.O == Op::BulkReduce;
  Type Ty = Reduces ? D.Info.Types[0] : Type::B8;
  Mod Operation = reductionOf(D.Info);
  for (uint32_t Left = On; Left; Left &= Left - 1) {
    uint32_t L = uint32_t(std::countr_zero(Left));
    uint32_t Bytes = laneOf<uint32_t>(R, D.slot(2), L), Offset = 0;
    Cta *Owner = nullptr;
    if (!checkSize(W, I, L, Bytes))
      return;
    uint8_t *Dst = resolveOne(W, I, L, detailAddress(D, 0, R, L), Space::Global,
                              Bytes, 16, AccessKind::Write);
    uint8_t *Src =
        Dst ? resolveOne(W, I, L, detailAddress(D, 1, R, L), Space::Shared,
                         Bytes, 16, AccessKind::Read, &Owner, &Offset)
            : nullptr;
    CopyEpoch Reads, Writes;
    raceBeginGroup(W, I, L, Reads, Writes);
    if (!Src ||
        !raceCopyShared(W, I, Owner, Offset, Bytes, CopyAccess::Read, Reads) ||
        !raceCopyGlobal(W, I, L, uint64_t(Dst), Bytes,
                        Reduces ? AccessKind::Atomic : AccessKind::Write,
                        Writes))
      return;
    ++W->Effects;
    uint32_t Chunk = D.Info.has(Mod::CpMask)
                         ? laneOf<uint32_t>(R, D.slot(I->Aux), L) & 0xffff
                         : 0xffff;
    auto Write = [=](const uint8_t *From) {
      if (Chunk != 0xffff)
        copyMasked(Dst, From, Bytes, Chunk);
      else if (Reduces)
        reduceBytes(Dst, From, Bytes, Ty, Operation);
      else
        std::memcpy(Dst, From, Bytes);
    };
    addBulkWork(W, L, {Src, Bytes, Write, {}});
  }
  PTXSIM_NEXT;
}
static void noOperation(PTXSIM_ARGS) { PTXSIM_NEXT; }

bool ptxsim::selectBulkCopy(Encoder &E, const Lowered &L, Inst &I) {
  switch (L.Info.O) {
  case Op::BulkLoad:
  case Op::BulkShared:
  case Op::BulkReduceShared:
    I.X = E.addDetail(L);
    I.Fn = bulkLoad;
    return true;
  case Op::BulkReduce: E.program().GlobalAtomics = true; [[fallthrough]];
  case Op::BulkStore:
    I.Aux = L.Info.has(Mod::L2CacheHint) ? 4 : 3; // operand of the mask
    I.X = E.addDetail(L);
    I.Fn = bulkStore;
    return true;
  case Op::BulkPrefetch:
  case Op::TensorPrefetch: I.Fn = noOperation; return true;
  case Op::BulkCommit: I.Fn = bulkCommit; return true;
  case Op::BulkWait:
    I.Imm = int32_t(L.Immediates[0]);
    I.Aux = L.Info.has(Mod::ReadMod);
    I.Fn = bulkWait;
    return true;
  default: return selectAsyncStore(E, L, I) || selectTensorMap(E, L, I);
  }
}
