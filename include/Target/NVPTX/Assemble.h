// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From PTX to machine code, by NVIDIA's assembler where one is installed. Only
// for those who ask for it: a driver compiles PTX itself.
#ifndef DLC_TARGET_NVPTX_ASSEMBLE_H
#define DLC_TARGET_NVPTX_ASSEMBLE_H

#include "Target/NVPTX/GPUTarget.h"

namespace dlc {

/// The path of ptxas: `given`, or if that is empty the one in PATH, or of the
/// toolkit that CUDA_HOME or CUDA_PATH names, or of /usr/local/cuda. An error
/// says where it was looked for.
llvm::Expected<std::string> findAssembler(llvm::StringRef given);

/// The error of a ptxas that rejects PTX: a mistake of what emitted it. Every
/// other failure is the tool's, or of where it runs.
class RejectedPTX : public llvm::ErrorInfo<RejectedPTX> {
public:
  explicit RejectedPTX(std::string message) : message(std::move(message)) {}

  void log(llvm::raw_ostream &os) const override { os << message; }
  std::error_code convertToErrorCode() const override {
    return llvm::inconvertibleErrorCode();
  }
  static char ID;

private:
  std::string message;
};

/// The machine code of `ptx` for `target`, an ELF file. What ptxas complains
/// about is the error.
llvm::Expected<std::string> assemblePTX(llvm::StringRef ptx,
                                        const GPUTarget &target,
                                        llvm::StringRef ptxas);

} // namespace dlc

#endif // DLC_TARGET_NVPTX_ASSEMBLE_H
