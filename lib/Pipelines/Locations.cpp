// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Importers make fused<{op = "Conv", domain = ""}>["conv1"], one per node;
// fused ops have several of them.
#include "Locations.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace dlc {

/// The facts that an importer left about a node.
static DictionaryAttr getNodeFacts(Location loc) {
  auto fused = dyn_cast<FusedLoc>(loc);
  auto facts = fused ? dyn_cast_if_present<DictionaryAttr>(fused.getMetadata())
                     : DictionaryAttr();
  return facts && facts.getAs<StringAttr>("op") ? facts : DictionaryAttr();
}

void describeLocation(Location loc, Diagnostic &diagnostic) {
  loc->walk([&](Location inner) {
    if (auto place = dyn_cast<FileLineColLoc>(inner);
        place && diagnostic.location.empty()) {
      diagnostic.location = place.getFilename().str();
      if (place.getLine() > 0) { // a model file has no lines
        diagnostic.location +=
            (":" + Twine(place.getLine()) + ":" + Twine(place.getColumn()))
                .str();
      }
    }
    DictionaryAttr facts = getNodeFacts(inner);
    if (facts && !diagnostic.hasNode) {
      diagnostic.hasNode = true;
      diagnostic.opType = facts.getAs<StringAttr>("op").str();
      auto domain = facts.getAs<StringAttr>("domain");
      diagnostic.domain = domain ? domain.str() : "";
    }
    if (auto name = dyn_cast<NameLoc>(inner);
        name && diagnostic.nodeName.empty()) {
      diagnostic.nodeName = name.getName().str();
    }
    return WalkResult::advance();
  });
}

std::vector<std::string> getNodeNames(Location loc) {
  std::vector<std::string> names;
  loc->walk([&](Location inner) {
    auto name = dyn_cast<NameLoc>(inner);
    if (name && !llvm::is_contained(names, name.getName().getValue())) {
      names.push_back(name.getName().str());
    }
    return WalkResult::advance();
  });
  return names;
}

} // namespace dlc
