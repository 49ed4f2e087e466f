// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Look-up in the table of schemas, which is sorted by domain, name and version.
#include "Schema.h"

#include "llvm/ADT/STLExtras.h"

#include <tuple>

using llvm::StringRef;

namespace dlc::onnx {

#include "Import/ONNX/Schemas.inc"

const AttrSpec *Schema::findAttribute(StringRef attribute) const {
  const AttrSpec *found = llvm::find_if(
      attributes, [&](const AttrSpec &spec) { return spec.name == attribute; });
  return found == attributes.end() ? nullptr : found;
}

static const Schema *upperBound(StringRef domain, StringRef name,
                                int64_t version) {
  return std::upper_bound(std::begin(kSchemas), std::end(kSchemas),
                          std::tuple(domain, name, version),
                          [](const auto &key, const Schema &s) {
                            return key < std::tuple(StringRef(s.domain),
                                                    StringRef(s.name), s.since);
                          });
}

const Schema *findSchema(StringRef domain, StringRef name, int64_t version) {
  const Schema *next = upperBound(domain, name, version);
  if (next == std::begin(kSchemas)) {
    return nullptr;
  }
  const Schema *found = next - 1;
  return found->domain == domain && found->name == name ? found : nullptr;
}

bool isKnownOperator(StringRef domain, StringRef name) {
  return findSchema(domain, name, INT64_MAX) != nullptr;
}

bool isKnownDomain(StringRef domain) {
  return llvm::any_of(kSchemas,
                      [&](const Schema &s) { return s.domain == domain; });
}

} // namespace dlc::onnx
