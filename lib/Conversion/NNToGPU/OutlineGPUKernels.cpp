// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Dispatches become launches of GPU kernels.
#include "Analysis/DispatchCost.h"
#include "Conversion/NNToGPU/GPUKernelFamily.h"
#include "Conversion/NNToGPU/Passes.h"
#include "Conversion/NNToGPU/TileKernelFamily.h"
#include "Conversion/NNToKernel/KernelFamily.h"
#include "Conversion/NNToKernel/KernelFunction.h"

#include "llvm/ADT/StringMap.h"

using namespace mlir;

namespace dlc {
#define GEN_PASS_DEF_OUTLINEGPUKERNELSPASS
#include "Conversion/NNToGPU/Passes.h.inc"

namespace {

class GPUKernelOutliner {
public:
  GPUKernelOutliner(ModuleOp module, const tile::BlockLimits &limits)
      : module(module), limits(limits) {}

  LogicalResult run();
  unsigned numKernels = 0;

private:
  FailureOr<FunctionOpInterface> getKernel(nn::DispatchOp dispatch,
                                           const GPULaunch &launch);
  FailureOr<FunctionOpInterface> emitKernel(nn::DispatchOp dispatch,
                                            const GPULaunch &launch);
  FailureOr<FunctionOpInterface> emitTileKernel(nn::DispatchOp dispatch,
                                                const TileKernelFamily &family);
  FailureOr<FunctionOpInterface> getSumKernel(nn::DispatchOp dispatch,
                                              int64_t parts);
  void finishTileKernel(FunctionOpInterface function,
                        const TileKernelBuilder &builder);
  func::FuncOp createFunction(nn::DispatchOp dispatch, const GPULaunch &launch);
  LogicalResult replace(nn::DispatchOp dispatch);
  FailureOr<ValueRange> launchParts(DispatchContext &context,
                                    FunctionOpInterface kernel,
                                    const GPULaunch &launch);

