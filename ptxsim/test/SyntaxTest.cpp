// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Forms of operands and initial values that compilers seldom write: constant
// expressions, registers of vectors, bytes of addresses.
#include "Driver.h"

using namespace test;

/// Runs one thread of a kernel whose body may use %r, %rd, %f and the words at
/// %rd1; returns these.
static std::vector<uint32_t> run(const std::string &Body,
                                 const std::string &Globals = "") {
  Kernel K(".version 8.6\n.target sm_90\n.address_size 64\n" + Globals +
               ".visible .entry k(.param .u64 data)\n{\n.reg .b32 %r<8>;\n"
               ".reg .b64 %rd<8>;\n.reg .f32 %f<8>;\n.reg .pred %p<4>;\n"
               "ld.param.u64 %rd1, [data];\n" +
               Body + "ret;\n}\n",
           "k");
  if (!check(K.Ok, Body + K.Error))
    return std::vector<uint32_t>(16);
  std::vector<uint32_t> In(16);
  for (unsigned I = 0; I < 16; ++I)
    In[I] = I * 0x01010101;
  Buffer Data(In);
  CUresult Result = K.arg(Data.Address).run({1}, {1});
  check(Result == CUDA_SUCCESS, Body + api().ptxsimLastReport());
  return Data.read<uint32_t>();
}

// ---- constant expressions --------------------------------------------------
// Written twice: as PTX, and as C++ of 64 bits.
#define CASE(...) {#__VA_ARGS__, uint64_t(__VA_ARGS__)}
static const struct {
  const char *Text;
  uint64_t Want;
} Expressions[] = {
    CASE(3 + 4 * 2),
    CASE((3 + 4) * 2),
    CASE(10 - 4 - 3),
    CASE(1 ? 7 : 8),
    CASE(0   ? 7
         : 1 ? 9
             : 8),
    CASE(3 > 2 ? 5 : 6),
    CASE(-5 / 2),
    CASE(7 % 4),
    CASE(1 << 4 | 3),
    {"6 & 3 ^ 1", 3},
    CASE(-1 < 0),
    CASE(-64 >> 3),
    CASE(!0 + !7),
    CASE(~3 & 0xff),
    CASE(2 == 2 && 3 != 3),
    CASE(2 <= 1 || 3 >= 3),
    {"1 + 1 << 1 + 2", 16},
    CASE(- -4),
    CASE(0x7 + 0b11 + 017),
    {"1 | 2 == 2", 1},
};

static void testExpressions() {
  for (const auto &E : Expressions) {
    std::string Body = std::string("mov.u64 %rd2, ") + E.Text +
                       ";\nst.global.u64 [%rd1+8*(1+1)], %rd2;\n";
    std::vector<uint32_t> Out = run(Body);
    uint64_t Got = Out[4] | uint64_t(Out[5]) << 32;
    check(Got == E.Want, std::string(E.Text) + ": expected " +
                             std::to_string(E.Want) + ", got " +
                             std::to_string(Got));
  }
  std::vector<uint32_t> Out =
      run("ld.global.u32 %r1, [%rd1+(.s64)4*3-8];\nadd.u32 %r1, %r1, "
          "WARP_SZ-1;\nst.global.u32 [%rd1], %r1;\n");
  check(Out[0] == 0x01010101 + 31, "an expression as the offset of an address");
  Out = run("mov.u64 %rd2, triple+4*2;\nld.global.u32 %r1, "
            "[%rd2];\nst.global.u32 [%rd1], %r1;\n",
            ".global .u32 triple[3] = {1|8, -(3), 5 > 4 ? 77 : 2};\n");
  check(Out[0] == 77, "expressions in an initial value");
}

static void testRefusals() {
  for (const char *Text :
       {"mov.u32 %r1, 5/0;", "mov.u32 %r1, (3;", "mov.u32 %r1, 3 +;",
        "mov.u32 %r1, 1.5*2;", "mov.f32 %f1, 1+2.5;", "add.u32 %r1, -%r2, 3;",
        "add.u32 %r1, %r2.b0, 3;", "mov.u32 %r1, 1 ? 2;", "bar.sync 8*2;",
        "alloca.u32 %r1, %r2, 0;", "alloca.u32 %r1, %r2, 24;"}) {
    Kernel K(std::string(".version 8.6\n.target sm_90\n.address_size 64\n"
                         ".visible .entry k()\n{\n.reg .b32 %r<8>;\n.reg "
                         ".f32 %f<8>;\n") +
                 Text + "\nret;\n}\n",
             "k");
    check(!K.Ok && K.Error.find("line 8") != std::string::npos,
          std::string(Text) + " is refused with its line, got " + K.Error);
  }
}

