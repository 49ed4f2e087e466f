/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Opens and checks a model file. */
#define _GNU_SOURCE
#include "container.h"

#include "digest.h"
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static dlc_status corrupt(const char *path, const char *what) {
  return dlc_fail(DLC_CORRUPT, "'%s' is damaged: %s", path, what);
}

/* A file that cannot be read is a bad file, unless this process is at a
   limit. */
static dlc_status unreadable(const char *action, const char *path) {
  bool limit = errno == EMFILE || errno == ENFILE || errno == ENOMEM;
  return dlc_fail(limit ? DLC_RESOURCE : DLC_CORRUPT, "cannot %s '%s': %s",
                  action, path, strerror(errno));
}

static dlc_status open_file(const char *path, int *file, uint64_t *bytes) {
  *file = open(path, O_RDONLY | O_CLOEXEC);
  if (*file < 0) {
    return unreadable("open", path);
  }
  struct stat info;
  if (fstat(*file, &info)) {
    return unreadable("read", path);
  }
  if (!S_ISREG(info.st_mode)) {
    return dlc_fail(DLC_CORRUPT, "'%s' is not a file", path);
  }
  *bytes = (uint64_t)info.st_size;
  return DLC_OK;
}

static dlc_status read_at(const char *path, int file, void *data, size_t bytes,
                          uint64_t offset) {
  char *at = data;
  while (bytes > 0) {
    ssize_t count = pread(file, at, bytes, (off_t)offset);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return unreadable("read", path);
    }
    if (count == 0) {
      return corrupt(path, "it became shorter while it was read");
    }
    at += count;
    offset += (uint64_t)count;
    bytes -= (size_t)count;
  }
  return DLC_OK;
}

/* Messages tell what the file is, if it is no model of ours. */
static dlc_status refuse_foreign(const char *path, int file, uint64_t bytes) {
  char start[4] = {0};
  if (bytes == 0) {
    return dlc_fail(DLC_CORRUPT, "'%s' is empty", path);
  }
  if (bytes >= 4) {
    dlc_status status = read_at(path, file, start, 4, 0);
    if (status) {
      return status;
    }
  }
  if (memcmp(start, "\177ELF", 4) == 0) {
    return dlc_fail(DLC_CORRUPT,
                    "'%s' is not a dlc model, or is cut short: no footer at "
                    "the end of the ELF file",
                    path);
  }
  return dlc_fail(DLC_CORRUPT, "'%s' is not a dlc model", path);
}

static dlc_status read_footer(const char *path, uint64_t bytes,
                              dlc_container *c) {
  dlc_format_footer *f = &c->footer;
  struct {
    uint32_t major, minor;
    char magic[8];
  } end;
  if (bytes < sizeof *f) {
    return refuse_foreign(path, c->file, bytes);
  }
  dlc_status status =
      read_at(path, c->file, &end, sizeof end, bytes - sizeof end);
  if (status) {
    return status;
  }
  if (memcmp(end.magic, DLC_FORMAT_MAGIC, sizeof end.magic) != 0) {
    return refuse_foreign(path, c->file, bytes);
  }
  if (end.major != DLC_FORMAT_MAJOR) {
    return dlc_fail(DLC_CORRUPT,
                    "'%s' has container version %" PRIu32 ".%" PRIu32
                    ", expected %u.x: compile the model again",
                    path, end.major, end.minor, DLC_FORMAT_MAJOR);
  }
  status = read_at(path, c->file, f, sizeof *f, bytes - sizeof *f);
  if (status) {
    return status;
  }
  dlc_format_digest digest = dlc_digest_footer(f);
  if (!dlc_digest_equal(&digest, &f->footer_digest)) {
    return corrupt(path, "the footer does not match its digest");
  }
  return DLC_OK;
}

static bool good_images(const dlc_format_footer *f) {
  if (f->images_bytes == 0) {
    return f->images_offset == 0;
  }
  return f->images_offset >= f->code_bytes &&
         f->images_offset % DLC_FORMAT_IMAGE_ALIGNMENT == 0 &&
         f->images_offset <= f->header_offset &&
         f->images_bytes <= f->header_offset - f->images_offset;
}

