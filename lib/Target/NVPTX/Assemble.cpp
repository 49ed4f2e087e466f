// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Runs ptxas on files of its own.
#include "Target/NVPTX/Assemble.h"

#include "llvm/BinaryFormat/Magic.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"

using namespace llvm;

namespace dlc {

char RejectedPTX::ID;

Expected<std::string> findAssembler(StringRef given) {
  if (!given.empty()) {
    if (sys::fs::can_execute(given)) {
      return given.str();
    }
    return createStringError("cannot run '" + given + "' as ptxas");
  }
  if (ErrorOr<std::string> found = sys::findProgramByName("ptxas")) {
    return *found;
  }
  for (const char *name : {"CUDA_HOME", "CUDA_PATH", ""}) {
    SmallString<128> place(*name ? sys::Process::GetEnv(name).value_or("")
                                 : "/usr/local/cuda");
    sys::path::append(place, "bin", "ptxas");
    if (sys::fs::can_execute(place)) {
      return place.str().str();
    }
  }
  return createStringError(
      "cannot find ptxas, which makes machine code, in PATH, CUDA_HOME, "
      "CUDA_PATH and /usr/local/cuda; --cubin=PTXAS names one, and without "
      "--cubin the driver compiles the PTX");
}

namespace {
/// A temporary file, removed with the object.
class Scratch {
public:
  static Expected<Scratch> create(StringRef suffix) {
    SmallString<128> path;
    if (std::error_code error =
            sys::fs::createTemporaryFile("dlc", suffix, path)) {
      return createStringError("cannot make a temporary file: " +
                               error.message());
    }
    return Scratch(path);
  }

  StringRef path() const { return file; }

  Error write(StringRef text) const {
    std::error_code error;
    raw_fd_ostream stream(file, error);
    stream << text;
    stream.close();
    error = error ? error : stream.error();
    stream.clear_error();
    return error ? createStringError("cannot write '" + file +
                                     "': " + error.message())
                 : Error::success();
  }

  Expected<std::string> read() const {
    auto buffer = MemoryBuffer::getFile(file);
    if (!buffer) {
      return createStringError("cannot read '" + file +
                               "': " + buffer.getError().message());
    }
    return (*buffer)->getBuffer().str();
  }

private:
  explicit Scratch(StringRef path)
      : file(path), remover(std::make_unique<FileRemover>(path)) {}

  std::string file;
  std::unique_ptr<FileRemover> remover;
};
} // namespace

Expected<std::string> assemblePTX(StringRef ptx, const GPUTarget &target,
                                  StringRef ptxas) {
  SmallVector<Scratch> files;
  for (StringRef suffix : {"ptx", "cubin", "log"}) {
    Expected<Scratch> file = Scratch::create(suffix);
    if (!file) {
      return file.takeError();
    }
    files.push_back(std::move(*file));
  }
  const Scratch &input = files[0], &output = files[1], &log = files[2];
  if (Error error = input.write(ptx)) {
    return error;
  }
  std::string arch = "-arch=" + target.name;
  StringRef arguments[] = {ptxas, arch, input.path(), "-o", output.path()};
  std::optional<StringRef> redirects[] = {"", log.path(), log.path()};
  std::string message;
  int code = sys::ExecuteAndWait(ptxas, arguments, std::nullopt, redirects, 0,
                                 0, &message);
  if (code == 0) {
    Expected<std::string> cubin = output.read();
    if (!cubin || identify_magic(*cubin) != file_magic::unknown) {
      return cubin;
    }
    message = "what it wrote is no cubin";
  } else if (message.empty()) {
    message = "exit status " + std::to_string(code);
  }
  Expected<std::string> text = log.read();
  if (!text) {
    return text.takeError();
  }
  StringRef said = StringRef(*text).trim();
  std::string error = ("'" + ptxas + "' made no code for " + target.name +
                       ": " + message + (said.empty() ? "" : "\n") + said)
                          .str();
  // An older ptxas calls what it does not know, a version or an architecture,
  // fatal; errors are those of lines.
  if (said.contains("; error ")) {
    return make_error<RejectedPTX>(std::move(error));
  }
  return createStringError(error);
}

} // namespace dlc
