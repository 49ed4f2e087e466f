/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * dlc's runtime: loads a compiled model and runs it. C11, also good for C++.
 *
 *   dlc_model *model;
 *   dlc_context *context;
 *   dlc_model_load("m.dlc", NULL, &model);
 *   dlc_context_create(model, NULL, &context);
 *   dlc_context_run(context, inputs, 2, outputs, 1);
 *
 * Every function that can fail returns a dlc_status; dlc_message() then says
 * what was wrong. Structs that may grow start with struct_size, which the
 * caller sets to sizeof; a library older or newer than the caller then touches
 * only what both know. Strings are UTF-8 and end with a zero byte; those that
 * the library gives belong to the model and live as long as it does.
 * A dlc_model may be used by any number of threads at once, a dlc_context by
 * one at a time.
 */
#ifndef DLC_DLC_H
#define DLC_DLC_H

#include <stdint.h>

#if defined(__GNUC__)
#define DLC_API __attribute__((visibility("default")))
#else
#define DLC_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Status ------------------------------------------------------------ */

/* Equal to the exit codes of the tools. Later versions may add values. */
typedef enum dlc_status {
  DLC_OK = 0,
  DLC_USAGE = 1,       /* wrong argument, input name, type, rank, size, value */
  DLC_UNSUPPORTED = 2, /* this machine or library cannot do it */
  DLC_RESOURCE = 3,    /* no memory, no file handle */
  DLC_MISMATCH = 4,    /* a verification found wrong numbers (tools only) */
  DLC_INTERNAL = 5,    /* a defect of dlc */
  DLC_CORRUPT = 6, /* not a model, unreadable, of another version, damaged */
} dlc_status;

/* What was wrong in the last failed call on this thread; "" if none failed.
   Valid until the thread's next call. */
DLC_API const char *dlc_message(void);

/* Version of the library, such as "0.1.0". */
DLC_API const char *dlc_version(void);

/* ---- Tensors ----------------------------------------------------------- */

/* Field for field DLPack's DLTensor and its parts; where dlpack.h was included
   before, the very same types. */
#ifdef DLPACK_DLPACK_H_
typedef DLDevice dlc_device;
typedef DLDataType dlc_data_type;
typedef DLTensor dlc_tensor;
#else
typedef struct dlc_device {
  int32_t device_type; /* dlc_device_type */
  int32_t device_id;
} dlc_device;

typedef struct dlc_data_type {
  uint8_t code;   /* dlc_type_code */
  uint8_t bits;   /* of one element; below 8: packed, low bits first */
  uint16_t lanes; /* 1 */
} dlc_data_type;

typedef struct dlc_tensor {
  void *data;
  dlc_device device;
  int32_t ndim;
  dlc_data_type dtype;
  int64_t *shape;
  int64_t *strides; /* in elements; NULL = dense row-major */
  uint64_t byte_offset;
} dlc_tensor;
#endif

/* DLPack's numbers. */
typedef enum dlc_device_type {
  DLC_DEVICE_CPU = 1,
  DLC_DEVICE_CUDA = 2,    /* through libcuda.so.1 */
  DLC_DEVICE_PTXSIM = 12, /* code for CUDA on the simulator libptxsim.so; in
                             DLPack, an extension device */
} dlc_device_type;

/* DLPack's numbers, then our own. */
typedef enum dlc_type_code {
  DLC_INT = 0,
  DLC_UINT = 1,
  DLC_FLOAT = 2,
  DLC_BFLOAT = 4,
  DLC_COMPLEX = 5,
  DLC_BOOL = 6,
  DLC_FLOAT8_E3M4 = 7,
  DLC_FLOAT8_E4M3 = 8,
  DLC_FLOAT8_E4M3B11FNUZ = 9,
  DLC_FLOAT8_E4M3FN = 10,
  DLC_FLOAT8_E4M3FNUZ = 11,
  DLC_FLOAT8_E5M2 = 12,
  DLC_FLOAT8_E5M2FNUZ = 13,
  DLC_FLOAT8_E8M0FNU = 14,
  DLC_FLOAT6_E2M3FN = 15,
  DLC_FLOAT6_E3M2FN = 16,
  DLC_FLOAT4_E2M1FN = 17,
  /* Reserved: no model of this container version has them. */
  DLC_STRING = 240,
  DLC_SEQUENCE = 241,
  DLC_OPTIONAL = 242,
} dlc_type_code;

