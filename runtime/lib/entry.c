/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Entry checks, from the header's tables. */
#include "entry.h"

#include "message.h"
#include "tensor.h"

#include <inttypes.h>

typedef struct checker {
  const dlc_header *header;
  dlc_device device;
  dlc_symbol_value *symbols;
} checker;

static const char *input_name(const checker *c, uint32_t input) {
  return dlc_header_text(c->header, c->header->inputs[input].name);
}

static const char *symbol_name(const checker *c, int64_t symbol) {
  return dlc_header_text(c->header, c->header->symbols[symbol].name);
}

static dlc_status check_type(const checker *c, uint32_t input,
                             const dlc_tensor *t) {
  const dlc_format_value *value = &c->header->inputs[input];
  if (!dlc_is_device(t->device, c->device)) {
    dlc_text expected = {0}, got = {0};
    dlc_text_add_allowed(&expected, c->device);
    dlc_text_add_device(&got, t->device);
    return dlc_fail(DLC_USAGE, "input '%s': expected data on %s, got %s",
                    input_name(c, input), expected.bytes, got.bytes);
  }
  if (t->dtype.code != value->type_code || t->dtype.bits != value->type_bits ||
      t->dtype.lanes != value->type_lanes) {
    dlc_text expected = {0}, got = {0};
    dlc_text_add_type(
        &expected,
        (dlc_data_type){value->type_code, value->type_bits, value->type_lanes});
    dlc_text_add_type(&got, t->dtype);
    return dlc_fail(DLC_USAGE, "input '%s': expected type %s, got %s",
                    input_name(c, input), expected.bytes, got.bytes);
  }
  return DLC_OK;
}

static dlc_status check_rank(const checker *c, uint32_t input,
                             const dlc_tensor *t) {
  const dlc_header *h = c->header;
  const dlc_format_value *value = &h->inputs[input];
  if (t->ndim >= 0 && (uint32_t)t->ndim == value->rank &&
      (t->shape || t->ndim == 0)) {
    return DLC_OK;
  }
  dlc_text text = {0};
  for (uint32_t i = 0; i < value->rank; i++) {
    const dlc_format_dim *d = &h->dims[value->first_dim + i];
    dlc_text_add(&text, i ? ", " : "");
    if (d->kind == DLC_DIM_STATIC) {
      dlc_text_add(&text, "%" PRId64, d->value);
    } else {
      dlc_text_add(&text, "%s",
                   d->kind == DLC_DIM_SYMBOL ? symbol_name(c, d->value) : "?");
    }
  }
  return dlc_fail(
      DLC_USAGE,
      "input '%s': expected rank %" PRIu32 " [%s], got rank %" PRId32 "%s",
      input_name(c, input), value->rank, text.bytes, (int32_t)t->ndim,
      t->shape || t->ndim <= 0 ? "" : " and no shape");
}

static dlc_status check_symbol(checker *c, uint32_t input, uint32_t dim,
                               int64_t symbol, int64_t size) {
  const dlc_format_symbol *s = &c->header->symbols[symbol];
  dlc_symbol_value *value = &c->symbols[symbol];
  if (value->size >= 0 && value->size != size) {
    return dlc_fail(DLC_USAGE,
                    "input '%s': expected dim %" PRIu32 " '%s' to be %" PRId64
                    " as in input '%s', got %" PRId64,
                    input_name(c, input), dim, symbol_name(c, symbol),
                    value->size, input_name(c, value->input), size);
  }
  if (value->size >= 0) {
    return DLC_OK;
  }
  *value = (dlc_symbol_value){size, input};
  if (size < s->min || (s->max >= 0 && size > s->max)) {
    dlc_text range = {0};
    dlc_text_add(&range, s->max < 0 ? "%" PRId64 " or more" : "in %" PRId64,
                 s->min < 0 ? 0 : s->min);
    if (s->max >= 0) {
      dlc_text_add(&range, "..%" PRId64, s->max);
    }
    return dlc_fail(
        DLC_USAGE,
        "input '%s': expected dim %" PRIu32 " '%s' to be %s, got %" PRId64,
        input_name(c, input), dim, symbol_name(c, symbol), range.bytes, size);
  }
  if (s->divisor > 0 && size % s->divisor != 0) {
    return dlc_fail(DLC_USAGE,
                    "input '%s': expected dim %" PRIu32
                    " '%s' to be a multiple of %" PRId64 ", got %" PRId64,
                    input_name(c, input), dim, symbol_name(c, symbol),
                    s->divisor, size);
  }
  return DLC_OK;
}

