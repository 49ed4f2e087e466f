// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Matrix products on tensor cores (ldmatrix, mma.sync; operands by
// cp.async, or by bulk copies of sm_90).
#ifndef DLC_DIALECT_TILE_GEMMKERNEL_H
#define DLC_DIALECT_TILE_GEMMKERNEL_H

#include "Dialect/Tile/KernelBuilder.h"
#include "Dialect/Tile/Schedules.h"

namespace dlc::tile {

/// C[batch, m, n] = compute(sum over k of A[batch, m, k] * B[batch, k, n]). A
/// and B have one element type; f32 ones are rounded to tf32. Sums are f32. Or
/// both have 8-bit integers, signed or not, along k; zero points are subtracted
/// from them, and sums are i32, which wrap around. Each size is at most 2^31 -
/// 1 less a tile; offsets may be larger.
struct GemmSpec {
  MatrixSpec a, b;
  ZeroPoints zeros;
  ResultSpec c;
  llvm::SmallVector<Size> batch;
  Size m, n, k;
};

/// Builds the kernel before the insertion point of `b`. `makeSpec` is called
/// within it, to make the spec from the parameters; what it emits dominates all
/// of the kernel. The launch has
///   product(batch) * ceil(m / tile_m) * ceil(n / tile_n) * split_k
/// blocks in dimension x, and `tile.threads` threads. Fails, with an error at
/// b's location, on a schedule that is not legal.
///
/// With split_k > 1 the result is partial sums, [split_k][batch][m][n] of f32
/// (or i32), dense, at c.base; the rest of `c` is not used. A kernel made by
/// buildSplitSumKernel from the same spec adds them up and does the rest.
mlir::FailureOr<KernelOp>
buildGemmKernel(mlir::ImplicitLocOpBuilder &b, const KernelSignature &signature,
                GemmScheduleAttr schedule, const BlockLimits &limits,
                llvm::function_ref<GemmSpec(mlir::ImplicitLocOpBuilder &,
                                            const KernelArguments &)>
                    makeSpec);

/// The second step of a product or convolution with split_k > 1: C =
/// compute(sum of all parts), in their order. product(batch) * m * n / gcd(4,
/// n) is less than 2^31 less a block.
struct SplitSumSpec {
  /// [parts][batch][m][n] of `element`, f32 or i32, as the product left it.
  mlir::Value partial;
  mlir::Type element;
  /// The product's split_k.
  int64_t parts = 1;
  ResultSpec c;
  llvm::SmallVector<Size> batch;
  Size m, n;
};

/// Threads of a block of buildSplitSumKernel, and results of one.
inline constexpr int64_t kSplitSumThreads = 256;

/// Builds that kernel. The launch has
///   ceil(product(batch) * m * n / gcd(4, n) / kSplitSumThreads)
/// blocks; for an n that is not static, c.columnMultiple in its place in gcd.
KernelOp buildSplitSumKernel(
    mlir::ImplicitLocOpBuilder &b, const KernelSignature &signature,
    llvm::function_ref<SplitSumSpec(mlir::ImplicitLocOpBuilder &,
                                    const KernelArguments &)>
        makeSpec);

} // namespace dlc::tile

#endif // DLC_DIALECT_TILE_GEMMKERNEL_H
