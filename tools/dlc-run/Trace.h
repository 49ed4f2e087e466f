// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Profiles as Chrome traces.
#ifndef DLC_TOOLS_RUN_TRACE_H
#define DLC_TOOLS_RUN_TRACE_H

#include "Json.h"
#include "Model.h"

#include <span>

namespace dlc::run {

using Events = std::span<const dlc_profile_event>;

/// Names of source nodes, separated by spaces.
std::string oneLine(const char *nodes);

/// A key with a number that may be unknown, -1: then left out.
void addAmount(Json &json, const char *key, int64_t amount);

/// Writes the Trace Event Format, which chrome://tracing and Perfetto read.
Error writeTrace(const std::string &path, const Model &model, Events events);

} // namespace dlc::run

#endif // DLC_TOOLS_RUN_TRACE_H
