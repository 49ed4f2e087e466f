// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Property tests of operations in which the lanes of a warp look at each
// other, and of chains of carries, against the rules of the PTX ISA written
// down lane by lane.
#include "Driver.h"
#include "OpcodeTable.h"
#include <algorithm>
#include <optional>

using namespace test;
using ptxsim::Op;
using ptxsim::OpcodeInfo;

namespace {
/// What the lanes give: a 64-bit value, two 32-bit words.
struct Lanes {
  uint64_t A[32];
  uint32_t B[32], C[32];
  uint32_t Members;
};
/// Value and predicate of one lane; nothing where the ISA leaves it open.
struct Answer {
  std::optional<uint64_t> Value;
  bool Predicate = false;
};
} // namespace

static bool has(const std::string &Opcode, const char *Part) {
  return (Opcode + ".").find(std::string(".") + Part + ".") != Opcode.npos;
}

// ---- rules -----------------------------------------------------------------
static Answer shuffle(const std::string &Opcode, const Lanes &X, int Lane) {
  int B = int(X.B[Lane] & 31), C = int(X.C[Lane] & 31);
  int Segment = int(X.C[Lane] >> 8 & 31);
  int Max = (Lane & Segment) | (C & ~Segment), Min = Lane & Segment, J;
  bool In;
  if (has(Opcode, "up")) {
    J = Lane - B;
    In = J >= Max;
  } else {
    J = has(Opcode, "down")   ? Lane + B
        : has(Opcode, "bfly") ? Lane ^ B
                              : Min | (B & ~Segment);
    In = J <= Max;
  }
  if (!In)
    J = Lane;
  if (J > 31 || !(X.Members >> J & 1))
    return {{}, In};
  return {X.A[J] & 0xffffffffu, In};
}

static Answer vote(const std::string &Opcode, const Lanes &X) {
  uint32_t Yes = 0;
  for (int L = 0; L < 32; ++L)
    Yes |= uint32_t(X.B[L] & 1) << L;
  Yes &= X.Members;
  if (has(Opcode, "ballot"))
    return {Yes};
  return {has(Opcode, "all")   ? Yes == X.Members
          : has(Opcode, "any") ? Yes != 0
                               : Yes == X.Members || !Yes};
}

static Answer match(const std::string &Opcode, const Lanes &X, int Lane) {
  uint64_t Mask = has(Opcode, "b64") ? ~uint64_t(0) : 0xffffffffu;
  uint32_t Same = 0;
  for (int L = 0; L < 32; ++L)
    if (X.Members >> L & 1)
      Same |= uint32_t((X.A[L] & Mask) == (X.A[Lane] & Mask)) << L;
  if (has(Opcode, "any"))
    return {Same};
  return {Same == X.Members ? Same : 0, Same == X.Members};
}

static Answer reduce(const std::string &Opcode, const Lanes &X) {
  bool First = true;
  int64_t R = 0;
  for (int L = 0; L < 32; ++L) {
    if (!(X.Members >> L & 1))
      continue;
    uint32_t W = uint32_t(X.A[L]);
    int64_t V = has(Opcode, "s32") ? int64_t(int32_t(W)) : int64_t(W);
    R = First                ? V
        : has(Opcode, "add") ? R + V
        : has(Opcode, "min") ? std::min(R, V)
        : has(Opcode, "max") ? std::max(R, V)
        : has(Opcode, "and") ? R & V
        : has(Opcode, "or")  ? R | V
                             : R ^ V;
    First = false;
  }
  return {uint32_t(R)};
}

static Answer expected(const std::string &Opcode, Op O, const Lanes &X,
                       int Lane) {
  switch (O) {
  case Op::Shfl: return shuffle(Opcode, X, Lane);
  case Op::Vote: return vote(Opcode, X);
  case Op::Match: return match(Opcode, X, Lane);
  case Op::Redux: return reduce(Opcode, X);
  default: return {X.Members}; // activemask
  }
}

// ---- kernels ---------------------------------------------------------------
/// %rd1: A, %r2: B, %r3: C, %r4: members, %p1: B's low bit. The lanes outside
/// of the mask jump over the instruction.
static std::string instruction(const std::string &Opcode, Op O) {
  bool Wide = has(Opcode, "b64");
  std::string A = Wide ? "%rd1" : "%r1";
  switch (O) {
  case Op::Shfl: return Opcode + " %r5|%p2, %r1, %r2, %r3, %r4;";
  case Op::Vote:
    if (has(Opcode, "ballot"))
      return Opcode + " %r5, %p1, %r4;";
    return Opcode + " %p3, %p1, %r4;\nselp.u32 %r5, 1, 0, %p3;";
  case Op::Match:
    return Opcode + (has(Opcode, "all") ? " %r5|%p2, " : " %r5, ") + A +
           ", %r4;";
  case Op::Redux: return Opcode + " %r5, %r1, %r4;";
  default: return Opcode + " %r5;";
  }
}

