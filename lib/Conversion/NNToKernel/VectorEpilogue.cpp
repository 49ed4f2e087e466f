// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Epilogues on vectors.
#include "Conversion/NNToKernel/VectorEpilogue.h"

#include "Conversion/Common/ElementwiseFn.h"
#include "Dialect/NN/FnInfo.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace dlc {

static RankedTensorType typeOf(Value tensor) {
  return cast<RankedTensorType>(tensor.getType());
}

VectorEpilogue::VectorEpilogue(KernelBuilder &kb, Value root,
                               ArrayRef<SmallVector<unsigned>> groups)
    : kb(kb), root(root), groups(groups) {}

bool hasExpensiveEpilogue(nn::DispatchOp dispatch) {
  for (Operation &op : dispatch.getBody().front()) {
    auto elementwise = dyn_cast<nn::ElementwiseOp>(op);
    if (elementwise && (nn::getFnInfo(elementwise.getFn()).expensive ||
                        elementwise.getFn() == nn::Fn::div)) {
      return true;
    }
  }
  return false;
}

Value VectorEpilogue::compute(Value acc, ValueRange groupIndices,
                              Value offsetOfLane0, Value laneMask) {
  vectors.clear();
  at = llvm::to_vector(groupIndices);
  offset = offsetOfLane0;
  mask = laneMask;
  lanes = cast<VectorType>(acc.getType()).getNumElements();
  Type accumulator = getElementTypeOrSelf(acc.getType());
  vectors[root] =
      emitCast(kb.b, acc, accumulator, typeOf(root).getElementType());
  return evaluate(kb.getYielded(0));
}

Value VectorEpilogue::load(Value tensor, int64_t laneCount,
                           ValueRange groupIndices, Value offsetOfLane0,
                           Value laneMask) {
  vectors.clear();
  at = llvm::to_vector(groupIndices);
  offset = offsetOfLane0;
  mask = laneMask;
  lanes = laneCount;
  return evaluate(tensor);
}

Value VectorEpilogue::evaluate(Value tensor) {
  if (Value vector = vectors.lookup(tensor)) {
    return vector;
  }
  Type type =
      VectorType::get({lanes}, getCodeType(typeOf(tensor).getElementType()));
  Value vector;
  if (auto op = tensor.getDefiningOp<nn::ElementwiseOp>()) {
    SmallVector<Value> args;
    for (auto [i, input] : llvm::enumerate(op.getInputs())) {
      auto mayBeOne = [&, i = i](int64_t dim) {
        return op.mayBroadcast(i, dim);
      };
      bool isWhole =
          llvm::none_of(llvm::seq<int64_t>(typeOf(input).getRank()), mayBeOne);
      args.push_back(isWhole ? evaluate(input) : loadLanes(input, mayBeOne));
    }
    Value data =
        op.getFn() == nn::Fn::select ? op.getInputs()[1] : op.getInputs()[0];
    vector = emitElementwise(kb.b, op.getFn(), args, op.getParamsAttr(),
                             typeOf(data).getElementType(),
                             typeOf(tensor).getElementType());
  } else if (auto op = tensor.getDefiningOp<nn::CastOp>()) {
    Value input = evaluate(op.getInput());
    vector = emitCast(kb.b, input, typeOf(op.getInput()).getElementType(),
                      typeOf(tensor).getElementType(),
                      op.getSaturate().value_or(true));
  } else if (tensor.getDefiningOp<arith::ConstantOp>()) {
    SmallVector<Value> origin(typeOf(tensor).getRank(), kb.math.value(0));
    vector = vector::BroadcastOp::create(kb.b, type, kb.load(tensor, origin));
  } else if (isa<BlockArgument>(tensor) && groupStrides(tensor)) {
    vector = loadDense(tensor);
  } else {
    vector = loadLanes(tensor, [](int64_t) { return false; });
  }
  vectors[tensor] = vector;
  return vector;
}

