// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which threads and which memory a program on rows gets.
#include "StagedRows.h"

#include "Conversion/Common/ElementwiseFn.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace dlc {

GPULaunch getRowLaunch(DispatchContext &context, const RowShape &shape) {
  kernel::IndexMath &math = context.math;
  RowSpace space(context, shape);
  StagedRows staged(context.math, space, shape);
  GPULaunch launch = {space.getBlocks(math), space.getBlockThreads(),
                      math.constant(0), /*parts=*/1, /*residentBlocks=*/1};
  switch (staged.getUse()) {
  case StagedRows::Use::never:
    launch.clusterBlocks = space.getClusterBlocks();
    launch.dynamicBytes = shape.isKept ? space.getDynamicBytes(shape.type) : 0;
    break;
  case StagedRows::Use::always:
    launch.blocks = staged.getBlocks(math);
    launch.threads = staged.getBlockThreads();
    break;
  case StagedRows::Use::atRun:
    launch.blocks =
        arith::SelectOp::create(context.b, staged.emitCondition(math),
                                math.value(staged.getBlocks(math)),
                                math.value(launch.blocks))
            .getResult();
    break;
  }
  return launch;
}

void emitRowKernel(GPUKernelBuilder &kb, const RowShape &shape,
                   const RowProgram &program) {
  RowSpace space(kb, shape);
  StagedRows staged(kb.math, space, shape);
  if (staged.getUse() == StagedRows::Use::never) {
    emitRegisterRows(kb, space, shape, program, nullptr);
    return;
  }
  bool isStaged = staged.getUse() == StagedRows::Use::always;
  int64_t kept = isStaged ? 0 : space.getSharedElements();
  Value shared = kb.allocateShared(getCodeType(shape.type),
                                   std::max(staged.getCapacity(), kept));
  auto emitStaged = [&] { staged.emit(kb, shape, program, shared); };
  if (isStaged) {
    emitStaged();
    return;
  }
  kernel::emitIf(
      kb.b, staged.emitCondition(kb.math),
      [&] {
        KernelBuilder::MemoScope scope(kb);
        emitStaged();
      },
      [&] {
        KernelBuilder::MemoScope scope(kb);
        emitRegisterRows(kb, space, shape, program, shared);
      });
}

Value emitRowResult(GPUKernelBuilder &kb, const RowShape &shape, Value element,
                    ValueRange indices) {
  KernelBuilder::MemoScope scope(kb);
  Value result = getRowResult(kb, shape);
  Type type = typeOf(result).getElementType();
  kb.setElement(result, emitCast(kb.b, element, shape.type, type));
  Value stored = kb.load(kb.getYielded(0), indices);
  // The next element's code may ask for this tensor in order to compute it.
  kb.setElement(result, nullptr);
  return stored;
}

} // namespace dlc
