// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Strongly connected components of the call graph (R. Tarjan, "Depth-First
// Search and Linear Graph Algorithms", SIAM J. Comput. 1, 1972), then sizes
// from the callees upwards. Prototypes of indirect calls are nodes as functions
// are, so that a call through a pointer is one edge, whatever it may mean.
#include "CallPlan.h"
#include <algorithm>

using namespace ptxsim;

/// Deepest nesting of inlined calls: lowering recurses.
static constexpr unsigned MaxInlineDepth = 24;
/// Most functions that a call through a pointer tries one after the other.
static constexpr size_t MaxComparisons = 32;
/// Instructions that inlining may add to a kernel, and the sizes of functions
/// above which they are not inlined more than once, tried in this order until
/// the kernel keeps within that.
static constexpr uint64_t InlineBudget = 1u << 16;
static constexpr uint64_t SizeLimits[] = {~uint64_t(0), 4096, 512, 64};

static uint64_t capped(uint64_t V) {
  return std::min(V, uint64_t(1) << 40); // sums of these do not wrap
}

CallPlan::CallPlan(const Module &M, const Function &Entry) : M(M) {
  findShapes();
  nodeOf(Entry);
  for (uint32_t K = 0; K < Nodes.size(); ++K)
    addCalls(K);
  countSites();
  findComponents();
  uint64_t Own = 0;
  for (const Node &N : Nodes)
    Own += N.Own;
  for (uint64_t Limit : SizeLimits)
    if (decide(Limit) <= Own + InlineBudget)
      break;
  std::vector<bool> HasBody(Nodes.size());
  for (uint32_t K = 1; K < Nodes.size(); ++K) {
    const Node &N = Nodes[K];
    if (N.Fn && !N.Inlined)
      HasBody[K] = true;
    if (N.Shape && N.Shape->ByTable)
      for (uint32_t C : N.Callees)
        HasBody[C] = true;
  }
  for (uint32_t K : Order)
    if (HasBody[K]) {
      BodyOf[Nodes[K].Fn] = uint32_t(Bodies.size());
      Bodies.push_back(Nodes[K].Fn);
    }
}

bool CallPlan::inlines(const Function &Fn) const {
  return Nodes[NodeOf.at(&Fn)].Inlined;
}

// ---- pointers to functions -------------------------------------------------
std::vector<const Variable *>
ptxsim::slotsOf(const std::vector<Variable> &Returns,
                const std::vector<Variable> &Params) {
  std::vector<const Variable *> Out;
  for (const std::vector<Variable> *List : {&Returns, &Params})
    for (const Variable &V : *List)
      Out.push_back(&V);
  return Out;
}

CallPlan::Sizes CallPlan::sizesOf(const std::vector<Variable> &Returns,
                                  const std::vector<Variable> &Params) {
  Sizes S{Returns.size()};
  for (const Variable *V : slotsOf(Returns, Params))
    S.push_back(V->Size);
  return S;
}

void CallPlan::findShapes() {
  for (const Function *Fn : M.PointedTo) {
    CallShape &S = Shapes[sizesOf(Fn->Returns, Fn->Params)];
    S.Candidates.push_back(Fn);
    S.Align.resize(Fn->Returns.size() + Fn->Params.size(), 1);
    std::vector<const Variable *> Slots = slotsOf(Fn->Returns, Fn->Params);
    for (size_t K = 0; K < Slots.size(); ++K)
      S.Align[K] = std::max(S.Align[K], Slots[K]->Align);
  }
}

const CallShape *CallPlan::shapeOf(const Prototype &P) const {
  auto It = Shapes.find(sizesOf(P.Returns, P.Params));
  return It == Shapes.end() ? nullptr : &It->second;
}

std::vector<uint32_t> CallPlan::alignments(const Function &Fn) const {
  auto It = Shapes.find(sizesOf(Fn.Returns, Fn.Params));
  if (It != Shapes.end() && It->second.ByTable)
    return It->second.Align;
  std::vector<uint32_t> Out;
  for (const Variable *V : slotsOf(Fn.Returns, Fn.Params))
    Out.push_back(V->Align);
  return Out;
}

// ---- who calls whom --------------------------------------------------------
uint32_t CallPlan::nodeOf(const Function &Fn) {
  auto [It, New] = NodeOf.emplace(&Fn, uint32_t(Nodes.size()));
  if (New)
    Nodes.emplace_back().Fn = &Fn;
  return It->second;
}
uint32_t CallPlan::nodeOf(CallShape &Shape) {
  auto [It, New] = NodeOfShape.emplace(&Shape, uint32_t(Nodes.size()));
  if (New)
    Nodes.emplace_back().Shape = &Shape;
  return It->second;
}

