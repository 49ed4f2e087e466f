/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * The contract between the code that the compiler generates and the runtime
 * that loads it. Per variant the code exports two functions, whose names
 * are the variant's prefix plus "_size" and "_run"; see dlc_entry. The structs
 * are laid out for LP64; code generators rely on the offsets asserted below.
 */
#ifndef DLC_EXEC_H
#define DLC_EXEC_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * One kernel: does work items [begin, end) of a dispatch.
 *   buffers  one pointer per operand, then one per result, each to the first
 *            element of dense row-major data
 *   sizes    the dispatch's run-time index values
 *   scratch  this worker's private memory, 64-byte aligned, with unspecified
 *            content; NULL when the launch asks for no scratch
 * Items are independent of each other: any partition of them, in any order and
 * on any threads, must give the same bits.
 */
typedef void dlc_kernel(void *const *buffers, const int64_t *sizes,
                        int64_t begin, int64_t end, void *scratch);

/* One execution of a kernel; read during the call of dlc_exec.launch only. */
typedef struct dlc_launch {
  dlc_kernel *kernel;
  void *const *buffers;
  const int64_t *sizes;
  int64_t items;         /* 0 or less: nothing is done */
  int64_t work;          /* estimated nanoseconds of all items on one core;
                            small work stays on one thread */
  int64_t scratch_bytes; /* per worker */
  uint32_t dispatch;     /* index into the header's dispatch table */
} dlc_launch;

typedef struct dlc_exec dlc_exec;

/*
 * A tensor of a launch that the kernel copies by bulk tensor copies (PTX's
 * cp.async.bulk.tensor, sm_90 and later): what cuTensorMapEncodeTiled makes a
 * CUtensorMap of. Dim 0 is the innermost, whose elements are neighbours.
 * Elements that a box has outside of the tensor are copied as zeros.
 */
typedef struct dlc_tensor_map {
  uint32_t buffer;        /* index among the launch's buffers, whose first
                             element is that at (0, ..., 0) */
  uint32_t element_bytes; /* 1, 2 or 4 */
  uint32_t rank;          /* 2 to 5 */
  uint32_t swizzle_bytes; /* 0, 32, 64 or 128 */
  int64_t sizes[5];       /* in elements; 0 in a tensor without elements */
  int64_t strides[5];     /* in bytes; multiples of 16, but strides[0], which is
                             not read; below 16 where nothing is that far */
  uint32_t box[5];        /* elements that one copy moves; 1 to 256 */
  uint32_t reserved;      /* 0 */
} dlc_tensor_map;

/* The bit of dlc_device_launch.kernel that says that the launch has maps. */
#define DLC_LAUNCH_MAPS 0x80000000u

/*
 * One execution of a device kernel; read during the call of
 * dlc_exec.device_launch only. The kernel's parameters are, in this order: one
 * pointer per buffer, one int64_t per size, one CUtensorMap per map (128 bytes,
 * by value, 128-byte aligned), one pointer to the scratch memory (which a
 * kernel that never has any need not declare).
 */
typedef struct dlc_device_launch {
  uint32_t kernel;   /* index among the kernels of the variant, with
                        DLC_LAUNCH_MAPS or not */
  uint32_t dispatch; /* as in dlc_launch */
  /* Device addresses, one per operand, then one per result, each of the first
     element of dense row-major data. */
  void *const *buffers;
  const int64_t *sizes; /* run-time index values */
  uint32_t num_buffers;
  uint32_t num_sizes;
  uint32_t grid[3]; /* in blocks; any of them 0: nothing is done */
  uint32_t block[3];
  uint32_t cluster[3];   /* in blocks; all 0 or all 1: no clusters */
  uint32_t shared_bytes; /* dynamic, per block */
  int64_t scratch_bytes; /* of the whole launch, 256-byte aligned, with
                            unspecified content; 0: none */
  /* Only with DLC_LAUNCH_MAPS in `kernel`: code that was compiled before there
     were maps ends the struct here. A runtime from then finds no kernel of such
     an index, and refuses the launch. */
  const dlc_tensor_map *maps;
  uint32_t num_maps;
  uint32_t reserved; /* 0 */
} dlc_device_launch;

/*
 * What one run gives to the generated code. Pointers to arrays are never NULL
 * where the array has elements. The code writes only what is marked written;
 * it keeps nothing between runs, and has no writable globals.
 * In a variant for a GPU, inputs, outputs, arena, params and late memory are
 * addresses of the device, which the code must not read or write: inputs and
 * outputs are aligned to 16 bytes, the arena, its buffers as their records say,
 * and late memory to 256.
 */
struct dlc_exec {
  uint64_t struct_size; /* bytes of this struct in the runtime */

  /* First element of each input, dense row-major, aligned to its element; not
     given to the sizing function, which sees dims only. */
  void *const *inputs;
  /* All inputs' dims, concatenated in input order. Checked against the header
     before any generated code runs. */
  const int64_t *input_dims;
  /* First element of each output, dense row-major, aligned to its element;
     outputs with an unknown dim are NULL until late_output is called, and the
     runtime then stores the pointer here. Not given to the sizing function. */
  void **outputs;
  /* All outputs' dims, concatenated. Written by the sizing function; dims that
     data decides are -1 until the run writes them, before it returns. */
  int64_t *output_dims;

  /* Base of the arena, 64-byte aligned. Not given to the sizing function. */
  char *arena;
  /* Bytes per buffer of the header's buffer table. Written by the sizing
     function for buffers whose bytes there are DLC_BYTES_AT_SIZING. */
  int64_t *buffer_bytes;
  /* Offset of each buffer in the arena; -1 for late buffers. Not given to the
     sizing function. */
  const int64_t *buffer_offsets;
  /* The mapped weights, page-aligned; on a device, the address that they would
     have if those before the program's part were there, too. Not given to the
     sizing function. */
  const char *params;

