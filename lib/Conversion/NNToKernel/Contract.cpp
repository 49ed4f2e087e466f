// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// contract: the matrix product kernel where the contraction is one, else a loop
// nest.
#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToKernel/ContractShape.h"
#include "Conversion/NNToKernel/KernelFamily.h"
#include "Conversion/NNToKernel/LoopSpace.h"
#include "Conversion/NNToKernel/Scheduling.h"
#include "Conversion/NNToKernel/VectorEpilogue.h"
#include "Conversion/NNToKernel/ZeroPoint.h"
#include "Conversion/NNToVector/Gemm.h"

using namespace mlir;

namespace dlc {

namespace {

Type elementOf(Value tensor) {
  return cast<RankedTensorType>(tensor.getType()).getElementType();
}

/// Builds the GemmSpec of a contraction, for the host (sizes only) or the
/// kernel.
class GemmView {
public:
  GemmView(DispatchContext &context, const ContractShape &shape)
      : context(context), op(cast<nn::ContractOp>(context.getRoot())),
        shape(shape) {}

  kernel::GemmSpec create();

private:
  /// Number of indices of a group.
  OpFoldResult groupSize(ArrayRef<unsigned> group);
  /// Elements between neighbours of a group in a dense tensor with dims `map`;
  /// 0 where it has none.
  OpFoldResult groupStride(Value tensor, AffineMap map,
                           ArrayRef<unsigned> group);
  kernel::OffsetFn offsetIn(Value tensor, AffineMap map);

  DispatchContext &context;
  nn::ContractOp op;
  const ContractShape &shape;
};

OpFoldResult GemmView::groupSize(ArrayRef<unsigned> group) {
  OpFoldResult size = context.math.constant(1);
  for (unsigned dim : group) {
    AffineExpr expr = getAffineDimExpr(dim, op.getContext());
    std::optional<unsigned> inLhs = op.getMap(0).getResultPosition(expr);
    OpFoldResult extent =
        inLhs
            ? context.size(op.getLhs(), *inLhs)
            : context.size(op.getRhs(), *op.getMap(1).getResultPosition(expr));
    size = context.math.mul(size, extent);
  }
  return size;
}

OpFoldResult GemmView::groupStride(Value tensor, AffineMap map,
                                   ArrayRef<unsigned> group) {
  if (group.empty()) {
    return context.math.constant(0);
  }
  std::optional<unsigned> place =
      map.getResultPosition(getAffineDimExpr(group.back(), op.getContext()));
  return place ? context.stride(tensor, *place) : context.math.constant(0);
}

kernel::OffsetFn GemmView::offsetIn(Value tensor, AffineMap map) {
  SmallVector<OpFoldResult> strides;
  for (const DimGroup &group : shape.batch) {
    strides.push_back(groupStride(tensor, map, group));
  }
  return [strides](ImplicitLocOpBuilder &b, ValueRange batch) {
    kernel::IndexMath math(b);
    OpFoldResult offset = math.constant(0);
    for (auto [index, stride] : llvm::zip_equal(batch, strides)) {
      offset = math.add(offset, math.mul(index, stride));
    }
    return offset;
  };
}

kernel::GemmSpec GemmView::create() {
  kernel::GemmSpec spec;
  spec.epilogue.rolled = hasExpensiveEpilogue(context.getDispatch());
  Value a = shape.getA(op), b = shape.getB(op), c = op.getResult();
  AffineMap mapA = shape.getMapA(op), mapB = shape.getMapB(op),
            mapC = op.getMap(2);
  Type accumulator =
      op.getAcc() ? *op.getAcc() : getAccumulatorType(elementOf(a));
  spec.types = {getCodeType(elementOf(a)),
                getCodeType(elementOf(b)),
                getCodeType(accumulator),
                getCodeType(elementOf(context.getYielded(0))),
                elementOf(a).isUnsignedInteger(),
                elementOf(b).isUnsignedInteger()};
  for (const DimGroup &group : shape.batch) {
    spec.batch.push_back(groupSize(group));
  }
  spec.m = groupSize(shape.m);
  spec.n = groupSize(shape.n);
  spec.k = groupSize(shape.k);
  spec.aRowStride = groupStride(a, mapA, shape.m);
  spec.aColumnStride = groupStride(a, mapA, shape.k);
  spec.cRowStride = groupStride(c, mapC, shape.m);
  spec.aOffset = offsetIn(a, mapA);
  spec.cOffset = offsetIn(c, mapC);
  spec.bLayout = getBLayout(op, shape);
  if (spec.bLayout != kernel::BLayout::Packed) {
    bool isTransposed = spec.bLayout == kernel::BLayout::Transposed;
    spec.bRowStride = groupStride(b, mapB, isTransposed ? shape.n : shape.k);
    spec.bOffset = offsetIn(b, mapB);
  }
  return spec;
}

class ContractFamily final : public KernelFamily {
public:
  Launch getLaunch(DispatchContext &context) const override {
    auto op = cast<nn::ContractOp>(context.getRoot());
    FailureOr<ContractShape> shape = getGemmShape(op);
    if (failed(shape)) {
      OpFoldResult elements =
          nn::productOf(context.b, op.getLoc(), context.sizes(op.getResult()));
      return {LoopSpace(context, op.getResult(), 256).getItems(),
              estimateWork(context, elements, 200), context.math.constant(0)};
    }
    kernel::GemmSpec spec = GemmView(context, *shape).create();
    kernel::GemmSchedule schedule =
        getGemmSchedule(context.getDispatch(), *shape, context.target);
    OpFoldResult products =
        context.math.mul(context.math.mul(spec.m, spec.n), spec.k);
    products = context.math.mul(
        products, nn::productOf(context.b, op.getLoc(), spec.batch));
    return {
        kernel::getGemmItems(context.b, spec, schedule, context.target),
        estimateWork(context, products, 0.02),
        kernel::getGemmScratchBytes(context.b, spec, schedule, context.target)};
  }

