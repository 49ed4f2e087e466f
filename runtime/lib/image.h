/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Device images of a model: names for messages, and whether they are whole. */
#ifndef DLC_LIB_IMAGE_H
#define DLC_LIB_IMAGE_H

#include "header.h"
#include "message.h"

/* "PTX for sm_90a" */
void dlc_text_add_image(dlc_text *text, const dlc_format_image *image);

/* Compares an image with its digest, and proves the zero byte after it.
   `images` is the first byte of all images. */
dlc_status dlc_image_check(const dlc_format_image *image, const char *images);

#endif /* DLC_LIB_IMAGE_H */
