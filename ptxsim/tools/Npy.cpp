// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reading and writing of .npy files (format versions 1 and 2).
#include "Npy.h"
#include <cstdio>
#include <cstring>

using namespace ptxsim;

static const char Magic[] = "\x93NUMPY";

bool ptxsim::readNpy(const std::string &Path, NpyArray &Out, std::string &Why) {
  std::FILE *F = std::fopen(Path.c_str(), "rb");
  if (!F) {
    Why = "cannot open '" + Path + "'";
    return false;
  }
  std::vector<char> All;
  char Chunk[65536];
  for (size_t N; (N = std::fread(Chunk, 1, sizeof(Chunk), F)) > 0;)
    All.insert(All.end(), Chunk, Chunk + N);
  std::fclose(F);
  if (All.size() < 12 || std::memcmp(All.data(), Magic, 6)) {
    Why = "'" + Path + "' is not a .npy file";
    return false;
  }
  auto Byte = [&](size_t K) { return uint32_t(uint8_t(All[K])); };
  bool Long = All[6] >= 2;
  size_t Start = Long ? 12 : 10;
  size_t Length = Byte(8) | Byte(9) << 8;
  if (Long)
    Length |= size_t(Byte(10)) << 16 | size_t(Byte(11)) << 24;
  if (Start + Length > All.size()) {
    Why = "'" + Path + "' is cut short";
    return false;
  }
  Out.Header.assign(All.data() + Start, Length);
  Out.Data.assign(All.begin() + long(Start + Length), All.end());
  return true;
}

bool ptxsim::writeNpy(const std::string &Path, const NpyArray &A,
                      std::string &Why) {
  std::FILE *F = std::fopen(Path.c_str(), "wb");
  if (!F) {
    Why = "cannot write '" + Path + "'";
    return false;
  }
  std::string Head(Magic, 6);
  Head += char(1);
  Head += char(0);
  Head += char(A.Header.size() & 255);
  Head += char(A.Header.size() >> 8);
  Head += A.Header;
  bool Ok = std::fwrite(Head.data(), 1, Head.size(), F) == Head.size() &&
            std::fwrite(A.Data.data(), 1, A.Data.size(), F) == A.Data.size();
  Ok &= std::fclose(F) == 0;
  if (!Ok)
    Why = "cannot write '" + Path + "'";
  return Ok;
}
