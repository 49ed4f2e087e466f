// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The builders of all operators, by family. Table.cpp names the operator and
// the version each is for.
#ifndef DLC_LIB_IMPORT_ONNX_BUILDERS_H
#define DLC_LIB_IMPORT_ONNX_BUILDERS_H

#include "Context.h"

namespace dlc::onnx {

// Elementwise.cpp
/// One function of the broadcast inputs.
template <Fn fn> LogicalResult buildFn(NodeContext &ctx) {
  return ctx.results(ctx.b.elementwise(fn, ctx.allInputs()));
}
/// A left-associated chain over any number of inputs.
template <Fn fn> LogicalResult buildChain(NodeContext &ctx) {
  Value result = ctx.input(0);
  for (Value next : ctx.allInputs().drop_front()) {
    result = ctx.b.binary(fn, result, next);
  }
  return ctx.results(result);
}
LogicalResult buildMean(NodeContext &ctx);
LogicalResult buildMod(NodeContext &ctx);
LogicalResult buildPow(NodeContext &ctx);
LogicalResult buildBitShift(NodeContext &ctx);
LogicalResult buildIsInf(NodeContext &ctx);
LogicalResult buildCast(NodeContext &ctx);
LogicalResult buildCastLike(NodeContext &ctx);
LogicalResult buildBitCast(NodeContext &ctx);

// Activation.cpp
LogicalResult buildCelu(NodeContext &ctx);
LogicalResult buildClip(NodeContext &ctx);
LogicalResult buildElu(NodeContext &ctx);
LogicalResult buildGelu(NodeContext &ctx);
LogicalResult buildHardSigmoid(NodeContext &ctx);
LogicalResult buildLeakyRelu(NodeContext &ctx);
LogicalResult buildMish(NodeContext &ctx);
LogicalResult buildPRelu(NodeContext &ctx);
LogicalResult buildSelu(NodeContext &ctx);
LogicalResult buildShrink(NodeContext &ctx);
LogicalResult buildSoftplus(NodeContext &ctx);
LogicalResult buildSoftsign(NodeContext &ctx);
LogicalResult buildSwish(NodeContext &ctx);
LogicalResult buildThresholdedRelu(NodeContext &ctx);
LogicalResult buildDropout(NodeContext &ctx);

// Attention.cpp
LogicalResult buildAttention(NodeContext &ctx);
LogicalResult buildRotaryEmbedding(NodeContext &ctx);

// Conv.cpp
LogicalResult buildConv(NodeContext &ctx);
LogicalResult buildConvTranspose(NodeContext &ctx);
LogicalResult buildConvInteger(NodeContext &ctx);
LogicalResult buildCausalConvWithState(NodeContext &ctx);

// Pool.cpp
template <nn::PoolKind kind> LogicalResult buildPool(NodeContext &ctx);
template <nn::ReduceKind kind> LogicalResult buildGlobalPool(NodeContext &ctx) {
  auto spatial = llvm::to_vector(llvm::seq<int64_t>(2, ctx.rank()));
  return ctx.results(ctx.b.reduce(kind, ctx.input(0), spatial, true));
}
LogicalResult buildGlobalLpPool(NodeContext &ctx);
LogicalResult buildMaxUnpool(NodeContext &ctx);
LogicalResult buildLRN(NodeContext &ctx);

// Norm.cpp
LogicalResult buildBatchNormalization(NodeContext &ctx);
LogicalResult buildGroupNormalization(NodeContext &ctx);
LogicalResult buildInstanceNormalization(NodeContext &ctx);
LogicalResult buildLayerNormalization(NodeContext &ctx);
LogicalResult buildRMSNormalization(NodeContext &ctx);
LogicalResult buildLpNormalization(NodeContext &ctx);
LogicalResult buildMeanVarianceNormalization(NodeContext &ctx);

// MatMul.cpp
LogicalResult buildGemm(NodeContext &ctx);
LogicalResult buildMatMul(NodeContext &ctx);
LogicalResult buildMatMulInteger(NodeContext &ctx);
LogicalResult buildEinsum(NodeContext &ctx);

// Shape.cpp
LogicalResult buildCenterCropPad(NodeContext &ctx);
LogicalResult buildConcat(NodeContext &ctx);
LogicalResult buildDepthToSpace(NodeContext &ctx);
LogicalResult buildExpand(NodeContext &ctx);
LogicalResult buildFlatten(NodeContext &ctx);
LogicalResult buildIdentity(NodeContext &ctx);
LogicalResult buildPad(NodeContext &ctx);
LogicalResult buildReshape(NodeContext &ctx);
LogicalResult buildShape(NodeContext &ctx);
LogicalResult buildSize(NodeContext &ctx);
LogicalResult buildSlice(NodeContext &ctx);
LogicalResult buildSpaceToDepth(NodeContext &ctx);
LogicalResult buildSplit(NodeContext &ctx);
LogicalResult buildSqueeze(NodeContext &ctx);
LogicalResult buildTile(NodeContext &ctx);
LogicalResult buildTranspose(NodeContext &ctx);
LogicalResult buildUnsqueeze(NodeContext &ctx);

// Constant.cpp
LogicalResult buildConstant(NodeContext &ctx);
LogicalResult buildConstantOfShape(NodeContext &ctx);
LogicalResult buildEyeLike(NodeContext &ctx);
LogicalResult buildOneHot(NodeContext &ctx);
LogicalResult buildRange(NodeContext &ctx);
LogicalResult buildTrilu(NodeContext &ctx);

// Reduce.cpp
template <nn::ReduceKind kind> LogicalResult buildReduce(NodeContext &ctx);
template <nn::ReduceKind kind> LogicalResult buildArg(NodeContext &ctx);
LogicalResult buildReduceL1(NodeContext &ctx);
LogicalResult buildReduceL2(NodeContext &ctx);
LogicalResult buildReduceLogSum(NodeContext &ctx);
LogicalResult buildReduceLogSumExp(NodeContext &ctx);
LogicalResult buildReduceSumSquare(NodeContext &ctx);
LogicalResult buildHardmax(NodeContext &ctx);
template <bool log> LogicalResult buildSoftmax(NodeContext &ctx);
template <nn::ScanKind kind> LogicalResult buildScan(NodeContext &ctx);
LogicalResult buildTopK(NodeContext &ctx);

// Gather.cpp
LogicalResult buildGather(NodeContext &ctx);
LogicalResult buildGatherElements(NodeContext &ctx);
LogicalResult buildGatherND(NodeContext &ctx);
LogicalResult buildScatterElements(NodeContext &ctx);
LogicalResult buildScatterND(NodeContext &ctx);
LogicalResult buildTensorScatter(NodeContext &ctx);
LogicalResult buildNonZero(NodeContext &ctx);
LogicalResult buildCompress(NodeContext &ctx);
LogicalResult buildReverseSequence(NodeContext &ctx);

// Control.cpp
LogicalResult buildIf(NodeContext &ctx);
LogicalResult buildLoop(NodeContext &ctx);
LogicalResult buildScanLoop(NodeContext &ctx);

// Rnn.cpp
template <nn::RnnCell cell> LogicalResult buildRnn(NodeContext &ctx);

// Loss.cpp
LogicalResult buildNegativeLogLikelihoodLoss(NodeContext &ctx);
LogicalResult buildSoftmaxCrossEntropyLoss(NodeContext &ctx);

// Quantize.cpp
LogicalResult buildQuantizeLinear(NodeContext &ctx);
LogicalResult buildDequantizeLinear(NodeContext &ctx);
LogicalResult buildQLinearMatMul(NodeContext &ctx);
LogicalResult buildQLinearConv(NodeContext &ctx);

// GridSample.cpp
LogicalResult buildGridSample(NodeContext &ctx);

// Resize.cpp
LogicalResult buildResize(NodeContext &ctx);
LogicalResult buildUpsample(NodeContext &ctx);

} // namespace dlc::onnx

#endif // DLC_LIB_IMPORT_ONNX_BUILDERS_H
