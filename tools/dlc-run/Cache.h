// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Compiles ONNX files once, into a folder.
#ifndef DLC_TOOLS_RUN_CACHE_H
#define DLC_TOOLS_RUN_CACHE_H

#include "Error.h"

#include <string>
#include <vector>

namespace dlc::run {

/// Path of this program's file.
std::string programPath();

/// Path of the compiled form of an ONNX file for a type of device. Runs the
/// dlc-compile beside this program with `arguments` unless the same file was
/// compiled before by the same compiler for the same kind of CPU, target and
/// arguments; `anew`, even then. Its exit code becomes the error's.
Error compileCached(const std::string &model, dlc_device device,
                    std::vector<std::string> arguments, bool anew,
                    std::string &compiled);

} // namespace dlc::run

#endif // DLC_TOOLS_RUN_CACHE_H
