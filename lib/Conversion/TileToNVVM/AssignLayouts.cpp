// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Second pass: layouts of tiles, places in shared memory.
#include "Conversion/TileToNVVM/Passes.h"

#include "Dialect/Tile/TensorMap.h"
#include "Dialect/Tile/TileDialect.h"
#include "llvm/Support/MathExtras.h"

#include <numeric>

using namespace mlir;

namespace dlc {
#define GEN_PASS_DEF_ASSIGNTILELAYOUTSPASS
#include "Conversion/TileToNVVM/Passes.h.inc"

using namespace tile;

/// Eight consecutive rows at one chunk, as a matrix load reads them, fall into
/// eight bank groups of 16 bytes: rows of c chunks start gcd(c, 8) groups
/// apart, and the swizzle tells those apart that start in the same group.
static SwizzleAttr getMatrixSwizzle(TileType tile) {
  int64_t count = std::gcd(tile.getRowBytes() / kChunkBytes, int64_t(8));
  return SwizzleAttr::get(tile.getContext(), 8 / count, count, 1, /*panel=*/0);
}

/// The same in panels of the longest rows that bulk copies write, 128 bytes,
/// whose swizzles of rows of 32, 64 and 128 bytes are those of matrix loads
/// (CUDA programming guide, "The Swizzle Modes").
static SwizzleAttr getPanelSwizzle(TileType tile) {
  SwizzleAttr rows = getMatrixSwizzle(tile);
  return tile.getRowBytes() <= kMaxBoxRowBytes
             ? rows
             : SwizzleAttr::get(tile.getContext(), rows.getPeriod(),
                                rows.getCount(), rows.getStep(),
                                kMaxBoxRowBytes / kChunkBytes);
}

/// The swizzle of a ring that bulk copies fill, whose readers want `wanted`.
static FailureOr<SwizzleAttr> getBulkSwizzle(AllocOp alloc,
                                             SwizzleAttr wanted) {
  TileType tile = alloc.getRing().getType().getTile();
  if (!MapBox::canCopy(tile.getShape()[0], tile.getShape()[1],
                       tile.getElementBytes())) {
    return alloc.emitOpError("expected at most ")
           << kMaxBoxSide << " rows of 32, 64 or a multiple of "
           << kMaxBoxRowBytes << " bytes where bulk copies fill a ring, got "
           << tile;
  }
  if (wanted != getMatrixSwizzle(tile)) {
    return alloc.emitOpError("expected the layout of matrix loads where bulk "
                             "copies fill a ring, got ")
           << wanted;
  }
  return getPanelSwizzle(tile);
}

/// Whether bulk copies fill a ring.
static bool isBulkFilled(AllocOp alloc) {
  return llvm::any_of(alloc->getUsers(), [](Operation *slot) {
    return llvm::any_of(slot->getUsers(), [](Operation *user) {
      auto copy = dyn_cast<CopyOp>(user);
      return copy && copy.isBulk();
    });
  });
}

/// Four rows of 32 bytes each, read or written by one warp at once: the same
/// with pairs of chunks, of which a row of all banks has four. Rows are
/// neighbours, or `distance` apart, where they are free of conflicts if a row
/// is as long as all banks.
static SwizzleAttr getElementSwizzle(TileType tile, int64_t distance = 1) {
  if (tile.getRowBytes() % (2 * kChunkBytes) != 0) {
    return getMatrixSwizzle(tile);
  }
  int64_t count = std::gcd(tile.getRowBytes() / (2 * kChunkBytes), int64_t(4));
  return SwizzleAttr::get(tile.getContext(), distance * 4 / count, count, 2,
                          /*panel=*/0);
}

/// The swizzle that a reader or writer of a slot wants; null: any.
static SwizzleAttr getWantedSwizzle(OpOperand &use) {
  auto tile = cast<TileType>(use.get().getType());
  if (auto mma = dyn_cast<MmaOp>(use.getOwner())) {
    // There is no transposing matrix load of 32-bit elements.
    bool isA = use.getOperandNumber() == 0;
    bool byElement = tile.getElementBytes() == 4 &&
                     (isA ? mma.getTransposeA() : !mma.getTransposeB());
    if (!byElement) {
      return getMatrixSwizzle(tile);
    }
    bool inPairs =
        isa_and_present<PairedOperandAAttr>(mma.getA().getType().getLayout());
    return getElementSwizzle(tile, inPairs ? 2 : 1);
  }
  if (isa<LoadOp>(use.getOwner())) {
    return getMatrixSwizzle(tile);
  }
  return isa<EpilogueOp>(use.getOwner()) ? getElementSwizzle(tile)
                                         : SwizzleAttr();
}

/// Gives a ring and its slots the swizzle that all uses agree on.
static LogicalResult assignSwizzle(AllocOp alloc) {
  SwizzleAttr swizzle;
  for (Operation *user : alloc->getUsers()) {
    auto slot = dyn_cast<SlotOp>(user);
    if (!slot) {
      return user->emitOpError("expected pipelines to be lowered before");
    }
    for (OpOperand &use : slot->getUses()) {
      SwizzleAttr wanted = getWantedSwizzle(use);
      if (wanted && swizzle && wanted != swizzle) {
        return alloc.emitOpError("expected uses that agree on a layout, got ")
               << swizzle << " and " << wanted;
      }
      swizzle = wanted ? wanted : swizzle;
    }
  }
  RingType ring = alloc.getRing().getType();
  swizzle = swizzle ? swizzle : getMatrixSwizzle(ring.getTile());
  if (isBulkFilled(alloc)) {
    FailureOr<SwizzleAttr> bulk = getBulkSwizzle(alloc, swizzle);
    if (failed(bulk)) {
      return failure();
    }
    swizzle = *bulk;
  }
  TileType tile = ring.getTile().withLayout(swizzle);
  alloc.getRing().setType(
      RingType::get(ring.getContext(), ring.getStages(), tile));
  for (Operation *user : alloc->getUsers()) {
    cast<SlotOp>(user).getResult().setType(tile);
  }
  return success();
}

/// Rings one after the other, those that overlay others at 0. Mbarriers are
/// behind all of them: nothing may be written over one (PTX ISA, "mbarrier").
static LogicalResult assignOffsets(KernelOp kernel, int64_t maxSharedBytes) {
  int64_t next = 0, total = 0;
  kernel.walk([&](AllocOp alloc) {
    RingType ring = alloc.getRing().getType();
    int64_t bytes = ring.getStages() * ring.getTile().getBytes();
    int64_t alignment =
        isBulkFilled(alloc) ? kBulkRingAlignment : kRingAlignment;
    int64_t begin = alloc.getOverlay() ? 0 : llvm::alignTo(next, alignment);
    int64_t end = llvm::alignTo(begin + bytes, kRingAlignment);
    next = alloc.getOverlay() ? next : end;
    total = std::max(total, end);
    alloc.setOffset(begin);
  });
  kernel.walk([&](AllocBarriersOp barriers) {
    int64_t stages = barriers.getBarriers().getType().getStages();
    barriers.setOffset(total);
    total = llvm::alignTo(total + kBarrierBytes * stages, kRingAlignment);
  });
  if (total > maxSharedBytes) {
    return kernel.emitOpError("needs ")
           << total << " bytes of shared memory, " << total - maxSharedBytes
           << " more than the " << maxSharedBytes << " that a block may have";
  }
  kernel.setSharedBytes(total);
  return success();
}

/// The layout of a value in registers; null for values that are no such tile.
static Attribute getRegisterLayout(KernelOp kernel, Value value) {
  auto tile = dyn_cast<TileType>(value.getType());
  if (!tile || !tile.isInRegisters()) {
    return {};
  }
  MLIRContext *context = kernel.getContext();
  int64_t m = kernel.getWarps()[0], n = kernel.getWarps()[1];
  // Products leave the sums of 8-bit operands in parts.
  bool isPart = tile.getElementType().isInteger(32);
  if (tile.getRank() == 1) {
    return isPart ? Attribute(RowPartsAttr::get(context, m, n))
                  : RowsAttr::get(context, m, n);
  }
  if (tile.getShape()[0] == 1) {
    return isPart ? Attribute(ColumnPartsAttr::get(context, m, n))
                  : ColumnsAttr::get(context, m, n);
  }
  if (value.getDefiningOp<LoadOp>()) {
    return OperandAAttr::get(context, m, n);
  }
  return AccumulatorAttr::get(context, m, n);
}

static void assignRegisterLayouts(KernelOp kernel) {
  auto assign = [&](Value value) {
    if (Attribute layout = getRegisterLayout(kernel, value)) {
      value.setType(cast<TileType>(value.getType()).withLayout(layout));
    }
  };
  kernel.walk([&](Operation *op) {
    llvm::for_each(op->getResults(), assign);
    for (Region &region : op->getRegions()) {
      for (Block &block : region) {
        llvm::for_each(block.getArguments(), assign);
      }
    }
  });
}

/// Puts a conversion where sums are the left operand of another product. A warp
/// has all columns of its rows then.
static LogicalResult convertOperands(KernelOp kernel) {
  int64_t warps = kernel.getWarps()[1];
  WalkResult walk = kernel.walk([&](MmaOp mma) {
    TileType a = mma.getA().getType();
    if (a.isInRegisters() && isa<AccumulatorAttr>(a.getLayout())) {
      if (warps != 1) {
        mma.emitOpError("expected one column of warps where sums are an "
                        "operand, got ")
            << warps;
        return WalkResult::interrupt();
      }
      bool isFloat = a.getElementBytes() == 4;
      if (isFloat && mma.getTransposeB()) {
        mma.emitOpError(
            "expected no 'transpose_b' where sums of f32 are an operand");
        return WalkResult::interrupt();
      }
      OpBuilder b(mma);
      int64_t warpsM = kernel.getWarps()[0];
      Attribute layout = OperandAAttr::get(b.getContext(), warpsM, warps);
      if (isFloat) {
        layout = PairedOperandAAttr::get(b.getContext(), warpsM, warps);
      }
      TileType wanted = a.withLayout(layout);
      mma.getAMutable().assign(
          ConvertLayoutOp::create(b, mma.getLoc(), wanted, mma.getA()));
    }
    return WalkResult::advance();
  });
  return failure(walk.wasInterrupted());
}

/// Puts conversions where parts of sums are read as values.
static void convertParts(KernelOp kernel) {
  MLIRContext *context = kernel.getContext();
  int64_t m = kernel.getWarps()[0], n = kernel.getWarps()[1];
  kernel.walk([&](MapOp map) {
    OpBuilder b(map);
    for (OpOperand &operand : map.getTilesMutable()) {
      auto tile = cast<TileType>(operand.get().getType());
      Attribute whole = isa_and_present<RowPartsAttr>(tile.getLayout())
                            ? Attribute(RowsAttr::get(context, m, n))
                        : isa_and_present<ColumnPartsAttr>(tile.getLayout())
                            ? ColumnsAttr::get(context, m, n)
                            : Attribute();
      if (whole) {
        operand.set(ConvertLayoutOp::create(
            b, map.getLoc(), tile.withLayout(whole), operand.get()));
      }
    }
  });
}

/// Each warp has whole blocks of mma.sync.
static LogicalResult checkShapes(KernelOp kernel) {
  int64_t rows = 16 * kernel.getWarps()[0], columns = 16 * kernel.getWarps()[1];
  WalkResult walk = kernel.walk([&](Operation *op) {
    for (Value value : op->getResults()) {
      auto tile = dyn_cast<TileType>(value.getType());
      bool isOneRow = tile && tile.getRank() == 2 && tile.getShape()[0] == 1;
      if (tile && tile.isInRegisters() &&
          ((tile.getShape()[0] % rows != 0 && !isOneRow) ||
           (tile.getRank() == 2 && tile.getShape()[1] % columns != 0))) {
        op->emitOpError("expected rows and columns in multiples of ")
            << rows << " and " << columns << " for the kernel's warps, got "
            << tile;
        return WalkResult::interrupt();
      }
    }
    return WalkResult::advance();
  });
  return failure(walk.wasInterrupted());
}

namespace {
struct AssignTileLayoutsPass final
    : impl::AssignTileLayoutsPassBase<AssignTileLayoutsPass> {
  using AssignTileLayoutsPassBase::AssignTileLayoutsPassBase;

  void runOnOperation() override {
    for (auto kernel : getOperation().getOps<KernelOp>()) {
      if (failed(checkShapes(kernel))) {
        return signalPassFailure();
      }
      assignRegisterLayouts(kernel);
      convertParts(kernel);
      if (failed(convertOperands(kernel))) {
        return signalPassFailure();
      }
      WalkResult walk = kernel.walk([](AllocOp alloc) {
        return failed(assignSwizzle(alloc)) ? WalkResult::interrupt()
                                            : WalkResult::advance();
      });
      if (walk.wasInterrupted() ||
          failed(assignOffsets(kernel, maxSharedBytes))) {
        return signalPassFailure();
      }
    }
  }
};
} // namespace

} // namespace dlc
