// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Operations between the lanes of a warp, and cluster addresses.
#include "Paths.h"
#include "Race.h"
#include "Shuffle.h"
#include <algorithm>

using namespace ptxsim;

static void noteMeeting(Warp *W) {
  if (__builtin_expect(W->C->Observed, 0))
    raceMeet(W);
}

// ---- shuffles ------------------------------------------------------------
template <Shuffle K> static void shfl(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (!On)
    PTXSIM_NEXT;
  PTXSIM_NEED_MEMBERS(On, I->E);
  noteMeeting(W);
  RowU32 Source = rowAt<RowU32>(R + I->A), D;
  ShuffleSource From = shuffleSource<K>(I, R);
  for (int L = 0; L < 32; ++L)
    D[L] = Source[From.Lane[L]];
  store32(R + I->D, D, On);
  if (I->X != ~0u)
    storePred(R + I->X, toMask(From.In), On);
  PTXSIM_NEXT;
}

// ---- votes, matches, reductions -------------------------------------------
/// Calls F(group, members) for every set of lanes naming the same mask.
template <class F>
static void forGroups(const uint8_t *R, uint32_t M, uint32_t MaskRow, F Fn) {
  while (M) {
    uint32_t Mask = laneOf<uint32_t>(R, MaskRow, uint32_t(std::countr_zero(M)));
    uint32_t Group = M & Mask;
    Fn(Group);
    M &= ~Group;
  }
}

/// Aux: 0 all, 1 any, 2 uni, BallotVote.
static void vote(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (!On)
    PTXSIM_NEXT;
  PTXSIM_NEED_MEMBERS(On, I->B);
  noteMeeting(W);
  uint32_t P = rowAt<uint32_t>(R + I->A) ^ (I->X ? ~0u : 0);
  forGroups(R, On, I->B, [&](uint32_t Group) {
    uint32_t Yes = P & Group;
    bool Holds = I->Aux == 0   ? Yes == Group
                 : I->Aux == 1 ? Yes != 0
                               : Yes == 0 || Yes == Group;
    if (I->Aux == BallotVote)
      store32(R + I->D, (RowU32)(Yes), Group);
    else
      storePred(R + I->D, Holds ? ~0u : 0, Group);
  });
  PTXSIM_NEXT;
}

template <class T, bool All> static void match(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (!On)
    PTXSIM_NEXT;
  PTXSIM_NEED_MEMBERS(On, I->B);
  noteMeeting(W);
  RowU32 D = (RowU32)(0u);
  uint32_t Pred = 0;
  forGroups(R, On, I->B, [&](uint32_t Group) {
    forLanes(Group, [&](uint32_t L) {
      uint32_t Same = 0;
      forLanes(Group, [&](uint32_t K) {
        Same |= uint32_t(laneOf<T>(R, I->A, K) == laneOf<T>(R, I->A, L)) << K;
      });
      bool Whole = Same == Group;
      D[L] = All ? (Whole ? Same : 0) : Same;
      Pred |= uint32_t(Whole) << L;
    });
  });
  store32(R + I->D, D, On);
  if (All && I->X != ~0u)
    storePred(R + I->X, Pred, On);
  PTXSIM_NEXT;
}

template <class T, Mod K> static void redux(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (!On)
    PTXSIM_NEXT;
  PTXSIM_NEED_MEMBERS(On, I->B);
  noteMeeting(W);
  forGroups(R, On, I->B, [&](uint32_t Group) {
    T V = laneOf<T>(R, I->A, uint32_t(std::countr_zero(Group)));
    forLanes(Group & (Group - 1), [&](uint32_t L) {
      T X = laneOf<T>(R, I->A, L);
      V = K == Mod::AddMod   ? T(V + X)
          : K == Mod::MinMod ? std::min(V, X)
          : K == Mod::MaxMod ? std::max(V, X)
          : K == Mod::AndMod ? V & X
          : K == Mod::OrMod  ? V | X
                             : V ^ X;
    });
    store32(R + I->D, (RowU32)(uint32_t(V)), Group);
  });
  PTXSIM_NEXT;
}

static void activemask(PTXSIM_ARGS) {
  store32(R + I->D, (RowU32)(M), guarded(I, R, M));
  PTXSIM_NEXT;
}
static void elect(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (!On)
    PTXSIM_NEXT;
  PTXSIM_NEED_MEMBERS(On, I->A);
  noteMeeting(W);
  forGroups(R, On, I->A, [&](uint32_t Group) {
    uint32_t Leader = Group & (0 - Group);
    if (I->Aux)
      store32(R + I->D, (RowU32)(uint32_t(std::countr_zero(Leader))), Group);
    if (I->X != ~0u)
      storePred(R + I->X, Leader, Group);
  });
  PTXSIM_NEXT;
}

