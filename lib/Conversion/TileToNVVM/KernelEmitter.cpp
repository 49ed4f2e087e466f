// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The function around a kernel's code, and its control flow.
#include "KernelEmitter.h"

#include "Conversion/TileToNVVM/Passes.h"
#include "Dialect/Tile/Schedules.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace dlc::tile {

Value Int32Math::constant(int64_t value) const {
  return arith::ConstantIntOp::create(b, b.getI32Type(), value);
}
Value Int32Math::add(Value x, Value y) const {
  return b.createOrFold<arith::AddIOp>(x, y);
}
Value Int32Math::sub(Value x, Value y) const {
  return b.createOrFold<arith::SubIOp>(x, y);
}
Value Int32Math::mul(Value x, int64_t y) const {
  return b.createOrFold<arith::MulIOp>(x, constant(y));
}
Value Int32Math::exclusiveOr(Value x, Value y) const {
  return b.createOrFold<arith::XOrIOp>(x, y);
}
Value Int32Math::min(Value x, int64_t y) const {
  return b.createOrFold<arith::MinSIOp>(x, constant(y));
}
Value Int32Math::max(Value x, int64_t y) const {
  return b.createOrFold<arith::MaxSIOp>(x, constant(y));
}
Value Int32Math::div(Value x, int64_t y) const {
  return b.createOrFold<arith::DivUIOp>(x, constant(y));
}
Value Int32Math::rem(Value x, int64_t y) const {
  return b.createOrFold<arith::RemUIOp>(x, constant(y));
}
Value Int32Math::less(Value x, Value y) const {
  return b.createOrFold<arith::CmpIOp>(arith::CmpIPredicate::slt, x, y);
}
Value Int32Math::extend(Value x) const {
  return arith::ExtSIOp::create(b, b.getI64Type(), x);
}

KernelEmitter::KernelEmitter(KernelOp kernel)
    : kernel(kernel), b(kernel.getLoc(), kernel), math(b) {}

/// The dynamic shared memory of the module's kernels.
static void declareSharedMemory(OpBuilder &b, ModuleOp module, Location loc) {
  if (module.lookupSymbol(kSharedMemorySymbol)) {
    return;
  }
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(module.getBody());
  auto type = LLVM::LLVMArrayType::get(b.getI8Type(), 0);
  LLVM::GlobalOp::create(b, loc, type, /*isConstant=*/false,
                         LLVM::Linkage::External, kSharedMemorySymbol,
                         Attribute(), /*alignment=*/1024, /*addrSpace=*/3);
}

bool KernelEmitter::reducesRows() {
  return kernel.walk([](ReduceOp) { return WalkResult::interrupt(); })
      .wasInterrupted();
}

/// Left operands that a warp reads from shared memory step by step, some steps
/// ahead of the products; measured.
static constexpr int64_t kReadAheadRegisters = 48;

int64_t KernelEmitter::countProductRegisters() {
  int64_t count = 0;
  kernel.walk([&](MmaOp op) {
    count += countRegisters(op.getAcc().getType());
    TileType a = op.getA().getType();
    count += a.isInRegisters() ? countRegisters(a) : kReadAheadRegisters;
  });
  return count;
}

