// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// atom and red. Lanes act one after the other, in ascending order; host
// atomics protect against other clusters' threads.
#include "AccessFlags.h"
#include "FloatOps.h"
#include "Resolve.h"

using namespace ptxsim;

namespace {

template <class T> struct Bits;
template <> struct Bits<uint16_t> {
  using U = uint16_t;
};
template <> struct Bits<uint32_t> {
  using U = uint32_t;
};
template <> struct Bits<int32_t> {
  using U = uint32_t;
};
template <> struct Bits<float> {
  using U = uint32_t;
};
template <> struct Bits<uint64_t> {
  using U = uint64_t;
};
template <> struct Bits<int64_t> {
  using U = uint64_t;
};
template <> struct Bits<double> {
  using U = uint64_t;
};

struct AddOp {
  template <class T> T operator()(T A, T B) { return A + B; }
};
struct AndOp {
  template <class T> T operator()(T A, T B) { return A & B; }
};
struct OrOp {
  template <class T> T operator()(T A, T B) { return A | B; }
};
struct XorOp {
  template <class T> T operator()(T A, T B) { return A ^ B; }
};
struct ExchOp {
  template <class T> T operator()(T, T B) { return B; }
};
struct MinOp {
  template <class T> T operator()(T A, T B) { return B < A ? B : A; }
};
struct MaxOp {
  template <class T> T operator()(T A, T B) { return A < B ? B : A; }
};
struct IncOp {
  template <class T> T operator()(T A, T B) { return A >= B ? 0 : A + 1; }
};
struct DecOp {
  template <class T> T operator()(T A, T B) {
    return A == 0 || A > B ? B : A - 1;
  }
};

/// f32 atomics on global memory flush subnormals on the hardware only where
/// documented (shared memory); the simulator never does.
template <bool B, unsigned N> struct AddHalves {
  template <class T> T operator()(T X, T Y) {
    T D = 0;
    for (unsigned K = 0; K < N; ++K) {
      RowU32 A = (RowU32)(uint32_t(X) >> (16 * K) & 0xffffu);
      RowU32 C = (RowU32)(uint32_t(Y) >> (16 * K) & 0xffffu);
      RowF32 S = B ? bhalfToFloat(A) + bhalfToFloat(C)
                   : halfToFloat(A) + halfToFloat(C);
      uint32_t R = (B ? floatToBhalf(S) : floatToHalf(S))[0];
      D |= T(R << (16 * K));
    }
    return D;
  }
};

} // namespace

template <class T, class F> static T update(uint8_t *P, T B, F Fn) {
  using U = typename Bits<T>::U;
  U *At = reinterpret_cast<U *>(P);
  U Old = __atomic_load_n(At, __ATOMIC_SEQ_CST), New;
  T OldValue;
  do {
    std::memcpy(&OldValue, &Old, sizeof(T));
    T Value = Fn(OldValue, B);
    std::memcpy(&New, &Value, sizeof(T));
  } while (!__atomic_compare_exchange_n(At, &Old, New, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST));
  std::memcpy(&OldValue, &Old, sizeof(T));
  return OldValue;
}

template <class T>
static void writeResult(uint8_t *R, uint32_t Row, uint32_t L, T V) {
  if constexpr (sizeof(T) == 2) {
    uint32_t Wide = uint32_t(V);
    std::memcpy(R + Row + 4 * L, &Wide, 4);
  } else {
    std::memcpy(R + Row + sizeof(T) * L, &V, sizeof(T));
  }
}
template <class T>
static T readOperand(const uint8_t *R, uint32_t Row, uint32_t L) {
  T V;
  std::memcpy(&V, R + Row + (sizeof(T) == 8 ? 8 : 4) * L, sizeof(T));
  return V;
}

template <class T, class F, bool Result> static void atomic(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (On) {
    Lanes A;
    if (!resolve(W, I, On, addressRow(I, R), I->Where, sizeof(T),
                 AccessKind::Atomic, I->X, A))
      return;
    ++W->Effects;
    forLanes(On, [&](uint32_t L) {
      T Old = update<T>(A.Ptr[L], readOperand<T>(R, I->B, L), F{});
      if (Result)
        writeResult<T>(R, I->D, L, Old);
    });
  }
  PTXSIM_NEXT;
}
template <class T> static void compareAndSwap(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (On) {
    Lanes A;
    if (!resolve(W, I, On, addressRow(I, R), I->Where, sizeof(T),
                 AccessKind::Atomic, I->X, A))
      return;
    ++W->Effects;
    forLanes(On, [&](uint32_t L) {
      T Compare = readOperand<T>(R, I->B, L);
      T New = readOperand<T>(R, I->C, L);
      T Old = update<T>(A.Ptr[L], New,
                        [&](T V, T N) { return V == Compare ? N : V; });
      writeResult<T>(R, I->D, L, Old);
    });
  }
  PTXSIM_NEXT;
}

