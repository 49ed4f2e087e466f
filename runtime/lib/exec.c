/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What generated code calls during a run. */
#define _POSIX_C_SOURCE 200809L
#include "bind.h"
#include "cpu.h"
#include "cuda_context.h"
#include "pool.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Splitting pays off from this much work per thread on: a fork and join costs
   about a fifth of it. */
#define MIN_THREAD_NANOSECONDS 750
/* Waking sleeping threads costs the caller a few microseconds, and they come
   tens of microseconds later. */
#define MIN_WAKE_NANOSECONDS 30000

int64_t dlc_now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* ---- Launches ---------------------------------------------------------- */

/* How many threads shall share the launch, before asking the pool. */
static uint32_t wanted_threads(const dlc_context *c, const dlc_launch *l) {
  int64_t threads = c->threads;
  int64_t worth = l->work / MIN_THREAD_NANOSECONDS;
  threads = worth < threads ? worth : threads;
  threads = l->items < threads ? l->items : threads;
  return threads < 2 ? 1 : (uint32_t)threads;
}

/* How many threads of the pool the launch gets: 1 if another run has them, or
   if they sleep and the run has given them no work worth waking up for. */
static uint32_t pool_threads(dlc_context *c, const dlc_launch *l,
                             uint32_t wanted) {
  if (!c->pool_claimed && !(c->pool_claimed = dlc_pool_claim())) {
    return 1;
  }
  uint32_t threads = dlc_pool_ready(wanted);
  if (threads > 1 && dlc_pool_sleeps(threads)) {
    c->skipped_work += l->work;
    if (c->skipped_work < MIN_WAKE_NANOSECONDS) {
      return 1;
    }
  }
  c->skipped_work = 0;
  return threads;
}

typedef struct split {
  const dlc_launch *launch;
  char *scratch;
  int64_t stride;
  uint32_t parts;
} split;

static void run_part(void *data, uint32_t index) {
  const split *s = data;
  const dlc_launch *l = s->launch;
  int64_t quotient = l->items / s->parts, rest = l->items % s->parts;
  int64_t begin = quotient * index + (index < rest ? index : rest);
  int64_t end = begin + quotient + (index < rest);
  uint32_t mode = dlc_cpu_set_float_mode();
  l->kernel(l->buffers, l->sizes, begin, end,
            s->scratch ? s->scratch + index * s->stride : NULL);
  dlc_cpu_restore_float_mode(mode);
}

static uint32_t run_launch(dlc_context *c, const dlc_launch *l, char *scratch,
                           int64_t stride) {
  uint32_t threads = wanted_threads(c, l);
  if (threads > 1 && c->parallel_for) {
    split s = {l, scratch, stride, threads};
    c->parallel_for(c->parallel_user, threads, run_part, &s);
    return threads;
  }
  if (threads > 1) {
    threads = pool_threads(c, l, threads);
  }
  if (threads > 1) {
    dlc_pool_run(l, threads, scratch, stride);
  } else {
    l->kernel(l->buffers, l->sizes, 0, l->items, scratch);
  }
  return threads;
}

void dlc_context_note_event(dlc_context *c, uint32_t dispatch, uint32_t threads,
                            int64_t begin, int64_t end) {
  const dlc_program *p = c->code.program;
  if (dispatch >= p->num_dispatches) {
    return;
  }
  if (c->num_events == c->room_events) {
    uint64_t room = c->room_events ? 2 * c->room_events : 256;
    dlc_profile_event *events = realloc(c->events, room * sizeof *events);
    if (!events) {
      return;
    }
    c->events = events;
    c->room_events = room;
  }
  c->events[c->num_events++] =
      (dlc_profile_event){p->first_dispatch + dispatch, threads, begin, end};
}

/* Code for the CPU has no device to ask. */
static int32_t no_device(dlc_exec *exec) {
  dlc_context *c = (dlc_context *)exec;
  c->status =
      dlc_fail(DLC_INTERNAL, "the model's code for the CPU asked for a GPU");
  return (int32_t)c->status;
}

static int32_t exec_device_launch(dlc_exec *exec, const dlc_device_launch *l) {
  (void)l;
  return no_device(exec);
}

static int32_t exec_device_copy(dlc_exec *exec, void *target,
                                const void *source, int64_t bytes) {
  (void)target, (void)source, (void)bytes;
  return no_device(exec);
}

static int32_t exec_device_read(dlc_exec *exec, void *host, const void *device,
                                int64_t bytes) {
  (void)host, (void)device, (void)bytes;
  return no_device(exec);
}

static int32_t exec_launch(dlc_exec *exec, const dlc_launch *l) {
  dlc_context *c = (dlc_context *)exec;
  if (l->items <= 0) {
    return DLC_OK;
  }
  char *scratch = NULL;
  int64_t stride = 0;
  if (l->scratch_bytes > 0) {
    /* For all threads, so that how many take part changes no memory; a pair of
       lines apart from each other. */
    int64_t bytes;
    if (__builtin_add_overflow(l->scratch_bytes, 127, &stride) ||
        __builtin_mul_overflow(stride & -128, (int64_t)c->threads, &bytes)) {
      bytes = -1;
    }
    stride &= -128;
    dlc_status status =
        dlc_block_grow(&c->scratch, bytes, "kernels' scratch", &c->memory);
    if (status) {
      return (int32_t)(c->status = status);
    }
    scratch = c->scratch.data;
  }
  int64_t begin = c->profile ? dlc_now() : 0;
  uint32_t threads = run_launch(c, l, scratch, stride);
  if (c->profile) {
    dlc_context_note_event(c, l->dispatch, threads, begin - c->run_begin,
                           dlc_now() - c->run_begin);
  }
  return DLC_OK;
}

