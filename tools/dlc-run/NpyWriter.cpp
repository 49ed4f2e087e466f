// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Writes .npy files, beside their name first, so that they are never cut short.
#include "Npy.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

using namespace dlc::run;

Error dlc::run::writeNpy(const std::string &path, const dlc_tensor &tensor) {
  dlc_data_type type = tensor.dtype;
  const char *kinds = "iufVucb"; // by DLPack's code; bfloat16 as unsigned
  char kind = type.code <= DLC_BOOL ? kinds[type.code] : 'u';
  if (type.bits % 8 != 0) {
    return {DLC_UNSUPPORTED, "cannot write '" + path +
                                 "': .npy files have no " + typeName(type)};
  }
  std::vector<int64_t> dims(tensor.shape, tensor.shape + tensor.ndim);
  std::string shape;
  for (int64_t dim : dims) {
    shape += std::to_string(dim) + ", ";
  }
  std::string header = std::string("{'descr': '") +
                       (type.bits == 8 ? '|' : '<') + kind +
                       std::to_string(type.bits / 8) +
                       "', 'fortran_order': False, 'shape': (" + shape + "), }";
  // 10 bytes before the header, a line feed after it, in all a multiple of 64.
  header.resize((header.size() + 11 + 63) / 64 * 64 - 11, ' ');
  header += '\n';
  const unsigned char start[] = {
      0x93,
      'N',
      'U',
      'M',
      'P',
      'Y',
      1,
      0,
      static_cast<unsigned char>(header.size()),
      static_cast<unsigned char>(header.size() >> 8)};
  auto bytes = static_cast<size_t>(countBytes(type, *countElements(dims)));
  // Links are followed, and devices and pipes are written to, not replaced.
  std::error_code ignored;
  bool isSpecial = std::filesystem::exists(path, ignored) &&
                   !std::filesystem::is_regular_file(path, ignored);
  std::filesystem::path target = std::filesystem::canonical(path, ignored);
  if (ignored) {
    target = path;
  }
  std::string temporary = isSpecial ? path : target.string() + ".tmp";
  FILE *file = std::fopen(temporary.c_str(), "wb");
  bool good =
      file && std::fwrite(start, 1, 10, file) == 10 &&
      std::fwrite(header.data(), 1, header.size(), file) == header.size() &&
      std::fwrite(static_cast<char *>(tensor.data) + tensor.byte_offset, 1,
                  bytes, file) == bytes;
  good = (file && std::fclose(file) == 0) && good &&
         (isSpecial || std::rename(temporary.c_str(), target.c_str()) == 0);
  int error = errno;
  if (!good && !isSpecial) {
    std::remove(temporary.c_str());
  }
  return good ? Error()
              : Error{DLC_RESOURCE,
                      "cannot write '" + path + "': " + std::strerror(error)};
}
