// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What dlc-compile does when a defect of the compiler ends it.
#ifndef DLC_TOOLS_DLC_COMPILE_CRASHHANDLER_H
#define DLC_TOOLS_DLC_COMPILE_CRASHHANDLER_H

namespace dlc::tool {

/// From now on a crash ends the process with Status::Internal, after the same
/// command has been run once more to write the IR in front of each phase, the
/// last of which leads to the crash. Lack of memory ends it with
/// Status::Resource. `argv` must stay.
void installCrashHandler(int argc, char **argv);

} // namespace dlc::tool

#endif // DLC_TOOLS_DLC_COMPILE_CRASHHANDLER_H
