/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The calling thread's error message. */
#include "message.h"

#include <stdio.h>
#include <string.h>

#ifndef DLC_VERSION
#error "the build defines DLC_VERSION"
#endif

static _Thread_local char thread_message[1024];

const char *dlc_message(void) { return thread_message; }

const char *dlc_version(void) { return DLC_VERSION; }

dlc_status dlc_fail(dlc_status status, const char *format, ...) {
  /* Arguments may point into the old message. */
  char text[sizeof thread_message];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  memcpy(thread_message, text, sizeof text);
  return status;
}

void dlc_text_add(dlc_text *text, const char *format, ...) {
  size_t room = sizeof text->bytes - text->length;
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(text->bytes + text->length, room, format, arguments);
  va_end(arguments);
  if (length < 0) {
    return;
  }
  if ((size_t)length < room) {
    text->length += (size_t)length;
    return;
  }
  memcpy(text->bytes + sizeof text->bytes - 4, "...", 4);
  text->length = sizeof text->bytes - 1;
}
