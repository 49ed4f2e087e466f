// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Numeric tests of the attention emitter against attention in double.
#include "Conversion/NNToVector/Attention.h"
#include "Conversion/NNToVector/Emit.h"
#include "Conversion/NNToVector/Rows.h"
#include "KernelHarness.h"
#include "TestBuffers.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace mlir;
using namespace dlc::kernel;
using namespace dlc::kernel::testing;

namespace {

enum class MaskKind {
  None,
  /// n <= m + (N - M)
  Causal,
  /// Causal, and n > m + (N - M) - 20.
  Window,
  /// A buffer of booleans [batch][n].
  Padding,
};

struct AttentionCase {
  int64_t batch = 1, heads = 1, groups = 1, m = 1, n = 1, d = 16, e = 16;
  MaskKind mask = MaskKind::None;
  /// Adds a buffer [heads * groups][m][n] to the scores.
  bool bias = false;
  /// Only this many keys exist.
  int64_t length = -1;
  bool keysTransposed = false;
  bool dynamic = false;
  EmptyRow emptyRow = EmptyRow::NaN;
  bool zeroNaNRows = false;
  int64_t queryBlock = 0, keyBlock = 512;
  std::string cpu = "native";

  std::string describe() const {
    return llvm::formatv("batch {0} heads {1}x{2} m {3} n {4} d {5} e {6} mask "
                         "{7} bias {8} length {9} dynamic {10} cpu {11}",
                         batch, heads, groups, m, n, d, e, int(mask), bias,
                         length, dynamic, cpu);
  }
  int64_t keys() const { return length < 0 ? n : length; }
};

MLIRContext &context() {
  static std::unique_ptr<MLIRContext> instance = makeKernelContext();
  return *instance;
}

/// Q and O: [batch][m][heads][groups][d or e]; K: [batch][n][heads][d] or
/// [batch][heads][d][n]; V: [batch][heads][n][e].
template <typename T> class AttentionRun {
public:
  explicit AttentionRun(const AttentionCase &test)
      : test(test), target(vectorTargetOf(test.cpu)),
        sched(chooseAttentionSchedule(test.dynamic ? kDynamic : test.m, test.e,
                                      target)),
        q(test.batch * test.m * test.heads * test.groups * test.d),
        k(test.batch * test.n * test.heads * test.d),
        v(test.batch * test.heads * test.n * test.e),
        o(test.batch * test.m * test.heads * test.groups * test.e),
        again(o.size()), bias(test.heads * test.groups * test.m * test.n),
        padding(test.batch * test.n), lse(o.size() / test.e) {
    if (test.queryBlock)
      sched.queryBlock = test.queryBlock;
    sched.keyBlock = test.keyBlock;
    std::mt19937 random(11);
    q.randomise(random);
    k.randomise(random);
    v.randomise(random);
    bias.randomise(random);
    for (int64_t i = 0; i < padding.size(); ++i)
      padding[i] = random() % 3 != 0;
  }

  void check() {
    if (!canRun(test.cpu))
      GTEST_SKIP() << "this machine cannot run " << test.cpu;
    SCOPED_TRACE(test.describe());
    CompiledKernel kernel(context(), source(), test.cpu);
    run(kernel, o, /*scattered=*/false);
    compare();
    run(kernel, again, /*scattered=*/true);
    EXPECT_TRUE(sameBytes(o, again)) << "partitions differ";
  }

  AttentionCase test;
  VectorTarget target;
  AttentionSchedule sched;
  GuardedBuffer<T> q, k, v, o, again;
  GuardedBuffer<float> bias;
  GuardedBuffer<uint8_t> padding;
  GuardedBuffer<float> lse;
  double scale = 0.5;

private:
  void run(CompiledKernel &kernel, GuardedBuffer<T> &out, bool scattered) {
    SmallVector<void *> buffers = {q.data(),   k.data(),    v.data(),
                                   out.data(), bias.data(), padding.data(),
                                   lse.data()};
    SmallVector<int64_t> sizes = {test.m, test.n, test.keys(), test.batch};
    if (scattered)
      kernel.runScattered(buffers, sizes);
    else
      kernel.runAll(buffers, sizes);
  }

  AttentionSpec makeSpec(ImplicitLocOpBuilder &b, ArrayRef<Value> sizes) {
    auto fixed = [&](int64_t value) -> OpFoldResult {
      return b.getIndexAttr(value);
    };
    auto size = [&](int64_t value, unsigned i) -> OpFoldResult {
      return test.dynamic ? OpFoldResult(sizes[i]) : fixed(value);
    };
    AttentionSpec spec;
    Type element = ElementTraits<T>::type(b);
    spec.query = spec.key = spec.value = spec.output = element;
    spec.m = size(test.m, 0);
    spec.n = size(test.n, 1);
    spec.batch = {size(test.batch, 3)};
    spec.heads = fixed(test.heads);
    spec.groups = fixed(test.groups);
    spec.d = fixed(test.d);
    spec.e = test.e;
    setLayout(spec);
    spec.scale = floatConstant(b, b.getF32Type(), scale);
    spec.emptyRow = test.emptyRow;
    spec.zeroNaNRows = test.zeroNaNRows;
    if (test.length >= 0) {
      OpFoldResult length = size(test.length, 2);
      spec.keyLength = [=](ImplicitLocOpBuilder &, ValueRange, OpFoldResult) {
        return length;
      };
    }
    return spec;
  }

  void setLayout(AttentionSpec &spec) {
    OpFoldResult m = spec.m, n = spec.n;
    const AttentionCase &t = test;
    auto queryLike = [=](int64_t width) -> OffsetFn {
      return [=](ImplicitLocOpBuilder &b, ValueRange at) {
        IndexMath math(b);
        OpFoldResult row = math.mul(at[0], m);
        OpFoldResult head = math.add(math.mul(at[1], t.groups), at[2]);
        return math.add(math.mul(row, t.heads * t.groups * width),
                        math.mul(head, width));
      };
    };
    spec.queryOffset = queryLike(t.d);
    spec.outputOffset = queryLike(t.e);
    Builder b(&context());
    spec.queryRowStride = b.getIndexAttr(t.heads * t.groups * t.d);
    spec.queryColumnStride = b.getIndexAttr(1);
    spec.outputRowStride = b.getIndexAttr(t.heads * t.groups * t.e);
    spec.keyLayout = t.keysTransposed ? BLayout::RowMajor : BLayout::Transposed;
    spec.keyRowStride =
        t.keysTransposed ? n : OpFoldResult(b.getIndexAttr(t.heads * t.d));
    spec.keyOffset = [=](ImplicitLocOpBuilder &b, ValueRange at) {
      IndexMath math(b);
      OpFoldResult base = math.mul(math.mul(at[0], n), t.heads * t.d);
      OpFoldResult head = math.mul(at[1], t.d);
      return math.add(base, t.keysTransposed ? math.mul(head, n) : head);
    };
    spec.valueOffset = [=](ImplicitLocOpBuilder &b, ValueRange at) {
      IndexMath math(b);
      OpFoldResult head = math.add(math.mul(at[0], t.heads), at[1]);
      return math.mul(math.mul(head, n), t.e);
    };
    spec.valueRowStride = b.getIndexAttr(t.e);
  }

  void setCallbacks(AttentionSpec &spec, ArrayRef<Value> buffers) {
    OpFoldResult m = spec.m, n = spec.n;
    int64_t lanes = target.lanes;
    AttentionCase t = test;
    if (t.bias) {
      Value flat = buffers[4];
      spec.score = [=](ImplicitLocOpBuilder &b, Value score,
                       const AttentionIndices &at, Value mask) -> Value {
        IndexMath math(b);
        OpFoldResult head = math.add(math.mul(at.head, t.groups), at.group);
        OpFoldResult row = math.add(math.mul(head, m), at.m);
        Value index = math.value(math.add(math.mul(row, n), at.n));
        return arith::AddFOp::create(b, score,
                                     loadVector(b, flat, index, lanes, mask));
      };
    }
    if (t.mask == MaskKind::Padding) {
      Value flat = buffers[5];
      spec.mask = [=](ImplicitLocOpBuilder &b, const AttentionIndices &at,
                      Value mask) -> Value {
        IndexMath math(b);
        Value index = math.value(math.add(math.mul(at.batch[0], n), at.n));
        Value bytes = loadVector(b, flat, index, lanes, mask);
        return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, bytes,
                                     zeroOf(b, bytes.getType()));
      };
    }
    if (t.mask == MaskKind::Causal || t.mask == MaskKind::Window)
      setBandMask(spec, m, n, lanes);
  }

