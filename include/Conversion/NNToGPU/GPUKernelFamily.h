// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One family of GPU kernels per kind of root op. To add a root: implement this
// interface in a file of its own and name it in findGPUKernelFamily.
#ifndef DLC_CONVERSION_NNTOGPU_GPUKERNELFAMILY_H
#define DLC_CONVERSION_NNTOGPU_GPUKERNELFAMILY_H

#include "Conversion/NNToGPU/GPUKernelBuilder.h"
#include "Dialect/Tile/TensorMap.h"

namespace dlc {

inline mlir::RankedTensorType typeOf(mlir::Value tensor) {
  return llvm::cast<mlir::RankedTensorType>(tensor.getType());
}

/// A buffer of a launch as its kernel copies it by a tensor map.
struct GPUTensorMap {
  /// Among the inputs.
  unsigned buffer = 0;
  int64_t elementBytes = 0;
  /// What a copy brings of the first two dims.
  tile::MapBox box;
  /// From the dim of neighbouring elements on, in elements; and the distances
  /// of neighbours in the dims after it, in bytes.
  llvm::SmallVector<mlir::OpFoldResult> sizes, strides;
};

/// How a kernel is launched; blocks and scratch are computed by the host
/// program.
struct GPULaunch {
  mlir::OpFoldResult blocks;
  /// Threads of a block.
  int64_t threads = 128;
  /// Memory that all blocks share; 0: none.
  mlir::OpFoldResult scratchBytes;
  /// Of the summed dim of a contract; with more than one the kernel leaves
  /// partial sums in place of the result, see buildPartialSumKernel.
  int64_t parts = 1;
  /// Blocks of a multiprocessor whose registers must fit; 0: the driver
  /// chooses. It may aim at all blocks that shared memory has room for, and
  /// spill a few registers to get there.
  int64_t residentBlocks = 0;
  /// Blocks that run at once and reach each other's shared memory.
  int64_t clusterBlocks = 1;
  /// Shared memory that a block gets with the launch, beyond the kernel's own;
  /// see GPUKernelBuilder::getDynamicShared.
  int64_t dynamicBytes = 0;
  /// Parameters behind the sizes.
  llvm::SmallVector<GPUTensorMap> maps = {};
};

/// What kernels may ask of the GPUs that their code runs on.
struct GPULimits {
  /// Shared memory of a block.
  int64_t sharedBytes = kSharedBytes;
  /// Blocks of a cluster; 1: there are none.
  int64_t clusterBlocks = 1;
};

class GPUKernelFamily {
public:
  virtual ~GPUKernelFamily() = default;
  virtual GPULaunch getLaunch(DispatchContext &context) const = 0;
  /// Emits one block. Fails with a diagnostic where the family cannot do it.
  virtual mlir::LogicalResult emit(GPUKernelBuilder &builder) const = 0;
  /// Whether all index arithmetic of the kernel is on elements of the
  /// dispatch's tensors, so that 32 bits suffice where no tensor has more.
  virtual bool hasElementIndices(nn::DispatchOp dispatch) const { return true; }
  /// Whether the family's dispatches may have an nn.row_schedule, and the one
  /// that it chooses; null for those that need none.
  virtual bool takesRowSchedule() const { return false; }
  virtual mlir::Attribute chooseSchedule(DispatchContext &context,
                                         const GPULimits &limits) const {
    return {};
  }
};

/// Fails with a diagnostic that names the op where no family computes the
/// dispatch: its root, or one of its element types.
mlir::LogicalResult checkGPUDispatch(nn::DispatchOp dispatch);

/// The family that computes a dispatch.
const GPUKernelFamily *findGPUKernelFamily(nn::DispatchOp dispatch);

// The families, each in the file of its name; those that do not take every
// dispatch of their root are null for it.
const GPUKernelFamily *getGenericGPUFamily();
const GPUKernelFamily *getMapGPUFamily();
const GPUKernelFamily *getTransposeGPUFamily(nn::DispatchOp dispatch);
const GPUKernelFamily *getContractGPUFamily(nn::DispatchOp dispatch);
const GPUKernelFamily *getConvGPUFamily(nn::DispatchOp dispatch);
const GPUKernelFamily *getDirectConvGPUFamily(nn::DispatchOp dispatch);
const GPUKernelFamily *getPoolGPUFamily(nn::DispatchOp dispatch);
const GPUKernelFamily *getScanGPUFamily();
const GPUKernelFamily *getSortGPUFamily(nn::DispatchOp dispatch);
const GPUKernelFamily *getScatterGPUFamily(nn::DispatchOp dispatch);
const GPUKernelFamily *getConcatGPUFamily();
const GPUKernelFamily *getReduceGPUFamily();
const GPUKernelFamily *getRowGroupGPUFamily(nn::DispatchOp dispatch);
const GPUKernelFamily *getAttentionGPUFamily(nn::DispatchOp dispatch);
const GPUKernelFamily *getSoftmaxGPUFamily();
const GPUKernelFamily *getNormGPUFamily();

/// The transforms that bring a convolution's filter into the layout that its
/// kernel reads best; none where it reads it as it is.
llvm::SmallVector<mlir::Attribute> getGPUFilterTransforms(nn::ConvOp op);
/// The same for convolutions of DirectConv.cpp.
llvm::SmallVector<mlir::Attribute> getDirectGPUFilterTransforms(nn::ConvOp op);

} // namespace dlc

#endif // DLC_CONVERSION_NNTOGPU_GPUKERNELFAMILY_H
