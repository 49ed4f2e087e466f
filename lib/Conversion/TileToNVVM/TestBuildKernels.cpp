// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Builds the kernels that a module's attribute asks for, for tests of them as a
// whole: see test/Tile/run_schedules.py.
#include "Conversion/TileToNVVM/Passes.h"

#include "Dialect/Tile/AttentionKernel.h"
#include "Dialect/Tile/ConvKernel.h"
#include "Dialect/Tile/GemmKernel.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <cmath>

using namespace mlir;

namespace dlc {
#define GEN_PASS_DEF_TESTBUILDTILEKERNELSPASS
#include "Conversion/TileToNVVM/Passes.h.inc"

using namespace tile;

namespace {

/// One entry of the attribute.
class KernelRequest {
public:
  explicit KernelRequest(DictionaryAttr fields) : fields(fields) {}

  StringRef text(StringRef name, StringRef otherwise = "") const {
    auto attribute = fields.getAs<StringAttr>(name);
    return attribute ? attribute.getValue() : otherwise;
  }
  int64_t number(StringRef name, int64_t otherwise = 0) const {
    auto attribute = fields.getAs<IntegerAttr>(name);
    return attribute ? attribute.getInt() : otherwise;
  }
  bool flag(StringRef name) const { return fields.contains(name); }
  Type type(StringRef name) const {
    return fields.getAs<TypeAttr>(name).getValue();
  }
  /// `name`'s, or that of `otherwise`.
  Type type(StringRef name, StringRef otherwise) const {
    return type(fields.contains(name) ? name : otherwise);
  }
  template <typename AttrT> AttrT schedule() const {
    return fields.getAs<AttrT>("schedule");
  }

private:
  DictionaryAttr fields;
};

/// Sizes of a request: static, or the kernel's parameters in order.
class Sizes {
public:
  Sizes(ImplicitLocOpBuilder &b, const KernelRequest &request,
        const KernelArguments &arguments)
      : b(b), request(request), arguments(arguments) {}

