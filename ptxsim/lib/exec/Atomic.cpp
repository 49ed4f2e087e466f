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
using Quad = unsigned __int128;
template <> struct Bits<Quad> {
  using U = Quad;
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
template <bool B, unsigned N, Mod K = Mod::AddMod> struct Halves {
  template <class T> T operator()(T X, T Y) {
    T D = 0;
    for (unsigned At = 0; At < 16 * N; At += 16) {
      RowU32 A = (RowU32)(uint32_t(X) >> At & 0xffffu);
      RowU32 C = (RowU32)(uint32_t(Y) >> At & 0xffffu);
      RowF32 P = B ? bhalfToFloat(A) : halfToFloat(A);
      RowF32 Q = B ? bhalfToFloat(C) : halfToFloat(C);
      RowF32 S = K == Mod::MinMod   ? select<false, false>(P, Q)
                 : K == Mod::MaxMod ? select<true, false>(P, Q)
                                    : P + Q;
      uint32_t R = (B ? floatToBhalf(S) : floatToHalf(S))[0];
      D |= T(R << At);
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
    forLanes(On, [&](uint32_t L) {
      T Operand = readOperand<T>(R, I->B, L);
      T Old = update<T>(A.Ptr[L], Operand, F{});
      T New = F{}(Old, Operand);
      W->Effects += std::memcmp(&Old, &New, sizeof(T)) != 0;
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
    forLanes(On, [&](uint32_t L) {
      T Compare = readOperand<T>(R, I->B, L);
      T New = readOperand<T>(R, I->C, L);
      T Old = update<T>(A.Ptr[L], New,
                        [&](T V, T N) { return V == Compare ? N : V; });
      W->Effects += Old == Compare && Old != New; // others see no failure
      writeResult<T>(R, I->D, L, Old);
    });
  }
  PTXSIM_NEXT;
}

/// Count elements per lane; Extra holds the rows of the results, if there are
/// any, and of the operands.
template <class T, class F, bool Result> static void atomicVector(PTXSIM_ARGS) {
  constexpr unsigned Most = 8;
  uint32_t On = guarded(I, R, M);
  if (On) {
    Lanes A;
    if (!resolve(W, I, On, addressRow(I, R), I->Where, I->Bytes * I->Count,
                 AccessKind::Atomic, I->E, A))
      return;
    ++W->Effects;
    const uint32_t *To = W->P->Extra.data() + I->X;
    const uint32_t *From = To + (Result ? I->Count : 0);
    forLanes(On, [&](uint32_t L) {
      T V[Most] = {}; // a result's row may be an operand's as well
      for (unsigned K = 0; K < I->Count; ++K)
        V[K] = readOperand<T>(R, From[K], L);
      for (unsigned K = 0; K < I->Count; ++K) {
        T Old = update<T>(A.Ptr[L] + K * sizeof(T), V[K], F{});
        if (Result)
          writeResult<T>(R, To[K], L, Old);
      }
    });
  }
  PTXSIM_NEXT;
}

/// 128 bits, in two rows each: Extra holds those of the result, of b and of c.
template <bool Compares> static void atomicQuad(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (On) {
    Lanes A;
    if (!resolve(W, I, On, addressRow(I, R), I->Where, sizeof(Quad),
                 AccessKind::Atomic, I->E, A))
      return;
    ++W->Effects;
    const uint32_t *Rows = W->P->Extra.data() + I->X;
    forLanes(On, [&](uint32_t L) {
      auto Read = [&](unsigned K) {
        return Quad(laneOf<uint64_t>(R, Rows[K + 1], L)) << 64 |
               laneOf<uint64_t>(R, Rows[K], L);
      };
      Quad B = Read(2), New = Compares ? Read(4) : B;
      Quad Old = update<Quad>(A.Ptr[L], New, [&](Quad V, Quad N) {
        return !Compares || V == B ? N : V;
      });
      writeResult<uint64_t>(R, Rows[0], L, uint64_t(Old));
      writeResult<uint64_t>(R, Rows[1], L, uint64_t(Old >> 64));
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
  case Type::F16: return form<uint16_t, Halves<false, 1>>(Result);
  case Type::BF16: return form<uint16_t, Halves<true, 1>>(Result);
  case Type::F16x2: return form<uint32_t, Halves<false, 2>>(Result);
  case Type::BF16x2: return form<uint32_t, Halves<true, 2>>(Result);
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

template <class T, class F> static Handler vectorForm(bool Result) {
  return Result ? atomicVector<T, F, true> : atomicVector<T, F, false>;
}
template <bool B, Mod K> static Handler pickHalves(Type Ty, bool Result) {
  if (bitWidth(Ty) == 16)
    return vectorForm<uint16_t, Halves<B, 1, K>>(Result);
  return vectorForm<uint32_t, Halves<B, 2, K>>(Result);
}
template <bool B> static Handler pickHalves(const OpcodeInfo &Info) {
  bool Result = Info.O == Op::Atom;
  Type Ty = Info.Types[0];
  if (Info.has(Mod::MinMod))
    return pickHalves<B, Mod::MinMod>(Ty, Result);
  if (Info.has(Mod::MaxMod))
    return pickHalves<B, Mod::MaxMod>(Ty, Result);
  return pickHalves<B, Mod::AddMod>(Ty, Result);
}
static void selectVector(Encoder &E, const Lowered &L, Inst &I) {
  const OpcodeInfo &Info = L.Info;
  bool Result = Info.O == Op::Atom;
  std::vector<uint32_t> Rows;
  for (unsigned Operand : {0u, Result ? 2u : 1u})
    for (unsigned K = 0; K < Info.VectorWidth && (Operand || Result); ++K)
      Rows.push_back(E.row(L, Operand, K));
  I.X = E.addExtra(Rows);
  I.E = E.newAccessCache();
  I.Count = Info.VectorWidth;
  I.Bytes = uint8_t(bitWidth(Info.Types[0]) / 8);
  switch (Info.Types[0]) {
  case Type::F32: I.Fn = vectorForm<float, AddOp>(Result); break;
  case Type::F16:
  case Type::F16x2: I.Fn = pickHalves<false>(Info); break;
  default: I.Fn = pickHalves<true>(Info); break;
  }
}

static void selectQuad(Encoder &E, const Lowered &L, Inst &I) {
  bool Compares = L.Info.O == Op::AtomCas;
  std::vector<uint32_t> Rows;
  for (unsigned Operand : {0u, 2u, 3u})
    for (unsigned K = 0; K < 2 && (Operand < 3 || Compares); ++K)
      Rows.push_back(E.row(L, Operand, K));
  I.X = E.addExtra(Rows);
  I.E = E.newAccessCache();
  I.Count = 2;
  I.Bytes = 8;
  I.Fn = Compares ? atomicQuad<true> : atomicQuad<false>;
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
  I.Aux = accessFlags(Info);
  noteOrder(E, Info);
  if (L.Quad) {
    selectQuad(E, L, I);
    return true;
  }
  if (Info.VectorWidth > 1) {
    selectVector(E, L, I);
    return true;
  }
  I.X = E.newAccessCache();
  if (Info.O == Op::AtomCas)
    I.Fn = bitWidth(Info.Types[0]) == 64   ? compareAndSwap<uint64_t>
           : bitWidth(Info.Types[0]) == 32 ? compareAndSwap<uint32_t>
                                           : compareAndSwap<uint16_t>;
  else
    I.Fn = pickAtomic(Info, Info.O == Op::Atom);
  return I.Fn != nullptr;
}
