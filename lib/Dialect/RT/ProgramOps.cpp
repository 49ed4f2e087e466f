// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// program, its records, and its code.
#include "TensorMap.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace dlc::rt;

template <typename OpT> static OpT firstOf(Region &region) {
  auto ops = region.getOps<OpT>();
  return ops.empty() ? OpT() : *ops.begin();
}

SizeOp ProgramOp::getSize() { return firstOf<SizeOp>(getBody()); }
RunOp ProgramOp::getRun() { return firstOf<RunOp>(getBody()); }

SmallVector<CheckOp> ProgramOp::getChecks() {
  SmallVector<CheckOp> checks;
  if (SizeOp size = getSize()) {
    llvm::append_range(checks, size.getBody().getOps<CheckOp>());
  }
  if (RunOp run = getRun()) {
    llvm::append_range(checks, run.getBody().getOps<CheckOp>());
  }
  return checks;
}

static LogicalResult verifyIndex(Operation *op, StringRef what, int64_t index,
                                 size_t count) { // c2
  if (index < 0 || static_cast<size_t>(index) >= count) {
    return op->emitOpError()
           << "expected one of " << count << " " << what << ", got " << index;
  }
  return success();
}

static LogicalResult verifyDim(Operation *op, RankedTensorType type,
                               int64_t dim) { // c2
  if (dim < 0 || dim >= type.getRank()) {
    return op->emitOpError() << "expected a dim of " << type << ", got " << dim;
  }
  return success();
}

static LogicalResult verifyCode(Operation *op, MutableArrayRef<InputOp> inputs,
                                MutableArrayRef<OutputOp> outputs,
                                size_t buffers) {
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](InputDimOp o) {
        if (failed(verifyIndex(o, "inputs", o.getInput(), inputs.size()))) {
          return failure();
        }
        return verifyDim(o, inputs[o.getInput()].getTensorType(), o.getDim());
      })
      .Case([&](SetOutputDimOp o) {
        if (failed(verifyIndex(o, "outputs", o.getOutput(), outputs.size()))) {
          return failure();
        }
        return verifyDim(o, outputs[o.getOutput()].getTensorType(), o.getDim());
      })
      .Case([&](InputAddressOp o) {
        return verifyIndex(o, "inputs", o.getIndex(), inputs.size());
      })
      .Case<OutputAddressOp, LateOutputAddressOp>([&](auto o) {
        return verifyIndex(o, "outputs", o.getIndex(), outputs.size());
      })
      .Case<ArenaAddressOp, LateAddressOp>([&](auto o) {
        return verifyIndex(o, "buffers", o.getIndex(), buffers);
      })
      .Case([&](SetBufferBytesOp o) {
        return verifyIndex(o, "buffers", o.getBuffer(), buffers);
      })
      .Default([](Operation *) { return success(); });
}

static LogicalResult verifyFunctions(ProgramOp program) { // c1, c4
  if (llvm::range_size(program.getBody().getOps<RunOp>()) != 1) {
    return program.emitOpError() << "expected one 'rt.run'";
  }
  size_t sizes = llvm::range_size(program.getBody().getOps<SizeOp>());
  if (sizes > 1) {
    return program.emitOpError()
           << "expected at most one 'rt.size', got " << sizes;
  }
  if (sizes == 1) {
    return success();
  }
  for (OutputOp output : program.getBody().getOps<OutputOp>()) {
    if (!output.getTensorType().hasStaticShape()) {
      return output.emitOpError()
             << "expected an 'rt.size' for the dynamic dims";
    }
  }
  for (BufferOp buffer : program.getBody().getOps<BufferOp>()) {
    if (buffer.getAtSizing()) {
      return buffer.emitOpError() << "expected an 'rt.size' for its bytes";
    }
  }
  return success();
}

static LogicalResult verifyPlan(ProgramOp program) { // c3
  bool planned = program.getArenaBytes().has_value();
  for (BufferOp buffer : program.getBody().getOps<BufferOp>()) {
    if (planned && buffer.getAtSizing()) {
      return buffer.emitOpError() << "expected known bytes under a plan";
    }
    if (!buffer.getLate() && buffer.getOffset().has_value() != planned) {
      return buffer.emitOpError()
             << (planned ? "expected an offset under a plan"
                         : "expected no offset without a plan");
    }
  }
  return success();
}

static LogicalResult verifySymbols(ProgramOp program) { // c5
  llvm::StringSet<> symbols;
  for (SymbolOp symbol : program.getBody().getOps<SymbolOp>()) {
    symbols.insert(symbol.getName());
  }
  auto verifyDims = [&](Operation *op, ArrayAttr dims) -> LogicalResult {
    for (StringRef name : dims.getAsValueRange<StringAttr>()) {
      if (!name.empty() && !symbols.contains(name)) {
        return op->emitOpError() << "expected a symbol named '" << name << "'";
      }
    }
    return success();
  };
  for (Operation &op : program.getBody().front()) {
    if (auto input = dyn_cast<InputOp>(op);
        input && failed(verifyDims(input, input.getDims()))) {
      return failure();
    }
    if (auto output = dyn_cast<OutputOp>(op);
        output && failed(verifyDims(output, output.getDims()))) {
      return failure();
    }
  }
  return success();
}

LogicalResult ProgramOp::verifyRegions() {
  if (failed(verifyFunctions(*this)) || failed(verifyPlan(*this)) ||
      failed(verifySymbols(*this))) {
    return failure();
  }
  SmallVector<InputOp> inputs = getRecords<InputOp>();
  SmallVector<OutputOp> outputs = getRecords<OutputOp>();
  size_t buffers = llvm::range_size(getBody().getOps<BufferOp>());
  WalkResult result = walk([&](Operation *op) {
    return failed(verifyCode(op, inputs, outputs, buffers))
               ? WalkResult::interrupt()
               : WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

LogicalResult SymbolOp::verify() {
  int64_t min = getMin(), max = getMax();
  if (min < 0 || (max != -1 && max < min)) {
    return emitOpError() << "expected 0 <= min <= max, got " << min << " and "
                         << max;
  }
  return success();
}

static LogicalResult verifyDimCount(Operation *op, RankedTensorType type,
                                    ArrayAttr dims) { // c1
  if (dims.size() != static_cast<size_t>(type.getNumDynamicDims())) {
    return op->emitOpError() << "expected " << type.getNumDynamicDims()
                             << " dims, got " << dims.size();
  }
  return success();
}

LogicalResult InputOp::verify() {
  return verifyDimCount(*this, getTensorType(), getDims());
}
LogicalResult OutputOp::verify() {
  return verifyDimCount(*this, getTensorType(), getDims());
}

LogicalResult BufferOp::verify() {
  if (getBytes().has_value() + getAtSizing() + getLate() != 1) { // c1
    return emitOpError() << "expected one of 'bytes', 'at_sizing' and 'late'";
  }
  int64_t first = getFirst(), last = getLast();
  if (first < 0 || last < first) { // c2
    return emitOpError() << "expected steps 0 <= first <= last, got " << first
                         << " and " << last;
  }
  if (getLate() && getOffset()) { // c3
    return emitOpError() << "expected no offset of a late buffer";
  }
  return success();
}

LogicalResult LaunchOp::verify() { // c1, c2
  return verifyTensorMaps(*this, getMapsAttr(), getBuffers().size(),
                          getMapSizes().size());
}

LogicalResult CheckOp::verify() {
  if (getStatus() == 0) { // c1
    return emitOpError() << "expected a 'status' other than 0";
  }
  return success();
}
