// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Linking, and writing of the result in each of its forms.
#include "Binary.h"

#include "MemoryReport.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

#include <dlfcn.h>

using namespace llvm;

namespace dlc {

bool writeFile(Session &session, const std::string &path,
               ArrayRef<char> bytes) {
  auto failed = [&](Error error) {
    return session.fail(Status::Resource, "cannot write '" + path + "': " +
                                              toString(std::move(error)));
  };
  Expected<sys::fs::TempFile> file = sys::fs::TempFile::create(
      path + ".%%%%%%%%.tmp", sys::fs::all_read | sys::fs::all_write);
  if (!file) {
    return failed(file.takeError());
  }
  raw_fd_ostream os(file->FD, /*shouldClose=*/false);
  os << StringRef(bytes.data(), bytes.size());
  os.flush();
  if (std::error_code code = os.error()) {
    os.clear_error();
    consumeError(file->discard());
    return failed(errorCodeToError(code));
  }
  if (Error error = file->keep(path)) {
    return failed(std::move(error));
  }
  return true;
}

/// dlc-run, as `exe` needs it: beside this library or program, or in bin/
/// beside their folder.
static std::optional<std::string> findLauncher() {
  Dl_info info;
  if (!dladdr(reinterpret_cast<void *>(&findLauncher), &info)) {
    return std::nullopt;
  }
  SmallString<128> folder(info.dli_fname);
  sys::fs::make_absolute(folder);
  sys::path::remove_filename(folder);
  for (StringRef place : {"dlc-run", "../bin/dlc-run"}) {
    SmallString<128> path(folder);
    sys::path::append(path, place);
    if (sys::fs::can_execute(path)) {
      return path.str().str();
    }
  }
  return std::nullopt;
}

static bool readBack(Session &session, const std::string &path) {
  auto buffer = MemoryBuffer::getFile(path, /*IsText=*/false,
                                      /*RequiresNullTerminator=*/false);
  if (!buffer) {
    return session.fail(Status::Resource, "cannot read '" + path + "': " +
                                              buffer.getError().message());
  }
  session.result.data.assign((*buffer)->getBufferStart(),
                             (*buffer)->getBufferEnd());
  return true;
}

static bool writeContainer(Session &session, const binary::Header &header,
                           ArrayRef<char> code, const WeightsLayout &weights,
                           const std::string &path) {
  binary::ContainerWriter writer(path);
  if (session.options.externalWeights) {
    writer.setExternalWeights();
  }
  if (*session.options.emit == EmitKind::Executable) {
    std::optional<std::string> launcher = findLauncher();
    auto program = launcher ? MemoryBuffer::getFile(*launcher)
                            : std::errc::no_such_file_or_directory;
    if (!program) {
      return session.fail(Status::Resource,
                          "cannot read the launcher 'dlc-run', expected beside "
                          "the compiler: " +
                              program.getError().message());
    }
    writer.setLauncher((*program)->getBuffer().str());
  }
  binary::WeightSource source = weights.makeSource(
      [&] { return session.isCancelled(); },
      [&](int64_t done) {
        session.progress(Phase::Binary, done, weights.getBytes());
      });
  std::string message;
  switch (writer.write(header, {code.data(), code.size()}, source, message)) {
  case binary::WriteError::None:
    return true;
  case binary::WriteError::Input:
    return session.isCancelled() ? false
                                 : session.fail(Status::Internal, message);
  case binary::WriteError::Resource:
    return session.fail(Status::Resource, message);
  }
  llvm_unreachable("all errors are handled");
}

bool writeBinary(Session &session, std::vector<Variant> &variants,
                 const WeightsLayout &weights) {
  std::vector<Bytes> objects;
  std::vector<std::string> exports;
  size_t kernels = 0;
  for (Variant &variant : variants) {
    llvm::append_range(exports, variant.getExports());
    std::move(variant.objects.begin(), variant.objects.end(),
              std::back_inserter(objects));
    kernels += variant.numKernels;
  }
  Expected<Bytes> code = linkSharedObject(objects, exports);
  if (!code) {
    return session.fail(Status::Internal, code.takeError());
  }
  binary::Header header;
  if (!buildHeader(session, variants, header)) {
    return false;
  }
  MemoryFigures figures{static_cast<int64_t>(code->size()), weights.getBytes(),
                        weights.getNumParams(), kernels};
  addMetrics(figures, header);
  session.result.memoryReport =
      reportMemory(session.options.memoryReport, figures, header);
  const std::string &path = session.options.outputPath;
  if (!path.empty()) {
    return writeContainer(session, header, *code, weights, path);
  }
  SmallString<128> temporary;
  if (std::error_code error =
          sys::fs::createTemporaryFile("dlc", "dlc", temporary)) {
    return session.fail(Status::Resource,
                        "cannot write a temporary file: " + error.message());
  }
  FileRemover remover(temporary);
  return writeContainer(session, header, *code, weights,
                        temporary.str().str()) &&
         readBack(session, temporary.str().str());
}

} // namespace dlc
