/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* How many CPUs this process may use. */
#ifndef DLC_LIB_CPUS_H
#define DLC_LIB_CPUS_H

#include <stdint.h>

/* CPUs that the cgroup quota of this process allows, rounded up; 0 = no quota.
   cgroup_file is /proc/self/cgroup, root /sys/fs/cgroup, but for tests. */
uint32_t dlc_cgroup_cpus(const char *cgroup_file, const char *root);

/* CPUs in the calling thread's affinity mask, at least 1. */
uint32_t dlc_affinity_cpus(void);

#endif /* DLC_LIB_CPUS_H */
