// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The protobuf wire format.
#include "Proto.h"

#include "llvm/Support/Endian.h"
#include "llvm/Support/JSON.h"

using llvm::StringRef;

namespace dlc::onnx {

bool WireReader::takeVarint(uint64_t &value) {
  value = 0;
  for (unsigned shift = 0; shift < 64 && cursor != end; shift += 7) {
    auto byte = static_cast<uint8_t>(*cursor++);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) {
      return true;
    }
  }
  return false;
}

bool WireReader::takeBytes(uint64_t count, StringRef &out) {
  if (count > static_cast<uint64_t>(end - cursor)) {
    return false;
  }
  out = StringRef(cursor, count);
  cursor += count;
  return true;
}

bool WireReader::nextField() {
  const char *start = cursor;
  uint64_t tag;
  if (cursor == end) {
    return false;
  }
  if (!takeVarint(tag) || tag >> 32 != 0 || tag >> 3 == 0) {
    cursor = start; // not at the end: the caller sees that it is malformed
    return false;
  }
  number = static_cast<uint32_t>(tag >> 3);
  wireType = static_cast<uint32_t>(tag & 7);
  return true;
}

bool WireReader::skip() {
  uint64_t count = 0;
  StringRef ignored;
  switch (wireType) {
  case Varint:
    return takeVarint(count);
  case Fixed64:
    return takeBytes(8, ignored);
  case Length:
    return takeVarint(count) && takeBytes(count, ignored);
  case Fixed32:
    return takeBytes(4, ignored);
  default: // groups, which proto2 files of ONNX never use
    return false;
  }
}

bool WireReader::readBytes(std::optional<StringRef> &out) {
  uint64_t count;
  StringRef bytes;
  if (wireType != Length || !takeVarint(count) || !takeBytes(count, bytes)) {
    return false;
  }
  out = bytes;
  return true;
}

bool WireReader::readString(std::optional<StringRef> &out) {
  return readBytes(out) && llvm::json::isUTF8(*out);
}

bool WireReader::readRepeatedString(std::vector<StringRef> &out) {
  return readRepeatedBytes(out) && llvm::json::isUTF8(out.back());
}

bool WireReader::readRepeatedBytes(std::vector<StringRef> &out) {
  std::optional<StringRef> bytes;
  if (!readBytes(bytes)) {
    return false;
  }
  out.push_back(*bytes);
  return true;
}

template <typename T> bool WireReader::readVarint(std::optional<T> &out) {
  uint64_t value;
  if (wireType != Varint || !takeVarint(value)) {
    return false;
  }
  out = static_cast<T>(value);
  return true;
}

template <typename T> bool WireReader::readFixed(std::optional<T> &out) {
  StringRef bytes;
  if (wireType != (sizeof(T) == 4 ? Fixed32 : Fixed64) ||
      !takeBytes(sizeof(T), bytes)) {
    return false;
  }
  out = llvm::support::endian::read<T, llvm::endianness::little>(bytes.data());
  return true;
}

template <typename T> bool WireReader::readVarints(std::vector<T> &out) {
  if (wireType != Length) {
    std::optional<T> value;
    if (!readVarint(value)) {
      return false;
    }
    out.push_back(*value);
    return true;
  }
  std::optional<StringRef> bytes;
  if (!readBytes(bytes)) {
    return false;
  }
  WireReader packed(*bytes);
  while (!packed.atEnd()) {
    uint64_t value;
    if (!packed.takeVarint(value)) {
      return false;
    }
    out.push_back(static_cast<T>(value));
  }
  return true;
}

template <typename T> bool WireReader::readFixeds(std::vector<T> &out) {
  if (wireType != Length) {
    std::optional<T> value;
    if (!readFixed(value)) {
      return false;
    }
    out.push_back(*value);
    return true;
  }
  std::optional<StringRef> bytes;
  if (!readBytes(bytes) || bytes->size() % sizeof(T) != 0) {
    return false;
  }
  size_t count = bytes->size() / sizeof(T);
  out.reserve(out.size() + count);
  for (size_t i = 0; i < count; ++i) {
    out.push_back(llvm::support::endian::read<T, llvm::endianness::little>(
        bytes->data() + i * sizeof(T)));
  }
  return true;
}

// The members of the generated structs decide which of these are needed.
template bool WireReader::readVarint(std::optional<int64_t> &);
template bool WireReader::readVarint(std::optional<uint64_t> &);
template bool WireReader::readVarint(std::optional<int32_t> &);
template bool WireReader::readFixed(std::optional<float> &);
template bool WireReader::readFixed(std::optional<double> &);
template bool WireReader::readVarints(std::vector<int64_t> &);
template bool WireReader::readVarints(std::vector<uint64_t> &);
template bool WireReader::readVarints(std::vector<int32_t> &);
template bool WireReader::readFixeds(std::vector<float> &);
template bool WireReader::readFixeds(std::vector<double> &);

#define GET_PROTO_DEFS
#include "Import/ONNX/Proto.inc"
#undef GET_PROTO_DEFS

} // namespace dlc::onnx
