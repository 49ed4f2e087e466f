/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Tensor maps of launches. So that launches need not wait for the driver to
 * encode, each map of a shape's run is kept, and encoded again only where the
 * shape's next run has another one.
 */
#include "cuda_context.h"

#include <stdlib.h>
#include <string.h>

/* Strides are multiples of it. */
#define STRIDE_BYTES 16
/* The driver takes no NULL, where tensors without elements may be. */
#define SOMEWHERE ((void *)(uintptr_t)256)

struct dlc_cuda_map {
  cu_tensor_map encoded;
  void *address;
  dlc_tensor_map made_of; /* rank 0: nothing yet */
};

_Static_assert(sizeof(dlc_cuda_map) % _Alignof(cu_tensor_map) == 0,
               "allocated as an array");

/* ---- The table ----------------------------------------------------------- */

bool dlc_cuda_maps_reserve(dlc_cuda_maps *maps, uint32_t count) {
  uint64_t needed = (uint64_t)maps->used + count;
  uint64_t room = maps->room ? maps->room : 8;
  if (needed <= maps->room) {
    return true;
  }
  while (room < needed) {
    room *= 2;
  }
  if (room > UINT32_MAX) {
    return false;
  }
  dlc_cuda_map *entries =
      aligned_alloc(_Alignof(dlc_cuda_map), (size_t)room * sizeof *entries);
  if (!entries) {
    return false;
  }
  memset(entries, 0, (size_t)room * sizeof *entries);
  if (maps->room) {
    memcpy(entries, maps->entries, maps->room * sizeof *entries);
  }
  free(maps->entries);
  maps->entries = entries;
  maps->room = (uint32_t)room;
  return true;
}

void dlc_cuda_maps_free(dlc_cuda_maps *maps) {
  free(maps->entries);
  *maps = (dlc_cuda_maps){0};
}

/* ---- Encoding ------------------------------------------------------------ */

/* The places in CUtensorMapDataType and CUtensorMapSwizzle; -1 for none. */
static int type_of(uint32_t element_bytes) {
  return element_bytes == 1   ? DLC_CU_TENSOR_MAP_UINT8
         : element_bytes == 2 ? DLC_CU_TENSOR_MAP_UINT16
         : element_bytes == 4 ? DLC_CU_TENSOR_MAP_UINT32
                              : -1;
}

static int swizzle_of(uint32_t swizzle_bytes) {
  return swizzle_bytes == 0     ? DLC_CU_TENSOR_MAP_SWIZZLE_NONE
         : swizzle_bytes == 32  ? DLC_CU_TENSOR_MAP_SWIZZLE_32B
         : swizzle_bytes == 64  ? DLC_CU_TENSOR_MAP_SWIZZLE_64B
         : swizzle_bytes == 128 ? DLC_CU_TENSOR_MAP_SWIZZLE_128B
                                : -1;
}

bool dlc_cuda_map_is_valid(const dlc_tensor_map *map, uint32_t num_buffers) {
  return map->buffer < num_buffers && map->rank >= 2 && map->rank <= 5 &&
         type_of(map->element_bytes) >= 0 &&
         swizzle_of(map->swizzle_bytes) >= 0;
}

static bool is_empty(const dlc_tensor_map *map) {
  for (uint32_t i = 0; i < map->rank; i++) {
    if (map->sizes[i] == 0) {
      return true;
    }
  }
  return false;
}

/* What the driver is asked for, with zeros in all places that are not read.
   Nothing is read of a tensor without elements, nor by the stride of a dim of
   one element; but the driver takes no size of 0, and strides computed of such
   sizes may be below what it takes. */
static dlc_tensor_map normalize(const dlc_tensor_map *map) {
  dlc_tensor_map to = {.buffer = map->buffer,
                       .element_bytes = map->element_bytes,
                       .rank = map->rank,
                       .swizzle_bytes = map->swizzle_bytes};
  bool empty = is_empty(map);
  for (uint32_t i = 0; i < map->rank; i++) {
    bool steps = !empty && map->sizes[i] > 1;
    to.sizes[i] = map->sizes[i] ? map->sizes[i] : 1;
    to.strides[i] = i == 0                                     ? 0
                    : steps || map->strides[i] >= STRIDE_BYTES ? map->strides[i]
                                                               : STRIDE_BYTES;
    to.box[i] = map->box[i];
  }
  return to;
}

static cu_result encode(const dlc_cuda_driver *driver, dlc_cuda_map *entry) {
  static const uint32_t element_strides[5] = {1, 1, 1, 1, 1};
  const dlc_tensor_map *map = &entry->made_of;
  uint64_t sizes[5], strides[5];
  for (uint32_t i = 0; i < map->rank; i++) {
    sizes[i] = (uint64_t)map->sizes[i];
    strides[i] = (uint64_t)map->strides[i];
  }
  return driver->tensor_map_encode(
      &entry->encoded, type_of(map->element_bytes), map->rank, entry->address,
      sizes, &strides[1], map->box, element_strides,
      DLC_CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle_of(map->swizzle_bytes),
      DLC_CU_TENSOR_MAP_L2_128B, DLC_CU_TENSOR_MAP_FILL_ZEROS);
}

cu_result dlc_cuda_map_encode(const dlc_cuda_driver *driver,
                              dlc_cuda_maps *maps, const dlc_tensor_map *map,
                              void *address, void **encoded) {
  dlc_cuda_map *entry = &maps->entries[maps->used++];
  dlc_tensor_map wanted = normalize(map);
  *encoded = &entry->encoded;
  if (!address && is_empty(map)) {
    address = SOMEWHERE;
  }
  if (entry->address == address &&
      memcmp(&entry->made_of, &wanted, sizeof wanted) == 0) {
    return DLC_CU_SUCCESS;
  }
  entry->made_of = wanted;
  entry->address = address;
  cu_result error = encode(driver, entry);
  if (error) {
    entry->made_of.rank = 0;
  }
  return error;
}
