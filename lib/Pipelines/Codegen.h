// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One variant of a model's code: from its kernels and host program to objects.
#ifndef DLC_LIB_PIPELINES_CODEGEN_H
#define DLC_LIB_PIPELINES_CODEGEN_H

#include "Phases.h"
#include "Session.h"

#include "Dialect/RT/RTDialect.h"
#include "Target/CPU/CPUTarget.h"
#include "Target/CPU/Emit.h"
#include "Target/NVPTX/GPUTarget.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace dlc {

/// A kernel on a GPU, as the header tells of it.
struct DeviceKernel {
  std::string name;
  unsigned staticSharedBytes = 0, dynamicSharedBytes = 0, threads = 0;
};

struct Variant {
  /// Of the code; for a GPU, of the host code.
  CPUTarget target;
  /// The architectures of a GPU; none: the variant is a CPU's.
  std::vector<GPUTarget> gpus;
  /// Of the variant in the header, and of its functions.
  std::string name, prefix;
  /// The whole module as the schedule phase leaves it; after codegen, with
  /// rt.program and without kernels.
  mlir::OwningOpRef<mlir::ModuleOp> module;
  size_t numKernels = 0;
  std::vector<Bytes> objects;
  /// PTX for each of `gpus`, and the kernels in it by number.
  std::vector<std::string> images;
  /// Machine code for each of `gpus`, where asked for.
  std::vector<std::string> cubins;
  std::vector<DeviceKernel> deviceKernels;

  bool isGPU() const { return !gpus.empty(); }
  /// What code for all of `gpus` may use.
  GPUResources getResources() const;
  rt::ProgramOp getProgram();
  /// The functions that the runtime looks up.
  std::vector<std::string> getExports();
};

/// The variant for GPUs that have clusters, beside one for those that have not.
inline constexpr llvm::StringLiteral kClusterVariant = "cuda-sm_90";

/// Looks up the targets of options.cpus, best first, and of options.gpuArchs.
bool createVariants(Session &session, std::vector<Variant> &variants);
/// Makes one of GPU variants whose schedules have turned out the same.
void joinEqualVariants(Session &session, std::vector<Variant> &variants);

/// Functions that become one object, or a part of each of a GPU's images.
struct CodeGroup {
  Variant *variant;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  /// The bits of indices in GPU kernels; 0: code for the CPU.
  unsigned indexBits = 0;
  Bytes object = {};
  /// PTX per architecture.
  std::vector<std::string> texts = {};
};

/// Groups of a GPU variant's kernels, which leave its module; fills in the
/// variant's deviceKernels.
void makeGPUGroups(Variant &variant, std::vector<CodeGroup> &groups);
/// The PTX of a group.
bool emitGPUGroup(Session &session, CodeGroup &group);
/// Joins the groups' PTX into the variants' images.
void joinImages(std::vector<CodeGroup> &groups);
/// Makes machine code of the variants' images, where the options ask for it.
bool assembleImages(Session &session, std::vector<Variant> &variants);
/// The text of a GPU variant's kernels: LLVM IR or PTX.
bool emitGPUText(Session &session, Variant &variant, EmitKind kind,
                 Bytes &text);

/// Kernels and tensors with memory: what `--emit=linalg` prints.
bool formProgram(Session &session, Variant &variant);

/// Objects of all variants, on the session's threads. Groups of kernels are
/// chosen by the kernels alone, so the bytes do not depend on the number of
/// threads.
bool emitObjects(Session &session, std::vector<Variant> &variants);

/// The text of a variant's code: LLVM IR or assembly.
bool emitText(Session &session, Variant &variant, EmitKind kind, Bytes &text);

} // namespace dlc

#endif // DLC_LIB_PIPELINES_CODEGEN_H
