// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// NumPy's .npy files: enough to read an array and write it back.
#ifndef PTXSIM_TOOLS_NPY_H
#define PTXSIM_TOOLS_NPY_H

#include <cstdint>
#include <string>
#include <vector>

namespace ptxsim {

struct NpyArray {
  std::string Header; // the dictionary as written, kept for output
  std::vector<char> Data;
};

/// Reads a file whose elements are little-endian numbers (or raw bytes, as
/// which bfloat16 is stored) in C order, and as many as its shape says. False
/// with a reason.
bool readNpy(const std::string &Path, NpyArray &Out, std::string &Why);
/// Writes Data under the array's dictionary.
bool writeNpy(const std::string &Path, const NpyArray &A, std::string &Why);

/// Reads a whole file of any kind.
bool readFile(const std::string &Path, std::string &Out, std::string &Why);

} // namespace ptxsim
#endif