  /* Runs all items of a launch, on as many threads as pay off; returns when
     they are done. Returns 0, or a status that the code returns at once. */
  int32_t (*launch)(dlc_exec *exec, const dlc_launch *launch);
  /* Reports that a check of the header's check table failed; values fill the
     places {0}, {1}, ... of its message. Returns the status that the code
     returns at once. */
  int32_t (*fail)(dlc_exec *exec, uint32_t check, const int64_t *values,
                  uint32_t count);
  /* Memory for a late buffer (DLC_BYTES_LATE in the table) of which the run
     now knows the size; 64-byte aligned, kept and grown by the context, so a
     second call for the same buffer ends the first call's memory. Negative
     bytes stand for more than there can be. NULL when there is no memory: the
     code returns DLC_EXEC_STOP at once. */
  void *(*late)(dlc_exec *exec, uint32_t buffer, int64_t bytes);
  /* The same for an output with unknown dims, the caller's memory if he gave
     some. Its dims are written to output_dims before or after. */
  void *(*late_output)(dlc_exec *exec, uint32_t output, int64_t bytes);

  /* For variants for a GPU, which must not call launch; the others must not
     call these. They return 0, or a status that the code returns at once.
     Work goes into one stream: it is done in the order of the calls, and may
     still be under way when they return. */
  int32_t (*device_launch)(dlc_exec *exec, const dlc_device_launch *launch);
  /* Copies within the device; the ranges do not overlap. */
  int32_t (*device_copy)(dlc_exec *exec, void *target, const void *source,
                         int64_t bytes);
  /* Copies to the host, after all work before is done. */
  int32_t (*device_read)(dlc_exec *exec, void *host, const void *device,
                         int64_t bytes);
};

/* Returned by generated code after late or late_output gave NULL; the runtime
   has noted the status and the message. */
#define DLC_EXEC_STOP (-1)

/*
 * "<prefix>_size" computes output_dims and buffer_bytes from input_dims;
 * "<prefix>_run" does the work. Both return 0, or the status that launch or
 * fail gave, or DLC_EXEC_STOP. Either may be called from several threads at
 * once, each with its own dlc_exec.
 */
typedef int32_t dlc_entry(dlc_exec *exec);

/*
 * A model that is linked into the program instead of loaded from a file: what
 * dlc_model_load_embedded takes. The compiler emits one in the object file.
 */
struct dlc_embedded_model {
  uint64_t struct_size;
  const void *header; /* header block, see format.h; 8-byte aligned */
  uint64_t header_bytes;
  const void *weights; /* 64-byte aligned */
  uint64_t weights_bytes;
  /* Per variant of the header's table; size, or its entry, may be NULL with
     DLC_HEADER_NO_SIZING. */
  dlc_entry *const *size;
  dlc_entry *const *run;
  /* Device images, 64-byte aligned, as footer.images_offset has them in a
     file; NULL without any. Since container version 1.1: not there where
     struct_size is 56. */
  const void *images;
  uint64_t images_bytes;
};

#ifdef __cplusplus
#define DLC_EXEC_ASSERT(condition, text) static_assert(condition, text)
#else
#define DLC_EXEC_ASSERT(condition, text) _Static_assert(condition, text)
#endif
DLC_EXEC_ASSERT(offsetof(dlc_launch, kernel) == 0, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_launch, buffers) == 8, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_launch, sizes) == 16, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_launch, items) == 24, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_launch, work) == 32, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_launch, scratch_bytes) == 40, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_launch, dispatch) == 48, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_device_launch, kernel) == 0, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_device_launch, dispatch) == 4, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_device_launch, buffers) == 8, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_device_launch, sizes) == 16, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_device_launch, num_buffers) == 24, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_device_launch, num_sizes) == 28, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_device_launch, grid) == 32, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_device_launch, block) == 44, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_device_launch, cluster) == 56, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_device_launch, shared_bytes) == 68, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_device_launch, scratch_bytes) == 72, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_device_launch, maps) == 80, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_device_launch, num_maps) == 88, "layout");
DLC_EXEC_ASSERT(sizeof(dlc_device_launch) == 96, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_tensor_map, buffer) == 0, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_tensor_map, element_bytes) == 4, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_tensor_map, rank) == 8, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_tensor_map, swizzle_bytes) == 12, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_tensor_map, sizes) == 16, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_tensor_map, strides) == 56, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_tensor_map, box) == 96, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_tensor_map, reserved) == 116, "layout");
DLC_EXEC_ASSERT(sizeof(dlc_tensor_map) == 120, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_exec, struct_size) == 0, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_exec, inputs) == 8, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_exec, input_dims) == 16, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_exec, outputs) == 24, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_exec, output_dims) == 32, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_exec, arena) == 40, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_exec, buffer_bytes) == 48, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_exec, buffer_offsets) == 56, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_exec, params) == 64, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_exec, launch) == 72, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_exec, fail) == 80, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_exec, late) == 88, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_exec, late_output) == 96, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_exec, device_launch) == 104, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_exec, device_copy) == 112, "layout");
DLC_EXEC_ASSERT(offsetof(dlc_exec, device_read) == 120, "layout");
DLC_EXEC_ASSERT(offsetof(struct dlc_embedded_model, images) == 56, "layout");

#ifdef __cplusplus
}
#endif

#endif /* DLC_EXEC_H */
