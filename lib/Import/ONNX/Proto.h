// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The messages of onnx-ml.proto as structs whose strings and bytes are
// references into the input, and the reader that fills them. GenProto.py writes
// the structs; encoding: protobuf.dev/programming-guides/encoding.
#ifndef DLC_LIB_IMPORT_ONNX_PROTO_H
#define DLC_LIB_IMPORT_ONNX_PROTO_H

#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace dlc::onnx {

/// How deep messages may nest. A graph inside an If costs four levels.
inline constexpr unsigned kMaxMessageDepth = 400;

/// Reads the fields of one message. Each read method checks the wire type and
/// the bounds and returns false on malformed input.
class WireReader {
public:
  explicit WireReader(llvm::StringRef bytes)
      : cursor(bytes.begin()), end(bytes.end()) {}

  /// Moves to the next field; false at the end or on a malformed tag.
  bool nextField();
  uint32_t field() const { return number; }
  bool atEnd() const { return cursor == end; }
  bool skip();

  bool readBytes(std::optional<llvm::StringRef> &out);
  /// Bytes that are UTF-8.
  bool readString(std::optional<llvm::StringRef> &out);
  bool readInt64(std::optional<int64_t> &out) { return readVarint(out); }
  bool readUInt64(std::optional<uint64_t> &out) { return readVarint(out); }
  bool readInt32(std::optional<int32_t> &out) { return readVarint(out); }
  bool readFloat(std::optional<float> &out) { return readFixed(out); }
  bool readDouble(std::optional<double> &out) { return readFixed(out); }

  bool readRepeatedBytes(std::vector<llvm::StringRef> &out);
  bool readRepeatedString(std::vector<llvm::StringRef> &out);
  bool readRepeatedInt64(std::vector<int64_t> &out) { return readVarints(out); }
  bool readRepeatedUInt64(std::vector<uint64_t> &out) {
    return readVarints(out);
  }
  bool readRepeatedInt32(std::vector<int32_t> &out) { return readVarints(out); }
  bool readRepeatedFloat(std::vector<float> &out) { return readFixeds(out); }
  bool readRepeatedDouble(std::vector<double> &out) { return readFixeds(out); }

  template <typename Message>
  bool readMessage(std::unique_ptr<Message> &out, unsigned depth) {
    std::optional<llvm::StringRef> bytes;
    if (depth == 0 || !readBytes(bytes)) {
      return false;
    }
    // A message that occurs twice is merged.
    if (!out) {
      out = std::make_unique<Message>();
    }
    return parse(WireReader(*bytes), *out, depth - 1);
  }
  template <typename Message>
  bool readMessages(std::vector<Message> &out, unsigned depth) {
    std::optional<llvm::StringRef> bytes;
    if (depth == 0 || !readBytes(bytes)) {
      return false;
    }
    return parse(WireReader(*bytes), out.emplace_back(), depth - 1);
  }

private:
  enum WireType : uint32_t { Varint = 0, Fixed64 = 1, Length = 2, Fixed32 = 5 };

  bool takeVarint(uint64_t &value);
  bool takeBytes(uint64_t count, llvm::StringRef &out);
  template <typename T> bool readVarint(std::optional<T> &out);
  template <typename T> bool readFixed(std::optional<T> &out);
  template <typename T> bool readVarints(std::vector<T> &out);
  template <typename T> bool readFixeds(std::vector<T> &out);

  const char *cursor, *end;
  uint32_t number = 0, wireType = 0;
};

#define GET_PROTO_DECLS
#include "Import/ONNX/Proto.inc"
#undef GET_PROTO_DECLS

} // namespace dlc::onnx

#endif // DLC_LIB_IMPORT_ONNX_PROTO_H
