// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The tool as a user runs it: results, refused command lines and files. A
// refusal is one line with the reason, and exit status 2.
//   ToolTest <tool> <folder to write to>
#include "AsyncKernels.h"
#include "Driver.h"
#include <fstream>
#include <sys/wait.h>

using namespace test;

namespace {
struct Outcome {
  int Status; // -1 after a signal
  std::string Text;
};
std::string Tool, Folder;
} // namespace

static Outcome tool(const std::string &Options) {
  std::string Command =
      "cd '" + Folder + "' && '" + Tool + "' " + Options + " 2>&1";
  std::FILE *F = popen(Command.c_str(), "r");
  Outcome O{-1, ""};
  char Chunk[4096];
  for (size_t N; (N = std::fread(Chunk, 1, sizeof(Chunk), F)) > 0;)
    O.Text.append(Chunk, N);
  int Status = pclose(F);
  if (WIFEXITED(Status))
    O.Status = WEXITSTATUS(Status);
  return O;
}

static void write(const std::string &Name, const std::string &Bytes) {
  std::ofstream(Folder + "/" + Name, std::ios::binary) << Bytes;
}

static std::string npy(const std::string &Type, const std::string &Order,
                       const std::string &Shape, const std::string &Data) {
  std::string Header = "{'descr': " + Type + ", 'fortran_order': " + Order +
                       ", 'shape': " + Shape + ", }";
  Header.resize(117, ' ');
  Header += '\n';
  std::string Head("\x93NUMPY\x01\0\x76\0", 10);
  return Head + Header + Data;
}

static void refused(const std::string &Options, const std::string &Part) {
  Outcome O = tool(Options);
  bool OneLine = O.Text.find('\n') + 1 == O.Text.size();
  check(O.Status == 2 && OneLine && O.Text.find(Part) != O.Text.npos,
        Options + ": expected '" + Part + "', got " + std::to_string(O.Status) +
            " " + O.Text);
}

/// y[i] = x[i] + v
static const char *Source =
    ".version 8.0\n.target sm_80\n.address_size 64\n"
    ".visible .entry k(.param .u64 x, .param .u64 y, .param .u32 v)\n{\n"
    ".reg .b32 %r<8>;\n.reg .b64 %rd<8>;\n"
    "ld.param.u64 %rd1, [x];\nld.param.u64 %rd2, [y];\nld.param.u32 %r1, [v];\n"
    "mov.u32 %r2, %tid.x;\nmul.wide.u32 %rd3, %r2, 4;\n"
    "add.u64 %rd4, %rd1, %rd3;\nadd.u64 %rd5, %rd2, %rd3;\n"
    "ld.global.u32 %r3, [%rd4];\nadd.u32 %r3, %r3, %r1;\n"
    "st.global.u32 [%rd5], %r3;\nret;\n}\n";

static void results() {
  std::string X, Want;
  for (char K = 0; K < 4; ++K) {
    X += std::string{K, 0, 0, 0};
    Want += std::string{char(K + 5), 0, 0, 0};
  }
  write("x.npy", npy("'<i4'", "False", "(2, 2)", X));
  write("y.npy", npy("'<i4'", "False", "(4,)", std::string(16, '\1')));
  Outcome O = tool("k.ptx --entry=k --block 4 --arg x.npy --arg y.npy "
                   "--arg 0x5:u32 --out out.npy --race --counters=json");
  check(O.Status == 0 && O.Text[0] == '{', "a run, got " + O.Text);
  check(readText(Folder + "/out.npy") == npy("'<i4'", "False", "(4,)", Want),
        "the results of a run");
  O = tool("--check k.ptx");
  check(O.Status == 0 && O.Text == "k.ptx: 1 kernel, no errors\n",
        "--check, got " + O.Text);
  O = tool("k.ptx --entry=k --block=5 --help");
  check(O.Status == 0 && !O.Text.find("usage:"), "--help at the end");
  O = tool("k.ptx --entry=k --block=5 --arg x.npy --arg y.npy --arg 1:i32");
  check(O.Status == 1 && O.Text.find("PTX line 15") != O.Text.npos,
        "a fault, got " + std::to_string(O.Status) + " " + O.Text);
}

static void arguments() {
  std::string Run = "k.ptx --entry=k --arg x.npy --arg y.npy ";
  refused(Run, "expected 3 arguments, got 2");
  refused(Run + "--arg 1:i32 --arg 1:i32", "expected 3 arguments, got 4");
  refused(Run + "--arg 2:f64", "argument 2: expected 4 bytes, got 8");
  refused(Run + "--arg x.npy", "argument 2: expected 4 bytes, got an address");
  refused(Run + "--arg 1:i16", "argument 2: expected 4 bytes, got 2");
  for (const char *Value :
       {"2147483648:i32", "-2147483649:i32", "4294967296:u32", "-1:u32",
        "256:u8", "-129:i8", "18446744073709551616:u64", "1x:i32", ":i32",
        "' 1:i32'", "1.5:i32", "0x:i32", "1e39:f32", "1:i33", "1", "--1:i32",
        "abc:f32", "1e:f64"})
    refused(Run + "--arg " + Value, "expected FILE.npy or VALUE:TYPE");
  refused("k.ptx --entry=no", "k.ptx: no kernel 'no', it has 'k'");
  refused("k.ptx --entry=k --out o.npy", "--out names no array argument");
  refused(Run + "--out 2:o.npy", "--out names no array argument");
}

