// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the graph phase promises to the phases behind it.
#include "Match.h"
#include "Transforms/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/BuiltinDialect.h"

using namespace mlir;

namespace dlc {
#define GEN_PASS_DEF_VERIFYGRAPHPHASEPASS
#include "Transforms/Passes.h.inc"

using namespace nn;

namespace {

class VerifyGraphPhase final
    : public impl::VerifyGraphPhasePassBase<VerifyGraphPhase> {
public:
  void runOnOperation() override {
    WalkResult result =
        getOperation().walk<WalkOrder::PreOrder>([&](Operation *op) {
          return failed(verify(op)) ? WalkResult::interrupt()
                                    : WalkResult::advance();
        });
    if (result.wasInterrupted()) {
      signalPassFailure();
    }
  }

private:
  static LogicalResult verify(Operation *op) {
    Dialect *dialect = op->getDialect();
    if (!isa_and_nonnull<NNDialect, arith::ArithDialect, tensor::TensorDialect,
                         affine::AffineDialect, scf::SCFDialect,
                         func::FuncDialect, math::MathDialect, BuiltinDialect>(
            dialect)) {
      return op->emitError()
             << "expected nn, scf, func and arithmetic after the "
                "graph phase, got '"
             << op->getName() << "'";
    }
    if (isa<FusedOp, DispatchOp>(op)) {
      return op->emitError() << "expected no '" << op->getName()
                             << "' before the dispatch phase";
    }
    auto conv = dyn_cast<ConvOp>(op);
    auto pool = dyn_cast<PoolOp>(op);
    if ((conv && !conv.getChannelsLast()) ||
        (pool && !pool.getChannelsLast() && !pool.getIndices())) {
      return op->emitError() << "expected channels last after the graph phase";
    }
    for (Value result : op->getResults()) {
      auto type = dyn_cast<TensorType>(result.getType());
      if (type &&
          (!type.hasRank() || cast<RankedTensorType>(type).getEncoding())) {
        return op->emitError()
               << "expected ranked tensors without encoding, got " << type;
      }
    }
    return success();
  }
};

} // namespace
} // namespace dlc
