// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Linking in process with the lld library, from memory to memory.
#include "Target/CPU/Emit.h"

#include "lld/Common/CommonLinkerContext.h"
#include "lld/Common/Driver.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/Errno.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include <fcntl.h>
#include <mutex>
#include <set>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

LLD_HAS_DRIVER(elf)

using namespace llvm;

namespace dlc {

// What generated code may call and every process has: the C library's block
// functions, and libm for f64, for which dlc has no code of its own.
static constexpr StringLiteral kAllowedExternals[] = {
    "acos",    "acosh",  "asin",  "asinh", "atan",  "atan2",
    "atanh",   "cbrt",   "ceil",  "cos",   "cosh",  "erf",
    "erfc",    "exp",    "exp2",  "expm1", "floor", "fma",
    "fmod",    "log",    "log10", "log1p", "log2",  "memcpy",
    "memmove", "memset", "pow",   "rint",  "round", "roundeven",
    "sin",     "sinh",   "sqrt",  "tan",   "tanh",  "trunc"};

static Error collectSymbols(const Bytes &object, StringSet<> &defined,
                            std::set<std::string> &undefined) {
  MemoryBufferRef buffer(StringRef(object.data(), object.size()), "object");
  Expected<std::unique_ptr<object::ObjectFile>> file =
      object::ObjectFile::createELFObjectFile(buffer);
  if (!file)
    return file.takeError();
  for (const object::SymbolRef &symbol : (*file)->symbols()) {
    Expected<uint32_t> flags = symbol.getFlags();
    Expected<StringRef> name = symbol.getName();
    if (!flags)
      return flags.takeError();
    if (!name)
      return name.takeError();
    if (name->empty())
      continue;
    if (*flags & object::SymbolRef::SF_Undefined)
      undefined.insert(name->str());
    else if (*flags & object::SymbolRef::SF_Global)
      defined.insert(*name);
  }
  return Error::success();
}

static Error collectSymbols(ArrayRef<Bytes> objects, StringSet<> &defined,
                            std::set<std::string> &undefined) {
  for (const Bytes &object : objects)
    if (Error error = collectSymbols(object, defined, undefined))
      return error;
  return Error::success();
}

static Error reportExternals(const StringSet<> &defined,
                             const std::set<std::string> &undefined) {
  std::vector<std::string> missing;
  for (const std::string &name : undefined)
    // lld itself defines the address of the global offset table.
    if (!defined.contains(name) && !is_contained(kAllowedExternals, name) &&
        name != "_GLOBAL_OFFSET_TABLE_")
      missing.push_back(name);
  if (missing.empty())
    return Error::success();
  return createStringError("generated code needs functions that dlc does not "
                           "provide: " +
                           join(missing, ", "));
}

Error checkExternals(ArrayRef<Bytes> objects) {
  StringSet<> defined;
  std::set<std::string> undefined;
  if (Error error = collectSymbols(objects, defined, undefined))
    return error;
  return reportExternals(defined, undefined);
}

/// Checks that the objects can be linked, with `exported` defined.
static Error checkSymbols(ArrayRef<Bytes> objects,
                          ArrayRef<std::string> exported) {
  StringSet<> defined;
  std::set<std::string> undefined;
  if (Error error = collectSymbols(objects, defined, undefined))
    return error;
  for (const std::string &name : exported)
    if (!defined.contains(name))
      return createStringError("expected generated code to define '" + name +
                               "', which is to be exported");
  return reportExternals(defined, undefined);
}

namespace {

/// A file in memory that lld can open by path.
class MemoryFile {
public:
  MemoryFile() : descriptor(memfd_create("dlc", MFD_CLOEXEC)) {}
  ~MemoryFile() {
    if (descriptor >= 0)
      close(descriptor);
  }
  MemoryFile(const MemoryFile &) = delete;
  MemoryFile &operator=(const MemoryFile &) = delete;

  std::string path() const {
    return "/proc/self/fd/" + std::to_string(descriptor);
  }
  bool write(StringRef content) {
    while (!content.empty()) {
      ssize_t written = sys::RetryAfterSignal(-1, ::write, descriptor,
                                              content.data(), content.size());
      if (written < 0)
        return false;
      content = content.drop_front(written);
    }
    return true;
  }

private:
  int descriptor;
};

/// Where lld writes its output. lld replaces a regular file by creating another
/// beside it, which no file in memory allows; a pipe it just writes to.
class OutputPipe {
public:
  OutputPipe() {
    if (pipe2(ends, O_CLOEXEC) == 0)
      reader = std::thread([this] { readAll(); });
  }
  ~OutputPipe() { finish(); }
  OutputPipe(const OutputPipe &) = delete;
  OutputPipe &operator=(const OutputPipe &) = delete;

  bool isValid() const { return ends[0] >= 0; }
  std::string path() const {
    return "/proc/self/fd/" + std::to_string(ends[1]);
  }
  /// What was written; nobody may write any more.
  Bytes finish() {
    if (reader.joinable()) {
      close(ends[1]);
      reader.join();
      close(ends[0]);
    }
    return std::move(content);
  }

private:
  void readAll() {
    char block[1 << 16];
    char *start = block;
    ssize_t count;
    while ((count = sys::RetryAfterSignal(-1, ::read, ends[0], start,
                                          sizeof(block))) > 0)
      content.append(block, block + count);
  }

  int ends[2] = {-1, -1};
  Bytes content;
  std::thread reader;
};

} // namespace

static std::string createVersionScript(ArrayRef<std::string> exported) {
  std::string script = "{";
  if (!exported.empty())
    script += " global: " + join(exported, "; ") + ";";
  return script + " local: *; };\n";
}

static Error runLinker(ArrayRef<std::string> arguments) {
  std::vector<const char *> argv = {"ld.lld"};
  for (const std::string &argument : arguments)
    argv.push_back(argument.c_str());
  std::string output, messages;
  raw_string_ostream outputStream(output), messageStream(messages);
  // lld's context and options are globals.
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  bool linked = lld::elf::link(argv, outputStream, messageStream,
                               /*exitEarly=*/false, /*disableOutput=*/false);
  lld::CommonLinkerContext::destroy();
  if (linked)
    return Error::success();
  return createStringError("linking failed: " + StringRef(messages).trim());
}

/// Links with `options`, which say what to make of the objects.
static Expected<Bytes> link(ArrayRef<Bytes> objects,
                            std::vector<std::string> options) {
  OutputPipe output;
  std::vector<MemoryFile> files(objects.size());
  bool written = output.isValid();
  options.insert(options.end(), {"-o", output.path(), "--build-id=none",
                                 "--threads=1", "-znoexecstack"});
  for (auto [file, object] : zip(files, objects)) {
    written &= file.write(StringRef(object.data(), object.size()));
    options.push_back(file.path());
  }
  if (!written)
    return createStringError("cannot create a file in memory for linking");
  if (Error error = runLinker(options))
    return error;
  return output.finish();
}

Expected<Bytes> linkSharedObject(ArrayRef<Bytes> objects,
                                 ArrayRef<std::string> exported) {
  if (Error error = checkSymbols(objects, exported))
    return error;
  MemoryFile script;
  if (!script.write(createVersionScript(exported)))
    return createStringError("cannot create a file in memory for linking");
  return link(objects,
              {"-shared", "--version-script", script.path(), "--gc-sections",
               "--hash-style=gnu", "--strip-all", "-Bsymbolic"});
}

Expected<Bytes> linkRelocatable(ArrayRef<Bytes> objects) {
  if (Error error = checkExternals(objects))
    return error;
  return link(objects, {"-r"});
}

} // namespace dlc
