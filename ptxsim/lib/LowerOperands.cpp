// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Operands of one instruction: checked against the opcode table's operand
// description and turned into references to rows, constants and labels.
#include "Lowering.h"
#include <algorithm>
#include <cstring>

using namespace ptxsim;

void Lowering::open(Lowered &L, Role How) {
  LoweredOperand O;
  O.First = uint16_t(L.Refs.size());
  O.How = How;
  L.Operands.push_back(O);
}
void Lowering::append(Lowered &L, const Ref &R, Role How) {
  L.Refs.push_back(R);
  L.Roles.push_back(How);
  ++L.Operands.back().Count;
}

static unsigned vectorWidth(const OperandSpec &S, const OpcodeInfo &I) {
  return S.Vector ? I.VectorWidth : 1;
}

/// Whether the optional operand K is absent, given how many are Left. A cache
/// policy is there exactly if the opcode says so.
static bool leftOut(const std::vector<OperandSpec> &Specs, size_t K,
                    size_t Left, const OpcodeInfo &Info) {
  if (Specs[K].TypeCode == 'l' && Info.Row->O != Op::CreatePolicy)
    return !Info.has(Mod::L2CacheHint);
  size_t Required = 0;
  for (size_t J = K + 1; J < Specs.size(); ++J)
    Required += !Specs[J].Optional ||
                (Specs[J].TypeCode == 'l' && Info.has(Mod::L2CacheHint));
  return Left <= Required;
}

/// The number and the threads of a CTA's barrier, where they are constants.
bool Lowering::checkBarrier(const Instruction &I, const Lowered &L) {
  constexpr uint64_t Barriers = 16, WarpSize = 32;
  unsigned First = L.Info.O == Op::BarRed;
  auto Constant = [&](unsigned K) -> const Ref * {
    if (K >= L.Operands.size() || !L.Operands[K].Count)
      return nullptr;
    const Ref &R = L.Refs[L.Operands[K].First];
    return R.Kind == Ref::Const ? &R : nullptr;
  };
  if (const Ref *Id = Constant(First); Id && Id->Value >= Barriers)
    return fail(I.Line, "barrier " + std::to_string(Id->Value) +
                            " does not exist, there are " +
                            std::to_string(Barriers));
  if (const Ref *N = Constant(First + 1); N && N->Value % WarpSize)
    return fail(I.Line, "expected a multiple of 32 threads, got " +
                            std::to_string(N->Value));
  if (const Ref *N = Constant(First + 1);
      N && !N->Value && L.Info.O == Op::BarArrive)
    return fail(I.Line, "expected a positive number of threads, got 0");
  return true;
}

/// Digits of a selector, its last one being that of element 0, in 4 bits each;
/// false where it is none of Count digits below Below after Letter.
static bool selectorDigits(std::string_view Text, char Letter, unsigned Count,
                           unsigned Below, int64_t &Out) {
  if (Text.size() != Count + 1 || Text[0] != Letter)
    return false;
  Out = 0;
  for (char C : Text.substr(1)) {
    if (C < '0' || C >= char('0' + Below))
      return false;
    Out = Out << 4 | (C - '0');
  }
  return true;
}

/// Which elements of a vector are written: a bit each, named downwards.
static bool selectorMask(std::string_view Text, char Letter, unsigned Count,
                         int64_t &Out) {
  Out = 0;
  if (Text.size() < 2 || Text[0] != Letter)
    return false;
  for (size_t K = 1; K < Text.size(); ++K) {
    bool Falls = K == 1 || Text[K] < Text[K - 1];
    if (Text[K] < '0' || Text[K] >= char('0' + Count) || !Falls)
      return false;
    Out |= int64_t(1) << (Text[K] - '0');
  }
  return true;
}

