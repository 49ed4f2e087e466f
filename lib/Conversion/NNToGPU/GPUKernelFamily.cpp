// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which family computes which dispatch on a GPU.
#include "Conversion/NNToGPU/GPUKernelFamily.h"

#include "Conversion/NNToKernel/KernelFamily.h"

using namespace mlir;

namespace dlc {

const GPUKernelFamily *findGPUKernelFamily(nn::DispatchOp dispatch) {
  const GPUKernelFamily *family =
      llvm::TypeSwitch<Operation *, const GPUKernelFamily *>(
          dispatch.getRootOp())
          .Case<nn::ContractOp>(
              [&](auto) { return getContractGPUFamily(dispatch); })
          .Case<nn::ConvOp>([&](auto) { return getConvGPUFamily(dispatch); })
          .Case<nn::PoolOp>([&](auto) { return getPoolGPUFamily(dispatch); })
          .Case<nn::ScanOp>([](auto) { return getScanGPUFamily(); })
          .Case<nn::SortOp>([&](auto) { return getSortGPUFamily(dispatch); })
          .Case<nn::ScatterOp>(
              [&](auto) { return getScatterGPUFamily(dispatch); })
          .Case<nn::ConcatOp>([&](auto) { return getConcatGPUFamily(); })
          .Case<nn::AttentionOp>(
              [&](auto) { return getAttentionGPUFamily(dispatch); })
          .Case<nn::ReduceOp>([&](auto) {
            const GPUKernelFamily *rows = getRowGroupGPUFamily(dispatch);
            return rows ? rows : getReduceGPUFamily();
          })
          .Case<nn::SoftmaxOp>([](auto) { return getSoftmaxGPUFamily(); })
          .Case<nn::NormOp>([&](auto) { return getNormGPUFamily(); })
          .Case<nn::ElementwiseOp, nn::CastOp, nn::IotaOp, nn::BroadcastOp,
                nn::TransposeOp, nn::SliceOp, nn::InsertSliceOp, nn::PadOp,
                nn::GatherOp, nn::CacheUpdateOp, nn::RotaryOp, nn::BatchNormOp,
                nn::QuantizeOp, nn::DequantizeOp, nn::ResizeOp>([&](auto) {
            const GPUKernelFamily *tiled = getTransposeGPUFamily(dispatch);
            return tiled ? tiled : getMapGPUFamily();
          })
          .Default(nullptr);
  return family ? family : getGenericGPUFamily();
}

LogicalResult checkGPUDispatch(nn::DispatchOp dispatch) {
  return checkDispatch(dispatch, "GPU");
}

} // namespace dlc
