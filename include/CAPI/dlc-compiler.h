/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * The C API of the dlc compiler (libdlc-compiler.so): an ONNX model in, a model
 * binary or any intermediate text out. C11, no LLVM or C++ type crosses it.
 *
 * There is no process-wide state: every call gets all it needs in its options,
 * and any number of threads may call at the same time. Nothing is printed; what
 * there is to say goes to the callbacks and to the result.
 *
 * Every struct starts with its own size in bytes, as the caller knew it when it
 * was compiled. Later versions only append fields, and read no further than
 * that size; a field of value 0 means the default. Always start from zeroed
 * memory: the DLC_..._INIT macros do.
 */
#ifndef DLC_CAPI_DLC_COMPILER_H
#define DLC_CAPI_DLC_COMPILER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) || defined(__clang__)
#define DLC_COMPILER_API __attribute__((visibility("default")))
#else
#define DLC_COMPILER_API
#endif

/* What became of a call. The values 0 to 6 are the exit codes of the tools. */
typedef enum dlc_compiler_status {
  DLC_COMPILER_OK = 0,
  /* A wrong option, or two that exclude each other. */
  DLC_COMPILER_USAGE = 1,
  /* A valid model that dlc cannot compile (yet): operator, attribute, type or
   * shape. Every such node has been reported. */
  DLC_COMPILER_UNSUPPORTED = 2,
  /* A limit was hit: memory, disk space, model size. */
  DLC_COMPILER_RESOURCE = 3,
  /* Results differ from their reference. The compiler itself never returns it;
   * the value is kept equal to the tools' exit code. */
  DLC_COMPILER_VERIFICATION = 4,
  /* A bug of dlc. A reproducer was written where that was possible. */
  DLC_COMPILER_INTERNAL = 5,
  /* The input is no valid ONNX model, or cannot be read. */
  DLC_COMPILER_INVALID = 6,
  /* is_cancelled said so. The tools exit with 130 then. */
  DLC_COMPILER_CANCELLED = 7
} dlc_compiler_status;

typedef enum dlc_severity {
  DLC_SEVERITY_ERROR = 0,
  DLC_SEVERITY_WARNING = 1,
  DLC_SEVERITY_NOTE = 2,
  DLC_SEVERITY_REMARK = 3
} dlc_severity;

/* One diagnostic. All strings are UTF-8, end with a 0 byte, and live until the
 * callback returns. Those that do not apply are NULL. */
typedef struct dlc_diagnostic {
  size_t struct_size;
  dlc_severity severity;
  /* The class of an error; DLC_COMPILER_OK for anything that is not one. */
  dlc_compiler_status status;
  /* Lower-case, no full stop, no location in it. */
  const char *message;
  /* The node of the model: its name, operator type ("Conv") and operator
   * domain ("" is ONNX's own). */
  const char *node_name;
  const char *op_type;
  const char *domain;
  /* Where in the input: a file, and within it a path of graphs and nodes or
   * line:column, as one printable string. */
  const char *location;
} dlc_diagnostic;

/* The callbacks. `user` is the options' `user`. They may be called from any
 * thread, never two of them at the same time for one dlc_compile, and must not
 * call back into the same compilation. */
typedef void (*dlc_diagnostic_fn)(void *user, const dlc_diagnostic *diagnostic);
/* `phase` is a phase's name ("import", "graph", "dispatch", "schedule",
 * "codegen", "binary"); `done` of `total` units of that phase are finished.
 * `total` is 0 while it is unknown. */
typedef void (*dlc_progress_fn)(void *user, const char *phase, uint64_t done,
                                uint64_t total);
/* Polled often. Nonzero stops the work; nothing is left behind on disk. */
typedef int (*dlc_cancelled_fn)(void *user);

typedef enum dlc_memory_report {
  DLC_MEMORY_REPORT_NONE = 0,
  DLC_MEMORY_REPORT_TEXT = 1,
  DLC_MEMORY_REPORT_JSON = 2
} dlc_memory_report;

/* What to compile and how. Strings are UTF-8, end with a 0 byte, and are only
 * read during the call; NULL or an empty array means the default. */
