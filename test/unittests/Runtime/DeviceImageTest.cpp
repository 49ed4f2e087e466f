// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Device images in files: found, checked, and no matter on the CPU.
#include "LoadFixture.h"

using namespace dlc;
using namespace dlc::test;

namespace {

/// A model with code for a GPU beside that for the CPU, as the CPU sees it.
class DeviceImageTest : public LoadTest {
protected:
  DeviceImageTest() : path(folder.file("gpu.dlc")) {
    binary::Header header = affineHeader();
    binary::Variant &gpu = header.variants.emplace_back();
    gpu.name = "gpu";
    gpu.prefix = "affine";
    gpu.deviceType = DLC_DEVICE_CUDA;
    gpu.images = {{DLC_IMAGE_PTX, 80, 0, ".version 8.0"},
                  {DLC_IMAGE_PTX, 90, 'a', ".version 8.1"}};
    writeModel(path, header, "affine", affineWeights());
  }
  std::string path;
};

TEST_F(DeviceImageTest, RunsOnTheCpu) {
  EXPECT_EQ(runAffine(path), (std::vector<float>{2, 3, 4}));
}

TEST_F(DeviceImageTest, DamagedImageIsNamed) {
  std::vector<char> bytes = readFile(path);
  bytes[footerOf(bytes).images_offset + 64] ^= 1;
  writeFile(path, bytes);
  expectError(path, DLC_CORRUPT,
              "is damaged: the PTX for sm_90a does not match its digest");
}

TEST_F(DeviceImageTest, ImagesBeyondTheHeaderAreRefused) {
  std::vector<char> bytes = readFile(path);
  dlc_format_footer footer = footerOf(bytes);
  ASSERT_EQ(footer.images_bytes, 128u);
  footer.images_offset = footer.header_offset;
  seal(bytes, footer);
  writeFile(path, bytes);
  expectError(path, DLC_CORRUPT, "the footer's offsets are out of bounds");
}

} // namespace
