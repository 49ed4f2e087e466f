// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Loads good and damaged models, and checks what loading says.
#ifndef DLC_TEST_UNITTESTS_RUNTIME_LOADFIXTURE_H
#define DLC_TEST_UNITTESTS_RUNTIME_LOADFIXTURE_H

#include "TestModels.h"

extern "C" {
#include "digest.h"
}

#include "gtest/gtest.h"

#include <cstring>

namespace dlc::test {

class LoadTest : public testing::Test {
protected:
  /// Loads a file, and expects an error whose message contains `part`.
  void expectError(const std::string &path, dlc_status status,
                   const std::string &part, bool verifyWeights = false) {
    dlc_load_options options{};
    options.struct_size = sizeof(options);
    options.verify_weights = verifyWeights;
    dlc_model *model = nullptr;
    EXPECT_EQ(dlc_model_load(path.c_str(), &options, &model), status)
        << dlc_message();
    EXPECT_EQ(model, nullptr);
    EXPECT_NE(std::string(dlc_message()).find(part), std::string::npos)
        << dlc_message();
    dlc_model_free(model);
  }

  std::string affine() {
    std::string path = folder.file("affine.dlc");
    writeModel(path, affineHeader(), "affine", affineWeights());
    return path;
  }

  /// Runs affine on one row of ones.
  std::vector<float> runAffine(const std::string &path) {
    Loaded loaded(path);
    Tensor<float> x({1, 3}, {1, 1, 1}, float32);
    dlc_tensor input = x.get(), output{};
    EXPECT_EQ(dlc_context_run(loaded.context, &input, 1, &output, 1), DLC_OK)
        << dlc_message();
    return valuesOf<float>(output);
  }

  TempFolder folder;
};

inline dlc_format_footer footerOf(const std::vector<char> &bytes) {
  dlc_format_footer footer;
  std::memcpy(&footer, bytes.data() + bytes.size() - sizeof(footer),
              sizeof(footer));
  return footer;
}

/// Puts a changed footer back, with a digest that matches.
inline void seal(std::vector<char> &bytes, dlc_format_footer footer) {
  footer.footer_digest = dlc_digest_footer(&footer);
  std::memcpy(bytes.data() + bytes.size() - sizeof(footer), &footer,
              sizeof(footer));
}

} // namespace dlc::test

#endif // DLC_TEST_UNITTESTS_RUNTIME_LOADFIXTURE_H
