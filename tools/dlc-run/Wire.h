// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Protobuf's wire format (protobuf.dev/programming-guides/encoding), enough to
// walk over one message.
#ifndef DLC_TOOLS_RUN_WIRE_H
#define DLC_TOOLS_RUN_WIRE_H

#include <cstdint>
#include <span>

namespace dlc::run {

/// Walks over the fields of a message.
class Wire {
public:
  explicit Wire(std::span<const char> bytes) : bytes(bytes) {}

  bool atEnd() const { return bytes.empty(); }

  bool varint(uint64_t &value) {
    value = 0;
    for (int shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
      auto byte = static_cast<unsigned char>(bytes[0]);
      bytes = bytes.subspan(1);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) {
        return true;
      }
    }
    return false;
  }

  /// A field's number and wire type, and its payload: bytes of a chunk or
  /// fixed-width number, or a varint's value.
  bool next(uint32_t &field, uint32_t &kind, std::span<const char> &payload,
            uint64_t &value) {
    uint64_t key, length = 0;
    if (!varint(key)) {
      return false;
    }
    field = static_cast<uint32_t>(key >> 3);
    kind = key & 7;
    if (kind == 0) {
      return varint(value);
    }
    length = kind == 1 ? 8 : kind == 5 ? 4 : 0;
    if (kind == 2 ? !varint(length) : length == 0) {
      return false;
    }
    if (length > bytes.size()) {
      return false;
    }
    payload = bytes.first(length);
    bytes = bytes.subspan(length);
    return true;
  }

private:
  std::span<const char> bytes;
};

} // namespace dlc::run

#endif // DLC_TOOLS_RUN_WIRE_H
