// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The table of a run's tensor maps, over a driver that notes what it is asked.
#include "AllocationFault.h"

#include "gtest/gtest.h"

#include <cstdlib>
#include <vector>

// Last: its <stdatomic.h> has macros that C++ has functions for.
extern "C" {
#include "cuda_context.h"
}

using namespace dlc::test;

static int allocationsLeft = -1; // -1: any number

extern "C" void *__real_aligned_alloc(size_t alignment, size_t bytes);
extern "C" void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes) {
  if (allocationsLeft == 0) {
    return nullptr;
  }
  allocationsLeft -= allocationsLeft > 0;
  return __real_aligned_alloc(alignment, bytes);
}

AllocationFault::AllocationFault(int count) { allocationsLeft = count; }
AllocationFault::~AllocationFault() { allocationsLeft = -1; }

namespace {

struct Request {
  int type;
  void *address;
  std::vector<uint64_t> sizes, strides;
  std::vector<uint32_t> box, elementStrides;
  int interleave, swizzle, promotion, fill;
};

std::vector<Request> requests;

/// Writes the request's number.
cu_result note(cu_tensor_map *map, int type, uint32_t rank, void *address,
               const uint64_t *sizes, const uint64_t *strides,
               const uint32_t *box, const uint32_t *elementStrides,
               int interleave, int swizzle, int promotion, int fill) {
  EXPECT_EQ(reinterpret_cast<uintptr_t>(map) % 128, 0u);
  map->opaque[0] = requests.size();
  requests.push_back({type,
                      address,
                      {sizes, sizes + rank},
                      {strides, strides + rank - 1},
                      {box, box + rank},
                      {elementStrides, elementStrides + rank},
                      interleave,
                      swizzle,
                      promotion,
                      fill});
  return DLC_CU_SUCCESS;
}

class CudaMapsTest : public testing::Test {
protected:
  CudaMapsTest() {
    requests.clear();
    driver.tensor_map_encode = note;
  }
  ~CudaMapsTest() override { dlc_cuda_maps_free(&maps); }

  void beginRun() { maps.used = 0; }
  /// The number of the request that gave the run's next map.
  uint64_t encode(const dlc_tensor_map &map, void *address) {
    EXPECT_TRUE(dlc_cuda_maps_reserve(&maps, 1));
    void *encoded = nullptr;
    EXPECT_EQ(dlc_cuda_map_encode(&driver, &maps, &map, address, &encoded),
              DLC_CU_SUCCESS);
    return static_cast<cu_tensor_map *>(encoded)->opaque[0];
  }

  dlc_cuda_driver driver{};
  dlc_cuda_maps maps{};
  char memory[64];
};

dlc_tensor_map makeMap() {
  return {.buffer = 0,
          .element_bytes = 2,
          .rank = 3,
          .swizzle_bytes = 64,
          .sizes = {100, 20, 3},
          .strides = {0, 208, 4160},
          .box = {32, 8, 1},
          .reserved = 0};
}

TEST_F(CudaMapsTest, WhatTheDriverIsAsked) {
  encode(makeMap(), memory);
  ASSERT_EQ(requests.size(), 1u);
  const Request &r = requests[0];
  EXPECT_EQ(r.type, 1); // UINT16
  EXPECT_EQ(r.address, memory);
  EXPECT_EQ(r.sizes, (std::vector<uint64_t>{100, 20, 3}));
  EXPECT_EQ(r.strides, (std::vector<uint64_t>{208, 4160}));
  EXPECT_EQ(r.box, (std::vector<uint32_t>{32, 8, 1}));
  EXPECT_EQ(r.elementStrides, (std::vector<uint32_t>{1, 1, 1}));
  EXPECT_EQ(r.interleave, 0);
  EXPECT_EQ(r.swizzle, 2);   // 64 bytes
  EXPECT_EQ(r.promotion, 2); // 128 bytes
  EXPECT_EQ(r.fill, 0);      // zeros
}

TEST_F(CudaMapsTest, TypesAndSwizzles) {
  dlc_tensor_map map = makeMap();
  for (auto [bytes, type] : {std::pair(1, 0), {2, 1}, {4, 2}}) {
    map.element_bytes = bytes;
    encode(map, memory);
    EXPECT_EQ(requests.back().type, type);
  }
  for (auto [bytes, swizzle] : {std::pair(0, 0), {32, 1}, {64, 2}, {128, 3}}) {
    map.swizzle_bytes = bytes;
    encode(map, memory);
    EXPECT_EQ(requests.back().swizzle, swizzle);
  }
}

TEST_F(CudaMapsTest, WithoutElements) {
  dlc_tensor_map map = makeMap();
  map.sizes[0] = 0;
  map.strides[1] = map.strides[2] = 0;
  encode(map, memory);
  EXPECT_EQ(requests[0].sizes, (std::vector<uint64_t>{1, 20, 3}));
  EXPECT_EQ(requests[0].strides, (std::vector<uint64_t>{16, 16}));
  encode(map, nullptr);
  EXPECT_NE(requests[1].address, nullptr);
  // The step of a dim of one element does not matter, that of others does.
  map = makeMap();
  map.sizes[1] = 1;
  map.strides[1] = map.strides[2] = 8;
  encode(map, memory);
  EXPECT_EQ(requests[2].strides, (std::vector<uint64_t>{16, 8}));
}

TEST_F(CudaMapsTest, EncodesWhatDiffers) {
  EXPECT_EQ(encode(makeMap(), memory), 0u);
  EXPECT_EQ(encode(makeMap(), memory), 1u); // another launch's
  beginRun();
  EXPECT_EQ(encode(makeMap(), memory), 0u);
  EXPECT_EQ(encode(makeMap(), memory + 16), 2u);
  beginRun();
  dlc_tensor_map map = makeMap();
  map.box[1] = 4;
  EXPECT_EQ(encode(map, memory), 3u);
  EXPECT_EQ(encode(makeMap(), memory + 16), 2u);
  // What is not read of a record may be anything.
  beginRun();
  map.strides[0] = 77;
  map.sizes[3] = map.strides[3] = map.box[3] = 77;
  map.reserved = 77;
  EXPECT_EQ(encode(map, memory), 3u);
}

TEST_F(CudaMapsTest, TheTableGrows) {
  for (int run = 0; run < 2; run++) {
    beginRun();
    for (uint64_t i = 0; i < 100; i++) {
      EXPECT_EQ(encode(makeMap(), memory), i);
    }
  }
  EXPECT_EQ(requests.size(), 100u);
}

TEST_F(CudaMapsTest, NoMemoryForMore) {
  EXPECT_EQ(encode(makeMap(), memory), 0u);
  {
    AllocationFault fault(0);
    EXPECT_FALSE(dlc_cuda_maps_reserve(&maps, 1000));
    EXPECT_FALSE(dlc_cuda_maps_reserve(&maps, UINT32_MAX));
  }
  EXPECT_FALSE(dlc_cuda_maps_reserve(&maps, UINT32_MAX));
  beginRun();
  EXPECT_EQ(encode(makeMap(), memory), 0u);
}

} // namespace
