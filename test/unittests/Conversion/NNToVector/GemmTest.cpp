// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Numeric tests of the GEMM emitter against a naive product in double.
#include "Conversion/NNToVector/Gemm.h"
#include "Conversion/NNToVector/Emit.h"
#include "HostPack.h"
#include "KernelHarness.h"
#include "TestBuffers.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/FormatVariadic.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace dlc::kernel;
using namespace dlc::kernel::testing;

namespace {

enum class EpilogueKind { None, BiasResidualRelu, RolledExp };

struct GemmCase {
  int64_t batch = 1, m = 1, n = 1, k = 1;
  BLayout layout = BLayout::Packed;
  bool transposedA = false;
  /// B has no batch dimension.
  bool sharedB = false;
  bool dynamicM = false, dynamicN = false, dynamicK = false;
  EpilogueKind epilogue = EpilogueKind::None;
  /// Elements between the end of a row and the next, of A, unpacked B and C.
  int64_t gap = 0;
  GemmSchedule sched;
  VectorTarget target;
  std::string cpu = "native";

  std::string describe() const {
    return llvm::formatv(
        "batch {0} m {1} n {2} k {3} layout {4} transposedA {5} shared {6} "
        "dynamic {7}{8}{9} epilogue {10} gap {11} mr {12} nv {13} block {14} "
        "outside {15} pack {16} cpu {17}",
        batch, m, n, k, int(layout), transposedA, sharedB, dynamicM, dynamicN,
        dynamicK, int(epilogue), gap, sched.mr, sched.nv, sched.mBlock,
        sched.blocksOutside, sched.packB, cpu);
  }
};

Epilogue makeEpilogue(EpilogueKind kind, const VectorTarget &target, Value bias,
                      Value residual) {
  Epilogue epilogue;
  if (kind == EpilogueKind::None)
    return epilogue;
  int64_t lanes = target.lanes;
  if (kind == EpilogueKind::RolledExp) {
    epilogue.rolled = true;
    epilogue.compute = [=](ImplicitLocOpBuilder &b, Value acc,
                           const EpilogueIndices &at, Value mask) -> Value {
      // acc / (1 + |acc|) + bias[n]: a division, nothing that needs libm.
      Value one = arith::ConstantOp::create(
          b, DenseElementsAttr::get(cast<VectorType>(acc.getType()), 1.0f));
      Value magnitude = math::AbsFOp::create(b, acc);
      Value bounded = arith::DivFOp::create(
          b, acc, arith::AddFOp::create(b, magnitude, one));
      return arith::AddFOp::create(b, bounded,
                                   loadVector(b, bias, at.n, lanes, mask));
    };
    return epilogue;
  }
  epilogue.compute = [=](ImplicitLocOpBuilder &b, Value acc,
                         const EpilogueIndices &at, Value mask) -> Value {
    Value sum =
        arith::AddFOp::create(b, acc, loadVector(b, bias, at.n, lanes, mask));
    sum = arith::AddFOp::create(
        b, sum, loadVector(b, residual, at.offset, lanes, mask));
    return arith::MaximumFOp::create(b, sum, zeroOf(b, sum.getType()));
  };
  return epilogue;
}

template <typename TA, typename TB, typename TAcc, typename TC> class GemmRun {
public:
  GemmRun(MLIRContext &context, const GemmCase &test, unsigned seed)
      : context(context), test(test),
        lda((test.transposedA ? test.m : test.k) + test.gap),
        ldb((test.layout == BLayout::Transposed ? test.k : test.n) + test.gap),
        ldc(test.n + test.gap), lanes(test.target.lanesFor(sizeof(TAcc) * 8)),
        random(seed) {}

  void check() {
    SCOPED_TRACE(test.describe());
    GuardedBuffer<TA> a(test.batch * (test.transposedA ? test.k : test.m) *
                        lda);
    int64_t bBatch = test.sharedB ? 1 : test.batch;
    GuardedBuffer<TB> b(
        bBatch * (test.layout == BLayout::Transposed ? test.n : test.k) * ldb);
    GuardedBuffer<TAcc> bias(test.n);
    GuardedBuffer<TC> residual(test.batch * test.m * ldc);
    GuardedBuffer<TC> c(test.batch * test.m * ldc), again(c.size());
    a.randomise(random);
    b.randomise(random);
    bias.randomise(random);
    residual.randomise(random);
    c.fillBytes(0x5a);
    again.fillBytes(0x5a);

    PackedLayout layout{bBatch, 1, test.k, test.n,
                        test.sched.panelWidth(lanes)};
    GuardedBuffer<TB> packed(test.layout == BLayout::Packed ? layout.elements()
                                                            : 0);
    if (test.layout == BLayout::Packed)
      pack(layout, {test.k * ldb, 0, ldb, 1}, b.data(), packed.data(),
           sizeof(TB));
    void *bData = test.layout == BLayout::Packed
                      ? static_cast<void *>(packed.data())
                      : b.data();

    CompiledKernel kernel(context, source(), test.cpu);
    SmallVector<int64_t> sizes{test.m, test.n, test.k};
    kernel.runAll({a.data(), bData, c.data(), bias.data(), residual.data()},
                  sizes);
    compare(a, b, bias, residual, c);
    kernel.runScattered(
        {a.data(), bData, again.data(), bias.data(), residual.data()}, sizes);
    EXPECT_TRUE(sameBytes(c, again)) << "partitions differ";
  }

private:
  GemmSpec makeSpec(ArrayRef<Value> sizes) {
    Builder builder(&context);
    auto size = [&](bool dynamic, int64_t known, unsigned i) -> OpFoldResult {
      if (dynamic)
        return sizes[i];
      return builder.getIndexAttr(known);
    };
    auto fixed = [&](int64_t value) -> OpFoldResult {
      return builder.getIndexAttr(value);
    };
    GemmSpec spec;
    spec.types = {
        ElementTraits<TA>::type(builder),   ElementTraits<TB>::type(builder),
        ElementTraits<TAcc>::type(builder), ElementTraits<TC>::type(builder),
        std::is_same_v<TA, uint8_t>,        std::is_same_v<TB, uint8_t>};
    spec.batch = {fixed(test.batch)};
    spec.m = size(test.dynamicM, test.m, 0);
    spec.n = size(test.dynamicN, test.n, 1);
    spec.k = size(test.dynamicK, test.k, 2);
    spec.aRowStride = fixed(test.transposedA ? 1 : lda);
    spec.aColumnStride = fixed(test.transposedA ? lda : 1);
    spec.bLayout = test.layout;
    spec.bRowStride = fixed(ldb);
    spec.cRowStride = fixed(ldc);
    int64_t aBatch = (test.transposedA ? test.k : test.m) * lda;
    int64_t bBatch =
        (test.layout == BLayout::Transposed ? test.n : test.k) * ldb;
    if (test.layout == BLayout::Packed)
      bBatch = PackedLayout{1, 1, test.k, test.n, test.sched.panelWidth(lanes)}
                   .elements();
    auto times = [](int64_t stride) -> OffsetFn {
      return [stride](ImplicitLocOpBuilder &b, ValueRange batch) {
        return IndexMath(b).mul(batch[0], stride);
      };
    };
    spec.aOffset = times(aBatch);
    if (!test.sharedB)
      spec.bOffset = times(bBatch);
    spec.cOffset = times(test.m * ldc);
    return spec;
  }

  KernelSource source() {
    Builder builder(&context);
    KernelSource source;
    source.buffers = {
        ElementTraits<TA>::type(builder), ElementTraits<TB>::type(builder),
        ElementTraits<TC>::type(builder), ElementTraits<TAcc>::type(builder),
        ElementTraits<TC>::type(builder)};
    source.numSizes = 3;
    source.body = [this](ImplicitLocOpBuilder &b,
                         const KernelArguments &arguments) {
      GemmSpec spec = makeSpec(arguments.sizes);
      VectorTarget lanesTarget = test.target;
      lanesTarget.lanes = lanes;
      spec.epilogue = makeEpilogue(test.epilogue, lanesTarget,
                                   flatten(b, arguments.buffers[3]),
                                   flatten(b, arguments.buffers[4]));
      emitGemm(b, spec, test.sched, test.target,
               {arguments.buffers[0], arguments.buffers[1],
                arguments.buffers[2], arguments.scratch},
               arguments.begin, arguments.end);
    };
    source.plan = [this](ImplicitLocOpBuilder &b, ArrayRef<Value> sizes) {
      GemmSpec spec = makeSpec(sizes);
      spec.epilogue.rolled = test.epilogue == EpilogueKind::RolledExp;
      return std::pair(getGemmItems(b, spec, test.sched, test.target),
                       getGemmScratchBytes(b, spec, test.sched, test.target));
    };
    return source;
  }

  void compare(const GuardedBuffer<TA> &a, const GuardedBuffer<TB> &b,
               const GuardedBuffer<TAcc> &bias,
               const GuardedBuffer<TC> &residual, const GuardedBuffer<TC> &c) {
    int64_t aBatch = (test.transposedA ? test.k : test.m) * lda;
    int64_t bBatch =
        test.sharedB
            ? 0
            : (test.layout == BLayout::Transposed ? test.n : test.k) * ldb;
    TC untouched;
    std::memset(&untouched, 0x5a, sizeof(TC));
    for (int64_t batch = 0; batch < test.batch; ++batch) {
      for (int64_t i = 0; i < test.m; ++i) {
        for (int64_t j = 0; j < ldc; ++j) {
          int64_t at = (batch * test.m + i) * ldc + j;
          if (j >= test.n) {
            ASSERT_EQ(std::memcmp(&c[at], &untouched, sizeof(TC)), 0)
                << "wrote past row " << i;
            continue;
          }
          double sum = 0, magnitude = 0;
          for (int64_t k = 0; k < test.k; ++k) {
            double x =
                double(a[batch * aBatch +
                         (test.transposedA ? k * lda + i : i * lda + k)]);
            double y =
                double(b[batch * bBatch + (test.layout == BLayout::Transposed
                                               ? j * ldb + k
                                               : k * ldb + j)]);
            sum += x * y;
            magnitude += std::abs(x * y);
          }
          // Higham, Accuracy and Stability, (3.5): k rounded products and sums.
          double bound =
              (test.k + 1) * ElementTraits<TAcc>::unitRoundoff * magnitude;
          applyEpilogue(double(bias[j]), double(residual[at]), sum, bound);
          bound +=
              1.01 * ElementTraits<TC>::unitRoundoff * (std::abs(sum) + bound);
          ASSERT_LE(std::abs(double(c[at]) - sum), bound)
              << "at " << batch << ", " << i << ", " << j << ": expected "
              << sum << ", got " << double(c[at]);
        }
      }
    }
  }

  void applyEpilogue(double bias, double residual, double &sum, double &bound) {
    double unit = ElementTraits<TAcc>::unitRoundoff;
    if (test.epilogue == EpilogueKind::BiasResidualRelu) {
      bound += 2 * unit * (std::abs(sum) + std::abs(bias) + std::abs(residual));
      sum = std::max(0.0, sum + bias + residual);
    } else if (test.epilogue == EpilogueKind::RolledExp) {
      // x / (1 + |x|) has a slope of at most 1 and takes two roundings.
      sum = sum / (1 + std::abs(sum)) + bias;
      bound += 4 * unit * (1 + std::abs(bias));
    }
  }

  MLIRContext &context;
  const GemmCase &test;
  int64_t lda, ldb, ldc, lanes;
  std::mt19937 random;
};

class GemmTest : public ::testing::Test {
protected:
  std::unique_ptr<MLIRContext> context = makeKernelContext();

