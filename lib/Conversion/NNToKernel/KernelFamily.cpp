// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which family computes which root, and what they share.
#include "Conversion/NNToKernel/KernelFamily.h"

#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToKernel/RnnActivation.h"

using namespace mlir;

namespace dlc {

const KernelFamily *findKernelFamily(Operation *root) {
  return llvm::TypeSwitch<Operation *, const KernelFamily *>(root)
      .Case<nn::ReduceOp>([](auto) { return getReduceFamily(); })
      .Case<nn::SoftmaxOp>([](auto) { return getSoftmaxFamily(); })
      .Case<nn::NormOp>([](auto) { return getNormFamily(); })
      .Case<nn::PoolOp>([](auto) { return getPoolFamily(); })
      .Case<nn::ConcatOp>([](auto) { return getConcatFamily(); })
      .Case<nn::ContractOp>([](auto) { return getContractFamily(); })
      .Case<nn::ConvOp>([](auto) { return getConvFamily(); })
      .Case<nn::AttentionOp>([](auto) { return getAttentionFamily(); })
      .Case<nn::ScatterOp>([](auto) { return getScatterFamily(); })
      .Case<nn::ScanOp>([](auto) { return getScanFamily(); })
      .Case<nn::SortOp>([](auto) { return getSortFamily(); })
      .Case<nn::NonzeroBoundedOp>([](auto) { return getNonzeroFamily(); })
      .Case<nn::RecurrenceOp>([](auto) { return getRecurrenceFamily(); })
      .Case<nn::ElementwiseOp, nn::CastOp, nn::IotaOp, nn::BroadcastOp,
            nn::TransposeOp, nn::SliceOp, nn::InsertSliceOp, nn::PadOp,
            nn::GatherOp, nn::CacheUpdateOp, nn::RotaryOp, nn::BatchNormOp,
            nn::QuantizeOp, nn::DequantizeOp, nn::ResizeOp,
            tensor::FromElementsOp>([](auto) { return getMapFamily(); })
      .Default([](Operation *) -> const KernelFamily * { return nullptr; });
}

bool isSupportedElement(Type type) {
  if (auto integer = dyn_cast<IntegerType>(type)) {
    unsigned width = integer.getWidth();
    return width == 1 || width == 8 || width == 16 || width == 32 ||
           width == 64;
  }
  return type.isF64() || type.isF32() || type.isF16() || type.isBF16();
}

/// Ops that move elements, or convert them.
static bool takesFloat8(Operation *op) {
  auto elementwise = dyn_cast<nn::ElementwiseOp>(op);
  return isa<nn::CastOp, nn::QuantizeOp, nn::DequantizeOp, nn::BroadcastOp,
             nn::TransposeOp, nn::SliceOp, nn::InsertSliceOp, nn::GatherOp,
             nn::ReshapeOp, nn::ConcatOp, nn::CacheUpdateOp, nn::BindShapeOp,
             nn::YieldOp, arith::ConstantOp>(op) ||
         (elementwise && elementwise.getFn() == nn::Fn::select);
}

/// What single roots cannot do.
static LogicalResult checkRoot(Operation *root) {
  auto recurrence = dyn_cast<nn::RecurrenceOp>(root);
  if (!recurrence) {
    return success();
  }
  if (recurrence.getRecurrent().getType().isDynamicDim(2)) {
    return root->emitError()
           << "unsupported: 'nn.rnn' of a hidden size that only the run knows";
  }
  ArrayAttr activations = recurrence.getActivationsAttr();
  if (!activations) {
    return success();
  }
  for (Attribute name : activations) {
    if (!isRnnActivation(cast<StringAttr>(name))) {
      return root->emitError()
             << "unsupported: activation " << name << " of 'nn.rnn'";
    }
  }
  return success();
}

std::string getKernelKey(nn::DispatchOp dispatch) {
  std::string key;
  llvm::raw_string_ostream os(key);
  OpPrintingFlags flags =
      OpPrintingFlags().useLocalScope().printGenericOpForm();
  os << dispatch.getScheduleAttr() << '\n';
  llvm::interleaveComma(dispatch.getBody().front().getArgumentTypes(), os);
  for (Operation &op : dispatch.getBody().front()) {
    op.print(os << '\n', flags);
  }
  return key;
}

LogicalResult checkDispatch(nn::DispatchOp dispatch, StringRef device) {
  Operation *root = dispatch.getRootOp();
  if (!findKernelFamily(root)) {
    return root->emitError() << "unsupported: no " << device << " kernel for '"
                             << root->getName() << "'";
  }
  for (Operation &op : dispatch.getBody().front()) {
    SmallVector<Type> types(op.getOperandTypes());
    llvm::append_range(types, op.getResultTypes());
    for (Type type : types) {
      auto tensor = dyn_cast<RankedTensorType>(type);
      if (tensor && !isSupportedElement(tensor.getElementType()) &&
          !(isFloat8(tensor.getElementType()) && takesFloat8(&op))) {
        return op.emitError()
               << "unsupported: '" << op.getName() << "' on elements of type "
               << tensor.getElementType() << " on the " << device;
      }
    }
  }
  return checkRoot(root);
}

OpFoldResult estimateWork(DispatchContext &context, OpFoldResult elements,
                          double nanosecondsPerElement) {
  auto perThousand = static_cast<int64_t>(nanosecondsPerElement * 1000);
  OpFoldResult picoseconds =
      context.math.mul(elements, std::max<int64_t>(1, perThousand));
  return context.math.div(picoseconds, context.math.constant(1000));
}

void emitEpilogueStore(KernelBuilder &kb, unsigned i, Value root, Value element,
                       ValueRange indices) {
  KernelBuilder::MemoScope scope(kb);
  kb.setElement(root, element);
  Value result = kb.load(kb.getYielded(i), indices);
  memref::StoreOp::create(kb.b, result, kb.viewResult(i), indices);
}

} // namespace dlc
