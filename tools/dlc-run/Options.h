// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The command line of dlc-run.
#ifndef DLC_TOOLS_RUN_OPTIONS_H
#define DLC_TOOLS_RUN_OPTIONS_H

#include "Error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace dlc::run {

struct Options {
  std::string model;
  std::vector<std::string> inputs;  // texts of --input
  std::vector<std::string> outputs; // texts of --output
  std::vector<std::string> compile; // arguments of dlc-compile, for ONNX files
  bool random = false;
  uint64_t seed = 0;
  uint32_t threads = 0; // 0: the runtime's default
  dlc_device device{DLC_DEVICE_CPU, 0};
  std::string verify; // folder, "" for none
  double rtol = 1e-3;
  double atol = 1e-5;
  bool benchmark = false;
  double warmupSeconds = 0.2;
  double durationSeconds = 3;
  int64_t iterations = 0; // 0: as many as the duration gives
  bool profile = false;
  std::string trace; // file for a Chrome trace
  bool info = false;
  bool devices = false;
  bool json = false;
  bool help = false;
  bool version = false;
};

/// `ownModel` is the path of a model behind this program, "" for none; then no
/// model is named on the command line.
Error parseOptions(int argc, char **argv, const std::string &ownModel,
                   Options &options);

extern const char helpText[];

} // namespace dlc::run

#endif // DLC_TOOLS_RUN_OPTIONS_H
