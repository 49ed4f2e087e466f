// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rows of dispatches for the vector kernels of softmax and normalisation.
#include "Conversion/NNToKernel/RowView.h"

#include "Conversion/Common/ElementwiseFn.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace dlc {

static RankedTensorType typeOf(Value tensor) {
  return cast<RankedTensorType>(tensor.getType());
}

/// Whether VectorEpilogue computes `op` on whole vectors.
static bool isVectorizable(Operation &op) {
  if (auto elementwise = dyn_cast<nn::ElementwiseOp>(op)) {
    return !elementwise.getMaybeBroadcast();
  }
  return isa<nn::CastOp, nn::BindShapeOp, arith::ConstantOp>(op) ||
         llvm::none_of(op.getResultTypes(), llvm::IsaPred<RankedTensorType>);
}

bool hasVectorSurroundings(nn::DispatchOp dispatch) {
  Operation *root = dispatch.getRootOp();
  for (Operation &op : dispatch.getBody().front()) {
    if (&op != root && !isVectorizable(op)) {
      return false;
    }
  }
  auto yield = cast<nn::YieldOp>(dispatch.getBody().front().getTerminator());
  return isa<FloatType>(typeOf(yield.getValues()[0]).getElementType());
}

bool hasVectorRows(nn::DispatchOp dispatch, Value input,
                   ArrayRef<int64_t> axes) {
  RankedTensorType type = typeOf(input);
  int64_t rowDims = type.getRank() - axes.size();
  for (auto [i, axis] : llvm::enumerate(axes)) {
    if (axis != rowDims + static_cast<int64_t>(i) || type.isDynamicDim(axis)) {
      return false;
    }
  }
  return !axes.empty() && countColumns(input, axes) != 0 &&
         hasVectorSurroundings(dispatch);
}

OpFoldResult countRows(DispatchContext &context, Value input,
                       ArrayRef<int64_t> axes) {
  nn::Sizes sizes = context.sizes(input);
  sizes.truncate(sizes.size() - axes.size());
  return nn::productOf(context.b, context.b.getLoc(), sizes);
}

int64_t countColumns(Value input, ArrayRef<int64_t> axes) {
  int64_t columns = 1;
  for (int64_t axis : axes) {
    columns *= typeOf(input).getDimSize(axis);
  }
  return columns;
}

/// Each dim of the rows by itself, so that operands may repeat any of them,
/// then the columns.
static SmallVector<SmallVector<unsigned>> groupsOf(int64_t rank,
                                                   int64_t rowDims) {
  SmallVector<SmallVector<unsigned>> groups;
  for (int64_t dim = 0; dim < rowDims; ++dim) {
    groups.push_back({static_cast<unsigned>(dim)});
  }
  groups.push_back(llvm::to_vector(llvm::seq<unsigned>(rowDims, rank)));
  return groups;
}

RowView::RowView(KernelBuilder &kb, Value input, Value result,
                 ArrayRef<int64_t> axes, Type acc)
    : kb(kb), input(input), result(result), acc(acc),
      rowDims(typeOf(input).getRank() - axes.size()),
      columns(countColumns(input, axes)),
      lanes(kb.target.lanesFor(acc.getIntOrFloatBitWidth())),
      vectors(kb, result, groupsOf(typeOf(input).getRank(), rowDims)) {}

SmallVector<Value> RowView::place(Value row, Value column) {
  nn::Sizes sizes = kb.sizes(input);
  sizes.truncate(rowDims);
  SmallVector<Value> indices;
  for (OpFoldResult index : kernel::delinearize(kb.math, row, sizes)) {
    indices.push_back(kb.math.value(index));
  }
  indices.push_back(column);
  return indices;
}

kernel::RowLoadFn RowView::getLoad() {
  return [this](ImplicitLocOpBuilder &, Value row, Value column, Value mask) {
    Value offset =
        kb.math.value(kb.math.add(kb.math.mul(row, columns), column));
    Value vector = vectors.load(input, lanes, place(row, column), offset, mask);
    return emitCast(kb.b, vector, typeOf(input).getElementType(), acc);
  };
}

kernel::RowStoreFn RowView::getStore() {
  return [this](ImplicitLocOpBuilder &b, Value row, Value column, Value value,
                Value mask) {
    Value offset =
        kb.math.value(kb.math.add(kb.math.mul(row, columns), column));
    Value stored = vectors.compute(value, place(row, column), offset, mask);
    kernel::storeVector(b, stored, kernel::flatten(b, kb.getResultBase(0)),
                        offset, mask);
  };
}

kernel::RowLoadFn RowView::getAffine(Value tensor, ArrayRef<int64_t> dims) {
  if (!tensor) {
    return nullptr;
  }
  bool alongColumns = !dims.empty() && dims.front() >= rowDims;
  SmallVector<int64_t> rowsOfTensor(alongColumns ? ArrayRef<int64_t>() : dims);
  return [this, tensor, alongColumns, rowsOfTensor](
             ImplicitLocOpBuilder &b, Value row, Value column, Value mask) {
    Type element = typeOf(tensor).getElementType();
    Value vector;
    if (alongColumns && isa<BlockArgument>(tensor)) {
      Value flat = kernel::flatten(b, kb.getInputBase(tensor));
      vector = kernel::loadVector(b, flat, column, lanes, mask);
    } else {
      KernelBuilder::MemoScope scope(kb);
      SmallVector<Value> at(typeOf(tensor).getRank(), kb.math.value(0));
      SmallVector<Value> indices = place(row, column);
      for (auto [i, dim] : llvm::enumerate(rowsOfTensor)) {
        at[i] = indices[dim];
      }
      Value scalar = kb.load(tensor, at);
      vector = vector::BroadcastOp::create(
          b, VectorType::get({lanes}, scalar.getType()), scalar);
    }
    return emitCast(b, vector, element, acc);
  };
}

} // namespace dlc
