// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Registration of the rt dialect.
#include "TensorMap.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace dlc::rt;

#include "Dialect/RT/RTDialect.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "Dialect/RT/RTAttrs.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "Dialect/RT/RTTypes.cpp.inc"
#define GET_OP_CLASSES
#include "Dialect/RT/RTOps.cpp.inc"

void RTDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "Dialect/RT/RTAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "Dialect/RT/RTTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "Dialect/RT/RTOps.cpp.inc"
      >();
}
