// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Elementwise ops around a transpose that moves the innermost dim. A block
// brings a square tile of it through shared memory, so that neighbouring
// threads read and write neighbours. Each side of the tile lies along as many
// of the innermost dims, of the result or of the input, as it takes to fill it.
#include "Transpose.h"

#include "Conversion/Common/ElementwiseFn.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace dlc {

namespace {

/// Elements along each side of a tile, and of an access.
constexpr int64_t kSide = 32, kVector = 4;
constexpr int64_t kThreads = 256;

/// The dims of a transpose's result that the sides of tiles run along: the
/// result's innermost ones, and those where the input's innermost ones went,
/// each in the order of memory.
struct Sides {
  explicit Sides(nn::TransposeOp op);

  SmallVector<unsigned> near, far;
  /// Elements along each; dynamic if unknown.
  int64_t nearSize, farSize;
};

Sides::Sides(nn::TransposeOp op) {
  RankedTensorType type = op.getResult().getType();
  ArrayRef<int64_t> permutation = op.getPermutation();
  unsigned rank = type.getRank();
  // Where each dim of the input went.
  SmallVector<unsigned> moved(rank);
  for (auto [dim, from] : llvm::enumerate(permutation)) {
    moved[from] = dim;
  }
  near = {rank - 1};
  far = {moved[rank - 1]};
  auto grow = [&](SmallVector<unsigned> &side,
                  const SmallVector<unsigned> &other,
                  llvm::function_ref<unsigned(unsigned)> dimOf) {
    int64_t size = type.getDimSize(side[0]);
    for (unsigned i = rank - 1; i-- > 0;) {
      unsigned dim = dimOf(i);
      if (ShapedType::isDynamic(size) || size >= kSide ||
          type.isDynamicDim(dim) || llvm::is_contained(other, dim)) {
        break;
      }
      side.insert(side.begin(), dim);
      size *= type.getDimSize(dim);
    }
    return size;
  };
  nearSize = grow(near, far, [](unsigned dim) { return dim; });
  farSize = grow(far, near, [&](unsigned dim) { return moved[dim]; });
}

/// The transpose that the kernel is made around; null if there is none, or if
/// most threads of a tile would have nothing to do along short sides.
nn::TransposeOp findTranspose(nn::DispatchOp dispatch) {
  nn::TransposeOp op = findLoneTranspose(dispatch);
  if (!op) {
    return nullptr;
  }
  Sides sides(op);
  auto isShort = [&](int64_t size) {
    return !ShapedType::isDynamic(size) && size < kSide / 2;
  };
  return isShort(sides.nearSize) || isShort(sides.farSize) ? nn::TransposeOp()
                                                           : op;
}

/// Tiles of the result.
struct TilePlan {
  explicit TilePlan(DispatchContext &context)
      : op(findTranspose(context.getDispatch())), sides(op),
        sizes(context.sizes(op.getResult())) {
    kernel::IndexMath &math = context.math;
    grid = sizes;
    auto cut = [&](ArrayRef<unsigned> side) {
      OpFoldResult size =
          nn::productOf(context.b, context.b.getLoc(), getSizes(side));
      for (unsigned dim : side) {
        grid[dim] = math.constant(1);
      }
      grid[side.back()] = math.ceilDiv(size, math.constant(kSide));
      return size;
    };
    nearSize = cut(sides.near);
    farSize = cut(sides.far);
    auto isWhole = [](ArrayRef<unsigned> side, OpFoldResult size) {
      std::optional<int64_t> known = kernel::IndexMath::known(size);
      return side.size() == 1 && known && *known % kVector == 0;
    };
    hasVectors = op.getResult().getType().getElementTypeBitWidth() == 32 &&
                 isWhole(sides.near, nearSize) && isWhole(sides.far, farSize);
  }

  /// Sizes of the dims of a side.
  nn::Sizes getSizes(ArrayRef<unsigned> side) {
    nn::Sizes all;
    for (unsigned dim : side) {
      all.push_back(sizes[dim]);
    }
    return all;
  }

  /// Elements from the end of a row in shared memory to the next: with them,
  /// neighbours of a column are an odd number of banks apart.
  int64_t getPadding() {
    constexpr int64_t kBankBits = 32;
    unsigned bits = op.getResult().getType().getElementTypeBitWidth();
    return hasVectors ? 0 : llvm::divideCeil(kBankBits, std::max(bits, 8u));
  }

  nn::TransposeOp op;
  Sides sides;
  nn::Sizes sizes, grid;
  /// Elements along each side.
  OpFoldResult nearSize, farSize;
  /// Whether each access moves kVector elements.
  bool hasVectors;
};

class TransposeEmitter {
public:
  explicit TransposeEmitter(GPUKernelBuilder &kb)
      : kb(kb), b(kb.b), math(kb.math), plan(kb) {}

  void emit();

private:
  /// Place in the tile's memory. Vectors: column c starts with row 4(c / 4 mod
  /// 8), the others follow by xor; a store by 4 rows of 8 columns four apart
  /// and a load of 8 vectors of a column then touch each bank once. Else
  /// columns are one element longer than they need.
  Value address(Value column, Value row);
  /// Place of an element of the tile along one of the tensor's sides.
  OpFoldResult placeOf(ArrayRef<unsigned> side, Value inTile);
  /// Indices of the result at an element of the tile.
  SmallVector<Value> indicesOf(Value column, Value row);
  /// Whether the element exists.
  Value exists(Value column, Value row);
  void read(Value column, Value row);
  void write(Value column, Value row);
  /// Calls `body` with the places where this thread's accesses start: `along`
  /// the side that they move on, and `across`.
  void forAccesses(llvm::function_ref<void(Value along, Value across)> body);

