/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Copies weights to a device in blocks through two page-locked buffers: while
 * one is on its way, the next is read from the mapped file, which the device
 * cannot do itself.
 */
#include "cuda_model.h"

#include <inttypes.h>
#include <string.h>

#define BLOCK_BYTES ((uint64_t)4 << 20)

typedef struct upload {
  const dlc_cuda_driver *driver;
  cu_stream stream;
  void *buffers[2];
  cu_event done[2]; /* the copy out of the buffer */
} upload;

static cu_result open_upload(upload *u, uint64_t block) {
  cu_result error =
      u->driver->stream_create(&u->stream, DLC_CU_STREAM_NON_BLOCKING);
  for (int i = 0; i < 2 && !error; i++) {
    if (!(error = u->driver->host_allocate(&u->buffers[i], block, 0))) {
      error = u->driver->event_create(&u->done[i], DLC_CU_EVENT_DISABLE_TIMING);
    }
  }
  return error;
}

static void close_upload(upload *u) {
  if (u->stream) {
    u->driver->stream_synchronize(u->stream);
  }
  for (int i = 0; i < 2; i++) {
    if (u->done[i]) {
      u->driver->event_destroy(u->done[i]);
    }
    if (u->buffers[i]) {
      u->driver->host_free(u->buffers[i]);
    }
  }
  if (u->stream) {
    u->driver->stream_destroy(u->stream);
  }
}

static cu_result copy_blocks(const upload *u, cu_address target,
                             const char *source, uint64_t bytes,
                             uint64_t block) {
  cu_result error = DLC_CU_SUCCESS;
  for (uint64_t at = 0, i = 0; at < bytes && !error; at += block, i++) {
    uint64_t take = bytes - at < block ? bytes - at : block;
    int which = i & 1;
    if (i >= 2 && (error = u->driver->event_synchronize(u->done[which]))) {
      break;
    }
    memcpy(u->buffers[which], source + at, take);
    error = u->driver->copy_to_device(target + at, u->buffers[which], take,
                                      u->stream);
    if (!error) {
      error = u->driver->event_record(u->done[which], u->stream);
    }
  }
  return error ? error : u->driver->stream_synchronize(u->stream);
}

dlc_status dlc_cuda_upload(dlc_cuda_device *device, cu_address target,
                           const char *source, uint64_t bytes) {
  uint64_t block = bytes < BLOCK_BYTES ? bytes : BLOCK_BYTES;
  upload u = {.driver = device->driver};
  cu_result error = open_upload(&u, block);
  if (!error) {
    error = copy_blocks(&u, target, source, bytes, block);
  }
  close_upload(&u);
  return error
             ? dlc_cuda_device_fail(device, error,
                                    "cannot copy %" PRIu64 " bytes of weights",
                                    bytes)
             : DLC_OK;
}
