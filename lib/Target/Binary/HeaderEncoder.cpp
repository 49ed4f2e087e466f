// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Lays out the header block: the fixed struct, record arrays, strings.
#include "Target/Binary/ContainerWriter.h"

#include <algorithm>
#include <cstring>
#include <map>

using namespace dlc::binary;

namespace {

/// Collects strings, each once, in order of first use.
class StringTable {
public:
  dlc_format_string add(const std::string &text) {
    auto [it, isNew] = offsets.try_emplace(text, bytes.size());
    if (isNew) {
      bytes.insert(bytes.end(), text.begin(), text.end());
      bytes.push_back(0);
    }
    return {it->second, static_cast<uint32_t>(text.size())};
  }

  std::vector<char> bytes;

private:
  std::map<std::string, uint32_t> offsets;
};

/// Places of the device images: each 64-byte aligned, and with a zero byte
/// after it, which the driver wants of PTX.
class ImagePlaces {
public:
  uint64_t next(const DeviceImage &image) {
    uint64_t place = end;
    end += image.bytes.size() + 1;
    end = (end + DLC_FORMAT_IMAGE_ALIGNMENT - 1) / DLC_FORMAT_IMAGE_ALIGNMENT *
          DLC_FORMAT_IMAGE_ALIGNMENT;
    return place;
  }
  uint64_t getBytes() const { return end; }

private:
  uint64_t end = 0;
};

class Encoder {
public:
  std::vector<char> encode(const Header &header,
                           const std::string &weightsFile);

private:
  template <typename Record>
  dlc_format_array append(const std::vector<Record> &records);
  dlc_format_array appendBytes(const void *data, size_t count, size_t stride);
  std::vector<dlc_format_value> encodeValues(const std::vector<Value> &values);
  void encodeArrays(const Header &header);
  void encodeVariants(const Header &header);
  void encodePrograms(const Header &header);

  StringTable strings;
  std::vector<dlc_format_dim> dims;
  std::vector<char> block;
  dlc_format_header fixed{};
};

} // namespace

dlc_format_array Encoder::appendBytes(const void *data, size_t count,
                                      size_t stride) {
  dlc_format_array array{};
  array.offset = static_cast<uint32_t>(block.size());
  array.count = static_cast<uint32_t>(count);
  array.stride = static_cast<uint32_t>(stride);
  const char *bytes = static_cast<const char *>(data);
  if (count > 0) {
    block.insert(block.end(), bytes, bytes + count * stride);
  }
  block.resize((block.size() + 7) / 8 * 8);
  return array;
}

template <typename Record>
dlc_format_array Encoder::append(const std::vector<Record> &records) {
  return appendBytes(records.data(), records.size(), sizeof(Record));
}

std::vector<dlc_format_value>
Encoder::encodeValues(const std::vector<Value> &values) {
  std::vector<dlc_format_value> records;
  for (const Value &value : values) {
    dlc_format_value record{};
    record.name = strings.add(value.name);
    record.type_code = value.typeCode;
    record.type_bits = value.typeBits;
    record.type_lanes = 1;
    record.rank = static_cast<uint32_t>(value.dims.size());
    record.first_dim = static_cast<uint32_t>(dims.size());
    record.flags = value.late ? DLC_VALUE_LATE : 0;
    records.push_back(record);
    for (Dim dim : value.dims) {
      dims.push_back({static_cast<uint32_t>(dim.kind), 0, dim.value});
    }
  }
  return records;
}

static std::string join(const std::vector<std::string> &parts, char between) {
  std::string text;
  for (const std::string &part : parts) {
    text += text.empty() ? part : between + part;
  }
  return text;
}

static uint32_t encodeFlags(const Program &program) {
  return (program.plan ? DLC_HEADER_STATIC_PLAN : 0) |
         (program.noSizing ? DLC_HEADER_NO_SIZING : 0);
}

void Encoder::encodeArrays(const Header &header) {
  fixed.inputs = append(encodeValues(header.inputs));
  fixed.outputs = append(encodeValues(header.outputs));
  fixed.dims = append(dims);

  std::vector<dlc_format_symbol> symbols;
  for (const Symbol &symbol : header.symbols) {
    symbols.push_back(
        {strings.add(symbol.name), symbol.min, symbol.max, symbol.divisor});
  }
  fixed.symbols = append(symbols);

  std::vector<dlc_format_metric> metrics;
  for (const Metric &metric : header.metrics) {
    metrics.push_back({strings.add(metric.name), metric.value});
  }
  fixed.metrics = append(metrics);
}

