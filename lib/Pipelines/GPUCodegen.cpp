// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From a GPU variant's kernels to PTX.
#include "Codegen.h"

#include "Conversion/RTToLLVM/RTToLLVM.h"
#include "Target/NVPTX/Assemble.h"
#include "Target/NVPTX/Emit.h"
#include "Target/NVPTX/LowerToNVVM.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace dlc {

/// Ops of kernels in one group: enough to pay for a run of LLVM, and few enough
/// to spread over threads.
static constexpr size_t kOpsPerGroup = 1500;

/// Shared memory that a global stands for, in bytes; dynamic memory has none.
static unsigned getSharedBytes(Operation *op) {
  if (auto global = dyn_cast<memref::GlobalOp>(op)) {
    MemRefType type = global.getType();
    return type.getNumElements() * type.getElementTypeBitWidth() / 8;
  }
  auto global = dyn_cast<LLVM::GlobalOp>(op);
  auto array =
      global ? dyn_cast<LLVM::LLVMArrayType>(global.getType()) : nullptr;
  return array && array.getElementType().isIntOrFloat()
             ? array.getNumElements() *
                   array.getElementType().getIntOrFloatBitWidth() / 8
             : 0;
}

/// The globals that a kernel names.
static llvm::SetVector<Operation *> findGlobals(Operation *kernel) {
  llvm::SetVector<Operation *> globals;
  Operation *table = kernel->getParentOp();
  kernel->walk([&](Operation *op) {
    if (auto get = dyn_cast<memref::GetGlobalOp>(op)) {
      globals.insert(
          SymbolTable::lookupSymbolIn(table, get.getNameAttr().getAttr()));
    } else if (auto address = dyn_cast<LLVM::AddressOfOp>(op)) {
      globals.insert(SymbolTable::lookupSymbolIn(
          table, address.getGlobalNameAttr().getAttr()));
    }
  });
  return globals;
}

/// The kernel that launches name, as the header tells of it.
static DeviceKernel describeKernel(Operation *kernel, rt::ProgramOp program) {
  DeviceKernel record;
  record.name = SymbolTable::getSymbolName(kernel).str();
  for (Operation *global : findGlobals(kernel)) {
    record.staticSharedBytes += getSharedBytes(global);
  }
  for (auto launch : program.getRun().getBody().getOps<rt::LaunchOp>()) {
    if (launch.getKernel() == record.name) {
      record.threads = *launch.getThreads();
      record.dynamicSharedBytes = std::max<unsigned>(
          record.dynamicSharedBytes, launch.getSharedBytes().value_or(0));
    }
  }
  return record;
}

/// Moves a kernel into a group of its index width that has room.
static void
addToGroup(Variant &variant, Operation *kernel, std::vector<CodeGroup> &groups,
           llvm::DenseMap<unsigned, std::pair<size_t, size_t>> &open) {
  auto bits = kernel->getAttrOfType<IntegerAttr>(rt::kIndexBitsAttrName);
  unsigned indexBits = bits ? bits.getInt() : 64;
  auto [it, isNew] = open.try_emplace(indexBits, 0, kOpsPerGroup);
  auto &[group, ops] = it->second;
  if (ops >= kOpsPerGroup) {
    group = groups.size();
    ops = 0;
    groups.push_back({&variant, ModuleOp::create(kernel->getLoc()), indexBits});
  }
  kernel->walk([&](Operation *) { ++ops; });
  ModuleOp module = *groups[group].module;
  for (Operation *global : findGlobals(kernel)) {
    if (!module.lookupSymbol(SymbolTable::getSymbolName(global))) {
      module.push_back(global->clone());
    }
  }
  kernel->remove();
  module.push_back(kernel);
}

