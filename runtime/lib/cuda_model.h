/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* A model on a GPU: its kernels and weights, shared by all contexts there. */
#ifndef DLC_LIB_CUDA_MODEL_H
#define DLC_LIB_CUDA_MODEL_H

#include "cuda_device.h"
#include "model.h"

typedef struct dlc_cuda_model {
  dlc_cuda_device *device;
  dlc_code code;
  const dlc_format_image *image;
  cu_module module;
  cu_function *functions; /* per kernel of the variant */
  cu_address weights;     /* the program's part; 0 without any */
  uint64_t contexts;      /* that use it */
  struct dlc_cuda_model *next;
} dlc_cuda_model;

/* The model on a device: loaded if no context uses it there yet. One thread
   loads, the others wait. It stays loaded until the model goes. */
dlc_status dlc_cuda_model_get(dlc_model *model, int32_t device_type,
                              int ordinal, dlc_cuda_model **on_device);
/* Gives it back. */
void dlc_cuda_model_put(dlc_model *model, dlc_cuda_model *on_device);

/* Unloads the model everywhere; no context uses it. */
void dlc_cuda_models_free(dlc_model *model);

/* cuda_image.c: the best code for a device: a variant whose host code this CPU
   runs, and one of its images. */
dlc_status dlc_cuda_pick_image(const dlc_model *model,
                               const dlc_cuda_device *device, uint32_t *variant,
                               const dlc_format_image **image);

/* cuda_weights.c: copies host memory, such as a mapped file, to the device,
   and waits. */
dlc_status dlc_cuda_upload(dlc_cuda_device *device, cu_address target,
                           const char *source, uint64_t bytes);

#endif /* DLC_LIB_CUDA_MODEL_H */
