// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rows of groups of channels, where channels lie innermost: a row is cut into
// pieces of neighbouring channels, which are shorter than sectors.
#include "RowSpace.h"

#include <numeric>

using namespace mlir;

namespace dlc {

/// Threads of a block, and elements for each of them at least.
static constexpr int64_t kMostThreads = 512, kLeastElements = 8;
/// Bytes of a line where no number of groups fills whole sectors.
static constexpr int64_t kLineBytes = 128;

/// The least number of groups, which divides that of all groups, whose pieces
/// fill whole sectors, or many.
static int64_t countGroups(int64_t groups, int64_t pieceBytes) {
  for (int64_t count = 1; count < groups; ++count) {
    int64_t bytes = count * pieceBytes;
    if (groups % count == 0 &&
        (bytes % kSectorBytes == 0 || bytes >= kLineBytes)) {
      return count;
    }
  }
  return groups;
}

bool RowSpace::choosePieces() {
  std::optional<int64_t> columnsKnown = kernel::IndexMath::known(columns),
                         piece = groups > 0
                                     ? kernel::IndexMath::known(groupWidth)
                                     : std::nullopt;
  if (!piece || slabs || channelDim != rank - 1 || columnsKnown == 0) {
    return false;
  }
  int64_t vector = std::gcd(*piece, getAccessWidth(elementBytes));
  int64_t numRows = countGroups(groups, *piece * leastBytes);
  int64_t lineThreads = numRows * (*piece / vector);
  int64_t elements =
      columnsKnown ? *columnsKnown * numRows : kLeastElements * kMostThreads;
  int64_t numThreads =
      std::clamp<int64_t>(llvm::PowerOf2Ceil(elements / kLeastElements),
                          2 * kWarpThreads, kMostThreads);
  if (lineThreads > numThreads) {
    return false;
  }
  width = vector;
  pieceThreads = *piece / vector;
  blockRows = numRows;
  blockThreads = numThreads;
  rowThreads = numThreads / lineThreads * pieceThreads;
  return true;
}

Value RowSpace::emitPieceRow(GPUKernelBuilder &kb) {
  kernel::IndexMath &math = kb.math;
  int64_t lineThreads = blockRows * pieceThreads;
  int64_t used = getOwnThreads() * blockRows;
  OpFoldResult threads = math.constant(pieceThreads),
               inLine = math.rem(kb.getThread(), math.constant(lineThreads)),
               line = math.div(kb.getThread(), math.constant(lineThreads));
  inPiece = math.rem(inLine, threads);
  ownPlace = math.value(math.add(math.mul(line, pieceThreads), inPiece));
  if (used < blockThreads) {
    exists = math.less(kb.getThread(), math.constant(used));
  }
  rowInBlock = math.div(inLine, threads);
  firstSlot = math.mul(rowInBlock, width);
  return math.value(math.add(math.mul(kb.getBlock(), blockRows), rowInBlock));
}

// All columns of a vector have the same line, and constants in their places,
// which shows LLVM that they are neighbours.
OpFoldResult RowSpace::getLine(kernel::IndexMath &math, Value column) {
  return math.div(splitVector(column).first, groupWidth);
}

SmallVector<Value> RowSpace::getPieceIndices(GPUKernelBuilder &kb, Value row,
                                             Value column) {
  kernel::IndexMath &math = kb.math;
  SmallVector<Value> indices = getRowPlace(kb, row);
  ArrayRef<int64_t> dims = ArrayRef(columnDims).drop_back();
  nn::Sizes lineSizes(ArrayRef(columnSizes).drop_back());
  for (auto [dim, index] : llvm::zip_equal(
           dims, kernel::delinearize(math, getLine(math, column), lineSizes))) {
    indices[dim] = math.value(index);
  }
  OpFoldResult first = math.add(math.mul(indices[channelDim], groupWidth),
                                math.mul(inPiece, width));
  int64_t place = splitVector(column).second;
  indices[channelDim] = math.value(math.add(first, math.constant(place)));
  return indices;
}

OpFoldResult RowSpace::getPieceSlot(GPUKernelBuilder &kb, Value column) {
  kernel::IndexMath &math = kb.math;
  auto [first, place] = splitVector(column);
  OpFoldResult vector =
      math.div(getKeptColumn(kb, first), math.constant(width));
  // Vector by vector, the rows' vectors side by side.
  OpFoldResult slot = math.add(math.mul(vector, blockRows * width), firstSlot);
  return math.add(slot, math.constant(place));
}

SmallVector<Value> RowSpace::getPieceAccess(GPUKernelBuilder &kb, Value row,
                                            Value column) {
  kernel::IndexMath &math = kb.math;
  if (!hasOrder) {
    return getPieceIndices(kb, row, column);
  }
  OpFoldResult line = getLine(math, column), all = math.constant(groups);
  // The elements of the rows before, of the groups before, and of the other
  // groups of the lines before.
  OpFoldResult start = math.mul(math.div(row, all), math.mul(columns, all));
  start = math.add(start, math.mul(math.rem(row, all), groupWidth));
  start = math.add(start, math.mul(line, math.mul(groupWidth, groups - 1)));
  auto [first, place] = splitVector(column);
  OpFoldResult vector = math.add(start, first);
  return getAccess(kb, math.value(math.add(vector, math.constant(place))),
                   /*isOrdered=*/true);
}

} // namespace dlc
