// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Elementwise ops around a transpose that moves the innermost dim. A block
// brings a square tile of it through shared memory, so that neighbouring
// threads read and write neighbours. Each side of the tile lies along as many
// of the innermost dims, of the result or of the input, as it takes to fill it.
#include "Transpose.h"

#include "Conversion/Common/ElementwiseFn.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <numeric>

using namespace mlir;

namespace dlc {

namespace {

/// Elements along each side of a tile that is moved one by one; else so many
/// vectors, of at least so many elements.
constexpr int64_t kSide = 32, kSideVectors = 8, kLeastVector = 4;
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
    auto sizeOf = [&](ArrayRef<unsigned> dims) {
      return nn::productOf(context.b, context.b.getLoc(), getSizes(dims));
    };
    nearSize = sizeOf(sides.near);
    farSize = sizeOf(sides.far);
    chooseWidth(context.getDispatch());
    auto cut = [&](ArrayRef<unsigned> dims, OpFoldResult size) {
      for (unsigned dim : dims) {
        grid[dim] = math.constant(1);
      }
      grid[dims.back()] = math.ceilDiv(size, math.constant(side));
    };
    cut(sides.near, nearSize);
    cut(sides.far, farSize);
  }

  /// Vectors where both sides are a whole number of them.
  void chooseWidth(nn::DispatchOp dispatch) {
    std::optional<int64_t> near = kernel::IndexMath::known(nearSize);
    std::optional<int64_t> far = kernel::IndexMath::known(farSize);
    if (sides.near.size() != 1 || sides.far.size() != 1 || !near || !far) {
      return;
    }
    int64_t most = std::gcd(getTransposeWidth(dispatch), std::gcd(*near, *far));
    if (most >= kLeastVector) {
      width = most;
      side = kSideVectors * width;
    }
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
    return hasVectors() ? 0 : llvm::divideCeil(kBankBits, std::max(bits, 8u));
  }

  nn::TransposeOp op;
  Sides sides;
  nn::Sizes sizes, grid;
  /// Elements along each side.
  OpFoldResult nearSize, farSize;
  bool hasVectors() const { return width > 1; }
  /// Elements of an access, and along each side of a tile.
  int64_t width = 1, side = kSide;
};

class TransposeEmitter {
public:
  explicit TransposeEmitter(GPUKernelBuilder &kb)
      : kb(kb), b(kb.b), math(kb.math), plan(kb) {}

  void emit();

private:
  /// Place in the tile's memory. Vectors of v: column c starts with row
  /// v(c / v mod 8), the others follow by xor; a store by 4 rows of 8 columns v
  /// apart and a load of 8 vectors of a column then touch each bank once. Else
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
  if (!plan.hasVectors()) {
    return math.value(
        math.add(math.mul(column, plan.side + plan.getPadding()), row));
  }
  OpFoldResult quad = math.rem(math.div(column, math.constant(plan.width)),
                               math.constant(plan.side / plan.width));
  Value place =
      arith::XOrIOp::create(b, row, math.value(math.mul(quad, plan.width)));
  return math.value(math.add(math.mul(column, plan.side), place));
}

OpFoldResult TransposeEmitter::placeOf(ArrayRef<unsigned> side, Value inTile) {
  return math.add(math.mul(tile[side.back()], plan.side), inTile);
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
  SmallVector<Value> columns, elements;
  for (int64_t i = 0; i < plan.width; ++i) {
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
  if (plan.hasVectors()) {
    Type element = cast<MemRefType>(shared.getType()).getElementType();
    auto loaded =
        vector::LoadOp::create(b, VectorType::get({plan.width}, element),
                               shared, address(column, row));
    loaded.setAlignment(plan.width * element.getIntOrFloatBitWidth() / 8);
    for (int64_t i = 0; i < plan.width; ++i) {
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
  OpFoldResult side = math.constant(plan.side / plan.width);
  Value along =
      math.value(math.mul(math.rem(kb.getThread(), side), plan.width));
  OpFoldResult across = math.div(kb.getThread(), side);
  int64_t step = kThreads * plan.width / plan.side;
  for (int64_t first = 0; first < plan.side; first += step) {
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
      plan.side * (plan.side + plan.getPadding()));
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