/// Elements between neighbours of each group in `tensor`, 0 where it repeats;
/// none where a group is neither dense nor repeated as a whole.
std::optional<SmallVector<OpFoldResult>>
VectorEpilogue::groupStrides(Value tensor) {
  ArrayRef<int64_t> shape = typeOf(tensor).getShape(),
                    full = typeOf(root).getShape();
  SmallVector<OpFoldResult> strides;
  for (ArrayRef<unsigned> group : groups) {
    bool isDense = llvm::all_of(
        group, [&](unsigned dim) { return shape[dim] == full[dim]; });
    bool isRepeated =
        llvm::all_of(group, [&](unsigned dim) { return shape[dim] == 1; });
    if (!isDense && !isRepeated) {
      return std::nullopt;
    }
    OpFoldResult stride = kb.math.constant(isRepeated ? 0 : 1);
    unsigned next = group.empty() ? shape.size() : group.back() + 1;
    for (unsigned dim = next; dim < shape.size(); ++dim) {
      stride = kb.math.mul(stride, kb.size(tensor, dim));
    }
    strides.push_back(stride);
  }
  return strides;
}

Value VectorEpilogue::loadDense(Value tensor) {
  SmallVector<OpFoldResult> strides = *groupStrides(tensor);
  OpFoldResult place = kb.math.constant(0);
  if (typeOf(tensor).getShape() == typeOf(root).getShape()) {
    place = offset;
  } else {
    for (auto [index, stride] : llvm::zip_equal(at, strides)) {
      place = kb.math.add(place, kb.math.mul(index, stride));
    }
  }
  Value flat = kernel::flatten(kb.b, kb.getInputBase(tensor));
  if (!kernel::IndexMath::isKnown(strides.back(), 0)) {
    return kernel::loadVector(kb.b, flat, kb.math.value(place), lanes, mask);
  }
  Value element = memref::LoadOp::create(kb.b, flat, kb.math.value(place));
  return vector::BroadcastOp::create(
      kb.b, VectorType::get({lanes}, element.getType()), element);
}

/// `index`, or 0 where `tensor` repeats along `dim`.
Value VectorEpilogue::repeatedIndex(Value tensor, int64_t dim,
                                    OpFoldResult index, bool mayBeOne) {
  kernel::IndexMath &math = kb.math;
  if (typeOf(tensor).getDimSize(dim) == 1) {
    return math.value(0);
  }
  Value place = math.value(index);
  if (!mayBeOne) {
    return place;
  }
  Value isOne = math.equal(kb.size(tensor, dim), math.constant(1));
  return arith::SelectOp::create(kb.b, isOne, math.value(0), place);
}

/// Lane by lane: any operand, at the price of scalar code. The run finds out
/// whether the dims that `mayBeOne` names repeat.
Value VectorEpilogue::loadLanes(
    Value tensor, llvm::function_ref<bool(int64_t dim)> mayBeOne) {
  ImplicitLocOpBuilder &b = kb.b;
  Type element = getCodeType(typeOf(tensor).getElementType());
  Value zero = emitConstant(b, element, 0);
  Value vector = emitConstant(b, VectorType::get({lanes}, element), 0);
  nn::Sizes sizes = kb.sizes(root);
  OpFoldResult width = kb.math.constant(1);
  for (unsigned dim : groups.back()) {
    width = kb.math.mul(width, sizes[dim]);
  }
  for (int64_t lane = 0; lane < lanes; ++lane) {
    SmallVector<Value> place(at);
    place.back() =
        kb.math.value(kb.math.add(place.back(), kb.math.constant(lane)));
    auto load = [&]() -> SmallVector<Value> {
      KernelBuilder::MemoScope scope(kb);
      SmallVector<Value> indices(sizes.size(), kb.math.value(0));
      for (auto [group, linear] : llvm::zip_equal(groups, place)) {
        SmallVector<OpFoldResult> groupSizes = llvm::map_to_vector(
            group, [&](unsigned dim) { return sizes[dim]; });
        for (auto [dim, index] : llvm::zip_equal(
                 group, kernel::delinearize(kb.math, linear, groupSizes))) {
          indices[dim] = repeatedIndex(tensor, dim, index, mayBeOne(dim));
        }
      }
      return {kb.load(tensor, indices)};
    };
    Value inRange = kb.math.less(place.back(), width);
    Value value = kernel::emitIf(b, inRange, element, load,
                                 [&] { return SmallVector<Value>{zero}; })[0];
    vector =
        vector::InsertOp::create(b, value, vector, ArrayRef<int64_t>{lane});
  }
  return vector;
}

} // namespace dlc
