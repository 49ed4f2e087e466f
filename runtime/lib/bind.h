/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The caller's tensors of a run: what binding them on any device shares. */
#ifndef DLC_LIB_BIND_H
#define DLC_LIB_BIND_H

#include "context.h"
#include "tensor.h"

static inline const char *dlc_input_name(const dlc_context *c, uint32_t input) {
  const dlc_header *h = &c->model->container.header;
  return dlc_header_text(h, h->inputs[input].name);
}

static inline const char *dlc_output_name(const dlc_context *c,
                                          uint32_t output) {
  const dlc_header *h = &c->model->container.header;
  return dlc_header_text(h, h->outputs[output].name);
}

static inline bool dlc_output_is_late(const dlc_context *c, uint32_t output) {
  return c->model->container.header.outputs[output].flags & DLC_VALUE_LATE;
}

/* Whether the tensor is said to lie on the context's device, other than the
   CPU. */
static inline bool dlc_is_on_device(const dlc_context *c, const dlc_tensor *t) {
  return c->cuda && (int32_t)t->device.device_type == c->device.device_type;
}

/* The output's dims, -1 where data decides. */
int64_t *dlc_output_dims(const dlc_context *c, uint32_t output);

/* Elements may start anywhere that C allows their type. */
bool dlc_is_aligned(const void *data, dlc_data_type type);

/* Bytes of an output whose dims are known. */
dlc_status dlc_output_measure(const dlc_context *c, uint32_t output,
                              int64_t *bytes);

/* Fails if the tensor of the caller, which the message calls `what` and `name`,
   lies in the arena of the caller. */
dlc_status dlc_check_arena(const dlc_context *c, const char *what,
                           const char *name, const dlc_tensor *tensor);

/* Checks the caller's memory for an output, or, where there is none, that the
   context's own is not what the caller gives as an input. */
dlc_status dlc_output_check(const dlc_context *c, uint32_t output,
                            const dlc_tensor *inputs,
                            const dlc_tensor *outputs);

/* Memory of the context for an output, where the run writes it. */
dlc_status dlc_output_grow(dlc_context *c, uint32_t output, int64_t bytes);

/* Checks that a late output got its memory, and fits in it; tells the caller
   its dims. */
dlc_status dlc_output_finish_late(dlc_context *c, uint32_t output);

#endif /* DLC_LIB_BIND_H */
