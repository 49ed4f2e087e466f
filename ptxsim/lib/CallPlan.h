// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which functions of a kernel are inlined into their callers and which stand
// once, as bodies with frames on the thread's stack (LowerStack.cpp).
#ifndef PTXSIM_CALLPLAN_H
#define PTXSIM_CALLPLAN_H

#include "Ast.h"
#include <map>
#include <unordered_map>

namespace ptxsim {

/// Functions that a call through a pointer may mean: those whose results and
/// parameters have the sizes of the call's prototype.
struct CallShape {
  std::vector<const Function *> Candidates; // in the module's order
  std::vector<uint32_t> Align; // of results and parameters, enough for each
  bool ByTable = false; // all have bodies, and calls look theirs up by address
};

/// Results, then parameters: the slots of a frame.
std::vector<const Variable *> slotsOf(const std::vector<Variable> &Returns,
                                      const std::vector<Variable> &Params);

class CallPlan {
public:
  /// Decides for everything that Entry may reach, in time linear in its size.
  CallPlan(const Module &M, const Function &Entry);

  /// Calls of the function by name are inlined.
  bool inlines(const Function &Fn) const;
  /// The functions with bodies. A body's callees come before it, unless they
  /// recurse.
  const std::vector<const Function *> &bodies() const { return Bodies; }
  uint32_t bodyOf(const Function &Fn) const { return BodyOf.at(&Fn); }
  /// Null if no function fits the prototype.
  const CallShape *shapeOf(const Prototype &P) const;
  /// Alignments of a body's results and parameters.
  std::vector<uint32_t> alignments(const Function &Fn) const;
  /// Calls recurse, or functions take memory from the stack as they run.
  bool isUnbounded() const { return Unbounded; }
  bool usesStack() const { return Unbounded || !Bodies.empty(); }

private:
  struct Node {
    const Function *Fn = nullptr; // or of a shape
    CallShape *Shape = nullptr;
    std::vector<uint32_t> Callees; // of each call, or the shape's candidates
    uint64_t Own = 0;              // instructions, arguments of calls included
    uint32_t Sites = 0;            // calls, those through pointers too
    bool Recursive = false;
    bool Products = false; // wgmma: registers that outlive calls stay in place
    uint32_t Index = 0, Low = 0, Component = ~0u; // of Tarjan's algorithm
    // Decided:
    bool Inlined = true;
    uint64_t Size = 0; // with what is inlined
    unsigned Height = 0;
  };
  using Sizes = std::vector<uint64_t>;
  static Sizes sizesOf(const std::vector<Variable> &Returns,
                       const std::vector<Variable> &Params);
  void findShapes();
  uint32_t nodeOf(const Function &Fn);
  uint32_t nodeOf(CallShape &Shape);
  void addCalls(uint32_t At);
  void countSites();
  void findComponents();
  void closeComponent(uint32_t Root, std::vector<uint32_t> &Open);
  uint64_t decide(uint64_t Limit);
  void decideFunction(Node &N, uint64_t Limit);
  void decideShape(Node &N, uint64_t Limit);
  void addCall(Node &N, const Node &Callee) const;

  const Module &M;
  std::vector<Node> Nodes;     // the kernel first
  std::vector<uint32_t> Order; // callees first, shapes before functions
  std::unordered_map<const Function *, uint32_t> NodeOf;
  std::map<const CallShape *, uint32_t> NodeOfShape;
  std::map<Sizes, CallShape> Shapes;
  std::vector<const Function *> Bodies;
  std::unordered_map<const Function *, uint32_t> BodyOf;
  bool Unbounded = false;
};

} // namespace ptxsim
#endif
