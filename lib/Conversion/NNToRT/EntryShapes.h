// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The sizes of all tensors of an entry function, as values that depend on no
// tensor.dim but those of inputs, and what is known about them.
#ifndef DLC_LIB_CONVERSION_NNTORT_ENTRYSHAPES_H
#define DLC_LIB_CONVERSION_NNTORT_ENTRYSHAPES_H

#include "Dialect/NN/NNDialect.h"
#include "Dialect/NN/Sizes.h"
#include "Dialect/RT/RTDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Interfaces/InferIntRangeInterface.h"
#include "llvm/ADT/MapVector.h"

namespace dlc {

/// A dim of an input.
struct InputDim {
  unsigned input, dim;
};

class EntryShapes {
public:
  /// Replaces each tensor.dim in `entry` by the size it stands for. What is
  /// left are dims of inputs that no bind_shape names. Uses may then stand
  /// before definitions: the function is only good for being read.
  mlir::LogicalResult resolve(mlir::func::FuncOp entry);

  /// The sizes of a tensor.
  nn::Sizes sizesOf(mlir::Value tensor);

  /// Where a size's value can be read at entry, if it is an input's dim:
  /// a symbol that a bind_shape names, or a left-over tensor.dim.
  std::optional<InputDim> getInputDim(mlir::Value size);

  /// A size bound to a dim of an input, but no symbol: the program has to check
  /// that they agree.
  struct Constraint {
    InputDim place;
    mlir::OpFoldResult size;
    mlir::Location loc;
  };
  llvm::ArrayRef<Constraint> getConstraints() const { return constraints; }

  /// The name of the symbol that a size is; empty if it is none.
  llvm::StringRef getSymbol(mlir::OpFoldResult size);
  /// All symbols of inputs, in the order of their first use.
  llvm::ArrayRef<nn::SymDimOp> getSymbols() const { return symbols; }

  /// Whether a value depends on what the host reads from a tensor.
  bool isLate(mlir::Value value);
  bool isLate(llvm::ArrayRef<mlir::OpFoldResult> sizes);

  /// The largest value of a size over all accepted shapes, if there is one.
  std::optional<int64_t> upperBound(mlir::OpFoldResult size);
  /// What a size may be over all accepted shapes.
  mlir::ConstantIntRanges rangeOf(mlir::Value value);

private:
  mlir::LogicalResult bindInputs(mlir::func::FuncOp entry);

  /// Per input that a bind_shape names: its sizes.
  llvm::DenseMap<mlir::Value, nn::Sizes> bound;
  /// Per input without: a tensor.dim for each dynamic dim.
  llvm::DenseMap<mlir::Value, nn::Sizes> unbound;
  llvm::StringMap<InputDim> symbolPlaces;
  llvm::SmallVector<nn::SymDimOp> symbols;
  llvm::SmallVector<Constraint> constraints;
  llvm::DenseMap<mlir::Value, bool> late;
  llvm::DenseMap<mlir::Value, mlir::ConstantIntRanges> ranges;
};

} // namespace dlc

#endif // DLC_LIB_CONVERSION_NNTORT_ENTRYSHAPES_H
