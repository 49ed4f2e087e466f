/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Device images of a model. */
#include "image.h"

#include "digest.h"

#include <inttypes.h>

void dlc_text_add_image(dlc_text *text, const dlc_format_image *image) {
  const char *kind = image->kind == DLC_IMAGE_PTX     ? "PTX"
                     : image->kind == DLC_IMAGE_CUBIN ? "machine code"
                                                      : "code of another kind";
  char suffix[2] = {(char)image->arch_suffix, 0};
  dlc_text_add(text, "%s for sm_%" PRIu32 "%s", kind, image->arch, suffix);
}

dlc_status dlc_image_check(const dlc_format_image *image, const char *images) {
  const char *bytes = images + image->offset;
  dlc_format_digest digest = dlc_digest(bytes, image->bytes);
  if (dlc_digest_equal(&digest, &image->digest) && bytes[image->bytes] == 0) {
    return DLC_OK;
  }
  dlc_text text = {0};
  dlc_text_add_image(&text, image);
  return dlc_fail(DLC_CORRUPT, "the %s does not match its digest", text.bytes);
}
