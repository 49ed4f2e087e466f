// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attention: the flash kernel, with the score and mask regions computed on
// vectors of keys.
#include "Conversion/NNToVector/Attention.h"

#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToKernel/KernelFamily.h"
#include "Conversion/NNToKernel/KeyBounds.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace dlc {

using namespace nn;

namespace {

RankedTensorType typeOf(Value tensor) {
  return cast<RankedTensorType>(tensor.getType());
}

std::optional<unsigned> placeOf(AffineMap map, unsigned dim) {
  return map.getResultPosition(getAffineDimExpr(dim, map.getContext()));
}

/// Builds the kernel's spec, for the host (sizes only) or the kernel.
class AttentionView {
public:
  explicit AttentionView(DispatchContext &context)
      : context(context), op(cast<nn::AttentionOp>(context.getRoot())) {}

  kernel::AttentionSpec create();
  /// Whether the kernel takes the layouts: dense rows of V and O, a static
  /// number of columns, K dense along its depth or its keys, and inputs of
  /// regions along the keys.
  static bool isSupported(nn::AttentionOp op);
  /// The kernel's indices by loop.
  SmallVector<Value> loopIndices(const kernel::AttentionIndices &at) {
    if (hasGroupedKeys()) {
      return {at.batch[0], at.batch[1], at.head, at.m, at.n};
    }
    return {at.batch[0], at.head, at.group, at.m, at.n};
  }

  OpFoldResult loopSize(unsigned dim);
  /// Elements between neighbours of loop dim `dim` in a dense tensor, 0 where
  /// it has none.
  OpFoldResult stride(Value tensor, AffineMap map, unsigned dim);

private:
  /// Whether K or V differ from group to group. Then each group is a head of
  /// its own to the kernel, which packs the keys of a head once.
  bool hasGroupedKeys() {
    return placeOf(op.getMap(1), kGroup) || placeOf(op.getMap(2), kGroup);
  }
  kernel::OffsetFn offsetIn(Value tensor, AffineMap map,
                            ArrayRef<unsigned> dims);

