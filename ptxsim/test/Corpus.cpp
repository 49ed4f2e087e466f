// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Support of the programs compiled by nvcc.
#include "Corpus.h"

using namespace test;

std::string test::CorpusDirectory;

bool test::launched(Kernel &K, Dim Grid, Dim Block, unsigned Shared,
                    Dim Cluster, bool Cooperative) {
  CUresult R = K.run(Grid, Block, Shared, Cluster, Cooperative);
  return R == CUDA_SUCCESS ||
         check(false, std::string("launch: ") + api().ptxsimLastReport());
}

void test::close(const char *Name, const std::vector<float> &Got,
                 const std::vector<double> &Want, double Tolerance) {
  std::vector<double> G(Got.begin(), Got.end());
  G.resize(Want.size());
  double E = relativeError(G, Want);
  check(E < Tolerance,
        std::string(Name) + ": relative error " + std::to_string(E));
}
