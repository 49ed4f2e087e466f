// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A reader for one protobuf message, without protobuf.
#include "TensorProto.h"

#include "Npy.h"
#include "Wire.h"

#include <cstring>

using namespace dlc::run;

namespace {

// Field numbers of onnx.TensorProto.
enum Field {
  Dims = 1,
  DataType = 2,
  FloatData = 4,
  Int32Data = 5,
  StringData = 6,
  Int64Data = 7,
  Name = 8,
  RawData = 9,
  DoubleData = 10,
  Uint64Data = 11,
  ExternalData = 13
};

/// TensorProto.DataType, by number; bits 0: none.
constexpr dlc_data_type types[] = {
    {},
    {DLC_FLOAT, 32, 1},
    {DLC_UINT, 8, 1},
    {DLC_INT, 8, 1},
    {DLC_UINT, 16, 1},
    {DLC_INT, 16, 1},
    {DLC_INT, 32, 1},
    {DLC_INT, 64, 1},
    {DLC_STRING, 0, 1},
    {DLC_BOOL, 8, 1},
    {DLC_FLOAT, 16, 1},
    {DLC_FLOAT, 64, 1},
    {DLC_UINT, 32, 1},
    {DLC_UINT, 64, 1},
    {DLC_COMPLEX, 64, 1},
    {DLC_COMPLEX, 128, 1},
    {DLC_BFLOAT, 16, 1},
    {DLC_FLOAT8_E4M3FN, 8, 1},
    {DLC_FLOAT8_E4M3FNUZ, 8, 1},
    {DLC_FLOAT8_E5M2, 8, 1},
    {DLC_FLOAT8_E5M2FNUZ, 8, 1},
    {DLC_UINT, 4, 1},
    {DLC_INT, 4, 1},
    {DLC_FLOAT4_E2M1FN, 4, 1},
    {DLC_FLOAT8_E8M0FNU, 8, 1},
    {DLC_UINT, 2, 1},
    {DLC_INT, 2, 1},
};

/// The numbers of a packed field, 8 bytes each.
bool appendVarints(std::span<const char> payload, std::vector<char> &out) {
  for (Wire wire(payload); !wire.atEnd();) {
    uint64_t value;
    if (!wire.varint(value)) {
      return false;
    }
    const char *bytes = reinterpret_cast<const char *>(&value);
    out.insert(out.end(), bytes, bytes + 8);
  }
  return true;
}

} // namespace

static bool readField(uint32_t field, uint32_t kind,
                      std::span<const char> payload, uint64_t value,
                      HostTensor &tensor, std::vector<char> &varints) {
  // A lone number is a list of one.
  char single[8];
  if (kind == 0) {
    std::memcpy(single, &value, 8);
  }
  switch (field) {
  case Dims:
    if (kind == 0) {
      tensor.dims.push_back(static_cast<int64_t>(value));
      return true;
    }
    for (Wire wire(payload); !wire.atEnd();) {
      if (!wire.varint(value)) {
        return false;
      }
      tensor.dims.push_back(static_cast<int64_t>(value));
    }
    return true;
  case DataType:
    tensor.type = value < std::size(types) ? types[value] : dlc_data_type{};
    return kind == 0;
  case Int32Data:
  case Int64Data:
  case Uint64Data:
    if (kind == 0) {
      varints.insert(varints.end(), single, single + 8);
      return true;
    }
    return appendVarints(payload, varints);
  case Name:
    tensor.name.assign(payload.begin(), payload.end());
    return true;
  case RawData:
  case FloatData:
  case DoubleData:
    tensor.data.insert(tensor.data.end(), payload.begin(), payload.end());
    return true;
  default:
    return field != StringData && field != ExternalData;
  }
}

Error dlc::run::readTensorProto(const std::string &path, HostTensor &tensor) {
  std::vector<char> bytes, varints;
  if (Error error = readFile(path, bytes)) {
    return error;
  }
  tensor = {};
  bool good = true;
  for (Wire wire(bytes); good && !wire.atEnd();) {
    uint32_t field, kind;
    std::span<const char> payload;
    uint64_t value = 0;
    good = wire.next(field, kind, payload, value) &&
           readField(field, kind, payload, value, tensor, varints);
  }
  // Small types, and 16-bit floats as bits, lie in int32_data; elements below 8
  // bits are packed there as in raw_data, a byte a number.
  size_t width = tensor.type.bits < 8 ? 1 : tensor.type.bits / 8;
  for (size_t at = 0; width <= 8 && at < varints.size(); at += 8) {
    tensor.data.insert(tensor.data.end(), varints.begin() + at,
                       varints.begin() + at + width);
  }
  auto elements = countElements(tensor.dims);
  if (!good || tensor.type.bits == 0 || !elements ||
      countBytes(tensor.type, *elements) !=
          static_cast<int64_t>(tensor.data.size())) {
    return damaged("'" + path +
                   "' is not a tensor of numbers in ONNX's format");
  }
  return {};
}
