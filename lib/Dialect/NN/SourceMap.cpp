// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Files and memory behind #nn.data.
#include "Dialect/NN/SourceMap.h"
#include "Dialect/NN/NNDialect.h"

using namespace llvm;

namespace dlc::nn {

static ArrayRef<char> bytesOf(const MemoryBuffer &buffer) {
  return {buffer.getBufferStart(), buffer.getBufferSize()};
}

std::string SourceMap::addMemory(std::unique_ptr<MemoryBuffer> buffer) {
  std::lock_guard<std::mutex> lock(mutex);
  std::string key = "mem:" + std::to_string(nextMemory++);
  sources[key] = std::move(buffer);
  return key;
}

void SourceMap::addFile(StringRef path, std::unique_ptr<MemoryBuffer> buffer) {
  std::lock_guard<std::mutex> lock(mutex);
  sources.try_emplace(path, std::move(buffer));
}

bool SourceMap::contains(StringRef source) {
  std::lock_guard<std::mutex> lock(mutex);
  return sources.contains(source);
}

Expected<ArrayRef<char>> SourceMap::lookup(StringRef source) {
  std::lock_guard<std::mutex> lock(mutex);
  auto known = sources.find(source);
  if (known != sources.end()) {
    return bytesOf(*known->second);
  }
  ErrorOr<std::unique_ptr<MemoryBuffer>> file =
      MemoryBuffer::getFile(source, /*IsText=*/false,
                            /*RequiresNullTerminator=*/false);
  if (!file) {
    return createStringError(file.getError(), "cannot read '" + source + "': " +
                                                  file.getError().message());
  }
  return bytesOf(*(sources[source] = std::move(*file)));
}

Expected<ArrayRef<char>> SourceMap::lookup(DataAttr data) {
  Expected<ArrayRef<char>> all = lookup(data.getSource().getValue());
  if (!all) {
    return all.takeError();
  }
  uint64_t size = all->size();
  if (data.getOffset() > size || data.getBytes() > size - data.getOffset()) {
    return createStringError("expected " + Twine(data.getBytes()) +
                             " bytes at " + Twine(data.getOffset()) + " of '" +
                             data.getSource().getValue() + "', got " +
                             Twine(size) + " in all");
  }
  return all->slice(data.getOffset(), data.getBytes());
}

} // namespace dlc::nn
