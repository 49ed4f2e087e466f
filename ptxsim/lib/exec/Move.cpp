// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// mov in all its forms, parameter reads, address conversion and clocks.
#include "Alu.h"
#include <chrono>

using namespace ptxsim;

static void movPredicate(PTXSIM_ARGS) {
  storePred(R + I->D, rowAt<uint32_t>(R + I->A), guarded(I, R, M));
  PTXSIM_NEXT;
}
static void mov16(PTXSIM_ARGS) {
  store32(R + I->D, rowAt<RowU32>(R + I->A) & 0xffff, guarded(I, R, M));
  PTXSIM_NEXT;
}
static void mov32(PTXSIM_ARGS) {
  store32(R + I->D, rowAt<RowU32>(R + I->A), guarded(I, R, M));
  PTXSIM_NEXT;
}
static void mov64(PTXSIM_ARGS) {
  store64(R + I->D, rowAt<RowU64>(R + I->A), guarded(I, R, M));
  PTXSIM_NEXT;
}

// ---- packing: Extra holds the part rows; Count parts of Bytes each --------
template <bool Wide> static void pack(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M), Bits = I->Bytes * 8u;
  const uint32_t *Parts = W->P->Extra.data() + I->X;
  uint32_t Mask = Bits == 32 ? ~0u : (1u << Bits) - 1;
  if constexpr (Wide) {
    RowU64 D = (RowU64)(0);
    for (unsigned K = 0; K < I->Count; ++K)
      D |= __builtin_convertvector(rowAt<RowU32>(R + Parts[K]) & Mask, RowU64)
           << (K * Bits);
    store64(R + I->D, D, On);
  } else {
    RowU32 D = (RowU32)(0u);
    for (unsigned K = 0; K < I->Count; ++K)
      D |= (rowAt<RowU32>(R + Parts[K]) & Mask) << (K * Bits);
    store32(R + I->D, D, On);
  }
  PTXSIM_NEXT;
}
template <bool Wide> static void unpack(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M), Bits = I->Bytes * 8u;
  const uint32_t *Parts = W->P->Extra.data() + I->X;
  uint32_t Mask = Bits == 32 ? ~0u : (1u << Bits) - 1;
  RowU64 Whole64;
  RowU32 Whole;
  if (Wide)
    Whole64 = rowAt<RowU64>(R + I->A);
  else
    Whole = rowAt<RowU32>(R + I->A);
  for (unsigned K = 0; K < I->Count; ++K) {
    RowU32 D;
    if (Wide)
      D = __builtin_convertvector(Whole64 >> (K * Bits), RowU32);
    else
      D = Whole >> (K * Bits);
    store32(R + Parts[K], D & Mask, On);
  }
  PTXSIM_NEXT;
}

/// Parameters are rows of the launch image: a vector of moves.
static void ldParam(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  const uint32_t *Rows = W->P->Extra.data() + I->X;
  for (unsigned K = 0; K < I->Count; ++K, Rows += 2) {
    if (I->Bytes == 8)
      store64(R + Rows[0], rowAt<RowU64>(R + Rows[1]), On);
    else
      store32(R + Rows[0], rowAt<RowU32>(R + Rows[1]), On);
  }
  PTXSIM_NEXT;
}

// ---- addresses -----------------------------------------------------------
template <uint64_t Window> static void toGeneric(PTXSIM_ARGS) {
  store64(R + I->D, rowAt<RowU64>(R + I->A) + Window, guarded(I, R, M));
  PTXSIM_NEXT;
}
template <uint64_t Window> static void fromGeneric(PTXSIM_ARGS) {
  store64(R + I->D, rowAt<RowU64>(R + I->A) - Window, guarded(I, R, M));
  PTXSIM_NEXT;
}
/// Aux: the space asked for.
static void isspacep(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M), D = 0;
  for (unsigned L = 0; L < 32; ++L) {
    uint64_t A = laneOf<uint64_t>(R, I->A, L);
    uint64_t Window = A & ~((uint64_t(1) << 56) - 1);
    bool Own =
        A - SharedWindow < (uint64_t(1) << ClusterRankShift) ||
        ((A - SharedWindow) >> ClusterRankShift) == uint64_t(W->C->Rank) + 1;
    bool In = false;
    switch (Space(I->Aux)) {
    case Space::Shared: In = Window == SharedWindow && Own; break;
    case Space::SharedCluster: In = Window == SharedWindow; break;
    case Space::Local: In = Window == LocalWindow; break;
    default: {
      const Allocation *Found =
          Window ? nullptr : findAllocation(*W->C->L, A, 1);
      bool Param = Found && Found->Param;
      In = Window == 0 && (Space(I->Aux) == Space::Param ? Param : !Param);
    }
    }
    D |= uint32_t(In) << L;
  }
  storePred(R + I->D, D, On);
  PTXSIM_NEXT;
}

