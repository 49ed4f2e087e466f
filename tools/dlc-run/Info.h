// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Says what a model and its outputs are.
#ifndef DLC_TOOLS_RUN_INFO_H
#define DLC_TOOLS_RUN_INFO_H

#include "Json.h"
#include "Model.h"

namespace dlc::run {

void printInfo(const Model &model);
void addInfo(const Model &model, Json &json);

/// Dims and range of values of each output.
void printOutputs(const Model &model, const std::vector<dlc_tensor> &outputs);
void addOutputs(const Model &model, const std::vector<dlc_tensor> &outputs,
                Json &json);

} // namespace dlc::run

#endif // DLC_TOOLS_RUN_INFO_H
