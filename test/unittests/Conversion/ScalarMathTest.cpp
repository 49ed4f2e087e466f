// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The elementary functions against libm in f64: errors in units in the last
// place over all exponents and critical ranges, special values, and equal bits
// for scalar code that LLVM vectorised and for explicit vectors.
#include "Conversion/Common/ScalarMath.h"
#include "KernelRunner.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <immintrin.h>

using namespace mlir;
using namespace dlc;
using namespace dlc::test;

namespace {

using Emit = Value (*)(ImplicitLocOpBuilder &, Value);
using Emit2 = Value (*)(ImplicitLocOpBuilder &, Value, Value);
using Emitter = std::function<Value(ImplicitLocOpBuilder &, ValueRange)>;

/// result[i] = f(inputs[i]...), `lanes` elements at a time (0: scalars).
LoadedKernels compileMap(unsigned numInputs, int64_t lanes, const Emitter &emit,
                         StringRef cpu = "native") {
  Type f32 = Float32Type::get(&getContext());
  SmallVector<Type> types(numInputs + 1, f32);
  OwningOpRef<ModuleOp> module = buildKernel(
      types, 0, [&](ImplicitLocOpBuilder &b, KernelArguments &args) {
        SmallVector<Value> views;
        for (Value buffer : args.buffers)
          views.push_back(view(b, buffer, {OpFoldResult(args.end)}));
        Value step = arith::ConstantIndexOp::create(b, lanes ? lanes : 1);
        scf::ForOp::create(
            b, args.begin, args.end, step, ValueRange(),
            [&](OpBuilder &inner, Location loc, Value i, ValueRange) {
              ImplicitLocOpBuilder b(loc, inner);
              SmallVector<Value> operands;
              auto type = VectorType::get({std::max<int64_t>(lanes, 1)}, f32);
              for (Value input : ArrayRef(views).drop_back())
                operands.push_back(
                    lanes
                        ? vector::LoadOp::create(b, type, input, i).getResult()
                        : memref::LoadOp::create(b, input, i).getResult());
              Value result = emit(b, operands);
              if (lanes)
                vector::StoreOp::create(b, result, views.back(), i);
              else
                memref::StoreOp::create(b, result, views.back(), i);
              scf::YieldOp::create(b);
            });
      });
  return compile(*module, cpu);
}

Emitter unary(Emit emit) {
  return
      [emit](ImplicitLocOpBuilder &b, ValueRange v) { return emit(b, v[0]); };
}

float fromBits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

uint32_t toBits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

/// Every sign and exponent with 2048 mantissas spread over all, then `dense`
/// values evenly spaced over [low, high].
std::vector<float> sampleInputs(float low, float high, int dense) {
  std::vector<float> inputs;
  for (uint32_t head = 0; head < 512; ++head)
    for (uint32_t k = 0; k < 2048; ++k)
      inputs.push_back(fromBits(head << 23 | (k * 4096 + k * 37 % 4096)));
  for (int k = 0; k < dense; ++k)
    inputs.push_back(low + (high - low) * (float(k) / dense));
  while (inputs.size() % 16)
    inputs.push_back(1);
  return inputs;
}

/// Distance of `value` from `reference` in units in the last place of f32.
double ulpError(float value, double reference) {
  if (std::isnan(reference))
    return std::isnan(value) ? 0 : INFINITY;
  if (std::isnan(value))
    return INFINITY;
  float nearest = float(reference);
  if (std::isinf(nearest) || std::isinf(value))
    return nearest == value ? 0
           : std::abs(reference) > 0x1.fffffcp127 && !std::isinf(nearest)
               ? 1
               : INFINITY;
  int exponent = std::max(std::ilogb(float(reference)), -126);
  if (reference == 0)
    exponent = -126;
  return std::abs(value - reference) / std::ldexp(1.0, exponent - 23);
}

struct Case {
  const char *name;
  Emit emit;
  double (*reference)(double);
  double maxUlp;
  // Dense range.
  float low, high;
  // Results below 2^-126 may be 0.
  bool flushes = false;
};

double rsqrt(double x) { return 1 / std::sqrt(x); }

// The bounds are the errors that ScalarMath.h states.
const Case kCases[] = {
    {"exp", emitExp, std::exp, 0.9, -90, 90, true},
    {"exp2", emitExp2, std::exp2, 0.9, -130, 130, true},
    {"expm1", emitExpm1, std::expm1, 1.3, -2, 2},
    {"log", emitLog, std::log, 0.9, 0.5, 2},
    {"log2", emitLog2, std::log2, 1.5, 0.5, 2},
    {"log10", emitLog10, std::log10, 2.1, 0.5, 2},
    {"log1p", emitLog1p, std::log1p, 1.5, -1, 2},
    {"tanh", emitTanh, std::tanh, 1.4, -10, 10},
    {"erf", emitErf, std::erf, 1.5, -5, 5},
    {"rsqrt", emitRsqrt, rsqrt, 1.5, 0, 4},
    {"sinh", emitSinh, std::sinh, 1.6, -4, 4},
    {"cosh", emitCosh, std::cosh, 1.4, -4, 4},
    {"asinh", emitAsinh, std::asinh, 1.8, -4, 4},
    {"acosh", emitAcosh, std::acosh, 2.0, 1, 4},
    {"atanh", emitAtanh, std::atanh, 1.9, -1, 1},
    {"sin", emitSin, std::sin, 2.0, -1e5, 1e5},
    {"cos", emitCos, std::cos, 2.1, -1e5, 1e5},
    {"tan", emitTan, std::tan, 3.2, -1e5, 1e5},
    {"asin", emitAsin, std::asin, 2.3, -1, 1},
    {"acos", emitAcos, std::acos, 1.3, -1, 1},
    {"atan", emitAtan, std::atan, 1.8, -4, 4},
};

class ScalarMath : public testing::TestWithParam<Case> {};

std::string caseName(const testing::TestParamInfo<Case> &info) {
  return info.param.name;
}

void expectWithin(const Case &c, const std::vector<float> &inputs,
                  const std::vector<float> &results) {
  double worst = 0;
  float where = 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    double reference = c.reference(inputs[i]);
    if (c.flushes && std::abs(reference) < 0x1p-126 && results[i] == 0)
      continue;
    double error = ulpError(results[i], reference);
    if (reference == 0 && std::signbit(reference) != std::signbit(results[i]))
      error = INFINITY;
    if (error > worst) {
      worst = error;
      where = inputs[i];
    }
  }
  EXPECT_LE(worst, c.maxUlp) << c.name << "(" << where << ")";
  testing::Test::RecordProperty("max_ulp", std::to_string(worst));
  std::printf("%-8s max %.3f ulp at %g\n", c.name, worst, where);
}

