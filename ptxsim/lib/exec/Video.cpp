// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Video instructions: arithmetic on bytes and halves of words, with
// saturation, a second operation or a merge (PTX ISA, "Video Instructions").
#include "Exec.h"
#include <algorithm>

using namespace ptxsim;

namespace {
enum class VideoOp : uint8_t {
  Add,
  Sub,
  AbsDiff,
  Average,
  Min,
  Max,
  Shl,
  Shr,
  Set,
};
constexpr struct {
  const char *Name;
  VideoOp O;
} VideoNames[] = {
    {"vadd", VideoOp::Add},         {"vsub", VideoOp::Sub},
    {"vabsdiff", VideoOp::AbsDiff}, {"vavrg", VideoOp::Average},
    {"vmin", VideoOp::Min},         {"vmax", VideoOp::Max},
    {"vshl", VideoOp::Shl},         {"vshr", VideoOp::Shr},
    {"vset", VideoOp::Set},
};

/// Bits of a word from Place on.
struct Field {
  unsigned Bits, Place;
  explicit Field(int64_t Immediate)
      : Bits(unsigned(Immediate) / 32), Place(unsigned(Immediate) % 32) {}
  Field(unsigned Bits, unsigned Place) : Bits(Bits), Place(Place) {}
  uint32_t mask() const {
    return Bits == 32 ? ~0u : ((1u << Bits) - 1) << Place;
  }
  int64_t read(uint32_t Word, bool Signed) const {
    uint32_t Top = Word << (32 - Bits - Place);
    return Signed ? int64_t(int32_t(Top) >> (32 - Bits))
                  : int64_t(Top >> (32 - Bits));
  }
};
} // namespace

static bool holds(Cmp K, int64_t A, int64_t B) {
  switch (K) {
  case Cmp::Eq: return A == B;
  case Cmp::Ne: return A != B;
  case Cmp::Lt: return A < B;
  case Cmp::Le: return A <= B;
  case Cmp::Gt: return A > B;
  default: return A >= B;
  }
}

/// The 34-bit intermediate result of shifts of whole words.
static int64_t shifted(int64_t A, int64_t By, bool Left, bool Wrap) {
  uint64_t Amount =
      Wrap ? uint64_t(By) & 31 : std::min<uint64_t>(uint64_t(By), 32);
  if (!Left)
    return A >> Amount;
  return int64_t(uint64_t(A) << Amount << 30) >> 30;
}

static int64_t primary(VideoOp O, const OpcodeInfo &Info, int64_t A,
                       int64_t B) {
  switch (O) {
  case VideoOp::Add: return A + B;
  case VideoOp::Sub: return A - B;
  case VideoOp::AbsDiff: return A < B ? B - A : A - B;
  case VideoOp::Average: return (A + B + (A + B >= 0)) >> 1;
  case VideoOp::Min: return std::min(A, B);
  case VideoOp::Max: return std::max(A, B);
  case VideoOp::Set: return holds(Info.Compare, A, B);
  default: return shifted(A, B, O == VideoOp::Shl, Info.has(Mod::Wrap));
  }
}

static int64_t saturated(int64_t V, unsigned Bits, bool Signed) {
  int64_t Top = int64_t(1) << (Signed ? Bits - 1 : Bits);
  return std::clamp<int64_t>(V, Signed ? -Top : 0, Top - 1);
}

/// Types are those of d, a and b; vset has no first one, its results are
/// unsigned.
static bool signedType(const OpcodeInfo &Info, unsigned Operand) {
  if (Info.O != Op::VideoSet)
    return isSigned(Info.Types[Operand]);
  return Operand && isSigned(Info.Types[Operand - 1]);
}

static uint32_t scalar(VideoOp O, const Detail &D, uint32_t A, uint32_t B,
                       uint32_t C) {
  const OpcodeInfo &Info = D.Info;
  bool Signed = signedType(Info, 0);
  Field To(D.Immediates[0]);
  int64_t V =
      primary(O, Info, Field(D.Immediates[1]).read(A, signedType(Info, 1)),
              Field(D.Immediates[2]).read(B, signedType(Info, 2)));
  if (Info.has(Mod::Sat))
    V = saturated(V, To.Bits, Signed);
  Field All(32, 0);
  int64_t Word = All.read(uint32_t(V), Signed), Other = All.read(C, Signed);
  if (Info.has(Mod::AddMod))
    return uint32_t(V) + C;
  if (Info.has(Mod::MinMod))
    return uint32_t(std::min(Word, Other));
  if (Info.has(Mod::MaxMod))
    return uint32_t(std::max(Word, Other));
  uint32_t Mask = To.mask();
  return (uint32_t(V) << To.Place & Mask) | (C & ~Mask);
}