static bool good_layout(const dlc_format_footer *f) {
  uint64_t end = f->model_bytes;
  if (end < sizeof *f || f->code_bytes > f->header_offset ||
      f->header_offset % 8 || f->header_offset > f->weights_offset ||
      f->header_bytes > f->weights_offset - f->header_offset ||
      f->weights_offset > f->digests_offset || f->digests_offset % 16 ||
      f->digests_offset > end - sizeof *f || !good_images(f)) {
    return false;
  }
  uint64_t block = f->weights_block_bytes;
  uint64_t gap = end - sizeof *f - f->digests_offset;
  if (block == 0 ||
      f->digests_count !=
          f->weights_bytes / block + (f->weights_bytes % block != 0) ||
      gap / sizeof(dlc_format_digest) != f->digests_count ||
      gap % sizeof(dlc_format_digest)) {
    return false;
  }
  if (f->flags & DLC_FOOTER_WEIGHTS_EXTERNAL) {
    return f->weights_offset == f->digests_offset;
  }
  uint64_t room = f->digests_offset - f->weights_offset;
  return (f->weights_offset % DLC_FORMAT_PAGE_BYTES == 0 ||
          f->weights_bytes == 0) &&
         f->weights_bytes <= room && room - f->weights_bytes < 16;
}

static dlc_status map_file(const char *path, int file, uint64_t base,
                           uint64_t bytes, const char **map) {
  void *memory = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, file, (off_t)base);
  if (memory == MAP_FAILED) {
    return unreadable("map", path);
  }
  *map = memory;
  return DLC_OK;
}

static dlc_status check_part(const char *path, const dlc_container *c,
                             const char *what, uint64_t begin, uint64_t end,
                             const dlc_format_digest *expected) {
  dlc_format_digest digest = dlc_digest(c->map + begin, end - begin);
  if (!dlc_digest_equal(&digest, expected)) {
    return dlc_fail(DLC_CORRUPT,
                    "'%s' is damaged: the %s does not match its "
                    "digest",
                    path, what);
  }
  return DLC_OK;
}

/* Whose fault it is that the first part, code and device images, does not
   match: the header, which does, knows the images' own digests. */
static dlc_status refuse_code(const char *path, const dlc_container *c) {
  const dlc_header *h = &c->header;
  for (uint32_t i = 0; i < h->num_images; i++) {
    dlc_status status = dlc_image_check(&h->images[i], c->images);
    if (status) {
      char reason[256];
      snprintf(reason, sizeof reason, "%s", dlc_message());
      return corrupt(path, reason);
    }
  }
  return corrupt(path, "the code does not match its digest");
}

static dlc_status check_parts(const char *path, const dlc_container *c) {
  const dlc_format_footer *f = &c->footer;
  dlc_status status;
  if ((status = check_part(path, c, "header", f->header_offset,
                           f->weights_offset, &f->header_digest)) ||
      (status = check_part(path, c, "digest table", f->digests_offset,
                           f->model_bytes - sizeof *f, &f->digests_digest))) {
    return status;
  }
  if (!(f->flags & DLC_FOOTER_WEIGHTS_EXTERNAL)) {
    for (uint64_t i = f->weights_offset + f->weights_bytes;
         i < f->digests_offset; i++) {
      if (c->map[i] != 0) {
        return corrupt(path, "expected zeros after the weights");
      }
    }
  }
  return DLC_OK;
}

static bool join(const char *path, const char *name, char *out, size_t room) {
  const char *slash = strrchr(path, '/');
  int folder = slash ? (int)(slash - path) + 1 : 0;
  return snprintf(out, room, "%.*s%s", folder, path, name) < (int)room;
}

/* Path of a file in the folder of `path`; if it is not there, in the folder of
   the file that `path` links to. */
static bool beside(const char *path, const char *name, char *out, size_t room) {
  char real[PATH_MAX];
  if (!join(path, name, out, room)) {
    return false;
  }
  return access(out, F_OK) == 0 || !realpath(path, real) ||
         join(real, name, out, room);
}

