// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Compares a model's outputs with stored ones.
#ifndef DLC_TOOLS_RUN_VERIFY_H
#define DLC_TOOLS_RUN_VERIFY_H

#include "Json.h"
#include "Model.h"
#include "Options.h"

namespace dlc::run {

/// Runs every data set of options.verify and prints, or adds to `json`, how
/// each output compares. The error has code DLC_MISMATCH when one is wrong.
Error verify(Model &model, const Options &options, Json &json);

} // namespace dlc::run

#endif // DLC_TOOLS_RUN_VERIFY_H
