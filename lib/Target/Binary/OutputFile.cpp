// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Files that appear whole or not at all.
#include "OutputFile.h"

#include "dlc/format.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

using namespace dlc::binary;

OutputFile::~OutputFile() {
  if (file >= 0) {
    close(file);
  }
  if (!temporary.empty()) {
    unlink(temporary.c_str());
  }
}

bool OutputFile::fail(const char *action, std::string &message) const {
  message = std::string("cannot ") + action + " '" + path +
            "': " + std::strerror(errno);
  return false;
}

bool OutputFile::create(const std::string &target, std::string &message) {
  path = target;
  std::string name = target + ".tmp-XXXXXX";
  file = mkostemp(name.data(), O_CLOEXEC);
  if (file < 0) {
    return fail("create", message);
  }
  temporary = name;
  return true;
}

bool OutputFile::prepend(const std::string &program, std::string &message) {
  int source = open(program.c_str(), O_RDONLY | O_CLOEXEC);
  if (source < 0) {
    message = "cannot open '" + program + "': " + std::strerror(errno);
    return false;
  }
  std::vector<char> buffer(1 << 16);
  bool good = true;
  ssize_t count;
  while (good && (count = read(source, buffer.data(), buffer.size())) > 0) {
    good = write({buffer.data(), static_cast<size_t>(count)}, message);
  }
  if (good && count < 0) {
    message = "cannot read '" + program + "': " + std::strerror(errno);
    good = false;
  }
  close(source);
  uint64_t rest = written % DLC_FORMAT_PAGE_BYTES;
  static const std::array<char, DLC_FORMAT_PAGE_BYTES> zeros{};
  good = good && write({zeros.data(), rest ? DLC_FORMAT_PAGE_BYTES - rest : 0},
                       message);
  written = 0;
  executable = true;
  return good;
}

bool OutputFile::write(std::span<const char> bytes, std::string &message) {
  while (!bytes.empty()) {
    ssize_t count = ::write(file, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return fail("write", message);
    }
    written += static_cast<uint64_t>(count);
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
  return true;
}

bool OutputFile::commit(std::string &message) {
  // mkostemp gives 0600; the umask can only be read by setting it, which other
  // threads would see, so it is taken from /proc.
  mode_t mask = 022;
  if (FILE *status = std::fopen("/proc/self/status", "re")) {
    std::array<char, 256> line;
    unsigned value;
    while (std::fgets(line.data(), line.size(), status)) {
      if (std::sscanf(line.data(), "Umask: %o", &value) == 1) {
        mask = value;
      }
    }
    std::fclose(status);
  }
  if (fchmod(file, (executable ? 0777 : 0666) & ~mask)) {
    return fail("set the mode of", message);
  }
  int closed = close(file);
  file = -1;
  if (closed) {
    return fail("write", message);
  }
  if (std::rename(temporary.c_str(), path.c_str())) {
    return fail("replace", message);
  }
  temporary.clear();
  return true;
}