/// Appends the variants with their images and kernels. The images' places are
/// those of encodeImages.
void Encoder::encodeVariants(const Header &header) {
  std::vector<dlc_format_variant> variants;
  std::vector<dlc_format_image> images;
  std::vector<dlc_format_kernel> kernels;
  ImagePlaces places;
  for (const Variant &variant : header.variants) {
    dlc_format_variant record{};
    record.name = strings.add(variant.name);
    record.prefix = strings.add(variant.prefix);
    record.features = strings.add(join(variant.features, ','));
    record.device_type = variant.deviceType;
    record.program = variant.program;
    record.first_image = static_cast<uint32_t>(images.size());
    record.num_images = static_cast<uint32_t>(variant.images.size());
    record.first_kernel = static_cast<uint32_t>(kernels.size());
    record.num_kernels = static_cast<uint32_t>(variant.kernels.size());
    variants.push_back(record);
    for (const DeviceImage &image : variant.images) {
      images.push_back({static_cast<uint32_t>(image.kind), image.arch,
                        static_cast<uint32_t>(image.archSuffix), 0,
                        places.next(image), image.bytes.size(),
                        digest(image.bytes)});
    }
    for (const DeviceKernel &kernel : variant.kernels) {
      kernels.push_back({strings.add(kernel.name), kernel.staticSharedBytes,
                         kernel.dynamicSharedBytes, kernel.threads, 0});
    }
  }
  fixed.variants = append(variants);
  fixed.images = append(images);
  fixed.kernels = append(kernels);
}

/// Appends the tables of all programs, one after the other. The header's own
/// fields, which is all that a reader of version 1.0 knows, are those of the
/// first program.
void Encoder::encodePrograms(const Header &header) {
  std::vector<const Program *> programs = {&header};
  for (const Program &program : header.otherPrograms) {
    programs.push_back(&program);
  }
  bool planned = std::any_of(programs.begin(), programs.end(),
                             [](auto *program) { return program->plan; });
  std::vector<dlc_format_program> records;
  std::vector<dlc_format_buffer> buffers;
  std::vector<int64_t> offsets;
  std::vector<dlc_format_dispatch> dispatches;
  std::vector<dlc_format_check> checks;
  for (const Program *program : programs) {
    records.push_back({encodeFlags(*program), 0,
                       static_cast<uint32_t>(buffers.size()),
                       static_cast<uint32_t>(program->buffers.size()),
                       static_cast<uint32_t>(dispatches.size()),
                       static_cast<uint32_t>(program->dispatches.size()),
                       static_cast<uint32_t>(checks.size()),
                       static_cast<uint32_t>(program->checks.size()),
                       program->plan ? program->plan->arenaBytes : -1,
                       program->plan ? program->plan->lowerBound : -1,
                       program->paramsOffset, program->paramsBytes});
    for (size_t i = 0; i < program->buffers.size(); i++) {
      const Buffer &buffer = program->buffers[i];
      buffers.push_back(
          {buffer.bytes, buffer.alignment, buffer.first, buffer.last});
      if (planned) {
        offsets.push_back(program->plan ? program->plan->offsets[i] : -1);
      }
    }
    for (const Dispatch &dispatch : program->dispatches) {
      dispatches.push_back({strings.add(dispatch.kernel),
                            strings.add(join(dispatch.nodes, '\n')),
                            dispatch.flops, dispatch.bytes});
    }
    for (const Check &check : program->checks) {
      checks.push_back({strings.add(check.message), check.status, 0});
    }
  }
  fixed.flags = records[0].flags;
  fixed.arena_bytes = records[0].arena_bytes;
  fixed.arena_lower_bound = records[0].arena_lower_bound;
  fixed.programs = append(records);
  fixed.buffers = append(buffers);
  fixed.offsets = append(offsets);
  fixed.dispatches = append(dispatches);
  fixed.checks = append(checks);
}

std::vector<char> Encoder::encode(const Header &header,
                                  const std::string &weightsFile) {
  block.resize(sizeof(fixed));
  fixed.struct_bytes = sizeof(fixed);
  fixed.model_name = strings.add(header.modelName);
  fixed.producer = strings.add(header.producer);
  fixed.compiler_version = strings.add(header.compilerVersion);
  fixed.options = strings.add(header.options);
  fixed.weights_file = strings.add(weightsFile);
  fixed.source_digest = header.sourceDigest;
  encodeArrays(header);
  encodeVariants(header);
  encodePrograms(header);
  fixed.strings = appendBytes(strings.bytes.data(), strings.bytes.size(), 1);
  std::memcpy(block.data(), &fixed, sizeof(fixed));
  return std::move(block);
}

std::vector<char> dlc::binary::encodeHeader(const Header &header,
                                            const std::string &weightsFile) {
  return Encoder().encode(header, weightsFile);
}

std::vector<char> dlc::binary::encodeImages(const Header &header) {
  std::vector<char> bytes;
  ImagePlaces places;
  for (const Variant &variant : header.variants) {
    for (const DeviceImage &image : variant.images) {
      uint64_t place = places.next(image);
      bytes.resize(places.getBytes());
      std::copy(image.bytes.begin(), image.bytes.end(), bytes.begin() + place);
    }
  }
  return bytes;
}
