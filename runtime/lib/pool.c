/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * The thread pool.
 *
 * A launch is published under a new epoch. Each thread t of it has a share, a
 * word (epoch, next chunk, end chunk); taking a chunk is one compare-and-swap
 * that succeeds only in the share's epoch, so a thread that comes late finds
 * nothing and touches nothing. The caller waits for chunks, never for threads:
 * a thread that still wakes up, or was preempted between launches, costs
 * nothing. The launch's description is read only between taking a chunk and
 * giving it back, when the caller must still be waiting.
 */
#define _GNU_SOURCE
#include "pool.h"

#include "cpu.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

/* How long a thread spins before it sleeps: about 50 us at 2 to 4 GHz, twice
   what waking it costs. */
#define SPIN_TICKS 150000u
#define SPIN_CHECK 32u

#define CHUNKS_PER_THREAD 8
#define MIN_CHUNK_NANOSECONDS 4000
#define MAX_CHUNKS 32768

/* Two lines apart, since adjacent lines are fetched in pairs. */
typedef struct share {
  _Alignas(128) _Atomic uint64_t word;
} share;

static struct pool {
  atomic_bool claimed;
  /* Owner of the claim only. */
  uint32_t threads; /* created, without the caller's */
  uint32_t used_shares;

  /* The launch under way, in the line that threads wait on, so that they get
     all of it at once. */
  _Alignas(128) dlc_kernel *kernel;
  void *const *buffers;
  const int64_t *sizes;
  char *scratch; /* NULL: none */
  int64_t scratch_stride;
  int64_t chunk_items; /* per chunk, one more in the first chunk_rest chunks */
  int64_t chunk_rest;
  _Atomic uint32_t epoch; /* futex; 0 before the first launch */
  _Atomic uint32_t participants;

  _Alignas(128) atomic_bool active; /* claimed: threads spin */
  _Atomic uint32_t sleepers;

  _Alignas(128) _Atomic uint32_t remaining; /* futex; chunks not done */
  atomic_bool caller_sleeps;

  share shares[DLC_POOL_MAX_THREADS];
} pool;

static void futex_wait(_Atomic uint32_t *word, uint32_t value, uint32_t mask) {
  syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, value, NULL,
          NULL, mask);
}

static void futex_wake(_Atomic uint32_t *word, uint32_t mask) {
  syscall(SYS_futex, word, FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG, INT_MAX,
          NULL, NULL, mask);
}

/* Threads sleep under one of 31 bits, so that small launches need not wake a
   large pool. */
static uint32_t wake_bit(uint32_t thread) {
  return UINT32_C(1) << (thread < 31 ? thread : 31);
}

static uint64_t share_word(uint32_t epoch, uint32_t next, uint32_t end) {
  return (uint64_t)epoch << 32 | next << 16 | end;
}

/* Takes a chunk from a share; false when it is empty or of another launch. */
static bool take(share *from, uint32_t epoch, uint32_t *chunk) {
  uint64_t word = atomic_load_explicit(&from->word, memory_order_relaxed);
  for (;;) {
    uint32_t next = word >> 16 & 0xffff, end = word & 0xffff;
    if (word >> 32 != epoch || next >= end) {
      return false;
    }
    uint64_t taken = word + (UINT64_C(1) << 16);
    if (atomic_compare_exchange_weak_explicit(&from->word, &word, taken,
                                              memory_order_acquire,
                                              memory_order_relaxed)) {
      *chunk = next;
      return true;
    }
  }
}

static void run_chunk(uint32_t thread, int64_t chunk) {
  int64_t begin = chunk * pool.chunk_items +
                  (chunk < pool.chunk_rest ? chunk : pool.chunk_rest);
  int64_t end = begin + pool.chunk_items + (chunk < pool.chunk_rest);
  char *scratch =
      pool.scratch ? pool.scratch + thread * pool.scratch_stride : NULL;
  pool.kernel(pool.buffers, pool.sizes, begin, end, scratch);
}

