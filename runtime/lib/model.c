/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Loads models: picks the code variant, binds the code. */
#define _GNU_SOURCE
#include "model.h"

#include "cpu.h"
#include "message.h"

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
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

static size_t missing_feature(const dlc_model *m, uint32_t i,
                              const char **name) {
  const dlc_header *h = &m->container.header;
  if (h->variants[i].device_type != DLC_DEVICE_CPU) {
    *name = "another device";
    return strlen(*name);
  }
  return dlc_cpu_missing(dlc_header_text(h, h->variants[i].features), name);
}

static dlc_status pick_named(dlc_model *m, const char *wanted) {
  const dlc_header *h = &m->container.header;
  dlc_text names = {0};
  for (uint32_t i = 0; i < h->num_variants; i++) {
    if (strcmp(variant_name(m, i), wanted) == 0) {
      const char *missing;
      size_t length = missing_feature(m, i, &missing);
      if (length) {
        return dlc_fail(DLC_UNSUPPORTED,
                        "code variant '%s' needs %.*s, which this machine "
                        "does not have",
                        wanted, (int)length, missing);
      }
      m->variant = i;
      return DLC_OK;
    }
    dlc_text_add(&names, "%s'%s'", i ? ", " : "", variant_name(m, i));
  }
  return dlc_fail(DLC_USAGE, "no code variant '%s', expected one of %s", wanted,
                  names.bytes);
}

static dlc_status pick_variant(dlc_model *m, const char *wanted) {
  if (wanted) {
    return pick_named(m, wanted);
  }
  dlc_text reasons = {0};
  for (uint32_t i = 0; i < m->container.header.num_variants; i++) {
    const char *missing;
    size_t length = missing_feature(m, i, &missing);
    if (!length) {
      m->variant = i;
      return DLC_OK;
    }
    dlc_text_add(&reasons, "%s'%s' needs %.*s", i ? ", " : "",
                 variant_name(m, i), (int)length, missing);
  }
  return dlc_fail(DLC_UNSUPPORTED, "no code variant runs on this machine: %s",
                  reasons.bytes);
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

static dlc_entry *find_entry(dlc_model *m, const char *suffix) {
  const dlc_header *h = &m->container.header;
  char name[512];
  int length =
      snprintf(name, sizeof name, "%s_%s",
               dlc_header_text(h, h->variants[m->variant].prefix), suffix);
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
  m->run = find_entry(m, "run");
  if (!m->run) {
    return DLC_CORRUPT;
  }
  if (!(m->container.header.fixed.flags & DLC_HEADER_NO_SIZING)) {
    m->size = find_entry(m, "size");
    if (!m->size) {
      return DLC_CORRUPT;
    }
  }
  return DLC_OK;
}

/* ---- Life -------------------------------------------------------------- */

static void destroy(dlc_model *m) {
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
      !(status = pick_variant(m, ours.variant)) &&
      !(status = open_library(m))) {
    m->weights = m->container.weights;
    m->weights_bytes = m->container.footer.weights_bytes;
    *model = m;
    return DLC_OK;
  }
  destroy(m);
  return status;
}

static void bind_embedded(dlc_model *m, const dlc_embedded_model *e) {
  m->weights = e->weights;
  m->weights_bytes = e->weights_bytes;
  m->container.footer.major = DLC_FORMAT_MAJOR;
  m->container.footer.minor = DLC_FORMAT_MINOR;
  m->run = e->run[m->variant];
  if (!(m->container.header.fixed.flags & DLC_HEADER_NO_SIZING)) {
    m->size = e->size[m->variant];
  }
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
  if (embedded->struct_size < sizeof *embedded) {
    return dlc_fail(DLC_CORRUPT,
                    "expected an embedded model of %zu bytes, got "
                    "%" PRIu64,
                    sizeof *embedded, embedded->struct_size);
  }
  dlc_model *m = allocate();
  if (!m) {
    return DLC_RESOURCE;
  }
  if (!(status = dlc_header_decode(embedded->header, embedded->header_bytes,
                                   &m->container.header)) &&
      !(status = pick_variant(m, ours.variant))) {
    bind_embedded(m, embedded);
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
