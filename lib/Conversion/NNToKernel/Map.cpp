// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels whose result is an index function of the inputs: elementwise ops,
// casts, views and gathers, fused. One loop nest over the result; LLVM
// vectorises the innermost loop.
#include "Conversion/NNToKernel/KernelFamily.h"
#include "Conversion/NNToKernel/LoopSpace.h"

using namespace mlir;

namespace dlc {

namespace {

class MapFamily final : public KernelFamily {
public:
  Launch getLaunch(DispatchContext &context) const override {
    LoopSpace space(context, context.getYielded(0));
    double cost =
        0.1 *
        std::max<size_t>(
            3, context.getDispatch().getBody().front().getOperations().size());
    OpFoldResult elements = nn::productOf(context.b, context.b.getLoc(),
                                          context.sizes(context.getYielded(0)));
    return {space.getItems(), estimateWork(context, elements, cost),
            context.math.constant(0)};
  }

  LogicalResult emit(KernelBuilder &kb) const override {
    LoopSpace space(kb, kb.getYielded(0));
    Value result = kb.viewResult(0);
    space.emitLoops(kb, [&](ValueRange indices) {
      KernelBuilder::MemoScope scope(kb);
      Value element = kb.load(kb.getYielded(0), indices);
      memref::StoreOp::create(kb.b, element, result, indices);
    });
    return success();
  }
};

} // namespace

const KernelFamily *getMapFamily() {
  static const MapFamily family;
  return &family;
}

} // namespace dlc
