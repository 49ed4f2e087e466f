/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * The container of a compiled model: an ELF shared object with a tail.
 *
 *   [0]              ELF shared object (code)
 *   [images_offset]  code for other devices, each image 64-byte aligned and
 *                    followed by a zero byte; absent where there is none
 *   [header_offset]  header block: dlc_format_header, record arrays, strings
 *   [weights_offset] weights, page-aligned, mapped and never copied; absent
 *                    when they lie in a file of their own beside the model
 *   [digests_offset] one digest per block of weights
 *   [end - footer]   dlc_format_footer
 *
 * A model may be appended to a launcher: all offsets count from the model's
 * first byte, which is the end of the file minus footer.model_bytes. Gaps are
 * zero, so that no byte of the file escapes the checks. Numbers are
 * little-endian. Digests are XXH3-128 with seed 0, in canonical (big-endian)
 * byte order.
 *
 * Versions: a reader accepts its own major. A newer minor only appends fields
 * to records, appends arrays to the header, or gives meaning to reserved zero
 * fields; every array carries the size of its records, and a reader takes
 * missing fields as zero and skips those it does not know.
 */
#ifndef DLC_FORMAT_H
#define DLC_FORMAT_H

#include <stdint.h>

#define DLC_FORMAT_MAJOR 1u
#define DLC_FORMAT_MINOR 1u
#define DLC_FORMAT_MAGIC "DLCMODEL" /* 8 bytes, without the final zero */
#define DLC_FORMAT_PAGE_BYTES 4096u
#define DLC_FORMAT_WEIGHTS_BLOCK_BYTES (1u << 20)
#define DLC_FORMAT_MAX_RANK 64u
#define DLC_FORMAT_IMAGE_ALIGNMENT 64u

/* Type codes beyond DLPack's (DLDataTypeCode); reserved for later use. */
#define DLC_TYPE_STRING 240u
#define DLC_TYPE_SEQUENCE 241u
#define DLC_TYPE_OPTIONAL 242u

typedef struct dlc_format_digest {
  uint8_t bytes[16];
} dlc_format_digest;

/* The last bytes of the file. The last 16 stay as they are in every major. */
typedef struct dlc_format_footer {
  uint64_t model_bytes;   /* from the model's first byte to the end of this */
  uint64_t code_bytes;    /* length of the ELF shared object */
  uint64_t header_offset; /* multiple of 8 */
  uint64_t header_bytes;
  uint64_t weights_offset; /* page-aligned; equal to digests_offset when the
                              weights are external */
  uint64_t weights_bytes;  /* without the gap after them */
  uint64_t digests_offset; /* multiple of 16 */
  uint64_t digests_count;  /* one per block, the last block may be short */
  uint64_t weights_block_bytes;
  uint32_t flags; /* DLC_FOOTER_* */
  uint32_t reserved0;
  uint64_t images_offset; /* multiple of DLC_FORMAT_IMAGE_ALIGNMENT; 0 with
                             images_bytes 0: no images (since 1.1) */
  uint64_t images_bytes;  /* all images with the gaps between them (1.1) */
  uint64_t reserved[3];
  dlc_format_digest code_digest;    /* of [0, header_offset) */
  dlc_format_digest header_digest;  /* of [header_offset, weights_offset) */
  dlc_format_digest digests_digest; /* of [digests_offset, footer) */
  dlc_format_digest footer_digest;  /* of this footer up to here, followed by
                                       major, minor and magic */
  uint32_t major;
  uint32_t minor;
  char magic[8];
} dlc_format_footer;

#define DLC_FOOTER_WEIGHTS_EXTERNAL 1u

/* A string: offset into the header's string table, and length without the
   zero byte that follows it there. */
typedef struct dlc_format_string {
  uint32_t offset;
  uint32_t length;
} dlc_format_string;

/* An array of records: offset from the header block's first byte, a multiple
   of 8; stride is the size of one record in this file. */
typedef struct dlc_format_array {
  uint32_t offset;
  uint32_t count;
  uint32_t stride;
  uint32_t reserved;
} dlc_format_array;

typedef enum dlc_format_dim_kind {
  DLC_DIM_STATIC = 0,  /* value is the size */
  DLC_DIM_SYMBOL = 1,  /* value is an index into the symbols */
  DLC_DIM_UNKNOWN = 2, /* any size: inputs, checked by generated code if at
                          all; outputs, known during the run or computed by the
                          sizing function, see dlc_format_value.flags */
} dlc_format_dim_kind;

