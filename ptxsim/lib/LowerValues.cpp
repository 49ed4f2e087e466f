// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Values that operands name: registers, immediates, variables and special
// registers, as references to rows and constants.
#include "Lowering.h"
#include <algorithm>
#include <cstring>

using namespace ptxsim;

Ref Lowering::regRef(const Frame &F, uint32_t Reg) const {
  Ref R;
  R.Kind = Ref::Reg;
  R.Value = F.FirstReg + Reg;
  R.Wide = Out.Regs[R.Value].Wide();
  R.IsPred = Out.Regs[R.Value].Ty == Type::Pred;
  return R;
}

/// A row nobody reads, for results written to '_'.
Ref Lowering::scratchRef(Type Ty) {
  Out.Regs.push_back({Ty});
  Ref R;
  R.Kind = Ref::Reg;
  R.Value = Out.Regs.size() - 1;
  R.Wide = bitWidth(Ty) == 64;
  R.IsPred = Ty == Type::Pred;
  return R;
}

Ref Lowering::constRef(uint64_t V, bool Wide) {
  Ref R;
  R.Kind = Ref::Const;
  R.Value = Wide ? V : uint32_t(V);
  R.Wide = Wide;
  return R;
}

/// The bits of an immediate in type Ty; false if it does not fit the type.
static bool immediateBits(const Operand &O, Type Ty, uint64_t &Out) {
  unsigned Bits = bitWidth(Ty);
  if (!O.IsFloat) {
    if (isFloat(Ty) && Ty != Type::F16x2 && Ty != Type::BF16x2 && O.Imm)
      return false;
    Out = O.Imm;
    return true;
  }
  double D;
  float F;
  if (O.Negated) { // 0f: single precision bits
    uint32_t B = uint32_t(O.Imm);
    std::memcpy(&F, &B, 4);
    D = F;
    if (Bits == 32) {
      Out = B;
      return isFloat(Ty) || Ty == Type::B32;
    }
  } else {
    std::memcpy(&D, &O.Imm, 8);
    F = float(D);
  }
  if (Bits == 32 && (isFloat(Ty) || Ty == Type::B32)) {
    uint32_t B;
    std::memcpy(&B, &F, 4);
    Out = B;
    return true;
  }
  if (Bits == 64 && (Ty == Type::F64 || Ty == Type::B64)) {
    std::memcpy(&Out, &D, 8);
    return true;
  }
  return false;
}

bool Lowering::valueRef(Frame &F, const Instruction &I, const Operand &O,
                        Type Ty, bool AllowWider, Ref &R) {
  bool Wide = bitWidth(Ty) == 64;
  switch (O.Kind) {
  case OperandKind::Vector:
    if (O.Quad)
      return fail(I.Line, "unexpected register of type .b128");
    return fail(I.Line, "unexpected vector in '" + std::string(I.Opcode) + "'");
  case OperandKind::Register:
    R = regRef(F, O.Reg);
    return checkRegister(F, I, O.Reg, Ty, AllowWider);
  case OperandKind::Immediate: {
    uint64_t Bits;
    if (!immediateBits(O, Ty, Bits))
      return fail(I.Line,
                  "constant does not fit type ." + std::string(typeName(Ty)));
    if (Ty == Type::Pred)
      Bits = Bits ? ~0u : 0;
    else if (bitWidth(Ty) < 32)
      Bits &= (uint64_t(1) << bitWidth(Ty)) - 1;
    R = constRef(Bits, Wide);
    R.IsPred = Ty == Type::Pred;
    return true;
  }
  case OperandKind::Special:
    if (!specialRef(I, O, R))
      return false;
    if (R.Image.Which == SpecialReg::GridId && !Wide) // 32 bits in old PTX
      R.Wide = R.Image.Wide = false;
    if (R.IsPred ? Ty != Type::Pred : R.Wide != Wide || bitWidth(Ty) < 32)
      return fail(I.Line, "type ." + std::string(typeName(Ty)) +
                              " does not fit special register '" +
                              std::string(O.Name) + "'");
    return true;
  case OperandKind::Symbol: {
    Space Where;
    if (!symbolRef(F, I, O, R, Where))
      return false;
    if (R.Kind == Ref::Reg) { // in the frame: the instruction needs a sum
      Place Base{false, R, 0}, Sum{false, scratchRef(Type::B64), 0};
      Base.Offset = int64_t(R.Image.Value);
      R = Sum.Value;
      if (!emit(I, "add.u64", Sum, Base, Depth))
        return false;
    }
    if (bitWidth(Ty) < 32 || (R.Wide && !Wide))
      return fail(I.Line, "type ." + std::string(typeName(Ty)) +
                              " cannot hold the address of '" +
                              std::string(O.Name) + "'");
    R.Wide = Wide;
    return true;
  }
  default:
    return fail(I.Line,
                "unexpected operand of '" + std::string(I.Opcode) + "'");
  }
}

