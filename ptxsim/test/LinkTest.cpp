// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The linker of the driver API: names across inputs, images, and what it
// refuses.
#include "Driver.h"
#include <fstream>

using namespace test;

enum { Cubin = 0, Ptx = 1, NumTypes = 6 };
enum { WallTime = 2, InfoLog = 3, ErrorLog = 5, ErrorLogBytes = 6 };

static std::string module(const std::string &Body,
                          const std::string &Target = "sm_80") {
  return ".version 8.0\n.target " + Target + "\n.address_size 64\n" + Body;
}
/// A function of one number; Code makes %r2 of %r1.
static std::string function(const std::string &Head, const std::string &Code) {
  return Head +
         "(.param .b32 a)\n{\n.reg .b32 %r<6>;\n.reg .b64 %rd<2>;\n"
         "ld.param.b32 %r1, [a];\n" +
         Code + "st.param.b32 [r], %r2;\nret;\n}\n";
}
static std::string callOf(const std::string &Name) {
  return "{\n.param .b32 x;\n.param .b32 y;\nst.param.b32 [x], %r1;\n"
         "call (y), " +
         Name + ", (x);\nld.param.b32 %r2, [y];\n}\n";
}
/// p[i] = Name(i) for the threads of a block.
static std::string kernel(const std::string &Entry, const std::string &Name) {
  return ".visible .entry " + Entry +
         "(.param .u64 p)\n{\n.reg .b32 %r<4>;\n"
         ".reg .b64 %rd<4>;\nld.param.u64 %rd1, [p];\nmov.u32 %r1, %tid.x;\n" +
         callOf(Name) +
         "mad.wide.u32 %rd2, %r1, 4, %rd1;\nst.global.b32 [%rd2], %r2;\n"
         "ret;\n}\n";
}
static const std::string Returns = ".func (.param .b32 r) ";
static std::string declared(const std::string &Name) {
  return ".extern " + Returns + Name + "(.param .b32 a);\n";
}

namespace {
class Link {
public:
  Link() {
    int Options[] = {ErrorLog, ErrorLogBytes};
    Values[0] = Log;
    Values[1] = reinterpret_cast<void *>(sizeof(Log));
    good(call("cuLinkCreate_v2", 2u, Options, Values, &L), "a link");
  }
  Link(const Link &) = delete;
  ~Link() { good(call("cuLinkDestroy", L), "the link ends"); }
  CUresult add(const std::string &Text, const char *Name, int Type = Ptx) {
    std::string Copy = Text; // the caller's, and gone after the call
    return call("cuLinkAddData_v2", L, Type, static_cast<void *>(Copy.data()),
                Copy.size() + 1, Name, 0u, static_cast<int *>(nullptr),
                static_cast<void **>(nullptr));
  }
  CUresult complete() { return call("cuLinkComplete", L, &Image, &Bytes); }
  bool says(const std::string &What) const {
    return std::string(Log).find(What) != std::string::npos;
  }
  void *L = nullptr, *Image = nullptr;
  size_t Bytes = 0;
  char Log[1024] = {};
  void *Values[2];
};

/// A module of a complete link.
class Linked {
public:
  explicit Linked(Link &L) {
    good(L.complete(), "completion");
    good(call("cuModuleLoadData", &M, L.Image), "the image is loaded");
  }
  ~Linked() { call("cuModuleUnload", M); }
  Linked(const Linked &) = delete;
  std::vector<unsigned> run(const char *Entry) {
    CUfunction F = nullptr;
    good(call("cuModuleGetFunction", &F, M, Entry), "a kernel");
    Buffer Out(std::vector<unsigned>(32));
    void *Params[] = {const_cast<CUdeviceptr *>(&Out.Address)};
    good(call("cuLaunchKernel", F, 1u, 1u, 1u, 32u, 1u, 1u, 0u,
              CUstream(nullptr), Params, static_cast<void **>(nullptr)),
         "launch");
    good(api().cuCtxSynchronize(), "run");
    return Out.read<unsigned>();
  }
  CUresult global(const char *Name, CUdeviceptr &A, size_t &Bytes) {
    return call("cuModuleGetGlobal_v2", &A, &Bytes, M, Name);
  }
  CUmodule M = nullptr;
};
} // namespace

