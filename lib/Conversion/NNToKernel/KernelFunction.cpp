// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Declarations of outlined kernels.
#include "Conversion/NNToKernel/KernelFunction.h"

#include "Conversion/NNToKernel/KernelBuilder.h"
#include "Dialect/RT/RTDialect.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;

namespace dlc {

ModuleOp getKernelsModule(ModuleOp module) {
  if (auto kernels = module.lookupSymbol<ModuleOp>(rt::kKernelsModuleName)) {
    return kernels;
  }
  OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
  return ModuleOp::create(b, module.getLoc(), rt::kKernelsModuleName);
}

std::string getKernelName(nn::DispatchOp dispatch, unsigned number) {
  return (dispatch.getRootOp()->getName().stripDialect() + "_" + Twine(number))
      .str();
}

func::FuncOp createKernelFunction(ModuleOp kernels, nn::DispatchOp dispatch,
                                  TypeRange parameters, unsigned number) {
  OpBuilder b = OpBuilder::atBlockEnd(kernels.getBody());
  SmallVector<Type> types;
  for (Type type :
       llvm::concat<Type>(llvm::to_vector(dispatch.getInputs().getTypes()),
                          llvm::to_vector(dispatch.getOutputs().getTypes()))) {
    types.push_back(getBaseType(cast<RankedTensorType>(type).getElementType()));
  }
  unsigned buffers = types.size();
  llvm::append_range(types, parameters);
  auto function = func::FuncOp::create(b, dispatch.getLoc(),
                                       getKernelName(dispatch, number),
                                       b.getFunctionType(types, {}));
  function->setAttr(rt::kKernelAttrName, b.getUnitAttr());
  for (unsigned i = 0; i < buffers; ++i) {
    function.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(),
                        b.getUnitAttr());
  }
  function.addEntryBlock();
  return function;
}

} // namespace dlc
