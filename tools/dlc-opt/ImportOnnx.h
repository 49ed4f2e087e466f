// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// dlc-opt --import-onnx=FILE [--dim=...] [--inspect] [--mlir-print-debuginfo].
#ifndef DLC_TOOLS_DLC_OPT_IMPORTONNX_H
#define DLC_TOOLS_DLC_OPT_IMPORTONNX_H

/// Prints the imported module or the operators; the exit code is the error
/// class.
int importOnnxMain(int argc, char **argv);

#endif // DLC_TOOLS_DLC_OPT_IMPORTONNX_H
