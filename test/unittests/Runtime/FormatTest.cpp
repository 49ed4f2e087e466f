// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The header decoder: other record sizes, and bytes that lie.
#include "TestModels.h"

extern "C" {
#include "header.h"
#include "image.h"
}

#include "gtest/gtest.h"

#include <cstring>
#include <random>

using namespace dlc;
using namespace dlc::test;

namespace {

/// A header that uses every array.
binary::Header fullHeader() {
  binary::Header header = affineHeader();
  header.checks = {{1, "check {0}"}};
  header.buffers = {
      {100, 64, 0, 1}, {50, 64, 1, 2}, {DLC_BYTES_LATE, 64, 2, 2}};
  header.plan = binary::StaticPlan{{0, 128, -1}, 192, 192};
  binary::Program &other = header.otherPrograms.emplace_back();
  other.buffers = {{DLC_BYTES_AT_SIZING, 256, 0, 3}};
  other.dispatches = {{"both", {"Mul_0", "Add_1"}}};
  other.checks = {{2, "other check"}};
  other.paramsOffset = 64;
  binary::Variant &gpu = header.variants.emplace_back();
  gpu.name = "cuda";
  gpu.prefix = "cuda";
  gpu.deviceType = DLC_DEVICE_CUDA;
  gpu.program = 1;
  gpu.images = {{DLC_IMAGE_PTX, 80, 0, std::string(100, 'p')},
                {DLC_IMAGE_CUBIN, 90, 'a', "cubin"}};
  gpu.kernels = {{"both_0", 1024, 65536, 128}};
  return header;
}

/// Of the parts of the model that go with it.
const dlc_header_bounds bounds = {/*weights_bytes=*/1000, /*images_bytes=*/192};

/// A copy in exactly sized memory, so that sanitizers see what lies beyond.
dlc_status decode(const std::vector<char> &bytes) {
  std::vector<uint64_t> memory(bytes.size() / 8);
  if (!memory.empty()) {
    std::memcpy(memory.data(), bytes.data(), memory.size() * 8);
  }
  dlc_header header;
  dlc_status status =
      dlc_header_decode(memory.data(), memory.size() * 8, bounds, &header);
  dlc_header_free(&header);
  return status;
}

TEST(FormatTest, DecodesWhatWasEncoded) {
  std::vector<char> bytes = binary::encodeHeader(fullHeader(), "w");
  dlc_header header;
  ASSERT_EQ(dlc_header_decode(bytes.data(), bytes.size(), bounds, &header),
            DLC_OK)
      << dlc_message();
  EXPECT_EQ(header.num_inputs, 1u);
  EXPECT_STREQ(dlc_header_text(&header, header.inputs[0].name), "x");
  EXPECT_EQ(header.num_input_dims, 2u);
  EXPECT_EQ(header.dims[1].value, 3);
  EXPECT_EQ(header.symbols[0].max, 32);
  EXPECT_EQ(header.offsets[1], 128);
  EXPECT_STREQ(dlc_header_text(&header, header.dispatches[1].nodes),
               "Add_1\nAdd_2");
  EXPECT_STREQ(dlc_header_text(&header, header.fixed.weights_file), "w");
  dlc_header_free(&header);
}

TEST(FormatTest, DecodesTheProgramsOfVariants) {
  std::vector<char> bytes = binary::encodeHeader(fullHeader());
  dlc_header header;
  ASSERT_EQ(dlc_header_decode(bytes.data(), bytes.size(), bounds, &header),
            DLC_OK)
      << dlc_message();
  const dlc_program &first = header.programs[header.variants[0].program];
  EXPECT_EQ(first.num_buffers, 3u);
  EXPECT_EQ(first.arena_bytes, 192);
  EXPECT_EQ(first.num_dispatches, 2u);
  EXPECT_EQ(first.params_bytes, 1000u);
  const dlc_program &other = header.programs[header.variants[1].program];
  ASSERT_EQ(other.num_buffers, 1u);
  EXPECT_EQ(other.buffers[0].alignment, 256);
  EXPECT_EQ(other.offsets, nullptr);
  EXPECT_EQ(other.arena_bytes, -1);
  EXPECT_EQ(other.first_dispatch, 2u);
  ASSERT_EQ(other.num_checks, 1u);
  EXPECT_STREQ(dlc_header_text(&header, other.checks[0].message),
               "other check");
  EXPECT_EQ(other.params_offset, 64u);
  EXPECT_EQ(other.params_bytes, 936u);
  dlc_header_free(&header);
}

TEST(FormatTest, DecodesImagesAndKernels) {
  std::vector<char> bytes = binary::encodeHeader(fullHeader());
  std::vector<char> images = binary::encodeImages(fullHeader());
  dlc_header header;
  ASSERT_EQ(images.size(), bounds.images_bytes);
  ASSERT_EQ(dlc_header_decode(bytes.data(), bytes.size(), bounds, &header),
            DLC_OK)
      << dlc_message();
  EXPECT_EQ(header.variants[0].num_images, 0u);
  ASSERT_EQ(header.variants[1].num_images, 2u);
  const dlc_format_image &image =
      header.images[header.variants[1].first_image + 1];
  EXPECT_EQ(image.kind, DLC_IMAGE_CUBIN);
  EXPECT_EQ(image.arch, 90u);
  EXPECT_EQ(image.arch_suffix, uint32_t('a'));
  EXPECT_STREQ(images.data() + image.offset, "cubin");
  EXPECT_EQ(dlc_image_check(&image, images.data()), DLC_OK) << dlc_message();
  ASSERT_EQ(header.variants[1].num_kernels, 1u);
  const dlc_format_kernel &kernel = header.kernels[0];
  EXPECT_STREQ(dlc_header_text(&header, kernel.name), "both_0");
  EXPECT_EQ(kernel.static_shared_bytes, 1024u);
  EXPECT_EQ(kernel.dynamic_shared_bytes, 65536u);
  EXPECT_EQ(kernel.threads, 128u);
  dlc_header_free(&header);
}

/// The zero byte after the text counts, too.
TEST(FormatTest, ImageBeyondItsSectionIsRefused) {
  std::vector<char> bytes = binary::encodeHeader(fullHeader());
  dlc_header header;
  for (uint64_t room : {0, 64, 100, 128, 133}) {
    EXPECT_EQ(
        dlc_header_decode(bytes.data(), bytes.size(), {1000, room}, &header),
        DLC_CORRUPT)
        << room;
  }
  ASSERT_EQ(dlc_header_decode(bytes.data(), bytes.size(), {1000, 134}, &header),
            DLC_OK)
      << dlc_message();
  dlc_header_free(&header);
}

TEST(FormatTest, ParamsBeyondTheWeightsAreRefused) {
  binary::Header header = fullHeader();
  header.otherPrograms[0].paramsBytes = 936;
  EXPECT_EQ(decode(binary::encodeHeader(header)), DLC_OK) << dlc_message();
  header.otherPrograms[0].paramsBytes = 937;
  EXPECT_EQ(decode(binary::encodeHeader(header)), DLC_CORRUPT);
}

TEST(FormatTest, ImageWithAWrongByteDoesNotMatch) {
  std::vector<char> bytes = binary::encodeHeader(fullHeader());
  std::vector<char> images = binary::encodeImages(fullHeader());
  dlc_header header;
  ASSERT_EQ(dlc_header_decode(bytes.data(), bytes.size(), bounds, &header),
            DLC_OK);
  images[50] ^= 1;
  EXPECT_EQ(dlc_image_check(&header.images[0], images.data()), DLC_CORRUPT);
  EXPECT_STREQ(dlc_message(), "the PTX for sm_80 does not match its digest");
  EXPECT_EQ(dlc_image_check(&header.images[1], images.data()), DLC_OK);
  dlc_header_free(&header);
}

/// A newer minor version appends fields to records.
TEST(FormatTest, LongerRecordsAreRead) {
  std::vector<char> bytes = binary::encodeHeader(fullHeader());
  dlc_format_header fixed;
  std::memcpy(&fixed, bytes.data(), sizeof(fixed));
  dlc_format_array old = fixed.symbols;
  fixed.symbols.offset = static_cast<uint32_t>(bytes.size());
  fixed.symbols.stride = old.stride + 16;
  for (uint32_t i = 0; i < old.count; i++) {
    const char *record = bytes.data() + old.offset + i * old.stride;
    std::vector<char> copy(record, record + old.stride);
    bytes.insert(bytes.end(), copy.begin(), copy.end());
    bytes.insert(bytes.end(), 16, 'n');
  }
  std::memcpy(bytes.data(), &fixed, sizeof(fixed));
  dlc_header header;
  ASSERT_EQ(dlc_header_decode(bytes.data(), bytes.size(), bounds, &header),
            DLC_OK)
      << dlc_message();
  EXPECT_EQ(header.symbols[0].max, 32);
  dlc_header_free(&header);
}

TEST(FormatTest, EveryTruncationIsAnError) {
  std::vector<char> bytes = binary::encodeHeader(fullHeader());
  for (size_t length = 0; length < bytes.size(); length += 8) {
    std::vector<char> cut(bytes.begin(), bytes.begin() + length);
    EXPECT_EQ(decode(cut), DLC_CORRUPT) << length;
  }
}

/// Every 4 bytes of the header replaced by values at the edges: no read out of
/// bounds (the sanitizer build says), and only OK or corrupt.
TEST(FormatTest, HostileNumbersAreHarmless) {
  const std::vector<char> good = binary::encodeHeader(fullHeader());
  const uint32_t values[] = {0,          1,          7,
                             8,          0x7fffffff, 0x80000000,
                             0xffffffff, 0xfffffff8, uint32_t(good.size())};
  int refused = 0;
  for (size_t at = 0; at < good.size(); at += 4) {
    for (uint32_t value : values) {
      std::vector<char> bytes = good;
      std::memcpy(bytes.data() + at, &value, 4);
      dlc_status status = decode(bytes);
      ASSERT_TRUE(status == DLC_OK || status == DLC_CORRUPT) << at;
      refused += status != DLC_OK;
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST(FormatTest, RandomBytesAreHarmless) {
  const std::vector<char> good = binary::encodeHeader(fullHeader());
  std::mt19937 random(1);
  for (int round = 0; round < 20000; round++) {
    std::vector<char> bytes = good;
    for (int i = 0; i < 3; i++) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    dlc_status status = decode(bytes);
    ASSERT_TRUE(status == DLC_OK || status == DLC_CORRUPT ||
                status == DLC_RESOURCE);
  }
}

TEST(FormatTest, BufferOutsideTheArenaIsRefused) {
  binary::Header header = fullHeader();
  header.plan->offsets[1] = 192;
  EXPECT_EQ(decode(binary::encodeHeader(header)), DLC_CORRUPT);
}

TEST(FormatTest, DynamicOutputNeedsASizingFunction) {
  binary::Header header = affineHeader();
  header.buffers.clear();
  header.noSizing = true;
  EXPECT_EQ(decode(binary::encodeHeader(header)), DLC_CORRUPT);
}

} // namespace
