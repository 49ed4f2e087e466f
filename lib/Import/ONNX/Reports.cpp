// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the importer says: errors at their nodes, and all that is unsupported,
// gathered by operator and reason.
#include "Context.h"

#include "llvm/Support/JSON.h"

using namespace mlir;

namespace dlc::onnx {

/// A node as messages begin with it, behind the model's own one whose function
/// has it.
std::string ModelImporter::describeNode(StringRef name, const NodeProto &node) {
  std::string caller =
      expandedNode.empty() ? "" : expandedNode + "in its function, ";
  return (caller + "node '" + name + "' (" + node.opType.value_or("") + "): ")
      .str();
}

void ModelImporter::report(ErrorClass error, const Twine &message) {
  if (error == ErrorClass::Unsupported && currentNode) {
    noteUnsupported(llvm::json::fixUTF8(message.str()));
    return;
  }
  if (error == ErrorClass::Unsupported) {
    unsupportedModel = true;
  } else if (fatal == ErrorClass::None) {
    fatal = error;
  }
  Location loc =
      builder ? builder->loc
              : FileLineColLoc::get(&context,
                                    source.path.empty() ? "model" : source.path,
                                    0, 0);
  InFlightDiagnostic diagnostic = emitError(loc);
  if (currentNode) {
    diagnostic << describeNode(currentName, *currentNode);
  }
  diagnostic << llvm::json::fixUTF8(message.str());
}

void ModelImporter::noteUnsupported(StringRef reason) {
  nodeUnsupported = true;
  StringRef domain = normalDomain(currentNode->domain.value_or("")),
            name = currentNode->opType.value_or("");
  for (Problem &problem : problems) {
    if (problem.domain == domain && problem.name == name &&
        problem.version == currentVersion && problem.reason == reason) {
      ++problem.count;
      return;
    }
  }
  problems.push_back({domain.str(), name.str(), currentName, reason.str(),
                      currentVersion, 1, builder->loc});
}

void ModelImporter::emitProblems() {
  for (const Problem &problem : problems) {
    emitError(problem.loc) << "unsupported operator "
                           << (problem.domain.empty() ? "ai.onnx"
                                                      : problem.domain)
                           << "." << problem.name << " version "
                           << problem.version << " (" << problem.count
                           << (problem.count == 1 ? " node" : " nodes")
                           << ", first '" << problem.node
                           << "'): " << problem.reason;
    for (OperatorReport &report : operators) {
      if (report.domain == problem.domain && report.name == problem.name &&
          report.reason.empty()) {
        report.reason = problem.reason;
        report.firstNode = problem.node;
      }
    }
  }
}

void ModelImporter::countNode(const NodeProto &node, StringRef domain,
                              int64_t version) {
  StringRef name = node.opType.value_or("");
  for (OperatorReport &report : operators) {
    if (report.domain == domain && report.name == name) {
      ++report.count;
      return;
    }
  }
  operators.push_back({domain.str(), name.str(), version, 1, currentName, ""});
}

} // namespace dlc::onnx
