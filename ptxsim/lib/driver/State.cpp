// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Device models, configuration, device memory and reports.
#include "State.h"
#include "exec/Race.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <pthread.h>
#include <sys/mman.h>

using namespace ptxsim;

// ---- devices -------------------------------------------------------------
static const DeviceModel Devices[] = {
    {"sm_80", 8, 0, 0, 108, 164 * 1024, 163 * 1024, 2048, 32,
     uint64_t(40) << 30, 1410000, 1215000, 5120, 40u << 20},
    {"sm_90a", 9, 0, 'a', 132, 228 * 1024, 227 * 1024, 2048, 32,
     uint64_t(80) << 30, 1980000, 2619000, 5120, 50u << 20},
    {"sm_120a", 12, 0, 'a', 170, 100 * 1024, 99 * 1024, 1536, 24,
     uint64_t(32) << 30, 2407000, 14001000, 512, 96u << 20},
};

const DeviceModel *ptxsim::findDevice(std::string_view Name) {
  for (const DeviceModel &D : Devices)
    if (Name == D.Name)
      return &D;
  return nullptr;
}

// ---- configuration -------------------------------------------------------
static bool parseNumber(std::string_view V, uint64_t &Out) {
  std::string S(V);
  char *End = nullptr;
  Out = std::strtoull(S.c_str(), &End, 0);
  return !S.empty() && !*End;
}

static bool configureMode(SimConfig &C, std::string_view V) {
  if (V == "eager") {
    C.Completion = Mode::Eager;
  } else if (V == "late") {
    C.Completion = Mode::Late;
  } else if (V.substr(0, 5) == "seed:" && parseNumber(V.substr(5), C.Seed)) {
    C.Completion = Mode::Seeded;
  } else {
    return false;
  }
  return true;
}

bool ptxsim::configure(DriverState &S, std::string_view Key,
                       std::string_view Value, std::string &Why) {
  uint64_t N = 0;
  bool Number = parseNumber(Value, N);
  if (Key == "DEVICE") {
    const DeviceModel *D = findDevice(Value);
    if (!D) {
      Why =
          "expected sm_80, sm_90a or sm_120a, got '" + std::string(Value) + "'";
      return false;
    }
    S.Device = *D;
    return true;
  }
  if (Key == "MODE") {
    if (configureMode(S.Config, Value))
      return true;
    Why = "expected eager, late or seed:N, got '" + std::string(Value) + "'";
    return false;
  }
  if (Key == "COUNTERS") {
    S.CountersFile = std::string(Value);
    S.Config.Counters = !Value.empty();
    return true;
  }
  if (Key == "LOG") {
    S.LogFile = std::string(Value);
    return true;
  }
  if (Key == "FAULT")
    return S.Faults.configure(Value, Why);
  if (!Number) {
    Why = "expected a number, got '" + std::string(Value) + "'";
    return false;
  }
  if (Key == "RACE")
    S.Config.Race = N != 0;
  else if (Key == "UNINITIALISED")
    goOnAfterUnwritten(N == 0);
  else if (Key == "THREADS")
    S.Config.Threads = uint32_t(N);
  else if (Key == "BUDGET")
    S.Config.Budget = N;
  else
    Why = "unknown option '" + std::string(Key) + "'";
  return Why.empty();
}

static void configureFromEnvironment(DriverState &S) {
  std::string Why;
  configure(S, "DEVICE", "sm_90a", Why);
  for (const char *Key : {"DEVICE", "MODE", "RACE", "UNINITIALISED", "COUNTERS",
                          "LOG", "THREADS", "BUDGET", "FAULT"}) {
    std::string Name = std::string("PTXSIM_") + Key;
    const char *Value = std::getenv(Name.c_str());
    Why.clear();
    if (Value && *Value && !configure(S, Key, Value, Why))
      std::fprintf(stderr, "ptxsim: %s: %s\n", Name.c_str(), Why.c_str());
  }
}

// A child of a process whose other threads were in calls gets a lock that
// nobody of its own holds: so a fork waits for those calls.
static void lockForFork() { state().Lock.lock(); }
static void unlockInParent() { state().Lock.unlock(); }
static void unlockInChild() { new (&state().Lock) std::recursive_mutex; }

DriverState &ptxsim::state() {
  // Never destroyed: programs call the driver from their own destructors.
  static DriverState *S = [] {
    auto *New = new DriverState;
    configureFromEnvironment(*New);
    pthread_atfork(lockForFork, unlockInParent, unlockInChild);
    return New;
  }();
  return *S;
}

void ptxsim::report(const std::string &Text) {
  DriverState &S = state();
  S.LastReport = Text;
  std::FILE *F =
      S.LogFile.empty() ? stderr : std::fopen(S.LogFile.c_str(), "a");
  if (!F)
    F = stderr;
  std::fprintf(F, "ptxsim: %s\n", Text.c_str());
  if (F != stderr)
    std::fclose(F);
}

// ---- device memory -------------------------------------------------------
static constexpr uint64_t Granule = 512, Gap = 4096;

