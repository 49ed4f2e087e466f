/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * What a context on a GPU has beyond others: a stream, and memory of both
 * sides. The functions with a context work for contexts with `cuda` set, in
 * between begin and end where nothing else is said.
 */
#ifndef DLC_LIB_CUDA_CONTEXT_H
#define DLC_LIB_CUDA_CONTEXT_H

#include "context.h"
#include "cuda_model.h"

/* One shape's run, recorded. */
typedef struct dlc_cuda_graph {
  uint64_t shape;     /* dlc_shape.made of it; 0: none */
  cu_graph_exec exec; /* NULL until recorded */
  void **addresses;   /* of the last run's memory */
  bool noted;         /* whether they are set */
  bool never;         /* it cannot be, or is not worth it */
  uint32_t misses;    /* times that memory moved after recording */
} dlc_cuda_graph;

/* An encoded tensor map, and what it was made of. */
typedef struct dlc_cuda_map dlc_cuda_map;

/* Those of one shape's run, in the order of its launches. */
typedef struct dlc_cuda_maps {
  dlc_cuda_map *entries;
  uint32_t used; /* by the run until now; more are of runs before */
  uint32_t room;
} dlc_cuda_maps;

struct dlc_cuda {
  dlc_cuda_model *model;
  dlc_cuda_device *device;
  const dlc_cuda_driver *driver;
  cu_stream stream;
  bool owns_stream;

  dlc_memory pinned;        /* page-locked memory of the host */
  dlc_block *input_staging; /* per input, pinned */

  /* Of the run under way. */
  bool waits;      /* tensors on the CPU: the run waits for the device */
  bool asked_host; /* the code read from the device, or asked for memory */
  bool records;    /* nothing is done, but noted for a graph */

  uint32_t graph_mode;                       /* DLC_GRAPHS_* */
  dlc_cuda_graph graphs[DLC_CONTEXT_SHAPES]; /* as the context's shapes */
  cu_stream recorder;

  dlc_cuda_maps maps[DLC_CONTEXT_SHAPES]; /* as the context's shapes */

  cu_event *events; /* of profiles: the run's begin, then two per launch */
  uint32_t num_events, room_events;
};

/* Puts the context onto options->device; on an error, close undoes what was
   done. Both outside of begin and end. */
dlc_status dlc_cuda_open(dlc_context *context,
                         const dlc_context_options *options);
/* Frees all blocks of the context, too. */
void dlc_cuda_close(dlc_context *context);

/* Enters and leaves the device. After an error, end waits until the device has
   done what was asked of it, so that the caller's memory is free. */
dlc_status dlc_cuda_begin(dlc_context *context);
void dlc_cuda_end(dlc_context *context, dlc_status status);

dlc_status dlc_cuda_synchronize(dlc_context *context);

/* Fails unless [begin, end), which the message calls `what`, is memory of the
   context's device; inside of begin and end of a call. */
dlc_status dlc_cuda_check_memory(const dlc_context *context, const char *what,
                                 uintptr_t begin, uintptr_t end);

/* cuda_bind.c: the steps of a run that bind.c has for the CPU. */
dlc_status dlc_cuda_bind_inputs(dlc_context *context, const dlc_tensor *inputs);
dlc_status dlc_cuda_bind_output(dlc_context *context, uint32_t output,
                                const dlc_tensor *inputs, dlc_tensor *outputs);
dlc_status dlc_cuda_finish_outputs(dlc_context *context, dlc_tensor *outputs);

/* The code asked for late memory; for any context. */
static inline void dlc_cuda_note_request(dlc_context *context) {
  if (context->cuda) {
    context->cuda->asked_host = true;
  }
}

/* cuda_exec.c: fills in what generated code for GPUs calls. */
void dlc_cuda_bind_exec(dlc_context *context);

/* cuda_graph.c: the generated code's run, or the graph that was recorded of an
   equal one; returns what the code does. */
int32_t dlc_cuda_run(dlc_context *context);
void dlc_cuda_graphs_free(dlc_context *context);

/* cuda_maps.c: the tensor maps of a run, of which those that the shape's run
   before had are there already. */
static inline dlc_cuda_maps *dlc_cuda_maps_of_run(dlc_context *context) {
  return &context->cuda->maps[context->shape - context->shapes];
}
/* Makes room for the maps of a launch, which stay where they are until the next
   launch; false without memory. */
bool dlc_cuda_maps_reserve(dlc_cuda_maps *maps, uint32_t count);
bool dlc_cuda_map_is_valid(const dlc_tensor_map *map, uint32_t num_buffers);
/* The run's next map, which is valid, of the buffer at `address`; a kernel's
   parameter is at `encoded`. */
cu_result dlc_cuda_map_encode(const dlc_cuda_driver *driver,
                              dlc_cuda_maps *maps, const dlc_tensor_map *map,
                              void *address, void **encoded);
void dlc_cuda_maps_free(dlc_cuda_maps *maps);

/* cuda_profile.c: notes times on the device; begin_run and end_run do nothing
   without a profile. */
dlc_status dlc_cuda_profile_begin_run(dlc_context *context);
cu_result dlc_cuda_profile_mark(dlc_context *context);
dlc_status dlc_cuda_profile_end_run(dlc_context *context);
void dlc_cuda_profile_free(dlc_context *context);

#endif /* DLC_LIB_CUDA_CONTEXT_H */
