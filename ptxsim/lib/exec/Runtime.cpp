// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Faults, reports, and the device run-time functions printf and assert.
#include "Runtime.h"
#include "Heap.h"
#include "Race.h"
#include <algorithm>
#include <cstdio>

using namespace ptxsim;

std::string ptxsim::hex(uint64_t V) {
  char Buffer[24];
  std::snprintf(Buffer, sizeof(Buffer), "0x%llx", (unsigned long long)V);
  return Buffer;
}

/// The statement on one line, shortened.
static std::string oneLine(std::string_view Text) {
  std::string S;
  for (char C : Text)
    if (C != '\n' && C != '\r' && C != '\t')
      S += C;
    else if (!S.empty() && S.back() != ' ')
      S += ' ';
  if (S.size() > 160)
    S = S.substr(0, 157) + "...";
  return S;
}

std::string ptxsim::describeSource(const Program &P, uint32_t Pc) {
  const InstDebug &D = P.Debug[std::min<size_t>(Pc, P.Debug.size() - 1)];
  std::string S =
      "PTX line " + std::to_string(D.Line) + " `" + oneLine(D.Text) + "`";
  auto File = P.Owner->SourceFiles.find(D.SourceFile);
  if (D.SourceLine && File != P.Owner->SourceFiles.end())
    S += " (" + File->second + ":" + std::to_string(D.SourceLine) + ")";
  return S;
}

std::string ptxsim::describe(const Warp *W, uint32_t Pc, uint32_t Lane) {
  const Cta *C = W->C;
  Dim3 B = C->L->Block;
  uint32_t T = W->Id * 32 + Lane;
  auto Triple = [](uint64_t X, uint64_t Y, uint64_t Z) {
    return std::to_string(X) + "," + std::to_string(Y) + "," +
           std::to_string(Z);
  };
  return describeSource(*W->P, Pc) + ", CTA " +
         Triple(C->Id.X, C->Id.Y, C->Id.Z) + ", thread " +
         Triple(T % B.X, T / B.X % B.Y, T / B.X / B.Y);
}

void ptxsim::fault(Warp *W, const Inst *I, FaultKind Kind, uint32_t Lane,
                   const std::string &Message) {
  LaunchState &L = *W->C->L;
  uint32_t Pc = pcOf(I, W);
  account(W, Pc);
  W->Segment = W->Pc = Pc;
  W->State = WarpState::Faulted;
  std::string Text = "kernel '" + W->P->Name + "': " + Message + "\n  at " +
                     describe(W, Pc, Lane);
  std::lock_guard<std::mutex> Guard(L.Lock);
  bool Earlier = L.First.Kind == FaultKind::None || W->C->Linear < L.First.Cta;
  if (Earlier)
    L.First = {Kind, Text, W->C->Linear, W->Id};
  L.Stop = true;
}

void ptxsim::finishWarp(Warp *W) {
  W->State = WarpState::Done;
  W->Pc = uint32_t(W->P->Code.size()) - 1;
  W->Segment = W->Pc;
  ++W->Effects;
  --W->C->LiveWarps;
  checkBarriers(W->C);
  checkClusterBarrier(W->C->Group);
}

// ---- device printf -------------------------------------------------------
/// The thread's .param variable that is argument K of a call, results first:
/// its distance from C->Local.
static uint64_t argumentPlace(const Warp *W, const Inst *I, uint32_t Lane,
                              unsigned K) {
  const Detail &D = W->P->Details[I->X];
  uint64_t Frame = laneOf<uint64_t>(W->Rows, D.slot(0), Lane);
  return uint64_t(localMemory(W, Lane) - W->C->Local) + Frame +
         uint64_t(D.Immediates[K]);
}
static uint64_t callArgument(const Warp *W, const Inst *I, uint32_t Lane,
                             unsigned K) {
  uint64_t V;
  std::memcpy(&V, W->C->Local + argumentPlace(W, I, Lane, K), 8);
  return V;
}
template <class T>
static void setResult(Warp *W, const Inst *I, uint32_t Lane, T V) {
  uint64_t At = argumentPlace(W, I, Lane, 0);
  std::memcpy(W->C->Local + At, &V, sizeof(V));
  raceLocal(W, I, Lane, At, sizeof(V), AccessKind::Write);
}
static bool readString(Warp *W, const Inst *I, uint32_t Lane, uint64_t At,
                       std::string &Out) {
  for (;;) {
    uint8_t *P =
        resolveOne(W, I, Lane, At++, Space::Generic, 1, 1, AccessKind::Read);
    if (!P)
      return false;
    if (!*P)
      return true;
    Out += char(*P);
    if (Out.size() > 65536)
      return true;
  }
}

