/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Contexts and runs. */
#include "context.h"

#include "cpu.h"
#include "cuda_context.h"
#include "dlc/plan.h"
#include "pool.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

/* ---- The caller's parallel-for ----------------------------------------- */

static struct {
  pthread_mutex_t lock; /* of function and user */
  atomic_bool set;      /* whether the lock is worth taking */
  dlc_parallel_for *function;
  void *user;
} parallel = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* A fork waits for the lock, so that no thread that the child lacks holds it
   there. */
static void lock_parallel(void) { pthread_mutex_lock(&parallel.lock); }
static void unlock_parallel(void) { pthread_mutex_unlock(&parallel.lock); }

static void watch_forks(void) {
  pthread_atfork(lock_parallel, unlock_parallel, unlock_parallel);
}

dlc_status dlc_set_parallel_for(dlc_parallel_for *function, void *user) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, watch_forks);
  pthread_mutex_lock(&parallel.lock);
  parallel.function = function;
  parallel.user = user;
  /* Within the lock, or the last of two callers could set one, and the first
     the other. */
  atomic_store(&parallel.set, function != NULL);
  pthread_mutex_unlock(&parallel.lock);
  return DLC_OK;
}

static void read_parallel_for(dlc_context *c) {
  c->parallel_for = NULL;
  if (atomic_load_explicit(&parallel.set, memory_order_relaxed)) {
    pthread_mutex_lock(&parallel.lock);
    c->parallel_for = parallel.function;
    c->parallel_user = parallel.user;
    pthread_mutex_unlock(&parallel.lock);
  }
}

/* ---- Life -------------------------------------------------------------- */

static bool allocate_arrays(dlc_context *c) {
  const dlc_header *h = &c->model->container.header;
  size_t output_dims = h->num_dims - h->num_input_dims;
#define ALLOCATE(FIELD, COUNT)                                                 \
  (c->FIELD = calloc((COUNT) ? (COUNT) : 1, sizeof *c->FIELD))
  return ALLOCATE(input_copies, h->num_inputs) &&
         ALLOCATE(late, c->code.program->num_buffers) &&
         ALLOCATE(outputs, h->num_outputs) &&
         ALLOCATE(input_data, h->num_inputs) &&
         ALLOCATE(output_data, h->num_outputs) &&
         ALLOCATE(input_dims, h->num_input_dims) &&
         ALLOCATE(output_dims, output_dims) &&
         ALLOCATE(symbols, h->num_symbols);
#undef ALLOCATE
}

static dlc_status read_options(const dlc_context_options *options,
                               dlc_context_options *ours) {
  *ours = (dlc_context_options){0};
  if (options && !dlc_struct_in(ours, sizeof *ours, options)) {
    return dlc_fail(DLC_USAGE, "dlc_context_options.struct_size is not set");
  }
  switch ((int32_t)ours->device.device_type) {
  case 0:
    ours->device.device_type = DLC_DEVICE_CPU;
    break;
  case DLC_DEVICE_CPU:
    break;
  case DLC_DEVICE_CUDA:
  case DLC_DEVICE_PTXSIM:
    return DLC_OK;
  default:
    return dlc_fail(DLC_UNSUPPORTED,
                    "expected the CPU (device type 1), CUDA (2) or the "
                    "simulator (12), got device type %" PRId32,
                    (int32_t)ours->device.device_type);
  }
  if (ours->device.device_id != 0) {
    return dlc_fail(DLC_USAGE, "expected CPU 0, got device id %" PRId32,
                    (int32_t)ours->device.device_id);
  }
  if (ours->stream) {
    return dlc_fail(DLC_USAGE, "expected no stream on the CPU, got one");
  }
  return DLC_OK;
}

static dlc_status open_cpu(dlc_context *c) {
  uint32_t variant;
  dlc_status status = dlc_model_pick(c->model, DLC_DEVICE_CPU, &variant);
  return status ? status : dlc_model_bind(c->model, variant, &c->code);
}

/* What can fail; the caller frees. */
static dlc_status open_context(dlc_context *c,
                               const dlc_context_options *options) {
  bool cpu = options->device.device_type == DLC_DEVICE_CPU;
  dlc_status status = cpu ? open_cpu(c) : dlc_cuda_open(c, options);
  if (status) {
    return status;
  }
  if (!allocate_arrays(c)) {
    return dlc_fail(DLC_RESOURCE, "no memory for a context");
  }
  dlc_context_bind_exec(c);
  return dlc_context_set_threads(c, options->num_threads);
}

