// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Carries out parameter transforms. A run of cast, scale and shift works on
// single elements in f64 and rounds at its end; the others change the layout.
#include "Analysis/ParamStore.h"
#include "Dialect/NN/ParamTransforms.h"

#include <cstring>
#include <unistd.h>

using namespace mlir;
using llvm::Error;
using llvm::Expected;

namespace dlc {

using namespace nn;

/// Elements that are worked on at a time.
static constexpr int64_t kChunk = 1 << 18;

static Error unsupported(ParamOp param, const Twine &what) {
  return llvm::createStringError("param '" + param.getSymName() + "': " + what);
}

namespace {
/// scale or shift along one axis of a shape: element i uses
/// values[i / inner % values.size()].
struct AxisVector {
  AxisVector(ArrayRef<int64_t> shape, int64_t axis, DenseFPElementsAttr vector)
      : inner(computeProduct(shape.drop_front(axis + 1))) {
    for (const APFloat &value : vector.getValues<APFloat>()) {
      APFloat wide = value;
      bool lost;
      wide.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
      values.push_back(wide.convertToDouble());
    }
  }
  static int64_t computeProduct(ArrayRef<int64_t> shape) {
    int64_t product = 1;
    for (int64_t size : shape) {
      product *= size;
    }
    return product;
  }
  double at(int64_t i) const { return values[i / inner % values.size()]; }

  int64_t inner;
  std::vector<double> values;
};

/// Applies a run of scale and shift transforms to elements [begin, begin +
/// count) of a tensor, without rounding in between.
class AffineRun {
public:
  AffineRun(ArrayRef<int64_t> shape, ArrayRef<Attribute> transforms) {
    for (Attribute transform : transforms) {
      if (auto scale = dyn_cast<ScaleAttr>(transform)) {
        steps.push_back({true, {shape, scale.getAxis(), scale.getFactors()}});
      } else {
        auto shift = cast<ShiftAttr>(transform);
        steps.push_back({false, {shape, shift.getAxis(), shift.getTerms()}});
      }
    }
  }

