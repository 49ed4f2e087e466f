// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Buffers, sizes and items of a kernel under construction.
#include "Conversion/NNToKernel/KernelBuilder.h"

#include "Conversion/Common/ElementwiseFn.h"

using namespace mlir;

namespace dlc {

OpFoldResult DispatchContext::stride(Value tensor, int64_t dim) {
  auto type = cast<RankedTensorType>(tensor.getType());
  OpFoldResult elements = math.constant(1);
  for (int64_t inner = dim + 1; inner < type.getRank(); ++inner) {
    elements = math.mul(elements, size(tensor, inner));
  }
  return elements;
}

MemRefType getBaseType(Type elementType) {
  return MemRefType::get({}, getCodeType(elementType));
}

/// The kernel's arguments that stand for the dispatch's tensors.
static ValueRange baseArguments(nn::DispatchOp dispatch, func::FuncOp kernel) {
  return kernel.getArguments().take_front(dispatch.getInputs().size() +
                                          dispatch.getOutputs().size());
}

/// The kernel's index arguments that stand for the dispatch's sizes.
static ValueRange sizeArguments(nn::DispatchOp dispatch, func::FuncOp kernel) {
  unsigned buffers = dispatch.getInputs().size() + dispatch.getOutputs().size();
  return kernel.getArguments().slice(buffers, dispatch.getSizes().size());
}

KernelBuilder::KernelBuilder(nn::DispatchOp dispatch, func::FuncOp kernel,
                             const kernel::VectorTarget &target)
    : KernelBuilder(dispatch, kernel, target,
                    OpBuilder::atBlockEnd(&kernel.getBody().front()),
                    baseArguments(dispatch, kernel),
                    sizeArguments(dispatch, kernel)) {
  ValueRange last = kernel.getArguments().take_back(3);
  begin = last[0];
  end = last[1];
  scratch = last[2];
}

KernelBuilder::KernelBuilder(nn::DispatchOp dispatch,
                             FunctionOpInterface kernel,
                             const kernel::VectorTarget &target,
                             OpBuilder builder, ValueRange bases,
                             ValueRange sizes)
    : DispatchContext(dispatch, builder, sizes, target), kernel(kernel),
      bases(bases) {
  resolveSizes();
}

/// Puts every size of the body, and every other scalar that an op or its region
/// takes, at the kernel's start, where it dominates all uses; what stays unused
/// is dropped by LLVM.
void KernelBuilder::resolveSizes() {
  Block &body = dispatch.getBody().front();
  for (Value input :
       body.getArguments().take_front(dispatch.getInputs().size())) {
    inputViews[input] = view(getInputBase(input), sizes(input));
  }
  SmallVector<Operation *> ops;
  for (Operation &op : body) {
    ops.push_back(&op);
  }
  for (Operation *op : ops) {
    bool takesScalars =
        isa<nn::NNDialect>(op->getDialect()) || isa<tensor::FromElementsOp>(op);
    if (takesScalars && !isa<nn::BindShapeOp>(op)) {
      op->walk([&](Operation *inner) {
        for (Value operand : inner->getOperands()) {
          if (operand.getParentBlock() == &body &&
              !isa<RankedTensorType>(operand.getType())) {
            scalar(operand);
          }
        }
      });
    }
    for (Value result : op->getResults()) {
      if (isa<RankedTensorType>(result.getType())) {
        sizes(result);
      }
    }
  }
}

Value KernelBuilder::getInputBase(Value input) {
  if (auto argument = dyn_cast<BlockArgument>(input)) {
    return bases[argument.getArgNumber()];
  }
  Value &base = constantBases[input];
  if (!base) {
    auto type = cast<RankedTensorType>(input.getType());
    assert(type.getNumElements() == 1 && "others are inputs");
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&kernel.getFunctionBody().front());
    Value element =
        loadUncached(input, SmallVector<Value>(type.getRank(), math.value(0)));
    base = memref::AllocaOp::create(b, getBaseType(type.getElementType()));
    memref::StoreOp::create(b, element, base);
  }
  return base;
}

Value KernelBuilder::getResultBase(unsigned i) {
  return bases[dispatch.getInputs().size() + i];
}

Value KernelBuilder::view(Value base, ArrayRef<OpFoldResult> given) {
  // The type below sees constants through values; the op has to do likewise.
  SmallVector<OpFoldResult> sizes(given), strides(given.size());
  for (OpFoldResult &size : sizes) {
    if (std::optional<int64_t> known = getConstantIntValue(size)) {
      size = b.getIndexAttr(*known);
    }
  }
  OpFoldResult stride = b.getIndexAttr(1);
  for (size_t i = sizes.size(); i-- > 0;) {
    strides[i] = stride;
    stride = math.mul(stride, sizes[i]);
  }
  Type element = cast<MemRefType>(base.getType()).getElementType();
  SmallVector<int64_t> shape = nn::staticShape(sizes),
                       staticStrides = nn::staticShape(strides);
  auto layout = StridedLayoutAttr::get(b.getContext(), 0, staticStrides);
  MemRefType type = MemRefType::get(shape, element, layout);
  return memref::ReinterpretCastOp::create(b, type, base, b.getIndexAttr(0),
                                           sizes, strides);
}

Value KernelBuilder::allocate(Type element, int64_t count) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&kernel.getFunctionBody().front());
  return memref::AllocaOp::create(b, MemRefType::get({count}, element));
}

Value KernelBuilder::viewResult(unsigned i) {
  return view(getResultBase(i), sizes(getYielded(i)));
}

Value KernelBuilder::load(Value tensor, ValueRange indices) {
  if (Value element = known.lookup(tensor)) {
    return element;
  }
  size_t hash = llvm::hash_combine_range(indices.begin(), indices.end());
  if (Value value = memo.lookup({tensor, hash})) {
    return value;
  }
  Value value = loadUncached(tensor, indices);
  memo[{tensor, hash}] = value;
  return value;
}

} // namespace dlc
