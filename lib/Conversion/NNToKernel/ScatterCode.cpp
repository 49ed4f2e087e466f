// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Places and reductions of nn.scatter.
#include "Conversion/NNToKernel/ScatterCode.h"

#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToKernel/Indexing.h"

using namespace mlir;

namespace dlc {

ScatterPlace emitScatterPlace(KernelBuilder &kb, nn::ScatterOp op,
                              ValueRange indices) {
  SmallVector<Value> others = emitMap(kb, op.getDestMap(), indices);
  ScatterPlace place;
  place.at.resize(op.getDest().getType().getRank());
  for (auto [i, dim] : llvm::enumerate(op.getIndexedDims())) {
    OpFoldResult size = kb.size(op.getDest(), dim);
    place.at[dim] = emitLoadedIndex(kb, op.getIndices()[i],
                                    emitMap(kb, op.getIndexMap(i), indices),
                                    size, op.getNegativeWrap());
    place.inside = emitInRange(kb, place.at[dim], size, place.inside);
  }
  auto next = others.begin();
  for (Value &index : place.at) {
    index = index ? index : *next++;
  }
  return place;
}

Value emitScatterCombine(KernelBuilder &kb, nn::ScatterOp op, Value old,
                         Value update) {
  Type element = op.getDest().getType().getElementType();
  auto apply = [&](nn::Fn fn) {
    return emitElementwise(kb.b, fn, {old, update}, {}, element, element);
  };
  switch (op.getKind()) {
  case nn::ScatterKind::assign:
    return update;
  case nn::ScatterKind::add:
    return apply(nn::Fn::add);
  case nn::ScatterKind::mul:
    return apply(nn::Fn::mul);
  case nn::ScatterKind::min:
    return apply(nn::Fn::minimum);
  case nn::ScatterKind::max:
    return apply(nn::Fn::maximum);
  }
  llvm_unreachable("closed enum");
}

} // namespace dlc
