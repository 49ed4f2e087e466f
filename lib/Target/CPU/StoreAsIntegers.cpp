// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Retypes i1 memrefs to i8 and bf16 memrefs to i16, in place, and converts at
// the loads and stores.
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
#define GEN_PASS_DEF_STOREASINTEGERSPASS
#include "Target/CPU/Passes.h.inc"

namespace {

/// `type` as it is stored, for memrefs, vectors and elements.
Type toStored(Type type) {
  if (auto shaped = dyn_cast<ShapedType>(type)) {
    Type element = shaped.getElementType();
    Type stored = toStored(element);
    return stored == element ? type : shaped.clone(stored);
  }
  unsigned width = type.isInteger(1) ? 8 : type.isBF16() ? 16 : 0;
  return width ? IntegerType::get(type.getContext(), width) : type;
}

bool isRetyped(Type type) {
  return isa<MemRefType>(type) && toStored(type) != type;
}

/// The stored form of a value.
Value encode(ImplicitLocOpBuilder &b, Value value) {
  Type stored = toStored(value.getType());
  if (getElementTypeOrSelf(value.getType()).isInteger(1))
    return arith::ExtUIOp::create(b, stored, value);
  auto bits = value.getDefiningOp<arith::BitcastOp>();
  if (bits && bits.getIn().getType() == stored)
    return bits.getIn();
  return arith::BitcastOp::create(b, stored, value);
}

/// Operand `index` of `op` becomes its stored form.
void encodeOperand(Operation *op, unsigned index) {
  Value value = op->getOperand(index);
  if (toStored(value.getType()) == value.getType())
    return;
  ImplicitLocOpBuilder b(op->getLoc(), op);
  op->setOperand(index, encode(b, value));
}

/// The result of the load `op` becomes what is stored; users see it decoded.
void decodeResult(Operation *op) {
  OpResult result = op->getResult(0);
  Type type = result.getType(), stored = toStored(type);
  if (stored == type)
    return;
  result.setType(stored);
  ImplicitLocOpBuilder b(op->getLoc(), op->getContext());
  b.setInsertionPointAfter(op);
  Operation *decoded;
  if (getElementTypeOrSelf(type).isInteger(1)) {
    Value zero = arith::ConstantOp::create(b, b.getZeroAttr(stored));
    decoded = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, result, zero);
  } else {
    decoded = arith::BitcastOp::create(b, type, result);
  }
  result.replaceAllUsesExcept(decoded->getResult(0), decoded);
}

LogicalResult convertAccess(Operation *op) {
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case<memref::LoadOp, vector::LoadOp>([](Operation *load) {
        decodeResult(load);
        return success();
      })
      .Case([](vector::MaskedLoadOp load) {
        encodeOperand(load, load->getNumOperands() - 1); // pass-through
        decodeResult(load);
        return success();
      })
      .Case([](vector::TransferReadOp load) {
        encodeOperand(load, load.getPaddingMutable().getOperandNumber());
        decodeResult(load);
        return success();
      })
      .Case<memref::StoreOp, vector::StoreOp, vector::TransferWriteOp>(
          [](Operation *store) {
            encodeOperand(store, 0);
            return success();
          })
      .Case([](vector::MaskedStoreOp store) {
        encodeOperand(store, store->getNumOperands() - 1);
        return success();
      })
      .Case<memref::ReinterpretCastOp, memref::SubViewOp, memref::CastOp,
            memref::ExpandShapeOp, memref::CollapseShapeOp, memref::CopyOp,
            memref::AllocaOp, memref::DimOp, memref::ViewOp,
            memref::ExtractAlignedPointerAsIndexOp,
            memref::ExtractStridedMetadataOp, func::CallOp, func::ReturnOp>(
          [](Operation *) { return success(); })
      .Default([](Operation *other) {
        return other->emitOpError("cannot access a memref of i1 or bf16");
      });
}

struct StoreAsIntegersPass final
    : impl::StoreAsIntegersPassBase<StoreAsIntegersPass> {
  void runOnOperation() override {
    SmallVector<Operation *> accesses;
    bool any = false;
    auto retype = [&](Value value) {
      if (isRetyped(value.getType())) {
        value.setType(toStored(value.getType()));
        any = true;
      }
    };
    getOperation().walk([&](Operation *op) {
      if (llvm::any_of(op->getOperandTypes(), isRetyped))
        accesses.push_back(op);
    });
    getOperation().walk([&](Operation *op) {
      llvm::for_each(op->getResults(), retype);
      for (Region &region : op->getRegions())
        for (Block &block : region)
          llvm::for_each(block.getArguments(), retype);
    });
    for (auto global : getOperation().getOps<memref::GlobalOp>())
      if (isRetyped(global.getType()))
        global.setType(cast<MemRefType>(toStored(global.getType())));
    if (!any)
      return;
    getOperation().walk([](func::FuncOp function) {
      FunctionType type = function.getFunctionType();
      function.setFunctionType(FunctionType::get(
          type.getContext(),
          llvm::map_to_vector(
              type.getInputs(),
              [](Type t) { return isRetyped(t) ? toStored(t) : t; }),
          llvm::map_to_vector(type.getResults(), [](Type t) {
            return isRetyped(t) ? toStored(t) : t;
          })));
    });
    for (Operation *op : accesses)
      if (failed(convertAccess(op)))
        return signalPassFailure();
  }
};

} // namespace

} // namespace dlc
