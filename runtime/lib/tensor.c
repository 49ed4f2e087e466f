/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Sizes, names and copies of tensors. */
#include "tensor.h"

#include "dlc/format.h"

#include <inttypes.h>
#include <string.h>

bool dlc_count_elements(const int64_t *dims, uint32_t rank, int64_t *count) {
  *count = 1;
  for (uint32_t i = 0; i < rank; i++) {
    if (dims[i] == 0) {
      *count = 0;
      return true;
    }
  }
  for (uint32_t i = 0; i < rank; i++) {
    if (__builtin_mul_overflow(*count, dims[i], count)) {
      return false;
    }
  }
  return true;
}

bool dlc_count_bytes(dlc_data_type type, int64_t elements, int64_t *bytes) {
  int64_t bits;
  if (__builtin_mul_overflow(elements, (int64_t)type.bits * type.lanes,
                             &bits) ||
      __builtin_add_overflow(bits, 7, &bits)) {
    return false;
  }
  *bytes = bits / 8;
  return true;
}

void dlc_text_add_type(dlc_text *text, dlc_data_type type) {
  static const char *const names[] = {
      [DLC_INT] = "int",       [DLC_UINT] = "uint",       [DLC_FLOAT] = "float",
      [DLC_BFLOAT] = "bfloat", [DLC_COMPLEX] = "complex", [DLC_BOOL] = "bool"};
  static const char *const small[] = {
      "float8_e3m4",     "float8_e4m3",     "float8_e4m3b11fnuz",
      "float8_e4m3fn",   "float8_e4m3fnuz", "float8_e5m2",
      "float8_e5m2fnuz", "float8_e8m0fnu",  "float6_e2m3fn",
      "float6_e3m2fn",   "float4_e2m1fn"};
  if (type.code == DLC_BOOL && type.bits == 8) {
    dlc_text_add(text, "bool");
  } else if (type.code < sizeof names / sizeof *names && names[type.code]) {
    dlc_text_add(text, "%s%u", names[type.code], type.bits);
  } else if (type.code >= DLC_FLOAT8_E3M4 && type.code <= DLC_FLOAT4_E2M1FN) {
    dlc_text_add(text, "%s", small[type.code - DLC_FLOAT8_E3M4]);
  } else {
    dlc_text_add(text, "type code %u with %u bits", type.code, type.bits);
  }
  if (type.lanes != 1) {
    dlc_text_add(text, "x%u", type.lanes);
  }
}

void dlc_text_add_dims(dlc_text *text, const int64_t *dims, uint32_t rank) {
  dlc_text_add(text, "[");
  for (uint32_t i = 0; i < rank; i++) {
    dlc_text_add(text, "%s%" PRId64, i ? ", " : "", dims[i]);
  }
  dlc_text_add(text, "]");
}

void dlc_text_add_device(dlc_text *text, dlc_device device) {
  int32_t type = (int32_t)device.device_type;
  if (type == DLC_DEVICE_CPU) {
    dlc_text_add(text, "the CPU");
  } else if (type == DLC_DEVICE_CUDA || type == DLC_DEVICE_PTXSIM) {
    dlc_text_add(text, "%s:%" PRId32,
                 type == DLC_DEVICE_CUDA ? "cuda" : "ptxsim", device.device_id);
  } else {
    dlc_text_add(text, "device type %" PRId32, type);
  }
}

void dlc_text_add_allowed(dlc_text *text, dlc_device device) {
  dlc_text_add(text, "the CPU");
  if (device.device_type != DLC_DEVICE_CPU) {
    dlc_text_add(text, " or ");
    dlc_text_add_device(text, device);
  }
}

/* How many of the last dims lie together without gaps. */
static uint32_t dense_suffix(const dlc_tensor *t) {
  if (!t->strides) {
    return (uint32_t)t->ndim;
  }
  int64_t expected = 1;
  for (int32_t i = t->ndim - 1; i >= 0; i--) {
    if (t->shape[i] != 1 && t->strides[i] != expected) {
      return (uint32_t)(t->ndim - 1 - i);
    }
    if (__builtin_mul_overflow(expected, t->shape[i], &expected)) {
      return (uint32_t)(t->ndim - 1 - i);
    }
  }
  return (uint32_t)t->ndim;
}

