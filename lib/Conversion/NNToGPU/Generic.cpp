// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Any dispatch, one thread per work item of the shared kernel code: right for
// every shape and type, and the kernel of what has no faster form.
#include "Conversion/NNToGPU/GPUKernelFamily.h"
#include "Conversion/NNToKernel/KernelFamily.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace dlc {

namespace {

constexpr int64_t kThreads = 128;
/// Of attention, whose tiles take more registers than a driver gives a kernel
/// by itself.
constexpr int64_t kAttentionBlocks = 2;

class GenericGPUFamily final : public GPUKernelFamily {
public:
  GPULaunch getLaunch(DispatchContext &context) const override {
    kernel::IndexMath &math = context.math;
    Launch launch = getItems(context);
    GPULaunch result;
    result.threads = kThreads;
    result.blocks = math.ceilDiv(launch.items, math.constant(kThreads));
    result.scratchBytes =
        math.mul(math.mul(result.blocks, kThreads), scratchPitch(math, launch));
    result.residentBlocks =
        isa<nn::AttentionOp>(context.getRoot()) ? kAttentionBlocks : 0;
    return result;
  }

  LogicalResult emit(GPUKernelBuilder &kb) const override {
    ImplicitLocOpBuilder &b = kb.b;
    kernel::IndexMath &math = kb.math;
    Launch launch = getItems(kb);
    Value item =
        math.value(math.add(math.mul(kb.getBlock(), kThreads), kb.getThread()));
    // Exactly one item, as LLVM sees by the flag.
    Value next = arith::AddIOp::create(b, item, math.value(1),
                                       arith::IntegerOverflowFlags::nsw);
    kb.setItems(item, next);
    if (kb.getScratch()) {
      Value offset = math.value(math.mul(item, scratchPitch(math, launch)));
      kb.setScratch(
          kernel::scratchView(b, kb.getScratch(), offset, b.getI8Type()));
    }
    LogicalResult done = success();
    kernel::emitIf(b, math.less(item, launch.items),
                   [&] { done = findKernelFamily(kb.getRoot())->emit(kb); });
    return done;
  }

  /// Kernels on flat views or with scratch count in bytes, or without bounds.
  bool hasElementIndices(nn::DispatchOp dispatch) const override {
    return isa<nn::ConvOp, nn::PoolOp, nn::ConcatOp, nn::ScanOp>(
        dispatch.getRootOp());
  }

private:
  static Launch getItems(DispatchContext &context) {
    return findKernelFamily(context.getRoot())->getLaunch(context);
  }
  static OpFoldResult scratchPitch(kernel::IndexMath &math,
                                   const Launch &launch) {
    return math.roundUp(launch.scratchBytes, 64);
  }
};

} // namespace

const GPUKernelFamily *getGenericGPUFamily() {
  static const GenericGPUFamily family;
  return &family;
}

} // namespace dlc
