// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Property tests of the matrix rows of the opcode table: every opcode string
// becomes a kernel over random matrices, compared with MatrixOracle.
#include "MatrixOracle.h"
#include "OpcodeTable.h"
#include <algorithm>
#include <set>

using namespace test;
using ptxsim::Mod;
using ptxsim::Op;
using ptxsim::OpcodeInfo;

static std::vector<std::string> split(const std::string &Opcode) {
  std::vector<std::string> Parts;
  for (size_t At = 0; At <= Opcode.size();) {
    size_t Dot = std::min(Opcode.find('.', At), Opcode.size());
    Parts.push_back(Opcode.substr(At, Dot - At));
    At = Dot + 1;
  }
  return Parts;
}
/// The element types among the parts, in order.
static std::vector<ElementType> typesOf(const std::vector<std::string> &Parts) {
  static const std::set<std::string> Names = {
      "f16", "bf16", "tf32", "f32", "f64",  "s32", "s8",
      "u8",  "s4",   "u4",   "b16", "e4m3", "e5m2"};
  std::vector<ElementType> Types;
  for (const std::string &P : Parts)
    if (Names.count(P))
      Types.push_back({P});
  return Types;
}

// ---- kernels ---------------------------------------------------------------
static std::string registers(char Letter, unsigned Count) {
  std::string S = "{";
  for (unsigned K = 0; K < Count; ++K)
    S += (K ? ", %" : "%") + std::string(1, Letter) + std::to_string(K);
  return S + "}";
}
static const char *registerType(const ElementType &T) {
  return T.Name == "f64" ? "f64" : T.Name == "f32" ? "f32" : "b32";
}

namespace {
/// Text of a kernel that reads slots of 8 bytes per thread from "in" and writes
/// such slots to "out".
class KernelText {
public:
  explicit KernelText(unsigned Threads) : Threads(Threads) {}
  void declare(char Letter, const ElementType &T, unsigned Count) {
    Body += std::string(".reg .") + registerType(T) + " %" + Letter + "<" +
            std::to_string(Count) + ">;\n";
  }
  void load(char Letter, const ElementType &T, unsigned Count) {
    declare(Letter, T, Count);
    for (unsigned K = 0; K < Count; ++K)
      Body += std::string("ld.global.") + (T.bits() == 64 ? "b64 %" : "b32 %") +
              Letter + std::to_string(K) + ", " + slot("%rd20", NextIn++);
  }
  void store(char Letter, const ElementType &T, unsigned Count) {
    for (unsigned K = 0; K < Count; ++K)
      Body += std::string("st.global.") + (T.bits() == 64 ? "b64 " : "b32 ") +
              slotOf("%rd21", NextOut++) + ", %" + Letter + std::to_string(K) +
              ";\n";
  }
  void add(const std::string &Line) { Body += Line + "\n"; }
  std::string text(bool Hopper) const {
    return std::string(".version 8.6\n.target ") +
           (Hopper ? "sm_90a" : "sm_80") +
           "\n.address_size 64\n.visible .entry k(.param .u64 in, .param .u64 "
           "out, .param .u64 image)\n{\n.reg .pred %p<4>;\n.reg .b32 "
           "%r<32>;\n.reg .b64 %rd<32>;\n.shared .align 1024 .b8 sm[16384];\n"
           "ld.param.u64 %rd20, [in];\nld.param.u64 %rd21, [out];\n"
           "ld.param.u64 %rd22, [image];\nmov.u32 %r20, %tid.x;\n"
           "mul.wide.u32 %rd23, %r20, 8;\nadd.s64 %rd20, %rd20, %rd23;\n"
           "add.s64 %rd21, %rd21, %rd23;\nmov.u32 %r21, sm;\n" +
           Body + "ret;\n}\n";
  }
  unsigned NextIn = 0, NextOut = 0;

private:
  std::string slotOf(const char *Base, unsigned K) const {
    return std::string("[") + Base + "+" + std::to_string(K * Threads * 8) +
           "]";
  }
  std::string slot(const char *Base, unsigned K) const {
    return slotOf(Base, K) + ";\n";
  }
  unsigned Threads;
  std::string Body;
};
} // namespace

