// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Lanes that wait for lanes on other paths of their warp: warp-level operations
// in divergent code, and threads of one warp that wait for each other's stores.
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
#include <cooperative_groups/scan.h>
namespace cg = cooperative_groups;

// One atomic operation per warp for all lanes that are in the branch.
extern "C" __global__ void aggregated(const int *X, int N, int *Count,
                                      int *Kept) {
  int I = blockIdx.x * blockDim.x + threadIdx.x;
  if (I >= N)
    return;
  if (X[I] % 3 == 0) {
    cg::coalesced_group G = cg::coalesced_threads();
    int Base = 0;
    if (G.thread_rank() == 0)
      Base = atomicAdd(Count, int(G.size()));
    Base = G.shfl(Base, 0);
    Kept[Base + G.thread_rank()] = X[I];
  } else if (X[I] % 5 == 0) {
    cg::coalesced_group G = cg::coalesced_threads();
    int Sum = cg::reduce(G, X[I], cg::plus<int>());
    if (G.thread_rank() == 0)
      atomicAdd(Count + 1, Sum);
  }
}

// Even and odd lanes exchange values in different instructions.
extern "C" __global__ void exchange(const int *X, int *Out) {
  int I = blockIdx.x * blockDim.x + threadIdx.x, V = X[I], R;
  if (threadIdx.x & 1) {
    for (int K = 0; K < (V & 7); ++K)
      V = V * 5 + 1;
    R = V - __shfl_xor_sync(~0u, V, 1);
  } else {
    V ^= 0x55;
    R = V + 2 * __shfl_xor_sync(~0u, V, 1);
  }
  if (threadIdx.x % 3 == 0)
    R += __popc(__ballot_sync(~0u, V > 0));
  else if (threadIdx.x % 3 == 1)
    R += 100 * __popc(__ballot_sync(~0u, V > 10));
  else
    R ^= __ballot_sync(~0u, V & 1);
  Out[I] = R;
}

// The tiles of a warp do different things, each with its own shuffles.
extern "C" __global__ void tiles(const int *X, int *Out) {
  cg::thread_block_tile<8> T =
      cg::tiled_partition<8>(cg::this_thread_block());
  int I = blockIdx.x * blockDim.x + threadIdx.x, V = X[I], R = 0;
  switch (T.meta_group_rank() % 4) {
  case 0: R = cg::reduce(T, V, cg::plus<int>()); break;
  case 1:
    for (int K = 0; K < 5; ++K)
      V = T.shfl_up(V, 1) + K;
    R = V;
    break;
  case 2: R = cg::inclusive_scan(T, V, cg::plus<int>()); break;
  case 3: R = T.any(V > 60) ? T.shfl(V, V & 7) : int(T.ballot(V & 1)); break;
  }
  T.sync();
  Out[I] = R + T.shfl_xor(R, 4);
}

// Half of a warp writes, the other half reads, round by round.
extern "C" __global__ void handOver(const int *X, int *Out, int Rounds) {
  __shared__ int Slot[2][16];
  unsigned L = threadIdx.x;
  int Sum = 0;
  if (L < 16)
    for (int K = 0; K < Rounds; ++K) {
      Slot[K & 1][L] = X[K * 16 + L] * 3;
      __syncwarp();
    }
  else
    for (int K = 0; K < Rounds; ++K) {
      __syncwarp();
      Sum = Sum * 7 + Slot[K & 1][31 - L];
    }
  Out[L] = Sum;
}

// Every set of lanes with the same key reduces on its own, one after another.
extern "C" __global__ void byKey(const int *Key, const int *X, int *Out) {
  int I = blockIdx.x * blockDim.x + threadIdx.x;
  unsigned Peers = __match_any_sync(~0u, Key[I]);
  int Sum = 0, First = __ffs(Peers) - 1;
  if (Key[I] & 1) {
    Sum = __reduce_add_sync(Peers, X[I]);
  } else {
    unsigned Left = Peers;
    while (Left) {
      int Source = __ffs(Left) - 1;
      Sum += __shfl_sync(Peers, X[I], Source) * (Source + 1);
      Left &= Left - 1;
    }
  }
  Out[I] = Sum + First;
}

