// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Runs of elements from sectors' first ones on.
#include "SectorRun.h"

using namespace mlir;

namespace dlc {

int64_t getSectorElements(Value tensor) {
  int64_t bytes = std::max(1u, typeOf(tensor).getElementTypeBitWidth() / 8);
  return std::max<int64_t>(1, kSectorBytes / bytes);
}

void emitSectorRun(GPUKernelBuilder &kb, const SectorRun &run,
                   OpFoldResult team, llvm::function_ref<void(Value)> body) {
  kernel::IndexMath &math = kb.math;
  OpFoldResult inSector =
      math.rem(math.add(run.place, run.lower), math.constant(run.unit));
  OpFoldResult first =
      math.add(math.sub(run.lower, inSector), math.rem(kb.getThread(), team));
  kernel::emitFor(kb.b, first, run.upper, team, [&](Value i) {
    KernelBuilder::MemoScope scope(kb);
    kernel::emitIf(kb.b, math.lessEqual(run.lower, i), [&] { body(i); });
  });
}

OpFoldResult getRunTeam(GPUKernelBuilder &kb, OpFoldResult size) {
  return kb.math.max(emitPowerAbove(kb, size, kb.getNumThreads()),
                     kb.math.constant(kWarpThreads));
}

} // namespace dlc
