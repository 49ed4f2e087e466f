// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Small tensors that a program on rows reads for each element.
#ifndef DLC_LIB_CONVERSION_NNTOGPU_SHAREDTABLES_H
#define DLC_LIB_CONVERSION_NNTOGPU_SHAREDTABLES_H

#include "RowSpace.h"

namespace dlc {

/// The rows of a block, which follow each other.
struct BlockRows {
  mlir::OpFoldResult first, count;
  /// Their elements; 0 where only the run knows.
  int64_t elements = 0;
};

/// The tables of a program in shared memory, for the code that is emitted as
/// long as this lives; to be read after a barrier. Of a table by whose index
/// rows differ, a block has the part of its rows. A table stays in global
/// memory unless what is copied is small, and little beside the elements of a
/// block.
class SharedTables {
public:
  SharedTables(GPUKernelBuilder &kb, const RowProgram &program,
               const RowSpace &space, const BlockRows &rows);
  ~SharedTables();
  SharedTables(const SharedTables &) = delete;
  SharedTables &operator=(const SharedTables &) = delete;

  bool isEmpty() const { return inGlobal.empty(); }

private:
  bool copyPart(mlir::Value table, int64_t part, const BlockRows &rows);

  GPUKernelBuilder &kb;
  llvm::SmallVector<std::pair<mlir::Value, mlir::Value>> inGlobal;
};

} // namespace dlc

#endif // DLC_LIB_CONVERSION_NNTOGPU_SHAREDTABLES_H
