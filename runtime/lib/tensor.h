/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Sizes, names and copies of tensors. */
#ifndef DLC_LIB_TENSOR_H
#define DLC_LIB_TENSOR_H

#include "message.h"

#include "dlc/dlc.h"

#include <stdbool.h>

/* Elements of dims that are all >= 0; false when they overflow. */
bool dlc_count_elements(const int64_t *dims, uint32_t rank, int64_t *count);

/* Bytes of that many elements, packed below 8 bits; false on overflow. */
bool dlc_count_bytes(dlc_data_type type, int64_t elements, int64_t *bytes);

/* "float32" and so on, into the text. */
void dlc_text_add_type(dlc_text *text, dlc_data_type type);
/* "[2, 3]" */
void dlc_text_add_dims(dlc_text *text, const int64_t *dims, uint32_t rank);

/* "the CPU", "cuda:0" */
void dlc_text_add_device(dlc_text *text, dlc_device device);
/* "the CPU", or "the CPU or cuda:0": where tensors of a context on that device
   may lie. */
void dlc_text_add_allowed(dlc_text *text, dlc_device device);

/* Whether a tensor on `device` may be given to a context on `context`: it is on
   the CPU, or there. */
static inline bool dlc_is_device(dlc_device device, dlc_device context) {
  int32_t type = (int32_t)device.device_type;
  return type == DLC_DEVICE_CPU || (type == (int32_t)context.device_type &&
                                    device.device_id == context.device_id);
}

/* First element of the tensor. */
static inline char *dlc_tensor_data(const dlc_tensor *tensor) {
  return (char *)tensor->data + tensor->byte_offset;
}

/* Whether elements lie row-major without gaps; dims are >= 0. */
bool dlc_is_dense(const dlc_tensor *tensor);

/* First byte and the byte after the last that a tensor of some elements
   touches, whatever its strides; elements have whole bytes unless dense.
   False on overflow. */
bool dlc_tensor_range(const dlc_tensor *tensor, uintptr_t *begin,
                      uintptr_t *end);

/* Equally long dense rows of a tensor, `pitch` bytes apart, and where they
   stand in the tensor's dense form. */
typedef struct dlc_rows {
  char *data;
  int64_t offset, bytes, count, pitch;
} dlc_rows;

/* Visits all rows of a tensor of whole-byte elements that has some, until a
   visit gives an error, which is passed on; 0 when none does. */
typedef int dlc_visit_rows(void *user, const dlc_rows *rows);
int dlc_for_each_rows(const dlc_tensor *tensor, dlc_visit_rows *visit,
                      void *user);

/* Copies a tensor of whole-byte elements to or from dense memory. */
void dlc_copy_to_dense(const dlc_tensor *tensor, void *dense);
void dlc_copy_from_dense(const void *dense, const dlc_tensor *tensor);

#endif /* DLC_LIB_TENSOR_H */
