// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Lists of axes, attributes or inputs, known or read at run time.
#ifndef DLC_LIB_IMPORT_ONNX_AXES_H
#define DLC_LIB_IMPORT_ONNX_AXES_H

#include "Builders.h"

namespace dlc::onnx {

/// The axes as an attribute (before `sinceInput`) or as input `i`; negative
/// ones counted from the end. Empty: there is no such list.
FailureOr<std::optional<Sizes>> readAxes(NodeContext &ctx, int64_t sinceInput,
                                         unsigned i, int64_t rank);
/// The axes where all are known.
std::optional<llvm::SmallVector<int64_t>> staticAxes(const Sizes &axes);
/// 1 or 0: whether `dim` is one of the axes; and how many of them are below it.
std::pair<OpFoldResult, OpFoldResult>
placeAmong(GraphBuilder &b, const Sizes &axes, int64_t dim);
/// Spreads run-time axes over all dims: entry d is the one whose axis is d.
Sizes spread(GraphBuilder &b, const Sizes &axes, const Sizes &entries,
             Sizes otherwise);
Sizes toSizes(GraphBuilder &b, llvm::ArrayRef<int64_t> numbers);
/// A copy of input 0 with its run-time axes as last dims; `kept` gets its sizes
/// with the axes as 1.
Value moveAxesLast(NodeContext &ctx, const Sizes &axes, Sizes &kept);

} // namespace dlc::onnx

#endif // DLC_LIB_IMPORT_ONNX_AXES_H