// ---- selection -----------------------------------------------------------
template <class T, class F> static Handler form(bool Result) {
  return Result ? atomic<T, F, true> : atomic<T, F, false>;
}
template <class F> static Handler pickBitwise(Type Ty, bool Result) {
  return bitWidth(Ty) == 64 ? form<uint64_t, F>(Result)
                            : form<uint32_t, F>(Result);
}
template <class F> static Handler pickOrdered(Type Ty, bool Result) {
  switch (Ty) {
  case Type::U32: return form<uint32_t, F>(Result);
  case Type::S32: return form<int32_t, F>(Result);
  case Type::U64: return form<uint64_t, F>(Result);
  default: return form<int64_t, F>(Result);
  }
}
static Handler pickAdd(Type Ty, bool Result) {
  switch (Ty) {
  case Type::F32: return form<float, AddOp>(Result);
  case Type::F64: return form<double, AddOp>(Result);
  case Type::F16: return form<uint16_t, AddHalves<false, 1>>(Result);
  case Type::BF16: return form<uint16_t, AddHalves<true, 1>>(Result);
  case Type::F16x2: return form<uint32_t, AddHalves<false, 2>>(Result);
  case Type::BF16x2: return form<uint32_t, AddHalves<true, 2>>(Result);
  default: return pickOrdered<AddOp>(Ty, Result);
  }
}
static Handler pickAtomic(const OpcodeInfo &Info, bool Result) {
  Type Ty = Info.Types[0];
  if (Info.has(Mod::AddMod))
    return pickAdd(Ty, Result);
  if (Info.has(Mod::MinMod))
    return pickOrdered<MinOp>(Ty, Result);
  if (Info.has(Mod::MaxMod))
    return pickOrdered<MaxOp>(Ty, Result);
  if (Info.has(Mod::AndMod))
    return pickBitwise<AndOp>(Ty, Result);
  if (Info.has(Mod::OrMod))
    return pickBitwise<OrOp>(Ty, Result);
  if (Info.has(Mod::XorMod))
    return pickBitwise<XorOp>(Ty, Result);
  if (Info.has(Mod::IncMod))
    return form<uint32_t, IncOp>(Result);
  if (Info.has(Mod::DecMod))
    return form<uint32_t, DecOp>(Result);
  return pickBitwise<ExchOp>(Ty, Result);
}

static void noteOrder(Encoder &E, const OpcodeInfo &Info) {
  E.program().MaySpin |= Info.O != Op::Red;
  if (Info.Where == Space::Shared || Info.Where == Space::SharedCluster)
    return;
  // A sum of integers does not depend on the order; a returned value does.
  bool OrderFree = Info.O == Op::Red && !isFloat(Info.Types[0]) &&
                   !Info.has(Mod::IncMod) && !Info.has(Mod::DecMod);
  if (!OrderFree)
    E.program().GlobalAtomics = true;
  if (Info.O == Op::AtomCas || Info.has(Mod::ExchMod) ||
      Info.has(Mod::Acquire) || Info.has(Mod::AcqRel))
    E.program().WaitsOnGlobal = true;
}

bool ptxsim::selectAtomic(Encoder &E, const Lowered &L, Inst &I) {
  const OpcodeInfo &Info = L.Info;
  if (Info.O != Op::Atom && Info.O != Op::AtomCas && Info.O != Op::Red)
    return false;
  I.X = E.newAccessCache();
  I.Aux = accessFlags(Info);
  noteOrder(E, Info);
  if (Info.O == Op::AtomCas)
    I.Fn = bitWidth(Info.Types[0]) == 64   ? compareAndSwap<uint64_t>
           : bitWidth(Info.Types[0]) == 32 ? compareAndSwap<uint32_t>
                                           : compareAndSwap<uint16_t>;
  else
    I.Fn = pickAtomic(Info, Info.O == Op::Atom);
  return I.Fn != nullptr;
}
