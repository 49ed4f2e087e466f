// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Element conversions and layout changes on host tensors.
#include "Analysis/HostTensor.h"
#include "Dialect/NN/ParamTransforms.h"
#include "NarrowFloat.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/Support/MathExtras.h"

#include <bit>
#include <cmath>
#include <cstring>

using namespace mlir;

namespace dlc {

bool isHostElement(Type element) {
  if (auto integer = dyn_cast<IntegerType>(element)) {
    return integer.getWidth() <= 64;
  }
  return isa<FloatType>(element) && element.getIntOrFloatBitWidth() <= 64;
}

unsigned hostElementBytes(Type element) {
  return llvm::divideCeil(element.getIntOrFloatBitWidth(), 8u);
}

ElementAccess::ElementAccess(Type element)
    : bytes(hostElementBytes(element)), width(element.getIntOrFloatBitWidth()),
      isUnsigned(element.isUnsignedInteger() || element.isInteger(1)) {
  if (auto type = dyn_cast<FloatType>(element)) {
    floatSemantics = &type.getFloatSemantics();
  }
}

template <typename T> static T loadAs(const char *from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

double ElementAccess::loadFloat(const char *from) const {
  if (width == 32) {
    return loadAs<float>(from);
  }
  if (width == 64) {
    return loadAs<double>(from);
  }
  uint64_t bits = 0;
  std::memcpy(&bits, from, bytes);
  llvm::APFloat value(*floatSemantics,
                      llvm::APInt(width, bits, false, /*implicitTrunc=*/true));
  bool lost;
  value.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven,
                &lost);
  return value.convertToDouble();
}

void ElementAccess::storeFloat(char *to, double value) const {
  if (width == 32) {
    auto rounded = static_cast<float>(value);
    std::memcpy(to, &rounded, sizeof(rounded));
    return;
  }
  if (width == 64) {
    std::memcpy(to, &value, sizeof(value));
    return;
  }
  llvm::APFloat rounded(value);
  bool lost;
  rounded.convert(*floatSemantics, llvm::APFloat::rmNearestTiesToEven, &lost);
  uint64_t bits = rounded.bitcastToAPInt().getZExtValue();
  std::memcpy(to, &bits, bytes);
}

int64_t ElementAccess::loadInt(const char *from) const {
  uint64_t bits = 0;
  std::memcpy(&bits, from, bytes);
  if (width == 64) {
    return static_cast<int64_t>(bits);
  }
  bits &= llvm::maskTrailingOnes<uint64_t>(width);
  return isUnsigned ? static_cast<int64_t>(bits)
                    : llvm::SignExtend64(bits, width);
}

void ElementAccess::storeInt(char *to, int64_t value) const {
  uint64_t bits =
      static_cast<uint64_t>(value) & llvm::maskTrailingOnes<uint64_t>(width);
  std::memcpy(to, &bits, bytes);
}

HostTensor::HostTensor(RankedTensorType type)
    : type(type), elementAccess(type.getElementType()),
      bytes(type.getNumElements() * hostElementBytes(type.getElementType())) {}

HostTensor HostTensor::fromElements(DenseElementsAttr elements) {
  HostTensor tensor(cast<RankedTensorType>(elements.getType()));
  int64_t count = tensor.getNumElements();
  if (tensor.getElementType().isInteger(1)) {
    for (auto [i, flag] : llvm::enumerate(elements.getValues<bool>())) {
      tensor.setInt(i, flag);
    }
    return tensor;
  }
  ArrayRef<char> raw = elements.getRawData();
  if (!elements.isSplat()) {
    std::memcpy(tensor.bytes.data(), raw.data(), tensor.bytes.size());
    return tensor;
  }
  unsigned size = tensor.elementAccess.getBytes();
  for (int64_t i = 0; i < count; ++i) {
    std::memcpy(tensor.at(i), raw.data(), size);
  }
  return tensor;
}

/// Bits an element takes in storage: i1 a byte, others their width.
static unsigned storedBits(Type element) {
  return element.isInteger(1) ? 8 : element.getIntOrFloatBitWidth();
}

HostTensor HostTensor::fromPacked(RankedTensorType type, ArrayRef<char> bytes) {
  HostTensor tensor(type);
  unsigned bits = storedBits(type.getElementType());
  if (bits % 8 == 0) {
    std::memcpy(tensor.bytes.data(), bytes.data(), tensor.bytes.size());
    return tensor;
  }
  for (int64_t i = 0; i < tensor.getNumElements() * bits; ++i) {
    if (bytes[i / 8] >> (i % 8) & 1) {
      tensor.bytes[i / bits] |= 1 << (i % bits);
    }
  }
  return tensor;
}

std::vector<char> HostTensor::toPacked() const {
  unsigned bits = storedBits(getElementType());
  if (bits % 8 == 0) {
    return bytes;
  }
  std::vector<char> packed(nn::denseByteSize(type));
  for (int64_t i = 0; i < getNumElements() * bits; ++i) {
    if (bytes[i / bits] >> (i % bits) & 1) {
      packed[i / 8] |= 1 << (i % 8);
    }
  }
  return packed;
}

DenseElementsAttr HostTensor::toElements() const {
  if (getElementType().isInteger(1)) {
    SmallVector<bool> flags;
    for (char byte : bytes) {
      flags.push_back(byte != 0);
    }
    return DenseElementsAttr::get(type, flags);
  }
  unsigned size = elementAccess.getBytes();
  bool splat = true;
  for (size_t i = size; splat && i < bytes.size(); i += size) {
    splat = std::memcmp(bytes.data(), bytes.data() + i, size) == 0;
  }
  ArrayRef<char> raw(bytes);
  return DenseElementsAttr::getFromRawBuffer(
      type, splat && !bytes.empty() ? raw.take_front(size) : raw);
}

/// Truncates towards zero into the range of `width` bits; NaN gives 0.
static int64_t floatToInt(double value, unsigned width, bool isUnsigned) {
  if (std::isnan(value)) {
    return 0;
  }
  double limit = std::ldexp(1.0, isUnsigned ? width : width - 1);
  double low = isUnsigned ? 0.0 : -limit;
  value = std::trunc(value);
  if (value <= low) {
    return isUnsigned ? 0 : std::numeric_limits<int64_t>::min() >> (64 - width);
  }
  if (value >= limit) {
    uint64_t all = llvm::maskTrailingOnes<uint64_t>(width);
    return static_cast<int64_t>(isUnsigned ? all : all >> 1);
  }
  return isUnsigned ? static_cast<int64_t>(static_cast<uint64_t>(value))
                    : static_cast<int64_t>(value);
}

/// Largest finite value of a float type.
static double largestOf(const llvm::fltSemantics &semantics) {
  llvm::APFloat largest = llvm::APFloat::getLargest(semantics);
  bool lost;
  largest.convert(llvm::APFloat::IEEEdouble(),
                  llvm::APFloat::rmNearestTiesToEven, &lost);
  return largest.convertToDouble();
}

void castElement(const ElementAccess &from, const char *source, Type target,
                 const ElementAccess &to, char *result, bool saturate) {
  if (target.isInteger(1)) {
    bool flag = from.isFloat() ? from.loadFloat(source) != 0
                               : from.loadInt(source) != 0;
    to.storeInt(result, flag);
    return;
  }
  if (!to.isFloat()) {
    to.storeInt(result, from.isFloat()
                            ? floatToInt(from.loadFloat(source),
                                         target.getIntOrFloatBitWidth(),
                                         target.isUnsignedInteger())
                            : from.loadInt(source));
    return;
  }
  double value = from.isFloat() ? from.loadFloat(source)
                                : static_cast<double>(from.loadInt(source));
  if (saturate) {
    double limit = largestOf(cast<FloatType>(target).getFloatSemantics());
    value = std::isnan(value) ? value : std::clamp(value, -limit, limit);
  }
  to.storeFloat(result, value);
}

template <typename From, typename To>
static void castAll(const HostTensor &input, HostTensor &result,
                    To (*cast)(From)) {
  const char *from = input.getBytes().data();
  char *to = result.at(0);
  for (int64_t i = 0, e = input.getNumElements(); i < e; ++i) {
    To value = cast(loadAs<From>(from + i * sizeof(From)));
    std::memcpy(to + i * sizeof(To), &value, sizeof(To));
  }
}

/// The casts of large weights; false for others.
static bool castWeights(const HostTensor &input, HostTensor &result) {
  Type from = input.getElementType(), to = result.getElementType();
  if (from.isF32() && to.isBF16()) {
    castAll(input, result, toBFloat);
  } else if (from.isF32() && to.isF16()) {
    castAll(input, result, toHalf);
  } else if (from.isBF16() && to.isF32()) {
    castAll(input, result, fromBFloat);
  } else if (from.isF16() && to.isF32()) {
    castAll(input, result, fromHalf);
  } else {
    return false;
  }
  return true;
}

HostTensor castTensor(const HostTensor &input, Type element, bool saturate) {
  HostTensor result(input.getType().clone(element));
  if (!saturate && castWeights(input, result)) {
    return result;
  }
  bool fromUnsigned64 = input.getElementType().isUnsignedInteger(64);
  for (int64_t i = 0; i < input.getNumElements(); ++i) {
    if (fromUnsigned64 && result.access().isFloat()) {
      result.setFloat(
          i, static_cast<double>(static_cast<uint64_t>(input.getInt(i))));
      continue;
    }
    castElement(input.access(), input.at(i), element, result.access(),
                result.at(i), saturate);
  }
  return result;
}

/// Copies `count` elements per inner row; `strides` are in elements.
template <typename T>
static void copyPermuted(const char *source, char *target,
                         ArrayRef<int64_t> shape, ArrayRef<int64_t> strides) {
  if (llvm::is_contained(shape, 0)) {
    return;
  }
  if (shape.empty()) {
    std::memcpy(target, source, sizeof(T));
    return;
  }
  SmallVector<int64_t> index(shape.size(), 0);
  int64_t inner = shape.back(), step = strides.back(), offset = 0;
  while (true) {
    const char *row = source + offset * sizeof(T);
    for (int64_t i = 0; i < inner; ++i, target += sizeof(T)) {
      std::memcpy(target, row + i * step * sizeof(T), sizeof(T));
    }
    int64_t dim = static_cast<int64_t>(shape.size()) - 2;
    for (; dim >= 0; --dim) {
      offset += strides[dim];
      if (++index[dim] < shape[dim]) {
        break;
      }
      offset -= strides[dim] * shape[dim];
      index[dim] = 0;
    }
    if (dim < 0) {
      return;
    }
  }
}

HostTensor transposeTensor(const HostTensor &input,
                           ArrayRef<int64_t> permutation) {
  ArrayRef<int64_t> shape = input.getType().getShape();
  SmallVector<int64_t> strides(shape.size(), 1);
  for (int64_t dim = static_cast<int64_t>(shape.size()) - 2; dim >= 0; --dim) {
    strides[dim] = strides[dim + 1] * shape[dim + 1];
  }
  SmallVector<int64_t> newShape, newStrides;
  for (int64_t dim : permutation) {
    newShape.push_back(shape[dim]);
    newStrides.push_back(strides[dim]);
  }
  HostTensor result(input.getType().clone(newShape));
  switch (input.access().getBytes()) {
  case 1:
    copyPermuted<uint8_t>(input.at(0), result.at(0), newShape, newStrides);
    break;
  case 2:
    copyPermuted<uint16_t>(input.at(0), result.at(0), newShape, newStrides);
    break;
  case 4:
    copyPermuted<uint32_t>(input.at(0), result.at(0), newShape, newStrides);
    break;
  default:
    copyPermuted<uint64_t>(input.at(0), result.at(0), newShape, newStrides);
  }
  return result;
}

} // namespace dlc
