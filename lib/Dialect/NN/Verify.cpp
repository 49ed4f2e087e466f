// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Checks that several verifiers and reifications of the dialect share.
#include "Verify.h"

#include "mlir/Dialect/Arith/Utils/Utils.h"

using namespace mlir;

namespace dlc::nn {

/// Sizes as they are printed in types: 2x?x3.
static std::string shapeText(ArrayRef<int64_t> shape) {
  std::string text;
  llvm::raw_string_ostream os(text);
  llvm::interleave(
      shape, os,
      [&](int64_t size) {
        if (ShapedType::isDynamic(size)) {
          os << '?';
        } else {
          os << size;
        }
      },
      "x");
  return shape.empty() ? "scalar" : text;
}

LogicalResult verifyShape(Operation *op, StringRef what,
                          ArrayRef<int64_t> actual,
                          ArrayRef<int64_t> expected) {
  bool agree = actual.size() == expected.size() &&
               llvm::all_of(llvm::zip(actual, expected), [](auto pair) {
                 return sizesAgree(std::get<0>(pair), std::get<1>(pair));
               });
  if (!agree) {
    return op->emitOpError()
           << "expected '" << what << "' of shape " << shapeText(expected)
           << ", got " << shapeText(actual);
  }
  return success();
}

LogicalResult verifyRank(Operation *op, StringRef what, int64_t actual,
                         int64_t expected) {
  if (actual != expected) {
    return op->emitOpError() << "expected '" << what << "' of rank " << expected
                             << ", got " << actual;
  }
  return success();
}

LogicalResult verifyElementType(Operation *op, StringRef what, Type actual,
                                Type expected) {
  if (actual != expected) {
    return op->emitOpError() << "expected '" << what << "' of element type "
                             << expected << ", got " << actual;
  }
  return success();
}

LogicalResult verifyAxes(Operation *op, ArrayRef<int64_t> axes, int64_t rank) {
  int64_t previous = -1;
  for (int64_t axis : axes) {
    if (axis <= previous || axis >= rank) {
      return op->emitOpError() << "expected sorted, unique axes below " << rank
                               << ", got [" << axes << "]";
    }
    previous = axis;
  }
  return success();
}

LogicalResult verifySizeCount(Operation *op, RankedTensorType type,
                              unsigned dynamic) {
  if (type.getNumDynamicDims() != dynamic) {
    return op->emitOpError()
           << "expected " << type.getNumDynamicDims()
           << " sizes for the result's dynamic dims, got " << dynamic;
  }
  return success();
}

void appendShape(OpBuilder &b, Value result, ArrayRef<OpFoldResult> sizes,
                 ReifiedRankedShapedTypeDims &dims) {
  SmallVector<OpFoldResult> &shape = dims.emplace_back();
  for (auto [size, known] :
       llvm::zip_equal(sizes, tensorType(result).getShape())) {
    if (ShapedType::isDynamic(known)) {
      // A dynamic dim must be reified as a value, even where its size turned
      // out to be constant.
      shape.push_back(
          getValueOrCreateConstantIndexOp(b, result.getLoc(), size));
    } else {
      shape.push_back(b.getIndexAttr(known));
    }
  }
}

LogicalResult reifyLike(OpBuilder &b, Operation *op, Value like,
                        ReifiedRankedShapedTypeDims &dims) {
  appendShape(b, op->getResult(0), sizesOf(b, op->getLoc(), like), dims);
  return success();
}

} // namespace dlc::nn
