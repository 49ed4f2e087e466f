// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Finds contract, elementwise ops, softmax, contract that are an attention.
// The loops of the first contraction are followed through reshapes and
// transposes as atoms, so that no spelling of heads, groups and batches needs a
// rule of its own.
#include "AttentionScores.h"
#include "Match.h"
#include "Transforms/Passes.h"
#include "ViewPatterns.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace dlc {
#define GEN_PASS_DEF_RECOGNIZEATTENTIONPASS
#include "Transforms/Passes.h.inc"

using namespace nn;

namespace {

/// Ops that a walk between scores and softmax may pass.
constexpr unsigned kMaxSteps = 32;

bool isView(Operation *op) {
  return isa_and_nonnull<ReshapeOp, TransposeOp>(op);
}

bool isFloatCast(Operation *op) {
  auto cast = dyn_cast_or_null<CastOp>(op);
  return cast && isa<FloatType>(typeOf(cast.getInput()).getElementType()) &&
         isa<FloatType>(cast.getType().getElementType());
}

/// `value` behind its views and products with splats; the factors go into
/// `scale`. Views are made again on what is left.
Value peelScale(OpBuilder &b, Value value, double &scale,
                Constants &constants) {
  SmallVector<Operation *> views;
  Value current = value;
  while (true) {
    if (isView(current.getDefiningOp())) {
      views.push_back(current.getDefiningOp());
      current = views.back()->getOperand(0);
      continue;
    }
    std::optional<WithSplat> product =
        matchWithSplat(current, Fn::mul, constants);
    std::optional<WithSplat> quotient =
        product ? std::nullopt : matchWithSplat(current, Fn::div, constants);
    if (!product && !quotient) {
      return value;
    }
    scale = product ? scale * product->number : scale / quotient->number;
    current = product ? product->input : quotient->input;
    value = current;
    for (Operation *view : llvm::reverse(views)) {
      Operation *copy = b.clone(*view);
      copy->setOperand(0, value);
      value = copy->getResult(0);
    }
  }
}

class AttentionMatcher {
public:
  AttentionMatcher(ContractOp values, Constants &constants)
      : values(values), constants(constants), b(values) {}

  /// Whether there is a contract-softmax-contract chain at all.
  bool findChain();
  /// Replaces the chain; false, after a remark, where it is no attention.
  bool rewrite();

private:
  bool decline(const Twine &reason);
  bool findSoftmax();
  bool findScores(Value value);
  bool followLoops();
  void splitByRepetition(Value operand, AffineMap map, unsigned loop,
                         ViewChain &chain, ArrayRef<unsigned> atoms);
  void splitRepeated(ViewChain &chain);
  bool nameQueryAndKey();
  bool nameValue();
  LoopDims dimsOf(ArrayRef<ViewChain::Atoms> view);
  LoopDim dimOf(ArrayRef<unsigned> atoms);
  bool nameBatchAtoms(ArrayRef<unsigned> batch);
  bool hasDynamicWidth();
  std::optional<AttentionScores> buildScores();
  /// Dims of operand `index` of a contraction whose loops have these dims.
  static LoopDims operandDims(ContractOp op, unsigned index,
                              const llvm::DenseMap<unsigned, LoopDim> &loops);

  ContractOp values, scores;
  SoftmaxOp softmax;
  /// The operand of `values` that is the probabilities.
  unsigned probabilities = 0;
  /// The operand of `scores` that is the key.
  unsigned key = 1;
  Constants &constants;
  OpBuilder b;
  /// From scores to softmax, and from softmax to values.
  SmallVector<std::pair<Operation *, unsigned>> path;
  SmallVector<Operation *> tail;
  bool isShared = false;