/* ---- Models ------------------------------------------------------------ */

typedef struct dlc_model dlc_model;

typedef struct dlc_load_options {
  uint64_t struct_size;
  /* Nonzero: compare the digest of every block of weights (about 0.1 ms per
     MiB cold). Header and code are always checked. */
  uint32_t verify_weights;
  uint32_t reserved;
  /* Name of the code variant to use; NULL = the best that this machine can
     run. */
  const char *variant;
} dlc_load_options;

/* Loads the model in a file: a .dlc, a .so, or an executable with a model
   appended. options may be NULL. The file may be replaced, not overwritten,
   while the model is loaded. */
DLC_API dlc_status dlc_model_load(const char *path,
                                  const dlc_load_options *options,
                                  dlc_model **model);

/* The same for a model that the compiler made as an object file, whose header
   declares the argument; it stays in use until the model is freed. */
typedef struct dlc_embedded_model dlc_embedded_model;
DLC_API dlc_status dlc_model_load_embedded(const dlc_embedded_model *embedded,
                                           const dlc_load_options *options,
                                           dlc_model **model);

/* Gives up the model; its memory goes when its last context went too. NULL is
   allowed. */
DLC_API void dlc_model_free(dlc_model *model);

typedef struct dlc_model_info {
  uint64_t struct_size;
  const char *name;
  const char *producer;
  const char *compiler_version;
  const char *compile_options;
  const char *variant;          /* the code variant in use on the CPU; in files
                                   without code for it, on GPUs */
  const char *variant_features; /* that it needs, separated by commas */
  uint32_t format_major;
  uint32_t format_minor;
  uint32_t num_inputs;
  uint32_t num_outputs;
  uint32_t num_dispatches;
  uint32_t num_variants;
  uint32_t num_metrics;
  uint32_t num_symbols;
  uint64_t code_bytes;
  uint64_t weights_bytes;
  int64_t arena_bytes;       /* -1: depends on the shapes */
  int64_t arena_lower_bound; /* -1: depends on the shapes */
  uint8_t source_digest[16];
  const char *weights_file; /* "" unless the weights are external */
} dlc_model_info;

DLC_API dlc_status dlc_model_get_info(const dlc_model *model,
                                      dlc_model_info *info);

/* One dim of an input or output: static where min == max and symbol is NULL;
   max and divisor are -1 where there is none. An output dim that depends on
   data, or on sizes in a way that is no single symbol, has min 0, max -1. */
typedef struct dlc_dim_info {
  uint64_t struct_size;
  const char *symbol; /* equal names have equal sizes; NULL = no symbol */
  int64_t min;
  int64_t max;
  int64_t divisor;
} dlc_dim_info;

typedef struct dlc_value_info {
  uint64_t struct_size;
  const char *name;
  dlc_data_type dtype;
  int32_t ndim;
  uint32_t size_known_before_run; /* 0: an output sized by data */
} dlc_value_info;

DLC_API dlc_status dlc_model_get_input(const dlc_model *model, uint32_t index,
                                       dlc_value_info *info);
DLC_API dlc_status dlc_model_get_output(const dlc_model *model, uint32_t index,
                                        dlc_value_info *info);
DLC_API dlc_status dlc_model_get_input_dim(const dlc_model *model,
                                           uint32_t index, uint32_t dim,
                                           dlc_dim_info *info);
DLC_API dlc_status dlc_model_get_output_dim(const dlc_model *model,
                                            uint32_t index, uint32_t dim,
                                            dlc_dim_info *info);

/* Position of the input or output with that name; DLC_USAGE lists the names
   there are. */
DLC_API dlc_status dlc_model_find_input(const dlc_model *model,
                                        const char *name, uint32_t *index);
DLC_API dlc_status dlc_model_find_output(const dlc_model *model,
                                         const char *name, uint32_t *index);

/* A number of the compiler's memory report, in bytes. */
DLC_API dlc_status dlc_model_get_metric(const dlc_model *model, uint32_t index,
                                        const char **name, int64_t *value);

/* A code variant in the file, those for one type of device best first;
   supported says whether this CPU can run its host code. */
