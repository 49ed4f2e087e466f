// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// contract as a batched matrix product on CUDA cores, in any transposition of
// its operands.
#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToGPU/GPUKernelFamily.h"
#include "Conversion/NNToGPU/GemmTile.h"
#include "Conversion/NNToGPU/TileKernelFamily.h"
#include "Conversion/NNToKernel/ContractShape.h"
#include "Conversion/NNToKernel/KernelFamily.h"
#include "Conversion/NNToKernel/Scheduling.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace dlc {

namespace {

/// The contraction with its loop dims in groups.
class ContractView {
public:
  ContractView(DispatchContext &context, const ContractShape &shape)
      : context(context), op(cast<nn::ContractOp>(context.getRoot())),
        shape(shape) {
    acc = op.getAcc()
              ? *op.getAcc()
              : getAccumulatorType(typeOf(op.getLhs()).getElementType());
  }

  OpFoldResult dimSize(unsigned dim) {
    AffineExpr expr = getAffineDimExpr(dim, op.getContext());
    std::optional<unsigned> inLhs = op.getMap(0).getResultPosition(expr);
    return inLhs ? context.size(op.getLhs(), *inLhs)
                 : context.size(op.getRhs(),
                                *op.getMap(1).getResultPosition(expr));
  }
  OpFoldResult groupSize(ArrayRef<unsigned> group) {
    OpFoldResult size = context.math.constant(1);
    for (unsigned dim : group) {
      size = context.math.mul(size, dimSize(dim));
    }
    return size;
  }
  OpFoldResult batchSize() {
    OpFoldResult size = context.math.constant(1);
    for (const DimGroup &group : shape.batch) {
      size = context.math.mul(size, groupSize(group));
    }
    return size;
  }

  /// Sets the indices of a group's dims. `whole`: the last one takes all of
  /// it, which names the same element of a dense tensor.
  void setIndices(MutableArrayRef<Value> loops, ArrayRef<unsigned> group,
                  Value index, bool whole);
  /// The stride of a group in a tensor; 0 where it has none.
  OpFoldResult groupStride(Value tensor, AffineMap map,
                           ArrayRef<unsigned> group);
  /// Whether all strides of a tensor but that of `dense`, which is 1, are
  /// multiples of four elements.
  bool hasAlignedVectors(Value tensor, AffineMap map, const DimGroup &dense);
  /// Whether neighbours of an operand run along the reduced dim; `rows` is its
  /// other group.
  bool isDenseInK(Value tensor, AffineMap map, const DimGroup &rows);
  GemmTileShape chooseTile();

  DispatchContext &context;
  nn::ContractOp op;
  const ContractShape &shape;
  Type acc;
};

void ContractView::setIndices(MutableArrayRef<Value> loops,
                              ArrayRef<unsigned> group, Value index,
                              bool whole) {
  if (group.empty()) {
    return;
  }
  kernel::IndexMath &math = context.math;
  if (whole || group.size() == 1) {
    for (unsigned dim : group.drop_back()) {
      loops[dim] = math.value(0);
    }
    loops[group.back()] = index;
    return;
  }
  nn::Sizes sizes;
  for (unsigned dim : group) {
    sizes.push_back(dimSize(dim));
  }
  for (auto [dim, part] :
       llvm::zip_equal(group, kernel::delinearize(math, index, sizes))) {
    loops[dim] = math.value(part);
  }
}

OpFoldResult ContractView::groupStride(Value tensor, AffineMap map,
                                       ArrayRef<unsigned> group) {
  std::optional<unsigned> place =
      group.empty() ? std::nullopt
                    : map.getResultPosition(
                          getAffineDimExpr(group.back(), op.getContext()));
  return place ? context.stride(tensor, *place) : context.math.constant(0);
}

bool ContractView::hasAlignedVectors(Value tensor, AffineMap map,
                                     const DimGroup &dense) {
  if (!isa<BlockArgument>(tensor) ||
      !kernel::IndexMath::isKnown(groupStride(tensor, map, dense), 1)) {
    return false;
  }
  auto isAligned = [](OpFoldResult size) {
    std::optional<int64_t> known = kernel::IndexMath::known(size);
    return known && *known % 4 == 0;
  };
  SmallVector<DimGroup> others(shape.batch);
  llvm::append_range(others, ArrayRef<DimGroup>{shape.m, shape.n, shape.k});
  for (const DimGroup &group : others) {
    if (group != dense && !isAligned(groupStride(tensor, map, group))) {
      return false;
    }
  }
  return isAligned(groupSize(dense));
}

bool ContractView::isDenseInK(Value tensor, AffineMap map,
                              const DimGroup &rows) {
  auto isDense = [&](const DimGroup &group) {
    return kernel::IndexMath::isKnown(groupStride(tensor, map, group), 1);
  };
  return !isDense(rows) || isDense(shape.k);
}

GemmTileShape ContractView::chooseTile() {
  auto known = [](OpFoldResult size) { return kernel::IndexMath::known(size); };
  GemmProblem problem;
  problem.m = known(groupSize(shape.m));
  problem.n = known(groupSize(shape.n));
  problem.k = known(groupSize(shape.k));
  problem.batch = known(batchSize());
  problem.acc = acc;
  Value a = shape.getA(op), b = shape.getB(op);
  AffineMap mapA = shape.getMapA(op), mapB = shape.getMapB(op);
  problem.aDenseInK = isDenseInK(a, mapA, shape.m);
  problem.bDenseInK = isDenseInK(b, mapB, shape.n);
  problem.aHasVectors =
      hasAlignedVectors(a, mapA, problem.aDenseInK ? shape.k : shape.m);
  problem.bHasVectors =
      hasAlignedVectors(b, mapB, problem.bDenseInK ? shape.k : shape.n);
  // A second kernel adds partial sums, which lie in place of the result.
  problem.maySplit =
      acc.isF32() && context.getDispatch().getOutputs().size() == 1 &&
      getElementTypeOrSelf(context.getDispatch().getOutputs()[0]).isF32();
  return chooseGemmTile(problem);
}

/// Emits the kernel of one contraction.
class ContractEmitter {
public:
  ContractEmitter(GPUKernelBuilder &kb, const ContractShape &shape)
      : kb(kb), view(kb, shape), op(view.op), shape(shape),
        loops(op.getNumDims()) {}

