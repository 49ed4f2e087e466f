// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// rnn against ONNX's equations, one step and one unit at a time in double.
#include "DispatchRunner.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

using namespace dlc::test;

namespace {

constexpr int T = 5, I = 6;

struct RnnCase {
  const char *cell, *direction;
  int batch, hidden;
  bool bias = false, lengths = false, state = false, peephole = false;
  const char *attributes = "";
};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

class Model {
public:
  explicit Model(const RnnCase &test)
      : test(test), B(test.batch), H(test.hidden),
        D(std::string(test.direction) == "bidirectional" ? 2 : 1),
        G(is("lstm")  ? 4
          : is("gru") ? 3
                      : 1) {
    x = make(T * B * I);
    w = make(D * G * H * I);
    r = make(D * G * H * H);
    bias = make(test.bias ? D * 2 * G * H : 0);
    h0 = make(test.state ? D * B * H : 0);
    c0 = make(test.state && is("lstm") ? D * B * H : 0);
    p = make(test.peephole ? D * 3 * H : 0);
    for (int b = 0; b < B; ++b) {
      lengths.push_back(test.lengths ? (b * 2 + 1) % (T + 1) : T);
    }
    y.resize(T * D * B * H);
    lastH.resize(D * B * H);
    lastC.resize(D * B * H);
  }

  bool is(const char *cell) { return std::string(test.cell) == cell; }
  bool has(const char *text) {
    return std::string(test.attributes).find(text) != std::string::npos;
  }

  std::string source();
  std::vector<Tensor> inputs();
  void runReference() {
    for (int d = 0; d < D; ++d) {
      for (int b = 0; b < B; ++b) {
        runRow(d, b);
      }
    }
  }

  std::vector<float> y, lastH, lastC;

private:
  std::vector<float> make(size_t count) {
    std::vector<float> values(count);
    for (float &value : values) {
      value = std::uniform_real_distribution<float>(-0.6f, 0.6f)(random);
    }
    return values;
  }

  void runRow(int d, int b);
  void stepLstm(int d, const std::vector<double> &g, std::vector<double> &h,
                std::vector<double> &c);
  double clip(double v) { return has("clip") ? std::clamp(v, -0.4, 0.4) : v; }
  /// The state's part of gate `g`, unit `j`.
  double product(int d, int g, int j, const std::vector<double> &state) {
    double sum = 0;
    for (int k = 0; k < H; ++k) {
      sum += r[((d * G + g) * H + j) * H + k] * state[k];
    }
    return sum;
  }
  double biasAt(int d, int g, int j) {
    return test.bias ? bias[(d * 2 * G + g) * H + j] : 0;
  }

