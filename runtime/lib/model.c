/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Loads models: picks the code variant, binds the code. */
#define _GNU_SOURCE
#include "model.h"

#include "cpu.h"
#include "cuda_model.h"
#include "message.h"

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

bool dlc_struct_in(void *ours, uint64_t our_bytes, const void *theirs) {
  uint64_t bytes;
  memcpy(&bytes, theirs, sizeof bytes);
  if (bytes < sizeof bytes) {
    return false;
  }
  memcpy(ours, theirs, bytes < our_bytes ? bytes : our_bytes);
  return true;
}

bool dlc_struct_out(void *theirs, const void *ours, uint64_t our_bytes) {
  uint64_t bytes;
  memcpy(&bytes, theirs, sizeof bytes);
  if (bytes < sizeof bytes) {
    return false;
  }
  uint64_t take = bytes < our_bytes ? bytes : our_bytes;
  memcpy((char *)theirs + sizeof bytes, (const char *)ours + sizeof bytes,
         take - sizeof bytes);
  return true;
}

/* ---- Variants ---------------------------------------------------------- */

static const char *variant_name(const dlc_model *m, uint32_t i) {
  const dlc_header *h = &m->container.header;
  return dlc_header_text(h, h->variants[i].name);
}

const char *dlc_device_type_name(int32_t device_type) {
  return device_type == DLC_DEVICE_CPU    ? "the CPU"
         : device_type == DLC_DEVICE_CUDA ? "CUDA"
                                          : "a device of another type";
}

size_t dlc_model_missing(const dlc_model *m, uint32_t variant,
                         const char **name) {
  const dlc_header *h = &m->container.header;
  return dlc_cpu_missing(dlc_header_text(h, h->variants[variant].features),
                         name);
}

/* Sets m->wanted. */
static dlc_status find_named(dlc_model *m, const char *wanted) {
  const dlc_header *h = &m->container.header;
  dlc_text names = {0};
  for (uint32_t i = 0; i < h->num_variants; i++) {
    if (strcmp(variant_name(m, i), wanted) == 0) {
      m->wanted = i;
      return DLC_OK;
    }
    dlc_text_add(&names, "%s'%s'", i ? ", " : "", variant_name(m, i));
  }
  return dlc_fail(DLC_USAGE, "no code variant '%s', expected one of %s", wanted,
                  names.bytes);
}

static dlc_status check_wanted(const dlc_model *m, uint32_t device_type) {
  const dlc_header *h = &m->container.header;
  uint32_t wanted = (uint32_t)m->wanted;
  uint32_t type = h->variants[wanted].device_type;
  const char *missing;
  size_t length = dlc_model_missing(m, wanted, &missing);
  if (type != device_type) {
    return dlc_fail(DLC_USAGE, "code variant '%s' is for %s, not for %s",
                    variant_name(m, wanted),
                    dlc_device_type_name((int32_t)type),
                    dlc_device_type_name((int32_t)device_type));
  }
  return length ? dlc_fail(DLC_UNSUPPORTED,
                           "code variant '%s' needs %.*s, which this machine "
                           "does not have",
                           variant_name(m, wanted), (int)length, missing)
                : DLC_OK;
}

/* What the file has instead of code for a type of device. */
static dlc_status refuse_device(const dlc_model *m, int32_t device_type) {
  const dlc_header *h = &m->container.header;
  dlc_text names = {0};
  for (uint32_t i = 0; i < h->num_variants; i++) {
    dlc_text_add(&names, "%s'%s' for %s", i ? ", " : "", variant_name(m, i),
                 dlc_device_type_name((int32_t)h->variants[i].device_type));
  }
  return dlc_fail(DLC_UNSUPPORTED,
                  "the model has no code for %s, only %s: compile it again "
                  "with --target=%s",
                  dlc_device_type_name(device_type), names.bytes,
                  device_type == DLC_DEVICE_CPU ? "cpu" : "cuda");
}

dlc_status dlc_model_pick(const dlc_model *m, int32_t device_type,
                          uint32_t *variant) {
  const dlc_header *h = &m->container.header;
  if (m->wanted >= 0) {
    *variant = (uint32_t)m->wanted;
    return check_wanted(m, (uint32_t)device_type);
  }
  dlc_text reasons = {0};
  for (uint32_t i = 0; i < h->num_variants; i++) {
    if (h->variants[i].device_type != (uint32_t)device_type) {
      continue;
    }
    const char *missing;
    size_t length = dlc_model_missing(m, i, &missing);
    if (!length) {
      *variant = i;
      return DLC_OK;
    }
    dlc_text_add(&reasons, "%s'%s' needs %.*s", reasons.length ? ", " : "",
                 variant_name(m, i), (int)length, missing);
  }
  if (!reasons.length) {
    return refuse_device(m, device_type);
  }
  return dlc_fail(DLC_UNSUPPORTED, "no code variant runs on this machine: %s",
                  reasons.bytes);
}

