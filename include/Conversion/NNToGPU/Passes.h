// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Passes from dispatches to GPU kernels; see Passes.td.
#ifndef DLC_CONVERSION_NNTOGPU_PASSES_H
#define DLC_CONVERSION_NNTOGPU_PASSES_H

#include "Dialect/NN/NNDialect.h"
#include "Dialect/RT/RTDialect.h"
#include "Dialect/Tile/TileDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/Pass.h"

namespace dlc {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "Conversion/NNToGPU/Passes.h.inc"
} // namespace dlc

#endif // DLC_CONVERSION_NNTOGPU_PASSES_H
