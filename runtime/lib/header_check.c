/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Checks the records of a header: indices, sizes, strings, ranges. */
#include "header.h"

#include "message.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool good_string(const dlc_header *h, dlc_format_string string) {
  return string.offset < h->fixed.strings.count &&
         string.length < h->fixed.strings.count - string.offset &&
         strlen(h->strings + string.offset) == string.length;
}

static bool good_value(const dlc_header *h, const dlc_format_value *value,
                       uint32_t first_dim) {
  if (!good_string(h, value->name) || value->rank > DLC_FORMAT_MAX_RANK ||
      value->first_dim != first_dim || value->type_bits == 0 ||
      value->type_lanes != 1 || value->rank > h->num_dims - first_dim) {
    return false;
  }
  return true;
}

static dlc_status check_values(dlc_header *h) {
  uint32_t dim = 0;
  for (uint32_t i = 0; i < h->num_inputs; i++) {
    if (!good_value(h, &h->inputs[i], dim)) {
      return dlc_header_corrupt("an input");
    }
    dim += h->inputs[i].rank;
  }
  h->num_input_dims = dim;
  for (uint32_t i = 0; i < h->num_outputs; i++) {
    if (!good_value(h, &h->outputs[i], dim)) {
      return dlc_header_corrupt("an output");
    }
    dim += h->outputs[i].rank;
  }
  if (dim != h->num_dims) {
    return dlc_header_corrupt("dims");
  }
  for (uint32_t i = 0; i < h->num_dims; i++) {
    const dlc_format_dim *d = &h->dims[i];
    bool good = d->kind == DLC_DIM_STATIC ? d->value >= 0
                : d->kind == DLC_DIM_SYMBOL
                    ? (uint64_t)d->value < h->num_symbols
                    : d->kind == DLC_DIM_UNKNOWN;
    if (!good) {
      return dlc_header_corrupt("a dim");
    }
  }
  return DLC_OK;
}

static bool good_buffer(const dlc_format_buffer *b) {
  return b->bytes >= DLC_BYTES_LATE && b->first >= 0 && b->last >= b->first &&
         b->alignment > 0 && b->alignment <= DLC_FORMAT_PAGE_BYTES &&
         !(b->alignment & (b->alignment - 1));
}

static dlc_status check_records(const dlc_header *h) {
  for (uint32_t i = 0; i < h->num_symbols; i++) {
    const dlc_format_symbol *s = &h->symbols[i];
    if (!good_string(h, s->name) || s->min < -1 || s->max < -1 ||
        s->divisor < -1 || s->divisor == 0) {
      return dlc_header_corrupt("a symbol");
    }
  }
  for (uint32_t i = 0; i < h->num_buffers; i++) {
    if (!good_buffer(&h->buffers[i])) {
      return dlc_header_corrupt("a buffer");
    }
  }
  for (uint32_t i = 0; i < h->num_dispatches; i++) {
    if (!good_string(h, h->dispatches[i].kernel) ||
        !good_string(h, h->dispatches[i].nodes)) {
      return dlc_header_corrupt("a dispatch");
    }
  }
  for (uint32_t i = 0; i < h->num_checks; i++) {
    if (!good_string(h, h->checks[i].message) || h->checks[i].status == 0) {
      return dlc_header_corrupt("a check");
    }
  }
  for (uint32_t i = 0; i < h->num_metrics; i++) {
    if (!good_string(h, h->metrics[i].name)) {
      return dlc_header_corrupt("a metric");
    }
  }
  return DLC_OK;
}

/* ---- Programs ---------------------------------------------------------- */

static bool in_range(uint32_t first, uint32_t count, uint32_t total) {
  return first <= total && count <= total - first;
}

static bool good_offset(const dlc_program *p, uint32_t i) {
  const dlc_format_buffer *b = &p->buffers[i];
  int64_t offset = p->offsets[i], arena = p->arena_bytes;
  if (b->bytes == DLC_BYTES_LATE) {
    return offset == -1;
  }
  return offset >= 0 && offset <= arena && offset % b->alignment == 0 &&
         b->bytes <= arena - offset;
}

/* Without a sizing function, nothing may need one. */
static dlc_status check_sizing(const dlc_header *h, const dlc_program *p) {
  if (!(p->flags & DLC_HEADER_NO_SIZING)) {
    return DLC_OK;
  }
  for (uint32_t i = 0; i < p->num_buffers; i++) {
    if (p->buffers[i].bytes == DLC_BYTES_AT_SIZING) {
      return dlc_header_corrupt("a buffer without a sizing function");
    }
  }
  for (uint32_t i = 0; i < h->num_outputs; i++) {
    const dlc_format_value *output = &h->outputs[i];
    for (uint32_t d = 0; d < output->rank; d++) {
      if (h->dims[output->first_dim + d].kind != DLC_DIM_STATIC) {
        return dlc_header_corrupt("an output without a sizing function");
      }
    }
  }
  return DLC_OK;
}

