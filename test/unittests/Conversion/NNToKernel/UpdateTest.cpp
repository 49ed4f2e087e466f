// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// scatter, insert_slice, cache_update and nonzero against naive loops.
#include "DispatchRunner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

using namespace dlc::test;

namespace {

template <typename T> std::vector<T> iota(size_t count, T first = 0) {
  std::vector<T> values(count);
  std::iota(values.begin(), values.end(), first);
  return values;
}

template <typename T>
void expectResult(const std::vector<Tensor> &results,
                  const std::vector<T> &expected, size_t i = 0) {
  ASSERT_GT(results.size(), i);
  EXPECT_EQ(elementsOf<T>(results[i]), expected);
}

TEST(Scatter, LastOfEqualIndicesWins) {
  auto results = runFunction(
      R"(func.func @f(%d: tensor<5xf32>, %u: tensor<4xf32>, %i: tensor<4xi64>)
             -> tensor<5xf32> {
        %0 = nn.scatter assign %u into %d, (%i) indexed [0]
          index_maps [affine_map<(a) -> (a)>] dest_map affine_map<(a) -> ()>
          negative_wrap : tensor<4xf32> into tensor<5xf32>, (tensor<4xi64>)
          -> tensor<5xf32>
        return %0 : tensor<5xf32>
      })",
      {tensorOf(iota<float>(5)), tensorOf<float>({10, 11, 12, 13}),
       tensorOf<int64_t>({2, -1, 2, 0})});
  expectResult<float>(results, {13, 1, 12, 3, 11});
}

TEST(Scatter, LeavesOutPlacesOutOfRange) {
  auto results = runFunction(
      R"(func.func @f(%d: tensor<3xf32>, %u: tensor<3xf32>, %i: tensor<3xi64>)
             -> tensor<3xf32> {
        %0 = nn.scatter add %u into %d, (%i) indexed [0]
          index_maps [affine_map<(a) -> (a)>] dest_map affine_map<(a) -> ()>
          : tensor<3xf32> into tensor<3xf32>, (tensor<3xi64>) -> tensor<3xf32>
        return %0 : tensor<3xf32>
      })",
      {tensorOf<float>({1, 2, 3}), tensorOf<float>({10, 20, 30}),
       tensorOf<int64_t>({1, 3, -1})});
  expectResult<float>(results, {1, 12, 3});
}

/// Elements along axis 0, whose other dim is cut into items, and updates that
/// cover only a part of it.
TEST(Scatter, DividesADimWithoutIndices) {
  constexpr int rows = 3, columns = 150, updates = 4, width = 130;
  std::vector<int64_t> indices(updates * width);
  for (size_t i = 0; i < indices.size(); ++i) {
    indices[i] = (i * 7 + i / 11) % rows;
  }
  std::vector<int32_t> dest = iota<int32_t>(rows * columns),
                       values = iota<int32_t>(updates * width, 1000),
                       expected = dest;
  for (int r = 0; r < updates; ++r) {
    for (int c = 0; c < width; ++c) {
      expected[indices[r * width + c] * columns + c] += values[r * width + c];
    }
  }
  auto results = runFunction(
      R"(func.func @f(%d: tensor<3x150xi32>, %u: tensor<4x130xi32>,
                      %i: tensor<4x130xi64>) -> tensor<3x150xi32> {
        %0 = nn.scatter add %u into %d, (%i) indexed [0]
          index_maps [affine_map<(a, b) -> (a, b)>]
          dest_map affine_map<(a, b) -> (b)> : tensor<4x130xi32>
          into tensor<3x150xi32>, (tensor<4x130xi64>) -> tensor<3x150xi32>
        return %0 : tensor<3x150xi32>
      })",
      {tensorOf(dest), tensorOf(values), tensorOf(indices)});
  expectResult(results, expected);
}

