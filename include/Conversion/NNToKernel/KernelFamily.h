// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One family of kernels per kind of root op. To add a root: implement this
// interface in a file of its own and name it in findKernelFamily.
#ifndef DLC_CONVERSION_NNTOKERNEL_KERNELFAMILY_H
#define DLC_CONVERSION_NNTOKERNEL_KERNELFAMILY_H

#include "Conversion/NNToKernel/KernelBuilder.h"

namespace dlc {

/// How a kernel is launched; computed by the host program.
struct Launch {
  /// Number of independent work items.
  mlir::OpFoldResult items;
  /// Estimated nanoseconds of all items on one core.
  mlir::OpFoldResult work;
  /// Private memory of each worker.
  mlir::OpFoldResult scratchBytes;
};

class KernelFamily {
public:
  virtual ~KernelFamily() = default;
  virtual Launch getLaunch(DispatchContext &context) const = 0;
  /// Emits the items [begin, end). Fails with a diagnostic where the family
  /// cannot do it (an element type, say).
  virtual mlir::LogicalResult emit(KernelBuilder &builder) const = 0;
};

/// Fails with a diagnostic that names the op where no family computes the
/// dispatch: its root, or one of its element types.
mlir::LogicalResult checkDispatch(nn::DispatchOp dispatch,
                                  llvm::StringRef device = "CPU");

/// Everything that decides a dispatch's kernel, as text: dispatches of one key
/// share a kernel.
std::string getKernelKey(nn::DispatchOp dispatch);

/// The family of a dispatch's root op, or null where there is none. Index
/// functions are computed element by element.
const KernelFamily *findKernelFamily(mlir::Operation *root);

// The families, each in the file of its name.
const KernelFamily *getMapFamily();
const KernelFamily *getReduceFamily();
const KernelFamily *getSoftmaxFamily();
const KernelFamily *getNormFamily();
const KernelFamily *getPoolFamily();
const KernelFamily *getConcatFamily();
const KernelFamily *getContractFamily();
const KernelFamily *getConvFamily();
const KernelFamily *getAttentionFamily();
const KernelFamily *getScatterFamily();
const KernelFamily *getScanFamily();
const KernelFamily *getSortFamily();
const KernelFamily *getNonzeroFamily();
const KernelFamily *getRecurrenceFamily();

/// floor(elements * nanosecondsPerElement), as work of a launch.
mlir::OpFoldResult estimateWork(DispatchContext &context,
                                mlir::OpFoldResult elements,
                                double nanosecondsPerElement);

/// Stores what the dispatch yields as result `i` for element `indices` of the
/// root's result, whose value is `element`: the epilogue. Result `i` has the
/// root's shape.
void emitEpilogueStore(KernelBuilder &builder, unsigned i, mlir::Value root,
                       mlir::Value element, mlir::ValueRange indices);

} // namespace dlc

#endif // DLC_CONVERSION_NNTOKERNEL_KERNELFAMILY_H
