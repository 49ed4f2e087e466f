// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What every test program needs: the driver API loaded dynamically like a
// user's program does, device buffers, and a small check harness that counts.
#ifndef PTXSIM_TEST_DRIVER_H
#define PTXSIM_TEST_DRIVER_H

#include "../lib/driver/CudaAbi.h"
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

namespace test {

using namespace ptxsim::abi;

/// Entry points, found by name in the library PTXSIM_LIBRARY names.
struct Api {
  CUresult (*cuInit)(unsigned);
  CUresult (*cuDevicePrimaryCtxRetain)(CUcontext *, CUdevice);
  CUresult (*cuDevicePrimaryCtxRelease)(CUdevice);
  CUresult (*cuDevicePrimaryCtxReset)(CUdevice);
  CUresult (*cuCtxSetCurrent)(CUcontext);
  CUresult (*cuCtxSynchronize)();
  CUresult (*cuMemAlloc)(CUdeviceptr *, size_t);
  CUresult (*cuMemFree)(CUdeviceptr);
  CUresult (*cuMemcpyHtoD)(CUdeviceptr, const void *, size_t);
  CUresult (*cuMemcpyDtoH)(void *, CUdeviceptr, size_t);
  CUresult (*cuModuleLoadDataEx)(CUmodule *, const void *, unsigned, int *,
                                 void **);
  CUresult (*cuModuleUnload)(CUmodule);
  CUresult (*cuModuleGetFunction)(CUfunction *, CUmodule, const char *);
  CUresult (*cuFuncSetAttribute)(CUfunction, int, int);
  CUresult (*cuLaunchKernelEx)(const CUlaunchConfig *, CUfunction, void **,
                               void **);
  CUresult (*cuTensorMapEncodeTiled)(CUtensorMap *, int, uint32_t, void *,
                                     const uint64_t *, const uint64_t *,
                                     const uint32_t *, const uint32_t *, int,
                                     int, int, int);
  CUresult (*cuTensorMapEncodeIm2col)(CUtensorMap *, int, uint32_t, void *,
                                      const uint64_t *, const uint64_t *,
                                      const int *, const int *, uint32_t,
                                      uint32_t, const uint32_t *, int, int, int,
                                      int);
  int (*ptxsimConfigure)(const char *, const char *);
  const char *(*ptxsimLastReport)();
};
const Api &api();

/// Looks a symbol up in the library; null if it is not exported.
void *librarySymbol(const char *Name);

// ---- checks --------------------------------------------------------------
/// Counts a check; prints the text when it failed.
bool check(bool Ok, const std::string &What);
/// Prints "N passed, M failed" and returns the exit status.
int finish(const char *Program);

/// Resets the primary context, which ends an error, and makes it usable again.
void renewContext();

// ---- memory --------------------------------------------------------------
class Buffer {
public:
  explicit Buffer(size_t Bytes);
  template <class T>
  explicit Buffer(const std::vector<T> &V) : Buffer(V.size() * sizeof(T)) {
    api().cuMemcpyHtoD(Address, V.data(), V.size() * sizeof(T));
  }
  ~Buffer() { api().cuMemFree(Address); }
  Buffer(const Buffer &) = delete;
  template <class T> std::vector<T> read() const {
    std::vector<T> V(Bytes / sizeof(T));
    api().cuMemcpyDtoH(V.data(), Address, Bytes);
    return V;
  }
  CUdeviceptr Address = 0;
  size_t Bytes;
};

// ---- kernels -------------------------------------------------------------
std::string readText(const std::string &Path);

struct Dim {
  unsigned X = 1, Y = 1, Z = 1;
};

class Kernel {
public:
  /// Loads PTX text; Error says why when Ok is false.
  Kernel(const std::string &Ptx, const char *Entry);
  ~Kernel();
  Kernel(const Kernel &) = delete;
  /// Arguments are pushed in order; each is copied.
  template <class T> Kernel &arg(const T &V) {
    const char *P = reinterpret_cast<const char *>(&V);
    Args.emplace_back(P, P + sizeof(T));
    return *this;
  }
  /// Launches and synchronises; clears the arguments. After a fault the context
  /// is a new one: all buffers and kernels are gone.
  CUresult run(Dim Grid, Dim Block, unsigned Shared = 0, Dim Cluster = {},
               bool Cooperative = false);
  bool Ok = false;
  std::string Error;
  CUresult LoadResult = CUDA_SUCCESS;

private:
  CUmodule Module = nullptr;
  CUfunction Function = nullptr;
  std::vector<std::vector<char>> Args;
};

// ---- data ----------------------------------------------------------------
/// Deterministic pseudo-random numbers.
class Random {
public:
  explicit Random(uint64_t Seed) : S(Seed * 2654435761u + 1) {}
  uint64_t next() {
    S ^= S << 13;
    S ^= S >> 7;
    return S ^= S << 17;
  }
  double uniform() { return double(next() >> 11) * 0x1p-53 * 2 - 1; }

private:
  uint64_t S;
};

/// Calls an entry point of unchecked type: arguments pass as they are, so they
/// have exactly the API's types.
template <class... T> CUresult call(const char *Name, T... Arguments) {
  auto *Fn = reinterpret_cast<CUresult (*)(T...)>(librarySymbol(Name));
  if (!Fn) {
    check(false, std::string("no entry point ") + Name);
    return CUDA_ERROR_NOT_FOUND;
  }
  return Fn(Arguments...);
}
inline void good(CUresult R, const std::string &What) {
  check(R == CUDA_SUCCESS, What + ": got " + std::to_string(R));
}
inline void bad(CUresult R, CUresult Want, const std::string &What) {
  check(R == Want, What + ": expected " + std::to_string(Want) + ", got " +
                       std::to_string(R));
}

float bf16ToFloat(uint16_t V);
uint16_t floatToBf16(float V);
inline float halfToFloat(uint16_t V) {
  _Float16 H;
  std::memcpy(&H, &V, 2);
  return float(H);
}
inline uint16_t floatToHalf(float V) {
  _Float16 H = _Float16(V);
  uint16_t B;
  std::memcpy(&B, &H, 2);
  return B;
}
std::vector<float> randomFloats(size_t N, uint64_t Seed);
std::vector<uint16_t> randomBf16(size_t N, uint64_t Seed);
std::vector<uint16_t> randomHalves(size_t N, uint64_t Seed);

/// Root mean square of the difference over that of the reference.
double relativeError(const std::vector<double> &Got,
                     const std::vector<double> &Want);

/// Runs Fn once per completion mode: eager, late and four seeds.
void forModes(const std::function<void(const std::string &Mode)> &Fn);

} // namespace test
#endif
