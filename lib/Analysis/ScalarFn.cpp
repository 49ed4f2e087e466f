// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Elementwise functions on numbers.
#include "ScalarFn.h"
#include "Analysis/Evaluator.h"

#include <cmath>
#include <limits>

using namespace mlir;

namespace dlc {

using nn::Fn;

static double param(DictionaryAttr params, StringRef name) {
  return cast<FloatAttr>(params.get(name)).getValueAsDouble();
}

static double propagateNaN(double x, double y, double result) {
  return std::isnan(x) || std::isnan(y)
             ? std::numeric_limits<double>::quiet_NaN()
             : result;
}

/// Functions of one number without parameters.
static std::optional<double> evaluateUnary(Fn fn, double x) {
  switch (fn) {
  case Fn::neg:
    return -x;
  case Fn::abs:
    return std::fabs(x);
  case Fn::sign:
    return std::isnan(x) ? x : (x > 0) - (x < 0);
  case Fn::reciprocal:
    return 1 / x;
  case Fn::sqrt:
    return std::sqrt(x);
  case Fn::rsqrt:
    return 1 / std::sqrt(x);
  case Fn::exp:
    return std::exp(x);
  case Fn::expm1:
    return std::expm1(x);
  case Fn::log:
    return std::log(x);
  case Fn::log1p:
    return std::log1p(x);
  case Fn::log2:
    return std::log2(x);
  case Fn::floor:
    return std::floor(x);
  case Fn::ceil:
    return std::ceil(x);
  case Fn::round_even:
    return std::nearbyint(x);
  case Fn::trunc:
    return std::trunc(x);
  case Fn::sin:
    return std::sin(x);
  case Fn::cos:
    return std::cos(x);
  case Fn::tan:
    return std::tan(x);
  case Fn::tanh:
    return std::tanh(x);
  case Fn::erf:
    return std::erf(x);
  case Fn::relu:
    return propagateNaN(x, x, std::max(x, 0.0));
  case Fn::sigmoid:
    return 1 / (1 + std::exp(-x));
  default:
    return std::nullopt;
  }
}

static std::optional<double> evaluateBinary(Fn fn, double x, double y) {
  switch (fn) {
  case Fn::add:
    return x + y;
  case Fn::sub:
    return x - y;
  case Fn::mul:
    return x * y;
  case Fn::div:
    return x / y;
  case Fn::mod_trunc:
    return std::fmod(x, y);
  case Fn::maximum:
    return propagateNaN(x, y, std::max(x, y));
  case Fn::minimum:
    return propagateNaN(x, y, std::min(x, y));
  case Fn::pow:
    return std::pow(x, y);
  case Fn::atan2:
    return std::atan2(x, y);
  default:
    return std::nullopt;
  }
}

std::optional<double> evaluateFloatFn(Fn fn, ArrayRef<double> args,
                                      DictionaryAttr params) {
  if (fn == Fn::clamp) {
    double low = propagateNaN(args[0], args[1], std::max(args[0], args[1]));
    return propagateNaN(low, args[2], std::min(low, args[2]));
  }
  if (fn == Fn::leaky_relu) {
    return args[0] < 0 ? args[0] * param(params, "alpha") : args[0];
  }
  if (args.size() == 1) {
    return evaluateUnary(fn, args[0]);
  }
  return args.size() == 2 ? evaluateBinary(fn, args[0], args[1]) : std::nullopt;
}

/// Truncating quotient; x / 0 = 0, and the lowest number over -1 is itself.
static int64_t divideInts(int64_t x, int64_t y, bool isUnsigned) {
  if (y == 0) {
    return 0;
  }
  if (isUnsigned) {
    return static_cast<int64_t>(static_cast<uint64_t>(x) /
                                static_cast<uint64_t>(y));
  }
  return y == -1 ? static_cast<int64_t>(-static_cast<uint64_t>(x)) : x / y;
}

static int64_t shiftRight(int64_t x, int64_t y, unsigned width,
                          bool isUnsigned) {
  if (y < 0 || y >= static_cast<int64_t>(width)) {
    return !isUnsigned && x < 0 ? -1 : 0;
  }
  return isUnsigned ? static_cast<int64_t>(static_cast<uint64_t>(x) >> y)
                    : x >> y;
}

static std::optional<int64_t> evaluateIntBinary(Fn fn, int64_t x, int64_t y,
                                                unsigned width,
                                                bool isUnsigned) {
  auto ux = static_cast<uint64_t>(x), uy = static_cast<uint64_t>(y);
  bool less = isUnsigned ? ux < uy : x < y;
  switch (fn) {
  case Fn::add:
    return static_cast<int64_t>(ux + uy);
  case Fn::sub:
    return static_cast<int64_t>(ux - uy);
  case Fn::mul:
    return static_cast<int64_t>(ux * uy);
  case Fn::div:
    return divideInts(x, y, isUnsigned);
  case Fn::mod_trunc:
    return y == 0 ? 0 : x - divideInts(x, y, isUnsigned) * y;
  case Fn::maximum:
    return less ? y : x;
  case Fn::minimum:
    return less ? x : y;
  case Fn::bit_and:
    return x & y;
  case Fn::bit_or:
    return x | y;
  case Fn::bit_xor:
    return x ^ y;
  case Fn::shl:
    return y < 0 || y >= static_cast<int64_t>(width)
               ? 0
               : static_cast<int64_t>(ux << y);
  case Fn::shr:
    return shiftRight(x, y, width, isUnsigned);
  default:
    return std::nullopt;
  }
}

std::optional<int64_t> evaluateIntFn(Fn fn, ArrayRef<int64_t> args, Type type) {
  bool isUnsigned = type.isUnsignedInteger() || type.isInteger(1);
  if (args.size() == 2) {
    return evaluateIntBinary(fn, args[0], args[1], type.getIntOrFloatBitWidth(),
                             isUnsigned);
  }
  switch (fn) {
  case Fn::neg:
    return static_cast<int64_t>(-static_cast<uint64_t>(args[0]));
  case Fn::abs:
    return !isUnsigned && args[0] < 0
               ? static_cast<int64_t>(-static_cast<uint64_t>(args[0]))
               : args[0];
  case Fn::sign:
    return isUnsigned ? args[0] != 0 : (args[0] > 0) - (args[0] < 0);
  case Fn::bit_not:
    return ~args[0];
  case Fn::relu:
    return isUnsigned ? args[0] : std::max<int64_t>(args[0], 0);
  case Fn::clamp: {
    int64_t low =
        *evaluateIntBinary(Fn::maximum, args[0], args[1], 64, isUnsigned);
    return evaluateIntBinary(Fn::minimum, low, args[2], 64, isUnsigned);
  }
  default:
    return std::nullopt;
  }
}

std::optional<bool> compareFloats(Fn fn, double lhs, double rhs) {
  switch (fn) {
  case Fn::eq:
    return lhs == rhs;
  case Fn::ne:
    return lhs != rhs;
  case Fn::lt:
    return lhs < rhs;
  case Fn::le:
    return lhs <= rhs;
  case Fn::gt:
    return lhs > rhs;
  case Fn::ge:
    return lhs >= rhs;
  default:
    return std::nullopt;
  }
}

std::optional<bool> compareInts(Fn fn, int64_t lhs, int64_t rhs,
                                bool isUnsigned) {
  bool less = isUnsigned
                  ? static_cast<uint64_t>(lhs) < static_cast<uint64_t>(rhs)
                  : lhs < rhs;
  switch (fn) {
  case Fn::eq:
    return lhs == rhs;
  case Fn::ne:
    return lhs != rhs;
  case Fn::lt:
    return less;
  case Fn::le:
    return less || lhs == rhs;
  case Fn::gt:
    return !less && lhs != rhs;
  case Fn::ge:
    return !less;
  default:
    return std::nullopt;
  }
}

} // namespace dlc