dlc_status dlc_context_outcome(dlc_context *c, int32_t returned) {
  if (returned && !c->status) {
    return dlc_fail(DLC_INTERNAL,
                    "the model's code gave up with %" PRId32 ", and no reason",
                    returned);
  }
  return returned ? c->status : DLC_OK;
}

/* ---- Failed checks ----------------------------------------------------- */

/* Replaces {N} by values[N], and {{ by a brace. */
static void format_check(const char *format, const int64_t *values,
                         uint32_t count, dlc_text *text) {
  while (*format) {
    char *end;
    if (format[0] == '{' && format[1] == '{') {
      dlc_text_add(text, "{");
      format += 2;
      continue;
    }
    if (format[0] == '{' && format[1] >= '0' && format[1] <= '9') {
      unsigned long place = strtoul(format + 1, &end, 10);
      if (*end == '}' && place < count) {
        dlc_text_add(text, "%" PRId64, values[place]);
        format = end + 1;
        continue;
      }
    }
    dlc_text_add(text, "%c", *format++);
  }
}

static int32_t exec_fail(dlc_exec *exec, uint32_t check, const int64_t *values,
                         uint32_t count) {
  dlc_context *c = (dlc_context *)exec;
  const dlc_header *h = &c->model->container.header;
  const dlc_program *p = c->code.program;
  if (check >= p->num_checks) {
    c->status = dlc_fail(DLC_INTERNAL, "the model failed a check without text");
    return (int32_t)c->status;
  }
  dlc_text text = {0};
  format_check(dlc_header_text(h, p->checks[check].message), values, count,
               &text);
  c->status = dlc_fail((dlc_status)p->checks[check].status, "%s", text.bytes);
  return (int32_t)c->status;
}

/* ---- Late memory ------------------------------------------------------- */

/* Generated code asks for -1 bytes where dims are negative or overflow. */
static dlc_status too_large(void) {
  return dlc_fail(DLC_RESOURCE, "a tensor of the run has a negative size, or "
                                "more than 2^48 elements");
}

static void *exec_late(dlc_exec *exec, uint32_t buffer, int64_t bytes) {
  dlc_context *c = (dlc_context *)exec;
  const dlc_program *p = c->code.program;
  if (buffer >= p->num_buffers || p->buffers[buffer].bytes != DLC_BYTES_LATE) {
    c->status = dlc_fail(DLC_INTERNAL,
                         "the model asked for memory of buffer %" PRIu32
                         ", which is not late",
                         buffer);
    return NULL;
  }
  if (bytes < 0) {
    c->status = too_large();
    return NULL;
  }
  dlc_cuda_note_request(c);
  char what[64];
  snprintf(what, sizeof what, "buffer %" PRIu32, buffer);
  c->status =
      dlc_block_grow(&c->late[buffer], bytes ? bytes : 1, what, &c->memory);
  return c->status ? NULL : c->late[buffer].data;
}

static void *give_output(dlc_context *c, uint32_t output, int64_t bytes) {
  dlc_output *o = &c->outputs[output];
  dlc_cuda_note_request(c);
  if (o->caller) {
    int64_t elements, room;
    dlc_count_elements(o->caller->shape, (uint32_t)o->caller->ndim, &elements);
    dlc_count_bytes(o->caller->dtype, elements, &room);
    if (bytes > room) {
      c->status = dlc_fail(DLC_USAGE,
                           "output '%s': expected room for %" PRId64
                           " bytes, got %" PRId64,
                           dlc_output_name(c, output), bytes, room);
      return NULL;
    }
    if (!o->to_host) {
      return dlc_tensor_data(o->caller);
    }
  }
  c->status = dlc_output_grow(c, output, bytes);
  return c->status ? NULL : o->block.data;
}

static void *exec_late_output(dlc_exec *exec, uint32_t output, int64_t bytes) {
  dlc_context *c = (dlc_context *)exec;
  const dlc_header *h = &c->model->container.header;
  if (output >= h->num_outputs ||
      !(h->outputs[output].flags & DLC_VALUE_LATE)) {
    c->status = dlc_fail(DLC_INTERNAL,
                         "the model asked for memory of output %" PRIu32
                         ", which is not late",
                         output);
    return NULL;
  }
  if (bytes < 0) {
    c->status = too_large();
    return NULL;
  }
  void *data = give_output(c, output, bytes);
  c->output_data[output] = data;
  c->outputs[output].late_bytes = data ? bytes : -1;
  return data;
}

void dlc_context_bind_exec(dlc_context *c) {
  c->exec = (dlc_exec){
      .struct_size = sizeof(dlc_exec),
      .inputs = c->input_data,
      .input_dims = c->input_dims,
      .outputs = c->output_data,
      .output_dims = c->output_dims,
      .params = c->model->weights,
      .launch = exec_launch,
      .fail = exec_fail,
      .late = exec_late,
      .late_output = exec_late_output,
      .device_launch = exec_device_launch,
      .device_copy = exec_device_copy,
      .device_read = exec_device_read,
  };
  if (c->cuda) {
    dlc_cuda_bind_exec(c);
  }
}
