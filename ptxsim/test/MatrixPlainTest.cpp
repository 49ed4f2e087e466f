// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Property tests of matrix instructions of seldom used kinds: single bits,
// 4 bits by wmma, m8n8k4 and sparse products, against MatrixOracle.
#include "MatrixOracle.h"
#include "OpcodeTable.h"
#include <algorithm>

using namespace test;
using ptxsim::Mod;
using ptxsim::Op;
using ptxsim::OpcodeInfo;
using Words = std::vector<uint32_t>;

// ---- kernels ---------------------------------------------------------------
static std::string list(char Letter, unsigned Count) {
  std::string S = "{";
  for (unsigned K = 0; K < Count; ++K)
    S += (K ? ", %" : "%") + std::string(1, Letter) + std::to_string(K);
  return S + "}";
}
/// Register K of a lane is word 32 K + lane of In, by the letters in order;
/// those of d go to Out. Body may use %rd1, the address of In.
static Words run(const std::string &Opcode, const std::string &Body,
                 const std::vector<std::pair<char, unsigned>> &Loads,
                 unsigned Stores, const Words &In, bool FloatD, bool FloatC) {
  std::string T =
      ".version 8.6\n.target sm_90\n.address_size 64\n.visible .entry "
      "k(.param .u64 in, .param .u64 out)\n{\n.reg .b64 %rd<6>;\n.reg .b32 "
      "%r<4>;\n.reg ." +
      std::string(FloatD ? "f32" : "b32") +
      " %d<8>;\nld.param.u64 %rd1, [in];\nld.param.u64 %rd2, [out];\n"
      "mov.u32 %r1, %tid.x;\nmad.wide.u32 %rd3, %r1, 4, %rd1;\n"
      "mad.wide.u32 %rd2, %r1, 4, %rd2;\n";
  unsigned Next = 0;
  for (auto [Letter, Count] : Loads) {
    bool Float = Letter == 'c' && FloatC;
    T += std::string(".reg .") + (Float ? "f32" : "b32") + " %" + Letter + "<" +
         std::to_string(Count) + ">;\n";
    for (unsigned K = 0; K < Count; ++K)
      T += std::string("ld.global.b32 %") + Letter + std::to_string(K) +
           ", [%rd3+" + std::to_string(128 * Next++) + "];\n";
  }
  T += Body + "\n";
  for (unsigned K = 0; K < Stores; ++K)
    T += "st.global.b32 [%rd2+" + std::to_string(128 * K) + "], %d" +
         std::to_string(K) + ";\n";
  Kernel Code(T + "ret;\n}\n", "k");
  if (!check(Code.Ok, Opcode + ": " + Code.Error))
    return {};
  Buffer DI(In), DO(size_t(Stores) * 128);
  CUresult R = Code.arg(DI.Address).arg(DO.Address).run({1}, {32});
  if (!check(R == CUDA_SUCCESS, Opcode + ": " + api().ptxsimLastReport()))
    return {};
  return DO.read<uint32_t>();
}

template <class F>
static void append(Words &To, const Matrix &X, unsigned Registers, F Place) {
  for (uint64_t V : pack(X, Registers, 32, Place))
    To.push_back(uint32_t(V));
}
static std::vector<uint64_t> widened(const Words &V) {
  return std::vector<uint64_t>(V.begin(), V.end());
}
static bool has(const std::string &Opcode, const char *Part) {
  return (Opcode + ".").find(std::string(".") + Part + ".") != Opcode.npos;
}

// ---- integers --------------------------------------------------------------
/// The product itself; xor counts the bits that differ.
static void checkIntegers(const std::string &Opcode, const OpcodeInfo &Info,
                          const Matrix &A, const Matrix &B, const Matrix &C,
                          const Matrix &D) {
  bool Right = true;
  for (unsigned R = 0; R < D.Rows; ++R)
    for (unsigned N = 0; N < D.Columns; ++N) {
      int64_t Sum = int64_t(C.value(R, N));
      for (unsigned K = 0; K < A.Columns; ++K) {
        int64_t X = int64_t(A.value(R, K)), Y = int64_t(B.value(K, N));
        Sum += has(Opcode, "xor") ? int64_t(X != Y) : X * Y;
      }
      if (Info.has(Mod::Satfinite))
        Sum = std::clamp<int64_t>(Sum, INT32_MIN, INT32_MAX);
      Right &= uint32_t(D.at(R, N)) == uint32_t(uint64_t(Sum));
    }
  check(Right, Opcode + ": wrong values");
}

