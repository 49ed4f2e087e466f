// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The table of elementwise functions.
#include "Dialect/NN/FnInfo.h"

namespace dlc::nn {

static constexpr llvm::StringLiteral alpha[] = {"alpha"};
static constexpr llvm::StringLiteral alphaBeta[] = {"alpha", "beta"};
static constexpr llvm::StringLiteral beta[] = {"beta"};
static constexpr llvm::StringLiteral betaThreshold[] = {"beta", "threshold"};
static constexpr llvm::StringLiteral eluParams[] = {"alpha", "input_scale",
                                                    "scale"};
static constexpr llvm::StringLiteral infParams[] = {"negative", "positive"};

static FnInfo makeInfo(Fn fn) {
  using enum FnOperands;
  using enum FnResult;
  switch (fn) {
  case Fn::add:
  case Fn::sub:
  case Fn::mul:
  case Fn::div:
  case Fn::floor_div:
  case Fn::mod_floor:
  case Fn::mod_trunc:
  case Fn::maximum:
  case Fn::minimum:
    return {2, Number, Same, {}, false};
  case Fn::pow:
    return {2, Number, Same, {}, true};
  case Fn::atan2:
    return {2, Float, Same, {}, true};
  case Fn::bit_and:
  case Fn::bit_or:
  case Fn::bit_xor:
    return {2, Bits, Same, {}, false};
  case Fn::shl:
  case Fn::shr:
    return {2, Integer, Same, {}, false};
  case Fn::eq:
  case Fn::ne:
    return {2, Any, Bool, {}, false};
  case Fn::lt:
  case Fn::le:
  case Fn::gt:
  case Fn::ge:
    return {2, Number, Bool, {}, false};
  case Fn::select:
    return {3, Select, Same, {}, false};
  case Fn::clamp:
    return {3, Number, Same, {}, false};
  case Fn::neg:
  case Fn::abs:
  case Fn::sign:
  case Fn::relu:
    return {1, Number, Same, {}, false};
  case Fn::bit_not:
    return {1, Bits, Same, {}, false};
  case Fn::reciprocal:
  case Fn::sqrt:
  case Fn::rsqrt:
  case Fn::floor:
  case Fn::ceil:
  case Fn::round_even:
  case Fn::trunc:
  case Fn::hard_swish:
    return {1, Float, Same, {}, false};
  case Fn::exp:
  case Fn::expm1:
  case Fn::log:
  case Fn::log1p:
  case Fn::log2:
  case Fn::sin:
  case Fn::cos:
  case Fn::tan:
  case Fn::asin:
  case Fn::acos:
  case Fn::atan:
  case Fn::sinh:
  case Fn::cosh:
  case Fn::tanh:
  case Fn::asinh:
  case Fn::acosh:
  case Fn::atanh:
  case Fn::erf:
  case Fn::sigmoid:
  case Fn::gelu:
  case Fn::gelu_tanh:
    return {1, Float, Same, {}, true};
  case Fn::is_nan:
    return {1, Float, Bool, {}, false};
  case Fn::is_inf:
    return {1, Float, Bool, infParams, false};
  case Fn::bitcast:
    return {1, Any, EqualWidth, {}, false};
  case Fn::leaky_relu:
    return {1, Float, Same, alpha, false};
  case Fn::elu:
    return {1, Float, Same, eluParams, true};
  case Fn::silu:
    return {1, Float, Same, beta, true};
  case Fn::hard_sigmoid:
    return {1, Float, Same, alphaBeta, false};
  case Fn::softplus:
    return {1, Float, Same, betaThreshold, true};
  }
  llvm_unreachable("every function has a row");
}

const FnInfo &getFnInfo(Fn fn) {
  static const auto table = [] {
    std::array<FnInfo, static_cast<size_t>(Fn::softplus) + 1> rows{};
    for (size_t i = 0; i < rows.size(); ++i) {
      rows[i] = makeInfo(static_cast<Fn>(i));
    }
    return rows;
  }();
  return table[static_cast<size_t>(fn)];
}

} // namespace dlc::nn
