// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The last phase: objects, header and weights become one file.
#ifndef DLC_LIB_PIPELINES_BINARY_H
#define DLC_LIB_PIPELINES_BINARY_H

#include "Codegen.h"
#include "Weights.h"

namespace dlc {

/// The header of a model with these variants, but for `metrics`.
bool buildHeader(Session &session, std::vector<Variant> &variants,
                 const WeightsLayout &weights, binary::Header &header);

/// Writes what options.emit asks for, and the memory report.
bool writeBinary(Session &session, std::vector<Variant> &variants,
                 const WeightsLayout &weights);

/// Replaces the file at `path` by `bytes`, or leaves it as it is.
bool writeFile(Session &session, const std::string &path,
               llvm::ArrayRef<char> bytes);

} // namespace dlc

#endif // DLC_LIB_PIPELINES_BINARY_H