typedef struct dlc_compiler_options {
  size_t struct_size;

  /* The input: either a file, or a serialised ModelProto in memory, which has
   * to stay unchanged during the call. */
  const char *input_path;
  const void *input_data;
  size_t input_size;
  /* The folder that external data must lie beneath. Default: that of
   * input_path; with input_data there is none, and a model that has external
   * data is refused. */
  const char *model_dir;

  /* Where the result goes: a file, written beside and then renamed, or NULL:
   * into dlc_compiler_result.data. */
  const char *output_path;

  /* "cpu" (the default), "cuda" or "cuda,cpu". */
  const char *target;
  /* The CPU variants to put into one binary: "native" (the default),
   * "x86-64-v3", "x86-64-v4", ... */
  const char *const *cpus;
  size_t num_cpus;
  /* Dimensions, each as the tool's --dim= takes it: "batch=8",
   * "batch=1..32:8" (a range, and the size to tune for), "input[0]=1..32". */
  const char *const *dims;
  size_t num_dims;
  /* "dlc" (the default), "so", "obj", "exe", "nn", "linalg", "llvm", "asm",
   * "ptx". */
  const char *emit;
  /* The first and last phase to run: "import", "graph", "dispatch", "schedule",
   * "codegen", "binary". With from_phase later than "import" the input is MLIR
   * text as that phase expects it. */
  const char *from_phase;
  const char *to_phase;
  /* Writes the IR after each phase into this folder, as numbered files. */
  const char *dump_dir;
  /* "embed" (the default) or "external": weights beside the binary. */
  const char *weights_file;
  dlc_memory_report memory_report;
  /* Threads the compiler may use. 0: those of the process's affinity mask. */
  uint32_t num_threads;

  void *user;
  dlc_diagnostic_fn on_diagnostic;
  dlc_progress_fn on_progress;
  dlc_cancelled_fn is_cancelled;

  /* What products of matrices read on a GPU: "fp32" (NULL), "tf32", "bf16",
   * "fp16". */
  const char *precision;
  /* The architectures that PTX is written for: "sm_80", "sm_90a", ... A binary
   * always has sm_80's, which every later GPU runs. */
  const char *const *gpu_archs;
  size_t num_gpu_archs;
  /* Machine code for each of them beside its PTX, made by this ptxas; "": the
   * one in PATH or the CUDA toolkit. NULL: none. */
  const char *ptxas;
} dlc_compiler_options;

#define DLC_COMPILER_OPTIONS_INIT {.struct_size = sizeof(dlc_compiler_options)}

/* What came out. All memory in it is owned by the result and freed by
 * dlc_compiler_result_free. */
typedef struct dlc_compiler_result {
  size_t struct_size;
  /* The binary or text (a 0 byte follows it, not counted), when output_path was
   * NULL and the call succeeded. Aligned to 64 bytes. */
  void *data;
  size_t size;
  /* The memory report, when one was asked for; else NULL. Ends with a 0 byte.
   */
  char *memory_report;
  /* All errors, one a line, with node names; NULL when there was none. */
  char *error;
  /* The reproducer that an internal error left; else NULL. */
  char *repro_path;
} dlc_compiler_result;

#define DLC_COMPILER_RESULT_INIT {.struct_size = sizeof(dlc_compiler_result)}

/* Compiles one model. `result` may be NULL when output_path is set; otherwise
 * it is filled in, also on failure, and has to be freed. */
DLC_COMPILER_API dlc_compiler_status
dlc_compile(const dlc_compiler_options *options, dlc_compiler_result *result);

/* Says what a model holds and whether dlc can compile it, without compiling.
 * Reads the input fields, `dims` and the callbacks of the options. The result's
 * data is JSON text:
 *   {"schema": "dlc-inspect-1", "ir_version": 8, "producer": "pytorch 2.13",
 *    "opsets": {"": 20, "com.microsoft": 1},
 *    "inputs":  [{"name": "x", "type": "f32", "dims": ["batch", 3, 224]}],
 *    "outputs": [...],
 *    "operators": [{"domain": "", "name": "Conv", "version": 11, "count": 53,
 *                   "supported": true, "reason": null, "node": "conv1"}],
 *    "supported": true}
 * with one entry of "operators" per operator and verdict; "node" is the first
 * node it speaks of, "reason" says why it is not supported. The status is
 * DLC_COMPILER_OK for a valid model, be it supported or not. */
DLC_COMPILER_API dlc_compiler_status
dlc_inspect(const dlc_compiler_options *options, dlc_compiler_result *result);

/* Frees what the result owns and zeroes its fields. NULL and a result that was
 * never filled in are fine. */
DLC_COMPILER_API void dlc_compiler_result_free(dlc_compiler_result *result);

/* "1.0.0": of the compiler, a static string. */
DLC_COMPILER_API const char *dlc_compiler_version(void);

#ifdef __cplusplus
}
#endif

#endif /* DLC_CAPI_DLC_COMPILER_H */