/* Resolves a record whose ranges hold. */
static dlc_program resolve(const dlc_header *h, dlc_header_bounds bounds,
                           const dlc_format_program *f) {
  bool planned = f->flags & DLC_HEADER_STATIC_PLAN;
  return (dlc_program){
      .flags = f->flags,
      .num_buffers = f->num_buffers,
      .num_checks = f->num_checks,
      .first_dispatch = f->first_dispatch,
      .num_dispatches = f->num_dispatches,
      .buffers = h->buffers ? h->buffers + f->first_buffer : NULL,
      .offsets = planned && h->offsets ? h->offsets + f->first_buffer : NULL,
      .checks = h->checks ? h->checks + f->first_check : NULL,
      .arena_bytes = planned ? f->arena_bytes : -1,
      .arena_lower_bound = f->arena_lower_bound,
      .params_offset = f->params_offset,
      .params_bytes = f->params_bytes == DLC_PARAMS_TO_END
                          ? bounds.weights_bytes - f->params_offset
                          : f->params_bytes,
  };
}

static dlc_status check_program(const dlc_header *h, dlc_header_bounds bounds,
                                const dlc_format_program *f, dlc_program *p) {
  bool planned = f->flags & DLC_HEADER_STATIC_PLAN;
  if (!in_range(f->first_buffer, f->num_buffers, h->num_buffers) ||
      !in_range(f->first_dispatch, f->num_dispatches, h->num_dispatches) ||
      !in_range(f->first_check, f->num_checks, h->num_checks) ||
      f->params_offset > bounds.weights_bytes ||
      (f->params_bytes != DLC_PARAMS_TO_END &&
       f->params_bytes > bounds.weights_bytes - f->params_offset)) {
    return dlc_header_corrupt("a program");
  }
  if (f->arena_bytes < -1 || (planned && f->arena_bytes < 0)) {
    return dlc_header_corrupt("the arena");
  }
  *p = resolve(h, bounds, f);
  for (uint32_t i = 0; planned && i < p->num_buffers; i++) {
    if (!good_offset(p, i)) {
      return dlc_header_corrupt("a buffer");
    }
  }
  return check_sizing(h, p);
}

/* A file without programs has one, of all tables. */
static dlc_format_program whole_program(const dlc_header *h) {
  return (dlc_format_program){
      .flags = h->fixed.flags,
      .num_buffers = h->num_buffers,
      .num_dispatches = h->num_dispatches,
      .num_checks = h->num_checks,
      .arena_bytes = h->fixed.arena_bytes,
      .arena_lower_bound = h->fixed.arena_lower_bound,
      .params_bytes = DLC_PARAMS_TO_END,
  };
}

static dlc_status check_programs(dlc_header *h, dlc_header_bounds bounds) {
  dlc_format_program whole = whole_program(h);
  const dlc_format_program *records = h->program_records;
  bool planned = false;
  if (h->num_programs == 0) {
    records = &whole;
    h->num_programs = 1;
  }
  for (uint32_t i = 0; i < h->num_programs; i++) {
    planned |= records[i].flags & DLC_HEADER_STATIC_PLAN;
  }
  if (h->num_offsets != (planned ? h->num_buffers : 0)) {
    return dlc_header_corrupt("offsets");
  }
  h->programs = calloc(h->num_programs, sizeof *h->programs);
  if (!h->programs) {
    return dlc_fail(DLC_RESOURCE, "no memory for the header's programs");
  }
  for (uint32_t i = 0; i < h->num_programs; i++) {
    dlc_status status = check_program(h, bounds, &records[i], &h->programs[i]);
    if (status) {
      return status;
    }
  }
  return DLC_OK;
}

/* ---- Variants and device code ------------------------------------------ */

static bool good_image(const dlc_format_image *image, uint64_t section) {
  return image->offset % DLC_FORMAT_IMAGE_ALIGNMENT == 0 &&
         image->offset <= section && image->bytes < section - image->offset;
}

static dlc_status check_variants(const dlc_header *h,
                                 dlc_header_bounds bounds) {
  if (h->num_variants == 0) {
    return dlc_header_corrupt("variants");
  }
  for (uint32_t i = 0; i < h->num_variants; i++) {
    const dlc_format_variant *v = &h->variants[i];
    if (!good_string(h, v->name) || !good_string(h, v->prefix) ||
        !good_string(h, v->features) || v->program >= h->num_programs ||
        !in_range(v->first_image, v->num_images, h->num_images) ||
        !in_range(v->first_kernel, v->num_kernels, h->num_kernels)) {
      return dlc_header_corrupt("a variant");
    }
  }
  for (uint32_t i = 0; i < h->num_images; i++) {
    if (!good_image(&h->images[i], bounds.images_bytes)) {
      return dlc_header_corrupt("a device image");
    }
  }
  for (uint32_t i = 0; i < h->num_kernels; i++) {
    if (!good_string(h, h->kernels[i].name)) {
      return dlc_header_corrupt("a device kernel");
    }
  }
  return DLC_OK;
}

dlc_status dlc_header_check(dlc_header *h, dlc_header_bounds bounds) {
  const dlc_format_header *f = &h->fixed;
  if (!good_string(h, f->model_name) || !good_string(h, f->producer) ||
      !good_string(h, f->compiler_version) || !good_string(h, f->options) ||
      !good_string(h, f->weights_file)) {
    return dlc_header_corrupt("a string");
  }
  dlc_status status;
  if ((status = check_values(h)) || (status = check_records(h)) ||
      (status = check_programs(h, bounds))) {
    return status;
  }
  return check_variants(h, bounds);
}
