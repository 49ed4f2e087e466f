// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Small helpers of the kernel emitters: index arithmetic that folds static
// sizes, structured loops with the builder's insertion point handled.
#ifndef DLC_CONVERSION_NNTOVECTOR_EMIT_H
#define DLC_CONVERSION_NNTOVECTOR_EMIT_H

#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/OpDefinition.h"

#include <functional>
#include <optional>

namespace dlc::kernel {

/// Arithmetic on sizes and offsets; constants fold, so that static shapes give
/// static code.
class IndexMath {
public:
  using Size = mlir::OpFoldResult;

  explicit IndexMath(mlir::ImplicitLocOpBuilder &b) : b(b) {}

  Size constant(int64_t value) const { return b.getIndexAttr(value); }
  /// The number behind a static size.
  static std::optional<int64_t> known(Size size) {
    return mlir::getConstantIntValue(size);
  }
  static bool isKnown(Size size, int64_t value) { return known(size) == value; }
  /// An `index` value for any size.
  mlir::Value value(Size size) const;
  mlir::Value value(int64_t number) const { return value(constant(number)); }

  Size add(Size x, Size y) const;
  Size sub(Size x, Size y) const;
  Size mul(Size x, Size y) const;
  Size mul(Size x, int64_t y) const { return mul(x, constant(y)); }
  /// Signed minimum and maximum.
  Size min(Size x, Size y) const;
  Size max(Size x, Size y) const;
  /// Quotient and remainder of a non-negative x by a positive y.
  Size div(Size x, Size y) const;
  Size rem(Size x, Size y) const;
  Size ceilDiv(Size x, Size y) const;
  Size roundUp(Size x, int64_t multiple) const;
  /// i1 values.
  mlir::Value less(Size x, Size y) const;
  mlir::Value lessEqual(Size x, Size y) const;
  mlir::Value equal(Size x, Size y) const;

private:
  template <typename Op, typename Fold>
  Size binary(Size x, Size y, Fold fold) const;

  mlir::ImplicitLocOpBuilder &b;
};

/// Body of a loop: gets the induction value and the carried values, returns
/// their next values.
using LoopBody = std::function<llvm::SmallVector<mlir::Value>(
    mlir::Value iv, mlir::ValueRange carried)>;

/// scf.for over [lower, upper), with the body inline where it surely runs
/// exactly once.
llvm::SmallVector<mlir::Value>
emitFor(mlir::ImplicitLocOpBuilder &b, mlir::OpFoldResult lower,
        mlir::OpFoldResult upper, mlir::OpFoldResult step,
        mlir::ValueRange carried, const LoopBody &body);

/// The same without carried values.
void emitFor(mlir::ImplicitLocOpBuilder &b, mlir::OpFoldResult lower,
             mlir::OpFoldResult upper, mlir::OpFoldResult step,
             const std::function<void(mlir::Value iv)> &body);

/// scf.if; the branches return values of `types`. A constant condition takes
/// its branch inline.
llvm::SmallVector<mlir::Value>
emitIf(mlir::ImplicitLocOpBuilder &b, mlir::Value condition,
       mlir::TypeRange types,
       const std::function<llvm::SmallVector<mlir::Value>()> &then,
       const std::function<llvm::SmallVector<mlir::Value>()> &otherwise);

/// scf.if without results; `otherwise` may be null.
void emitIf(mlir::ImplicitLocOpBuilder &b, mlir::Value condition,
            const std::function<void()> &then,
            const std::function<void()> &otherwise = nullptr);

/// Splits a row-major linear index over `sizes`; sizes[0] is never needed.
llvm::SmallVector<mlir::OpFoldResult>
delinearize(const IndexMath &math, mlir::OpFoldResult linear,
            llvm::ArrayRef<mlir::OpFoldResult> sizes);

/// `scratch` (see GemmBuffers) from byte `byteOffset` on as memref<?xelement>.
mlir::Value scratchView(mlir::ImplicitLocOpBuilder &b, mlir::Value scratch,
                        mlir::OpFoldResult byteOffset, mlir::Type element);

/// vector<lanes xi1> with the first `count` lanes set (none below 0, all from
/// `lanes` on).
mlir::Value lanesBelow(mlir::ImplicitLocOpBuilder &b, int64_t lanes,
                       mlir::OpFoldResult count);

/// Zero of a scalar or vector type.
mlir::Value zeroOf(mlir::ImplicitLocOpBuilder &b, mlir::Type type);

} // namespace dlc::kernel

#endif // DLC_CONVERSION_NNTOVECTOR_EMIT_H
