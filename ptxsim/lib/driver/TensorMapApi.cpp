// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tensor map encoding, with the driver's checks of its arguments.
#include "../TensorMap.h"
#include "State.h"
#include <cstring>

using namespace ptxsim;
using namespace ptxsim::abi;

namespace {
constexpr int NumTypes = 13, NumSwizzles = 4;
constexpr uint64_t MaxStride = uint64_t(1) << 40, MaxExtent = uint64_t(1) << 32;
} // namespace

/// Checks and fills what both modes have in common. Null, or what is wrong.
static const char *encodeCommon(TensorMap &M, int Type, uint32_t Rank,
                                const void *Base, const uint64_t *Extent,
                                const uint64_t *Stride,
                                const uint32_t *ElementStride, int Interleave,
                                int Swizzling, int Promotion, int Fill) {
  if (!Rank || Rank > 5)
    return "rank out of 1 to 5";
  if (!Base || !Extent || !ElementStride || (Rank > 1 && !Stride))
    return "null argument";
  if (uint64_t(Base) % 16)
    return "address is no multiple of 16 bytes";
  if (Type < 0 || Type >= NumTypes || Swizzling < 0 ||
      Swizzling >= NumSwizzles || Promotion < 0 || Promotion > 3 || Fill < 0 ||
      Fill > 1 || Interleave != 0)
    return "type or mode out of range";
  M = TensorMap();
  M.Magic = TensorMap::MagicValue;
  M.Rank = uint8_t(Rank);
  M.Type = TensorType(Type);
  M.Swizzling = Swizzle(Swizzling);
  M.FillNaN = uint8_t(Fill);
  M.Base = uint64_t(Base);
  bool IsFloat = M.Type >= TensorType::F16;
  if (Fill && !IsFloat)
    return "NaN to fill integers with";
  for (uint32_t D = 0; D < Rank; ++D) {
    if (!Extent[D] || Extent[D] > MaxExtent)
      return "size out of 1 to 2^32";
    if (!ElementStride[D] || ElementStride[D] > 8)
      return "element stride out of 1 to 8";
    M.LastIndex[D] = uint32_t(Extent[D] - 1);
    M.ElementStride[D] = uint8_t(ElementStride[D]);
  }
  for (uint32_t D = 0; D + 1 < Rank; ++D) {
    if (Stride[D] % 16 || Stride[D] >= MaxStride)
      return "stride is no multiple of 16 bytes below 2^40";
    M.Stride[D] = Stride[D];
  }
  return nullptr;
}

static bool failsOnRequest() {
  std::lock_guard Guard(state().Lock);
  return state().Faults.count(FaultPlan::Map);
}

/// The inner row: a multiple of 16 bytes, within the swizzle's span.
static bool legalRow(const TensorMap &M, uint32_t Bytes) {
  unsigned Span = swizzleSpan(M.Swizzling);
  return Bytes % 16 == 0 && (!Span || Bytes <= Span);
}

static CUresult write(CUtensorMap *Out, const TensorMap &M) {
  std::memset(Out, 0, sizeof(*Out));
  std::memcpy(Out, &M, sizeof(M));
  return CUDA_SUCCESS;
}
static CUresult refuse(const char *What) {
  std::lock_guard Guard(state().Lock);
  report(std::string("tensor map refused: ") + What);
  return CUDA_ERROR_INVALID_VALUE;
}

PTXSIM_API CUresult
cuTensorMapEncodeTiled(CUtensorMap *Out, int Type, uint32_t Rank, void *Base,
                       const uint64_t *Extent, const uint64_t *Stride,
                       const uint32_t *Box, const uint32_t *ElementStride,
                       int Interleave, int Swizzling, int Promotion, int Fill) {
  TensorMap M;
  if (failsOnRequest())
    return refuse("on request");
  if (!Out || !Box || uint64_t(Out) % 64)
    return refuse("null or misaligned argument");
  if (Interleave > 0 && Interleave <= 2)
    return CUDA_ERROR_NOT_SUPPORTED;
  if (const char *Why =
          encodeCommon(M, Type, Rank, Base, Extent, Stride, ElementStride,
                       Interleave, Swizzling, Promotion, Fill))
    return refuse(Why);
  for (uint32_t D = 0; D < Rank; ++D) {
    if (!Box[D] || Box[D] > 256)
      return refuse("box extent out of 1 to 256");
    M.Box[D] = uint16_t(Box[D]);
  }
  uint32_t Inner = (Box[0] + ElementStride[0] - 1) / ElementStride[0] *
                   tensorTypeBytes(M.Type);
  if (!legalRow(M, Inner))
    return refuse("inner box row does not fit the swizzle or 16 bytes");
  return write(Out, M);
}

PTXSIM_API CUresult cuTensorMapEncodeIm2col(
    CUtensorMap *Out, int Type, uint32_t Rank, void *Base,
    const uint64_t *Extent, const uint64_t *Stride, const int *Lower,
    const int *Upper, uint32_t Channels, uint32_t Pixels,
    const uint32_t *ElementStride, int Interleave, int Swizzling, int Promotion,
    int Fill) {
  TensorMap M;
  if (!Out || !Lower || !Upper || uint64_t(Out) % 64)
    return refuse("null or misaligned argument");
  if (Interleave > 0 && Interleave <= 2)
    return CUDA_ERROR_NOT_SUPPORTED;
  if (Rank < 3)
    return refuse("rank out of 3 to 5");
  if (const char *Why =
          encodeCommon(M, Type, Rank, Base, Extent, Stride, ElementStride,
                       Interleave, Swizzling, Promotion, Fill))
    return refuse(Why);
  if (!Channels || Channels > 256 || !Pixels || Pixels > 1024)
    return refuse("channels or pixels out of range");
  M.Im2col = 1;
  M.Channels = uint16_t(Channels);
  M.Pixels = uint16_t(Pixels);
  int Limit = Rank == 3 ? 32767 : Rank == 4 ? 127 : 15;
  for (uint32_t D = 0; D + 2 < Rank; ++D) {
    if (Lower[D] < -Limit - 1 || Lower[D] > Limit || Upper[D] < -Limit - 1 ||
        Upper[D] > Limit)
      return refuse("bounding box corner out of range");
    M.Lower[D] = int16_t(Lower[D]);
    M.Upper[D] = int16_t(Upper[D]);
  }
  if (!legalRow(M, Channels * tensorTypeBytes(M.Type)))
    return refuse("channels do not fit the swizzle or 16 bytes");
  return write(Out, M);
}
