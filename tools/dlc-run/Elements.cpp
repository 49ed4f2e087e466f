// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Elements of tensors as numbers.
#include "HostTensor.h"

#include <bit>
#include <cstring>

using namespace dlc::run;

bool dlc::run::isNumeric(dlc_data_type type) {
  bool whole =
      type.bits == 8 || type.bits == 16 || type.bits == 32 || type.bits == 64;
  return (type.code == DLC_BOOL && type.bits == 8) ||
         (type.code == DLC_FLOAT && whole && type.bits > 8) ||
         (type.code == DLC_BFLOAT && type.bits == 16) ||
         ((type.code == DLC_INT || type.code == DLC_UINT) && whole);
}

template <typename T> static double load(const void *data, int64_t index) {
  T value;
  std::memcpy(&value, static_cast<const T *>(data) + index, sizeof(T));
  return static_cast<double>(value);
}

template <typename T>
static void store(void *data, int64_t index, double value) {
  T typed = static_cast<T>(value);
  std::memcpy(static_cast<T *>(data) + index, &typed, sizeof(T));
}

double dlc::run::getElement(dlc_data_type type, const void *data,
                            int64_t index) {
  switch (type.code << 8 | type.bits) {
  case DLC_INT << 8 | 8:
    return load<int8_t>(data, index);
  case DLC_INT << 8 | 16:
    return load<int16_t>(data, index);
  case DLC_INT << 8 | 32:
    return load<int32_t>(data, index);
  case DLC_INT << 8 | 64:
    return load<int64_t>(data, index);
  case DLC_UINT << 8 | 16:
    return load<uint16_t>(data, index);
  case DLC_UINT << 8 | 32:
    return load<uint32_t>(data, index);
  case DLC_UINT << 8 | 64:
    return load<uint64_t>(data, index);
  case DLC_FLOAT << 8 | 16:
    return load<_Float16>(data, index);
  case DLC_FLOAT << 8 | 32:
    return load<float>(data, index);
  case DLC_FLOAT << 8 | 64:
    return load<double>(data, index);
  case DLC_BFLOAT << 8 | 16: {
    uint16_t bits;
    std::memcpy(&bits, static_cast<const uint16_t *>(data) + index, 2);
    return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
  }
  default: // bool, uint8
    return load<uint8_t>(data, index);
  }
}

/// Nearest bfloat16, ties to even; values are finite.
static uint16_t toBFloat16(double value) {
  uint32_t bits = std::bit_cast<uint32_t>(static_cast<float>(value));
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

void dlc::run::setElement(dlc_data_type type, void *data, int64_t index,
                          double value) {
  auto whole = static_cast<int64_t>(value);
  switch (type.code << 8 | type.bits) {
  case DLC_INT << 8 | 16:
  case DLC_UINT << 8 | 16:
    return std::memcpy(static_cast<char *>(data) + index * 2, &whole, 2),
           void();
  case DLC_INT << 8 | 32:
  case DLC_UINT << 8 | 32:
    return std::memcpy(static_cast<char *>(data) + index * 4, &whole, 4),
           void();
  case DLC_INT << 8 | 64:
  case DLC_UINT << 8 | 64:
    return std::memcpy(static_cast<char *>(data) + index * 8, &whole, 8),
           void();
  case DLC_FLOAT << 8 | 16:
    return store<_Float16>(data, index, value);
  case DLC_FLOAT << 8 | 32:
    return store<float>(data, index, value);
  case DLC_FLOAT << 8 | 64:
    return store<double>(data, index, value);
  case DLC_BFLOAT << 8 | 16: {
    uint16_t bits = toBFloat16(value);
    return std::memcpy(static_cast<char *>(data) + index * 2, &bits, 2), void();
  }
  case DLC_BOOL << 8 | 8:
    static_cast<char *>(data)[index] = value != 0;
    return;
  default:
    static_cast<char *>(data)[index] = static_cast<char>(whole);
  }
}
