// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From block-level kernels to NVVM, in three passes.
#ifndef DLC_CONVERSION_TILETONVVM_PASSES
#define DLC_CONVERSION_TILETONVVM_PASSES

include "mlir/Pass/PassBase.td"

def LowerTilePipelinesPass : Pass<"dlc-lower-tile-pipelines", "mlir::ModuleOp"> {
  let summary = "Give the roles of tile pipelines to threads";
  let description = [{
    Each `tile.pipeline` becomes a loop in which all threads take both roles: before iteration k is
    consumed, the fill of iteration k + stages - 1 is started, in the slots that iteration k - 1 left.
    A channel's fill is one group of copies; awaiting it is a `tile.wait` that lets all later groups be
    under way, and that barrier is the release of the slots of iteration k - 1.

    Where the copies are of `tile.mapped_view`, a channel's fill is a `tile.bulk_copies`, which one thread
    starts, and awaiting it a `tile.await_bulk` of the stage's mbarrier.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect"];
}

def AssignTileLayoutsPass : Pass<"dlc-assign-tile-layouts", "mlir::ModuleOp"> {
  let summary = "Choose layouts of tiles and places in shared memory";
  let description = [{
    Shared tiles get the swizzle that their readers can use without bank conflicts, tiles in registers the
    layouts of mma.sync; where a product wants another one, a `tile.convert_layout` is put. Allocations
    get offsets, and the kernel the sum.
  }];
  let options = [Option<"maxSharedBytes", "max-shared-bytes", "int64_t", "166912",
                        "shared memory that a block may have; the default is that of sm_80">];
}

def ConvertTileToNVVMPass : Pass<"dlc-convert-tile-to-nvvm", "mlir::ModuleOp"> {
  let summary = "Write the code of one thread of each tile kernel";
  let description = [{
    Each `tile.kernel` becomes an `llvm.func` with `nvvm.kernel`, of LLVM and NVVM ops and whatever
    scf, arith, math and vector ops its regions had. `tile.shared_bytes` on it says how much dynamic
    shared memory a launch needs.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect",
                           "::mlir::vector::VectorDialect", "::mlir::LLVM::LLVMDialect",
                           "::mlir::NVVM::NVVMDialect"];
}

def TestBuildTileKernelsPass : Pass<"dlc-test-build-tile-kernels", "mlir::ModuleOp"> {
  let summary = "Build the kernels that the module's attribute tile.test_kernels asks for";
  let dependentDialects = ["::dlc::tile::TileDialect", "::mlir::vector::VectorDialect"];
}

def TestPrintTileSchedulesPass : Pass<"dlc-test-print-tile-schedules", "mlir::ModuleOp"> {
  let summary = "Print the legal schedules of matrix products: tile m, n, k, stages, warps m, n";
  let options = [Option<"elementBytes", "element-bytes", "int64_t", "2", "bytes of an element of the operands">,
                 Option<"contiguousKOfA", "contiguous-k-of-a", "bool", "true", "rows of A are contiguous">,
                 Option<"contiguousKOfB", "contiguous-k-of-b", "bool", "true", "columns of B are contiguous">,
                 Option<"forConv", "for-conv", "bool", "false", "only those that convolutions may have, too">];
  let dependentDialects = ["::dlc::tile::TileDialect"];
}

#endif // DLC_CONVERSION_TILETONVVM_PASSES
