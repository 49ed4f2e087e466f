// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which family computes which root, and what they share.
#include "Conversion/NNToKernel/KernelFamily.h"

using namespace mlir;

namespace dlc {

const KernelFamily *findKernelFamily(Operation *root) {
  return llvm::TypeSwitch<Operation *, const KernelFamily *>(root)
      .Case<nn::ReduceOp>([](auto) { return getReduceFamily(); })
      .Case<nn::SoftmaxOp>([](auto) { return getSoftmaxFamily(); })
      .Case<nn::NormOp>([](auto) { return getNormFamily(); })
      .Case<nn::PoolOp>([](auto) { return getPoolFamily(); })
      .Case<nn::ConcatOp>([](auto) { return getConcatFamily(); })
      .Case<nn::ContractOp>([](auto) { return getContractFamily(); })
      .Case<nn::ConvOp>([](auto) { return getConvFamily(); })
      .Case<nn::AttentionOp>([](auto) { return getAttentionFamily(); })
      .Default([](auto) { return getMapFamily(); });
}

OpFoldResult estimateWork(DispatchContext &context, OpFoldResult elements,
                          double nanosecondsPerElement) {
  auto perThousand = static_cast<int64_t>(nanosecondsPerElement * 1000);
  OpFoldResult picoseconds =
      context.math.mul(elements, std::max<int64_t>(1, perThousand));
  return context.math.div(picoseconds, context.math.constant(1000));
}

void emitEpilogueStore(KernelBuilder &kb, unsigned i, Value root, Value element,
                       ValueRange indices) {
  KernelBuilder::MemoScope scope(kb);
  kb.setElement(root, element);
  Value result = kb.load(kb.getYielded(i), indices);
  memref::StoreOp::create(kb.b, result, kb.viewResult(i), indices);
}

} // namespace dlc
