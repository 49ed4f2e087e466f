// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the builders of tile kernels share: kernels under construction,
// operands, and what is done with results.
#ifndef DLC_DIALECT_TILE_KERNELBUILDER_H
#define DLC_DIALECT_TILE_KERNELBUILDER_H

#include "Dialect/Tile/TileDialect.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

#include <functional>

namespace dlc::tile {

/// The parameters of a kernel in their order: a pointer per buffer (inputs,
/// then results), an i64 per size, tensor maps, then scratch memory if asked
/// for.
struct KernelSignature {
  std::string name;
  unsigned buffers = 0, sizes = 0, maps = 0;
  bool scratch = false;
};

/// Values of the parameters within a kernel.
struct KernelArguments {
  /// !llvm.ptr<1>.
  mlir::ValueRange buffers;
  /// i64.
  mlir::ValueRange sizes;
  /// !llvm.ptr of a tensor map each.
  mlir::ValueRange maps;
  /// !llvm.ptr<1>, or null.
  mlir::Value scratch;
};

/// An i64 attribute or value.
using Size = mlir::OpFoldResult;

/// An element offset (i64 value or attribute), from the batch indices (i64).
using OffsetFn =
    std::function<Size(mlir::ImplicitLocOpBuilder &, mlir::ValueRange batch)>;

/// A matrix of a batch in global memory. Element (r, c) lies at offset(batch) +
/// r * rowStride + c * columnStride, in elements; one of the two strides is the
/// attribute 1.
struct MatrixSpec {
  mlir::Value base;
  /// bf16, f16, f32, i8 (signed) or ui8.
  mlir::Type element;
  Size rowStride, columnStride;
  /// Null: 0.
  OffsetFn offset;
  /// A power of two of bytes, at most 16, that divides the address of the first
  /// element of every row (or column, where those are contiguous). Copies of 16
  /// bytes need 16; getAlignment computes it.
  int64_t alignment = 0;
  /// !llvm.ptr of a tensor map; null: no bulk copies. Its dims are the
  /// contiguous one, the other one, and of the batch those in `mapBatch`, in
  /// that order; its box is Schedules.h's.
  mlir::Value map;
  llvm::SmallVector<unsigned> mapBatch;

  bool hasContiguousRows() const {
    return mlir::isConstantIntValue(columnStride, 1);
  }
  bool hasContiguousColumns() const {
    return mlir::isConstantIntValue(rowStride, 1);
  }
};

/// The alignment of addresses that are `base` plus multiples of `strides`
/// elements: `baseBytes` lowered to what all static strides keep; a stride that
/// is not static counts as 1 element.
int64_t getAlignment(mlir::Type element, llvm::ArrayRef<Size> strides,
                     int64_t baseBytes = kChunkBytes);

/// Where a vector of results lies.
struct ResultPlace {
  /// i64 each.
  llvm::SmallVector<mlir::Value> batch;
  /// i32, of element 0.
  mlir::Value row, column;
  /// i64, of element 0 in the result buffer, in elements.
  mlir::Value offset;
};

/// Gets a vector of `lanes` neighbouring sums of a row (f32, or i32 of products
/// of 8-bit integers), all of which exist, and returns the vector to store, of
/// any element. `lanes` is 1, 2, 4 or 8, the kernel's choice.
using ResultFn = std::function<mlir::Value(mlir::ImplicitLocOpBuilder &,
                                           mlir::Value, const ResultPlace &)>;
/// Stores what ResultFn returned.
using StoreFn = std::function<void(mlir::ImplicitLocOpBuilder &, mlir::Value,
                                   const ResultPlace &)>;

/// A matrix of results; columns are neighbours.
struct ResultSpec {
  mlir::Value base;
  mlir::Type element;
  Size rowStride;
  /// Null: 0.
  OffsetFn offset;
  /// As of MatrixSpec; of the stores.
  int64_t alignment = 0;
  /// A divisor of the number of columns that is known where that is not static.
  int64_t columnMultiple = 1;
  /// Null: the sums themselves.
  ResultFn compute;
  /// Null: a store at the place's offset, rounded to `element`.
  StoreFn store;
};

/// Starts a kernel before the insertion point of `b`, and moves `b` into it,
/// before its `tile.return`.
KernelOp createKernel(mlir::ImplicitLocOpBuilder &b,
                      const KernelSignature &signature, int64_t warpsM,
                      int64_t warpsN);
KernelArguments getArguments(KernelOp kernel, const KernelSignature &signature);

/// `value`, a vector or scalar of floats, as one of `element`.
mlir::Value convertFloat(mlir::ImplicitLocOpBuilder &b, mlir::Value value,
                         mlir::Type element);

/// Arithmetic on sizes; constants fold.
class SizeMath {
public:
  explicit SizeMath(mlir::ImplicitLocOpBuilder &b) : b(b) {}

