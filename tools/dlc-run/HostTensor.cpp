// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tensors in memory: sizes, names of types.
#include "HostTensor.h"

using namespace dlc::run;

dlc_tensor HostTensor::view() {
  return {data.data(),
          {DLC_DEVICE_CPU, 0},
          static_cast<int32_t>(dims.size()),
          type,
          dims.data(),
          nullptr,
          0};
}

std::optional<int64_t>
dlc::run::countElements(const std::vector<int64_t> &dims) {
  int64_t count = 1;
  for (int64_t dim : dims) {
    if (dim < 0 || __builtin_mul_overflow(count, dim, &count) ||
        count > INT64_MAX / 256) {
      return std::nullopt;
    }
  }
  return count;
}

int64_t dlc::run::countBytes(dlc_data_type type, int64_t elements) {
  return (elements * type.bits + 7) / 8;
}

static const char *const smallFloats[] = {
    "float8_e3m4",     "float8_e4m3",   "float8_e4m3b11fnuz", "float8_e4m3fn",
    "float8_e4m3fnuz", "float8_e5m2",   "float8_e5m2fnuz",    "float8_e8m0fnu",
    "float6_e2m3fn",   "float6_e3m2fn", "float4_e2m1fn"};

std::string dlc::run::typeName(dlc_data_type type) {
  static const char *const names[] = {"int",    "uint",    "float", "handle",
                                      "bfloat", "complex", "bool"};
  if (type.code == DLC_BOOL) {
    return "bool";
  }
  if (type.code >= DLC_FLOAT8_E3M4 && type.code <= DLC_FLOAT4_E2M1FN) {
    return smallFloats[type.code - DLC_FLOAT8_E3M4];
  }
  return (type.code < DLC_BOOL ? names[type.code] : "type") +
         std::to_string(type.bits);
}

std::optional<dlc_data_type>
dlc::run::typeFromShortName(const std::string &name) {
  static const std::pair<const char *, dlc_data_type> types[] = {
      {"bool", {DLC_BOOL, 8, 1}},  {"i1", {DLC_BOOL, 8, 1}},
      {"i8", {DLC_INT, 8, 1}},     {"i16", {DLC_INT, 16, 1}},
      {"i32", {DLC_INT, 32, 1}},   {"i64", {DLC_INT, 64, 1}},
      {"u8", {DLC_UINT, 8, 1}},    {"u16", {DLC_UINT, 16, 1}},
      {"u32", {DLC_UINT, 32, 1}},  {"u64", {DLC_UINT, 64, 1}},
      {"f16", {DLC_FLOAT, 16, 1}}, {"bf16", {DLC_BFLOAT, 16, 1}},
      {"f32", {DLC_FLOAT, 32, 1}}, {"f64", {DLC_FLOAT, 64, 1}}};
  for (auto [text, type] : types) {
    if (name == text) {
      return type;
    }
  }
  return std::nullopt;
}

std::string dlc::run::dimsText(const std::vector<int64_t> &dims) {
  std::string text = "[";
  for (size_t i = 0; i < dims.size(); i++) {
    text += (i ? ", " : "") + std::to_string(dims[i]);
  }
  return text + "]";
}
