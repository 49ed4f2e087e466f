// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the families of tile kernels share.
#include "Conversion/NNToGPU/TileKernelFamily.h"

#include "Conversion/Common/ElementwiseFn.h"
#include "Dialect/Tile/GemmKernel.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"

#include <numeric>

using namespace mlir;

namespace dlc {

TileKernelBuilder::TileKernelBuilder(ImplicitLocOpBuilder &b,
                                     nn::DispatchOp dispatch, StringRef name,
                                     unsigned indexBits,
                                     const tile::BlockLimits &limits,
                                     bool readsPartialSums)
    : b(b), dispatch(dispatch), limits(limits), indexBits(indexBits),
      readsPartialSums(readsPartialSums) {
  signature.name = name.str();
  signature.buffers = dispatch.getInputs().size() +
                      dispatch.getOutputs().size() + readsPartialSums;
  signature.sizes = dispatch.getSizes().size();
}

/// The rank-0 memref that lies at `pointer`, by the descriptor that it has in
/// the LLVM dialect: allocated pointer, aligned pointer, offset.
static Value viewPointer(ImplicitLocOpBuilder &b, Value pointer, Type element,
                         unsigned indexBits) {
  Type generic = LLVM::LLVMPointerType::get(b.getContext());
  Type index = b.getIntegerType(indexBits);
  auto type = LLVM::LLVMStructType::getLiteral(b.getContext(),
                                               {generic, generic, index});
  Value address = LLVM::AddrSpaceCastOp::create(b, generic, pointer);
  Value zero = LLVM::ConstantOp::create(b, index, b.getIntegerAttr(index, 0));
  Value descriptor = LLVM::PoisonOp::create(b, type);
  Value parts[] = {address, address, zero};
  for (int64_t i = 0; i < 3; ++i) {
    descriptor = LLVM::InsertValueOp::create(b, descriptor, parts[i], i);
  }
  return UnrealizedConversionCastOp::create(b, getBaseType(element), descriptor)
      .getResult(0);
}

void TileKernelBuilder::start(ImplicitLocOpBuilder &inside,
                              const tile::KernelArguments &arguments) {
  pointers = llvm::to_vector(arguments.buffers);
  if (readsPartialSums) {
    auto place = pointers.begin() + dispatch.getInputs().size();
    partialSums = *place;
    pointers.erase(place);
  }
  SmallVector<Value> bases, sizes;
  for (auto [pointer, type] : llvm::zip_equal(
           pointers, llvm::concat<Type>(
                         llvm::to_vector(dispatch.getInputs().getTypes()),
                         llvm::to_vector(dispatch.getOutputs().getTypes())))) {
    Type element = cast<RankedTensorType>(type).getElementType();
    bases.push_back(viewPointer(inside, pointer, element, indexBits));
  }
  for (Value size : arguments.sizes) {
    sizes.push_back(
        arith::IndexCastOp::create(inside, inside.getIndexType(), size));
  }
  auto kernel = cast<FunctionOpInterface>(
      arguments.buffers.front().getParentBlock()->getParentOp());
  builder.emplace(dispatch, kernel, kGPUVectorTarget, inside, bases, sizes);
}

Value TileKernelBuilder::getPointer(Value input) {
  return pointers[cast<BlockArgument>(input).getArgNumber()];
}

Value TileKernelBuilder::getResultPointer(unsigned i) {
  return pointers[dispatch.getInputs().size() + i];
}

tile::Size TileKernelBuilder::getSize(OpFoldResult size) {
  ImplicitLocOpBuilder &inside = kb().b;
  if (std::optional<int64_t> known = getConstantIntValue(size)) {
    return inside.getI64IntegerAttr(*known);
  }
  return arith::IndexCastOp::create(inside, inside.getI64Type(),
                                    cast<Value>(size))
      .getResult();
}

Value TileKernelBuilder::getIndex(ImplicitLocOpBuilder &inside, Value value) {
  return arith::IndexCastOp::create(inside, inside.getIndexType(), value);
}

tile::KernelOp TileKernelBuilder::emitSplitSum(
    int64_t parts, llvm::function_ref<void(tile::SplitSumSpec &)> complete) {
  return tile::buildSplitSumKernel(b, signature,
                                   [&](ImplicitLocOpBuilder &inside,
                                       const tile::KernelArguments &arguments) {
                                     start(inside, arguments);
                                     tile::SplitSumSpec spec;
                                     spec.partial = partialSums;
                                     spec.element = getPartialSumType(dispatch);
                                     spec.parts = parts;
                                     complete(spec);
                                     return spec;
                                   });
}

Value TileKernelBuilder::emitEpilogue(
    ImplicitLocOpBuilder &inside, Value sums,
    llvm::function_ref<std::pair<Value, SmallVector<Value>>(int64_t, Value)>
        finish) {
  OpBuilder::InsertionGuard guard(kb().b);
  kb().b.restoreInsertionPoint(inside.saveInsertionPoint());
  KernelBuilder::MemoScope scope(kb());
  SmallVector<Value> elements;
  auto lanes = cast<VectorType>(sums.getType()).getNumElements();
  Value root = dispatch.getRootOp()->getResult(0);
  for (int64_t lane = 0; lane < lanes; ++lane) {
    KernelBuilder::MemoScope each(kb());
    Value sum = vector::ExtractOp::create(kb().b, sums, lane);
    auto [element, place] = finish(lane, sum);
    kb().setElement(root, element);
    elements.push_back(kb().load(kb().getYielded(0), place));
  }
  auto type = VectorType::get({lanes}, elements.front().getType());
  return vector::FromElementsOp::create(kb().b, type, elements);
}

Value getNonZero(Value zeroPoint) {
  return zeroPoint && !matchPattern(zeroPoint, m_Zero()) ? zeroPoint : Value();
}

tile::ZeroPointFn TileKernelBuilder::getZeroPoint(Value zero,
                                                  OpFoldResult count) {
  if (!getNonZero(zero)) {
    return nullptr;
  }
  auto type = cast<RankedTensorType>(zero.getType());
  auto load = [this, zero, type](Value index) {
    SmallVector<Value> at(type.getRank(), index);
    return emitCast(kb().b, kb().load(zero, at), type.getElementType(),
                    kb().b.getI32Type());
  };
  if (type.hasStaticShape() && type.getNumElements() == 1) {
    Value only = load(kb().math.value(0));
    return [only](ImplicitLocOpBuilder &, ValueRange, Value) { return only; };
  }
  Value size = kb().math.value(count);
  return [this, load, size](ImplicitLocOpBuilder &inside, ValueRange,
                            Value index) {
    OpBuilder::InsertionGuard guard(kb().b);
    kb().b.restoreInsertionPoint(inside.saveInsertionPoint());
    KernelBuilder::MemoScope scope(kb());
    Value place = getIndex(inside, index);
    // Rows beyond the last one read some zero point, too.
    return load(arith::RemUIOp::create(kb().b, place, size));
  };
}

/// The factors come first in all roots.
static ValueRange getFactors(Operation *root) {
  return root->getOperands().take_front(isa<nn::AttentionOp>(root) ? 3 : 2);
}

std::string TileKernelFamily::getObstacle(nn::DispatchOp dispatch) const {
  Operation *root = dispatch.getRootOp();
  if (dispatch.getOutputs().size() != root->getNumResults()) {
    return "several results";
  }
  for (Value factor : getFactors(root)) {
    auto packed = factor.getDefiningOp<nn::PackedOp>();
    if (packed && isa<nn::ConvOp>(root)) {
      factor = packed.getInput();
    }
    if (!isa<BlockArgument>(factor)) {
      return "an operand is not in memory";
    }
  }
  return findObstacle(dispatch);
}

GPULaunch TileKernelFamily::getLaunch(DispatchContext &context) const {
  GPULaunch launch{countBlocks(context), 0, context.math.constant(0)};
  int64_t warps =
      llvm::TypeSwitch<Attribute, int64_t>(
          context.getDispatch().getScheduleAttr())
          .Case<tile::GemmScheduleAttr, tile::ConvScheduleAttr>(
              [](auto own) { return own.getWarpsM() * own.getWarpsN(); })
          .Case([](tile::AttentionScheduleAttr own) { return own.getWarps(); });
  launch.threads = warps * kWarpThreads;
  launch.parts = llvm::TypeSwitch<Attribute, int64_t>(
                     context.getDispatch().getScheduleAttr())
                     .Case<tile::GemmScheduleAttr, tile::ConvScheduleAttr>(
                         [](auto own) { return own.getSplitK(); })
                     .Default(int64_t(1));
  launch.blocks = context.math.mul(launch.blocks, launch.parts);
  launch.maps = getMaps(context);
  return launch;
}

void remarkWithoutBulk(nn::DispatchOp dispatch, const tile::BlockLimits &limits,
                       StringRef obstacle) {
  if (limits.bulkCopies && !obstacle.empty()) {
    dispatch.emitRemark() << "operands copied without tensor maps: "
                          << obstacle;
  }
}

/// Of a dispatch whose sum was cut.
static const SplitSumFamily &getSplitSum(Operation *root) {
  return *findTileKernelFamily(root)->getSplitSum();
}

OpFoldResult countPartialSums(DispatchContext &context, int64_t parts) {
  const SplitSumFamily &family = getSplitSum(context.getRoot());
  return context.math.mul(family.countResults(context), parts);
}

GPULaunch getPartialSumLaunch(DispatchContext &context) {
  const SplitSumFamily &family = getSplitSum(context.getRoot());
  kernel::IndexMath &math = context.math;
  int64_t lanes =
      std::gcd(int64_t(4), family.getColumnMultiple(context.getDispatch()));
  OpFoldResult units =
      math.div(family.countResults(context), math.constant(lanes));
  return {math.ceilDiv(units, math.constant(tile::kSplitSumThreads)),
          tile::kSplitSumThreads, math.constant(0)};
}

tile::KernelOp buildPartialSumKernel(TileKernelBuilder &builder,
                                     int64_t parts) {
  return getSplitSum(builder.dispatch.getRootOp())
      .buildPartialSum(builder, parts);
}

const TileKernelFamily *findTileKernelFamily(Operation *root) {
  return llvm::TypeSwitch<Operation *, const TileKernelFamily *>(root)
      .Case<nn::ContractOp>([](auto) { return getTileContractFamily(); })
      .Case<nn::ConvOp>([](auto) { return getTileConvFamily(); })
      .Case<nn::AttentionOp>([](auto) { return getTileAttentionFamily(); })
      .Default(nullptr);
}

const TileKernelFamily *getScheduledTileFamily(nn::DispatchOp dispatch) {
  bool scheduled =
      isa_and_present<tile::GemmScheduleAttr, tile::ConvScheduleAttr,
                      tile::AttentionScheduleAttr>(dispatch.getScheduleAttr());
  Operation *root = dispatch.getRootOp();
  return scheduled && getTensorCoreElement(root) ? findTileKernelFamily(root)
                                                 : nullptr;
}

Type getTensorCoreElement(Operation *root) {
  if (!findTileKernelFamily(root)) {
    return {};
  }
  Type element = getElementTypeOrSelf(root->getOperand(0).getType());
  auto acc = root->getAttrOfType<TypeAttr>("acc");
  if (element.isInteger(8) && !isa<nn::AttentionOp>(root)) {
    bool areBytes = llvm::all_of(getFactors(root), [](Value factor) {
      return getElementTypeOrSelf(factor.getType()).isInteger(8);
    });
    bool hasSum =
        getElementTypeOrSelf(root->getResult(0)).isSignlessInteger(32);
    return areBytes && hasSum && (!acc || acc.getValue().isInteger(32))
               ? element
               : Type();
  }
  for (Value factor : getFactors(root)) {
    if (getElementTypeOrSelf(factor.getType()) != element) {
      return {};
    }
  }
  if (acc && !acc.getValue().isF32()) {
    return {};
  }
  auto type = root->getAttrOfType<TypeAttr>(nn::kProductTypeAttrName);
  if (element.isBF16() || element.isF16()) {
    // Between its products attention rounds the probabilities, too: not in a
    // model of such types that is to be computed in fp32.
    return type || !isa<nn::AttentionOp>(root) ? element : Type();
  }
  return element.isF32() && type && isa<FloatTF32Type>(type.getValue())
             ? element
             : Type();
}

int64_t getKnownDivisor(ArrayRef<int64_t> sizes) {
  int64_t divisor = 1;
  for (int64_t size : sizes) {
    divisor *= ShapedType::isDynamic(size) ? 1 : size;
  }
  return divisor;
}

/// Whether a tensor has dims `dims` of `shape` as they are, or all of size 1.
static bool isUniform(RankedTensorType type, ArrayRef<int64_t> shape,
                      ArrayRef<unsigned> dims) {
  auto has = [&](auto test) {
    return type.getRank() == static_cast<int64_t>(shape.size()) &&
           llvm::all_of(dims, test);
  };
  return has([&](unsigned dim) { return type.getDimSize(dim) == 1; }) ||
         has([&](unsigned dim) { return type.getDimSize(dim) == shape[dim]; });
}

bool areDimsUniform(nn::DispatchOp dispatch, ArrayRef<unsigned> dims) {
  Operation *root = dispatch.getRootOp();
  ArrayRef<int64_t> shape =
      cast<RankedTensorType>(root->getResult(0).getType()).getShape();
  for (Operation &op : dispatch.getBody().front()) {
    if (&op == root || !isa<nn::NNDialect>(op.getDialect()) ||
        isa<nn::BindShapeOp, nn::PackedOp, nn::YieldOp>(op)) {
      continue;
    }
    auto elementwise = dyn_cast<nn::ElementwiseOp>(op);
    if (!elementwise && !isa<nn::CastOp>(op)) {
      return false;
    }
    for (auto [i, operand] : llvm::enumerate(op.getOperands())) {
      bool flagged = elementwise && llvm::any_of(dims, [&](unsigned dim) {
                       return elementwise.mayBroadcast(i, dim);
                     });
      if (flagged ||
          !isUniform(cast<RankedTensorType>(operand.getType()), shape, dims)) {
        return false;
      }
    }
  }
  return true;
}

} // namespace dlc
