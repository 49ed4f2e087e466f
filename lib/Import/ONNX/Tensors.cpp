// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Element types, and the bytes of tensors: in the model, typed, or in a file
// beneath the model's folder.
#include "Context.h"

#include "Dialect/NN/ParamTransforms.h"
#include "Dialect/NN/Support.h"

#include "llvm/Support/Path.h"

#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace mlir;

namespace dlc::onnx {

/// Tensors up to this many elements are read into the graph.
static constexpr int64_t kMaxInlineElements = 64;

static Type typeOfData(MLIRContext *c, int32_t dataType) {
  auto unsignedType = [&](unsigned width) {
    return IntegerType::get(c, width, IntegerType::Unsigned);
  };
  switch (dataType) {
  case TensorProto::FLOAT:
    return Float32Type::get(c);
  case TensorProto::UINT8:
    return unsignedType(8);
  case TensorProto::INT8:
    return IntegerType::get(c, 8);
  case TensorProto::UINT16:
    return unsignedType(16);
  case TensorProto::INT16:
    return IntegerType::get(c, 16);
  case TensorProto::INT32:
    return IntegerType::get(c, 32);
  case TensorProto::INT64:
    return IntegerType::get(c, 64);
  case TensorProto::BOOL:
    return IntegerType::get(c, 1);
  case TensorProto::FLOAT16:
    return Float16Type::get(c);
  case TensorProto::DOUBLE:
    return Float64Type::get(c);
  case TensorProto::UINT32:
    return unsignedType(32);
  case TensorProto::UINT64:
    return unsignedType(64);
  case TensorProto::BFLOAT16:
    return BFloat16Type::get(c);
  case TensorProto::FLOAT8E4M3FN:
    return Float8E4M3FNType::get(c);
  case TensorProto::FLOAT8E4M3FNUZ:
    return Float8E4M3FNUZType::get(c);
  case TensorProto::FLOAT8E5M2:
    return Float8E5M2Type::get(c);
  case TensorProto::FLOAT8E5M2FNUZ:
    return Float8E5M2FNUZType::get(c);
  case TensorProto::UINT4:
    return unsignedType(4);
  case TensorProto::INT4:
    return IntegerType::get(c, 4);
  case TensorProto::FLOAT4E2M1:
    return Float4E2M1FNType::get(c);
  case TensorProto::FLOAT8E8M0:
    return Float8E8M0FNUType::get(c);
  case TensorProto::UINT2:
    return unsignedType(2);
  case TensorProto::INT2:
    return IntegerType::get(c, 2);
  case TensorProto::FLOAT6E2M3:
    return Float6E2M3FNType::get(c);
  case TensorProto::FLOAT6E3M2:
    return Float6E3M2FNType::get(c);
  default:
    return {};
  }
}

int32_t dataTypeOf(Type type) {
  for (int32_t dataType = 1; dataType <= TensorProto::FLOAT6E3M2; ++dataType) {
    if (typeOfData(type.getContext(), dataType) == type) {
      return dataType;
    }
  }
  return 0;
}

Type ModelImporter::elementType(int64_t dataType, const Twine &what) {
  Type type = dataType == static_cast<int32_t>(dataType)
                  ? typeOfData(&context, static_cast<int32_t>(dataType))
                  : Type();
  if (!type) {
    bool known = dataType == TensorProto::STRING ||
                 dataType == TensorProto::COMPLEX64 ||
                 dataType == TensorProto::COMPLEX128;
    if (known) {
      StringRef name = dataType == TensorProto::STRING ? "string" : "complex";
      report(ErrorClass::Unsupported,
             what + " has element type " + name + ", which dlc has not");
    } else {
      report(ErrorClass::Invalid, "expected a known element type of " + what +
                                      ", got " + Twine(dataType));
    }
  }
  return type;
}

std::string typeName(Type type) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << type;
  return text;
}

