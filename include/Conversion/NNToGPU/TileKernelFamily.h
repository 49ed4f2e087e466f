// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Dispatches on tensor cores: products of matrices, convolutions and attention
// of 16-bit floats or tf32, or (not attention) 8-bit integers, as kernels of
// the tile dialect. A dispatch takes this way if its schedule is one of the
// tile dialect's.
#ifndef DLC_CONVERSION_NNTOGPU_TILEKERNELFAMILY_H
#define DLC_CONVERSION_NNTOGPU_TILEKERNELFAMILY_H

#include "Conversion/NNToGPU/GPUKernelFamily.h"
#include "Dialect/Tile/GemmKernel.h"
#include "Dialect/Tile/KernelBuilder.h"
#include "Dialect/Tile/Schedules.h"

namespace dlc {

/// A tile kernel of a dispatch under construction: pointers and i64 sizes for
/// the tile dialect's builders, and a KernelBuilder for what is fused with the
/// product. Both write at the same places.
class TileKernelBuilder {
public:
  /// `b` stands where the kernel shall be. `indexBits` is the width of `index`
  /// in the kernel. With `readsPartialSums` the kernel has a buffer of these
  /// between inputs and result.
  TileKernelBuilder(mlir::ImplicitLocOpBuilder &b, nn::DispatchOp dispatch,
                    llvm::StringRef name, unsigned indexBits,
                    const tile::BlockLimits &limits,
                    bool readsPartialSums = false);

  mlir::ImplicitLocOpBuilder &b;
  nn::DispatchOp dispatch;
  tile::KernelSignature signature;
  const tile::BlockLimits &limits;

  /// To be called first in the kernel.
  void start(mlir::ImplicitLocOpBuilder &inside,
             const tile::KernelArguments &arguments);
  /// After start.
  KernelBuilder &kb() { return *builder; }
  /// !llvm.ptr<1> of an input, which is a block argument, or of a result.
  mlir::Value getPointer(mlir::Value input);
  mlir::Value getResultPointer(unsigned i = 0);
  unsigned getIndexBits() const { return indexBits; }
  /// A size of the dispatch as the tile dialect's builders take it.
  tile::Size getSize(mlir::OpFoldResult size);
  /// An i32 or i64 as index.
  mlir::Value getIndex(mlir::ImplicitLocOpBuilder &inside, mlir::Value value);

  /// A zero point of an 8-bit operand: one, or one for each of the rows or
  /// columns that `index` counts, of which there are `count`, repeated every
  /// `count`. To be called after start; `zero` may be null.
  tile::ZeroPointFn getZeroPoint(mlir::Value zero, mlir::OpFoldResult count);

  /// The kernel that adds a product's `parts` partial sums. `complete` adds
  /// sizes and result to its spec, after start.
  tile::KernelOp
  emitSplitSum(int64_t parts,
               llvm::function_ref<void(tile::SplitSumSpec &)> complete);