static dlc_status check_dim(checker *c, uint32_t input, uint32_t dim,
                            int64_t size) {
  const dlc_format_dim *d =
      &c->header->dims[c->header->inputs[input].first_dim + dim];
  if (size < 0) {
    return dlc_fail(DLC_USAGE,
                    "input '%s': expected dim %" PRIu32
                    " to be 0 or more, got %" PRId64,
                    input_name(c, input), dim, size);
  }
  if (d->kind == DLC_DIM_STATIC && size != d->value) {
    return dlc_fail(DLC_USAGE,
                    "input '%s': expected dim %" PRIu32 " to be %" PRId64
                    ", got %" PRId64,
                    input_name(c, input), dim, d->value, size);
  }
  return d->kind == DLC_DIM_SYMBOL ? check_symbol(c, input, dim, d->value, size)
                                   : DLC_OK;
}

static dlc_status check_size(const checker *c, uint32_t input,
                             const dlc_tensor *t, bool dims_only) {
  int64_t elements, bytes;
  if (!dlc_count_elements(t->shape, (uint32_t)t->ndim, &elements) ||
      !dlc_count_bytes(t->dtype, elements, &bytes)) {
    dlc_text dims = {0};
    dlc_text_add_dims(&dims, t->shape, (uint32_t)t->ndim);
    return dlc_fail(DLC_USAGE, "input '%s': dims %s are too large",
                    input_name(c, input), dims.bytes);
  }
  if (dims_only || elements == 0) {
    return DLC_OK;
  }
  if (!t->data) {
    return dlc_fail(DLC_USAGE, "input '%s': expected data, got NULL",
                    input_name(c, input));
  }
  if (t->dtype.bits % 8 && !dlc_is_dense(t)) {
    return dlc_fail(DLC_UNSUPPORTED,
                    "input '%s': expected dense data, since elements are "
                    "smaller than a byte",
                    input_name(c, input));
  }
  return DLC_OK;
}

dlc_status dlc_entry_check(const dlc_header *header, dlc_device device,
                           const dlc_tensor *inputs, uint32_t num_inputs,
                           bool dims_only, dlc_symbol_value *symbols,
                           int64_t *dims) {
  checker c = {header, device, symbols};
  if (num_inputs != header->num_inputs) {
    return dlc_fail(DLC_USAGE, "expected %" PRIu32 " inputs, got %" PRIu32,
                    header->num_inputs, num_inputs);
  }
  if (!inputs && num_inputs > 0) {
    return dlc_fail(DLC_USAGE, "expected inputs, got NULL");
  }
  for (uint32_t i = 0; i < header->num_symbols; i++) {
    symbols[i].size = -1;
  }
  for (uint32_t i = 0; i < num_inputs; i++) {
    const dlc_tensor *t = &inputs[i];
    dlc_status status;
    if ((status = check_type(&c, i, t)) || (status = check_rank(&c, i, t))) {
      return status;
    }
    for (uint32_t d = 0; d < (uint32_t)t->ndim; d++) {
      if ((status = check_dim(&c, i, d, t->shape[d]))) {
        return status;
      }
      *dims++ = t->shape[d];
    }
    if ((status = check_size(&c, i, t, dims_only))) {
      return status;
    }
  }
  return DLC_OK;
}
