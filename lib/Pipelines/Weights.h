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
  /// Adds the params of a variant, or of one on a device; those that another
  /// variant has too, with the same transforms, are stored once.
  void add(mlir::ModuleOp module, rt::ProgramOp program, bool isOnDevice);
  /// Gives all of them their offsets. Params that devices read lie together,
  /// since a device gets a copy of what lies between its first and its last.
  void layOut();

  /// The part of the weights that a program reads.
  struct Range {
    int64_t offset = 0, bytes = 0;
  };
  Range getRange(rt::ProgramOp program) const;

  int64_t getBytes() const { return bytes; }
  size_t getNumParams() const { return params.size(); }

  /// Streams the weights; `isCancelled` is asked between chunks. The layout and
  /// the modules must outlive the source.
  binary::WeightSource
  makeSource(std::function<bool()> isCancelled,
             std::function<void(int64_t)> onProgress) const;

private:
  struct Place {
    nn::ParamOp param;
    bool onHost = false, onDevice = false;
    int64_t offset = 0;
    llvm::SmallVector<rt::ParamAddressOp, 1> users = {};

    int64_t getBytes() const;
  };
  /// By offset, once they have them.
  std::vector<Place> params;
  llvm::DenseMap<mlir::Attribute, size_t> numbers;
  int64_t bytes = 0;
};

} // namespace dlc

#endif // DLC_LIB_PIPELINES_WEIGHTS_H
