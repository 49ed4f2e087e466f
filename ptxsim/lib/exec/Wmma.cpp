// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// wmma.load, wmma.store and wmma.mma. PTX leaves the layout of fragments open:
// here element e of the row-major matrix is element e % n of lane e / n, with
// n elements per lane. f16 fragments of A and B have more room than elements;
// they repeat.
#include "Wmma.h"
#include "MmaEngine.h"
#include "Resolve.h"
#include <algorithm>

using namespace ptxsim;

namespace {
struct FragmentShape {
  unsigned Rows, Columns, PerLane;
};
} // namespace

static FragmentShape shapeOf(char Which, MatrixShape S) {
  unsigned Rows = Which == 'B' ? S.K : S.M;
  unsigned Columns = Which == 'A' ? S.K : S.N;
  return {Rows, Columns, std::max(1u, Rows * Columns / 32)};
}
static unsigned bitsOf(Type T) { return T == Type::TF32 ? 32 : bitWidth(T); }

/// Bits of element Slot of a lane's fragment registers.
static uint64_t getSlot(const Detail &D, unsigned Operand, const uint8_t *R,
                        uint32_t L, unsigned Slot, unsigned Bits) {
  if (Bits == 64)
    return laneOf<uint64_t>(R, D.slot(Operand, Slot), L);
  unsigned PerWord = 32 / Bits;
  uint32_t W = laneOf<uint32_t>(R, D.slot(Operand, Slot / PerWord), L);
  uint32_t V = W >> (Bits * (Slot % PerWord));
  return Bits == 32 ? V : V & ((1u << Bits) - 1);
}
static void setSlot(const Detail &D, unsigned Operand, uint8_t *R, uint32_t L,
                    unsigned Slot, unsigned Bits, uint64_t V) {
  if (Bits == 64) {
    std::memcpy(R + D.slot(Operand, Slot) + 8 * L, &V, 8);
    return;
  }
  unsigned PerWord = 32 / Bits, Shift = Bits * (Slot % PerWord);
  uint8_t *At = R + D.slot(Operand, Slot / PerWord) + 4 * L;
  uint32_t W, Mask = Bits == 32 ? ~0u : ((1u << Bits) - 1) << Shift;
  std::memcpy(&W, At, 4);
  W = (W & ~Mask) | (uint32_t(V) << Shift & Mask);
  std::memcpy(At, &W, 4);
}

/// Calls Fn(lane, slot, host pointer) for every element of the fragment.
template <class F>
static bool forElements(Warp *W, const Inst *I, uint8_t *R, bool IsLoad, F Fn) {
  const Detail &D = W->P->Details[I->X];
  const OpcodeInfo &Info = D.Info;
  char Which = Info.has(Mod::A) ? 'A' : Info.has(Mod::B) ? 'B' : 'C';
  FragmentShape S = shapeOf(Which, Info.Shape);
  bool RowMajor = Info.has(Mod::Row);
  unsigned Bytes = bitsOf(Info.Types[0]) / 8;
  unsigned Address = IsLoad ? 1 : 0, Data = IsLoad ? 0 : 1;
  unsigned Slots = D.Operands[Data].Count * std::max(1u, 4 / Bytes);
  uint64_t Stride = RowMajor ? S.Columns : S.Rows;
  if (D.has(2))
    Stride = laneOf<uint32_t>(R, D.slot(2), 0);
  const DetailOperand &O = D.Operands[Address];
  for (uint32_t L = 0; L < 32; ++L)
    for (unsigned Slot = 0; Slot < Slots; ++Slot) {
      unsigned E = L * S.PerLane + Slot % S.PerLane;
      uint64_t Row = E / S.Columns, Column = E % S.Columns;
      uint64_t Index = RowMajor ? Row * Stride + Column : Column * Stride + Row;
      uint32_t At = D.Slots[O.First];
      uint64_t Base = O.Wide ? laneOf<uint64_t>(R, At, L)
                             : uint64_t(laneOf<uint32_t>(R, At, L));
      Cta *Owner = nullptr;
      uint32_t Offset = 0;
      uint64_t A = Base + uint64_t(int64_t(O.Offset)) + Index * Bytes;
      AccessKind Kind = IsLoad ? AccessKind::Read : AccessKind::Write;
      uint8_t *P = resolveOne(W, I, L, A, Info.Where, Bytes, Bytes, Kind,
                              &Owner, &Offset);
      if (!P)
        return false;
      if (W->C->Observed && Slot < S.PerLane) {
        uint32_t Offsets[32];
        uint64_t Addresses[32];
        Offsets[L] = Offset;
        Addresses[L] = A;
        bool Ok =
            Owner ? observeShared(W, I, Owner, 1u << L, Offsets, Bytes, Kind)
                  : observeGlobal(W, I, 1u << L, Addresses, Bytes, Kind);
        if (!Ok)
          return false;
      }
      Fn(L, Slot, P);
    }
  return true;
}