static void testCollective(const std::string &Opcode, Op O, uint32_t Members,
                           unsigned Round) {
  std::string T =
      ".version 8.6\n.target sm_80\n.address_size 64\n.visible .entry k(.param "
      ".u64 in, .param .u64 out)\n{\n.reg .pred %p<4>;\n.reg .b32 %r<9>;\n"
      ".reg .b64 %rd<9>;\nld.param.u64 %rd2, [in];\nld.param.u64 %rd3, [out];\n"
      "mov.u32 %r6, %tid.x;\nmul.wide.u32 %rd4, %r6, 16;\n"
      "add.s64 %rd2, %rd2, %rd4;\nadd.s64 %rd3, %rd3, %rd4;\n"
      "ld.global.b64 %rd1, [%rd2];\ncvt.u32.u64 %r1, %rd1;\n"
      "ld.global.b32 %r2, [%rd2+8];\nld.global.b32 %r3, [%rd2+12];\n"
      "mov.u32 %r4, " +
      std::to_string(Members) +
      ";\nand.b32 %r7, %r2, 1;\nsetp.ne.u32 %p1, %r7, 0;\n"
      "setp.ne.u32 %p2, 0, 0;\nshr.u32 %r7, %r4, %r6;\nand.b32 %r7, %r7, 1;\n"
      "setp.eq.u32 %p0, %r7, 0;\nmov.u32 %r5, 77;\n@%p0 bra SKIP;\n" +
      instruction(Opcode, O) +
      "\nSKIP:\nst.global.b32 [%rd3], %r5;\nselp.u32 %r8, 1, 0, %p2;\n"
      "st.global.b32 [%rd3+8], %r8;\nret;\n}\n";
  Random R(Round * 31 + Members);
  Lanes X;
  X.Members = Members;
  std::vector<uint64_t> In;
  bool Alike = Round % 3 == 1; // all, or some, values are the same
  for (int L = 0; L < 32; ++L) {
    X.A[L] = Alike ? 5 : Round % 3 ? R.next() : (R.next() >> 20) % 3 << 31;
    X.B[L] = Alike ? 1 : uint32_t(R.next() >> 11);
    uint32_t Segments[] = {0x1f, 0x0, 0x181f, 0x1c1f, 0x1807, 0x0e03};
    X.C[L] = Round < 6 ? Segments[Round] : uint32_t(R.next() & 0x1f1f);
    In.push_back(X.A[L]);
    In.push_back(uint64_t(X.C[L]) << 32 | X.B[L]);
  }
  Kernel K(T, "k");
  if (!check(K.Ok, Opcode + ": " + K.Error))
    return;
  Buffer DI(In), DO(32 * 16);
  CUresult Result = K.arg(DI.Address).arg(DO.Address).run({1}, {32});
  if (!check(Result == CUDA_SUCCESS, Opcode + ": " + api().ptxsimLastReport()))
    return;
  auto Out = DO.read<uint32_t>();
  bool Pair = O == Op::Shfl || (O == Op::Match && has(Opcode, "all"));
  std::string Bad;
  for (int L = 0; L < 32; ++L) {
    bool On = Members >> L & 1;
    Answer Want = On ? expected(Opcode, O, X, L) : Answer{77};
    if ((Want.Value && *Want.Value != Out[4 * L]) ||
        (Pair && Out[4 * L + 2] != (On && Want.Predicate)))
      Bad += " " + std::to_string(L);
  }
  check(Bad.empty(), Opcode + ": wrong in lanes" + Bad);
}

// ---- carries ---------------------------------------------------------------
/// A chain of three: the carry goes in from an addition of the fourth word to
/// itself, and out into a word of its own.
static std::string carryKernel(const std::string &Opcode, Op O) {
  bool Wide = Opcode.back() == '4', Product = O == Op::MadCarry;
  std::string Reg = Wide ? "%rd" : "%r", Ty = Wide ? "u64" : "u32";
  std::string T = ".version 8.6\n.target sm_80\n.address_size 64\n.visible "
                  ".entry k(.param .u64 in, .param .u64 out)\n{\n.reg .b32 "
                  "%r<32>;\n.reg .b64 %rd<32>;\nld.param.u64 %rd20, [in];\n"
                  "ld.param.u64 %rd21, [out];\nmov.u32 %r20, %tid.x;\n"
                  "mul.wide.u32 %rd22, %r20, 32;\nadd.s64 %rd20, %rd20, "
                  "%rd22;\nadd.s64 %rd21, %rd21, %rd22;\n";
  for (unsigned K = 0; K < 4; ++K)
    T += "ld.global.b" + Ty.substr(1) + " " + Reg + std::to_string(K) +
         ", [%rd20+" + std::to_string(8 * K) + "];\n";
  T += "add.cc." + Ty + " " + Reg + "6, " + Reg + "3, " + Reg + "3;\n";
  T += Opcode + " " + Reg + "4, " + Reg + "0, " + Reg + "1" +
       (Product ? ", " + Reg + "2" : "") + ";\n";
  T += "addc." + Ty + " " + Reg + "5, 0, 0;\n";
  return T + "st.global.b" + Ty.substr(1) + " [%rd21], " + Reg +
         "4;\nst.global.b" + Ty.substr(1) + " [%rd21+8], " + Reg +
         "5;\nret;\n}\n";
}

