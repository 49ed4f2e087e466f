// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Register rows: liveness on blocks, then linear scan. PTX registers are
// virtual; packing them keeps a warp's rows in the host's first-level cache.
#include "Lower.h"
#include <algorithm>

using namespace ptxsim;

namespace {

struct Interval {
  uint32_t Begin = ~0u, End = 0;
  void touch(uint32_t At) {
    Begin = std::min(Begin, At);
    End = std::max(End, At);
  }
};

/// Live registers of every block as bit sets.
class Liveness {
public:
  Liveness(const LoweredKernel &K, const FlowGraph &G);
  std::vector<Interval> intervals() const;

private:
  void scanBlock(uint32_t B);
  void solve();
  using Bits = std::vector<uint64_t>;
  static bool test(const Bits &S, size_t R) {
    return S[R / 64] >> (R % 64) & 1;
  }
  static void set(Bits &S, size_t R) { S[R / 64] |= uint64_t(1) << (R % 64); }
  const LoweredKernel &K;
  const FlowGraph &G;
  uint32_t N;
  std::vector<Bits> Use, Kill, In, Out;
};

} // namespace

Liveness::Liveness(const LoweredKernel &K, const FlowGraph &G)
    : K(K), G(G), N(uint32_t(K.Code.size())) {
  size_t Words = (K.Regs.size() + 63) / 64;
  size_t Blocks = G.BlockBegin.size();
  for (auto *S : {&Use, &Kill, &In, &Out})
    S->assign(Blocks, Bits(Words));
  for (uint32_t B = 0; B < Blocks; ++B)
    scanBlock(B);
  solve();
}

void Liveness::scanBlock(uint32_t B) {
  for (uint32_t P = G.BlockBegin[B]; P < G.blockEnd(B, N); ++P) {
    const Lowered &L = K.Code[P];
    auto Read = [&](const Ref &R) {
      if (R.Kind == Ref::Reg && !test(Kill[B], R.Value))
        set(Use[B], R.Value);
    };
    Read(L.Guard);
    for (size_t J = 0; J < L.Refs.size(); ++J)
      if (L.Roles[J] != Role::Def)
        Read(L.Refs[J]);
    // A guarded write keeps the old value in some lanes.
    bool Kills = L.Guard.Kind == Ref::None;
    for (size_t J = 0; J < L.Refs.size(); ++J)
      if (L.Roles[J] == Role::Def && L.Refs[J].Kind == Ref::Reg && Kills &&
          !test(Use[B], L.Refs[J].Value))
        set(Kill[B], L.Refs[J].Value);
  }
}

void Liveness::solve() {
  size_t Blocks = G.BlockBegin.size();
  for (bool Changed = true; Changed;) {
    Changed = false;
    for (size_t B = Blocks; B-- > 0;) {
      for (uint32_t S : G.Successors[B])
        if (S < Blocks)
          for (size_t W = 0; W < Out[B].size(); ++W)
            Out[B][W] |= In[S][W];
      for (size_t W = 0; W < Out[B].size(); ++W) {
        uint64_t New = Use[B][W] | (Out[B][W] & ~Kill[B][W]);
        Changed |= New != In[B][W];
        In[B][W] = New;
      }
    }
  }
}

std::vector<Interval> Liveness::intervals() const {
  std::vector<Interval> I(K.Regs.size());
  for (uint32_t P = 0; P < N; ++P) {
    const Lowered &L = K.Code[P];
    if (L.Guard.Kind == Ref::Reg)
      I[L.Guard.Value].touch(P);
    for (const Ref &R : L.Refs)
      if (R.Kind == Ref::Reg)
        I[R.Value].touch(P);
  }
  for (uint32_t B = 0; B < G.BlockBegin.size(); ++B)
    for (size_t R = 0; R < K.Regs.size(); ++R) {
      if (test(In[B], R))
        I[R].touch(G.BlockBegin[B]);
      if (test(Out[B], R))
        I[R].touch(G.blockEnd(B, N));
    }
  // Asynchronous matrix products write their rows as late as the wait, so
  // these rows are never shared.
  for (const Lowered &L : K.Code)
    if (L.Info.O == Op::Wgmma)
      for (const Ref &R : L.Refs)
        if (R.Kind == Ref::Reg) {
          I[R.Value].touch(0);
          I[R.Value].touch(N);
        }
  return I;
}

static unsigned rowClass(const VirtualReg &R) {
  return R.Ty == Type::Pred ? 0 : R.Wide() ? 2 : 1;
}

uint32_t ptxsim::assignRows(const LoweredKernel &K, const FlowGraph &G,
                            std::vector<uint32_t> &Offset,
                            uint32_t &Registers) {
  static constexpr uint32_t RowBytes[] = {4, 128, 256};
  std::vector<Interval> I = Liveness(K, G).intervals();
  std::vector<uint32_t> Order;
  for (uint32_t R = 0; R < I.size(); ++R)
    if (I[R].Begin <= I[R].End)
      Order.push_back(R);
  std::stable_sort(Order.begin(), Order.end(), [&](uint32_t A, uint32_t B) {
    return I[A].Begin < I[B].Begin;
  });
  // Rows are numbered per class first, then laid out: wide, narrow, predicate.
  std::vector<uint32_t> Free[3], Number(I.size(), 0);
  uint32_t Count[3] = {0, 0, 0};
  std::vector<std::pair<uint32_t, uint32_t>> Active; // (end, register), a heap
  auto Later = [](const auto &A, const auto &B) { return A.first > B.first; };
  for (uint32_t R : Order) {
    while (!Active.empty() && Active.front().first < I[R].Begin) {
      uint32_t Old = Active.front().second;
      Free[rowClass(K.Regs[Old])].push_back(Number[Old]);
      std::pop_heap(Active.begin(), Active.end(), Later);
      Active.pop_back();
    }
    unsigned C = rowClass(K.Regs[R]);
    if (Free[C].empty()) {
      Number[R] = Count[C]++;
    } else {
      Number[R] = Free[C].back();
      Free[C].pop_back();
    }
    Active.push_back({I[R].End, R});
    std::push_heap(Active.begin(), Active.end(), Later);
  }
  uint32_t Base[3];
  Base[2] = 0;
  Base[1] = Count[2] * RowBytes[2];
  Base[0] = Base[1] + Count[1] * RowBytes[1];
  Offset.assign(I.size(), 0);
  for (uint32_t R : Order) {
    unsigned C = rowClass(K.Regs[R]);
    Offset[R] = Base[C] + Number[R] * RowBytes[C];
  }
  Registers = Count[1] + 2 * Count[2];
  return Base[0] + Count[0] * RowBytes[0];
}
