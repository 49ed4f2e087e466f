// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The bytes of parameters: their data with their transforms carried out. The
// binary writer streams them; passes read the small ones.
#ifndef DLC_ANALYSIS_PARAMSTORE_H
#define DLC_ANALYSIS_PARAMSTORE_H

#include "Analysis/HostTensor.h"
#include "Dialect/NN/NNDialect.h"

#include "llvm/Support/Error.h"

#include <memory>

namespace dlc {

/// The param's value after all transforms. An error where its file cannot be
/// read or an element type has no host form.
llvm::Expected<HostTensor> evaluateParam(nn::ParamOp param);

/// `tensor` after param transforms that fit its type (nn::applyTransformType).
HostTensor applyTransforms(HostTensor tensor,
                           llvm::ArrayRef<mlir::Attribute> transforms);

/// Hands out the param's bytes in storage form (nn::denseByteSize of its type),
/// chunk after chunk. Parameters whose transforms keep the order of elements
/// never lie in memory as a whole.
class ParamReader {
public:
  static llvm::Expected<ParamReader> open(nn::ParamOp param);
  ParamReader(ParamReader &&);
  ParamReader &operator=(ParamReader &&);
  ~ParamReader();

  /// The next bytes, valid until the next call; empty at the end.
  llvm::ArrayRef<char> next();

private:
  class Impl;
  explicit ParamReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl;
};

} // namespace dlc

#endif // DLC_ANALYSIS_PARAMSTORE_H
