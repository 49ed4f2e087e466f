// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Per-opcode property tests: every opcode string of the scalar rows of the
// table becomes a one-instruction kernel over edge values and random ones,
// under a lane mask and a guard, against the scalar oracle in Oracle.cpp,
// which shares no code with the simulator. With --list the program prints a
// module per opcode for ptxas instead.
#include "Driver.h"
#include "OpcodeTable.h"
#include "Oracle.h"
#include <algorithm>

using namespace test;
using ptxsim::OpcodeInfo;
using ptxsim::OpcodeRow;
using ptxsim::OperandSpec;
using ptxsim::Type;

static constexpr unsigned Lanes = 64; // two warps, the second one partial
static constexpr unsigned Threads = 50;

namespace {
struct Slot {
  Type Ty = Type::None;
  bool Def = false, IsPred = false, PairPred = false;
  unsigned bytes() const { return ptxsim::bitWidth(Ty) == 64 ? 8 : 4; }
};
struct Shape {
  std::vector<Slot> Slots;
  bool HasImm = false, Plain = true;
};
} // namespace

/// Operands of a row whose instruction only computes registers.
static Shape shapeOf(const OpcodeRow &Row, const OpcodeInfo &Info) {
  Shape S;
  for (const OperandSpec &Spec : ptxsim::operandSpecs(Row)) {
    if (Spec.Kind == OperandSpec::Imm) {
      S.HasImm = true;
      continue;
    }
    bool Register =
        Spec.Kind == OperandSpec::Def || Spec.Kind == OperandSpec::Use;
    if (!Register || Spec.Vector || Spec.Fragment || Spec.Optional) {
      S.Plain = false;
      return S;
    }
    Slot O;
    O.Ty = ptxsim::operandType(Spec, Info);
    O.Def = Spec.Kind == OperandSpec::Def;
    O.IsPred = O.Ty == Type::Pred;
    O.PairPred = Spec.PairPred;
    S.Plain &= O.Ty != Type::None;
    S.Slots.push_back(O);
  }
  // elect.sync must name its predicate; the form here has one destination.
  S.Plain &= !S.Slots.empty() && S.Slots[0].Def && Row.O != ptxsim::Op::Elect;
  return S;
}

static const char *registerFile(const Slot &S) {
  if (S.IsPred)
    return "%p";
  switch (ptxsim::bitWidth(S.Ty)) {
  case 8:
  case 16: return "%h";
  case 64: return "%rd";
  default: return "%r";
  }
}

// ---- generated kernels ---------------------------------------------------
/// Loads slot values from in, runs the instruction under a guard that holds
/// for two of three lanes, stores the first destination.
static std::string kernelFor(const std::string &Opcode, const Shape &S, int Imm,
                             const char *Target) {
  std::string T = std::string(".version 9.2\n.target ") + Target +
                  "\n.address_size 64\n.visible .entry k(.param .u64 in, "
                  ".param .u64 out)\n{\n.reg .pred %p<16>;\n.reg .b16 %h<16>;\n"
                  ".reg .b32 %r<32>;\n.reg .b64 %rd<32>;\n"
                  "ld.param.u64 %rd20, [in];\nld.param.u64 %rd21, [out];\n"
                  "mov.u32 %r20, %tid.x;\nmul.wide.u32 %rd22, %r20, 8;\n"
                  "add.s64 %rd21, %rd21, %rd22;\nadd.s64 %rd20, %rd20, %rd22;\n"
                  "rem.u32 %r21, %r20, 3;\nsetp.ne.u32 %p10, %r21, 1;\n";
  std::string List;
  for (size_t K = 0; K < S.Slots.size(); ++K) {
    const Slot &O = S.Slots[K];
    std::string Reg = registerFile(O) + std::to_string(K);
    std::string At = "[%rd20+" + std::to_string(K * Lanes * 8) + "];\n";
    if (O.IsPred)
      T += "ld.global.u32 %r22, " + At + "setp.ne.u32 " + Reg + ", %r22, 0;\n";
    else if (ptxsim::bitWidth(O.Ty) == 64)
      T += "ld.global.b64 " + Reg + ", " + At;
    else if (ptxsim::bitWidth(O.Ty) <= 16)
      T += "ld.global.b16 " + Reg + ", " + At;
    else
      T += "ld.global.b32 " + Reg + ", " + At;
    List += (K ? ", " : "") + Reg;
  }
  if (S.HasImm)
    List += ", " + std::to_string(Imm);
  T += "@%p10 " + Opcode + " " + List + ";\n";
  const Slot &D = S.Slots[0];
  std::string Dest = registerFile(D) + std::string("0");
  if (D.IsPred)
    T += "selp.u32 %r22, 1, 0, " + Dest + ";\nst.global.u32 [%rd21], %r22;\n";
  else if (ptxsim::bitWidth(D.Ty) == 64)
    T += "st.global.b64 [%rd21], " + Dest + ";\n";
  else if (ptxsim::bitWidth(D.Ty) <= 16)
    T += "cvt.u32.u16 %r22, " + Dest + ";\nst.global.b32 [%rd21], %r22;\n";
  else
    T += "st.global.b32 [%rd21], " + Dest + ";\n";
  return T + "ret;\n}\n";
}