/// Immediates of video instructions. Scalar: for d, a and b the bits selected
/// and their place, as 32 * bits + place (1024 for all). Vectors: the mask of
/// d, and for each element of a and b its number among those of both sources.
bool Lowering::addSelectors(const Instruction &I, Lowered &L) {
  unsigned Count = videoElements(L.Info);
  char Letter = Count == 2 ? 'h' : 'b';
  bool Secondary = L.Info.has(Mod::AddMod) || L.Info.has(Mod::MinMod) ||
                   L.Info.has(Mod::MaxMod);
  for (unsigned K = 0; K < 3; ++K) {
    std::string_view S = I.Operands[K].Selector;
    int64_t V = 0;
    bool Ok = true;
    if (Count == 1 && S.empty())
      V = 32 * 32;
    else if (Count == 1 && selectorDigits(S, 'b', 1, 4, V))
      V = 32 * 8 + 8 * V;
    else if (Count == 1 && selectorDigits(S, 'h', 1, 2, V))
      V = 32 * 16 + 16 * V;
    else if (Count > 1 && S.empty())
      V = K == 0       ? (1 << Count) - 1
          : Count == 2 ? (K == 1 ? 0x10 : 0x32)
                       : (K == 1 ? 0x3210 : 0x7654);
    else if (Count > 1 && K == 0)
      Ok = selectorMask(S, Letter, Count, V);
    else
      Ok = Count > 1 && selectorDigits(S, Letter, Count, 2 * Count, V);
    if (!Ok)
      return fail(I.Line, "unknown selector '." + std::string(S) + "'");
    L.Immediates.push_back(V);
  }
  bool Merges = !I.Operands[0].Selector.empty(),
       Optional = L.Info.O != Op::VideoMad && !Secondary;
  if (Count == 1 && Merges && !Optional)
    return fail(I.Line, "unexpected selector of the destination");
  if (Count == 1 && Optional && Merges != (I.Operands.size() == 4))
    return fail(I.Line, Merges ? "expected the word to merge into"
                               : "expected a selector of the destination");
  for (size_t K = 3; K < I.Operands.size(); ++K)
    if (!I.Operands[K].Selector.empty())
      return fail(I.Line, "unexpected selector of operand c");
  bool Negated = false;
  for (const LoweredOperand &O : L.Operands)
    Negated |= O.Negated;
  if (Negated && L.Info.has(Mod::PlusOne))
    return fail(I.Line, "unexpected '-' in an instruction with .po");
  return true;
}

bool Lowering::lowerOperands(Frame &F, const Instruction &I, Lowered &L) {
  const std::vector<OperandSpec> &Specs = operandSpecs(*L.Info.Row);
  size_t Next = 0;
  for (size_t K = 0; K < Specs.size(); ++K) {
    const OperandSpec &S = Specs[K];
    if (S.Optional && leftOut(Specs, K, I.Operands.size() - Next, L.Info)) {
      if (S.Kind != OperandSpec::Imm)
        open(L, Role::Use); // an empty operand
      continue;
    }
    if (Next == I.Operands.size()) {
      return fail(I.Line, "expected more operands after operand " +
                              std::to_string(Next) + " of '" +
                              std::string(I.Opcode) + "'");
    }
    const Operand &O = I.Operands[Next++];
    if (!lowerOperand(F, I, L, S, O))
      return false;
  }
  if (Next != I.Operands.size())
    return fail(I.Line, "expected " + std::to_string(Next) + " operands for '" +
                            std::string(I.Opcode) + "', got " +
                            std::to_string(I.Operands.size()));
  if (isVideo(L.Info.O))
    return addSelectors(I, L);
  bool IsBarrier = L.Info.O == Op::BarSync || L.Info.O == Op::BarArrive ||
                   L.Info.O == Op::BarRed;
  return !IsBarrier || checkBarrier(I, L);
}

bool Lowering::lowerOperand(Frame &F, const Instruction &I, Lowered &L,
                            const OperandSpec &S, const Operand &O) {
  Role How = S.Kind == OperandSpec::Def      ? Role::Def
             : S.Kind == OperandSpec::DefUse ? Role::DefUse
                                             : Role::Use;
  switch (S.Kind) {
  case OperandSpec::Memory: return addAddress(F, I, L, O);
  case OperandSpec::Tensor: return addTensor(F, I, L, O);
  case OperandSpec::Label: return lowerTarget(F, I, L, O);
  case OperandSpec::Name: return lowerTarget(F, I, L, O);
  case OperandSpec::Imm:
    if (O.Kind != OperandKind::Immediate || O.IsFloat)
      return fail(I.Line, "expected an integer constant");
    L.Immediates.push_back(int64_t(O.Imm));
    return true;
  default: break;
  }
  if (S.Fragment)
    return addFragment(F, I, L, S, O);
  // Memory operands may live in registers wider than the accessed type.
  bool Wider =
      (S.Vector && L.Info.Row->Class != OpClass::Atomic) || L.Info.O == Op::Cvt;
  if (vectorWidth(S, L.Info) > 1) {
    if (O.Kind != OperandKind::Vector || O.Parts.size() != L.Info.VectorWidth)
      return fail(I.Line,
                  "expected a vector of " + std::to_string(L.Info.VectorWidth));
    return addVector(F, I, L, O, operandType(S, L.Info), How, Wider);
  }
  if (O.Kind == OperandKind::Pair) {
    if (!S.PairPred)
      return fail(I.Line, "unexpected '|'");
    return addScalar(F, I, L, O.Parts[0], operandType(S, L.Info), How, Wider) &&
           addScalar(F, I, L, O.Parts[1], Type::Pred, How, false);
  }
  if (!addScalar(F, I, L, O, operandType(S, L.Info), How, Wider))
    return false;
  if (S.PairPred) // absent second destination: an empty operand
    open(L, How);
  return true;
}

