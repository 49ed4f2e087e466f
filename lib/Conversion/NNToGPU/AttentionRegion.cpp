// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The score and mask regions of attention in a GPU kernel.
#include "Conversion/NNToGPU/AttentionRegion.h"

using namespace mlir;

namespace dlc {

Value emitAttentionRegion(KernelBuilder &kb, nn::AttentionOp op, Region &region,
                          Value score, ValueRange inputs, unsigned firstMap,
                          ArrayRef<Value> loops) {
  Block &block = region.front();
  IRMapping mapping;
  auto argument = block.args_begin();
  if (score) {
    mapping.map(*argument++, score);
  }
  for (unsigned loop = nn::kBatch; loop <= nn::kKey; ++loop) {
    mapping.map(*argument++, loops[loop]);
  }
  for (auto [i, input] : llvm::enumerate(inputs)) {
    auto type = cast<RankedTensorType>(input.getType());
    SmallVector<Value> at;
    for (auto [dim, expr] :
         llvm::enumerate(op.getMap(firstMap + i).getResults())) {
      // A dim of size 1 is repeated.
      bool repeats = type.getDimSize(dim) == 1;
      at.push_back(repeats ? kb.math.value(0)
                           : loops[cast<AffineDimExpr>(expr).getPosition()]);
    }
    mapping.map(*argument++, kb.load(input, at));
  }
  // What the region takes from around the op is the dispatch's.
  for (Operation &inner : block) {
    for (Value operand : inner.getOperands()) {
      if (!mapping.contains(operand) && operand.getParentBlock() != &block) {
        mapping.map(operand, kb.scalar(operand));
      }
    }
  }
  for (Operation &inner : block.without_terminator()) {
    kb.b.clone(inner, mapping);
  }
  return mapping.lookup(
      cast<nn::YieldOp>(block.getTerminator()).getValues()[0]);
}

} // namespace dlc