  ModuleOp module, kernels;
  const tile::BlockLimits &limits;
  llvm::StringMap<FunctionOpInterface> byKey;
};

bool hasScratch(const GPULaunch &launch) {
  return !kernel::IndexMath::isKnown(launch.scratchBytes, 0);
}

/// Whether no tensor of the dispatch has so many elements that an offset needs
/// more than 32 bits, with room for tiles that reach past the end.
bool hasSmallTensors(nn::DispatchOp dispatch) {
  constexpr int64_t kLimit = int64_t(1) << 30;
  auto isSmall = [](Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return !tensor ||
           (tensor.hasStaticShape() && tensor.getNumElements() < kLimit);
  };
  return dispatch.getSizes().empty() &&
         dispatch.getBody()
                 .walk([&](Operation *op) {
                   return llvm::all_of(op->getOperandTypes(), isSmall) &&
                                  llvm::all_of(op->getResultTypes(), isSmall)
                              ? WalkResult::advance()
                              : WalkResult::interrupt();
                 })
                 .wasInterrupted() == false;
}

/// The kernel's declaration: buffers, sizes, scratch.
func::FuncOp GPUKernelOutliner::createFunction(nn::DispatchOp dispatch,
                                               const GPULaunch &launch) {
  Builder b(module.getContext());
  SmallVector<Type> parameters(dispatch.getSizes().size(), b.getI64Type());
  if (hasScratch(launch)) {
    parameters.push_back(MemRefType::get({}, b.getI8Type()));
  }
  func::FuncOp function =
      createKernelFunction(kernels, dispatch, parameters, numKernels++);
  function->setAttr(rt::kThreadsAttrName, b.getI64IntegerAttr(launch.threads));
  if (launch.clusterBlocks > 1) {
    function->setAttr(rt::kClusterBlocksAttrName,
                      b.getI64IntegerAttr(launch.clusterBlocks));
  }
  if (launch.residentBlocks) {
    function->setAttr(rt::kResidentBlocksAttrName,
                      b.getI64IntegerAttr(launch.residentBlocks));
  }
  unsigned buffers = dispatch.getInputs().size() + dispatch.getOutputs().size();
  for (unsigned i = 0; i < buffers; ++i) {
    function.setArgAttr(i, LLVM::LLVMDialect::getAlignAttrName(),
                        b.getI64IntegerAttr(16));
  }
  return function;
}

FailureOr<FunctionOpInterface>
GPUKernelOutliner::emitKernel(nn::DispatchOp dispatch,
                              const GPULaunch &launch) {
  func::FuncOp function = createFunction(dispatch, launch);
  const GPUKernelFamily *family = findGPUKernelFamily(dispatch);
  GPUKernelBuilder builder(dispatch, function, launch.threads,
                           launch.clusterBlocks, hasScratch(launch));
  if (failed(family->emit(builder))) {
    return failure();
  }
  int64_t own = builder.getSharedBytes(), all = own + launch.dynamicBytes;
  if (own > kSharedBytes || all > std::max(kSharedBytes, limits.sharedBytes)) {
    return dispatch.emitError("kernel '")
           << function.getName() << "' has " << all << " bytes of shared "
           << "memory, " << own << " of its own, expected at most "
           << std::max(kSharedBytes, limits.sharedBytes) << " and "
           << kSharedBytes;
  }
  func::ReturnOp::create(builder.b);
  bool small = family->hasElementIndices(dispatch) && hasSmallTensors(dispatch);
  function->setAttr(rt::kIndexBitsAttrName,
                    builder.b.getI32IntegerAttr(small ? 32 : 64));
  return FunctionOpInterface(function);
}

FailureOr<FunctionOpInterface>
GPUKernelOutliner::emitTileKernel(nn::DispatchOp dispatch,
                                  const TileKernelFamily &family) {
  auto b =
      ImplicitLocOpBuilder::atBlockEnd(dispatch.getLoc(), kernels.getBody());
  std::string name =
      getKernelName(dispatch, static_cast<unsigned>(numKernels++));
  unsigned indexBits = hasSmallTensors(dispatch) ? 32 : 64;
  TileKernelBuilder builder(b, dispatch, name, indexBits, limits);
  FailureOr<tile::KernelOp> kernel = family.build(builder);
  if (failed(kernel)) {
    return failure();
  }
  auto function = cast<FunctionOpInterface>(kernel->getOperation());
  finishTileKernel(function, builder);
  return function;
}

void GPUKernelOutliner::finishTileKernel(FunctionOpInterface function,
                                         const TileKernelBuilder &builder) {
  Builder b(module.getContext());
  for (unsigned i = 0; i < builder.signature.buffers; ++i) {
    function.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(),
                        b.getUnitAttr());
    function.setArgAttr(i, LLVM::LLVMDialect::getAlignAttrName(),
                        b.getI64IntegerAttr(tile::kChunkBytes));
  }
  function->setAttr(rt::kIndexBitsAttrName,
                    b.getI32IntegerAttr(builder.getIndexBits()));
}

FailureOr<FunctionOpInterface>
GPUKernelOutliner::getSumKernel(nn::DispatchOp dispatch, int64_t parts) {
  FunctionOpInterface &known =
      byKey[getKernelKey(dispatch) + ("\nsum of " + Twine(parts)).str()];
  if (!known) {
    auto b =
        ImplicitLocOpBuilder::atBlockEnd(dispatch.getLoc(), kernels.getBody());
    std::string name = getKernelName(dispatch, numKernels++) + "_sum";
    TileKernelBuilder builder(b, dispatch, name,
                              hasSmallTensors(dispatch) ? 32 : 64, limits,
                              /*readsPartialSums=*/true);
    known = cast<FunctionOpInterface>(
        buildPartialSumKernel(builder, parts).getOperation());
    finishTileKernel(known, builder);
  }
  return known;
}

FailureOr<FunctionOpInterface>
GPUKernelOutliner::getKernel(nn::DispatchOp dispatch, const GPULaunch &launch) {
  FunctionOpInterface &known = byKey[getKernelKey(dispatch)];
  if (known) {
    return known;
  }
  const TileKernelFamily *family = getScheduledTileFamily(dispatch);
  FailureOr<FunctionOpInterface> made =
      family ? emitTileKernel(dispatch, *family) : emitKernel(dispatch, launch);
  if (succeeded(made)) {
    known = *made;
  }
  return made;
}

/// What the host program says of a launch.
struct LaunchSite {
  StringRef kernel;
  const GPULaunch &launch;
  TypeRange outputs;
  ValueRange inputs, resultSizes;
  DispatchCost cost;
};

/// A launch's tensor maps, and the values that they take.
struct LaunchMaps {
  SmallVector<Attribute> maps;
  SmallVector<Value> sizes;
};

LaunchMaps createMaps(DispatchContext &context, const GPULaunch &launch) {
  LaunchMaps made;
  auto split = [&](ArrayRef<OpFoldResult> values, int64_t least) {
    return llvm::map_to_vector(values, [&](OpFoldResult value) {
      std::optional<int64_t> known = kernel::IndexMath::known(value);
      if (!known) {
        made.sizes.push_back(context.math.value(value));
      }
      return known ? std::max(*known, least) : ShapedType::kDynamic;
    });
  };
  for (const GPUTensorMap &map : launch.maps) {
    SmallVector<int64_t> sizes = split(map.sizes, 0);
    // A dim of one element may have no stride of its own.
    SmallVector<int64_t> strides = split(map.strides, tile::kChunkBytes);
    SmallVector<int64_t> box(sizes.size(), 1);
    box[0] = map.box.columns;
    box[1] = map.box.rows;
    made.maps.push_back(rt::TensorMapAttr::get(
        context.b.getContext(), map.buffer, map.elementBytes,
        map.box.swizzleBytes, sizes, strides, box));
  }
  return made;
}

ValueRange emitLaunch(DispatchContext &context, const LaunchSite &site) {
  const GPULaunch &launch = site.launch;
  auto toAttr = [&](int64_t value, int64_t none) {
    return value == none ? IntegerAttr() : context.b.getI64IntegerAttr(value);
  };
  Value scratch =
      hasScratch(launch) ? context.math.value(launch.scratchBytes) : Value();
  LaunchMaps maps = createMaps(context, launch);
  ArrayAttr mapsAttr =
      maps.maps.empty() ? ArrayAttr() : context.b.getArrayAttr(maps.maps);
  return rt::DispatchOp::create(
             context.b, site.outputs, site.kernel, site.inputs,
             context.getDispatch().getSizes(), site.resultSizes,
             context.math.value(launch.blocks), context.math.value(0), scratch,
             maps.sizes, site.cost.flops, site.cost.bytes, DenseI64ArrayAttr(),
             context.b.getI64IntegerAttr(launch.threads),
             toAttr(launch.dynamicBytes, 0), toAttr(launch.clusterBlocks, 1),
             mapsAttr)
      .getOutputs();
}

/// Partial sums by `kernel`, then their sum by a kernel of its own.
FailureOr<ValueRange> GPUKernelOutliner::launchParts(DispatchContext &context,
                                                     FunctionOpInterface kernel,
                                                     const GPULaunch &launch) {
  nn::DispatchOp dispatch = context.getDispatch();
  FailureOr<FunctionOpInterface> sum = getSumKernel(dispatch, launch.parts);
  if (failed(sum)) {
    return failure();
  }
  OpFoldResult count = countPartialSums(context, launch.parts);
  std::optional<int64_t> known = kernel::IndexMath::known(count);
  Type partial = RankedTensorType::get({known.value_or(ShapedType::kDynamic)},
                                       getPartialSumType(dispatch));
  SmallVector<Value> sizes;
  if (!known) {
    sizes.push_back(context.math.value(count));
  }
  DispatchCost cost = estimateCost(dispatch), sumCost;
  if (known && cost.bytes != -1) {
    cost.bytes += 4 * *known;
    sumCost = {*known, 4 * *known};
  }
  SmallVector<Value> inputs(dispatch.getInputs());
  ValueRange parts = emitLaunch(
      context, {kernel.getName(), launch, partial, inputs, sizes, cost});
  inputs.push_back(parts.front());
  GPULaunch sumLaunch = getPartialSumLaunch(context);
  return emitLaunch(context, {sum->getName(), sumLaunch,
                              dispatch.getOutputs().getTypes(), inputs,
                              dispatch.getResultSizes(), sumCost});
}

LogicalResult GPUKernelOutliner::replace(nn::DispatchOp dispatch) {
  if (failed(checkGPUDispatch(dispatch))) {
    return failure();
  }
  DispatchContext context(dispatch, OpBuilder(dispatch), dispatch.getSizes(),
                          kGPUVectorTarget);
  const TileKernelFamily *family = getScheduledTileFamily(dispatch);
  GPULaunch launch = family ? family->getLaunch(context)
                            : findGPUKernelFamily(dispatch)->getLaunch(context);
  FailureOr<FunctionOpInterface> kernel = getKernel(dispatch, launch);
  if (failed(kernel)) {
    return failure();
  }
  FailureOr<ValueRange> results =
      launch.parts > 1
          ? launchParts(context, *kernel, launch)
          : emitLaunch(context,
                       {kernel->getName(), launch,
                        dispatch.getOutputs().getTypes(), dispatch.getInputs(),
                        dispatch.getResultSizes(), estimateCost(dispatch)});
  if (failed(results)) {
    return failure();
  }
  dispatch.replaceAllUsesWith(*results);
  dispatch.erase();
  return success();
}

LogicalResult GPUKernelOutliner::run() {
  kernels = getKernelsModule(module);
  SmallVector<nn::DispatchOp> dispatches;
  module.walk([&](nn::DispatchOp dispatch) { dispatches.push_back(dispatch); });
  for (nn::DispatchOp dispatch : dispatches) {
    if (failed(replace(dispatch))) {
      return failure();
    }
  }
  return success();
}

struct OutlineGPUKernelsPass final
    : impl::OutlineGPUKernelsPassBase<OutlineGPUKernelsPass> {
  using OutlineGPUKernelsPassBase::OutlineGPUKernelsPassBase;

  void runOnOperation() override {
    tile::BlockLimits limits;
    limits.sharedBytes = sharedBytes;
    limits.bulkCopies = bulkCopies;
    GPUKernelOutliner outliner(getOperation(), limits);
    if (failed(outliner.run())) {
      return signalPassFailure();
    }
  }
};

} // namespace
} // namespace dlc