/// Formats one conversion such as "%5.2f"; Spec ends with its letter.
static bool printOne(Warp *W, const Inst *I, uint32_t Lane, std::string Spec,
                     uint64_t Value, std::string &Out) {
  char Buffer[512];
  char Letter = Spec.back();
  if (Letter == 's') {
    std::string S;
    if (!readString(W, I, Lane, Value, S))
      return false;
    Out += S;
    return true;
  }
  // Lengths are normalised: integers are passed as long long.
  std::string Clean;
  for (char C : Spec.substr(0, Spec.size() - 1))
    if (C != 'l' && C != 'h' && C != 'z' && C != 'j' && C != 't')
      Clean += C;
  bool Long = Spec.find('l') != std::string::npos ||
              Spec.find('z') != std::string::npos;
  if (std::string("eEfFgGaA").find(Letter) != std::string::npos) {
    double D;
    std::memcpy(&D, &Value, 8);
    Clean += Letter;
    std::snprintf(Buffer, sizeof(Buffer), Clean.c_str(), D);
  } else if (Letter == 'p') {
    Clean += 'p';
    std::snprintf(Buffer, sizeof(Buffer), Clean.c_str(),
                  reinterpret_cast<void *>(Value));
  } else if (Letter == 'c') {
    Clean += 'c';
    std::snprintf(Buffer, sizeof(Buffer), Clean.c_str(), int(Value));
  } else {
    if (!Long)
      Value = Letter == 'd' || Letter == 'i' ? uint64_t(int64_t(int32_t(Value)))
                                             : uint32_t(Value);
    Clean += std::string("ll") + Letter;
    std::snprintf(Buffer, sizeof(Buffer), Clean.c_str(),
                  (unsigned long long)Value);
  }
  Out += Buffer;
  return true;
}

static bool formatText(Warp *W, const Inst *I, uint32_t Lane,
                       const std::string &Format, uint64_t Args,
                       std::string &Out) {
  uint64_t Offset = 0;
  for (size_t K = 0; K < Format.size(); ++K) {
    if (Format[K] != '%') {
      Out += Format[K];
      continue;
    }
    if (K + 1 < Format.size() && Format[K + 1] == '%') {
      Out += Format[++K];
      continue;
    }
    size_t End = Format.find_first_of("diouxXeEfFgGaAcsp", K + 1);
    if (End == std::string::npos || End - K > 32)
      break;
    std::string Spec = Format.substr(K, End - K + 1);
    bool Eight =
        Spec.find('l') != std::string::npos ||
        Spec.find('z') != std::string::npos ||
        std::string("eEfFgGaAsp").find(Spec.back()) != std::string::npos;
    unsigned Bytes = Eight ? 8 : 4;
    Offset = (Offset + Bytes - 1) / Bytes * Bytes;
    uint8_t *P = resolveOne(W, I, Lane, Args + Offset, Space::Generic, Bytes, 1,
                            AccessKind::Read);
    if (!P)
      return false;
    uint64_t Value = 0;
    std::memcpy(&Value, P, Bytes);
    Offset += Bytes;
    if (!printOne(W, I, Lane, Spec, Value, Out))
      return false;
    K = End;
  }
  return true;
}

bool ptxsim::runtimePrint(Warp *W, const Inst *I, uint8_t *, uint32_t M) {
  std::string All;
  for (uint32_t Left = M; Left; Left &= Left - 1) {
    uint32_t L = uint32_t(std::countr_zero(Left));
    std::string Format, Text;
    uint64_t Args = callArgument(W, I, L, 2);
    if (!readString(W, I, L, callArgument(W, I, L, 1), Format) ||
        !formatText(W, I, L, Format, Args, Text))
      return false;
    setResult(W, I, L, int32_t(Text.size()));
    All += Text;
  }
  std::fwrite(All.data(), 1, All.size(), stdout);
  std::fflush(stdout);
  return true;
}

// ---- device heap ---------------------------------------------------------
void ptxsim::runtimeAllocate(Warp *W, const Inst *I, uint32_t M) {
  DeviceHeap *Heap = W->C->L->Heap;
  forLanes(M, [&](uint32_t L) {
    uint64_t Bytes = callArgument(W, I, L, 1);
    setResult(W, I, L, Heap ? Heap->allocate(Bytes) : uint64_t(0));
  });
}

bool ptxsim::runtimeRelease(Warp *W, const Inst *I, uint32_t M) {
  DeviceHeap *Heap = W->C->L->Heap;
  for (uint32_t Left = M; Left; Left &= Left - 1) {
    uint32_t L = uint32_t(std::countr_zero(Left));
    uint64_t Address = callArgument(W, I, L, 0);
    if (!Address || (Heap && Heap->release(Address)))
      continue;
    fault(W, I, FaultKind::Address, L,
          "free of " + hex(Address) +
              ", which malloc has not returned or "
              "which has been freed");
    return false;
  }
  return true;
}

void ptxsim::runtimeAssert(Warp *W, const Inst *I, uint32_t M) {
  uint32_t L = uint32_t(std::countr_zero(M));
  std::string Message, File, Function;
  uint32_t Line = uint32_t(callArgument(W, I, L, 2));
  if (!readString(W, I, L, callArgument(W, I, L, 0), Message) ||
      !readString(W, I, L, callArgument(W, I, L, 1), File) ||
      !readString(W, I, L, callArgument(W, I, L, 3), Function))
    return;
  fault(W, I, FaultKind::Assert, L,
        File + ":" + std::to_string(Line) + ": " + Function + ": assertion '" +
            Message + "' failed");
}
