// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Evaluates nn ops on constants in the compiler, with the ops' own semantics.
#ifndef DLC_ANALYSIS_EVALUATOR_H
#define DLC_ANALYSIS_EVALUATOR_H

#include "Analysis/HostTensor.h"
#include "Dialect/NN/NNDialect.h"

namespace dlc {

/// The value of the op's only result, given that of each tensor operand in
/// order. Nothing where the op or a type is not supported, or the shape or an
/// operand that is no tensor is not static. Float arithmetic is done in f64 and
/// rounded once.
std::optional<HostTensor> evaluateOp(mlir::Operation *op,
                                     llvm::ArrayRef<HostTensor> operands);

/// One elementwise function of numbers of this float type; nothing where it has
/// no float form. `params` as on the op, perhaps null.
std::optional<double> evaluateFloatFn(nn::Fn fn, llvm::ArrayRef<double> args,
                                      mlir::DictionaryAttr params);

} // namespace dlc

#endif // DLC_ANALYSIS_EVALUATOR_H