  /// Atoms of the scores' dims.
  std::optional<ViewChain> chain;
  SmallVector<SmallVector<ViewChain::Atoms>> pathViews;
  SmallVector<ViewChain::Atoms> softmaxView, valuesView;
  /// Loop of each atom, and of the contractions' loops.
  llvm::DenseMap<unsigned, unsigned> loopOfAtom;
  llvm::DenseMap<unsigned, LoopDim> scoreLoops, valueLoops;
};

bool AttentionMatcher::decline(const Twine &reason) {
  remarkMissed(values, "dlc-recognize-attention", "RecognizeAttention",
               "kept softmax and contractions apart: " + reason);
  return false;
}

bool AttentionMatcher::findSoftmax() {
  for (unsigned side = 0; side < 2; ++side) {
    Value value = values->getOperand(side);
    tail.clear();
    while (isView(value.getDefiningOp()) ||
           isFloatCast(value.getDefiningOp())) {
      isShared |= !value.hasOneUse();
      tail.push_back(value.getDefiningOp());
      value = tail.back()->getOperand(0);
    }
    softmax = value.getDefiningOp<SoftmaxOp>();
    if (softmax && !softmax.getLog() && softmax.getAxes().size() == 1) {
      isShared |= !value.hasOneUse();
      std::reverse(tail.begin(), tail.end());
      probabilities = side;
      return true;
    }
    isShared = false;
  }
  return false;
}

bool AttentionMatcher::findScores(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || path.size() > kMaxSteps) {
    return false;
  }
  if (auto contract = dyn_cast<ContractOp>(op)) {
    scores = contract;
    isShared |= !value.hasOneUse();
    return true;
  }
  SmallVector<unsigned> candidates;
  if (isView(op) || isFloatCast(op)) {
    candidates = {0};
  } else if (auto elementwise = dyn_cast<ElementwiseOp>(op)) {
    for (auto [i, input] : llvm::enumerate(elementwise.getInputs())) {
      if (input.getType() == elementwise.getType()) {
        candidates.push_back(i);
      }
    }
  }
  for (unsigned i : candidates) {
    path.push_back({op, i});
    if (findScores(op->getOperand(i))) {
      isShared |= !value.hasOneUse();
      return true;
    }
    path.pop_back();
  }
  return false;
}

bool AttentionMatcher::findChain() {
  if (values.getLhsZero() || values.getRhsZero() || !findSoftmax() ||
      !findScores(softmax.getInput())) {
    return false;
  }
  std::reverse(path.begin(), path.end());
  return !scores.getLhsZero() && !scores.getRhsZero() &&
         isa<FloatType>(scores.getType().getElementType());
}

/// Splits the atom of a loop where `operand` merges in it a dim with a repeated
/// one, as `reshape(broadcast(x))` does for grouped queries.
void AttentionMatcher::splitByRepetition(Value operand, AffineMap map,
                                         unsigned loop, ViewChain &chain,
                                         ArrayRef<unsigned> atoms) {
  std::optional<unsigned> dim =
      map.getResultPosition(getAffineDimExpr(loop, map.getContext()));
  if (!dim || atoms.size() != 1) {
    return;
  }
  SmallVector<Operation *> views;
  while (isView(operand.getDefiningOp())) {
    views.push_back(operand.getDefiningOp());
    operand = views.back()->getOperand(0);
  }
  auto broadcast = operand.getDefiningOp<BroadcastOp>();
  if (!broadcast || views.empty()) {
    return;
  }
  ViewChain source(sizeExprsOf(operand));
  for (Operation *view : llvm::reverse(views)) {
    if (!source.apply(view)) {
      return;
    }
  }
  ArrayRef<unsigned> merged = source.getView()[*dim];
  if (merged.size() == 2) {
    chain.split(atoms[0], source.getSize(merged[1]));
  }
}

/// Splits batch loops of either contraction as splitByRepetition says.
void AttentionMatcher::splitRepeated(ViewChain &chain) {
  for (unsigned i = 0; i < 2; ++i) {
    AffineMap result = scores.getMap(2);
    for (unsigned dim = 0; dim < result.getNumResults(); ++dim) {
      unsigned loop = cast<AffineDimExpr>(result.getResult(dim)).getPosition();
      splitByRepetition(scores->getOperand(i), scores.getMap(i), loop, chain,
                        ViewChain::Atoms(chain.getSource()[dim]));
    }
  }
  AffineMap map = values.getMap(probabilities);
  for (unsigned dim = 0; dim < map.getNumResults(); ++dim) {
    unsigned loop = cast<AffineDimExpr>(map.getResult(dim)).getPosition();
    splitByRepetition(values->getOperand(1 - probabilities),
                      values.getMap(1 - probabilities), loop, chain,
                      ViewChain::Atoms(chain.getView()[dim]));
  }
}

