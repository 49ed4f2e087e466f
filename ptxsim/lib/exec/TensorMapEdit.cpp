// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tensor maps that kernels make: tensormap.replace changes one field of a map
// in memory, tensormap.cp_fenceproxy copies one out of shared memory, and
// fence.proxy.tensormap lets later copies see it.
#include "../TensorMap.h"
#include "Async.h"
#include "Race.h"
#include "TensorCopy.h"

using namespace ptxsim;

static constexpr unsigned MapBytes = 128, MapAlign = 64;

/// A map of a lane in memory that may be changed, and the race checks of that.
static uint8_t *openMap(Warp *W, const Inst *I, uint32_t L, uint64_t Address,
                        Space Where, AccessKind Kind) {
  Cta *Owner = nullptr;
  uint32_t Offset = 0, Offsets[32];
  uint64_t Addresses[32];
  uint8_t *P = resolveOne(W, I, L, Address, Where, MapBytes, MapAlign, Kind,
                          &Owner, &Offset);
  if (!P || !W->C->Observed)
    return P;
  Offsets[L] = Offset;
  Addresses[L] = uint64_t(P);
  auto Observe = [&](AccessKind K) {
    return Owner ? observeShared(W, I, Owner, 1u << L, Offsets, MapBytes, K)
                 : observeGlobal(W, I, 1u << L, Addresses, MapBytes, K);
  };
  return Observe(Kind) ? P : nullptr;
}

// ---- fields ----------------------------------------------------------------
/// Values of elemtype in the order of the PTX ISA's table.
static bool setType(TensorMap &M, uint64_t V) {
  static constexpr TensorType Types[] = {
      TensorType::U8,     TensorType::U16, TensorType::U32,  TensorType::S32,
      TensorType::U64,    TensorType::S64, TensorType::F16,  TensorType::F32,
      TensorType::F32Ftz, TensorType::F64, TensorType::BF16, TensorType::TF32,
      TensorType::TF32Ftz};
  if (V >= std::size(Types))
    return false;
  M.Type = Types[V];
  return true;
}

/// Sets a field with an index; false if the index or the value is out of range.
static bool setIndexed(TensorMap &M, const OpcodeInfo &Info, uint64_t At,
                       uint64_t V) {
  if (At >= (Info.has(Mod::GlobalStride) ? 4u : 5u))
    return false;
  if (Info.has(Mod::GlobalStride)) {
    M.Stride[At] = V;
    return V % 16 == 0 && V < uint64_t(1) << 40;
  }
  if (Info.has(Mod::GlobalDim)) {
    M.LastIndex[At] = uint32_t(V - 1);
    return V != 0;
  }
  if (Info.has(Mod::BoxDim)) {
    M.Box[At] = uint16_t(V);
    return V && V <= 256;
  }
  M.ElementStride[At] = uint8_t(V);
  return V && V <= 8;
}

static bool setField(TensorMap &M, const OpcodeInfo &Info, uint64_t V) {
  if (Info.has(Mod::GlobalAddress)) {
    M.Base = V;
    return V % 16 == 0;
  }
  if (Info.has(Mod::Rank)) { // one less than the number of dimensions
    M.Rank = uint8_t(V + 1);
    return V < 5;
  }
  if (Info.has(Mod::Elemtype))
    return setType(M, V);
  if (Info.has(Mod::SwizzleMode)) {
    M.Swizzling = Swizzle(V);
    return V < 4;
  }
  if (Info.has(Mod::FillMode)) {
    M.FillNaN = uint8_t(V);
    return V < 2;
  }
  return V == 0; // interleave_layout, swizzle_atomicity: the plain ones
}

/// A map of zeros is a new one.
static bool isMap(const TensorMap &M, const uint8_t *P) {
  return M.Magic == TensorMap::MagicValue ||
         std::all_of(P, P + MapBytes, [](uint8_t B) { return !B; });
}