  /// What the dispatch yields for neighbouring elements of the root's result,
  /// as a vector. `sums` is a vector of f32 or i32; `finish` gives the root's
  /// element (of its code type) and sets its place, from the lane and its sum.
  mlir::Value emitEpilogue(
      mlir::ImplicitLocOpBuilder &inside, mlir::Value sums,
      llvm::function_ref<std::pair<mlir::Value, llvm::SmallVector<mlir::Value>>(
          int64_t lane, mlir::Value sum)>
          finish);

private:
  unsigned indexBits;
  bool readsPartialSums;
  llvm::SmallVector<mlir::Value> pointers;
  mlir::Value partialSums;
  std::optional<KernelBuilder> builder;
};

/// Of roots whose sum may be cut into parts: what the kernel that adds these
/// needs.
class SplitSumFamily {
public:
  virtual ~SplitSumFamily() = default;
  /// The results of the root, m x n of each product of the batch.
  virtual mlir::OpFoldResult countResults(DispatchContext &context) const = 0;
  /// A number that divides n.
  virtual int64_t getColumnMultiple(nn::DispatchOp dispatch) const = 0;
  /// As buildPartialSumKernel.
  virtual tile::KernelOp buildPartialSum(TileKernelBuilder &builder,
                                         int64_t parts) const = 0;
};

/// Schedules and kernels for one kind of root.
class TileKernelFamily {
public:
  virtual ~TileKernelFamily() = default;
  /// Why tensor cores do not compute the dispatch; empty: they can.
  std::string getObstacle(nn::DispatchOp dispatch) const;
  /// The static rule's choice; null where no schedule is legal.
  virtual mlir::Attribute
  chooseSchedule(nn::DispatchOp dispatch,
                 const tile::BlockLimits &limits) const = 0;
  virtual mlir::LogicalResult
  checkSchedule(nn::DispatchOp dispatch, mlir::Attribute schedule,
                const tile::BlockLimits &limits,
                tile::EmitErrorFn emitError) const = 0;
  /// For a dispatch with a schedule.
  GPULaunch getLaunch(DispatchContext &context) const;
  virtual mlir::FailureOr<tile::KernelOp>
  build(TileKernelBuilder &builder) const = 0;
  /// Null where the sum is never cut.
  virtual const SplitSumFamily *getSplitSum() const { return nullptr; }

protected:
  /// Obstacles of this kind of root, whose operands are in memory.
  virtual std::string findObstacle(nn::DispatchOp dispatch) const = 0;
  /// What the kernel copies by tensor maps.
  virtual llvm::SmallVector<GPUTensorMap>
  getMaps(DispatchContext &context) const {
    return {};
  }
  /// Blocks of a launch, without parts of a sum.
  virtual mlir::OpFoldResult countBlocks(DispatchContext &context) const = 0;
};

/// Says why operands come without bulk copies where there are such copies.
void remarkWithoutBulk(nn::DispatchOp dispatch, const tile::BlockLimits &limits,
                       llvm::StringRef obstacle);

/// A family whose schedules are of one kind, checked by the traits of a
/// dispatch.
template <typename Schedule, typename Traits>
class ScheduledTileFamily : public TileKernelFamily {
public:
  mlir::LogicalResult checkSchedule(nn::DispatchOp dispatch,
                                    mlir::Attribute schedule,
                                    const tile::BlockLimits &limits,
                                    tile::EmitErrorFn emitError) const final {
    auto own = mlir::dyn_cast<Schedule>(schedule);
    if (!own) {
      return emitError() << "expected a #tile." << Schedule::getMnemonic()
                         << ", got " << schedule;
    }
    return tile::checkSchedule(own, getTraits(dispatch), limits, emitError);
  }

protected:
  virtual Traits getTraits(nn::DispatchOp dispatch) const = 0;

