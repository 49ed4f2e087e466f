// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Parsing and counting of requested faults.
#include "FaultPlan.h"
#include <charconv>

using namespace ptxsim;

bool FaultPlan::configure(std::string_view Text, std::string &Why) {
  static constexpr std::string_view Names[] = {"alloc", "launch", "jit", "lost",
                                               "map"};
  FaultPlan New;
  while (!Text.empty()) {
    std::string_view Part = Text.substr(0, Text.find(','));
    Text.remove_prefix(Part.size() + (Part.size() < Text.size()));
    size_t Colon = Part.find(':');
    std::string_view Name = Part.substr(0, Colon);
    Entry E{NumKinds, 0};
    for (unsigned K = 0; K < NumKinds; ++K)
      if (Names[K] == Name)
        E.Kind = KindTy(K);
    const char *End = Part.data() + Part.size();
    bool Number = false;
    if (Colon != Part.npos) {
      auto R = std::from_chars(Part.data() + Colon + 1, End, E.Number);
      Number = R.ec == std::errc() && R.ptr == End;
    }
    if (E.Kind == NumKinds || !Number || !E.Number) {
      Why = "expected alloc:N, launch:N, jit:N, lost:N or map:N with N from 1, "
            "got '" +
            std::string(Part) + "'";
      return false;
    }
    New.Entries.push_back(E);
  }
  *this = New;
  return true;
}

bool FaultPlan::count(KindTy Kind) {
  uint64_t N = ++Counts[Kind];
  for (const Entry &E : Entries)
    if (E.Kind == Kind && E.Number == N)
      return true;
  return false;
}