TEST_P(ScalarMath, VectorsAreWithinTheBound) {
  const Case &c = GetParam();
  LoadedKernels kernels = compileMap(1, 16, unary(c.emit));
  std::vector<float> inputs = sampleInputs(c.low, c.high, 1 << 20);
  std::vector<float> results(inputs.size());
  kernels.run({inputs.data(), results.data()}, {}, 0, inputs.size());
  expectWithin(c, inputs, results);
}

TEST_P(ScalarMath, ScalarsGiveTheSameBits) {
  const Case &c = GetParam();
  LoadedKernels vectors = compileMap(1, 16, unary(c.emit));
  LoadedKernels scalars = compileMap(1, 0, unary(c.emit));
  std::vector<float> inputs = sampleInputs(c.low, c.high, 1 << 12);
  std::vector<float> wide(inputs.size()), narrow(inputs.size());
  vectors.run({inputs.data(), wide.data()}, {}, 0, inputs.size());
  scalars.run({inputs.data(), narrow.data()}, {}, 0, inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i)
    if (!std::isnan(wide[i]) || !std::isnan(narrow[i]))
      ASSERT_EQ(toBits(wide[i]), toBits(narrow[i]))
          << c.name << "(" << inputs[i] << ")";
}

TEST_P(ScalarMath, BaselineMachinesAreWithinTheBound) {
  const Case &c = GetParam();
  LoadedKernels kernels = compileMap(1, 4, unary(c.emit), "x86-64");
  std::vector<float> inputs = sampleInputs(c.low, c.high, 1 << 12);
  std::vector<float> results(inputs.size());
  kernels.run({inputs.data(), results.data()}, {}, 0, inputs.size());
  expectWithin(c, inputs, results);
}

// The runtime flushes denormals: what is normal must not suffer.
TEST_P(ScalarMath, FlushingDenormalsKeepsTheBound) {
  const Case &c = GetParam();
  LoadedKernels kernels = compileMap(1, 16, unary(c.emit));
  std::vector<float> inputs = sampleInputs(c.low, c.high, 1 << 12);
  std::vector<float> results(inputs.size());
  unsigned control = _mm_getcsr();
  _mm_setcsr(control | 0x8040); // flush to zero, denormals are zero
  kernels.run({inputs.data(), results.data()}, {}, 0, inputs.size());
  _mm_setcsr(control);
  auto isDenormal = [](double x) { return x != 0 && std::abs(x) < 0x1p-126; };
  for (size_t i = 0; i < inputs.size(); ++i)
    if (isDenormal(inputs[i]) || isDenormal(c.reference(inputs[i]))) {
      inputs[i] = 1;
      results[i] = float(c.reference(1));
    }
  expectWithin(c, inputs, results);
}

INSTANTIATE_TEST_SUITE_P(All, ScalarMath, testing::ValuesIn(kCases), caseName);

std::vector<float> run2(Emit2 emit, const std::vector<float> &x,
                        const std::vector<float> &y) {
  LoadedKernels kernels =
      compileMap(2, 16, [emit](ImplicitLocOpBuilder &b, ValueRange v) {
        return emit(b, v[0], v[1]);
      });
  std::vector<float> results(x.size());
  auto *a = const_cast<float *>(x.data()), *b = const_cast<float *>(y.data());
  kernels.run({a, b, results.data()}, {}, 0, x.size());
  return results;
}

