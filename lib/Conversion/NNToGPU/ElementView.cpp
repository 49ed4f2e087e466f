// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Views without strides.
#include "ElementView.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace dlc {

Value viewElement(GPUKernelBuilder &kb, Value input, OpFoldResult place) {
  Value base = kb.getInputBase(input);
  ArrayRef<int64_t> shape = typeOf(input).getShape();
  SmallVector<int64_t> strides(shape.size(), ShapedType::kDynamic);
  auto layout =
      StridedLayoutAttr::get(kb.b.getContext(), ShapedType::kDynamic, strides);
  auto type = MemRefType::get(
      shape, cast<MemRefType>(base.getType()).getElementType(), layout);
  SmallVector<OpFoldResult> sizes = kb.sizes(input);
  for (auto [size, known] : llvm::zip_equal(sizes, shape)) {
    size = ShapedType::isDynamic(known)
               ? OpFoldResult(kb.math.value(size))
               : OpFoldResult(kb.b.getIndexAttr(known));
  }
  SmallVector<OpFoldResult> zeros(shape.size(), kb.math.value(0));
  return memref::ReinterpretCastOp::create(
      kb.b, type, base, OpFoldResult(kb.math.value(place)), sizes, zeros);
}

} // namespace dlc