  void setBandMask(AttentionSpec &spec, OpFoldResult m, OpFoldResult n,
                   int64_t lanes) {
    bool window = test.mask == MaskKind::Window;
    spec.mask = [=](ImplicitLocOpBuilder &b, const AttentionIndices &at,
                    Value) -> Value {
      IndexMath math(b);
      // Keys up to the row's last one, as lanes.
      OpFoldResult last = math.add(at.m, math.sub(n, m));
      OpFoldResult count = math.add(math.sub(last, at.n), math.constant(1));
      Value visible = lanesBelow(b, lanes, count);
      if (!window)
        return visible;
      Value hidden = lanesBelow(b, lanes, math.sub(count, math.constant(20)));
      Value ones = arith::ConstantOp::create(
          b, DenseElementsAttr::get(cast<VectorType>(hidden.getType()), true));
      return arith::AndIOp::create(b, visible,
                                   arith::XOrIOp::create(b, hidden, ones));
    };
    spec.keyEnd = [=](ImplicitLocOpBuilder &b, ValueRange, OpFoldResult row) {
      IndexMath math(b);
      return math.add(math.add(row, math.sub(n, m)), math.constant(1));
    };
    if (window)
      spec.keyBegin = [=](ImplicitLocOpBuilder &b, ValueRange,
                          OpFoldResult row) {
        IndexMath math(b);
        return math.sub(math.add(row, math.sub(n, m)), math.constant(19));
      };
  }

