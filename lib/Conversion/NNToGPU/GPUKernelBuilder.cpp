// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Threads, shared memory and exchange between threads.
#include "Conversion/NNToGPU/GPUKernelBuilder.h"

#include "Conversion/Common/ElementwiseFn.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"

using namespace mlir;

namespace dlc {

/// The sizes' i64 parameters as index values, at the kernel's start.
static SmallVector<Value> castSizes(nn::DispatchOp dispatch,
                                    func::FuncOp kernel) {
  OpBuilder b = OpBuilder::atBlockEnd(&kernel.getBody().front());
  unsigned buffers = dispatch.getInputs().size() + dispatch.getOutputs().size();
  return llvm::map_to_vector(
      kernel.getArguments().slice(buffers, dispatch.getSizes().size()),
      [&](Value size) -> Value {
        return arith::IndexCastOp::create(b, dispatch.getLoc(),
                                          b.getIndexType(), size);
      });
}

GPUKernelBuilder::GPUKernelBuilder(nn::DispatchOp dispatch, func::FuncOp kernel,
                                   int64_t threads, int64_t clusterBlocks,
                                   bool hasScratch)
    : KernelBuilder(
          dispatch, kernel, kGPUVectorTarget,
          OpBuilder::atBlockEnd(&kernel.getBody().front()),
          kernel.getArguments().take_front(dispatch.getInputs().size() +
                                           dispatch.getOutputs().size()),
          castSizes(dispatch, kernel)),
      threads(threads), clusterBlocks(clusterBlocks) {
  if (hasScratch) {
    scratch = kernel.getArguments().back();
  }
}

/// Special registers are read once, at the kernel's start.
Value GPUKernelBuilder::readRegister(Value &known,
                                     llvm::function_ref<Value()> read) {
  if (!known) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&kernel.getFunctionBody().front());
    known = arith::IndexCastOp::create(b, b.getIndexType(), read());
  }
  return known;
}

Value GPUKernelBuilder::getThread() {
  return readRegister(thread, [&]() -> Value {
    auto range = LLVM::ConstantRangeAttr::get(b.getContext(), APInt(32, 0),
                                              APInt(32, threads));
    return NVVM::ThreadIdXOp::create(b, b.getI32Type(), range);
  });
}

Value GPUKernelBuilder::readBlockIndex() {
  return readRegister(block, [&]() -> Value {
    auto range = LLVM::ConstantRangeAttr::get(b.getContext(), APInt(32, 0),
                                              APInt(32, 0x7fffffff));
    return NVVM::BlockIdXOp::create(b, b.getI32Type(), range);
  });
}

// The blocks of a cluster follow each other.
Value GPUKernelBuilder::getBlock() {
  return math.value(math.div(readBlockIndex(), math.constant(clusterBlocks)));
}

Value GPUKernelBuilder::getRank() {
  return math.value(math.rem(readBlockIndex(), math.constant(clusterBlocks)));
}

Value GPUKernelBuilder::getLane() {
  return math.value(math.rem(getThread(), math.constant(kWarpThreads)));
}

Value GPUKernelBuilder::getWarp() {
  return math.value(math.div(getThread(), math.constant(kWarpThreads)));
}

void GPUKernelBuilder::emitBarrier() { NVVM::Barrier0Op::create(b); }

Value GPUKernelBuilder::allocateShared(Type element, int64_t count) {
  constexpr int64_t kAlignment = 16;
  auto type = MemRefType::get({count}, element, MemRefLayoutAttrInterface(),
                              b.getI64IntegerAttr(kSharedSpace));
  int64_t bytes = count * llvm::divideCeil(element.getIntOrFloatBitWidth(), 8);
  sharedBytes += llvm::alignTo(bytes, kAlignment);
  std::string name = (kernel.getName() + "_shared_" + Twine(numShared++)).str();
  OpBuilder outside(kernel);
  memref::GlobalOp::create(outside, kernel.getLoc(), name,
                           outside.getStringAttr("private"), type,
                           outside.getUnitAttr(), /*constant=*/false,
                           outside.getI64IntegerAttr(kAlignment));
  return memref::GetGlobalOp::create(b, type, name);
}

