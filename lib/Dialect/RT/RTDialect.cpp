// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Registration of the rt dialect.
#include "Dialect/RT/RTDialect.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace dlc::rt;

#include "Dialect/RT/RTDialect.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "Dialect/RT/RTTypes.cpp.inc"
#define GET_OP_CLASSES
#include "Dialect/RT/RTOps.cpp.inc"

void RTDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "Dialect/RT/RTTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "Dialect/RT/RTOps.cpp.inc"
      >();
}