/// Fills in the atoms of every value on the way.
bool AttentionMatcher::followLoops() {
  SmallVector<SizeExpr> sizes = sizeExprsOf(scores.getResult());
  ViewChain first(sizes);
  for (auto [op, operand] : path) {
    if (isView(op) && !first.apply(op)) {
      return decline("a reshape of the scores is not understood");
    }
  }
  for (Operation *op : tail) {
    if (isView(op) && !first.apply(op)) {
      return decline("a reshape of the probabilities is not understood");
    }
  }
  splitRepeated(first);
  // Again with the final atoms, which now all views consist of.
  SmallVector<SizeExpr> atoms;
  for (const ViewChain::Atoms &dim : first.getSource()) {
    for (unsigned atom : dim) {
      atoms.push_back(first.getSize(atom));
    }
  }
  chain.emplace(sizes);
  if (!chain->reshape(atoms) || !chain->reshape(sizes)) {
    return decline("a reshape of the scores is not understood");
  }
  for (auto [op, operand] : path) {
    if (isView(op)) {
      chain->apply(op);
    }
    pathViews.emplace_back(chain->getView());
  }
  softmaxView.assign(chain->getView().begin(), chain->getView().end());
  for (Operation *op : tail) {
    if (isView(op)) {
      chain->apply(op);
    }
  }
  valuesView.assign(chain->getView().begin(), chain->getView().end());
  return true;
}

LoopDim AttentionMatcher::dimOf(ArrayRef<unsigned> atoms) {
  LoopDim dim;
  for (unsigned atom : atoms) {
    dim.loops.push_back(loopOfAtom.lookup(atom));
    dim.sizes.push_back(chain->getSize(atom));
  }
  return dim;
}

LoopDims AttentionMatcher::dimsOf(ArrayRef<ViewChain::Atoms> view) {
  return llvm::map_to_vector(
      view, [&](const ViewChain::Atoms &atoms) { return dimOf(atoms); });
}

bool AttentionMatcher::nameBatchAtoms(ArrayRef<unsigned> batch) {
  if (batch.size() > 3) {
    return decline("more than 3 batch dims");
  }
  // One dim is taken for the heads, two for batch and heads.
  static constexpr unsigned names[4][3] = {
      {}, {kHead}, {kBatch, kHead}, {kBatch, kHead, kGroup}};
  for (auto [i, atom] : llvm::enumerate(batch)) {
    loopOfAtom[atom] = names[batch.size()][i];
  }
  return true;
}

