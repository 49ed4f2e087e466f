// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A file that appears whole or not at all: written without a name in its
// folder, then put in place of what is there. Without commit, nothing is left,
// not even after a crash. Links are followed, even to where nothing is yet;
// what is no regular file (a device, a pipe, an open file of a process as in
// /dev/stdout) is written to as it is.
#ifndef DLC_LIB_TARGET_BINARY_OUTPUTFILE_H
#define DLC_LIB_TARGET_BINARY_OUTPUTFILE_H

#include <cstdint>
#include <span>
#include <string>

namespace dlc::binary {

class OutputFile {
public:
  OutputFile() = default;
  OutputFile(const OutputFile &) = delete;
  OutputFile &operator=(const OutputFile &) = delete;
  ~OutputFile();

  /// All functions return false with the reason in `message`.
  bool create(const std::string &path, std::string &message);

  /// Copies a program to the front, up to a page boundary, and makes the file
  /// executable. Offsets count from there.
  bool prepend(const std::string &program, std::string &message);

  bool write(std::span<const char> bytes, std::string &message);
  bool commit(std::string &message);

  /// Bytes written, without a prepended program.
  uint64_t offset() const { return written; }

private:
  bool fail(const char *action, std::string &message) const;
  bool createTemporary();
  bool nameTemporary();
  bool setMode() const;

  std::string path;
  /// The regular file that is replaced; empty where `path` is none.
  std::string target;
  /// The name that the new file has beside it; empty while it has none.
  std::string temporary;
  int file = -1;
  uint64_t written = 0;
  bool executable = false;
};

} // namespace dlc::binary

#endif // DLC_LIB_TARGET_BINARY_OUTPUTFILE_H
