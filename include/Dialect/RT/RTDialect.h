// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The rt dialect's C++ face.
#ifndef DLC_DIALECT_RT_RTDIALECT_H
#define DLC_DIALECT_RT_RTDIALECT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace dlc::rt {
class SizeOp;
class RunOp;
class CheckOp;

/// The module of the kernels, beside the host program.
inline constexpr llvm::StringLiteral kKernelsModuleName = "kernels";
/// Attributes of kernels: that a function is one, and of a GPU's the threads of
/// a block.
inline constexpr llvm::StringLiteral kKernelAttrName = "dlc.kernel";
inline constexpr llvm::StringLiteral kThreadsAttrName = "dlc.threads";
/// Attribute of a GPU kernel: the bits of its indices, 32 or 64.
inline constexpr llvm::StringLiteral kIndexBitsAttrName = "dlc.index_bits";
} // namespace dlc::rt

#include "Dialect/RT/RTDialect.h.inc"
#define GET_TYPEDEF_CLASSES
#include "Dialect/RT/RTTypes.h.inc"
#define GET_OP_CLASSES
#include "Dialect/RT/RTOps.h.inc"

#endif // DLC_DIALECT_RT_RTDIALECT_H