static ElementType integerType(const std::string &Opcode) {
  return {has(Opcode, "b1") ? "u1" : has(Opcode, "s4") ? "s4" : "u4"};
}

static void testIntegers(const std::string &Opcode, const OpcodeInfo &Info) {
  ElementType T = integerType(Opcode), TC{"s32"};
  unsigned M = Info.Shape.M, N = Info.Shape.N, K = Info.Shape.K;
  Random R(std::hash<std::string>()(Opcode));
  Matrix A(T, M, K, R), B(T, K, N, R), C(TC, M, N, R), D(TC, M, N);
  unsigned NB = K / (4 * T.perRegister()), NA = NB * M / 8, NC = M / 4;
  Words In;
  append(In, A, NA,
         [&](auto L, auto Reg, auto P) { return placeInA(T, M, L, Reg, P); });
  append(In, B, NB,
         [&](auto L, auto Reg, auto P) { return placeInB(T, L, Reg, P); });
  auto InC = [&](auto L, auto Reg, auto P) {
    return placeInC(TC, M, L, Reg, P);
  };
  append(In, C, NC, InC);
  Words Out = run(Opcode,
                  Opcode + " " + list('d', NC) + ", " + list('a', NA) + ", " +
                      list('b', NB) + ", " + list('c', NC) + ";",
                  {{'a', NA}, {'b', NB}, {'c', NC}}, NC, In, false, false);
  if (Out.empty())
    return;
  unpack(widened(Out), NC, 32, InC, D);
  checkIntegers(Opcode, Info, A, B, C, D);
}

/// Rows of Columns elements of few bits each, Stride elements apart.
static Words packed(const Matrix &X, bool Transposed, unsigned Stride) {
  unsigned Bits = X.Type.bits(), Rows = Transposed ? X.Columns : X.Rows;
  unsigned Columns = Transposed ? X.Rows : X.Columns;
  Words Out(size_t(Rows) * Stride * Bits / 32);
  for (unsigned R = 0; R < Rows; ++R)
    for (unsigned C = 0; C < Columns; ++C) {
      uint64_t V = Transposed ? X.at(C, R) : X.at(R, C);
      unsigned At = (R * Stride + C) * Bits;
      Out[At / 32] |= uint32_t(V) << At % 32;
    }
  return Out;
}

/// wmma loads, product and store; rows of A are further apart than needed.
static void testWmma(const std::string &Opcode, const OpcodeInfo &Info) {
  ElementType T = integerType(Opcode), TC{"s32"};
  unsigned K = Info.Shape.K;
  Random R(std::hash<std::string>()(Opcode));
  Matrix A(T, 8, K, R), B(T, K, 8, R), C(TC, 8, 8, R), D(TC, 8, 8);
  std::string Shape = has(Opcode, "m8n8k32") ? "m8n8k32" : "m8n8k128";
  std::string Name = T.Name == "u1" ? "b1" : T.Name;
  Words In = packed(A, false, 2 * K);
  size_t AtB = In.size() * 4;
  Words Part = packed(B, true, K);
  In.insert(In.end(), Part.begin(), Part.end());
  size_t AtC = In.size() * 4;
  for (uint64_t V : C.Bits)
    In.push_back(uint32_t(V));
  std::string Body = ".reg .b32 %a, %b, %c<2>;\nadd.s64 %rd4, %rd1, " +
                     std::to_string(AtB) + ";\nadd.s64 %rd5, %rd1, " +
                     std::to_string(AtC) + ";\n";
  Body += "wmma.load.a.sync.aligned.row." + Shape + ".global." + Name +
          " {%a}, [%rd1], " + std::to_string(2 * K) + ";\n";
  Body += "wmma.load.b.sync.aligned.col." + Shape + ".global." + Name +
          " {%b}, [%rd4], " + std::to_string(K) + ";\n";
  Body += "wmma.load.c.sync.aligned.row." + Shape +
          ".global.s32 {%c0, %c1}, [%rd5], 8;\n";
  Body += Opcode + " {%d2, %d3}, {%a}, {%b}, {%c0, %c1};\n";
  Body += "ld.param.u64 %rd4, [out];\nwmma.store.d.sync.aligned.row." + Shape +
          ".global.s32 [%rd4], {%d2, %d3}, 8;\nld.global.b32 %d0, [%rd2];\n"
          "ld.global.b32 %d1, [%rd2+128];";
  Words Out = run(Opcode, Body, {}, 2, In, false, false);
  if (Out.empty())
    return;
  for (unsigned E = 0; E < 64; ++E)
    D.Bits[E] = Out[E];
  checkIntegers(Opcode, Info, A, B, C, D);
}

