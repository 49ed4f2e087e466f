/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The state of one context: memory, plans of the last shapes, one run. */
#ifndef DLC_LIB_CONTEXT_H
#define DLC_LIB_CONTEXT_H

#include "block.h"
#include "entry.h"
#include "model.h"

/* Shapes whose plans a context keeps. */
#define DLC_CONTEXT_SHAPES 8

/* What follows from one set of input dims. */
typedef struct dlc_shape {
  uint64_t last_use; /* 0: empty */
  uint64_t made;     /* differs between any two that ever were */
  int64_t *input_dims;
  int64_t *output_dims;
  int64_t *buffer_bytes;
  int64_t *buffer_offsets;
  int64_t arena_bytes;
  int64_t lower_bound;
} dlc_shape;

/* One output of the run under way. */
typedef struct dlc_output {
  dlc_block block;    /* the context's memory for it, where it runs */
  dlc_block host;     /* on GPUs: the context's memory for it on the CPU */
  dlc_tensor *caller; /* NULL when the context allocates */
  bool to_host;       /* on GPUs: it is wanted on the CPU */
  bool copy;          /* written to own memory, then copied to the caller */
  int64_t late_bytes; /* asked for by late_output; -1 */
} dlc_output;

typedef struct dlc_cuda dlc_cuda; /* cuda_context.h */

struct dlc_context {
  dlc_exec exec; /* first, so that a dlc_exec is a context */
  dlc_model *model;
  dlc_code code;
  dlc_device device;
  dlc_cuda *cuda; /* NULL on the CPU */
  atomic_bool busy;
  uint32_t threads;
  bool profile;

  dlc_block_counts counts;
  dlc_memory memory; /* where the context runs */
  dlc_block arena;
  void *callers_arena; /* NULL: the block */
  int64_t callers_arena_bytes;
  dlc_block scratch;
  dlc_block *input_copies; /* per input */
  dlc_block *late;         /* per buffer of the arena table */
  dlc_output *outputs;

  void **input_data;
  void **output_data;
  int64_t *input_dims;
  int64_t *output_dims;
  dlc_symbol_value *symbols;
  dlc_shape shapes[DLC_CONTEXT_SHAPES];
  dlc_shape *shape;
  void *plan_workspace;
  uint64_t clock;

  /* Of the run under way. */
  dlc_parallel_for *parallel_for;
  void *parallel_user;
  bool pool_claimed;
  int64_t skipped_work; /* nanoseconds not parallelised as threads slept */
  dlc_status status;    /* noted when generated code must stop */
  int64_t run_begin;

  dlc_profile_event *events;
  uint64_t num_events, room_events;
  uint64_t runs, plans;
};

/* exec.c: what generated code calls. */
void dlc_context_bind_exec(dlc_context *context);
/* The status of a call of generated code that returned `returned`: the one that
   was noted, with its message. */
dlc_status dlc_context_outcome(dlc_context *context, int32_t returned);
int64_t dlc_now(void);
/* Adds to the profile; times are from the start of the run. */
void dlc_context_note_event(dlc_context *context, uint32_t dispatch,
                            uint32_t threads, int64_t begin, int64_t end);

/* Frees arena, scratch, late buffers, copies and outputs' blocks. */
void dlc_context_free_blocks(dlc_context *context);

/* shape.c: finds or makes the plan for context->input_dims. */
dlc_status dlc_context_select_shape(dlc_context *context);
void dlc_context_free_shapes(dlc_context *context);

/* bind.c: the tensors of a run. */
dlc_status dlc_context_bind_inputs(dlc_context *context,
                                   const dlc_tensor *inputs);
dlc_status dlc_context_bind_outputs(dlc_context *context,
                                    const dlc_tensor *inputs,
                                    dlc_tensor *outputs, uint32_t num_outputs);
dlc_status dlc_context_finish_outputs(dlc_context *context,
                                      dlc_tensor *outputs);
/* Sets type, rank and shape of an output the context owns. */
void dlc_context_describe_output(dlc_context *context, uint32_t output,
                                 dlc_tensor *tensor);

#endif /* DLC_LIB_CONTEXT_H */
