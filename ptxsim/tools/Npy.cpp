// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reading and writing of .npy files (format versions 1 to 3: numpy.lib.format).
#include "Npy.h"
#include <cctype>
#include <cstdio>
#include <cstring>

using namespace ptxsim;

static const char Magic[] = "\x93NUMPY";

bool ptxsim::readFile(const std::string &Path, std::string &Out,
                      std::string &Why) {
  std::FILE *F = std::fopen(Path.c_str(), "rb");
  if (!F) {
    Why = "cannot open '" + Path + "'";
    return false;
  }
  char Chunk[65536];
  for (size_t N; (N = std::fread(Chunk, 1, sizeof(Chunk), F)) > 0;)
    Out.append(Chunk, N);
  bool Ok = !std::ferror(F);
  std::fclose(F);
  if (!Ok)
    Why = "cannot read '" + Path + "'";
  return Ok;
}

namespace {
/// Reads the dictionary of a header: a literal of Python with the three keys
/// descr, fortran_order and shape.
class HeaderParser {
public:
  explicit HeaderParser(const std::string &Text) : Text(Text) {}
  bool parse();
  std::string Descr, Order, Problem;
  std::vector<uint64_t> Shape;

private:
  bool take(char C);
  bool string(std::string &Out);
  bool word(std::string &Out);
  bool shape();
  bool entry();
  void skipSpace() {
    while (At < Text.size() && (Text[At] == ' ' || Text[At] == '\n'))
      ++At;
  }
  const std::string &Text;
  size_t At = 0;
};
} // namespace

bool HeaderParser::take(char C) {
  skipSpace();
  if (At == Text.size() || Text[At] != C)
    return false;
  ++At;
  return true;
}
bool HeaderParser::string(std::string &Out) {
  if (!take('\''))
    return false;
  size_t End = Text.find('\'', At);
  if (End == Text.npos)
    return false;
  Out = Text.substr(At, End - At);
  At = End + 1;
  return true;
}
bool HeaderParser::word(std::string &Out) {
  skipSpace();
  while (At < Text.size() &&
         (std::isalnum(uint8_t(Text[At])) || Text[At] == '_'))
    Out += Text[At++];
  return !Out.empty();
}
bool HeaderParser::shape() {
  if (!take('('))
    return false;
  while (!take(')')) {
    std::string Digits;
    if (!word(Digits) || Digits.size() > 18 ||
        Digits.find_first_not_of("0123456789") != Digits.npos)
      return false;
    Shape.push_back(std::stoull(Digits));
    if (!take(',')) // a tuple of one ends in a comma, longer ones need none
      return take(')');
  }
  return true;
}
bool HeaderParser::entry() {
  std::string Key;
  if (!string(Key) || !take(':'))
    return false;
  if (Key == "fortran_order")
    return word(Order);
  if (Key == "shape")
    return shape();
  if (Key != "descr")
    return false;
  if (string(Descr))
    return true;
  if (take('['))
    Problem = "expected an array of numbers, got one of records";
  return false;
}
bool HeaderParser::parse() {
  if (!take('{'))
    return false;
  for (int K = 0; K < 3; ++K)
    if (!entry() || (!take(',') && K < 2))
      return false;
  return take('}') && !Descr.empty() && !Order.empty();
}

/// Bytes of an element; 0 with a reason if elements are of a kind that a kernel
/// cannot read.
static uint64_t elementBytes(const std::string &Descr, std::string &Why) {
  bool Marked = std::strchr("<>|=", Descr[0]);
  std::string Type = Descr.substr(Marked);
  uint64_t Bytes = 0;
  bool Digits = Type.size() > 1 && Type.size() < 5 &&
                Type.find_first_not_of("0123456789", 1) == Type.npos;
  if (Digits && std::strchr("biufcV", Type[0]))
    Bytes = std::stoull(Type.substr(1));
  if (!Bytes)
    Why = "expected elements that are numbers, got type '" + Descr + "'";
  if (Bytes && Descr[0] == '>') {
    Why = "expected little-endian elements, got type '" + Descr + "'";
    return 0;
  }
  return Bytes;
}

/// Compares the dictionary with the bytes that follow it.
static bool checkHeader(const NpyArray &A, std::string &Why) {
  HeaderParser P(A.Header);
  if (!P.parse()) {
    Why = P.Problem.empty() ? "the header is malformed" : P.Problem;
    return false;
  }
  uint64_t Want = elementBytes(P.Descr, Why);
  if (!Want)
    return false;
  if (P.Order != "False") {
    Why = "expected C order (numpy.ascontiguousarray), got fortran_order " +
          P.Order;
    return false;
  }
  bool Overflow = false;
  for (uint64_t N : P.Shape)
    Overflow |= __builtin_mul_overflow(Want, N, &Want);
  if (!Overflow && Want == A.Data.size())
    return true;
  Why = (Overflow ? "expected over 2^64" : "expected " + std::to_string(Want)) +
        " bytes of data, got " + std::to_string(A.Data.size());
  return false;
}

static bool splitFile(const std::string &All, NpyArray &Out, std::string &Why) {
  if (All.size() < 10 || std::memcmp(All.data(), Magic, 6)) {
    Why = "not a .npy file";
    return false;
  }
  auto Byte = [&](size_t K) { return uint32_t(uint8_t(All[K])); };
  if (Byte(6) < 1 || Byte(6) > 3 || Byte(7)) {
    Why = "expected format version 1.0 to 3.0, got " + std::to_string(Byte(6)) +
          "." + std::to_string(Byte(7));
    return false;
  }
  size_t Start = Byte(6) >= 2 ? 12 : 10;
  size_t Length = Byte(8) | Byte(9) << 8;
  if (Start == 12 && All.size() >= Start)
    Length |= size_t(Byte(10)) << 16 | size_t(Byte(11)) << 24;
  if (Start + Length > All.size()) {
    Why = "the header is cut short";
    return false;
  }
  Out.Header = All.substr(Start, Length);
  Out.Data.assign(All.begin() + long(Start + Length), All.end());
  return true;
}

bool ptxsim::readNpy(const std::string &Path, NpyArray &Out, std::string &Why) {
  std::string All;
  if (!readFile(Path, All, Why))
    return false;
  if (splitFile(All, Out, Why) && checkHeader(Out, Why))
    return true;
  Why = "'" + Path + "': " + Why;
  return false;
}

bool ptxsim::writeNpy(const std::string &Path, const NpyArray &A,
                      std::string &Why) {
  std::FILE *F = std::fopen(Path.c_str(), "wb");
  if (!F) {
    Why = "cannot write '" + Path + "'";
    return false;
  }
  size_t Length = A.Header.size();
  bool Long = Length > 0xffff;
  std::string Head(Magic, 6);
  Head += char(Long ? 2 : 1);
  Head += char(0);
  for (int K = 0; K < (Long ? 4 : 2); ++K)
    Head += char(Length >> 8 * K & 255);
  Head += A.Header;
  bool Ok = std::fwrite(Head.data(), 1, Head.size(), F) == Head.size() &&
            std::fwrite(A.Data.data(), 1, A.Data.size(), F) == A.Data.size();
  Ok &= std::fclose(F) == 0;
  if (!Ok)
    Why = "cannot write '" + Path + "'";
  return Ok;
}