bool Lowering::addScalar(Frame &F, const Instruction &I, Lowered &L,
                         const Operand &O, Type Ty, Role How, bool AllowWider) {
  // A one-element vector such as {%r1} is written for some matrix operands.
  if (O.Kind == OperandKind::Vector && O.Parts.size() == 1)
    return addScalar(F, I, L, O.Parts[0], Ty, How, AllowWider);
  open(L, How);
  L.Operands.back().Negated = O.Negated && O.Kind == OperandKind::Register;
  if (L.Operands.back().Negated && Ty != Type::Pred && L.Info.O != Op::VideoMad)
    return fail(I.Line, "unexpected '-' before a register");
  Ref R;
  if (How != Role::Use && O.Kind != OperandKind::Register &&
      O.Kind != OperandKind::Sink)
    return fail(I.Line, "expected a register as destination");
  if (O.Kind == OperandKind::Sink) {
    if (How == Role::Use)
      return fail(I.Line, "unexpected '_'");
    append(L, scratchRef(Ty), How);
    return true;
  }
  if (!valueRef(F, I, O, Ty, AllowWider, R))
    return false;
  append(L, R, How);
  return true;
}

bool Lowering::addVector(Frame &F, const Instruction &I, Lowered &L,
                         const Operand &O, Type Ty, Role How, bool AllowWider) {
  if (O.Quad != L.Quad)
    return fail(I.Line, L.Quad ? "expected a register of type .b128"
                               : "unexpected register of type .b128");
  open(L, How);
  for (const Operand &Part : O.Parts) {
    Ref R;
    if (Part.Kind == OperandKind::Sink && How == Role::Def) {
      R = scratchRef(Ty);
    } else if (How != Role::Use && Part.Kind != OperandKind::Register) {
      return fail(I.Line, "expected a register as destination");
    } else if (!valueRef(F, I, Part, Ty, AllowWider, R)) {
      return false;
    }
    append(L, R, How);
  }
  return true;
}

bool Lowering::addFragment(Frame &F, const Instruction &I, Lowered &L,
                           const OperandSpec &S, const Operand &O) {
  Role How = S.Kind == OperandSpec::Def      ? Role::Def
             : S.Kind == OperandSpec::DefUse ? Role::DefUse
                                             : Role::Use;
  // 'G': the A operand of wgmma, a descriptor or registers.
  if (S.Fragment == 'G' && O.Kind != OperandKind::Vector)
    return addScalar(F, I, L, O, Type::B64, How, false);
  unsigned N = fragmentSize(S.Fragment, L.Info);
  Type Ty = fragmentType(S.Fragment, L.Info);
  if (!N)
    return fail(I.Line, "unsupported matrix shape or type in '" +
                            std::string(I.Opcode) + "'");
  if (N == 1 && O.Kind == OperandKind::Register)
    return addScalar(F, I, L, O, Ty, How, false);
  if (O.Kind != OperandKind::Vector || O.Parts.size() != N)
    return fail(I.Line, "expected a vector of " + std::to_string(N) +
                            " registers for matrix operand " + S.Fragment);
  return addVector(F, I, L, O, Ty, How, false);
}

bool Lowering::checkRegister(Frame &F, const Instruction &I, uint32_t Reg,
                             Type Ty, bool AllowWider) {
  const Register &R = F.Fn->Registers[Reg];
  unsigned Have = bitWidth(R.Ty), Want = bitWidth(Ty);
  bool Ok = Have == Want || (AllowWider && Have > Want && Want >= 8);
  // An untyped (.b) register fits every type; typed ones only their kind.
  bool HaveFloat = isFloat(R.Ty), WantFloat = isFloat(Ty);
  if (Have > Want && HaveFloat && WantFloat)
    Ok = false; // an f64 register for f32
  bool Packed = Ty == Type::F16x2 || Ty == Type::BF16x2 || Ty == Type::TF32 ||
                Ty == Type::U16x2 || Ty == Type::S16x2;
  bool Untyped = Ty == Type::B8 || Ty == Type::B16 || Ty == Type::B32 ||
                 Ty == Type::B64 || R.Ty == Type::B8 || R.Ty == Type::B16 ||
                 R.Ty == Type::B32 || R.Ty == Type::B64;
  if (Ok && !Untyped && !Packed && HaveFloat != WantFloat)
    Ok = false;
  if (Ok)
    return true;
  return fail(I.Line, "expected a register of type ." +
                          std::string(typeName(Ty)) + ", got '" + R.name() +
                          "' of type ." + std::string(typeName(R.Ty)));
}

