// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Property tests of the video instructions: every opcode string with random
// selectors of all operands, against the rules of the ISA on single values.
#include "Driver.h"
#include "OpcodeTable.h"
#include <algorithm>
#include <sstream>

using namespace test;
using ptxsim::Op;

static constexpr unsigned Threads = 64;
using Value = __int128;

namespace {
/// An opcode with its operands as written, and what they mean.
struct Form {
  std::vector<std::string> Words;
  unsigned Count = 1;                    // elements of a vector instruction
  std::string SelectD, SelectA, SelectB; // without the dot, or empty
  bool MinusA = false, MinusB = false, MinusC = false, HasC = true;
  bool has(const char *W) const {
    return std::find(Words.begin() + 1, Words.end(), W) != Words.end();
  }
  std::string head() const {
    std::string H = Words[0];
    return Count > 1 ? H.substr(0, H.size() - 1) : H;
  }
  /// Signedness of d, a and b.
  bool isSigned(unsigned K) const {
    unsigned First = head() == "vset";
    return !(First && !K) && Words[1 + K - First] == "s32";
  }
};
} // namespace

static Value clamp(Value V, unsigned Bits, bool Signed) {
  Value Low = Signed ? -(Value(1) << (Bits - 1)) : 0;
  Value High = Signed ? (Value(1) << (Bits - 1)) - 1 : (Value(1) << Bits) - 1;
  return V < Low ? Low : V > High ? High : V;
}
static Value extend(uint64_t V, unsigned Bits, bool Signed) {
  V &= (uint64_t(1) << Bits) - 1;
  bool Negative = Signed && V >> (Bits - 1);
  return Value(V) - (Negative ? Value(1) << Bits : 0);
}

/// First bit and width that a scalar selector names.
static void place(const std::string &Select, unsigned &At, unsigned &Bits) {
  Bits = Select.empty() ? 32 : Select[0] == 'b' ? 8 : 16;
  At = Select.empty() ? 0 : unsigned(Select[1] - '0') * Bits;
}

static Value operate(const Form &F, Value A, Value B) {
  std::string H = F.head();
  if (H == "vadd")
    return A + B;
  if (H == "vsub")
    return A - B;
  if (H == "vabsdiff")
    return A > B ? A - B : B - A;
  if (H == "vavrg") {
    Value S = A + B;
    return S >= 0 ? (S + 1) / 2 : S / 2 - (S % 2 != 0);
  }
  if (H == "vmin")
    return A < B ? A : B;
  if (H == "vmax")
    return A < B ? B : A;
  if (H == "vset")
    return F.has("eq")   ? A == B
           : F.has("ne") ? A != B
           : F.has("lt") ? A < B
           : F.has("le") ? A <= B
           : F.has("gt") ? A > B
                         : A >= B;
  unsigned N = unsigned(F.has("wrap") ? B % 32 : B > 32 ? Value(32) : B);
  if (H == "vshr")
    return A >> N;
  return extend(uint64_t(A << N), 34, true); // what the unit holds
}

static uint32_t scalarRule(const Form &F, uint32_t A, uint32_t B, uint32_t C) {
  unsigned AtA, BitsA, AtB, BitsB, At, Bits;
  place(F.SelectA, AtA, BitsA);
  place(F.SelectB, AtB, BitsB);
  place(F.SelectD, At, Bits);
  bool Signed = F.isSigned(0);
  Value V = operate(F, extend(A >> AtA, BitsA, F.isSigned(1)),
                    extend(B >> AtB, BitsB, F.isSigned(2)));
  if (F.has("sat"))
    V = clamp(V, Bits, Signed);
  Value Word = extend(uint64_t(V), 32, Signed), Other = extend(C, 32, Signed);
  if (F.has("add"))
    return uint32_t(Word + Other);
  if (F.has("min"))
    return uint32_t(std::min(Word, Other));
  if (F.has("max"))
    return uint32_t(std::max(Word, Other));
  uint32_t Out = F.SelectD.empty() ? 0 : C;
  for (unsigned K = 0; K < Bits; ++K) {
    uint32_t Bit = 1u << (At + K);
    Out = uint32_t(V >> K) & 1 ? Out | Bit : Out & ~Bit;
  }
  return Out;
}

