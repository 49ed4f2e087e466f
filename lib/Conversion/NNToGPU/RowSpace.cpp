// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The cut of rows among threads.
#include "RowSpace.h"

#include <numeric>

using namespace mlir;

namespace dlc {

/// Rows up to this length belong to a warp.
static constexpr int64_t kWarpColumns = 1024;
/// Threads of the largest blocks.
static constexpr int64_t kLargestBlock = 1024;
/// Registers for a thread's elements: of most blocks; of the largest ones,
/// whose threads have 64 registers.
static constexpr int64_t kRegisters = 32, kFewRegisters = 20;
/// Of the largest blocks where the place in a cluster takes registers, too; and
/// where a row's elements lie in several dims, so that their places do.
static constexpr int64_t kFewClusterRegisters = 12, kFewSplitRegisters = 8;
/// The same where only the run knows the length.
static constexpr int64_t kUnknownRegisters = 16, kFewUnknownRegisters = 8;
/// Bytes of shared memory for elements that registers do not hold, where only
/// the run knows the length: what lets several blocks share a multiprocessor.
static constexpr int64_t kUnknownKeptBytes = 24 << 10;
/// Elements of a row for which what pays is judged there.
static constexpr int64_t kUsualColumns = 1024;
/// Rows that lie woven, at most.
static constexpr int64_t kMaxWoven = 64;

RowSpace::RowSpace(DispatchContext &context, const RowShape &shape,
                   const RowSchedule &schedule)
    : rank(typeOf(shape.tensor).getRank()), groups(shape.groups),
      channelDim(shape.channelDim), sizes(context.sizes(shape.tensor)) {
  kernel::IndexMath &math = context.math;
  if (groups > 0) {
    groupWidth = math.div(sizes[channelDim], math.constant(groups));
  }
  for (int64_t dim = 0; dim < rank; ++dim) {
    bool isSplit = groups > 0 && dim == channelDim;
    bool isAxis = llvm::is_contained(shape.axes, dim);
    if (!isAxis) {
      rowDims.push_back(dim);
      rowSizes.push_back(isSplit ? math.constant(groups) : sizes[dim]);
    }
    if (isAxis || isSplit) {
      columnDims.push_back(dim);
      columnSizes.push_back(isSplit ? groupWidth : sizes[dim]);
    }
  }
  Location loc = context.b.getLoc();
  rows = nn::productOf(context.b, loc, rowSizes);
  columns = nn::productOf(context.b, loc, columnSizes);
  findSlabs(context, shape);
  Type kept = shape.isKept ? shape.type : Type();
  chooseThreads(std::max(8u, typeOf(shape.tensor).getElementTypeBitWidth()),
                kept, shape.isLarge);
  if (!choosePieces()) {
    chooseWeave(kept, shape.isLarge);
  }
  // Threads that leave out a row would miss the cluster's barriers.
  bool areWhole =
      rowThreads == blockThreads || isAcross || isWoven || pieceThreads > 0;
  if (areWhole && kernel::IndexMath::known(columns)) {
    clusterBlocks = schedule.blocks;
    rowThreads *= clusterBlocks;
  }
  choosePlaces(kept, schedule.keptBytes);
}

bool RowSpace::fillsSectors() const {
  int64_t bytes = std::max<int64_t>(1, inputBits / 8);
  if (isAcross) {
    std::optional<int64_t> lanes =
        slabs ? kernel::IndexMath::known(slabs->lanes) : std::nullopt;
    return lanes && *lanes * bytes % kSectorBytes == 0;
  }
  std::optional<int64_t> known = kernel::IndexMath::known(columns);
  return known && width > 1 && *known >= kWarpThreads / 2 * width;
}

/// Code that takes more registers than threads of the largest blocks have needs
/// smaller ones: that of elements of 64 bits, and where only the run knows the
/// sizes, large code and elements that lie in several dims.
int64_t RowSpace::getLargestBlock(Type kept, bool isLarge) const {
  int64_t bits =
      kept ? std::max<int64_t>(inputBits, kept.getIntOrFloatBitWidth()) : 0;
  bool isUnknown = !kernel::IndexMath::known(columns);
  bool isWide =
      bits == 64 || (isUnknown && (isLarge || (kept && columnDims.size() > 1)));
  return isWide ? kLargestBlock / 2 : kLargestBlock;
}

void RowSpace::chooseThreads(unsigned elementBits, Type kept, bool isLarge) {
  inputBits = elementBits;
  std::optional<int64_t> known = kernel::IndexMath::known(columns);
  isAcross = !columnDims.empty() && columnDims.back() != rank - 1;
  if (isAcross) {
    constexpr int64_t kWarps = 8;
    int64_t few = kept ? kWarps * kRegisters : kWarpColumns;
    int64_t most = getLargestBlock(kept, isLarge) / kWarpThreads;
    rowThreads = !known || *known > few ? most : kWarps;
    blockThreads = rowThreads * kWarpThreads;
  } else if (!known) {
    rowThreads = blockThreads = 256;
  } else if (*known > kWarpColumns) {
    rowThreads = blockThreads =
        *known > 8192 ? getLargestBlock(kept, isLarge) : 256;
  }
  if (!known) {
    return;
  }
  int64_t vector = getAccessWidth(elementBits / 8);
  std::optional<int64_t> last =
      columnSizes.empty() ? std::optional<int64_t>(1)
      : hasOrder && slabs ? known
                          : kernel::IndexMath::known(columnSizes.back());
  if (!isAcross && !columnDims.empty() && last && *last % vector == 0) {
    width = vector;
  }
}

void RowSpace::chooseWeave(Type kept, bool isLarge) {
  std::optional<int64_t> known = kernel::IndexMath::known(columns);
  std::optional<int64_t> lanes =
      slabs ? kernel::IndexMath::known(slabs->lanes) : std::nullopt;
  blockRows = blockThreads / rowThreads;
  if (!lanes || *lanes == 0 || width > 1) {
    return;
  }
  unit = std::max<int64_t>(1, kSectorBytes * 8 / inputBits);
  bool isAligned = known && *known * *lanes % unit == 0;
  int64_t most = getLargestBlock(kept, isLarge);
  if (*lanes == 1) {
    isWoven = blockRows == 1 && !isAligned;
  } else if (int64_t step = std::lcm(*lanes, unit);
             *lanes <= kMaxWoven && step <= most &&
             (*lanes % unit != 0 || *lanes < kWarpThreads)) {
    isWoven = true;
    isAcross = false;
    blockRows = *lanes;
    blockThreads = most;
    rowThreads = llvm::alignDown(blockThreads, step) / *lanes;
  }
  if (isWoven && !isAligned) {
    before = llvm::divideCeil(unit - 1, *lanes);
  }
}

void RowSpace::choosePlaces(Type kept, int64_t keptBytes) {
  std::optional<int64_t> known = kernel::IndexMath::known(columns);
  bool isLargest = blockThreads == kLargestBlock;
  int64_t room = !isLargest              ? kRegisters
                 : columnDims.size() > 1 ? kFewSplitRegisters
                 : clusterBlocks > 1     ? kFewClusterRegisters
                                         : kFewRegisters;
  int64_t elements =
      known ? llvm::divideCeil(*known + before, rowThreads * width) * width
            : INT64_MAX;
  if (!kept) {
    threadElements = elements <= room ? elements : 0;
    return;
  }
  int64_t bits = std::max(32u, kept.getIntOrFloatBitWidth());
  // The code of each element of 64 bits takes too many registers besides.
  bool hasOnlyShared = !known && bits == 64;
  if (!known) {
    room = hasOnlyShared ? 0
           : isLargest   ? kFewUnknownRegisters
                         : kUnknownRegisters;
  }
  room = room * 32 / bits / width * width;
  threadElements = std::min(elements, room);
  if (elements == threadElements) {
    return;
  }
  int64_t bytes = known || hasOnlyShared
                      ? keptBytes
                      : std::min(keptBytes, kUnknownKeptBytes);
  int64_t slots = bytes * 8 / kept.getIntOrFloatBitWidth();
  int64_t stride = getOwnThreads() * width;
  int64_t most = slots / (blockRows * stride) * stride * clusterBlocks;
  int64_t rest = elements - threadElements;
  sharedColumns = known ? std::min(most, rest * rowThreads) : most;
}

std::optional<bool> RowSpace::keepsRows() const {
  std::optional<int64_t> known = kernel::IndexMath::known(columns);
  return known ? std::optional(*known + before <=
                               threadElements * rowThreads + sharedColumns)
               : std::nullopt;
}

int64_t RowSpace::getDynamicBytes(Type kept) const {
  int64_t bytes = getSharedElements() * kept.getIntOrFloatBitWidth() / 8;
  // A cluster's exchange takes some of what a kernel has by itself.
  return clusterBlocks > 1 || bytes > RowSchedule().keptBytes ? bytes : 0;
}

int64_t RowSpace::getBlockElements() const {
  std::optional<int64_t> known = kernel::IndexMath::known(columns);
  return known.value_or(kUsualColumns) * blockRows / clusterBlocks;
}

std::optional<int64_t> RowSpace::getRowPart(int64_t dim) const {
  if (dim < 0 || !llvm::is_contained(rowDims, dim)) {
    return std::nullopt;
  }
  for (auto [rowDim, size] : llvm::zip_equal(rowDims, rowSizes)) {
    if (rowDim > dim && !kernel::IndexMath::isKnown(size, 1)) {
      return std::nullopt;
    }
  }
  return groups > 0 && dim == channelDim ? kernel::IndexMath::known(groupWidth)
                                         : std::optional<int64_t>(1);
}

OpFoldResult RowSpace::getBlocks(kernel::IndexMath &math) const {
  return math.mul(math.ceilDiv(rows, math.constant(blockRows)), clusterBlocks);
}

void RowSpace::emitRows(GPUKernelBuilder &kb,
                        llvm::function_ref<void(Value)> body) {
  kernel::IndexMath &math = kb.math;
  if (isWoven || pieceThreads > 0) {
    body(isWoven ? emitWovenRow(kb) : emitPieceRow(kb));
    return;
  }
  if (getOwnThreads() == blockThreads) {
    body(kb.getBlock());
    return;
  }
  int64_t perBlock = blockRows;
  Value row = math.value(
      math.add(math.mul(kb.getBlock(), perBlock), getRowInBlock(kb)));
  std::optional<int64_t> known = kernel::IndexMath::known(rows);
  if (known && *known % perBlock == 0) {
    body(row);
  } else if (isAcross) {
    // The threads of a block meet at barriers, so that none may leave.
    exists = math.less(row, rows);
    body(row);
  } else {
    kernel::emitIf(kb.b, math.less(row, rows), [&] { body(row); });
  }
}

Value RowSpace::emitWovenRow(GPUKernelBuilder &kb) {
  kernel::IndexMath &math = kb.math;
  OpFoldResult lanes = math.constant(blockRows), slab = kb.getBlock();
  OpFoldResult shift = math.constant(0);
  if (before > 0) {
    shift =
        math.rem(math.mul(slab, math.mul(columns, lanes)), math.constant(unit));
  }
  // Of a second round, so that it is not negative.
  int64_t used = getOwnThreads() * blockRows;
  OpFoldResult next =
      math.sub(math.add(kb.getThread(), math.constant(used)), shift);
  rowInBlock = math.rem(next, lanes);
  ownPlace = math.value(
      math.sub(math.div(next, lanes), math.constant(getOwnThreads())));
  firstSlot = math.add(rowInBlock, shift);
  if (used < blockThreads) {
    exists = math.less(kb.getThread(), math.constant(used));
  }
  return math.value(math.add(math.mul(slab, lanes), rowInBlock));
}

OpFoldResult RowSpace::getRowInBlock(GPUKernelBuilder &kb) {
  if (isWoven || pieceThreads > 0) {
    return rowInBlock;
  }
  return isAcross
             ? OpFoldResult(kb.getLane())
             : kb.math.div(kb.getThread(), kb.math.constant(getOwnThreads()));
}

Value RowSpace::getOwnPlace(GPUKernelBuilder &kb) {
  if (isWoven || pieceThreads > 0) {
    return ownPlace;
  }
  kernel::IndexMath &math = kb.math;
  return isAcross ? kb.getWarp()
                  : math.value(math.rem(kb.getThread(),
                                        math.constant(getOwnThreads())));
}

Value RowSpace::getPlace(GPUKernelBuilder &kb) {
  kernel::IndexMath &math = kb.math;
  if (clusterBlocks == 1) {
    return getOwnPlace(kb);
  }
  return math.value(
      math.add(math.mul(kb.getRank(), getOwnThreads()), getOwnPlace(kb)));
}

SmallVector<Value> RowSpace::getRowIndices(GPUKernelBuilder &kb, Value row) {
  SmallVector<Value> indices;
  for (OpFoldResult index : kernel::delinearize(kb.math, row, rowSizes)) {
    indices.push_back(kb.math.value(index));
  }
  return indices;
}

Value RowSpace::getColumn(GPUKernelBuilder &kb, Value first, int64_t i) {
  Value column = kb.math.value(kb.math.add(first, kb.math.constant(i)));
  inVector[column] = {first, i};
  return column;
}

std::pair<Value, int64_t> RowSpace::splitVector(Value column) const {
  auto vector = inVector.find(column);
  return vector == inVector.end() ? std::pair(column, int64_t(0))
                                  : vector->second;
}

/// Neighbours in the last dim that are a vector differ there alone; else
/// nothing would tell that they are neighbours in memory.
nn::Sizes RowSpace::splitColumn(GPUKernelBuilder &kb, Value column) {
  kernel::IndexMath &math = kb.math;
  std::optional<int64_t> last =
      columnSizes.empty() ? std::nullopt
                          : kernel::IndexMath::known(columnSizes.back());
  if (!last || *last % width != 0) {
    return kernel::delinearize(math, column, columnSizes);
  }
  auto [first, i] = splitVector(column);
  nn::Sizes places = kernel::delinearize(math, first, columnSizes);
  places.back() = math.add(places.back(), math.constant(i));
  return places;
}

SmallVector<Value> RowSpace::getRowPlace(GPUKernelBuilder &kb, Value row) {
  SmallVector<Value> indices(rank);
  for (auto [dim, index] : llvm::zip_equal(rowDims, getRowIndices(kb, row))) {
    indices[dim] = index;
  }
  return indices;
}

SmallVector<Value> RowSpace::getIndices(GPUKernelBuilder &kb, Value row,
                                        Value column) {
  kernel::IndexMath &math = kb.math;
  if (column && pieceThreads > 0) {
    return getPieceIndices(kb, row, column);
  }
  SmallVector<Value> indices = getRowPlace(kb, row);
  if (!column) {
    return indices;
  }
  for (auto [dim, place] :
       llvm::zip_equal(columnDims, splitColumn(kb, column))) {
    OpFoldResult index = place;
    if (groups > 0 && dim == channelDim) {
      index = math.add(math.mul(indices[dim], groupWidth), place);
    }
    indices[dim] = math.value(index);
  }
  return indices;
}

SmallVector<Value> RowSpace::getAccess(GPUKernelBuilder &kb, Value place,
                                       bool isOrdered) {
  kernel::IndexMath &math = kb.math;
  if (!isOrdered) {
    return llvm::map_to_vector(
        kernel::delinearize(math, place, sizes),
        [&](OpFoldResult index) { return math.value(index); });
  }
  // Operands ignore the index of a dim of size 1.
  SmallVector<Value> indices(rank, math.value(0));
  int64_t last = rank - 1;
  while (last > 0 && kernel::IndexMath::isKnown(sizes[last], 1)) {
    --last;
  }
  if (rank > 0) {
    indices[last] = place;
  }
  return indices;
}

SmallVector<Value> RowSpace::getAccess(GPUKernelBuilder &kb, Value row,
                                       Value column) {
  kernel::IndexMath &math = kb.math;
  if (pieceThreads > 0) {
    return getPieceAccess(kb, row, column);
  }
  if (!hasOrder || !slabs || columnDims.size() == 1) {
    return getIndices(kb, row, column);
  }
  OpFoldResult place = math.add(
      math.mul(math.div(row, slabs->lanes), math.mul(columns, slabs->lanes)),
      math.add(math.mul(column, slabs->lanes), math.rem(row, slabs->lanes)));
  return getAccess(kb, math.value(place), hasOrder);
}

} // namespace dlc
