/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Plans of the last few shapes of a context. */
#include "context.h"
#include "dlc/plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static uint32_t num_output_dims(const dlc_header *h) {
  return h->num_dims - h->num_input_dims;
}

/* All arrays of a shape in one piece, which input_dims owns. */
static dlc_status allocate_shape(const dlc_context *c, dlc_shape *shape) {
  const dlc_header *h = &c->model->container.header;
  size_t buffers = c->code.program->num_buffers;
  size_t count = h->num_dims + 2 * buffers;
  int64_t *memory = malloc((count ? count : 1) * sizeof *memory);
  if (!memory) {
    return dlc_fail(DLC_RESOURCE, "no memory for a memory plan");
  }
  shape->input_dims = memory;
  shape->output_dims = memory + h->num_input_dims;
  shape->buffer_bytes = memory + h->num_dims;
  shape->buffer_offsets = shape->buffer_bytes + buffers;
  return DLC_OK;
}

void dlc_context_free_shapes(dlc_context *c) {
  for (int i = 0; i < DLC_CONTEXT_SHAPES; i++) {
    free(c->shapes[i].input_dims);
  }
  free(c->plan_workspace);
}

static const char *output_name(const dlc_header *h, uint32_t output) {
  return dlc_header_text(h, h->outputs[output].name);
}

/* What generated code computed must fit what the header promised. */
static dlc_status check_sizes(const dlc_context *c, const dlc_shape *shape) {
  const dlc_header *h = &c->model->container.header;
  const dlc_program *p = c->code.program;
  for (uint32_t i = 0; i < h->num_outputs; i++) {
    const dlc_format_value *output = &h->outputs[i];
    for (uint32_t d = 0; d < output->rank; d++) {
      const dlc_format_dim *dim = &h->dims[output->first_dim + d];
      int64_t size =
          shape->output_dims[output->first_dim - h->num_input_dims + d];
      bool good = dim->kind == DLC_DIM_STATIC      ? size == dim->value
                  : output->flags & DLC_VALUE_LATE ? size >= -1
                                                   : size >= 0;
      if (!good) {
        return dlc_fail(DLC_USAGE,
                        "output '%s': dim %" PRIu32 " would be %" PRId64
                        " for inputs of these dims",
                        output_name(h, i), d, size);
      }
    }
  }
  for (uint32_t i = 0; i < p->num_buffers; i++) {
    if (p->buffers[i].bytes != DLC_BYTES_LATE && shape->buffer_bytes[i] < 0) {
      return dlc_fail(DLC_RESOURCE,
                      "the model needs too much memory for these shapes");
    }
  }
  return DLC_OK;
}

static dlc_status size_shape(dlc_context *c, dlc_shape *shape) {
  const dlc_header *h = &c->model->container.header;
  const dlc_program *p = c->code.program;
  for (uint32_t i = 0; i < p->num_buffers; i++) {
    shape->buffer_bytes[i] = p->buffers[i].bytes;
  }
  for (uint32_t i = 0; i < num_output_dims(h); i++) {
    const dlc_format_dim *dim = &h->dims[h->num_input_dims + i];
    shape->output_dims[i] = dim->kind == DLC_DIM_STATIC ? dim->value : -1;
  }
  if (!c->code.size) {
    return DLC_OK;
  }
  c->exec.output_dims = shape->output_dims;
  c->exec.buffer_bytes = shape->buffer_bytes;
  c->status = DLC_OK;
  dlc_status status = dlc_context_outcome(c, c->code.size(&c->exec));
  return status ? status : check_sizes(c, shape);
}

static dlc_status plan_shape(dlc_context *c, dlc_shape *shape) {
  const dlc_program *p = c->code.program;
  if (p->flags & DLC_HEADER_STATIC_PLAN) {
    if (p->num_buffers > 0) {
      memcpy(shape->buffer_offsets, p->offsets,
             p->num_buffers * sizeof *p->offsets);
    }
    shape->arena_bytes = p->arena_bytes;
    shape->lower_bound = p->arena_lower_bound;
    return DLC_OK;
  }
  if (!c->plan_workspace) {
    c->plan_workspace = malloc(dlc_plan_workspace_bytes(p->num_buffers) + 1);
    if (!c->plan_workspace) {
      return dlc_fail(DLC_RESOURCE, "no memory for a memory plan");
    }
  }
  dlc_plan_result result;
  if (dlc_plan(p->buffers, shape->buffer_bytes, p->num_buffers,
               c->plan_workspace, shape->buffer_offsets, &result)) {
    return dlc_fail(DLC_RESOURCE,
                    "the model needs too much memory for these shapes");
  }
  shape->arena_bytes = result.arena_bytes;
  shape->lower_bound = result.lower_bound;
  c->plans++;
  return DLC_OK;
}

static dlc_shape *find_shape(dlc_context *c, dlc_shape **oldest) {
  size_t bytes = c->model->container.header.num_input_dims * sizeof(int64_t);
  *oldest = &c->shapes[0];
  for (int i = 0; i < DLC_CONTEXT_SHAPES; i++) {
    dlc_shape *shape = &c->shapes[i];
    if (shape->last_use > 0 &&
        memcmp(shape->input_dims, c->input_dims, bytes) == 0) {
      return shape;
    }
    if (shape->last_use < (*oldest)->last_use) {
      *oldest = shape;
    }
  }
  return NULL;
}

static dlc_status provide_arena(dlc_context *c, int64_t bytes) {
  if (!c->callers_arena) {
    dlc_status status =
        dlc_block_grow(&c->arena, bytes, "the arena", &c->memory);
    c->exec.arena = c->arena.data;
    return status;
  }
  if (bytes > c->callers_arena_bytes) {
    return dlc_fail(DLC_RESOURCE,
                    "expected an arena of at least %" PRId64
                    " bytes, the caller's has %" PRId64,
                    bytes, c->callers_arena_bytes);
  }
  c->exec.arena = c->callers_arena;
  return DLC_OK;
}

dlc_status dlc_context_select_shape(dlc_context *c) {
  const dlc_header *h = &c->model->container.header;
  dlc_shape *oldest, *shape = find_shape(c, &oldest);
  if (!shape) {
    dlc_status status;
    shape = oldest;
    shape->last_use = 0;
    shape->made = ++c->clock;
    if (!shape->input_dims && (status = allocate_shape(c, shape))) {
      return status;
    }
    memcpy(shape->input_dims, c->input_dims,
           h->num_input_dims * sizeof *c->input_dims);
    if ((status = size_shape(c, shape)) || (status = plan_shape(c, shape))) {
      return status;
    }
  }
  shape->last_use = ++c->clock;
  c->shape = shape;
  memcpy(c->output_dims, shape->output_dims,
         num_output_dims(h) * sizeof *c->output_dims);
  c->exec.output_dims = c->output_dims;
  c->exec.buffer_bytes = shape->buffer_bytes;
  c->exec.buffer_offsets = shape->buffer_offsets;
  return provide_arena(c, shape->arena_bytes);
}
