// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The nn dialect's C++ face: ops, attributes and the facts that passes ask of
// them.
#ifndef DLC_DIALECT_NN_NNDIALECT_H
#define DLC_DIALECT_NN_NNDIALECT_H

#include "Dialect/NN/SourceMap.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

namespace dlc::nn {
/// Loop dims of nn.attention, in the order of its maps: batch, key heads, query
/// heads per key head, query rows, keys, score width, value width.
enum AttentionLoop : unsigned {
  kBatch,
  kHead,
  kGroup,
  kRow,
  kKey,
  kDepth,
  kColumn
};
inline constexpr unsigned kNumAttentionLoops = 7;

/// How an op takes part in fusion; see FusionRoleInterface.
enum class FusionRole {
  Elementwise,
  View,
  Reduction,
  Contraction,
  Window,
  Indexed,
  Scan,
  Container,
  Opaque
};

/// Unit attribute of the op that rules a fused group or a dispatch.
inline constexpr llvm::StringLiteral kRootAttrName = "nn.root";

/// Type attribute of a contraction, convolution or attention of f32: a kernel
/// may round what it multiplies to this type (tf32). Sums stay f32.
inline constexpr llvm::StringLiteral kProductTypeAttrName = "nn.product_type";
} // namespace dlc::nn

#include "Dialect/NN/NNDialect.h.inc"
#include "Dialect/NN/NNEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "Dialect/NN/NNAttrs.h.inc"
#include "Dialect/NN/NNInterfaces.h.inc"
#define GET_OP_CLASSES
#include "Dialect/NN/NNOps.h.inc"

#endif // DLC_DIALECT_NN_NNDIALECT_H
