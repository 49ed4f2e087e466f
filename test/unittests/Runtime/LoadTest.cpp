// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Loading models: what is accepted, and one clear error for what is not.
#include "LoadFixture.h"

#include "dlc/exec.h"

#include "gtest/gtest.h"

#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>

using namespace dlc;
using namespace dlc::test;

namespace {

TEST_F(LoadTest, RunsWhatTheWriterWrote) {
  EXPECT_EQ(runAffine(affine()), (std::vector<float>{2, 3, 4}));
}

TEST_F(LoadTest, MissingFile) {
  expectError(folder.file("none.dlc"), DLC_CORRUPT, "cannot open");
}

TEST_F(LoadTest, Folder) {
  expectError(folder.file(""), DLC_CORRUPT, "is not a file");
}

TEST_F(LoadTest, EmptyFile) {
  writeFile(folder.file("m"), {});
  expectError(folder.file("m"), DLC_CORRUPT, "is empty");
}

TEST_F(LoadTest, OtherFile) {
  writeFile(folder.file("m"), std::vector<char>(5000, 'x'));
  expectError(folder.file("m"), DLC_CORRUPT, "is not a dlc model");
}

TEST_F(LoadTest, ElfFileWithoutTail) {
  writeFile(folder.file("m"), modelCode("affine"));
  expectError(folder.file("m"), DLC_CORRUPT, "no footer at the end");
}

TEST_F(LoadTest, EveryTruncationIsAnError) {
  std::vector<char> bytes = readFile(affine());
  for (size_t length = 0; length < bytes.size();
       length += length + 300 < bytes.size() ? 97 : 1) {
    std::vector<char> cut(bytes.begin(), bytes.begin() + length);
    writeFile(folder.file("m"), cut);
    dlc_model *model;
    ASSERT_EQ(dlc_model_load(folder.file("m").c_str(), nullptr, &model),
              DLC_CORRUPT)
        << length;
  }
}

TEST_F(LoadTest, FrontMissing) {
  std::vector<char> bytes = readFile(affine());
  bytes.erase(bytes.begin(), bytes.begin() + 4096);
  writeFile(folder.file("m"), bytes);
  expectError(folder.file("m"), DLC_CORRUPT, "is cut short: expected");
}

TEST_F(LoadTest, OtherMajorVersion) {
  std::vector<char> bytes = readFile(affine());
  dlc_format_footer footer = footerOf(bytes);
  footer.major = 7;
  footer.minor = 3;
  seal(bytes, footer);
  writeFile(folder.file("m"), bytes);
  expectError(folder.file("m"), DLC_CORRUPT,
              "has container version 7.3, expected 1.x");
}

TEST_F(LoadTest, NewerMinorVersionIsRead) {
  std::vector<char> bytes = readFile(affine());
  dlc_format_footer footer = footerOf(bytes);
  footer.minor = 9;
  seal(bytes, footer);
  writeFile(folder.file("m"), bytes);
  EXPECT_EQ(runAffine(folder.file("m")), (std::vector<float>{2, 3, 4}));
}

/// Every byte after the code, and a sample of the code.
TEST_F(LoadTest, EveryFlippedByteIsFound) {
  std::vector<char> bytes = readFile(affine());
  size_t header = footerOf(bytes).header_offset;
  std::string path = folder.file("m");
  writeFile(path, bytes);
  int file = open(path.c_str(), O_WRONLY);
  dlc_load_options options{};
  options.struct_size = sizeof(options);
  options.verify_weights = 1;
  for (size_t i = 0; i < bytes.size(); i += i < header ? 31 : 1) {
    char flipped = static_cast<char>(bytes[i] ^ (1 << i % 8));
    ASSERT_EQ(pwrite(file, &flipped, 1, static_cast<off_t>(i)), 1);
    dlc_model *model;
    ASSERT_EQ(dlc_model_load(path.c_str(), &options, &model), DLC_CORRUPT)
        << "byte " << i;
    ASSERT_EQ(pwrite(file, &bytes[i], 1, static_cast<off_t>(i)), 1);
  }
  close(file);
}

TEST_F(LoadTest, DamagedWeightsAreFoundWhenAsked) {
  std::vector<char> bytes = readFile(affine());
  bytes[footerOf(bytes).weights_offset + 1] ^= 1;
  writeFile(folder.file("m"), bytes);
  expectError(folder.file("m"), DLC_CORRUPT,
              "are damaged: bytes 0 to 11 do not match", true);
  dlc_model *model;
  EXPECT_EQ(dlc_model_load(folder.file("m").c_str(), nullptr, &model), DLC_OK);
  dlc_model_free(model);
}

TEST_F(LoadTest, DamagedBlockOfLargeWeightsIsNamed) {
  std::vector<char> weights(5 << 19, 'w'); // two and a half blocks
  std::string path = folder.file("m");
  writeModel(path, affineHeader(), "affine", weights);
  std::vector<char> bytes = readFile(path);
  bytes[footerOf(bytes).weights_offset + (5 << 19) - 1] ^= 1;
  writeFile(path, bytes);
  expectError(path, DLC_CORRUPT, "bytes 2097152 to 2621439", true);
}

/// Offsets that lie, under digests that match.
TEST_F(LoadTest, FooterOffsetsAreChecked) {
  std::vector<char> bytes = readFile(affine());
  dlc_format_footer good = footerOf(bytes);
  const uint64_t values[] = {0,
                             1,
                             4096,
                             UINT64_MAX,
                             UINT64_MAX - 4095,
                             1ull << 63,
                             good.model_bytes,
                             good.model_bytes + 1};
  constexpr size_t fields = offsetof(dlc_format_footer, flags) / 8;
  for (size_t field = 0; field < fields; field++) {
    for (uint64_t value : values) {
      dlc_format_footer footer = good;
      std::memcpy(reinterpret_cast<char *>(&footer) + field * 8, &value, 8);
      if (std::memcmp(&footer, &good, sizeof(good)) == 0) {
        continue;
      }
      seal(bytes, footer);
      writeFile(folder.file("m"), bytes);
      dlc_model *model = nullptr;
      // Other lengths of code, header or blocks may contradict nothing.
      bool harmless = field == 1 || field == 3 || field == 8;
      dlc_status status =
          dlc_model_load(folder.file("m").c_str(), nullptr, &model);
      EXPECT_TRUE(status == DLC_CORRUPT || (harmless && status == DLC_OK))
          << "field " << field << " = " << value << ": " << dlc_message();
      dlc_model_free(model);
    }
  }
}

TEST_F(LoadTest, MissingFunctionIsNamed) {
  binary::Header header = affineHeader();
  header.variants[0].prefix = "other";
  writeModel(folder.file("m"), header, "affine");
  expectError(folder.file("m"), DLC_CORRUPT, "'other_run'");
}

TEST_F(LoadTest, MissingFeatureIsNamed) {
  binary::Header header = affineHeader();
  header.variants[0].features = {"sse2", "no-such-feature", "avx"};
  writeModel(folder.file("m"), header, "affine");
  expectError(folder.file("m"), DLC_UNSUPPORTED,
              "'generic' needs no-such-feature");
}

TEST_F(LoadTest, FirstVariantThatRunsIsTaken) {
  binary::Header header = affineHeader();
  header.variants = {{"future", "affine", {"no-such-feature"}},
                     {"plain", "affine", {"sse2"}},
                     {"plainer", "affine", {}}};
  writeModel(folder.file("m"), header, "affine", affineWeights());
  Loaded loaded(folder.file("m"));
  dlc_model_info info{};
  info.struct_size = sizeof(info);
  ASSERT_EQ(dlc_model_get_info(loaded.model, &info), DLC_OK);
  EXPECT_STREQ(info.variant, "plain");
  EXPECT_STREQ(info.variant_features, "sse2");
  dlc_variant_info variant{};
  variant.struct_size = sizeof(variant);
  ASSERT_EQ(dlc_model_get_variant(loaded.model, 0, &variant), DLC_OK);
  EXPECT_EQ(variant.supported, 0u);
}

TEST_F(LoadTest, NamedVariant) {
  binary::Header header = affineHeader();
  header.variants = {{"a", "affine", {}}, {"b", "affine", {}}};
  writeModel(folder.file("m"), header, "affine", affineWeights());
  dlc_load_options options{};
  options.struct_size = sizeof(options);
  options.variant = "b";
  dlc_model *model;
  ASSERT_EQ(dlc_model_load(folder.file("m").c_str(), &options, &model), DLC_OK);
  dlc_model_free(model);
  options.variant = "c";
  EXPECT_EQ(dlc_model_load(folder.file("m").c_str(), &options, &model),
            DLC_USAGE);
  EXPECT_STREQ(dlc_message(), "no code variant 'c', expected one of 'a', 'b'");
}

TEST_F(LoadTest, StructSizeIsRequired) {
  dlc_load_options options{};
  dlc_model *model;
  EXPECT_EQ(dlc_model_load(affine().c_str(), &options, &model), DLC_USAGE);
}

/// An older caller knows fewer fields.
TEST_F(LoadTest, SmallerStructIsRespected) {
  Loaded loaded(affine());
  dlc_model_info info;
  std::memset(&info, 0x55, sizeof(info));
  info.struct_size = offsetof(dlc_model_info, compiler_version);
  ASSERT_EQ(dlc_model_get_info(loaded.model, &info), DLC_OK);
  EXPECT_STREQ(info.name, "affine");
  uint64_t next;
  std::memcpy(&next, &info.compiler_version, sizeof(next));
  EXPECT_EQ(next, 0x5555555555555555u);
}

/// The dynamic linker keeps libraries by path, and file numbers come again.
TEST_F(LoadTest, EachModelGetsItsOwnCode) {
  std::string a = affine(), b = folder.file("b.dlc");
  binary::Header header = subnormalHeader();
  writeModel(b, header, "subnormal");
  dlc_model *first, *second;
  ASSERT_EQ(dlc_model_load(a.c_str(), nullptr, &first), DLC_OK);
  ASSERT_EQ(dlc_model_load(a.c_str(), nullptr, &second), DLC_OK);
  dlc_model_free(first);
  dlc_model *third;
  ASSERT_EQ(dlc_model_load(b.c_str(), nullptr, &third), DLC_OK)
      << dlc_message();
  dlc_model_free(second);
  dlc_model_free(third);
}

TEST_F(LoadTest, ReplacedFileIsLoadedAnew) {
  std::string path = affine();
  Loaded old(path);
  std::vector<char> weights = affineWeights();
  std::memcpy(weights.data(), weights.data() + 8, 4);
  writeModel(path, affineHeader(), "affine", weights);
  EXPECT_EQ(runAffine(path), (std::vector<float>{4, 3, 4}));
}

/// Each container version leaves one file behind, which must run for ever.
TEST_F(LoadTest, OldContainersRun) {
  EXPECT_EQ(runAffine(DLC_TEST_FIXTURES "/affine-1.0.dlc"),
            (std::vector<float>{2, 3, 4}));
}

/// A sparse file with 5 GiB of weights: mapped, not read.
TEST_F(LoadTest, WeightsMayBeLarge) {
  binary::Header header = busyHeader();
  header.variants[0].prefix = "far";
  header.inputs = {{"offset", DLC_INT, 64, {binary::Dim::fixed(1)}}};
  header.outputs = {{"y", DLC_INT, 64, {binary::Dim::fixed(1)}}};
  std::string path = folder.file("far.dlc");
  writeModel(path, header, "far");
  std::vector<char> bytes = readFile(path);
  dlc_format_footer footer = footerOf(bytes);
  footer.weights_bytes = 5ull << 30;
  footer.digests_offset = footer.weights_offset + footer.weights_bytes;
  footer.digests_count = 5 << 10;
  std::vector<char> tail(footer.digests_count * 16 + sizeof(footer));
  footer.model_bytes = footer.digests_offset + tail.size();
  footer.digests_digest = dlc_digest(tail.data(), tail.size() - sizeof(footer));
  seal(tail, footer);
  int file = open(path.c_str(), O_WRONLY);
  ASSERT_EQ(ftruncate(file, static_cast<off_t>(footer.weights_offset)), 0);
  const int64_t marker = 0x1122334455667788, place = (5ll << 30) - 8;
  auto at = static_cast<off_t>(footer.weights_offset);
  ASSERT_EQ(pwrite(file, &marker, 8, at + place), 8);
  ASSERT_EQ(pwrite(file, tail.data(), tail.size(),
                   static_cast<off_t>(footer.digests_offset)),
            static_cast<ssize_t>(tail.size()));
  close(file);

  Loaded loaded(path);
  Tensor<int64_t> offset({1}, {place}, int64);
  dlc_tensor input = offset.get(), output{};
  ASSERT_EQ(dlc_context_run(loaded.context, &input, 1, &output, 1), DLC_OK)
      << dlc_message();
  EXPECT_EQ(valuesOf<int64_t>(output), std::vector<int64_t>{marker});
}

// ---- External weights ------------------------------------------------------

class ExternalTest : public LoadTest {
protected:
  std::string write() {
    std::string path = folder.file("e.dlc"), message;
    binary::ContainerWriter writer(path);
    writer.setExternalWeights();
    std::vector<char> weights = affineWeights();
    EXPECT_EQ(writer.write(affineHeader(), modelCode("affine"),
                           binary::weightsFromMemory(weights), message),
              binary::WriteError::None)
        << message;
    return path;
  }
};

TEST_F(ExternalTest, Runs) {
  EXPECT_EQ(runAffine(write()), (std::vector<float>{2, 3, 4}));
}

TEST_F(ExternalTest, RunsThroughALink) {
  std::filesystem::create_directory(folder.file("sub"));
  std::filesystem::create_symlink(write(), folder.file("sub/link.dlc"));
  EXPECT_EQ(runAffine(folder.file("sub/link.dlc")),
            (std::vector<float>{2, 3, 4}));
}

TEST_F(ExternalTest, MissingWeights) {
  std::string path = write();
  std::filesystem::remove(path + ".weights");
  expectError(path, DLC_CORRUPT, "e.dlc.weights");
}

TEST_F(ExternalTest, ShortWeights) {
  std::string path = write();
  std::filesystem::resize_file(path + ".weights", 11);
  expectError(path, DLC_CORRUPT, "expected 12 bytes, got 11");
}

TEST_F(ExternalTest, DamagedWeights) {
  std::string path = write();
  std::vector<char> weights = affineWeights();
  weights[3] ^= 4;
  writeFile(path + ".weights", weights);
  expectError(path, DLC_CORRUPT, "weights of", true);
}

TEST_F(ExternalTest, PathIsRefused) {
  std::string path = write();
  std::vector<char> bytes = readFile(path);
  dlc_format_footer footer = footerOf(bytes);
  std::string name = "e.dlc.weights";
  auto at = std::search(bytes.begin() + footer.header_offset, bytes.end(),
                        name.begin(), name.end());
  ASSERT_NE(at, bytes.end());
  *at = '/';
  footer.header_digest =
      dlc_digest(bytes.data() + footer.header_offset,
                 footer.weights_offset - footer.header_offset);
  seal(bytes, footer);
  writeFile(path, bytes);
  expectError(path, DLC_CORRUPT, "plain file name, got '/.dlc.weights'");
}

// ---- Models inside programs ------------------------------------------------

TEST_F(LoadTest, ModelBehindALauncher) {
  std::string path = folder.file("program"), launcher = folder.file("launcher");
  writeFile(launcher, std::vector<char>(5001, 'l'));
  binary::ContainerWriter writer(path);
  writer.setLauncher(launcher);
  std::string message;
  std::vector<char> weights = affineWeights();
  ASSERT_EQ(writer.write(affineHeader(), modelCode("affine"),
                         binary::weightsFromMemory(weights), message),
            binary::WriteError::None)
      << message;
  EXPECT_EQ(access(path.c_str(), X_OK), 0);
  EXPECT_EQ(runAffine(path), (std::vector<float>{2, 3, 4}));
}

int32_t embeddedSize(dlc_exec *exec) {
  exec->output_dims[0] = exec->input_dims[0];
  return 0;
}

int32_t embeddedRun(dlc_exec *exec) {
  auto *y = static_cast<float *>(exec->outputs[0]);
  for (int64_t i = 0; i < exec->input_dims[0]; i++) {
    y[i] = static_cast<const float *>(exec->inputs[0])[i] +
           static_cast<float>(exec->params[0]);
  }
  return 0;
}

TEST_F(LoadTest, EmbeddedModel) {
  std::vector<char> block = binary::encodeHeader(subnormalHeader());
  dlc_entry *size = embeddedSize, *run = embeddedRun;
  const char weights[] = {5};
  dlc_embedded_model embedded = {sizeof(embedded),
                                 block.data(),
                                 block.size(),
                                 weights,
                                 1,
                                 &size,
                                 &run,
                                 nullptr,
                                 0};
  dlc_model *model;
  ASSERT_EQ(dlc_model_load_embedded(&embedded, nullptr, &model), DLC_OK)
      << dlc_message();
  dlc_context *context;
  ASSERT_EQ(dlc_context_create(model, nullptr, &context), DLC_OK);
  dlc_model_free(model); // the context keeps it
  Tensor<float> x({2}, {1, 2}, float32);
  dlc_tensor input = x.get(), output{};
  ASSERT_EQ(dlc_context_run(context, &input, 1, &output, 1), DLC_OK);
  EXPECT_EQ(valuesOf<float>(output), (std::vector<float>{6, 7}));
  dlc_context_free(context);
}

} // namespace