static uint32_t vectorRule(const Form &F, uint32_t A, uint32_t B, uint32_t C) {
  unsigned Bits = 32 / F.Count;
  uint64_t Both = uint64_t(B) << 32 | A;
  auto Element = [&](const std::string &Select, unsigned K, unsigned Default,
                     bool Signed) {
    unsigned N = Select.empty() ? Default + K
                                : unsigned(Select[Select.size() - 1 - K] - '0');
    return extend(Both >> (Bits * N), Bits, Signed);
  };
  uint32_t Out = F.has("add") ? C : 0;
  for (unsigned K = 0; K < F.Count; ++K) {
    bool On =
        F.SelectD.empty() || F.SelectD.find(char('0' + K)) != std::string::npos;
    Value V = operate(F, Element(F.SelectA, K, 0, F.isSigned(1)),
                      Element(F.SelectB, K, F.Count, F.isSigned(2)));
    if (F.has("sat"))
      V = clamp(V, Bits, F.isSigned(0));
    if (F.has("add"))
      Out += On ? uint32_t(V) : 0;
    else
      Out |= uint32_t(extend(uint64_t(On ? V : C >> (Bits * K)), Bits, false))
             << (Bits * K);
  }
  return Out;
}

static uint32_t madRule(const Form &F, uint32_t A, uint32_t B, uint32_t C) {
  unsigned AtA, BitsA, AtB, BitsB;
  place(F.SelectA, AtA, BitsA);
  place(F.SelectB, AtB, BitsB);
  bool Signed = F.isSigned(1) || F.isSigned(2) || F.MinusA != F.MinusB;
  Value P = extend(A >> AtA, BitsA, F.isSigned(1)) *
            extend(B >> AtB, BitsB, F.isSigned(2));
  Value V = F.MinusA != F.MinusB ? -P : P;
  Value Addend = extend(C, 32, Signed);
  V += F.MinusC ? -Addend : Addend;
  V += F.has("po") ? 1 : 0;
  Value Divisor = F.has("shr7") ? 128 : F.has("shr15") ? 32768 : 1;
  V = V / Divisor - (V % Divisor < 0); // downwards
  if (F.has("sat"))
    V = clamp(V, 32, Signed || F.MinusC);
  return uint32_t(V);
}

static std::string pick(Random &R, std::initializer_list<const char *> Names) {
  return *(Names.begin() + R.next() % Names.size());
}
static std::string digits(Random &R, char Letter, unsigned Count,
                          unsigned Below) {
  std::string S(1, Letter);
  for (unsigned K = 0; K < Count; ++K)
    S += char('0' + R.next() % Below);
  return S;
}

/// Random selectors and signs that the opcode takes.
static Form formOf(const std::string &Opcode, Random &R) {
  Form F;
  std::stringstream S(Opcode);
  for (std::string W; std::getline(S, W, '.');)
    F.Words.push_back(W);
  char Last = F.Words[0].back();
  F.Count = Last == '2' || Last == '4' ? unsigned(Last - '0') : 1;
  bool Plain = R.next() % 3 == 0, Mad = F.Words[0] == "vmad";
  bool Second = F.has("add") || F.has("min") || F.has("max");
  if (F.Count == 1) {
    auto Any = [&] {
      return pick(R, {"", "b0", "b1", "b2", "b3", "h0", "h1"});
    };
    F.SelectA = Any();
    F.SelectB = Any();
    F.SelectD = Mad || Second ? "" : Any();
    F.HasC = Mad || Second || !F.SelectD.empty();
    bool Signs = Mad && !F.has("po");
    F.MinusA = Signs && R.next() % 3 == 0;
    F.MinusB = Signs && !F.MinusA && R.next() % 3 == 0;
    F.MinusC = Signs && !F.MinusA && !F.MinusB && R.next() % 2;
  } else if (!Plain && F.Count == 2) {
    F.SelectA = digits(R, 'h', 2, 4);
    F.SelectB = digits(R, 'h', 2, 4);
    F.SelectD = pick(R, {"", "h0", "h1", "h10"});
  } else if (!Plain) {
    F.SelectA = digits(R, 'b', 4, 8);
    F.SelectB = digits(R, 'b', 4, 8);
    F.SelectD =
        pick(R, {"", "b0", "b1", "b10", "b2", "b20", "b21", "b210", "b3", "b30",
                 "b31", "b310", "b32", "b320", "b321", "b3210"});
  }
  return F;
}

