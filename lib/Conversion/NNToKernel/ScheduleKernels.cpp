// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Schedules by the static rules, and params packed as the schedules ask.
#include "Conversion/NNToKernel/ConvShape.h"
#include "Conversion/NNToKernel/Passes.h"
#include "Conversion/NNToKernel/Scheduling.h"
#include "Dialect/NN/ParamTransforms.h"

#include "mlir/IR/SymbolTable.h"

using namespace mlir;

namespace dlc {
#define GEN_PASS_DEF_SCHEDULEKERNELSPASS
#include "Conversion/NNToKernel/Passes.h.inc"

namespace {

class KernelScheduler {
public:
  KernelScheduler(ModuleOp module, const kernel::VectorTarget &target)
      : module(module), symbols(module), target(target) {}

  void schedule(nn::DispatchOp dispatch);
  unsigned numPacked = 0;

private:
  void scheduleContract(nn::DispatchOp dispatch, nn::ContractOp op);
  void scheduleConv(nn::DispatchOp dispatch, nn::ConvOp op);
  /// Replaces body operand `use`, a param, by its packed form.
  void pack(nn::DispatchOp dispatch, OpOperand &use,
            ArrayRef<Attribute> transforms);
  nn::ParamOp getPackedParam(nn::ParamOp param, ArrayRef<Attribute> transforms,
                             RankedTensorType type);

  ModuleOp module;
  SymbolTable symbols;
  kernel::VectorTarget target;
  llvm::DenseMap<std::pair<Operation *, Attribute>, nn::ParamOp> packed;
};

/// The param behind a body value, if it is one.
nn::ParamRefOp getParam(nn::DispatchOp dispatch, Value value) {
  auto argument = dyn_cast<BlockArgument>(value);
  return argument ? dispatch.getInputs()[argument.getArgNumber()]
                        .getDefiningOp<nn::ParamRefOp>()
                  : nn::ParamRefOp();
}

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

nn::ParamOp KernelScheduler::getPackedParam(nn::ParamOp param,
                                            ArrayRef<Attribute> transforms,
                                            RankedTensorType type) {
  ArrayAttr chain = ArrayAttr::get(module.getContext(), transforms);
  nn::ParamOp &result = packed[{param, chain}];
  if (result) {
    return result;
  }
  SmallVector<Attribute> all = llvm::to_vector(param.getTransforms());
  llvm::append_range(all, transforms);
  OpBuilder b(param);
  b.setInsertionPointAfter(param);
  result = nn::ParamOp::create(
      b, param.getLoc(), (param.getSymName() + ".packed").str(), type,
      param.getData(), param.getSourceType(), b.getArrayAttr(all));
  symbols.insert(result); // makes the name unique
  ++numPacked;
  return result;
}

void KernelScheduler::pack(nn::DispatchOp dispatch, OpOperand &use,
                           ArrayRef<Attribute> transforms) {
  auto argument = cast<BlockArgument>(use.get());
  nn::ParamRefOp reference = getParam(dispatch, argument);
  auto type = cast<RankedTensorType>(argument.getType());
  RankedTensorType packedType = type;
  for (Attribute transform : transforms) {
    packedType = *nn::applyTransformType(packedType, transform,
                                         [&] { return dispatch.emitError(); });
  }
  auto param = getPackedParam(symbols.lookup<nn::ParamOp>(reference.getParam()),
                              transforms, packedType);
  OpBuilder b(dispatch);
  Value value = nn::ParamRefOp::create(b, reference.getLoc(), packedType,
                                       param.getSymName());

  // A further input, since others may read the param as it is.
  unsigned place = dispatch.getInputs().size();
  dispatch.getInputsMutable().append(value);
  Block &body = dispatch.getBody().front();
  BlockArgument added =
      body.insertArgument(place, packedType, reference.getLoc());
  b.setInsertionPointToStart(&body);
  use.set(nn::PackedOp::create(b, reference.getLoc(), type, added,
                               b.getArrayAttr(transforms)));
  if (argument.use_empty()) {
    dispatch.getInputsMutable().erase(argument.getArgNumber());
    body.eraseArgument(argument.getArgNumber());
  }
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
  int64_t lanes =
      target.lanesFor(std::max(32u, accumulator.getIntOrFloatBitWidth()));
  OpOperand &use = op->getOpOperand(shape->swapped ? 0 : 1);
  if (getParam(dispatch, use.get())) {
    if (auto transforms =
            getPanelTransforms(op, *shape, schedule.panelWidth(lanes))) {
      pack(dispatch, use, *transforms);
    }
  }
  dispatch.setScheduleAttr(nn::GemmScheduleAttr::get(
      op.getContext(), schedule.mr, schedule.nv, schedule.mBlock,
      schedule.blocksOutside, schedule.packB));
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
  int64_t lanes =
      target.lanesFor(std::max(32u, spec.types.acc.getIntOrFloatBitWidth()));
  int64_t width = 0;
  if (kernel == ConvKernel::MatrixProduct) {
    kernel::GemmSchedule schedule = getConvGemmSchedule(context, spec);
    width = schedule.panelWidth(lanes);
    dispatch.setScheduleAttr(nn::GemmScheduleAttr::get(
        op.getContext(), schedule.mr, schedule.nv, schedule.mBlock,
        schedule.blocksOutside, schedule.packB));
  } else {
    kernel::ConvSchedule schedule = getConvSchedule(context, spec, kernel);
    width = schedule.panelWidth(lanes);
    dispatch.setScheduleAttr(nn::ConvScheduleAttr::get(
        op.getContext(), schedule.mr, schedule.nv, schedule.rowBlock));
  }
  pack(dispatch, op.getFilterMutable(),
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
    numPacked += scheduler.numPacked;
  }
};

} // namespace
} // namespace dlc
