// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Transposes that kernels are made around, their positions and channels, and
// the places of elements on both sides.
#include "Transpose.h"

#include "Conversion/Common/ElementwiseFn.h"
#include "ElementView.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace dlc {

/// Whether `op` is one of those on elements, not on sizes.
static bool yieldsTensor(Operation *op) {
  return isa<nn::YieldOp>(op) ||
         llvm::any_of(op->getResultTypes(), llvm::IsaPred<RankedTensorType>);
}

/// Whether `op` computes each element from those at the same indices of the
/// operands that `counts`.
static bool isPointwise(Operation *op, llvm::function_ref<bool(Value)> counts) {
  if (!isa<nn::ElementwiseOp, nn::CastOp>(op)) {
    return false;
  }
  auto elementwise = dyn_cast<nn::ElementwiseOp>(op);
  ArrayRef<int64_t> shape = typeOf(op->getResult(0)).getShape();
  for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
    auto type = dyn_cast<RankedTensorType>(operand.getType());
    if (!type || !counts(operand)) {
      continue;
    }
    if (type.getShape() != shape) {
      return false;
    }
    for (int64_t dim = 0; elementwise && dim < type.getRank(); ++dim) {
      if (elementwise.mayBroadcast(i, dim)) {
        return false;
      }
    }
  }
  return true;
}

/// Whether the dispatch's result at an index needs the transposed tensor at
/// that very index only.
static bool dependsPointwise(nn::DispatchOp dispatch, nn::TransposeOp op) {
  llvm::DenseSet<Value> dependent{op.getResult()};
  auto isDependent = [&](Value value) { return dependent.contains(value); };
  Operation *yield = dispatch.getBody().front().getTerminator();
  for (Operation *next = op->getNextNode(); next != yield;
       next = next->getNextNode()) {
    // What only asks for sizes does not matter.
    if (llvm::none_of(next->getOperands(), isDependent) ||
        !yieldsTensor(next)) {
      continue;
    }
    if (!isPointwise(next, isDependent)) {
      return false;
    }
    dependent.insert(next->getResult(0));
  }
  return llvm::all_of(yield->getOperands(), isDependent);
}

nn::TransposeOp findLoneTranspose(nn::DispatchOp dispatch) {
  Block &body = dispatch.getBody().front();
  auto ops = body.getOps<nn::TransposeOp>();
  if (!llvm::hasSingleElement(ops) ||
      body.getTerminator()->getNumOperands() != 1) {
    return nullptr;
  }
  nn::TransposeOp op = *ops.begin();
  RankedTensorType type = op.getResult().getType();
  int64_t last = type.getRank() - 1;
  Type element = type.getElementType();
  if (last < 1 || op.getPermutation().back() == last ||
      !element.isIntOrFloat() || element.getIntOrFloatBitWidth() < 8 ||
      element.getIntOrFloatBitWidth() > 64) {
    return nullptr;
  }
  return dependsPointwise(dispatch, op) ? op : nn::TransposeOp();
}

/// The lines with positions along dims [first, end) of the result.
static TransposeLines getLines(nn::TransposeOp op, unsigned first,
                               unsigned end) {
  TransposeLines lines;
  RankedTensorType type = op.getResult().getType();
  ArrayRef<int64_t> permutation = op.getPermutation();
  int64_t count = 1;
  for (unsigned dim = first; dim < end; ++dim) {
    lines.positions.push_back(dim);
    count = type.isDynamicDim(dim) || ShapedType::isDynamic(count)
                ? ShapedType::kDynamic
                : count * type.getDimSize(dim);
  }
  if (!ShapedType::isDynamic(count)) {
    lines.numPositions = count;
  }
  auto isInInput = [&](unsigned dim) {
    return permutation[dim] > permutation[end - 1];
  };
  SmallVector<unsigned> moved(type.getRank());
  for (unsigned dim = 0; dim < moved.size(); ++dim) {
    moved[permutation[dim]] = dim;
    if (dim < first && !isInInput(dim)) {
      lines.outer.push_back(dim);
    } else if (dim >= end) {
      lines.inResult.push_back(dim);
    } else if (dim < first) {
      lines.asideResult.push_back(dim);
    }
  }
  for (unsigned dim : moved) {
    if (isInInput(dim)) {
      lines.inInput.push_back(dim);
    } else if (dim >= end) {
      lines.asideInput.push_back(dim);
    }
  }
  return lines;
}

