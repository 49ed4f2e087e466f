// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Linking, and writing of the result in each of its forms.
#include "Binary.h"

#include "EmbeddedModel.h"
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

/// dlc-run, as `exe` needs it: beside this library or the program, or in bin/
/// beside their folder.
static std::optional<std::string> findLauncher() {
  std::vector<std::string> homes = {
      sys::fs::getMainExecutable(nullptr, nullptr)};
  Dl_info info;
  // A program's own name here is the argument it was called by.
  if (dladdr(reinterpret_cast<void *>(&findLauncher), &info) &&
      StringRef(info.dli_fname).contains('/')) {
    homes.push_back(info.dli_fname);
  }
  for (const std::string &home : homes) {
    for (StringRef place : {"dlc-run", "../bin/dlc-run"}) {
      SmallString<128> path(sys::path::parent_path(home));
      sys::path::append(path, place);
      if (sys::fs::can_execute(path)) {
        return path.str().str();
      }
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
    if (!launcher) {
      return session.fail(Status::Resource, "expected the launcher 'dlc-run' "
                                            "beside the compiler");
    }
    writer.setLauncher(*launcher);
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
                                 : session.fail(Status::Resource, message);
  case binary::WriteError::Resource:
    return session.fail(Status::Resource, message);
  }
  llvm_unreachable("all errors are handled");
}

/// The weights in one piece.
static bool readWeights(Session &session, const WeightsLayout &weights,
                        std::string &bytes) {
  binary::WeightSource source =
      weights.makeSource([&] { return session.isCancelled(); }, [](int64_t) {});
  bytes.reserve(weights.getBytes());
  std::span<const char> chunk;
  std::string error;
  do {
    if (!source(chunk, error)) {
      return session.isCancelled() ? false
                                   : session.fail(Status::Resource, error);
    }
    bytes.append(chunk.data(), chunk.size());
  } while (!chunk.empty());
  return true;
}

/// The object file, and a header beside it.
static bool writeObject(Session &session, ArrayRef<Variant> variants,
                        std::vector<Bytes> objects,
                        const binary::Header &header,
                        const WeightsLayout &weights) {
  SmallString<128> path(session.options.outputPath);
  std::string symbol = getModelSymbol(path), bytes;
  if (!readWeights(session, weights, bytes)) {
    return false;
  }
  Expected<Bytes> data =
      emitEmbeddedModel(session.context, symbol, variants, header, bytes);
  if (!data) {
    return session.fail(Status::Internal, data.takeError());
  }
  objects.push_back(std::move(*data));
  Expected<Bytes> object = linkRelocatable(objects);
  if (!object) {
    return session.fail(Status::Internal, object.takeError());
  }
  if (!writeFile(session, path.str().str(), *object)) {
    return false;
  }
  sys::path::replace_extension(path, "h");
  return writeFile(session, path.str().str(), getEmbeddedModelHeader(symbol));
}

/// Objects of all variants, which no longer have them.
static std::vector<Bytes> takeObjects(std::vector<Variant> &variants) {
  std::vector<Bytes> objects;
  for (Variant &variant : variants) {
    std::move(variant.objects.begin(), variant.objects.end(),
              std::back_inserter(objects));
  }
  return objects;
}

/// The container, into the output file or the result.
static bool deliverContainer(Session &session, const binary::Header &header,
                             ArrayRef<char> code,
                             const WeightsLayout &weights) {
  const std::string &path = session.options.outputPath;
  if (!path.empty()) {
    return writeContainer(session, header, code, weights, path);
  }
  SmallString<128> temporary;
  if (std::error_code error =
          sys::fs::createTemporaryFile("dlc", "dlc", temporary)) {
    return session.fail(Status::Resource,
                        "cannot write a temporary file: " + error.message());
  }
  FileRemover remover(temporary);
  return writeContainer(session, header, code, weights,
                        temporary.str().str()) &&
         readBack(session, temporary.str().str());
}

bool writeBinary(Session &session, std::vector<Variant> &variants,
                 const WeightsLayout &weights) {
  std::vector<std::string> exports;
  size_t kernels = 0;
  for (Variant &variant : variants) {
    llvm::append_range(exports, variant.getExports());
    kernels += variant.numKernels;
  }
  std::vector<Bytes> objects = takeObjects(variants);
  Expected<Bytes> code = linkSharedObject(objects, exports);
  if (!code) {
    return session.fail(Status::Internal, code.takeError());
  }
  binary::Header header;
  if (!buildHeader(session, variants, weights, header)) {
    return false;
  }
  MemoryFigures figures{static_cast<int64_t>(code->size()), weights.getBytes(),
                        weights.getNumParams(), kernels};
  addMetrics(figures, header);
  session.result.memoryReport =
      reportMemory(session.options.memoryReport, figures, header);
  return *session.options.emit == EmitKind::Object
             ? writeObject(session, variants, std::move(objects), header,
                           weights)
             : deliverContainer(session, header, *code, weights);
}

} // namespace dlc
