// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The command line of dlc-compile.
#ifndef DLC_TOOLS_COMPILE_OPTIONS_H
#define DLC_TOOLS_COMPILE_OPTIONS_H

#include "Pipelines/CompileOptions.h"

namespace dlc::tool {

enum class ProgressKind { Auto, None, Json };

struct Options {
  CompileOptions compile;
  ProgressKind progress = ProgressKind::Auto;
  bool inspect = false, help = false, version = false;
};

/// Says what is wrong with the arguments.
std::optional<std::string> parseOptions(int argc, char **argv,
                                        Options &options);

extern const char helpText[];

} // namespace dlc::tool

#endif // DLC_TOOLS_COMPILE_OPTIONS_H
