// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The tool dlc-run: exit codes, files in and out, what it prints.
#include "TestModels.h"

#include "gtest/gtest.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>

using namespace dlc;
using namespace dlc::test;

namespace {

class DlcRunTest : public testing::Test {
protected:
  void SetUp() override {
    model = folder.file("affine.dlc");
    writeModel(model, affineHeader(), "affine", affineWeights());
  }

  Outcome run(const std::string &arguments) {
    return runCommand(std::string(DLC_TEST_RUN_TOOL) + " " + arguments);
  }

  void expectError(const std::string &arguments, int code,
                   const std::string &part) {
    Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, code) << outcome.text;
    EXPECT_NE(outcome.text.find("error: "), std::string::npos);
    EXPECT_NE(outcome.text.find(part), std::string::npos) << outcome.text;
  }

  /// A .npy file of float32, as numpy.save writes it.
  void writeNpy(const std::string &name, const std::string &shape,
                const std::vector<float> &values,
                const std::string &fields = "'descr': '<f4', "
                                            "'fortran_order': False") {
    writeFile(folder.file(name), npyBytes(shape, values, fields));
  }

  /// An ONNX TensorProto of float32: dims, type 1, name, and the values either
  /// raw or in float_data.
  void writeProto(const std::string &name, const std::string &tensorName,
                  const std::vector<int64_t> &dims,
                  const std::vector<float> &values, bool raw) {
    std::vector<char> bytes;
    for (int64_t dim : dims) {
      bytes.insert(bytes.end(), {1 << 3 | 0, static_cast<char>(dim)});
    }
    bytes.insert(bytes.end(), {2 << 3 | 0, 1, 8 << 3 | 2,
                               static_cast<char>(tensorName.size())});
    bytes.insert(bytes.end(), tensorName.begin(), tensorName.end());
    auto *data = reinterpret_cast<const char *>(values.data());
    bytes.insert(bytes.end(), {static_cast<char>((raw ? 9 : 4) << 3 | 2),
                               static_cast<char>(values.size() * 4)});
    bytes.insert(bytes.end(), data, data + values.size() * 4);
    writeFile(folder.file(name), bytes);
  }

  TempFolder folder;
  std::string model;
};

// ---- The command line ------------------------------------------------------

TEST_F(DlcRunTest, HelpAndVersion) {
  EXPECT_EQ(run("--help").code, 0);
  EXPECT_EQ(run("--version").text, "dlc-run 0.1.0\n");
}

TEST_F(DlcRunTest, UsageErrors) {
  expectError("", 1, "expected a model");
  expectError(model + " --quantum", 1, "unknown option '--quantum'");
  expectError(model + " " + model, 1, "expected one model");
  expectError(model + " --threads=-1", 1, "--threads: expected a whole number");
  expectError(model + " --duration=3h", 1, "--duration: expected a time");
  expectError(model + " --input", 1, "--input: expected a value");
  expectError(model, 1, "input 'x' is not given");
  expectError(model + " --device=gpu --random", 1,
              "--device: expected a device such as cpu, cuda:0 or ptxsim, got "
              "'gpu'");
}

TEST_F(DlcRunTest, BadModels) {
  expectError(folder.file("none.dlc"), 1, "cannot open");
  std::filesystem::resize_file(model, 1000);
  expectError(model, 6, "cut short");
}

TEST_F(DlcRunTest, DamagedWeightsAreRefused) {
  std::vector<char> bytes = readFile(model);
  dlc_format_footer footer;
  memcpy(&footer, bytes.data() + bytes.size() - sizeof(footer), sizeof(footer));
  bytes[footer.weights_offset] ^= 1;
  writeFile(model, bytes);
  expectError(model + " --random", 6, "the weights of");
}