  template <typename TA = float, typename TB = float, typename TAcc = float,
            typename TC = float>
  void check(const GemmCase &test, unsigned seed = 1) {
    GemmRun<TA, TB, TAcc, TC>(*context, test, seed).check();
  }

  GemmCase makeCase(int64_t m, int64_t n, int64_t k,
                    llvm::StringRef cpu = "native") {
    GemmCase test;
    test.m = m;
    test.n = n;
    test.k = k;
    test.cpu = cpu;
    test.target = vectorTargetOf(cpu);
    test.sched = chooseGemmSchedule(m, n, k, test.target, test.target.lanes);
    return test;
  }
};

TEST_F(GemmTest, ComputesWholeTiles) {
  GemmCase test = makeCase(16, 96, 40);
  test.sched = {.mr = 8, .nv = 3};
  check(test);
}

TEST_F(GemmTest, MasksColumnTails) {
  for (int64_t n : {1, 15, 16, 17, 40, 70})
    check(makeCase(9, n, 13));
}

TEST_F(GemmTest, EmptyReductionGivesZeros) {
  check(makeCase(5, 20, 0));
  GemmCase dynamic = makeCase(5, 20, 0);
  dynamic.dynamicK = true;
  check(dynamic);
}

TEST_F(GemmTest, EmptyMatrixDoesNothing) {
  GemmCase test = makeCase(8, 32, 4);
  test.m = 0;
  test.dynamicM = true;
  check(test);
}

TEST_F(GemmTest, CascadesDynamicRowTails) {
  GemmCase test = makeCase(kDynamic, 33, 7);
  test.dynamicM = test.dynamicN = test.dynamicK = true;
  for (int64_t m = 1; m <= 17; m += 2) {
    test.m = m;
    check(test);
  }
}

TEST_F(GemmTest, ReadsSingleRow) {
  check(makeCase(1, 300, 77));
  check(makeCase(2, 130, 77));
}

TEST_F(GemmTest, TransposesBOfAnySize) {
  for (int64_t k : {1, 16, 31}) {
    GemmCase test = makeCase(10, 37, k);
    test.layout = BLayout::Transposed;
    check(test);
  }
}

TEST_F(GemmTest, ReadsRowMajorBInPlaceAndPacked) {
  for (bool packs : {false, true}) {
    GemmCase test = makeCase(10, 37, 9);
    test.layout = BLayout::RowMajor;
    test.sched.packB = packs;
    test.gap = 3;
    check(test);
  }
}

TEST_F(GemmTest, RunsOnOtherElementTypes) {
  for (BLayout layout :
       {BLayout::Packed, BLayout::RowMajor, BLayout::Transposed}) {
    GemmCase test = makeCase(7, 45, 19);
    test.layout = layout;
    check<double, double, double, double>(test);
    check<_Float16, _Float16, float, _Float16>(test);
    check<BFloat16, BFloat16, float, BFloat16>(test);
    check<int8_t, int8_t, int32_t, int32_t>(test);
    check<uint8_t, int8_t, int32_t, int32_t>(test);
    check<int32_t, int32_t, int32_t, int32_t>(test);
    check<int64_t, int64_t, int64_t, int64_t>(test);
  }
}

TEST_F(GemmTest, AgreesOnRandomShapesAndSchedules) {
  std::mt19937 random(7);
  auto below = [&](int64_t bound) { return int64_t(random() % bound); };
  for (int i = 0; i < 48; ++i) {
    llvm::StringRef cpu = cpuOfCase(i);
    if (!canRun(cpu))
      continue;
    GemmCase test = makeCase(1 + below(40), 1 + below(120), below(60), cpu);
    test.batch = 1 + below(3);
    test.layout = static_cast<BLayout>(below(3));
    test.transposedA = below(3) == 0;
    test.sharedB = below(2);
    test.dynamicM = below(2);
    test.dynamicN = below(3) == 0;
    test.dynamicK = below(2);
    test.epilogue = static_cast<EpilogueKind>(below(3));
    test.gap = below(3);
    test.sched = chooseGemmSchedule(
        test.dynamicM ? kDynamic : test.m, test.dynamicN ? kDynamic : test.n,
        test.dynamicK ? kDynamic : test.k, test.target, test.target.lanes,
        test.layout, 1 + below(8));
    if (below(2))
      test.sched.mr = 1 + below(8);
    test.sched.mBlock = below(2) ? test.sched.mr * (1 + below(3)) : 0;
    test.sched.blocksOutside = below(2);
    test.sched.packB = below(2);
    check(test, i);
    if (HasFatalFailure())
      return;
  }
}

} // namespace