/// Runs the kernel on the slots; empty after a failed check.
static std::vector<uint64_t> run(const std::string &Opcode,
                                 const KernelText &Text, unsigned Threads,
                                 const std::vector<uint64_t> &In,
                                 const std::vector<uint8_t> &Image,
                                 bool Hopper) {
  Kernel K(Text.text(Hopper), "k");
  if (!check(K.Ok, Opcode + ": " + K.Error))
    return {};
  Buffer DI(In.empty() ? std::vector<uint64_t>(1) : In),
      DO(std::vector<uint64_t>(size_t(Text.NextOut) * Threads)),
      DM(Image.empty() ? std::vector<uint8_t>(16) : Image);
  CUresult R =
      K.arg(DI.Address).arg(DO.Address).arg(DM.Address).run({1}, {Threads});
  if (!check(R == CUDA_SUCCESS, Opcode + ": " + api().ptxsimLastReport()))
    return {};
  return DO.read<uint64_t>();
}

static void append(std::vector<uint64_t> &To, const std::vector<uint64_t> &V) {
  To.insert(To.end(), V.begin(), V.end());
}

// ---- mma.sync --------------------------------------------------------------
static void testMma(const std::string &Opcode, const OpcodeInfo &Info) {
  auto Types = typesOf(split(Opcode));
  const ElementType &TD = Types[0], &TA = Types[1], &TB = Types[2],
                    &TC = Types[3];
  unsigned M = Info.Shape.M, N = Info.Shape.N, K = Info.Shape.K;
  unsigned Groups = K / (4 * TA.perRegister());
  unsigned NA = Groups * M / 8, NB = Groups, NC = M / 4 / TC.perRegister(),
           ND = M / 4 / TD.perRegister();
  Random R(std::hash<std::string>()(Opcode));
  Matrix A(TA, M, K, R), B(TB, K, N, R), C(TC, M, N, R), D(TD, M, N);
  KernelText T(32);
  T.load('a', TA, NA);
  T.load('b', TB, NB);
  T.load('c', TC, NC);
  T.declare('d', TD, ND);
  T.add(Opcode + " " + registers('d', ND) + ", " + registers('a', NA) + ", " +
        registers('b', NB) + ", " + registers('c', NC) + ";");
  T.store('d', TD, ND);
  auto InC = [&](const ElementType &Ty) {
    return [&, M](unsigned L, unsigned Reg, unsigned P) {
      return placeInC(Ty, M, L, Reg, P);
    };
  };
  std::vector<uint64_t> In = pack(A, NA, 32, [&](auto L, auto Reg, auto P) {
    return placeInA(TA, M, L, Reg, P);
  });
  append(In, pack(B, NB, 32, [&](auto L, auto Reg, auto P) {
           return placeInB(TB, L, Reg, P);
         }));
  append(In, pack(C, NC, 32, InC(TC)));
  std::vector<uint64_t> Out = run(Opcode, T, 32, In, {}, Info.Row->MinSM > 80);
  if (Out.empty())
    return;
  unpack(Out, ND, 32, InC(TD), D);
  std::string Why;
  ProductRule Rule{A, B, &C, 1, Info.has(Mod::Satfinite)};
  check(Rule.accepts(D, Why), Opcode + ": " + Why);
}

// ---- wgmma -----------------------------------------------------------------
/// Bytes of rows of 32 bytes of k in core matrices of 8 rows by 16 bytes,
/// without a swizzle.
static std::vector<uint8_t> coreMatrices(const Matrix &X, bool RowsAreK) {
  unsigned Rows = RowsAreK ? X.Columns : X.Rows, Size = X.Type.bits() / 8;
  std::vector<uint8_t> Image(size_t(Rows) * 32);
  for (unsigned R = 0; R < Rows; ++R)
    for (unsigned K = 0; K < 32 / Size; ++K) {
      uint64_t V = RowsAreK ? X.at(K, R) : X.at(R, K);
      unsigned Byte = K * Size;
      size_t At = (R / 8 * 2 + Byte / 16) * 128 + R % 8 * 16 + Byte % 16;
      std::memcpy(&Image[At], &V, Size);
    }
  return Image;
}

/// Leading stride 128 (next 16 bytes of k), stride 256 (next 8 rows).
static std::string descriptor(const char *Register, unsigned Offset) {
  uint64_t Fixed = uint64_t(128 >> 4) << 16 | uint64_t(256 >> 4) << 32;
  std::string S = Register;
  return "add.u32 %r22, %r21, " + std::to_string(Offset) +
         ";\nshr.u32 %r22, %r22, 4;\ncvt.u64.u32 " + S + ", %r22;\nor.b64 " +
         S + ", " + S + ", " + std::to_string(Fixed) + ";";
}