  KernelSource source() {
    Builder builder(&context());
    Type element = ElementTraits<T>::type(builder);
    Type f32 = builder.getF32Type();
    KernelSource source;
    source.buffers = {element, element, element,
                      element, f32,     builder.getIntegerType(8),
                      f32};
    source.numSizes = 4;
    source.body = [this](ImplicitLocOpBuilder &b, const KernelArguments &args) {
      AttentionSpec spec = makeSpec(b, args.sizes);
      SmallVector<Value> flat;
      for (Value buffer : args.buffers)
        flat.push_back(flatten(b, buffer));
      setCallbacks(spec, flat);
      OpFoldResult m = spec.m;
      Value sums = flat[6];
      int64_t heads = test.heads, groups = test.groups;
      spec.storeLogSumExp = [=](ImplicitLocOpBuilder &b,
                                const AttentionIndices &at, Value value) {
        IndexMath math(b);
        OpFoldResult row = math.add(math.mul(at.batch[0], m), at.m);
        OpFoldResult head = math.add(math.mul(at.head, groups), at.group);
        OpFoldResult index = math.add(math.mul(row, heads * groups), head);
        memref::StoreOp::create(b, value, sums, math.value(index));
      };
      emitAttention(b, spec, sched, target,
                    {args.buffers[0], args.buffers[1], args.buffers[2],
                     args.buffers[3], args.scratch},
                    args.begin, args.end);
    };
    source.plan = [this](ImplicitLocOpBuilder &b, ArrayRef<Value> sizes) {
      AttentionSpec spec = makeSpec(b, sizes);
      return std::make_pair(getAttentionItems(b, spec, sched, target),
                            getAttentionScratchBytes(b, spec, sched, target));
    };
    return source;
  }

