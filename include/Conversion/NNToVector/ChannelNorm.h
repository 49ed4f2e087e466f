// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Emitter of group and instance normalisation of tensors with channels last.
#ifndef DLC_CONVERSION_NNTOVECTOR_CHANNELNORM_H
#define DLC_CONVERSION_NNTOVECTOR_CHANNELNORM_H

#include "Conversion/NNToVector/Norm.h"

namespace dlc::kernel {

/// [batch][points][channels], normalised over all points and the channels of a
/// group. Lanes run over channels.
struct ChannelNormSpec {
  /// Positions of one batch entry, static or `index`; at least 1.
  mlir::OpFoldResult points;
  int64_t channels = 1;
  /// Neighbouring channels that share statistics; divides `channels`.
  int64_t groupWidth = 1;
  /// f32 or f64.
  mlir::Type acc;
  NormStatistic statistic = NormStatistic::MeanVariance;
  double epsilon = 0;
  /// As RowLoadFn and RowStoreFn, at a point of a batch entry.
  std::function<mlir::Value(mlir::ImplicitLocOpBuilder &, mlir::Value batch,
                            mlir::Value point, mlir::Value channel,
                            mlir::Value mask)>
      load;
  std::function<void(mlir::ImplicitLocOpBuilder &, mlir::Value batch,
                     mlir::Value point, mlir::Value channel, mlir::Value value,
                     mlir::Value mask)>
      store;
  /// Factor and summand of each channel, in `acc`; null: none.
  std::function<mlir::Value(mlir::ImplicitLocOpBuilder &, mlir::Value channel,
                            mlir::Value mask)>
      scale, bias;
};

/// Work items of one batch entry: blocks of whole groups.
int64_t getChannelNormBlocks(const ChannelNormSpec &spec,
                             const VectorTarget &target);

/// Emits items [begin, end), of which each batch entry has
/// getChannelNormBlocks. `load` is called three times an element. Every item's
/// bits depend on that item only.
void emitChannelNorm(mlir::ImplicitLocOpBuilder &b, const ChannelNormSpec &spec,
                     const VectorTarget &target, mlir::Value begin,
                     mlir::Value end);

} // namespace dlc::kernel

#endif // DLC_CONVERSION_NNTOVECTOR_CHANNELNORM_H
