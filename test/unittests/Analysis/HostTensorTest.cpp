// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Casts between f32 and 16-bit floats against APFloat's, bit for bit.
#include "Analysis/HostTensor.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/APFloat.h"

#include <cstring>
#include <gtest/gtest.h>

using namespace mlir;
using namespace dlc;

namespace {

/// Bits of `bits`, a float of type `from`, as one of type `to`.
uint64_t convert(uint64_t bits, FloatType from, FloatType to) {
  llvm::APFloat value(from.getFloatSemantics(),
                      llvm::APInt(from.getWidth(), bits));
  bool lost;
  value.convert(to.getFloatSemantics(), llvm::APFloat::rmNearestTiesToEven,
                &lost);
  return value.bitcastToAPInt().getZExtValue();
}

template <typename From, typename To>
void compare(ArrayRef<From> patterns, FloatType from, FloatType to) {
  HostTensor input = HostTensor::fromPacked(
      RankedTensorType::get({static_cast<int64_t>(patterns.size())}, from),
      {reinterpret_cast<const char *>(patterns.data()),
       patterns.size() * sizeof(From)});
  HostTensor result = castTensor(input, to);
  for (auto [i, pattern] : llvm::enumerate(patterns)) {
    To bits;
    std::memcpy(&bits, result.at(i), sizeof(bits));
    ASSERT_EQ(bits, convert(pattern, from, to)) << std::hex << pattern;
  }
}

/// Every sign and exponent of f32 with the mantissas around which the 16-bit
/// types round.
std::vector<uint32_t> singles() {
  std::vector<uint32_t> patterns;
  for (uint32_t head = 0; head < 512; ++head) {
    for (uint32_t bit = 0; bit <= 23; ++bit) {
      for (uint32_t mantissa : {0u, 0x2000u, 0x10000u, 0x7fe000u, 0x7f0000u}) {
        for (int32_t near : {-1, 0, 1}) {
          uint32_t low = (mantissa ^ (1u << bit >> 1)) + near;
          patterns.push_back(head << 23 | (low & 0x7fffff));
        }
      }
    }
  }
  return patterns;
}

TEST(HostTensorTest, SingleToSixteenBits) {
  MLIRContext context;
  Builder b(&context);
  compare<uint32_t, uint16_t>(singles(), b.getF32Type(), b.getBF16Type());
  compare<uint32_t, uint16_t>(singles(), b.getF32Type(), b.getF16Type());
}

TEST(HostTensorTest, SixteenBitsToSingle) {
  MLIRContext context;
  Builder b(&context);
  std::vector<uint16_t> patterns;
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    patterns.push_back(bits);
  }
  compare<uint16_t, uint32_t>(patterns, b.getBF16Type(), b.getF32Type());
  compare<uint16_t, uint32_t>(patterns, b.getF16Type(), b.getF32Type());
}

} // namespace
