// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The stack of each thread: calls of functions that have bodies, alloca. Layout
// of frames: LowerStack.cpp.
#include "Paths.h"
#include "RaceState.h"
#include "Runtime.h"
#include <algorithm>

using namespace ptxsim;

// Operands of calls; what they save is the last one.
static constexpr unsigned Frame = 0, Stack = 1, Pointer = 2;

static unsigned savedOperand(const Detail &D) {
  return unsigned(D.Operands.size() - 1);
}

/// Where the stack of a thread ends.
static uint64_t stackEnd(const Warp *W) {
  return W->C->L->LocalBytes - W->P->ArgumentBytes;
}

static void stackOverflow(Warp *W, const Inst *I, uint32_t Lane,
                          uint64_t Needed) {
  uint64_t Has = stackEnd(W) - W->P->LocalBytes;
  fault(W, I, FaultKind::Address, Lane,
        "stack overflow: " + std::to_string(Needed - W->P->LocalBytes) +
            " bytes needed, the thread has " + std::to_string(Has) +
            " (CU_LIMIT_STACK_SIZE)");
}

/// Whether room for `Bytes` of saved registers and such lies in the caller's
/// frame at Frame. The kernel itself may have overwritten where that is.
static bool checkFrame(Warp *W, const Inst *I, uint32_t Lane, uint64_t Frame,
                       uint64_t Bytes) {
  uint64_t End = W->C->L->LocalBytes;
  if (Frame <= End && Bytes <= End - Frame)
    return true;
  fault(W, I, FaultKind::Address, Lane,
        "the frame of a caller is at local address " + hex(Frame) +
            ", the thread has " + std::to_string(End) +
            " bytes: the stack was overwritten");
  return false;
}

/// A register that outlives a call, as 8 bytes.
static void saveRow(const Detail &D, const uint8_t *R, unsigned K, uint32_t L,
                    uint8_t *To) {
  uint32_t Row = D.slot(savedOperand(D), K);
  uint64_t V;
  switch (D.Immediates[2 + K]) {
  case 1: V = rowAt<uint32_t>(R + Row) >> L & 1; break;
  case 8: V = laneOf<uint64_t>(R, Row, L); break;
  default: V = laneOf<uint32_t>(R, Row, L); break;
  }
  std::memcpy(To + D.Immediates[1] + 8 * K, &V, 8);
}
static void restoreRow(const Detail &D, uint8_t *R, unsigned K, uint32_t L,
                       const uint8_t *From) {
  uint32_t Row = D.slot(savedOperand(D), K);
  uint64_t V;
  std::memcpy(&V, From + D.Immediates[1] + 8 * K, 8);
  switch (D.Immediates[2 + K]) {
  case 1: storePred(R + Row, V ? ~0u : 0, 1u << L); break;
  case 8: std::memcpy(R + Row + 8 * L, &V, 8); break;
  default: std::memcpy(R + Row + 4 * L, &V, 4); break;
  }
}

/// New frames of FrameBytes for lanes M; false after a fault. Immediates:
/// bytes of the new frame, where the old one has room for registers, and the
/// size of each of these (1: a predicate).
static bool pushFrames(Warp *W, const Inst *I, uint8_t *R, uint32_t M,
                       uint64_t FrameBytes) {
  const Detail &D = W->P->Details[I->X];
  unsigned Count = D.Operands[savedOperand(D)].Count;
  uint64_t End = stackEnd(W);
  for (uint32_t Left = M; Left; Left &= Left - 1) {
    uint32_t L = uint32_t(std::countr_zero(Left));
    uint8_t *Memory = localMemory(W, L);
    uint64_t Old = laneOf<uint64_t>(R, D.slot(Frame), L);
    uint64_t New = laneOf<uint64_t>(R, D.slot(Stack), L);
    uint64_t Top = New + FrameBytes;
    if (New > End || Top > End) {
      stackOverflow(W, I, L, Top);
      return false;
    }
    if (!checkFrame(W, I, L, Old, uint64_t(D.Immediates[1]) + 8 * Count))
      return false;
    for (unsigned K = 0; K < Count; ++K)
      saveRow(D, R, K, L, Memory + Old);
    std::memcpy(Memory + New, &Old, 8);
    std::memcpy(R + D.slot(Frame) + 8 * L, &New, 8);
    std::memcpy(R + D.slot(Stack) + 8 * L, &Top, 8);
  }
  return true;
}