typedef struct dlc_format_dim {
  uint32_t kind; /* dlc_format_dim_kind */
  uint32_t reserved;
  int64_t value;
} dlc_format_dim;

/* An input or output. */
typedef struct dlc_format_value {
  dlc_format_string name;
  uint8_t type_code; /* DLPack's codes, or DLC_TYPE_* */
  uint8_t type_bits;
  uint16_t type_lanes; /* 1 */
  uint32_t rank;       /* <= DLC_FORMAT_MAX_RANK */
  uint32_t first_dim;  /* index into the dims; inputs' dims come first, then
                          outputs', each concatenated in order */
  uint32_t flags;      /* DLC_VALUE_* */
} dlc_format_value;

/* Output whose size only the run knows: its memory comes from late_output. */
#define DLC_VALUE_LATE 1u

/* A size shared by dims: they are equal, min <= size <= max, and size is a
   multiple of divisor; -1 for unbounded or no divisor. */
typedef struct dlc_format_symbol {
  dlc_format_string name;
  int64_t min;
  int64_t max;
  int64_t divisor;
} dlc_format_symbol;

/* Code for one class of machines; those for one type of device best first.
   What a variant for a GPU exports runs on the host, and launches the kernels
   of the variant's device images. Ranges are records of the tables named. */
typedef struct dlc_format_variant {
  dlc_format_string name;     /* such as x86-64-v4 */
  dlc_format_string prefix;   /* of the exported functions, see exec.h */
  dlc_format_string features; /* required of the host's CPU, by LLVM's names,
                                 such as "avx2,fma,bmi2"; empty: none */
  uint32_t device_type;       /* dlc_device_type: 1 = CPU, 2 = CUDA */
  uint32_t reserved;
  /* Since 1.1. */
  uint32_t program; /* index into the programs */
  uint32_t reserved1;
  uint32_t first_image, num_images;
  uint32_t first_kernel, num_kernels;
} dlc_format_variant;

/* The buffers, dispatches and checks that a variant's code counts from 0, and
   what else depends on the code. Variants may share one. A file without
   programs (1.0) has one, which is all of the tables, with the header's flags
   and arena. */
typedef struct dlc_format_program {
  uint32_t flags; /* DLC_HEADER_* */
  uint32_t reserved;
  uint32_t first_buffer, num_buffers; /* of the offsets, too */
  uint32_t first_dispatch, num_dispatches;
  uint32_t first_check, num_checks;
  int64_t arena_bytes; /* as in the header */
  int64_t arena_lower_bound;
  uint64_t params_offset; /* the part of the weights that the code reads; */
  uint64_t params_bytes;  /* only this is copied to a device */
} dlc_format_program;

#define DLC_PARAMS_TO_END UINT64_MAX /* all weights from params_offset on */

typedef enum dlc_format_image_kind {
  DLC_IMAGE_PTX = 1,   /* text, compiled by the device's driver */
  DLC_IMAGE_CUBIN = 2, /* machine code */
} dlc_format_image_kind;

/* All device kernels of a variant, for one architecture. The images of a
   variant differ in architecture or kind only: each has every kernel of the
   variant, with the same parameters and the same launch geometry. */
typedef struct dlc_format_image {
  uint32_t kind;        /* dlc_format_image_kind */
  uint32_t arch;        /* compute capability times ten: 80, 90, 120 */
  uint32_t arch_suffix; /* 'a': for exactly this architecture (sm_90a);
                           0: PTX is good for later ones, too */
  uint32_t reserved;
  uint64_t offset;          /* from footer.images_offset; aligned */
  uint64_t bytes;           /* without the zero byte that follows */
  dlc_format_digest digest; /* of these bytes */
} dlc_format_image;

/* A kernel of the device images. */
typedef struct dlc_format_kernel {
  dlc_format_string name;        /* of the entry function in each image */
  uint32_t static_shared_bytes;  /* per block */
  uint32_t dynamic_shared_bytes; /* the most that a launch asks for */
  uint32_t threads;              /* per block; 0: each launch says */
  uint32_t reserved;
} dlc_format_kernel;

#define DLC_BYTES_AT_SIZING (-1)
#define DLC_BYTES_LATE (-2)

/* A buffer of the arena. Two buffers may share memory unless the inclusive
   step ranges [first, last] overlap. */
typedef struct dlc_format_buffer {
  int64_t bytes;     /* or DLC_BYTES_AT_SIZING, DLC_BYTES_LATE */
  int64_t alignment; /* power of two, <= page */
  int32_t first;     /* step of the program, >= 0 */
  int32_t last;      /* >= first */
} dlc_format_buffer;

