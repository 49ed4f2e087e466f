// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Measures runs.
#ifndef DLC_TOOLS_RUN_BENCHMARK_H
#define DLC_TOOLS_RUN_BENCHMARK_H

#include "Json.h"
#include "Model.h"
#include "Options.h"

namespace dlc::run {

/// Prints, or adds to `json`, the times of single runs one after the other,
/// with inputs in place and outputs in memory of the context.
Error benchmark(Model &model, const Options &options,
                std::vector<HostTensor> &inputs, Json &json);

/// Time per dispatch, as the median over some runs; options.trace also gets
/// the last run as a Chrome trace.
Error profile(Model &model, const Options &options,
              std::vector<HostTensor> &inputs, Json &json);

} // namespace dlc::run

#endif // DLC_TOOLS_RUN_BENCHMARK_H
