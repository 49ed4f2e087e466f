// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which family computes which root, and what they share.
#include "Conversion/NNToKernel/KernelFamily.h"

#include "Dialect/NN/Support.h"

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

std::string getKernelKey(nn::DispatchOp dispatch) {
  std::string key;
  llvm::raw_string_ostream os(key);
  // Whole, whatever the command line of dlc-opt says of printing: kernels that
  // differ in what is left out would be one.
  OpPrintingFlags flags = OpPrintingFlags()
                              .useLocalScope()
                              .printGenericOpForm()
                              .skipRegions(false)
                              .elideLargeElementsAttrs(INT64_MAX)
                              .elideLargeResourceString(INT64_MAX);
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
    if (std::optional<std::string> reason = nn::findUnsupported(&op)) {
      return op.emitError() << "unsupported: " << *reason;
    }
  }
  return success();
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