/* The variant that the model is shown with: one that this CPU can run, for the
   CPU if there is one. */
static dlc_status pick_shown(dlc_model *m, const char *wanted) {
  const dlc_header *h = &m->container.header;
  if (wanted) {
    dlc_status status = find_named(m, wanted);
    m->variant = (uint32_t)m->wanted;
    return status ? status
                  : check_wanted(m, h->variants[m->variant].device_type);
  }
  dlc_status status = dlc_model_pick(m, DLC_DEVICE_CPU, &m->variant);
  for (uint32_t i = 0; status && i < h->num_variants; i++) {
    if (h->variants[i].device_type == DLC_DEVICE_CUDA) {
      status = dlc_model_pick(m, DLC_DEVICE_CUDA, &m->variant);
      break;
    }
  }
  return status;
}

/* ---- Code -------------------------------------------------------------- */

/* Copies the code into a file of its own: dlopen wants it at the start. */
static dlc_status copy_code(dlc_model *m) {
  const dlc_container *c = &m->container;
  m->library_file = memfd_create("dlc-model", MFD_CLOEXEC);
  if (m->library_file < 0) {
    return dlc_fail(DLC_RESOURCE, "cannot create a memory file: %s",
                    strerror(errno));
  }
  const char *at = c->map;
  uint64_t rest = c->footer.code_bytes;
  while (rest > 0) {
    ssize_t count = write(m->library_file, at, rest);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count <= 0) {
      return dlc_fail(DLC_RESOURCE, "cannot copy the model's code: %s",
                      strerror(errno));
    }
    at += count;
    rest -= (uint64_t)count;
  }
  return DLC_OK;
}

/* A path of the file that no earlier dlopen used: the dynamic linker takes
   equal paths for equal files, and file numbers come again. The serial number
   is spelt in "./" and ".//". */
static void unique_path(int file, char *path, size_t room) {
  static _Atomic uint32_t serials;
  uint32_t serial = atomic_fetch_add(&serials, 1);
  size_t length = (size_t)snprintf(path, room, "/proc/self/fd/");
  for (; serial; serial >>= 1) {
    length += (size_t)snprintf(path + length, room - length, "%s",
                               serial & 1 ? ".//" : "./");
  }
  snprintf(path + length, room - length, "%d", file);
}

static dlc_entry *find_entry(const dlc_model *m, uint32_t variant,
                             const char *suffix) {
  const dlc_header *h = &m->container.header;
  char name[512];
  int length =
      snprintf(name, sizeof name, "%s_%s",
               dlc_header_text(h, h->variants[variant].prefix), suffix);
  dlc_entry *entry = NULL;
  if (length < (int)sizeof name) {
    /* POSIX's way around C's missing cast from object to function pointer. */
    *(void **)&entry = dlsym(m->library, name);
  }
  if (!entry) {
    dlc_fail(DLC_CORRUPT, "the model's code has no function '%s'", name);
  }
  return entry;
}

dlc_status dlc_model_bind(const dlc_model *m, uint32_t variant,
                          dlc_code *code) {
  const dlc_header *h = &m->container.header;
  const dlc_program *program = &h->programs[h->variants[variant].program];
  bool sizing = !(program->flags & DLC_HEADER_NO_SIZING);
  *code = (dlc_code){.variant = variant, .program = program};
  if (m->embedded) {
    code->run = m->embedded->run[variant];
    code->size = sizing ? m->embedded->size[variant] : NULL;
    return DLC_OK;
  }
  code->run = find_entry(m, variant, "run");
  if (code->run && sizing) {
    code->size = find_entry(m, variant, "size");
  }
  return code->run && (code->size || !sizing) ? DLC_OK : DLC_CORRUPT;
}

/* Generated code calls functions of the C library and libm, and names neither
   library. The program need not use libm, nor have loaded it for all to see. */
static void open_libm(void) { dlopen("libm.so.6", RTLD_NOW | RTLD_GLOBAL); }