// ---- registers -------------------------------------------------------------
static void testVectors() {
  std::vector<uint32_t> Out =
      run(".reg .v4 .b32 %v;\n.reg .v2 .u32 %w<3>;\n"
          "ld.global.v4.b32 %v, [%rd1+16];\nst.global.v4.b32 [%rd1+32], %v;\n"
          "mov.b64 %rd2, {%v.x, %v.a};\nmov.b64 %w2, %rd2;\n"
          "add.u32 %w1.y, %w2.x, %w2.g;\nst.global.u32 [%rd1], %w1.y;\n");
  bool Right = Out[0] == 11 * 0x01010101;
  for (unsigned I = 0; I < 4; ++I)
    Right &= Out[8 + I] == (4 + I) * 0x01010101;
  check(Right, "registers of vectors and their components");
}

static void testQuadConstant() {
  std::vector<uint32_t> Out = run(
      ".reg .b128 %q;\nmov.u64 %rd2, numbers;\nld.const.b128 %q, [%rd2+16];\n"
      "st.global.b128 [%rd1], %q;\n",
      ".const .align 16 .b32 numbers[8] = {1, 2, 3, 4, 5, 6, 7, 8};\n");
  check(Out[0] == 5 && Out[1] == 6 && Out[2] == 7 && Out[3] == 8,
        "128 bits of constant memory");
}

/// An address that is put together from its bytes.
static void testBytesOfAddress() {
  std::string Bytes, Mask = "0xff";
  for (unsigned K = 0; K < 8; ++K, Mask += "00")
    Bytes += (K ? ", " : "") + Mask + "(target)";
  std::vector<uint32_t> Out =
      run("ld.global.u64 %rd2, [bytes];\nld.global.u32 %r1, [%rd2+4];\n"
          "st.global.u32 [%rd1], %r1;\n",
          ".global .u32 target[2] = {1, 4711};\n.global .align 8 .u8 bytes[8] "
          "= {" +
              Bytes + "};\n");
  check(Out[0] == 4711, "bytes of an address in an initial value");
}

// ---- calls -----------------------------------------------------------------
/// Parameters in registers, and arguments that are values.
static void testRegisterParameters() {
  std::vector<uint32_t> Out =
      run(".reg .b32 %x<3>;\nld.global.u32 %r1, [%rd1+4];\n"
          "call (%x1), mix, (%r1, %rd1);\ncall (%x2), twice, (%x1);\n"
          "call (_), twice, (3);\nst.global.u32 [%rd1], %x2;\n",
          ".func (.reg .u32 sum) mix (.reg .u32 a, .reg .u64 p)\n{\n"
          ".reg .u32 t;\nld.global.u32 t, [p+8];\nmul.lo.u32 a, a, 3;\n"
          "add.u32 sum, a, t;\nret;\n}\n"
          ".func (.param .u32 r) twice (.param .u32 v)\n{\n.reg .u32 t;\n"
          "ld.param.u32 t, [v];\nadd.u32 t, t, t;\nst.param.u32 [r], t;\n"
          "ret;\n}\n");
  check(Out[0] == 2 * 5 * 0x01010101, "parameters in registers");
  check(Out[1] == 0x01010101, "an argument that the callee changes");
}

/// The stack's end is where it was saved, so that this does not overflow.
static void testStackRestore() {
  std::vector<uint32_t> Out =
      run("mov.u32 %r1, 0;\nLOOP:\nstacksave.u64 %rd2;\n"
          "alloca.u64 %rd3, 4096, 64;\nst.local.u32 [%rd3+4092], %r1;\n"
          "and.b64 %rd4, %rd3, 63;\nld.local.u32 %r2, [%rd3+4092];\n"
          "stackrestore.u64 %rd2;\nadd.u32 %r1, %r1, 1;\n"
          "setp.lt.u32 %p1, %r1, 100;\n@%p1 bra LOOP;\n"
          "st.global.u32 [%rd1], %r2;\nst.global.u64 [%rd1+8], %rd4;\n");
  check(Out[0] == 99 && !Out[2] && !Out[3], "alloca, stacksave, stackrestore");
}

int main() {
  testExpressions();
  testRefusals();
  testVectors();
  testQuadConstant();
  testBytesOfAddress();
  testRegisterParameters();
  testStackRestore();
  return finish("SyntaxTest");
}
