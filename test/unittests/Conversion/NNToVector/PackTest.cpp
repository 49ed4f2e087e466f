// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tests of packing on the host against the definition of the layout, and of the
// packing kernel against the host.
#include "Conversion/NNToVector/Pack.h"
#include "Conversion/NNToVector/RuntimePack.h"
#include "KernelHarness.h"
#include "TestBuffers.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace dlc::kernel;
using namespace dlc::kernel::testing;

namespace {

/// Element (group, panel, tap, k, column) of the packed operand by the
/// definition.
template <typename T>
T expectedElement(const PackedLayout &layout, const SourceStrides &strides,
                  const T *source, int64_t at) {
  int64_t column = at % layout.nr, k = at / layout.nr % layout.k,
          tap = at / layout.nr / layout.k % layout.taps,
          item = at / layout.panelElements(), panel = item % layout.panels(),
          group = item / layout.panels(), n = panel * layout.nr + column;
  if (n >= layout.n)
    return T(0);
  return source[group * strides.group + tap * strides.tap + k * strides.k +
                n * strides.n];
}

template <typename T> class PackCheck {
public:
  static void run(MLIRContext &context, const PackedLayout &layout,
                  const SourceStrides &strides) {
    std::mt19937 random(3);
    GuardedBuffer<T> source(layout.groups * layout.taps * layout.k * layout.n);
    source.randomise(random);
    GuardedBuffer<T> host(layout.elements()), kernel(layout.elements());
    host.fillBytes(0x5a);
    kernel.fillBytes(0x5a);
    pack(layout, strides, source.data(), host.data(), sizeof(T));
    for (int64_t i = 0; i < host.size(); ++i)
      ASSERT_EQ(host[i], expectedElement<T>(layout, strides, source.data(), i))
          << "at " << i;

    Builder builder(&context);
    KernelSource code;
    code.buffers.assign(2, ElementTraits<T>::type(builder));
    code.body = [&](ImplicitLocOpBuilder &b, const KernelArguments &args) {
      emitPack(b, layout, strides, args.buffers[0], args.buffers[1], args.begin,
               args.end);
    };
    code.plan = [&](ImplicitLocOpBuilder &b, ArrayRef<Value>) {
      return std::pair<OpFoldResult, OpFoldResult>(
          b.getIndexAttr(getPackItems(layout)), b.getIndexAttr(0));
    };
    CompiledKernel(context, code, "native")
        .runScattered({source.data(), kernel.data()}, {});
    EXPECT_TRUE(sameBytes(host, kernel));
  }
};

TEST(PackTest, MatricesOfBothOrientations) {
  auto context = makeKernelContext();
  for (bool transposed : {false, true}) {
    for (auto [n, nr] : {std::pair(40, 16), {48, 48}, {5, 32}, {20, 8}}) {
      PackedLayout layout{1, 1, /*k=*/7, n, nr};
      PackCheck<float>::run(*context, layout,
                            matrixStrides(layout.k, layout.n, transposed));
      PackCheck<int8_t>::run(*context, layout,
                             matrixStrides(layout.k, layout.n, transposed));
    }
  }
}

TEST(PackTest, FiltersOfBothKinds) {
  auto context = makeKernelContext();
  for (bool transposed : {false, true}) {
    PackedLayout layout{/*groups=*/3, /*taps=*/6, /*k=*/4, /*n=*/20, /*nr=*/16};
    PackCheck<float>::run(*context, layout, filterStrides(layout, transposed));
    PackCheck<double>::run(*context, layout, filterStrides(layout, transposed));
  }
}

} // namespace