  RnnCase test;
  int B, H, D, G;
  std::mt19937 random{7};
  std::vector<float> x, w, r, bias, h0, c0, p;
  std::vector<int32_t> lengths;
};

void Model::stepLstm(int d, const std::vector<double> &g,
                     std::vector<double> &h, std::vector<double> &c) {
  for (int j = 0; j < H; ++j) {
    auto peep = [&](int i) {
      return test.peephole ? p[(d * 3 + i) * H + j] : 0;
    };
    double input = sigmoid(clip(g[j] + peep(0) * c[j]));
    double forget = sigmoid(clip(g[2 * H + j] + peep(2) * c[j]));
    forget = has("input_forget") ? 1 - input : forget;
    double next = forget * c[j] + input * std::tanh(clip(g[3 * H + j]));
    double output = sigmoid(clip(g[H + j] + peep(1) * next));
    c[j] = next;
    h[j] = output * std::tanh(next);
  }
}

void Model::runRow(int d, int b) {
  bool reverse = std::string(test.direction) == "reverse" || d == 1;
  std::vector<double> h(H), c(H);
  for (int j = 0; j < H && test.state; ++j) {
    h[j] = h0[(d * B + b) * H + j];
    c[j] = is("lstm") ? c0[(d * B + b) * H + j] : 0;
  }
  for (int step = 0; step < lengths[b]; ++step) {
    int t = reverse ? lengths[b] - 1 - step : step;
    std::vector<double> in(G * H), g(G * H), old = h;
    for (int i = 0; i < G * H; ++i) {
      in[i] = biasAt(d, 0, i);
      for (int k = 0; k < I; ++k) {
        in[i] += w[(d * G * H + i) * I + k] * x[(t * B + b) * I + k];
      }
      g[i] = in[i] + biasAt(d, G, i) + product(d, 0, i, old);
    }
    if (is("lstm")) {
      stepLstm(d, g, h, c);
    } else if (is("rnn")) {
      for (int j = 0; j < H; ++j) {
        h[j] = has("relu") ? std::max(0.0, g[j]) : std::tanh(clip(g[j]));
      }
    } else {
      std::vector<double> reset(H), gated(H);
      for (int j = 0; j < H; ++j) {
        reset[j] = sigmoid(clip(g[H + j]));
        gated[j] = reset[j] * old[j];
      }
      for (int j = 0; j < H; ++j) {
        double part = product(d, 2, j, gated) + biasAt(d, G + 2, j);
        if (has("linear_before_reset")) {
          part = reset[j] * (product(d, 2, j, old) + biasAt(d, G + 2, j));
        }
        double z = sigmoid(clip(g[j]));
        h[j] = (1 - z) * std::tanh(clip(in[2 * H + j] + part)) + z * old[j];
      }
    }
    for (int j = 0; j < H; ++j) {
      y[((t * D + d) * B + b) * H + j] = h[j];
    }
  }
  for (int j = 0; j < H; ++j) {
    lastH[(d * B + b) * H + j] = h[j];
    lastC[(d * B + b) * H + j] = c[j];
  }
}

std::string shaped(std::initializer_list<int> sizes, const char *element) {
  std::string text = "tensor<";
  for (int size : sizes) {
    text += std::to_string(size) + "x";
  }
  return text + element + ">";
}

std::string Model::source() {
  std::string xType = shaped({T, B, I}, "f32"),
              wType = shaped({D, G * H, I}, "f32"),
              rType = shaped({D, G * H, H}, "f32"),
              yType = shaped({T, D, B, H}, "f32"),
              state = shaped({D, B, H}, "f32");
  std::string arguments = "%x: " + xType + ", %w: " + wType + ", %r: " + rType,
              operands = "%x, %w, %r";
  auto operand = [&](bool given, const char *key, const std::string &type) {
    if (given) {
      arguments += ", %" + std::string(key) + ": " + type;
      operands += " " + std::string(key) + " %" + key + " : " + type;
    }
  };
  operand(test.bias, "bias", shaped({D, 2 * G * H}, "f32"));
  operand(test.lengths, "lengths", shaped({B}, "i32"));
  operand(test.state, "h", state);
  operand(test.state && is("lstm"), "c", state);
  operand(test.peephole, "peephole", shaped({D, 3 * H}, "f32"));
  std::string results = yType + ", " + state + ", " + state;
  return "func.func @f(" + arguments + ") -> (" + results +
         ") { %0:3 = nn.rnn " + test.cell + " " + test.direction + " (" +
         operands + ") {" + test.attributes + "} : " + xType + ", " + wType +
         ", " + rType + " -> " + results +
         " return %0#0, %0#1, %0#2 : " + results + " }";
}

std::vector<Tensor> Model::inputs() {
  std::vector<Tensor> all{tensorOf(x), tensorOf(w), tensorOf(r)};
  for (const std::vector<float> *tensor : {&bias, &h0, &c0, &p}) {
    if (tensor == &h0 && test.lengths) {
      all.push_back(tensorOf(lengths));
    }
    if (!tensor->empty()) {
      all.push_back(tensorOf(*tensor));
    }
  }
  return all;
}

void expectNear(const Tensor &tensor, const std::vector<float> &expected) {
  std::vector<float> actual = elementsOf<float>(tensor);
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(actual[i], expected[i], 2e-6) << "element " << i;
  }
}

class RnnTest : public ::testing::TestWithParam<RnnCase> {};

TEST_P(RnnTest, MatchesEquations) {
  Model model(GetParam());
  model.runReference();
  auto results = runFunction(model.source(), model.inputs());
  ASSERT_EQ(results.size(), 3u);
  expectNear(results[0], model.y);
  expectNear(results[1], model.lastH);
  if (model.is("lstm")) {
    expectNear(results[2], model.lastC);
  }
}

const char kRelu[] = "activations = [\"relu\"], alphas = array<f64: 0.0>, "
                     "betas = array<f64: 0.0>";

INSTANTIATE_TEST_SUITE_P(
    Lstm, RnnTest,
    ::testing::Values(RnnCase{"lstm", "forward", 1, 8},
                      RnnCase{"lstm", "reverse", 3, 19, true},
                      RnnCase{"lstm", "bidirectional", 5, 19, true, true, true},
                      RnnCase{"lstm", "bidirectional", 2, 37, true, false, true,
                              true},
                      RnnCase{"lstm", "forward", 9, 4, false, false, false,
                              false, "input_forget, clip = 0.4 : f64"}));
INSTANTIATE_TEST_SUITE_P(
    Gru, RnnTest,
    ::testing::Values(RnnCase{"gru", "forward", 1, 16, true},
                      RnnCase{"gru", "bidirectional", 5, 19, true, true, true},
                      RnnCase{"gru", "reverse", 3, 19, true, false, true, false,
                              "linear_before_reset"},
                      RnnCase{"gru", "forward", 2, 5, false, true, false, false,
                              "linear_before_reset, clip = 0.4 : f64"}));
INSTANTIATE_TEST_SUITE_P(Simple, RnnTest,
                         ::testing::Values(RnnCase{"rnn", "bidirectional", 3,
                                                   33, true, true},
                                           RnnCase{"rnn", "forward", 1, 7, true,
                                                   false, true, false, kRelu}));

} // namespace
