// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reads .npy files.
#include "Npy.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <regex>

using namespace dlc::run;

Error dlc::run::readFile(const std::string &path, std::vector<char> &bytes) {
  FILE *file = std::fopen(path.c_str(), "rb");
  bytes.clear();
  if (file) {
    char buffer[1 << 16];
    while (size_t count = std::fread(buffer, 1, sizeof(buffer), file)) {
      bytes.insert(bytes.end(), buffer, buffer + count);
    }
  }
  int error = !file || std::ferror(file) ? errno : 0;
  if (file) {
    std::fclose(file);
  }
  // A name that leads nowhere is the caller's mistake.
  bool missing = error == ENOENT || error == ENOTDIR || error == EISDIR;
  return error ? Error{missing ? DLC_USAGE : DLC_RESOURCE,
                       "cannot read '" + path + "': " + std::strerror(error)}
               : Error();
}

static dlc_data_type typeOf(char kind, int bytes, dlc_data_type expected) {
  auto bits = static_cast<uint8_t>(bytes * 8);
  bool foreign = expected.code == DLC_BFLOAT ||
                 (expected.code >= DLC_FLOAT8_E3M4 && expected.bits == 8);
  if ((kind == 'u' || kind == 'V') && foreign && bits == expected.bits) {
    return expected;
  }
  switch (kind) {
  case 'f':
    return {DLC_FLOAT, bits, 1};
  case 'i':
    return {DLC_INT, bits, 1};
  case 'u':
    return {DLC_UINT, bits, 1};
  case 'b':
    return {DLC_BOOL, bits, 1};
  case 'c':
    return {DLC_COMPLEX, bits, 1};
  default:
    return {};
  }
}

/// Column-major data made row-major.
static std::vector<char> transpose(const std::vector<char> &data,
                                   const std::vector<int64_t> &dims,
                                   size_t size) {
  std::vector<char> result(data.size());
  std::vector<int64_t> index(dims.size(), 0);
  for (size_t at = 0; at < data.size(); at += size) {
    int64_t to = 0;
    for (size_t d = 0; d < dims.size(); d++) {
      to = to * dims[d] + index[d];
    }
    std::memcpy(result.data() + to * static_cast<int64_t>(size),
                data.data() + at, size);
    for (size_t d = 0; d < dims.size() && ++index[d] == dims[d]; d++) {
      index[d] = 0;
    }
  }
  return result;
}

/// Finds header text and data; false when this is no .npy file.
static bool splitFile(const std::vector<char> &bytes, std::string &header,
                      size_t &data) {
  if (bytes.size() < 12 || std::memcmp(bytes.data(), "\x93NUMPY", 6) != 0) {
    return false;
  }
  auto at = [&](size_t i) {
    return static_cast<size_t>(static_cast<unsigned char>(bytes[i]));
  };
  size_t start = bytes[6] == 1 ? 10 : 12;
  size_t length = at(8) | at(9) << 8;
  if (start == 12) {
    length |= at(10) << 16 | at(11) << 24;
  }
  data = start + length;
  // As long as NumPy reads by default.
  if (data > bytes.size() || length > 10000) {
    return false;
  }
  header.assign(bytes.data() + start, length);
  return true;
}

Error dlc::run::readNpy(const std::string &path, dlc_data_type expected,
                        HostTensor &tensor) {
  std::vector<char> bytes;
  if (Error error = readFile(path, bytes)) {
    return error;
  }
  static const std::regex descr(R"('descr':\s*'([<>|=]?)([a-zA-Z])(\d{1,2})')");
  static const std::regex shape(R"('shape':\s*\(([^)]*)\))");
  static const std::regex order(R"('fortran_order':\s*True)");
  std::string header;
  std::smatch type, dims;
  size_t data;
  if (!splitFile(bytes, header, data) ||
      !std::regex_search(header, type, descr) ||
      !std::regex_search(header, dims, shape)) {
    return damaged("'" + path + "' is not a .npy file of numbers");
  }
  int size = std::atoi(type[3].str().c_str());
  tensor.type = typeOf(type[2].str()[0], size, expected);
  if (tensor.type.bits == 0 || size > 16) {
    return usage("'" + path + "' has elements of unknown type " +
                 type[0].str());
  }
  tensor.dims.clear();
  std::string text = dims[1];
  for (size_t at = 0;
       (at = text.find_first_of("0123456789", at)) != std::string::npos;
       at = text.find_first_not_of("0123456789", at)) {
    tensor.dims.push_back(std::strtoll(text.c_str() + at, nullptr, 10));
  }
  auto elements = countElements(tensor.dims);
  if (!elements || countBytes(tensor.type, *elements) !=
                       static_cast<int64_t>(bytes.size() - data)) {
    return damaged("'" + path + "' is damaged: " +
                   std::to_string(bytes.size() - data) + " bytes of data for " +
                   dimsText(tensor.dims) + " " + typeName(tensor.type));
  }
  tensor.data.assign(bytes.begin() + static_cast<int64_t>(data), bytes.end());
  if (type[1] == ">") {
    int part = type[2] == "c" ? size / 2 : size;
    for (auto at = tensor.data.begin(); at != tensor.data.end(); at += part) {
      std::reverse(at, at + part);
    }
  }
  if (std::regex_search(header, order)) {
    tensor.data =
        transpose(tensor.data, tensor.dims, static_cast<size_t>(size));
  }
  return {};
}
