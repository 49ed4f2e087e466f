// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Parts of lowered code that have flow graphs and registers of their own: the
// kernel with what is inlined into it, and each body. Data flow is solved for
// one after the other, and only over registers that pass from block to block
// (the "global names" of P. Briggs et al., "Practical Improvements to the
// Construction and Destruction of Static Single Assignment Form", 1998), so
// that its cost follows from the largest function and not from the module.
#ifndef PTXSIM_REGIONS_H
#define PTXSIM_REGIONS_H

#include "Lower.h"
#include <bit>

namespace ptxsim {

/// A set of small numbers.
class BitSet {
public:
  explicit BitSet(size_t Size = 0, bool All = false)
      : Words((Size + 63) / 64, All ? ~uint64_t(0) : 0) {}
  bool test(size_t K) const { return Words[K / 64] >> (K % 64) & 1; }
  void set(size_t K) { Words[K / 64] |= uint64_t(1) << (K % 64); }
  template <class F> void forEach(F Fn) const {
    for (size_t W = 0; W < Words.size(); ++W)
      for (uint64_t Left = Words[W]; Left; Left &= Left - 1)
        Fn(64 * W + size_t(std::countr_zero(Left)));
  }
  std::vector<uint64_t> Words;
};

struct Region {
  uint32_t FirstBlock = 0, EndBlock = 0;
  uint32_t FirstReg = 0, EndReg = 0;
  /// Registers that a block reads before it writes them, ascending. A register
  /// that is in no block's list lives within blocks.
  std::vector<uint32_t> Passing;
};

class Regions {
public:
  Regions(const LoweredKernel &K, const FlowGraph &G);
  std::vector<Region> All; // the kernel's, then the bodies'
  /// Place of a register in its region's Passing, or NoReg. The registers of
  /// frame and stack, which all share, do not count.
  uint32_t numberOf(uint64_t Register) const { return Number[Register]; }
  /// As forRegisters, for those that have a number: Read(Ref, Number), then
  /// Write(Number) for what is wholly written.
  template <class F, class G>
  void forNumbers(const Lowered &L, F Read, G Write) const;

private:
  std::vector<uint32_t> Number;
};

/// Calls Read(Ref) for what the instruction reads, then Write(Ref, Whole) for
/// what it writes: Whole unless some lanes keep the old value.
template <class R, class W>
void forRegisters(const Lowered &L, R Read, W Write) {
  if (L.Guard.Kind == Ref::Reg)
    Read(L.Guard);
  for (size_t K = 0; K < L.Refs.size(); ++K)
    if (L.Refs[K].Kind == Ref::Reg && L.Roles[K] != Role::Def)
      Read(L.Refs[K]);
  for (size_t K = 0; K < L.Refs.size(); ++K)
    if (L.Refs[K].Kind == Ref::Reg && L.Roles[K] != Role::Use)
      Write(L.Refs[K], L.Guard.Kind == Ref::None);
}
template <class F, class G>
void Regions::forNumbers(const Lowered &L, F Read, G Write) const {
  forRegisters(
      L,
      [&](const Ref &R) {
        if (uint32_t N = numberOf(R.Value); N != NoReg)
          Read(R, N);
      },
      [&](const Ref &R, bool Whole) {
        if (uint32_t N = numberOf(R.Value); N != NoReg && Whole)
          Write(N);
      });
}

/// Live registers at the ends of blocks.
class Liveness {
public:
  Liveness(const LoweredKernel &K, const FlowGraph &G, const Regions &R);
  bool liveOut(uint32_t Block, uint32_t Register) const {
    uint32_t N = R.numberOf(Register);
    return N != NoReg && Out[Block].test(N);
  }
  /// Of the numbers in the region's Passing.
  const BitSet &in(uint32_t Block) const { return In[Block]; }
  const BitSet &out(uint32_t Block) const { return Out[Block]; }

private:
  void scanBlock(uint32_t B);
  void solve(const Region &Part);
  const LoweredKernel &K;
  const FlowGraph &G;
  const Regions &R;
  std::vector<BitSet> Kill, In, Out;
};

} // namespace ptxsim
#endif
