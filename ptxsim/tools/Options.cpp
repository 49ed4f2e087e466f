// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The tool's command line.
#include "Options.h"
#include "ptxsim/ptxsim.h"
#include <algorithm>
#include <charconv>

using namespace ptxsim;

const char *const ptxsim::Usage =
    "usage: ptxsim KERNEL.ptx --entry=NAME [options]\n"
    "       ptxsim --check KERNEL.ptx\n"
    "  --grid=X[,Y[,Z]] --block=X[,Y[,Z]] --cluster=X[,Y[,Z]]\n"
    "  --shared=BYTES        dynamic shared memory\n"
    "  --arg FILE.npy        array argument: its device address is passed\n"
    "  --arg VALUE:TYPE      scalar: i8 i16 i32 i64 u8 u16 u32 u64 f32 f64\n"
    "  --arg map:BUFFER:TYPE:SIZES:STRIDES:BOX[:SWIZZLE]\n"
    "        a tensor map (cuTensorMapEncodeTiled) of array argument BUFFER,\n"
    "        counted from 0; TYPE: u8 u16 u32 i32 u64 i64 f16 f32 f64 bf16\n"
    "        f32ftz tf32 tf32ftz; SIZES, BOX: in elements as 520x200, the\n"
    "        innermost first; STRIDES: in bytes, of the others; SWIZZLE: 0\n"
    "        (default), 32, 64 or 128 bytes\n"
    "  --out FILE.npy        writes the last array argument back here\n"
    "  --out N:FILE.npy      writes argument N (counted from 0)\n"
    "  --race                checks for races and uninitialised reads\n"
    "  --mode=eager|late|seed:N  completion of asynchronous work\n"
    "  --device=sm_80|sm_90a|sm_120a (default: what the file asks for)\n"
    "  --counters[=json]     prints counters\n"
    "exit status: 0, 1 if the module or the kernel failed, 2 if an option or "
    "a\n"
    "file was at fault\n";

// ---- numbers -------------------------------------------------------------
/// The whole text as a number without sign, decimal or hexadecimal (0x).
static bool parseUnsigned(const std::string &Text, uint64_t &Out) {
  bool Hex = Text.size() > 2 && Text[0] == '0' && (Text[1] | 32) == 'x';
  const char *Begin = Text.data() + (Hex ? 2 : 0),
             *End = Text.data() + Text.size();
  auto [Stop, Error] = std::from_chars(Begin, End, Out, Hex ? 16 : 10);
  return Error == std::errc() && Stop == End;
}

/// Puts an integer of Bits bits into Out; false if it is none or too large.
static bool parseInteger(const std::string &Text, bool Signed, unsigned Bits,
                         std::vector<char> &Out) {
  bool Minus = Signed && Text[0] == '-';
  uint64_t V, Greatest = ~uint64_t(0) >> (64 - Bits + Signed);
  if (!parseUnsigned(Text.substr(Minus), V) || V > Greatest + Minus)
    return false;
  V = Minus ? 0 - V : V;
  const char *P = reinterpret_cast<const char *>(&V);
  Out.assign(P, P + Bits / 8);
  return true;
}

/// A finite number that the type holds, or inf or nan by name.
template <class T>
static bool parseFloat(const std::string &Text, std::vector<char> &Out) {
  T V;
  const char *End = Text.data() + Text.size();
  auto [Stop, Error] = std::from_chars(Text.data(), End, V);
  if (Error != std::errc() || Stop != End)
    return false;
  const char *P = reinterpret_cast<const char *>(&V);
  Out.assign(P, P + sizeof(V));
  return true;
}

/// VALUE:TYPE.
static bool parseScalar(const std::string &Text, std::vector<char> &Out) {
  size_t Colon = Text.rfind(':');
  if (Colon == Text.npos)
    return false;
  std::string Value = Text.substr(0, Colon), Type = Text.substr(Colon + 1);
  if (Type == "f32")
    return parseFloat<float>(Value, Out);
  if (Type == "f64")
    return parseFloat<double>(Value, Out);
  for (unsigned Bits : {8, 16, 32, 64})
    for (bool Signed : {false, true})
      if (Type == (Signed ? "i" : "u") + std::to_string(Bits))
        return parseInteger(Value, Signed, Bits, Out);
  return false;
}

/// X[,Y[,Z]], none of them 0.
static bool parseDim(const std::string &Text, unsigned (&Out)[3]) {
  size_t Begin = 0;
  for (unsigned &Extent : Out) {
    size_t End = std::min(Text.find(',', Begin), Text.size());
    uint64_t V;
    if (!parseUnsigned(Text.substr(Begin, End - Begin), V) || !V ||
        V > 0x7fffffff)
      return false;
    Extent = unsigned(V);
    if (End == Text.size())
      return true;
    Begin = End + 1;
  }
  return false;
}

static bool parseShared(const std::string &Text, unsigned &Out) {
  uint64_t V;
  if (!parseUnsigned(Text, V) || V > 0x7fffffff)
    return false;
  Out = unsigned(V);
  return true;
}

// ---- arguments -----------------------------------------------------------
constexpr size_t TensorMapBytes = 128;

