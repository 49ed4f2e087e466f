// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Atoms of reshape and transpose chains, and the least ops that make a view.
#include "ViewChain.h"

#include "Dialect/NN/Sizes.h"

#include "mlir/Dialect/Utils/IndexingUtils.h"

using namespace mlir;

namespace dlc {

using namespace nn;

ViewChain::ViewChain(ArrayRef<SizeExpr> dims) {
  for (const SizeExpr &size : dims) {
    Atoms &atoms = source.emplace_back();
    if (!size.isOne()) {
      atoms.push_back(sizes.size());
      sizes.push_back(size);
    }
  }
  view = source;
}

bool ViewChain::split(unsigned atom, const SizeExpr &minor) {
  std::optional<SizeExpr> major = sizes[atom].dividedBy(minor);
  if (!major) {
    return false;
  }
  if (major->isOne() || minor.isOne()) {
    return true;
  }
  unsigned added = sizes.size();
  sizes.push_back(minor);
  sizes[atom] = *major;
  for (SmallVector<Atoms> *layout : {&source, &view}) {
    for (Atoms &atoms : *layout) {
      if (auto *it = llvm::find(atoms, atom); it != atoms.end()) {
        atoms.insert(it + 1, added);
      }
    }
  }
  return true;
}

bool ViewChain::reshape(ArrayRef<SizeExpr> dims) {
  ViewChain next = *this;
  SmallVector<Atoms> result;
  auto remaining = [&] {
    SmallVector<unsigned> atoms;
    for (const Atoms &dim : next.view) {
      atoms.append(dim.begin(), dim.end());
    }
    return atoms;
  };
  unsigned position = 0;
  for (const SizeExpr &dim : dims) {
    SizeExpr wanted = dim;
    Atoms &atoms = result.emplace_back();
    while (!wanted.isOne()) {
      SmallVector<unsigned> left = remaining();
      if (position == left.size()) {
        return false;
      }
      unsigned atom = left[position];
      std::optional<SizeExpr> rest = wanted.dividedBy(next.sizes[atom]);
      if (!rest) {
        // The dim ends inside this atom: split the atom there.
        std::optional<SizeExpr> minor = next.sizes[atom].dividedBy(wanted);
        if (!minor || !next.split(atom, *minor)) {
          return false;
        }
        // `result` has atoms before this one only.
        rest = SizeExpr(1);
      }
      atoms.push_back(atom);
      ++position;
      wanted = *rest;
    }
  }
  if (position != remaining().size()) {
    return false;
  }
  next.view = std::move(result);
  *this = std::move(next);
  return true;
}

void ViewChain::transpose(ArrayRef<int64_t> permutation) {
  SmallVector<Atoms> permuted;
  for (int64_t dim : permutation) {
    permuted.push_back(view[dim]);
  }
  view = std::move(permuted);
}

bool ViewChain::apply(Operation *op) {
  if (auto transposeOp = dyn_cast<TransposeOp>(op)) {
    transpose(transposeOp.getPermutation());
    return true;
  }
  auto reshapeOp = dyn_cast<ReshapeOp>(op);
  return reshapeOp && reshape(sizeExprsOf(reshapeOp.getResult()));
}

/// All atoms of a layout, major to minor.
static SmallVector<unsigned> flatten(ArrayRef<ViewChain::Atoms> layout) {
  SmallVector<unsigned> atoms;
  for (const ViewChain::Atoms &dim : layout) {
    atoms.append(dim.begin(), dim.end());
  }
  return atoms;
}

/// For each dim of `layout` its place when all dims are ordered by where their
/// atoms lie in `order`; dims of size 1 come first. Empty where some dim's
/// atoms are not neighbours in `order`.
static SmallVector<int64_t> orderDims(ArrayRef<ViewChain::Atoms> layout,
                                      ArrayRef<unsigned> order) {
  SmallVector<std::pair<size_t, int64_t>> keyed;
  for (auto [dim, atoms] : llvm::enumerate(layout)) {
    if (atoms.empty()) {
      keyed.push_back({0, dim});
      continue;
    }
    size_t first = llvm::find(order, atoms.front()) - order.begin();
    for (auto [i, atom] : llvm::enumerate(atoms)) {
      if (first + i >= order.size() || order[first + i] != atom) {
        return {};
      }
    }
    keyed.push_back({first + 1, dim});
  }
  llvm::sort(keyed);
  return llvm::map_to_vector(keyed, [](auto pair) { return pair.second; });
}

ViewPlan::ViewPlan(const ViewChain &chain, ArrayRef<SizeExpr> sourceSizes,
                   ArrayRef<SizeExpr> resultSizes)
    : source(sourceSizes), result(resultSizes) {
  if (flatten(chain.getSource()) == flatten(chain.getView())) {
    if (source != result) {
      after = result;
    }
    return;
  }
  planTransposeOfSource(chain);
  if (!permutation.empty() && !after) {
    return;
  }
  ViewPlan other = *this;
  other.planTransposeToResult(chain);
  if (!other.permutation.empty()) {
    *this = std::move(other);
    return;
  }
  if (permutation.empty()) {
    planThroughGroups(chain);
  }
}

void ViewPlan::planTransposeOfSource(const ViewChain &chain) {
  SmallVector<int64_t> order =
      orderDims(chain.getSource(), flatten(chain.getView()));
  if (order.empty()) {
    return;
  }
  // Dims of size 1 go where the result has them.
  SmallVector<int64_t> units, others, placed;
  for (int64_t dim : order) {
    (chain.getSource()[dim].empty() ? units : others).push_back(dim);
  }
  ArrayRef<int64_t> nextUnit = units, nextOther = others;
  for (const ViewChain::Atoms &atoms : chain.getView()) {
    ArrayRef<int64_t> &next = atoms.empty() ? nextUnit : nextOther;
    if (!next.empty()) {
      placed.push_back(next.front());
      next = next.drop_front();
    }
  }
  placed.append(nextOther.begin(), nextOther.end());
  placed.append(nextUnit.begin(), nextUnit.end());
  SmallVector<SizeExpr> transposed;
  for (int64_t dim : placed) {
    transposed.push_back(source[dim]);
  }
  permutation = placed;
  if (transposed != result) {
    after = result;
  }
}

void ViewPlan::planTransposeToResult(const ViewChain &chain) {
  SmallVector<int64_t> order =
      orderDims(chain.getView(), flatten(chain.getSource()));
  before.clear();
  after.reset();
  permutation.assign(order.size(), 0);
  for (auto [place, dim] : llvm::enumerate(order)) {
    before.push_back(result[dim]);
    permutation[dim] = place;
  }
}

void ViewPlan::planThroughGroups(const ViewChain &chain) {
  SmallVector<unsigned> from = flatten(chain.getSource()),
                        to = flatten(chain.getView());
  // Neighbours that stay neighbours are one group.
  SmallVector<ViewChain::Atoms> groups;
  for (unsigned atom : from) {
    if (!groups.empty()) {
      auto *it = llvm::find(to, groups.back().back());
      if (it + 1 != to.end() && *(it + 1) == atom) {
        groups.back().push_back(atom);
        continue;
      }
    }
    groups.push_back({atom});
  }
  for (const ViewChain::Atoms &group : groups) {
    SizeExpr size;
    for (unsigned atom : group) {
      size = size * chain.getSize(atom);
    }
    before.push_back(size);
  }
  permutation = orderDims(groups, to);
  after = result;
}

Value reshapeTo(OpBuilder &b, Location loc, Value input,
                ArrayRef<SizeExpr> sizes) {
  if (sizeExprsOf(input) == SmallVector<SizeExpr>(sizes)) {
    return input;
  }
  Sizes mixed = llvm::map_to_vector(
      sizes, [&](const SizeExpr &size) { return size.materialize(b, loc); });
  auto type = RankedTensorType::get(
      staticShape(mixed),
      cast<RankedTensorType>(input.getType()).getElementType());
  return ReshapeOp::create(b, loc, type, input, dynamicSizes(mixed));
}

Value transposeTo(OpBuilder &b, Location loc, Value input,
                  ArrayRef<int64_t> permutation) {
  if (isIdentityPermutation(permutation)) {
    return input;
  }
  auto type = cast<RankedTensorType>(input.getType());
  SmallVector<int64_t> shape;
  for (int64_t dim : permutation) {
    shape.push_back(type.getDimSize(dim));
  }
  return TransposeOp::create(b, loc, type.clone(shape), input, permutation);
}

Value ViewPlan::build(OpBuilder &b, Location loc, Value input,
                      RankedTensorType type) const {
  if (!before.empty()) {
    input = reshapeTo(b, loc, input, before);
  }
  if (!permutation.empty()) {
    input = transposeTo(b, loc, input, permutation);
  }
  if (after) {
    input = reshapeTo(b, loc, input, *after);
  }
  if (input.getType() != type) {
    input = tensor::CastOp::create(b, loc, type, input);
  }
  return input;
}

} // namespace dlc
