// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Schedules by the static rules, and params packed as the schedules ask.
#include "Conversion/NNToKernel/ConvShape.h"
#include "Conversion/NNToKernel/ParamPacker.h"
#include "Conversion/NNToKernel/Passes.h"
#include "Conversion/NNToKernel/Scheduling.h"

using namespace mlir;

namespace dlc {
#define GEN_PASS_DEF_SCHEDULEKERNELSPASS
#include "Conversion/NNToKernel/Passes.h.inc"

namespace {

class KernelScheduler {
public:
  KernelScheduler(ModuleOp module, const kernel::VectorTarget &target)
      : packer(module), target(target) {}

  void schedule(nn::DispatchOp dispatch);

private:
  void scheduleContract(nn::DispatchOp dispatch, nn::ContractOp op);
  void scheduleConv(nn::DispatchOp dispatch, nn::ConvOp op);

  ParamPacker packer;
  kernel::VectorTarget target;
};

/// The transforms that bring B into (1, K, N) order and then into panels; none
/// where B has batch dims.
std::optional<SmallVector<Attribute>>
getPanelTransforms(nn::ContractOp op, const ContractShape &shape,
                   int64_t width) {
  MLIRContext *context = op.getContext();
  AffineMap map = shape.getMapB(op);
  auto type = cast<RankedTensorType>(shape.getB(op).getType());
  SmallVector<int64_t> permutation; // dims of size 1, then k, then n
  for (auto [place, size] : llvm::enumerate(type.getShape())) {
    if (size == 1) {
      permutation.push_back(place);
    }
  }
  if (!type.hasStaticShape() ||
      permutation.size() + shape.k.size() + shape.n.size() !=
          map.getNumResults()) {
    return std::nullopt;
  }
  int64_t rows = 1, columns = 1;
  for (unsigned dim : shape.k) {
    permutation.push_back(
        *map.getResultPosition(getAffineDimExpr(dim, context)));
    rows *= type.getDimSize(permutation.back());
  }
  for (unsigned dim : shape.n) {
    permutation.push_back(
        *map.getResultPosition(getAffineDimExpr(dim, context)));
    columns *= type.getDimSize(permutation.back());
  }
  SmallVector<Attribute> transforms;
  if (!llvm::is_sorted(permutation)) {
    transforms.push_back(nn::PermuteAttr::get(context, permutation));
  }
  transforms.push_back(nn::ReshapeToAttr::get(context, {1, rows, columns}));
  transforms.push_back(nn::PackPanelsAttr::get(context, width));
  return transforms;
}

void KernelScheduler::scheduleContract(nn::DispatchOp dispatch,
                                       nn::ContractOp op) {
  FailureOr<ContractShape> shape = ContractShape::create(op);
  if (failed(shape) || !isGemmOperand(op, *shape)) {
    return;
  }
  kernel::GemmSchedule schedule = getGemmSchedule(dispatch, *shape, target);
  Type accumulator =
      op.getAcc() ? *op.getAcc()
                  : getAccumulatorType(op.getLhs().getType().getElementType());
  int64_t lanes = getAccumulatorLanes(target, accumulator);
  OpOperand &use = op->getOpOperand(shape->swapped ? 0 : 1);
  if (getParam(dispatch, use.get())) {
    if (auto transforms =
            getPanelTransforms(op, *shape, schedule.panelWidth(lanes))) {
      packer.pack(dispatch, use, *transforms);
    }
  }
  writeGemmSchedule(dispatch, schedule);
}

void KernelScheduler::scheduleConv(nn::DispatchOp dispatch, nn::ConvOp op) {
  if (!isPackableConv(op) || !isa<BlockArgument>(op.getInput()) ||
      !getParam(dispatch, op.getFilter())) {
    return;
  }
  DispatchContext context(dispatch, OpBuilder(dispatch), dispatch.getSizes(),
                          target);
  kernel::ConvSpec spec = createConvSpec(context);
  ConvKernel kernel = chooseConvKernel(context, spec);
  int64_t lanes = getAccumulatorLanes(target, spec.types.acc);
  int64_t width = 0;
  if (kernel == ConvKernel::MatrixProduct) {
    kernel::GemmSchedule schedule = getConvGemmSchedule(context, spec);
    width = schedule.panelWidth(lanes);
    writeGemmSchedule(dispatch, schedule);
  } else {
    kernel::ConvSchedule schedule = getConvSchedule(context, spec, kernel);
    width = schedule.panelWidth(lanes);
    dispatch.setScheduleAttr(nn::ConvScheduleAttr::get(
        op.getContext(), schedule.mr, schedule.nv, schedule.rowBlock));
  }
  packer.pack(dispatch, op.getFilterMutable(),
              getFilterTransforms(op, spec, kernel, width));
}

void KernelScheduler::schedule(nn::DispatchOp dispatch) {
  if (auto contract = dyn_cast<nn::ContractOp>(dispatch.getRootOp())) {
    scheduleContract(dispatch, contract);
  } else if (auto conv = dyn_cast<nn::ConvOp>(dispatch.getRootOp())) {
    scheduleConv(dispatch, conv);
  }
}

struct ScheduleKernelsPass final
    : impl::ScheduleKernelsPassBase<ScheduleKernelsPass> {
  using Base::Base;

  void runOnOperation() override {
    KernelScheduler scheduler(getOperation(), {lanes, registers});
    getOperation().walk(
        [&](nn::DispatchOp dispatch) { scheduler.schedule(dispatch); });
  }
};

} // namespace
} // namespace dlc
