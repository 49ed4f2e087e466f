// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Assignment of memory: outputs first, then buffers with their life times, with
// results that take over the memory of an operand.
#include "Memory.h"

using namespace mlir;

namespace dlc {

Value MemoryAssignment::rootOf(Value tensor) {
  while (Operation *op = tensor.getDefiningOp()) {
    if (!isa<nn::ReshapeOp, rt::ShrinkOp>(op)) {
      break;
    }
    tensor = op->getOperand(0);
  }
  return tensor;
}

ArrayRef<unsigned> MemoryAssignment::getCopies(Value tensor) const {
  auto it = copies.find(tensor);
  return it == copies.end() ? ArrayRef<unsigned>() : it->second;
}

LogicalResult MemoryAssignment::checkOps() {
  for (BlockArgument input : entry.getArguments()) {
    if (!isa<RankedTensorType>(input.getType())) {
      return entry.emitOpError()
             << "expected ranked tensors as arguments, got " << input.getType();
    }
    memories[input] = {MemoryKind::Input, input.getArgNumber()};
  }
  for (Operation &op : entry.front()) {
    bool known = isa<rt::DispatchOp, rt::ShrinkOp, nn::ReshapeOp,
                     nn::ParamRefOp, nn::BindShapeOp, tensor::ExtractOp,
                     tensor::DimOp, arith::ConstantOp, func::ReturnOp>(op);
    bool tensors =
        llvm::any_of(op.getOperandTypes(), llvm::IsaPred<TensorType>) ||
        llvm::any_of(op.getResultTypes(), llvm::IsaPred<TensorType>);
    if ((tensors || op.getNumRegions() > 0) && !known) {
      return op.emitOpError()
             << "expected nothing but dispatches, reshapes, params and host "
                "reads to use tensors once dispatches are formed";
    }
    if (tensors && isa<nn::ParamRefOp, arith::ConstantOp>(op)) {
      memories[op.getResult(0)] = {MemoryKind::Param};
    }
  }
  return success();
}

/// Whether a chain of reshapes alone leads from `root` to `tensor`.
static bool isReshapeOf(Value tensor, Value root) {
  while (tensor != root) {
    auto reshape = tensor.getDefiningOp<nn::ReshapeOp>();
    if (!reshape) {
      return false;
    }
    tensor = reshape.getInput();
  }
  return true;
}

/// Whether the host has read all that a size depends on when `op` runs.
static bool isReadBefore(OpFoldResult size, Operation *op) {
  SmallVector<Value> open;
  llvm::SmallDenseSet<Value> seen;
  if (auto value = dyn_cast<Value>(size)) {
    open.push_back(value);
  }
  while (!open.empty()) {
    Operation *producer = open.pop_back_val().getDefiningOp();
    if (!producer || isa<tensor::DimOp>(producer)) {
      continue;
    }
    if (isa<tensor::ExtractOp>(producer)) {
      if (!producer->isBeforeInBlock(op)) {
        return false;
      }
      continue;
    }
    for (Value operand : producer->getOperands()) {
      if (seen.insert(operand).second) {
        open.push_back(operand);
      }
    }
  }
  return true;
}

void MemoryAssignment::placeOutputs() {
  Operation *end = entry.front().getTerminator();
  for (auto [i, value] : llvm::enumerate(end->getOperands())) {
    lateOutputs.push_back(shapes.isLate(shapes.sizesOf(value)));
    Value root = rootOf(value);
    bool direct = root.getDefiningOp<rt::DispatchOp>() &&
                  !memories.contains(root) && isReshapeOf(value, root);
    // A late output's memory exists only once all of its sizes are known.
    direct &= lateOutputs.back() == shapes.isLate(shapes.sizesOf(root));
    direct = direct && llvm::all_of(shapes.sizesOf(value), [&](auto size) {
               return isReadBefore(size, root.getDefiningOp());
             });
    if (direct) {
      memories[root] = {MemoryKind::Output, static_cast<unsigned>(i)};
    } else {
      copies[value].push_back(i);
    }
  }
}

void MemoryAssignment::use(Value tensor, int step) {
  int &last = lastUse[rootOf(tensor)];
  last = std::max(last, step);
}

void MemoryAssignment::countSteps() {
  int next = 0;
  auto makeCopies = [&](Value tensor) {
    for (size_t i = 0; i < getCopies(tensor).size(); ++i) {
      use(tensor, next++);
    }
  };
  llvm::for_each(entry.getArguments(), makeCopies);
  for (Operation &op : entry.front()) {
    if (auto dispatch = dyn_cast<rt::DispatchOp>(op)) {
      steps[dispatch] = next++;
    }
    if (isa<rt::DispatchOp, tensor::ExtractOp>(op)) {
      // The host reads after the step before, which has ended by then.
      for (Value operand : op.getOperands()) {
        if (isa<TensorType>(operand.getType())) {
          use(operand, std::max(next - 1, 0));
        }
      }
    }
    for (Value result : op.getResults()) {
      if (isa<rt::DispatchOp>(op)) {
        use(result, next - 1);
      }
      makeCopies(result);
    }
  }
}

bool MemoryAssignment::canTakeOver(rt::DispatchOp dispatch, unsigned result,
                                   ArrayRef<unsigned> taken) {
  int64_t tie = dispatch.getTie(result);
  if (tie < 0) {
    return false;
  }
  Value input = dispatch.getInputs()[tie],
        output = dispatch.getOutputs()[result];
  Memory memory = getMemory(input);
  if (memory.kind != MemoryKind::Buffer ||
      buffers[memory.index].last > steps[dispatch] ||
      llvm::is_contained(taken, memory.index)) {
    return false;
  }
  // The promise of a tie holds for that operand alone.
  for (auto [i, other] : llvm::enumerate(dispatch.getInputs())) {
    Memory place = getMemory(other);
    if (static_cast<int64_t>(i) != tie && place.kind == memory.kind &&
        place.index == memory.index) {
      return false;
    }
  }
  auto from = cast<RankedTensorType>(input.getType()),
       to = cast<RankedTensorType>(output.getType());
  return from.getElementTypeBitWidth() == to.getElementTypeBitWidth() &&
         shapes.sizesOf(input) == shapes.sizesOf(output);
}

void MemoryAssignment::placeBuffers() {
  for (auto dispatch : entry.getOps<rt::DispatchOp>()) {
    SmallVector<unsigned> taken;
    for (auto [i, output] : llvm::enumerate(dispatch.getOutputs())) {
      if (memories.contains(output)) {
        continue;
      }
      int last = lastUse.lookup(output);
      if (canTakeOver(dispatch, i, taken)) {
        Memory memory = getMemory(dispatch.getInputs()[dispatch.getTie(i)]);
        taken.push_back(memory.index);
        tied.insert(output);
        buffers[memory.index].last = std::max(last, buffers[memory.index].last);
        memories[output] = memory;
        continue;
      }
      nn::Sizes sizes = shapes.sizesOf(output);
      bool late = shapes.isLate(sizes);
      memories[output] = {MemoryKind::Buffer,
                          static_cast<unsigned>(buffers.size())};
      buffers.push_back({cast<RankedTensorType>(output.getType()),
                         std::move(sizes), steps[dispatch], last, late});
    }
  }
}

/// Late memory is kept from run to run, so values that are never live together
/// share it.
void MemoryAssignment::shareLateBuffers() {
  SmallVector<unsigned> renamed(buffers.size());
  SmallVector<Buffer> kept;
  for (auto [i, buffer] : llvm::enumerate(buffers)) {
    auto *place = kept.end();
    if (buffer.late) {
      place = llvm::find_if(kept, [&](const Buffer &other) {
        return other.late && other.last < buffer.first;
      });
    }
    renamed[i] = place - kept.begin();
    if (place == kept.end()) {
      kept.push_back(buffer);
    } else {
      place->last = buffer.last;
    }
  }
  buffers = std::move(kept);
  for (auto &[value, memory] : memories) {
    if (memory.kind == MemoryKind::Buffer) {
      memory.index = renamed[memory.index];
    }
  }
}

LogicalResult MemoryAssignment::assign() {
  if (failed(checkOps())) {
    return failure();
  }
  placeOutputs();
  countSteps();
  placeBuffers();
  shareLateBuffers();
  return success();
}

} // namespace dlc