/// Elements side by side, chosen from those of A and then B.
static uint32_t vector(VideoOp O, const Detail &D, uint32_t A, uint32_t B,
                       uint32_t C) {
  const OpcodeInfo &Info = D.Info;
  unsigned Count = videoElements(Info), Bits = 32 / Count;
  auto Read = [&](unsigned Operand, unsigned K) {
    unsigned At = unsigned(D.Immediates[Operand] >> (4 * K)) & 15;
    return Field(Bits, Bits * (At % Count))
        .read(At < Count ? A : B, signedType(Info, Operand));
  };
  uint32_t Out = C;
  for (unsigned K = 0; K < Count; ++K) {
    if (!(D.Immediates[0] >> K & 1))
      continue;
    int64_t V = primary(O, Info, Read(1, K), Read(2, K));
    if (Info.has(Mod::Sat))
      V = saturated(V, Bits, signedType(Info, 0));
    Field To(Bits, Bits * K);
    if (Info.has(Mod::AddMod))
      Out += uint32_t(V);
    else
      Out = (Out & ~To.mask()) | (uint32_t(V) << To.Place & To.mask());
  }
  return Out;
}

static uint32_t multiplyAdd(const Detail &D, uint32_t A, uint32_t B,
                            uint32_t C) {
  using Wide = __int128;
  const OpcodeInfo &Info = D.Info;
  bool SignedA = isSigned(Info.Types[1]), SignedB = isSigned(Info.Types[2]);
  bool Minus = D.Operands[1].Negated != D.Operands[2].Negated;
  bool MinusC = D.Operands[3].Negated;
  // c has the sign of the intermediate result, and so has the result unless c
  // is subtracted.
  bool Signed = SignedA || SignedB || Minus, SignedResult = Signed || MinusC;
  Wide V = Wide(Field(D.Immediates[1]).read(A, SignedA)) *
           Field(D.Immediates[2]).read(B, SignedB);
  Wide Addend = Field(32, 0).read(C, Signed);
  V = (Minus ? -V : V) + (MinusC ? -Addend : Addend);
  V += Info.has(Mod::PlusOne);
  V >>= Info.has(Mod::Shr7) ? 7 : Info.has(Mod::Shr15) ? 15 : 0;
  if (!Info.has(Mod::Sat))
    return uint32_t(V);
  Wide Top = Wide(1) << (SignedResult ? 31 : 32);
  Wide Least = SignedResult ? -Top : Wide(0);
  return uint32_t(V < Least ? Least : V >= Top ? Top - 1 : V);
}

/// Calls Fn(detail, a, b, c) for every active lane; c is 0 if there is none.
template <class F>
static void forWords(const Inst *I, uint8_t *R, Warp *W, uint32_t M, F Fn) {
  const Detail &D = W->P->Details[I->X];
  forLanes(guarded(I, R, M), [&](uint32_t L) {
    uint32_t C = D.has(3) ? laneOf<uint32_t>(R, D.slot(3), L) : 0;
    uint32_t Out = Fn(D, laneOf<uint32_t>(R, D.slot(1), L),
                      laneOf<uint32_t>(R, D.slot(2), L), C);
    std::memcpy(R + D.slot(0) + 4 * L, &Out, 4);
  });
}
static void videoScalar(PTXSIM_ARGS) {
  forWords(I, R, W, M,
           [&](const Detail &D, uint32_t A, uint32_t B, uint32_t C) {
             return scalar(VideoOp(I->Aux), D, A, B, C);
           });
  PTXSIM_NEXT;
}
static void videoVector(PTXSIM_ARGS) {
  forWords(I, R, W, M,
           [&](const Detail &D, uint32_t A, uint32_t B, uint32_t C) {
             return vector(VideoOp(I->Aux), D, A, B, C);
           });
  PTXSIM_NEXT;
}
static void videoMultiplyAdd(PTXSIM_ARGS) {
  forWords(I, R, W, M, multiplyAdd);
  PTXSIM_NEXT;
}

bool ptxsim::selectVideo(Encoder &E, const Lowered &L, Inst &I) {
  if (!isVideo(L.Info.O))
    return false;
  I.X = E.addDetail(L);
  if (L.Info.O == Op::VideoMad) {
    I.Fn = videoMultiplyAdd;
    return true;
  }
  std::string_view Head = L.Info.Row->Pattern;
  unsigned Count = videoElements(L.Info);
  Head = Head.substr(0, Head.find('.') - (Count > 1));
  for (const auto &N : VideoNames)
    if (Head == N.Name)
      I.Aux = uint16_t(N.O);
  I.Fn = Count > 1 ? videoVector : videoScalar;
  return true;
}
