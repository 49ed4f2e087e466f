// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Integers that the import knows while it runs, as sizes are computed from
// them.
#ifndef DLC_LIB_IMPORT_ONNX_PROPAGATE_H
#define DLC_LIB_IMPORT_ONNX_PROPAGATE_H

#include "Context.h"

namespace dlc::onnx {

/// Lists longer than this are data.
inline constexpr size_t kMaxKnown = 64;

/// Integers of one tensor of rank 2 at most, row-major. Lists have rank 1;
/// those of rank 2 are pairs of pads, as exporters reverse them.
struct Known {
  Sizes elements;
  llvm::SmallVector<int64_t> shape;
  Type type;

  int64_t rank() const { return shape.size(); }
  bool isScalar() const { return shape.empty(); }
  OpFoldResult at(size_t i) const {
    return elements[elements.size() == 1 ? 0 : i];
  }
};
/// Sets the node's only result, of rank 0 or 1.
LogicalResult give(NodeContext &ctx, const Sizes &elements, Type type,
                   bool isScalar);
LogicalResult give(NodeContext &ctx, const Known &known);

/// A rule for one operator: nothing where it leaves the node to its builder.
using PropagationResult = std::optional<LogicalResult>;

// PropagateViews.cpp: elements in another order or shape.
PropagationResult propagateSlice(NodeContext &ctx,
                                 llvm::ArrayRef<Known> inputs);
PropagationResult propagateConcat(NodeContext &ctx,
                                  llvm::ArrayRef<Known> inputs);
PropagationResult propagateReshape(NodeContext &ctx,
                                   llvm::ArrayRef<Known> inputs);
PropagationResult propagateTranspose(NodeContext &ctx,
                                     llvm::ArrayRef<Known> inputs);
PropagationResult propagateSplit(NodeContext &ctx,
                                 llvm::ArrayRef<Known> inputs);

} // namespace dlc::onnx

#endif // DLC_LIB_IMPORT_ONNX_PROPAGATE_H