void makeGPUGroups(Variant &variant, std::vector<CodeGroup> &groups) {
  auto kernels = variant.module->lookupSymbol<ModuleOp>(rt::kKernelsModuleName);
  llvm::DenseMap<unsigned, std::pair<size_t, size_t>> open;
  rt::ProgramOp program = variant.getProgram();
  for (StringRef name : getDeviceKernels(program)) {
    Operation *kernel = kernels.lookupSymbol(name);
    variant.deviceKernels.push_back(describeKernel(kernel, program));
    addToGroup(variant, kernel, groups, open);
  }
  variant.numKernels = variant.deviceKernels.size();
  if (variant.deviceKernels.empty()) { // an image all the same
    groups.push_back({&variant, ModuleOp::create(program.getLoc()), 64});
  }
  if (kernels) {
    kernels.erase();
  }
}

bool emitGPUGroup(Session &session, CodeGroup &group) {
  if (failed(lowerKernelsToNVVM(*group.module, group.indexBits))) {
    return session.failReported(Status::Internal);
  }
  for (const GPUTarget &target : group.variant->gpus) {
    llvm::Expected<std::string> text = emitPTX(*group.module, target);
    if (!text) {
      return session.fail(Status::Internal, text.takeError());
    }
    group.texts.push_back(std::move(*text));
  }
  group.module = {};
  return true;
}

/// What follows the directives that start a PTX text.
static StringRef getBody(StringRef text) {
  constexpr StringLiteral last = ".address_size 64\n";
  size_t place = text.find(last);
  return place == StringRef::npos ? text : text.substr(place + last.size());
}

/// Appends a PTX text's body to an image. Dynamic shared memory is declared
/// once for all kernels of an image.
static void appendBody(std::string &image, StringRef body) {
  while (true) {
    size_t place = body.find(".extern .shared");
    image += body.take_front(place);
    if (place == StringRef::npos) {
      return;
    }
    StringRef line = body.substr(place).split('\n').first;
    if (!StringRef(image).contains(line)) {
      image += line;
    }
    body = body.drop_front(place + line.size());
  }
}

void joinImages(std::vector<CodeGroup> &groups) {
  for (CodeGroup &group : groups) {
    std::vector<std::string> &images = group.variant->images;
    for (auto [i, text] : llvm::enumerate(group.texts)) {
      if (i < images.size()) {
        appendBody(images[i], getBody(text));
      } else {
        images.push_back(std::move(text));
      }
    }
  }
}

bool assembleImages(Session &session, std::vector<Variant> &variants) {
  if (!session.options.ptxas) {
    return true;
  }
  llvm::Expected<std::string> ptxas = findAssembler(*session.options.ptxas);
  if (!ptxas) {
    return session.fail(Status::Usage, ptxas.takeError());
  }
  for (Variant &variant : variants) {
    for (auto [image, target] : llvm::zip(variant.images, variant.gpus)) {
      llvm::Expected<std::string> code = assemblePTX(image, target, *ptxas);
      if (!code) {
        Status status =
            code.errorIsA<RejectedPTX>() ? Status::Internal : Status::Usage;
        return session.fail(status, code.takeError());
      }
      variant.cubins.push_back(std::move(*code));
    }
  }
  return true;
}

bool emitGPUText(Session &session, Variant &variant, EmitKind kind,
                 Bytes &text) {
  std::vector<CodeGroup> groups;
  makeGPUGroups(variant, groups);
  for (CodeGroup &group : groups) {
    if (kind == EmitKind::PTX) {
      if (!emitGPUGroup(session, group)) {
        return false;
      }
      continue;
    }
    if (failed(lowerKernelsToNVVM(*group.module, group.indexBits))) {
      return session.failReported(Status::Internal);
    }
    llvm::Expected<std::string> emitted =
        emitGPULLVMIR(*group.module, variant.gpus.front());
    if (!emitted) {
      return session.fail(Status::Internal, emitted.takeError());
    }
    text.append(emitted->begin(), emitted->end());
  }
  joinImages(groups);
  for (const std::string &image : variant.images) {
    text.append(image.begin(), image.end());
  }
  return true;
}

} // namespace dlc
