// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Emitter of the CPU matrix product C[b, m, n] = epilogue(sum_k A[b, m, k] *
// B[b, k, n]) as scf, memref, arith and 1-D vectors. One accumulator per
// element takes k in order, so every partition of the work items and every tile
// shape gives the same bits.
#ifndef DLC_CONVERSION_NNTOVECTOR_GEMM_H
#define DLC_CONVERSION_NNTOVECTOR_GEMM_H

#include "Conversion/NNToVector/Epilogue.h"
#include "Conversion/NNToVector/Schedule.h"

#include "mlir/IR/OpDefinition.h"

namespace dlc::kernel {

/// Element types of a contraction.
struct ContractionTypes {
  mlir::Type a;
  mlir::Type b;
  /// At least 32 bits wide; a float for float operands, an integer for
  /// integers.
  mlir::Type acc;
  mlir::Type c;
  /// Integers of A or B widen with zeros.
  bool aUnsigned = false;
  bool bUnsigned = false;
};

/// Element offset of a matrix, from the batch indices.
using OffsetFn = std::function<mlir::OpFoldResult(mlir::ImplicitLocOpBuilder &,
                                                  mlir::ValueRange batch)>;

/// Acts on an operand element already converted to the accumulator type (scalar
/// or vector), e.g. subtracts a zero point.
using OperandFn =
    std::function<mlir::Value(mlir::ImplicitLocOpBuilder &, mlir::Value)>;

/// One matrix product. Sizes and strides are static or `index` values, all >=
/// 0, in elements.
struct GemmSpec {
  ContractionTypes types;
  llvm::SmallVector<mlir::OpFoldResult> batch;
  mlir::OpFoldResult m, n, k;
  /// A[m, k] lies at aOffset + m * aRowStride + k * aColumnStride.
  mlir::OpFoldResult aRowStride, aColumnStride;
  BLayout bLayout = BLayout::Packed;
  /// Elements between rows of a RowMajor or Transposed B.
  mlir::OpFoldResult bRowStride;
  /// C[m, n] lies at cOffset + m * cRowStride + n.
  mlir::OpFoldResult cRowStride;
  /// Null: offset 0 for every batch.
  OffsetFn aOffset, bOffset, cOffset;
  OperandFn convertA, convertB;
  Epilogue epilogue;
};

/// Buffers of a kernel: memrefs whose first element is element 0 of the
/// operand.
struct GemmBuffers {
  /// `c` may be null where the epilogue stores itself.
  mlir::Value a, b, c;
  /// Private to the worker, 64-byte aligned, of getGemmScratchBytes bytes;
  /// element type i8. May be null when that is 0.
  mlir::Value scratch;
};

/// Number of work items: batches x panels x row blocks.
mlir::OpFoldResult getGemmItems(mlir::ImplicitLocOpBuilder &b,
                                const GemmSpec &spec, const GemmSchedule &sched,
                                const VectorTarget &target);

/// Bytes of scratch each worker needs.
mlir::OpFoldResult getGemmScratchBytes(mlir::ImplicitLocOpBuilder &b,
                                       const GemmSpec &spec,
                                       const GemmSchedule &sched,
                                       const VectorTarget &target);

/// Emits the work items [begin, end) at the builder's insertion point.
void emitGemm(mlir::ImplicitLocOpBuilder &b, const GemmSpec &spec,
              const GemmSchedule &sched, const VectorTarget &target,
              const GemmBuffers &buffers, mlir::Value begin, mlir::Value end);

} // namespace dlc::kernel

#endif // DLC_CONVERSION_NNTOVECTOR_GEMM_H