static void copyImage(KernelText &T, size_t Bytes) {
  for (size_t At = 0; At < Bytes; At += 128 * 16) {
    std::string Offset = std::to_string(At);
    T.add("mad.lo.u32 %r23, %r20, 16, " + Offset + ";");
    T.add("setp.lt.u32 %p1, %r23, " + std::to_string(Bytes) + ";");
    T.add("cvt.u64.u32 %rd24, %r23;\nadd.s64 %rd24, %rd24, %rd22;");
    T.add("@%p1 ld.global.v4.b32 {%r24, %r25, %r26, %r27}, [%rd24];");
    T.add("add.u32 %r28, %r23, %r21;");
    T.add("@%p1 st.shared.v4.b32 [%r28], {%r24, %r25, %r26, %r27};");
  }
  T.add("fence.proxy.async;\nbar.sync 0;");
}

static void testWgmma(const std::string &Opcode, const OpcodeInfo &Info,
                      unsigned Variant) {
  auto Types = typesOf(split(Opcode));
  const ElementType &TD = Types[0], &TA = Types[1], &TB = Types[2];
  unsigned N = Info.Shape.N, K = Info.Shape.K;
  bool FromRegisters = Variant & 1, Accumulates = Variant & 2;
  bool Negates = Variant & 4 && !TA.isInteger();
  unsigned ND = N / 2 / TD.perRegister();
  Random R(std::hash<std::string>()(Opcode));
  Matrix A(TA, 64, K, R), B(TB, K, N, R), C(TD, 64, N, R), D(TD, 64, N);
  std::vector<uint8_t> Image = coreMatrices(A, false),
                       ImageB = coreMatrices(B, true);
  Image.insert(Image.end(), ImageB.begin(), ImageB.end());
  KernelText T(128);
  T.load('a', TA, 4);
  T.load('d', TD, ND);
  copyImage(T, Image.size());
  T.add(descriptor("%rd1", 0) + "\n" + descriptor("%rd2", 64 * 32));
  T.add("setp.eq.u32 %p2, 0, " + std::to_string(Accumulates ? 0 : 1) + ";");
  std::string Immediates = TA.isInteger() ? "" : Negates ? ", -1, 1" : ", 1, 1";
  if (TA.bits() == 16)
    Immediates += FromRegisters ? ", 0" : ", 0, 0";
  T.add("wgmma.fence.sync.aligned;");
  T.add(Opcode + " " + registers('d', ND) + ", " +
        (FromRegisters ? registers('a', 4) : "%rd1") + ", %rd2, %p2" +
        Immediates + ";");
  T.add("wgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;");
  T.store('d', TD, ND);
  auto InD = [&](unsigned L, unsigned Reg, unsigned P) {
    FragmentPlace At = placeInC(TD, 16, L % 32, Reg, P);
    return FragmentPlace{At.Row + L / 32 * 16, At.Column};
  };
  std::vector<uint64_t> In = pack(A, 4, 128, [&](auto L, auto Reg, auto P) {
    FragmentPlace At = placeInA(TA, 16, L % 32, Reg, P);
    return FragmentPlace{At.Row + L / 32 * 16, At.Column};
  });
  append(In, pack(C, ND, 128, InD));
  std::vector<uint64_t> Out = run(Opcode, T, 128, In, Image, true);
  if (Out.empty())
    return;
  unpack(Out, ND, 128, InD, D);
  std::string Why;
  ProductRule Rule{A, B, Accumulates ? &C : nullptr, Negates ? -1. : 1.,
                   Info.has(Mod::Satfinite)};
  check(Rule.accepts(D, Why), Opcode + ": " + Why);
}

// ---- wmma ------------------------------------------------------------------
static std::vector<uint8_t> inMemory(const Matrix &X, bool RowMajor) {
  unsigned Size = X.Type.bits() / 8;
  std::vector<uint8_t> Bytes(X.Bits.size() * Size);
  for (unsigned R = 0; R < X.Rows; ++R)
    for (unsigned C = 0; C < X.Columns; ++C) {
      uint64_t V = X.at(R, C);
      size_t At = RowMajor ? size_t(R) * X.Columns + C : size_t(C) * X.Rows + R;
      std::memcpy(&Bytes[At * Size], &V, Size);
    }
  return Bytes;
}