TEST_F(DlcRunTest, InputErrors) {
  expectError(model + " --input z=1x3xf32=1", 1,
              "no input 'z', expected one of 'x'");
  expectError(model + " --input x=1x4xf32=1", 1,
              "expected dim 1 to be 3, got 4");
  expectError(model + " --input x=1x3xi64=1", 1,
              "expected type float32, got int64");
  expectError(model + " --input x=1x3xq7=1", 1,
              "expected @FILE.npy or a shape");
  expectError(model + " --input x=1x3xf32=1,2", 1, "expected 1 or 3 numbers");
  expectError(model + " --input x=@none.npy", 1, "cannot read 'none.npy'");
  expectError(model + " --input x=40x3xf32=1", 1, "to be in 1..32, got 40");
}

TEST_F(DlcRunTest, PrintsOutputs) {
  Outcome outcome = run(model + " --input x=2x3xf32=1,2,3,4,5,6");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.text, "y: float32 [2, 3], min 2, max 19, mean 8.66667\n"
                          "  2, 5, 10, 5, 11, 19\n");
}

TEST_F(DlcRunTest, RandomInputsFollowTheSeed) {
  std::string one = run(model + " --random --seed=1").text;
  EXPECT_EQ(run(model + " --random --seed=1").text, one);
  EXPECT_NE(run(model + " --random --seed=2").text, one);
}

TEST_F(DlcRunTest, Info) {
  Outcome outcome = run(model + " --info");
  EXPECT_EQ(outcome.code, 0);
  for (const char *part :
       {"model     affine", "input     x: float32 [batch: 1..32, 3]",
        "weights 12 bytes", "code      generic, in use",
        "arena     depends on the shapes",
        "memory    arena at the bound: 384 bytes"}) {
    EXPECT_NE(outcome.text.find(part), std::string::npos) << outcome.text;
  }
}

// ---- Files -----------------------------------------------------------------

TEST_F(DlcRunTest, NpyInAndOut) {
  writeNpy("x.npy", "(1, 3)", {1, 2, 3});
  writeNpy("expected.npy", "(1, 3)", {2, 5, 10});
  std::string y = folder.file("y.npy");
  ASSERT_EQ(
      run(model + " --input x=@" + folder.file("x.npy") + " --output y=@" + y)
          .code,
      0);
  std::vector<char> bytes = readFile(y);
  ASSERT_EQ(bytes.size() % 4, 0u);
  EXPECT_EQ((bytes.size() - 12) % 64, 0u); // data is aligned
  std::string header(bytes.data() + 10, bytes.size() - 22);
  EXPECT_EQ(header.find("{'descr': '<f4', 'fortran_order': False, 'shape': "
                        "(1, 3, ), }"),
            0u)
      << header;
  const float expected[] = {2, 5, 10};
  EXPECT_EQ(memcmp(bytes.data() + bytes.size() - 12, expected, 12), 0);
}

TEST_F(DlcRunTest, ColumnMajorNpy) {
  writeNpy("x.npy", "(2, 3)", {1, 4, 2, 5, 3, 6},
           "'descr': '<f4', 'fortran_order': True");
  Outcome outcome = run(model + " --input x=@" + folder.file("x.npy"));
  EXPECT_NE(outcome.text.find("2, 5, 10, 5, 11, 19"), std::string::npos)
      << outcome.text;
}

TEST_F(DlcRunTest, BigEndianNpy) {
  const unsigned char one[] = {0x3f, 0x80, 0, 0}; // 1.0f
  float swapped;
  memcpy(&swapped, one, 4);
  writeNpy("x.npy", "(1, 3)", {swapped, swapped, swapped},
           "'descr': '>f4', 'fortran_order': False");
  Outcome outcome = run(model + " --input x=@" + folder.file("x.npy"));
  EXPECT_NE(outcome.text.find("2, 3, 4"), std::string::npos) << outcome.text;
}

TEST_F(DlcRunTest, DamagedNpy) {
  writeNpy("x.npy", "(1, 4)", {1, 2, 3});
  expectError(model + " --input x=@" + folder.file("x.npy"), 6,
              "12 bytes of data for [1, 4] float32");
  writeFile(folder.file("x.npy"), {'\x93', 'N', 'U'});
  expectError(model + " --input x=@" + folder.file("x.npy"), 6,
              "is not a .npy file");
}

TEST_F(DlcRunTest, UnwritableOutput) {
  expectError(model + " --random --output y=@" + folder.file("no/y.npy"), 3,
              "cannot write");
  expectError(model + " --random --output z=@z.npy", 1, "no output 'z'");
}