dlc_status dlc_context_create(dlc_model *model,
                              const dlc_context_options *options,
                              dlc_context **context) {
  if (!model || !context) {
    return dlc_fail(DLC_USAGE, "expected a model and a context, got NULL");
  }
  *context = NULL;
  dlc_context_options ours;
  dlc_status status = read_options(options, &ours);
  if (status) {
    return status;
  }
  dlc_context *c = calloc(1, sizeof *c);
  if (!c) {
    return dlc_fail(DLC_RESOURCE, "no memory for a context");
  }
  c->model = model;
  c->device = ours.device;
  c->memory = (dlc_memory){.counts = &c->counts};
  c->profile = ours.profile;
  dlc_model_retain(model);
  if ((status = open_context(c, &ours))) {
    dlc_context_free(c);
    return status;
  }
  *context = c;
  return DLC_OK;
}

void dlc_context_free_blocks(dlc_context *c) {
  const dlc_header *h = &c->model->container.header;
  uint32_t buffers = c->code.program ? c->code.program->num_buffers : 0;
  for (uint32_t i = 0; c->input_copies && i < h->num_inputs; i++) {
    dlc_block_free(&c->input_copies[i], &c->memory);
  }
  for (uint32_t i = 0; c->late && i < buffers; i++) {
    dlc_block_free(&c->late[i], &c->memory);
  }
  for (uint32_t i = 0; c->outputs && i < h->num_outputs; i++) {
    dlc_block_free(&c->outputs[i].block, &c->memory);
  }
  dlc_block_free(&c->arena, &c->memory);
  dlc_block_free(&c->scratch, &c->memory);
}

void dlc_context_free(dlc_context *c) {
  if (!c) {
    return;
  }
  if (c->cuda) {
    dlc_cuda_close(c);
  } else {
    dlc_context_free_blocks(c);
  }
  dlc_context_free_shapes(c);
  free(c->input_copies);
  free(c->late);
  free(c->outputs);
  free(c->input_data);
  free(c->output_data);
  free(c->input_dims);
  free(c->output_dims);
  free(c->symbols);
  free(c->events);
  dlc_model_free(c->model);
  free(c);
}

/* ---- Runs -------------------------------------------------------------- */

static dlc_status take(dlc_context *c) {
  if (!c) {
    return dlc_fail(DLC_USAGE, "expected a context, got NULL");
  }
  if (atomic_exchange_explicit(&c->busy, true, memory_order_acquire)) {
    return dlc_fail(DLC_USAGE, "the context is in use by another thread");
  }
  return DLC_OK;
}

static void give(dlc_context *c) {
  atomic_store_explicit(&c->busy, false, memory_order_release);
}

/* Takes the context, and its device. */
static dlc_status enter(dlc_context *c) {
  dlc_status status = take(c);
  if (status || !c->cuda) {
    return status;
  }
  if ((status = dlc_cuda_begin(c))) {
    give(c);
  }
  return status;
}

/* Returns the status. */
static dlc_status leave(dlc_context *c, dlc_status status) {
  if (c->cuda) {
    dlc_cuda_end(c, status);
  }
  give(c);
  return status;
}

dlc_status dlc_context_set_threads(dlc_context *c, uint32_t num_threads) {
  dlc_status status = take(c);
  if (status) {
    return status;
  }
  uint32_t threads = num_threads ? num_threads : dlc_default_threads();
  c->threads = threads > DLC_POOL_MAX_THREADS ? DLC_POOL_MAX_THREADS : threads;
  give(c);
  return DLC_OK;
}

static dlc_status set_arena(dlc_context *c, void *arena, int64_t bytes) {
  if (bytes < 0 || (uintptr_t)arena % 64 != 0) {
    return dlc_fail(DLC_USAGE,
                    "expected an arena that is 64-byte aligned and its size, "
                    "got %p and %" PRId64 " bytes",
                    arena, bytes);
  }
  uintptr_t begin = (uintptr_t)arena;
  dlc_status status =
      arena && c->cuda && bytes > 0
          ? dlc_cuda_check_memory(c, "the arena", begin, begin + (size_t)bytes)
          : DLC_OK;
  if (status) {
    return status;
  }
  if (arena) {
    dlc_block_free(&c->arena, &c->memory);
  }
  c->callers_arena = arena;
  c->callers_arena_bytes = bytes;
  return DLC_OK;
}

