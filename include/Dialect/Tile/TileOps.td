// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// All ops of the tile dialect, by family.
#ifndef DLC_DIALECT_TILE_TILEOPS_TD
#define DLC_DIALECT_TILE_TILEOPS_TD

include "Dialect/Tile/TileBase.td"
include "Dialect/Tile/TileStructureOps.td"
include "Dialect/Tile/TileMemoryOps.td"
include "Dialect/Tile/TileComputeOps.td"

#endif // DLC_DIALECT_TILE_TILEOPS_TD
