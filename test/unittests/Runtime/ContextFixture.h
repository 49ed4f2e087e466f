// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Writes test models into a folder of its own, and checks what runs say.
#ifndef DLC_TEST_UNITTESTS_RUNTIME_CONTEXTFIXTURE_H
#define DLC_TEST_UNITTESTS_RUNTIME_CONTEXTFIXTURE_H

#include "TestModels.h"

#include "gtest/gtest.h"

namespace dlc::test {

class ContextTest : public testing::Test {
protected:
  std::string write(const binary::Header &header, const std::string &code,
                    const std::vector<char> &weights = {}) {
    std::string path = folder.file(header.modelName + ".dlc");
    writeModel(path, header, code, weights);
    return path;
  }
  std::string affine() {
    return write(affineHeader(), "affine", affineWeights());
  }

  void expectRunError(dlc_context *context, std::vector<dlc_tensor> inputs,
                      const std::string &message,
                      dlc_status status = DLC_USAGE) {
    dlc_tensor output{};
    EXPECT_EQ(dlc_context_run(context, inputs.data(),
                              static_cast<uint32_t>(inputs.size()), &output, 1),
              status);
    EXPECT_EQ(std::string(dlc_message()), message);
  }

  TempFolder folder;
};

} // namespace dlc::test

#endif // DLC_TEST_UNITTESTS_RUNTIME_CONTEXTFIXTURE_H