/* External weights lie in the model's own folder, under a plain name. */
static dlc_status open_weights(const char *path, dlc_container *c) {
  const char *name = dlc_header_text(&c->header, c->header.fixed.weights_file);
  char other[PATH_MAX];
  if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 ||
      strcmp(name, "..") == 0) {
    return dlc_fail(DLC_CORRUPT,
                    "'%s' is damaged: expected the weights file to be a plain "
                    "file name, got '%s'",
                    path, name);
  }
  if (!beside(path, name, other, sizeof other)) {
    return dlc_fail(DLC_USAGE, "path of the weights file '%s' is too long",
                    name);
  }
  int file;
  uint64_t bytes = 0;
  dlc_status status = open_file(other, &file, &bytes);
  if (!status && bytes != c->footer.weights_bytes) {
    status = dlc_fail(DLC_CORRUPT,
                      "weights file '%s' is damaged: expected %" PRIu64
                      " bytes, got %" PRIu64,
                      other, c->footer.weights_bytes, bytes);
  }
  if (!status && bytes > 0) {
    status = map_file(other, file, 0, bytes, &c->weights_map);
    c->weights = c->weights_map;
  }
  if (file >= 0) {
    close(file);
  }
  return status;
}

static dlc_status check_weights(const char *path, const dlc_container *c) {
  const dlc_format_footer *f = &c->footer;
  const dlc_format_digest *expected =
      (const dlc_format_digest *)(c->map + f->digests_offset);
  uint64_t block = f->weights_block_bytes;
  for (uint64_t i = 0; i < f->digests_count; i++) {
    uint64_t rest = f->weights_bytes - i * block;
    dlc_format_digest digest =
        dlc_digest(c->weights + i * block, rest < block ? rest : block);
    if (!dlc_digest_equal(&digest, &expected[i])) {
      return dlc_fail(DLC_CORRUPT,
                      "the weights of '%s' are damaged: bytes %" PRIu64
                      " to %" PRIu64 " do not match their digest",
                      path, i * block,
                      i * block + (rest < block ? rest : block) - 1);
    }
  }
  return DLC_OK;
}

static dlc_status open_container(const char *path, bool verify_weights,
                                 dlc_container *c) {
  uint64_t bytes;
  dlc_status status;
  if ((status = open_file(path, &c->file, &bytes)) ||
      (status = read_footer(path, bytes, c))) {
    return status;
  }
  dlc_format_footer *f = &c->footer;
  if (f->model_bytes > bytes) {
    return dlc_fail(DLC_CORRUPT,
                    "'%s' is cut short: expected %" PRIu64
                    " bytes, got %" PRIu64,
                    path, f->model_bytes, bytes);
  }
  c->base = bytes - f->model_bytes;
  if (!good_layout(f) || c->base % DLC_FORMAT_PAGE_BYTES) {
    return corrupt(path, "the footer's offsets are out of bounds");
  }
  if ((status = map_file(path, c->file, c->base, f->model_bytes, &c->map)) ||
      (status = check_parts(path, c))) {
    return status;
  }
  c->images = f->images_bytes ? c->map + f->images_offset : NULL;
  dlc_header_bounds bounds = {f->weights_bytes, f->images_bytes};
  if ((status = dlc_header_decode(c->map + f->header_offset, f->header_bytes,
                                  bounds, &c->header))) {
    return status;
  }
  dlc_format_digest digest = dlc_digest(c->map, f->header_offset);
  if (!dlc_digest_equal(&digest, &f->code_digest)) {
    return refuse_code(path, c);
  }
  if (f->flags & DLC_FOOTER_WEIGHTS_EXTERNAL) {
    if ((status = open_weights(path, c))) {
      return status;
    }
  } else {
    c->weights = c->map + f->weights_offset;
  }
  return verify_weights ? check_weights(path, c) : DLC_OK;
}

dlc_status dlc_container_open(const char *path, bool verify_weights,
                              dlc_container *container) {
  *container = (dlc_container){.file = -1};
  dlc_status status = open_container(path, verify_weights, container);
  if (status) {
    dlc_container_close(container);
  }
  return status;
}

void dlc_container_close(dlc_container *container) {
  dlc_header_free(&container->header);
  if (container->weights_map) {
    munmap((void *)container->weights_map, container->footer.weights_bytes);
  }
  if (container->map) {
    munmap((void *)container->map, container->footer.model_bytes);
  }
  if (container->file >= 0) {
    close(container->file);
  }
  *container = (dlc_container){.file = -1};
}
