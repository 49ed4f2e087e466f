// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What fusion asks of an nn op.
#ifndef DLC_DIALECT_NN_NNINTERFACES_TD
#define DLC_DIALECT_NN_NNINTERFACES_TD

include "mlir/IR/OpBase.td"

def NN_FusionRoleInterface : OpInterface<"FusionRoleInterface"> {
  let cppNamespace = "::dlc::nn";
  let description = [{
    How an op takes part in a dispatch. Elementwise, view and indexed ops are index functions: each
    result element is a scalar function of elements of the operands, so they fuse into producers (as
    epilogue) or consumers (as prologue). The other roles are roots.
  }];
  let methods = [
    InterfaceMethod<"The op's role in fusion.", "::dlc::nn::FusionRole", "getFusionRole">
  ];
}

#endif // DLC_DIALECT_NN_NNINTERFACES_TD
