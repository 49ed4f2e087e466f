// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The activation functions that nn.rnn names.
#ifndef DLC_CONVERSION_NNTOKERNEL_RNNACTIVATION_H
#define DLC_CONVERSION_NNTOKERNEL_RNNACTIVATION_H

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace dlc {

/// The function on a float scalar or vector; `name` is one that
/// nn.rnn's verifier lets through.
mlir::Value emitRnnActivation(mlir::ImplicitLocOpBuilder &b,
                              llvm::StringRef name, double alpha, double beta,
                              mlir::Value x);

} // namespace dlc

#endif // DLC_CONVERSION_NNTOKERNEL_RNNACTIVATION_H