typedef struct dlc_variant_info {
  uint64_t struct_size;
  const char *name;
  const char *features;
  uint32_t supported;
  int32_t device_type; /* DLC_DEVICE_CPU or DLC_DEVICE_CUDA */
  uint32_t num_images; /* on CUDA: for so many architectures */
  uint32_t reserved;
} dlc_variant_info;

DLC_API dlc_status dlc_model_get_variant(const dlc_model *model, uint32_t index,
                                         dlc_variant_info *info);

/* Code for one GPU architecture, in a variant for GPUs. */
typedef struct dlc_image_info {
  uint64_t struct_size;
  uint32_t arch;   /* compute capability times ten: 80, 90, 120 */
  char suffix[4];  /* "a": for exactly this architecture; else "" */
  uint32_t is_ptx; /* 0: machine code */
  uint32_t reserved;
  uint64_t bytes;
} dlc_image_info;

DLC_API dlc_status dlc_model_get_image(const dlc_model *model, uint32_t variant,
                                       uint32_t index, dlc_image_info *info);

/* ---- Devices ----------------------------------------------------------- */

/* "cpu", "cuda", "cuda:1", "ptxsim", into a device. */
DLC_API dlc_status dlc_device_parse(const char *text, dlc_device *device);

/* How many devices there are of a type. Fails, with the reason, where the
   library that drives them cannot be used. */
DLC_API dlc_status dlc_device_count(int32_t device_type, uint32_t *count);

typedef struct dlc_device_info {
  uint64_t struct_size;
  char name[128];        /* "NVIDIA H200" */
  char arch[16];         /* "sm_90", "x86-64" */
  uint64_t memory_bytes; /* in all */
  uint32_t num_cores;    /* multiprocessors; CPUs that this process may use */
  int32_t cuda_version;  /* that the driver supports, 12040 for 12.4; 0 */
} dlc_device_info;

DLC_API dlc_status dlc_device_get_info(dlc_device device,
                                       dlc_device_info *info);

/* ---- Contexts and runs ------------------------------------------------- */

typedef struct dlc_context dlc_context;

/* Whether equal runs, with tensors in equal places, become CUDA graphs, which
   start all kernels at once. */
typedef enum dlc_graph_mode {
  DLC_GRAPHS_DEFAULT = 0, /* yes, but not on the simulator, which then could
                             not tell which kernel failed */
  DLC_GRAPHS_NEVER = 1,
  DLC_GRAPHS_ALWAYS = 2, /* where the code allows it */
} dlc_graph_mode;

typedef struct dlc_context_options {
  uint64_t struct_size;
  dlc_device device; /* {0, 0} = CPU */
  void *stream;      /* the CUstream to use; NULL: one of the context's own. On
                        the CPU: NULL */
  /* Most threads a run uses, the caller's included; 0 = as many as the
     affinity mask and the cgroup's CPU quota allow. More than 256 count as
     256, as dlc_context_info says. */
  uint32_t num_threads;
  /* Nonzero: note the time of every dispatch, see dlc_context_get_profile. */
  uint32_t profile;
  uint32_t graph_mode; /* dlc_graph_mode; for GPUs */
  uint32_t reserved;
} dlc_context_options;

/* options may be NULL. */
DLC_API dlc_status dlc_context_create(dlc_model *model,
                                      const dlc_context_options *options,
                                      dlc_context **context);

/* Frees the context and the outputs that it allocated. NULL is allowed. */
DLC_API void dlc_context_free(dlc_context *context);

/* Changes num_threads, for the runs that follow. */
DLC_API dlc_status dlc_context_set_threads(dlc_context *context,
                                           uint32_t num_threads);

/*
 * Makes the runs that follow keep what lies between dispatches in the caller's
 * memory, on the context's device, 64-byte aligned; it must outlive them. A run
 * that needs more than `bytes` of it fails with DLC_RESOURCE and says how much:
 * dlc_context_memory.arena_bytes after dlc_context_prepare tells it before.
 * arena == NULL: memory of the context's own again.
 */
DLC_API dlc_status dlc_context_set_arena(dlc_context *context, void *arena,
                                         int64_t bytes);