  GPUKernelBuilder &kb;
  ImplicitLocOpBuilder &b;
  kernel::IndexMath &math;
  TilePlan plan;
  SmallVector<Value> tile;
  Value shared;
};

Value TransposeEmitter::address(Value column, Value row) {
  if (!plan.hasVectors) {
    return math.value(
        math.add(math.mul(column, kSide + plan.getPadding()), row));
  }
  OpFoldResult quad = math.rem(math.div(column, math.constant(kVector)),
                               math.constant(kSide / kVector));
  Value place =
      arith::XOrIOp::create(b, row, math.value(math.mul(quad, kVector)));
  return math.value(math.add(math.mul(column, kSide), place));
}

OpFoldResult TransposeEmitter::placeOf(ArrayRef<unsigned> side, Value inTile) {
  return math.add(math.mul(tile[side.back()], kSide), inTile);
}

SmallVector<Value> TransposeEmitter::indicesOf(Value column, Value row) {
  SmallVector<Value> indices(tile);
  for (auto [side, inTile] : {std::pair(ArrayRef(plan.sides.far), column),
                              std::pair(ArrayRef(plan.sides.near), row)}) {
    for (auto [dim, index] :
         llvm::zip_equal(side, kernel::delinearize(math, placeOf(side, inTile),
                                                   plan.getSizes(side)))) {
      indices[dim] = math.value(index);
    }
  }
  return indices;
}

Value TransposeEmitter::exists(Value column, Value row) {
  return arith::AndIOp::create(
      b, math.less(placeOf(plan.sides.far, column), plan.farSize),
      math.less(placeOf(plan.sides.near, row), plan.nearSize));
}

void TransposeEmitter::read(Value column, Value row) {
  KernelBuilder::MemoScope scope(kb);
  int64_t count = plan.hasVectors ? kVector : 1;
  SmallVector<Value> columns, elements;
  for (int64_t i = 0; i < count; ++i) {
    columns.push_back(math.value(math.add(column, math.constant(i))));
    SmallVector<Value> indices = indicesOf(columns.back(), row);
    SmallVector<Value> at(indices.size());
    for (auto [j, dim] : llvm::enumerate(plan.op.getPermutation())) {
      at[dim] = indices[j];
    }
    elements.push_back(kb.load(plan.op.getInput(), at));
  }
  for (auto [element, place] : llvm::zip_equal(elements, columns)) {
    memref::StoreOp::create(b, element, shared, address(place, row));
  }
}

void TransposeEmitter::write(Value column, Value row) {
  KernelBuilder::MemoScope scope(kb);
  SmallVector<Value> moved;
  if (plan.hasVectors) {
    Type element = cast<MemRefType>(shared.getType()).getElementType();
    auto loaded = vector::LoadOp::create(b, VectorType::get({kVector}, element),
                                         shared, address(column, row));
    loaded.setAlignment(16);
    for (int64_t i = 0; i < kVector; ++i) {
      moved.push_back(vector::ExtractOp::create(b, loaded, i));
    }
  } else {
    moved.push_back(memref::LoadOp::create(b, shared, address(column, row)));
  }
  SmallVector<SmallVector<Value>> places;
  SmallVector<Value> results;
  for (auto [i, element] : llvm::enumerate(moved)) {
    KernelBuilder::MemoScope each(kb);
    places.push_back(
        indicesOf(column, math.value(math.add(row, math.constant(i)))));
    kb.setElement(plan.op.getResult(), element);
    results.push_back(kb.load(kb.getYielded(0), places.back()));
  }
  for (auto [result, indices] : llvm::zip_equal(results, places)) {
    memref::StoreOp::create(b, result, kb.viewResult(0), indices);
  }
}

void TransposeEmitter::forAccesses(
    llvm::function_ref<void(Value, Value)> body) {
  int64_t width = plan.hasVectors ? kVector : 1;
  OpFoldResult side = math.constant(kSide / width);
  Value along = math.value(math.mul(math.rem(kb.getThread(), side), width));
  OpFoldResult across = math.div(kb.getThread(), side);
  int64_t step = kThreads / (kSide / width);
  for (int64_t first = 0; first < kSide; first += step) {
    body(along, math.value(math.add(across, math.constant(first))));
  }
}

void TransposeEmitter::emit() {
  for (OpFoldResult index :
       kernel::delinearize(math, kb.getBlock(), plan.grid)) {
    tile.push_back(math.value(index));
  }
  shared = kb.allocateShared(
      getCodeType(plan.op.getResult().getType().getElementType()),
      kSide * (kSide + plan.getPadding()));
  forAccesses([&](Value column, Value row) {
    kernel::emitIf(b, exists(column, row), [&] { read(column, row); });
  });
  kb.emitBarrier();
  forAccesses([&](Value row, Value column) {
    kernel::emitIf(b, exists(column, row), [&] { write(column, row); });
  });
}

class TransposeGPUFamily final : public GPUKernelFamily {
public:
  GPULaunch getLaunch(DispatchContext &context) const override {
    TilePlan plan(context);
    return {nn::productOf(context.b, context.b.getLoc(), plan.grid), kThreads,
            context.math.constant(0)};
  }

  LogicalResult emit(GPUKernelBuilder &kb) const override {
    TransposeEmitter(kb).emit();
    return success();
  }
};

} // namespace

const GPUKernelFamily *getTransposeGPUFamily(nn::DispatchOp dispatch) {
  static const TransposeGPUFamily family;
  if (findTranspose(dispatch)) {
    return &family;
  }
  const GPUKernelFamily *vectors = getChannelTransposeGPUFamily(dispatch);
  return vectors ? vectors : getPlaneTransposeGPUFamily(dispatch);
}

} // namespace dlc