  LogicalResult emit(KernelBuilder &kb) const override {
    auto op = cast<nn::ContractOp>(kb.getRoot());
    FailureOr<ContractShape> shape = getGemmShape(op);
    if (failed(shape)) {
      emitLoops(kb, op);
      return success();
    }
    kernel::GemmSpec spec = GemmView(kb, *shape).create();
    kernel::GemmSchedule schedule =
        getGemmSchedule(kb.getDispatch(), *shape, kb.target);
    setZeroPoints(kb, op, *shape, spec);
    SmallVector<SmallVector<unsigned>> groups = resultGroups(op, *shape);
    VectorEpilogue epilogue(kb, op.getResult(), groups);
    spec.epilogue.compute = [&](ImplicitLocOpBuilder &, Value acc,
                                const kernel::EpilogueIndices &at, Value mask) {
      return epilogue.compute(acc, inResultOrder(op, *shape, at), at.offset,
                              mask);
    };
    kernel::GemmBuffers buffers{kb.getInputBase(shape->getA(op)),
                                kb.getInputBase(packedSource(shape->getB(op))),
                                kb.getResultBase(0), kb.getScratch()};
    kernel::emitGemm(kb.b, spec, schedule, kb.target, buffers, kb.getBegin(),
                     kb.getEnd());
    return success();
  }

private:
  /// The matrix product, if there is one and the kernel takes its operands.
  static FailureOr<ContractShape> getGemmShape(nn::ContractOp op) {
    FailureOr<ContractShape> shape = ContractShape::create(op);
    if (succeeded(shape) && !isGemmOperand(op, *shape)) {
      return failure();
    }
    return shape;
  }

  /// The groups of the result's dims, by their place in the result.
  static SmallVector<SmallVector<unsigned>>
  resultGroups(nn::ContractOp op, const ContractShape &shape) {
    SmallVector<SmallVector<unsigned>> groups;
    for (const DimGroup &group : groupsOfResult(op, shape)) {
      groups.push_back(llvm::map_to_vector(group, [&](unsigned dim) {
        return *op.getMap(2).getResultPosition(
            getAffineDimExpr(dim, op.getContext()));
      }));
    }
    return groups;
  }

  /// All groups that the result has, in its order; m and n may be empty (a
  /// vector, or a scalar).
  static SmallVector<DimGroup> groupsOfResult(nn::ContractOp op,
                                              const ContractShape &shape) {
    SmallVector<DimGroup> groups(shape.batch);
    groups.push_back(shape.m);
    auto place = [&](const DimGroup &group) -> int64_t {
      return group.empty() ? -1
                           : *op.getMap(2).getResultPosition(
                                 getAffineDimExpr(group[0], op.getContext()));
    };
    llvm::stable_sort(groups, [&](const DimGroup &x, const DimGroup &y) {
      return place(x) < place(y);
    });
    groups.push_back(shape.n);
    return groups;
  }

