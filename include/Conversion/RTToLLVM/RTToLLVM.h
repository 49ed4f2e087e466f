// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The host program as functions that the runtime calls.
#ifndef DLC_CONVERSION_RTTOLLVM_RTTOLLVM_H
#define DLC_CONVERSION_RTTOLLVM_RTTOLLVM_H

#include "Dialect/RT/RTDialect.h"
#include "mlir/Pass/Pass.h"
#include "llvm/ADT/SetVector.h"

namespace dlc {

#define GEN_PASS_DECL_CONVERTRTTOLLVMPASS
#include "Conversion/RTToLLVM/Passes.h.inc"

void registerRTToLLVMPasses();

/// Symbol of a kernel in the variant with that prefix. No entry function has
/// such a name.
inline std::string getKernelSymbol(llvm::StringRef prefix,
                                   llvm::StringRef kernel) {
  return (prefix + "." + kernel).str();
}

/// The kernels that a program launches on a device, in the order of their
/// numbers.
llvm::SetVector<llvm::StringRef> getDeviceKernels(rt::ProgramOp program);

} // namespace dlc

#endif // DLC_CONVERSION_RTTOLLVM_RTTOLLVM_H
