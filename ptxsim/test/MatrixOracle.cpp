// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Element types, fragment places and products of the matrix oracle.
#include "MatrixOracle.h"
#include <algorithm>

using namespace test;

// ---- element types -------------------------------------------------------
unsigned ElementType::bits() const {
  if (Name == "bf16")
    return 16;
  if (Name == "tf32")
    return 32;
  if (Name[0] == 'e')
    return 8;
  return unsigned(std::stoi(Name.substr(1)));
}

/// A binary format of 8 bits: the largest exponent of e5m2 is for infinities
/// and NaN, e4m3 has finite values there.
static double smallFloat(unsigned Bits, unsigned MantissaBits, int Bias) {
  unsigned Exponent = (Bits & 0x7f) >> MantissaBits;
  double Fraction =
      double(Bits & ((1u << MantissaBits) - 1)) / double(1u << MantissaBits);
  double V = Exponent ? std::ldexp(1 + Fraction, int(Exponent) - Bias)
                      : std::ldexp(Fraction, 1 - Bias);
  return Bits & 0x80 ? -V : V;
}

double ElementType::value(uint64_t Bits) const {
  float F;
  double D;
  uint32_t Word = uint32_t(Bits);
  if (Name == "f16")
    return halfToFloat(uint16_t(Bits));
  if (Name == "bf16")
    return bf16ToFloat(uint16_t(Bits));
  if (Name == "e4m3")
    return smallFloat(Word, 3, 7);
  if (Name == "e5m2")
    return smallFloat(Word, 2, 15);
  if (Name == "f64") {
    std::memcpy(&D, &Bits, 8);
    return D;
  }
  if (!isInteger()) {
    std::memcpy(&F, &Word, 4);
    return F;
  }
  unsigned N = bits();
  uint64_t Mask = (uint64_t(1) << N) - 1;
  int64_t V = int64_t(Bits & Mask);
  if (Name[0] == 's' && V >> (N - 1))
    V -= int64_t(1) << N;
  return double(V);
}

uint64_t ElementType::random(Random &R) const {
  double V = R.uniform() * 2;
  if (Name == "f16")
    return floatToHalf(float(V));
  if (Name == "bf16")
    return floatToBf16(float(V));
  if (Name == "e4m3" || Name == "e5m2") {
    unsigned Byte = R.next() & 0xff, Limit = Name == "e4m3" ? 0x7f : 0x7c;
    return (Byte & 0x7f) >= Limit ? Byte & 0x80 : Byte;
  }
  if (Name == "f64") {
    uint64_t Bits;
    std::memcpy(&Bits, &V, 8);
    return Bits;
  }
  if (isInteger())
    return R.next() & ((uint64_t(1) << bits()) - 1);
  float F = float(V);
  uint32_t Bits;
  std::memcpy(&Bits, &F, 4);
  return Name == "tf32" ? Bits & 0xffffe000u : Bits;
}

Matrix::Matrix(ElementType T, unsigned Rows, unsigned Columns)
    : Type(std::move(T)), Rows(Rows), Columns(Columns),
      Bits(size_t(Rows) * Columns) {}
Matrix::Matrix(ElementType T, unsigned Rows, unsigned Columns, Random &R)
    : Matrix(std::move(T), Rows, Columns) {
  for (uint64_t &V : Bits)
    V = Type.random(R);
}