// ---- four products of 8 x 8 x 4 --------------------------------------------
/// The registers of all four matrices; Place(lane, element).
template <class F>
static void layEights(Words &To, const std::vector<Matrix> &X,
                      unsigned Registers, F Place) {
  unsigned N = X[0].Type.perRegister(), Bits = X[0].Type.bits();
  for (unsigned Reg = 0; Reg < Registers; ++Reg)
    for (unsigned L = 0; L < 32; ++L) {
      uint32_t Word = 0;
      for (unsigned P = 0; P < N; ++P) {
        FragmentPlace At = Place(L, Reg * N + P);
        Word |= uint32_t(X[L % 16 / 4].at(At.Row, At.Column)) << (Bits * P);
      }
      To.push_back(Word);
    }
}

static void testEights(const std::string &Opcode, const OpcodeInfo &) {
  std::string Tail = Opcode.substr(Opcode.find("m8n8k4.") + 7);
  bool RowA = Tail.substr(0, 3) == "row", ColB = Tail.substr(4, 3) == "col";
  ElementType Half{"f16"}, TD{Tail.substr(8, 3)},
      TC{Tail.substr(Tail.size() - 3)};
  Random R(std::hash<std::string>()(Opcode));
  std::vector<Matrix> A, B, C;
  for (unsigned Q = 0; Q < 4; ++Q) {
    A.emplace_back(Half, 8, 4, R);
    B.emplace_back(Half, 4, 8, R);
    C.emplace_back(TC, 8, 8, R);
  }
  auto High = [](unsigned L) { return L < 16 ? 0u : 4u; };
  auto InA = [&](unsigned L, unsigned E) {
    return RowA ? FragmentPlace{L % 4 + High(L), E}
                : FragmentPlace{E + High(L), L % 4};
  };
  auto InB = [&](unsigned L, unsigned E) {
    return ColB ? FragmentPlace{E, L % 4 + High(L)}
                : FragmentPlace{L % 4, E + High(L)};
  };
  auto InC = [&](unsigned L, unsigned E, const ElementType &T) {
    if (T.Name == "f16")
      return FragmentPlace{L % 4 + High(L), E};
    return FragmentPlace{(L & 1) + (E & 2) + High(L),
                         (E & 4) + (L & 2) + (E & 1)};
  };
  unsigned NC = TC.Name == "f16" ? 4 : 8, ND = TD.Name == "f16" ? 4 : 8;
  Words In;
  layEights(In, A, 2, InA);
  layEights(In, B, 2, InB);
  layEights(In, C, NC, [&](unsigned L, unsigned E) { return InC(L, E, TC); });
  Words Out = run(Opcode,
                  Opcode + " " + list('d', ND) + ", " + list('a', 2) + ", " +
                      list('b', 2) + ", " + list('c', NC) + ";",
                  {{'a', 2}, {'b', 2}, {'c', NC}}, ND, In, ND == 8, NC == 8);
  if (Out.empty())
    return;
  for (unsigned Q = 0; Q < 4; ++Q) {
    Matrix D(TD, 8, 8);
    unsigned N = TD.perRegister();
    for (unsigned L = 0; L < 32; ++L)
      for (unsigned E = 0; E < 8 && L % 16 / 4 == Q; ++E) {
        FragmentPlace At = InC(L, E, TD);
        uint32_t Word = Out[E / N * 32 + L];
        D.at(At.Row, At.Column) =
            N == 1 ? Word : Word >> (16 * (E % 2)) & 0xffff;
      }
    std::string Why;
    ProductRule Rule{A[Q], B[Q], &C[Q]};
    check(Rule.accepts(D, Why), Opcode + ": " + Why);
  }
}