bool AttentionMatcher::nameQueryAndKey() {
  ArrayRef<unsigned> columns = softmaxView[softmax.getAxes()[0]];
  if (columns.size() != 1) {
    return decline("the softmax axis is not the keys alone");
  }
  unsigned column = columns[0];
  loopOfAtom[column] = kKey;
  AffineMap result = scores.getMap(2);
  SmallVector<unsigned> batch, rows;
  bool keyFound = false;
  for (unsigned dim = 0; dim < result.getNumResults(); ++dim) {
    AffineExpr loop = result.getResult(dim);
    bool inLhs = scores.getMap(0).getResultPosition(loop).has_value(),
         inRhs = scores.getMap(1).getResultPosition(loop).has_value();
    ArrayRef<unsigned> atoms = chain->getSource()[dim];
    if (llvm::is_contained(atoms, column)) {
      if (atoms.size() != 1 || inLhs == inRhs) {
        return decline("softmax runs over a dim of query and key");
      }
      key = inRhs;
      keyFound = true;
    } else if (inLhs && inRhs) {
      batch.append(atoms.begin(), atoms.end());
    } else if (!atoms.empty()) {
      rows.append(atoms.begin(), atoms.end());
    }
  }
  if (!keyFound || rows.size() > 2) {
    return decline("the query has more dims than rows and groups");
  }
  if (!rows.empty()) {
    loopOfAtom[rows.back()] = kRow;
  }
  if (rows.size() == 2) {
    loopOfAtom[rows.front()] = kGroup;
    if (batch.size() > 2) {
      return decline("more than 3 batch dims");
    }
  }
  if (!nameBatchAtoms(batch)) {
    return false;
  }
  // Loops of the contraction; rows must be the query's, not the key's.
  unsigned reductions = 0;
  for (unsigned loop = 0; loop < scores.getNumDims(); ++loop) {
    AffineExpr expr = getAffineDimExpr(loop, scores.getContext());
    if (std::optional<unsigned> dim = result.getResultPosition(expr)) {
      scoreLoops[loop] = dimOf(chain->getSource()[*dim]);
      bool onlyKey = !scores.getMap(1 - key).getResultPosition(expr);
      if (onlyKey && !scoreLoops[loop].loops.empty() &&
          scoreLoops[loop].loops[0] != kKey) {
        return decline("the key has a dim that the query lacks");
      }
      continue;
    }
    std::optional<unsigned> place = scores.getMap(0).getResultPosition(expr);
    if (!place || !scores.getMap(1).getResultPosition(expr)) {
      return decline("a score sums over a dim of one operand");
    }
    ++reductions;
    scoreLoops[loop] = {{kDepth}, {SizeExpr(scores.getLhs(), *place)}};
  }
  return reductions <= 1 || decline("scores sum over more than one dim");
}

bool AttentionMatcher::nameValue() {
  AffineMap map = values.getMap(probabilities), result = values.getMap(2),
            valueMap = values.getMap(1 - probabilities);
  unsigned widths = 0;
  for (unsigned loop = 0; loop < values.getNumDims(); ++loop) {
    AffineExpr expr = getAffineDimExpr(loop, values.getContext());
    bool inResult = result.getResultPosition(expr).has_value(),
         inValue = valueMap.getResultPosition(expr).has_value();
    std::optional<unsigned> dim = map.getResultPosition(expr);
    if (!dim) {
      if (!inResult || ++widths > 1) {
        return decline("the value has more dims than keys and width");
      }
      valueLoops[loop] = {{kColumn},
                          {SizeExpr(values->getOperand(1 - probabilities),
                                    *valueMap.getResultPosition(expr))}};
      continue;
    }
    LoopDim dims = valueLoops[loop] = dimOf(valuesView[*dim]);
    bool hasKeys = llvm::is_contained(dims.loops, unsigned(kKey));
    bool hasRows = llvm::is_contained(dims.loops, unsigned(kRow));
    if (dims.loops.empty()) {
      continue;
    }
    if (hasKeys ? dims.loops.size() != 1 || inResult || !inValue : !inResult) {
      return decline("the second contraction does not sum over the keys");
    }
    if (hasRows && inValue) {
      return decline("the value depends on the query's row");
    }
  }
  return true;
}

LoopDims
AttentionMatcher::operandDims(ContractOp op, unsigned index,
                              const llvm::DenseMap<unsigned, LoopDim> &loops) {
  return llvm::map_to_vector(
      op.getMap(index).getResults(), [&](AffineExpr expr) {
        return loops.lookup(cast<AffineDimExpr>(expr).getPosition());
      });
}

/// Whether a row of the result has a size that kernels cannot keep in
/// registers.
bool AttentionMatcher::hasDynamicWidth() {
  for (const LoopDim &dim :
       operandDims(values, 1 - probabilities, valueLoops)) {
    for (auto [loop, size] : llvm::zip_equal(dim.loops, dim.sizes)) {
      if (loop == kColumn && !size.getStatic()) {
        return true;
      }
    }
  }
  return false;
}

std::optional<AttentionScores> AttentionMatcher::buildScores() {
  SmallVector<ScoreStep> steps;
  for (auto [step, view] : llvm::zip_equal(path, pathViews)) {
    if (auto elementwise = dyn_cast<ElementwiseOp>(step.first)) {
      if (elementwise.getMaybeBroadcast()) {
        decline("a size between scores and softmax may be 1");
        return std::nullopt;
      }
      steps.push_back({elementwise, step.second, dimsOf(view)});
    }
  }
  std::string why;
  FloatType element = scores.getType().getElementType().isF64()
                          ? b.getF64Type()
                          : b.getF32Type();
  std::optional<AttentionScores> built =
      buildAttentionScores(b, steps, element, constants, why);
  if (!built) {
    decline(why);
  }
  return built;
}

