// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Params laid out as the GPU kernels read them, and schedules of those that use
// tensor cores.
#include "RowSchedule.h"

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
    limits.bulkCopies = portable.bulkCopies = bulkCopies;
    rowLimits.clusterBlocks = clusterBlocks;
    portable.sharedBytes = std::min(sharedBytes, portableSharedBytes);
    rowLimits.sharedBytes = portable.sharedBytes;
    getOperation().walk([&](nn::DispatchOp dispatch) {
      if (isByteProduct(dispatch)) {
        turnOperands(packer, dispatch);
        schedule(dispatch);
        packFilter(packer, dispatch);
      } else {
        packFilter(packer, dispatch);
        schedule(dispatch);
      }
    });
  }

private:
  /// Whether tensor cores might compute the dispatch from 8-bit integers.
  static bool isByteProduct(nn::DispatchOp dispatch) {
    Type element = getTensorCoreElement(dispatch.getRootOp());
    return element && element.isInteger();
  }

  /// Brings the summed dims of a contraction's constants last: no matrix load
  /// transposes 8-bit elements.
  static void turnOperands(ParamPacker &packer, nn::DispatchOp dispatch) {
    auto op = dyn_cast<nn::ContractOp>(dispatch.getRootOp());
    if (!op) {
      return;
    }
    for (unsigned i : {0, 1}) {
      OpOperand &use = op->getOpOperand(i);
      AffineMap map = op.getMap(i);
      SmallVector<int64_t> order;
      for (bool reduced : {false, true}) {
        for (unsigned dim = 0; dim < map.getNumResults(); ++dim) {
          auto loop = cast<AffineDimExpr>(map.getResult(dim)).getPosition();
          if (op.isReduction(loop) == reduced) {
            order.push_back(dim);
          }
        }
      }
      if (llvm::is_sorted(order) || !getParam(dispatch, use.get())) {
        continue;
      }
      packer.pack(dispatch, use,
                  {nn::PermuteAttr::get(op.getContext(), order)});
      auto packed = use.get().getDefiningOp<nn::PackedOp>();
      use.set(packed.getInput());
      packed.erase();
      SmallVector<Attribute> maps = llvm::to_vector(op.getMaps());
      SmallVector<AffineExpr> results = llvm::map_to_vector(
          order, [&](int64_t dim) { return map.getResult(dim); });
      maps[i] = AffineMapAttr::get(AffineMap::get(
          map.getNumDims(), /*symbolCount=*/0, results, op.getContext()));
      op.setMapsAttr(ArrayAttr::get(op.getContext(), maps));
    }
  }

  static void packFilter(ParamPacker &packer, nn::DispatchOp dispatch) {
    auto conv = dyn_cast<nn::ConvOp>(dispatch.getRootOp());
    if (!conv || !getParam(dispatch, conv.getFilter())) {
      return;
    }
    bool isByteTile = isByteProduct(dispatch) && dispatch.getScheduleAttr();
    SmallVector<Attribute> transforms = isByteTile
                                            ? getByteFilterTransforms(conv)
                                            : getGPUFilterTransforms(conv);
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

  /// Whether the own schedule of a dispatch stays that is not computed on
  /// tensor cores.
  bool keepsSchedule(nn::DispatchOp dispatch, const GPUKernelFamily &family) {
    Attribute own = dispatch.getScheduleAttr();
    auto rows = dyn_cast_or_null<nn::RowScheduleAttr>(own);
    if (own && !(rows && family.takesRowSchedule())) {
      dispatch.emitWarning()
          << "expected no schedule, got " << own << ", which only "
          << (rows ? "kernels that pass over rows several times follow"
                   : "tensor cores follow");
      return false;
    }
    int64_t mostBytes = getMostKeptBytes(rowLimits);
    if (rows && (rows.getBlocks() > rowLimits.clusterBlocks ||
                 rows.getKeptBytes() > mostBytes)) {
      dispatch.emitWarning()
          << "expected at most " << rowLimits.clusterBlocks << " blocks and "
          << mostBytes << " bytes, got " << own;
      return false;
    }
    return own != nullptr;
  }

  /// Of a dispatch that is not computed on tensor cores.
  void scheduleVectors(nn::DispatchOp dispatch) {
    const GPUKernelFamily *family = findGPUKernelFamily(dispatch);
    if (keepsSchedule(dispatch, *family)) {
      return;
    }
    Operation *before = dispatch->getPrevNode();
    DispatchContext context(dispatch, OpBuilder(dispatch), dispatch.getSizes(),
                            kGPUVectorTarget);
    Attribute chosen = family->chooseSchedule(context, rowLimits);
    // Sizes that only the choice needed.
    while (dispatch->getPrevNode() != before) {
      dispatch->getPrevNode()->erase();
    }
    if (chosen) {
      dispatch.setScheduleAttr(chosen);
    } else {
      dispatch.removeScheduleAttr();
    }
  }

  void schedule(nn::DispatchOp dispatch) {
    const TileKernelFamily *family = findTileKernelFamily(dispatch.getRootOp());
    if (!family || !getTensorCoreElement(dispatch.getRootOp())) {
      scheduleVectors(dispatch);
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
  GPULimits rowLimits;
};

} // namespace
} // namespace dlc
