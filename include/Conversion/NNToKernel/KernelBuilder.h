// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What every kernel family builds with: the dispatch's buffers as memrefs, its
// sizes as values, and its elementwise and view ops as index functions.
#ifndef DLC_CONVERSION_NNTOKERNEL_KERNELBUILDER_H
#define DLC_CONVERSION_NNTOKERNEL_KERNELBUILDER_H

#include "Conversion/NNToKernel/DispatchSizes.h"
#include "Conversion/NNToVector/Emit.h"
#include "Conversion/NNToVector/Schedule.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace dlc {

/// A dispatch together with a place to build code about it: the host program,
/// which computes launch sizes, or the kernel.
class DispatchContext {
public:
  /// `indexValues` stand for the dispatch's `sizes`.
  DispatchContext(nn::DispatchOp dispatch, mlir::OpBuilder builder,
                  mlir::ValueRange indexValues,
                  const kernel::VectorTarget &target)
      : b(dispatch.getLoc(), builder), math(b), target(target),
        dispatch(dispatch), resolver(dispatch, b, indexValues) {}

  mlir::ImplicitLocOpBuilder b;
  kernel::IndexMath math;
  const kernel::VectorTarget &target;

  nn::DispatchOp getDispatch() { return dispatch; }
  mlir::Operation *getRoot() { return dispatch.getRootOp(); }
  /// The value that the dispatch yields as result `i`.
  mlir::Value getYielded(unsigned i) {
    return llvm::cast<nn::YieldOp>(dispatch.getBody().front().getTerminator())
        .getValues()[i];
  }

  mlir::OpFoldResult size(mlir::Value tensor, int64_t dim) {
    return resolver.size(tensor, dim);
  }
  nn::Sizes sizes(mlir::Value tensor) { return resolver.sizes(tensor); }
  /// The distance of neighbours along a dim, in elements.
  mlir::OpFoldResult stride(mlir::Value tensor, int64_t dim);
  mlir::OpFoldResult index(mlir::OpFoldResult value) {
    return resolver.index(value);
  }
  mlir::Value scalar(mlir::Value value) { return resolver.scalar(value); }

protected:
  nn::DispatchOp dispatch;
  DispatchSizes resolver;
};

/// Builds the kernel function of one dispatch. The function has one rank-0
/// memref per input and result, one index per size, begin, end and scratch (see
/// Target/CPU/LowerToLLVM.h).
class KernelBuilder : public DispatchContext {
public:
  KernelBuilder(nn::DispatchOp dispatch, mlir::func::FuncOp kernel,
                const kernel::VectorTarget &target);
  /// For kernels of another form: rank-0 memrefs of the inputs and results, and
  /// the values of the dispatch's sizes; the items are set later. Code goes to
  /// `builder`'s place, which all of the kernel's other code follows.
  KernelBuilder(nn::DispatchOp dispatch, mlir::FunctionOpInterface kernel,
                const kernel::VectorTarget &target, mlir::OpBuilder builder,
                mlir::ValueRange bases, mlir::ValueRange sizes);

  /// Work items [begin, end).
  mlir::Value getBegin() { return begin; }
  mlir::Value getEnd() { return end; }
  /// Memory private to this worker, as memref<i8> or memref<?xi8>.
  mlir::Value getScratch() { return scratch; }

  /// Rank-0 memref of an input's first element; a constant of one element gets
  /// memory on the stack.
  mlir::Value getInputBase(mlir::Value input);
  /// Rank-0 memref of result `i`'s first element.
  mlir::Value getResultBase(unsigned i);
  /// Dense row-major view of a buffer as memref of `sizes`.
  mlir::Value view(mlir::Value base, llvm::ArrayRef<mlir::OpFoldResult> sizes);
  /// View of an input (a block argument) in its own shape.
  mlir::Value viewInput(mlir::Value input) { return inputViews.lookup(input); }
  mlir::Value viewResult(unsigned i);
  /// From now on elements of `input` are read in `view`, at the place that
  /// `place` makes of their indices; null: at the indices.
  using PlaceFn =
      std::function<llvm::SmallVector<mlir::Value>(mlir::ValueRange indices)>;
  void setInputView(mlir::Value input, mlir::Value view,
                    PlaceFn place = nullptr) {
    inputViews[input] = view;
    inputPlaces[input] = std::move(place);
  }

  /// A small array of `count` elements on the worker's stack, made once at the
  /// kernel's start.
  mlir::Value allocate(mlir::Type element, int64_t count);

  /// Element of any tensor of the body at `indices`: a load where it is an
  /// input, else the code of the index function that computes it. See
  /// IndexFunctions.cpp.
  mlir::Value load(mlir::Value tensor, mlir::ValueRange indices);
  /// From now on `load(tensor, ...)` gives `element`: how an epilogue sees the
  /// root's result. Null for `element` ends that.
  void setElement(mlir::Value tensor, mlir::Value element) {
    known[tensor] = element;
  }

  bool hasElement(mlir::Value tensor) const {
    return known.lookup(tensor) != nullptr;
  }

  /// Forgets loaded elements; to be called where control flow leaves the block
  /// they were loaded in.
  struct MemoScope {
    explicit MemoScope(KernelBuilder &builder)
        : builder(builder), saved(builder.memo) {}
    ~MemoScope() { builder.memo = std::move(saved); }
    KernelBuilder &builder;
    llvm::DenseMap<std::pair<mlir::Value, size_t>, mlir::Value> saved;
  };

protected:
  mlir::FunctionOpInterface kernel;
  mlir::Value begin, end, scratch;

private:
  void resolveSizes();
  mlir::Value loadUncached(mlir::Value tensor, mlir::ValueRange indices);

  /// Of the inputs, then the results.
  llvm::SmallVector<mlir::Value> bases;
  /// What `setElement` gave.
  llvm::SmallDenseMap<mlir::Value, mlir::Value> known;
  /// Elements loaded in the current scope, by tensor and hash of the indices.
  llvm::DenseMap<std::pair<mlir::Value, size_t>, mlir::Value> memo;
  llvm::DenseMap<mlir::Value, mlir::Value> inputViews;
  llvm::DenseMap<mlir::Value, PlaceFn> inputPlaces;
  /// Memory of constants.
  llvm::DenseMap<mlir::Value, mlir::Value> constantBases;
};

/// Element type in memory of tensor element type `type`.
mlir::MemRefType getBaseType(mlir::Type elementType);

} // namespace dlc

#endif // DLC_CONVERSION_NNTOKERNEL_KERNELBUILDER_H
