// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels and pipelines: syntax and rules.
#include "Dialect/Tile/TileDialect.h"

#include "mlir/Interfaces/FunctionImplementation.h"

using namespace mlir;
using namespace dlc::tile;

ParseResult KernelOp::parse(OpAsmParser &parser, OperationState &result) {
  auto makeType = [](Builder &b, ArrayRef<Type> arguments,
                     ArrayRef<Type> results,
                     function_interface_impl::VariadicFlag, std::string &) {
    return b.getFunctionType(arguments, results);
  };
  return function_interface_impl::parseFunctionOp(
      parser, result, /*allowVariadic=*/false,
      getFunctionTypeAttrName(result.name), makeType,
      getArgAttrsAttrName(result.name), getResAttrsAttrName(result.name));
}

void KernelOp::print(OpAsmPrinter &printer) {
  function_interface_impl::printFunctionOp(
      printer, *this, /*isVariadic=*/false, getFunctionTypeAttrName(),
      getArgAttrsAttrName(), getResAttrsAttrName());
}

LogicalResult KernelOp::verify() {
  ArrayRef<int64_t> warps = getWarps();
  if (warps.size() != 2 || warps[0] < 1 || warps[1] < 1 ||
      warps[0] * warps[1] > 32) {
    return emitOpError("expected two positive 'warps' with a product of at "
                       "most 32, got ")
           << warps;
  }
  if (!getResultTypes().empty()) {
    return emitOpError("expected no results, got ") << getResultTypes().size();
  }
  if (!llvm::hasSingleElement(getBody())) {
    return emitOpError("expected one block, got ")
           << getBody().getBlocks().size();
  }
  return success();
}

OperandRange PipelineOp::getChannelRings(unsigned channel) {
  ArrayRef<int64_t> channels = getChannels();
  int64_t first = 0;
  for (unsigned c = 0; c != channel; ++c) {
    first += channels[c];
  }
  return getRings().slice(first, channels[channel]);
}

LogicalResult PipelineOp::verify() {
  int64_t count = 0;
  for (int64_t channel : getChannels()) {
    if (channel < 1) {
      return emitOpError("expected positive 'channels', got ") << getChannels();
    }
    count += channel;
  }
  if (getRings().empty() || count != static_cast<int64_t>(getRings().size())) {
    return emitOpError("expected 'channels' of ")
           << getRings().size() << " rings, got " << count;
  }
  for (Value ring : getRings()) {
    int64_t stages = cast<RingType>(ring.getType()).getStages();
    if (stages < 2 || stages != getStages()) {
      return emitOpError("expected rings of one number of stages, at least 2, "
                         "got ")
             << getStages() << " and " << stages;
    }
  }
  if (getFills().size() != getChannels().size()) {
    return emitOpError("expected ")
           << getChannels().size() << " 'fill' regions, got "
           << getFills().size();
  }
  if (TypeRange(getInits()) != TypeRange(getResults())) {
    return emitOpError("expected results of the types of 'init'");
  }
  return success();
}

/// Checks the types of a region's arguments.
static LogicalResult checkArguments(PipelineOp op, Region &region,
                                    ArrayRef<Type> expected, StringRef name) {
  if (TypeRange(region.getArgumentTypes()) == TypeRange(expected)) {
    return success();
  }
  return op.emitOpError("expected arguments ")
         << expected << " of '" << name << "', got "
         << SmallVector<Type>(region.getArgumentTypes());
}

/// Each token is awaited once, in order, and released after it.
static LogicalResult checkTokens(PipelineOp op) {
  unsigned awaited = 0;
  SmallVector<unsigned> released(op.getNumChannels());
  for (Operation &inner : op.getConsume().front()) {
    auto await = dyn_cast<AwaitOp>(inner);
    auto release = dyn_cast<ReleaseOp>(inner);
    if (!await && !release) {
      continue;
    }
    auto token = dyn_cast<BlockArgument>(inner.getOperand(0));
    if (!token || token.getOwner() != &op.getConsume().front()) {
      return inner.emitOpError("expected a token of the enclosing pipeline");
    }
    unsigned channel = token.getArgNumber() - 1;
    if (await && channel != awaited++) {
      return await.emitOpError("expected to await channel ")
             << awaited - 1 << ", got channel " << channel;
    }
    if (release && (channel >= awaited || released[channel]++)) {
      return release.emitOpError(
          "expected a token that is awaited and not yet released");
    }
  }
  for (unsigned channel = 0; channel != op.getNumChannels(); ++channel) {
    if (!released[channel]) {
      return op.emitOpError("expected 'consume' to await and release channel ")
             << channel;
    }
  }
  return success();
}

bool PipelineOp::isBulk() {
  return llvm::any_of(getFills(), [](Region &fill) {
    return llvm::any_of(fill.getOps<CopyOp>(),
                        [](CopyOp copy) { return copy.isBulk(); });
  });
}

/// One thread starts all copies, or all threads do.
static LogicalResult checkCopies(PipelineOp op) {
  bool isBulk = op.isBulk();
  for (Region &fill : op.getFills()) {
    for (CopyOp copy : fill.getOps<CopyOp>()) {
      if (copy.isBulk() != isBulk) {
        return copy.emitOpError("expected sources of 'tile.mapped_view' in all "
                                "copies of a pipeline, or in none");
      }
    }
  }
  return success();
}

LogicalResult PipelineOp::verifyRegions() {
  Type i32 = IntegerType::get(getContext(), 32);
  for (unsigned channel = 0; channel != getNumChannels(); ++channel) {
    SmallVector<Type> expected{i32};
    for (Value ring : getChannelRings(channel)) {
      expected.push_back(cast<RingType>(ring.getType()).getTile());
    }
    if (failed(checkArguments(*this, getFills()[channel], expected, "fill"))) {
      return failure();
    }
  }
  SmallVector<Type> expected{i32};
  expected.append(getNumChannels(), TokenType::get(getContext()));
  llvm::append_range(expected, getInits().getTypes());
  if (failed(checkArguments(*this, getConsume(), expected, "consume"))) {
    return failure();
  }
  Operation *yield = getConsume().front().getTerminator();
  if (TypeRange(yield->getOperandTypes()) != TypeRange(getInits())) {
    return emitOpError("expected 'consume' to yield the carried values");
  }
  return success(succeeded(checkCopies(*this)) &&
                 succeeded(checkTokens(*this)));
}

LogicalResult AwaitOp::verify() {
  auto pipeline = (*this)->getParentOfType<PipelineOp>();
  auto token = dyn_cast<BlockArgument>(getToken());
  if (!pipeline || !token || token.getOwner()->getParentOp() != pipeline) {
    return emitOpError("expected a token of the enclosing pipeline");
  }
  unsigned channel = token.getArgNumber() - 1;
  SmallVector<Type> expected;
  for (Value ring : pipeline.getChannelRings(channel)) {
    expected.push_back(cast<RingType>(ring.getType()).getTile());
  }
  if (TypeRange(getSlots().getTypes()) != TypeRange(expected)) {
    return emitOpError("expected slots ")
           << expected << ", got " << SmallVector<Type>(getSlots().getTypes());
  }
  return success();
}
