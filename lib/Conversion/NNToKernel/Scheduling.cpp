// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Schedules of dispatches, and the operand layouts that follow from them.
#include "Conversion/NNToKernel/Scheduling.h"
#include "Conversion/NNToKernel/ZeroPoint.h"

using namespace mlir;

namespace dlc {

Type getAccumulatorType(Type element) {
  if (isa<FloatType>(element)) {
    return element.isF64() ? element
                           : Type(Float32Type::get(element.getContext()));
  }
  return element.getIntOrFloatBitWidth() <= 16
             ? Type(IntegerType::get(element.getContext(), 32))
             : element;
}

/// Loop dim of neighbouring elements under a map; none of a single element.
static std::optional<unsigned> innermostDim(nn::ContractOp op, AffineMap map) {
  for (AffineExpr expr : llvm::reverse(map.getResults())) {
    unsigned dim = cast<AffineDimExpr>(expr).getPosition();
    if (getStaticLoopSize(op, dim) != 1) {
      return dim;
    }
  }
  return std::nullopt;
}

bool isGemmOperand(nn::ContractOp op, const ContractShape &shape) {
  Value b = shape.getB(op);
  if (!isa<BlockArgument>(shape.getA(op)) ||
      (!isa<BlockArgument>(b) && !b.getDefiningOp<nn::PackedOp>())) {
    return false;
  }
  for (Value zero : {Value(op.getLhsZero()), Value(op.getRhsZero())}) {
    if (zero && !isOneElement(zero)) {
      return false;
    }
  }
  auto element = [](Value tensor) {
    return cast<RankedTensorType>(tensor.getType()).getElementType();
  };
  Type a = element(op.getLhs()), c = element(op.getRhs());
  if (isa<FloatType>(a)
          ? a != c
          : a.getIntOrFloatBitWidth() != c.getIntOrFloatBitWidth()) {
    return false;
  }
  if (a.isInteger(1) || (isa<FloatType>(a) && a.getIntOrFloatBitWidth() < 16)) {
    return false;
  }
  std::optional<unsigned> inner = innermostDim(op, shape.getMapB(op));
  return !inner || llvm::is_contained(shape.n, *inner) ||
         llvm::is_contained(shape.k, *inner);
}

kernel::BLayout getBLayout(nn::ContractOp op, const ContractShape &shape) {
  if (shape.getB(op).getDefiningOp<nn::PackedOp>()) {
    return kernel::BLayout::Packed;
  }
  std::optional<unsigned> inner = innermostDim(op, shape.getMapB(op));
  return inner && llvm::is_contained(shape.k, *inner)
             ? kernel::BLayout::Transposed
             : kernel::BLayout::RowMajor;
}

/// Size of a group of loop dims, as schedules take it.
static int64_t staticGroupSize(nn::ContractOp op, ArrayRef<unsigned> group) {
  int64_t size = getStaticGroupSize(op, group);
  return ShapedType::isDynamic(size) ? kernel::kDynamic : size;
}

int64_t getAccumulatorLanes(const kernel::VectorTarget &target,
                            Type accumulator) {
  return target.lanesFor(std::max(32u, accumulator.getIntOrFloatBitWidth()));
}

std::optional<kernel::GemmSchedule> readGemmSchedule(nn::DispatchOp dispatch) {
  auto attr =
      dyn_cast_if_present<nn::GemmScheduleAttr>(dispatch.getScheduleAttr());
  if (!attr) {
    return std::nullopt;
  }
  return kernel::GemmSchedule{attr.getMr(), attr.getNv(), attr.getMBlock(),
                              attr.getBlocksOutside(), attr.getPackB()};
}

void writeGemmSchedule(nn::DispatchOp dispatch,
                       const kernel::GemmSchedule &schedule) {
  dispatch.setScheduleAttr(nn::GemmScheduleAttr::get(
      dispatch.getContext(), schedule.mr, schedule.nv, schedule.mBlock,
      schedule.blocksOutside, schedule.packB));
}

kernel::GemmSchedule getGemmSchedule(nn::DispatchOp dispatch,
                                     const ContractShape &shape,
                                     const kernel::VectorTarget &target) {
  if (std::optional<kernel::GemmSchedule> carried =
          readGemmSchedule(dispatch)) {
    return *carried;
  }
  auto op = cast<nn::ContractOp>(dispatch.getRootOp());
  Type element = op.getLhs().getType().getElementType();
  Type accumulator = op.getAcc() ? *op.getAcc() : getAccumulatorType(element);
  int64_t lanes = getAccumulatorLanes(target, accumulator);
  return kernel::chooseGemmSchedule(staticGroupSize(op, shape.m),
                                    staticGroupSize(op, shape.n),
                                    staticGroupSize(op, shape.k), target, lanes,
                                    getBLayout(op, shape), kMinItems);
}

} // namespace dlc