// ---- Verification ----------------------------------------------------------

TEST_F(DlcRunTest, VerifiesNpy) {
  writeNpy("in_0.npy", "(1, 3)", {1, 2, 3});
  writeNpy("out_0.npy", "(1, 3)", {2, 5, 10});
  Outcome outcome = run(model + " --verify=" + folder.file(""));
  EXPECT_EQ(outcome.code, 0) << outcome.text;
  EXPECT_NE(outcome.text.find("y: ok"), std::string::npos);
}

TEST_F(DlcRunTest, VerificationFails) {
  writeNpy("in_0.npy", "(1, 3)", {1, 2, 3});
  writeNpy("out_0.npy", "(1, 3)", {2, 5.5, 10});
  expectError(model + " --verify=" + folder.file(""), 4,
              "1 of 3 elements differ, the first at 1");
  EXPECT_EQ(run(model + " --atol=0.5 --verify=" + folder.file("")).code, 0);
  EXPECT_EQ(run(model + " --rtol=0.2 --verify=" + folder.file("")).code, 0);
}

TEST_F(DlcRunTest, NotANumberIsWrong) {
  writeNpy("in_0.npy", "(1, 3)", {1, NAN, INFINITY});
  writeNpy("out_0.npy", "(1, 3)", {2, NAN, INFINITY});
  EXPECT_EQ(run(model + " --verify=" + folder.file("")).code, 0);
  writeNpy("out_0.npy", "(1, 3)", {2, 5, INFINITY});
  expectError(model + " --verify=" + folder.file(""), 4, "largest error inf");
}

TEST_F(DlcRunTest, WrongShapeIsWrong) {
  writeNpy("in_0.npy", "(1, 3)", {1, 2, 3});
  writeNpy("out_0.npy", "(3,)", {2, 5, 10});
  expectError(model + " --verify=" + folder.file(""), 4,
              "expected float32 [3], got float32 [1, 3]");
}

TEST_F(DlcRunTest, VerifiesOnnxDataSets) {
  for (bool raw : {false, true}) {
    std::string set = "test_data_set_" + std::to_string(raw);
    std::filesystem::create_directory(folder.file(set));
    writeProto(set + "/input_0.pb", "x", {2, 3}, {1, 2, 3, 4, 5, 6}, raw);
    writeProto(set + "/output_0.pb", "y", {2, 3}, {2, 5, 10, 5, 11, 19}, raw);
  }
  Outcome outcome = run(model + " --json --verify=" + folder.file(""));
  EXPECT_EQ(outcome.code, 0) << outcome.text;
  EXPECT_NE(outcome.text.find("test_data_set_0"), std::string::npos);
  EXPECT_NE(outcome.text.find("test_data_set_1"), std::string::npos);
}

TEST_F(DlcRunTest, DamagedProtoIsAnError) {
  writeProto("input_0.pb", "x", {1, 3}, {1, 2, 3}, true);
  writeProto("output_0.pb", "y", {1, 3}, {1, 2, 3}, true);
  std::vector<char> good = readFile(folder.file("input_0.pb"));
  for (size_t length = 0; length < good.size(); length++) {
    writeFile(folder.file("input_0.pb"), {good.begin(), good.begin() + length});
    EXPECT_EQ(run(model + " --verify=" + folder.file("")).code, 6) << length;
  }
}

// ---- Measuring -------------------------------------------------------------

/// Whether Python's parser accepts it.
bool isJson(const std::string &path) {
  return runCommand("python3 -m json.tool " + path).code == 0;
}

TEST_F(DlcRunTest, Benchmark) {
  Outcome outcome =
      run(model + " --random --benchmark --warmup=1ms --iterations=20");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_NE(outcome.text.find("20 runs with up to"), std::string::npos)
      << outcome.text;
}

TEST_F(DlcRunTest, ProfileAndTrace) {
  std::string trace = folder.file("trace.json");
  Outcome outcome = run(model + " --random --profile=" + trace);
  EXPECT_EQ(outcome.code, 0);
  EXPECT_NE(outcome.text.find("increment  (Add_1 Add_2)"), std::string::npos)
      << outcome.text;
  EXPECT_TRUE(isJson(trace));
}

