// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rewrites of views, for passes that make views themselves.
#ifndef DLC_LIB_TRANSFORMS_VIEWPATTERNS_H
#define DLC_LIB_TRANSFORMS_VIEWPATTERNS_H

#include "Constants.h"

#include "mlir/IR/PatternMatch.h"

namespace dlc {

/// The rewrites of dlc-simplify-views. `constants` must outlive the patterns.
void populateViewPatterns(mlir::RewritePatternSet &patterns,
                          Constants &constants);

/// Folds transposes and broadcasts around attentions into their maps.
void populateAttentionViewPatterns(mlir::RewritePatternSet &patterns);

} // namespace dlc

#endif // DLC_LIB_TRANSFORMS_VIEWPATTERNS_H