static void wmmaLoad(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (!On)
    PTXSIM_NEXT;
  const Detail &D = W->P->Details[I->X];
  unsigned Bits = bitsOf(D.Info.Types[0]);
  if (!wholeWarp(W, I, On) ||
      !forElements(W, I, R, true, [&](uint32_t L, unsigned Slot, uint8_t *P) {
        uint64_t V = 0;
        std::memcpy(&V, P, Bits / 8);
        setSlot(D, 0, R, L, Slot, Bits, V);
      }))
    return;
  PTXSIM_NEXT;
}
/// Elements of 4 bits or 1: lane 4 r + t has word t of row r of A, or of column
/// r of B, as mma.sync has it.
static void wmmaLoadBits(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (!On)
    PTXSIM_NEXT;
  if (!wholeWarp(W, I, On))
    return;
  const Detail &D = W->P->Details[I->X];
  unsigned Bits = bitWidth(D.Info.Types[0]);
  uint64_t Stride =
      D.has(2) ? laneOf<uint32_t>(R, D.slot(2), 0) : uint64_t(D.Info.Shape.K);
  RowU64 Address;
  const DetailOperand &O = D.Operands[1];
  for (uint32_t L = 0; L < 32; ++L) {
    uint64_t Base = O.Wide ? laneOf<uint64_t>(R, D.slot(1), L)
                           : uint64_t(laneOf<uint32_t>(R, D.slot(1), L));
    Address[L] = Base + uint64_t(int64_t(O.Offset)) +
                 L / 4 * Stride * Bits / 8 + L % 4 * 4;
  }
  Lanes A;
  if (!resolve(W, I, AllLanes, Address, I->Where, 4, AccessKind::Read, I->E, A))
    return;
  for (uint32_t L = 0; L < 32; ++L)
    std::memcpy(R + D.slot(0) + 4 * L, A.Ptr[L], 4);
  PTXSIM_NEXT;
}
static void wmmaStore(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (!On)
    PTXSIM_NEXT;
  const Detail &D = W->P->Details[I->X];
  unsigned Bits = bitsOf(D.Info.Types[0]);
  ++W->Effects;
  if (!wholeWarp(W, I, On) ||
      !forElements(W, I, R, false, [&](uint32_t L, unsigned Slot, uint8_t *P) {
        uint64_t V = getSlot(D, 1, R, L, Slot, Bits);
        std::memcpy(P, &V, Bits / 8);
      }))
    return;
  PTXSIM_NEXT;
}

// ---- products ------------------------------------------------------------
template <class T> static T decode(Type Ty, uint64_t V) {
  switch (Ty) {
  case Type::S8: return T(int8_t(V));
  case Type::U8: return T(uint8_t(V));
  case Type::S32: return T(int32_t(V));
  case Type::F64: {
    double D;
    std::memcpy(&D, &V, 8);
    return T(D);
  }
  case Type::F16: {
    _Float16 H;
    std::memcpy(&H, &V, 2);
    return T(float(H));
  }
  default: {
    uint32_t U = Ty == Type::BF16   ? uint32_t(V) << 16
                 : Ty == Type::TF32 ? uint32_t(V) & 0xffffe000u
                                    : uint32_t(V);
    float F;
    std::memcpy(&F, &U, 4);
    return T(F);
  }
  }
}
template <class T> static uint64_t encode(Type Ty, T V, bool Saturate) {
  uint64_t Out = 0;
  if constexpr (std::is_same_v<T, int64_t>) {
    if (Saturate)
      V = std::min<T>(std::max<T>(V, INT32_MIN), INT32_MAX);
    return uint32_t(V);
  } else if (Ty == Type::F64) {
    double D = double(V);
    std::memcpy(&Out, &D, 8);
  } else if (Ty == Type::F16) {
    _Float16 H = _Float16(float(V));
    std::memcpy(&Out, &H, 2);
  } else {
    float F = float(V);
    std::memcpy(&Out, &F, 4);
  }
  return Out;
}

