// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Stored inputs and outputs of a model.
#ifndef DLC_TOOLS_RUN_DATASET_H
#define DLC_TOOLS_RUN_DATASET_H

#include "Model.h"

namespace dlc::run {

struct DataSet {
  std::string folder;
  std::vector<HostTensor> inputs; // in the model's order
  std::vector<HostTensor> outputs;
};

/// Reads one data set per folder test_data_set_* of `folder`, or `folder`
/// itself if there is none. Tensors of .pb files go by their name if the model
/// knows it, others by their number.
Error readDataSets(const Model &model, const std::string &folder,
                   std::vector<DataSet> &sets);

} // namespace dlc::run

#endif // DLC_TOOLS_RUN_DATASET_H
