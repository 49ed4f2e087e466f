// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// importModel and inspectModel.
#include "Context.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;

namespace dlc::onnx {

/// Erases pure ops without uses, last first.
static void eraseDeadOps(ModuleOp module) {
  SmallVector<Operation *> ops;
  module.walk([&](Operation *op) { ops.push_back(op); });
  llvm::StringSet<> used;
  for (Operation *op : llvm::reverse(ops)) {
    if (isOpTriviallyDead(op)) {
      op->erase();
    } else if (auto ref = dyn_cast<nn::ParamRefOp>(op)) {
      used.insert(ref.getParam());
    }
  }
  for (auto param : llvm::make_early_inc_range(module.getOps<nn::ParamOp>())) {
    if (!used.contains(param.getSymName())) {
      param.erase();
    }
  }
}

ImportResult ModelImporter::run() {
  context.loadDialect<nn::NNDialect, func::FuncDialect, arith::ArithDialect,
                      tensor::TensorDialect, affine::AffineDialect,
                      math::MathDialect, scf::SCFDialect>();
  ImportResult result;
  auto fail = [&] {
    result.error = fatal != ErrorClass::None ? fatal : ErrorClass::Unsupported;
    return std::move(result);
  };
  if (failed(readModel()) || failed(checkModel()) || failed(parseDims())) {
    return fail();
  }
  auto file = FileLineColLoc::get(
      &context, source.path.empty() ? "model" : source.path, 0, 0);
  OwningOpRef<ModuleOp> module = ModuleOp::create(file);
  Builder b(&context);
  if (std::optional<StringRef> name = model.graph->name) {
    (*module)->setAttr("nn.model", b.getStringAttr(*name));
  }
  if (std::optional<StringRef> producer = model.producerName) {
    (*module)->setAttr("nn.producer", b.getStringAttr(*producer));
  }
  (*module)->setAttr("nn.opset", b.getI64IntegerAttr(opsets.lookup("")));
  LogicalResult built = buildEntry(*module);
  if (fatal != ErrorClass::Cancelled) {
    emitProblems();
  }
  if (failed(built) || fatal != ErrorClass::None || unsupportedModel ||
      !problems.empty()) {
    return fail();
  }
  eraseDeadOps(*module);
  if (failed(verify(*module))) {
    result.error = ErrorClass::Internal;
    return result;
  }
  result.module = std::move(module);
  return result;
}

ImportResult importModel(MLIRContext &context, const ModelSource &source,
                         const ImportOptions &options) {
  return ModelImporter(context, source, options).run();
}

InspectResult inspectModel(MLIRContext &context, const ModelSource &source,
                           const ImportOptions &options) {
  ModelImporter importer(context, source, options);
  ImportResult imported = importer.run();
  return {std::move(importer.operators), imported.error};
}

std::optional<NodeRef> findNode(Location loc) {
  std::optional<NodeRef> found;
  loc->walk([&](Location inner) {
    auto fused = dyn_cast<FusedLoc>(inner);
    auto facts = fused
                     ? dyn_cast_if_present<DictionaryAttr>(fused.getMetadata())
                     : DictionaryAttr();
    if (!facts || !facts.getAs<StringAttr>("op")) {
      return WalkResult::advance();
    }
    auto name = dyn_cast<NameLoc>(fused.getLocations().front());
    auto domain = facts.getAs<StringAttr>("domain");
    found = NodeRef{name ? name.getName().getValue() : StringRef(),
                    facts.getAs<StringAttr>("op").getValue(),
                    domain ? domain.getValue() : StringRef()};
    return WalkResult::interrupt();
  });
  return found;
}

} // namespace dlc::onnx
