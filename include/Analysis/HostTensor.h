// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A tensor in the compiler's own memory, with conversions between the element
// types that nn knows. What constants and parameters are evaluated with.
#ifndef DLC_ANALYSIS_HOSTTENSOR_H
#define DLC_ANALYSIS_HOSTTENSOR_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"

#include <vector>

namespace dlc {

/// Whether elements of this type can be held: i1 to i64 and floats of 8 to 64
/// bits, except f80 and the like.
bool isHostElement(mlir::Type element);

/// Bytes of one element in a HostTensor; types below 8 bits take one byte.
unsigned hostElementBytes(mlir::Type element);

/// Reads and writes single elements. Floats are read as f64, which holds each
/// of them exactly, and rounded to nearest even when written; integers are read
/// sign- or zero-extended by their signedness and wrap when written.
class ElementAccess {
public:
  explicit ElementAccess(mlir::Type element);

  bool isFloat() const { return floatSemantics != nullptr; }
  unsigned getBytes() const { return bytes; }
  double loadFloat(const char *from) const;
  void storeFloat(char *to, double value) const;
  int64_t loadInt(const char *from) const;
  void storeInt(char *to, int64_t value) const;

private:
  const llvm::fltSemantics *floatSemantics = nullptr;
  unsigned bytes, width;
  bool isUnsigned;
};

/// Row-major elements of a static shape.
class HostTensor {
public:
  /// All bytes zero.
  explicit HostTensor(mlir::RankedTensorType type);

  /// The elements of a dense attribute; splats are spread.
  static HostTensor fromElements(mlir::DenseElementsAttr elements);
  /// Elements in storage form: types below 8 bits (except i1) packed, low bits
  /// first. `bytes` has denseByteSize(type) bytes.
  static HostTensor fromPacked(mlir::RankedTensorType type,
                               llvm::ArrayRef<char> bytes);
  mlir::DenseElementsAttr toElements() const;
  std::vector<char> toPacked() const;

  mlir::RankedTensorType getType() const { return type; }
  mlir::Type getElementType() const { return type.getElementType(); }
  int64_t getNumElements() const { return type.getNumElements(); }
  const ElementAccess &access() const { return elementAccess; }
  /// The same elements in another shape of as many.
  void reshape(llvm::ArrayRef<int64_t> shape) { type = type.clone(shape); }

  const char *at(int64_t i) const {
    return bytes.data() + i * elementAccess.getBytes();
  }
  char *at(int64_t i) { return bytes.data() + i * elementAccess.getBytes(); }
  double getFloat(int64_t i) const { return elementAccess.loadFloat(at(i)); }
  void setFloat(int64_t i, double value) {
    elementAccess.storeFloat(at(i), value);
  }
  int64_t getInt(int64_t i) const { return elementAccess.loadInt(at(i)); }
  void setInt(int64_t i, int64_t value) {
    elementAccess.storeInt(at(i), value);
  }
  /// The element as a number, whatever its type.
  double getNumber(int64_t i) const {
    return elementAccess.isFloat() ? getFloat(i)
                                   : static_cast<double>(getInt(i));
  }
  std::vector<char> takeBytes() && { return std::move(bytes); }
  llvm::ArrayRef<char> getBytes() const { return bytes; }

private:
  mlir::RankedTensorType type;
  ElementAccess elementAccess;
  std::vector<char> bytes;
};

/// One element converted as nn.cast does it: float to integer truncates,
/// saturates and takes NaN to 0; to i1 is `x != 0`. f8 results saturate if
/// asked.
void castElement(const ElementAccess &from, const char *source,
                 mlir::Type target, const ElementAccess &to, char *result,
                 bool saturate);
HostTensor castTensor(const HostTensor &input, mlir::Type element,
                      bool saturate = false);

/// Result dim i is input dim permutation[i].
HostTensor transposeTensor(const HostTensor &input,
                           llvm::ArrayRef<int64_t> permutation);

} // namespace dlc

#endif // DLC_ANALYSIS_HOSTTENSOR_H