bool Lowering::sharedRef(const Variable &V, bool Dynamic, Ref &R) {
  if (Dynamic) {
    DynamicAlign = std::max(DynamicAlign, V.Align);
    R.Kind = Ref::DynamicShared;
    R.Value = 0;
    return true;
  }
  auto It = SharedAt.find(&V);
  if (It == SharedAt.end()) {
    uint64_t A = std::max(1u, V.Align);
    SharedEnd = (SharedEnd + A - 1) / A * A;
    It = SharedAt.emplace(&V, SharedEnd).first;
    SharedEnd += V.Size;
  }
  R = constRef(It->second, false);
  return true;
}

/// A place in local memory: its address, or in a frame on the stack the
/// frame's address, with Image.Value the distance from there.
Ref Lowering::localRef(const Frame &F, uint64_t At) const {
  if (F.Body == NoReg)
    return constRef(At, true);
  Ref R = frameRef();
  R.Image.Value = At;
  return R;
}

/// Address of a variable in its own space (global: generic as well).
bool Lowering::symbolRef(Frame &F, const Instruction &I, const Operand &O,
                         Ref &R, Space &Where) {
  const Variable *V = nullptr;
  uint64_t LocalAt = 0;
  if (O.Reg != NoReg) {
    V = &F.Fn->Locals[O.Reg];
    LocalAt = F.LocalAt[O.Reg];
  } else if (auto It = F.Formals.find(O.Name); It != F.Formals.end()) {
    Where = Space::Local;
    R = localRef(F, It->second + O.Imm);
    return true;
  } else if (auto P = ParamOffset.find(O.Name);
             F.Fn->IsEntry && P != ParamOffset.end()) {
    Where = Space::Param;
    R = Ref();
    R.Kind = Ref::Special;
    R.Wide = true;
    R.Value = uint64_t(SpecialReg::ParamAddress);
    R.Image.Which = SpecialReg::ParamAddress;
    R.Image.Value = P->second + O.Imm;
    R.Image.Wide = true;
    return true;
  } else {
    V = M.findVariable(O.Name);
  }
  if (uint64_t Code = V ? 0 : M.functionAddress(O.Name)) {
    Where = Space::Global;
    R = constRef(Code + O.Imm, true);
    return true;
  }
  if (!V)
    return fail(I.Line, "unknown symbol '" + std::string(O.Name) + "'");
  Where = V->Where;
  if (V->Where == Space::Shared) {
    sharedRef(*V, V->isExtern() && V->Unsized, R);
    R.Value += O.Imm;
    return true;
  }
  if (V->Where == Space::Local || V->Where == Space::Param) {
    Where = Space::Local;
    R = localRef(F, LocalAt + O.Imm);
    return true;
  }
  auto It = Symbols.find(V->Name);
  if (It == Symbols.end())
    return fail(I.Line, "unresolved symbol '" + std::string(O.Name) + "'");
  R = constRef(It->second + O.Imm, true);
  return true;
}

/// Performance counters (%pm0 to %pm7, of 64 bits with _64) that count nothing
/// and %envreg0 to %envreg31, which the driver may set to anything.
static bool readsZero(std::string_view Name, bool &Wide) {
  auto Numbered = [&](std::string_view Prefix, unsigned Below) {
    if (!Name.starts_with(Prefix))
      return false;
    std::string_view Digits = Name.substr(Prefix.size());
    unsigned N = 0;
    for (char C : Digits)
      N = C >= '0' && C <= '9' ? N * 10 + unsigned(C - '0') : Below;
    return !Digits.empty() && Digits.size() < 3 && N < Below;
  };
  Wide = Name.starts_with("%pm") && Name.ends_with("_64");
  if (Wide)
    Name.remove_suffix(3);
  return Numbered("%pm", 8) || Numbered("%envreg", 32);
}

