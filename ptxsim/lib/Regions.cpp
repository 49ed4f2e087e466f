// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Regions of lowered code and live registers within them.
#include "Regions.h"

using namespace ptxsim;

static bool isShared(const LoweredKernel &K, uint64_t Register) {
  return Register == K.FrameReg || Register == K.StackReg;
}

Regions::Regions(const LoweredKernel &K, const FlowGraph &G)
    : Number(K.Regs.size(), NoReg) {
  uint32_t Blocks = uint32_t(G.BlockBegin.size());
  Region Part;
  for (const StackBody &B : K.Bodies) {
    Part.EndBlock = G.BlockOf[B.Entry];
    Part.EndReg = B.FirstReg;
    All.push_back(Part);
    Part.FirstBlock = Part.EndBlock;
    Part.FirstReg = B.FirstReg;
  }
  Part.EndBlock = Blocks;
  Part.EndReg = uint32_t(K.Regs.size());
  All.push_back(Part);

  std::vector<uint32_t> WrittenIn(K.Regs.size(), NoReg); // the last block
  for (uint32_t B = 0; B < Blocks; ++B)
    for (uint32_t P = G.BlockBegin[B];
         P < G.blockEnd(B, uint32_t(K.Code.size())); ++P)
      forRegisters(
          K.Code[P],
          [&](const Ref &R) {
            if (WrittenIn[R.Value] != B && !isShared(K, R.Value))
              Number[R.Value] = 0;
          },
          [&](const Ref &R, bool Whole) {
            if (Whole)
              WrittenIn[R.Value] = B;
          });
  for (Region &P : All)
    for (uint32_t R = P.FirstReg; R < P.EndReg; ++R)
      if (Number[R] != NoReg) {
        Number[R] = uint32_t(P.Passing.size());
        P.Passing.push_back(R);
      }
}

Liveness::Liveness(const LoweredKernel &K, const FlowGraph &G, const Regions &R)
    : K(K), G(G), R(R) {
  for (auto *S : {&Kill, &In, &Out})
    S->resize(G.BlockBegin.size());
  for (const Region &Part : R.All) {
    for (uint32_t B = Part.FirstBlock; B < Part.EndBlock; ++B) {
      Kill[B] = In[B] = Out[B] = BitSet(Part.Passing.size());
      scanBlock(B);
    }
    solve(Part);
  }
}

/// In begins as what the block reads first. A guarded write keeps the old value
/// in some lanes.
void Liveness::scanBlock(uint32_t B) {
  uint32_t End = G.blockEnd(B, uint32_t(K.Code.size()));
  for (uint32_t P = G.BlockBegin[B]; P < End; ++P)
    R.forNumbers(
        K.Code[P],
        [&](const Ref &, uint32_t N) {
          if (!Kill[B].test(N))
            In[B].set(N);
        },
        [&](uint32_t N) { Kill[B].set(N); });
}

void Liveness::solve(const Region &Part) {
  size_t Words = BitSet(Part.Passing.size()).Words.size();
  for (bool Changed = true; Changed;) {
    Changed = false;
    for (uint32_t B = Part.EndBlock; B-- > Part.FirstBlock;)
      for (size_t W = 0; W < Words; ++W) {
        uint64_t Live = Out[B].Words[W];
        for (uint32_t S : G.Successors[B])
          if (S < Out.size())
            Live |= In[S].Words[W];
        Out[B].Words[W] = Live;
        uint64_t New = In[B].Words[W] | (Live & ~Kill[B].Words[W]);
        Changed |= New != In[B].Words[W];
        In[B].Words[W] = New;
      }
  }
}