  static Schedule getSchedule(nn::DispatchOp dispatch) {
    return mlir::cast<Schedule>(dispatch.getScheduleAttr());
  }
};

/// The family for a root, or null.
const TileKernelFamily *findTileKernelFamily(mlir::Operation *root);
/// The family that computes a dispatch; null where its schedule is not one of
/// the tile dialect's, or the root not for tensor cores.
const TileKernelFamily *getScheduledTileFamily(nn::DispatchOp dispatch);

const TileKernelFamily *getTileContractFamily();
const TileKernelFamily *getTileConvFamily();
const TileKernelFamily *getTileAttentionFamily();

/// What a root multiplies, if tensor cores can: bf16, f16, f32 for tf32, or an
/// 8-bit integer type, where the other factor may have the other one; else
/// null.
mlir::Type getTensorCoreElement(mlir::Operation *root);

/// The zero point if elements change by it; null for none and a constant 0.
mlir::Value getNonZero(mlir::Value zeroPoint);

/// The transforms that bring a filter of 8-bit integers into the layout that
/// tensor cores read: (groups, output channels, taps x channels).
llvm::SmallVector<mlir::Attribute> getByteFilterTransforms(nn::ConvOp op);

/// The product of the static ones among `sizes`: a number that surely divides
/// the product of all.
int64_t getKnownDivisor(llvm::ArrayRef<int64_t> sizes);

/// Whether dims `dims` of the root's result may be given as one linear index in
/// the last of them: everything that is fused with the root has all of them
/// as they are, or all of size 1.
bool areDimsUniform(nn::DispatchOp dispatch, llvm::ArrayRef<unsigned> dims);

/// The size of a dim of a dispatch's input that schedules are chosen for: its
/// own, or what it becomes where the model's sizes are what its user says to
/// optimise for, else the largest allowed. kDynamic where that is not bounded.
int64_t getTypicalSize(nn::DispatchOp dispatch, mlir::Value input, int64_t dim);

/// kDynamic if one is.
inline int64_t multiplySizes(int64_t x, int64_t y) {
  bool known =
      !mlir::ShapedType::isDynamic(x) && !mlir::ShapedType::isDynamic(y);
  return known ? x * y : mlir::ShapedType::kDynamic;
}

/// A product of `m` x `k` and `k` x `n` matrices, `batch` of them; kDynamic
/// where not known.
struct ProductSizes {
  int64_t m = 1, n = 1, k = 1, batch = 1;

  bool areKnown() const {
    return !llvm::is_contained({m, n, k, batch}, mlir::ShapedType::kDynamic);
  }
};

/// How blocks multiply, for estimateProductTime.
struct ProductForm {
  int64_t tileM, tileN;
  /// The part of a multiprocessor's speed that a block reaches.
  double efficiency;
  /// Equal parts of k, each for blocks of its own.
  int64_t parts = 1;
};
/// Time of a product on a GPU with 108 multiprocessors that make
/// `productsPerMicrosecond` each, in microseconds: waves of blocks, each as
/// long as its tile is large and k long, and what a second kernel takes to add
/// parts. Of an unknown k, 1.
double estimateProductTime(const ProductSizes &sizes, const ProductForm &form,
                           double productsPerMicrosecond);
/// The numbers of parts that k is worth to be cut into at most; 1 where a size
/// is not known.
llvm::SmallVector<int64_t> getPartCounts(const ProductSizes &sizes);

/// The static rules: the legal schedule that a simple model of a GPU with 108
/// multiprocessors finds best. Null where none is legal.
tile::GemmScheduleAttr chooseGemmSchedule(mlir::MLIRContext *context,
                                          const ProductSizes &sizes,
                                          const tile::ProductTraits &traits,
                                          const tile::BlockLimits &limits);
/// `k` of `sizes`: channels of all taps.
tile::ConvScheduleAttr chooseConvSchedule(mlir::MLIRContext *context,
                                          const ProductSizes &sizes,
                                          const tile::ProductTraits &traits,
                                          const tile::BlockLimits &limits);
/// `rows` of the query in each of the heads.
tile::AttentionScheduleAttr
chooseAttentionSchedule(mlir::MLIRContext *context, int64_t rows,
                        const tile::AttentionTraits &traits,
                        const tile::BlockLimits &limits);

// The second kernel of a contract or convolution whose GPULaunch::parts is not
// 1; the first leaves partial sums, [parts][batch][m][n] of f32 or i32, dense.

/// The type of the partial sums.
mlir::Type getPartialSumType(nn::DispatchOp dispatch);

/// Elements of the partial sums.
mlir::OpFoldResult countPartialSums(DispatchContext &context, int64_t parts);
GPULaunch getPartialSumLaunch(DispatchContext &context);
/// Builds that kernel, which adds the parts in their order and does what is
/// fused with the root.
tile::KernelOp buildPartialSumKernel(TileKernelBuilder &builder, int64_t parts);

} // namespace dlc

#endif // DLC_CONVERSION_NNTOGPU_TILEKERNELFAMILY_H
