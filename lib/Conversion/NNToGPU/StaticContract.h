// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A contraction as tensor cores see it: a batch of matrix products whose
// operands lie in memory by rows or by columns.
#ifndef DLC_LIB_CONVERSION_NNTOGPU_STATICCONTRACT_H
#define DLC_LIB_CONVERSION_NNTOGPU_STATICCONTRACT_H

#include "Conversion/NNToGPU/TileKernelFamily.h"
#include "Conversion/NNToKernel/ContractShape.h"

namespace dlc {

/// What is known of a contraction without its run-time sizes. Only where
/// `shape` is a success all but it may be asked.
struct StaticContract {
  explicit StaticContract(nn::DispatchOp dispatch);

  mutable nn::ContractOp op;
  mlir::FailureOr<ContractShape> shape;

  /// One of the two factors: its rows are results' rows of A, columns of B.
  struct Operand {
    mlir::Value tensor;
    mlir::AffineMap map;
    DimGroup rows;
  };
  Operand getA() const {
    return {shape->getA(op), shape->getMapA(op), shape->m};
  }
  Operand getB() const {
    return {shape->getB(op), shape->getMapB(op), shape->n};
  }
  mlir::Value getZeroA() const {
    return shape->swapped ? op.getRhsZero() : op.getLhsZero();
  }
  mlir::Value getZeroB() const {
    return shape->swapped ? op.getLhsZero() : op.getRhsZero();
  }

  int64_t groupSize(llvm::ArrayRef<unsigned> group) const {
    return getStaticGroupSize(op, group);
  }
  /// Sizes at run time.
  mlir::OpFoldResult dimSize(DispatchContext &context, unsigned dim) const;
  mlir::OpFoldResult groupSize(DispatchContext &context,
                               llvm::ArrayRef<unsigned> group) const;
  mlir::OpFoldResult batchSize(DispatchContext &context) const;
  int64_t groupDivisor(llvm::ArrayRef<unsigned> group) const;
  /// Those that schedules are chosen for.
  ProductSizes getSizes() const;

  /// Place of a group's last dim in a tensor.
  std::optional<unsigned> getPlace(mlir::AffineMap map,
                                   llvm::ArrayRef<unsigned> group) const;
  /// The distance of a group's neighbours in a tensor, in elements; 0 where it
  /// has none.
  mlir::OpFoldResult stride(DispatchContext &context, mlir::Value tensor,
                            mlir::AffineMap map,
                            llvm::ArrayRef<unsigned> group) const;
  /// A number that divides it.
  int64_t strideDivisor(mlir::Value tensor, mlir::AffineMap map,
                        llvm::ArrayRef<unsigned> group) const;
  /// Whether the elements of a group are neighbours in a tensor.
  bool isInnermost(mlir::Value tensor, mlir::AffineMap map,
                   llvm::ArrayRef<unsigned> group) const;
  /// Whether k runs along neighbours of an operand, or its rows do.
  bool hasContiguousK(const Operand &operand) const;
  /// Bytes that divide the addresses of `groups`' elements.
  int64_t getAlignment(mlir::Value tensor, mlir::AffineMap map,
                       mlir::Type element,
                       llvm::ArrayRef<DimGroup> groups) const;
  /// Of an operand's rows, or of columns where those are contiguous.
  int64_t getAlignment(const Operand &operand) const;

  tile::ProductTraits getTraits() const;

  /// The dims of the batch that move an operand.
  llvm::SmallVector<unsigned> getMapBatch(const Operand &operand) const;
  /// The operand for bulk copies of `box`; the traits say whether there is one.
  GPUTensorMap getMap(DispatchContext &context, const Operand &operand,
                      const tile::MapBox &box) const;

  /// The dim that a vector of zero points runs along: the operand's last one
  /// that is not reduced.
  std::optional<unsigned> getZeroDim(mlir::AffineMap map) const;
  /// Whether a zero point is one number, or one for each of the operand's rows
  /// (or columns).
  bool hasUsableZero(mlir::Value zero, const Operand &operand) const;

private:
  int64_t typicalSize(llvm::ArrayRef<unsigned> group) const;
  /// The operand's group whose elements are neighbours, and the other one.
  DimGroup getContiguousGroup(const Operand &operand) const {
    return hasContiguousK(operand) ? shape->k : operand.rows;
  }
  DimGroup getStridedGroup(const Operand &operand) const {
    return hasContiguousK(operand) ? operand.rows : shape->k;
  }
};

} // namespace dlc

#endif // DLC_LIB_CONVERSION_NNTOGPU_STATICCONTRACT_H