std::vector<TransposeLines> findTransposeLines(nn::TransposeOp op,
                                               int64_t leastPositions,
                                               int64_t mostChannels) {
  std::vector<TransposeLines> found;
  RankedTensorType type = op.getResult().getType();
  ArrayRef<int64_t> permutation = op.getPermutation();
  unsigned rank = type.getRank();
  for (unsigned first = 0, end = 0; first < rank; first = end) {
    for (end = first + 1;
         end < rank && permutation[end] == permutation[end - 1] + 1; ++end) {
    }
    TransposeLines lines = getLines(op, first, end);
    bool isFew = true;
    for (ArrayRef<unsigned> dims :
         {ArrayRef(lines.inInput), ArrayRef(lines.asideInput)}) {
      for (unsigned dim : dims) {
        isFew &= !type.isDynamicDim(dim) &&
                 (lines.numChannels *= type.getDimSize(dim)) <= mostChannels;
      }
    }
    if (isFew && lines.numChannels > 0 &&
        lines.numPositions.value_or(leastPositions) >= leastPositions) {
      found.push_back(std::move(lines));
    }
  }
  return found;
}

/// Whether what is computed of `input` up to the transpose, or the result, has
/// its elements in its order.
static bool keepsOrder(Value input, nn::TransposeOp op) {
  SmallVector<Value> open{input};
  llvm::DenseSet<Value> seen;
  while (!open.empty()) {
    Value value = open.pop_back_val();
    if (!seen.insert(value).second) {
      continue;
    }
    for (Operation *user : value.getUsers()) {
      if (user == op || !yieldsTensor(user)) {
        continue;
      }
      if (!isPointwise(user, [&](Value other) { return other == value; })) {
        return false;
      }
      llvm::append_range(open, user->getResults());
    }
  }
  return true;
}

/// The inputs of `shape` that only take part element by element.
static SmallVector<Value> findPlaced(nn::TransposeOp op,
                                     ArrayRef<int64_t> shape) {
  SmallVector<Value> placed;
  for (Value input : op->getBlock()->getArguments()) {
    auto type = dyn_cast<RankedTensorType>(input.getType());
    if (type && type.getShape() == shape && keepsOrder(input, op)) {
      placed.push_back(input);
    }
  }
  return placed;
}

bool TransposeAccess::isPlaced(nn::TransposeOp op) {
  SmallVector<Value> placed =
      findPlaced(op, op.getInput().getType().getShape());
  SmallVector<Value> open{op.getInput()};
  auto isTensor = [](Value value) {
    return isa<RankedTensorType>(value.getType());
  };
  while (!open.empty()) {
    Value value = open.pop_back_val();
    if (isa<BlockArgument>(value)) {
      if (!llvm::is_contained(placed, value)) {
        return false;
      }
      continue;
    }
    Operation *producer = value.getDefiningOp();
    if (isa<arith::ConstantOp>(producer)) {
      continue;
    }
    if (!isPointwise(producer, [](Value operand) {
          return !operand.getDefiningOp<arith::ConstantOp>();
        })) {
      return false;
    }
    llvm::append_range(
        open, llvm::make_filter_range(producer->getOperands(), isTensor));
  }
  return true;
}