/// Blocks of a multiprocessor whose registers shall fit. Left to itself, ptxas
/// aims at more than shared memory may have room for, and spills for it.
int64_t KernelEmitter::countResidentBlocks() {
  bool isWide = false, copiesPieces = false, isBulk = false, loadsMask = false;
  kernel.walk([&](Operation *op) {
    auto view = dyn_cast<ViewOp>(op);
    copiesPieces |= view && view.getAlignment() < kChunkBytes;
    auto mma = dyn_cast<MmaOp>(op);
    isWide |= mma && mma.getB().getType().getElementBytes() == 4;
    isBulk |= isa<MappedViewOp>(op);
    loadsMask |=
        isa<MapOp>(op->getParentOp()) && hasEffect<MemoryEffects::Read>(op);
  });
  // Where rows are reduced between products of 16-bit floats (attention), code
  // between them may take more registers than it needs: several blocks are
  // better, unless copies come in pieces, each with an address of its own.
  if (!reducesRows() || isWide || copiesPieces) {
    return 1;
  }
  // For scores and masks; with 0, ptxas spilled. Without copies between them,
  // it has more of a mask's loads under way at once.
  int64_t maskRegisters = isBulk && loadsMask ? 32 : 8;
  constexpr int64_t kMostBlocks = 8;
  int64_t registers = llvm::alignTo(
      countProductRegisters() + kOtherRegisters + maskRegisters, 8);
  // A warp's registers are those of its scheduler. Schedulers have equally many
  // warps, so ptxas leaves fewer registers to 10 warps than a tenth of all.
  constexpr int64_t kSchedulers = 4;
  int64_t warps = BlockLimits().registers / kSchedulers / (registers * 32);
  int64_t blocks = kSchedulers * warps / (kernel.getThreads() / 32);
  return std::clamp<int64_t>(blocks, 1, kMostBlocks);
}

/// Tensor maps are parameters by value, which bulk copies read where they are
/// (PTX ISA, "Kernel function parameters").
static void markMaps(LLVM::LLVMFuncOp function) {
  for (unsigned i = 0; i != function.getNumArguments(); ++i) {
    if (function.getArgAttr(i, LLVM::LLVMDialect::getByValAttrName())) {
      function.setArgAttr(i, NVVM::NVVMDialect::getGridConstantAttrName(),
                          UnitAttr::get(function.getContext()));
    }
  }
}

LogicalResult KernelEmitter::emit() {
  declareSharedMemory(b, kernel->getParentOfType<ModuleOp>(), kernel.getLoc());
  auto type = LLVM::LLVMFunctionType::get(
      LLVM::LLVMVoidType::get(b.getContext()), kernel.getArgumentTypes());
  auto function = LLVM::LLVMFuncOp::create(b, kernel.getName(), type);
  function->setDiscardableAttrs(
      kernel->getDiscardableAttrDictionary().getValue());
  int64_t threads = kernel.getThreads();
  function->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(),
                    b.getUnitAttr());
  function->setAttr(
      NVVM::NVVMDialect::getReqntidAttrName(),
      b.getDenseI32ArrayAttr({static_cast<int32_t>(threads), 1, 1}));
  function->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(),
                    b.getI32IntegerAttr(countResidentBlocks()));
  function->setAttr(kTileThreadsAttrName, b.getI64IntegerAttr(threads));
  function->setAttr(kSharedBytesAttrName,
                    b.getI64IntegerAttr(kernel.getSharedBytes().value_or(0)));
  if (std::optional<ArrayAttr> attributes = kernel.getArgAttrs()) {
    function.setArgAttrsAttr(*attributes);
  }
  markMaps(function);
  Block *entry = function.addEntryBlock(b);
  b.setInsertionPointToStart(entry);
  bind(kernel.getArguments(), entry->getArguments());
  thread = NVVM::ThreadIdXOp::create(b, b.getI32Type());
  lane = math.rem(thread, 32);
  Value warp = math.div(thread, 32);
  warpM = math.div(warp, kernel.getWarps()[1]);
  warpN = math.rem(warp, kernel.getWarps()[1]);
  sharedMemory = LLVM::AddressOfOp::create(
      b, LLVM::LLVMPointerType::get(b.getContext(), 3), kSharedMemorySymbol);
  return emitBlock(kernel.getBody().front());
}

static bool isOperand(TileType tile) {
  return isa<OperandAAttr, PairedOperandAAttr>(tile.getLayout());
}

int64_t KernelEmitter::countRegisters(TileType tile) {
  int64_t rows = tile.getShape()[0] / kernel.getWarps()[0];
  if (tile.getRank() == 1) {
    return rows / 8;
  }
  int64_t columns = tile.getShape()[1];
  if (isOperand(tile)) {
    return rows * columns * tile.getElementBytes() / 128;
  }
  int64_t warpColumns = columns / kernel.getWarps()[1];
  if (isa<ColumnPartsAttr>(tile.getLayout())) {
    return warpColumns / 8;
  }
  if (isa<ColumnsAttr>(tile.getLayout())) {
    return warpColumns / 4;
  }
  return rows * warpColumns / 32;
}