/// Result type of an attention whose result dims are these.
RankedTensorType resultType(ArrayRef<LoopDim> dims, Type element) {
  SmallVector<int64_t> shape;
  for (const LoopDim &dim : dims) {
    for (const SizeExpr &size : dim.sizes) {
      shape.push_back(size.getStatic().value_or(ShapedType::kDynamic));
    }
  }
  return RankedTensorType::get(shape, element);
}

bool AttentionMatcher::rewrite() {
  if (isShared) {
    return decline("scores or probabilities have other users");
  }
  if (!followLoops() || !nameQueryAndKey() || !nameValue()) {
    return false;
  }
  if (hasDynamicWidth()) {
    return decline("the width of a value is known at run time only");
  }
  std::optional<AttentionScores> built = buildScores();
  if (!built) {
    return false;
  }
  Location loc = values.getLoc();
  Value query =
      peelScale(b, scores->getOperand(1 - key), built->scale, constants);
  Value keyValue =
      peelScale(b, scores->getOperand(key), built->scale, constants);
  SmallVector<Value> tensors;
  SmallVector<AffineMap> maps;
  auto add = [&](Value tensor, const LoopDims &dims) {
    auto [view, map] = splitIntoLoops(b, tensor, dims);
    tensors.push_back(view);
    maps.push_back(map);
  };
  add(query, operandDims(scores, 1 - key, scoreLoops));
  add(keyValue, operandDims(scores, key, scoreLoops));
  add(values->getOperand(1 - probabilities),
      operandDims(values, 1 - probabilities, valueLoops));
  LoopDims resultDims = operandDims(values, 2, valueLoops);
  SmallVector<AffineExpr> resultExprs;
  for (const LoopDim &dim : resultDims) {
    for (unsigned loop : dim.loops) {
      resultExprs.push_back(b.getAffineDimExpr(loop));
    }
  }
  maps.push_back(
      AffineMap::get(kNumAttentionLoops, 0, resultExprs, b.getContext()));
  llvm::append_range(maps, built->score.maps);
  llvm::append_range(maps, built->mask.maps);
  auto attention = AttentionOp::create(
      b, loc, resultType(resultDims, values.getType().getElementType()), Type(),
      tensors[0], tensors[1], tensors[2], built->score.inputs,
      built->mask.inputs, b.getAffineMapArrayAttr(maps),
      b.getF64FloatAttr(built->scale),
      EmptyRowAttr::get(b.getContext(), built->emptyRow),
      NanRowAttr::get(b.getContext(), softmax.getNanRow()));
  for (auto [region, block] :
       {std::pair(&attention.getScore(), built->score.block.release()),
        {&attention.getMask(), built->mask.block.release()}}) {
    if (block) {
      region->push_back(block);
    }
  }
  Value result = attention.getResult();
  if (result.getType() != values.getType()) {
    result = reshapeTo(b, loc, result, sizeExprsOf(values.getResult()));
  }
  values.replaceAllUsesWith(result);
  values.erase();
  return true;
}

class RecognizeAttention final
    : public impl::RecognizeAttentionPassBase<RecognizeAttention> {
public:
  void runOnOperation() override {
    Constants constants(getOperation());
    SmallVector<ContractOp> contracts;
    getOperation().walk([&](ContractOp op) { contracts.push_back(op); });
    for (ContractOp op : contracts) {
      AttentionMatcher matcher(op, constants);
      if (matcher.findChain()) {
        matcher.rewrite();
      }
    }
    RewritePatternSet patterns(&getContext());
    populateAttentionViewPatterns(patterns);
    populateViewPatterns(patterns, constants);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns)))) {
      getOperation().emitWarning("stopped folding views before the end");
    }
    constants.eraseUnusedParams();
  }
};

} // namespace
} // namespace dlc
