/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * How many CPUs this process may use: the affinity mask, and the CPU bandwidth
 * quota of its cgroup and all cgroups above (kernel documentation,
 * admin-guide/cgroup-v2.rst "cpu.max" and scheduler/sched-bwc.rst for v1).
 */
#define _GNU_SOURCE
#include "cpus.h"

#include "dlc/dlc.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t dlc_affinity_cpus(void) {
  /* The kernel refuses masks smaller than its own, so grow up to 64 Ki CPUs. */
  for (size_t cpus = 1024; cpus <= 65536; cpus *= 4) {
    cpu_set_t *mask = CPU_ALLOC(cpus);
    if (!mask) {
      break;
    }
    size_t bytes = CPU_ALLOC_SIZE(cpus);
    int count =
        sched_getaffinity(0, bytes, mask) == 0 ? CPU_COUNT_S(bytes, mask) : 0;
    CPU_FREE(mask);
    if (count > 0) {
      return (uint32_t)count;
    }
  }
  return 1;
}

static uint32_t divide_up(long long quota, long long period) {
  if (quota <= 0 || period <= 0) {
    return 0;
  }
  long long cpus = quota / period + (quota % period != 0);
  return cpus > INT_MAX ? 0 : (uint32_t)cpus;
}

static long long read_number(const char *folder, const char *name) {
  char path[PATH_MAX];
  if (snprintf(path, sizeof path, "%s/%s", folder, name) >= PATH_MAX) {
    return -1;
  }
  FILE *file = fopen(path, "re");
  if (!file) {
    return -1;
  }
  long long value = -1;
  if (fscanf(file, "%lld", &value) != 1) {
    value = -1;
  }
  fclose(file);
  return value;
}

static uint32_t read_quota(const char *folder, int version) {
  if (version == 1) {
    return divide_up(read_number(folder, "cpu.cfs_quota_us"),
                     read_number(folder, "cpu.cfs_period_us"));
  }
  char path[PATH_MAX];
  if (snprintf(path, sizeof path, "%s/cpu.max", folder) >= PATH_MAX) {
    return 0;
  }
  FILE *file = fopen(path, "re");
  if (!file) {
    return 0;
  }
  /* "max 100000" has no quota, and does not match. */
  long long quota = 0, period = 0;
  int count = fscanf(file, "%lld %lld", &quota, &period);
  fclose(file);
  return count == 2 ? divide_up(quota, period) : 0;
}

/* The least quota from root/group up to root. */
static uint32_t walk_up(const char *root, const char *group, int version) {
  char folder[PATH_MAX];
  int length = snprintf(folder, sizeof folder, "%s%s", root, group);
  if (length >= PATH_MAX) {
    return 0;
  }
  uint32_t least = 0;
  for (;;) {
    uint32_t cpus = read_quota(folder, version);
    if (cpus && (!least || cpus < least)) {
      least = cpus;
    }
    char *slash = strrchr(folder, '/');
    if (!slash || (size_t)(slash - folder) < strlen(root)) {
      return least;
    }
    *slash = 0;
  }
}

static int has_cpu_controller(char *controllers) {
  char *rest = NULL;
  for (char *name = strtok_r(controllers, ",", &rest); name;
       name = strtok_r(NULL, ",", &rest)) {
    if (strcmp(name, "cpu") == 0) {
      return 1;
    }
  }
  return 0;
}

uint32_t dlc_cgroup_cpus(const char *cgroup_file, const char *root) {
  FILE *file = fopen(cgroup_file, "re");
  if (!file) {
    return 0;
  }
  uint32_t least = 0;
  char line[PATH_MAX];
  while (fgets(line, sizeof line, file)) {
    /* id:controllers:path; version 2 has no controllers. */
    line[strcspn(line, "\n")] = 0;
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group) {
      continue;
    }
    *group++ = 0;
    controllers++;
    uint32_t cpus = 0;
    if (*controllers == 0) {
      cpus = walk_up(root, group, 2);
    } else if (has_cpu_controller(controllers)) {
      char folder[PATH_MAX];
      if (snprintf(folder, sizeof folder, "%s/cpu", root) < PATH_MAX) {
        cpus = walk_up(folder, group, 1);
      }
    }
    if (cpus && (!least || cpus < least)) {
      least = cpus;
    }
  }
  fclose(file);
  return least;
}

static uint32_t quota;
static pthread_once_t quota_once = PTHREAD_ONCE_INIT;

static void read_own_quota(void) {
  quota = dlc_cgroup_cpus("/proc/self/cgroup", "/sys/fs/cgroup");
}

uint32_t dlc_default_threads(void) {
  pthread_once(&quota_once, read_own_quota);
  uint32_t cpus = dlc_affinity_cpus();
  return quota && quota < cpus ? quota : cpus;
}
