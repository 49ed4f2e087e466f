// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tensor maps: their rules, and those of the ops that have them.
#include "TensorMap.h"

using namespace mlir;
using namespace dlc;
using namespace dlc::rt;

/// The ranks and the bytes of rows that the hardware has copies for.
static constexpr int64_t kMinRank = 2, kMaxRank = 5, kMaxBox = 256;
/// Strides, and a box's bytes in dim 0, are multiples of these bytes.
static constexpr int64_t kCopyBytes = 16;

using EmitError = function_ref<InFlightDiagnostic()>;

unsigned TensorMapAttr::getNumDynamic() const {
  return llvm::count_if(getSizes(), ShapedType::isDynamic) +
         llvm::count_if(getStrides(), ShapedType::isDynamic);
}

ParseResult rt::parseExtents(AsmParser &parser,
                             SmallVectorImpl<int64_t> &extents) {
  return parser.parseCommaSeparatedList(
      AsmParser::Delimiter::Square, [&]() -> ParseResult {
        int64_t &extent = extents.emplace_back(ShapedType::kDynamic);
        return succeeded(parser.parseOptionalQuestion())
                   ? success()
                   : parser.parseInteger(extent);
      });
}

void rt::printExtents(AsmPrinter &printer, ArrayRef<int64_t> extents) {
  printer << '[';
  llvm::interleaveComma(extents, printer.getStream(), [&](int64_t extent) {
    if (ShapedType::isDynamic(extent)) {
      printer << '?';
    } else {
      printer << extent;
    }
  });
  printer << ']';
}

static LogicalResult verifyExtents(EmitError emitError, ArrayRef<int64_t> sizes,
                                   ArrayRef<int64_t> strides) { // c3
  for (int64_t size : sizes) {
    if (!ShapedType::isDynamic(size) && size < 0) {
      return emitError() << "expected sizes of 0 or more, got " << size;
    }
  }
  for (int64_t stride : strides) {
    if (!ShapedType::isDynamic(stride) &&
        (stride <= 0 || stride % kCopyBytes != 0)) {
      return emitError() << "expected positive multiples of " << kCopyBytes
                         << " as strides, got " << stride;
    }
  }
  return success();
}

static LogicalResult verifyBox(EmitError emitError, ArrayRef<int64_t> box,
                               int64_t elementBytes, int64_t swizzleBytes) {
  for (int64_t size : box) { // c4
    if (size < 1 || size > kMaxBox) {
      return emitError() << "expected 1 to " << kMaxBox
                         << " elements in each dim of a box, got " << size;
    }
  }
  int64_t bytes = box.front() * elementBytes;
  if (bytes % kCopyBytes != 0) { // c5
    return emitError() << "expected a multiple of " << kCopyBytes
                       << " bytes in dim 0 of a box, got " << bytes;
  }
  if (swizzleBytes != 0 && bytes > swizzleBytes) { // c5
    return emitError() << "expected at most the " << swizzleBytes
                       << " bytes of the swizzle in dim 0 of a box, got "
                       << bytes;
  }
  return success();
}

LogicalResult TensorMapAttr::verify(EmitError emitError, int64_t buffer,
                                    int64_t elementBytes, int64_t swizzleBytes,
                                    ArrayRef<int64_t> sizes,
                                    ArrayRef<int64_t> strides,
                                    ArrayRef<int64_t> box) {
  if (buffer < 0) { // c1
    return emitError() << "expected a buffer of 0 or more, got " << buffer;
  }
  if (!llvm::is_contained({1, 2, 4}, elementBytes)) { // c1
    return emitError() << "expected elements of 1, 2 or 4 bytes, got "
                       << elementBytes;
  }
  if (!llvm::is_contained({0, 32, 64, 128}, swizzleBytes)) { // c1
    return emitError() << "expected a swizzle of 0, 32, 64 or 128 bytes, got "
                       << swizzleBytes;
  }
  int64_t rank = sizes.size();
  if (rank < kMinRank || rank > kMaxRank) { // c2
    return emitError() << "expected " << kMinRank << " to " << kMaxRank
                       << " dims, got " << rank;
  }
  if (strides.size() != sizes.size() - 1 || box.size() != sizes.size()) { // c2
    return emitError() << "expected " << rank - 1 << " strides and a box of "
                       << rank << " dims, got " << strides.size() << " and "
                       << box.size();
  }
  if (failed(verifyExtents(emitError, sizes, strides))) {
    return failure();
  }
  return verifyBox(emitError, box, elementBytes, swizzleBytes);
}

LogicalResult rt::verifyTensorMaps(Operation *op, ArrayAttr maps,
                                   size_t numBuffers, size_t numSizes) {
  if (maps && !op->hasAttr("threads")) {
    return op->emitOpError() << "expected tensor maps on a GPU only";
  }
  size_t dynamic = 0;
  for (Attribute attr : maps ? maps.getValue() : ArrayRef<Attribute>()) {
    auto map = cast<TensorMapAttr>(attr);
    if (static_cast<size_t>(map.getBuffer()) >= numBuffers) {
      return op->emitOpError()
             << "expected tensor maps of one of " << numBuffers
             << " buffers, got " << map.getBuffer();
    }
    dynamic += map.getNumDynamic();
  }
  if (dynamic != numSizes) {
    return op->emitOpError()
           << "expected " << dynamic << " values for '?' in tensor maps, got "
           << numSizes;
  }
  return success();
}