TEST_F(DlcRunTest, JsonIsJson) {
  Outcome outcome = run(model + " --random --json --profile --benchmark "
                                "--warmup=1ms --iterations=3");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.text.find("{\"schema\":\"dlc-run/1\""), 0u);
  writeFile(folder.file("o.json"), {outcome.text.begin(), outcome.text.end()});
  EXPECT_TRUE(isJson(folder.file("o.json"))) << outcome.text;
}

TEST_F(DlcRunTest, JsonAfterAnError) {
  Outcome outcome = run(model + " --json");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_TRUE(outcome.text.ends_with(
      "\n{\"schema\":\"dlc-run/1\",\"exit_code\":1,\"error\":\"input 'x' is "
      "not given: use --input or --random\"}\n"))
      << outcome.text;
}

// ---- Programs and the cache ------------------------------------------------

TEST_F(DlcRunTest, ModelAsAProgram) {
  std::string program = folder.file("affine"), message;
  binary::ContainerWriter writer(program);
  writer.setLauncher(DLC_TEST_RUN_TOOL);
  std::vector<char> weights = affineWeights();
  ASSERT_EQ(writer.write(affineHeader(), modelCode("affine"),
                         binary::weightsFromMemory(weights), message),
            binary::WriteError::None)
      << message;
  Outcome outcome = runCommand(program + " --input x=1x3xf32=1");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_NE(outcome.text.find("2, 3, 4"), std::string::npos) << outcome.text;
}

class CacheTest : public DlcRunTest {
protected:
  /// dlc-run in a folder of its own, beside a compiler that appends a line to
  /// "log" and then does what `script` says.
  void SetUp() override {
    DlcRunTest::SetUp();
    std::filesystem::copy_file(DLC_TEST_RUN_TOOL, folder.file("dlc-run"));
    writeFile(folder.file("m.onnx"), {'o', 'n', 'n', 'x'});
    setCompiler("cp " + model + " $3");
  }

  void setCompiler(const std::string &script) {
    std::string text = "#!/bin/sh\necho compiled >> " + folder.file("log") +
                       "\n" + script + "\n";
    writeFile(folder.file("dlc-compile"), {text.begin(), text.end()});
    std::filesystem::permissions(folder.file("dlc-compile"),
                                 std::filesystem::perms::owner_all);
  }

  Outcome runOnnx() {
    return runCommand("DLC_CACHE_DIR=" + folder.file("cache") + " " +
                      folder.file("dlc-run") + " " + folder.file("m.onnx") +
                      " --input x=1x3xf32=1");
  }

  size_t compilations() { return readFile(folder.file("log")).size() / 9; }
};

TEST_F(CacheTest, CompilesOnce) {
  for (int i = 0; i < 2; i++) {
    Outcome outcome = runOnnx();
    EXPECT_EQ(outcome.code, 0) << outcome.text;
    EXPECT_NE(outcome.text.find("2, 3, 4"), std::string::npos) << outcome.text;
  }
  EXPECT_EQ(compilations(), 1u);
}

TEST_F(CacheTest, ChangedModelIsCompiledAgain) {
  runOnnx();
  writeFile(folder.file("m.onnx"), {'o', 'n', 'n', 'y'});
  runOnnx();
  EXPECT_EQ(compilations(), 2u);
}

TEST_F(CacheTest, ChangedExternalDataIsCompiledAgain) {
  std::string text = "..location..";
  writeFile(folder.file("m.onnx"), {text.begin(), text.end()});
  writeFile(folder.file("m.data"), {1});
  runOnnx();
  writeFile(folder.file("m.data"), {1, 2});
  runOnnx();
  EXPECT_EQ(compilations(), 2u);
}

TEST_F(CacheTest, CompilersExitCodeIsKept) {
  setCompiler("exit 2");
  Outcome outcome = runOnnx();
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.text.find("cannot compile"), std::string::npos);
}

} // namespace
