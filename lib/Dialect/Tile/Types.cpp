// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Syntax and rules of types and layouts.
#include "Dialect/Tile/TileDialect.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace dlc::tile;

using EmitError = llvm::function_ref<InFlightDiagnostic()>;

LogicalResult SwizzleAttr::verify(EmitError emitError, int64_t period,
                                  int64_t count, int64_t step, int64_t panel) {
  if (period < 1 || step < 1 || count < 1 || !llvm::isPowerOf2_64(count)) {
    return emitError() << "expected positive 'period' and 'step' and a power "
                          "of two as 'count', got "
                       << period << ", " << step << " and " << count;
  }
  if (panel != 0 && panel != count * step) {
    return emitError() << "expected a 'panel' of " << count * step
                       << " chunks, or 0, got " << panel;
  }
  return success();
}

TileType TileType::withLayout(Attribute layout) const {
  return TileType::get(getContext(), getShape(), getElementType(), getSpace(),
                       layout);
}

TileType TileType::withElement(Type element) const {
  return TileType::get(getContext(), getShape(), element, getSpace(),
                       getLayout());
}

LogicalResult TileType::verify(EmitError emitError, ArrayRef<int64_t> shape,
                               Type element, MemorySpace space,
                               Attribute layout) {
  if (shape.empty() || shape.size() > 2) {
    return emitError() << "expected one or two dims, got " << shape.size();
  }
  if (!element.isIntOrFloat() || element.getIntOrFloatBitWidth() < 8) {
    return emitError() << "expected a number of at least 8 bits, got "
                       << element;
  }
  bool known = !ShapedType::isDynamicShape(shape) &&
               llvm::all_of(shape, [](int64_t size) { return size > 0; });
  if (space != MemorySpace::Global && !known) {
    return emitError() << "expected known, positive sizes of a tile in "
                       << stringifyMemorySpace(space) << " memory";
  }
  if (space == MemorySpace::Shared) {
    int64_t bits = shape.back() * element.getIntOrFloatBitWidth();
    if (shape.size() != 2 || bits % (8 * kChunkBytes) != 0) {
      return emitError() << "expected a shared tile of two dims with rows of "
                            "whole 16-byte chunks, got rows of "
                         << bits / 8 << " bytes";
    }
  }
  if (!layout) {
    return success();
  }
  bool fits = isa<SwizzleAttr>(layout) ? space == MemorySpace::Shared
              : isa<RowsAttr, RowPartsAttr>(layout)
                  ? space == MemorySpace::Registers && shape.size() == 1
              : isa<ColumnsAttr, ColumnPartsAttr>(layout)
                  ? space == MemorySpace::Registers && shape.size() == 2 &&
                        shape[0] == 1
              : isa<AccumulatorAttr, OperandAAttr, PairedOperandAAttr>(layout)
                  ? space == MemorySpace::Registers && shape.size() == 2
                  : false;
  if (!fits) {
    return emitError() << "expected a layout for a tile of " << shape.size()
                       << " dims in " << stringifyMemorySpace(space)
                       << " memory, got " << layout;
  }
  return success();
}

Type TileType::parse(AsmParser &parser) {
  SmallVector<int64_t> shape;
  Type element;
  StringRef spaceName;
  Attribute layout;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseDimensionList(shape) ||
      parser.parseType(element) || parser.parseComma()) {
    return {};
  }
  SMLoc spaceLoc = parser.getCurrentLocation();
  if (parser.parseKeyword(&spaceName)) {
    return {};
  }
  std::optional<MemorySpace> space = symbolizeMemorySpace(spaceName);
  if (!space) {
    parser.emitError(spaceLoc, "expected global, shared or registers, got '")
        << spaceName << "'";
    return {};
  }
  if (succeeded(parser.parseOptionalComma()) && parser.parseAttribute(layout)) {
    return {};
  }
  if (parser.parseGreater()) {
    return {};
  }
  return getChecked([&] { return parser.emitError(loc); }, parser.getContext(),
                    ArrayRef<int64_t>(shape), element, *space, layout);
}

void TileType::print(AsmPrinter &printer) const {
  printer << '<';
  printer.printDimensionList(getShape());
  printer << 'x' << getElementType() << ", "
          << stringifyMemorySpace(getSpace());
  if (getLayout()) {
    printer << ", " << getLayout();
  }
  printer << '>';
}

LogicalResult RingType::verify(EmitError emitError, int64_t stages,
                               TileType tile) {
  if (stages < 1) {
    return emitError() << "expected at least one stage, got " << stages;
  }
  if (!tile.isShared()) {
    return emitError() << "expected a tile in shared memory, got " << tile;
  }
  return success();
}

LogicalResult BarriersType::verify(EmitError emitError, int64_t stages) {
  if (stages < 1) {
    return emitError() << "expected at least one stage, got " << stages;
  }
  return success();
}
