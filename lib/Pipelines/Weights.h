// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The places of all variants' parameters in the file's one block of weights.
#ifndef DLC_LIB_PIPELINES_WEIGHTS_H
#define DLC_LIB_PIPELINES_WEIGHTS_H

#include "Dialect/NN/NNDialect.h"
#include "Dialect/RT/RTDialect.h"
#include "Target/Binary/ContainerWriter.h"
#include "mlir/IR/BuiltinOps.h"

namespace dlc {

class WeightsLayout {
public:
  /// Gives the params of a variant their offsets; those that another variant
  /// has too, with the same transforms, are stored once.
  void add(mlir::ModuleOp module, rt::ProgramOp program);

  int64_t getBytes() const { return bytes; }
  size_t getNumParams() const { return params.size(); }

  /// Streams the weights; `isCancelled` is asked between chunks. The layout and
  /// the modules must outlive the source.
  binary::WeightSource
  makeSource(std::function<bool()> isCancelled,
             std::function<void(int64_t)> onProgress) const;

private:
  struct Place {
    int64_t offset;
    nn::ParamOp param;
  };
  llvm::SmallVector<Place> params;
  llvm::DenseMap<mlir::Attribute, int64_t> offsets;
  int64_t bytes = 0;
};

} // namespace dlc

#endif // DLC_LIB_PIPELINES_WEIGHTS_H
