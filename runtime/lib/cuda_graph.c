/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Runs as CUDA graphs: where a run of a shape finds all memory where the last
 * one had it, and the code asked nothing of the host in between, its launches
 * are recorded once, and later runs of the shape are one launch of the graph.
 */
#include "cuda_context.h"

#include <stdlib.h>
#include <string.h>

/* Callers whose tensors move from run to run gain nothing. */
#define MAX_MISSES 4

static bool is_wanted(const dlc_context *c) {
  uint32_t mode = c->cuda->graph_mode;
  return !c->profile && (mode == DLC_GRAPHS_ALWAYS ||
                         (mode == DLC_GRAPHS_DEFAULT &&
                          c->cuda->driver->device_type != DLC_DEVICE_PTXSIM));
}

static size_t num_addresses(const dlc_context *c) {
  const dlc_header *h = &c->model->container.header;
  return (size_t)h->num_inputs + h->num_outputs + 2;
}

/* Notes all addresses that the run's launches may have as parameters; true if
   they are those of the last run. */
static bool note_addresses(const dlc_context *c, dlc_cuda_graph *graph) {
  const dlc_header *h = &c->model->container.header;
  void **at = graph->addresses;
  bool same = graph->noted;
  for (uint32_t i = 0; i < h->num_inputs; i++, at++) {
    same &= *at == c->input_data[i];
    *at = c->input_data[i];
  }
  for (uint32_t i = 0; i < h->num_outputs; i++, at++) {
    same &= *at == c->output_data[i];
    *at = c->output_data[i];
  }
  same &= at[0] == c->exec.arena && at[1] == c->scratch.data;
  at[0] = c->exec.arena;
  at[1] = c->scratch.data;
  graph->noted = true;
  return same;
}

static void drop(const dlc_context *c, dlc_cuda_graph *graph) {
  if (graph->exec) {
    c->cuda->driver->graph_exec_destroy(graph->exec);
    graph->exec = NULL;
  }
}

/* The record of the present shape; NULL without memory for it. */
static dlc_cuda_graph *find(dlc_context *c) {
  dlc_cuda_graph *graph = &c->cuda->graphs[c->shape - c->shapes];
  if (!graph->addresses) {
    graph->addresses = calloc(num_addresses(c), sizeof *graph->addresses);
  }
  if (graph->shape != c->shape->made) {
    void **addresses = graph->addresses;
    drop(c, graph);
    *graph = (dlc_cuda_graph){.shape = c->shape->made, .addresses = addresses};
  }
  return graph->addresses ? graph : NULL;
}

static int32_t run_code(dlc_context *c) {
  dlc_cuda_maps_of_run(c)->used = 0;
  return c->code.run(&c->exec);
}

/* Records the run into a stream of its own: the caller's may be one that cannot
   record. */
static cu_result record(dlc_context *c, dlc_cuda_graph *graph) {
  dlc_cuda *cuda = c->cuda;
  const dlc_cuda_driver *d = cuda->driver;
  cu_stream stream = cuda->stream;
  cu_graph recorded = NULL;
  cu_result error = DLC_CU_SUCCESS;
  if (!cuda->recorder) {
    error = d->stream_create(&cuda->recorder, DLC_CU_STREAM_NON_BLOCKING);
  }
  if (error || (error = d->stream_begin_capture(cuda->recorder,
                                                DLC_CU_CAPTURE_THREAD_LOCAL))) {
    return error;
  }
  cuda->stream = cuda->recorder;
  cuda->records = true;
  int32_t status = run_code(c);
  cuda->records = false;
  cuda->stream = stream;
  error = d->stream_end_capture(cuda->recorder, &recorded);
  if (!error && status) {
    error = DLC_CU_ERROR_NOT_SUPPORTED;
  }
  if (!error) {
    error = d->graph_instantiate(&graph->exec, recorded, 0);
  }
  if (recorded) {
    d->graph_destroy(recorded);
  }
  return error;
}

static int32_t launch(dlc_context *c, const dlc_cuda_graph *graph) {
  cu_result error = c->cuda->driver->graph_launch(graph->exec, c->cuda->stream);
  if (error) {
    c->status = dlc_cuda_device_fail(c->cuda->device, error,
                                     "cannot launch a run as a graph");
  }
  return (int32_t)c->status;
}

/* A run without graph, which shows whether one can be made. */
static int32_t run_plainly(dlc_context *c, dlc_cuda_graph *graph) {
  c->cuda->asked_host = false;
  int32_t status = run_code(c);
  graph->never |= c->cuda->asked_host;
  /* The scratch memory may have grown. */
  graph->addresses[num_addresses(c) - 1] = c->scratch.data;
  return status;
}

int32_t dlc_cuda_run(dlc_context *c) {
  dlc_cuda_graph *graph = is_wanted(c) ? find(c) : NULL;
  if (!graph) {
    return run_code(c);
  }
  bool same = note_addresses(c, graph);
  if (graph->exec && same) {
    return launch(c, graph);
  }
  if (graph->exec) {
    drop(c, graph);
    graph->never = ++graph->misses == MAX_MISSES;
  }
  if (graph->never || !same) {
    return run_plainly(c, graph);
  }
  if (record(c, graph)) {
    /* It runs as before; what was recorded has not been done. */
    graph->never = true;
    c->status = DLC_OK;
    return run_plainly(c, graph);
  }
  return launch(c, graph);
}

void dlc_cuda_graphs_free(dlc_context *c) {
  dlc_cuda *cuda = c->cuda;
  for (int i = 0; i < DLC_CONTEXT_SHAPES; i++) {
    drop(c, &cuda->graphs[i]);
    free(cuda->graphs[i].addresses);
  }
  if (cuda->recorder) {
    cuda->driver->stream_destroy(cuda->recorder);
  }
}
