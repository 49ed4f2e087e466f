/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* A loaded model. */
#ifndef DLC_LIB_MODEL_H
#define DLC_LIB_MODEL_H

#include "container.h"

#include "dlc/exec.h"

#include <pthread.h>
#include <stdatomic.h>

/* The code of one variant. */
typedef struct dlc_code {
  uint32_t variant;
  const dlc_program *program;
  dlc_entry *size; /* NULL with DLC_HEADER_NO_SIZING */
  dlc_entry *run;
} dlc_code;

struct dlc_model {
  _Atomic uint64_t references; /* the user's, and one per context */
  dlc_container container;     /* of an embedded model: its header only */
  const char *weights;
  uint64_t weights_bytes;
  const dlc_embedded_model *embedded; /* NULL for a file */
  void *library;                      /* NULL for an embedded model */
  int library_file; /* memory file with a copy of the code, or -1 */
  int64_t wanted;   /* the variant that the caller asked for, or -1 */
  uint32_t variant; /* the one asked for, else the best for this CPU */

  pthread_mutex_t cuda_lock; /* of what follows */
  struct dlc_cuda_model *cuda_models;
};

void dlc_model_retain(dlc_model *model);

/* The best variant for a type of device whose host code this CPU runs. */
dlc_status dlc_model_pick(const dlc_model *model, int32_t device_type,
                          uint32_t *variant);

/* Why this CPU cannot run the variant's host code: the length of the name of a
   feature that it lacks, and *name; 0 if it can. */
size_t dlc_model_missing(const dlc_model *model, uint32_t variant,
                         const char **name);

/* Finds the functions of a variant. */
dlc_status dlc_model_bind(const dlc_model *model, uint32_t variant,
                          dlc_code *code);

/* "the CPU", "CUDA": for messages. */
const char *dlc_device_type_name(int32_t device_type);

/* Copies min(caller's, library's) bytes of a struct that starts with its size;
   false: the caller did not set struct_size. */
bool dlc_struct_in(void *ours, uint64_t our_bytes, const void *theirs);
bool dlc_struct_out(void *theirs, const void *ours, uint64_t our_bytes);

#endif /* DLC_LIB_MODEL_H */