TEST(Scatter, TakesTuplesOfIndices) {
  auto results = runFunction(
      R"(func.func @f(%d: tensor<2x3x2xf32>, %u: tensor<2x2xf32>,
                      %i: tensor<2x2xi64>) -> tensor<2x3x2xf32> {
        %0 = nn.scatter max %u into %d, (%i, %i) indexed [0, 1]
          index_maps [affine_map<(a, b) -> (a, 0)>, affine_map<(a, b) -> (a, 1)>]
          dest_map affine_map<(a, b) -> (b)> : tensor<2x2xf32>
          into tensor<2x3x2xf32>, (tensor<2x2xi64>, tensor<2x2xi64>)
          -> tensor<2x3x2xf32>
        return %0 : tensor<2x3x2xf32>
      })",
      {tensorOf(iota<float>(12)), tensorOf<float>({50, -50, 60, 70}),
       tensorOf<int64_t>({0, 2, 1, 0})});
  expectResult<float>(results, {0, 1, 2, 3, 50, 5, 60, 70, 8, 9, 10, 11});
}

TEST(InsertSlice, StridesAndNegativeStrides) {
  auto results = runFunction(
      R"(func.func @f(%d: tensor<2x7xf32>, %s: tensor<1x3xf32>)
             -> tensor<2x7xf32> {
        %0 = nn.insert_slice %s into %d [1, 5] [1, -2]
          : tensor<1x3xf32> into tensor<2x7xf32> -> tensor<2x7xf32>
        return %0 : tensor<2x7xf32>
      })",
      {tensorOf(iota<float>(14)), tensorOf<float>({20, 21, 22})});
  expectResult<float>(results, {0, 1, 2, 3, 4, 5, 6, 7, 22, 9, 21, 11, 20, 13});
}

TEST(CacheUpdate, StartsPerBatchRow) {
  auto results = runFunction(
      R"(func.func @f(%d: tensor<2x4x2xf32>, %u: tensor<2x2x2xf32>,
                      %i: tensor<2xi64>) -> tensor<2x4x2xf32> {
        %0 = nn.cache_update %u into %d from %i : tensor<2xi64> axis 1
          : tensor<2x2x2xf32> into tensor<2x4x2xf32> -> tensor<2x4x2xf32>
        return %0 : tensor<2x4x2xf32>
      })",
      {tensorOf(iota<float>(16)), tensorOf(iota<float>(8, 100)),
       tensorOf<int64_t>({2, 0})});
  expectResult<float>(results, {0, 1, 2, 3, 100, 101, 102, 103, 104, 105, 106,
                                107, 12, 13, 14, 15});
}

TEST(CacheUpdate, CircularPositionsWrap) {
  auto results = runFunction(
      R"(func.func @f(%d: tensor<1x4xf32>, %u: tensor<1x3xf32>,
                      %i: tensor<1xi64>) -> tensor<1x4xf32> {
        %0 = nn.cache_update %u into %d from %i : tensor<1xi64> axis 1 circular
          : tensor<1x3xf32> into tensor<1x4xf32> -> tensor<1x4xf32>
        return %0 : tensor<1x4xf32>
      })",
      {tensorOf(iota<float>(4)), tensorOf<float>({10, 11, 12}),
       tensorOf<int64_t>({2})});
  expectResult<float>(results, {12, 1, 10, 11});
}

TEST(Nonzero, WritesCoordinatesDenselyToTheFront) {
  auto results = runFunction(
      R"(func.func @f(%x: tensor<2x3xf32>) -> (tensor<2x6xi64>, tensor<i64>) {
        %0:2 = nn.nonzero_bounded %x
          : (tensor<2x3xf32>) -> (tensor<2x6xi64>, tensor<i64>)
        return %0#0, %0#1 : tensor<2x6xi64>, tensor<i64>
      })",
      {tensorOf<float>({0, 5, 0, -1, 0, 2})});
  ASSERT_EQ(results.size(), 2u);
  expectResult<int64_t>(results, {3}, 1);
  std::vector<int64_t> coordinates = elementsOf<int64_t>(results[0]);
  coordinates.resize(6);
  EXPECT_EQ(coordinates, (std::vector<int64_t>{0, 1, 1, 1, 0, 2}));
}

TEST(Check, NamesAnElementTypeWithoutKernels) {
  std::string errors = compileErrors(
      R"(func.func @f(%x: tensor<4xi4>) -> tensor<4xi4> {
        %0 = nn.elementwise add(%x, %x)
          : (tensor<4xi4>, tensor<4xi4>) -> tensor<4xi4>
        return %0 : tensor<4xi4>
      })");
  EXPECT_NE(errors.find("unsupported: 'nn.elementwise' on elements of type i4"),
            std::string::npos)
      << errors;
}

} // namespace
