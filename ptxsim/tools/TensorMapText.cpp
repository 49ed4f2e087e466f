// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tensor maps on the tool's command line.
#include "TensorMapText.h"
#include "driver/CudaAbi.h"
#include "ptxsim/ptxsim.h"
#include <charconv>

using namespace ptxsim;
using namespace ptxsim::abi;

extern "C" CUresult cuTensorMapEncodeTiled(CUtensorMap *, int, uint32_t, void *,
                                           const uint64_t *, const uint64_t *,
                                           const uint32_t *, const uint32_t *,
                                           int, int, int, int);

static const std::string Prefix = "map:";

/// In the order of CUtensorMapDataType.
static const char *const Types[] = {"u8",     "u16",  "u32",    "i32", "u64",
                                    "i64",    "f16",  "f32",    "f64", "bf16",
                                    "f32ftz", "tf32", "tf32ftz"};

static std::vector<std::string> split(const std::string &Text, char Separator) {
  std::vector<std::string> Parts;
  size_t Begin = 0;
  for (size_t End; (End = Text.find(Separator, Begin)) != Text.npos;
       Begin = End + 1)
    Parts.push_back(Text.substr(Begin, End - Begin));
  Parts.push_back(Text.substr(Begin));
  return Parts;
}

template <class T> static bool parseNumber(const std::string &Text, T &Out) {
  const char *End = Text.data() + Text.size();
  auto [Stop, Error] = std::from_chars(Text.data(), End, Out);
  return Error == std::errc() && Stop == End;
}

/// NxNx... without a number where the text is empty.
template <class T>
static bool parseList(const std::string &Text, std::vector<T> &Out) {
  if (Text.empty())
    return true;
  for (const std::string &Part : split(Text, 'x'))
    if (T V; parseNumber(Part, V))
      Out.push_back(V);
    else
      return false;
  return true;
}

static bool parseType(const std::string &Text, int &Out) {
  for (const char *Name : Types) {
    if (Text == Name)
      return true;
    ++Out;
  }
  return false;
}

/// Bytes as CUtensorMapSwizzle.
static bool parseSwizzle(const std::string &Text, int &Out) {
  for (const char *Bytes : {"0", "32", "64", "128"}) {
    if (Text == Bytes)
      return true;
    ++Out;
  }
  return false;
}

static std::string typeNames() {
  std::string Names;
  for (const char *Name : Types)
    Names += std::string(Names.empty() ? "" : " ") + Name;
  return Names;
}

bool ptxsim::isTensorMap(const std::string &Text) {
  return Text.compare(0, Prefix.size(), Prefix) == 0;
}

bool ptxsim::parseTensorMap(const std::string &Text, TensorMapText &Out,
                            std::string &Why) {
  std::vector<std::string> Fields = split(Text.substr(Prefix.size()), ':');
  auto Wrong = [&](const std::string &Expected, const std::string &Got) {
    Why = "tensor map '" + Text + "': expected " + Expected + ", got " + Got;
    return false;
  };
  auto WrongText = [&](const std::string &Expected, const std::string &Got) {
    return Wrong(Expected, "'" + Got + "'");
  };
  if (Fields.size() < 5 || Fields.size() > 6)
    return Wrong("map:BUFFER:TYPE:SIZES:STRIDES:BOX[:SWIZZLE]",
                 std::to_string(Fields.size()) +
                     (Fields.size() == 1 ? " field" : " fields"));
  if (!parseNumber(Fields[0], Out.Buffer))
    return WrongText("the number of an array argument", Fields[0]);
  if (!parseType(Fields[1], Out.Type))
    return WrongText("a type of " + typeNames(), Fields[1]);
  if (!parseList(Fields[2], Out.Sizes) || Out.Sizes.empty())
    return WrongText("sizes as 520x200, innermost first", Fields[2]);
  size_t Rank = Out.Sizes.size();
  if (!parseList(Fields[3], Out.Strides))
    return WrongText("strides in bytes, as 1040x208000", Fields[3]);
  if (Out.Strides.size() + 1 != Rank)
    return Wrong("a stride for each size but the first, " +
                     std::to_string(Rank - 1),
                 std::to_string(Out.Strides.size()));
  if (!parseList(Fields[4], Out.Box))
    return WrongText("a box as 32x16", Fields[4]);
  if (Out.Box.size() != Rank)
    return Wrong("a box of as many sizes, " + std::to_string(Rank),
                 std::to_string(Out.Box.size()));
  if (Fields.size() == 6 && !parseSwizzle(Fields[5], Out.Swizzle))
    return WrongText("a swizzle of 0, 32, 64 or 128 bytes", Fields[5]);
  return true;
}

std::vector<char> ptxsim::encodeTensorMap(const TensorMapText &Map,
                                          uint64_t Address, std::string &Why) {
  CUtensorMap Bytes;
  std::vector<uint32_t> Ones(Map.Sizes.size(), 1);
  constexpr int NoInterleave = 0, NoPromotion = 0, FillZeros = 0;
  if (cuTensorMapEncodeTiled(
          &Bytes, Map.Type, uint32_t(Map.Sizes.size()),
          reinterpret_cast<void *>(Address), Map.Sizes.data(),
          Map.Strides.data(), Map.Box.data(), Ones.data(), NoInterleave,
          Map.Swizzle, NoPromotion, FillZeros) != CUDA_SUCCESS) {
    Why = ptxsimLastReport();
    return {};
  }
  const char *Begin = reinterpret_cast<const char *>(&Bytes);
  return {Begin, Begin + sizeof(Bytes)};
}
