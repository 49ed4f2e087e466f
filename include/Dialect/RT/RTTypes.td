// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The one type of the program level.
#ifndef DLC_DIALECT_RT_RTTYPES_TD
#define DLC_DIALECT_RT_RTTYPES_TD

include "mlir/IR/AttrTypeBase.td"
include "Dialect/RT/RTBase.td"

def RT_AddressType : TypeDef<RT_Dialect, "Address"> {
  let mnemonic = "address";
  let summary = "the address of the first element of dense row-major data";
}

#endif // DLC_DIALECT_RT_RTTYPES_TD