namespace {
struct WmmaForm {
  ElementType D, A, B, C;
  std::string Layout[2], Shape;
};
} // namespace

static WmmaForm wmmaForm(const std::string &Opcode) {
  auto Parts = split(Opcode);
  auto Types = typesOf(Parts);
  bool Short = Types.size() == 2; // .dtype.ctype: of f16
  return {Types[0],
          Short ? ElementType{"f16"} : Types[1],
          Short ? ElementType{"f16"} : Types[2],
          Short ? Types[1] : Types[3],
          {Parts[4], Parts[5]},
          Parts[6]};
}

/// Loads, multiplies and stores: what lies where in the registers is open.
static void testWmma(const std::string &Opcode, const OpcodeInfo &Info) {
  WmmaForm F = wmmaForm(Opcode);
  unsigned M = Info.Shape.M, N = Info.Shape.N, K = Info.Shape.K;
  Random R(std::hash<std::string>()(Opcode));
  Matrix A(F.A, M, K, R), B(F.B, K, N, R), C(F.C, M, N, R), D(F.D, M, N);
  KernelText T(32);
  std::vector<uint8_t> Image;
  auto Load = [&](char Letter, const Matrix &X, const std::string &Layout) {
    unsigned Count = ptxsim::fragmentSize(char(std::toupper(Letter)), Info);
    bool RowMajor = Layout == "row";
    T.declare(Letter, X.Type, Count);
    T.add("add.s64 %rd1, %rd22, " + std::to_string(Image.size()) + ";");
    T.add(std::string("wmma.load.") + Letter + ".sync.aligned." + Layout + "." +
          F.Shape + ".global." + X.Type.Name + " " + registers(Letter, Count) +
          ", [%rd1], " + std::to_string(RowMajor ? X.Columns : X.Rows) + ";");
    auto Bytes = inMemory(X, RowMajor);
    Image.insert(Image.end(), Bytes.begin(), Bytes.end());
    Image.resize((Image.size() + 255) & ~size_t(255));
  };
  Load('a', A, F.Layout[0]);
  Load('b', B, F.Layout[1]);
  Load('c', C, "row");
  unsigned ND = ptxsim::fragmentSize('D', Info);
  T.declare('d', F.D, ND);
  T.add(Opcode + " " + registers('d', ND) + ", " +
        registers('a', ptxsim::fragmentSize('A', Info)) + ", " +
        registers('b', ptxsim::fragmentSize('B', Info)) + ", " +
        registers('c', ptxsim::fragmentSize('C', Info)) + ";");
  T.add("ld.param.u64 %rd2, [out];\nwmma.store.d.sync.aligned.row." + F.Shape +
        ".global." + F.D.Name + " [%rd2], " + registers('d', ND) + ", " +
        std::to_string(N) + ";");
  T.NextOut = M * N / 32;
  std::vector<uint64_t> Out = run(Opcode, T, 32, {}, Image, false);
  if (Out.empty())
    return;
  for (unsigned E = 0; E < M * N; ++E)
    std::memcpy(&D.Bits[E],
                reinterpret_cast<char *>(Out.data()) + E * F.D.bits() / 8,
                F.D.bits() / 8);
  std::string Why;
  ProductRule Rule{A, B, &C, 1, Info.has(Mod::Satfinite)};
  check(Rule.accepts(D, Why), Opcode + ": " + Why);
}

// ---- 8 x 8 matrices --------------------------------------------------------
/// Row r of matrix q lies where lane 8 q + r points. Element of lane 4 g + t.
static FragmentPlace placeInEight(bool Trans, unsigned Lane, unsigned Part) {
  FragmentPlace P{Lane / 4, Lane % 4 * 2 + Part};
  return Trans ? FragmentPlace{P.Column, P.Row} : P;
}
/// A permutation of the rows of 16 bytes in 512 bytes of shared memory.
static unsigned rowOf(unsigned Lane) { return (Lane * 5 + 3) % 32; }

