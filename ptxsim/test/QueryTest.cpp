// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Values in streams, edges of graphs, shared memory that is left, copies
// between contexts, devices by bus.
#include "Driver.h"

using namespace test;

#define CALL(Name, Type) (reinterpret_cast<Type>(librarySymbol(#Name)))

static void values() {
  Buffer B(std::vector<uint64_t>{5, 0});
  using Call32 = CUresult (*)(CUstream, CUdeviceptr, uint32_t, unsigned);
  using Call64 = CUresult (*)(CUstream, CUdeviceptr, uint64_t, unsigned);
  auto Wait = CALL(cuStreamWaitValue64_v2, Call64);
  check(CALL(cuStreamWriteValue32_v2, Call32)(nullptr, B.Address + 8, 7, 0) ==
                CUDA_SUCCESS &&
            B.read<uint64_t>()[1] == 7,
        "a stream writes a value");
  check(Wait(nullptr, B.Address, 5, 1) == CUDA_SUCCESS &&
            Wait(nullptr, B.Address, 4, 0) == CUDA_SUCCESS &&
            Wait(nullptr, B.Address, 6, 2) == CUDA_SUCCESS,
        "equal, greater, common bits");
  check(Wait(nullptr, B.Address, 6, 0) == CUDA_ERROR_NOT_SUPPORTED &&
            std::string(api().ptxsimLastReport()).find("holds 5") !=
                std::string::npos,
        "a wait that nothing can end");
  check(Wait(nullptr, B.Address + 4, 0, 0) == CUDA_ERROR_INVALID_VALUE &&
            Wait(nullptr, B.Address + 16, 0, 0) == CUDA_ERROR_INVALID_VALUE,
        "misaligned, outside");
}

static void edges() {
  CUgraph G = nullptr;
  CUgraphNode N[3], From[4], To[4];
  auto Add =
      CALL(cuGraphAddEmptyNode,
           CUresult (*)(CUgraphNode *, CUgraph, const CUgraphNode *, size_t));
  CALL(cuGraphCreate, CUresult (*)(CUgraph *, unsigned))(&G, 0);
  check(Add(&N[0], G, nullptr, 0) == CUDA_SUCCESS &&
            Add(&N[1], G, N, 1) == CUDA_SUCCESS &&
            Add(&N[2], G, N, 2) == CUDA_SUCCESS,
        "nodes");
  size_t Count = 4;
  check(CALL(cuGraphGetEdges,
             CUresult (*)(CUgraph, CUgraphNode *, CUgraphNode *, size_t *))(
            G, From, To, &Count) == CUDA_SUCCESS &&
            Count == 3 && From[0] == N[0] && To[0] == N[1] && From[1] == N[0] &&
            To[1] == N[2] && From[2] == N[1] && To[2] == N[2],
        "the edges of a graph");
  uint64_t Data[4] = {1, 1, 1, 1};
  Count = 4;
  check(CALL(cuGraphNodeGetDependentNodes_v2,
             CUresult (*)(CUgraphNode, CUgraphNode *, void *, size_t *))(
            N[0], To, Data, &Count) == CUDA_SUCCESS &&
            Count == 2 && To[0] == N[1] && To[1] == N[2] && !Data[1] && Data[2],
        "what depends on a node");
  CALL(cuGraphDestroy, CUresult (*)(CUgraph))(G);
}

/// So much memory must let the blocks fit, and 1 KiB more must not.
static void sharedMemoryLeft() {
  CUmodule M = nullptr;
  CUfunction F = nullptr;
  api().cuModuleLoadDataEx(&M,
                           ".version 8.0\n.target sm_80\n.address_size 64\n"
                           ".visible .entry k(.param .u64 a, .param .u32 b)\n"
                           "{\nret;\n}\n",
                           0, nullptr, nullptr);
  api().cuModuleGetFunction(&F, M, "k");
  auto Left = CALL(cuOccupancyAvailableDynamicSMemPerBlock,
                   CUresult (*)(size_t *, CUfunction, int, int));
  auto Fit = CALL(cuOccupancyMaxActiveBlocksPerMultiprocessor,
                  CUresult (*)(int *, CUfunction, int, size_t));
  for (int Blocks : {2, 3, 8, 16}) {
    size_t Bytes = 0;
    int With = 0, Beyond = 0;
    check(Left(&Bytes, F, Blocks, 128) == CUDA_SUCCESS &&
              Fit(&With, F, 128, Bytes) == CUDA_SUCCESS && With == Blocks &&
              Fit(&Beyond, F, 128, Bytes + 1024) == CUDA_SUCCESS &&
              Beyond < Blocks,
          std::to_string(Blocks) + " blocks leave " + std::to_string(Bytes));
  }
  size_t Count = 0;
  check(CALL(cuFuncGetParamCount,
             CUresult (*)(CUfunction, size_t *))(F, &Count) == CUDA_SUCCESS &&
            Count == 2,
        "the number of parameters");
  api().cuModuleUnload(M);
}

static void devices() {
  auto Get = CALL(cuDeviceGetByPCIBusId, CUresult (*)(int *, const char *));
  char Id[16] = "";
  int Device = -1;
  check(CALL(cuDeviceGetPCIBusId, CUresult (*)(char *, int, int))(
            Id, sizeof(Id), 0) == CUDA_SUCCESS &&
            Get(&Device, Id) == CUDA_SUCCESS && Device == 0,
        "the device by its own bus id");
  check(Get(&Device, "00:00") == CUDA_SUCCESS &&
            Get(&Device, "0000:7f:00.0") == CUDA_ERROR_INVALID_DEVICE,
        "a short id, and another device's");
  Device = -1;
  check(CALL(cuStreamGetDevice,
             CUresult (*)(CUstream, int *))(nullptr, &Device) == CUDA_SUCCESS &&
            Device == 0,
        "the device of a stream");
  CUcontext Ctx = nullptr;
  CALL(cuCtxGetCurrent, CUresult (*)(CUcontext *))(&Ctx);
  auto Copy = CALL(cuMemcpyPeer, CUresult (*)(CUdeviceptr, CUcontext,
                                              CUdeviceptr, CUcontext, size_t));
  Buffer A(std::vector<int>{3}), B(std::vector<int>{0});
  check(Copy(B.Address, Ctx, A.Address, Ctx, 4) == CUDA_SUCCESS &&
            B.read<int>()[0] == 3 &&
            Copy(B.Address, nullptr, A.Address, Ctx, 4) ==
                CUDA_ERROR_INVALID_CONTEXT,
        "a copy between contexts");
}

int main() {
  api();
  values();
  edges();
  sharedMemoryLeft();
  devices();
  return finish("QueryTest");
}
