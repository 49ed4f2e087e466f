// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Property tests of loads, stores, atomics and cp.async: opcode strings of the
// table over every space, type and vector width, and over every other modifier
// by itself, against rules on bytes. Every lane has 32 bytes of its own; a
// guard leaves out every third lane.
#include "Driver.h"
#include "OpcodeTable.h"
#include <algorithm>

using namespace test;
using ptxsim::Op;
using ptxsim::OpcodeInfo;
using ptxsim::Space;

static constexpr unsigned Threads = 50;

static std::vector<std::string> split(const std::string &Opcode) {
  std::vector<std::string> Parts;
  for (size_t At = 0; At <= Opcode.size();) {
    size_t Dot = std::min(Opcode.find('.', At), Opcode.size());
    Parts.push_back(Opcode.substr(At, Dot - At));
    At = Dot + 1;
  }
  return Parts;
}
static bool has(const std::string &Opcode, const std::string &Part) {
  auto Parts = split(Opcode);
  return std::find(Parts.begin(), Parts.end(), Part) != Parts.end();
}
/// b, u, s or f and the width in bits; bf is 'g'.
struct Element {
  char Kind;
  unsigned Bits;
  bool Pair = false; // f16x2, bf16x2
  explicit Element(std::string T) {
    Pair = T.size() > 2 && T.substr(T.size() - 2) == "x2";
    if (Pair)
      T.resize(T.size() - 2);
    Kind = T.substr(0, 2) == "bf" ? 'g' : T[0];
    Bits = unsigned(std::stoi(T.substr(Kind == 'g' ? 2 : 1))) * (Pair ? 2 : 1);
  }
  uint64_t mask() const {
    return Bits == 64 ? ~uint64_t(0) : (uint64_t(1) << Bits) - 1;
  }
};
static unsigned vectorOf(const std::string &Opcode) {
  return has(Opcode, "v2")   ? 2
         : has(Opcode, "v4") ? 4
         : has(Opcode, "v8") ? 8
                             : 1;
}

/// A register wide enough that the extension shows.
static std::string registerOf(const Element &E, unsigned K) {
  std::string N = std::to_string(K);
  return E.Kind == 'f' ? (E.Bits == 64 ? "%fd" : "%fs") + N : "%rd" + N;
}
static std::string registerList(const Element &E, unsigned Count) {
  std::string S;
  for (unsigned K = 0; K < Count; ++K)
    S += (K ? ", " : "") + registerOf(E, K);
  return Count > 1 ? "{" + S + "}" : S;
}

namespace {
/// Where the lanes' bytes lie during the instruction.
struct Place {
  std::string Address; // operand
  std::string Prepare; // copies the lane's bytes there, sets the address
  std::string Finish;  // copies them back
  bool Const = false;
};
} // namespace

/// The four words of a lane through %rd16-19.
static std::string copyWords(const std::string &From, const std::string &To) {
  std::string S;
  for (unsigned K = 0; K < 4; ++K) {
    std::string At = "+" + std::to_string(8 * K) + "]";
    S += "ld." + From + At + ";\n";
    S.insert(S.rfind("ld.") + From.find(' ') + 3, " %rd16,");
    S += "st." + To + At + ", %rd16;\n";
  }
  return S;
}

static Place placeOf(const std::string &Opcode) {
  if (has(Opcode, "const"))
    return {"[%rd23]",
            "mov.u64 %rd23, table;\ncvta.const.u64 %rd23, %rd23;\n"
            "cvta.to.const.u64 %rd23, %rd23;\nadd.s64 %rd23, %rd23, %rd22;\n",
            "", true};
  if (has(Opcode, "param") || has(Opcode, "param::entry"))
    return {"[blob+32]", "", ""};
  bool Shared = has(Opcode, "shared") || has(Opcode, "shared::cta") ||
                has(Opcode, "shared::cluster");
  if (Shared)
    return {"[%r23]",
            "mov.u32 %r23, area;\nmad.lo.u32 %r23, %r20, 32, %r23;\n" +
                copyWords("global.b64 [%rd20", "shared.b64 [%r23"),
            copyWords("shared.b64 [%r23", "global.b64 [%rd20")};
  if (has(Opcode, "local"))
    return {"[%rd23]",
            "mov.u64 %rd23, own;\n" +
                copyWords("global.b64 [%rd20", "local.b64 [%rd23"),
            copyWords("local.b64 [%rd23", "global.b64 [%rd20")};
  return {"[%rd20]", "", ""};
}

