// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Lays out the header block: the fixed struct, record arrays, strings.
#include "Target/Binary/ContainerWriter.h"

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
  void encodePlan(const Header &header);

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

  std::vector<dlc_format_variant> variants;
  for (const Variant &variant : header.variants) {
    variants.push_back({strings.add(variant.name), strings.add(variant.prefix),
                        strings.add(join(variant.features, ',')),
                        /*device_type=*/1, 0});
  }
  fixed.variants = append(variants);

  std::vector<dlc_format_dispatch> dispatches;
  for (const Dispatch &dispatch : header.dispatches) {
    dispatches.push_back({strings.add(dispatch.kernel),
                          strings.add(join(dispatch.nodes, '\n')),
                          dispatch.flops, dispatch.bytes});
  }
  fixed.dispatches = append(dispatches);

  std::vector<dlc_format_check> checks;
  for (const Check &check : header.checks) {
    checks.push_back({strings.add(check.message), check.status, 0});
  }
  fixed.checks = append(checks);

  std::vector<dlc_format_metric> metrics;
  for (const Metric &metric : header.metrics) {
    metrics.push_back({strings.add(metric.name), metric.value});
  }
  fixed.metrics = append(metrics);
}

void Encoder::encodePlan(const Header &header) {
  std::vector<dlc_format_buffer> buffers;
  for (const Buffer &buffer : header.buffers) {
    buffers.push_back(
        {buffer.bytes, buffer.alignment, buffer.first, buffer.last});
  }
  fixed.buffers = append(buffers);
  fixed.arena_bytes = fixed.arena_lower_bound = -1;
  if (header.plan) {
    fixed.flags |= DLC_HEADER_STATIC_PLAN;
    fixed.arena_bytes = header.plan->arenaBytes;
    fixed.arena_lower_bound = header.plan->lowerBound;
  }
  fixed.offsets =
      append(header.plan ? header.plan->offsets : std::vector<int64_t>());
}

std::vector<char> Encoder::encode(const Header &header,
                                  const std::string &weightsFile) {
  block.resize(sizeof(fixed));
  fixed.struct_bytes = sizeof(fixed);
  fixed.flags = header.noSizing ? DLC_HEADER_NO_SIZING : 0;
  fixed.model_name = strings.add(header.modelName);
  fixed.producer = strings.add(header.producer);
  fixed.compiler_version = strings.add(header.compilerVersion);
  fixed.options = strings.add(header.options);
  fixed.weights_file = strings.add(weightsFile);
  fixed.source_digest = header.sourceDigest;
  encodeArrays(header);
  encodePlan(header);
  fixed.strings = appendBytes(strings.bytes.data(), strings.bytes.size(), 1);
  std::memcpy(block.data(), &fixed, sizeof(fixed));
  return std::move(block);
}

std::vector<char> dlc::binary::encodeHeader(const Header &header,
                                            const std::string &weightsFile) {
  return Encoder().encode(header, weightsFile);
}