static constexpr int64_t CallCost = 8;

static void callBody(PTXSIM_ARGS) {
  uint32_t Pc = pcOf(I, W);
  uint64_t FrameBytes = uint64_t(W->P->Details[I->X].Immediates[0]);
  if (!pushFrames(W, I, R, M, FrameBytes))
    return;
  account(W, Pc + 1);
  openCall(W, Pc + 1, M);
  W->Pc = I->Target;
  W->Mask = M;
  W->Segment = I->Target;
  if ((W->Fuel -= CallCost) < 0)
    return;
  PTXSIM_RESUME;
}

/// One path per distinct target; Imm: the table.
static void callTable(PTXSIM_ARGS) {
  uint32_t Pc = pcOf(I, W), Row = W->P->Details[I->X].slot(Pointer);
  const std::vector<CallTarget> &Table = W->P->CallTables[size_t(I->Imm)];
  account(W, Pc + 1);
  W->Segment = Pc + 1;
  openCall(W, Pc + 1, M);
  for (uint32_t Left = M; Left;) {
    uint32_t Lane = uint32_t(std::countr_zero(Left)), Same = 0;
    uint64_t Address = laneOf<uint64_t>(R, Row, Lane);
    forLanes(Left, [&](uint32_t L) {
      Same |= uint32_t(laneOf<uint64_t>(R, Row, L) == Address) << L;
    });
    auto Found = std::lower_bound(
        Table.begin(), Table.end(), Address,
        [](const CallTarget &T, uint64_t A) { return T.Address < A; });
    if (Found == Table.end() || Found->Address != Address)
      return badCall(W, I, Lane, Address);
    if (!pushFrames(W, I, R, Same, Found->FrameBytes))
      return;
    addPath(W, Found->Entry, Same);
    Left &= ~Same;
  }
  W->Fuel -= CallCost;
  PTXSIM_SWITCH;
}

/// Operands: where to and where from, with offsets; the immediate is the number
/// of bytes.
static void copyLocal(PTXSIM_ARGS) {
  const Detail &D = W->P->Details[I->X];
  uint64_t Bytes = uint64_t(D.Immediates[0]), Size = W->C->L->LocalBytes;
  auto Address = [&](unsigned Operand, uint32_t L) {
    return laneOf<uint64_t>(R, D.slot(Operand), L) +
           uint64_t(int64_t(D.Operands[Operand].Offset));
  };
  for (uint32_t Left = M; Left; Left &= Left - 1) {
    uint32_t L = uint32_t(std::countr_zero(Left));
    uint64_t To = Address(0, L), From = Address(1, L);
    if (Bytes > Size || std::max(To, From) > Size - Bytes)
      return stackOverflow(W, I, L, std::max(To, From) + Bytes);
    uint8_t *Memory = localMemory(W, L);
    std::memmove(Memory + To, Memory + From, Bytes);
    if (raceOf(W))
      raceCopyLocal(W, uint64_t(Memory - W->C->Local) + To,
                    uint64_t(Memory - W->C->Local) + From, Bytes);
  }
  PTXSIM_NEXT;
}

/// The caller's frame is found in the callee's; its registers come back, and
/// the stack ends where the callee's frame began.
static void bodyReturn(PTXSIM_ARGS) {
  uint32_t Pc = pcOf(I, W);
  uint32_t Call = W->Joins[W->Join].Pc - 1;
  const Detail &D = W->P->Details[W->P->Code[Call].X];
  unsigned Count = D.Operands[savedOperand(D)].Count;
  for (uint32_t Left = M; Left; Left &= Left - 1) {
    uint32_t L = uint32_t(std::countr_zero(Left));
    uint8_t *Memory = localMemory(W, L);
    uint64_t Callee = laneOf<uint64_t>(R, D.slot(Frame), L), Old;
    std::memcpy(&Old, Memory + Callee, 8);
    if (!checkFrame(W, I, L, Old, uint64_t(D.Immediates[1]) + 8 * Count))
      return;
    for (unsigned K = 0; K < Count; ++K)
      restoreRow(D, R, K, L, Memory + Old);
    std::memcpy(R + D.slot(Frame) + 8 * L, &Old, 8);
    std::memcpy(R + D.slot(Stack) + 8 * L, &Callee, 8);
  }
  account(W, Pc + 1);
  W->Segment = Pc + 1;
  if (arriveAtJoin(W, M))
    PTXSIM_RESUME;
  PTXSIM_SWITCH;
}

