// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Host buffers of the kernel tests: memory that faults on any access past its
// end, and element types with conversions to double.
#ifndef DLC_TEST_UNITTESTS_CONVERSION_NNTOVECTOR_TESTBUFFERS_H
#define DLC_TEST_UNITTESTS_CONVERSION_NNTOVECTOR_TESTBUFFERS_H

#include "mlir/IR/Builders.h"
#include "llvm/Support/ErrorHandling.h"

#include <bit>
#include <cstdint>
#include <cstring>
#include <random>
#include <sys/mman.h>
#include <unistd.h>

namespace dlc::kernel::testing {

/// bfloat16 as its bits.
struct BFloat16 {
  uint16_t bits = 0;
  BFloat16() = default;
  explicit BFloat16(double value) {
    uint32_t wide = std::bit_cast<uint32_t>(static_cast<float>(value));
    bits = (wide + 0x7fff + ((wide >> 16) & 1)) >> 16;
  }
  explicit operator double() const {
    return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
  }
};

/// What the tests need to know of an element type.
template <typename T> struct ElementTraits;
template <> struct ElementTraits<float> {
  static mlir::Type type(mlir::Builder &b) { return b.getF32Type(); }
  static constexpr double unitRoundoff = 0x1p-24;
};
template <> struct ElementTraits<double> {
  static mlir::Type type(mlir::Builder &b) { return b.getF64Type(); }
  static constexpr double unitRoundoff = 0x1p-53;
};
template <> struct ElementTraits<_Float16> {
  static mlir::Type type(mlir::Builder &b) { return b.getF16Type(); }
  static constexpr double unitRoundoff = 0x1p-11;
};
template <> struct ElementTraits<BFloat16> {
  static mlir::Type type(mlir::Builder &b) { return b.getBF16Type(); }
  static constexpr double unitRoundoff = 0x1p-8;
};
template <> struct ElementTraits<int8_t> {
  static mlir::Type type(mlir::Builder &b) { return b.getIntegerType(8); }
  static constexpr double unitRoundoff = 0;
};
template <> struct ElementTraits<uint8_t> : ElementTraits<int8_t> {};
template <> struct ElementTraits<int32_t> {
  static mlir::Type type(mlir::Builder &b) { return b.getIntegerType(32); }
  static constexpr double unitRoundoff = 0;
};
template <> struct ElementTraits<int64_t> {
  static mlir::Type type(mlir::Builder &b) { return b.getIntegerType(64); }
  static constexpr double unitRoundoff = 0;
};

/// `count` elements between poison, which no kernel may write and no result may
/// show, and an inaccessible page; at most element-aligned.
template <typename T> class GuardedBuffer {
public:
  explicit GuardedBuffer(int64_t count) : count(count) {
    size_t page = sysconf(_SC_PAGESIZE);
    size_t body = (count * sizeof(T) + page - 1) / page * page + page;
    bytes = body + page;
    base = static_cast<char *>(mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(base + body, page, PROT_NONE);
    first = reinterpret_cast<T *>(base + body) - count;
    std::memset(base, kPoison, slack());
  }
  GuardedBuffer(const GuardedBuffer &) = delete;
  GuardedBuffer &operator=(const GuardedBuffer &) = delete;
  ~GuardedBuffer() {
    for (size_t i = 0; i < slack(); ++i)
      if (static_cast<unsigned char>(base[i]) != kPoison)
        llvm::report_fatal_error("kernel wrote before the start of a buffer");
    munmap(base, bytes);
  }

  T *data() { return first; }
  const T *data() const { return first; }
  int64_t size() const { return count; }
  T &operator[](int64_t i) { return first[i]; }
  const T &operator[](int64_t i) const { return first[i]; }

  /// Uniform in [-1, 1] for floats, small integers otherwise.
  void randomise(std::mt19937 &random) {
    for (int64_t i = 0; i < count; ++i) {
      if constexpr (ElementTraits<T>::unitRoundoff == 0)
        first[i] = static_cast<T>(static_cast<int64_t>(random() % 256) -
                                  (std::is_same_v<T, uint8_t> ? 0 : 128));
      else
        first[i] = T(std::uniform_real_distribution<double>(-1, 1)(random));
    }
  }
  void fillBytes(int byte) { std::memset(first, byte, count * sizeof(T)); }

private:
  /// Before the data: NaN in every float type, so that reading it shows.
  static constexpr unsigned char kPoison = 0xff;
  size_t slack() const { return reinterpret_cast<char *>(first) - base; }

  int64_t count;
  size_t bytes;
  char *base;
  T *first;
};

/// Memory equality, so that NaN payloads and signed zeros count.
template <typename T>
bool sameBytes(const GuardedBuffer<T> &x, const GuardedBuffer<T> &y) {
  return x.size() == y.size() &&
         std::memcmp(x.data(), y.data(), x.size() * sizeof(T)) == 0;
}

} // namespace dlc::kernel::testing

#endif // DLC_TEST_UNITTESTS_CONVERSION_NNTOVECTOR_TESTBUFFERS_H
