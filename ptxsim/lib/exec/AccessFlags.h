// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How loads, stores and atomic operations order others, for the race checks.
#ifndef PTXSIM_EXEC_ACCESSFLAGS_H
#define PTXSIM_EXEC_ACCESSFLAGS_H

#include "Resolve.h"

namespace ptxsim {

/// Bits of Inst::Aux beside StrongAccess, which all of them imply: orders what
/// follows; orders what precedes; does not depend on the old value.
constexpr uint16_t AcquireAccess = 8, ReleaseAccess = 16, ExchangeAccess = 32;

inline uint16_t accessFlags(const OpcodeInfo &Info) {
  bool Acquire = Info.has(Mod::Acquire) || Info.has(Mod::AcqRel);
  bool Release = Info.has(Mod::Release) || Info.has(Mod::AcqRel);
  bool Atomic = Info.O != Op::Ld && Info.O != Op::St;
  bool Strong = Atomic || Acquire || Release || Info.has(Mod::Volatile) ||
                Info.has(Mod::Relaxed);
  return uint16_t((Strong ? StrongAccess : 0) | (Acquire ? AcquireAccess : 0) |
                  (Release ? ReleaseAccess : 0) |
                  (Info.has(Mod::ExchMod) ? ExchangeAccess : 0));
}
/// Those of an instruction that reads or writes for a race check.
inline uint16_t accessFlags(const Inst *I) {
  switch (Op(I->OpId)) {
  case Op::Ld:
  case Op::St:
  case Op::Atom:
  case Op::AtomCas:
  case Op::Red: return I->Aux;
  default: return 0;
  }
}

} // namespace ptxsim
#endif