static void testCarry(const std::string &Opcode, Op O) {
  bool Wide = Opcode.back() == '4', Subtracts = O == Op::SubCarry;
  bool TakesIn = Opcode.substr(0, Opcode.find('.')).back() == 'c';
  bool GivesOut = has(Opcode, "cc"), Product = O == Op::MadCarry;
  Random R(9);
  unsigned Bits = Wide ? 64 : 32;
  uint64_t Mask = Wide ? ~uint64_t(0) : 0xffffffffu;
  const uint64_t Edges[] = {0, 1, Mask, Mask >> 1, (Mask >> 1) + 1};
  std::vector<uint64_t> In(32 * 4);
  for (size_t K = 0; K < In.size(); ++K)
    In[K] = R.next() % 2 ? Edges[R.next() % 5] : R.next() & Mask;
  for (size_t L = 0; L < 32; ++L) // the carry that goes in
    In[4 * L + 3] = (L & 1) << (Bits - 1);
  Kernel K(carryKernel(Opcode, O), "k");
  if (!check(K.Ok, Opcode + ": " + K.Error))
    return;
  Buffer DI(In), DO(std::vector<uint64_t>(32 * 4));
  CUresult Result = K.arg(DI.Address).arg(DO.Address).run({1}, {32});
  check(Result == CUDA_SUCCESS, Opcode + ": " + api().ptxsimLastReport());
  auto Out = DO.read<uint64_t>();
  bool Right = true;
  using Big = unsigned __int128;
  for (size_t L = 0; L < 32; ++L) {
    uint64_t A = In[4 * L], B = In[4 * L + 1], C = In[4 * L + 2],
             CarryIn = L & 1;
    if (Product) {
      bool Signed = has(Opcode, "s32") || has(Opcode, "s64");
      Big P = !Signed ? Big(A) * B
              : Wide  ? Big(__int128(int64_t(A)) * int64_t(B))
                      : Big(__int128(int32_t(A)) * int32_t(B));
      A = uint64_t(has(Opcode, "hi") ? P >> Bits : P) & Mask;
      B = C;
    }
    Big In1 = TakesIn ? CarryIn : 0;
    // A subtraction adds the complement and, unless it takes one in, a carry:
    // ptxas folds chains of constants this way (nvdisasm shows the results).
    Big Flip = Subtracts ? Big(B) ^ Mask : Big(B);
    Big S = Big(A) + Flip + (Subtracts && !TakesIn ? 1 : In1);
    uint64_t CarryOut = uint64_t(S >> Bits) & 1;
    uint64_t Flag = GivesOut ? CarryOut : CarryIn; // else left as it was
    Right &= Out[4 * L] == (uint64_t(S) & Mask) && Out[4 * L + 1] == Flag;
  }
  check(Right, Opcode + ": wrong sum or carry");
}

int main() {
  constexpr uint32_t Masks[] = {~0u, 0x6db6db6du, 0x80000001u, 0x00ffff00u};
  unsigned Tested = 0;
  for (const ptxsim::OpcodeRow &Row : ptxsim::opcodeTable()) {
    bool Collective = Row.O == Op::Shfl || Row.O == Op::Vote ||
                      Row.O == Op::Match || Row.O == Op::Redux ||
                      Row.O == Op::Activemask;
    bool Carry =
        Row.O == Op::AddCarry || Row.O == Op::SubCarry || Row.O == Op::MadCarry;
    if (!Collective && !Carry)
      continue;
    for (const std::string &Opcode : ptxsim::expandRow(Row, 4096)) {
      ++Tested;
      if (Carry)
        testCarry(Opcode, Row.O);
      for (uint32_t Members : Masks)
        for (unsigned Round = 0; Collective && Round < 8; ++Round)
          testCollective(Opcode, Row.O, Members, Round);
    }
  }
  std::printf("%u opcodes compared with the rules\n", Tested);
  return finish("CollectiveTest");
}
