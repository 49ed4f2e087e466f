// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tensor maps on the tool's command line.
#ifndef PTXSIM_TOOLS_TENSORMAPTEXT_H
#define PTXSIM_TOOLS_TENSORMAPTEXT_H

#include <cstdint>
#include <string>
#include <vector>

namespace ptxsim {

/// What map:BUFFER:TYPE:SIZES:STRIDES:BOX[:SWIZZLE] says, as
/// cuTensorMapEncodeTiled wants it.
struct TensorMapText {
  uint64_t Buffer = 0; // number of an array argument
  int Type = 0, Swizzle = 0;
  std::vector<uint64_t> Sizes, Strides;
  std::vector<uint32_t> Box;
};

/// Whether an argument is meant as a tensor map.
bool isTensorMap(const std::string &Text);
/// Reads one. False with a reason.
bool parseTensorMap(const std::string &Text, TensorMapText &Out,
                    std::string &Why);
/// The parameter's 128 bytes, of the buffer at Address; empty if the driver
/// refuses the map, with its reason.
std::vector<char> encodeTensorMap(const TensorMapText &Map, uint64_t Address,
                                  std::string &Why);

} // namespace ptxsim
#endif