bool Lowering::addParamRead(const Instruction &I, Lowered &L, uint64_t Offset) {
  unsigned Bytes = bitWidth(L.Info.Types[0]) / 8;
  uint64_t Size = uint64_t(Bytes) * L.Info.VectorWidth;
  if (Offset > Out.ParamBytes || Size > Out.ParamBytes - Offset ||
      Offset % Bytes)
    return fail(I.Line, "parameter access at byte " + std::to_string(Offset) +
                            " is outside the " +
                            std::to_string(Out.ParamBytes) +
                            " parameter bytes or misaligned");
  L.Info.O = Op::LdParam;
  size_t N = L.Refs.size(); // the destinations
  open(L, Role::Use);
  for (size_t K = 0; K < N; ++K) {
    Ref R;
    R.Kind = Ref::Special;
    R.Wide = L.Refs[K].Wide;
    R.Value = uint64_t(SpecialReg::ParamValue);
    R.Image.Which = SpecialReg::ParamValue;
    R.Image.Value = Offset + K * Bytes;
    R.Image.Bytes = uint8_t(Bytes);
    R.Image.Wide = R.Wide;
    R.Image.Signed = isSigned(L.Info.Types[0]);
    append(L, R, Role::Use);
  }
  return true;
}

bool Lowering::addAddress(Frame &F, const Instruction &I, Lowered &L,
                          const Operand &O) {
  if (O.Kind != OperandKind::Address || O.Parts.size() != 1)
    return fail(I.Line, "expected an address in brackets");
  const Operand &Base = O.Parts[0];
  int64_t Offset = int64_t(O.Imm);
  Ref R;
  if (Base.Kind == OperandKind::Register) {
    R = regRef(F, Base.Reg);
    if (bitWidth(F.Fn->Registers[Base.Reg].Ty) < 32 || R.IsPred)
      return fail(I.Line, "expected a 32 or 64-bit address register");
    if (Offset != int32_t(Offset))
      return fail(I.Line, "address offset does not fit 32 bits");
  } else if (Base.Kind == OperandKind::Immediate) {
    R = constRef(Base.Imm + O.Imm, true);
    Offset = 0;
  } else if (Base.Kind == OperandKind::Symbol) {
    Operand Sym = Base;
    Sym.Imm += O.Imm;
    Space Where;
    if (!symbolRef(F, I, Sym, R, Where))
      return false;
    Offset = R.Kind == Ref::Reg ? int64_t(R.Image.Value) : 0;
    bool IsLdSt = L.Info.O == Op::Ld || L.Info.O == Op::St;
    if (Where == Space::Param && L.Info.O == Op::Ld &&
        L.Info.Where == Space::Param)
      return addParamRead(I, L, R.Image.Value);
    if (IsLdSt && L.Info.Where == Space::Param)
      L.Info.Where = Space::Local; // .param variables of a call
    bool GlobalLike = Where == Space::Global || Where == Space::Const;
    if (IsLdSt && L.Info.Where == Space::Generic && !GlobalLike)
      return fail(I.Line, "'" + std::string(Base.Name) +
                              "' needs a state space on the instruction");
  } else {
    return fail(I.Line, "expected a register or a symbol as address");
  }
  open(L, Role::Use);
  L.Operands.back().IsAddress = true;
  L.Operands.back().Offset = Offset;
  append(L, R, Role::Use);
  return true;
}

/// [tensorMap, {c0, c1, ...}]: the map's address, then the coordinates.
bool Lowering::addTensor(Frame &F, const Instruction &I, Lowered &L,
                         const Operand &O) {
  if (O.Kind != OperandKind::Address || O.Parts.size() != 2 ||
      O.Parts[1].Kind != OperandKind::Vector)
    return fail(I.Line, "expected [tensorMap, {coordinates}]");
  if (O.Parts[1].Parts.size() != L.Info.Dims)
    return fail(I.Line, "expected " + std::to_string(L.Info.Dims) +
                            " coordinates, got " +
                            std::to_string(O.Parts[1].Parts.size()));
  Operand Map = O;
  Map.Parts.resize(1);
  return addAddress(F, I, L, Map) &&
         addVector(F, I, L, O.Parts[1], Type::S32, Role::Use, false);
}

bool Lowering::lowerTarget(Frame &F, const Instruction &I, Lowered &L,
                           const Operand &O) {
  if (L.Info.O == Op::BrxIdx) {
    auto It = F.Fn->BranchTargets.find(std::string(O.Name));
    if (It == F.Fn->BranchTargets.end())
      return fail(I.Line, "unknown branch table '" + std::string(O.Name) + "'");
    L.Targets = It->second;
    return true;
  }
  if (O.Kind != OperandKind::Label)
    return fail(I.Line, "unknown label '" + std::string(O.Name) + "'");
  L.Target = uint32_t(O.Imm);
  return true;
}
