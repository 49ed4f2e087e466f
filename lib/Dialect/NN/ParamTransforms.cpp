// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The types that parameter transforms lead to.
#include "Dialect/NN/ParamTransforms.h"

#include "mlir/Dialect/Utils/IndexingUtils.h"

using namespace mlir;

namespace dlc::nn {

uint64_t denseByteSize(RankedTensorType type) {
  uint64_t bits =
      std::max<uint64_t>(type.getElementTypeBitWidth(),
                         type.getElementType().isInteger(1) ? 8 : 1);
  return llvm::divideCeil(static_cast<uint64_t>(type.getNumElements()) * bits,
                          8);
}

using EmitError = llvm::function_ref<InFlightDiagnostic()>;

static FailureOr<RankedTensorType>
permuteType(RankedTensorType type, PermuteAttr permute, EmitError emitError) {
  if (static_cast<int64_t>(permute.getPermutation().size()) != type.getRank() ||
      !isPermutationVector(permute.getPermutation())) {
    return emitError() << "expected a permutation of " << type.getRank()
                       << " dims, got " << permute;
  }
  SmallVector<int64_t> shape;
  for (int64_t dim : permute.getPermutation()) {
    shape.push_back(type.getDimSize(dim));
  }
  return type.clone(shape);
}

static FailureOr<RankedTensorType>
reshapeType(RankedTensorType type, ReshapeToAttr reshape, EmitError emitError) {
  if (computeProduct(reshape.getShape()) != type.getNumElements()) {
    return emitError() << "expected " << type.getNumElements()
                       << " elements, got " << reshape;
  }
  return type.clone(reshape.getShape());
}

/// scale and shift keep the type; their vector has the size of the axis.
static FailureOr<RankedTensorType> affineType(RankedTensorType type,
                                              int64_t axis,
                                              DenseFPElementsAttr vector,
                                              EmitError emitError) {
  if (axis < 0 || axis >= type.getRank() ||
      vector.getNumElements() != type.getDimSize(axis)) {
    return emitError() << "expected a vector that fits axis " << axis << " of "
                       << type << ", got " << vector.getNumElements()
                       << " elements";
  }
  return type;
}

static FailureOr<RankedTensorType>
packType(RankedTensorType type, PackPanelsAttr pack, EmitError emitError) {
  if (type.getRank() != 3 || pack.getWidth() < 1) {
    return emitError() << "expected (groups, K, N) and a positive width, got "
                       << type << " and " << pack;
  }
  ArrayRef<int64_t> shape = type.getShape();
  int64_t panels =
      llvm::divideCeil(shape[2], static_cast<uint64_t>(pack.getWidth()));
  return type.clone({shape[0], panels, shape[1], pack.getWidth()});
}

FailureOr<RankedTensorType> applyTransformType(RankedTensorType type,
                                               Attribute transform,
                                               EmitError emitError) {
  return llvm::TypeSwitch<Attribute, FailureOr<RankedTensorType>>(transform)
      .Case<PermuteAttr>(
          [&](auto attr) { return permuteType(type, attr, emitError); })
      .Case<ReshapeToAttr>(
          [&](auto attr) { return reshapeType(type, attr, emitError); })
      .Case<CastToAttr>([&](auto attr) -> FailureOr<RankedTensorType> {
        return RankedTensorType::get(type.getShape(), attr.getElementType());
      })
      .Case<ScaleAttr>([&](auto attr) {
        return affineType(type, attr.getAxis(), attr.getFactors(), emitError);
      })
      .Case<ShiftAttr>([&](auto attr) {
        return affineType(type, attr.getAxis(), attr.getTerms(), emitError);
      })
      .Case<PackPanelsAttr>(
          [&](auto attr) { return packType(type, attr, emitError); })
      .Default([&](Attribute attr) -> FailureOr<RankedTensorType> {
        return emitError() << "expected a param transform, got " << attr;
      });
}

} // namespace dlc::nn
