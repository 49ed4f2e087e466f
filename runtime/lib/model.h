/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* A loaded model. */
#ifndef DLC_LIB_MODEL_H
#define DLC_LIB_MODEL_H

#include "container.h"

#include "dlc/exec.h"

#include <stdatomic.h>

struct dlc_model {
  _Atomic uint64_t references; /* the user's, and one per context */
  dlc_container container;     /* of an embedded model: its header only */
  const char *weights;
  uint64_t weights_bytes;
  uint32_t variant;
  void *library;    /* NULL for an embedded model */
  int library_file; /* memory file with a copy of the code, or -1 */
  dlc_entry *size;  /* NULL with DLC_HEADER_NO_SIZING */
  dlc_entry *run;
};

void dlc_model_retain(dlc_model *model);

/* Copies min(caller's, library's) bytes of a struct that starts with its size;
   false: the caller did not set struct_size. */
bool dlc_struct_in(void *ours, uint64_t our_bytes, const void *theirs);
bool dlc_struct_out(void *theirs, const void *ours, uint64_t our_bytes);

#endif /* DLC_LIB_MODEL_H */