int64_t getTransposeWidth(nn::DispatchOp dispatch) {
  nn::TransposeOp op = findLoneTranspose(dispatch);
  auto bytesOf = [](Value tensor) -> int64_t {
    return std::max(1u, typeOf(tensor).getElementTypeBitWidth() / 8);
  };
  auto yield = cast<nn::YieldOp>(dispatch.getBody().front().getTerminator());
  int64_t bytes = bytesOf(yield.getValues()[0]);
  for (Value input : findPlaced(op, op.getInput().getType().getShape())) {
    bytes = std::max(bytes, bytesOf(input));
  }
  for (Value input : findPlaced(op, op.getResult().getType().getShape())) {
    bytes = std::max(bytes, bytesOf(input));
  }
  return getAccessWidth(std::max(bytes, bytesOf(op.getResult())));
}

TransposeAccess::TransposeAccess(GPUKernelBuilder &kb, nn::TransposeOp op,
                                 TransposeLines linesOfOp)
    : kb(kb), op(op), lines(std::move(linesOfOp)),
      sizes(kb.sizes(op.getResult())) {
  placedBefore = findPlaced(op, op.getInput().getType().getShape());
  placedAfter = findPlaced(op, op.getResult().getType().getShape());
  unsigned rank = sizes.size();
  resultStrides.resize(rank);
  inputStrides.resize(rank);
  OpFoldResult stride = kb.math.constant(1);
  for (unsigned dim = rank; dim-- > 0;) {
    resultStrides[dim] = stride;
    stride = kb.math.mul(stride, sizes[dim]);
  }
  SmallVector<unsigned> moved(rank);
  for (auto [dim, from] : llvm::enumerate(op.getPermutation())) {
    moved[from] = dim;
  }
  stride = kb.math.constant(1);
  for (unsigned dim : llvm::reverse(moved)) {
    inputStrides[dim] = stride;
    stride = kb.math.mul(stride, sizes[dim]);
  }
}

OpFoldResult TransposeAccess::getPlace(const Element &element,
                                       ArrayRef<OpFoldResult> strides) {
  kernel::IndexMath &math = kb.math;
  OpFoldResult place =
      math.mul(element.position, strides[lines.positions.back()]);
  for (auto [index, stride] : llvm::zip_equal(element.indices, strides)) {
    if (index) {
      place = math.add(place, math.mul(index, stride));
    }
  }
  return place;
}

OpFoldResult TransposeAccess::getInputPlace(const Element &element) {
  return getPlace(element, inputStrides);
}

OpFoldResult TransposeAccess::getResultPlace(const Element &element) {
  return getPlace(element, resultStrides);
}

SmallVector<Value> TransposeAccess::expandIndices(const Element &element) {
  SmallVector<Value> indices(element.indices);
  nn::Sizes own;
  for (unsigned dim : lines.positions) {
    own.push_back(sizes[dim]);
  }
  for (auto [dim, index] :
       llvm::zip_equal(lines.positions,
                       kernel::delinearize(kb.math, element.position, own))) {
    indices[dim] = kb.math.value(index);
  }
  return indices;
}

void TransposeAccess::place(ArrayRef<Value> inputs, OpFoldResult at) {
  for (Value input : inputs) {
    kb.setInputView(input, viewElement(kb, input, at));
  }
}

Value TransposeAccess::load(const Element &element, OpFoldResult at) {
  KernelBuilder::MemoScope scope(kb);
  SmallVector<Value> indices = expandIndices(element), from(indices.size());
  for (auto [dim, index] : llvm::zip_equal(op.getPermutation(), indices)) {
    from[dim] = index;
  }
  place(placedBefore, at);
  return kb.load(op.getInput(), from);
}

Value TransposeAccess::finish(const Element &element, Value moved,
                              OpFoldResult at) {
  KernelBuilder::MemoScope scope(kb);
  place(placedAfter, at);
  kb.setElement(op.getResult(), moved);
  return kb.load(kb.getYielded(0), expandIndices(element));
}

void TransposeAccess::store(Value result, OpFoldResult at) {
  OpFoldResult all = nn::productOf(kb.b, kb.b.getLoc(), sizes);
  memref::StoreOp::create(kb.b, result, kb.view(kb.getResultBase(0), {all}),
                          kb.math.value(at));
}

} // namespace dlc