static std::string operand(const char *Register, const std::string &Select,
                           bool Minus) {
  return std::string(Minus ? "-" : "") + Register +
         (Select.empty() ? "" : "." + Select);
}

static void testOpcode(const std::string &Opcode, uint64_t Seed) {
  Random R(Seed * 1000 + std::hash<std::string>()(Opcode));
  Form F = formOf(Opcode, R);
  std::string Text = Opcode + " " + operand("%r4", F.SelectD, false) + ", " +
                     operand("%r1", F.SelectA, F.MinusA) + ", " +
                     operand("%r2", F.SelectB, F.MinusB) +
                     (F.HasC ? ", " + operand("%r3", "", F.MinusC) : "") + ";";
  Kernel K(".version 8.6\n.target sm_80\n.address_size 64\n.visible .entry "
           "k(.param .u64 data)\n{\n.reg .b32 %r<8>;\n.reg .b64 %rd<4>;\n"
           "ld.param.u64 %rd1, [data];\nmov.u32 %r1, %tid.x;\n"
           "mul.wide.u32 %rd2, %r1, 16;\nadd.s64 %rd1, %rd1, %rd2;\n"
           "ld.global.v4.b32 {%r1, %r2, %r3, %r4}, [%rd1];\n" +
               Text + "\nst.global.b32 [%rd1+12], %r4;\nret;\n}\n",
           "k");
  if (!check(K.Ok, Text + " " + K.Error))
    return;
  static const uint32_t Edges[] = {0, 1, 0x7fffffff, 0x80000000, ~0u, 33, 7};
  std::vector<uint32_t> In(Threads * 4);
  for (uint32_t &V : In)
    V = R.next() % 4 ? uint32_t(R.next() >> 13) : Edges[R.next() % 7];
  Buffer Data(In);
  CUresult Result = K.arg(Data.Address).run({1}, {Threads});
  std::vector<uint32_t> Out = Data.read<uint32_t>();
  bool Right = check(Result == CUDA_SUCCESS, Text);
  for (unsigned L = 0; L < Threads && Right; ++L) {
    uint32_t A = In[4 * L], B = In[4 * L + 1], C = In[4 * L + 2];
    uint32_t Want = F.Words[0] == "vmad" ? madRule(F, A, B, C)
                    : F.Count > 1        ? vectorRule(F, A, B, C)
                                         : scalarRule(F, A, B, C);
    std::ostringstream S;
    S << std::hex << Text << " of " << A << ", " << B << ", " << C
      << ": expected " << Want << ", got " << Out[4 * L + 3];
    Right = check(Out[4 * L + 3] == Want, S.str());
  }
}

int main() {
  unsigned Tested = 0;
  for (const ptxsim::OpcodeRow &Row : ptxsim::opcodeTable())
    if (ptxsim::isVideo(Row.O))
      for (const std::string &Opcode : ptxsim::expandRow(Row, 4096))
        for (uint64_t Seed = 1; Seed <= 2; ++Seed, ++Tested)
          testOpcode(Opcode, Seed);
  check(Tested > 1000, "more than 1000 forms are compared");
  return finish("VideoTest");
}
