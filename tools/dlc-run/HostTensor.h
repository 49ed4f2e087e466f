// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A tensor in this program's memory, and its elements as numbers.
#ifndef DLC_TOOLS_RUN_HOSTTENSOR_H
#define DLC_TOOLS_RUN_HOSTTENSOR_H

#include "Error.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace dlc::run {

struct HostTensor {
  std::string name;
  dlc_data_type type{};
  std::vector<int64_t> dims;
  std::vector<char> data; // dense, row-major

  dlc_tensor view();
};

/// Elements of these dims, nothing on overflow or a negative dim.
std::optional<int64_t> countElements(const std::vector<int64_t> &dims);
/// Bytes of that many elements; below 8 bits they are packed.
int64_t countBytes(dlc_data_type type, int64_t elements);

/// "float32", and the short form "f32" that --input takes.
std::string typeName(dlc_data_type type);
std::optional<dlc_data_type> typeFromShortName(const std::string &name);
std::string dimsText(const std::vector<int64_t> &dims);

/// Whether elements of the type convert to and from double.
bool isNumeric(dlc_data_type type);
double getElement(dlc_data_type type, const void *data, int64_t index);
/// Integers are cut to their width, floats rounded to nearest, even on ties.
void setElement(dlc_data_type type, void *data, int64_t index, double value);

} // namespace dlc::run

#endif // DLC_TOOLS_RUN_HOSTTENSOR_H
