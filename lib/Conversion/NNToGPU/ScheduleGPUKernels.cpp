// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Params laid out as the GPU kernels read them.
#include "Conversion/NNToGPU/GPUKernelFamily.h"
#include "Conversion/NNToGPU/Passes.h"
#include "Conversion/NNToKernel/ParamPacker.h"

using namespace mlir;

namespace dlc {
#define GEN_PASS_DEF_SCHEDULEGPUKERNELSPASS
#include "Conversion/NNToGPU/Passes.h.inc"

namespace {

struct ScheduleGPUKernelsPass final
    : impl::ScheduleGPUKernelsPassBase<ScheduleGPUKernelsPass> {
  void runOnOperation() override {
    ParamPacker packer(getOperation());
    getOperation().walk([&](nn::DispatchOp dispatch) {
      auto conv = dyn_cast<nn::ConvOp>(dispatch.getRootOp());
      if (!conv || !getParam(dispatch, conv.getFilter())) {
        return;
      }
      SmallVector<Attribute> transforms = getGPUFilterTransforms(conv);
      if (!transforms.empty()) {
        packer.pack(dispatch, conv.getFilterMutable(), transforms);
      }
    });
    numPacked += packer.numPacked;
  }
};

} // namespace
} // namespace dlc
