// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Params laid out as the GPU kernels read them, and schedules of those that use
// tensor cores.
#include "Conversion/NNToGPU/GPUKernelFamily.h"
#include "Conversion/NNToGPU/Passes.h"
#include "Conversion/NNToGPU/TileKernelFamily.h"
#include "Conversion/NNToKernel/ParamPacker.h"

using namespace mlir;

namespace dlc {
#define GEN_PASS_DEF_SCHEDULEGPUKERNELSPASS
#include "Conversion/NNToGPU/Passes.h.inc"

namespace {

struct ScheduleGPUKernelsPass final
    : impl::ScheduleGPUKernelsPassBase<ScheduleGPUKernelsPass> {
  using ScheduleGPUKernelsPassBase::ScheduleGPUKernelsPassBase;

  void runOnOperation() override {
    ParamPacker packer(getOperation());
    limits.sharedBytes = sharedBytes;
    portable.sharedBytes = std::min(sharedBytes, portableSharedBytes);
    getOperation().walk([&](nn::DispatchOp dispatch) {
      packFilter(packer, dispatch);
      schedule(dispatch);
    });
  }

private:
  static void packFilter(ParamPacker &packer, nn::DispatchOp dispatch) {
    auto conv = dyn_cast<nn::ConvOp>(dispatch.getRootOp());
    if (!conv || !getParam(dispatch, conv.getFilter())) {
      return;
    }
    SmallVector<Attribute> transforms = getGPUFilterTransforms(conv);
    if (!transforms.empty()) {
      packer.pack(dispatch, conv.getFilterMutable(), transforms);
    }
  }

  /// Whether the dispatch's own schedule stays.
  bool keepsSchedule(nn::DispatchOp dispatch, const TileKernelFamily &family) {
    Attribute own = dispatch.getScheduleAttr();
    return own && succeeded(family.checkSchedule(dispatch, own, limits, [&] {
             return dispatch.emitWarning();
           }));
  }

  void schedule(nn::DispatchOp dispatch) {
    const TileKernelFamily *family = findTileKernelFamily(dispatch.getRootOp());
    if (!family || !getTensorCoreElement(dispatch.getRootOp())) {
      if (dispatch.getScheduleAttr()) {
        dispatch.emitWarning()
            << "expected no schedule, got " << dispatch.getScheduleAttr()
            << ", which only tensor cores follow";
        dispatch.removeScheduleAttr();
      }
      return;
    }
    std::string obstacle = family->getObstacle(dispatch);
    if (obstacle.empty() && keepsSchedule(dispatch, *family)) {
      return;
    }
    Attribute chosen;
    if (obstacle.empty()) {
      chosen = family->chooseSchedule(dispatch, portable);
      obstacle = chosen ? "" : "no schedule fits";
    }
    dispatch.setScheduleAttr(chosen);
    if (!chosen) {
      dispatch.emitRemark() << "computed without tensor cores: " << obstacle;
    }
  }

  /// Of given schedules, and of those chosen here.
  tile::BlockLimits limits, portable;
};

} // namespace
} // namespace dlc
