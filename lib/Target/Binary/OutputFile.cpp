// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Files that appear whole or not at all.
#include "OutputFile.h"

#include "dlc/format.h"

#include <array>
#include <cerrno>
#include <climits>
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

static std::string getFolder(const std::string &file) {
  size_t slash = file.rfind('/');
  return slash == std::string::npos ? "." : file.substr(0, slash + 1);
}

/// Opens a file without a name; one with a name where the file system has no
/// such thing.
bool OutputFile::createTemporary() {
  file = open(getFolder(target).c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file >= 0) {
    return true;
  }
  std::string name = target + ".tmp-XXXXXX";
  file = mkostemp(name.data(), O_CLOEXEC);
  if (file >= 0) {
    temporary = name;
  }
  return file >= 0;
}

/// Whether the file's name stands in /proc, as that of an open file does: the
/// link there may name a file that is gone.
static bool isInProc(const std::string &file) {
  char *folder = realpath(getFolder(file).c_str(), nullptr);
  bool is = folder && std::strncmp(folder, "/proc/", 6) == 0;
  std::free(folder);
  return is;
}

/// Where links lead, up to the first that the kernel follows by itself.
static std::string followLinks(std::string file) {
  constexpr int kMostLinks = 40; // as in Linux
  std::array<char, PATH_MAX> link;
  for (int i = 0; i < kMostLinks && !isInProc(file); ++i) {
    ssize_t length = readlink(file.c_str(), link.data(), link.size());
    if (length <= 0) {
      break;
    }
    std::string next(link.data(), static_cast<size_t>(length));
    file = next[0] == '/' ? next : getFolder(file) + "/" + next;
  }
  return file;
}

bool OutputFile::create(const std::string &name, std::string &message) {
  path = name;
  std::string end = followLinks(path);
  struct stat status;
  if (isInProc(end) ||
      (stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode))) {
    // Behind what others wrote there, as after the shell's ">>".
    file = open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
    return file >= 0 || fail("open", message);
  }
  target = end;
  return createTemporary() || fail("create", message);
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

/// Gives the file the rights of a new one.
bool OutputFile::setMode() const {
  // The umask can only be read by setting it, which other threads would see, so
  // it is taken from /proc.
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
  return fchmod(file, (executable ? 0777 : 0666) & ~mask) == 0;
}

/// Links the file to a name beside its target's.
bool OutputFile::nameTemporary() {
  constexpr unsigned kAttempts = 100;
  std::string source = "/proc/self/fd/" + std::to_string(file);
  for (unsigned i = 0; i < kAttempts && temporary.empty(); ++i) {
    std::string name =
        target + ".tmp-" + std::to_string(getpid()) + "-" + std::to_string(i);
    if (linkat(AT_FDCWD, source.c_str(), AT_FDCWD, name.c_str(),
               AT_SYMLINK_FOLLOW) == 0) {
      temporary = name;
    } else if (errno != EEXIST) {
      return false;
    }
  }
  return !temporary.empty();
}

bool OutputFile::commit(std::string &message) {
  if (!target.empty() && !setMode()) {
    return fail("set the mode of", message);
  }
  if (!target.empty() && !nameTemporary()) {
    return fail("name", message);
  }
  int closed = close(file);
  file = -1;
  if (closed) {
    return fail("write", message);
  }
  if (!target.empty() && std::rename(temporary.c_str(), target.c_str())) {
    return fail("replace", message);
  }
  temporary.clear();
  return true;
}
