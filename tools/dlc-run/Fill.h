// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Contents of inputs that come from no file.
#ifndef DLC_TOOLS_RUN_FILL_H
#define DLC_TOOLS_RUN_FILL_H

#include "HostTensor.h"

namespace dlc::run {

/// Memory for the tensor's dims and type.
Error allocateInput(HostTensor &tensor);

/// Uniform in [-1, 1); integers and bools 0 or 1. Equal seeds give equal data.
void fillRandom(HostTensor &tensor, uint64_t seed);

/// One number for all elements, or as many as there are, separated by commas.
Error fillValues(HostTensor &tensor, const std::string &text);

} // namespace dlc::run

#endif // DLC_TOOLS_RUN_FILL_H
