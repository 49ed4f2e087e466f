// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constants and parameters as passes see them: read, made and transformed alike
// whether they are arith.constant or nn.param.
#ifndef DLC_LIB_TRANSFORMS_CONSTANTS_H
#define DLC_LIB_TRANSFORMS_CONSTANTS_H

#include "Analysis/HostTensor.h"
#include "Dialect/NN/NNDialect.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/SymbolTable.h"

namespace dlc {

/// Constants larger than this stay references to the model's file.
inline constexpr int64_t kMaxFoldedBytes = 1 << 20;
/// The same for constants that are only cut and joined.
inline constexpr int64_t kMaxMovedBytes = 64 << 20;
/// Constants of at most so many elements are arith.constant, others params.
inline constexpr int64_t kMaxInlineElements = 64;

class Constants {
public:
  explicit Constants(mlir::ModuleOp module);

  /// The param that `value` refers to, or null.
  nn::ParamOp getParam(mlir::Value value);
  /// Whether the value is an arith.constant or a param.
  bool isConstant(mlir::Value value);
  /// The elements, if the value is constant, of at most `maxBytes`, and can be
  /// read.
  std::optional<HostTensor> get(mlir::Value value,
                                int64_t maxBytes = kMaxFoldedBytes);
  /// The number that all elements equal, as far as that is known without
  /// reading large parameters.
  std::optional<double> getSplat(mlir::Value value);
  /// Whether ops other than the sole user of `value` read the same param.
  bool isShared(mlir::Value value);

  /// The tensor as a constant or, above kMaxInlineElements, a new param.
  mlir::Value create(mlir::OpBuilder &b, mlir::Location loc,
                     const HostTensor &tensor,
                     llvm::StringRef name = "constant");
  /// The constant `value` after param transforms: carried out at once on an
  /// arith.constant, appended to a copy of the param otherwise. Null where a
  /// transform does not fit.
  mlir::Value transform(mlir::OpBuilder &b, mlir::Value value,
                        llvm::ArrayRef<mlir::Attribute> transforms);
  /// Erases params that nothing refers to.
  void eraseUnusedParams();

private:
  mlir::Value insertParam(mlir::OpBuilder &b, mlir::Location loc,
                          llvm::StringRef name, mlir::RankedTensorType type,
                          mlir::Attribute data,
                          mlir::RankedTensorType sourceType,
                          llvm::ArrayRef<mlir::Attribute> transforms);

  mlir::ModuleOp module;
  mlir::SymbolTable symbols;
};

} // namespace dlc

#endif // DLC_LIB_TRANSFORMS_CONSTANTS_H
