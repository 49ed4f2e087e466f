// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Types: tiles, rings of tiles in shared memory, tokens of a pipeline.
#ifndef DLC_DIALECT_TILE_TILETYPES_TD
#define DLC_DIALECT_TILE_TILETYPES_TD

include "mlir/IR/AttrTypeBase.td"
include "Dialect/Tile/TileAttrs.td"

class Tile_TypeDef<string name, string typeMnemonic> : TypeDef<Tile_Dialect, name> {
  let mnemonic = typeMnemonic;
}

def Tile_TileType : Tile_TypeDef<"Tile", "tile"> {
  let summary = "a matrix, or a value per row, in one memory space";
  let description = [{
    `!tile.tile<128x32xbf16, shared, #tile.swizzle<...>>`. Only a tile in global memory has unknown sizes.
    Without a layout none is chosen yet.
    c1: one or two dims. c2: a shared tile has two dims and rows of whole 16-byte chunks.
    c3: a swizzle is for shared tiles, other layouts are for tiles in registers.
  }];
  let parameters = (ins ArrayRefParameter<"int64_t">:$shape, "::mlir::Type":$elementType,
                        "::dlc::tile::MemorySpace":$space, OptionalParameter<"::mlir::Attribute">:$layout);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    int64_t getRank() const { return getShape().size(); }
    bool isShared() const { return getSpace() == MemorySpace::Shared; }
    bool isInRegisters() const { return getSpace() == MemorySpace::Registers; }
    unsigned getElementBytes() const { return getElementType().getIntOrFloatBitWidth() / 8; }
    /// Bytes of a shared tile, and of one row of it.
    int64_t getBytes() const { return getRowBytes() * getShape()[0]; }
    int64_t getRowBytes() const { return getShape()[1] * getElementBytes(); }
    TileType withLayout(::mlir::Attribute layout) const;
    TileType withElement(::mlir::Type element) const;
  }];
}

def Tile_RingType : Tile_TypeDef<"Ring", "ring"> {
  let summary = "stages of a shared tile";
  let description = "c1: at least one stage. c2: the tile is in shared memory.";
  let parameters = (ins "int64_t":$stages, "::dlc::tile::TileType":$tile);
  let assemblyFormat = "`<` $stages `,` qualified($tile) `>`";
  let genVerifyDecl = 1;
}

def Tile_BarriersType : Tile_TypeDef<"Barriers", "barriers"> {
  let summary = "mbarriers in shared memory, one per stage of a pipeline's channel";
  let description = "c1: at least one stage.";
  let parameters = (ins "int64_t":$stages);
  let assemblyFormat = "`<` $stages `>`";
  let genVerifyDecl = 1;
}

def Tile_TokenType : Tile_TypeDef<"Token", "token"> {
  let summary = "the coming of one fill of a pipeline's channel";
}

class Tile_TileIn<string space, string words>
    : Type<And<[CPred<"::llvm::isa<::dlc::tile::TileType>($_self)">,
                CPred<"::llvm::cast<::dlc::tile::TileType>($_self).getSpace() == ::dlc::tile::MemorySpace::" # space>]>,
           words, "::dlc::tile::TileType">;
def Tile_GlobalTile : Tile_TileIn<"Global", "tile in global memory">;
def Tile_SharedTile : Tile_TileIn<"Shared", "tile in shared memory">;
def Tile_RegisterTile : Tile_TileIn<"Registers", "tile in registers">;
def Tile_Pointer : Type<CPred<"::llvm::isa<::mlir::LLVM::LLVMPointerType>($_self) && "
                              "::llvm::cast<::mlir::LLVM::LLVMPointerType>($_self).getAddressSpace() == 1">,
                        "pointer to global memory">;
def Tile_MapPointer : Type<CPred<"::llvm::isa<::mlir::LLVM::LLVMPointerType>($_self) && "
                                 "::llvm::cast<::mlir::LLVM::LLVMPointerType>($_self).getAddressSpace() == 0">,
                           "pointer to a tensor map">;

#endif // DLC_DIALECT_TILE_TILETYPES_TD
