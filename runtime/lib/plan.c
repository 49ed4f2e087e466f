/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Offset planner: greedy best fit in several orders. O(n^2) in the number of
 * buffers per order.
 */
#include "dlc/plan.h"

#include <stdlib.h>
#include <string.h>

typedef struct item {
  double key;     /* larger first */
  int64_t bytes;  /* rounded up */
  int64_t offset; /* -1 until placed */
  const dlc_format_buffer *buffer;
  size_t index;
} item;

/* A change of the live bytes at a step. */
typedef struct event {
  int64_t step;
  int64_t change;
} event;

typedef struct workspace {
  item *items;
  item **placed; /* by offset */
  event *events;
  int64_t *offsets;
} workspace;

static workspace carve(void *memory, size_t count) {
  char *at = memory;
  workspace w;
  w.items = (item *)at;
  at += count * sizeof(item);
  w.placed = (item **)at;
  at += count * sizeof(item *);
  w.events = (event *)at;
  at += 2 * count * sizeof(event);
  w.offsets = (int64_t *)at;
  return w;
}

size_t dlc_plan_workspace_bytes(size_t count) {
  return count *
         (sizeof(item) + sizeof(item *) + 2 * sizeof(event) + sizeof(int64_t));
}

static int compare_items(const void *left, const void *right) {
  const item *a = left, *b = right;
  if (a->key != b->key) {
    return a->key > b->key ? -1 : 1;
  }
  return a->index < b->index ? -1 : a->index > b->index;
}

static int compare_events(const void *left, const void *right) {
  const event *a = left, *b = right;
  if (a->step != b->step) {
    return a->step < b->step ? -1 : 1;
  }
  /* Buffers that end before a step leave before those that start at it. */
  return a->change < b->change ? -1 : a->change > b->change;
}

static int round_up(int64_t value, int64_t alignment, int64_t *result) {
  int64_t sum;
  if (__builtin_add_overflow(value, alignment - 1, &sum)) {
    return -1;
  }
  *result = sum & -alignment;
  return 0;
}

static double key_of(const item *i, dlc_plan_order order) {
  double length = (double)i->buffer->last - i->buffer->first + 1;
  switch (order) {
  case DLC_PLAN_BY_SIZE:
    return (double)i->bytes;
  case DLC_PLAN_BY_LENGTH:
    return length;
  case DLC_PLAN_BY_SIZE_LENGTH:
    return (double)i->bytes * length;
  default:
    return -(double)i->buffer->first;
  }
}

/* Bytes rounded up to `unit`; buffers of no bytes take no place. */
static int gather(const dlc_format_buffer *buffers, const int64_t *bytes,
                  size_t count, int64_t unit, item *items, size_t *used) {
  *used = 0;
  for (size_t i = 0; i < count; i++) {
    if (bytes[i] <= 0) {
      continue;
    }
    item *it = &items[(*used)++];
    *it = (item){0, 0, -1, &buffers[i], i};
    if (round_up(bytes[i], unit, &it->bytes)) {
      return -1;
    }
  }
  return 0;
}

static int find_bound(const item *items, size_t used, event *events,
                      int64_t *bound) {
  for (size_t i = 0; i < used; i++) {
    events[2 * i] = (event){items[i].buffer->first, items[i].bytes};
    events[2 * i + 1] =
        (event){(int64_t)items[i].buffer->last + 1, -items[i].bytes};
  }
  if (used > 0) {
    qsort(events, 2 * used, sizeof *events, compare_events);
  }
  int64_t live = 0;
  *bound = 0;
  for (size_t i = 0; i < 2 * used; i++) {
    if (__builtin_add_overflow(live, events[i].change, &live)) {
      return -1;
    }
    if (live > *bound) {
      *bound = live;
    }
  }
  return 0;
}

static int overlap(const dlc_format_buffer *a, const dlc_format_buffer *b) {
  return a->first <= b->last && b->first <= a->last;
}

/* The smallest gap between buffers that live at the same time, or the end. */
static int place(item *it, item **placed, size_t *count) {
  int64_t best = -1, best_room = INT64_MAX, end = 0;
  for (size_t i = 0; i < *count; i++) {
    const item *other = placed[i];
    if (!overlap(it->buffer, other->buffer)) {
      continue;
    }
    int64_t at;
    if (round_up(end, it->buffer->alignment, &at)) {
      return -1;
    }
    int64_t room = other->offset - at;
    if (room >= it->bytes && room < best_room) {
      best = at;
      best_room = room;
    }
    int64_t other_end = other->offset + other->bytes;
    end = other_end > end ? other_end : end;
  }
  int64_t unused;
  if (best < 0 && round_up(end, it->buffer->alignment, &best)) {
    return -1;
  }
  if (__builtin_add_overflow(best, it->bytes, &unused)) {
    return -1;
  }
  it->offset = best;
  size_t at = *count;
  for (; at > 0 && placed[at - 1]->offset > best; at--) {
    placed[at] = placed[at - 1];
  }
  placed[at] = it;
  ++*count;
  return 0;
}

/* Places all items in the given order; *arena is their end. */
static int place_all(workspace *w, size_t used, dlc_plan_order order,
                     int64_t *arena) {
  for (size_t i = 0; i < used; i++) {
    w->items[i].key = key_of(&w->items[i], order);
  }
  if (used > 0) {
    qsort(w->items, used, sizeof *w->items, compare_items);
  }
  size_t placed = 0;
  *arena = 0;
  for (size_t i = 0; i < used; i++) {
    if (place(&w->items[i], w->placed, &placed)) {
      return -1;
    }
    int64_t end = w->items[i].offset + w->items[i].bytes;
    *arena = end > *arena ? end : *arena;
  }
  return 0;
}

static int64_t least_alignment(const dlc_format_buffer *buffers, size_t count) {
  int64_t least = INT64_MAX;
  for (size_t i = 0; i < count; i++) {
    int64_t alignment = buffers[i].alignment;
    if (alignment <= 0 || (alignment & (alignment - 1))) {
      return -1;
    }
    least = alignment < least ? alignment : least;
  }
  return count ? least : 1;
}

int dlc_plan(const dlc_format_buffer *buffers, const int64_t *bytes,
             size_t count, void *memory, int64_t *offsets,
             dlc_plan_result *result) {
  workspace w = carve(memory, count);
  int64_t unit = least_alignment(buffers, count);
  size_t used;
  if (unit < 0 || gather(buffers, bytes, count, unit, w.items, &used) ||
      find_bound(w.items, used, w.events, &result->lower_bound)) {
    return -1;
  }
  result->arena_bytes = INT64_MAX;
  for (int order = 0; order < DLC_PLAN_NUM_ORDERS; order++) {
    int64_t arena;
    if (place_all(&w, used, (dlc_plan_order)order, &arena)) {
      return -1;
    }
    if (arena < result->arena_bytes) {
      result->arena_bytes = arena;
      result->order = (dlc_plan_order)order;
      for (size_t i = 0; i < used; i++) {
        w.offsets[w.items[i].index] = w.items[i].offset;
      }
    }
    if (result->arena_bytes == result->lower_bound) {
      break;
    }
  }
  for (size_t i = 0; i < count; i++) {
    offsets[i] = bytes[i] < 0 ? -1 : bytes[i] == 0 ? 0 : w.offsets[i];
  }
  return 0;
}
