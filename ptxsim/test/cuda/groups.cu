// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Cooperative groups of several warps: tiles that synchronise by shared memory
// of the system.
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
#include <cooperative_groups/scan.h>
namespace cg = cooperative_groups;

/// Sums of tiles of 128 threads, and each thread's right neighbour in its tile.
extern "C" __global__ void wideTiles(const int *In, int *Sums, int *Next) {
  __shared__ cg::block_tile_memory<512> Memory;
  extern __shared__ int Values[];
  cg::thread_block Block = cg::this_thread_block(Memory);
  auto Tile = cg::tiled_partition<128>(Block);
  unsigned T = Block.thread_rank(), I = blockIdx.x * blockDim.x + T;
  Values[T] = In[I];
  Tile.sync();
  Next[I] = Values[T / 128 * 128 + (T + 1) % 128];
  int Sum = cg::reduce(Tile, In[I], cg::plus<int>());
  if (Tile.any(In[I] < 0))
    Sum = -1;
  if (Tile.thread_rank() == 0)
    Sums[I / 128] = Sum;
}

template <int Size>
static __device__ int collect(const cg::thread_block &Block, int V) {
  auto Tile = cg::tiled_partition<Size>(Block);
  int Last = Tile.shfl(V, Size - 1);
  int Before = cg::exclusive_scan(Tile, V, cg::plus<int>());
  int Most = cg::reduce(Tile, V, cg::greater<int>());
  bool All = Tile.all(V >= 0), Any = Tile.any(V > Before);
  Tile.sync();
  return Before + 3 * Last + 5 * Most + 7 * All + 11 * Any;
}

/// Collective operations of tiles of 64, 256 and 512 threads, one after the
/// other in the same memory.
extern "C" __global__ void wideCollectives(const int *In, int *Out) {
  __shared__ cg::block_tile_memory<512> Memory;
  cg::thread_block Block = cg::this_thread_block(Memory);
  unsigned I = blockIdx.x * blockDim.x + Block.thread_rank();
  int V = In[I];
  Out[I] = collect<64>(Block, V) ^ collect<256>(Block, V) ^
           collect<512>(Block, V) ^ collect<64>(Block, V + 1);
}
