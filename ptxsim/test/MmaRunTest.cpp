// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Products that the simulator computes together (MmaPlan.h) give the bits of
// products that it computes one by one: a barrier of the warp after every
// product keeps them apart.
#include "Driver.h"

using namespace test;

namespace {
/// Two steps of k over 2 x 2 tiles, and what lies between the steps.
struct Variant {
  const char *Name;
  std::string Between, Second;
};
} // namespace

static std::string list(const char *Prefix, unsigned First, unsigned Count) {
  std::string S = "{";
  for (unsigned K = First; K < First + Count; ++K)
    S += (K == First ? "%" : ", %") + (Prefix + std::to_string(K));
  return S + "}";
}
static std::string mma(const std::string &Sum, const std::string &A,
                       const std::string &B) {
  return "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 " + Sum + ", " +
         A + ", " + B + ", " + Sum + ";\n";
}
/// Sum number 2 i + j of A fragment i and B fragment j.
static std::string product(unsigned I, unsigned J, const char *A = "a") {
  return mma(list("s", 4 * (2 * I + J), 4), list(A, 4 * I, 4),
             list("b", 2 * J, 2));
}
static std::string allProducts(const char *A = "a") {
  return product(0, 0, A) + product(0, 1, A) + product(1, 0, A) +
         product(1, 1, A);
}
/// Reads fragments from the places Place, Place + 1, ... of every thread.
static std::string load(const char *Prefix, unsigned Count, unsigned Place) {
  std::string S;
  for (unsigned K = 0; K < Count; ++K)
    S += "ld.global.b32 %" + (Prefix + std::to_string(K)) + ", [%in+" +
         std::to_string(128 * (Place + K)) + "];\n";
  return S;
}

static std::string kernel(const Variant &V, bool Apart) {
  std::string Sums;
  for (unsigned K = 0; K < 16; ++K)
    Sums += "mov.f32 %s" + std::to_string(K) + ", 0f3E800000;\n";
  std::string Body = Sums + load("a", 8, 0) + load("b", 4, 8) + allProducts() +
                     V.Between + V.Second;
  for (size_t At = 0; Apart && (At = Body.find("mma", At)) != Body.npos;)
    Body.insert(At = Body.find('\n', At) + 1, "bar.warp.sync -1;\n");
  for (unsigned K = 0; K < 16; ++K)
    Body += "st.global.f32 [%out+" + std::to_string(128 * K) + "], %s" +
            std::to_string(K) + ";\n";
  return ".version 8.0\n.target sm_80\n.address_size 64\n"
         ".visible .entry k(.param .u64 in, .param .u64 out)\n{\n"
         ".reg .pred %p;\n.reg .b32 %t, %a<8>, %b<4>, %c<8>;\n"
         ".reg .f32 %s<16>, %x, %y<4>;\n.reg .b64 %in, %out, %at;\n"
         "ld.param.u64 %in, [in];\nld.param.u64 %out, [out];\n"
         "mov.u32 %t, %tid.x;\nmul.wide.u32 %at, %t, 4;\n"
         "add.s64 %in, %in, %at;\nadd.s64 %out, %out, %at;\n"
         "setp.lt.u32 %p, %t, 32;\nmov.f32 %x, 0f00000000;\n"
         "mov.f32 %y0, %x;\nmov.f32 %y1, %x;\nmov.f32 %y2, %x;\n"
         "mov.f32 %y3, %x;\n" +
         Body + "st.global.f32 [%out+2048], %x;\nret;\n}\n";
}

static std::vector<uint32_t> results(const Variant &V, bool Apart) {
  Kernel K(kernel(V, Apart), "k");
  if (!check(K.Ok, std::string(V.Name) + ": " + K.Error))
    return {};
  Buffer In(randomBf16(2 * 32 * 24, 11)), Out(std::vector<uint32_t>(32 * 18));
  check(K.arg(In.Address).arg(Out.Address).run({}, {32}) == CUDA_SUCCESS,
        std::string(V.Name) + ": runs");
  return Out.read<uint32_t>();
}

static std::vector<Variant> variants() {
  std::string Next = load("a", 8, 12) + load("b", 4, 20);
  std::string All = allProducts(), Others, MaybeMissing;
  for (unsigned K = 0; K < 16; ++K)
    Others += "@%p " + mma("{%y0, %y1, %y2, %y3}", list("a", K % 5, 4),
                           list("b", K % 3, 2));
  for (unsigned K = 0; K < 8; ++K)
    MaybeMissing += "@%p mov.b32 %c" + std::to_string(K) + ", %a" +
                    std::to_string(7 - K) + ";\n";
  return {
      {"next fragments", Next, All},
      {"fragments of the first step again", "add.u32 %t, %t, 1;\n", All},
      {"other A alone", load("a", 8, 12), All},
      {"a sum is read", Next + "mov.f32 %x, %s5;\n", All},
      {"a sum is stored", "st.global.f32 [%out+2176], %s9;\n" + Next, All},
      {"a sum is written", Next + "mov.f32 %s6, 0f3F800000;\n", All},
      {"another order", Next,
       product(1, 1) + product(0, 1) + product(1, 0) + product(0, 0)},
      {"fewer products", Next, product(0, 0) + product(0, 1) + product(1, 0)},
      {"more products", Next, All + product(1, 0)},
      {"a guarded product", Next, "@%p " + product(0, 0) + product(0, 1)},
      {"a guarded product between", Next + "@%p " + product(1, 1), All},
      {"other products between", Others, All + "mov.f32 %x, %y1;\n"},
      {"registers to be checked", MaybeMissing, allProducts("c")},
      {"three steps", Next + All + load("a", 8, 4) + load("b", 4, 0), All},
  };
}

int main() {
  for (const char *Race : {"0", "1"}) {
    api().ptxsimConfigure("RACE", Race);
    for (const Variant &V : variants())
      check(results(V, false) == results(V, true),
            std::string(V.Name) + ", race mode " + Race +
                ": the bits of single products");
  }
  return finish("MmaRunTest");
}