// ---- fragments -----------------------------------------------------------
// The ISA names a lane's groupID (lane / 4) and threadID_in_group (lane % 4).
// Four lanes hold 4 registers' worth of neighbours in k; with 16 rows the
// registers alternate between rows groupID and groupID + 8.
FragmentPlace test::placeInA(const ElementType &T, unsigned M, unsigned Lane,
                             unsigned Reg, unsigned Part) {
  unsigned Group = Lane / 4, Thread = Lane % 4, N = T.perRegister();
  if (M == 8)
    return {Group, 4 * N * Reg + N * Thread + Part};
  return {Group + (Reg % 2 ? 8 : 0), 4 * N * (Reg / 2) + N * Thread + Part};
}
FragmentPlace test::placeInB(const ElementType &T, unsigned Lane, unsigned Reg,
                             unsigned Part) {
  unsigned Group = Lane / 4, Thread = Lane % 4, N = T.perRegister();
  return {4 * N * Reg + N * Thread + Part, Group};
}
FragmentPlace test::placeInC(const ElementType &T, unsigned M, unsigned Lane,
                             unsigned Reg, unsigned Part) {
  unsigned Element = Reg * T.perRegister() + Part; // c0, c1, ... of the ISA
  unsigned PerTile = M == 8 ? 2 : 4, InTile = Element % PerTile;
  return {Lane / 4 + (InTile >= 2 ? 8 : 0),
          Element / PerTile * 8 + Lane % 4 * 2 + InTile % 2};
}

std::vector<uint64_t> test::pack(
    const Matrix &X, unsigned Registers, unsigned Lanes,
    const std::function<FragmentPlace(unsigned, unsigned, unsigned)> &Place) {
  unsigned N = X.Type.perRegister(), Bits = X.Type.bits();
  std::vector<uint64_t> Out(size_t(Registers) * Lanes);
  for (unsigned R = 0; R < Registers; ++R)
    for (unsigned L = 0; L < Lanes; ++L)
      for (unsigned P = 0; P < N; ++P) {
        FragmentPlace At = Place(L, R, P);
        Out[R * Lanes + L] |= X.at(At.Row, At.Column) << (Bits * P);
      }
  return Out;
}
void test::unpack(
    const std::vector<uint64_t> &Registers, unsigned Count, unsigned Lanes,
    const std::function<FragmentPlace(unsigned, unsigned, unsigned)> &Place,
    Matrix &Out) {
  unsigned N = Out.Type.perRegister(), Bits = Out.Type.bits();
  uint64_t Mask = Bits == 64 ? ~uint64_t(0) : (uint64_t(1) << Bits) - 1;
  for (unsigned R = 0; R < Count; ++R)
    for (unsigned L = 0; L < Lanes; ++L)
      for (unsigned P = 0; P < N; ++P) {
        FragmentPlace At = Place(L, R, P);
        Out.at(At.Row, At.Column) =
            Registers[R * Lanes + L] >> (Bits * P) & Mask;
      }
}

// ---- products ------------------------------------------------------------
bool ProductRule::accepts(const Matrix &D, std::string &Why) const {
  double Unit = D.Type.Name == "f64"   ? 0x1p-50
                : D.Type.Name == "f32" ? 0x1p-20
                                       : 0x1p-9;
  for (unsigned R = 0; R < D.Rows; ++R)
    for (unsigned N = 0; N < D.Columns; ++N) {
      long double Sum = C ? C->value(R, N) : 0, Size = std::fabs(double(Sum));
      for (unsigned K = 0; K < A.Columns; ++K) {
        long double X = (long double)A.value(R, K) * B.value(K, N);
        Sum += Sign * X;
        Size += std::fabs((double)X);
      }
      double Got = D.value(R, N), Want = double(Sum),
             Room = double(Size) * Unit;
      if (D.Type.isInteger()) {
        int64_t Exact = int64_t(Sum);
        Exact = Saturate ? std::clamp<int64_t>(Exact, INT32_MIN, INT32_MAX)
                         : int64_t(int32_t(uint32_t(uint64_t(Exact))));
        Want = double(Exact);
        Room = 0;
      }
      if (D.Type.Name == "f16" && std::fabs(Want) > 65504)
        continue; // infinite, or nearly
      if (!(std::fabs(Got - Want) <= Room)) {
        Why = "element " + std::to_string(R) + "," + std::to_string(N) +
              ": expected " + std::to_string(Want) + ", got " +
              std::to_string(Got);
        return false;
      }
    }
  return true;
}
