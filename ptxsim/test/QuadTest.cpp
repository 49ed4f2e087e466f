// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Property tests of the rows of 128 bits: loads, stores and atomics in every
// space, against rules on pairs of words. A guard leaves out every third lane.
#include "Driver.h"
#include "OpcodeTable.h"
#include <algorithm>

using namespace test;
using ptxsim::Op;
using ptxsim::OpcodeInfo;
using ptxsim::Space;

static constexpr unsigned Threads = 50;
// Words of a lane: memory, b, c, and the result.
static constexpr unsigned Words = 8;

static std::string addressOf(Space Where, std::string &Enter,
                             std::string &Leave) {
  std::string At, Name;
  switch (Where) {
  case Space::Shared:
  case Space::SharedCluster:
    Enter = "mov.u32 %r2, area;\nmad.lo.u32 %r2, %r1, 16, %r2;\n";
    At = "[%r2]";
    Name = "shared";
    break;
  case Space::Local:
    Enter = "mov.u64 %rd9, own;\n";
    At = "[%rd9]";
    Name = "local";
    break;
  default: return "[%rd1]";
  }
  Enter += "ld.global.v2.b64 {%rd10, %rd11}, [%rd1];\nst." + Name + ".v2.b64 " +
           At + ", {%rd10, %rd11};\n";
  Leave = "ld." + Name + ".v2.b64 {%rd10, %rd11}, " + At +
          ";\nst.global.v2.b64 [%rd1], {%rd10, %rd11};\n";
  return At;
}

static std::string kernelText(const std::string &Opcode,
                              const OpcodeInfo &Info) {
  std::string Enter, Leave, At = addressOf(Info.Where, Enter, Leave);
  std::string Operands = Info.O == Op::Ld     ? "%q3, " + At
                         : Info.O == Op::St   ? At + ", %q1"
                         : Info.O == Op::Atom ? "%q3, " + At + ", %q1"
                                              : "%q3, " + At + ", %q1, %q2";
  if (Info.has(ptxsim::Mod::L2CacheHint))
    Operands += ", %rd12";
  return ".version 8.6\n.target sm_90a\n.address_size 64\n.visible .entry "
         "k(.param .u64 data)\n{\n.reg .pred %p<2>;\n.reg .b32 %r<8>;\n"
         ".reg .b64 %rd<16>;\n.reg .b128 %q<5>;\n"
         ".shared .align 16 .b8 area[1024];\n.local .align 16 .b8 own[16];\n"
         "ld.param.u64 %rd1, [data];\nmov.u32 %r1, %tid.x;\n"
         "mad.wide.u32 %rd1, %r1, 64, %rd1;\nrem.u32 %r3, %r1, 3;\n"
         "setp.ne.u32 %p1, %r3, 1;\n"
         "createpolicy.fractional.L2::evict_first.b64 %rd12, 1.0;\n" +
         Enter +
         "ld.global.v2.b64 {%rd3, %rd4}, [%rd1+16];\n"
         "ld.global.v2.b64 {%rd5, %rd6}, [%rd1+32];\n"
         "mov.b128 %q1, {%rd3, %rd4};\nmov.b128 %q4, {%rd5, %rd6};\n"
         "mov.b128 %q2, %q4;\nmov.b128 %q3, {%rd6, %rd3};\n@%p1 " +
         Opcode + " " + Operands +
         ";\nmov.b128 {%rd7, %rd8}, %q3;\n"
         "st.global.v2.b64 [%rd1+48], {%rd7, %rd8};\n" +
         Leave + "ret;\n}\n";
}

static void testOpcode(const std::string &Opcode, const OpcodeInfo &Info) {
  Kernel K(kernelText(Opcode, Info), "k");
  if (!check(K.Ok, Opcode + ": " + K.Error))
    return;
  Random R(std::hash<std::string>()(Opcode));
  std::vector<uint64_t> In(Threads * Words);
  for (uint64_t &V : In)
    V = R.next();
  for (unsigned L = 0; L < Threads; L += 2) // these compare equal
    std::copy_n(&In[L * Words], 2, &In[L * Words + 2]);
  for (unsigned L = 0; L < Threads; L += 4) // but for the upper half
    ++In[L * Words + 3];
  Buffer Data(In);
  CUresult Result = K.arg(Data.Address).run({1}, {Threads});
  if (!check(Result == CUDA_SUCCESS, Opcode + ": " + api().ptxsimLastReport()))
    return;
  std::vector<uint64_t> Out = Data.read<uint64_t>();
  bool Right = true;
  for (unsigned L = 0; L < Threads; ++L) {
    const uint64_t *V = &In[L * Words], *Got = &Out[L * Words];
    uint64_t Memory[2] = {V[0], V[1]}, Back[2] = {V[5], V[2]};
    bool Equal = V[0] == V[2] && V[1] == V[3];
    if (L % 3 != 1) {
      if (Info.O != Op::St)
        std::copy_n(V, 2, Back);
      if (Info.O == Op::St || Info.O == Op::Atom)
        std::copy_n(V + 2, 2, Memory);
      if (Info.O == Op::AtomCas && Equal)
        std::copy_n(V + 4, 2, Memory);
    }
    Right &= std::equal(Memory, Memory + 2, Got) &&
             std::equal(Back, Back + 2, Got + 6);
  }
  check(Right, Opcode + ": wrong values");
}

int main() {
  unsigned Tested = 0;
  for (const ptxsim::OpcodeRow &Row : ptxsim::opcodeTable())
    for (const std::string &Opcode : ptxsim::expandRow(Row, 2000)) {
      OpcodeInfo Info;
      std::string Why;
      bool Memory = Row.O == Op::Ld || Row.O == Op::St || Row.O == Op::Atom ||
                    Row.O == Op::AtomCas;
      if (!Memory || !ptxsim::matchOpcode(Opcode, Info, Why) ||
          Info.Types[0] != ptxsim::Type::B128 ||
          Info.Where == Space::Const) // constants: SyntaxTest
        continue;
      // One modifier of a cache, or the order and its scope.
      bool Cached = Opcode.find("L1::") != Opcode.npos ||
                    Opcode.find("L2::") != Opcode.npos;
      if (Info.Mods.count() > (Cached ? 1 : 3))
        continue;
      ++Tested;
      testOpcode(Opcode, Info);
    }
  check(Tested > 100, "more than 100 opcodes are compared");
  return finish("QuadTest");
}
