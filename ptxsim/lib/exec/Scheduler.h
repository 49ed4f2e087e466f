// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Runs the warps of resident clusters in slices.
#ifndef PTXSIM_EXEC_SCHEDULER_H
#define PTXSIM_EXEC_SCHEDULER_H

#include "Exec.h"

namespace ptxsim {

std::unique_ptr<Cta> startCta(LaunchState &L, Worker &Work, Cluster &G, Dim3 Id,
                              uint32_t Rank);
std::unique_ptr<Cluster> startCluster(LaunchState &L, Worker &Work,
                                      uint64_t Task);
void endCluster(Worker &Work, Cluster &G);

/// Runs until at least one resident cluster is done or a fault stops the
/// launch.
void runResident(LaunchState &L, Worker &Work,
                 std::vector<std::unique_ptr<Cluster>> &Resident);

} // namespace ptxsim
#endif