static void options() {
  auto Wrong = [](const char *Option, const char *Part) {
    refused("k.ptx --entry=k " + std::string(Option), Part);
  };
  for (const char *Option :
       {"--shared=abc", "--shared=4294967297", "--shared=-1", "--shared="})
    Wrong(Option, "--shared: expected a number of bytes");
  for (const char *Option :
       {"--grid=0", "--grid=1,", "--grid=+1", "--grid=1,1,1,1", "--grid="})
    Wrong(Option, "--grid: expected X[,Y[,Z]] with positive numbers");
  Wrong("--block=4294967297", "--block: expected X[,Y[,Z]]");
  Wrong("--counters=xml", "--counters: expected json, got 'xml'");
  Wrong("--race=1", "--race takes no value, got '1'");
  Wrong("--check=", "--check takes no value, got ''");
  Wrong("--mode=soon", "--mode: expected eager, late or seed:N, got 'soon'");
  Wrong("--device=sm_10", "--device: expected sm_80, sm_90a or sm_120a");
  Wrong("--entry=", "--entry: expected a name, got ''");
  Wrong("--entry", "--entry needs a value");
  refused("k.ptx --entry=k --nothing", "unknown option '--nothing'");
  refused("k.ptx k.ptx --entry=k", "expected one PTX file");
  refused("--entry=k", "expected a PTX file");
  refused("k.ptx", "expected --entry=NAME");
  refused("--check none.ptx", "cannot open 'none.ptx'");
  refused("--check .", "cannot read '.'");
  write("nul.ptx", Source + std::string("\0garbage", 8));
  refused("--check nul.ptx", "NUL byte at offset");
}

static void arrays() {
  std::string Good = npy("'<f4'", "False", "(2,)", std::string(8, 0));
  auto Refuse = [&](const std::string &Bytes, const std::string &Part) {
    write("bad.npy", Bytes);
    refused("k.ptx --entry=k --arg bad.npy", Part);
  };
  auto Taken = [&](const std::string &Bytes) { // fails later: two more missing
    write("good.npy", Bytes);
    refused("k.ptx --entry=k --arg good.npy", "expected 3 arguments, got 1");
  };
  Taken(Good);
  Taken(npy("'|u1'", "False", "()", "a"));
  Taken(npy("'<V2'", "False", "(1, 3)", "abcdef")); // bfloat16
  Taken(npy("'<f4'", "False", "(0, 7)", ""));
  for (size_t Length : {size_t(0), size_t(6), size_t(9), size_t(60)})
    Refuse(Good.substr(0, Length), Length < 10 ? "not a .npy" : "cut short");
  Refuse(Good.substr(0, Good.size() - 1), "expected 8 bytes of data, got 7");
  Refuse(Good + "x", "expected 8 bytes of data, got 9");
  Refuse(npy("'>f4'", "False", "(2,)", std::string(8, 0)), "little-endian");
  Refuse(npy("'<f4'", "True", "(1, 2)", std::string(8, 0)), "C order");
  Refuse(npy("'|O'", "False", "(1,)", "x"),
         "expected elements that are number");
  Refuse(npy("'<U2'", "False", "(1,)", std::string(8, 0)), "got type '<U2'");
  Refuse(npy("[('a', '<i4')]", "False", "(1,)", "abcd"), "one of records");
  Refuse(npy("'<f4'", "False", "(4294967296, 4294967296, 4)", ""), "over 2^64");
  Refuse(npy("'<f4'", "False", "(-1,)", ""), "malformed");
  Refuse(npy("'<f4", "False", "(1,)", "abcd"), "malformed");
  Refuse(npy("''", "False", "(1,)", "abcd"), "malformed");
  Refuse(std::string("\x93NUMPY\x09\0\0\0", 10), "format version");
  Refuse(std::string("\x93NUMPY\x02\0\0\0", 10), "cut short");
}

/// Copies the box of u16 from (8, 2) on and hands out its 256 bytes as they
/// lie.
static std::string mapKernel() {
  return kernelOf(
      ".param .align 64 .b8 map[128], .param .u64 x, .param .u64 out",
      "mov.u32 %r2, smem;\nadd.u32 %r1, %r2, 256;\nmov.b64 %rd1, map;\n"
      "mov.u32 %r3, %tid.x;\nsetp.ne.u32 %p2, %r3, 0;\n@%p2 bra J;\n"
      "mbarrier.init.shared::cta.b64 [%r1], 1;\n"
      "fence.mbarrier_init.release.cluster;\n"
      "mbarrier.arrive.expect_tx.shared::cta.b64 %rd2, [%r1], 256;\n"
      "mov.u32 %r10, 8;\nmov.u32 %r11, 2;\n"
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile"
      ".mbarrier::complete_tx::bytes [%r2], [%rd1, {%r10, %r11}], [%r1];\n"
      "J:\nbar.sync 0;\n" +
          std::string(WaitPhase0) +
          "ld.param.u64 %rd3, [out];\nmul.wide.u32 %rd4, %r3, 8;\n"
          "add.u64 %rd5, %rd3, %rd4;\nshl.b32 %r4, %r3, 3;\n"
          "add.u32 %r5, %r2, %r4;\nld.shared.b64 %rd6, [%r5];\n"
          "st.global.b64 [%rd5], %rd6;\n");
}

