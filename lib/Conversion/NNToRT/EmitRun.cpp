// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The program's run function, in the order of the entry function.
#include "EmitProgram.h"

#include "Dialect/NN/ParamTransforms.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace dlc {

/// Params start at cache lines, so that kernels may load them aligned.
static constexpr int64_t kParamAlignment = 64;

Value RunEmitter::paramAddress(Location loc, Value tensor) {
  StringAttr name;
  if (auto ref = tensor.getDefiningOp<nn::ParamRefOp>()) {
    name = ref.getParamAttr().getAttr();
  } else {
    Attribute elements = tensor.getDefiningOp<arith::ConstantOp>().getValue();
    nn::ParamOp &param = constants[elements];
    if (!param) {
      OpBuilder b(program);
      param = nn::ParamOp::create(
          b, tensor.getLoc(), b.getStringAttr("constant"),
          TypeAttr::get(tensor.getType()), elements,
          TypeAttr::get(tensor.getType()), b.getArrayAttr({}));
      param->remove();
      symbols.insert(param, Block::iterator(program));
    }
    name = param.getSymNameAttr();
  }
  auto [it, isNew] = paramOffsets.try_emplace(name, 0);
  if (isNew) {
    it->second = llvm::alignTo(weightsBytes, kParamAlignment);
    weightsBytes = it->second +
                   nn::denseByteSize(cast<RankedTensorType>(tensor.getType()));
  }
  return rt::ParamAddressOp::create(code.b, loc, name,
                                    static_cast<uint64_t>(it->second));
}

Value RunEmitter::addressOf(Location loc, Value tensor) {
  Memory place = memory.getMemory(tensor);
  switch (place.kind) {
  case MemoryKind::Input:
    return rt::InputAddressOp::create(code.b, loc, place.index);
  case MemoryKind::Output:
    if (Value late = lateOutputs.lookup(place.index)) {
      return late;
    }
    return rt::OutputAddressOp::create(code.b, loc, place.index);
  case MemoryKind::Buffer:
    if (Value late = lateBuffers.lookup(place.index)) {
      return late;
    }
    return rt::ArenaAddressOp::create(code.b, loc, place.index);
  case MemoryKind::Param:
    return paramAddress(loc, memory.rootOf(tensor));
  }
  llvm_unreachable("all kinds of memory are handled");
}

void RunEmitter::setLateDims(unsigned output) {
  Value value = entry.front().getTerminator()->getOperand(output);
  for (auto [dim, size] : llvm::enumerate(shapes.sizesOf(value))) {
    auto late = dyn_cast<Value>(size);
    if (late && shapes.isLate(late)) {
      rt::SetOutputDimOp::create(code.b, value.getLoc(), output, dim,
                                 code.get(late));
    }
  }
}

/// The address of a new result, with memory for it where it is late.
Value RunEmitter::allocate(Location loc, Value result) {
  Memory place = memory.getMemory(result);
  auto type = cast<RankedTensorType>(result.getType());
  if (place.kind == MemoryKind::Output && memory.isLateOutput(place.index)) {
    setLateDims(place.index);
    lateOutputs[place.index] = rt::LateOutputAddressOp::create(
        code.b, loc, place.index,
        code.bytesOf(loc, type, shapes.sizesOf(result)));
  }
  bool late =
      place.kind == MemoryKind::Buffer && memory.getBuffers()[place.index].late;
  if (late && !memory.takesOver(result)) {
    lateBuffers[place.index] = rt::LateAddressOp::create(
        code.b, loc, place.index,
        code.bytesOf(loc, type, shapes.sizesOf(result)));
  }
  return addressOf(loc, result);
}

void RunEmitter::emitDispatch(rt::DispatchOp dispatch) {
  Location loc = dispatch.getLoc();
  SmallVector<Value> sizes = code.get(dispatch.getSizes());
  Value items = code.get(dispatch.getItems());
  Value work = code.get(dispatch.getWork());
  Value scratch =
      dispatch.getScratch() ? code.get(dispatch.getScratch()) : Value();
  SmallVector<Value> buffers;
  for (Value input : dispatch.getInputs()) {
    buffers.push_back(addressOf(loc, input));
  }
  for (Value output : dispatch.getOutputs()) {
    buffers.push_back(allocate(loc, output));
  }
  rt::LaunchOp::create(code.b, loc, dispatch.getKernelAttr(), buffers, sizes,
                       items, work, scratch, code.get(dispatch.getMapSizes()),
                       dispatch.getFlopsAttr(), dispatch.getBytesAttr(),
                       dispatch.getThreadsAttr(), dispatch.getSharedBytesAttr(),
                       dispatch.getClusterAttr(), dispatch.getMapsAttr());
}

void RunEmitter::emitExtract(tensor::ExtractOp extract) {
  Location loc = extract.getLoc();
  OpFoldResult place = code.b.getIndexAttr(0);
  for (auto [index, size] : llvm::zip_equal(
           extract.getIndices(), shapes.sizesOf(extract.getTensor()))) {
    auto value = dyn_cast<Value>(size);
    place = nn::mulSizes(code.b, loc, place,
                         value ? getAsOpFoldResult(code.get(value)) : size);
    place =
        nn::addSizes(code.b, loc, place, getAsOpFoldResult(code.get(index)));
  }
  Value address = addressOf(loc, extract.getTensor());
  Value element =
      rt::LoadOp::create(code.b, loc, extract.getType(), address,
                         getValueOrCreateConstantIndexOp(code.b, loc, place));
  code.values.map(extract.getResult(), element);
}

void RunEmitter::emitCopies(Value tensor) {
  Location loc = tensor.getLoc();
  for (unsigned output : memory.getCopies(tensor)) {
    Value bytes = code.bytesOf(loc, cast<RankedTensorType>(tensor.getType()),
                               shapes.sizesOf(tensor));
    Value target;
    if (memory.isLateOutput(output)) {
      setLateDims(output);
      target = rt::LateOutputAddressOp::create(code.b, loc, output, bytes);
    } else {
      target = rt::OutputAddressOp::create(code.b, loc, output);
    }
    rt::CopyOp::create(code.b, loc, addressOf(loc, tensor), target, bytes);
  }
}

void RunEmitter::emit() {
  for (BlockArgument input : entry.getArguments()) {
    emitCopies(input);
  }
  for (Operation &op : entry.front()) {
    if (auto dispatch = dyn_cast<rt::DispatchOp>(op)) {
      emitDispatch(dispatch);
    } else if (auto extract = dyn_cast<tensor::ExtractOp>(op)) {
      emitExtract(extract);
    } else if (auto check = dyn_cast<nn::CheckOp>(op)) {
      if (llvm::any_of(check->getOperands(),
                       [&](Value v) { return shapes.isLate(v); })) {
        code.check(check);
      }
    }
    for (Value result : op.getResults()) {
      emitCopies(result);
    }
  }
  program.setWeightsBytes(llvm::alignTo(weightsBytes, kParamAlignment));
}

} // namespace dlc
