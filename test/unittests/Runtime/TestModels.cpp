// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Headers of the test models, and helpers.
#include "TestModels.h"

#include "gtest/gtest.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sys/wait.h>

using namespace dlc;
using namespace dlc::binary;

test::TempFolder::TempFolder() {
  std::string name = std::filesystem::temp_directory_path() / "dlc-XXXXXX";
  path = mkdtemp(name.data());
}

test::TempFolder::~TempFolder() { std::filesystem::remove_all(path); }

static Header commonHeader(const std::string &name) {
  Header header;
  header.modelName = name;
  header.producer = "test";
  header.compilerVersion = "0.1.0";
  header.options = "--cpu=native";
  header.variants = {{"generic", name, {}}};
  return header;
}

Header test::affineHeader() {
  Header header = commonHeader("affine");
  header.symbols = {{"batch", 1, 32, -1}};
  header.inputs = {{"x", DLC_FLOAT, 32, {Dim::symbol(0), Dim::fixed(3)}}};
  header.outputs = {{"y", DLC_FLOAT, 32, {Dim::symbol(0), Dim::fixed(3)}}};
  header.buffers = {{DLC_BYTES_AT_SIZING, 64, 0, 1}};
  header.dispatches = {{"multiply", {"Mul_0"}, 3, 24},
                       {"increment", {"Add_1", "Add_2"}, 3, 24}};
  header.metrics = {{"weights", 12}, {"arena at the bound", 384}};
  return header;
}

Header test::nonzeroHeader() {
  Header header = commonHeader("nonzero");
  header.inputs = {{"x", DLC_INT, 64, {Dim::unknown()}}};
  header.outputs = {{"y", DLC_INT, 64, {Dim::unknown()}, /*late=*/true}};
  header.buffers = {{DLC_BYTES_AT_SIZING, 64, 0, 0},
                    {DLC_BYTES_LATE, 64, 0, 0}};
  header.checks = {
      {DLC_USAGE,
       "node 'NonZero_0': expected x[{0}] to be 0 or more, got {1}"}};
  return header;
}

Header test::busyHeader() {
  Header header = commonHeader("busy");
  header.inputs = {{"seed", DLC_UINT, 32, {Dim::fixed(1)}},
                   {"rounds", DLC_INT, 64, {Dim::fixed(1)}}};
  header.outputs = {{"y", DLC_UINT, 32, {Dim::fixed(1000)}}};
  header.dispatches = {{"mix", {"Mix_0"}}};
  header.noSizing = true;
  header.plan = StaticPlan{{}, 0, 0};
  return header;
}

Header test::subnormalHeader() {
  Header header = commonHeader("subnormal");
  header.inputs = {{"x", DLC_FLOAT, 32, {Dim::unknown()}}};
  header.outputs = {{"y", DLC_FLOAT, 32, {Dim::unknown()}}};
  header.dispatches = {{"halve", {"Mul_0"}}};
  return header;
}

std::vector<char> test::readFile(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

void test::writeFile(const std::string &path, const std::vector<char> &bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  EXPECT_TRUE(file.good()) << path;
}

std::vector<char> test::modelCode(const std::string &name) {
  return readFile(std::string(DLC_TEST_MODELS) + "/libtest-model-" + name +
                  ".so");
}

std::vector<char> test::affineWeights() {
  const float scale[] = {1, 2, 3};
  std::vector<char> bytes(sizeof(scale));
  std::memcpy(bytes.data(), scale, sizeof(scale));
  return bytes;
}

void test::writeModel(const std::string &path, const Header &header,
                      const std::string &code,
                      const std::vector<char> &weights) {
  std::string message;
  ASSERT_EQ(ContainerWriter(path).write(header, modelCode(code),
                                        weightsFromMemory(weights), message),
            WriteError::None)
      << message;
}

std::vector<char> test::npyBytes(const std::string &shape,
                                 const std::vector<float> &values,
                                 const std::string &fields) {
  std::string header = "{" + fields + ", 'shape': " + shape + ", }";
  header.resize(128 - 11, ' ');
  header += '\n';
  std::vector<char> bytes = {'\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0, 118, 0};
  bytes.insert(bytes.end(), header.begin(), header.end());
  auto *data = reinterpret_cast<const char *>(values.data());
  bytes.insert(bytes.end(), data, data + values.size() * 4);
  return bytes;
}

test::Outcome test::runCommand(const std::string &command) {
  Outcome outcome;
  FILE *pipe = popen((command + " 2>&1").c_str(), "r");
  if (!pipe) {
    return outcome;
  }
  char buffer[4096];
  while (size_t count = fread(buffer, 1, sizeof(buffer), pipe)) {
    outcome.text.append(buffer, count);
  }
  int status = pclose(pipe);
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

test::Loaded::Loaded(const std::string &path, uint32_t threads, bool profile) {
  EXPECT_EQ(dlc_model_load(path.c_str(), nullptr, &model), DLC_OK)
      << dlc_message();
  dlc_context_options options{};
  options.struct_size = sizeof(options);
  options.num_threads = threads;
  options.profile = profile;
  if (model) {
    EXPECT_EQ(dlc_context_create(model, &options, &context), DLC_OK)
        << dlc_message();
  }
}

test::Loaded::~Loaded() {
  dlc_context_free(context);
  dlc_model_free(model);
}
