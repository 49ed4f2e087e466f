// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Shared by the builders of kernels.
#include "Dialect/Tile/KernelBuilder.h"

#include "Dialect/Tile/TensorMap.h"

#include <numeric>

using namespace mlir;

namespace dlc::tile {

int64_t getAlignment(Type element, ArrayRef<Size> strides, int64_t baseBytes) {
  int64_t bytes = element.getIntOrFloatBitWidth() / 8;
  int64_t alignment = std::gcd(baseBytes, kChunkBytes);
  for (Size stride : strides) {
    alignment =
        std::gcd(alignment, getConstantIntValue(stride).value_or(1) * bytes);
  }
  return alignment;
}

/// Parameters of a tensor map's bytes.
static void addMaps(ImplicitLocOpBuilder &b, const KernelSignature &signature,
                    KernelOp kernel) {
  Type bytes = LLVM::LLVMArrayType::get(b.getI8Type(), kMapBytes);
  for (unsigned i = 0; i != signature.maps; ++i) {
    unsigned argument = signature.buffers + signature.sizes + i;
    auto set = [&](StringRef name, Attribute value) {
      kernel.setArgAttr(argument, name, value);
    };
    set(LLVM::LLVMDialect::getByValAttrName(), TypeAttr::get(bytes));
    set(LLVM::LLVMDialect::getAlignAttrName(),
        b.getI64IntegerAttr(kMapAlignment));
  }
}

KernelOp createKernel(ImplicitLocOpBuilder &b, const KernelSignature &signature,
                      int64_t warpsM, int64_t warpsN) {
  Type pointer = LLVM::LLVMPointerType::get(b.getContext(), 1);
  SmallVector<Type> types(signature.buffers, pointer);
  types.append(signature.sizes, b.getI64Type());
  types.append(signature.maps, LLVM::LLVMPointerType::get(b.getContext()));
  if (signature.scratch) {
    types.push_back(pointer);
  }
  auto kernel = KernelOp::create(
      b, signature.name, b.getFunctionType(types, {}),
      b.getDenseI64ArrayAttr({warpsM, warpsN}), /*shared_bytes=*/IntegerAttr(),
      /*sym_visibility=*/StringAttr(), /*arg_attrs=*/ArrayAttr(),
      /*res_attrs=*/ArrayAttr());
  Block *body = &kernel.getBody().emplaceBlock();
  body->addArguments(types, SmallVector<Location>(types.size(), b.getLoc()));
  b.setInsertionPointToEnd(body);
  b.setInsertionPoint(ReturnOp::create(b));
  addMaps(b, signature, kernel);
  return kernel;
}

KernelArguments getArguments(KernelOp kernel,
                             const KernelSignature &signature) {
  ValueRange all = kernel.getArguments();
  return {all.take_front(signature.buffers),
          all.slice(signature.buffers, signature.sizes),
          all.slice(signature.buffers + signature.sizes, signature.maps),
          signature.scratch ? all.back() : Value()};
}

Value convertFloat(ImplicitLocOpBuilder &b, Value value, Type element) {
  Type type = element;
  if (auto vector = dyn_cast<VectorType>(value.getType())) {
    type = vector.clone(element);
  }
  unsigned from = getElementTypeOrSelf(value).getIntOrFloatBitWidth();
  unsigned to = element.getIntOrFloatBitWidth();
  if (value.getType() == type) {
    return value;
  }
  if (from < to) {
    return arith::ExtFOp::create(b, type, value);
  }
  if (from == to) {
    // bf16 and f16 have no direct conversion.
    return convertFloat(b, convertFloat(b, value, b.getF32Type()), element);
  }
  return arith::TruncFOp::create(b, type, value);
}

Value SizeMath::i32(int64_t value) const {
  return arith::ConstantIntOp::create(b, b.getI32Type(), value);
}
Value SizeMath::i64(int64_t value) const {
  return arith::ConstantIntOp::create(b, b.getI64Type(), value);
}
Value SizeMath::i64(Size size) const {
  std::optional<int64_t> known = getConstantIntValue(size);
  return known ? i64(*known) : cast<Value>(size);
}
Value SizeMath::i32(Size size) const {
  std::optional<int64_t> known = getConstantIntValue(size);
  return known ? i32(*known) : truncate(cast<Value>(size));
}
Value SizeMath::extend(Value x) const {
  return b.createOrFold<arith::ExtUIOp>(b.getI64Type(), x);
}
Value SizeMath::truncate(Value x) const {
  return b.createOrFold<arith::TruncIOp>(b.getI32Type(), x);
}
Value SizeMath::add(Value x, Value y) const {
  return b.createOrFold<arith::AddIOp>(x, y);
}
Value SizeMath::sub(Value x, Value y) const {
  return b.createOrFold<arith::SubIOp>(x, y);
}
Value SizeMath::mul(Value x, Value y) const {
  return b.createOrFold<arith::MulIOp>(x, y);
}
Value SizeMath::div(Value x, Value y) const {
  return b.createOrFold<arith::DivUIOp>(x, y);
}
Value SizeMath::rem(Value x, Value y) const {
  return b.createOrFold<arith::RemUIOp>(x, y);
}
Value SizeMath::ceilDiv(Value x, int64_t y) const {
  return div(add(x, i32(y - 1)), i32(y));
}
Value SizeMath::min(Value x, Value y) const {
  return b.createOrFold<arith::MinSIOp>(x, y);
}
Value SizeMath::max(Value x, Value y) const {
  return b.createOrFold<arith::MaxSIOp>(x, y);
}
Value SizeMath::less(Value x, Value y) const {
  return b.createOrFold<arith::CmpIOp>(arith::CmpIPredicate::slt, x, y);
}
Value SizeMath::select(Value condition, Value x, Value y) const {
  return b.createOrFold<arith::SelectOp>(condition, x, y);
}
bool SizeMath::isMultiple(Size size, int64_t divisor) {
  std::optional<int64_t> known = getConstantIntValue(size);
  return known && *known % divisor == 0;
}

Value getBlockIndex(ImplicitLocOpBuilder &b) {
  return NVVM::BlockIdXOp::create(b, b.getI32Type());
}

SmallVector<Value> splitBatch(ImplicitLocOpBuilder &b, Value number,
                              ArrayRef<Size> sizes) {
  SizeMath math(b);
  SmallVector<Value> indices(sizes.size());
  for (size_t i = sizes.size(); i-- > 0;) {
    Value size = math.i32(sizes[i]);
    indices[i] = math.extend(i ? math.rem(number, size) : number);
    number = i ? math.div(number, size) : number;
  }
  return indices;
}

TileType getTileType(Type element, ArrayRef<int64_t> shape, MemorySpace space) {
  return TileType::get(element.getContext(), shape, element, space,
                       Attribute());
}

Value createView(ImplicitLocOpBuilder &b, const MatrixSpec &matrix,
                 ValueRange batch, Value rows, Value columns, Size stride) {
  SizeMath math(b);
  constexpr int64_t unknown = ShapedType::kDynamic;
  TileType type =
      getTileType(matrix.element, {unknown, unknown}, MemorySpace::Global);
  if (matrix.map) {
    SmallVector<Value> place = llvm::map_to_vector(
        matrix.mapBatch, [&](unsigned i) { return math.truncate(batch[i]); });
    return MappedViewOp::create(b, type, matrix.map, place);
  }
  Size offset =
      matrix.offset ? matrix.offset(b, batch) : b.getI64IntegerAttr(0);
  return ViewOp::create(b, type, matrix.base, math.i64(offset), rows, columns,
                        math.i64(stride),
                        b.getI64IntegerAttr(matrix.alignment));
}

/// The longest vectors that are in or out of bounds as a whole.
static int64_t chooseLanes(const ResultSpec &result, Size columns,
                           bool staged) {
  int64_t most = staged
                     ? kChunkBytes * 8 /
                           std::max(16u, result.element.getIntOrFloatBitWidth())
                     : 2;
  return std::gcd(most,
                  getConstantIntValue(columns).value_or(result.columnMultiple));
}

static void storeResult(ImplicitLocOpBuilder &b, const ResultSpec &result,
                        Value vector, Value offset) {
  if (isa<FloatType>(result.element)) {
    vector = convertFloat(b, vector, result.element);
  }
  Value address = LLVM::GEPOp::create(b, result.base.getType(), result.element,
                                      result.base, offset);
  int64_t lanes = cast<VectorType>(vector.getType()).getNumElements();
  int64_t bytes = lanes * result.element.getIntOrFloatBitWidth() / 8;
  LLVM::StoreOp::create(
      b, vector, address,
      static_cast<unsigned>(std::gcd(bytes, result.alignment)));
}

void emitResult(ImplicitLocOpBuilder &b, const ResultSpec &result, Value sums,
                ResultPlace place) {
  SizeMath math(b);
  Size first =
      result.offset ? result.offset(b, place.batch) : b.getI64IntegerAttr(0);
  Value row = math.mul(math.extend(place.row), math.i64(result.rowStride));
  place.offset =
      math.add(row, math.add(math.extend(place.column), math.i64(first)));
  Value value = result.compute ? result.compute(b, sums, place) : sums;
  if (result.store) {
    result.store(b, value, place);
  } else {
    storeResult(b, result, value, place.offset);
  }
}

/// Starts an epilogue's region.
static Block *createEpilogueBody(ImplicitLocOpBuilder &b, EpilogueOp epilogue) {
  Type vector = VectorType::get({static_cast<int64_t>(epilogue.getLanes())},
                                epilogue.getTile().getType().getElementType());
  return b.createBlock(&epilogue.getBody(), {},
                       {vector, b.getI32Type(), b.getI32Type()},
                       {b.getLoc(), b.getLoc(), b.getLoc()});
}

void emitRowValues(
    ImplicitLocOpBuilder &b, Value values, Value row, Size rows,
    llvm::function_ref<void(ImplicitLocOpBuilder &, Value, Value)> store) {
  SizeMath math(b);
  auto tile = cast<TileType>(values.getType());
  auto epilogue = EpilogueOp::create(
      b, values, row, math.i32(0), math.i32(rows), math.i32(1),
      /*staging=*/Value(), /*lanes=*/1,
      SizeMath::isMultiple(rows, tile.getShape()[0]), /*columns_exist=*/true);
  OpBuilder::InsertionGuard guard(b);
  Block *body = createEpilogueBody(b, epilogue);
  Value element = vector::ExtractOp::create(b, body->getArgument(0), 0);
  store(b, element, body->getArgument(1));
  YieldOp::create(b, ValueRange());
}

void emitResults(ImplicitLocOpBuilder &b, const ResultSpec &result,
                 ArrayRef<Value> batch, Value sums, Value row, Value column,
                 Size rows, Size columns, bool staged, Value firstColumn) {
  SizeMath math(b);
  auto tile = cast<TileType>(sums.getType());
  Value staging;
  if (staged) {
    TileType memory = getTileType(tile.getElementType(), tile.getShape(),
                                  MemorySpace::Shared);
    auto alloc = AllocOp::create(b, RingType::get(b.getContext(), 1, memory),
                                 /*overlay=*/true, IntegerAttr());
    staging = SlotOp::create(b, memory, alloc, math.i32(0));
  }
  int64_t lanes = chooseLanes(result, columns, staged);
  Value bound = math.i32(columns);
  if (firstColumn) {
    bound = math.add(bound, firstColumn);
    column = math.add(column, firstColumn);
  }
  auto epilogue =
      EpilogueOp::create(b, sums, row, column, math.i32(rows), bound, staging,
                         lanes, SizeMath::isMultiple(rows, tile.getShape()[0]),
                         SizeMath::isMultiple(columns, tile.getShape()[1]));
  OpBuilder::InsertionGuard guard(b);
  Block *body = createEpilogueBody(b, epilogue);
  ResultPlace place{llvm::to_vector(batch), body->getArgument(1),
                    body->getArgument(2), Value()};
  emitResult(b, result, body->getArgument(0), place);
  YieldOp::create(b, ValueRange());
}

void createCopy(ImplicitLocOpBuilder &b, Value view, Value row, Value column,
                Value slot, Size rows, Size columns, ValueRange tap,
                Value fill) {
  auto tile = cast<TileType>(slot.getType());
  CopyOp::create(b, view, row, column, slot, tap, fill,
                 SizeMath::isMultiple(rows, tile.getShape()[0]),
                 SizeMath::isMultiple(columns, tile.getShape()[1]));
}

Value createRing(ImplicitLocOpBuilder &b, Type element, int64_t stages,
                 int64_t rows, int64_t columns) {
  TileType tile = getTileType(element, {rows, columns}, MemorySpace::Shared);
  return AllocOp::create(b, RingType::get(b.getContext(), stages, tile),
                         /*overlay=*/false, IntegerAttr());
}

static SmallVector<Type> getSlotTypes(PipelineOp pipeline, unsigned channel) {
  SmallVector<Type> types;
  for (Value ring : pipeline.getChannelRings(channel)) {
    types.push_back(cast<RingType>(ring.getType()).getTile());
  }
  return types;
}

Block *createFill(ImplicitLocOpBuilder &b, PipelineOp pipeline,
                  unsigned channel) {
  SmallVector<Type> types{b.getI32Type()};
  llvm::append_range(types, getSlotTypes(pipeline, channel));
  return b.createBlock(&pipeline.getFills()[channel], {}, types,
                       SmallVector<Location>(types.size(), b.getLoc()));
}

Block *createConsume(ImplicitLocOpBuilder &b, PipelineOp pipeline) {
  SmallVector<Type> types{b.getI32Type()};
  types.append(pipeline.getNumChannels(), TokenType::get(b.getContext()));
  llvm::append_range(types, pipeline.getResultTypes());
  return b.createBlock(&pipeline.getConsume(), {}, types,
                       SmallVector<Location>(types.size(), b.getLoc()));
}

ValueRange awaitChannel(ImplicitLocOpBuilder &b, PipelineOp pipeline,
                        unsigned channel) {
  return AwaitOp::create(b, getSlotTypes(pipeline, channel),
                         pipeline.getToken(channel))
      .getSlots();
}

} // namespace dlc::tile
