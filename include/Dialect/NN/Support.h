// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What code generation takes of the nn dialect, on every target. Kept here so
// that importers can refuse a node before anything else has been done.
#ifndef DLC_DIALECT_NN_SUPPORT_H
#define DLC_DIALECT_NN_SUPPORT_H

#include "Dialect/NN/NNDialect.h"

#include <optional>
#include <string>

namespace dlc::nn {

/// Largest tensor, in elements, whose sizes fit all arithmetic on them.
inline constexpr int64_t kMaxElements = int64_t(1) << 48;

/// A float of 8 bits with a sign, as f8E4M3FN: code holds its bits as i8, and
/// only casts know what they mean.
bool isFloat8(mlir::Type type);

/// Why no kernel can compute `op`: an element type, or a size that must be
/// known when compiling. None where one can, or where `op` needs none.
std::optional<std::string> findUnsupported(mlir::Operation *op);

} // namespace dlc::nn

#endif // DLC_DIALECT_NN_SUPPORT_H
