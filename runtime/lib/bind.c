/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Binds the caller's tensors to a run on the CPU. */
#include "bind.h"
#include "cuda_context.h"

#include <inttypes.h>
#include <stdio.h>

dlc_status dlc_context_bind_inputs(dlc_context *c, const dlc_tensor *inputs) {
  const dlc_header *h = &c->model->container.header;
  for (uint32_t i = 0; i < h->num_inputs; i++) {
    dlc_status status =
        dlc_check_arena(c, "input", dlc_input_name(c, i), &inputs[i]);
    if (status) {
      return status;
    }
  }
  if (c->cuda) {
    return dlc_cuda_bind_inputs(c, inputs);
  }
  for (uint32_t i = 0; i < h->num_inputs; i++) {
    const dlc_tensor *t = &inputs[i];
    char *data = dlc_tensor_data(t);
    if (dlc_is_dense(t) && dlc_is_aligned(data, t->dtype)) {
      c->input_data[i] = data;
      continue;
    }
    int64_t elements, bytes;
    dlc_count_elements(t->shape, (uint32_t)t->ndim, &elements);
    dlc_count_bytes(t->dtype, elements, &bytes);
    char what[64];
    snprintf(what, sizeof what, "a dense copy of input %" PRIu32, i);
    dlc_status status =
        dlc_block_grow(&c->input_copies[i], bytes, what, &c->memory);
    if (status) {
      return status;
    }
    dlc_copy_to_dense(t, c->input_copies[i].data);
    c->input_data[i] = c->input_copies[i].data;
  }
  return DLC_OK;
}

/* ---- Outputs ----------------------------------------------------------- */

static dlc_status bind_output(dlc_context *c, uint32_t output,
                              const dlc_tensor *inputs, dlc_tensor *outputs) {
  dlc_output *o = &c->outputs[output];
  dlc_tensor *t = &outputs[output];
  dlc_status status;
  /* What the last run gave is the context's. */
  o->caller = t->data && t->data != o->block.data ? t : NULL;
  o->copy = false;
  o->late_bytes = -1;
  c->output_data[output] = NULL;
  if ((status = dlc_output_check(c, output, inputs, outputs))) {
    return status;
  }
  if (dlc_output_is_late(c, output)) {
    return DLC_OK;
  }
  int64_t bytes;
  if ((status = dlc_output_measure(c, output, &bytes))) {
    return status;
  }
  if (o->caller && dlc_is_dense(t) &&
      dlc_is_aligned(dlc_tensor_data(t), t->dtype)) {
    c->output_data[output] = dlc_tensor_data(t);
    return DLC_OK;
  }
  o->copy = o->caller != NULL;
  return dlc_output_grow(c, output, bytes);
}

dlc_status dlc_context_bind_outputs(dlc_context *c, const dlc_tensor *inputs,
                                    dlc_tensor *outputs, uint32_t num_outputs) {
  const dlc_header *h = &c->model->container.header;
  if (num_outputs != h->num_outputs) {
    return dlc_fail(DLC_USAGE, "expected %" PRIu32 " outputs, got %" PRIu32,
                    h->num_outputs, num_outputs);
  }
  if (!outputs && num_outputs > 0) {
    return dlc_fail(DLC_USAGE, "expected outputs, got NULL");
  }
  for (uint32_t i = 0; i < num_outputs; i++) {
    dlc_status status = c->cuda ? dlc_cuda_bind_output(c, i, inputs, outputs)
                                : bind_output(c, i, inputs, outputs);
    if (status) {
      return status;
    }
  }
  return DLC_OK;
}

dlc_status dlc_context_finish_outputs(dlc_context *c, dlc_tensor *outputs) {
  const dlc_header *h = &c->model->container.header;
  if (c->cuda) {
    return dlc_cuda_finish_outputs(c, outputs);
  }
  for (uint32_t i = 0; i < h->num_outputs; i++) {
    dlc_output *o = &c->outputs[i];
    dlc_status status =
        dlc_output_is_late(c, i) ? dlc_output_finish_late(c, i) : DLC_OK;
    if (status) {
      return status;
    }
    if (o->copy) {
      dlc_copy_from_dense(o->block.data, o->caller);
    }
    if (!o->caller) {
      dlc_context_describe_output(c, i, &outputs[i]);
      outputs[i].data = c->output_data[i];
    }
  }
  return DLC_OK;
}