static void writeAddress(uint8_t *R, uint32_t Row, bool Wide, uint32_t L,
                         uint64_t V) {
  std::memcpy(R + Row + (Wide ? 8 : 4) * L, &V, Wide ? 8 : 4);
}
static uint64_t readAddress(const uint8_t *R, uint32_t Row, bool Wide,
                            uint32_t L) {
  return Wide ? laneOf<uint64_t>(R, Row, L) : laneOf<uint32_t>(R, Row, L);
}

/// Imm: the alignment; the last operand is the end of the stack.
static void allocateOnStack(PTXSIM_ARGS) {
  const Detail &D = W->P->Details[I->X];
  uint64_t Align = uint64_t(I->Imm), Size = stackEnd(W),
           FrameAlign = W->P->FrameAlign;
  for (uint32_t Left = guarded(I, R, M); Left; Left &= Left - 1) {
    uint32_t L = uint32_t(std::countr_zero(Left));
    uint64_t Bytes = readAddress(R, D.slot(1), D.Operands[1].Wide, L);
    uint64_t Begin = laneOf<uint64_t>(R, D.slot(2), L);
    Begin = (Begin + Align - 1) / Align * Align;
    if (Begin > Size || Bytes > Size - Begin)
      return stackOverflow(W, I, L, Begin + Bytes);
    uint64_t End = (Begin + Bytes + FrameAlign - 1) / FrameAlign * FrameAlign;
    writeAddress(R, D.slot(0), D.Operands[0].Wide, L, Begin);
    writeAddress(R, D.slot(2), true, L, End);
  }
  PTXSIM_NEXT;
}
static void saveStack(PTXSIM_ARGS) {
  const Detail &D = W->P->Details[I->X];
  forLanes(guarded(I, R, M), [&](uint32_t L) {
    writeAddress(R, D.slot(0), D.Operands[0].Wide, L,
                 laneOf<uint64_t>(R, D.slot(1), L));
  });
  PTXSIM_NEXT;
}
static void restoreStack(PTXSIM_ARGS) {
  const Detail &D = W->P->Details[I->X];
  forLanes(guarded(I, R, M), [&](uint32_t L) {
    writeAddress(R, D.slot(1), true, L,
                 readAddress(R, D.slot(0), D.Operands[0].Wide, L));
  });
  PTXSIM_NEXT;
}

bool ptxsim::selectStack(Encoder &E, const Lowered &L, Inst &I) {
  switch (L.Info.O) {
  case Op::CallBody:
  case Op::CallTable: {
    Lowered Call = L;
    const LoweredOperand &Saved = L.Operands.back();
    for (unsigned K = 0; K < Saved.Count; ++K) {
      const Ref &R = L.Refs[Saved.First + K];
      Call.Immediates.push_back(R.IsPred ? 1 : R.Wide ? 8 : 4);
    }
    I.X = E.addDetail(Call);
    I.Imm = int32_t(L.Callee);
    I.Fn = L.Info.O == Op::CallBody ? callBody : callTable;
    return true;
  }
  case Op::CopyLocal: I.Fn = copyLocal; break;
  case Op::BodyRet: I.Fn = bodyReturn; return true;
  case Op::Alloca:
    I.Imm = L.Immediates.empty() ? 8 : int32_t(L.Immediates[0]);
    I.Fn = allocateOnStack;
    break;
  case Op::StackSave: I.Fn = saveStack; break;
  case Op::StackRestore: I.Fn = restoreStack; break;
  default: return false;
  }
  I.X = E.addDetail(L);
  return true;
}