// ---- sparse ----------------------------------------------------------------
/// A dense matrix with two elements in four (tf32: one in two), the elements
/// it has, and where: metadata of 32 bits of the lanes, at the selector.
static void makeSparse(const ElementType &T, unsigned K, unsigned Selector,
                       Random &R, Matrix &Dense, Matrix &Short,
                       Words &Metadata) {
  bool Single = T.Name == "tf32";
  unsigned PerLane = Single ? 8 : 16; // columns
  Metadata.assign(32, 0xdeadbeef);
  for (unsigned L = 0; L < 32; ++L)
    if (L % 4 / (K / PerLane) == Selector)
      Metadata[L] = 0;
  for (unsigned Row = 0; Row < 16; ++Row)
    for (unsigned Four = 0; Four < K / 4; ++Four) {
      unsigned First = unsigned(R.next() % 3),
               Second = First + 1 + unsigned(R.next() % (3 - First));
      unsigned Bits = First | Second << 2, In[2] = {First, Second};
      if (Single) { // one of each two columns, as a pair of halves
        In[0] = unsigned(R.next() % 2);
        In[1] = 2 + unsigned(R.next() % 2);
        Bits = (In[0] ? 0xe : 4) | (In[1] == 3 ? 0xe : 4) << 4;
      }
      for (unsigned E = 0; E < 2; ++E)
        Dense.at(Row, 4 * Four + In[E]) = Short.at(Row, 2 * Four + E);
      unsigned Column = 4 * Four, Quad = Row % 8 * 4;
      unsigned Lane = Quad + Selector * (K / PerLane) + Column / PerLane;
      unsigned Shift = Single ? Column % 8 / 4 * 8 : Column % 16 / 4 * 4;
      Metadata[Lane] |= Bits << (Shift + (Row < 8 ? 0 : 16));
    }
}

/// The same of 8 and 4 bits. The metadata of a row are a stream of two indices
/// for each four elements (pairs of 4 bits); 32 bits of it are a word, and
/// words go to the lanes of a quad as (row g, first), (row g + 8, first), (row
/// g, second), (row g + 8, second). A selector takes the lower or upper two
/// lanes.
static void makeNarrow(const ElementType &T, unsigned K, unsigned Selector,
                       Random &R, Matrix &Dense, Matrix &Short,
                       Words &Metadata) {
  unsigned Unit = T.bits() == 4 ? 2 : 1, Groups = K / (4 * Unit);
  Metadata.assign(32, 0xdeadbeef);
  for (unsigned Row = 0; Row < 16; ++Row) {
    std::vector<unsigned> Stream;
    for (unsigned G = 0; G < Groups; ++G) {
      unsigned First = unsigned(R.next() % 3),
               Second = First + 1 + unsigned(R.next() % (3 - First));
      for (unsigned Index : {First, Second})
        for (unsigned U = 0; U < Unit; ++U)
          Dense.at(Row, (4 * G + Index) * Unit + U) =
              Short.at(Row, (2 * G + (Index == Second)) * Unit + U);
      Stream.insert(Stream.end(), {First, Second});
    }
    for (unsigned Word = 0; Word < Stream.size() / 16; ++Word) {
      uint32_t Bits = 0;
      for (unsigned J = 16; J--;)
        Bits = Bits << 2 | Stream[16 * Word + J];
      unsigned InQuad = 2 * (Word + Selector) + (Row >= 8);
      Metadata[Row % 8 * 4 + InQuad] = Bits;
    }
  }
}