/// Pairs of special and ordinary values.
void specialPairs(std::vector<float> &x, std::vector<float> &y) {
  const float values[] = {
      0.0f,     -0.0f,     1,       -1,          2,          -2,
      3,        -3,        0.5f,    -0.5f,       2.5f,       -2.5f,
      INFINITY, -INFINITY, NAN,     1e-40f,      -1e-40f,    3e38f,
      -3e38f,   0x1p24f,   0x1p25f, 16777215.0f, 8388607.5f, 1 + 0x1p-23f};
  for (float a : values)
    for (float b : values) {
      x.push_back(a);
      y.push_back(b);
    }
  while (x.size() % 16) {
    x.push_back(1);
    y.push_back(1);
  }
}

void expectPairs(const char *name, Emit2 emit,
                 double (*reference)(double, double), double maxUlp,
                 const std::vector<float> &x, const std::vector<float> &y) {
  std::vector<float> results = run2(emit, x, y);
  double worst = 0;
  size_t where = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    double expected = reference(x[i], y[i]);
    double error = ulpError(results[i], expected);
    if (std::abs(expected) < 0x1p-126 && results[i] == 0)
      error = std::signbit(expected) == std::signbit(results[i]) ? 0 : INFINITY;
    if (error > worst) {
      worst = error;
      where = i;
    }
  }
  EXPECT_LE(worst, maxUlp) << name << "(" << x[where] << ", " << y[where]
                           << ") = " << results[where];
  std::printf("%-8s max %.3f ulp at %g, %g\n", name, worst, x[where], y[where]);
}

void randomPairs(std::vector<float> &x, std::vector<float> &y, float range) {
  uint64_t state = 1;
  auto next = [&] {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return float(double(state >> 11) * 0x1p-53);
  };
  for (int i = 0; i < 1 << 18; ++i) {
    x.push_back(std::exp2(next() * 40 - 20));
    y.push_back((next() * 2 - 1) * range);
  }
}

TEST(ScalarMathPairs, PowOfSpecialValues) {
  std::vector<float> x, y;
  specialPairs(x, y);
  expectPairs("pow", emitPow, std::pow, 0.9, x, y);
}

TEST(ScalarMathPairs, PowIsWithinTheBound) {
  std::vector<float> x, y;
  randomPairs(x, y, 8);
  expectPairs("pow", emitPow, std::pow, 0.9, x, y);
}

TEST(ScalarMathPairs, Atan2OfSpecialValues) {
  std::vector<float> x, y;
  specialPairs(x, y);
  expectPairs("atan2", emitAtan2, std::atan2, 1.7, x, y);
}

TEST(ScalarMathPairs, Atan2IsWithinTheBound) {
  std::vector<float> x, y;
  randomPairs(x, y, 100);
  expectPairs("atan2", emitAtan2, std::atan2, 1.7, y, x);
}

TEST(ScalarMathPairs, RemainderIsExact) {
  std::vector<float> x, y;
  specialPairs(x, y);
  // Exponents that are far apart.
  randomPairs(x, y, 100);
  randomPairs(y, x, 1e30f);
  std::vector<float> results = run2(emitRemainder, x, y);
  for (size_t i = 0; i < x.size(); ++i) {
    float expected = std::fmod(x[i], y[i]);
    bool isSame = std::isnan(expected)
                      ? std::isnan(results[i])
                      : results[i] == expected &&
                            std::signbit(results[i]) == std::signbit(expected);
    ASSERT_TRUE(isSame) << x[i] << " mod " << y[i] << ": expected " << expected
                        << ", got " << results[i];
  }
}

/// `cheap` gives what `all` gives for arguments down to `low`, where results
/// end to be normal, and passes special values.
void expectAgreement(Emit all, Emit cheap, float low) {
  std::vector<float> x(1 << 16), expected(x.size()), actual(x.size());
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = low * i / x.size();
  float special[] = {-INFINITY, NAN, fromBits(0x7fc00001), -0.0f, 1.5f * low};
  std::copy(std::begin(special), std::end(special), x.begin());
  LoadedKernels first = compileMap(1, 16, unary(all));
  LoadedKernels second = compileMap(1, 16, unary(cheap));
  first.run({x.data(), expected.data()}, {}, 0, x.size());
  second.run({x.data(), actual.data()}, {}, 0, x.size());
  for (size_t i = 0; i < x.size(); ++i)
    if (std::isnan(x[i]))
      EXPECT_TRUE(std::isnan(actual[i])) << i;
    else
      ASSERT_EQ(expected[i], actual[i]) << x[i];
}

TEST(ScalarMathNonPositive, ExpAgreesWithExp) {
  expectAgreement(emitExp, emitExpNonPositive, -87.336f);
}

TEST(ScalarMathNonPositive, Exp2AgreesWithExp2) {
  expectAgreement(emitExp2, emitExp2NonPositive, -126.0f);
}

} // namespace
