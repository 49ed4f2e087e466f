// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Writing of the rt.program once every tensor has its memory.
#ifndef DLC_LIB_CONVERSION_NNTORT_EMITPROGRAM_H
#define DLC_LIB_CONVERSION_NNTORT_EMITPROGRAM_H

#include "Memory.h"
#include "Plan.h"

#include "mlir/IR/IRMapping.h"

namespace dlc {

/// Emits code into a region of a program: values of the entry function are
/// cloned when first asked for, so that each function holds what it needs.
class CodeEmitter {
public:
  CodeEmitter(mlir::Region &region, EntryShapes &shapes);

  mlir::Value get(mlir::Value value);
  mlir::Value get(mlir::Location loc, mlir::OpFoldResult size);
  llvm::SmallVector<mlir::Value> get(mlir::ValueRange values);
  /// The bytes of a tensor; -1 where a size is negative or they are too many.
  mlir::Value bytesOf(mlir::Location loc, mlir::RankedTensorType type,
                      llvm::ArrayRef<mlir::OpFoldResult> sizes);
  /// rt.check of an nn.check.
  void check(nn::CheckOp check);

  mlir::OpBuilder b;
  mlir::IRMapping values;

private:
  mlir::Value fitsMemory(mlir::Location loc,
                         llvm::ArrayRef<mlir::OpFoldResult> sizes);

  EntryShapes &shapes;
};

/// Writes the program of `entry` before it. Params of constants are added to
/// the module.
rt::ProgramOp emitProgram(mlir::func::FuncOp entry, EntryShapes &shapes,
                          MemoryAssignment &memory);

/// Fills `rt.run`, and gives each param its offset.
class RunEmitter {
public:
  RunEmitter(rt::ProgramOp program, mlir::func::FuncOp entry,
             EntryShapes &shapes, MemoryAssignment &memory)
      : program(program), entry(entry), shapes(shapes), memory(memory),
        code(program.getRun().getBody(), shapes),
        symbols(program->getParentOp()) {}
  void emit();

private:
  void emitDispatch(rt::DispatchOp dispatch);
  void emitExtract(mlir::tensor::ExtractOp extract);
  void emitCopies(mlir::Value tensor);
  void setLateDims(unsigned output);
  mlir::Value addressOf(mlir::Location loc, mlir::Value tensor);
  mlir::Value allocate(mlir::Location loc, mlir::Value result);
  mlir::Value paramAddress(mlir::Location loc, mlir::Value tensor);

  rt::ProgramOp program;
  mlir::func::FuncOp entry;
  EntryShapes &shapes;
  MemoryAssignment &memory;
  CodeEmitter code;
  mlir::SymbolTable symbols;
  /// Addresses that are values: late buffers and outputs.
  llvm::DenseMap<unsigned, mlir::Value> lateBuffers, lateOutputs;
  llvm::DenseMap<mlir::Attribute, nn::ParamOp> constants;
  llvm::DenseMap<mlir::StringAttr, int64_t> paramOffsets;
  int64_t weightsBytes = 0;
};

} // namespace dlc

#endif // DLC_LIB_CONVERSION_NNTORT_EMITPROGRAM_H
