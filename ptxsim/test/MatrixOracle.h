// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Matrices of every element type for the property tests of matrix
// instructions: values, products, and where the PTX ISA puts each element in
// the registers of a warp. Shares no code with the simulator.
#ifndef PTXSIM_TEST_MATRIXORACLE_H
#define PTXSIM_TEST_MATRIXORACLE_H

#include "Driver.h"

namespace test {

/// An element type by its PTX name.
struct ElementType {
  std::string Name;
  unsigned bits() const;
  bool isInteger() const { return Name[0] == 's' || Name[0] == 'u'; }
  /// Elements of a register, which has 32 bits (64 for f64).
  unsigned perRegister() const { return bits() == 64 ? 1 : 32 / bits(); }
  double value(uint64_t Bits) const;
  /// A finite value; accumulators of integers use all of their range.
  uint64_t random(Random &R) const;
};

/// Bits of the elements, row-major.
struct Matrix {
  ElementType Type;
  unsigned Rows, Columns;
  std::vector<uint64_t> Bits;
  Matrix(ElementType T, unsigned Rows, unsigned Columns);
  Matrix(ElementType T, unsigned Rows, unsigned Columns, Random &R);
  uint64_t &at(unsigned R, unsigned C) { return Bits[R * Columns + C]; }
  uint64_t at(unsigned R, unsigned C) const { return Bits[R * Columns + C]; }
  double value(unsigned R, unsigned C) const { return Type.value(at(R, C)); }
};

/// Element of a fragment register: Part-th of register Reg of lane Lane.
struct FragmentPlace {
  unsigned Row, Column;
};
/// A of M rows (8 or 16): "Matrix Fragments for mma.m16n8k..." of the ISA.
FragmentPlace placeInA(const ElementType &T, unsigned M, unsigned Lane,
                       unsigned Reg, unsigned Part);
FragmentPlace placeInB(const ElementType &T, unsigned Lane, unsigned Reg,
                       unsigned Part);
/// Accumulators of M rows, or of the groups of 8 columns of a wgmma.
FragmentPlace placeInC(const ElementType &T, unsigned M, unsigned Lane,
                       unsigned Reg, unsigned Part);

/// Registers of each lane, from the matrix; Place(lane, register, part).
std::vector<uint64_t>
pack(const Matrix &X, unsigned Registers, unsigned Lanes,
     const std::function<FragmentPlace(unsigned, unsigned, unsigned)> &Place);
/// The inverse.
void unpack(
    const std::vector<uint64_t> &Registers, unsigned Count, unsigned Lanes,
    const std::function<FragmentPlace(unsigned, unsigned, unsigned)> &Place,
    Matrix &Out);

/// What to compare a product with: D = Sign A B + C (C null for zero), within
/// what the order and rounding of a sum may change.
struct ProductRule {
  const Matrix &A, &B;
  const Matrix *C;
  double Sign = 1;
  bool Saturate = false;
  bool accepts(const Matrix &D, std::string &Why) const;
};

} // namespace test
#endif
