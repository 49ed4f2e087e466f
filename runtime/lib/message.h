/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The calling thread's error message; see dlc_message. */
#ifndef DLC_LIB_MESSAGE_H
#define DLC_LIB_MESSAGE_H

#include "dlc/dlc.h"

#include <stdarg.h>
#include <stddef.h>

/* Sets the message, and returns the status so that it can be returned. Never
   clears the earlier message on success: a status of DLC_OK says that. */
dlc_status dlc_fail(dlc_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Text that grows up to a fixed room, then ends in "..."; for lists in
   messages. */
typedef struct dlc_text {
  size_t length;
  char bytes[768];
} dlc_text;

void dlc_text_add(dlc_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif /* DLC_LIB_MESSAGE_H */
