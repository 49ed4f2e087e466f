// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Retypes i1 memrefs to i8 in place and converts at the loads and stores.
#include "Target/CPU/LowerToLLVM.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Pass/Pass.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace dlc {
#define GEN_PASS_DEF_STOREBOOLSASBYTESPASS
#include "Target/CPU/Passes.h.inc"

namespace {

/// `type` with i1 elements made i8, for memrefs, vectors and i1 itself.
Type toBytes(Type type) {
  Type byte = IntegerType::get(type.getContext(), 8);
  if (auto shaped = dyn_cast<ShapedType>(type))
    return shaped.getElementType().isInteger(1) ? shaped.clone(byte) : type;
  return type.isInteger(1) ? byte : type;
}

bool isBoolMemRef(Type type) {
  auto memref = dyn_cast<MemRefType>(type);
  return memref && memref.getElementType().isInteger(1);
}

Value extend(ImplicitLocOpBuilder &b, Value value) {
  return arith::ExtUIOp::create(b, toBytes(value.getType()), value);
}

/// Operand `index` of `op` becomes its byte form.
void extendOperand(Operation *op, unsigned index) {
  Value value = op->getOperand(index);
  if (toBytes(value.getType()) == value.getType())
    return;
  ImplicitLocOpBuilder b(op->getLoc(), op);
  op->setOperand(index, extend(b, value));
}

/// The result of the load `op` becomes bytes; users see them compared with 0.
void compareResult(Operation *op) {
  OpResult result = op->getResult(0);
  Type boolType = result.getType();
  Type byteType = toBytes(boolType);
  if (byteType == boolType)
    return;
  result.setType(byteType);
  ImplicitLocOpBuilder b(op->getLoc(), op->getContext());
  b.setInsertionPointAfter(op);
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(byteType));
  Value asBool =
      arith::CmpIOp::create(b, arith::CmpIPredicate::ne, result, zero);
  result.replaceAllUsesExcept(asBool, asBool.getDefiningOp());
}

LogicalResult convertAccess(Operation *op) {
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case<memref::LoadOp, vector::LoadOp>([](Operation *load) {
        compareResult(load);
        return success();
      })
      .Case([](vector::MaskedLoadOp load) {
        extendOperand(load, load->getNumOperands() - 1); // pass-through
        compareResult(load);
        return success();
      })
      .Case([](vector::TransferReadOp load) {
        extendOperand(load, load.getPaddingMutable().getOperandNumber());
        compareResult(load);
        return success();
      })
      .Case<memref::StoreOp, vector::StoreOp, vector::TransferWriteOp>(
          [](Operation *store) {
            extendOperand(store, 0);
            return success();
          })
      .Case([](vector::MaskedStoreOp store) {
        extendOperand(store, store->getNumOperands() - 1);
        return success();
      })
      .Case<memref::ReinterpretCastOp, memref::SubViewOp, memref::CastOp,
            memref::ExpandShapeOp, memref::CollapseShapeOp, memref::CopyOp,
            memref::AllocaOp, memref::DimOp, memref::ViewOp,
            memref::ExtractAlignedPointerAsIndexOp,
            memref::ExtractStridedMetadataOp, func::CallOp, func::ReturnOp>(
          [](Operation *) { return success(); })
      .Default([](Operation *other) {
        return other->emitOpError("cannot access a memref of i1");
      });
}

struct StoreBoolsAsBytesPass final
    : impl::StoreBoolsAsBytesPassBase<StoreBoolsAsBytesPass> {
  void runOnOperation() override {
    SmallVector<Operation *> accesses;
    bool any = false;
    auto retype = [&](Value value) {
      if (isBoolMemRef(value.getType())) {
        value.setType(toBytes(value.getType()));
        any = true;
      }
    };
    getOperation().walk([&](Operation *op) {
      if (llvm::any_of(op->getOperandTypes(), isBoolMemRef))
        accesses.push_back(op);
    });
    getOperation().walk([&](Operation *op) {
      llvm::for_each(op->getResults(), retype);
      for (Region &region : op->getRegions())
        for (Block &block : region)
          llvm::for_each(block.getArguments(), retype);
    });
    if (!any)
      return;
    getOperation().walk([](func::FuncOp function) {
      FunctionType type = function.getFunctionType();
      function.setFunctionType(FunctionType::get(
          type.getContext(),
          llvm::map_to_vector(
              type.getInputs(),
              [](Type t) { return isBoolMemRef(t) ? toBytes(t) : t; }),
          llvm::map_to_vector(type.getResults(), [](Type t) {
            return isBoolMemRef(t) ? toBytes(t) : t;
          })));
    });
    for (Operation *op : accesses)
      if (failed(convertAccess(op)))
        return signalPassFailure();
  }
};

} // namespace

} // namespace dlc