/// Products with each selector. Make: fills a dense matrix, its elements and
/// their metadata, as makeSparse and makeNarrow do.
template <class F>
static void testSelectors(const std::string &Opcode, const OpcodeInfo &Info,
                          ElementType TD, ElementType TA, ElementType TB,
                          unsigned Selectors, F Make) {
  unsigned K = Info.Shape.K, N = K / (4 * TA.perRegister());
  unsigned NC = TD.Name == "f16" ? 2 : 4;
  bool IsFloat = TD.Name == "f32";
  for (unsigned Selector = 0; Selector < Selectors; ++Selector) {
    Random R(std::hash<std::string>()(Opcode) + Selector);
    Matrix A(TA, 16, K), Short(TA, 16, K / 2, R), B(TB, K, 8, R),
        C(TD, 16, 8, R), D(TD, 16, 8);
    Words Metadata, In;
    Make(TA, K, Selector, R, A, Short, Metadata);
    append(In, Short, N, [&](auto L, auto Reg, auto P) {
      return placeInA(TA, 16, L, Reg, P);
    });
    append(In, B, N,
           [&](auto L, auto Reg, auto P) { return placeInB(TB, L, Reg, P); });
    auto InC = [&](auto L, auto Reg, auto P) {
      return placeInC(TD, 16, L, Reg, P);
    };
    append(In, C, NC, InC);
    In.insert(In.end(), Metadata.begin(), Metadata.end());
    Words Out = run(Opcode,
                    Opcode + " " + list('d', NC) + ", " + list('a', N) + ", " +
                        list('b', N) + ", " + list('c', NC) + ", %e0, " +
                        std::to_string(Selector) + ";",
                    {{'a', N}, {'b', N}, {'c', NC}, {'e', 1}}, NC, In, IsFloat,
                    IsFloat);
    if (Out.empty())
      return;
    unpack(widened(Out), NC, 32, InC, D);
    if (TD.Name == "s32") {
      checkIntegers(Opcode, Info, A, B, C, D);
      continue;
    }
    std::string Why;
    ProductRule Rule{A, B, &C};
    check(Rule.accepts(D, Why),
          Opcode + " selector " + std::to_string(Selector) + ": " + Why);
  }
}

static void testSparse(const std::string &Opcode, const OpcodeInfo &Info) {
  ElementType T{has(Opcode, "tf32")   ? "tf32"
                : has(Opcode, "bf16") ? "bf16"
                                      : "f16"};
  ElementType TD{Info.Types[0] == ptxsim::Type::F16 ? "f16" : "f32"};
  unsigned PerLane = T.Name == "tf32" ? 8 : 16;
  testSelectors(Opcode, Info, TD, T, T, 4 * PerLane / Info.Shape.K, makeSparse);
}

static void testNarrow(const std::string &Opcode, const OpcodeInfo &Info) {
  std::string Types = Opcode.substr(Opcode.find(".row.col."));
  std::vector<ElementType> Found;
  for (size_t At = 0; (At = Types.find('.', At)) != Types.npos; ++At) {
    std::string Word = Types.substr(At + 1, Types.find('.', At + 1) - At - 1);
    if (Word != "row" && Word != "col" && Word != "satfinite")
      Found.push_back({Word});
  }
  testSelectors(Opcode, Info, Found[0], Found[1], Found[2],
                512 / (Found[1].bits() * Info.Shape.K), makeNarrow);
}

int main() {
  unsigned Tested = 0;
  for (const ptxsim::OpcodeRow &Row : ptxsim::opcodeTable())
    for (const std::string &Opcode : ptxsim::expandRow(Row, 4096)) {
      OpcodeInfo Info;
      std::string Why;
      bool Here = Row.O == Op::MmaPlain || Row.O == Op::MmaSparse;
      if (!Here || !ptxsim::matchOpcode(Opcode, Info, Why))
        continue;
      ++Tested;
      if (Row.O == Op::MmaSparse)
        (ptxsim::bitWidth(Info.Types[1]) <= 8 ? testNarrow : testSparse)(Opcode,
                                                                         Info);
      else if (Info.Shape.K == 4)
        testEights(Opcode, Info);
      else if (Opcode.substr(0, 4) == "wmma")
        testWmma(Opcode, Info);
      else
        testIntegers(Opcode, Info);
    }
  check(Tested > 30, "more than 30 opcodes are compared");
  return finish("MatrixPlainTest");
}
