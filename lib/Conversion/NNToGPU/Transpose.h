// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the kernels around a transpose share: which transposes they take, and
// how elements on both of its sides are read and written at known places.
#ifndef DLC_LIB_CONVERSION_NNTOGPU_TRANSPOSE_H
#define DLC_LIB_CONVERSION_NNTOGPU_TRANSPOSE_H

#include "Conversion/NNToGPU/GPUKernelFamily.h"

#include <vector>

namespace dlc {

/// The only transpose of a dispatch, if it moves the innermost dim, and if each
/// of the dispatch's results needs just one element of it; else null.
nn::TransposeOp findLoneTranspose(nn::DispatchOp dispatch);

/// Dims of a transpose's result: positions, which both tensors have side by
/// side in this order, and channels, which lie inside of them in the input or
/// in the result. These are few, and static.
struct TransposeLines {
  llvm::SmallVector<unsigned> outer, positions;
  /// Channels that lie inside of positions in the input, and all others; each
  /// in the input's order. The same for the result.
  llvm::SmallVector<unsigned> inInput, asideInput, inResult, asideResult;
  /// Known numbers of positions, and of channels.
  std::optional<int64_t> numPositions;
  int64_t numChannels = 1;
};

/// The lines of at least `leastPositions` and at most `mostChannels` along each
/// of the possible positions.
std::vector<TransposeLines> findTransposeLines(nn::TransposeOp op,
                                               int64_t leastPositions,
                                               int64_t mostChannels);

/// Reads and writes elements around a transpose.
class TransposeAccess {
public:
  TransposeAccess(GPUKernelBuilder &kb, nn::TransposeOp op,
                  TransposeLines lines);

  /// An element's indices of outer dims and channels, in the result's dims,
  /// and its position.
  struct Element {
    llvm::SmallVector<mlir::Value> indices;
    mlir::Value position;
  };

  /// Where it is among the input's, or the result's elements.
  mlir::OpFoldResult getInputPlace(const Element &element);
  mlir::OpFoldResult getResultPlace(const Element &element);
  /// The transpose's element, from what is read at `place` of the inputs.
  mlir::Value load(const Element &element, mlir::OpFoldResult place);
  /// What the dispatch makes of the transpose's element `moved`.
  mlir::Value finish(const Element &element, mlir::Value moved,
                     mlir::OpFoldResult place);
  void store(mlir::Value result, mlir::OpFoldResult place);

  /// Whether all that the transpose's input takes is read at places.
  static bool isPlaced(nn::TransposeOp op);

private:
  llvm::SmallVector<mlir::Value> expandIndices(const Element &element);
  mlir::OpFoldResult getPlace(const Element &element,
                              llvm::ArrayRef<mlir::OpFoldResult> strides);
  void place(llvm::ArrayRef<mlir::Value> inputs, mlir::OpFoldResult place);

  GPUKernelBuilder &kb;
  nn::TransposeOp op;
  TransposeLines lines;
  nn::Sizes sizes;
  /// Of the result's dims, in both tensors.
  llvm::SmallVector<mlir::OpFoldResult> inputStrides, resultStrides;
  /// Inputs that are read at the place of the element on either side.
  llvm::SmallVector<mlir::Value> placedBefore, placedAfter;
};

/// Neighbours that accesses around the transpose move: of inputs that are read
/// at places, and of the result.
int64_t getTransposeWidth(nn::DispatchOp dispatch);

/// Kernels for few channels. Threads have vectors of positions on one side, and
/// of neighbouring channels on the other; null where sizes do not allow that.
const GPUKernelFamily *getChannelTransposeGPUFamily(nn::DispatchOp dispatch);
/// The same, element by element, for other sizes, and channels on both sides.
const GPUKernelFamily *getPlaneTransposeGPUFamily(nn::DispatchOp dispatch);

} // namespace dlc

#endif // DLC_LIB_CONVERSION_NNTOGPU_TRANSPOSE_H
