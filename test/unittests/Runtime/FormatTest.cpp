// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The header decoder: other record sizes, and bytes that lie.
#include "TestModels.h"

extern "C" {
#include "header.h"
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
  return header;
}

/// A copy in exactly sized memory, so that sanitizers see what lies beyond.
dlc_status decode(const std::vector<char> &bytes) {
  std::vector<uint64_t> memory(bytes.size() / 8);
  if (!memory.empty()) {
    std::memcpy(memory.data(), bytes.data(), memory.size() * 8);
  }
  dlc_header header;
  dlc_status status =
      dlc_header_decode(memory.data(), memory.size() * 8, &header);
  dlc_header_free(&header);
  return status;
}

TEST(FormatTest, DecodesWhatWasEncoded) {
  std::vector<char> bytes = binary::encodeHeader(fullHeader(), "w");
  dlc_header header;
  ASSERT_EQ(dlc_header_decode(bytes.data(), bytes.size(), &header), DLC_OK)
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
  ASSERT_EQ(dlc_header_decode(bytes.data(), bytes.size(), &header), DLC_OK)
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
