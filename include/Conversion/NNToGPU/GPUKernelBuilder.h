// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What GPU kernel families build with: a KernelBuilder that knows threads,
// blocks, warps and shared memory.
#ifndef DLC_CONVERSION_NNTOGPU_GPUKERNELBUILDER_H
#define DLC_CONVERSION_NNTOGPU_GPUKERNELBUILDER_H

#include "Conversion/NNToKernel/KernelBuilder.h"

namespace dlc {

inline constexpr int64_t kWarpThreads = 32;

/// What the shared kernel code needs to know of a GPU: one lane, and work items
/// as small as they come.
inline constexpr kernel::VectorTarget kGPUVectorTarget = {
    /*lanes=*/1, /*registers=*/32, /*itemElements=*/1};

/// The memory space of memrefs in shared memory.
inline constexpr int64_t kSharedSpace = 3;
/// Bytes of shared memory that every kernel may have without asking for more
/// (CUDA programming guide, "Technical Specifications per Compute Capability").
inline constexpr int64_t kSharedBytes = 48 << 10;
/// Bytes that global memory is read and written in.
inline constexpr int64_t kSectorBytes = 32;

/// Neighbours of `elementBytes` each that a thread reads or writes together: 16
/// bytes, but no more than 8, beyond which code grows for no gain.
inline int64_t getAccessWidth(int64_t elementBytes) {
  return std::clamp<int64_t>(16 / elementBytes, 1, 8);
}

/// Builds the kernel function of one dispatch: one rank-0 memref per input and
/// result, one i64 per size, and memref<i8> scratch if the launch has any.
/// Buffers are aligned to 16 bytes.
class GPUKernelBuilder : public KernelBuilder {
public:
  /// `threads` of a block, `clusterBlocks` of a cluster.
  GPUKernelBuilder(nn::DispatchOp dispatch, mlir::func::FuncOp kernel,
                   int64_t threads, int64_t clusterBlocks, bool hasScratch);

  int64_t getNumThreads() const { return threads; }
  /// Place of the thread in its block, of the thread in its warp, of the warp
  /// in its block, and of the block, or the cluster, in the grid; index values.
  mlir::Value getThread();
  mlir::Value getLane();
  mlir::Value getWarp();
  mlir::Value getBlock();
  /// Place of the block in its cluster.
  mlir::Value getRank();

  /// Waits for all threads of the block; memory is seen by all.
  void emitBarrier();
  /// `count` elements of shared memory, as memref<count x element, 3>.
  mlir::Value allocateShared(mlir::Type element, int64_t count);
  /// What allocateShared gave so far; a kernel may have kSharedBytes.
  int64_t getSharedBytes() const { return sharedBytes; }
  /// The shared memory that comes with the launch, as memref<count x element,
  /// 3>; the same at each call.
  mlir::Value getDynamicShared(mlir::Type element, int64_t count);
  /// Shared memory through which threads exchange states, an array of `count`
  /// elements for each of `types`. It is the same at each call, so that a
  /// barrier has to stand before it is written.
  llvm::SmallVector<mlir::Value> getExchange(mlir::TypeRange types,
                                             int64_t count);
  /// exp of x <= 0, as softmax takes it: on f32 by ex2.approx (PTX ISA: 2^-22),
  /// with a relative error of at most (|x| + 4) 2^-24.
  mlir::Value emitPower(mlir::Value x);
  /// The value of lane (this lane ^ mask); an integer or float of up to 64
  /// bits. All lanes of the warp take part.
  mlir::Value emitShuffleXor(mlir::Value value, int64_t mask);
  /// The value of lane (this lane - distance); undefined below that.
  mlir::Value emitShuffleUp(mlir::Value value, int64_t distance);
  /// The value of lane `lane`, an index.
  mlir::Value emitShuffleFrom(mlir::Value value, mlir::Value lane);

  /// Says what getBegin, getEnd and getScratch give.
  void setItems(mlir::Value first, mlir::Value last) {
    begin = first;
    end = last;
  }
  void setScratch(mlir::Value memory) { scratch = memory; }

private:
  mlir::Value readRegister(mlir::Value &known,
                           llvm::function_ref<mlir::Value()> read);
  mlir::Value readBlockIndex();

  int64_t threads, clusterBlocks;
  mlir::Value thread, block;
  unsigned numShared = 0;
  int64_t sharedBytes = 0;
  /// By place in the state, type and count.
  llvm::DenseMap<std::tuple<unsigned, mlir::Type, int64_t>, mlir::Value>
      exchange;
};

/// The least power of two that is not below `size`, up to `limit`, another one.
mlir::OpFoldResult emitPowerAbove(GPUKernelBuilder &kb, mlir::OpFoldResult size,
                                  int64_t limit);

/// Elements that a block has to compute, at least, for one of a table that it
/// copies to shared memory.
inline constexpr int64_t kTableShare = 8;

/// Copies an input of static shape to shared memory, and returns its view for
/// KernelBuilder::setInputView; to be read after a barrier.
mlir::Value emitSharedCopy(GPUKernelBuilder &kb, mlir::Value input);

/// Puts each thread's state where all of the block can read it, at its number
/// in the arrays that are returned; all threads take part.
llvm::SmallVector<mlir::Value> emitShareState(GPUKernelBuilder &kb,
                                              mlir::ValueRange state);
/// The state at `place` of such arrays.
llvm::SmallVector<mlir::Value> emitLoadState(GPUKernelBuilder &kb,
                                             llvm::ArrayRef<mlir::Value> arrays,
                                             mlir::OpFoldResult place);

/// Combines the states of the lanes of each group of `lanes` (a power of two)
/// so that all of them have the result. `combine` gives the state of two.
llvm::SmallVector<mlir::Value> emitWarpReduce(
    GPUKernelBuilder &kb, mlir::ValueRange state, int64_t lanes,
    llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::ValueRange,
                                                      mlir::ValueRange)>
        combine);

/// The same over the whole block, through shared memory. Every thread of the
/// block takes part and gets the result.
llvm::SmallVector<mlir::Value> emitBlockReduce(
    GPUKernelBuilder &kb, mlir::ValueRange state,
    llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::ValueRange,
                                                      mlir::ValueRange)>
        combine);

} // namespace dlc

#endif // DLC_CONVERSION_NNTOGPU_GPUKERNELBUILDER_H