bool dlc_is_dense(const dlc_tensor *t) {
  for (int32_t i = 0; i < t->ndim; i++) {
    if (t->shape[i] == 0) {
      return true;
    }
  }
  return dense_suffix(t) == (uint32_t)t->ndim;
}

bool dlc_tensor_range(const dlc_tensor *t, uintptr_t *begin, uintptr_t *end) {
  int64_t low = 0, high = 0, size = t->dtype.bits / 8;
  if (!t->strides) {
    int64_t elements, bytes;
    if (!dlc_count_elements(t->shape, (uint32_t)t->ndim, &elements) ||
        !dlc_count_bytes(t->dtype, elements, &bytes)) {
      return false;
    }
    *begin = (uintptr_t)dlc_tensor_data(t);
    return !__builtin_add_overflow(*begin, (uintptr_t)bytes, end);
  }
  for (int32_t i = 0; i < t->ndim; i++) {
    int64_t reach;
    if (__builtin_mul_overflow(t->shape[i] - 1, t->strides[i], &reach) ||
        __builtin_mul_overflow(reach, size ? size : 1, &reach) ||
        __builtin_add_overflow(reach < 0 ? low : high, reach,
                               reach < 0 ? &low : &high)) {
      return false;
    }
  }
  uintptr_t data = (uintptr_t)dlc_tensor_data(t);
  *begin = data + (uintptr_t)low;
  *end = data + (uintptr_t)high + (uintptr_t)(size ? size : 1);
  return *begin <= *end;
}

int dlc_for_each_rows(const dlc_tensor *t, dlc_visit_rows *visit, void *user) {
  uint32_t inner = dense_suffix(t);
  int32_t outer = t->ndim - (int32_t)inner;
  int64_t size = t->dtype.bits / 8u * t->dtype.lanes;
  dlc_rows rows = {dlc_tensor_data(t), 0, size, 1, 0};
  for (int32_t i = outer; i < t->ndim; i++) {
    rows.bytes *= t->shape[i];
  }
  if (outer > 0) {
    outer--;
    rows.count = t->shape[outer];
    rows.pitch = t->strides[outer] * size;
  }
  int64_t index[DLC_FORMAT_MAX_RANK] = {0};
  for (;;) {
    int error = visit(user, &rows);
    if (error) {
      return error;
    }
    rows.offset += rows.count * rows.bytes;
    int32_t dim = outer - 1;
    for (; dim >= 0; dim--) {
      int64_t stride = t->strides[dim] * size;
      rows.data += stride;
      if (++index[dim] < t->shape[dim]) {
        break;
      }
      rows.data -= stride * t->shape[dim];
      index[dim] = 0;
    }
    if (dim < 0) {
      return 0;
    }
  }
}

static int copy_rows_to_dense(void *dense, const dlc_rows *rows) {
  for (int64_t i = 0; i < rows->count; i++) {
    memcpy((char *)dense + rows->offset + i * rows->bytes,
           rows->data + i * rows->pitch, (size_t)rows->bytes);
  }
  return 0;
}

static int copy_rows_from_dense(void *dense, const dlc_rows *rows) {
  for (int64_t i = 0; i < rows->count; i++) {
    memcpy(rows->data + i * rows->pitch,
           (char *)dense + rows->offset + i * rows->bytes, (size_t)rows->bytes);
  }
  return 0;
}

static bool is_empty(const dlc_tensor *t) {
  for (int32_t i = 0; i < t->ndim; i++) {
    if (t->shape[i] == 0) {
      return true;
    }
  }
  return false;
}

void dlc_copy_to_dense(const dlc_tensor *tensor, void *dense) {
  if (!is_empty(tensor)) {
    dlc_for_each_rows(tensor, copy_rows_to_dense, dense);
  }
}

void dlc_copy_from_dense(const void *dense, const dlc_tensor *tensor) {
  if (!is_empty(tensor)) {
    dlc_for_each_rows(tensor, copy_rows_from_dense, (void *)dense);
  }
}
