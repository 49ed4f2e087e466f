// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The container writer: equal bytes, and all or nothing.
#include "TestModels.h"

#include "gtest/gtest.h"

#include <csignal>
#include <filesystem>
#include <sys/resource.h>
#include <sys/stat.h>

using namespace dlc;
using namespace dlc::binary;
using namespace dlc::test;

namespace {

size_t filesIn(const std::string &path) {
  size_t count = 0;
  for (const auto &entry : std::filesystem::directory_iterator(path)) {
    (void)entry;
    count++;
  }
  return count;
}

TEST(WriterTest, EqualInputGivesEqualBytes) {
  TempFolder folder;
  writeModel(folder.file("a"), affineHeader(), "affine", affineWeights());
  writeModel(folder.file("b"), affineHeader(), "affine", affineWeights());
  EXPECT_EQ(readFile(folder.file("a")), readFile(folder.file("b")));
}

TEST(WriterTest, ChunkingDoesNotMatter) {
  TempFolder folder;
  std::vector<char> weights(3000000);
  for (size_t i = 0; i < weights.size(); i++) {
    weights[i] = static_cast<char>(i * 7 + i / 1000);
  }
  writeModel(folder.file("a"), affineHeader(), "affine", weights);
  size_t at = 0, step = 1;
  WeightSource chunks = [&](std::span<const char> &chunk, std::string &) {
    size_t take = std::min(step, weights.size() - at);
    chunk = {weights.data() + at, take};
    at += take;
    step = step * 2 + 1;
    return true;
  };
  std::string message;
  ASSERT_EQ(ContainerWriter(folder.file("b"))
                .write(affineHeader(), modelCode("affine"), chunks, message),
            WriteError::None);
  EXPECT_EQ(readFile(folder.file("a")), readFile(folder.file("b")));
}

TEST(WriterTest, WeightsArePageAligned) {
  TempFolder folder;
  writeModel(folder.file("a"), affineHeader(), "affine", affineWeights());
  std::vector<char> bytes = readFile(folder.file("a"));
  dlc_format_footer footer;
  memcpy(&footer, bytes.data() + bytes.size() - sizeof(footer), sizeof(footer));
  EXPECT_EQ(footer.weights_offset % DLC_FORMAT_PAGE_BYTES, 0u);
  EXPECT_EQ(footer.weights_bytes, 12u);
}

TEST(WriterTest, NewFileObeysTheUmask) {
  TempFolder folder;
  mode_t old = umask(027);
  writeModel(folder.file("a"), affineHeader(), "affine", affineWeights());
  umask(old);
  struct stat info;
  ASSERT_EQ(stat(folder.file("a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0640u);
}

TEST(WriterTest, CodeMustBeElf) {
  TempFolder folder;
  std::string message;
  EXPECT_EQ(ContainerWriter(folder.file("a"))
                .write(affineHeader(), std::vector<char>(100, 'x'),
                       weightsFromMemory({}), message),
            WriteError::Input);
  EXPECT_EQ(filesIn(folder.file("")), 0u);
}

TEST(WriterTest, FailingSourceKeepsTheOldFile) {
  TempFolder folder;
  writeFile(folder.file("a"), {'o', 'l', 'd'});
  std::string message;
  WeightSource failing = [](std::span<const char> &, std::string &error) {
    error = "cancelled";
    return false;
  };
  EXPECT_EQ(ContainerWriter(folder.file("a"))
                .write(affineHeader(), modelCode("affine"), failing, message),
            WriteError::Input);
  EXPECT_EQ(message, "cancelled");
  EXPECT_EQ(readFile(folder.file("a")), (std::vector<char>{'o', 'l', 'd'}));
  EXPECT_EQ(filesIn(folder.file("")), 1u);
}

/// A file size limit fails writes as a full disk does.
TEST(WriterTest, FullDiskKeepsTheOldFile) {
  TempFolder folder;
  writeFile(folder.file("a"), {'o', 'l', 'd'});
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  rlimit small = {1 << 20, old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  std::vector<char> weights(2 << 20);
  std::string message;
  WriteError error = ContainerWriter(folder.file("a"))
                         .write(affineHeader(), modelCode("affine"),
                                weightsFromMemory(weights), message);
  setrlimit(RLIMIT_FSIZE, &old);
  EXPECT_EQ(error, WriteError::Resource);
  EXPECT_NE(message.find("cannot write '" + folder.file("a")),
            std::string::npos)
      << message;
  EXPECT_EQ(readFile(folder.file("a")), (std::vector<char>{'o', 'l', 'd'}));
  EXPECT_EQ(filesIn(folder.file("")), 1u);
}

TEST(WriterTest, MissingFolderIsNamed) {
  TempFolder folder;
  std::string message;
  EXPECT_EQ(ContainerWriter(folder.file("none/a"))
                .write(affineHeader(), modelCode("affine"),
                       weightsFromMemory({}), message),
            WriteError::Resource);
  EXPECT_NE(message.find("No such file"), std::string::npos) << message;
}

} // namespace
