// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels and pipelines.
#ifndef DLC_DIALECT_TILE_TILESTRUCTUREOPS_TD
#define DLC_DIALECT_TILE_TILESTRUCTUREOPS_TD

include "Dialect/Tile/TileTypes.td"

def Tile_KernelOp : Tile_Op<"kernel", [FunctionOpInterface, IsolatedFromAbove]> {
  let summary = "a kernel: what one thread block does";
  let description = [{
    ```mlir
    tile.kernel @gemm(%a: !llvm.ptr<1>, %m: i64) attributes {warps = array<i64: 2, 2>} { ... tile.return }
    ```
    The block has `warps[0] * warps[1]` warps, a grid of them over the rows and columns of every register
    tile. `shared_bytes`, once `dlc-assign-tile-layouts` ran: the dynamic shared memory of a launch.
    c1: two positive `warps`, together at most 32. c2: no results. c3: one block.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<FunctionType>:$function_type,
                       DenseI64ArrayAttr:$warps, OptionalAttr<I64Attr>:$shared_bytes,
                       OptionalAttr<StrAttr>:$sym_visibility,
                       OptionalAttr<DictArrayAttr>:$arg_attrs, OptionalAttr<DictArrayAttr>:$res_attrs);
  let regions = (region AnyRegion:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::llvm::ArrayRef<::mlir::Type> getArgumentTypes() { return getFunctionType().getInputs(); }
    ::llvm::ArrayRef<::mlir::Type> getResultTypes() { return getFunctionType().getResults(); }
    ::mlir::Region *getCallableRegion() { return &getBody(); }
    int64_t getThreads() { return getWarps()[0] * getWarps()[1] * 32; }
  }];
}

def Tile_ReturnOp : Tile_Op<"return", [Terminator, HasParent<"KernelOp">]> {
  let summary = "end of a kernel";
  let assemblyFormat = "attr-dict";
}

def Tile_YieldOp : Tile_Op<"yield", [Terminator, Pure,
    ParentOneOf<["PipelineOp", "MapOp", "EpilogueOp", "MmaOp"]>]> {
  let summary = "end of a region, with its results";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
}

def Tile_PipelineOp : Tile_Op<"pipeline", [AttrSizedOperandSegments, RecursiveMemoryEffects]> {
  let summary = "a loop whose shared memory is filled ahead of its use";
  let description = [{
    ```mlir
    %sum = tile.pipeline %lower to %upper rings(%a, %b : !tile.ring<...>, !tile.ring<...>)
        init(%zero : !tile.tile<...>) channels [2] fill {
    ^bb0(%k: i32, %slot_a: !tile.tile<...>, %slot_b: !tile.tile<...>):
      tile.copy ...
      tile.yield
    } consume {
    ^bb0(%k: i32, %token: !tile.token, %carried: !tile.tile<...>):
      %at, %bt = tile.await %token : !tile.tile<...>, !tile.tile<...>
      %next = tile.mma %at, %bt, %carried : ...
      tile.release %token
      tile.yield %next : !tile.tile<...>
    }
    ```
    For k = lower, lower + 1, ... < upper. `channels` splits the rings in groups that arrive together;
    each has a producer role, its `fill` region, and a token of that arrival in the consumer role, the
    `consume` region, which carries values from one k to the next. Producers may run as many k ahead
    as the rings have stages. Which threads take which role is the lowering's choice: all of them consume;
    all of them produce, too, or one of them where a `fill` region's copies are of `tile.mapped_view`.

    c1: `channels` are positive and count the rings. c2: all rings have the same number of stages, at
    least two. c3: a `fill` region per channel, whose arguments are k and the slots of its rings.
    c4: the arguments of `consume` are k, a token per channel and the carried values, which it yields.
    c5: all copies of the `fill` regions are of `tile.mapped_view`, or none is. c6: `consume` awaits each token once, in the channels' order, and then releases it.
  }];
  let arguments = (ins I32:$lower, I32:$upper, Variadic<Tile_RingType>:$rings, Variadic<AnyType>:$inits,
                       DenseI64ArrayAttr:$channels);
  let results = (outs Variadic<AnyType>:$results);
  let regions = (region SizedRegion<1>:$consume, VariadicRegion<SizedRegion<1>>:$fills);
  let assemblyFormat = [{
    $lower `to` $upper `rings` `(` $rings `:` type($rings) `)` (`init` `(` $inits^ `:` type($inits) `)`)?
    `channels` $channels attr-dict (`->` type($results)^)? `consume` $consume `fill` $fills
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    int64_t getStages() {
      return ::llvm::cast<RingType>(getRings().front().getType()).getStages();
    }
    /// The rings of a channel.
    ::mlir::OperandRange getChannelRings(unsigned channel);
    ::mlir::BlockArgument getToken(unsigned channel) {
      return getConsume().getArgument(1 + channel);
    }
    unsigned getNumChannels() { return getChannels().size(); }
    /// Whether the copies are bulk copies.
    bool isBulk();
  }];
}

def Tile_AwaitOp : Tile_Op<"await", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "wait for a channel's fill, and get its slots";
  let description = "c1: the token is one of the enclosing pipeline's, the results are the tiles of its rings.";
  let arguments = (ins Tile_TokenType:$token);
  let results = (outs Variadic<Tile_SharedTile>:$slots);
  let assemblyFormat = "$token `:` type($slots) attr-dict";
  let hasVerifier = 1;
}

def Tile_ReleaseOp : Tile_Op<"release", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "let a channel's slots be filled anew; they are not read after this";
  let arguments = (ins Tile_TokenType:$token);
  let assemblyFormat = "$token attr-dict";
}

#endif // DLC_DIALECT_TILE_TILESTRUCTUREOPS_TD
