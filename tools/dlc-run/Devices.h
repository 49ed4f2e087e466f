// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Says which devices there are.
#ifndef DLC_TOOLS_RUN_DEVICES_H
#define DLC_TOOLS_RUN_DEVICES_H

#include "Json.h"
#include "Options.h"

namespace dlc::run {

/// "cuda:0"
std::string deviceText(dlc_device device);

/// Prints, or adds to `json`, the devices of each type, or why there are none.
Error listDevices(const Options &options, Json &json);

} // namespace dlc::run

#endif // DLC_TOOLS_RUN_DEVICES_H
