/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Opens a model file and proves that what it says is in bounds and undamaged,
 * without running any of its code.
 */
#ifndef DLC_LIB_CONTAINER_H
#define DLC_LIB_CONTAINER_H

#include "header.h"
#include "message.h"

#include "dlc/dlc.h"
#include "dlc/format.h"

#include <stdbool.h>

typedef struct dlc_container {
  int file;
  uint64_t base; /* of the model in the file */
  dlc_format_footer footer;
  const char *map; /* the whole model, read-only */
  const char *weights;
  const char *weights_map; /* external weights, else NULL */
  const char *images;      /* NULL without any */
  dlc_header header;
} dlc_container;

/* On failure everything is closed again. */
dlc_status dlc_container_open(const char *path, bool verify_weights,
                              dlc_container *container);
void dlc_container_close(dlc_container *container);

#endif /* DLC_LIB_CONTAINER_H */
