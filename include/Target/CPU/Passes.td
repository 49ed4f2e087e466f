// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The passes of the CPU back end, in the order the pipeline `dlc-lower-to-cpu`
// runs them.
#ifndef DLC_TARGET_CPU_PASSES
#define DLC_TARGET_CPU_PASSES

include "mlir/Pass/PassBase.td"

def LowerVectorsPass : Pass<"dlc-lower-vectors", "mlir::ModuleOp"> {
  let summary = "Lower structured and n-dimensional vector and linalg code";
  let description = [{
    Contractions become outer products, multi-reductions inner reductions,
    transfers 1-D loads and stores (masked or guarded where they may run out of
    bounds), and leftover linalg ops on memrefs become loops. The result has
    scf, memref, arith, math and 1-D vector code only.
  }];
  let dependentDialects = ["mlir::affine::AffineDialect",
                           "mlir::scf::SCFDialect",
                           "mlir::memref::MemRefDialect",
                           "mlir::vector::VectorDialect"];
}

def StoreAsIntegersPass : Pass<"dlc-store-as-integers", "mlir::ModuleOp"> {
  let summary = "Keep i1 and bf16 elements in memory as i8 and i16";
  let description = [{
    Every `memref<...xi1>` becomes `memref<...xi8>`. Loads compare with zero, so
    any nonzero byte is true; stores write 0 or 1. LLVM would pack vectors of i1
    into bits. Every `memref<...xbf16>` becomes `memref<...xi16>`: LLVM computes
    selections between bf16s in f32, and calls a library to round back.

    ```mlir
    %0 = vector.load %m[%i] : memref<?xi1>, vector<16xi1>
    // becomes
    %b = vector.load %m[%i] : memref<?xi8>, vector<16xi8>
    %0 = arith.cmpi ne, %b, %zero : vector<16xi8>
    ```
  }];
  let dependentDialects = ["mlir::arith::ArithDialect"];
}

def ConvertKernelsToLLVMPass
    : Pass<"dlc-convert-kernels-to-llvm", "mlir::ModuleOp"> {
  let summary = "Convert scf, memref, vector, arith and math to LLVM";
  let description = [{
    One conversion for everything, with bare memref pointers. Fails on any op
    that has no LLVM form, and names it.
  }];
  let options = [Option<"indexBits", "index-bits", "unsigned", "64",
                        "Width of index in the code">];
  let dependentDialects = ["mlir::LLVM::LLVMDialect",
                           "mlir::affine::AffineDialect",
                           "mlir::cf::ControlFlowDialect"];
}

def WrapKernelsPass : Pass<"dlc-wrap-kernels", "mlir::ModuleOp"> {
  let summary = "Give kernels the runtime's calling convention";
  let description = [{
    A function with the attribute `dlc.kernel` and the parameters (buffers...,
    sizes..., begin, end, scratch) becomes a private body, and a new function of
    its name gets the signature of `dlc_kernel` in runtime/include/dlc/exec.h:
    it loads the pointers and sizes and calls the body.
  }];
  let dependentDialects = ["mlir::LLVM::LLVMDialect"];
}

#endif // DLC_TARGET_CPU_PASSES