bool DeviceMemory::reserve() {
  for (uint64_t Size = uint64_t(1) << 38; Size >= uint64_t(1) << 30;
       Size >>= 1) {
    void *P = mmap(nullptr, Size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (P == MAP_FAILED)
      continue;
    Base = uint64_t(P);
    Reserved = Size;
    Middle = Base + Size / 4 * 3;
    Next = Base + Gap;
    return true;
  }
  return false;
}

/// Kernels walk along columns of large matrices: with small pages the host
/// would spend its time on address translation.
static void adviseHugePages(uint64_t Address, uint64_t Bytes) {
  constexpr uint64_t Page = 2 << 20, Smallest = 4 * Page;
  uint64_t First = (Address + Page - 1) / Page * Page;
  uint64_t Last = (Address + Bytes) / Page * Page;
  if (Bytes >= Smallest)
    madvise(reinterpret_cast<void *>(First), Last - First, MADV_HUGEPAGE);
}

uint64_t DeviceMemory::allocate(uint64_t Bytes, uint64_t Capacity,
                                bool ReadOnly) {
  if (!Base && !reserve())
    return 0;
  uint64_t Size = (Bytes + Granule - 1) / Granule * Granule;
  if (Size < Bytes || Used > Capacity || Size > Capacity - Used ||
      Size > Middle - Base - Gap)
    return 0;
  // Addresses go up and wrap around once, so that freed ranges stay unused
  // for long and stale pointers are found.
  for (int Pass = 0; Pass < 2; ++Pass) {
    uint64_t At = Next;
    for (auto It = Allocations.lower_bound(At);; ++It) {
      uint64_t Limit =
          It == Allocations.end() || It->first >= Middle ? Middle : It->first;
      if (At + Size + Gap <= Limit) {
        Allocations[At] = {At, At + Bytes, NextId++, ReadOnly, false, nullptr};
        adviseHugePages(At, Bytes);
        Next = At + Size + Gap;
        Used += Size;
        return At;
      }
      if (Limit == Middle)
        break;
      At = (It->second.End + Granule - 1) / Granule * Granule + Gap;
    }
    Next = Base + Gap;
  }
  return 0;
}

void DeviceMemory::trackWrites(uint64_t Address) {
  Allocation &A = Allocations[Address];
  A.Written = static_cast<uint8_t *>(std::calloc((A.End - A.Begin) / 8 + 1, 1));
  Written[Address].reset(A.Written);
}
static void setBit(const Allocation &A, uint64_t Address) {
  uint64_t K = Address - A.Begin;
  A.Written[K / 8] |= uint8_t(1u << K % 8);
}
void DeviceMemory::noteWritten(uint64_t Address, uint64_t Bytes) {
  const Allocation *A = find(Address, Bytes);
  if (!A || !A->Written)
    return;
  uint64_t At = Address, End = Address + Bytes;
  for (; At < End && (At - A->Begin) % 8; ++At)
    setBit(*A, At);
  uint64_t Whole = (End - At) / 8;
  std::memset(A->Written + (At - A->Begin) / 8, 0xff, Whole);
  for (At += 8 * Whole; At < End; ++At)
    setBit(*A, At);
}
void DeviceMemory::noteCopied(uint64_t Dst, uint64_t Src, uint64_t Bytes) {
  const Allocation *From = find(Src, Bytes), *To = find(Dst, Bytes);
  if (!To || !To->Written)
    return;
  if (!From || !From->Written)
    return noteWritten(Dst, Bytes);
  for (uint64_t K = 0; K < Bytes; ++K) {
    uint64_t At = Src + K - From->Begin;
    if (From->Written[At / 8] >> At % 8 & 1)
      setBit(*To, Dst + K);
  }
}
void DeviceMemory::forgetWrites() {
  if (Written.empty())
    return;
  for (auto &[Begin, A] : Allocations)
    A.Written = nullptr;
  Written.clear();
}

void DeviceMemory::forgetWrites(uint64_t Address) {
  if (auto It = Allocations.find(Address); It != Allocations.end())
    It->second.Written = nullptr;
  Written.erase(Address);
}

bool DeviceMemory::release(uint64_t Address) {
  auto It = Allocations.find(Address);
  if (It == Allocations.end() || !isDevice(Address))
    return false;
  uint64_t Size = It->second.End - It->second.Begin;
  uint64_t Rounded = (Size + Granule - 1) / Granule * Granule;
  Used -= Rounded;
  if (Ranges.count(Address))
    GraphUsed -= Rounded;
  uint64_t First = (Address + 4095) & ~uint64_t(4095);
  uint64_t Last = (Address + Size) & ~uint64_t(4095);
  if (Last > First)
    madvise(reinterpret_cast<void *>(First), Last - First, MADV_DONTNEED);
  Allocations.erase(It);
  Written.erase(Address);
  return true;
}

bool DeviceMemory::registerHost(void *Host, uint64_t Bytes) {
  uint64_t A = uint64_t(Host);
  if (A + Bytes < A || isDevice(A) || isDevice(A + Bytes - 1))
    return false;
  auto It = Allocations.lower_bound(A);
  if (It != Allocations.end() && It->first < A + Bytes)
    return false;
  if (It != Allocations.begin() && std::prev(It)->second.End > A)
    return false;
  Allocations[A] = {A, A + Bytes, NextId++, false, false, nullptr};
  return true;
}
bool DeviceMemory::unregisterHost(void *Host) {
  return !isDevice(uint64_t(Host)) && Allocations.erase(uint64_t(Host));
}

const Allocation *DeviceMemory::find(uint64_t Address, uint64_t Bytes) const {
  auto It = Allocations.upper_bound(Address);
  if (It == Allocations.begin())
    return nullptr;
  const Allocation &A = std::prev(It)->second;
  bool In = Bytes <= A.End - A.Begin && Address <= A.End - Bytes;
  return In ? &A : nullptr;
}

std::vector<Allocation> DeviceMemory::snapshot() const {
  std::vector<Allocation> Out;
  Out.reserve(Allocations.size() + 1);
  for (const auto &[Begin, A] : Allocations)
    Out.push_back(A);
  return Out;
}
