// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which builder imports which operator, from which version on.
#include "Builders.h"

namespace dlc::onnx {

namespace {
struct Row {
  llvm::StringLiteral name;
  BuildFn build;
  /// The versions of the operator that the builder knows.
  int64_t since = 1, until = INT64_MAX;
};
} // namespace

using nn::PoolKind;
using nn::ReduceKind;
using nn::ScanKind;

/// ai.onnx, sorted by name.
static const Row kOnnxRows[] = {
    {"Abs", buildFn<Fn::abs>},
    {"Acos", buildFn<Fn::acos>},
    {"Acosh", buildFn<Fn::acosh>},
    {"Add", buildFn<Fn::add>},
    {"And", buildFn<Fn::bit_and>},
    {"ArgMax", buildArg<ReduceKind::argmax>},
    {"ArgMin", buildArg<ReduceKind::argmin>},
    {"Asin", buildFn<Fn::asin>},
    {"Asinh", buildFn<Fn::asinh>},
    {"Atan", buildFn<Fn::atan>},
    {"Atanh", buildFn<Fn::atanh>},
    {"AveragePool", buildPool<PoolKind::avg>},
    {"BatchNormalization", buildBatchNormalization},
    {"BitCast", buildBitCast},
    {"BitShift", buildBitShift},
    {"BitwiseAnd", buildFn<Fn::bit_and>},
    {"BitwiseNot", buildFn<Fn::bit_not>},
    {"BitwiseOr", buildFn<Fn::bit_or>},
    {"BitwiseXor", buildFn<Fn::bit_xor>},
    {"Cast", buildCast},
    {"CastLike", buildCastLike},
    {"Ceil", buildFn<Fn::ceil>},
    {"Celu", buildCelu},
    {"Clip", buildClip},
    {"Compress", buildCompress},
    {"Concat", buildConcat},
    {"Constant", buildConstant},
    {"ConstantOfShape", buildConstantOfShape},
    {"Conv", buildConv},
    {"ConvInteger", buildConvInteger},
    {"ConvTranspose", buildConvTranspose},
    {"Cos", buildFn<Fn::cos>},
    {"Cosh", buildFn<Fn::cosh>},
    {"CumProd", buildScan<ScanKind::prod>},
    {"CumSum", buildScan<ScanKind::sum>},
    {"DepthToSpace", buildDepthToSpace},
    {"Div", buildFn<Fn::div>},
    {"Dropout", buildDropout},
    {"Einsum", buildEinsum},
    {"Elu", buildElu},
    {"Equal", buildFn<Fn::eq>},
    {"Erf", buildFn<Fn::erf>},
    {"Exp", buildFn<Fn::exp>},
    {"Expand", buildExpand},
    {"EyeLike", buildEyeLike},
    {"Flatten", buildFlatten},
    {"Floor", buildFn<Fn::floor>},
    {"Gather", buildGather},
    {"GatherElements", buildGatherElements},
    {"GatherND", buildGatherND},
    {"Gelu", buildGelu},
    {"Gemm", buildGemm},
    {"GlobalAveragePool", buildGlobalPool<ReduceKind::mean>},
    {"GlobalLpPool", buildGlobalLpPool},
    {"GlobalMaxPool", buildGlobalPool<ReduceKind::max>},
    {"Greater", buildFn<Fn::gt>},
    {"GreaterOrEqual", buildFn<Fn::ge>},
    {"GroupNormalization", buildGroupNormalization},
    {"HardSigmoid", buildHardSigmoid},
    {"HardSwish", buildFn<Fn::hard_swish>},
    {"Hardmax", buildHardmax},
    {"Identity", buildIdentity},
    {"InstanceNormalization", buildInstanceNormalization},
    {"IsInf", buildIsInf},
    {"IsNaN", buildFn<Fn::is_nan>},
    {"LRN", buildLRN},
    {"LayerNormalization", buildLayerNormalization},
    {"LeakyRelu", buildLeakyRelu},
    {"Less", buildFn<Fn::lt>},
    {"LessOrEqual", buildFn<Fn::le>},
    {"Log", buildFn<Fn::log>},
    {"LogSoftmax", buildSoftmax<true>},
    {"LpNormalization", buildLpNormalization},
    {"LpPool", buildPool<PoolKind::lp>},
    {"MatMul", buildMatMul},
    {"MatMulInteger", buildMatMulInteger},
    {"Max", buildChain<Fn::maximum>},
    {"MaxPool", buildPool<PoolKind::max>},
    {"MaxUnpool", buildMaxUnpool},
    {"Mean", buildMean},
    {"Min", buildChain<Fn::minimum>},
    {"Mish", buildMish},
    {"Mod", buildMod},
    {"Mul", buildFn<Fn::mul>},
    {"Neg", buildFn<Fn::neg>},
    {"NonZero", buildNonZero},
    {"Not", buildFn<Fn::bit_not>},
    {"OneHot", buildOneHot},
    {"Or", buildFn<Fn::bit_or>},
    {"PRelu", buildPRelu},
    {"Pad", buildPad},
    {"Pow", buildPow},
    {"RMSNormalization", buildRMSNormalization},
    {"Range", buildRange},
    {"Reciprocal", buildFn<Fn::reciprocal>},
    {"ReduceL1", buildReduceL1},
    {"ReduceL2", buildReduceL2},
    {"ReduceLogSum", buildReduceLogSum},
    {"ReduceLogSumExp", buildReduceLogSumExp},
    {"ReduceMax", buildReduce<ReduceKind::max>},
    {"ReduceMean", buildReduce<ReduceKind::mean>},
    {"ReduceMin", buildReduce<ReduceKind::min>},
    {"ReduceProd", buildReduce<ReduceKind::prod>},
    {"ReduceSum", buildReduce<ReduceKind::sum>},
    {"ReduceSumSquare", buildReduceSumSquare},
    {"Relu", buildFn<Fn::relu>},
    {"Reshape", buildReshape, 5},
    {"ReverseSequence", buildReverseSequence},
    {"Round", buildFn<Fn::round_even>},
    {"Scatter", buildScatterElements},
    {"ScatterElements", buildScatterElements},
    {"ScatterND", buildScatterND},
    {"Selu", buildSelu},
    {"Shape", buildShape},
    {"Shrink", buildShrink},
    {"Sigmoid", buildFn<Fn::sigmoid>},
    {"Sign", buildFn<Fn::sign>},
    {"Sin", buildFn<Fn::sin>},
    {"Sinh", buildFn<Fn::sinh>},
    {"Size", buildSize},
    {"Slice", buildSlice},
    {"Softmax", buildSoftmax<false>},
    {"Softplus", buildSoftplus},
    {"Softsign", buildSoftsign},
    {"SpaceToDepth", buildSpaceToDepth},
    {"Split", buildSplit},
    {"Sqrt", buildFn<Fn::sqrt>},
    {"Squeeze", buildSqueeze},
    {"Sub", buildFn<Fn::sub>},
    {"Sum", buildChain<Fn::add>},
    {"Swish", buildSwish},
    {"Tan", buildFn<Fn::tan>},
    {"Tanh", buildFn<Fn::tanh>},
    {"TensorScatter", buildTensorScatter},
    {"ThresholdedRelu", buildThresholdedRelu},
    {"Tile", buildTile, 6},
    {"TopK", buildTopK},
    {"Transpose", buildTranspose},
    {"Trilu", buildTrilu},
    {"Unsqueeze", buildUnsqueeze},
    {"Where", buildFn<Fn::select>},
    {"Xor", buildFn<Fn::bit_xor>},
};

BuildFn findBuilder(StringRef domain, StringRef name, int64_t since) {
  if (!domain.empty()) {
    return nullptr;
  }
  for (const Row &row : kOnnxRows) {
    if (row.name == name && row.since <= since && since <= row.until) {
      return row.build;
    }
  }
  return nullptr;
}

} // namespace dlc::onnx