static std::string kernelText(const std::string &Body, const Place &P,
                              const std::vector<uint64_t> &In) {
  std::string T = ".version 8.6\n.target sm_90a\n.address_size 64\n";
  if (P.Const) {
    T += ".const .align 16 .b64 table[" + std::to_string(In.size()) + "] = {";
    for (size_t K = 0; K < In.size(); ++K)
      T += (K ? ", " : "") + std::to_string(In[K]);
    T += "};\n";
  }
  return T +
         ".visible .entry k(.param .u64 image, .param .u64 data, .param .align "
         "16 .b8 blob[64])\n{\n.reg .pred %p<4>;\n.reg .b32 %r<32>;\n"
         ".reg .b64 %rd<32>;\n.reg .f32 %fs<16>;\n.reg .f64 %fd<8>;\n"
         ".reg .b16 %h<24>;\n.shared .align 16 .b8 area[2048];\n"
         ".local .align 16 .b8 own[32];\nld.param.u64 %rd20, [image];\n"
         "ld.param.u64 %rd21, [data];\nmov.u32 %r20, %tid.x;\n"
         "mul.wide.u32 %rd22, %r20, 32;\nadd.s64 %rd20, %rd20, %rd22;\n"
         "add.s64 %rd21, %rd21, %rd22;\nrem.u32 %r21, %r20, 3;\n"
         "setp.ne.u32 %p1, %r21, 1;\n" +
         P.Prepare + Body + P.Finish + "ret;\n}\n";
}
/// Words of the lanes, 4 each.
static std::vector<uint64_t> randomWords(uint64_t Seed) {
  Random R(Seed);
  std::vector<uint64_t> V(Threads * 4);
  for (uint64_t &X : V)
    X = R.next() ^ R.next() << 32;
  return V;
}
static bool isOn(unsigned Lane) { return Lane % 3 != 1; }

/// Runs the kernel; Image and Data are read back.
static bool run(const std::string &Opcode, const std::string &Text,
                std::vector<uint64_t> &Image, std::vector<uint64_t> &Data) {
  Kernel K(Text, "k");
  if (!check(K.Ok, Opcode + ": " + K.Error))
    return false;
  struct {
    uint64_t Words[8];
  } Blob;
  std::copy_n(Image.begin(), 8, Blob.Words);
  Buffer DI(Image), DD(Data);
  CUresult R = K.arg(DI.Address).arg(DD.Address).arg(Blob).run({1}, {Threads});
  Image = DI.read<uint64_t>();
  Data = DD.read<uint64_t>();
  return check(R == CUDA_SUCCESS, Opcode + ": " + api().ptxsimLastReport());
}

static uint64_t bytesAt(const uint64_t *Words, unsigned At, unsigned Bits) {
  uint64_t V = 0;
  std::memcpy(&V, reinterpret_cast<const char *>(Words) + At, Bits / 8);
  return V;
}

// ---- loads and stores ------------------------------------------------------
static std::string hint(const std::string &Opcode) {
  return has(Opcode, "L2::cache_hint") ? ", %rd30" : "";
}
static const char *const HintSetup =
    "createpolicy.fractional.L2::evict_first.b64 %rd30, 1.0;\n";

static void testLoad(const std::string &Opcode) {
  Element E(split(Opcode).back());
  unsigned Count = vectorOf(Opcode);
  Place P = placeOf(Opcode);
  auto Image = randomWords(1), Data = randomWords(2), Before = Image,
       Old = Data;
  std::string Body = HintSetup;
  std::string Width = E.Bits == 64 || E.Kind != 'f' ? "64" : "32";
  auto Move = [&](const char *What) {
    for (unsigned K = 0; K < Count; ++K) {
      std::string At = "[%rd21+" + std::to_string(8 * K) + "]",
                  R = registerOf(E, K);
      Body += std::string(What) + ".global.b" + Width + " " +
              (*What == 'l' ? R + ", " + At : At + ", " + R) + ";\n";
    }
  };
  Move("ld");
  Body += "@%p1 " + Opcode + " " + registerList(E, Count) + ", " + P.Address +
          hint(Opcode) + ";\n";
  Move("st");
  if (!run(Opcode, kernelText(Body, P, Image), Image, Data))
    return;
  bool SameForAll = P.Address == "[blob+32]", Right = Image == Before;
  for (unsigned L = 0; L < Threads; ++L)
    for (unsigned K = 0; K < Count; ++K) {
      const uint64_t *From = &Before[SameForAll ? 4 : 4 * L];
      uint64_t V = bytesAt(From, K * E.Bits / 8, E.Bits);
      if (E.Kind == 's' && V >> (E.Bits - 1) && E.Bits < 64)
        V |= ~E.mask();
      uint64_t Mask = Width == "64" ? ~uint64_t(0) : 0xffffffffu;
      uint64_t Was = Old[4 * L + K], Want = isOn(L) ? V : Was;
      Right &= Data[4 * L + K] == ((Want & Mask) | (Was & ~Mask));
    }
  check(Right, Opcode + ": wrong values");
}

