// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Cooperative groups of several warps: tiles that synchronise by shared memory
// of the system.
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
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
