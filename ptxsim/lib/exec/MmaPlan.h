// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which mma.sync instructions share an operand. A fragment is used by many
// products of a tile; its converted image (MmaEngine.h) is made once by the
// first of them and found by the others. The decision is static: within a
// straight piece of code that a warp cannot leave, as long as nothing writes
// the fragment's registers. Products that follow each other form a run, and
// those of a run that share A and do not depend on each other a group. Where
// the next run goes on with the sums of a run and nothing else looks at them,
// both compute together: sums are read and written once for two steps of k.
#ifndef PTXSIM_EXEC_MMAPLAN_H
#define PTXSIM_EXEC_MMAPLAN_H

#include "../Lower.h"
#include "MmaEngine.h"

namespace ptxsim {

class MmaPlanner {
public:
  static constexpr unsigned NumA = 8, NumB = 16;
  explicit MmaPlanner(Program &P) : P(P) {}

  /// Image numbers for a product with these fragment rows. Call before
  /// passed() for the same instruction.
  MmaPlan plan(const OpcodeInfo &Info, bool Guarded,
               const std::vector<uint32_t> &RowsA,
               const std::vector<uint32_t> &RowsB);
  /// Tells of an instruction that runs next: what it writes, and whether
  /// another warp may run before the next one. RowOf maps registers to rows.
  template <class F> void passed(const Lowered &L, F RowOf) {
    if (mayLeave(L.Info))
      return forget();
    bool InRun = RunEnd == P.Code.size();
    if (!InRun)
      finishRun();
    for (size_t K = 0; K < L.Refs.size(); ++K) {
      if (L.Refs[K].Kind != Ref::Reg)
        continue;
      uint32_t Row = RowOf(L.Refs[K]), Bytes = L.Refs[K].Wide ? 256 : 128;
      if (L.Roles[K] != Role::Use)
        written(Row, Bytes);
      if (!InRun && hasSums(Row, Bytes))
        Earlier = MmaPlan::NoRun;
    }
  }
  /// A block of code begins: nothing is known.
  void forget();
  /// Adds the plan of the next instruction, a product of f32 accumulators. It
  /// joins the products right before it or begins a run.
  void addToRun(const MmaPlan &Plan);
  void endRun() { RunEnd = ~0u; }

private:
  struct Image {
    MatrixType Ty = MatrixType::F16;
    std::vector<uint32_t> Rows; // empty: free
  };
  struct Images {
    std::vector<Image> Slots;
    unsigned Next = 0;
    uint16_t find(MatrixType Ty, const std::vector<uint32_t> &Rows, bool Keep,
                  bool &Build);
  };
  static bool mayLeave(const OpcodeInfo &Info);
  void written(uint32_t Row, uint32_t Bytes);
  bool continuesRun(const MmaPlan &Plan) const;
  bool hasSums(uint32_t Row, uint32_t Bytes) const;
  void finishRun();
  bool imagesLast(const MmaRun &From, const MmaRun &To) const;
  bool joinRuns(uint32_t First, uint32_t Second);
  Program &P;
  Images A{std::vector<Image>(NumA)}, B{std::vector<Image>(NumB)};
  MatrixShape Shape{};   // of all images
  uint32_t RunEnd = ~0u; // instruction after the last run
  // The run that the current one may be joined to, and the current one.
  uint32_t Earlier = MmaPlan::NoRun, Current = MmaPlan::NoRun;
};

} // namespace ptxsim
#endif