  void apply(const ElementAccess &access, char *bytes, int64_t begin,
             int64_t count) const {
    for (int64_t i = 0; i < count; ++i, bytes += access.getBytes()) {
      double value = access.loadFloat(bytes);
      for (const auto &[isScale, vector] : steps) {
        double operand = vector.at(begin + i);
        value = isScale ? value * operand : value + operand;
      }
      access.storeFloat(bytes, value);
    }
  }

private:
  std::vector<std::pair<bool, AxisVector>> steps;
};

/// [groups, K, N] to [groups, ceil(N / width), K, width], zeros behind N.
HostTensor packPanels(const HostTensor &input, int64_t width) {
  ArrayRef<int64_t> shape = input.getType().getShape();
  int64_t groups = shape[0], depth = shape[1], columns = shape[2];
  int64_t panels = llvm::divideCeil(columns, static_cast<uint64_t>(width));
  HostTensor result(input.getType().clone({groups, panels, depth, width}));
  unsigned bytes = input.access().getBytes();
  for (int64_t g = 0; g < groups; ++g) {
    for (int64_t panel = 0; panel < panels; ++panel) {
      int64_t first = panel * width;
      int64_t used = std::min(width, columns - first);
      for (int64_t k = 0; k < depth; ++k) {
        std::memcpy(result.at(((g * panels + panel) * depth + k) * width),
                    input.at((g * depth + k) * columns + first), used * bytes);
      }
    }
  }
  return result;
}
} // namespace

/// The number of transforms from `i` on that are scale or shift.
static size_t affineRunLength(ArrayRef<Attribute> transforms) {
  return llvm::find_if_not(transforms, llvm::IsaPred<ScaleAttr, ShiftAttr>) -
         transforms.begin();
}

HostTensor applyTransforms(HostTensor tensor, ArrayRef<Attribute> transforms) {
  while (!transforms.empty()) {
    if (size_t run = affineRunLength(transforms)) {
      AffineRun(tensor.getType().getShape(), transforms.take_front(run))
          .apply(tensor.access(), tensor.at(0), 0, tensor.getNumElements());
      transforms = transforms.drop_front(run);
      continue;
    }
    Attribute transform = transforms.front();
    if (auto permute = dyn_cast<PermuteAttr>(transform)) {
      tensor = transposeTensor(tensor, permute.getPermutation());
    } else if (auto reshape = dyn_cast<ReshapeToAttr>(transform)) {
      tensor.reshape(reshape.getShape());
    } else if (auto cast = dyn_cast<CastToAttr>(transform)) {
      tensor = castTensor(tensor, cast.getElementType());
    } else {
      tensor =
          packPanels(tensor, mlir::cast<PackPanelsAttr>(transform).getWidth());
    }
    transforms = transforms.drop_front();
  }
  return tensor;
}

/// Fails on element types that the host cannot hold, and on scale or shift of
/// integers.
static Error checkTypes(ParamOp param) {
  auto type = cast<RankedTensorType>(param.getSourceType());
  auto reject = [&](Type element) {
    return unsupported(
        param,
        llvm::formatv("element type {0} has no host form", element).str());
  };
  if (!isHostElement(type.getElementType())) {
    return reject(type.getElementType());
  }
  for (Attribute transform : param.getTransforms()) {
    if (isa<ScaleAttr, ShiftAttr>(transform) &&
        !isa<FloatType>(type.getElementType())) {
      return unsupported(param, "scale and shift need a float element type");
    }
    auto cast = dyn_cast<CastToAttr>(transform);
    if (cast && !isHostElement(cast.getElementType())) {
      return reject(cast.getElementType());
    }
    FailureOr<RankedTensorType> next = applyTransformType(
        type, transform, [&] { return param.emitOpError(); });
    if (failed(next)) {
      return unsupported(param, "transform does not fit");
    }
    type = *next;
  }
  return Error::success();
}

/// The source's bytes in storage form where they lie in a file or in registered
/// memory.
static Expected<ArrayRef<char>> mappedBytes(ParamOp param) {
  auto *dialect = param.getContext()->getLoadedDialect<NNDialect>();
  return dialect->getSourceMap().lookup(cast<DataAttr>(param.getData()));
}

static Expected<HostTensor> loadSource(ParamOp param) {
  auto type = cast<RankedTensorType>(param.getSourceType());
  if (isa<DataAttr>(param.getData())) {
    Expected<ArrayRef<char>> bytes = mappedBytes(param);
    if (!bytes) {
      return bytes.takeError();
    }
    return HostTensor::fromPacked(type, *bytes);
  }
  auto elements = dyn_cast<DenseElementsAttr>(param.getData());
  if (!elements) {
    return unsupported(param, "expected dense elements");
  }
  // One number in the model may stand for more than there is memory for.
  auto bytes = static_cast<uint64_t>(denseByteSize(type));
  uint64_t memory = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                    static_cast<uint64_t>(sysconf(_SC_PAGE_SIZE));
  if (bytes > memory) {
    return unsupported(param, llvm::formatv("needs {0} bytes of memory, more "
                                            "than the {1} of this machine",
                                            bytes, memory)
                                  .str());
  }
  HostTensor tensor = HostTensor::fromElements(elements);
  tensor.reshape(type.getShape());
  return tensor;
}

Expected<HostTensor> evaluateParam(ParamOp param) {
  if (Error error = checkTypes(param)) {
    return error;
  }
  Expected<HostTensor> source = loadSource(param);
  if (!source) {
    return source.takeError();
  }
  return applyTransforms(std::move(*source), param.getTransforms().getValue());
}

class ParamReader::Impl {
public:
  /// Source bytes in storage form and the scale and shift run to apply.
  ArrayRef<char> source;
  std::optional<AffineRun> run;
  std::optional<ElementAccess> access;
  int64_t begin = 0, elements = 0;
  /// What `next` handed out last, or the whole evaluated param.
  std::vector<char> chunk;
  bool done = false;
};

ParamReader::ParamReader(std::unique_ptr<Impl> impl) : impl(std::move(impl)) {}
ParamReader::ParamReader(ParamReader &&) = default;
ParamReader &ParamReader::operator=(ParamReader &&) = default;
ParamReader::~ParamReader() = default;

Expected<ParamReader> ParamReader::open(ParamOp param) {
  if (Error error = checkTypes(param)) {
    return error;
  }
  auto impl = std::make_unique<Impl>();
  // A reshape at the end changes no byte.
  ArrayRef<Attribute> transforms = param.getTransforms().getValue();
  while (!transforms.empty() && isa<ReshapeToAttr>(transforms.back())) {
    transforms = transforms.drop_back();
  }
  if (isa<DataAttr>(param.getData()) &&
      affineRunLength(transforms) == transforms.size()) {
    Expected<ArrayRef<char>> source = mappedBytes(param);
    if (!source) {
      return source.takeError();
    }
    impl->source = *source;
    auto type = cast<RankedTensorType>(param.getSourceType());
    impl->elements = type.getNumElements();
    impl->access.emplace(type.getElementType());
    if (!transforms.empty()) {
      impl->run.emplace(type.getShape(), transforms);
    }
    return ParamReader(std::move(impl));
  }
  Expected<HostTensor> value = evaluateParam(param);
  if (!value) {
    return value.takeError();
  }
  impl->chunk = value->toPacked();
  impl->source = impl->chunk;
  return ParamReader(std::move(impl));
}

ArrayRef<char> ParamReader::next() {
  if (impl->done) {
    return {};
  }
  if (!impl->run) {
    impl->done = true;
    return impl->source;
  }
  int64_t count = std::min(kChunk, impl->elements - impl->begin);
  unsigned size = impl->access->getBytes();
  const char *first = impl->source.data() + impl->begin * size;
  impl->chunk.assign(first, first + count * size);
  impl->run->apply(*impl->access, impl->chunk.data(), impl->begin, count);
  impl->begin += count;
  impl->done = impl->begin == impl->elements;
  return impl->chunk;
}

} // namespace dlc