/// Each calls the other; both have a function and a variable of a name.
static std::string first() {
  return module(
      ".file 1 \"first.cu\"\n" + declared("scaled") + declared("unused") +
      ".extern .global .align 4 .b32 total;\n"
      ".global .align 4 .b32 own = 1;\n" +
      function(Returns + "helper", ".loc 1 7 0\nld.global.b32 %r3, [own];\n"
                                   "add.s32 %r2, %r1, %r3;\n") +
      function(".visible " + Returns + "plus100", "add.s32 %r2, %r1, 100;\n") +
      function(Returns + "chain",
               callOf("helper") + "mov.b32 %r1, %r2;\n" + callOf("scaled") +
                   "atom.global.add.u32 %r3, [total], 1;\n") +
      kernel("k", "chain"));
}
static std::string second() {
  return module(
      ".extern .const .align 4 .b32 factor;\n"
      ".visible .const .align 4 .b32 factor = 7;\n"
      ".visible .global .align 4 .b32 total = 5;\n"
      ".global .align 4 .b32 own = 3;\n"
      ".global .align 8 .u64 where = own;\n"
      ".file 1 \"second.cu\"\n" +
      declared("plus100") +
      function(Returns + "helper", ".loc 1 9 0\nld.global.u64 %rd1, [where];\n"
                                   "ld.global.b32 %r3, [%rd1];\n"
                                   "mul.lo.s32 %r2, %r1, %r3;\n") +
      function(".visible " + Returns + "scaled",
               callOf("helper") + "mov.b32 %r1, %r2;\n" + callOf("plus100") +
                   "ld.const.b32 %r3, [factor];\n"
                   "mul.lo.s32 %r2, %r2, %r3;\n"));
}

static void eachOther() {
  Link L;
  good(L.add(first(), "first"), "the first input");
  good(L.add(second(), "second"), "the second input");
  Linked M(L);
  std::vector<unsigned> Got = M.run("k");
  bool Right = true;
  for (unsigned K = 0; K < 32; ++K)
    Right &= Got[K] == ((K + 1) * 3 + 100) * 7;
  check(Right, "both inputs call each other and their own helper");
  CUdeviceptr A = 0;
  size_t Bytes = 0;
  unsigned Total = 0;
  good(M.global("total", A, Bytes), "the shared variable");
  good(api().cuMemcpyDtoH(&Total, A, 4), "its value");
  check(Bytes == 4 && Total == 5 + 32, "one variable for both inputs");
  std::string Image(static_cast<char *>(L.Image));
  check(L.Bytes == Image.size() + 1, "the image ends with a null");
  check(Image.find("2 \"second.cu\"") != Image.npos &&
            Image.find(".loc 2 9 0") != Image.npos,
        "source files of the second input have numbers of their own");
  void *Again = nullptr;
  good(call("cuLinkComplete", L.L, &Again, static_cast<size_t *>(nullptr)),
       "completion again");
  check(Again == L.Image, "gives the same image");
  bad(L.add(second(), "late"), CUDA_ERROR_INVALID_VALUE,
      "an input after completion");
  void *Library = nullptr, *None = nullptr;
  good(call("cuLibraryLoadData", &Library, L.Image, None, None, 0u, None, None,
            0u),
       "the image as a library");
  call("cuLibraryUnload", Library);
}

/// The definition that counts is that of the greatest strength.
static void strengths() {
  auto Which = [](const std::string &Linkage, int Value) {
    return module(function(Linkage + Returns + "which",
                           "mov.b32 %r2, " + std::to_string(Value) + ";\n") +
                  ".common .global .align 4 .b32 pool[" +
                  std::to_string(4 * Value) + "];\n");
  };
  std::string Main = module(declared("which") + kernel("k", "which"));
  for (bool Strong : {false, true}) {
    Link L;
    good(L.add(Main, "main"), "the kernel");
    good(L.add(Which(".weak ", 1), "one"), "a weak function");
    good(L.add(Which(".weak ", 2), "two"), "another");
    if (Strong)
      good(L.add(Which(".visible ", 3), "three"), "a strong one");
    Linked M(L);
    check(M.run("k")[31] == (Strong ? 3 : 1),
          Strong ? "the strong function counts" : "the first weak one counts");
    CUdeviceptr A = 0;
    size_t Bytes = 0;
    good(M.global("pool", A, Bytes), "the common variable");
    check(Bytes == (Strong ? 48 : 32), "has the greatest size");
  }
}