  void emit(const GemmTileShape &tile);

private:
  GemmOperand makeOperand(Value tensor, AffineMap map, Value zeroPoint,
                          const DimGroup &rows);
  SmallVector<Value> loadElements(Value tensor, AffineMap map, Value zeroPoint,
                                  const DimGroup &rows, bool denseInK,
                                  Value row, Value k, int64_t count);
  void store(Value row, ArrayRef<Value> columns, ValueRange values);
  void storePart(int64_t parts, OpFoldResult product, Value row,
                 ArrayRef<Value> columns, ValueRange values);

  GPUKernelBuilder &kb;
  ContractView view;
  nn::ContractOp op;
  const ContractShape &shape;
  /// Indices of the loop dims; those of the batch stay.
  SmallVector<Value> loops;
};

SmallVector<Value> ContractEmitter::loadElements(Value tensor, AffineMap map,
                                                 Value zeroPoint,
                                                 const DimGroup &rows,
                                                 bool denseInK, Value row,
                                                 Value k, int64_t count) {
  bool whole = isa<BlockArgument>(tensor);
  SmallVector<Value> elements;
  for (int64_t i = 0; i < count; ++i) {
    Value &moving = denseInK ? k : row;
    Value place = kb.math.value(kb.math.add(moving, kb.math.constant(i)));
    view.setIndices(loops, rows, denseInK ? row : place, whole);
    view.setIndices(loops, shape.k, denseInK ? place : k, whole);
    SmallVector<Value> at =
        llvm::map_to_vector(map.getResults(), [&](AffineExpr expr) {
          return loops[cast<AffineDimExpr>(expr).getPosition()];
        });
    Value element = emitCast(kb.b, kb.load(tensor, at),
                             typeOf(tensor).getElementType(), view.acc);
    if (zeroPoint) {
      SmallVector<Value> origin(
          cast<RankedTensorType>(zeroPoint.getType()).getRank(),
          kb.math.value(0));
      Value zero = emitCast(kb.b, kb.load(zeroPoint, origin),
                            typeOf(zeroPoint).getElementType(), view.acc);
      element = emitElementwise(kb.b, nn::Fn::sub, {element, zero}, {},
                                view.acc, view.acc);
    }
    elements.push_back(element);
  }
  return elements;
}

GemmOperand ContractEmitter::makeOperand(Value tensor, AffineMap map,
                                         Value zeroPoint,
                                         const DimGroup &rows) {
  GemmOperand operand;
  operand.denseInK = view.isDenseInK(tensor, map, rows);
  operand.hasVectors =
      view.hasAlignedVectors(tensor, map, operand.denseInK ? shape.k : rows);
  bool denseInK = operand.denseInK;
  operand.load = [=, this, &rows](ValueRange, Value row, Value k,
                                  int64_t count) {
    return loadElements(tensor, map, zeroPoint, rows, denseInK, row, k, count);
  };
  return operand;
}

void ContractEmitter::store(Value row, ArrayRef<Value> columns,
                            ValueRange values) {
  KernelBuilder::MemoScope scope(kb);
  bool plain = kb.getYielded(0) == op.getResult();
  SmallVector<SmallVector<Value>> places;
  SmallVector<Value> elements;
  for (auto [column, value] : llvm::zip_equal(columns, values)) {
    view.setIndices(loops, shape.m, row, plain);
    view.setIndices(loops, shape.n, column, plain);
    places.push_back(
        llvm::map_to_vector(op.getMap(2).getResults(), [&](AffineExpr expr) {
          return loops[cast<AffineDimExpr>(expr).getPosition()];
        }));
    kb.setElement(op.getResult(),
                  emitCast(kb.b, value, view.acc,
                           typeOf(op.getResult()).getElementType()));
    KernelBuilder::MemoScope each(kb);
    elements.push_back(kb.load(kb.getYielded(0), places.back()));
  }
  Value result = kb.viewResult(0);
  for (auto [element, at] : llvm::zip_equal(elements, places)) {
    memref::StoreOp::create(kb.b, element, result, at);
  }
}

/// `product` counts the products of all parts.
void ContractEmitter::storePart(int64_t parts, OpFoldResult product, Value row,
                                ArrayRef<Value> columns, ValueRange values) {
  OpFoldResult n = view.groupSize(shape.n);
  OpFoldResult first = kb.math.mul(
      kb.math.add(kb.math.mul(product, view.groupSize(shape.m)), row), n);
  Value memory = kb.view(kb.getResultBase(0), countPartialSums(kb, parts));
  for (auto [column, value] : llvm::zip_equal(columns, values)) {
    Value place = kb.math.value(kb.math.add(first, column));
    memref::StoreOp::create(kb.b, value, memory, place);
  }
}

void ContractEmitter::emit(const GemmTileShape &tile) {
  kernel::IndexMath &math = kb.math;
  // Dims of size 1 are in no group.
  loops.assign(loops.size(), math.value(0));
  GemmTileSpec spec;
  spec.m = view.groupSize(shape.m);
  spec.n = view.groupSize(shape.n);
  spec.k = view.groupSize(shape.k);
  spec.acc = getCodeType(view.acc);
  nn::Sizes grid{math.constant(tile.parts)};
  for (const DimGroup &group : shape.batch) {
    grid.push_back(view.groupSize(group));
  }
  OpFoldResult tilesN = math.ceilDiv(spec.n, math.constant(tile.bn));
  OpFoldResult tilesM = math.ceilDiv(spec.m, math.constant(tile.bm));
  grid.append({tilesN, tilesM});
  SmallVector<OpFoldResult> place =
      kernel::delinearize(math, kb.getBlock(), grid);
  OpFoldResult product = math.div(kb.getBlock(), math.mul(tilesN, tilesM));
  if (tile.parts > 1) {
    spec.part = math.value(place.front());
  }
  place.erase(place.begin());
  for (auto [i, group] : llvm::enumerate(shape.batch)) {
    view.setIndices(loops, group, math.value(place[i]), /*whole=*/false);
  }
  Value a = shape.getA(op), b = shape.getB(op);
  Value zeroA = shape.swapped ? op.getRhsZero() : op.getLhsZero(),
        zeroB = shape.swapped ? op.getLhsZero() : op.getRhsZero();
  spec.a = makeOperand(a, shape.getMapA(op), zeroA, shape.m);
  spec.b = makeOperand(b, shape.getMapB(op), zeroB, shape.n);
  spec.store = [&](Value row, ArrayRef<Value> columns, ValueRange values) {
    if (tile.parts > 1) {
      storePart(tile.parts, product, row, columns, values);
    } else {
      store(row, columns, values);
    }
  };
  emitGemmTile(kb, spec, tile, math.value(place.back()),
               math.value(place[place.size() - 2]));
}

class ContractGPUFamily final : public GPUKernelFamily {
public:
  GPULaunch getLaunch(DispatchContext &context) const override {
    kernel::IndexMath &math = context.math;
    ContractShape shape =
        *ContractShape::create(cast<nn::ContractOp>(context.getRoot()));
    ContractView view(context, shape);
    GemmTileShape tile = view.chooseTile();
    OpFoldResult blocks =
        math.mul(math.ceilDiv(view.groupSize(shape.m), math.constant(tile.bm)),
                 math.ceilDiv(view.groupSize(shape.n), math.constant(tile.bn)));
    blocks = math.mul(math.mul(blocks, view.batchSize()), tile.parts);
    bool isDepthKnown =
        kernel::IndexMath::known(view.groupSize(shape.k)).has_value();
    return {blocks, tile.getThreads(), math.constant(0), tile.parts,
            tile.getResidentBlocks(isDepthKnown)};
  }

  LogicalResult emit(GPUKernelBuilder &kb) const override {
    ContractShape shape =
        *ContractShape::create(cast<nn::ContractOp>(kb.getRoot()));
    ContractView view(kb, shape);
    ContractEmitter(kb, shape).emit(view.chooseTile());
    return success();
  }
};

} // namespace

const GPUKernelFamily *getContractGPUFamily(nn::DispatchOp dispatch) {
  static const ContractGPUFamily family;
  auto op = cast<nn::ContractOp>(dispatch.getRootOp());
  for (Value zero : {Value(op.getLhsZero()), Value(op.getRhsZero())}) {
    auto type = zero ? cast<RankedTensorType>(zero.getType()) : nullptr;
    if (type && !(type.hasStaticShape() && type.getNumElements() == 1)) {
      return nullptr; // a zero point per row or column
    }
  }
  return succeeded(ContractShape::create(op)) ? &family : nullptr;
}

} // namespace dlc
