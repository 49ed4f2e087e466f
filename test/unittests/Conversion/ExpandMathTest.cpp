// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// math and arith ops on types and machines that LLVM alone would serve by
// calls into libraries: f64 functions, f16 and bf16, rounding without SSE4.1.
#include "KernelRunner.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include <bit>
#include <cmath>
#include <gtest/gtest.h>

using namespace mlir;
using namespace dlc;
using namespace dlc::test;

namespace {

using Emitter = std::function<Value(ImplicitLocOpBuilder &, Value)>;

/// result[i] = emit(input[i]), `lanes` elements at a time (0: scalars).
LoadedKernels compileMap(Type from, Type to, int64_t lanes, const Emitter &emit,
                         StringRef cpu = "native") {
  OwningOpRef<ModuleOp> module = buildKernel(
      {from, to}, 0, [&](ImplicitLocOpBuilder &b, KernelArguments &args) {
        Value input = view(b, args.buffers[0], {OpFoldResult(args.end)});
        Value output = view(b, args.buffers[1], {OpFoldResult(args.end)});
        Value step = arith::ConstantIndexOp::create(b, lanes ? lanes : 1);
        scf::ForOp::create(
            b, args.begin, args.end, step, ValueRange(),
            [&](OpBuilder &inner, Location loc, Value i, ValueRange) {
              ImplicitLocOpBuilder b(loc, inner);
              if (lanes) {
                Value x = vector::LoadOp::create(
                    b, VectorType::get({lanes}, from), input, i);
                vector::StoreOp::create(b, emit(b, x), output, i);
              } else {
                Value x = memref::LoadOp::create(b, input, i);
                memref::StoreOp::create(b, emit(b, x), output, i);
              }
              scf::YieldOp::create(b);
            });
      });
  return compile(*module, cpu);
}

Builder &builder() {
  static Builder instance(&getContext());
  return instance;
}

const char *const kMachines[] = {"native", "x86-64-v3", "x86-64"};

bool sameBits(float x, float y) {
  return std::bit_cast<uint32_t>(x) == std::bit_cast<uint32_t>(y) ||
         (std::isnan(x) && std::isnan(y));
}

TEST(ExpandMath, DoubleFunctionsCallLibm) {
  Type f64 = builder().getF64Type();
  std::vector<double> x(64), y(64);
  for (int i = 0; i < 64; ++i)
    x[i] = i / 16.0 - 2;
  for (int64_t lanes : {0, 8}) {
    LoadedKernels kernels =
        compileMap(f64, f64, lanes, [](ImplicitLocOpBuilder &b, Value v) {
          return math::ErfOp::create(b, math::ExpOp::create(b, v)).getResult();
        });
    kernels.run({x.data(), y.data()}, {}, 0, 64);
    for (int i = 0; i < 64; ++i)
      EXPECT_EQ(y[i], std::erf(std::exp(x[i]))) << x[i];
  }
}

/// Doubles around every boundary between two halves of the given spacing, and
/// special ones.
std::vector<double> roundingInputs(int mantissaBits) {
  std::vector<double> inputs = {0.0,       -0.0,    INFINITY, -INFINITY, NAN,
                                0x1p-1074, 1e-300,  1e300,    -1e300,    65504,
                                65519.99,  65520,   3.39e38,  3.3962e38, 1e-45,
                                0x1p-24,   0x1p-25, 0x1p-133, 0x1p-134};
  for (int exponent : {-140, -126, -30, -15, -14, -1, 0, 5, 15, 100})
    for (int step = 0; step < 8; ++step) {
      double middle = std::ldexp(
          1 + (step + 0.5) * std::ldexp(1.0, -mantissaBits), exponent);
      // A whole f32 step away, a little away, and the tie itself: rounding to
      // f32 on the way would turn the second into the third.
      for (double offset : {0.0, 0x1p-40, -0x1p-40, 0x1p-20, -0x1p-20})
        for (double sign : {1.0, -1.0})
          inputs.push_back(sign * middle * (1 + offset));
    }
  while (inputs.size() % 16)
    inputs.push_back(1);
  return inputs;
}

TEST(ExpandMath, DoubleToHalfRoundsOnce) {
  std::vector<double> x = roundingInputs(10);
  std::vector<_Float16> y(x.size());
  for (const char *cpu : {"native", "x86-64-v3"})
    for (int64_t lanes : {0, 16}) {
      LoadedKernels kernels = compileMap(
          builder().getF64Type(), builder().getF16Type(), lanes,
          [&](ImplicitLocOpBuilder &b, Value v) -> Value {
            Type type = b.getF16Type();
            if (lanes)
              type = VectorType::get({lanes}, type);
            return arith::TruncFOp::create(b, type, v);
          },
          cpu);
      kernels.run({x.data(), y.data()}, {}, 0, x.size());
      for (size_t i = 0; i < x.size(); ++i)
        EXPECT_TRUE(sameBits(float(y[i]), float(_Float16(x[i]))))
            << cpu << " " << x[i] << " gave " << float(y[i]);
    }
}

/// `x` to bf16 by hand: to odd at 40 bits, then to nearest even.
float roundToBFloat16(double x) {
  if (std::isnan(x) || std::isinf(x) || x == 0)
    return x;
  int exponent = std::max(std::ilogb(x), -126);
  double unit = std::ldexp(1.0, exponent - 7);
  double rounded = std::nearbyint(x / unit) * unit;
  return std::abs(rounded) >= 0x1p128 ? std::copysign(INFINITY, x)
                                      : float(rounded);
}

TEST(ExpandMath, DoubleToBFloat16RoundsOnce) {
  std::vector<double> x = roundingInputs(7);
  std::vector<uint16_t> y(x.size());
  for (const char *cpu : kMachines) {
    LoadedKernels kernels = compileMap(
        builder().getF64Type(), builder().getBF16Type(), 0,
        [](ImplicitLocOpBuilder &b, Value v) -> Value {
          return arith::TruncFOp::create(b, b.getBF16Type(), v);
        },
        cpu);
    kernels.run({x.data(), y.data()}, {}, 0, x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      float actual = std::bit_cast<float>(uint32_t(y[i]) << 16);
      EXPECT_TRUE(sameBits(actual, roundToBFloat16(x[i])))
          << cpu << " " << x[i] << " gave " << actual;
    }
  }
}

TEST(ExpandMath, BFloat16ArithmeticIsDoneInF32) {
  std::vector<uint16_t> x(1 << 16), y(x.size());
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = i;
  for (const char *cpu : kMachines)
    for (int64_t lanes : {0, 16}) {
      LoadedKernels kernels = compileMap(
          builder().getBF16Type(), builder().getBF16Type(), lanes,
          [](ImplicitLocOpBuilder &b, Value v) -> Value {
            return arith::MulFOp::create(b, v, v);
          },
          cpu);
      kernels.run({x.data(), y.data()}, {}, 0, x.size());
      for (size_t i = 0; i < x.size(); ++i) {
        float v = std::bit_cast<float>(uint32_t(i) << 16);
        float expected = roundToBFloat16(v * v);
        float actual = std::bit_cast<float>(uint32_t(y[i]) << 16);
        ASSERT_TRUE(sameBits(actual, expected))
            << cpu << " " << v << " gave " << actual;
      }
    }
}

TEST(ExpandMath, HalfFunctionsAreComputedInF32) {
  std::vector<_Float16> x(1 << 10), y(x.size());
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = _Float16(i / 128.0 - 4);
  LoadedKernels kernels =
      compileMap(builder().getF16Type(), builder().getF16Type(), 16,
                 [](ImplicitLocOpBuilder &b, Value v) -> Value {
                   return math::ExpOp::create(b, v);
                 });
  kernels.run({x.data(), y.data()}, {}, 0, x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    float exact = std::exp(float(x[i]));
    EXPECT_NEAR(float(y[i]), exact, exact * 0x1.01p-11) << float(x[i]);
  }
}

template <typename Op>
void checkRounding(float (*reference)(float), const char *cpu) {
  std::vector<float> x;
  for (float base : {0.0f, 1.0f, 2.0f, 3.0f, 1023.0f, 8388606.0f, 8388608.0f,
                     16777216.0f, 1e20f, 1e-40f, INFINITY, NAN})
    for (float offset : {0.0f, 0.25f, 0.5f, 0.75f, -0.25f, -0.5f})
      for (float sign : {1.0f, -1.0f})
        x.push_back(sign * (base + offset));
  std::vector<float> y(x.size());
  LoadedKernels kernels = compileMap(
      builder().getF32Type(), builder().getF32Type(), 0,
      [](ImplicitLocOpBuilder &b, Value v) -> Value {
        return Op::create(b, v);
      },
      cpu);
  kernels.run({x.data(), y.data()}, {}, 0, x.size());
  for (size_t i = 0; i < x.size(); ++i)
    EXPECT_TRUE(sameBits(y[i], reference(x[i])))
        << cpu << " " << x[i] << " gave " << y[i];
}

TEST(ExpandMath, RoundingToIntegers) {
  for (const char *cpu : kMachines) {
    checkRounding<math::FloorOp>(std::floor, cpu);
    checkRounding<math::CeilOp>(std::ceil, cpu);
    checkRounding<math::TruncOp>(std::trunc, cpu);
    checkRounding<math::RoundEvenOp>(std::nearbyint, cpu);
  }
}

TEST(ExpandMath, FusedMultiplyAddRoundsOnceEverywhere) {
  std::vector<float> x(4096), y(x.size());
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = 1 + i * 0x1p-20f;
  for (const char *cpu : kMachines) {
    LoadedKernels kernels = compileMap(
        builder().getF32Type(), builder().getF32Type(), 0,
        [](ImplicitLocOpBuilder &b, Value v) -> Value {
          Value c = arith::ConstantOp::create(b, b.getF32FloatAttr(-1.0f));
          return math::FmaOp::create(b, v, v, c);
        },
        cpu);
    kernels.run({x.data(), y.data()}, {}, 0, x.size());
    for (size_t i = 0; i < x.size(); ++i)
      ASSERT_EQ(y[i], std::fma(x[i], x[i], -1.0f)) << cpu;
  }
}

} // namespace
