// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// NumPy's .npy files, versions 1 to 3 (numpy.lib.format).
#ifndef DLC_TOOLS_RUN_NPY_H
#define DLC_TOOLS_RUN_NPY_H

#include "HostTensor.h"

namespace dlc::run {

Error readFile(const std::string &path, std::vector<char> &bytes);

/// NumPy has no bfloat16 and no 8-bit floats: when `expected` is one of them,
/// unsigned integers or raw bytes (V1, V2) of that size are taken for it.
Error readNpy(const std::string &path, dlc_data_type expected,
              HostTensor &tensor);

/// Writes a dense tensor; bfloat16 as uint16, 8-bit floats as uint8.
Error writeNpy(const std::string &path, const dlc_tensor &tensor);

} // namespace dlc::run

#endif // DLC_TOOLS_RUN_NPY_H
