// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Runs of unguarded f32 multiply-adds, the inner loops of products on CUDA
// cores, as one instruction each: the first one's handler goes through a dense
// table instead of one dispatch and one 64-byte instruction per step. Where
// each of some rows is multiplied by each of others, the latter stay in the
// host's registers. The instructions stay in the code, for jumps into the run
// and for warps that are not complete.
#include "FloatOps.h"
#include <algorithm>

using namespace ptxsim;

/// A table is a sequence of blocks: a header, the rows of Kept second factors,
/// then for each first factor a group of rows. Without kept factors the block
/// holds single steps.
static constexpr unsigned Kept = 4;

namespace {
/// D = A B + C, as offsets of rows.
struct Step {
  uint32_t A, B, C, D;
};
/// Products of one row with all kept ones.
struct Group {
  uint32_t A, C[Kept], D[Kept];
};
struct Block {
  uint32_t Groups = 0, Steps = 0;
  uint32_t B[Kept] = {};
};
} // namespace

/// Two host vectors of a row at a time: the whole row with AVX-512, half with
/// AVX2.
template <unsigned Width> struct Part {
  using Vector = float __attribute__((ext_vector_type(Width)));
  static constexpr unsigned Bytes = 2 * sizeof(Vector);
  Vector V[2];
  [[gnu::always_inline]] static Vector *at(uint8_t *R) {
    return reinterpret_cast<Vector *>(R);
  }
  [[gnu::always_inline]] void load(uint8_t *R) {
    V[0] = at(R)[0];
    V[1] = at(R)[1];
  }
  [[gnu::always_inline]] void multiplyAdd(const Part &B, uint8_t *C,
                                          uint8_t *D) const {
    Vector X = __builtin_elementwise_fma(V[0], B.V[0], at(C)[0]);
    Vector Y = __builtin_elementwise_fma(V[1], B.V[1], at(C)[1]);
    at(D)[0] = X;
    at(D)[1] = Y;
  }
};

template <unsigned Width>
[[gnu::always_inline]] static inline void
runGroups(const Block &H, const Group *G, uint8_t *R) {
  for (uint8_t *End = R + 128; R != End; R += Part<Width>::Bytes) {
    Part<Width> A, B[Kept];
    for (unsigned K = 0; K < Kept; ++K)
      B[K].load(R + H.B[K]);
    for (const Group *X = G; X != G + H.Groups; ++X) {
      A.load(R + X->A);
      for (unsigned K = 0; K < Kept; ++K)
        A.multiplyAdd(B[K], R + X->C[K], R + X->D[K]);
    }
  }
}
template <unsigned Width>
[[gnu::always_inline]] static inline void runSteps(const Step *S, unsigned N,
                                                   uint8_t *R) {
  for (const Step *End = S + N; S != End; ++S)
    for (unsigned At = 0; At < 128; At += Part<Width>::Bytes) {
      Part<Width> A, B;
      A.load(R + S->A + At);
      B.load(R + S->B + At);
      A.multiplyAdd(B, R + S->C + At, R + S->D + At);
    }
}
template <unsigned Width>
[[gnu::always_inline]] static inline void runBlocks(const uint32_t *Table,
                                                    uint8_t *R) {
  for (;;) {
    Block H;
    std::memcpy(&H, Table, sizeof(H));
    Table += sizeof(H) / 4;
    if (H.Groups) {
      runGroups<Width>(H, reinterpret_cast<const Group *>(Table), R);
      Table += H.Groups * sizeof(Group) / 4;
    } else if (H.Steps) {
      runSteps<Width>(reinterpret_cast<const Step *>(Table), H.Steps, R);
      Table += H.Steps * sizeof(Step) / 4;
    } else {
      return;
    }
  }
}

static void fmaRun(PTXSIM_ARGS) {
  const FmaRun &Run = W->P->FmaRuns[I->X];
  if (__builtin_expect(M != AllLanes, 0)) [[clang::musttail]]
    return Run.Single(I, R, W, M);
  runBlocks<8>(W->P->FmaTables.data() + Run.Table, R);
  PTXSIM_GOTO(I + Run.Count, M);
}
__attribute__((target("avx512f"))) static void fmaRun512(PTXSIM_ARGS) {
  const FmaRun &Run = W->P->FmaRuns[I->X];
  if (__builtin_expect(M != AllLanes, 0)) [[clang::musttail]]
    return Run.Single(I, R, W, M);
  runBlocks<16>(W->P->FmaTables.data() + Run.Table, R);
  PTXSIM_GOTO(I + Run.Count, M);
}