static const char *targetFor(const OpcodeRow &Row) {
  if (Row.MinSM >= 100)
    return "sm_120a";
  return Row.MinSM > 80 || Row.Suffix ? "sm_90a" : "sm_80";
}

static void renewContextFor(const char *Device) {
  static std::string Current = "sm_90a";
  if (Current == Device)
    return;
  Current = Device;
  check(!api().ptxsimConfigure("DEVICE", Device), Device);
  renewContext();
}

// ---- comparison ----------------------------------------------------------
static uint64_t maskOf(Type Ty) {
  unsigned Bits = ptxsim::bitWidth(Ty);
  return Bits >= 64 ? ~uint64_t(0) : (uint64_t(1) << Bits) - 1;
}

/// An alignment has to be a power of two.
static int immediateFor(const OpcodeRow &Row) {
  return Row.O == ptxsim::Op::Alloca ? 64 : 0xca;
}

/// False if the instruction is not of this kind, or has no rule here.
static bool testOpcode(const OpcodeRow &Row, const std::string &Opcode) {
  OpcodeInfo Info;
  std::string Why;
  if (!check(ptxsim::matchOpcode(Opcode, Info, Why), Opcode + ": " + Why))
    return true;
  Shape S = shapeOf(Row, Info);
  if (!S.Plain || !oracleKnows(Opcode))
    return false;
  std::vector<uint64_t> In = oracleInputs(Opcode, S.Slots.size(), Lanes);
  for (size_t K = 0; K < S.Slots.size(); ++K)
    for (unsigned L = 0; L < Lanes; ++L) {
      uint64_t &V = In[K * Lanes + L];
      V = S.Slots[K].IsPred ? V & 1 : V & maskOf(S.Slots[K].Ty);
    }
  const int Imm = immediateFor(Row);
  OracleCase C;
  C.Imm = Imm;
  renewContextFor(Row.MinSM >= 100 ? "sm_120a" : "sm_90a");
  Kernel K(kernelFor(Opcode, S, Imm, targetFor(Row)), "k");
  if (!check(K.Ok, Opcode + ": " + K.Error))
    return true;
  Buffer DI(In), DO(size_t(Lanes) * 8);
  CUresult R = K.arg(DI.Address).arg(DO.Address).run({1}, {Threads});
  check(R == CUDA_SUCCESS, Opcode + ": " + api().ptxsimLastReport());
  std::vector<uint64_t> Out = DO.read<uint64_t>();
  for (unsigned L = 0; L < Threads; ++L) {
    C.Args.clear();
    for (size_t J = 1; J < S.Slots.size(); ++J)
      C.Args.push_back(In[J * Lanes + L]);
    uint64_t Mask = S.Slots[0].IsPred ? 1 : maskOf(S.Slots[0].Ty);
    bool On = L % 3 != 1;
    if (!On) { // the guard holds the old value
      if (!check((Out[L] & Mask) == (In[L] & Mask),
                 Opcode + ": a lane that is off changed"))
        return true;
      continue;
    }
    std::string Text;
    if (!oracleAccepts(Opcode, C, Out[L] & Mask, Text)) {
      check(false, Opcode + " lane " + std::to_string(L) + ": " + Text);
      return true;
    }
  }
  return check(true, Opcode);
}

// ---- coverage --------------------------------------------------------------
/// Where the operations without a rule here are tested, or why they have no
/// result of their own to test.
static const char *testedBy(const OpcodeRow &Row) {
  using ptxsim::Op;
  using ptxsim::OpClass;
  switch (Row.O) {
  case Op::Video:
  case Op::VideoSet:
  case Op::VideoMad: return "VideoTest";
  case Op::Mov: return "QuadTest"; // of b128
  case Op::Ld:
  case Op::St:
  case Op::Atom:
  case Op::AtomCas:
  case Op::Red:
  case Op::CpAsync: return "MemoryTest";
  case Op::Shfl:
  case Op::Vote:
  case Op::Match:
  case Op::Redux:
  case Op::Activemask:
  case Op::AddCarry:
  case Op::SubCarry:
  case Op::MadCarry: return "CollectiveTest";
  case Op::MmaPlain:
  case Op::MmaSparse: return "MatrixPlainTest";
  case Op::Mma:
  case Op::Wgmma:
  case Op::WmmaMma:
  case Op::WmmaLoad: // around each wmma.mma
  case Op::WmmaStore:
  case Op::Ldmatrix:
  case Op::Stmatrix:
  case Op::Movmatrix: return "MatrixTest";
  case Op::Cvta: // addresses are the simulator's own: programs use them
  case Op::CvtaTo:
  case Op::Isspacep:
  case Op::CreatePolicy: return "CudaControlTest and MemoryTest";
  case Op::Mapa:
  case Op::Getctarank:
  case Op::Elect:
  case Op::Setmaxnreg:
  case Op::Griddep: return "AsyncTest and CudaHopperTest";
  case Op::Prefetch: // hints
  case Op::Discard:
  case Op::BulkPrefetch:
  case Op::TensorPrefetch:
  case Op::Pmevent:
  case Op::Nanosleep:
  case Op::Brkpt: return "nothing: no result";
  default: break;
  }
  switch (Row.Class) {
  case OpClass::Control: return "CudaControlTest and ApiTest";
  case OpClass::Barrier: return "CudaBasicTest, CudaHopperTest, RaceTest";
  case OpClass::Async: return "AsyncTest, AsyncStoreTest, MutationTest";
  case OpClass::Tensor: return "MatrixTest";
  default: return nullptr;
  }
}