void CallPlan::addCalls(uint32_t At) {
  std::vector<uint32_t> Callees;
  if (CallShape *S = Nodes[At].Shape) {
    for (const Function *Fn : S->Candidates)
      Callees.push_back(nodeOf(*Fn));
    Nodes[At].Callees = std::move(Callees);
    return;
  }
  const Function &Fn = *Nodes[At].Fn;
  uint64_t Own = Fn.Code.size();
  bool Products = false;
  for (const Instruction &I : Fn.Code) {
    Products |= I.Opcode.starts_with("wgmma.mma_async");
    Unbounded |=
        I.Opcode.starts_with("alloca.") || I.Opcode.starts_with("stack");
    if (!I.Opcode.starts_with("call") || I.Operands.empty())
      continue;
    bool Returns =
        I.Operands[0].Kind == OperandKind::List && I.Operands.size() > 1;
    for (const Operand &O : I.Operands)
      Own += O.Parts.size();
    const Operand &Target = I.Operands[Returns];
    if (Target.Kind == OperandKind::Symbol) {
      const Function *Callee = M.findFunction(Target.Name);
      if (Callee && Callee->HasBody)
        Callees.push_back(nodeOf(*Callee));
    } else if (auto P = Fn.Prototypes.find(I.Operands.back().Name);
               P != Fn.Prototypes.end()) {
      auto S = Shapes.find(sizesOf(P->second.Returns, P->second.Params));
      if (S != Shapes.end())
        Callees.push_back(nodeOf(S->second));
    }
  }
  Node &N = Nodes[At];
  N.Callees = std::move(Callees);
  N.Own = Own;
  N.Products = Products;
}

void CallPlan::countSites() {
  for (const Node &N : Nodes)
    if (N.Fn)
      for (uint32_t C : N.Callees)
        ++Nodes[C].Sites;
  for (const Node &N : Nodes)
    if (N.Shape)
      for (uint32_t C : N.Callees)
        Nodes[C].Sites += N.Sites;
}

void CallPlan::findComponents() {
  struct Visit {
    uint32_t At;
    size_t Next;
  };
  std::vector<Visit> Path{{0, 0}};
  std::vector<uint32_t> Open;
  uint32_t Index = 0;
  while (!Path.empty()) {
    uint32_t At = Path.back().At;
    Node &N = Nodes[At];
    if (!Path.back().Next && !N.Index) {
      N.Index = N.Low = ++Index;
      Open.push_back(At);
    }
    if (Path.back().Next < N.Callees.size()) {
      uint32_t C = N.Callees[Path.back().Next++];
      N.Recursive |= C == At;
      if (!Nodes[C].Index)
        Path.push_back({C, 0});
      else if (Nodes[C].Component == ~0u)
        N.Low = std::min(N.Low, Nodes[C].Index);
      continue;
    }
    if (N.Low == N.Index)
      closeComponent(At, Open);
    Path.pop_back();
    if (!Path.empty())
      Nodes[Path.back().At].Low = std::min(Nodes[Path.back().At].Low, N.Low);
  }
}

void CallPlan::closeComponent(uint32_t Root, std::vector<uint32_t> &Open) {
  size_t Begin = Open.size();
  while (Open[--Begin] != Root)
    continue;
  bool Cycle = Open.size() - Begin > 1;
  // The size of a shape follows from its candidates' being recursive.
  std::partition(Open.begin() + long(Begin), Open.end(),
                 [&](uint32_t K) { return Nodes[K].Shape != nullptr; });
  for (size_t K = Begin; K < Open.size(); ++K) {
    Node &N = Nodes[Open[K]];
    N.Component = Root;
    N.Recursive |= Cycle;
    Unbounded |= N.Recursive;
    Order.push_back(Open[K]);
  }
  Open.resize(Begin);
}

// ---- sizes -----------------------------------------------------------------
void CallPlan::addCall(Node &N, const Node &Callee) const {
  constexpr uint64_t CallCost = 4;
  N.Size = capped(N.Size + CallCost + (Callee.Inlined ? Callee.Size : 0));
  if (Callee.Inlined)
    N.Height = std::max(N.Height, Callee.Height + 1);
}

void CallPlan::decideShape(Node &N, uint64_t Limit) {
  N.Size = N.Height = 0;
  for (uint32_t C : N.Callees)
    addCall(N, Nodes[C]);
  N.Shape->ByTable = N.Callees.size() > MaxComparisons || N.Size > Limit ||
                     N.Height > MaxInlineDepth;
  if (N.Shape->ByTable)
    N.Size = N.Height = 0;
}

void CallPlan::decideFunction(Node &N, uint64_t Limit) {
  N.Size = N.Own;
  N.Height = 0;
  for (uint32_t C : N.Callees)
    addCall(N, Nodes[C]);
  N.Inlined = !N.Recursive && N.Height <= MaxInlineDepth &&
              (N.Products || N.Size <= Limit || N.Sites == 1);
}

/// Instructions of the kernel and all bodies where functions of more than Limit
/// of them are inlined only if they are called once.
uint64_t CallPlan::decide(uint64_t Limit) {
  uint64_t Total = 0;
  for (Node &N : Nodes)
    N.Inlined = N.Shape || !N.Recursive;
  for (uint32_t K : Order) {
    Node &N = Nodes[K];
    if (N.Shape)
      decideShape(N, Limit);
    else
      decideFunction(N, Limit);
    if (N.Fn && (!N.Inlined || K == 0))
      Total = capped(Total + N.Size);
  }
  for (const Node &N : Nodes) // besides copies that are inlined
    if (N.Shape && N.Shape->ByTable)
      for (uint32_t C : N.Callees)
        Total = capped(Total + (Nodes[C].Inlined ? Nodes[C].Size : 0));
  return Total;
}
