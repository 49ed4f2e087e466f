// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Makes a model's inputs from the command line.
#ifndef DLC_TOOLS_RUN_INPUTS_H
#define DLC_TOOLS_RUN_INPUTS_H

#include "Model.h"
#include "Options.h"

namespace dlc::run {

/// Inputs in the model's order. Those that --input does not name are random
/// when `random` is set; their open dims are those of other inputs with the
/// same symbol, else the least allowed.
Error makeInputs(const Model &model, const Options &options,
                 std::vector<HostTensor> &inputs);

} // namespace dlc::run

#endif // DLC_TOOLS_RUN_INPUTS_H