  DispatchContext &context;
  nn::AttentionOp op;
};

/// Whether neighbours along `loop` are neighbours in memory, or there are none.
bool isDense(Value tensor, AffineMap map, unsigned loop) {
  std::optional<unsigned> place = placeOf(map, loop);
  return !place || typeOf(tensor).getDimSize(*place) == 1 ||
         AttentionOp::getInnermostLoop(map, typeOf(tensor)) == loop;
}

bool AttentionView::isSupported(nn::AttentionOp op) {
  bool denseKeys = isDense(op.getKey(), op.getMap(1), kDepth) ||
                   isDense(op.getKey(), op.getMap(1), kKey);
  std::optional<unsigned> column = placeOf(op.getMap(2), kColumn);
  for (unsigned i = 3; i < op->getNumOperands(); ++i) {
    if (!isDense(op->getOperand(i), op.getMap(i + 1), kKey)) {
      return false;
    }
  }
  return denseKeys && isDense(op.getValue(), op.getMap(2), kColumn) &&
         isDense(op.getResult(), op.getMap(3), kColumn) &&
         !(column && op.getValue().getType().isDynamicDim(*column));
}

OpFoldResult AttentionView::loopSize(unsigned dim) {
  Value operands[] = {op.getQuery(), op.getKey(), op.getValue()};
  for (unsigned i = 0; i < 3; ++i) {
    if (std::optional<unsigned> place = placeOf(op.getMap(i), dim)) {
      return context.size(operands[i], *place);
    }
  }
  return context.math.constant(1);
}

OpFoldResult AttentionView::stride(Value tensor, AffineMap map, unsigned dim) {
  std::optional<unsigned> place = placeOf(map, dim);
  return place ? context.stride(tensor, *place) : context.math.constant(0);
}

kernel::OffsetFn AttentionView::offsetIn(Value tensor, AffineMap map,
                                         ArrayRef<unsigned> dims) {
  // With grouped keys the kernel counts one group a head, last.
  SmallVector<OpFoldResult> strides;
  for (unsigned dim : dims) {
    strides.push_back(stride(tensor, map, dim));
  }
  return [strides](ImplicitLocOpBuilder &b, ValueRange indices) {
    kernel::IndexMath math(b);
    OpFoldResult offset = math.constant(0);
    for (auto [index, elements] : llvm::zip(indices, strides)) {
      offset = math.add(offset, math.mul(index, elements));
    }
    return offset;
  };
}

kernel::AttentionSpec AttentionView::create() {
  kernel::AttentionSpec spec;
  Value query = op.getQuery(), key = op.getKey(), value = op.getValue(),
        result = op.getResult();
  AffineMap queryMap = op.getMap(0), keyMap = op.getMap(1),
            valueMap = op.getMap(2), resultMap = op.getMap(3);
  spec.query = typeOf(query).getElementType();
  spec.key = typeOf(key).getElementType();
  spec.value = typeOf(value).getElementType();
  spec.output = typeOf(result).getElementType();
  bool grouped = hasGroupedKeys();
  SmallVector<unsigned> headLoops{kBatch, kHead};
  if (grouped) {
    headLoops.push_back(kGroup);
    spec.batch = {loopSize(kBatch), loopSize(kHead)};
    spec.heads = loopSize(kGroup);
    spec.groups = context.math.constant(1);
  } else {
    spec.batch = {loopSize(kBatch)};
    spec.heads = loopSize(kHead);
    spec.groups = loopSize(kGroup);
  }
  spec.m = loopSize(kRow);
  spec.n = loopSize(kKey);
  spec.d = loopSize(kDepth);
  spec.e = *getConstantIntValue(loopSize(kColumn));
  spec.queryOffset = offsetIn(query, queryMap, {kBatch, kHead, kGroup});
  spec.keyOffset = offsetIn(key, keyMap, headLoops);
  spec.valueOffset = offsetIn(value, valueMap, headLoops);
  spec.outputOffset = offsetIn(result, resultMap, {kBatch, kHead, kGroup});
  spec.queryRowStride = stride(query, queryMap, kRow);
  spec.queryColumnStride = stride(query, queryMap, kDepth);
  bool keysAreRows = isDense(key, keyMap, kDepth);
  spec.keyLayout =
      keysAreRows ? kernel::BLayout::Transposed : kernel::BLayout::RowMajor;
  spec.keyRowStride = stride(key, keyMap, keysAreRows ? kKey : kDepth);
  spec.valueRowStride = stride(value, valueMap, kKey);
  spec.outputRowStride = stride(result, resultMap, kRow);
  spec.emptyRow = static_cast<kernel::EmptyRow>(op.getEmptyRow());
  spec.zeroNaNRows = op.getNanRow() == nn::NanRow::zero;
  return spec;
}

/// Computes a scalar region on vectors of keys.
class RegionEmitter {
public:
  RegionEmitter(KernelBuilder &kb, AttentionView &view,
                const kernel::AttentionIndices &at, int64_t lanes, Value mask)
      : kb(kb), b(kb.b), view(view), at(at), lanes(lanes), mask(mask) {}

  /// `score` is the region's first argument, or null. Inputs have maps from
  /// `firstMap` on.
  Value emit(Region &region, Value score, ValueRange inputs, unsigned firstMap);

private:
  Value vectorOf(Value value);
  Value loadInput(Value tensor, AffineMap map);

