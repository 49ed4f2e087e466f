// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a kernel computes along rows, whatever threads have them.
#ifndef DLC_LIB_CONVERSION_NNTOGPU_ROWPROGRAM_H
#define DLC_LIB_CONVERSION_NNTOGPU_ROWPROGRAM_H

#include "Conversion/NNToGPU/GPUKernelFamily.h"

namespace dlc {

/// One row in the eyes of one of its threads, which has some of the elements.
/// All threads of a row call the same functions in the same order.
class RowElements {
public:
  virtual ~RowElements() = default;

  /// Calls `body` for each element with its column and the state, and returns
  /// the state at the end, of this thread alone. `body` may change the element,
  /// where it is kept, for the next pass.
  using StepFn = llvm::function_ref<llvm::SmallVector<mlir::Value>(
      mlir::Value &element, mlir::Value column, mlir::ValueRange state)>;
  virtual llvm::SmallVector<mlir::Value> reduce(mlir::ValueRange state,
                                                StepFn body) = 0;

  /// Combines the states of the row's threads; each gets the result.
  using CombineFn = llvm::function_ref<llvm::SmallVector<mlir::Value>(
      mlir::ValueRange, mlir::ValueRange)>;
  virtual llvm::SmallVector<mlir::Value> combine(mlir::ValueRange state,
                                                 CombineFn body) = 0;

  /// `body` gives the result of each element, of the program's kept type. The
  /// element is as the last pass left it if `isKept`, else as it was at first.
  using FinishFn = llvm::function_ref<mlir::Value(
      mlir::Value element, mlir::Value column, bool isKept)>;
  virtual void finish(FinishFn body) = 0;

  /// Whether each pass is known to read elements that are not kept.
  virtual bool readsAgain() const { return false; }

  /// Elements of a row.
  virtual mlir::OpFoldResult getColumns() = 0;

  /// Emits `body` for one of the row's threads.
  virtual void emitOnce(llvm::function_ref<void()> body) = 0;

  /// The input's own indices of the element in `column`; null for `column`
  /// leaves those of the axes null. And those of a tensor without the axes.
  virtual llvm::SmallVector<mlir::Value> getIndices(mlir::Value column) = 0;
  virtual llvm::SmallVector<mlir::Value> getRowIndices() = 0;
};

/// The passes over a tensor's rows.
struct RowProgram {
  /// Reads an element of the input, as the kept type.
  std::function<mlir::Value(mlir::ValueRange indices)> load;
  /// All passes over one row.
  std::function<void(RowElements &row)> passes;
  /// Tensors, or null, that `passes` reads for each element, though they are
  /// smaller than the input.
  llvm::SmallVector<mlir::Value> tables;
  /// The input's dim by whose index alone they are read; -1: there is none.
  int64_t tableDim = -1;
};

/// Which elements the rows have.
struct RowShape {
  mlir::Value tensor;
  llvm::ArrayRef<int64_t> axes;
  /// With groups, dim `channelDim` is cut into that many equal parts: the part
  /// counts as a dim of the rows, the place in it as an axis.
  int64_t groups = 0, channelDim = 0;
  /// The type that elements are kept in between passes. Without `isKept`, the
  /// program passes over its rows once, and gives no results of elements.
  mlir::Type type;
  bool isKept = true;
  /// The tensor of the dispatch whose elements `finish` gives; null: the root's
  /// result.
  mlir::Value result = {};
  /// Whether the code takes more registers than the 64 that a thread of the
  /// largest blocks has, where it works with sizes of the run.
  bool isLarge = false;
};

GPULaunch getRowLaunch(DispatchContext &context, const RowShape &shape);
void emitRowKernel(GPUKernelBuilder &kb, const RowShape &shape,
                   const RowProgram &program);

} // namespace dlc

#endif // DLC_LIB_CONVERSION_NNTOGPU_ROWPROGRAM_H
