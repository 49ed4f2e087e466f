// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which memory holds each tensor of an entry function, and how long.
#ifndef DLC_LIB_CONVERSION_NNTORT_MEMORY_H
#define DLC_LIB_CONVERSION_NNTORT_MEMORY_H

#include "EntryShapes.h"

namespace dlc {

enum class MemoryKind { Input, Output, Buffer, Param };

/// One place: which input, output or buffer; params say it themselves.
struct Memory {
  MemoryKind kind;
  unsigned index = 0;
};

struct Buffer {
  mlir::RankedTensorType type;
  nn::Sizes sizes;
  /// Steps, both inclusive: launches and copies, from 0.
  int first = 0, last = 0;
  bool late = false;
};

class MemoryAssignment {
public:
  MemoryAssignment(mlir::func::FuncOp entry, EntryShapes &shapes)
      : entry(entry), shapes(shapes) {}

  /// Fails on an op that leaves a tensor nobody knows the memory of.
  mlir::LogicalResult assign();

  Memory getMemory(mlir::Value tensor) {
    return memories.lookup(rootOf(tensor));
  }
  /// The tensor whose memory a chain of reshapes and shrinks shares.
  mlir::Value rootOf(mlir::Value tensor);
  /// Whether a dispatch's result lies in the memory of one of its inputs.
  bool takesOver(mlir::Value result) const { return tied.contains(result); }
  llvm::ArrayRef<Buffer> getBuffers() const { return buffers; }
  /// The outputs that are copies of `tensor`, made as soon as it is there.
  llvm::ArrayRef<unsigned> getCopies(mlir::Value tensor) const;
  bool isLateOutput(unsigned output) const { return lateOutputs[output]; }

private:
  mlir::LogicalResult checkOps();
  void placeOutputs();
  void countSteps();
  void placeBuffers();
  bool canTakeOver(rt::DispatchOp dispatch, unsigned result,
                   llvm::ArrayRef<unsigned> taken);
  void shareLateBuffers();
  void use(mlir::Value tensor, int step);

  mlir::func::FuncOp entry;
  EntryShapes &shapes;
  llvm::DenseMap<mlir::Value, Memory> memories;
  llvm::DenseMap<mlir::Value, llvm::SmallVector<unsigned>> copies;
  llvm::SmallVector<bool> lateOutputs;
  llvm::SmallVector<Buffer> buffers;
  llvm::DenseSet<mlir::Value> tied;
  /// Per root: the last step that reads it; per dispatch: its step.
  llvm::DenseMap<mlir::Value, int> lastUse;
  llvm::DenseMap<mlir::Operation *, int> steps;
};

} // namespace dlc

#endif // DLC_LIB_CONVERSION_NNTORT_MEMORY_H