  KernelBuilder &kb;
  ImplicitLocOpBuilder &b;
  AttentionView &view;
  const kernel::AttentionIndices &at;
  int64_t lanes;
  Value mask;
};

Value RegionEmitter::vectorOf(Value value) {
  if (isa<VectorType>(value.getType())) {
    return value;
  }
  return vector::BroadcastOp::create(
      b, VectorType::get({lanes}, value.getType()), value);
}

Value RegionEmitter::loadInput(Value tensor, AffineMap map) {
  SmallVector<Value> loops = view.loopIndices(at);
  OpFoldResult place = kb.math.constant(0);
  for (unsigned dim = kBatch; dim <= kKey; ++dim) {
    // A dim of size 1 is repeated.
    std::optional<unsigned> position = placeOf(map, dim);
    if (position && typeOf(tensor).getDimSize(*position) != 1) {
      place = kb.math.add(
          place, kb.math.mul(loops[dim], view.stride(tensor, map, dim)));
    }
  }
  std::optional<unsigned> key = placeOf(map, kKey);
  bool walksKeys = key && typeOf(tensor).getDimSize(*key) != 1;
  Value flat = kernel::flatten(b, kb.getInputBase(tensor));
  if (!walksKeys) {
    return memref::LoadOp::create(b, flat, kb.math.value(place));
  }
  return kernel::loadVector(b, flat, kb.math.value(place), lanes, mask);
}

Value RegionEmitter::emit(Region &region, Value score, ValueRange inputs,
                          unsigned firstMap) {
  auto op = cast<nn::AttentionOp>(kb.getRoot());
  Block &block = region.front();
  IRMapping mapping;
  // What the region takes from around the op is the dispatch's.
  auto inKernel = [&](Value value) {
    Value known = mapping.lookupOrNull(value);
    return known ? known : kb.scalar(value);
  };
  auto argument = block.args_begin();
  if (score) {
    mapping.map(*argument++, score);
  }
  SmallVector<Value> loops = view.loopIndices(at);
  for (Value index : ArrayRef(loops).drop_back()) {
    mapping.map(*argument++, index);
  }
  Value step =
      vector::StepOp::create(b, VectorType::get({lanes}, b.getIndexType()));
  mapping.map(*argument++,
              arith::AddIOp::create(b, vectorOf(at.n), step).getResult());
  for (auto [i, input] : llvm::enumerate(inputs)) {
    mapping.map(*argument++, loadInput(input, op.getMap(firstMap + i)));
  }
  for (Operation &inner : block.without_terminator()) {
    SmallVector<Value> operands = llvm::map_to_vector(
        inner.getOperands(), [&](Value operand) { return inKernel(operand); });
    bool isVector = llvm::any_of(operands, [](Value operand) {
      return isa<VectorType>(operand.getType());
    });
    SmallVector<Type> types(inner.getResultTypes());
    if (isVector) {
      for (Value &operand : operands) {
        operand = vectorOf(operand);
      }
      for (Type &type : types) {
        type = VectorType::get({lanes}, type);
      }
    }
    OperationState state(inner.getLoc(), inner.getName(), operands, types,
                         inner.getAttrs());
    if (auto constant = dyn_cast<arith::ConstantOp>(inner)) {
      mapping.map(inner.getResult(0), b.clone(*constant)->getResult(0));
      continue;
    }
    mapping.map(&inner, b.create(state));
    for (auto [from, to] : llvm::zip_equal(
             inner.getResults(), mapping.lookup(&inner)->getResults())) {
      mapping.map(from, to);
    }
  }
  return vectorOf(
      inKernel(cast<nn::YieldOp>(block.getTerminator()).getValues()[0]));
}

kernel::AttentionSchedule chooseSchedule(const kernel::AttentionSpec &spec,
                                         const kernel::VectorTarget &target) {
  int64_t rows = kernel::IndexMath::known(spec.m).value_or(kernel::kDynamic);
  return kernel::chooseAttentionSchedule(rows, spec.e, target);
}

class AttentionFamily final : public KernelFamily {
public:
  Launch getLaunch(DispatchContext &context) const override {
    kernel::AttentionSpec spec = AttentionView(context).create();
    kernel::AttentionSchedule schedule = chooseSchedule(spec, context.target);
    kernel::IndexMath &math = context.math;
    OpFoldResult products = math.mul(math.mul(spec.m, spec.n),
                                     math.add(spec.d, math.constant(spec.e)));
    for (OpFoldResult count : spec.batch) {
      products = math.mul(products, count);
    }
    products = math.mul(math.mul(products, spec.heads), spec.groups);
    return {
        kernel::getAttentionItems(context.b, spec, schedule, context.target),
        estimateWork(context, products, 0.03),
        kernel::getAttentionScratchBytes(context.b, spec, schedule,
                                         context.target)};
  }

