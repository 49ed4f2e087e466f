// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The tool's command line.
#ifndef PTXSIM_TOOLS_OPTIONS_H
#define PTXSIM_TOOLS_OPTIONS_H

#include "Npy.h"
#include "TensorMapText.h"
#include <memory>
#include <optional>

namespace ptxsim {

/// An argument of the kernel.
struct Argument {
  std::string Text;         // as given
  std::vector<char> Scalar; // its bytes, or a tensor map's; empty for an array
  std::optional<TensorMapText> Map; // encoded once the array has an address
  NpyArray Array;
  uint64_t Address = 0; // of the array, on the device
  bool isArray() const { return Scalar.empty(); }
};

struct Options {
  std::string File, Entry;
  unsigned Grid[3] = {1, 1, 1}, Block[3] = {1, 1, 1}, Cluster[3] = {1, 1, 1};
  unsigned Shared = 0;
  bool Check = false, Counters = false;
  bool Device = false; // chosen
  std::vector<std::unique_ptr<Argument>> Args;
  std::vector<std::pair<size_t, std::string>> Outputs; // argument, file
};

extern const char *const Usage;

/// Reads the command line, and the arrays it names. Settings of the simulator
/// take effect at once. False with a reason.
bool parseOptions(int Argc, char **Argv, Options &O, std::string &Why);

} // namespace ptxsim
#endif