/* Takes chunks until none is left; returns how many it did. */
static uint32_t run_chunks(uint32_t thread, uint32_t epoch) {
  uint32_t done = 0, chunk;
  uint32_t count =
      atomic_load_explicit(&pool.participants, memory_order_relaxed);
  for (uint32_t i = 0; i < count; i++) {
    uint32_t victim = thread + i < count ? thread + i : thread + i - count;
    if (victim >= DLC_POOL_MAX_THREADS) {
      break;
    }
    while (take(&pool.shares[victim], epoch, &chunk)) {
      run_chunk(thread, chunk);
      done++;
    }
  }
  return done;
}

static bool share_is_of(uint32_t thread, uint32_t epoch) {
  return atomic_load_explicit(&pool.shares[thread].word,
                              memory_order_relaxed) >>
             32 ==
         epoch;
}

/* Waits for a launch after `seen`: spins until *awake_since is long ago, then
   sleeps. */
static uint32_t await_launch(uint32_t thread, uint32_t seen,
                             uint64_t *awake_since) {
  for (;;) {
    for (uint32_t i = 1;; i++) {
      uint32_t epoch = atomic_load_explicit(&pool.epoch, memory_order_acquire);
      if (epoch != seen) {
        return epoch;
      }
      if (!atomic_load_explicit(&pool.active, memory_order_relaxed) ||
          (i % SPIN_CHECK == 0 &&
           dlc_cpu_ticks() - *awake_since > SPIN_TICKS)) {
        break;
      }
      dlc_cpu_pause();
    }
    /* The caller raises epoch, then looks at sleepers; we raise sleepers, then
       the kernel compares epoch. */
    atomic_fetch_add(&pool.sleepers, 1);
    futex_wait(&pool.epoch, seen, wake_bit(thread));
    atomic_fetch_sub(&pool.sleepers, 1);
    *awake_since = dlc_cpu_ticks();
  }
}

static void *thread_main(void *argument) {
  uint32_t thread = (uint32_t)(uintptr_t)argument;
  dlc_cpu_set_float_mode();
  uint32_t epoch = 0;
  uint64_t awake_since = dlc_cpu_ticks();
  for (;;) {
    epoch = await_launch(thread, epoch, &awake_since);
    /* Not our launch, unless we have a share: only then there is scratch. */
    if (!share_is_of(thread, epoch)) {
      continue;
    }
    uint32_t done = run_chunks(thread, epoch);
    if (done > 0 && atomic_fetch_sub(&pool.remaining, done) == done &&
        atomic_load(&pool.caller_sleeps)) {
      futex_wake(&pool.remaining, FUTEX_BITSET_MATCH_ANY);
    }
    awake_since = dlc_cpu_ticks();
  }
  return NULL;
}

/* The child of a fork has none of our threads, and no run of another thread
   goes on in it. */
static void after_fork(void) {
  pool.threads = 0;
  pool.used_shares = 0;
  atomic_store(&pool.active, false);
  atomic_store(&pool.sleepers, 0);
  atomic_store(&pool.remaining, 0);
  atomic_store(&pool.caller_sleeps, false);
  for (uint32_t i = 0; i < DLC_POOL_MAX_THREADS; i++) {
    atomic_store_explicit(&pool.shares[i].word, 0, memory_order_relaxed);
  }
  atomic_store(&pool.claimed, false);
}

static void watch_forks(void) { pthread_atfork(NULL, NULL, after_fork); }

static bool create_thread(uint32_t thread) {
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes)) {
    return false;
  }
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  /* The program's signal handlers must not run on our threads. */
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  pthread_t handle;
  int error = pthread_create(&handle, &attributes, thread_main,
                             (void *)(uintptr_t)thread);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  pthread_attr_destroy(&attributes);
  if (error) {
    return false;
  }
  pthread_setname_np(handle, "dlc-worker");
  return true;
}

bool dlc_pool_claim(void) {
  if (atomic_load_explicit(&pool.claimed, memory_order_relaxed)) {
    return false;
  }
  if (atomic_exchange_explicit(&pool.claimed, true, memory_order_acquire)) {
    return false;
  }
  atomic_store_explicit(&pool.active, true, memory_order_relaxed);
  return true;
}

void dlc_pool_release(void) {
  atomic_store_explicit(&pool.active, false, memory_order_relaxed);
  atomic_store_explicit(&pool.claimed, false, memory_order_release);
}