  bool isVisible(int64_t batch, int64_t row, int64_t key) const {
    int64_t last = row + test.n - test.m;
    switch (test.mask) {
    case MaskKind::None:
      return key < test.keys();
    case MaskKind::Causal:
      return key < test.keys() && key <= last;
    case MaskKind::Window:
      return key < test.keys() && key <= last && key > last - 20;
    case MaskKind::Padding:
      return key < test.keys() && padding[batch * test.n + key];
    }
    return false;
  }

  double score(int64_t batch, int64_t head, int64_t group, int64_t row,
               int64_t key) const {
    double sum = 0;
    int64_t allHeads = test.heads * test.groups;
    int64_t queryHead = head * test.groups + group;
    for (int64_t i = 0; i < test.d; ++i) {
      int64_t qi = ((batch * test.m + row) * allHeads + queryHead) * test.d + i;
      int64_t ki =
          test.keysTransposed
              ? ((batch * test.heads + head) * test.d + i) * test.n + key
              : ((batch * test.n + key) * test.heads + head) * test.d + i;
      sum += double(q[qi]) * double(k[ki]);
    }
    sum *= scale;
    if (test.bias)
      sum += bias[(queryHead * test.m + row) * test.n + key];
    return sum;
  }

  void compareRow(int64_t batch, int64_t head, int64_t group, int64_t row) {
    std::vector<double> weights(test.n, 0);
    double maximum = -INFINITY, sum = 0;
    bool isNaN = false;
    for (int64_t key = 0; key < test.n; ++key)
      if (isVisible(batch, row, key)) {
        weights[key] = score(batch, head, group, row, key);
        isNaN |= std::isnan(weights[key]);
        maximum = std::max(maximum, weights[key]);
      }
    for (int64_t key = 0; key < test.n; ++key)
      if (isVisible(batch, row, key))
        sum += weights[key] = std::exp(weights[key] - maximum);
    bool isEmpty = sum == 0;
    if (isEmpty && test.emptyRow == EmptyRow::Average) {
      for (int64_t key = 0; key < test.keys(); ++key)
        weights[key] = 1;
      sum = test.keys();
    }
    int64_t outRow = (batch * test.m + row) * test.heads * test.groups +
                     head * test.groups + group;
    for (int64_t j = 0; j < test.e; ++j) {
      double expected = 0;
      for (int64_t key = 0; key < test.n; ++key)
        expected +=
            weights[key] / sum *
            double(
                v[((batch * test.heads + head) * test.n + key) * test.e + j]);
      if (isEmpty && test.emptyRow == EmptyRow::Zero)
        expected = 0;
      if (isNaN)
        expected = test.zeroNaNRows ? 0 : NAN;
      double actual = double(o[outRow * test.e + j]);
      if (std::isnan(expected))
        ASSERT_TRUE(std::isnan(actual)) << "row " << row << " column " << j;
      else
        ASSERT_NEAR(actual, expected, 4e-6 + 2 * ElementTraits<T>::unitRoundoff)
            << "row " << row << " column " << j;
    }
    if (isEmpty)
      EXPECT_EQ(lse[outRow], -INFINITY);
    else if (!isNaN)
      EXPECT_NEAR(lse[outRow], maximum + std::log(sum), 1e-4);
  }

  void compare() {
    for (int64_t batch = 0; batch < test.batch; ++batch)
      for (int64_t head = 0; head < test.heads; ++head)
        for (int64_t group = 0; group < test.groups; ++group)
          for (int64_t row = 0; row < test.m; ++row)
            compareRow(batch, head, group, row);
  }
};

void check(const AttentionCase &test) { AttentionRun<float>(test).check(); }

TEST(Attention, SizesThatFillTheTiles) {
  check({.heads = 2, .m = 128, .n = 128, .d = 64, .e = 64});
}

TEST(Attention, OddSizes) {
  for (int64_t m : {1, 3, 65})
    for (int64_t n : {1, 17, 130})
      check({.batch = 2, .heads = 2, .m = m, .n = n, .d = 19, .e = 21});
}