static void badNames() {
  struct {
    const char *What;
    std::string Second;
    const char *Said;
  } const Cases[] = {
      {"nothing defines a function", module(""),
       "undefined reference to function 'f' in 'one'"},
      {"a function with another parameter",
       module(".visible .func (.param .b32 r) f(.param .b64 a)\n{\nret;\n}\n"),
       "function 'f' is declared in 'one' otherwise than it is defined in "
       "'two'"},
      {"a variable of the function's name",
       module(".visible .global .b32 f;\n"), "function 'f' is declared"},
      {"only a local function", module(function(Returns + "f", "")),
       "undefined reference to function 'f'"},
      {"two kernels of a name",
       module(function(".visible " + Returns + "f", "mov.b32 %r2, 0;\n") +
              ".visible .entry k()\n{\nret;\n}\n"),
       "'k' is defined twice, in 'one' and 'two'"},
      {"an instruction that does not exist",
       module(function(".visible " + Returns + "f", "add.s33 %r2, %r1, 1;\n")),
       "the linked module, line"},
  };
  for (const auto &C : Cases) {
    Link L;
    good(L.add(module(declared("f") + kernel("k", "f")), "one"), "one");
    good(L.add(C.Second, "two"), "two");
    bad(L.complete(), CUDA_ERROR_INVALID_PTX, C.What);
    check(!L.Image && L.says(C.Said),
          std::string(C.What) + ": the log says '" + L.Log + "'");
  }
  Link L;
  std::string Use = ".visible .entry k()\n{\n.reg .b32 %r<2>;\n"
                    "ld.const.b32 %r1, [v];\nret;\n}\n";
  good(L.add(module(".extern .const .b32 v;\n" + Use), "one"), "one");
  good(L.add(module(".visible .global .b32 v;\n"), "two"), "two");
  bad(L.complete(), CUDA_ERROR_INVALID_PTX, "a variable of another space");
  check(L.says("variable 'v' is declared in 'one' otherwise"), "says so");
}

static void wrongInputs() {
  Link L;
  for (int Type = 0; Type < NumTypes; ++Type)
    if (Type != Ptx)
      bad(L.add("\x7f"
                "ELF",
                "binary", Type),
          CUDA_ERROR_NO_BINARY_FOR_GPU,
          "input of type " + std::to_string(Type));
  check(L.says("'binary' is a cubin") && L.says("'binary' is NVVM code"),
        "the log names them");
  bad(L.add(module(""), "x", NumTypes), CUDA_ERROR_INVALID_VALUE,
      "a type that does not exist");
  bad(L.add(module("\n.func f( {"), "broken"), CUDA_ERROR_INVALID_PTX,
      "broken PTX");
  check(L.says("'broken', line 5"), "the log says where");
  bad(L.add(module("", "sm_120a"), "other"), CUDA_ERROR_NO_BINARY_FOR_GPU,
      "PTX of another device");
  bad(L.complete(), CUDA_ERROR_INVALID_VALUE, "no inputs");
  const char *Path = "link-test.ptx";
  auto AddFile = [&](const char *Name) {
    return call("cuLinkAddFile_v2", L.L, int(Ptx), Name, 0u,
                static_cast<int *>(nullptr), static_cast<void **>(nullptr));
  };
  std::remove(Path);
  bad(AddFile(Path), CUDA_ERROR_FILE_NOT_FOUND, "a file that is not there");
  std::ofstream(Path) << module(".visible .entry fromFile()\n{\nret;\n}\n");
  good(AddFile(Path), "a file");
  std::remove(Path);
  Linked M(L);
  M.run("fromFile");
}

static void wrongCalls() {
  void *L = nullptr, *Image = nullptr, *None = nullptr;
  size_t Bytes = 0;
  int Unknown[] = {99}, ForInput[] = {WallTime};
  void *Values[1] = {};
  bad(call("cuLinkCreate_v2", 1u, Unknown, Values, &L),
      CUDA_ERROR_INVALID_VALUE, "an unknown option");
  bad(call("cuLinkCreate_v2", 0u, None, None, None), CUDA_ERROR_INVALID_VALUE,
      "nowhere to put the link");
  good(call("cuLinkCreate_v2", 0u, None, None, &L), "a link without options");
  std::string Text = module("");
  auto Add = [&](int *Options) {
    return call("cuLinkAddData_v2", L, int(Ptx),
                static_cast<void *>(Text.data()), Text.size() + 1,
                static_cast<const char *>(nullptr), 1u, Options,
                static_cast<void **>(Values));
  };
  bad(Add(ForInput), CUDA_ERROR_INVALID_VALUE, "an option of whole links");
  bad(Add(nullptr), CUDA_ERROR_INVALID_VALUE, "options that are not there");
  bad(call("cuLinkComplete", L, None, &Bytes), CUDA_ERROR_INVALID_VALUE,
      "nowhere to put the image");
  good(call("cuLinkDestroy", L), "the end");
  bad(call("cuLinkDestroy", L), CUDA_ERROR_INVALID_HANDLE, "the end again");
  bad(Add(Unknown), CUDA_ERROR_INVALID_HANDLE, "an input of no link");
  bad(call("cuLinkComplete", L, &Image, &Bytes), CUDA_ERROR_INVALID_HANDLE,
      "completion of no link");
}

int main() {
  api();
  eachOther();
  strengths();
  badNames();
  wrongInputs();
  wrongCalls();
  return finish("LinkTest");
}
