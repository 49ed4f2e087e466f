// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Definite assignment: which registers every path has written, without a
// guard, before it reads them. A lane follows one path, so divergence changes
// nothing about it.
#include "Regions.h"

using namespace ptxsim;

namespace {
struct Assignment {
  const LoweredKernel &K;
  const FlowGraph &G;
  Regions R;
  std::vector<BitSet> In; // per block, of the numbers in its region's Passing
  std::vector<bool> Suspicious;

  Assignment(const LoweredKernel &K, const FlowGraph &G)
      : K(K), G(G), R(K, G), In(G.BlockBegin.size()),
        Suspicious(K.Regs.size()) {}
  void solve(const Region &Part);
  /// Adds what the block writes; notes reads of anything else when Check.
  void walk(uint32_t Block, BitSet &B, bool Check);
};
} // namespace

void Assignment::walk(uint32_t Block, BitSet &B, bool Check) {
  uint32_t End = G.blockEnd(Block, uint32_t(K.Code.size()));
  for (uint32_t J = G.BlockBegin[Block]; J < End; ++J)
    R.forNumbers(
        K.Code[J],
        [&](const Ref &Read, uint32_t N) {
          if (Check && !B.test(N))
            Suspicious[Read.Value] = true;
        },
        [&](uint32_t N) { B.set(N); });
}

/// Every path starts with nothing written in the region's first block.
void Assignment::solve(const Region &Part) {
  if (Part.FirstBlock == Part.EndBlock)
    return;
  for (uint32_t B = Part.FirstBlock; B < Part.EndBlock; ++B)
    In[B] = BitSet(Part.Passing.size(), B != Part.FirstBlock);
  std::vector<uint32_t> Work{Part.FirstBlock};
  std::vector<bool> Reached(Part.EndBlock - Part.FirstBlock);
  while (!Work.empty()) {
    uint32_t Block = Work.back();
    Work.pop_back();
    Reached[Block - Part.FirstBlock] = true;
    BitSet Out = In[Block];
    walk(Block, Out, false);
    for (uint32_t S : G.Successors[Block]) {
      if (S >= Part.EndBlock)
        continue;
      bool Changed = !Reached[S - Part.FirstBlock];
      for (size_t W = 0; W < Out.Words.size(); ++W) {
        uint64_t New = In[S].Words[W] & Out.Words[W];
        Changed |= New != In[S].Words[W];
        In[S].Words[W] = New;
      }
      if (Changed)
        Work.push_back(S);
    }
  }
  for (uint32_t Block = Part.FirstBlock; Block < Part.EndBlock; ++Block)
    if (Reached[Block - Part.FirstBlock]) {
      BitSet B = In[Block];
      walk(Block, B, true);
    }
}

std::vector<bool> ptxsim::suspiciousRegisters(const LoweredKernel &K,
                                              const FlowGraph &G) {
  Assignment A(K, G);
  for (const Region &Part : A.R.All)
    A.solve(Part);
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