// ---- runs ------------------------------------------------------------------
/// Straight code of multiply-adds runs in another order than it is written in
/// (FmaRun.cpp): rows times rows, sums that move between registers, and chains,
/// against the host.
static void testMultiplyAdds(uint64_t Seed) {
  constexpr unsigned Registers = 28, Steps = 90;
  Random R(Seed);
  std::string Code;
  float V[Registers];
  for (unsigned K = 0; K < Registers; ++K)
    V[K] = float(K) / 7 - 1;
  auto Step = [&](unsigned D, unsigned A, unsigned B, unsigned C) {
    Code += "fma.rn.f32 %f" + std::to_string(D) + ", %f" + std::to_string(A) +
            ", %f" + std::to_string(B) + ", %f" + std::to_string(C) + ";\n";
    V[D] = std::fma(V[A], V[B], V[C]);
  };
  for (unsigned K = 0; K < Steps; ++K) {
    if (Seed % 2 && K % 30 == 0) // rows 0-2 times rows 3-7, sums in 8-22
      for (unsigned X = 0; X < 15; ++X)
        Step(8 + X, X / 5, 3 + X % 5, Seed % 3 ? 8 + X : 23);
    Step(R.next() % Registers, R.next() % Registers, R.next() % Registers,
         R.next() % Registers);
  }
  std::string T = ".version 8.6\n.target sm_80\n.address_size 64\n.visible "
                  ".entry k(.param .u64 out)\n{\n.reg .f32 %f<32>;\n.reg "
                  ".b32 %r<4>;\n.reg .b64 %rd<4>;\nld.param.u64 %rd1, "
                  "[out];\n";
  float Start[Registers];
  for (unsigned K = 0; K < Registers; ++K) {
    Start[K] = float(K) / 7 - 1;
    uint32_t Bits;
    std::memcpy(&Bits, &Start[K], 4);
    T += "mov.b32 %f" + std::to_string(K) + ", " + std::to_string(Bits) + ";\n";
  }
  T += Code;
  for (unsigned K = 0; K < Registers; ++K)
    T += "st.global.f32 [%rd1+" + std::to_string(4 * K) + "], %f" +
         std::to_string(K) + ";\n";
  Kernel K(T + "ret;\n}\n", "k");
  Buffer Out(Registers * 4);
  // 32 lanes take the run as a whole, 7 step by step.
  for (unsigned Lanes : {32u, 7u}) {
    CUresult Result = K.arg(Out.Address).run({1}, {Lanes});
    check(Result == CUDA_SUCCESS &&
              !std::memcmp(Out.read<float>().data(), V, sizeof(V)),
          "multiply-adds, seed " + std::to_string(Seed) + ", " +
              std::to_string(Lanes) + " lanes: " + K.Error);
  }
}

static int listModules(const char *Directory) {
  unsigned N = 0;
  for (const OpcodeRow &Row : ptxsim::opcodeTable())
    for (const std::string &Opcode : ptxsim::expandRow(Row, 4096)) {
      OpcodeInfo Info;
      std::string Why;
      ptxsim::matchOpcode(Opcode, Info, Why);
      Shape S = shapeOf(Row, Info);
      if (!S.Plain)
        continue;
      std::string Path = std::string(Directory) + "/" + std::to_string(N++) +
                         "." + targetFor(Row) + ".ptx";
      std::FILE *F = std::fopen(Path.c_str(), "w");
      std::string Text =
          kernelFor(Opcode, S, immediateFor(Row), targetFor(Row));
      std::fwrite(Text.data(), 1, Text.size(), F);
      std::fclose(F);
    }
  std::printf("%u modules\n", N);
  return 0;
}

int main(int Argc, char **Argv) {
  if (Argc > 2 && !std::strcmp(Argv[1], "--list"))
    return listModules(Argv[2]);
  unsigned Tested = 0, Rows = 0;
  for (const OpcodeRow &Row : ptxsim::opcodeTable()) {
    unsigned Before = Tested;
    for (const std::string &Opcode : ptxsim::expandRow(Row, 4096))
      Tested += testOpcode(Row, Opcode);
    Rows += Tested != Before;
    check(Tested != Before || testedBy(Row),
          std::string(Row.Pattern) + ": no test has a rule for it");
  }
  for (uint64_t Seed = 1; Seed <= 60; ++Seed)
    testMultiplyAdds(Seed);
  std::printf("%u opcodes of %u rows compared with the oracle\n", Tested, Rows);
  check(Tested > 2000, "more than 2000 opcodes are compared");
  return finish("PropertyTest");
}
