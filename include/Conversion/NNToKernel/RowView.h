// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A dispatch whose root works along its innermost dims, seen as rows and
// columns for the vector kernels.
#ifndef DLC_CONVERSION_NNTOKERNEL_ROWVIEW_H
#define DLC_CONVERSION_NNTOKERNEL_ROWVIEW_H

#include "Conversion/NNToKernel/VectorEpilogue.h"
#include "Conversion/NNToVector/Rows.h"

namespace dlc {

/// Whether everything around the dispatch's root is elementwise and its result
/// one of floats, so that vectors of neighbours can be loaded, computed and
/// stored.
bool hasVectorSurroundings(nn::DispatchOp dispatch);

/// Whether, besides, the columns `axes` of `input`, an operand of the
/// dispatch's root, are its innermost dims, and static.
bool hasVectorRows(nn::DispatchOp dispatch, mlir::Value input,
                   llvm::ArrayRef<int64_t> axes);

/// Number of rows of such a dispatch, and elements of one.
mlir::OpFoldResult countRows(DispatchContext &context, mlir::Value input,
                             llvm::ArrayRef<int64_t> axes);
int64_t countColumns(mlir::Value input, llvm::ArrayRef<int64_t> axes);

/// Loads and stores of such a dispatch while its kernel is emitted.
class RowView {
public:
  /// `result` is the root's result; it has the shape of `input`.
  RowView(KernelBuilder &kb, mlir::Value input, mlir::Value result,
          llvm::ArrayRef<int64_t> axes, mlir::Type acc);

  /// Elements of `input`, in `acc`.
  kernel::RowLoadFn getLoad();
  /// Stores the epilogue of `acc` elements of the root's result.
  kernel::RowStoreFn getStore();
  /// Elements of operand `tensor` whose dims are dims `dims` of the input:
  /// the columns, or some of the rows'. `tensor` is a block argument or a
  /// splat.
  kernel::RowLoadFn getAffine(mlir::Value tensor, llvm::ArrayRef<int64_t> dims);

private:
  /// The indices of the row's dims and the column.
  llvm::SmallVector<mlir::Value> place(mlir::Value row, mlir::Value column);

  KernelBuilder &kb;
  mlir::Value input, result;
  mlir::Type acc;
  int64_t rowDims, columns, lanes;
  VectorEpilogue vectors;
};

} // namespace dlc

#endif // DLC_CONVERSION_NNTOKERNEL_ROWVIEW_H