dlc_status dlc_context_set_arena(dlc_context *c, void *arena, int64_t bytes) {
  dlc_status status = enter(c);
  if (status) {
    return status;
  }
  return leave(c, set_arena(c, arena, bytes));
}

/* The part of a run that generated code does. */
static dlc_status execute(dlc_context *c) {
  c->status = DLC_OK;
  c->skipped_work = 0;
  c->num_events = 0;
  c->run_begin = c->profile ? dlc_now() : 0;
  read_parallel_for(c);
  if (c->cuda) {
    dlc_status begun = dlc_cuda_profile_begin_run(c);
    if (begun) {
      return begun;
    }
  }
  uint32_t mode = dlc_cpu_set_float_mode();
  int32_t status = c->cuda ? dlc_cuda_run(c) : c->code.run(&c->exec);
  dlc_cpu_restore_float_mode(mode);
  if (c->pool_claimed) {
    dlc_pool_release();
    c->pool_claimed = false;
  }
  c->runs++;
  return dlc_context_outcome(c, status);
}

dlc_status dlc_context_run(dlc_context *c, const dlc_tensor *inputs,
                           uint32_t num_inputs, dlc_tensor *outputs,
                           uint32_t num_outputs) {
  dlc_status status = enter(c);
  if (status) {
    return status;
  }
  const dlc_header *h = &c->model->container.header;
  if (!(status = dlc_entry_check(h, c->device, inputs, num_inputs, false,
                                 c->symbols, c->input_dims)) &&
      !(status = dlc_context_select_shape(c)) &&
      !(status = dlc_context_bind_inputs(c, inputs)) &&
      !(status = dlc_context_bind_outputs(c, inputs, outputs, num_outputs)) &&
      !(status = execute(c))) {
    status = dlc_context_finish_outputs(c, outputs);
  }
  return leave(c, status);
}

dlc_status dlc_context_prepare(dlc_context *c, const dlc_tensor *inputs,
                               uint32_t num_inputs, dlc_tensor *outputs,
                               uint32_t num_outputs) {
  dlc_status status = enter(c);
  if (status) {
    return status;
  }
  const dlc_header *h = &c->model->container.header;
  if (num_outputs != h->num_outputs || (num_outputs && !outputs)) {
    status = dlc_fail(DLC_USAGE, "expected %" PRIu32 " outputs, got %" PRIu32,
                      h->num_outputs, outputs ? num_outputs : 0);
  } else if (!(status = dlc_entry_check(h, c->device, inputs, num_inputs, true,
                                        c->symbols, c->input_dims)) &&
             !(status = dlc_context_select_shape(c))) {
    for (uint32_t i = 0; i < num_outputs; i++) {
      dlc_context_describe_output(c, i, &outputs[i]);
    }
  }
  return leave(c, status);
}

dlc_status dlc_context_synchronize(dlc_context *c) {
  dlc_status status = enter(c);
  if (status) {
    return status;
  }
  return leave(c, c->cuda ? dlc_cuda_synchronize(c) : DLC_OK);
}

dlc_status dlc_context_get_info(const dlc_context *c, dlc_context_info *info) {
  if (!c || !info) {
    return dlc_fail(DLC_USAGE, "expected a context and a result, got NULL");
  }
  const dlc_header *h = &c->model->container.header;
  dlc_context_info ours = {
      .num_threads = c->threads,
      .arena_bytes = c->shape ? c->shape->arena_bytes : -1,
      .arena_lower_bound = c->shape ? c->shape->lower_bound : -1,
      .allocated_bytes = c->counts.bytes,
      .runs = c->runs,
      .plans = c->plans,
      .allocations = c->counts.allocations,
      .variant = dlc_header_text(h, h->variants[c->code.variant].name),
  };
  return dlc_struct_out(info, &ours, sizeof ours)
             ? DLC_OK
             : dlc_fail(DLC_USAGE, "dlc_context_info.struct_size is not set");
}

dlc_status dlc_context_get_profile(const dlc_context *c,
                                   const dlc_profile_event **events,
                                   uint64_t *count) {
  if (!c || !events || !count) {
    return dlc_fail(DLC_USAGE, "expected a context and a result, got NULL");
  }
  *events = c->events;
  *count = c->num_events;
  return DLC_OK;
}
