// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Schedules of dispatches, and the operand layouts that follow from them.
#include "Conversion/NNToKernel/Scheduling.h"

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

/// Loop dim innermost in a map, or none of a scalar.
static std::optional<unsigned> innermostDim(AffineMap map) {
  if (map.getNumResults() == 0) {
    return std::nullopt;
  }
  return cast<AffineDimExpr>(map.getResults().back()).getPosition();
}

bool isGemmOperand(nn::ContractOp op, const ContractShape &shape) {
  Value b = shape.getB(op);
  if (!isa<BlockArgument>(shape.getA(op)) ||
      (!isa<BlockArgument>(b) && !b.getDefiningOp<nn::PackedOp>())) {
    return false;
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
  std::optional<unsigned> inner = innermostDim(shape.getMapB(op));
  return !inner || llvm::is_contained(shape.n, *inner) ||
         llvm::is_contained(shape.k, *inner);
}

kernel::BLayout getBLayout(nn::ContractOp op, const ContractShape &shape) {
  if (shape.getB(op).getDefiningOp<nn::PackedOp>()) {
    return kernel::BLayout::Packed;
  }
  std::optional<unsigned> inner = innermostDim(shape.getMapB(op));
  return inner && llvm::is_contained(shape.k, *inner)
             ? kernel::BLayout::Transposed
             : kernel::BLayout::RowMajor;
}

/// Size of a group of loop dims, kDynamic where it is not known.
static int64_t staticGroupSize(nn::ContractOp op, ArrayRef<unsigned> group) {
  int64_t size = 1;
  for (unsigned dim : group) {
    AffineExpr expr = getAffineDimExpr(dim, op.getContext());
    std::optional<unsigned> inLhs = op.getMap(0).getResultPosition(expr);
    int64_t extent = inLhs ? op.getLhs().getType().getDimSize(*inLhs)
                           : op.getRhs().getType().getDimSize(
                                 *op.getMap(1).getResultPosition(expr));
    if (ShapedType::isDynamic(extent)) {
      return kernel::kDynamic;
    }
    size *= extent;
  }
  return size;
}

kernel::GemmSchedule getGemmSchedule(nn::DispatchOp dispatch,
                                     const ContractShape &shape,
                                     const kernel::VectorTarget &target) {
  if (auto attr = dyn_cast_if_present<nn::GemmScheduleAttr>(
          dispatch.getScheduleAttr())) {
    return {attr.getMr(), attr.getNv(), attr.getMBlock(),
            attr.getBlocksOutside(), attr.getPackB()};
  }
  auto op = cast<nn::ContractOp>(dispatch.getRootOp());
  Type element = op.getLhs().getType().getElementType();
  Type accumulator = op.getAcc() ? *op.getAcc() : getAccumulatorType(element);
  int64_t lanes =
      target.lanesFor(std::max(32u, accumulator.getIntOrFloatBitWidth()));
  return kernel::chooseGemmSchedule(staticGroupSize(op, shape.m),
                                    staticGroupSize(op, shape.n),
                                    staticGroupSize(op, shape.k), target, lanes,
                                    getBLayout(op, shape), kMinItems);
}

} // namespace dlc
