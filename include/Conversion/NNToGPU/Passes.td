// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From dispatches to kernels on a GPU.
#ifndef DLC_CONVERSION_NNTOGPU_PASSES
#define DLC_CONVERSION_NNTOGPU_PASSES

include "mlir/Pass/PassBase.td"

def ScheduleGPUKernelsPass : Pass<"dlc-schedule-gpu-kernels", "mlir::ModuleOp"> {
  let summary = "Lay out constant operands and choose schedules for tensor cores";
  let description = [{
    The filter of a convolution that is computed as a matrix product becomes
    (groups, taps x input channels, output channels).

    Products, convolutions and attention of bf16, f16 or (by nn.product_type) tf32 get a schedule of the
    tile dialect, by which `dlc-outline-gpu-kernels` computes them on tensor cores. A remark says why one
    gets none; it is then computed as one of f32 is. A schedule that the dispatch has already stays if it
    is legal; else a warning says what is missing, and a legal one takes its place. Those chosen here
    take `portable-shared-bytes` at most, so that the code runs on later GPUs, too, which may have less.

    Rows that a block cannot keep with 48 KiB of shared memory, as of softmax and norms, get an
    `nn.row_schedule`: more shared memory, and a cluster of blocks for each, where there are any. So do
    long rows that are too few to keep a GPU busy.
  }];
  let dependentDialects = ["::dlc::nn::NNDialect", "::dlc::tile::TileDialect"];
  let options = [Option<"sharedBytes", "shared-bytes", "int64_t", "166912",
                        "shared memory that a block may have; the default is that of sm_80">,
                 Option<"portableSharedBytes", "portable-shared-bytes", "int64_t", "101376",
                        "shared memory that a block may have on all GPUs that run the code; the default "
                        "is that of sm_80's code">,
                 Option<"clusterBlocks", "cluster-blocks", "int64_t", "1",
                        "blocks that a cluster may have; 1: the GPUs have no clusters">,
                 Option<"bulkCopies", "bulk-copies", "bool", "false",
                        "whether there are bulk copies by tensor maps (sm_90)">];
}

def OutlineGPUKernelsPass : Pass<"dlc-outline-gpu-kernels", "mlir::ModuleOp"> {
  let summary = "Turn each distinct dispatch into a GPU kernel";
  let description = [{
    The kernels become functions of the module `@kernels` (loops, vectors, memrefs and NVVM; the form
    that Target/NVPTX/LowerToNVVM.h takes), or with a schedule of the tile dialect `tile.kernel`s; the
    dispatches `rt.dispatch` ops on them that say blocks and
    threads. Dispatches with equal bodies, types and schedules share a kernel.
  }];
  let dependentDialects = ["::dlc::nn::NNDialect", "::dlc::rt::RTDialect", "mlir::scf::SCFDialect",
                           "mlir::memref::MemRefDialect", "mlir::vector::VectorDialect",
                           "mlir::math::MathDialect", "mlir::func::FuncDialect", "mlir::LLVM::LLVMDialect",
                           "mlir::NVVM::NVVMDialect", "::dlc::tile::TileDialect"];
  let options = [Option<"sharedBytes", "shared-bytes", "int64_t", "166912",
                        "shared memory that a block may have; the default is that of sm_80">,
                 Option<"bulkCopies", "bulk-copies", "bool", "false",
                        "whether there are bulk copies by tensor maps (sm_90)">];
}

def LowerGPUTileKernelsPass : Pass<"dlc-lower-gpu-tile-kernels", "mlir::ModuleOp"> {
  let summary = "Lower the tile kernels of @kernels, and say how much shared memory their launches need";
  let description = [{
    Runs dlc-lower-tile-pipelines, dlc-assign-tile-layouts and dlc-convert-tile-to-nvvm on the module
    `@kernels`. Each rt.dispatch of a kernel gets the kernel's `shared_bytes`.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect",
                           "::mlir::vector::VectorDialect", "::mlir::LLVM::LLVMDialect",
                           "::mlir::NVVM::NVVMDialect", "::dlc::tile::TileDialect"];
  let options = [Option<"sharedBytes", "shared-bytes", "int64_t", "166912",
                        "shared memory that a block may have; the default is that of sm_80">];
}

#endif // DLC_CONVERSION_NNTOGPU_PASSES