  mlir::Value i32(int64_t value) const;
  mlir::Value i64(int64_t value) const;
  /// A size as i64, or as i32 where it is known to be small.
  mlir::Value i64(Size size) const;
  mlir::Value i32(Size size) const;
  /// Of a value that is not negative.
  mlir::Value extend(mlir::Value x) const;
  mlir::Value truncate(mlir::Value x) const;
  mlir::Value add(mlir::Value x, mlir::Value y) const;
  mlir::Value sub(mlir::Value x, mlir::Value y) const;
  mlir::Value mul(mlir::Value x, mlir::Value y) const;
  /// Of non-negative values.
  mlir::Value div(mlir::Value x, mlir::Value y) const;
  mlir::Value rem(mlir::Value x, mlir::Value y) const;
  mlir::Value ceilDiv(mlir::Value x, int64_t y) const;
  mlir::Value min(mlir::Value x, mlir::Value y) const;
  mlir::Value max(mlir::Value x, mlir::Value y) const;
  mlir::Value less(mlir::Value x, mlir::Value y) const;
  mlir::Value select(mlir::Value condition, mlir::Value x, mlir::Value y) const;
  /// Whether a size is static and a multiple of `divisor`.
  static bool isMultiple(Size size, int64_t divisor);

private:
  mlir::ImplicitLocOpBuilder &b;
};

/// The block's number, i32.
mlir::Value getBlockIndex(mlir::ImplicitLocOpBuilder &b);

/// Splits a number (i32) over batch sizes, innermost last; i64 each.
llvm::SmallVector<mlir::Value> splitBatch(mlir::ImplicitLocOpBuilder &b,
                                          mlir::Value number,
                                          llvm::ArrayRef<Size> sizes);

/// A tile type without layout.
TileType getTileType(mlir::Type element, llvm::ArrayRef<int64_t> shape,
                     MemorySpace space);

/// A view of `rows` x `columns` (i32) elements whose columns are neighbours; of
/// a matrix with a tensor map, which has the sizes, a mapped one.
mlir::Value createView(mlir::ImplicitLocOpBuilder &b, const MatrixSpec &matrix,
                       mlir::ValueRange batch, mlir::Value rows,
                       mlir::Value columns, Size stride);

/// What is subtracted (i32) from the 8-bit elements of a row of A or a column
/// of B, of which `index` (i32) may be beyond the last one.
using ZeroPointFn = std::function<mlir::Value(
    mlir::ImplicitLocOpBuilder &, mlir::ValueRange batch, mlir::Value index)>;

/// Zero points of a product's operands; null: none.
struct ZeroPoints {
  ZeroPointFn a, b;
};

/// The type of a product's sums: i32 of integers, else f32.
mlir::Type getSumType(mlir::Type element);

/// What a product carries from step to step: `m` x `n` sums of `element`s'
/// products, all zero, then what else the zero points need: the sums of A's
/// rows, if B has one, those of B's columns, if A has one.
llvm::SmallVector<mlir::Value> createSums(mlir::ImplicitLocOpBuilder &b,
                                          mlir::Type element, int64_t m,
                                          int64_t n, const ZeroPoints &zeros);
/// These values after one more step.
mlir::ValueRange createMma(mlir::ImplicitLocOpBuilder &b, mlir::Value x,
                           mlir::Value y, mlir::ValueRange sums,
                           const ZeroPoints &zeros, bool transposeA,
                           bool transposeB);
/// The sum of (a - za)(b - zb) over `terms` (i32), from these values:
///   sum(a b) - za sum(b) - zb sum(a) + terms za zb,
/// in i32, where what wraps around on the way does not matter. The tile begins
/// at `row` and `column`.
mlir::Value subtractZeroPoints(mlir::ImplicitLocOpBuilder &b,
                               mlir::ValueRange sums, const ZeroPoints &zeros,
                               mlir::ValueRange batch, mlir::Value row,
                               mlir::Value column, mlir::Value terms);

/// Computes and stores one vector of sums; place.offset is set here.
void emitResult(mlir::ImplicitLocOpBuilder &b, const ResultSpec &result,
                mlir::Value sums, ResultPlace place);

/// Ends a kernel: hands out `sums` (f32), whose first element is (row, column)
/// of the result; `rows` and `columns` bound it. Columns count from
/// `firstColumn` (null: 0), a multiple of `columns`. Goes through shared memory
/// where `staged`.
void emitResults(mlir::ImplicitLocOpBuilder &b, const ResultSpec &result,
                 llvm::ArrayRef<mlir::Value> batch, mlir::Value sums,
                 mlir::Value row, mlir::Value column, Size rows, Size columns,
                 bool staged, mlir::Value firstColumn = nullptr);

/// Hands out `values`, one per row, the first of which is row `row` (i32);
/// `rows` bounds them. `store` gets a value and its row (i32).
void emitRowValues(mlir::ImplicitLocOpBuilder &b, mlir::Value values,
                   mlir::Value row, Size rows,
                   llvm::function_ref<void(mlir::ImplicitLocOpBuilder &,
                                           mlir::Value, mlir::Value)>
                       store);

/// Copies a part of `view` that begins at (row, column) to `slot`, starting at
/// once; sizes say where all of it exists. `fill` as of `tile.copy`.
void createCopy(mlir::ImplicitLocOpBuilder &b, mlir::Value view,
                mlir::Value row, mlir::Value column, mlir::Value slot,
                Size rows, Size columns, mlir::ValueRange tap = {},
                mlir::Value fill = nullptr);

/// Shared memory for `stages` tiles.
mlir::Value createRing(mlir::ImplicitLocOpBuilder &b, mlir::Type element,
                       int64_t stages, int64_t rows, int64_t columns);

/// Starts a region of a pipeline, with the arguments that it needs.
mlir::Block *createFill(mlir::ImplicitLocOpBuilder &b, PipelineOp pipeline,
                        unsigned channel);
mlir::Block *createConsume(mlir::ImplicitLocOpBuilder &b, PipelineOp pipeline);
/// Awaits a channel in the consuming region.
mlir::ValueRange awaitChannel(mlir::ImplicitLocOpBuilder &b,
                              PipelineOp pipeline, unsigned channel);

} // namespace dlc::tile

#endif // DLC_DIALECT_TILE_KERNELBUILDER_H