bool ptxsim::isFused(const Inst &I) {
  return I.Fn == fmaRun || I.Fn == fmaRun512;
}

// ---- tables ----------------------------------------------------------------
namespace {
/// Writes the table of one run, piece by piece: the steps of a piece touch
/// nothing that another of them writes, so that their order is free.
class TableWriter {
public:
  explicit TableWriter(std::vector<uint32_t> &Out) : Out(Out) {}
  void add(const Step &S);
  void finish() {
    flush();
    append(Block());
  }

private:
  template <class T> void append(const T &V) {
    size_t At = Out.size();
    Out.resize(At + sizeof(T) / 4);
    std::memcpy(Out.data() + At, &V, sizeof(T));
  }
  void flush();
  bool isOuterProduct();
  void writeGroups(size_t First);
  std::vector<uint32_t> &Out;
  std::vector<Step> Piece;
  std::vector<uint32_t> Left, Right; // distinct rows A and B of the piece
};
} // namespace

void TableWriter::add(const Step &S) {
  auto Conflicts = [&](const Step &X) {
    return X.D == S.A || X.D == S.B || X.D == S.C || X.D == S.D || X.A == S.D ||
           X.B == S.D || X.C == S.D;
  };
  if (std::any_of(Piece.begin(), Piece.end(), Conflicts))
    flush();
  Piece.push_back(S);
}

/// All pairs of some rows A and some rows B, each once.
bool TableWriter::isOuterProduct() {
  auto Distinct = [&](uint32_t Step::*Field) {
    std::vector<uint32_t> V;
    for (const Step &S : Piece)
      if (std::find(V.begin(), V.end(), S.*Field) == V.end())
        V.push_back(S.*Field);
    return V;
  };
  Left = Distinct(&Step::A);
  Right = Distinct(&Step::B);
  if (Left.size() * Right.size() != Piece.size() || Right.size() < Kept)
    return false;
  auto Key = [](const Step &S) { return std::pair(S.A, S.B); };
  std::vector<std::pair<uint32_t, uint32_t>> Pairs;
  for (const Step &S : Piece)
    Pairs.push_back(Key(S));
  std::sort(Pairs.begin(), Pairs.end());
  return std::unique(Pairs.begin(), Pairs.end()) == Pairs.end();
}

/// The products of all rows A with Right[First] and the rows after it.
void TableWriter::writeGroups(size_t First) {
  Block H;
  H.Groups = uint32_t(Left.size());
  std::copy_n(Right.begin() + long(First), Kept, H.B);
  append(H);
  for (uint32_t A : Left) {
    Group G = {A, {}, {}};
    for (unsigned K = 0; K < Kept; ++K) {
      auto S = std::find_if(Piece.begin(), Piece.end(), [&](const Step &X) {
        return X.A == A && X.B == H.B[K];
      });
      G.C[K] = S->C;
      G.D[K] = S->D;
      Piece.erase(S);
    }
    append(G);
  }
}

void TableWriter::flush() {
  if (isOuterProduct())
    for (size_t First = 0; First + Kept <= Right.size(); First += Kept)
      writeGroups(First);
  if (!Piece.empty()) {
    Block H;
    H.Steps = uint32_t(Piece.size());
    append(H);
    for (const Step &S : Piece)
      append(S);
  }
  Piece.clear();
}

void ptxsim::fuseMultiplyAdds(Program &P, Handler Single, uint32_t AllOnes) {
  constexpr size_t MinRun = 4;
  auto Fits = [&](const Inst &I) {
    return I.Fn == Single && I.Pred == AllOnes && !I.PredXor;
  };
  for (size_t First = 0; First < P.Code.size();) {
    size_t End = First;
    while (End < P.Code.size() && Fits(P.Code[End]))
      ++End;
    if (End - First >= MinRun) {
      uint32_t Table = uint32_t(P.FmaTables.size());
      TableWriter Writer(P.FmaTables);
      for (size_t K = First; K < End; ++K)
        Writer.add({P.Code[K].A, P.Code[K].B, P.Code[K].C, P.Code[K].D});
      Writer.finish();
      P.Code[First].Fn = hostHasAvx512() ? fmaRun512 : fmaRun;
      P.Code[First].X = uint32_t(P.FmaRuns.size());
      P.FmaRuns.push_back({Table, uint32_t(End - First), Single});
    }
    First = std::max(End, First + 1);
  }
}
