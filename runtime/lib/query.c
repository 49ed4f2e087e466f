/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What a model says about itself. */
#include "message.h"
#include "model.h"

#include <inttypes.h>
#include <string.h>

static dlc_status no_struct_size(const char *type) {
  return dlc_fail(DLC_USAGE, "%s.struct_size is not set", type);
}

#define GIVE(INFO, OURS, TYPE)                                                 \
  return dlc_struct_out(INFO, &(OURS), sizeof(OURS)) ? DLC_OK                  \
                                                     : no_struct_size(#TYPE)

static dlc_status check_index(const void *model, const void *result,
                              const char *what, uint32_t index,
                              uint32_t count) {
  if (!model || !result) {
    return dlc_fail(DLC_USAGE, "expected a model and a result, got NULL");
  }
  if (index >= count) {
    return dlc_fail(DLC_USAGE, "expected %s below %" PRIu32 ", got %" PRIu32,
                    what, count, index);
  }
  return DLC_OK;
}

dlc_status dlc_model_get_info(const dlc_model *model, dlc_model_info *info) {
  if (!model || !info) {
    return dlc_fail(DLC_USAGE, "expected a model and a result, got NULL");
  }
  const dlc_header *h = &model->container.header;
  const dlc_format_variant *variant = &h->variants[model->variant];
  const dlc_program *program = &h->programs[variant->program];
  dlc_model_info ours = {
      .name = dlc_header_text(h, h->fixed.model_name),
      .producer = dlc_header_text(h, h->fixed.producer),
      .compiler_version = dlc_header_text(h, h->fixed.compiler_version),
      .compile_options = dlc_header_text(h, h->fixed.options),
      .variant = dlc_header_text(h, variant->name),
      .variant_features = dlc_header_text(h, variant->features),
      .format_major = model->container.footer.major,
      .format_minor = model->container.footer.minor,
      .num_inputs = h->num_inputs,
      .num_outputs = h->num_outputs,
      .num_dispatches = h->num_dispatches,
      .num_variants = h->num_variants,
      .num_metrics = h->num_metrics,
      .num_symbols = h->num_symbols,
      .code_bytes = model->container.footer.code_bytes,
      .weights_bytes = model->weights_bytes,
      .arena_bytes = program->arena_bytes,
      .arena_lower_bound = program->arena_lower_bound,
      .weights_file = dlc_header_text(h, h->fixed.weights_file),
  };
  memcpy(ours.source_digest, h->fixed.source_digest.bytes,
         sizeof ours.source_digest);
  GIVE(info, ours, dlc_model_info);
}

static dlc_status give_value(const dlc_header *h, const dlc_format_value *value,
                             dlc_value_info *info) {
  dlc_value_info ours = {
      .name = dlc_header_text(h, value->name),
      .dtype = {value->type_code, value->type_bits, value->type_lanes},
      .ndim = (int32_t)value->rank,
      .size_known_before_run = !(value->flags & DLC_VALUE_LATE),
  };
  GIVE(info, ours, dlc_value_info);
}

static dlc_status give_dim(const dlc_header *h, const dlc_format_value *value,
                           uint32_t dim, dlc_dim_info *info) {
  dlc_status status = check_index(h, info, "a dim", dim, value->rank);
  if (status) {
    return status;
  }
  const dlc_format_dim *d = &h->dims[value->first_dim + dim];
  dlc_dim_info ours = {.min = 0, .max = -1, .divisor = -1};
  if (d->kind == DLC_DIM_STATIC) {
    ours.min = ours.max = d->value;
  } else if (d->kind == DLC_DIM_SYMBOL) {
    const dlc_format_symbol *symbol = &h->symbols[d->value];
    ours.symbol = dlc_header_text(h, symbol->name);
    ours.min = symbol->min < 0 ? 0 : symbol->min;
    ours.max = symbol->max;
    ours.divisor = symbol->divisor;
  }
  GIVE(info, ours, dlc_dim_info);
}

dlc_status dlc_model_get_input(const dlc_model *model, uint32_t index,
                               dlc_value_info *info) {
  dlc_status status =
      check_index(model, info, "an input", index,
                  model ? model->container.header.num_inputs : 0);
  return status ? status
                : give_value(&model->container.header,
                             &model->container.header.inputs[index], info);
}

dlc_status dlc_model_get_output(const dlc_model *model, uint32_t index,
                                dlc_value_info *info) {
  dlc_status status =
      check_index(model, info, "an output", index,
                  model ? model->container.header.num_outputs : 0);
  return status ? status
                : give_value(&model->container.header,
                             &model->container.header.outputs[index], info);
}

dlc_status dlc_model_get_input_dim(const dlc_model *model, uint32_t index,
                                   uint32_t dim, dlc_dim_info *info) {
  dlc_status status =
      check_index(model, info, "an input", index,
                  model ? model->container.header.num_inputs : 0);
  return status ? status
                : give_dim(&model->container.header,
                           &model->container.header.inputs[index], dim, info);
}

dlc_status dlc_model_get_output_dim(const dlc_model *model, uint32_t index,
                                    uint32_t dim, dlc_dim_info *info) {
  dlc_status status =
      check_index(model, info, "an output", index,
                  model ? model->container.header.num_outputs : 0);
  return status ? status
                : give_dim(&model->container.header,
                           &model->container.header.outputs[index], dim, info);
}

static dlc_status find(const dlc_header *h, const dlc_format_value *values,
                       uint32_t count, const char *what, const char *name,
                       uint32_t *index) {
  dlc_text names = {0};
  for (uint32_t i = 0; i < count; i++) {
    const char *other = dlc_header_text(h, values[i].name);
    if (strcmp(other, name) == 0) {
      *index = i;
      return DLC_OK;
    }
    dlc_text_add(&names, "%s'%s'", i ? ", " : "", other);
  }
  return dlc_fail(DLC_USAGE, "no %s '%s', expected one of %s", what, name,
                  count ? names.bytes : "none");
}

dlc_status dlc_model_find_input(const dlc_model *model, const char *name,
                                uint32_t *index) {
  if (!model || !name || !index) {
    return dlc_fail(DLC_USAGE, "expected a model, name and result, got NULL");
  }
  const dlc_header *h = &model->container.header;
  return find(h, h->inputs, h->num_inputs, "input", name, index);
}

dlc_status dlc_model_find_output(const dlc_model *model, const char *name,
                                 uint32_t *index) {
  if (!model || !name || !index) {
    return dlc_fail(DLC_USAGE, "expected a model, name and result, got NULL");
  }
  const dlc_header *h = &model->container.header;
  return find(h, h->outputs, h->num_outputs, "output", name, index);
}

dlc_status dlc_model_get_metric(const dlc_model *model, uint32_t index,
                                const char **name, int64_t *value) {
  dlc_status status =
      check_index(model, name && value ? name : NULL, "a metric", index,
                  model ? model->container.header.num_metrics : 0);
  if (status) {
    return status;
  }
  const dlc_header *h = &model->container.header;
  *name = dlc_header_text(h, h->metrics[index].name);
  *value = h->metrics[index].value;
  return DLC_OK;
}

dlc_status dlc_model_get_variant(const dlc_model *model, uint32_t index,
                                 dlc_variant_info *info) {
  dlc_status status =
      check_index(model, info, "a variant", index,
                  model ? model->container.header.num_variants : 0);
  if (status) {
    return status;
  }
  const dlc_header *h = &model->container.header;
  const dlc_format_variant *variant = &h->variants[index];
  const char *missing;
  dlc_variant_info ours = {
      .name = dlc_header_text(h, variant->name),
      .features = dlc_header_text(h, variant->features),
      .supported = !dlc_model_missing(model, index, &missing),
      .device_type = (int32_t)variant->device_type,
      .num_images = variant->num_images,
  };
  GIVE(info, ours, dlc_variant_info);
}

dlc_status dlc_model_get_image(const dlc_model *model, uint32_t variant,
                               uint32_t index, dlc_image_info *info) {
  dlc_status status =
      check_index(model, info, "a variant", variant,
                  model ? model->container.header.num_variants : 0);
  if (status) {
    return status;
  }
  const dlc_header *h = &model->container.header;
  const dlc_format_variant *v = &h->variants[variant];
  if ((status = check_index(model, info, "an image", index, v->num_images))) {
    return status;
  }
  const dlc_format_image *image = &h->images[v->first_image + index];
  dlc_image_info ours = {
      .arch = image->arch,
      .suffix = {(char)image->arch_suffix},
      .is_ptx = image->kind == DLC_IMAGE_PTX,
      .bytes = image->bytes,
  };
  GIVE(info, ours, dlc_image_info);
}

dlc_status dlc_model_get_dispatch(const dlc_model *model, uint32_t index,
                                  dlc_dispatch_info *info) {
  dlc_status status =
      check_index(model, info, "a dispatch", index,
                  model ? model->container.header.num_dispatches : 0);
  if (status) {
    return status;
  }
  const dlc_header *h = &model->container.header;
  const dlc_format_dispatch *dispatch = &h->dispatches[index];
  dlc_dispatch_info ours = {
      .kernel = dlc_header_text(h, dispatch->kernel),
      .nodes = dlc_header_text(h, dispatch->nodes),
      .flops = dispatch->flops,
      .bytes = dispatch->bytes,
  };
  GIVE(info, ours, dlc_dispatch_info);
}
