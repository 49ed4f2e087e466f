// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How dlc-run reports what went wrong: an exit code and a message. Functions
// that can fail return an Error, which is true when there is one.
#ifndef DLC_TOOLS_RUN_ERROR_H
#define DLC_TOOLS_RUN_ERROR_H

#include "dlc/dlc.h"

#include <string>

namespace dlc::run {

struct [[nodiscard]] Error {
  int code = DLC_OK;
  std::string message;

  explicit operator bool() const { return code != DLC_OK; }
};

inline Error usage(std::string message) {
  return {DLC_USAGE, std::move(message)};
}

/// A file whose contents are not what they should be.
inline Error damaged(std::string message) {
  return {DLC_CORRUPT, std::move(message)};
}

/// The runtime's status with its message; statuses that this tool does not
/// know are internal errors.
inline Error fromStatus(dlc_status status) {
  if (status == DLC_OK) {
    return {};
  }
  return {status > DLC_OK && status <= DLC_CORRUPT ? status : DLC_INTERNAL,
          dlc_message()};
}

} // namespace dlc::run

#endif // DLC_TOOLS_RUN_ERROR_H
