// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Where the bytes of #nn.data attributes are found: files, mapped when first
// asked for, and memory registered under a key. Held by the context's
// NNDialect.
#ifndef DLC_DIALECT_NN_SOURCEMAP_H
#define DLC_DIALECT_NN_SOURCEMAP_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"

#include <memory>
#include <mutex>
#include <string>

namespace dlc::nn {
class DataAttr;

/// Thread-safe. Bytes that were handed out stay valid as long as the context.
class SourceMap {
public:
  /// Registers memory of our own; the key is "mem:N".
  std::string addMemory(std::unique_ptr<llvm::MemoryBuffer> buffer);
  /// Registers the content of the file at `path`, which was opened already.
  void addFile(llvm::StringRef path,
               std::unique_ptr<llvm::MemoryBuffer> buffer);
  /// Whether the source was registered or mapped before.
  bool contains(llvm::StringRef source);
  /// All bytes of a source; an unknown one is taken for a path and mapped read
  /// only.
  llvm::Expected<llvm::ArrayRef<char>> lookup(llvm::StringRef source);
  /// The bytes that `data` stands for; an error where the source is too short.
  llvm::Expected<llvm::ArrayRef<char>> lookup(DataAttr data);

private:
  std::mutex mutex;
  llvm::StringMap<std::unique_ptr<llvm::MemoryBuffer>> sources;
  unsigned nextMemory = 0;
};

} // namespace dlc::nn

#endif // DLC_DIALECT_NN_SOURCEMAP_H
