// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One function of a program: straight-line code with early returns.
#ifndef DLC_LIB_CONVERSION_RTTOLLVM_FUNCTIONEMITTER_H
#define DLC_LIB_CONVERSION_RTTOLLVM_FUNCTIONEMITTER_H

#include "Dialect/RT/RTDialect.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace dlc {

class FunctionEmitter {
public:
  /// Makes a function `name` in the program's module. `prefix` is the one of
  /// kernels.
  FunctionEmitter(rt::ProgramOp program, llvm::StringRef name,
                  llvm::StringRef prefix);

  /// Emits the ops of `body`. `firstCheck` is the check table's index of the
  /// body's first check.
  void emit(mlir::Region &body, unsigned firstCheck);

private:
  void emitOp(mlir::Operation *op);
  mlir::Value emitPlace(mlir::Operation *op);
  void emitLaunch(rt::LaunchOp launch);
  void emitDeviceLaunch(rt::LaunchOp launch);
  /// Says which tensor maps the launch has; the bit that its kernel's index
  /// then has.
  uint32_t emitTensorMaps(rt::LaunchOp launch);
  void storeTensorMap(mlir::Value record, rt::TensorMapAttr map,
                      mlir::ValueRange dynamic);
  void emitDeviceCopy(rt::CopyOp copy);
  mlir::Value emitDeviceRead(mlir::Value address, mlir::Type type);
  /// Calls the function that a field of dlc_exec points to, which gives a
  /// status, with dlc_exec and `operands`; returns unless it is 0.
  void callExec(size_t field, mlir::ValueRange operands);
  void emitCheck(rt::CheckOp check);
  mlir::Value emitLoad(rt::LoadOp load);
  mlir::Value emitLate(size_t field, unsigned index, mlir::Value bytes);
  void allocateFrame(mlir::Region &body);
  void returnUnlessZero(mlir::Value status);

  mlir::Value constant(mlir::Type type, int64_t value);
  /// An index value as i64.
  mlir::Value asI64(mlir::Value index);
  /// The address `bytes` after `base`.
  mlir::Value advance(mlir::Value base, int64_t bytes);
  /// Element `index` of the array of 8-byte elements that a field of dlc_exec
  /// points to.
  mlir::Value elementAddress(size_t field, int64_t index);
  mlir::Value loadField(size_t field, mlir::Type type);
  void storeAt(mlir::Value base, int64_t bytes, mlir::Value value);
  /// Stores values to consecutive 8-byte elements.
  void storeArray(mlir::Value array, mlir::ValueRange values);
  llvm::SmallVector<mlir::Value> lookUp(mlir::ValueRange values, bool asI64s);
  /// Place of a dim among the dims of all values of its kind.
  template <typename RecordT> int64_t flatDim(int64_t value, int64_t dim);

  rt::ProgramOp program;
  llvm::StringRef prefix;
  mlir::ImplicitLocOpBuilder b;
  mlir::LLVM::LLVMFuncOp function;
  mlir::IRMapping values;
  mlir::Type pointer, i32, i64;
  mlir::Value exec, launchRecord, deviceRecord, buffers, sizes, maps, element;
  /// The kernels that are launched on a device.
  llvm::SetVector<llvm::StringRef> deviceKernels;
  mlir::Block *exit = nullptr; // takes the status
  unsigned nextCheck = 0, nextDispatch = 0;
};

} // namespace dlc

#endif // DLC_LIB_CONVERSION_RTTOLLVM_FUNCTIONEMITTER_H
