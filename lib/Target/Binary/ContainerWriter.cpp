// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Writes the parts of a container in file order, with digests made on the way.
#include "Target/Binary/ContainerWriter.h"

#include "OutputFile.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

using namespace dlc::binary;

static_assert(std::endian::native == std::endian::little,
              "records are written as they lie in memory");

static dlc_format_digest canonical(XXH128_hash_t hash) {
  XXH128_canonical_t bytes;
  XXH128_canonicalFromHash(&bytes, hash);
  dlc_format_digest result;
  std::memcpy(result.bytes, bytes.digest, sizeof(result.bytes));
  return result;
}

dlc_format_digest dlc::binary::digest(std::span<const char> bytes) {
  return canonical(XXH3_128bits(bytes.data(), bytes.size()));
}

WeightSource dlc::binary::weightsFromMemory(std::span<const char> bytes) {
  return [bytes](std::span<const char> &chunk, std::string &) mutable {
    chunk = bytes;
    bytes = {};
    return true;
  };
}

namespace {

/// Digests of a stream, one per block.
class BlockDigests {
public:
  BlockDigests() { XXH3_128bits_reset(&state); }

  void add(std::span<const char> bytes) {
    while (!bytes.empty()) {
      size_t take = std::min(bytes.size(), blockBytes - filled);
      XXH3_128bits_update(&state, bytes.data(), take);
      filled += take;
      bytes = bytes.subspan(take);
      if (filled == blockBytes) {
        finish();
      }
    }
  }

  void finish() {
    if (filled > 0) {
      digests.push_back(canonical(XXH3_128bits_digest(&state)));
      XXH3_128bits_reset(&state);
      filled = 0;
    }
  }

  std::vector<dlc_format_digest> digests;

private:
  static constexpr size_t blockBytes = DLC_FORMAT_WEIGHTS_BLOCK_BYTES;
  XXH3_state_t state;
  size_t filled = 0;
};

/// One container on its way to the disk.
class Layout {
public:
  Layout(OutputFile &model, std::string &message)
      : model(model), message(message) {}

  bool writeCode(std::span<const char> code, std::span<const char> images);
  bool writeHeader(std::span<const char> header, bool pageAfter);
  WriteError writeWeights(OutputFile &file, const WeightSource &source);
  bool writeTail();

  dlc_format_footer footer{};

private:
  bool writeZeros(uint64_t alignment, XXH3_state_t *state);

  OutputFile &model;
  std::string &message;
  BlockDigests blocks;
};

} // namespace

/// Fills up to a multiple of `alignment`, counted from the model's start.
bool Layout::writeZeros(uint64_t alignment, XXH3_state_t *state) {
  static const std::array<char, DLC_FORMAT_PAGE_BYTES> zeros{};
  uint64_t rest = model.offset() % alignment;
  std::span<const char> gap(zeros.data(), rest ? alignment - rest : 0);
  if (state) {
    XXH3_128bits_update(state, gap.data(), gap.size());
  }
  return model.write(gap, message);
}

bool Layout::writeCode(std::span<const char> code,
                       std::span<const char> images) {
  constexpr uint64_t alignment = DLC_FORMAT_IMAGE_ALIGNMENT;
  XXH3_state_t state;
  XXH3_128bits_reset(&state);
  XXH3_128bits_update(&state, code.data(), code.size());
  if (!model.write(code, message) || !writeZeros(alignment, &state)) {
    return false;
  }
  footer.code_bytes = code.size();
  if (!images.empty()) {
    footer.images_offset = model.offset();
    footer.images_bytes = images.size();
    XXH3_128bits_update(&state, images.data(), images.size());
    if (!model.write(images, message) || !writeZeros(alignment, &state)) {
      return false;
    }
  }
  footer.header_offset = model.offset();
  footer.code_digest = canonical(XXH3_128bits_digest(&state));
  return true;
}

bool Layout::writeHeader(std::span<const char> header, bool pageAfter) {
  XXH3_state_t state;
  XXH3_128bits_reset(&state);
  XXH3_128bits_update(&state, header.data(), header.size());
  if (!model.write(header, message) ||
      !writeZeros(pageAfter ? DLC_FORMAT_PAGE_BYTES : 16, &state)) {
    return false;
  }
  footer.header_bytes = header.size();
  footer.weights_offset = model.offset();
  footer.header_digest = canonical(XXH3_128bits_digest(&state));
  return true;
}

WriteError Layout::writeWeights(OutputFile &file, const WeightSource &source) {
  for (;;) {
    std::span<const char> chunk;
    if (!source(chunk, message)) {
      return WriteError::Input;
    }
    if (chunk.empty()) {
      break;
    }
    blocks.add(chunk);
    footer.weights_bytes += chunk.size();
    if (!file.write(chunk, message)) {
      return WriteError::Resource;
    }
  }
  blocks.finish();
  return writeZeros(16, nullptr) ? WriteError::None : WriteError::Resource;
}

bool Layout::writeTail() {
  std::span<const char> table(
      reinterpret_cast<const char *>(blocks.digests.data()),
      blocks.digests.size() * sizeof(dlc_format_digest));
  footer.digests_offset = model.offset();
  footer.digests_count = blocks.digests.size();
  footer.digests_digest = digest(table);
  footer.weights_block_bytes = DLC_FORMAT_WEIGHTS_BLOCK_BYTES;
  footer.model_bytes = model.offset() + table.size() + sizeof(footer);
  footer.major = DLC_FORMAT_MAJOR;
  footer.minor = DLC_FORMAT_MINOR;
  std::memcpy(footer.magic, DLC_FORMAT_MAGIC, sizeof(footer.magic));

  const char *bytes = reinterpret_cast<const char *>(&footer);
  size_t hole = offsetof(dlc_format_footer, footer_digest);
  std::vector<char> covered(bytes, bytes + hole);
  covered.insert(covered.end(), bytes + hole + sizeof(footer.footer_digest),
                 bytes + sizeof(footer));
  footer.footer_digest = digest(covered);
  return model.write(table, message) &&
         model.write({bytes, sizeof(footer)}, message);
}

WriteError ContainerWriter::write(const Header &header,
                                  std::span<const char> code,
                                  const WeightSource &weights,
                                  std::string &message) const {
  if (code.size() < 4 || std::memcmp(code.data(), "\177ELF", 4) != 0) {
    message = "expected an ELF shared object as code";
    return WriteError::Input;
  }
  std::string weightsPath = path + ".weights";
  std::string weightsFile =
      external ? weightsPath.substr(weightsPath.rfind('/') + 1) : "";
  std::vector<char> block = encodeHeader(header, weightsFile);

  OutputFile model, beside;
  if (!model.create(path, message) ||
      (external && !beside.create(weightsPath, message)) ||
      (!launcher.empty() && !model.prepend(launcher, message))) {
    return WriteError::Resource;
  }
  Layout layout(model, message);
  if (!layout.writeCode(code, encodeImages(header)) ||
      !layout.writeHeader(block, !external)) {
    return WriteError::Resource;
  }
  if (WriteError error =
          layout.writeWeights(external ? beside : model, weights);
      error != WriteError::None) {
    return error;
  }
  layout.footer.flags = external ? DLC_FOOTER_WEIGHTS_EXTERNAL : 0;
  // The weights come first: a model never refers to weights that are not there.
  if (!layout.writeTail() || (external && !beside.commit(message)) ||
      !model.commit(message)) {
    return WriteError::Resource;
  }
  return WriteError::None;
}