  LogicalResult emit(KernelBuilder &kb) const override {
    auto op = cast<nn::AttentionOp>(kb.getRoot());
    if (!AttentionView::isSupported(op)) {
      return op.emitError("unsupported: attention over this layout of key, "
                          "value, result or inputs of its regions");
    }
    AttentionView view(kb);
    kernel::AttentionSpec spec = view.create();
    spec.scale =
        emitConstant(kb.b, kb.b.getF32Type(), op.getScale().convertToDouble());
    unsigned scoreMaps = 4, maskMaps = 4 + op.getScoreInputs().size();
    if (!op.getScore().empty()) {
      spec.score = [&kb, op, scoreMaps](ImplicitLocOpBuilder &, Value score,
                                        const kernel::AttentionIndices &at,
                                        Value mask) mutable {
        AttentionView sizes(kb);
        int64_t lanes = cast<VectorType>(score.getType()).getNumElements();
        return RegionEmitter(kb, sizes, at, lanes, mask)
            .emit(op.getScore(), score, op.getScoreInputs(), scoreMaps);
      };
    }
    if (!op.getMask().empty()) {
      int64_t lanes = kb.target.lanes;
      spec.mask = [&kb, op, maskMaps, lanes](ImplicitLocOpBuilder &,
                                             const kernel::AttentionIndices &at,
                                             Value mask) mutable {
        AttentionView sizes(kb);
        return RegionEmitter(kb, sizes, at, lanes, mask)
            .emit(op.getMask(), nullptr, op.getMaskInputs(), maskMaps);
      };
    }
    setBounds(kb, op, spec);
    if (op.getLse()) {
      spec.storeLogSumExp = [&kb](ImplicitLocOpBuilder &b,
                                  const kernel::AttentionIndices &at,
                                  Value value) {
        AttentionView sizes(kb);
        SmallVector<Value> loops = sizes.loopIndices(at);
        loops.pop_back();
        memref::StoreOp::create(b, value, kb.viewResult(1), loops);
      };
    }
    kernel::AttentionBuffers buffers{
        kb.getInputBase(op.getQuery()), kb.getInputBase(op.getKey()),
        kb.getInputBase(op.getValue()), kb.getResultBase(0), kb.getScratch()};
    kernel::emitAttention(kb.b, spec, chooseSchedule(spec, kb.target),
                          kb.target, buffers, kb.getBegin(), kb.getEnd());
    return success();
  }

private:
  /// Blocks of keys that no row of a block of queries sees are skipped.
  static void setBounds(KernelBuilder &kb, nn::AttentionOp op,
                        kernel::AttentionSpec &spec) {
    auto makeBound = [&](const RowBound &bound, int64_t distance) {
      OpFoldResult offset =
          kb.math.add(sumOffsets(kb, bound), kb.math.constant(distance));
      return [&kb, offset, keys = spec.n](ImplicitLocOpBuilder &, ValueRange,
                                          OpFoldResult row) {
        return kb.math.min(kb.math.add(row, offset), keys);
      };
    };
    KeyBounds bounds = findKeyBounds(op);
    if (bounds.first) {
      spec.keyBegin = makeBound(*bounds.first, 0);
    }
    if (bounds.last) {
      spec.keyEnd = makeBound(*bounds.last, 1);
    }
  }
};

} // namespace

const KernelFamily *getAttentionFamily() {
  static const AttentionFamily family;
  return &family;
}

} // namespace dlc