static void open_file(dlc_model *m, int file) {
  char path[160];
  unique_path(file, path, sizeof path);
  m->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

static dlc_status open_library(dlc_model *m) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, open_libm);
  if (m->container.base == 0) {
    open_file(m, m->container.file);
  }
  /* A copy in memory also where files must not be executed (noexec). */
  if (!m->library) {
    dlc_status status = copy_code(m);
    if (status) {
      return status;
    }
    open_file(m, m->library_file);
  }
  if (!m->library) {
    return dlc_fail(DLC_RESOURCE, "cannot load the model's code: %s",
                    dlerror());
  }
  dlc_code code;
  return dlc_model_bind(m, m->variant, &code);
}

/* ---- Life -------------------------------------------------------------- */

static void destroy(dlc_model *m) {
  dlc_cuda_models_free(m);
  pthread_mutex_destroy(&m->cuda_lock);
  if (m->library) {
    dlclose(m->library);
  }
  if (m->library_file >= 0) {
    close(m->library_file);
  }
  dlc_container_close(&m->container);
  free(m);
}

static dlc_model *allocate(void) {
  dlc_model *m = calloc(1, sizeof *m);
  if (m) {
    atomic_init(&m->references, 1);
    m->container.file = -1;
    m->library_file = -1;
    m->wanted = -1;
    pthread_mutex_init(&m->cuda_lock, NULL);
  } else {
    dlc_fail(DLC_RESOURCE, "no memory for a model");
  }
  return m;
}

static dlc_status read_options(const dlc_load_options *options,
                               dlc_load_options *ours) {
  *ours = (dlc_load_options){0};
  if (options && !dlc_struct_in(ours, sizeof *ours, options)) {
    return dlc_fail(DLC_USAGE, "dlc_load_options.struct_size is not set");
  }
  return DLC_OK;
}

dlc_status dlc_model_load(const char *path, const dlc_load_options *options,
                          dlc_model **model) {
  if (!path || !model) {
    return dlc_fail(DLC_USAGE, "expected a path and a model, got NULL");
  }
  *model = NULL;
  dlc_load_options ours;
  dlc_status status = read_options(options, &ours);
  if (status) {
    return status;
  }
  dlc_model *m = allocate();
  if (!m) {
    return DLC_RESOURCE;
  }
  if (!(status =
            dlc_container_open(path, ours.verify_weights, &m->container)) &&
      !(status = pick_shown(m, ours.variant)) && !(status = open_library(m))) {
    m->weights = m->container.weights;
    m->weights_bytes = m->container.footer.weights_bytes;
    *model = m;
    return DLC_OK;
  }
  destroy(m);
  return status;
}

/* Models that an older compiler made have no device images. */
static dlc_status bind_embedded(dlc_model *m, const dlc_embedded_model *e) {
  dlc_header_bounds bounds = {.weights_bytes = e->weights_bytes};
  if (e->struct_size >= sizeof *e && e->images) {
    m->container.images = e->images;
    bounds.images_bytes = e->images_bytes;
  }
  m->embedded = e;
  m->weights = e->weights;
  m->weights_bytes = e->weights_bytes;
  m->container.footer.major = DLC_FORMAT_MAJOR;
  m->container.footer.minor = DLC_FORMAT_MINOR;
  return dlc_header_decode(e->header, e->header_bytes, bounds,
                           &m->container.header);
}

dlc_status dlc_model_load_embedded(const dlc_embedded_model *embedded,
                                   const dlc_load_options *options,
                                   dlc_model **model) {
  if (!embedded || !model) {
    return dlc_fail(DLC_USAGE, "expected a model, got NULL");
  }
  *model = NULL;
  dlc_load_options ours;
  dlc_status status = read_options(options, &ours);
  if (status) {
    return status;
  }
  if (embedded->struct_size < offsetof(dlc_embedded_model, images)) {
    return dlc_fail(DLC_CORRUPT,
                    "expected an embedded model of %zu bytes, got "
                    "%" PRIu64,
                    offsetof(dlc_embedded_model, images),
                    embedded->struct_size);
  }
  dlc_model *m = allocate();
  if (!m) {
    return DLC_RESOURCE;
  }
  if (!(status = bind_embedded(m, embedded)) &&
      !(status = pick_shown(m, ours.variant))) {
    *model = m;
    return DLC_OK;
  }
  destroy(m);
  return status;
}

void dlc_model_retain(dlc_model *model) {
  atomic_fetch_add_explicit(&model->references, 1, memory_order_relaxed);
}

void dlc_model_free(dlc_model *model) {
  if (model && atomic_fetch_sub_explicit(&model->references, 1,
                                         memory_order_acq_rel) == 1) {
    destroy(model);
  }
}