static const struct {
  const char *Name;
  SpecialReg Which;
  bool Wide;
} SpecialNames[] = {
#define XYZ(Text, Id)                                                          \
  {Text ".x", SpecialReg::Id##X, false},                                       \
      {Text ".y", SpecialReg::Id##Y, false}, {                                 \
    Text ".z", SpecialReg::Id##Z, false                                        \
  }
    XYZ("%tid", Tid),
    XYZ("%ntid", Ntid),
    XYZ("%ctaid", Ctaid),
    XYZ("%nctaid", Nctaid),
    XYZ("%clusterid", Clusterid),
    XYZ("%nclusterid", Nclusterid),
    XYZ("%cluster_ctaid", ClusterCtaid),
    XYZ("%cluster_nctaid", ClusterNctaid),
#undef XYZ
    {"%laneid", SpecialReg::LaneId, false},
    {"%warpid", SpecialReg::WarpId, false},
    {"%nwarpid", SpecialReg::NwarpId, false},
    {"%smid", SpecialReg::SmId, false},
    {"%nsmid", SpecialReg::NsmId, false},
    {"%gridid", SpecialReg::GridId, true},
    {"%lanemask_eq", SpecialReg::LanemaskEq, false},
    {"%lanemask_le", SpecialReg::LanemaskLe, false},
    {"%lanemask_lt", SpecialReg::LanemaskLt, false},
    {"%lanemask_ge", SpecialReg::LanemaskGe, false},
    {"%lanemask_gt", SpecialReg::LanemaskGt, false},
    {"%cluster_ctarank", SpecialReg::ClusterCtarank, false},
    {"%cluster_nctarank", SpecialReg::ClusterNctarank, false},
    {"%is_explicit_cluster", SpecialReg::IsExplicitCluster, false},
    {"%total_smem_size", SpecialReg::TotalSmem, false},
    {"%aggr_smem_size", SpecialReg::AggrSmem, false},
    {"%dynamic_smem_size", SpecialReg::DynamicSmem, false},
    {"%clock", SpecialReg::Clock, false},
    {"%clock_hi", SpecialReg::ClockHigh, false},
    {"%clock64", SpecialReg::Clock64, true},
    {"%globaltimer", SpecialReg::Globaltimer, true},
    {"%globaltimer_lo", SpecialReg::GlobaltimerLow, false},
    {"%globaltimer_hi", SpecialReg::GlobaltimerHigh, false},
    {"%current_graph_exec", SpecialReg::Zero, true},
    {"%reserved_smem_offset_begin", SpecialReg::ReservedSmem, false},
    {"%reserved_smem_offset_end", SpecialReg::ReservedSmemEnd, false},
    {"%reserved_smem_offset_cap", SpecialReg::ReservedSmemEnd, false},
    {"%reserved_smem_offset_0", SpecialReg::ReservedSmem, false},
    {"%reserved_smem_offset_1", SpecialReg::ReservedSmem, false},
    {"%envreg1", SpecialReg::GridWorkspaceHigh, false},
    {"%envreg2", SpecialReg::GridWorkspaceLow, false},
};

bool Lowering::specialRef(const Instruction &I, const Operand &O, Ref &R) {
  for (const auto &N : SpecialNames)
    if (O.Name == N.Name) {
      R.Kind = Ref::Special;
      R.Value = uint64_t(N.Which);
      R.Wide = N.Wide;
      R.Image.Which = N.Which;
      R.Image.Wide = N.Wide;
      R.IsPred = N.Which == SpecialReg::IsExplicitCluster;
      Out.UsesReserved |= N.Which == SpecialReg::ReservedSmem ||
                          N.Which == SpecialReg::ReservedSmemEnd;
      return true;
    }
  bool Wide;
  if (readsZero(O.Name, Wide)) {
    R.Kind = Ref::Special;
    R.Value = uint64_t(SpecialReg::Zero);
    R.Wide = R.Image.Wide = Wide;
    R.Image.Which = SpecialReg::Zero;
    return true;
  }
  return fail(I.Line, "unknown register '" + std::string(O.Name) + "'");
}
