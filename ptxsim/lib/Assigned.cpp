// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Definite assignment: which registers every path has written, without a
// guard, before it reads them. A lane follows one path, so divergence changes
// nothing about it.
#include "Lower.h"

using namespace ptxsim;

namespace {
using Bits = std::vector<uint64_t>;

struct Assignment {
  const LoweredKernel &K;
  const FlowGraph &G;
  std::vector<Bits> In; // per block
  std::vector<bool> Suspicious;

  Assignment(const LoweredKernel &K, const FlowGraph &G)
      : K(K), G(G), In(G.BlockBegin.size()), Suspicious(K.Regs.size()) {}
  void solve();
  /// Adds what the block writes; notes reads of anything else when Check.
  void walk(uint32_t Block, Bits &B, bool Check);
};
} // namespace

static bool test(const Bits &B, uint64_t K) { return B[K / 64] >> K % 64 & 1; }

void Assignment::walk(uint32_t Block, Bits &B, bool Check) {
  uint32_t End = G.blockEnd(Block, uint32_t(K.Code.size()));
  for (uint32_t J = G.BlockBegin[Block]; J < End; ++J) {
    const Lowered &L = K.Code[J];
    auto Read = [&](const Ref &R) {
      if (Check && R.Kind == Ref::Reg && !test(B, R.Value))
        Suspicious[R.Value] = true;
    };
    Read(L.Guard);
    for (size_t N = 0; N < L.Refs.size(); ++N)
      if (L.Roles[N] != Role::Def)
        Read(L.Refs[N]);
    if (L.Guard.Kind != Ref::None)
      continue;
    for (size_t N = 0; N < L.Refs.size(); ++N)
      if (L.Roles[N] != Role::Use && L.Refs[N].Kind == Ref::Reg)
        B[L.Refs[N].Value / 64] |= uint64_t(1) << L.Refs[N].Value % 64;
  }
}

void Assignment::solve() {
  size_t Words = (K.Regs.size() + 63) / 64, N = G.BlockBegin.size();
  for (Bits &B : In)
    B.assign(Words, ~uint64_t(0));
  std::vector<uint32_t> Work;
  if (N) {
    In[0].assign(Words, 0);
    Work.push_back(0);
  }
  std::vector<bool> Reached(N);
  while (!Work.empty()) {
    uint32_t Block = Work.back();
    Work.pop_back();
    Reached[Block] = true;
    Bits Out = In[Block];
    walk(Block, Out, false);
    for (uint32_t S : G.Successors[Block]) {
      if (S >= N)
        continue;
      bool Changed = !Reached[S];
      for (size_t W = 0; W < Words; ++W) {
        uint64_t New = In[S][W] & Out[W];
        Changed |= New != In[S][W];
        In[S][W] = New;
      }
      if (Changed)
        Work.push_back(S);
    }
  }
  for (uint32_t Block = 0; Block < N; ++Block)
    if (Reached[Block]) {
      Bits B = In[Block];
      walk(Block, B, true);
    }
}

std::vector<bool> ptxsim::suspiciousRegisters(const LoweredKernel &K,
                                              const FlowGraph &G) {
  Assignment A(K, G);
  A.solve();
  for (const Lowered &L : K.Code)
    if (L.Info.O == Op::Wgmma)
      for (unsigned Operand = 0; Operand < 2; ++Operand) {
        const LoweredOperand &O = L.Operands[Operand];
        for (unsigned J = O.First; J < unsigned(O.First + O.Count); ++J)
          if (L.Refs[J].Kind == Ref::Reg && !L.Refs[J].Wide)
            A.Suspicious[L.Refs[J].Value] = true;
      }
  return A.Suspicious;
}