static void tensorMaps() {
  // 5 rows of 20 elements and 4 that must not be read.
  constexpr uint32_t Rows = 5, Columns = 20, Pitch = 24;
  std::vector<uint16_t> X(Rows * Pitch, 0xdead);
  for (uint32_t R = 0; R < Rows; ++R)
    for (uint32_t C = 0; C < Columns; ++C)
      X[R * Pitch + C] = uint16_t(100 * R + C + 1);
  auto Array = [](const std::vector<uint16_t> &V) {
    return npy(
        "'<u2'", "False", "(" + std::to_string(V.size()) + ",)",
        std::string(reinterpret_cast<const char *>(V.data()), V.size() * 2));
  };
  write("map.ptx", mapKernel());
  write("mapped.npy", Array(X));
  write("box.npy", Array(std::vector<uint16_t>(128, 0xbeef)));
  std::string Run = "map.ptx --entry=k --block=32 --shared=264 --race --arg ";
  std::string Arrays = " --arg mapped.npy --arg box.npy";
  const char *Swizzles[] = {"", ":32", ":64", ":128"};
  for (int Mode : {0, 2, 3}) {
    std::vector<uint16_t> Want(128);
    for (uint32_t E = 0; E < 128; ++E) {
      uint32_t R = 2 + E / 32, C = 8 + E % 32;
      Want[swizzled(Mode, E * 2) / 2] =
          R < Rows && C < Columns ? X[R * Pitch + C] : 0;
    }
    Outcome O = tool(Run + "map:1:u16:20x5:48:32x4" + Swizzles[Mode] + Arrays +
                     " --out 2:box_out.npy");
    check(O.Status == 0 && readText(Folder + "/box_out.npy") == Array(Want),
          "a box of swizzle " + std::to_string(Mode) + ", got " + O.Text);
  }
  auto Refuse = [&](const std::string &Map, const std::string &Part) {
    refused(Run + Map + Arrays, Part);
  };
  Refuse("map:", "BOX[:SWIZZLE], got 1 field");
  Refuse("map:1:u16:20x5:48", "BOX[:SWIZZLE], got 4 fields");
  Refuse("map:1:u16:20x5:48:32x4:64:1", "BOX[:SWIZZLE], got 7 fields");
  Refuse("map:x:u16:20x5:48:32x4", "number of an array argument, got 'x'");
  Refuse("map:-1:u16:20x5:48:32x4", "number of an array argument, got '-1'");
  Refuse("map:0:u16:20x5:48:32x4", "argument 0 is no array");
  Refuse("map:3:u16:20x5:48:32x4", "argument 3 is no array");
  Refuse("map:1:u17:20x5:48:32x4", "expected a type of u8 u16");
  for (const char *Sizes :
       {"", "20x", "x5", "20*5", "20x-5", "20x18446744073709551616"})
    Refuse("map:1:u16:" + std::string(Sizes) + ":48:32x4",
           "expected sizes as 520x200, innermost first, got '");
  Refuse("map:1:u16:20x5:4.8:32x4", "expected strides in bytes");
  Refuse("map:1:u16:20x5::32x4", "size but the first, 1, got 0");
  Refuse("map:1:u16:20:48:32", "size but the first, 0, got 1");
  Refuse("map:1:u16:20x5:48:32x4294967296", "expected a box as 32x16");
  Refuse("map:1:u16:20x5:48:32", "a box of as many sizes, 2, got 1");
  Refuse("map:1:u16:20x5:48:32x4:16", "expected a swizzle of 0, 32, 64 or 128");
  // What the driver says.
  Refuse("map:1:u16:20x5:50:32x4", "stride is no multiple of 16 bytes");
  Refuse("map:1:u16:20x5:48:32x257", "box extent out of 1 to 256");
  Refuse("map:1:u16:20x5:48:32x4:32", "inner box row does not fit the swizzle");
  Refuse("map:1:u16:20x0:48:32x4", "size out of 1 to 2^32");
  Refuse("map:1:u16:20x5x1x1x1x1:48x48x48x48x48:32x4x1x1x1x1",
         "rank out of 1 to 5");
  refused("k.ptx --entry=k --arg x.npy --arg y.npy --arg map:0:u8:16::16",
          "argument 2: expected 4 bytes, got a tensor map of 128");
}

int main(int, char **Argv) {
  Tool = Argv[1];
  Folder = Argv[2];
  write("k.ptx", Source);
  results();
  arguments();
  options();
  arrays();
  tensorMaps();
  return finish("ToolTest");
}