  static SmallVector<Value> inResultOrder(nn::ContractOp op,
                                          const ContractShape &shape,
                                          const kernel::EpilogueIndices &at) {
    SmallVector<Value> indices;
    for (const DimGroup &group : groupsOfResult(op, shape)) {
      if (group == shape.n && indices.size() == shape.batch.size() + 1) {
        indices.push_back(at.n);
        continue;
      }
      auto found = llvm::find(shape.batch, group);
      indices.push_back(found == shape.batch.end()
                            ? at.m
                            : at.batch[found - shape.batch.begin()]);
    }
    return indices;
  }

  static Value packedSource(Value tensor) {
    auto packed = tensor.getDefiningOp<nn::PackedOp>();
    return packed ? Value(packed.getInput()) : tensor;
  }

  static void setZeroPoints(KernelBuilder &kb, nn::ContractOp op,
                            const ContractShape &shape,
                            kernel::GemmSpec &spec) {
    Value zeroA = shape.swapped ? op.getRhsZero() : op.getLhsZero();
    Value zeroB = shape.swapped ? op.getLhsZero() : op.getRhsZero();
    spec.convertA = subtractZeroPoint(kb, zeroA, spec.types.acc);
    spec.convertB = subtractZeroPoint(kb, zeroB, spec.types.acc);
  }

  /// Any contraction: one accumulator per result element.
  static void emitLoops(KernelBuilder &kb, nn::ContractOp op) {
    ImplicitLocOpBuilder &b = kb.b;
    Type accumulator =
        op.getAcc() ? *op.getAcc() : getAccumulatorType(elementOf(op.getLhs()));
    SmallVector<LoopRange> ranges;
    for (unsigned dim = 0; dim < op.getNumDims(); ++dim) {
      if (op.isReduction(dim)) {
        AffineExpr expr = b.getAffineDimExpr(dim);
        std::optional<unsigned> inLhs = op.getMap(0).getResultPosition(expr);
        OpFoldResult size =
            inLhs ? kb.size(op.getLhs(), *inLhs)
                  : kb.size(op.getRhs(), *op.getMap(1).getResultPosition(expr));
        ranges.push_back({dim, kb.math.constant(0), size});
      }
    }
    LoopSpace(kb, op.getResult(), 256).emitLoops(kb, [&](ValueRange indices) {
      SmallVector<Value> loops(op.getNumDims());
      for (auto [expr, index] :
           llvm::zip_equal(op.getMap(2).getResults(), indices)) {
        loops[cast<AffineDimExpr>(expr).getPosition()] = index;
      }
      auto operand = [&](Value tensor, AffineMap map, Value zeroPoint) {
        SmallVector<Value> at =
            llvm::map_to_vector(map.getResults(), [&](AffineExpr expr) {
              return loops[cast<AffineDimExpr>(expr).getPosition()];
            });
        Value value =
            emitCast(b, kb.load(tensor, at), elementOf(tensor), accumulator);
        if (!zeroPoint) {
          return value;
        }
        // A vector of zero points runs along the operand's dim that is not
        // reduced.
        SmallVector<Value> zeroAt;
        if (cast<RankedTensorType>(zeroPoint.getType()).getRank() > 0) {
          for (AffineExpr expr : map.getResults()) {
            unsigned dim = cast<AffineDimExpr>(expr).getPosition();
            if (!op.isReduction(dim)) {
              zeroAt.assign(1, loops[dim]);
            }
          }
        }
        Value zero = emitCast(b, kb.load(zeroPoint, zeroAt),
                              elementOf(zeroPoint), accumulator);
        return emitElementwise(b, nn::Fn::sub, {value, zero}, {}, accumulator,
                               accumulator);
      };
      Value init = emitConstant(b, getCodeType(accumulator), 0);
      Value sum = emitLoopNest(
          kb, ranges, loops, init, [&](ValueRange state) -> SmallVector<Value> {
            Value lhs = operand(op.getLhs(), op.getMap(0), op.getLhsZero());
            Value rhs = operand(op.getRhs(), op.getMap(1), op.getRhsZero());
            Value product = emitElementwise(b, nn::Fn::mul, {lhs, rhs}, {},
                                            accumulator, accumulator);
            return {emitElementwise(b, nn::Fn::add, {state[0], product}, {},
                                    accumulator, accumulator)};
          })[0];
      emitEpilogueStore(
          kb, 0, op.getResult(),
          emitCast(b, sum, accumulator, elementOf(op.getResult())), indices);
    });
  }
};

} // namespace

const KernelFamily *getContractFamily() {
  static const ContractFamily family;
  return &family;
}

} // namespace dlc
