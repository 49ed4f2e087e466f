// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Registration of the nn dialect.
#include "Dialect/NN/NNDialect.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace dlc::nn;

#include "Dialect/NN/NNDialect.cpp.inc"
#include "Dialect/NN/NNEnums.cpp.inc"
#include "Dialect/NN/NNInterfaces.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "Dialect/NN/NNAttrs.cpp.inc"
#define GET_OP_CLASSES
#include "Dialect/NN/NNOps.cpp.inc"

void NNDialect::initialize() {
  sourceMap = std::make_unique<SourceMap>();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "Dialect/NN/NNAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "Dialect/NN/NNOps.cpp.inc"
      >();
}

Operation *NNDialect::materializeConstant(OpBuilder &b, Attribute value,
                                          Type type, Location loc) {
  return arith::ConstantOp::materialize(b, value, type, loc);
}
