// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// rt.program's tables as the container's header.
#include "Binary.h"
#include "Locations.h"
#include "Pipelines/Compiler.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace mlir;

namespace dlc {

/// DLPack's code and the bits of an element type; nothing for others.
static std::optional<std::pair<uint8_t, uint8_t>> getTypeCode(Type type) {
  unsigned bits = type.isIntOrFloat() ? type.getIntOrFloatBitWidth() : 0;
  auto with = [&](uint8_t code) {
    return std::pair<uint8_t, uint8_t>(code, bits);
  };
  if (type.isInteger(1)) {
    return std::pair<uint8_t, uint8_t>(6, 8); // a byte each
  }
  if (auto integer = dyn_cast<IntegerType>(type)) {
    return with(integer.isUnsigned() ? 1 : 0);
  }
  if (isa<Float16Type, Float32Type, Float64Type>(type)) {
    return with(2);
  }
  if (isa<BFloat16Type>(type)) {
    return with(4);
  }
  if (auto complex = dyn_cast<ComplexType>(type)) {
    unsigned part = complex.getElementType().getIntOrFloatBitWidth();
    return std::pair<uint8_t, uint8_t>(5, 2 * part);
  }
  return llvm::TypeSwitch<Type, std::optional<std::pair<uint8_t, uint8_t>>>(
             type)
      .Case([&](Float8E3M4Type) { return with(7); })
      .Case([&](Float8E4M3Type) { return with(8); })
      .Case([&](Float8E4M3B11FNUZType) { return with(9); })
      .Case([&](Float8E4M3FNType) { return with(10); })
      .Case([&](Float8E4M3FNUZType) { return with(11); })
      .Case([&](Float8E5M2Type) { return with(12); })
      .Case([&](Float8E5M2FNUZType) { return with(13); })
      .Case([&](Float8E8M0FNUType) { return with(14); })
      .Case([&](Float6E2M3FNType) { return with(15); })
      .Case([&](Float6E3M2FNType) { return with(16); })
      .Case([&](Float4E2M1FNType) { return with(17); })
      .Default([](Type) { return std::nullopt; });
}

/// An input or output, whose symbols are numbered by `symbols`.
template <typename RecordT>
static bool addValue(Session &session, RecordT record,
                     const llvm::StringMap<uint32_t> &symbols,
                     std::vector<binary::Value> &values) {
  RankedTensorType type = record.getTensorType();
  auto code = getTypeCode(type.getElementType());
  if (!code) {
    std::string text;
    llvm::raw_string_ostream(text) << type.getElementType();
    return session.fail(Status::Unsupported,
                        "'" + record.getName() +
                            "': a binary has no type for " + text);
  }
  binary::Value value;
  value.name = record.getName().str();
  std::tie(value.typeCode, value.typeBits) = *code;
  auto names = record.getDims().template getAsValueRange<StringAttr>();
  auto name = names.begin();
  for (int64_t size : type.getShape()) {
    if (!ShapedType::isDynamic(size)) {
      value.dims.push_back(binary::Dim::fixed(size));
      continue;
    }
    StringRef symbol = *name++;
    value.dims.push_back(symbol.empty()
                             ? binary::Dim::unknown()
                             : binary::Dim::symbol(symbols.lookup(symbol)));
  }
  values.push_back(std::move(value));
  return true;
}

static bool addValues(Session &session, rt::ProgramOp program,
                      binary::Header &header) {
  llvm::StringMap<uint32_t> symbols;
  for (auto symbol : program.getBody().getOps<rt::SymbolOp>()) {
    symbols[symbol.getName()] = header.symbols.size();
    int64_t divisor = symbol.getDivisor();
    header.symbols.push_back(
        {symbol.getName().str(), static_cast<int64_t>(symbol.getMin()),
         static_cast<int64_t>(symbol.getMax()), divisor > 1 ? divisor : -1});
  }
  for (auto input : program.getBody().getOps<rt::InputOp>()) {
    if (!addValue(session, input, symbols, header.inputs)) {
      return false;
    }
  }
  for (auto output : program.getBody().getOps<rt::OutputOp>()) {
    if (!addValue(session, output, symbols, header.outputs)) {
      return false;
    }
    header.outputs.back().late = output.getLate();
  }
  return true;
}

static void addBuffers(rt::ProgramOp program, binary::Program &header) {
  if (program.getArenaBytes()) {
    header.plan.emplace();
    header.plan->arenaBytes = *program.getArenaBytes();
    header.plan->lowerBound = *program.getArenaLowerBound();
  }
  for (auto buffer : program.getBody().getOps<rt::BufferOp>()) {
    binary::Buffer record;
    record.bytes = buffer.getLate()       ? DLC_BYTES_LATE
                   : buffer.getAtSizing() ? DLC_BYTES_AT_SIZING
                                          : int64_t(*buffer.getBytes());
    record.first = buffer.getFirst();
    record.last = buffer.getLast();
    header.buffers.push_back(record);
    if (header.plan) {
      header.plan->offsets.push_back(
          buffer.getOffset() ? int64_t(*buffer.getOffset()) : -1);
    }
  }
}

static void addCode(rt::ProgramOp program, binary::Program &header) {
  for (auto launch : program.getRun().getBody().getOps<rt::LaunchOp>()) {
    header.dispatches.push_back({launch.getKernel().str(),
                                 getNodeNames(launch.getLoc()),
                                 static_cast<int64_t>(launch.getFlops()),
                                 static_cast<int64_t>(launch.getBytes())});
  }
  for (rt::CheckOp check : program.getChecks()) {
    header.checks.push_back({check.getStatus(), check.getMessage().str()});
  }
  header.noSizing = !program.getSize();
}

/// Whether two variants' programs need the same tables: they run the same
/// dispatches on the same buffers.
static bool haveSameTables(const binary::Program &a, const binary::Program &b) {
  auto samePlan = [](const binary::StaticPlan &x, const binary::StaticPlan &y) {
    return x.offsets == y.offsets && x.arenaBytes == y.arenaBytes &&
           x.lowerBound == y.lowerBound;
  };
  auto sameBuffer = [](const binary::Buffer &x, const binary::Buffer &y) {
    return std::tie(x.bytes, x.alignment, x.first, x.last) ==
           std::tie(y.bytes, y.alignment, y.first, y.last);
  };
  auto sameDispatch = [](const binary::Dispatch &x, const binary::Dispatch &y) {
    return std::tie(x.kernel, x.nodes, x.flops, x.bytes) ==
           std::tie(y.kernel, y.nodes, y.flops, y.bytes);
  };
  auto sameCheck = [](const binary::Check &x, const binary::Check &y) {
    return x.status == y.status && x.message == y.message;
  };
  return a.noSizing == b.noSizing && a.paramsOffset == b.paramsOffset &&
         a.paramsBytes == b.paramsBytes &&
         a.plan.has_value() == b.plan.has_value() &&
         (!a.plan || samePlan(*a.plan, *b.plan)) &&
         llvm::equal(a.buffers, b.buffers, sameBuffer) &&
         llvm::equal(a.dispatches, b.dispatches, sameDispatch) &&
         llvm::equal(a.checks, b.checks, sameCheck);
}

/// The tables of a variant's program. A device gets a copy of its weights.
static void fillProgram(Variant &variant, const WeightsLayout &weights,
                        binary::Program &record) {
  addBuffers(variant.getProgram(), record);
  addCode(variant.getProgram(), record);
  if (variant.isGPU()) {
    WeightsLayout::Range range = weights.getRange(variant.getProgram());
    record.paramsOffset = range.offset;
    record.paramsBytes = range.bytes;
  }
}

/// Number of the header's program with the tables of the variant's program, a
/// new one if there is none yet.
static uint32_t addProgram(Variant &variant, const WeightsLayout &weights,
                           binary::Header &header) {
  binary::Program record;
  fillProgram(variant, weights, record);
  if (haveSameTables(header, record)) {
    return 0;
  }
  auto &others = header.otherPrograms;
  auto found = llvm::find_if(others, [&](const binary::Program &other) {
    return haveSameTables(other, record);
  });
  if (found == others.end()) {
    others.push_back(std::move(record));
    found = std::prev(others.end());
  }
  return static_cast<uint32_t>(found - others.begin()) + 1;
}

/// Digest of the model's file, without external data; zero where it cannot be
/// read again.
static dlc_format_digest digestSource(const CompileOptions &options) {
  if (!options.inputBytes.empty()) {
    return binary::digest(
        {options.inputBytes.data(), options.inputBytes.size()});
  }
  auto file = llvm::MemoryBuffer::getFile(options.inputPath, /*IsText=*/false,
                                          /*RequiresNullTerminator=*/false);
  return file ? binary::digest(
                    {(*file)->getBufferStart(), (*file)->getBufferSize()})
              : dlc_format_digest{};
}

static binary::DeviceImage makeImage(dlc_format_image_kind kind,
                                     const GPUTarget &target,
                                     const std::string &bytes) {
  binary::DeviceImage image;
  image.kind = kind;
  image.arch = target.arch;
  image.archSuffix = target.specific ? 'a' : 0;
  image.bytes = bytes;
  return image;
}

/// The images and kernels of a GPU variant.
static void addDeviceCode(Variant &variant, binary::Variant &record) {
  record.deviceType = DLC_DEVICE_CUDA;
  for (auto [target, text] : llvm::zip_equal(variant.gpus, variant.images)) {
    record.images.push_back(makeImage(DLC_IMAGE_PTX, target, text));
  }
  for (auto [target, code] : llvm::zip(variant.gpus, variant.cubins)) {
    record.images.push_back(makeImage(DLC_IMAGE_CUBIN, target, code));
  }
  for (const DeviceKernel &kernel : variant.deviceKernels) {
    record.kernels.push_back({kernel.name, kernel.staticSharedBytes,
                              kernel.dynamicSharedBytes, kernel.threads});
  }
}

bool buildHeader(Session &session, std::vector<Variant> &variants,
                 const WeightsLayout &weights, binary::Header &header) {
  rt::ProgramOp program = variants.front().getProgram();
  ModuleOp module = *variants.front().module;
  auto text = [&](StringRef name) {
    auto attr = module->getAttrOfType<StringAttr>(name);
    return attr ? attr.str() : std::string();
  };
  header.modelName = text("nn.model");
  header.producer = text("nn.producer");
  header.compilerVersion = getVersion().str();
  header.options = session.options.describe();
  header.sourceDigest = digestSource(session.options);
  if (!addValues(session, program, header)) {
    return false;
  }
  fillProgram(variants.front(), weights, header);
  for (Variant &variant : variants) {
    binary::Variant record;
    record.name = variant.name;
    record.prefix = variant.prefix;
    record.features = variant.target.requiredFeatures;
    record.program = addProgram(variant, weights, header);
    if (variant.isGPU()) {
      addDeviceCode(variant, record);
    }
    header.variants.push_back(std::move(record));
  }
  return true;
}

} // namespace dlc
