// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The rt dialect's C++ face.
#ifndef DLC_DIALECT_RT_RTDIALECT_H
#define DLC_DIALECT_RT_RTDIALECT_H

#include "Dialect/RT/KernelAttrs.h"
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
} // namespace dlc::rt

#include "Dialect/RT/RTDialect.h.inc"
#define GET_ATTRDEF_CLASSES
#include "Dialect/RT/RTAttrs.h.inc"
#define GET_TYPEDEF_CLASSES
#include "Dialect/RT/RTTypes.h.inc"
#define GET_OP_CLASSES
#include "Dialect/RT/RTOps.h.inc"

#endif // DLC_DIALECT_RT_RTDIALECT_H
