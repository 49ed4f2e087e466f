// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Control flow graph and immediate post-dominators (Cooper, Harvey, Kennedy,
// "A Simple, Fast Dominance Algorithm", on the reversed graph).
#include "Lower.h"
#include <algorithm>

using namespace ptxsim;

/// Bodies, which end in a BodyRet each, are graphs of their own.
static void findBlocks(const std::vector<Lowered> &Code, FlowGraph &G) {
  size_t N = Code.size();
  std::vector<bool> Leader(N + 1, false);
  Leader[0] = true;
  for (size_t K = 0; K < N; ++K) {
    const Lowered &L = Code[K];
    if (L.Target < N)
      Leader[L.Target] = true;
    for (uint32_t T : L.Targets)
      Leader[T] = true;
    if (endsBlock(L.Info.O))
      Leader[K + 1] = true;
  }
  G.BlockOf.resize(N + 1);
  for (size_t K = 0; K < N; ++K) {
    if (Leader[K])
      G.BlockBegin.push_back(uint32_t(K));
    G.BlockOf[K] = uint32_t(G.BlockBegin.size() - 1);
  }
  G.BlockOf[N] = uint32_t(G.BlockBegin.size());
}

static void findSuccessors(const std::vector<Lowered> &Code, FlowGraph &G) {
  uint32_t N = uint32_t(Code.size()), Exit = uint32_t(G.BlockBegin.size());
  G.Successors.resize(Exit);
  for (uint32_t B = 0; B < Exit; ++B) {
    const Lowered &L = Code[G.blockEnd(B, N) - 1];
    std::vector<uint32_t> &S = G.Successors[B];
    bool Guarded = L.Guard.Kind != Ref::None;
    if (callsBody(L.Info.O))
      S.push_back(B + 1); // comes back
    else if (L.Info.O == Op::Bra)
      S.push_back(G.BlockOf[L.Target]);
    else if (L.Info.O == Op::BrxIdx)
      for (uint32_t T : L.Targets)
        S.push_back(G.BlockOf[T]);
    else if (endsBlock(L.Info.O))
      S.push_back(Exit);
    if (!endsBlock(L.Info.O) || Guarded)
      S.push_back(B + 1);
    std::sort(S.begin(), S.end());
    S.erase(std::unique(S.begin(), S.end()), S.end());
  }
}

/// Post-order of the reversed graph from the exit.
static std::vector<uint32_t>
reversedPostOrder(const std::vector<std::vector<uint32_t>> &Preds,
                  uint32_t Exit, std::vector<uint32_t> &Number) {
  std::vector<uint32_t> Order;
  std::vector<std::pair<uint32_t, size_t>> Stack{{Exit, 0}};
  std::vector<bool> Seen(Exit + 1, false);
  Seen[Exit] = true;
  while (!Stack.empty()) {
    auto &[B, Next] = Stack.back();
    if (Next < Preds[B].size()) {
      uint32_t P = Preds[B][Next++];
      if (!Seen[P]) {
        Seen[P] = true;
        Stack.push_back({P, 0});
      }
      continue;
    }
    Number[B] = uint32_t(Order.size());
    Order.push_back(B);
    Stack.pop_back();
  }
  return Order;
}

/// Immediate post-dominators where threads end in the blocks Ends alone: the
/// exit, or NoReg for blocks that reach none of these.
static std::vector<uint32_t> postDominators(const FlowGraph &G,
                                            const std::vector<bool> &Ends) {
  uint32_t Exit = uint32_t(G.BlockBegin.size());
  auto Counts = [&](uint32_t B, uint32_t S) { return S != Exit || Ends[B]; };
  std::vector<std::vector<uint32_t>> Preds(Exit + 1);
  for (uint32_t B = 0; B < Exit; ++B)
    for (uint32_t S : G.Successors[B])
      if (Counts(B, S))
        Preds[S].push_back(B);
  std::vector<uint32_t> Number(Exit + 1, 0);
  std::vector<uint32_t> Order = reversedPostOrder(Preds, Exit, Number);
  std::vector<uint32_t> Idom(Exit + 1, NoReg);
  Idom[Exit] = Exit;
  auto Intersect = [&](uint32_t A, uint32_t B) {
    while (A != B) {
      while (Number[A] < Number[B])
        A = Idom[A];
      while (Number[B] < Number[A])
        B = Idom[B];
    }
    return A;
  };
  for (bool Changed = true; Changed;) {
    Changed = false;
    for (size_t K = Order.size() - 1; K-- > 0;) {
      uint32_t B = Order[K], New = NoReg;
      for (uint32_t S : G.Successors[B])
        if (Counts(B, S) && Idom[S] != NoReg)
          New = New == NoReg ? S : Intersect(S, New);
      if (New != Idom[B]) {
        Idom[B] = New;
        Changed = true;
      }
    }
  }
  return Idom;
}

/// Lanes that end do not keep the others from meeting: the paths of a branch
/// meet where all meet that go on to the kernel's last end. Where none does,
/// every end counts.
static void findPostDominators(const LoweredKernel &Kernel, FlowGraph &G) {
  const std::vector<Lowered> &Code = Kernel.Code;
  uint32_t Exit = uint32_t(G.BlockBegin.size()), N = uint32_t(Code.size());
  std::vector<bool> Every(Exit), Last(Exit);
  for (uint32_t B = 0; B < Exit; ++B) {
    const Lowered &L = Code[G.blockEnd(B, N) - 1];
    Last[B] = L.Info.O == Op::BodyRet;
    Every[B] = ((L.Info.O == Op::Ret || L.Info.O == Op::Exit) &&
                L.Guard.Kind == Ref::None) ||
               Last[B];
  }
  uint32_t End =
      Kernel.Bodies.empty() ? Exit : G.BlockOf[Kernel.Bodies[0].Entry];
  for (uint32_t B = End; B-- > 0;)
    if (Every[B]) {
      Last[B] = true;
      break;
    }
  G.PostDominator = postDominators(G, Last);
  std::vector<uint32_t> Fallback = postDominators(G, Every);
  G.PostDominator.resize(Exit);
  for (uint32_t B = 0; B < Exit; ++B) {
    uint32_t &P = G.PostDominator[B];
    P = P == NoReg ? Fallback[B] : P;
    P = P == Exit ? NoReg : P;
  }
}

FlowGraph ptxsim::buildFlowGraph(const LoweredKernel &K) {
  FlowGraph G;
  findBlocks(K.Code, G);
  findSuccessors(K.Code, G);
  findPostDominators(K, G);
  return G;
}
