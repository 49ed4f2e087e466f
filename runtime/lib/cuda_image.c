/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Chooses among the device images of a model. */
#include "cuda_model.h"
#include "image.h"

#include <inttypes.h>

/* How well an image suits a device; 0: not at all. Machine code needs no
   compiling by the driver, and code for exactly this architecture knows all of
   its instructions. PTX without a suffix is good for every later one
   (PTX ISA, ".target"); machine code for a lower minor runs, too, but older
   than any PTX that the driver compiles for the device at hand. */
static uint32_t rank(const dlc_format_image *image,
                     const dlc_cuda_device *device) {
  enum { OLDER_CUBIN = 1, PTX = 1000, EXACT_PTX = 4000, EXACT_CUBIN = 5000 };
  uint32_t arch = device->properties.arch;
  bool simulated = device->driver->device_type == DLC_DEVICE_PTXSIM;
  bool exact = image->arch == arch;
  bool plain = image->arch_suffix == 0;
  if (image->arch > arch || (!exact && !plain) ||
      (!plain && image->arch_suffix != 'a')) {
    return 0;
  }
  if (image->kind == DLC_IMAGE_PTX) {
    return exact && !plain ? EXACT_PTX : PTX + image->arch;
  }
  if (image->kind == DLC_IMAGE_CUBIN && !simulated &&
      image->arch / 10 == arch / 10) {
    return exact ? EXACT_CUBIN + !plain : OLDER_CUBIN + image->arch % 10;
  }
  return 0;
}

/* What the file holds, and how to get what it lacks. */
static dlc_status refuse(const dlc_model *model,
                         const dlc_cuda_device *device) {
  const dlc_header *h = &model->container.header;
  const dlc_cuda_properties *p = &device->properties;
  dlc_text images = {0};
  for (uint32_t v = 0; v < h->num_variants; v++) {
    const dlc_format_variant *variant = &h->variants[v];
    for (uint32_t i = 0; i < variant->num_images; i++) {
      dlc_text_add(&images, images.length ? ", " : "");
      dlc_text_add_image(&images, &h->images[variant->first_image + i]);
    }
  }
  return dlc_fail(DLC_UNSUPPORTED,
                  "no code for %s '%s' (sm_%" PRIu32 "): the model has %s; "
                  "compile it again with --gpu-arch=sm_%" PRIu32,
                  p->label, p->name, p->arch,
                  images.length ? images.bytes : "no device images", p->arch);
}

dlc_status dlc_cuda_pick_image(const dlc_model *model,
                               const dlc_cuda_device *device, uint32_t *variant,
                               const dlc_format_image **image) {
  const dlc_header *h = &model->container.header;
  /* Says why if there is none at all. */
  dlc_status status = dlc_model_pick(model, DLC_DEVICE_CUDA, variant);
  if (status) {
    return status;
  }
  uint32_t best = 0;
  for (uint32_t v = 0; v < h->num_variants; v++) {
    const dlc_format_variant *record = &h->variants[v];
    const char *missing;
    if (record->device_type != DLC_DEVICE_CUDA ||
        (model->wanted >= 0 && model->wanted != v) ||
        dlc_model_missing(model, v, &missing)) {
      continue;
    }
    for (uint32_t i = 0; i < record->num_images; i++) {
      const dlc_format_image *candidate = &h->images[record->first_image + i];
      uint32_t value = rank(candidate, device);
      if (value > best) {
        best = value;
        *variant = v;
        *image = candidate;
      }
    }
  }
  return best ? DLC_OK : refuse(model, device);
}