static void testStore(const std::string &Opcode) {
  Element E(split(Opcode).back());
  unsigned Count = vectorOf(Opcode);
  Place P = placeOf(Opcode);
  auto Image = randomWords(3), Data = randomWords(4), Want = Image;
  std::string Body = HintSetup;
  for (unsigned K = 0; K < Count; ++K)
    Body += "ld.global.b" +
            std::string(E.Bits == 64 || E.Kind != 'f' ? "64 " : "32 ") +
            registerOf(E, K) + ", [%rd21+" + std::to_string(8 * K) + "];\n";
  Body += "@%p1 " + Opcode + " " + P.Address + ", " + registerList(E, Count) +
          hint(Opcode) + ";\n";
  if (!run(Opcode, kernelText(Body, P, Image), Image, Data))
    return;
  for (unsigned L = 0; L < Threads; ++L)
    for (unsigned K = 0; isOn(L) && K < Count; ++K)
      std::memcpy(reinterpret_cast<char *>(&Want[4 * L]) + K * E.Bits / 8,
                  &Data[4 * L + K], E.Bits / 8);
  check(Image == Want, Opcode + ": wrong bytes");
}

// ---- atomics ---------------------------------------------------------------
static uint64_t addFloats(const Element &E, uint64_t Old, uint64_t V) {
  unsigned Bits = E.Pair ? 16 : E.Bits;
  uint64_t Out = 0,
           Mask = Bits == 64 ? ~uint64_t(0) : (uint64_t(1) << Bits) - 1;
  for (unsigned At = 0; At < E.Bits; At += Bits) {
    uint64_t X = Old >> At & Mask, Y = V >> At & Mask, R = 0;
    if (Bits == 64) {
      double A, B;
      std::memcpy(&A, &X, 8);
      std::memcpy(&B, &Y, 8);
      A += B;
      std::memcpy(&R, &A, 8);
    } else if (Bits == 32) {
      float A, B;
      std::memcpy(&A, &X, 4);
      std::memcpy(&B, &Y, 4);
      A += B;
      std::memcpy(&R, &A, 4);
    } else if (E.Kind == 'g') {
      R = floatToBf16(bf16ToFloat(uint16_t(X)) + bf16ToFloat(uint16_t(Y)));
    } else {
      R = floatToHalf(halfToFloat(uint16_t(X)) + halfToFloat(uint16_t(Y)));
    }
    Out |= (R & Mask) << At;
  }
  return Out;
}

static uint64_t updated(const std::string &Opcode, const Element &E,
                        uint64_t Old, uint64_t V, uint64_t W) {
  auto Signed = [&](uint64_t X) {
    return E.Bits == 64 ? int64_t(X) : int64_t(int32_t(uint32_t(X)));
  };
  bool Less = E.Kind == 's' ? Signed(V) < Signed(Old) : V < Old;
  if (has(Opcode, "and"))
    return Old & V;
  if (has(Opcode, "or"))
    return Old | V;
  if (has(Opcode, "xor"))
    return Old ^ V;
  if (has(Opcode, "exch"))
    return V;
  if (has(Opcode, "cas"))
    return Old == V ? W : Old;
  if (has(Opcode, "inc"))
    return Old >= V ? 0 : Old + 1;
  if (has(Opcode, "dec"))
    return !Old || Old > V ? V : Old - 1;
  if (has(Opcode, "min"))
    return Less ? V : Old;
  if (has(Opcode, "max"))
    return Less ? Old : V;
  if (E.Kind == 'f' || E.Kind == 'g')
    return addFloats(E, Old, V);
  return (Old + V) & E.mask();
}

/// Values whose sums are exact in every format, and equal ones for cas.
static uint64_t atomicValue(const Element &E, Random &R, bool Small) {
  if (E.Kind != 'f' && E.Kind != 'g')
    return (Small ? R.next() % 3 : R.next() ^ R.next() << 32) & E.mask();
  uint64_t Out = 0;
  unsigned Bits = E.Pair ? 16 : E.Bits;
  for (unsigned At = 0; At < E.Bits; At += Bits) {
    double V = double(R.next() % 64) / 8 - 4;
    uint64_t B = 0;
    float F = float(V);
    if (Bits == 64)
      std::memcpy(&B, &V, 8);
    else if (Bits == 32)
      std::memcpy(&B, &F, 4);
    else
      B = E.Kind == 'g' ? floatToBf16(F) : floatToHalf(F);
    Out |= B << At;
  }
  return Out;
}

