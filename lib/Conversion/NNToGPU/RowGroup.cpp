// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reductions with the elementwise ops that bring their results back to their
// rows, as in x / sqrt(sum(x * x)). A row that can be kept is read once.
#include "RowSchedule.h"

#include "Analysis/RowGroup.h"
#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToKernel/Reducer.h"

using namespace mlir;

namespace dlc {

namespace {

/// The reductions of a dispatch and the ops that depend on them, in order.
SmallVector<Operation *> findMembers(nn::DispatchOp dispatch) {
  llvm::SetVector<Operation *> members;
  for (Operation &op : dispatch.getBody().front().without_terminator()) {
    bool isMember = isa<nn::ReduceOp>(op) ||
                    (op.getNumResults() == 1 &&
                     isa<RankedTensorType>(op.getResult(0).getType()) &&
                     llvm::any_of(op.getOperands(), [&](Value operand) {
                       return members.contains(operand.getDefiningOp());
                     }));
    if (isMember) {
      members.insert(&op);
    }
  }
  return members.takeVector();
}

/// The code of one row.
class RowGroupEmitter {
public:
  RowGroupEmitter(GPUKernelBuilder &kb, const RowGroup &group, Type kept,
                  RowElements &row)
      : kb(kb), group(group), kept(kept), row(row) {}

  void emit(ArrayRef<Operation *> members);

private:
  Value load(Value tensor, Value x, ValueRange indices);
  void emitReduction(nn::ReduceOp op);
  void emitOfReductions(Operation *op);
  SmallVector<Value> getIndices(Value tensor);

  GPUKernelBuilder &kb;
  const RowGroup &group;
  Type kept;
  RowElements &row;
};

/// An element of a tensor of the rows' shape, where the source's is `x`.
Value RowGroupEmitter::load(Value tensor, Value x, ValueRange indices) {
  KernelBuilder::MemoScope scope(kb);
  Type type = typeOf(group.source).getElementType();
  kb.setElement(group.source, emitCast(kb.b, x, kept, type));
  Value element = kb.load(tensor, indices);
  kb.setElement(group.source, nullptr);
  return element;
}

void RowGroupEmitter::emitReduction(nn::ReduceOp op) {
  Reducer reducer(kb.b, op);
  SmallVector<Value> state = row.reduce(
      reducer.emitInit(), [&](Value &x, Value column, ValueRange carried) {
        SmallVector<Value> indices = row.getIndices(column);
        return reducer.emitStep(carried, load(op.getInput(), x, indices),
                                indices[op.getAxes().back()]);
      });
  state = row.combine(state, [&](ValueRange x, ValueRange y) {
    return reducer.emitMerge(x, y);
  });
  kb.setElement(op.getResult(), reducer.emitFinish(state, row.getColumns()));
}

/// Indices of the row in a tensor without the reduced dims, or with size 1 in
/// their place.
SmallVector<Value> RowGroupEmitter::getIndices(Value tensor) {
  nn::ReduceOp reduce = group.reductions[0];
  if (typeOf(tensor).getRank() < reduce.getInput().getType().getRank()) {
    return row.getRowIndices();
  }
  SmallVector<Value> indices = row.getIndices(nullptr);
  for (Value &index : indices) {
    index = index ? index : kb.math.value(0);
  }
  return indices;
}

/// Computes what has one element for each row ahead of the elements that need
/// it. Not where that reads memory, as the row need not exist.
void RowGroupEmitter::emitOfReductions(Operation *op) {
  Value result = op->getResult(0);
  if (isa<nn::ReshapeOp>(op)) {
    kb.setElement(result,
                  kb.load(op->getOperand(0), getIndices(op->getOperand(0))));
    return;
  }
  bool readsMemory = llvm::any_of(op->getOperands(), [&](Value operand) {
    Operation *producer = operand.getDefiningOp();
    return !producer ||
           !(isa<arith::ConstantOp>(producer) || kb.hasElement(operand));
  });
  if (!readsMemory) {
    kb.setElement(result, kb.load(result, getIndices(result)));
  }
}

void RowGroupEmitter::emit(ArrayRef<Operation *> members) {
  for (Operation *op : members) {
    if (auto reduce = dyn_cast<nn::ReduceOp>(op)) {
      emitReduction(reduce);
    } else if (!hasRowsShape(op->getResult(0), group.reductions[0])) {
      emitOfReductions(op);
    }
  }
  row.finish([&](Value x, Value column, bool) {
    Type type = typeOf(group.result).getElementType();
    return emitCast(kb.b, load(group.result, x, row.getIndices(column)), type,
                    kept);
  });
  // The kernel's other way to compute its rows has values of its own.
  for (Operation *op : members) {
    kb.setElement(op->getResult(0), nullptr);
  }
}

class RowGroupGPUFamily final : public KeptRowsFamily {
public:
  LogicalResult emit(GPUKernelBuilder &kb) const override {
    RowGroup group = getGroup(kb.getDispatch());
    RowShape shape = getShape(group);
    RowProgram program;
    program.load = [&](ValueRange indices) {
      return emitCast(kb.b, kb.load(group.source, indices),
                      typeOf(group.source).getElementType(), shape.type);
    };
    program.passes = [&](RowElements &row) {
      RowGroupEmitter(kb, group, shape.type, row)
          .emit(findMembers(kb.getDispatch()));
    };
    for (Value input : kb.getDispatch().getBody().front().getArguments()) {
      if (isa<RankedTensorType>(input.getType()) &&
          !hasRowsShape(input, group.reductions[0])) {
        program.tables.push_back(input);
      }
    }
    emitRowKernel(kb, shape, program);
    return success();
  }

protected:
  RowShape shapeOf(DispatchContext &context) const override {
    return getShape(getGroup(context.getDispatch()));
  }

private:
  static RowGroup getGroup(nn::DispatchOp dispatch) {
    std::optional<RowGroup> group = findRowGroup(findMembers(dispatch));
    assert(group && "dispatches are formed of what is one");
    return *group;
  }

  static RowShape getShape(const RowGroup &group) {
    auto isWide = [](Value tensor) {
      return typeOf(tensor).getElementType().isF64();
    };
    MLIRContext *context = group.source.getContext();
    nn::ReduceOp reduce = group.reductions[0];
    bool isDouble = isWide(group.source) || isWide(group.result);
    return {.tensor = group.source,
            .axes = reduce.getAxes(),
            .type = isDouble ? Type(Float64Type::get(context))
                             : Type(Float32Type::get(context)),
            .result = group.result,
            .isLarge = group.reductions.size() > 1};
  }
};

} // namespace

const GPUKernelFamily *getRowGroupGPUFamily(nn::DispatchOp dispatch) {
  auto root = cast<nn::ReduceOp>(dispatch.getRootOp());
  auto yield = cast<nn::YieldOp>(dispatch.getBody().front().getTerminator());
  static const RowGroupGPUFamily family;
  bool goesBack =
      !root.getAxes().empty() && hasRowsShape(yield.getValues()[0], root);
  return goesBack ? &family : nullptr;
}

} // namespace dlc
