// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Errors, facts about tensors, and constants.
#include "Import/Build/GraphBuilder.h"

#include "Dialect/NN/Support.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;

namespace dlc::build {

/// Constants up to this many elements stay in the graph.
static constexpr int64_t kMaxConstantElements = 64;

GraphBuilder::GraphBuilder(ModuleOp module, Block *entry, Report report)
    : OpBuilder(module.getContext()), loc(module.getLoc()), module(module),
      entry(entry), report(std::move(report)) {
  setInsertionPointToEnd(entry);
}

std::nullptr_t GraphBuilder::invalid(const Twine &message) {
  report(ErrorClass::Invalid, message);
  return nullptr;
}

std::nullptr_t GraphBuilder::unsupported(const Twine &message) {
  report(ErrorClass::Unsupported, message);
  return nullptr;
}

const Sizes &GraphBuilder::sizes(Value tensor) {
  std::unique_ptr<Sizes> &known = sizesOfTensor[tensor];
  if (!known) {
    Sizes found;
    for (int64_t dim = 0; dim < rankOf(tensor); ++dim) {
      found.push_back(
          unique([&] { return nn::sizeOf(*this, loc, tensor, dim); }));
    }
    // `unique` never touches the map, so `known` is still valid.
    known = std::make_unique<Sizes>(std::move(found));
  }
  return *known;
}

void GraphBuilder::setSizes(Value tensor, Sizes sizes) {
  sizesOfTensor[tensor] = std::make_unique<Sizes>(std::move(sizes));
}

const Sizes *GraphBuilder::knownInts(Value tensor) {
  auto found = intsOfTensor.find(tensor);
  return found == intsOfTensor.end() ? nullptr : found->second.get();
}

void GraphBuilder::setKnownInts(Value tensor, Sizes elements) {
  intsOfTensor[tensor] = std::make_unique<Sizes>(std::move(elements));
}

DenseElementsAttr GraphBuilder::constantOf(Value tensor) {
  DenseElementsAttr elements;
  return tensor && matchPattern(tensor, m_Constant(&elements))
             ? elements
             : DenseElementsAttr();
}

FailureOr<Sizes> GraphBuilder::readInts(Value tensor, StringRef what) {
  if (!tensor) {
    return failure();
  }
  RankedTensorType type = typeOf(tensor);
  if (const Sizes *known = knownInts(tensor); known && type.getRank() <= 1) {
    return *known;
  }
  if (type.getRank() > 1 || !type.hasStaticShape() ||
      type.getNumElements() > kMaxConstantElements) {
    unsupported("'" + what +
                "' must be a vector of a known length, since the rank depends "
                "on it");
    return failure();
  }
  if (!type.getElementType().isSignlessInteger(64)) {
    tensor = cast(tensor, getI64Type());
  }
  Sizes elements;
  for (int64_t i = 0; i < type.getNumElements(); ++i) {
    SmallVector<Value> place;
    if (type.getRank() == 1) {
      place.push_back(toValue(index(i)));
    }
    elements.push_back(unique([&]() -> OpFoldResult {
      Value element = tensor::ExtractOp::create(*this, loc, tensor, place);
      return arith::IndexCastOp::create(*this, loc, getIndexType(), element)
          .getResult();
    }));
  }
  return elements;
}

FailureOr<SmallVector<int64_t>> GraphBuilder::readStatic(Value tensor,
                                                         StringRef what) {
  SmallVector<int64_t> elements;
  const Sizes *known = tensor ? knownInts(tensor) : nullptr;
  bool isStatic = known && rankOf(tensor) <= 1 &&
                  llvm::all_of(*known, [&](OpFoldResult element) {
                    std::optional<int64_t> number =
                        getConstantIntValue(element);
                    elements.push_back(number.value_or(0));
                    return number.has_value();
                  });
  if (!isStatic) {
    if (tensor) {
      unsupported("'" + what + "' must be constant");
    }
    return failure();
  }
  return elements;
}

RankedTensorType GraphBuilder::resultType(Type element, const Sizes &sizes) {
  SmallVector<int64_t> shape = nn::staticShape(sizes);
  int64_t elements = 1;
  for (auto [dim, size] : llvm::enumerate(shape)) {
    if (ShapedType::isDynamic(size)) {
      continue;
    }
    if (size < 0) {
      return invalid("dim " + Twine(dim) + " of the result would be " +
                     Twine(size)),
             RankedTensorType();
    }
    if (size > 0 && elements > nn::kMaxElements / size) {
      return invalid("the result would have more than 2^48 elements"),
             RankedTensorType();
    }
    elements *= std::max<int64_t>(size, 1);
  }
  return failed(checkReadSizes(sizes, elements))
             ? RankedTensorType()
             : RankedTensorType::get(shape, element);
}

bool GraphBuilder::isReadAtRun(OpFoldResult size) {
  auto root = dyn_cast<Value>(size);
  if (!root) {
    return false;
  }
  if (auto known = readAtRun.find(root); known != readAtRun.end()) {
    return known->second;
  }
  SmallVector<Value> open{root};
  llvm::SmallDenseSet<Value> seen{root};
  while (!open.empty()) {
    Operation *op = open.pop_back_val().getDefiningOp();
    if (!op || isa<tensor::DimOp>(op)) {
      continue;
    }
    if (isa<tensor::ExtractOp>(op)) {
      return readAtRun[root] = true;
    }
    for (Value operand : op->getOperands()) {
      auto known = readAtRun.find(operand);
      if (known != readAtRun.end() && known->second) {
        return readAtRun[root] = true;
      }
      if (known == readAtRun.end() && seen.insert(operand).second) {
        open.push_back(operand);
      }
    }
  }
  for (Value value : seen) {
    readAtRun[value] = false;
  }
  return false;
}

/// Data may hold anything, so no such dim may be negative, nor all dims
/// together too large for the arithmetic on them.
LogicalResult GraphBuilder::checkReadSizes(ArrayRef<OpFoldResult> sizes,
                                           int64_t staticElements) {
  if (llvm::none_of(sizes, [&](auto size) { return isReadAtRun(size); })) {
    return success();
  }
  OpFoldResult room = index(nn::kMaxElements / staticElements);
  auto take = [&](OpFoldResult size) {
    room = floorDiv(room, max(size, index(1)));
  };
  for (OpFoldResult size : sizes) {
    if (!getConstantIntValue(size) && !isReadAtRun(size)) {
      take(size);
    }
  }
  for (auto [dim, size] : llvm::enumerate(sizes)) {
    if (!isReadAtRun(size)) {
      continue;
    }
    if ((!isNonNegative(size) &&
         failed(check(compare(arith::CmpIPredicate::sge, size, index(0)),
                      "dim " + Twine(dim) + " of the result would be {0}",
                      {size}))) ||
        failed(check(compare(arith::CmpIPredicate::sle, size, room),
                     "the result would have more than 2^48 elements, {0} of "
                     "them along dim " +
                         Twine(dim),
                     {size}))) {
      return failure();
    }
    take(size);
  }
  return success();
}

LogicalResult GraphBuilder::checkMagnitude(OpFoldResult number,
                                           const Twine &what) {
  if (!isReadAtRun(number)) {
    return success();
  }
  std::string message =
      ("expected " + what + " between -2^48 and 2^48, got {0}").str();
  return success(succeeded(check(compare(arith::CmpIPredicate::sle, number,
                                         index(nn::kMaxElements)),
                                 message, {number})) &&
                 succeeded(check(compare(arith::CmpIPredicate::sge, number,
                                         index(-nn::kMaxElements)),
                                 message, {number})));
}

Value GraphBuilder::sharedConstant(DenseElementsAttr elements) {
  Value &shared = constants[{elements, elements.getType()}];
  if (!shared) {
    OpBuilder::InsertionGuard guard(*this);
    if (lastShared) {
      setInsertionPointAfter(lastShared);
    } else {
      setInsertionPointToStart(entry);
    }
    auto op = arith::ConstantOp::create(*this, loc, elements);
    lastShared = op;
    shared = op;
  }
  return shared;
}

Value GraphBuilder::constant(DenseElementsAttr elements, StringRef name) {
  auto type = llvm::cast<RankedTensorType>(elements.getType());
  if (elements.getNumElements() > kMaxConstantElements) {
    return param(name, type, elements);
  }
  Value value = sharedConstant(elements);
  bool isInteger = isa<IntegerType>(type.getElementType());
  if (isInteger && type.getRank() <= 2 && !knownInts(value)) {
    bool isUnsigned = type.getElementType().isUnsignedInteger() ||
                      type.getElementType().isInteger(1);
    Sizes known;
    for (APInt element : elements.getValues<APInt>()) {
      known.push_back(index(isUnsigned
                                ? static_cast<int64_t>(element.getZExtValue())
                                : element.getSExtValue()));
    }
    setKnownInts(value, known);
  }
  return value;
}

Value GraphBuilder::scalar(Type element, double value) {
  auto type = RankedTensorType::get({}, element);
  if (auto floatType = dyn_cast<FloatType>(element)) {
    return constant(DenseElementsAttr::get(
        type, getFloatAttr(floatType, value).getValue()));
  }
  APInt bits(64, static_cast<uint64_t>(static_cast<int64_t>(value)),
             /*isSigned=*/true);
  return constant(DenseElementsAttr::get(
      type, bits.sextOrTrunc(element.getIntOrFloatBitWidth())));
}

FailureOr<llvm::ArrayRef<char>> GraphBuilder::bytesOf(nn::DataAttr data) {
  auto &sources =
      getContext()->getLoadedDialect<nn::NNDialect>()->getSourceMap();
  llvm::Expected<llvm::ArrayRef<char>> bytes = sources.lookup(data);
  if (!bytes) {
    invalid(llvm::toString(bytes.takeError()));
    return failure();
  }
  return *bytes;
}

static uint64_t digestOf(llvm::ArrayRef<char> bytes) {
  return llvm::xxh3_64bits(ArrayRef<uint8_t>(
      reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()));
}

FailureOr<Value> GraphBuilder::findParam(Type type, nn::DataAttr data) {
  FailureOr<llvm::ArrayRef<char>> bytes = bytesOf(data);
  if (failed(bytes)) {
    return failure();
  }
  std::vector<FileParam> &others = params[type];
  FileParam own{data, std::nullopt, Value()};
  for (FileParam &other : others) {
    FailureOr<llvm::ArrayRef<char>> otherBytes = bytesOf(other.data);
    if (failed(otherBytes)) {
      return failure();
    }
    for (auto [param, content] :
         {std::pair(&own, *bytes), std::pair(&other, *otherBytes)}) {
      if (!param->digest) {
        param->digest = digestOf(content);
      }
    }
    if (own.digest == other.digest && *bytes == *otherBytes) {
      return other.value;
    }
  }
  others.push_back(own);
  return Value();
}

Value GraphBuilder::param(StringRef name, RankedTensorType type,
                          Attribute data) {
  auto inFile = dyn_cast<nn::DataAttr>(data);
  if (inFile) {
    FailureOr<Value> known = findParam(type, inFile);
    if (failed(known) || *known) {
      return failed(known) ? Value() : *known;
    }
  } else if (Value known = constants.lookup({data, type})) {
    return known;
  }
  std::string symbol = name.empty() ? "param" : name.str();
  while (unsigned count = symbols[symbol]++) {
    symbol = name.str() + "_" + std::to_string(count);
  }
  OpBuilder::InsertionGuard guard(*this);
  if (lastParam) {
    setInsertionPointAfter(lastParam);
  } else {
    setInsertionPointToStart(module.getBody());
  }
  lastParam = nn::ParamOp::create(*this, loc, getStringAttr(symbol),
                                  TypeAttr::get(type), data,
                                  TypeAttr::get(type), getArrayAttr({}));
  if (lastShared) {
    setInsertionPointAfter(lastShared);
  } else {
    setInsertionPointToStart(entry);
  }
  auto ref = nn::ParamRefOp::create(
      *this, loc, type, FlatSymbolRefAttr::get(getContext(), symbol));
  lastShared = ref;
  if (inFile) {
    params[type].back().value = ref;
  } else {
    constants[{data, type}] = ref;
  }
  return ref;
}

Value GraphBuilder::fromInts(const Sizes &elements, Type element,
                             bool isScalar) {
  SmallVector<int64_t> shape;
  if (!isScalar) {
    shape.push_back(elements.size());
  }
  auto type = RankedTensorType::get(shape, element);
  unsigned width = element.getIntOrFloatBitWidth();
  SmallVector<int64_t> statics = nn::staticShape(elements);
  bool allStatic = llvm::all_of(elements, [](OpFoldResult size) {
    return getConstantIntValue(size).has_value();
  });
  if (allStatic) {
    SmallVector<APInt> numbers;
    for (OpFoldResult size : elements) {
      APInt number(64, static_cast<uint64_t>(*getConstantIntValue(size)));
      numbers.push_back(number.sextOrTrunc(width));
    }
    return constant(DenseElementsAttr::get(type, numbers));
  }
  Type signless = getIntegerType(width);
  SmallVector<Value> values;
  for (OpFoldResult size : elements) {
    values.push_back(llvm::cast<Value>(unique([&]() -> OpFoldResult {
      return arith::IndexCastOp::create(*this, loc, signless, toValue(size))
          .getResult();
    })));
  }
  Value tensor = tensor::FromElementsOp::create(
      *this, loc, RankedTensorType::get(shape, signless), values);
  setKnownInts(tensor, elements);
  if (signless != element) {
    tensor = cast(tensor, element);
    setKnownInts(tensor, elements);
  }
  return tensor;
}

Value GraphBuilder::full(const Sizes &sizes, Value value) {
  if (!value) {
    return {};
  }
  RankedTensorType type = resultType(elementOf(value), sizes);
  if (!type) {
    return {};
  }
  DenseElementsAttr element = constantOf(value);
  if (element && type.hasStaticShape()) {
    return constant(
        element.reshape(RankedTensorType::get({1}, elementOf(value)))
            .resizeSplat(type),
        "full");
  }
  return broadcastTo(value, sizes);
}

} // namespace dlc::build
