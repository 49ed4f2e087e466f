// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The nn dialect, its op base class and the type constraints its ops share.
#ifndef DLC_DIALECT_NN_NNBASE_TD
#define DLC_DIALECT_NN_NNBASE_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def NN_Dialect : Dialect {
  let name = "nn";
  let cppNamespace = "::dlc::nn";
  let summary = "neural network graphs on tensors";
  let description = [{
    The whole model as pure functions of ranked tensors. Whole ops (`conv`, `attention`, ...) stand for
    what a pass must see whole or whose lowering is a schedule's choice; general ops (`elementwise`,
    `reduce`, `contract`, views, `gather`, `scatter`) express everything else.

    Broadcasting is explicit: all operands have the result's rank, and each operand dim equals the
    result's, or is statically 1, or is listed in `maybe_broadcast`. Sizes are SSA `index` values: every
    `?` of a result type has an operand, or follows from the op's operands by its reification.
    Every op carries the location of the model's node it came from. docs/nn-dialect.md has the rules.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect",
                           "::mlir::math::MathDialect", "::mlir::affine::AffineDialect"];
  let useDefaultAttributePrinterParser = 1;
  let hasConstantMaterializer = 1;
  let extraClassDeclaration = [{
    /// Where the bytes of #nn.data attributes of this context are found.
    ::dlc::nn::SourceMap &getSourceMap() { return *sourceMap; }

  private:
    std::unique_ptr<::dlc::nn::SourceMap> sourceMap;
  public:
  }];
}

def NN_Tensor : AnyTypeOf<[AnyRankedTensor], "ranked tensor", "::mlir::RankedTensorType">;
def NN_FloatTensor : RankedTensorOf<[AnyFloat]>;
def NN_IntTensor : RankedTensorOf<[AnyInteger]>;
def NN_IndexTensor : RankedTensorOf<[I32, I64]>;

class NN_Op<string mnemonic, list<Trait> traits = []> : Op<NN_Dialect, mnemonic, traits>;

/// A pure op whose result sizes follow from its operands.
class NN_PureOp<string mnemonic, list<Trait> traits = []>
    : NN_Op<mnemonic, !listconcat([Pure, DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>,
                                   DeclareOpInterfaceMethods<NN_FusionRoleInterface>], traits)>;

#endif // DLC_DIALECT_NN_NNBASE_TD