/*
 * Runs the model once. Inputs and outputs stand in the model's order, and all
 * are given. On a GPU, each may be on the CPU or on the context's device: those
 * on the device that are dense and aligned to 16 bytes are used where they are,
 * others are copied on the device, in stream order; if any is on the CPU, the
 * call returns when the run is done, else it may return before: then
 * dlc_context_synchronize, or the stream, tells the end. Inputs may have any
 * strides and offsets; such that are not dense are copied. An output with data
 * == NULL, or as the context's last run set it, is allocated by the context, on
 * the CPU unless its device is the context's GPU: the call sets all its fields;
 * data and shape stay valid until the context's next run, prepare or free. An
 * output with data != NULL is the caller's memory: dtype and ndim must be the
 * model's, shape the dims the run gives, strides as the caller likes; it must
 * not overlap an input or another output; no tensor may overlap the arena of
 * dlc_context_set_arena. For an output sized by data, shape gives
 * room instead: its element count is the capacity, strides are dense, and the
 * call writes the dims found into shape. After an error the content of outputs
 * is unspecified.
 */
DLC_API dlc_status dlc_context_run(dlc_context *context,
                                   const dlc_tensor *inputs,
                                   uint32_t num_inputs, dlc_tensor *outputs,
                                   uint32_t num_outputs);

/* Does all of a run but the work: checks the inputs, of which data need not be
   set, plans and allocates the memory. Sets dtype, ndim and shape of each
   output (dims sized by data are -1), data to NULL. */
DLC_API dlc_status dlc_context_prepare(dlc_context *context,
                                       const dlc_tensor *inputs,
                                       uint32_t num_inputs, dlc_tensor *outputs,
                                       uint32_t num_outputs);

/* Waits until the context's runs are done; at once on the CPU. Fails with what
   went wrong in them. */
DLC_API dlc_status dlc_context_synchronize(dlc_context *context);

typedef struct dlc_context_info {
  uint64_t struct_size;
  uint32_t num_threads; /* that a run may use now */
  uint32_t reserved;
  int64_t arena_bytes; /* the plan of the last run or prepare */
  int64_t arena_lower_bound;
  int64_t allocated_bytes; /* arena, scratch, late buffers, copies, outputs */
  uint64_t runs;
  uint64_t plans;       /* shapes for which memory was planned */
  uint64_t allocations; /* of memory for runs, since creation */
  const char *variant;  /* the code variant in use */
} dlc_context_info;

DLC_API dlc_status dlc_context_get_info(const dlc_context *context,
                                        dlc_context_info *info);

/* ---- Profiles ---------------------------------------------------------- */

typedef struct dlc_dispatch_info {
  uint64_t struct_size;
  const char *kernel;
  const char *nodes; /* source nodes, separated by line feeds */
  int64_t flops;     /* estimates; -1 = unknown or dynamic */
  int64_t bytes;
} dlc_dispatch_info;

DLC_API dlc_status dlc_model_get_dispatch(const dlc_model *model,
                                          uint32_t index,
                                          dlc_dispatch_info *info);

typedef struct dlc_profile_event {
  uint32_t dispatch;
  uint32_t num_threads; /* that could take part; on GPUs, of the grid */
  int64_t begin_ns;     /* from the start of the run */
  int64_t end_ns;
} dlc_profile_event;

/* The dispatches of the last run, in order; valid until the next run. Empty
   unless the context was created with profile. */
DLC_API dlc_status dlc_context_get_profile(const dlc_context *context,
                                           const dlc_profile_event **events,
                                           uint64_t *count);

/* ---- Threads ----------------------------------------------------------- */

/*
 * The runtime has one pool of threads per process. A run that finds it in use
 * by another run works on its caller's thread alone. Threads spin for a bounded
 * time inside a run, and sleep outside. After fork the child starts anew.
 * The pool is replaced by giving a function that calls body(data, i) once for
 * each i in [0, count), in any order and on any threads, and returns when all
 * calls did; concurrent calls must be allowed. NULL brings the pool back.
 * Affects runs that start after the call.
 */
typedef void dlc_parallel_body(void *data, uint32_t index);
typedef void dlc_parallel_for(void *user, uint32_t count,
                              dlc_parallel_body *body, void *data);

DLC_API dlc_status dlc_set_parallel_for(dlc_parallel_for *parallel_for,
                                        void *user);

/* How many threads a context with num_threads 0 uses. */
DLC_API uint32_t dlc_default_threads(void);

#ifdef __cplusplus
}
#endif

#endif /* DLC_DLC_H */