TEST(Attention, HeadSizes) {
  for (int64_t size : {1, 8, 16, 32, 40, 72, 80, 96, 128, 160})
    check({.m = 20, .n = 33, .d = size, .e = size});
}

TEST(Attention, SeveralBlocksOfKeys) {
  check({.heads = 2, .m = 70, .n = 300, .d = 24, .e = 24, .keyBlock = 64});
}

TEST(Attention, SmallBlocksOfQueries) {
  check({.m = 70, .n = 40, .d = 24, .e = 24, .queryBlock = 5});
}

TEST(Attention, GroupedHeads) {
  check({.batch = 2,
         .heads = 2,
         .groups = 3,
         .m = 70,
         .n = 65,
         .d = 16,
         .e = 48});
}

TEST(Attention, DynamicSizes) {
  check({.batch = 2,
         .heads = 2,
         .groups = 2,
         .m = 70,
         .n = 65,
         .d = 16,
         .e = 32,
         .dynamic = true,
         .keyBlock = 64});
}

TEST(Attention, TransposedKeys) {
  check({.batch = 2,
         .heads = 2,
         .m = 20,
         .n = 77,
         .d = 24,
         .e = 24,
         .keysTransposed = true});
}

TEST(Attention, CausalMask) {
  for (bool dynamic : {false, true})
    check({.heads = 2,
           .groups = 2,
           .m = 150,
           .n = 150,
           .d = 16,
           .e = 16,
           .mask = MaskKind::Causal,
           .dynamic = dynamic,
           .keyBlock = 64});
}

TEST(Attention, CausalMaskWithEarlierKeys) {
  check({.m = 70,
         .n = 150,
         .d = 16,
         .e = 16,
         .mask = MaskKind::Causal,
         .keyBlock = 64});
}

TEST(Attention, WindowMask) {
  check({.heads = 2,
         .m = 300,
         .n = 300,
         .d = 16,
         .e = 16,
         .mask = MaskKind::Window,
         .keyBlock = 64});
}

TEST(Attention, RowsThatSeeNoKey) {
  // With fewer keys than rows, a causal mask hides all keys of the first rows.
  for (EmptyRow policy : {EmptyRow::NaN, EmptyRow::Zero, EmptyRow::Average})
    check({.m = 90,
           .n = 20,
           .d = 16,
           .e = 24,
           .mask = MaskKind::Causal,
           .emptyRow = policy});
}

TEST(Attention, PaddingMask) {
  check({.batch = 3,
         .heads = 2,
         .m = 33,
         .n = 47,
         .d = 16,
         .e = 16,
         .mask = MaskKind::Padding});
}

TEST(Attention, Bias) {
  check({.batch = 2,
         .heads = 2,
         .groups = 2,
         .m = 33,
         .n = 47,
         .d = 16,
         .e = 16,
         .mask = MaskKind::Causal,
         .bias = true});
}

TEST(Attention, KeyLength) {
  for (int64_t length : {0, 1, 40, 100})
    check({.heads = 2,
           .m = 33,
           .n = 100,
           .d = 16,
           .e = 16,
           .length = length,
           .dynamic = true,
           .emptyRow = EmptyRow::Zero});
}

TEST(Attention, NaNScores) {
  for (bool zero : {false, true}) {
    AttentionRun<float> run(
        {.m = 33, .n = 47, .d = 16, .e = 16, .zeroNaNRows = zero});
    run.q[5 * 16 + 3] = NAN;
    run.check();
  }
}

TEST(Attention, HalfPrecision) {
  AttentionRun<_Float16>({.m = 33, .n = 47, .d = 32, .e = 40}).check();
  AttentionRun<BFloat16>({.m = 33, .n = 47, .d = 32, .e = 40}).check();
}

TEST(Attention, OtherMachines) {
  for (const char *cpu : {"x86-64", "x86-64-v3", "x86-64-v4"})
    check({.heads = 2,
           .m = 70,
           .n = 130,
           .d = 24,
           .e = 40,
           .mask = MaskKind::Causal,
           .cpu = cpu});
}

} // namespace
