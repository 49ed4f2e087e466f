// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The tile dialect and the base class of its ops.
#ifndef DLC_DIALECT_TILE_TILEBASE_TD
#define DLC_DIALECT_TILE_TILEBASE_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/FunctionInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Tile_Dialect : Dialect {
  let name = "tile";
  let cppNamespace = "::dlc::tile";
  let summary = "GPU kernels at the level of a thread block";
  let description = [{
    One op does the work of a whole block on a tile: copies it from global to shared memory, multiplies
    it on the tensor cores, maps or reduces it. A tile's type says its shape, element, memory space and,
    once chosen, its layout. A `tile.pipeline` separates who fills shared memory from who consumes it.

    Three passes lead to NVVM: `dlc-lower-tile-pipelines` (roles and the ring of stages),
    `dlc-assign-tile-layouts` (swizzles, register layouts, shared-memory offsets) and
    `dlc-convert-tile-to-nvvm` (one thread's code). docs/tile-path.md follows a GEMM through them.
  }];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect",
                           "::mlir::math::MathDialect", "::mlir::vector::VectorDialect",
                           "::mlir::LLVM::LLVMDialect", "::mlir::NVVM::NVVMDialect"];
}

class Tile_Op<string mnemonic, list<Trait> traits = []> : Op<Tile_Dialect, mnemonic, traits>;

#endif // DLC_DIALECT_TILE_TILEBASE_TD