  Size next(StringRef name) {
    if (request.flag("dynamic")) {
      return arguments.sizes[used++];
    }
    return b.getI64IntegerAttr(request.number(name));
  }

private:
  ImplicitLocOpBuilder &b;
  const KernelRequest &request;
  const KernelArguments &arguments;
  unsigned used = 0;
};

} // namespace

static Size multiply(ImplicitLocOpBuilder &b, Size x, Size y) {
  std::optional<int64_t> p = getConstantIntValue(x), q = getConstantIntValue(y);
  if (p && q) {
    return b.getI64IntegerAttr(*p * *q);
  }
  SizeMath math(b);
  return math.mul(math.i64(x), math.i64(y));
}

static Size add(ImplicitLocOpBuilder &b, Size x, int64_t y) {
  if (std::optional<int64_t> p = getConstantIntValue(x)) {
    return b.getI64IntegerAttr(*p + y);
  }
  SizeMath math(b);
  return math.add(math.i64(x), math.i64(y));
}

/// Loads as many elements as `like` has, as f32 or i32.
static Value loadLike(ImplicitLocOpBuilder &b, Value base, Type element,
                      Value offset, Value like) {
  auto vector = cast<VectorType>(like.getType());
  Value address = LLVM::GEPOp::create(b, base.getType(), element, base, offset);
  Value loaded = LLVM::LoadOp::create(b, vector.clone(element), address,
                                      element.getIntOrFloatBitWidth() / 8);
  return element.isInteger() ? loaded : convertFloat(b, loaded, b.getF32Type());
}

/// relu(x + bias[column]) + residual[row, column]; of i32 sums, all are i32.
static ResultFn makeEpilogue(const KernelRequest &request, Value bias,
                             Value residual) {
  Type element = request.type("result");
  return [=](ImplicitLocOpBuilder &b, Value x,
             const ResultPlace &place) -> Value {
    Value column = SizeMath(b).extend(place.column);
    Value addend = loadLike(b, bias, element, column, x);
    Value zero = arith::ConstantOp::create(b, b.getZeroAttr(x.getType()));
    Value more = loadLike(b, residual, element, place.offset, x);
    if (element.isInteger()) {
      x = arith::MaxSIOp::create(b, arith::AddIOp::create(b, x, addend), zero);
      return arith::AddIOp::create(b, x, more);
    }
    x = arith::MaximumFOp::create(b, arith::AddFOp::create(b, x, addend), zero);
    return arith::AddFOp::create(b, x, more);
  };
}

/// A zero point per row or column, i32 at `base`, of which there are `count`.
static ZeroPointFn makeZeroPoint(Value base, Size count) {
  return [=](ImplicitLocOpBuilder &b, ValueRange, Value index) -> Value {
    SizeMath math(b);
    index = math.min(index, math.sub(math.i32(count), math.i32(1)));
    Value address = LLVM::GEPOp::create(b, base.getType(), b.getI32Type(), base,
                                        math.extend(index));
    return LLVM::LoadOp::create(b, b.getI32Type(), address, 4);
  };
}

/// Rows (or, transposed, columns) of `columns` elements and a gap.
static MatrixSpec makeMatrix(ImplicitLocOpBuilder &b, Value base, Type element,
                             Size rows, Size columns, bool transposed,
                             int64_t gap) {
  MatrixSpec matrix;
  matrix.base = base;
  matrix.element = element;
  Size stride = add(b, transposed ? rows : columns, gap);
  Size one = b.getI64IntegerAttr(1);
  matrix.rowStride = transposed ? one : stride;
  matrix.columnStride = transposed ? stride : one;
  matrix.alignment = getAlignment(element, {stride});
  Size matrixSize = multiply(b, stride, transposed ? columns : rows);
  matrix.offset = [matrixSize](ImplicitLocOpBuilder &b, ValueRange batch) {
    return multiply(b, matrixSize, batch[0]);
  };
  return matrix;
}

/// Shared memory of a block on sm_90.
static constexpr int64_t kSharedBytesOfSM90 = 232448;

static bool isBulk(const KernelRequest &request) {
  if (auto schedule = request.schedule<AttentionScheduleAttr>()) {
    return schedule.getBulk();
  }
  auto schedule = request.schedule<GemmScheduleAttr>();
  return schedule && schedule.getBulk();
}

/// Tensor maps of operands whose rows begin where maps want it, which `aligned`
/// says of rows with run-time strides. Sizes of `batch` are dims of them unless
/// they are one.
static void addMaps(std::array<MatrixSpec *, 2> matrices, ValueRange maps,
                    ArrayRef<Size> batch, bool aligned) {
  for (auto [matrix, map] : llvm::zip_equal(matrices, maps)) {
    if (aligned || matrix->alignment == kChunkBytes) {
      matrix->map = map;
    }
    for (auto [index, size] : llvm::enumerate(batch)) {
      if (!isConstantIntValue(size, 1)) {
        matrix->mapBatch.push_back(index);
      }
    }
  }
}

static GemmSpec makeGemm(ImplicitLocOpBuilder &b, const KernelRequest &request,
                         const KernelArguments &arguments) {
  Sizes sizes(b, request, arguments);
  GemmSpec spec;
  spec.batch.push_back(sizes.next("batch"));
  spec.m = sizes.next("m");
  spec.n = sizes.next("n");
  spec.k = sizes.next("k");
  int64_t gap = request.number("gap");
  ValueRange buffers = arguments.buffers;
  spec.a = makeMatrix(b, buffers[0], request.type("element"), spec.m, spec.k,
                      request.flag("transpose_a"), gap);
  spec.b = makeMatrix(b, buffers[1], request.type("element_b", "element"),
                      spec.k, spec.n, request.flag("transpose_b"), gap);
  if (isBulk(request)) {
    addMaps({&spec.a, &spec.b}, arguments.maps, spec.batch,
            request.flag("dynamic"));
  }
  ValueRange rest = buffers.drop_front(2);
  if (request.flag("zero_a")) {
    spec.zeros.a = makeZeroPoint(rest.front(), spec.m);
    rest = rest.drop_front();
  }
  if (request.flag("zero_b")) {
    spec.zeros.b = makeZeroPoint(rest.front(), spec.n);
    rest = rest.drop_front();
  }
  MatrixSpec c = makeMatrix(b, buffers.back(), request.type("result"), spec.m,
                            spec.n, false, 0);
  spec.c.base = c.base;
  spec.c.element = c.element;
  spec.c.rowStride = c.rowStride;
  spec.c.offset = c.offset;
  spec.c.alignment = c.alignment;
  if (request.flag("epilogue")) {
    spec.c.compute = makeEpilogue(request, rest[0], rest[1]);
  }
  return spec;
}

/// [parts][batch][m][n] of f32 or i32, then the epilogue's operands and the
/// result.
static SplitSumSpec makeSplitSum(ImplicitLocOpBuilder &b,
                                 const KernelRequest &request,
                                 const KernelArguments &arguments) {
  Sizes sizes(b, request, arguments);
  SplitSumSpec spec;
  spec.partial = arguments.buffers[0];
  spec.element = getSumType(request.type("result"));
  spec.parts = request.number("parts");
  spec.batch.push_back(sizes.next("batch"));
  spec.m = sizes.next("m");
  spec.n = sizes.next("n");
  MatrixSpec c = makeMatrix(b, arguments.buffers.back(), request.type("result"),
                            spec.m, spec.n, false, 0);
  spec.c.base = c.base;
  spec.c.element = c.element;
  spec.c.rowStride = c.rowStride;
  spec.c.offset = c.offset;
  spec.c.alignment = c.alignment;
  spec.c.compute =
      makeEpilogue(request, arguments.buffers[1], arguments.buffers[2]);
  return spec;
}

static std::array<int64_t, 2> getPair(const KernelRequest &request,
                                      StringRef first, StringRef second) {
  return {request.number(first, 1), request.number(second, 1)};
}

/// Dense channels-last input and result; filter [g][j][r][s][c], or, with
/// `transpose_b`, [g][r][s][c][j]. One zero point of the input, one per output
/// channel.
static ConvSpec makeConv(ImplicitLocOpBuilder &b, const KernelRequest &request,
                         const KernelArguments &arguments) {
  Sizes sizes(b, request, arguments);
  ConvSpec spec;
  spec.element = request.type("element");
  spec.filterElement = request.type("element_b", "element");
  spec.input = arguments.buffers[0];
  spec.filter = arguments.buffers[1];
  spec.images = sizes.next("images");
  spec.inputSizes = {sizes.next("height"), sizes.next("width")};
  spec.outputSizes = {sizes.next("output_height"), sizes.next("output_width")};
  spec.padLow = {sizes.next("pad_top"), sizes.next("pad_left")};
  spec.kernel = getPair(request, "kernel_height", "kernel_width");
  spec.strides = getPair(request, "stride_height", "stride_width");
  spec.dilations = getPair(request, "dilation_height", "dilation_width");
  spec.groups = request.number("groups", 1);
  spec.inputChannels = request.number("channels");
  spec.outputChannels = request.number("output_channels");
  int64_t k = spec.inputChannels, n = spec.outputChannels;
  Size pixel = b.getI64IntegerAttr(spec.groups * k);
  spec.pixelStride = pixel;
  spec.rowStride = multiply(b, pixel, spec.inputSizes[1]);
  spec.imageStride = multiply(b, spec.rowStride, spec.inputSizes[0]);
  spec.inputAlignment =
      getAlignment(spec.element, {pixel, b.getI64IntegerAttr(k)});
  int64_t taps = spec.kernel[0] * spec.kernel[1];
  bool outputsLast = request.flag("transpose_b");
  spec.groupStride = taps * k * n;
  spec.tapStride = outputsLast ? k * n : k;
  spec.channelStride = outputsLast ? n : 1;
  spec.outputStride = outputsLast ? 1 : taps * k;
  spec.output.base = arguments.buffers.back();
  spec.output.element = request.type("result");
  Size outputs = b.getI64IntegerAttr(spec.groups * n);
  spec.output.rowStride = outputs;
  spec.output.alignment =
      getAlignment(spec.output.element, {outputs, b.getI64IntegerAttr(n)});
  ValueRange rest = arguments.buffers.drop_front(2);
  if (request.flag("zero_a")) {
    spec.inputZero = LLVM::LoadOp::create(b, b.getI32Type(), rest.front(), 4);
    rest = rest.drop_front();
  }
  if (request.flag("zero_b")) {
    spec.filterZero = makeZeroPoint(rest.front(), outputs);
    rest = rest.drop_front();
  }
  if (request.flag("epilogue")) {
    spec.output.compute = makeEpilogue(request, rest[0], rest[1]);
  }
  return spec;
}

/// A dense matrix of `columns` in each head of [batch][heads][rows][columns];
/// `shared` query heads use the same one.
static MatrixSpec makeHead(ImplicitLocOpBuilder &b, Value base, Type element,
                           Size heads, Size shared, Size rows, int64_t columns,
                           bool perQueryHead) {
  MatrixSpec matrix;
  matrix.base = base;
  matrix.element = element;
  matrix.rowStride = b.getI64IntegerAttr(columns);
  matrix.columnStride = b.getI64IntegerAttr(1);
  matrix.alignment = getAlignment(element, {matrix.rowStride});
  Size area = multiply(b, rows, matrix.rowStride);
  matrix.offset = [=](ImplicitLocOpBuilder &b, ValueRange batch) -> Size {
    SizeMath math(b);
    Value head = math.add(math.mul(batch[0], math.i64(heads)), batch[1]);
    if (perQueryHead) {
      head = math.add(math.mul(head, math.i64(shared)), batch[2]);
    }
    return math.mul(head, math.i64(area));
  };
  return matrix;
}

/// Row r sees the keys up to r + keys - rows, and with `window` only so many.
static void addBounds(AttentionSpec &spec, const KernelRequest &request) {
  Size rows = spec.rows, keys = spec.keys;
  int64_t window = request.number("window");
  auto end = [=](ImplicitLocOpBuilder &b, ValueRange, Value row) -> Value {
    SizeMath math(b);
    Value last = math.add(row, math.sub(math.i32(keys), math.i32(rows)));
    return math.add(last, math.i32(1));
  };
  if (request.flag("causal")) {
    spec.keyEnd = end;
  }
  if (window) {
    spec.keyBegin = [=](ImplicitLocOpBuilder &b, ValueRange batch, Value row) {
      SizeMath math(b);
      return math.sub(end(b, batch, row), math.i32(window));
    };
  }
}

/// `bias`: an f32 of [rows][keys] is added; `cap`: scores
/// become x / (1 + |x| / 4); `mask`: bytes of [rows][keys] say which keys a row
/// sees.
static void addScores(AttentionSpec &spec, const KernelRequest &request,
                      Value operand) {
  Size keys = spec.keys;
  auto address = [=](ImplicitLocOpBuilder &b, const ScorePlace &place,
                     Type element) -> Value {
    SizeMath math(b);
    Value offset = math.add(math.mul(math.extend(place.row), math.i64(keys)),
                            math.extend(place.key));
    return LLVM::GEPOp::create(b, operand.getType(), element, operand, offset);
  };
  if (request.flag("mask")) {
    spec.mask = [=](ImplicitLocOpBuilder &b, const ScorePlace &place) -> Value {
      Value byte = LLVM::LoadOp::create(b, b.getI8Type(),
                                        address(b, place, b.getI8Type()));
      return arith::CmpIOp::create(
          b, arith::CmpIPredicate::ne, byte,
          arith::ConstantIntOp::create(b, b.getI8Type(), 0));
    };
  }
  if (request.flag("bias")) {
    spec.score = [=](ImplicitLocOpBuilder &b, Value x,
                     const ScorePlace &place) -> Value {
      Value bias = LLVM::LoadOp::create(b, b.getF32Type(),
                                        address(b, place, b.getF32Type()));
      return arith::AddFOp::create(b, x, bias);
    };
  }
  if (request.flag("cap")) {
    spec.score = [](ImplicitLocOpBuilder &b, Value x,
                    const ScorePlace &) -> Value {
      auto f32 = [&](float value) -> Value {
        return arith::ConstantOp::create(b, b.getF32FloatAttr(value));
      };
      Value absolute =
          arith::MaximumFOp::create(b, x, arith::NegFOp::create(b, x));
      Value quarter = arith::MulFOp::create(b, absolute, f32(0.25));
      Value divisor = arith::AddFOp::create(b, quarter, f32(1));
      return arith::DivFOp::create(b, x, divisor);
    };
  }
}

/// f32 [batch][heads][shared][rows].
static void addLogSums(AttentionSpec &spec, Value base) {
  SmallVector<Size> sizes = spec.batch;
  sizes.push_back(spec.rows);
  spec.storeLogSum = [=](ImplicitLocOpBuilder &b, Value value, ValueRange batch,
                         Value row) {
    SizeMath math(b);
    SmallVector<Value> indices = llvm::to_vector(batch);
    indices.push_back(math.extend(row));
    Value offset = math.i64(0);
    for (auto [index, size] : llvm::zip_equal(indices, sizes)) {
      offset = math.add(math.mul(offset, math.i64(size)), index);
    }
    Value address =
        LLVM::GEPOp::create(b, base.getType(), b.getF32Type(), base, offset);
    LLVM::StoreOp::create(b, value, address);
  };
}

static AttentionSpec makeAttention(ImplicitLocOpBuilder &b,
                                   const KernelRequest &request,
                                   const KernelArguments &arguments) {
  Sizes sizes(b, request, arguments);
  AttentionSpec spec;
  for (StringRef name : {"batch", "heads", "shared"}) {
    spec.batch.push_back(sizes.next(name));
  }
  spec.rows = sizes.next("rows");
  spec.keys = sizes.next("keys");
  spec.head = request.number("head");
  spec.valueHead = request.number("value_head");
  Type element = request.type("element");
  Size heads = spec.batch[1], shared = spec.batch[2];
  ValueRange buffers = arguments.buffers;
  spec.query = makeHead(b, buffers[0], element, heads, shared, spec.rows,
                        spec.head, true);
  spec.key = makeHead(b, buffers[1], element, heads, shared, spec.keys,
                      spec.head, false);
  spec.value = makeHead(b, buffers[2], element, heads, shared, spec.keys,
                        spec.valueHead, false);
  if (isBulk(request)) {
    // Query heads share keys and values.
    addMaps({&spec.key, &spec.value}, arguments.maps,
            ArrayRef(spec.batch).drop_back(), /*aligned=*/false);
  }
  MatrixSpec result = makeHead(b, buffers.back(), request.type("result"), heads,
                               shared, spec.rows, spec.valueHead, true);
  spec.result.base = result.base;
  spec.result.element = result.element;
  spec.result.rowStride = result.rowStride;
  spec.result.offset = result.offset;
  spec.result.alignment = result.alignment;
  spec.scale = arith::ConstantOp::create(
      b, b.getF32FloatAttr(1.0f / std::sqrt(float(spec.head))));
  spec.emptyRow = EmptyRow::Zero;
  addBounds(spec, request);
  addScores(spec, request, buffers[3]);
  if (request.flag("log_sums")) {
    addLogSums(spec, buffers[4]);
  }
  return spec;
}

static LogicalResult buildKernel(ImplicitLocOpBuilder &b,
                                 const KernelRequest &request) {
  KernelSignature signature;
  signature.name = request.text("name").str();
  StringRef kind = request.text("kind");
  unsigned extra = (request.flag("epilogue") ? 2 : 0) + request.flag("zero_a") +
                   request.flag("zero_b");
  bool dynamic = request.flag("dynamic");
  BlockLimits limits;
  if (isBulk(request)) {
    signature.maps = 2;
    limits.sharedBytes = kSharedBytesOfSM90;
    limits.bulkCopies = !request.flag("sm_80");
  }
  auto bind = [&](auto make) {
    return [&request, make](ImplicitLocOpBuilder &b,
                            const KernelArguments &arguments) {
      return make(b, request, arguments);
    };
  };
  if (kind == "gemm") {
    signature.buffers = 3 + extra;
    signature.sizes = dynamic ? 4 : 0;
    return buildGemmKernel(b, signature, request.schedule<GemmScheduleAttr>(),
                           limits, bind(makeGemm));
  }
  if (kind == "split_sum") {
    signature.buffers = 4;
    signature.sizes = dynamic ? 3 : 0;
    buildSplitSumKernel(b, signature, bind(makeSplitSum));
    return success();
  }
  if (kind == "conv") {
    signature.buffers = 3 + extra;
    signature.sizes = dynamic ? 7 : 0;
    return buildConvKernel(b, signature, request.schedule<ConvScheduleAttr>(),
                           limits, bind(makeConv));
  }
  if (kind == "attention") {
    signature.buffers = request.flag("log_sums") ? 6 : 5;
    signature.sizes = dynamic ? 5 : 0;
    return buildAttentionKernel(b, signature,
                                request.schedule<AttentionScheduleAttr>(),
                                limits, bind(makeAttention));
  }
  return emitError(b.getLoc())
         << "expected a kind of kernel, got '" << kind << "'";
}

namespace {
struct TestBuildTileKernelsPass final
    : impl::TestBuildTileKernelsPassBase<TestBuildTileKernelsPass> {
  using TestBuildTileKernelsPassBase::TestBuildTileKernelsPassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto requests = module->getAttrOfType<ArrayAttr>("tile.test_kernels");
    module->removeAttr("tile.test_kernels");
    ImplicitLocOpBuilder b(module.getLoc(), &getContext());
    for (auto request : requests.getAsRange<DictionaryAttr>()) {
      b.setInsertionPointToEnd(module.getBody());
      if (failed(buildKernel(b, KernelRequest(request)))) {
        return signalPassFailure();
      }
    }
  }
};
} // namespace

} // namespace dlc
