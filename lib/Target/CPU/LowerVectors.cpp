// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Brings linalg on memrefs and n-dimensional vector code down to loops and 1-D
// vectors. Stages whose ops do not occur are skipped: a greedy rewrite visits
// every op, and most kernels need few of the stages.
#include "Target/CPU/LowerToLLVM.h"

#include "mlir/Conversion/VectorToSCF/VectorToSCF.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Dialect/Vector/Transforms/LoweringPatterns.h"
#include "mlir/Dialect/Vector/Transforms/VectorRewritePatterns.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace dlc {
#define GEN_PASS_DEF_LOWERVECTORSPASS
#include "Target/CPU/Passes.h.inc"

namespace {

struct Contents {
  bool linalg = false;
  bool structured = false; // contractions, reductions, masks, transfers
  bool reshaping = false;  // transposes, shape casts and other 1-D splitters
};

Contents inspect(ModuleOp module) {
  Contents contents;
  module.walk([&](Operation *op) {
    if (isa<linalg::LinalgOp>(op)) {
      contents.linalg = true;
      return;
    }
    if (!isa_and_nonnull<vector::VectorDialect>(op->getDialect()))
      return;
    // These are in LLVM's reach as they are.
    if (isa<vector::FMAOp, vector::LoadOp, vector::StoreOp, vector::BroadcastOp,
            vector::ReductionOp, vector::MaskedLoadOp, vector::MaskedStoreOp,
            vector::ShuffleOp>(op)) {
      bool oneDimensional = llvm::all_of(op->getOperandTypes(), [](Type type) {
        auto vectorType = dyn_cast<VectorType>(type);
        return !vectorType || vectorType.getRank() <= 1;
      });
      oneDimensional &= llvm::all_of(op->getResultTypes(), [](Type type) {
        auto vectorType = dyn_cast<VectorType>(type);
        return !vectorType || vectorType.getRank() <= 1;
      });
      contents.reshaping |= !oneDimensional;
      return;
    }
    contents.structured = contents.reshaping = true;
  });
  return contents;
}

LogicalResult lowerLinalg(ModuleOp module) {
  SmallVector<linalg::LinalgOp> ops;
  module.walk([&](linalg::LinalgOp op) { ops.push_back(op); });
  IRRewriter rewriter(module.getContext());
  for (linalg::LinalgOp op : ops) {
    if (!op.hasPureBufferSemantics())
      return op->emitOpError("expected memref operands only at this point");
    rewriter.setInsertionPoint(op);
    if (failed(linalg::linalgOpToLoops(rewriter, op)))
      return op->emitOpError("has no lowering to loops");
    rewriter.eraseOp(op);
  }
  return success();
}

LogicalResult lowerStructured(ModuleOp module) {
  RewritePatternSet patterns(module.getContext());
  vector::populateVectorTransferPermutationMapLoweringPatterns(patterns);
  vector::populateVectorContractLoweringPatterns(
      patterns, vector::VectorContractLowering::OuterProduct);
  vector::populateVectorOuterProductLoweringPatterns(patterns);
  vector::populateVectorMultiReductionLoweringPatterns(
      patterns, vector::VectorMultiReductionLowering::InnerReduction);
  vector::populateVectorMaskLoweringPatternsForSideEffectingOps(patterns);
  return applyPatternsGreedily(module, std::move(patterns));
}

LogicalResult lowerToOneDimension(ModuleOp module) {
  RewritePatternSet patterns(module.getContext());
  VectorTransferToSCFOptions toSCF;
  toSCF.enableFullUnroll();
  populateVectorToSCFConversionPatterns(patterns, toSCF);
  vector::populateVectorMaskMaterializationPatterns(
      patterns, /*force32BitVectorIndices=*/false);
  vector::populateVectorMaskOpLoweringPatterns(patterns);
  vector::populateVectorTransferLoweringPatterns(patterns,
                                                 /*maxTransferRank=*/1);
  vector::populateVectorBroadcastLoweringPatterns(patterns);
  vector::populateVectorTransposeLoweringPatterns(
      patterns, vector::VectorTransposeLowering::Shuffle1D);
  vector::populateVectorShapeCastLoweringPatterns(patterns);
  vector::populateVectorBitCastLoweringPatterns(patterns);
  vector::populateVectorStepLoweringPatterns(patterns);
  vector::populateVectorInterleaveLoweringPatterns(patterns);
  vector::populateVectorInterleaveToShufflePatterns(patterns);
  vector::populateVectorGatherLoweringPatterns(patterns);
  vector::populateVectorRankReducingFMAPattern(patterns);
  vector::populateVectorInsertExtractStridedSliceTransforms(patterns);
  vector::populateVectorFromElementsUnrollPatterns(patterns);
  vector::populateVectorToElementsUnrollPatterns(patterns);
  return applyPatternsGreedily(module, std::move(patterns));
}

struct LowerVectorsPass final : impl::LowerVectorsPassBase<LowerVectorsPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    Contents contents = inspect(module);
    if (contents.linalg && failed(lowerLinalg(module)))
      return signalPassFailure();
    if (contents.structured && failed(lowerStructured(module)))
      return signalPassFailure();
    if ((contents.structured || contents.reshaping) &&
        failed(lowerToOneDimension(module)))
      return signalPassFailure();
  }
};

} // namespace

} // namespace dlc