static bool parseArgument(const std::string &Text, Options &O,
                          std::string &Why) {
  auto A = std::make_unique<Argument>();
  A->Text = Text;
  bool File = Text.size() > 4 && Text.substr(Text.size() - 4) == ".npy";
  if (isTensorMap(Text)) {
    A->Scalar.resize(TensorMapBytes);
    if (!parseTensorMap(Text, A->Map.emplace(), Why))
      return false;
  } else if (File ? !readNpy(Text, A->Array, Why)
                  : !parseScalar(Text, A->Scalar)) {
    if (Why.empty())
      Why = "expected FILE.npy or VALUE:TYPE with a value that the type holds, "
            "got '" +
            Text + "'";
    return false;
  }
  O.Args.push_back(std::move(A));
  return true;
}

/// Whether tensor maps describe arrays, which may stand behind them.
static bool checkTensorMaps(const Options &O, std::string &Why) {
  for (auto &A : O.Args) {
    uint64_t Buffer = A->Map ? A->Map->Buffer : 0;
    if (A->Map && (Buffer >= O.Args.size() || !O.Args[Buffer]->isArray())) {
      Why = "tensor map '" + A->Text + "': argument " + std::to_string(Buffer) +
            " is no array";
      return false;
    }
  }
  return true;
}

static bool parseOutput(std::string Text, Options &O, std::string &Why) {
  uint64_t Index = O.Args.size();
  size_t Colon = Text.find(':');
  if (Colon != Text.npos && parseUnsigned(Text.substr(0, Colon), Index)) {
    Text = Text.substr(Colon + 1);
  } else {
    Index = O.Args.size();
    while (Index && !O.Args[Index - 1]->isArray())
      --Index;
    --Index;
  }
  if (Index >= O.Args.size() || !O.Args[Index]->isArray()) {
    Why = "--out names no array argument before it";
    return false;
  }
  O.Outputs.push_back({Index, Text});
  return true;
}

// ---- options -------------------------------------------------------------
static bool configure(const char *Key, const std::string &Value) {
  return !ptxsimConfigure(Key, Value.c_str());
}

/// What a value of an option looks like.
static std::string expectedValue(const std::string &Name) {
  if (Name == "--grid" || Name == "--block" || Name == "--cluster")
    return "X[,Y[,Z]] with positive numbers";
  if (Name == "--shared")
    return "a number of bytes";
  if (Name == "--mode")
    return "eager, late or seed:N";
  if (Name == "--device")
    return "sm_80, sm_90a or sm_120a";
  return "a name";
}

/// An option without a value.
static bool parseFlag(const std::string &Name, Options &O) {
  if (Name == "--check")
    return O.Check = true;
  if (Name == "--race")
    return configure("RACE", "1");
  if (Name == "--counters") {
    configure("COUNTERS", "/dev/null"); // starts to count
    return O.Counters = true;
  }
  return false;
}

/// An option with a value; Known tells whether there is one of the name.
static bool parseValue(const std::string &Name, const std::string &Value,
                       Options &O, bool &Known, std::string &Why) {
  Known = true;
  if (Name == "--entry") {
    O.Entry = Value;
    return !Value.empty();
  }
  if (Name == "--grid")
    return parseDim(Value, O.Grid);
  if (Name == "--block")
    return parseDim(Value, O.Block);
  if (Name == "--cluster")
    return parseDim(Value, O.Cluster);
  if (Name == "--shared")
    return parseShared(Value, O.Shared);
  if (Name == "--arg")
    return parseArgument(Value, O, Why);
  if (Name == "--out")
    return parseOutput(Value, O, Why);
  if (Name == "--mode")
    return configure("MODE", Value);
  if (Name == "--device")
    return O.Device = configure("DEVICE", Value);
  Known = false;
  return false;
}

/// --name=value, --name value, or --name.
static bool parseOption(int &K, int Argc, char **Argv, Options &O,
                        std::string &Why) {
  std::string Name = Argv[K], Value;
  size_t Equal = Name.find('=');
  bool Attached = Equal != Name.npos;
  if (Attached) {
    Value = Name.substr(Equal + 1);
    Name = Name.substr(0, Equal);
  }
  if (Name == "--counters" && Attached && Value == "json")
    Attached = false;
  if (!Attached && parseFlag(Name, O))
    return true;
  bool Flag = Name == "--check" || Name == "--race" || Name == "--counters";
  bool Known = Flag;
  if (!Flag) {
    bool Given = Attached || K + 1 < Argc;
    if (!Attached && Given)
      Value = Argv[++K];
    if (parseValue(Name, Value, O, Known, Why))
      return true;
    if (Known && !Given)
      Why = Name + " needs a value";
  }
  if (Why.empty())
    Why = !Known ? "unknown option '" + Name + "'"
          : Flag ? Name +
                       (Name == "--counters" ? ": expected json, got '"
                                             : " takes no value, got '") +
                       Value + "'"
                 : Name + ": expected " + expectedValue(Name) + ", got '" +
                       Value + "'";
  return false;
}

bool ptxsim::parseOptions(int Argc, char **Argv, Options &O, std::string &Why) {
  for (int K = 1; K < Argc; ++K) {
    if (Argv[K][0] == '-') {
      if (!parseOption(K, Argc, Argv, O, Why))
        return false;
    } else if (O.File.empty()) {
      O.File = Argv[K];
    } else {
      Why = "expected one PTX file, got '" + O.File + "' and '" + Argv[K] + "'";
      return false;
    }
  }
  if (O.File.empty())
    Why = "expected a PTX file (--help tells more)";
  else if (!O.Check && O.Entry.empty())
    Why = "expected --entry=NAME";
  return Why.empty() && checkTensorMaps(O, Why);
}