/// One declaration serves all kernels of a module.
Value GPUKernelBuilder::getDynamicShared(Type element, int64_t count) {
  constexpr StringLiteral name = "dlc_kept";
  auto space = b.getI64IntegerAttr(kSharedSpace);
  auto bytes =
      MemRefType::get({0}, b.getI8Type(), MemRefLayoutAttrInterface(), space);
  auto module = kernel->getParentOfType<ModuleOp>();
  if (!module.lookupSymbol(name)) {
    auto outside = OpBuilder::atBlockBegin(module.getBody());
    memref::GlobalOp::create(outside, kernel.getLoc(), name,
                             /*sym_visibility=*/StringAttr(), bytes,
                             /*initial_value=*/Attribute(), /*constant=*/false,
                             outside.getI64IntegerAttr(16));
  }
  auto type =
      MemRefType::get({count}, element, MemRefLayoutAttrInterface(), space);
  Value memory = memref::GetGlobalOp::create(b, bytes, name);
  return memref::ViewOp::create(b, type, memory, math.value(0), ValueRange());
}

SmallVector<Value> GPUKernelBuilder::getExchange(TypeRange types,
                                                 int64_t count) {
  SmallVector<Value> places;
  for (auto [i, type] : llvm::enumerate(types)) {
    Value &place = exchange[{static_cast<unsigned>(i), type, count}];
    if (!place) {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(&kernel.getFunctionBody().front());
      place = allocateShared(type, count);
    }
    places.push_back(place);
  }
  return places;
}

Value GPUKernelBuilder::emitPower(Value x) {
  if (!x.getType().isF32()) {
    return math::ExpOp::create(b, x);
  }
  Value log2E = emitConstant(b, x.getType(), 1.4426950408889634);
  Value scaled = arith::MulFOp::create(b, x, log2E);
  return LLVM::CallIntrinsicOp::create(
             b, b.getF32Type(), b.getStringAttr("llvm.nvvm.ex2.approx.ftz.f"),
             ValueRange{scaled})
      .getResult(0);
}

/// `value` as another lane has it; words of 32 bits travel one by one.
static Value emitShuffle(ImplicitLocOpBuilder &b, Value value, Value offset,
                         NVVM::ShflKind kind) {
  Type type = value.getType(), i32 = b.getI32Type();
  unsigned width = type.getIntOrFloatBitWidth();
  auto shuffle = [&](Value word) -> Value {
    Value all = arith::ConstantIntOp::create(b, -1, 32);
    Value clamp = arith::ConstantIntOp::create(
        b, kind == NVVM::ShflKind::up ? 0 : kWarpThreads - 1, 32);
    return NVVM::ShflOp::create(b, word.getType(), all, word, offset, clamp,
                                kind, UnitAttr());
  };
  if (type.isF32() || type.isInteger(32)) {
    return shuffle(value);
  }
  Type integer = b.getIntegerType(width);
  Value bits = type == integer
                   ? value
                   : Value(arith::BitcastOp::create(b, integer, value));
  Value result;
  if (width < 32) {
    Value word = shuffle(arith::ExtUIOp::create(b, i32, bits));
    result = arith::TruncIOp::create(b, integer, word);
  } else {
    Value shift = arith::ConstantIntOp::create(b, 32, 64);
    Value low = shuffle(arith::TruncIOp::create(b, i32, bits));
    Value high = shuffle(arith::TruncIOp::create(
        b, i32, arith::ShRUIOp::create(b, bits, shift).getResult()));
    result = arith::OrIOp::create(
        b, arith::ExtUIOp::create(b, integer, low).getResult(),
        arith::ShLIOp::create(
            b, arith::ExtUIOp::create(b, integer, high).getResult(), shift)
            .getResult());
  }
  return type == integer ? result
                         : Value(arith::BitcastOp::create(b, type, result));
}

Value GPUKernelBuilder::emitShuffleXor(Value value, int64_t mask) {
  return emitShuffle(b, value, arith::ConstantIntOp::create(b, mask, 32),
                     NVVM::ShflKind::bfly);
}

Value GPUKernelBuilder::emitShuffleUp(Value value, int64_t distance) {
  return emitShuffle(b, value, arith::ConstantIntOp::create(b, distance, 32),
                     NVVM::ShflKind::up);
}

Value GPUKernelBuilder::emitShuffleFrom(Value value, Value lane) {
  Value number = arith::IndexCastOp::create(b, b.getI32Type(), lane);
  return emitShuffle(b, value, number, NVVM::ShflKind::idx);
}

