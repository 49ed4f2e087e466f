// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the dense and the depthwise convolution share.
#include "DirectConv.h"

using namespace mlir;
using namespace dlc::kernel;

DirectConvEmitter::DirectConvEmitter(ImplicitLocOpBuilder &b,
                                     const ConvSpec &spec,
                                     const ConvSchedule &sched,
                                     const VectorTarget &target)
    : b(b), math(b), spec(spec), sched(sched), geometry(b, spec),
      lanes(target.lanesFor(spec.types.acc.getIntOrFloatBitWidth())),
      width(sched.panelWidth(lanes)), rows(geometry.rows()) {
  blockRows = sched.rowBlock ? math.constant(sched.rowBlock) : rows;
  blocks = sched.rowBlock ? math.ceilDiv(rows, blockRows) : math.constant(1);
}

int64_t DirectConvEmitter::getParkedBytes(const ConvSpec &spec,
                                          const ConvSchedule &sched,
                                          const VectorTarget &target) {
  int64_t bits = spec.types.acc.getIntOrFloatBitWidth();
  return spec.epilogue.rolled
             ? sched.mr * sched.panelWidth(target.lanesFor(bits)) * bits / 8
             : 0;
}

void DirectConvEmitter::emitRows(
    const ConvPanel &panel, OpFoldResult block,
    llvm::function_ref<void(OutputRow &)> emitRow) {
  OpFoldResult first =
      sched.rowBlock ? math.mul(block, blockRows) : math.constant(0);
  OpFoldResult last =
      sched.rowBlock ? math.min(rows, math.add(first, blockRows)) : rows;
  emitFor(b, first, last, math.constant(1), [&](Value row) {
    OutputRow located = geometry.locateRow(panel.image, row);
    located.output = math.add(located.output, panel.channel);
    emitRow(located);
  });
}

void DirectConvEmitter::emitStore(const ConvPanel &panel, const OutputRow &row,
                                  const RowPhase &phase, OpFoldResult first,
                                  int64_t pixels, OpFoldResult validPixels,
                                  ValueRange acc) {
  OpFoldResult pixel =
      math.add(math.mul(first, phase.step), math.constant(phase.first));
  TileStore store;
  store.batch = {math.value(panel.image)};
  store.m = math.add(row.pixel, pixel);
  store.mStep = math.constant(phase.step);
  store.n = panel.channel;
  store.offset = math.add(row.output, math.mul(pixel, geometry.outputPixel));
  store.rowStride = math.mul(geometry.outputPixel, phase.step);
  store.rows = pixels;
  store.nv = panel.nv;
  store.validRows = validPixels;
  store.validColumns = panel.validColumns;
  emitTileStore(*ctx, store, acc);
}
