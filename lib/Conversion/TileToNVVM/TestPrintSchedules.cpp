// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Prints the legal schedules of products, for tests that choose among them.
#include "Conversion/TileToNVVM/Passes.h"

#include "Dialect/Tile/Schedules.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace dlc {
#define GEN_PASS_DEF_TESTPRINTTILESCHEDULESPASS
#include "Conversion/TileToNVVM/Passes.h.inc"

using namespace tile;

namespace {
struct TestPrintTileSchedulesPass final
    : impl::TestPrintTileSchedulesPassBase<TestPrintTileSchedulesPass> {
  using TestPrintTileSchedulesPassBase::TestPrintTileSchedulesPassBase;

  void runOnOperation() override {
    ProductTraits traits{elementBytes, contiguousKOfA, contiguousKOfB};
    // Those that zero points leave registers for.
    traits.sumsRows = traits.sumsColumns = elementBytes == 1;
    // And the places of single elements.
    traits.taps = 2;
    for (GemmScheduleAttr schedule :
         getGemmSchedules(&getContext(), traits, BlockLimits())) {
      if (forConv && !isLegalForConv(schedule, traits)) {
        continue;
      }
      llvm::outs() << schedule.getTileM() << ' ' << schedule.getTileN() << ' '
                   << schedule.getTileK() << ' ' << schedule.getStages() << ' '
                   << schedule.getWarpsM() << ' ' << schedule.getWarpsN()
                   << '\n';
    }
  }

private:
  bool isLegalForConv(GemmScheduleAttr schedule, const ProductTraits &traits) {
    ScopedDiagnosticHandler silent(&getContext(), [](Diagnostic &) {});
    auto conv = ConvScheduleAttr::get(
        &getContext(), schedule.getTileM(), schedule.getTileN(),
        schedule.getTileK(), schedule.getStages(), schedule.getWarpsM(),
        schedule.getWarpsN(), schedule.getSplitK());
    return succeeded(checkSchedule(conv, traits, BlockLimits(), [&] {
      return emitError(UnknownLoc::get(&getContext()));
    }));
  }
};
} // namespace

} // namespace dlc