// ---- cluster addresses ----------------------------------------------------
template <class T, bool Generic> static void mapa(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  constexpr T Low = (T(1) << ClusterRankShift) - 1;
  T Window = Generic ? T(SharedWindow) : T(0);
  auto A = Elem<T>::load(R + I->A);
  auto Rank =
      __builtin_convertvector(rowAt<RowU32>(R + I->B), typename Elem<T>::Vec);
  auto D =
      (((A - Window) & Low) | ((Rank + T(1)) << ClusterRankShift)) + Window;
  Elem<T>::store(R + I->D, D, On);
  PTXSIM_NEXT;
}
template <class T, bool Generic> static void getctarank(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  T Window = Generic ? T(SharedWindow) : T(0);
  auto A = Elem<T>::load(R + I->A) - Window;
  auto Rank = __builtin_convertvector(A >> ClusterRankShift, RowU32);
  RowU32 D = (RowI32)(Rank == 0) ? (RowU32)(W->C->Rank) : Rank - 1u;
  store32(R + I->D, D, On);
  PTXSIM_NEXT;
}

/// setmaxnreg changes no result; the count must be legal.
static void noOperation(PTXSIM_ARGS) { PTXSIM_NEXT; }

template <class T> static Handler pickRedux(const OpcodeInfo &Info) {
  if (Info.has(Mod::AddMod))
    return redux<T, Mod::AddMod>;
  if (Info.has(Mod::MinMod))
    return redux<T, Mod::MinMod>;
  if (Info.has(Mod::MaxMod))
    return redux<T, Mod::MaxMod>;
  if (Info.has(Mod::AndMod))
    return redux<T, Mod::AndMod>;
  if (Info.has(Mod::OrMod))
    return redux<T, Mod::OrMod>;
  return redux<T, Mod::XorMod>;
}
static Shuffle shuffleKind(const OpcodeInfo &Info) {
  return Info.has(Mod::Up)     ? Shuffle::Up
         : Info.has(Mod::Down) ? Shuffle::Down
         : Info.has(Mod::Bfly) ? Shuffle::Bfly
                               : Shuffle::Idx;
}
static Handler pickShuffle(Shuffle Kind) {
  switch (Kind) {
  case Shuffle::Up: return shfl<Shuffle::Up>;
  case Shuffle::Down: return shfl<Shuffle::Down>;
  case Shuffle::Bfly: return shfl<Shuffle::Bfly>;
  case Shuffle::Idx: return shfl<Shuffle::Idx>;
  }
  return nullptr;
}
static Handler pickMatch(const OpcodeInfo &Info) {
  bool Long = bitWidth(Info.Types[0]) == 64;
  if (Info.has(Mod::All))
    return Long ? match<uint64_t, true> : match<uint32_t, true>;
  return Long ? match<uint64_t, false> : match<uint32_t, false>;
}
static Handler pickCluster(const OpcodeInfo &Info) {
  bool Long = bitWidth(Info.Types[0]) == 64;
  bool Generic = Info.Where == Space::Generic;
  if (Info.O == Op::Mapa) {
    if (Long)
      return Generic ? mapa<uint64_t, true> : mapa<uint64_t, false>;
    return Generic ? nullptr : mapa<uint32_t, false>;
  }
  if (Long)
    return Generic ? getctarank<uint64_t, true> : getctarank<uint64_t, false>;
  return Generic ? nullptr : getctarank<uint32_t, false>;
}

bool ptxsim::selectWarp(Encoder &E, const Lowered &L, Inst &I) {
  const OpcodeInfo &Info = L.Info;
  // X is the row of the second destination where there may be one.
  auto Second = [&] { return E.present(L, 1) ? E.row(L, 1) : ~0u; };
  switch (Info.O) {
  case Op::Shfl:
    I.X = Second();
    I.Aux = uint16_t(shuffleKind(Info));
    I.Fn = pickShuffle(shuffleKind(Info));
    return true;
  case Op::Vote:
    I.Aux = Info.has(Mod::All)   ? 0
            : Info.has(Mod::Any) ? 1
            : Info.has(Mod::Uni) ? 2
                                 : BallotVote;
    I.X = L.Operands[1].Negated;
    I.Fn = vote;
    return true;
  case Op::Match:
    I.X = Info.has(Mod::All) ? Second() : ~0u;
    I.Bytes = uint8_t(bitWidth(Info.Types[0]) / 8);
    I.Fn = pickMatch(Info);
    return true;
  case Op::Activemask: I.Fn = activemask; return true;
  case Op::Redux:
    I.Fn = Info.Types[0] == Type::S32 ? pickRedux<int32_t>(Info)
                                      : pickRedux<uint32_t>(Info);
    return true;
  case Op::Elect:
    I.Aux = E.present(L, 0);
    I.X = Second();
    I.Fn = elect;
    return true;
  case Op::Mapa:
  case Op::Getctarank:
    I.Fn = pickCluster(Info);
    E.program().UsesCluster = true;
    return I.Fn != nullptr;
  case Op::Setmaxnreg:
    if (L.Immediates[0] < 24 || L.Immediates[0] > 256 || L.Immediates[0] % 8)
      return false;
    I.Fn = noOperation;
    return true;
  case Op::Griddep: I.Fn = noOperation; return true;
  default: return false;
  }
}
