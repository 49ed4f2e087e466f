// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The piece of a block: its size, its way to shared memory and back.
#include "StagedRows.h"
#include "SharedTables.h"

#include "Conversion/Common/ElementwiseFn.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <numeric>

using namespace mlir;

namespace dlc {

/// Bytes of shared memory for a piece: what exchange and tables leave of a
/// kernel's; and, where only the run knows the sizes, what the kernel's other
/// way to compute its rows has.
static constexpr int64_t kPieceBytes = 40 << 10, kUnknownPieceBytes = 24 << 10;
/// Elements of a piece, where rows are shorter: enough that the sectors which
/// two pieces share do not count.
static constexpr int64_t kPieceElements = 1024;
/// Elements of a piece for each thread of its block.
static constexpr int64_t kThreadElements = 8;
/// Operands that are copied, at most: a mask and a bias.
static constexpr size_t kMostCopied = 2;
static constexpr int64_t kMinThreads = 64, kMostThreads = 512;

StagedRows::StagedRows(kernel::IndexMath &math, RowSpace &space,
                       const RowShape &shape)
    : space(space), kept(getCodeType(shape.type)) {
  const std::optional<RowSpace::Slabs> &found = space.getSlabs();
  if (!found) {
    return;
  }
  slabs = found->slabs;
  lanes = found->lanes;
  columns = space.getColumns();
  slab = math.mul(columns, lanes);
  total = math.mul(slabs, slab);
  int64_t bits = typeOf(shape.tensor).getElementTypeBitWidth();
  unit = kSectorBytes / std::max<int64_t>(1, bits / 8);
  chooseCopies();
  chooseAccess(shape);
  chooseSizes(math);
}

int64_t StagedRows::getPieceBytes() const {
  auto bytesOf = [](Type type) {
    return std::max<int64_t>(1, type.getIntOrFloatBitWidth() / 8);
  };
  int64_t bytes = bytesOf(kept);
  for (Value input : copied) {
    bytes += bytesOf(typeOf(input).getElementType());
  }
  return bytes;
}

void StagedRows::chooseCopies() {
  copied = llvm::to_vector(space.getRepeated());
  std::optional<int64_t> known = kernel::IndexMath::known(slab);
  if (copied.size() > kMostCopied ||
      (known && *known > kPieceBytes / getPieceBytes() - 2 * unit)) {
    copied.clear();
  }
}

void StagedRows::chooseAccess(const RowShape &shape) {
  width = getAccessWidth(space.getElementBytes());
  ArrayRef<int64_t> sizes = typeOf(shape.tensor).getShape();
  bool isWhole = sizes.empty() || (!ShapedType::isDynamic(sizes.back()) &&
                                   sizes.back() % width == 0);
  if (!space.isOrdered() && copied.empty() && !isWhole) {
    width = 1;
  }
}

void StagedRows::chooseSizes(kernel::IndexMath &math) {
  int64_t keptBytes = std::max(1u, kept.getIntOrFloatBitWidth() / 8);
  std::optional<int64_t> known = kernel::IndexMath::known(slab);
  // What lies before and behind a piece in the units it shares.
  int64_t edges = 2 * unit;
  if (!known) {
    if (keptBytes > 4) {
      return;
    }
    capacity = kUnknownPieceBytes / getPieceBytes();
    threads = space.getBlockThreads();
    use = Use::atRun;
    OpFoldResult size = math.max(slab, math.constant(1));
    OpFoldResult least = math.ceilDiv(math.constant(kPieceElements), size);
    OpFoldResult few = math.min(math.roundUp(least, unit), math.mul(least, 2));
    OpFoldResult most = math.div(math.constant(capacity - edges), size);
    blockSlabs = math.max(math.min(few, most), math.constant(1));
    return;
  }
  int64_t most = kPieceBytes / getPieceBytes() - edges;
  if (*known == 0 || *known > most || space.fillsSectors()) {
    return;
  }
  use = Use::always;
  int64_t count = llvm::divideCeil(kPieceElements, *known);
  int64_t step = unit / std::gcd(*known, unit);
  int64_t whole = llvm::alignTo(count, step);
  if (whole * *known <= std::min(2 * kPieceElements, most)) {
    count = whole;
  }
  count = std::min(count, std::max<int64_t>(1, most / *known));
  if (std::optional<int64_t> all = kernel::IndexMath::known(slabs)) {
    count = std::max<int64_t>(1, std::min(count, *all));
  }
  blockSlabs = math.constant(count);
  int64_t piece = count * *known;
  capacity = llvm::alignTo(piece + (piece % unit == 0 ? 0 : edges), unit);
  threads = std::clamp<int64_t>(
      llvm::PowerOf2Ceil(llvm::divideCeil(piece, kThreadElements)), kMinThreads,
      kMostThreads);
}

Value StagedRows::emitCondition(kernel::IndexMath &math) const {
  return math.lessEqual(slab, math.constant(capacity - 2 * unit));
}

OpFoldResult StagedRows::getBlocks(kernel::IndexMath &math) const {
  return math.ceilDiv(slabs, blockSlabs);
}

void StagedRows::emit(GPUKernelBuilder &kb, const RowShape &shape,
                      const RowProgram &program, Value memory) {
  kernel::IndexMath &math = kb.math;
  shared = memory;
  OpFoldResult piece = math.mul(blockSlabs, slab);
  firstSlab = math.value(math.mul(kb.getBlock(), blockSlabs));
  begin = math.mul(firstSlab, slab);
  end = math.min(math.add(begin, piece), total);
  std::optional<int64_t> known = kernel::IndexMath::known(piece);
  isAligned = known && *known % unit == 0;
  start =
      isAligned ? begin : math.mul(math.div(begin, math.constant(unit)), unit);
  RepeatedOperands operands(kb, copied, space.getSizes(), capacity);
  if (!copied.empty()) {
    operands.emitCopies(start, math.min(math.roundUp(end, unit), total));
    kb.emitBarrier();
  }
  emitLoads(kb, program, operands);
  {
    SharedTables tables(kb, program, space,
                        {math.mul(firstSlab, lanes),
                         math.mul(blockSlabs, lanes),
                         known.value_or(kPieceElements)});
    kb.emitBarrier();
    emitPieceRows(kb,
                  {space, shared, slabs, columns, lanes, firstSlab, blockSlabs,
                   math.sub(begin, start)},
                  program);
  }
  if (shape.isKept) {
    kb.emitBarrier();
    emitStores(kb, shape, operands);
  }
}

SmallVector<Value> StagedRows::getAccess(GPUKernelBuilder &kb, Value place) {
  return space.getAccess(kb, place, space.isOrdered() || !copied.empty());
}

/// Calls `body` with the places of each access of this thread, those within
/// [lower, upper); one by one where not all of an access's are.
void StagedRows::forAccesses(GPUKernelBuilder &kb, OpFoldResult lower,
                             OpFoldResult upper,
                             llvm::function_ref<void(ValueRange)> body) {
  kernel::IndexMath &math = kb.math;
  OpFoldResult first = math.add(start, math.mul(kb.getThread(), width));
  auto emitAccess = [&](Value place) {
    KernelBuilder::MemoScope scope(kb);
    SmallVector<Value> places;
    for (int64_t i = 0; i < width; ++i) {
      places.push_back(math.value(math.add(place, math.constant(i))));
    }
    body(places);
  };
  std::optional<int64_t> known = kernel::IndexMath::known(total);
  bool areWhole = (known && *known % width == 0 && isAligned) ||
                  (width == 1 && lower == start);
  kernel::emitFor(
      kb.b, first, end, math.constant(threads * width), [&](Value place) {
        if (areWhole) {
          emitAccess(place);
          return;
        }
        OpFoldResult behind = math.add(place, math.constant(width));
        Value inside = kb.b.createOrFold<arith::AndIOp>(
            math.lessEqual(lower, place), math.lessEqual(behind, upper));
        kernel::emitIf(
            kb.b, inside, [&] { emitAccess(place); },
            [&] {
              kernel::emitFor(kb.b, math.max(place, lower),
                              math.min(behind, upper), math.constant(1),
                              [&](Value one) {
                                KernelBuilder::MemoScope scope(kb);
                                body(one);
                              });
            });
      });
}

void StagedRows::emitLoads(GPUKernelBuilder &kb, const RowProgram &program,
                           RepeatedOperands &operands) {
  // Neighbours' elements in the same units do no harm.
  forAccesses(kb, start, total, [&](ValueRange places) {
    SmallVector<Value> elements;
    for (Value place : places) {
      elements.push_back(operands.readAt(
          place, [&] { return program.load(getAccess(kb, place)); }));
    }
    storeShared(kb, elements, kb.math.value(kb.math.sub(places[0], start)));
  });
}

void StagedRows::emitStores(GPUKernelBuilder &kb, const RowShape &shape,
                            RepeatedOperands &operands) {
  forAccesses(kb, begin, end, [&](ValueRange places) {
    SmallVector<Value> elements = loadShared(
        kb, places.size(), kb.math.value(kb.math.sub(places[0], start)));
    // All results, then their stores, so that no store stands between loads.
    SmallVector<Value> results;
    SmallVector<SmallVector<Value>> indices;
    for (auto [place, element] : llvm::zip_equal(places, elements)) {
      indices.push_back(getAccess(kb, place));
      results.push_back(operands.readAt(place, [&] {
        return emitRowResult(kb, shape, element, indices.back());
      }));
    }
    for (auto [result, at] : llvm::zip_equal(results, indices)) {
      memref::StoreOp::create(kb.b, result, kb.viewResult(0), at);
    }
  });
}

/// Elements of the accesses to shared memory that `count` elements take.
static int64_t getPart(Type kept, int64_t count) {
  int64_t bytes = std::max(1u, kept.getIntOrFloatBitWidth() / 8);
  return std::min(count, getAccessWidth(bytes));
}

/// Whether this lane takes the second half of its 32 bytes first: of 8 lanes,
/// which share a wavefront, the first 4 then touch the banks that the others
/// leave.
static Value isSwapped(GPUKernelBuilder &kb) {
  kernel::IndexMath &math = kb.math;
  OpFoldResult quad = math.div(kb.getThread(), math.constant(4));
  return math.equal(math.rem(quad, math.constant(2)), math.constant(1));
}

void StagedRows::storeShared(GPUKernelBuilder &kb, ValueRange elements,
                             Value at) {
  ImplicitLocOpBuilder &b = kb.b;
  if (elements.size() == 1) {
    memref::StoreOp::create(b, elements[0], shared, at);
    return;
  }
  int64_t part = getPart(kept, elements.size());
  auto type = VectorType::get({part}, kept);
  auto store = [&](Value vector, OpFoldResult place) {
    vector::StoreOp::create(b, vector, shared, kb.math.value(place))
        .setAlignment(part * kept.getIntOrFloatBitWidth() / 8);
  };
  Value low =
      vector::FromElementsOp::create(b, type, elements.take_front(part));
  if (part == static_cast<int64_t>(elements.size())) {
    store(low, at);
    return;
  }
  Value high =
      vector::FromElementsOp::create(b, type, elements.take_back(part));
  Value swapped = isSwapped(kb);
  Value offset = arith::SelectOp::create(b, swapped, kb.math.value(part),
                                         kb.math.value(0));
  store(arith::SelectOp::create(b, swapped, high, low),
        kb.math.add(at, offset));
  store(arith::SelectOp::create(b, swapped, low, high),
        kb.math.sub(kb.math.add(at, kb.math.constant(part)), offset));
}

SmallVector<Value> StagedRows::loadShared(GPUKernelBuilder &kb, int64_t count,
                                          Value at) {
  ImplicitLocOpBuilder &b = kb.b;
  if (count == 1) {
    return {memref::LoadOp::create(b, shared, at)};
  }
  int64_t part = getPart(kept, count);
  auto type = VectorType::get({part}, kept);
  auto load = [&](OpFoldResult place) -> Value {
    auto vector = vector::LoadOp::create(b, type, shared, kb.math.value(place));
    vector.setAlignment(part * kept.getIntOrFloatBitWidth() / 8);
    return vector;
  };
  SmallVector<Value> vectors;
  if (part == count) {
    vectors.push_back(load(at));
  } else {
    Value swapped = isSwapped(kb);
    Value offset = arith::SelectOp::create(b, swapped, kb.math.value(part),
                                           kb.math.value(0));
    Value first = load(kb.math.add(at, offset));
    Value second =
        load(kb.math.sub(kb.math.add(at, kb.math.constant(part)), offset));
    vectors = {arith::SelectOp::create(b, swapped, second, first),
               arith::SelectOp::create(b, swapped, first, second)};
  }
  SmallVector<Value> elements;
  for (Value vector : vectors) {
    for (int64_t i = 0; i < part; ++i) {
      elements.push_back(vector::ExtractOp::create(b, vector, i));
    }
  }
  return elements;
}

} // namespace dlc