typedef struct dlc_format_dispatch {
  dlc_format_string kernel; /* name of the kernel */
  dlc_format_string nodes;  /* source nodes, separated by line feeds */
  int64_t flops;            /* estimates; -1 = unknown or dynamic */
  int64_t bytes;
} dlc_format_dispatch;

/* A check that generated code does; see dlc_exec.fail. */
typedef struct dlc_format_check {
  dlc_format_string
      message;     /* with {0}, {1}, ... for values; "{{" is a brace */
  uint32_t status; /* dlc_status it returns; not 0 */
  uint32_t reserved;
} dlc_format_check;

/* A number of the memory report, in bytes. */
typedef struct dlc_format_metric {
  dlc_format_string name;
  int64_t value;
} dlc_format_metric;

/* First in the header block. */
typedef struct dlc_format_header {
  uint32_t struct_bytes;    /* of this struct in this file */
  uint32_t flags;           /* DLC_HEADER_* */
  dlc_format_array strings; /* stride 1 */
  dlc_format_string model_name;
  dlc_format_string producer;         /* who made the source model */
  dlc_format_string compiler_version; /* of dlc */
  dlc_format_string options;          /* compile options as text */
  dlc_format_string weights_file;     /* external weights: a file name without
                                         a slash, beside the model */
  dlc_format_digest source_digest;    /* of the source model's file */
  dlc_format_array inputs;            /* dlc_format_value */
  dlc_format_array outputs;           /* dlc_format_value */
  dlc_format_array dims;              /* dlc_format_dim */
  dlc_format_array symbols;           /* dlc_format_symbol */
  dlc_format_array variants;          /* dlc_format_variant */
  dlc_format_array buffers;           /* dlc_format_buffer */
  dlc_format_array offsets;    /* int64_t per buffer, the static plan; count 0
                                  without DLC_HEADER_STATIC_PLAN */
  dlc_format_array dispatches; /* dlc_format_dispatch */
  dlc_format_array checks;     /* dlc_format_check */
  dlc_format_array metrics;    /* dlc_format_metric */
  int64_t arena_bytes;         /* static plan: what a run uses, else -1 */
  int64_t arena_lower_bound;   /* live-bytes bound of it, else -1 */
  /* Since 1.1. */
  dlc_format_array programs; /* dlc_format_program */
  dlc_format_array images;   /* dlc_format_image */
  dlc_format_array kernels;  /* dlc_format_kernel */
} dlc_format_header;

/* Sizes in container version 1.0. */
#define DLC_FORMAT_HEADER_BYTES_1_0 256u
#define DLC_FORMAT_VARIANT_BYTES_1_0 32u

/* Offsets and arena_bytes hold for every shape the model accepts. Buffers of
   DLC_BYTES_LATE have offset -1, as have all buffers of programs without this
   flag, if another has it. */
#define DLC_HEADER_STATIC_PLAN 1u
/* The sizing function is absent: all outputs' dims are static, and no buffer
   has DLC_BYTES_AT_SIZING. */
#define DLC_HEADER_NO_SIZING 2u

#ifdef __cplusplus
#define DLC_FORMAT_ASSERT(condition) static_assert(condition, "layout")
#else
#define DLC_FORMAT_ASSERT(condition) _Static_assert(condition, "layout")
#endif
DLC_FORMAT_ASSERT(sizeof(dlc_format_footer) == 200);
DLC_FORMAT_ASSERT(sizeof(dlc_format_value) == 24);
DLC_FORMAT_ASSERT(sizeof(dlc_format_dim) == 16);
DLC_FORMAT_ASSERT(sizeof(dlc_format_symbol) == 32);
DLC_FORMAT_ASSERT(sizeof(dlc_format_variant) == 56);
DLC_FORMAT_ASSERT(sizeof(dlc_format_program) == 64);
DLC_FORMAT_ASSERT(sizeof(dlc_format_image) == 48);
DLC_FORMAT_ASSERT(sizeof(dlc_format_kernel) == 24);
DLC_FORMAT_ASSERT(sizeof(dlc_format_buffer) == 24);
DLC_FORMAT_ASSERT(sizeof(dlc_format_dispatch) == 32);
DLC_FORMAT_ASSERT(sizeof(dlc_format_check) == 16);
DLC_FORMAT_ASSERT(sizeof(dlc_format_metric) == 16);
DLC_FORMAT_ASSERT(sizeof(dlc_format_header) == 304);

#endif /* DLC_FORMAT_H */
