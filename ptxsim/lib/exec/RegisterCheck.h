// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Checks of registers in race mode.
#ifndef PTXSIM_EXEC_REGISTERCHECK_H
#define PTXSIM_EXEC_REGISTERCHECK_H

#include "Exec.h"

namespace ptxsim {

/// The program with a check in front of every instruction; made once and kept
/// with P. The caller holds the driver's lock.
const Program &checkedProgram(const Program &P);

} // namespace ptxsim
#endif
