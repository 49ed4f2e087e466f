// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The tile dialect's C++ face.
#ifndef DLC_DIALECT_TILE_TILEDIALECT_H
#define DLC_DIALECT_TILE_TILEDIALECT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "Dialect/Tile/TileDialect.h.inc"
#include "Dialect/Tile/TileEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "Dialect/Tile/TileAttrs.h.inc"
#define GET_TYPEDEF_CLASSES
#include "Dialect/Tile/TileTypes.h.inc"
#define GET_OP_CLASSES
#include "Dialect/Tile/TileOps.h.inc"

namespace dlc::tile {
/// Bytes that one access of a thread to memory moves at most; the unit of the
/// swizzle.
inline constexpr int64_t kChunkBytes = 16;
} // namespace dlc::tile

#endif // DLC_DIALECT_TILE_TILEDIALECT_H
