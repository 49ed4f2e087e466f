// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Test helper: takes a function of nn ops on static shapes through dispatches
// and kernels, and runs it.
#ifndef DLC_TEST_UNITTESTS_CONVERSION_NNTOKERNEL_DISPATCHRUNNER_H
#define DLC_TEST_UNITTESTS_CONVERSION_NNTOKERNEL_DISPATCHRUNNER_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <cstring>
#include <string>
#include <vector>

namespace dlc::test {

/// A dense row-major tensor of any element type.
using Tensor = std::vector<char>;

template <typename T> Tensor tensorOf(const std::vector<T> &elements) {
  Tensor bytes(elements.size() * sizeof(T));
  std::memcpy(bytes.data(), elements.data(), bytes.size());
  return bytes;
}

template <typename T> std::vector<T> elementsOf(const Tensor &tensor) {
  std::vector<T> elements(tensor.size() / sizeof(T));
  std::memcpy(elements.data(), tensor.data(), tensor.size());
  return elements;
}

/// Runs `source`, the text of one func.func of nn ops, on `inputs`; returns its
/// results. Each kernel runs twice, with all items at once and one by one from
/// the last, and must give the same bits. Failures fail the current test and
/// give fewer results.
std::vector<Tensor> runFunction(llvm::StringRef source,
                                llvm::ArrayRef<Tensor> inputs);

/// The diagnostics of compiling `source`; empty where it compiles.
std::string compileErrors(llvm::StringRef source);

} // namespace dlc::test

#endif // DLC_TEST_UNITTESTS_CONVERSION_NNTOKERNEL_DISPATCHRUNNER_H