static void testEights(const std::string &Opcode, const OpcodeInfo &Info) {
  bool Load = Info.O == Op::Ldmatrix, Trans = Info.has(Mod::Trans);
  unsigned Count = ptxsim::fragmentSize('L', Info);
  Random R(std::hash<std::string>()(Opcode));
  std::vector<uint16_t> Memory(256);
  for (uint16_t &V : Memory)
    V = uint16_t(R.next());
  ElementType Word{"u32"};
  KernelText T(32);
  T.load('b', Word, Count);
  T.load('a', Word, 4);
  T.add("mad.lo.u32 %r1, %r20, 16, %r21;");
  T.add("st.shared.v4.b32 [%r1], {%a0, %a1, %a2, %a3};\nbar.sync 0;");
  T.add("mad.lo.u32 %r2, %r20, 5, 3;\nand.b32 %r2, %r2, 31;");
  T.add("mad.lo.u32 %r2, %r2, 16, %r21;");
  T.add("cvt.u64.u32 %rd5, %r2;\ncvta.shared.u64 %rd5, %rd5;");
  bool Generic = Opcode.find(".shared") == Opcode.npos;
  std::string List = registers('b', Count), At = Generic ? "[%rd5]" : "[%r2]";
  T.add(Opcode + " " + (Load ? List + ", " + At : At + ", " + List) + ";");
  T.add("bar.sync 0;\nld.shared.v4.b32 {%a0, %a1, %a2, %a3}, [%r1];");
  T.store(Load ? 'b' : 'a', Word, Load ? Count : 4);
  std::vector<uint64_t> In(size_t(Count + 4) * 32);
  for (unsigned K = 0; K < Count * 32; ++K)
    In[K] = R.next() & 0xffffffffu;
  for (unsigned L = 0; L < 32; ++L)
    for (unsigned K = 0; K < 4; ++K)
      std::memcpy(&In[(Count + K) * 32 + L], &Memory[8 * L + 2 * K], 4);
  std::vector<uint64_t> Out = run(Opcode, T, 32, In, {}, Info.Row->MinSM > 80);
  bool Right = !Out.empty();
  for (unsigned Q = 0; Right && Q < Count; ++Q)
    for (unsigned L = 0; L < 32; ++L)
      for (unsigned P = 0; P < 2; ++P) {
        FragmentPlace At = placeInEight(Trans, L, P);
        unsigned Cell = rowOf(8 * Q + At.Row) * 8 + At.Column;
        if (Load)
          Right &= uint16_t(Out[Q * 32 + L] >> 16 * P) == Memory[Cell];
        else
          Memory[Cell] = uint16_t(In[Q * 32 + L] >> 16 * P);
      }
  for (unsigned L = 0; Right && !Load && L < 32; ++L)
    for (unsigned K = 0; K < 8; ++K)
      Right &=
          uint16_t(Out[K / 2 * 32 + L] >> 16 * (K % 2)) == Memory[8 * L + K];
  check(Right, Opcode + ": elements are in the wrong places");
}

static void testMovmatrix(const std::string &Opcode) {
  Random R(77);
  ElementType Word{"u32"}, Half{"u16"};
  Matrix X(Half, 8, 8, R), Y(Half, 8, 8);
  KernelText T(32);
  T.load('a', Word, 1);
  T.declare('d', Word, 1);
  T.add(Opcode + " %d0, %a0;");
  T.store('d', Word, 1);
  auto Place = [](unsigned L, unsigned, unsigned P) {
    return placeInEight(false, L, P);
  };
  std::vector<uint64_t> Out =
      run(Opcode, T, 32, pack(X, 1, 32, Place), {}, false);
  if (Out.empty())
    return;
  unpack(Out, 1, 32, Place, Y);
  bool Right = true;
  for (unsigned I = 0; I < 64; ++I)
    Right &= X.at(I / 8, I % 8) == Y.at(I % 8, I / 8);
  check(Right, Opcode + ": not transposed");
}

int main() {
  unsigned Tested = 0;
  for (const ptxsim::OpcodeRow &Row : ptxsim::opcodeTable())
    for (const std::string &Opcode : ptxsim::expandRow(Row, 4096)) {
      OpcodeInfo Info;
      std::string Why;
      if (!ptxsim::matchOpcode(Opcode, Info, Why))
        continue; // PropertyTest reports it
      ++Tested;
      switch (Row.O) {
      case Op::Mma: testMma(Opcode, Info); break;
      case Op::Wgmma: testWgmma(Opcode, Info, Tested); break;
      case Op::WmmaMma: testWmma(Opcode, Info); break;
      case Op::Ldmatrix:
      case Op::Stmatrix: testEights(Opcode, Info); break;
      case Op::Movmatrix: testMovmatrix(Opcode); break;
      default: --Tested;
      }
    }
  std::printf("%u matrix opcodes compared with the oracle\n", Tested);
  return finish("MatrixTest");
}