static bool replaceOne(Warp *W, const Inst *I, const uint8_t *R, uint32_t L) {
  const Detail &D = W->P->Details[I->X];
  const OpcodeInfo &Info = D.Info;
  uint64_t Address = detailAddress(D, 0, R, L);
  uint8_t *P = openMap(W, I, L, Address, Info.Where, AccessKind::Read);
  if (!P || !openMap(W, I, L, Address, Info.Where, AccessKind::Write))
    return false;
  TensorMap Map;
  std::memcpy(&Map, P, sizeof(Map));
  if (!isMap(Map, P)) {
    fault(W, I, FaultKind::Illegal, L,
          "expected a tensor map or zeros at " + hex(Address));
    return false;
  }
  Map.Magic = TensorMap::MagicValue;
  bool Indexed = I->Aux & 1, IsImmediate = I->Aux & 2;
  uint64_t V = IsImmediate ? uint64_t(D.Immediates.back())
               : bitWidth(Info.Types[0]) == 64
                   ? laneOf<uint64_t>(R, D.slot(1), L)
                   : laneOf<uint32_t>(R, D.slot(1), L);
  bool Ok = Indexed ? setIndexed(Map, Info, uint64_t(D.Immediates[0]), V)
                    : setField(Map, Info, V);
  if (!Ok) {
    fault(W, I, FaultKind::Illegal, L,
          "no tensor map can have the value " + hex(V) + " there");
    return false;
  }
  std::memcpy(P, &Map, sizeof(Map));
  ++W->Effects;
  return true;
}
static void replace(PTXSIM_ARGS) {
  for (uint32_t Left = guarded(I, R, M); Left; Left &= Left - 1)
    if (!replaceOne(W, I, R, uint32_t(std::countr_zero(Left))))
      return;
  PTXSIM_NEXT;
}

// ---- copies and fences -----------------------------------------------------
/// The whole warp copies one map, and the copy is released.
static void copyFence(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  const Detail &D = W->P->Details[I->X];
  if (On) {
    uint32_t L = uint32_t(std::countr_zero(On));
    uint8_t *From = openMap(W, I, L, detailAddress(D, 1, R, L), Space::Shared,
                            AccessKind::Read);
    uint8_t *To = From ? openMap(W, I, L, detailAddress(D, 0, R, L),
                                 Space::Global, AccessKind::Write)
                       : nullptr;
    if (!To)
      return;
    std::memcpy(To, From, MapBytes);
    ++W->Effects;
    raceFence(W);
  }
  PTXSIM_NEXT;
}
/// Aux: it acquires.
static void fenceMap(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (On) {
    raceFence(W);
    for (uint32_t Left = I->Aux ? On : 0; Left; Left &= Left - 1) {
      uint32_t L = uint32_t(std::countr_zero(Left));
      const Detail &D = W->P->Details[I->X];
      uint8_t *P =
          resolveOne(W, I, L, detailAddress(D, 0, R, L), Space::Generic,
                     MapBytes, MapAlign, AccessKind::Read);
      if (!P)
        return;
      raceFenceMap(W, uint64_t(P));
    }
  }
  PTXSIM_NEXT;
}

bool ptxsim::selectTensorMap(Encoder &E, const Lowered &L, Inst &I) {
  const OpcodeInfo &Info = L.Info;
  switch (Info.O) {
  case Op::TensormapReplace: {
    bool Indexed = Info.has(Mod::GlobalStride) || Info.has(Mod::GlobalDim) ||
                   Info.has(Mod::BoxDim) || Info.has(Mod::ElementStride);
    bool Immediate = Info.has(Mod::Elemtype) || Info.has(Mod::SwizzleMode) ||
                     Info.has(Mod::FillMode) ||
                     Info.has(Mod::InterleaveLayout) ||
                     Info.has(Mod::SwizzleAtomicity);
    I.Aux = uint16_t((Indexed ? 1 : 0) | (Immediate ? 2 : 0));
    I.Fn = replace;
    break;
  }
  case Op::TensormapCopy: I.Fn = copyFence; break;
  case Op::FenceTensormap:
    I.Aux = Info.has(Mod::Acquire);
    if (I.Aux && L.Immediates[0] != MapBytes)
      return false;
    I.Fn = fenceMap;
    break;
  default: return false;
  }
  I.X = E.addDetail(L);
  return true;
}