uint32_t dlc_pool_ready(uint32_t wanted) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  if (wanted > DLC_POOL_MAX_THREADS) {
    wanted = DLC_POOL_MAX_THREADS;
  }
  if (pool.threads + 1 < wanted) {
    pthread_once(&once, watch_forks);
    while (pool.threads + 1 < wanted && create_thread(pool.threads + 1)) {
      pool.threads++;
    }
  }
  return pool.threads + 1 < wanted ? pool.threads + 1 : wanted;
}

bool dlc_pool_sleeps(uint32_t threads) {
  uint32_t sleepers =
      atomic_load_explicit(&pool.sleepers, memory_order_relaxed);
  return pool.threads + 1 < threads + sleepers;
}

uint32_t dlc_pool_size(void) { return pool.threads; }

/* Each thread gets equally many chunks, more than one so that others can help
   out where one is slow, but none too small to pay for taking it. */
static uint32_t count_chunks(const dlc_launch *launch, uint32_t threads) {
  int64_t each = launch->work / MIN_CHUNK_NANOSECONDS / threads;
  each = each > CHUNKS_PER_THREAD ? CHUNKS_PER_THREAD : each;
  int64_t chunks = (each < 1 ? 1 : each) * threads;
  chunks = chunks > launch->items ? launch->items : chunks;
  return (uint32_t)(chunks > MAX_CHUNKS ? MAX_CHUNKS : chunks);
}

static uint32_t publish(const dlc_launch *launch, uint32_t threads) {
  uint32_t chunks = count_chunks(launch, threads);
  pool.kernel = launch->kernel;
  pool.buffers = launch->buffers;
  pool.sizes = launch->sizes;
  pool.chunk_items = launch->items / chunks;
  pool.chunk_rest = launch->items % chunks;
  atomic_store_explicit(&pool.participants, threads, memory_order_relaxed);
  atomic_store_explicit(&pool.remaining, chunks, memory_order_relaxed);
  uint32_t epoch = atomic_load_explicit(&pool.epoch, memory_order_relaxed) + 1;
  epoch += epoch == 0; /* 0 marks shares of no launch */
  for (uint32_t t = 0; t < threads; t++) {
    uint64_t word =
        share_word(epoch, chunks * t / threads, chunks * (t + 1) / threads);
    atomic_store_explicit(&pool.shares[t].word, word, memory_order_release);
  }
  /* When epochs wrap around, no old share may look like a new one. */
  for (uint32_t t = threads; t < pool.used_shares; t++) {
    atomic_store_explicit(&pool.shares[t].word, 0, memory_order_relaxed);
  }
  pool.used_shares = threads;
  atomic_store(&pool.epoch, epoch);
  if (atomic_load(&pool.sleepers) > 0) {
    /* Thread 0 is the caller. */
    uint32_t mask =
        threads > 31 ? FUTEX_BITSET_MATCH_ANY : (UINT32_C(1) << threads) - 2;
    futex_wake(&pool.epoch, mask);
  }
  return epoch;
}

static void await_chunks(void) {
  uint64_t start = dlc_cpu_ticks();
  for (uint32_t i = 1;; i++) {
    if (atomic_load_explicit(&pool.remaining, memory_order_acquire) == 0) {
      return;
    }
    if (i % SPIN_CHECK == 0 && dlc_cpu_ticks() - start > SPIN_TICKS) {
      break;
    }
    dlc_cpu_pause();
  }
  /* We say that we sleep, then look at remaining; threads lower remaining,
     then look whether we sleep. */
  atomic_store(&pool.caller_sleeps, true);
  uint32_t remaining;
  while ((remaining = atomic_load(&pool.remaining)) != 0) {
    futex_wait(&pool.remaining, remaining, FUTEX_BITSET_MATCH_ANY);
  }
  atomic_store(&pool.caller_sleeps, false);
}

void dlc_pool_run(const dlc_launch *launch, uint32_t threads, char *scratch,
                  int64_t scratch_stride) {
  pool.scratch = scratch;
  pool.scratch_stride = scratch_stride;
  uint32_t epoch = publish(launch, threads);
  uint32_t done = run_chunks(0, epoch);
  if (done == 0 || atomic_fetch_sub(&pool.remaining, done) != done) {
    await_chunks();
  }
}