static void readClock(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  // Executed instructions serve as the clock: monotonic and deterministic.
  uint64_t T = W->Executed + pcOf(I, W) - W->Segment;
  SpecialReg Which = SpecialReg(I->Aux);
  if (Which >= SpecialReg::Globaltimer)
    T = uint64_t(std::chrono::steady_clock::now().time_since_epoch().count());
  if (Which == SpecialReg::ClockHigh || Which == SpecialReg::GlobaltimerHigh)
    T >>= 32;
  if (I->Wide)
    store64(R + I->D, (RowU64)(T), On);
  else
    store32(R + I->D, (RowU32)(uint32_t(T)), On);
  PTXSIM_NEXT;
}

static void createPolicy(PTXSIM_ARGS) {
  // Cache policies have no visible effect; any value will do.
  store64(R + I->D, (RowU64)(uint64_t(0x12f0000000000000)), guarded(I, R, M));
  PTXSIM_NEXT;
}

static bool isClock(const Ref &R) {
  if (R.Kind != Ref::Special)
    return false;
  return R.Image.Which >= SpecialReg::Clock;
}

static Handler movHandler(Type T) {
  switch (bitWidth(T)) {
  case 1: return movPredicate;
  case 16: return mov16;
  case 64: return mov64;
  default: return mov32;
  }
}

static void selectPack(Encoder &E, const Lowered &L, Inst &I) {
  bool Unpack = L.Info.O == Op::MovUnpack;
  unsigned VecOperand = Unpack ? 0 : 1;
  unsigned N = L.Operands[VecOperand].Count;
  unsigned Bits = bitWidth(L.Info.Types[0]);
  std::vector<uint32_t> Rows;
  for (unsigned K = 0; K < N; ++K)
    Rows.push_back(E.row(L, VecOperand, K));
  I.X = E.addExtra(Rows);
  I.Count = uint8_t(N);
  I.Bytes = uint8_t(Bits / N / 8);
  if (Unpack)
    I.Fn = Bits == 64 ? unpack<true> : unpack<false>;
  else
    I.Fn = Bits == 64 ? pack<true> : pack<false>;
}

static void selectLdParam(Encoder &E, const Lowered &L, Inst &I) {
  std::vector<uint32_t> Rows;
  unsigned N = 0;
  for (const LoweredOperand &O : L.Operands)
    if (O.How == Role::Def)
      N += O.Count;
  for (unsigned K = 0; K < N; ++K) {
    Rows.push_back(E.row(L.Refs[K]));
    Rows.push_back(E.row(L.Refs[N + K]));
  }
  I.X = E.addExtra(Rows);
  I.Count = uint8_t(N);
  I.Bytes = L.Refs[0].Wide ? 8 : 4;
  I.Fn = ldParam;
}

static Handler cvtaHandler(Space S, bool To) {
  switch (S) {
  case Space::Shared:
  case Space::SharedCluster:
    return To ? fromGeneric<SharedWindow> : toGeneric<SharedWindow>;
  case Space::Local:
    return To ? fromGeneric<LocalWindow> : toGeneric<LocalWindow>;
  default: return mov64;
  }
}

bool ptxsim::selectMove(Encoder &E, const Lowered &L, Inst &I) {
  const OpcodeInfo &Info = L.Info;
  switch (Info.O) {
  case Op::Mov:
    if (isClock(L.Refs.back())) {
      I.Aux = uint16_t(L.Refs.back().Image.Which);
      I.Wide = L.Refs.back().Wide;
      I.Fn = readClock;
      E.program().ReadsClock = true;
      return true;
    }
    I.Fn = movHandler(Info.Types[0]);
    return true;
  case Op::MovPack:
  case Op::MovUnpack: selectPack(E, L, I); return true;
  case Op::LdParam: selectLdParam(E, L, I); return true;
  case Op::Cvta: I.Fn = cvtaHandler(Info.Where, false); return true;
  case Op::CvtaTo: I.Fn = cvtaHandler(Info.Where, true); return true;
  case Op::Isspacep:
    I.Aux = uint16_t(Info.Where);
    I.Fn = isspacep;
    return true;
  case Op::CreatePolicy: I.Fn = createPolicy; return true;
  default: return false;
  }
}
