// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Scalar oracle of PTX instructions, written from the PTX ISA and apart from
// the simulator: wide integers, long double and exact rationals in place of
// vectors and rounding modes.
#ifndef PTXSIM_TEST_ORACLE_H
#define PTXSIM_TEST_ORACLE_H

#include <cstdint>
#include <string>
#include <vector>

namespace test {

struct OracleCase {
  std::vector<uint64_t> Args; // bits of the sources in order
  int Imm = 0;
};

/// Whether the oracle has a rule for the opcode.
bool oracleKnows(const std::string &Opcode);

/// Edge values and random ones, Slots rows of Lanes each.
std::vector<uint64_t> oracleInputs(const std::string &Opcode, size_t Slots,
                                   unsigned Lanes);

/// Whether Got is a right result; else Text says what was expected.
bool oracleAccepts(const std::string &Opcode, const OracleCase &C, uint64_t Got,
                   std::string &Text);

} // namespace test
#endif
