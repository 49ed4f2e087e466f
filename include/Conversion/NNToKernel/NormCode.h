// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What norm kernels share, however they cut their rows: the type of the
// statistics, and the code of one element and one set of statistics.
#ifndef DLC_CONVERSION_NNTOKERNEL_NORMCODE_H
#define DLC_CONVERSION_NNTOKERNEL_NORMCODE_H

#include "Conversion/NNToKernel/KernelBuilder.h"

namespace dlc {

/// The type that mean and variance are computed in.
mlir::Type getStatType(nn::NormOp op);

/// Code of a norm op, the root of `kb`'s dispatch.
class NormCode {
public:
  explicit NormCode(KernelBuilder &kb);

  /// Element of the input, as statistics take it.
  mlir::Value load(mlir::ValueRange indices);
  /// The mean of `count` elements; null for a norm without one, which asks for
  /// no `sum`.
  mlir::Value emitMean(mlir::OpFoldResult count,
                       llvm::function_ref<mlir::Value()> sum);
  /// x - mean, or x where `mean` is null.
  mlir::Value centre(mlir::Value x, mlir::Value mean);
  /// 1 / sqrt(variance + epsilon), from the sum of the squares of `count`
  /// centred elements.
  mlir::Value emitInvStd(mlir::OpFoldResult count, mlir::Value squares);
  /// The result's element at `indices`, of input `x`, in the statistics' type.
  mlir::Value emitElement(mlir::Value x, mlir::Value mean, mlir::Value invStd,
                          mlir::ValueRange indices);
  /// Stores the epilogue of that element.
  void storeElement(mlir::Value x, mlir::Value mean, mlir::Value invStd,
                    mlir::ValueRange indices);
  /// Stores the statistics that are results of the op; `indices` are the
  /// input's, with 0 for the axes.
  void storeStatistics(mlir::ValueRange indices, mlir::Value mean,
                       mlir::Value invStd);

  KernelBuilder &kb;
  mlir::ImplicitLocOpBuilder &b;
  nn::NormOp op;
  mlir::Type element, stat;

private:
  /// scale or bias at an element, or null.
  mlir::Value affine(mlir::Value vector, mlir::ValueRange indices);
};

} // namespace dlc

#endif // DLC_CONVERSION_NNTOKERNEL_NORMCODE_H