/// Types of operands D A B C; two-type f16 products name only D and C.
static void productTypes(const OpcodeInfo &Info, Type (&T)[4]) {
  bool Short = Info.NumTypes == 2;
  T[0] = Info.Types[0];
  T[1] = Short ? Type::F16 : Info.Types[1];
  T[2] = Short ? Type::F16 : Info.Types[2];
  T[3] = Short ? Info.Types[1] : Info.Types[3];
}

template <class T>
static void readMatrix(const Detail &D, unsigned Operand, const uint8_t *R,
                       FragmentShape S, Type Ty, T *Out) {
  for (unsigned E = 0; E < S.Rows * S.Columns; ++E)
    Out[E] = decode<T>(
        Ty, getSlot(D, Operand, R, E / S.PerLane, E % S.PerLane, bitsOf(Ty)));
}

/// Accumulates in T: f32 with one rounding per product, f64, or exact.
template <class T> static void wmmaMma(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (!On)
    PTXSIM_NEXT;
  if (!wholeWarp(W, I, On))
    return;
  const Detail &D = W->P->Details[I->X];
  MatrixShape S = D.Info.Shape;
  Type Ty[4];
  productTypes(D.Info, Ty);
  T A[512], B[512], C[256];
  readMatrix(D, 1, R, shapeOf('A', S), Ty[1], A);
  readMatrix(D, 2, R, shapeOf('B', S), Ty[2], B);
  FragmentShape SC = shapeOf('C', S);
  readMatrix(D, 3, R, SC, Ty[3], C);
  for (unsigned Row = 0; Row < S.M; ++Row)
    for (unsigned K = 0; K < S.K; ++K)
      for (unsigned Column = 0; Column < S.N; ++Column) {
        T &Sum = C[Row * S.N + Column];
        if constexpr (std::is_same_v<T, int64_t>)
          Sum += A[Row * S.K + K] * B[K * S.N + Column];
        else
          Sum =
              std::is_same_v<T, float>
                  ? T(__builtin_fmaf(float(A[Row * S.K + K]),
                                     float(B[K * S.N + Column]), float(Sum)))
                  : T(__builtin_fma(double(A[Row * S.K + K]),
                                    double(B[K * S.N + Column]), double(Sum)));
      }
  for (unsigned E = 0; E < S.M * unsigned(S.N); ++E)
    setSlot(D, 0, R, E / SC.PerLane, E % SC.PerLane, bitsOf(Ty[0]),
            encode<T>(Ty[0], C[E], D.Info.has(Mod::Satfinite)));
  CounterSet &Counters = W->C->Work->Counters;
  ++Counters.MatrixOps;
  Counters.MatrixMacs += uint64_t(S.M) * S.N * S.K;
  PTXSIM_NEXT;
}

bool ptxsim::selectWmma(Encoder &E, const Lowered &L, Inst &I) {
  switch (L.Info.O) {
  case Op::WmmaLoad:
    I.E = E.newAccessCache();
    I.Fn = bitWidth(L.Info.Types[0]) < 8 ? wmmaLoadBits : wmmaLoad;
    break;
  case Op::WmmaStore: I.Fn = wmmaStore; break;
  case Op::WmmaMma:
    I.Fn = L.Info.Types[0] == Type::F64   ? wmmaMma<double>
           : L.Info.Types[0] == Type::S32 ? wmmaMma<int64_t>
                                          : wmmaMma<float>;
    break;
  default: return false;
  }
  I.X = E.addDetail(L);
  return true;
}