static void testAtomic(const std::string &Opcode, Op O) {
  Element E(split(Opcode).back());
  Place P = placeOf(Opcode);
  bool Cas = O == Op::AtomCas, Reduces = O == Op::Red;
  std::vector<uint64_t> Image(Threads * 4), Data(Threads * 4);
  Random R(Opcode.size() * 7 + E.Bits);
  for (unsigned L = 0; L < Threads; ++L) {
    bool Small = L % 2 || Cas;
    Image[4 * L] = atomicValue(E, R, Small);
    for (unsigned K = 0; K < 3; ++K)
      Data[4 * L + K] = atomicValue(E, R, Small);
  }
  std::vector<uint64_t> Before = Image, Given = Data;
  std::string Reg = E.Bits == 16 ? "%h" : E.Bits == 32 ? "%r" : "%rd";
  if (E.Kind == 'f' && !E.Pair && E.Bits > 16)
    Reg = E.Bits == 64 ? "%fd" : "%fs";
  std::string Width = "b" + std::to_string(E.Bits) + " ", Body = HintSetup;
  for (unsigned K = 0; K < 3; ++K)
    Body += "ld.global." + Width + Reg + std::to_string(K + 1) + ", [%rd21+" +
            std::to_string(8 * K) + "];\n";
  Body += "@%p1 " + Opcode + " " + (Reduces ? "" : Reg + "3, ") + P.Address +
          ", " + Reg + "1" + (Cas ? ", " + Reg + "2" : "") + hint(Opcode) +
          ";\nst.global." + Width + "[%rd21+24], " + Reg + "3;\n";
  if (!run(Opcode, kernelText(Body, P, Image), Image, Data))
    return;
  bool Right = true;
  for (unsigned L = 0; L < Threads; ++L) {
    uint64_t Old = Before[4 * L], New = Old, Back = Given[4 * L + 2];
    if (isOn(L)) {
      New = updated(Opcode, E, Old, Given[4 * L], Given[4 * L + 1]);
      Back = Reduces ? Back : Old;
    }
    Right &= Image[4 * L] == New && (Data[4 * L + 3] & E.mask()) == Back;
  }
  check(Right, Opcode + ": wrong values");
}

/// Part K of Bits bits.
static uint64_t partOf(const std::vector<uint64_t> &V, unsigned Lane,
                       unsigned K, unsigned Bits) {
  uint64_t Out = 0;
  std::memcpy(&Out, reinterpret_cast<const char *>(&V[4 * Lane]) + K * Bits / 8,
              Bits / 8);
  return Out;
}
static uint64_t smallest(const Element &E, uint64_t X, uint64_t Y, bool Max) {
  auto Value = [&](uint64_t V) {
    return E.Kind == 'g' ? bf16ToFloat(uint16_t(V)) : halfToFloat(uint16_t(V));
  };
  return (Value(X) < Value(Y)) != Max ? X : Y;
}
/// atom and red on vectors: 16 bytes of operands, then of results.
static void testAtomicVector(const std::string &Opcode, Op O) {
  Element E(split(Opcode).back());
  unsigned N = vectorOf(Opcode), Unit = E.Pair ? 16 : E.Bits;
  Element One(E.Bits == 32 && !E.Pair ? "f32" : E.Kind == 'g' ? "bf16" : "f16");
  std::vector<uint64_t> Image(Threads * 4), Data(Threads * 4);
  Random R(Opcode.size());
  for (std::vector<uint64_t> *V : {&Image, &Data})
    for (uint64_t &Word : *V)
      for (unsigned At = 0; At < 64; At += Unit)
        Word |= atomicValue(One, R, false) << At;
  std::vector<uint64_t> Before = Image, Given = Data;
  std::string Reg = E.Bits == 16 ? "%h" : E.Pair ? "%r" : "%fs";
  std::string Width = "b" + std::to_string(E.Bits) + " ", Body = HintSetup;
  std::string Lists[2], Stores;
  for (unsigned K = 0; K < 2 * N; ++K) {
    std::string Name = Reg + std::to_string(K);
    std::string At =
        "[%rd21+" +
        std::to_string((K < N ? K : K - N) * E.Bits / 8 + (K < N ? 0 : 16)) +
        "]";
    Body += "ld.global." + Width + Name + ", " + At + ";\n";
    if (K >= N)
      Stores += "st.global." + Width + At + ", " + Name + ";\n";
    Lists[K >= N] += (K % N ? ", " : "") + Name;
  }
  Body += "@%p1 " + Opcode + " " +
          (O == Op::Red ? "" : "{" + Lists[1] + "}, ") + "[%rd20], {" +
          Lists[0] + "}" + hint(Opcode) + ";\n" + Stores;
  if (!run(Opcode, kernelText(Body, placeOf(Opcode), Image), Image, Data))
    return;
  bool Right = true, Order = has(Opcode, "min") || has(Opcode, "max");
  for (unsigned L = 0; L < Threads; ++L)
    for (unsigned K = 0; K < N * E.Bits / Unit; ++K) {
      unsigned Behind = 128 / Unit + K;
      uint64_t Old = partOf(Before, L, K, Unit), New = Old;
      uint64_t Back = partOf(Given, L, Behind, Unit);
      if (isOn(L)) {
        uint64_t V = partOf(Given, L, K, Unit);
        New = Order ? smallest(One, Old, V, has(Opcode, "max"))
                    : addFloats(One, Old, V);
        Back = O == Op::Red ? Back : Old;
      }
      Right &= partOf(Image, L, K, Unit) == New &&
               partOf(Data, L, Behind, Unit) == Back;
    }
  check(Right, Opcode + ": wrong values");
}