// A lock per bucket, taken by threads of the same warp.
extern "C" __global__ void locked(const int *X, int *Lock, int *Sum,
                                  int *Last) {
  int I = blockIdx.x * blockDim.x + threadIdx.x, B = X[I] & 3;
  while (atomicCAS(&Lock[B], 0, 1) != 0)
    ;
  __threadfence();
  volatile int *S = Sum + B;
  *S = *S + X[I];
  Last[B] = 1;
  __threadfence();
  atomicExch(&Lock[B], 0);
}

// Each thread waits for its neighbour in the warp, last lane first.
extern "C" __global__ void chain(const int *X, volatile int *Flag, int *Out) {
  int I = threadIdx.x;
  if (I == 31) {
    Out[I] = X[I];
  } else {
    while (!Flag[I + 1])
      ;
    __threadfence();
    Out[I] = X[I] + 2 * ((volatile int *)Out)[I + 1];
  }
  __threadfence();
  Flag[I] = 1;
}

// Lanes end one by one; the others go on with the mask of all.
extern "C" __global__ void dwindling(const int *X, int *Out) {
  int I = blockIdx.x * blockDim.x + threadIdx.x, V = X[I] & 31;
  for (int K = 0; K < 32; ++K) {
    Out[I] = __shfl_down_sync(~0u, V, 1, 32) + K;
    if (K == V)
      return;
    __syncwarp();
  }
}

// Quarters of a warp loop as often as their own lanes need.
extern "C" __global__ void quarters(const int *X, int *Out) {
  int I = blockIdx.x * blockDim.x + threadIdx.x, V = X[I], N = 0;
  unsigned Mask = 0xffu << (threadIdx.x & 24);
  while (__any_sync(Mask, V != 1)) {
    if (V != 1)
      V = V & 1 ? 3 * V + 1 : V / 2;
    ++N;
  }
  int Pred;
  unsigned Same = __match_all_sync(Mask, N, &Pred);
  Out[I] = N + (Pred ? 1000 * __popc(Same) : 0);
}

// The block's barrier, reached by the lanes of a warp on different paths.
extern "C" __global__ void splitBarrier(const int *X, int *Out) {
  __shared__ int S[128];
  int T = threadIdx.x;
  if (T & 1) {
    S[T] = X[T] * 2;
    __barrier_sync(1);
    Out[T] = S[127 - T];
  } else {
    S[T] = X[T] + 1;
    __barrier_sync(1);
    Out[T] = -S[127 - T];
  }
  __barrier_sync_count(2, 128);
}

// A worklist: lanes that run out of work take it from lanes that have some.
extern "C" __global__ void balance(const int *Work, int *Done) {
  int Left = Work[threadIdx.x], Did = 0;
  for (;;) {
    unsigned Busy = __ballot_sync(~0u, Left > 1);
    unsigned Idle = __ballot_sync(~0u, Left == 0);
    if (!__any_sync(~0u, Left > 0))
      break;
    unsigned N = min(__popc(Busy), __popc(Idle));
    unsigned Below = (1u << threadIdx.x) - 1;
    unsigned Rank = __popc((Left == 0 ? Idle : Busy) & Below);
    bool Gives = Left > 1 && Rank < N, Takes = Left == 0 && Rank < N;
    int Half = Gives ? Left / 2 : 0;
    int From = Takes ? int(__fns(Busy, 0, Rank + 1)) : 0;
    int Got = __shfl_sync(~0u, Half, From);
    if (Gives)
      Left -= Half;
    else if (Takes)
      Left = Got;
    if (Left > 0) {
      --Left;
      ++Did;
    }
  }
  Done[threadIdx.x] = Did;
}