Type KernelEmitter::getRegisterType(TileType tile) {
  return isOperand(tile) ? b.getI32Type() : tile.getElementType();
}

SmallVector<Type> KernelEmitter::flatten(TypeRange types) {
  SmallVector<Type> flat;
  for (Type type : types) {
    if (auto tile = dyn_cast<TileType>(type)) {
      flat.append(countRegisters(tile), getRegisterType(tile));
    } else {
      flat.push_back(type);
    }
  }
  return flat;
}

SmallVector<Value> KernelEmitter::flatten(ValueRange values) {
  SmallVector<Value> flat;
  for (Value value : values) {
    if (isa<TileType>(value.getType())) {
      llvm::append_range(flat, tiles.at(value));
    } else {
      flat.push_back(mapping.lookupOrDefault(value));
    }
  }
  return flat;
}

void KernelEmitter::bind(ValueRange values, ValueRange flat) {
  for (Value value : values) {
    int64_t count = 1;
    if (auto tile = dyn_cast<TileType>(value.getType())) {
      count = countRegisters(tile);
      tiles[value] = Registers(flat.take_front(count));
    } else {
      mapping.map(value, flat.front());
    }
    flat = flat.drop_front(count);
  }
}

SmallVector<Value> KernelEmitter::inlineRegion(Region &region,
                                               ValueRange arguments) {
  mapping.map(region.getArguments(), arguments);
  for (Operation &op : region.front().without_terminator()) {
    b.clone(op, mapping);
  }
  SmallVector<Value> results;
  for (Value value : region.front().getTerminator()->getOperands()) {
    results.push_back(mapping.lookupOrDefault(value));
  }
  return results;
}

LogicalResult KernelEmitter::emitBlock(Block &block) {
  for (Operation &op : block) {
    if (failed(emitOp(&op))) {
      return failure();
    }
  }
  return success();
}

/// Whether the op's values or regions hold anything of the tile dialect.
static bool usesTiles(Operation *op) {
  WalkResult walk = op->walk([](Operation *inner) {
    bool own = isa<TileDialect>(inner->getDialect()) ||
               llvm::any_of(inner->getResultTypes(), llvm::IsaPred<TileType>);
    return own ? WalkResult::interrupt() : WalkResult::advance();
  });
  return walk.wasInterrupted();
}

LogicalResult KernelEmitter::emitOp(Operation *op) {
  b.setLoc(op->getLoc());
  if (!usesTiles(op) && !isa<scf::YieldOp>(op)) {
    b.clone(*op, mapping);
    return success();
  }
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<scf::ForOp>([&](auto forOp) { return emitFor(forOp); })
      .Case<scf::IfOp>([&](auto ifOp) { return emitIf(ifOp); })
      .Case<scf::YieldOp>([&](auto yield) {
        scf::YieldOp::create(b, flatten(yield.getOperands()));
        return success();
      })
      .Case<ReturnOp>([&](auto) {
        LLVM::ReturnOp::create(b, ValueRange());
        return success();
      })
      .Case<CommitOp>([&](auto) {
        NVVM::CpAsyncCommitGroupOp::create(b);
        return success();
      })
      // A view is what its copies know of it.
      .Case<ViewOp, MappedViewOp>([](auto) { return success(); })
      .Case<AllocBarriersOp>(
          [&](auto o) { return emitAllocBarriers(o), success(); })
      .Case<BulkCopiesOp>([&](auto o) { return emitBulkCopies(o); })
      .Case<AwaitBulkOp>([&](auto o) { return emitAwaitBulk(o), success(); })
      .Case<AllocOp>([&](auto o) { return emitAlloc(o), success(); })
      .Case<SlotOp>([&](auto o) { return emitSlot(o), success(); })
      .Case<WindowOp>([&](auto o) { return emitWindow(o), success(); })
      .Case<CopyOp>([&](auto o) { return emitCopy(o), success(); })
      .Case<WaitOp>([&](auto o) { return emitWait(o), success(); })
      .Case<EpilogueOp>([&](auto o) { return emitEpilogue(o), success(); })
      .Case<MmaOp>([&](auto o) { return emitMma(o), success(); })
      .Case<LoadOp>([&](auto o) { return emitLoad(o), success(); })
      .Case<SplatOp>([&](auto o) { return emitSplat(o), success(); })
      .Case<MapOp>([&](auto o) { return emitMap(o), success(); })
      .Case<CastOp>([&](auto o) { return emitCast(o), success(); })
      .Case<ReduceOp>([&](auto o) { return emitReduce(o), success(); })
      .Case<ConvertLayoutOp>(
          [&](auto o) { return emitConvertLayout(o), success(); })
      .Default([](Operation *other) {
        return other->emitOpError("expected an op without tiles here");
      });
}