// ---- cp.async --------------------------------------------------------------
static void testCopy(const std::string &Opcode) {
  for (unsigned Size : {4u, 8u, 16u})
    for (bool Sized : {false, true}) {
      if (has(Opcode, "cg") && Size != 16)
        continue;
      auto Image = randomWords(5), Data = randomWords(6), Want = Image;
      Place P = placeOf("st.shared");
      std::string Body = HintSetup;
      Body += "rem.u32 %r24, %r20, " + std::to_string(Size + 1) + ";\n@%p1 " +
              Opcode + " [%r23], [%rd21], " + std::to_string(Size) +
              (Sized ? ", %r24" : "") + hint(Opcode) +
              ";\ncp.async.commit_group;\ncp.async.wait_group 0;\n";
      if (!run(Opcode, kernelText(Body, P, Image), Image, Data))
        return;
      for (unsigned L = 0; L < Threads; ++L) {
        if (!isOn(L))
          continue;
        auto *To = reinterpret_cast<char *>(&Want[4 * L]);
        std::memset(To, 0, Size);
        std::memcpy(To, &Data[4 * L], Sized ? L % (Size + 1) : Size);
      }
      check(Image == Want, Opcode + ": wrong bytes");
    }
}

/// Modifiers other than space, type and vector width.
static unsigned extras(const std::string &Opcode) {
  unsigned N = 0;
  for (const std::string &P : split(Opcode))
    for (const char *E : {"ca",
                          "cg",
                          "cs",
                          "lu",
                          "cv",
                          "wb",
                          "wt",
                          "L1::evict_normal",
                          "L1::evict_unchanged",
                          "L1::evict_first",
                          "L1::evict_last",
                          "L1::no_allocate",
                          "L2::cache_hint",
                          "L2::64B",
                          "L2::128B",
                          "L2::256B",
                          "cluster",
                          "sys",
                          "acquire",
                          "acq_rel",
                          "release"})
      N += P == E;
  return N;
}

int main() {
  unsigned Tested = 0;
  for (const ptxsim::OpcodeRow &Row : ptxsim::opcodeTable()) {
    bool Copies = Row.O == Op::CpAsync,
         Accesses = Row.O == Op::Ld || Row.O == Op::St;
    bool Atomic = Row.O == Op::Atom || Row.O == Op::AtomCas || Row.O == Op::Red;
    if (!Copies && !Accesses && !Atomic)
      continue;
    for (const std::string &Opcode : ptxsim::expandRow(Row, 1u << 20)) {
      OpcodeInfo Info;
      std::string Why;
      // Parameters of functions: the programs that call functions.
      if (extras(Opcode) > 1 || has(Opcode, "param::func") ||
          (Row.O == Op::St && has(Opcode, "param")) ||
          !ptxsim::matchOpcode(Opcode, Info, Why) ||
          Info.Types[0] == ptxsim::Type::B128 || // QuadTest
          Info.VectorWidth * ptxsim::bitWidth(Info.Types[0]) > 128)
        continue;
      ++Tested;
      if (Copies)
        testCopy(Opcode);
      else if (Atomic && vectorOf(Opcode) > 1)
        testAtomicVector(Opcode, Row.O);
      else if (Atomic)
        testAtomic(Opcode, Row.O);
      else if (Row.O == Op::Ld)
        testLoad(Opcode);
      else
        testStore(Opcode);
    }
  }
  std::printf("%u opcodes compared with rules on bytes\n", Tested);
  return finish("MemoryTest");
}
