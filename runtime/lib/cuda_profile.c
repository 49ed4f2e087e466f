/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Times of launches, by events in the stream. */
#include "cuda_context.h"

#include <stdlib.h>

/* Records the next event. */
cu_result dlc_cuda_profile_mark(dlc_context *c) {
  dlc_cuda *cuda = c->cuda;
  if (cuda->num_events == cuda->room_events) {
    uint32_t room = cuda->room_events ? 2 * cuda->room_events : 256;
    cu_event *events = realloc(cuda->events, room * sizeof *events);
    if (!events) {
      return DLC_CU_ERROR_OUT_OF_MEMORY;
    }
    for (uint32_t i = cuda->room_events; i < room; i++) {
      events[i] = NULL;
    }
    cuda->events = events;
    cuda->room_events = room;
  }
  cu_event *event = &cuda->events[cuda->num_events];
  cu_result error =
      *event ? DLC_CU_SUCCESS : cuda->driver->event_create(event, 0);
  if (!error) {
    error = cuda->driver->event_record(*event, cuda->stream);
  }
  cuda->num_events += !error;
  return error;
}

dlc_status dlc_cuda_profile_begin_run(dlc_context *c) {
  if (!c->profile) {
    return DLC_OK;
  }
  c->cuda->num_events = 0;
  cu_result error = dlc_cuda_profile_mark(c);
  return error
             ? dlc_cuda_device_fail(c->cuda->device, error, "cannot note times")
             : DLC_OK;
}

/* Nanoseconds from the run's begin to an event. */
static cu_result time_of(const dlc_cuda *cuda, uint64_t event, int64_t *time) {
  float milliseconds = 0;
  cu_result error = cuda->driver->event_elapsed(&milliseconds, cuda->events[0],
                                                cuda->events[event]);
  *time = (int64_t)((double)milliseconds * 1e6);
  return error;
}

/* The device is done. */
dlc_status dlc_cuda_profile_end_run(dlc_context *c) {
  const dlc_cuda *cuda = c->cuda;
  cu_result error = DLC_CU_SUCCESS;
  for (uint64_t i = 0; c->profile && i < c->num_events && !error; i++) {
    dlc_profile_event *event = &c->events[i];
    error = time_of(cuda, 2 * i + 1, &event->begin_ns);
    if (!error) {
      error = time_of(cuda, 2 * i + 2, &event->end_ns);
    }
  }
  return error ? dlc_cuda_device_fail(cuda->device, error, "cannot read times")
               : DLC_OK;
}

void dlc_cuda_profile_free(dlc_context *c) {
  dlc_cuda *cuda = c->cuda;
  for (uint32_t i = 0; i < cuda->room_events && cuda->events[i]; i++) {
    cuda->driver->event_destroy(cuda->events[i]);
  }
  free(cuda->events);
}