/// Opens `location` beneath `dir`, one part after the other, following no link.
/// The reason in `error` where that is not possible.
static int openBeneath(StringRef dir, StringRef location, std::string &error) {
  namespace path = llvm::sys::path;
  if (location.empty() || path::is_absolute(location) ||
      location.contains('\0')) {
    error = "expected a relative path";
    return -1;
  }
  int folder = open(dir.str().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  SmallVector<StringRef> parts(path::begin(location), path::end(location));
  for (auto [i, part] : llvm::enumerate(parts)) {
    bool isLast = i + 1 == parts.size();
    if (part == "..") {
      error = "expected a path beneath the model's folder";
      close(folder);
      return -1;
    }
    if (part == "." && !isLast) {
      continue;
    }
    // O_NONBLOCK: opening a named pipe must not wait.
    int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK |
                (isLast ? 0 : O_DIRECTORY);
    int next = folder < 0 ? -1 : openat(folder, part.str().c_str(), flags);
    int reason = errno;
    if (folder >= 0) {
      close(folder);
    }
    if (next < 0) {
      error = reason == ELOOP || (reason == ENOTDIR && !isLast)
                  ? "expected no link in the path"
                  : std::strerror(reason);
      return -1;
    }
    folder = next;
  }
  struct stat status;
  if (fstat(folder, &status) != 0 || !S_ISREG(status.st_mode)) {
    error = "expected a regular file";
    close(folder);
    return -1;
  }
  return folder;
}

/// A decimal number of an external_data entry.
static bool parseNumber(StringRef text, uint64_t &number) {
  return !text.getAsInteger(10, number);
}

FailureOr<ModelImporter::Bytes>
ModelImporter::externalBytes(const TensorProto &tensor, uint64_t expected,
                             const Twine &what) {
  auto fail = [&](const Twine &reason) {
    report(ErrorClass::Invalid, "external data of " + what + ": " + reason);
    return failure();
  };
  StringRef location;
  uint64_t offset = 0, length = expected;
  for (const StringStringEntryProto &entry : tensor.externalData) {
    StringRef key = entry.key.value_or(""), value = entry.value.value_or("");
    if (key == "location") {
      location = value;
    } else if ((key == "offset" && !parseNumber(value, offset)) ||
               (key == "length" && !parseNumber(value, length))) {
      return fail("expected a number as '" + key + "', got '" + value + "'");
    }
  }
  if (length != expected) {
    return fail("expected a length of " + Twine(expected) + " bytes, got " +
                Twine(length));
  }
  if (modelDir.empty()) {
    return fail("the model was given as bytes without a folder");
  }
  auto &sources = context.getLoadedDialect<nn::NNDialect>()->getSourceMap();
  SmallString<128> key(modelDir);
  llvm::sys::path::append(key, location);
  if (!sources.contains(key)) {
    std::string error;
    int file = openBeneath(modelDir, location, error);
    if (file < 0) {
      return fail("cannot open '" + location + "': " + error);
    }
    struct stat status;
    fstat(file, &status);
    auto buffer = llvm::MemoryBuffer::getOpenFile(
        file, key, status.st_size, /*RequiresNullTerminator=*/false);
    close(file);
    if (!buffer) {
      return fail("cannot read '" + location +
                  "': " + buffer.getError().message());
    }
    sources.addFile(key, std::move(*buffer));
  }
  llvm::Expected<llvm::ArrayRef<char>> all = sources.lookup(key);
  if (!all) {
    return fail(llvm::toString(all.takeError()));
  }
  if (offset > all->size() || length > all->size() - offset) {
    return fail("expected " + Twine(length) + " bytes at offset " +
                Twine(offset) + " of '" + location + "', got a file of " +
                Twine(all->size()));
  }
  return Bytes{std::string(key), offset,
               StringRef(all->data() + offset, length)};
}

/// Appends `count` bytes of each element's low end.
template <typename T>
static void appendLow(std::string &bytes, llvm::ArrayRef<T> elements,
                      unsigned count) {
  bytes.reserve(bytes.size() + elements.size() * count);
  for (T element : elements) {
    bytes.append(reinterpret_cast<const char *>(&element), count);
  }
}

/// The elements of the typed fields as raw data; failure where their number is
/// not the tensor's.
static FailureOr<std::string> typedBytes(const TensorProto &tensor,
                                         RankedTensorType type,
                                         uint64_t expected, uint64_t &found) {
  std::string bytes;
  unsigned width = type.getElementTypeBitWidth();
  switch (tensor.dataType.value_or(0)) {
  case TensorProto::FLOAT:
    appendLow<float>(bytes, tensor.floatData, 4);
    break;
  case TensorProto::DOUBLE:
    appendLow<double>(bytes, tensor.doubleData, 8);
    break;
  case TensorProto::INT64:
    appendLow<int64_t>(bytes, tensor.int64Data, 8);
    break;
  case TensorProto::UINT32:
  case TensorProto::UINT64:
    appendLow<uint64_t>(bytes, tensor.uint64Data, width / 8);
    break;
  default: // sub-byte types are packed in int32_data as in raw_data
    appendLow<int32_t>(bytes, tensor.int32Data, width > 8 ? width / 8 : 1);
    break;
  }
  found = bytes.size();
  if (found != expected) {
    return failure();
  }
  return bytes;
}

FailureOr<ModelImporter::Bytes>
ModelImporter::tensorBytes(const TensorProto &tensor, RankedTensorType type,
                           const Twine &what) {
  uint64_t expected = nn::denseByteSize(type), found = 0;
  if (tensor.dataLocation.value_or(0) == TensorProto::EXTERNAL) {
    if (tensor.rawData) {
      report(ErrorClass::Invalid,
             "expected one place of the data of " + what + ", got two");
      return failure();
    }
    return externalBytes(tensor, expected, what);
  }
  bool isTyped = !tensor.floatData.empty() || !tensor.int32Data.empty() ||
                 !tensor.int64Data.empty() || !tensor.doubleData.empty() ||
                 !tensor.uint64Data.empty() || !tensor.stringData.empty();
  if (tensor.rawData && isTyped) {
    report(ErrorClass::Invalid,
           "expected one place of the data of " + what + ", got two");
    return failure();
  }
  if (tensor.rawData) {
    found = tensor.rawData->size();
    if (found == expected) {
      uint64_t offset = tensor.rawData->data() - modelBytes.data();
      bool inModel = tensor.rawData->begin() >= modelBytes.begin() &&
                     tensor.rawData->end() <= modelBytes.end();
      return Bytes{inModel ? modelKey : std::string(), offset, *tensor.rawData};
    }
  } else {
    FailureOr<std::string> bytes = typedBytes(tensor, type, expected, found);
    if (succeeded(bytes)) {
      auto &sources = context.getLoadedDialect<nn::NNDialect>()->getSourceMap();
      std::string key = sources.addMemory(
          llvm::MemoryBuffer::getMemBufferCopy(*bytes, "tensor"));
      llvm::Expected<llvm::ArrayRef<char>> kept = sources.lookup(key);
      return Bytes{key, 0, StringRef(kept->data(), kept->size())};
    }
  }
  // Of typed elements people know the number, not the bytes.
  unsigned width = type.getElementTypeBitWidth();
  uint64_t bytesEach = tensor.rawData || width < 8 ? 1 : width / 8;
  report(ErrorClass::Invalid, "expected " + Twine(expected / bytesEach) +
                                  (bytesEach > 1 ? " elements" : " bytes") +
                                  " of " + what + " (" + typeName(type) +
                                  "), got " + Twine(found / bytesEach));
  return failure();
}

/// Element `i` of packed little-endian bytes.
static APInt elementAt(StringRef bytes, unsigned width, int64_t i) {
  if (width < 8 && 8 % width == 0) {
    unsigned perByte = 8 / width;
    auto byte = static_cast<uint8_t>(bytes[i / perByte]);
    return APInt(8, byte >> (i % perByte * width)).trunc(width);
  }
  if (width == 6) { // four elements in three bytes, low bits first
    uint64_t bit = i * 6;
    uint32_t word = static_cast<uint8_t>(bytes[bit / 8]);
    if (bit / 8 + 1 < bytes.size()) {
      word |= static_cast<uint32_t>(static_cast<uint8_t>(bytes[bit / 8 + 1]))
              << 8;
    }
    return APInt(32, word >> (bit % 8)).trunc(6);
  }
  uint64_t word = 0;
  std::memcpy(&word, bytes.data() + i * (width / 8), width / 8);
  return APInt(64, word).trunc(width);
}

static DenseElementsAttr elementsOf(RankedTensorType type, StringRef bytes) {
  Type element = type.getElementType();
  unsigned width = element.getIntOrFloatBitWidth();
  if (element.isInteger(1)) {
    SmallVector<bool> flags;
    for (int64_t i = 0; i < type.getNumElements(); ++i) {
      flags.push_back(bytes[i] != 0);
    }
    return DenseElementsAttr::get(type, flags);
  }
  SmallVector<APInt> bits;
  for (int64_t i = 0; i < type.getNumElements(); ++i) {
    bits.push_back(elementAt(bytes, width, i));
  }
  if (auto floatType = dyn_cast<FloatType>(element)) {
    SmallVector<APFloat> floats;
    for (const APInt &pattern : bits) {
      floats.emplace_back(floatType.getFloatSemantics(), pattern);
    }
    return DenseElementsAttr::get(type, floats);
  }
  return DenseElementsAttr::get(type, bits);
}

Value ModelImporter::importTensor(const TensorProto &tensor, StringRef name) {
  std::string what = ("tensor '" + name + "'").str();
  Type element = elementType(tensor.dataType.value_or(0), what);
  if (!element) {
    return {};
  }
  int64_t count = 1;
  bool empty = llvm::is_contained(tensor.dims, 0);
  for (int64_t dim : tensor.dims) {
    if (dim < 0 || (!empty && count > nn::kMaxElements / dim)) {
      report(ErrorClass::Invalid,
             dim < 0 ? "expected no negative dim of " + Twine(what) + ", got " +
                           Twine(dim)
                     : "expected fewer than 2^48 elements of " + Twine(what));
      return {};
    }
    count *= empty ? 1 : dim;
  }
  if (tensor.segment) {
    report(ErrorClass::Unsupported, Twine(what) + " is stored in segments");
    return {};
  }
  auto type = RankedTensorType::get(tensor.dims, element);
  FailureOr<Bytes> bytes = tensorBytes(tensor, type, what);
  if (failed(bytes)) {
    return {};
  }
  if (type.getNumElements() <= kMaxInlineElements || bytes->source.empty()) {
    return builder->constant(elementsOf(type, bytes->data), name);
  }
  if (element.isInteger(1) &&
      llvm::any_of(bytes->data, [](char byte) { return byte & ~1; })) {
    report(ErrorClass::Invalid, "expected bytes 0 and 1 in " + Twine(what));
    return {};
  }
  auto data =
      nn::DataAttr::get(&context, StringAttr::get(&context, bytes->source),
                        bytes->offset, bytes->data.size());
  return builder->param(name, type, data);
}

} // namespace dlc::onnx
