// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Dialects, passes and pipelines of dlc-opt.
#include "Pipelines/Registration.h"

#include "Conversion/NNToGPU/Passes.h"
#include "Conversion/NNToKernel/Passes.h"
#include "Conversion/NNToRT/NNToRT.h"
#include "Conversion/RTToLLVM/RTToLLVM.h"
#include "Conversion/TileToNVVM/Passes.h"
#include "Dialect/NN/NNDialect.h"
#include "Dialect/RT/RTDialect.h"
#include "Dialect/Tile/TileDialect.h"
#include "Phases.h"
#include "Target/CPU/LowerToLLVM.h"
#include "Target/NVPTX/LowerToNVVM.h"
#include "Transforms/Dispatch/Passes.h"
#include "Transforms/Passes.h"
#include "mlir/Pass/PassRegistry.h"

using namespace mlir;

namespace dlc {

void registerDialects(DialectRegistry &registry) {
  registry.insert<nn::NNDialect, rt::RTDialect, tile::TileDialect>();
  registerCPUTargetDialects(registry);
  registerNVPTXTargetDialects(registry);
}

namespace {
struct CPUOptions : PassPipelineOptions<CPUOptions> {
  Option<std::string> cpu{
      *this, "cpu", llvm::cl::desc("CPU to compile for, an LLVM CPU name"),
      llvm::cl::init("native")};
};
struct GPUOptions : PassPipelineOptions<GPUOptions> {
  Option<int64_t> sharedBytes{
      *this, "shared-bytes",
      llvm::cl::desc("shared memory that a block may have"),
      llvm::cl::init(GPUResources().sharedBytes)};
  Option<int64_t> portableSharedBytes{
      *this, "portable-shared-bytes",
      llvm::cl::desc("the same on all GPUs that run the code"),
      llvm::cl::init(GPUResources().portableSharedBytes)};
  Option<int64_t> clusterBlocks{
      *this, "cluster-blocks", llvm::cl::desc("blocks that a cluster may have"),
      llvm::cl::init(GPUResources().clusterBlocks)};
  Option<bool> bulkCopies{*this, "bulk-copies",
                          llvm::cl::desc("whether there are bulk copies"),
                          llvm::cl::init(GPUResources().bulkCopies)};

  GPUResources get() const {
    return {sharedBytes, portableSharedBytes, clusterBlocks, bulkCopies};
  }
};
struct GPUDispatchOptions : GPUOptions {
  Option<std::string> precision{*this, "precision",
                                llvm::cl::desc("fp32, tf32, bf16 or fp16"),
                                llvm::cl::init("fp32")};
};
} // namespace

/// A phase whose passes depend on the CPU.
static void registerCPUPipeline(StringRef name, StringRef description,
                                void (*build)(OpPassManager &,
                                              const CPUTarget &)) {
  registerPassPipeline(
      name, description,
      [build](OpPassManager &pm, StringRef text,
              function_ref<LogicalResult(const Twine &)> onError) {
        CPUOptions options;
        if (failed(options.parseFromString(text))) {
          return failure();
        }
        llvm::Expected<CPUTarget> target = CPUTarget::create(options.cpu);
        if (!target) {
          return onError(llvm::toString(target.takeError()));
        }
        build(pm, *target);
        return success();
      },
      [](function_ref<void(const detail::PassOptions &)> visit) {
        visit(CPUOptions());
      });
}

void registerPassesAndPipelines() {
  registerTransformsPasses();
  registerDispatchPasses();
  registerNNToGPUPasses();
  registerNNToKernelPasses();
  registerNNToRTPasses();
  registerRTToLLVMPasses();
  registerTileToNVVMPasses();
  registerCPUTargetPasses();
  registerNVPTXTargetPasses();
  PassPipelineRegistration<>("dlc-graph-pipeline", "The graph phase: nn to nn",
                             buildGraphPipeline);
  PassPipelineRegistration<>("dlc-dispatch-pipeline",
                             "The dispatch phase: nn to nn.dispatch",
                             buildDispatchPhase);
  PassPipelineRegistration<GPUDispatchOptions>(
      "dlc-gpu-dispatch-pipeline", "The dispatch phase for a GPU",
      [](OpPassManager &pm, const GPUDispatchOptions &options) {
        buildGPUDispatchPhase(pm, options.precision, options.get());
      });
  registerCPUPipeline("dlc-schedule-pipeline",
                      "The schedule phase: a schedule for each dispatch",
                      buildSchedulePhase);
  registerCPUPipeline("dlc-codegen-pipeline",
                      "The codegen phase up to kernels and rt.program",
                      buildCodegenPhase);
  PassPipelineRegistration<GPUOptions>(
      "dlc-gpu-schedule-pipeline", "The schedule phase for a GPU",
      [](OpPassManager &pm, const GPUOptions &options) {
        buildGPUSchedulePhase(pm, options.get());
      });
  PassPipelineRegistration<GPUOptions>(
      "dlc-gpu-codegen-pipeline",
      "The codegen phase for a GPU, up to kernels and rt.program",
      [](OpPassManager &pm, const GPUOptions &options) {
        buildGPUCodegenPhase(pm, options.get());
      });
}

} // namespace dlc
