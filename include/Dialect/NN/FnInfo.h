// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One row per elementwise function: arity, operand and result types,
// parameters. The verifier, the importers and the lowering read this table; a
// new function needs a case here, in ElementwiseFn.cpp and in ScalarFn.cpp.
#ifndef DLC_DIALECT_NN_FNINFO_H
#define DLC_DIALECT_NN_FNINFO_H

#include "Dialect/NN/NNDialect.h"

namespace dlc::nn {

/// Element types a function takes. `Number` is float or integer, `Bits` integer
/// or i1.
enum class FnOperands { Number, Float, Integer, Bits, Any, Select };
/// Element type it gives: that of its operands (select: of the last two), or
/// i1; bitcast: any of equal width.
enum class FnResult { Same, Bool, EqualWidth };

struct FnInfo {
  unsigned arity;
  FnOperands operands;
  FnResult result;
  llvm::ArrayRef<llvm::StringLiteral> params;
  /// Evaluates to a polynomial or worse: not to be recomputed or unrolled.
  bool expensive;
};

/// The row of `fn`.
const FnInfo &getFnInfo(Fn fn);

} // namespace dlc::nn

#endif // DLC_DIALECT_NN_FNINFO_H