OpFoldResult emitPowerAbove(GPUKernelBuilder &kb, OpFoldResult size,
                            int64_t limit) {
  kernel::IndexMath &math = kb.math;
  if (std::optional<int64_t> known = kernel::IndexMath::known(size)) {
    int64_t power = llvm::PowerOf2Ceil(std::max<int64_t>(1, *known));
    return math.constant(std::min(limit, power));
  }
  OpFoldResult result = math.constant(limit);
  for (int64_t power = limit / 2; power > 0; power /= 2) {
    result = arith::SelectOp::create(kb.b,
                                     math.lessEqual(size, math.constant(power)),
                                     math.value(power), math.value(result))
                 .getResult();
  }
  return result;
}

Value emitSharedCopy(GPUKernelBuilder &kb, Value input) {
  ImplicitLocOpBuilder &b = kb.b;
  auto type = cast<RankedTensorType>(input.getType());
  Type element = getCodeType(type.getElementType());
  int64_t count = type.getNumElements();
  Value copy = kb.allocateShared(element, count);
  nn::Sizes shape = kb.sizes(input);
  kernel::emitFor(b, kb.getThread(), kb.math.constant(count),
                  kb.math.constant(kb.getNumThreads()), [&](Value place) {
                    KernelBuilder::MemoScope scope(kb);
                    SmallVector<Value> at;
                    for (OpFoldResult index :
                         kernel::delinearize(kb.math, place, shape)) {
                      at.push_back(kb.math.value(index));
                    }
                    memref::StoreOp::create(b, kb.load(input, at), copy, place);
                  });
  SmallVector<int64_t> strides = computeSuffixProduct(type.getShape());
  auto layout = StridedLayoutAttr::get(b.getContext(), 0, strides);
  auto view = MemRefType::get(type.getShape(), element, layout,
                              b.getI64IntegerAttr(kSharedSpace));
  return memref::ReinterpretCastOp::create(b, view, copy, 0, type.getShape(),
                                           strides);
}

SmallVector<Value> emitShareState(GPUKernelBuilder &kb, ValueRange state) {
  SmallVector<Value> arrays =
      kb.getExchange(state.getTypes(), kb.getNumThreads());
  // A former reduction may still be read.
  kb.emitBarrier();
  for (auto [value, array] : llvm::zip_equal(state, arrays)) {
    memref::StoreOp::create(kb.b, value, array, kb.getThread());
  }
  kb.emitBarrier();
  return arrays;
}

SmallVector<Value> emitLoadState(GPUKernelBuilder &kb, ArrayRef<Value> arrays,
                                 OpFoldResult place) {
  Value at = kb.math.value(place);
  return llvm::map_to_vector(arrays, [&](Value array) -> Value {
    return memref::LoadOp::create(kb.b, array, at);
  });
}

using CombineFn =
    llvm::function_ref<SmallVector<Value>(ValueRange, ValueRange)>;

SmallVector<Value> emitWarpReduce(GPUKernelBuilder &kb, ValueRange state,
                                  int64_t lanes, CombineFn combine) {
  SmallVector<Value> all(state);
  for (int64_t mask = lanes / 2; mask > 0; mask /= 2) {
    SmallVector<Value> other = llvm::map_to_vector(
        all, [&](Value value) { return kb.emitShuffleXor(value, mask); });
    all = combine(all, other);
  }
  return all;
}

SmallVector<Value> emitBlockReduce(GPUKernelBuilder &kb, ValueRange state,
                                   CombineFn combine) {
  SmallVector<Value> all = emitWarpReduce(kb, state, kWarpThreads, combine);
  int64_t warps = kb.getNumThreads() / kWarpThreads;
  if (warps == 1) {
    return all;
  }
  ImplicitLocOpBuilder &b = kb.b;
  kernel::IndexMath &math = kb.math;
  SmallVector<Value> places = kb.getExchange(ValueRange(all).getTypes(), warps);
  // A former reduction may still be read.
  kb.emitBarrier();
  kernel::emitIf(b, math.equal(kb.getLane(), math.constant(0)), [&] {
    for (auto [value, place] : llvm::zip_equal(all, places)) {
      memref::StoreOp::create(b, value, place, kb.getWarp());
    }
  });
  kb.emitBarrier();
  // In the order of the warps, in every thread alike.
  all = emitLoadState(kb, places, math.constant(0));
  for (int64_t warp = 1; warp < warps; ++warp) {
    all = combine(all, emitLoadState(kb, places, math.constant(warp)));
  }
  return all;
}

} // namespace dlc