void forbidUnrolling(scf::ForOp loop) {
  MLIRContext *context = loop.getContext();
  auto unroll = LLVM::LoopUnrollAttr::get(
      context, /*disable=*/BoolAttr::get(context, true), /*count=*/{},
      /*runtimeDisable=*/{}, /*full=*/{}, /*followupUnrolled=*/{},
      /*followupRemainder=*/{}, /*followupAll=*/{});
  loop->setAttr("llvm.loop_annotation",
                LLVM::LoopAnnotationAttr::get(
                    context, /*disableNonforced=*/{}, /*vectorize=*/{},
                    /*interleave=*/{}, unroll, /*unrollAndJam=*/{}, /*licm=*/{},
                    /*distribute=*/{}, /*pipeline=*/{}, /*peeled=*/{},
                    /*unswitch=*/{}, /*mustProgress=*/{}, /*isVectorized=*/{},
                    /*startLoc=*/{}, /*endLoc=*/{}, /*parallelAccesses=*/{}));
}

LogicalResult KernelEmitter::emitFor(scf::ForOp op) {
  auto loop = scf::ForOp::create(b, mapping.lookupOrDefault(op.getLowerBound()),
                                 mapping.lookupOrDefault(op.getUpperBound()),
                                 mapping.lookupOrDefault(op.getStep()),
                                 flatten(op.getInitArgs()));
  // Chunks with branches, or that go through registers element by element.
  WalkResult longCopies = op.walk([](CopyOp copy) {
    auto view = copy.getSource().getDefiningOp<ViewOp>();
    bool isLong =
        copy.getFill() || (view && view.getAlignment() < kLeastAsyncBytes);
    return isLong ? WalkResult::interrupt() : WalkResult::advance();
  });
  if (longCopies.wasInterrupted()) {
    forbidUnrolling(loop);
  }
  Block *body = loop.getBody();
  if (!body->empty()) {
    body->back().erase();
  }
  mapping.map(op.getInductionVar(), loop.getInductionVar());
  bind(op.getRegionIterArgs(), loop.getRegionIterArgs());
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(body);
    if (failed(emitBlock(*op.getBody()))) {
      return failure();
    }
  }
  bind(op.getResults(), loop.getResults());
  return success();
}

LogicalResult KernelEmitter::emitIf(scf::IfOp op) {
  bool hasElse = !op.getElseRegion().empty();
  auto branch = scf::IfOp::create(b, flatten(op.getResultTypes()),
                                  mapping.lookupOrDefault(op.getCondition()),
                                  /*addThenBlock=*/true, hasElse);
  auto emitBranch = [&](Block *from, Block *to) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(to);
    return emitBlock(*from);
  };
  if (failed(emitBranch(op.thenBlock(), branch.thenBlock())) ||
      (hasElse && failed(emitBranch(op.elseBlock(), branch.elseBlock())))) {
    return failure();
  }
  bind(op.getResults(), branch.getResults());
  return success();
}

} // namespace dlc::tile
