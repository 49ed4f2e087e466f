// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels through the whole CPU back end: lowered, emitted, linked and run.
#include "KernelRunner.h"

#include "Target/CPU/LowerToLLVM.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include <gtest/gtest.h>
#include <thread>

using namespace mlir;
using namespace dlc;
using namespace dlc::test;

/// result[i] = input[i] + other[i] for the items' i.
static OwningOpRef<ModuleOp> buildAddKernel() {
  Type f32 = Float32Type::get(&getContext());
  return buildKernel(
      {f32, f32, f32}, 1, [](ImplicitLocOpBuilder &b, KernelArguments &args) {
        Value n = args.sizes[0];
        Value x = view(b, args.buffers[0], {OpFoldResult(n)});
        Value y = view(b, args.buffers[1], {OpFoldResult(n)});
        Value z = view(b, args.buffers[2], {OpFoldResult(n)});
        Value one = arith::ConstantIndexOp::create(b, 1);
        scf::ForOp::create(
            b, args.begin, args.end, one, ValueRange(),
            [&](OpBuilder &inner, Location loc, Value i, ValueRange) {
              ImplicitLocOpBuilder b(loc, inner);
              Value sum =
                  arith::AddFOp::create(b, memref::LoadOp::create(b, x, i),
                                        memref::LoadOp::create(b, y, i));
              memref::StoreOp::create(b, sum, z, i);
              scf::YieldOp::create(b);
            });
      });
}

TEST(CPUCompile, RunsOnlyTheAskedItems) {
  OwningOpRef<ModuleOp> module = buildAddKernel();
  LoadedKernels kernels = compile(*module);
  std::vector<float> x(100, 1), y(100, 2), z(100, -1);
  kernels.run({x.data(), y.data(), z.data()}, {100}, 10, 90);
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(z[i], i >= 10 && i < 90 ? 3 : -1) << i;
}

TEST(CPUCompile, VectorisesScalarLoopsToTheFullWidth) {
  OwningOpRef<ModuleOp> module = buildAddKernel();
  llvm::Expected<CPUTarget> target = CPUTarget::create("x86-64-v4");
  ASSERT_TRUE(!!target);
  ASSERT_TRUE(succeeded(lowerKernelsToLLVM(*module, *target)));
  llvm::Expected<Bytes> text = emitAssembly(*module, *target);
  ASSERT_TRUE(!!text);
  EXPECT_TRUE(StringRef(text->data(), text->size()).contains("%zmm"));
}

TEST(CPUCompile, BooleansAreBytes) {
  MLIRContext *context = &getContext();
  Type i1 = IntegerType::get(context, 1);
  OwningOpRef<ModuleOp> module = buildKernel(
      {i1, i1}, 0, [&](ImplicitLocOpBuilder &b, KernelArguments &args) {
        Value x = view(b, args.buffers[0], {b.getIndexAttr(16)});
        Value y = view(b, args.buffers[1], {b.getIndexAttr(16)});
        auto type = VectorType::get({16}, i1);
        Value zero = arith::ConstantIndexOp::create(b, 0);
        Value loaded = vector::LoadOp::create(b, type, x, zero);
        Value ones =
            arith::ConstantOp::create(b, DenseElementsAttr::get(type, true));
        vector::StoreOp::create(b, arith::XOrIOp::create(b, loaded, ones), y,
                                zero);
      });
  LoadedKernels kernels = compile(*module);
  std::vector<unsigned char> x(16, 0), y(16, 7);
  x[3] = 1;
  x[5] = 200; // any nonzero byte is true
  kernels.run({x.data(), y.data()}, {}, 0, 1);
  for (int i = 0; i < 16; ++i)
    EXPECT_EQ(y[i], i != 3 && i != 5) << i;
}

TEST(CPUCompile, KernelWithWrongParametersIsNamed) {
  OwningOpRef<ModuleOp> module = buildAddKernel();
  auto function = *module->getOps<func::FuncOp>().begin();
  ASSERT_TRUE(succeeded(function.insertArgument(
      0, Float32Type::get(&getContext()), {}, function.getLoc())));
  std::string message;
  ScopedDiagnosticHandler handler(&getContext(), [&](Diagnostic &diagnostic) {
    message += diagnostic.str();
    return success();
  });
  llvm::Expected<CPUTarget> target = CPUTarget::create("x86-64-v3");
  ASSERT_TRUE(!!target);
  EXPECT_TRUE(failed(lowerKernelsToLLVM(*module, *target)));
  EXPECT_NE(message.find("expected a kernel with parameters"),
            std::string::npos)
      << message;
}

TEST(CPUCompile, ForeignFunctionIsNamed) {
  OwningOpRef<ModuleOp> module = buildAddKernel();
  ImplicitLocOpBuilder b(module->getLoc(), &getContext());
  b.setInsertionPointToStart(module->getBody());
  auto foreign =
      func::FuncOp::create(b, "expf_of_nobody", b.getFunctionType({}, {}));
  foreign.setPrivate();
  auto kernel = *std::next(module->getOps<func::FuncOp>().begin());
  b.setInsertionPointToStart(&kernel.getBody().front());
  func::CallOp::create(b, foreign);
  llvm::Expected<CPUTarget> target = CPUTarget::create("x86-64-v3");
  ASSERT_TRUE(!!target);
  ASSERT_TRUE(succeeded(lowerKernelsToLLVM(*module, *target)));
  llvm::Expected<Bytes> object = emitObject(*module, *target);
  ASSERT_TRUE(!!object);
  llvm::Expected<Bytes> shared = linkSharedObject(*object, {"k"});
  ASSERT_FALSE(!!shared);
  EXPECT_NE(llvm::toString(shared.takeError()).find("expf_of_nobody"),
            std::string::npos);
}

TEST(CPUCompile, EqualInputGivesEqualBytes) {
  llvm::Expected<CPUTarget> target = CPUTarget::create("x86-64-v3");
  ASSERT_TRUE(!!target);
  std::vector<Bytes> results;
  for (int i = 0; i < 2; ++i) {
    OwningOpRef<ModuleOp> module = buildAddKernel();
    ASSERT_TRUE(succeeded(lowerKernelsToLLVM(*module, *target)));
    llvm::Expected<Bytes> object = emitObject(*module, *target);
    ASSERT_TRUE(!!object);
    llvm::Expected<Bytes> shared = linkSharedObject(*object, {"k"});
    ASSERT_TRUE(!!shared) << llvm::toString(shared.takeError());
    results.push_back(*shared);
  }
  EXPECT_TRUE(results[0] == results[1]);
}

TEST(CPUCompile, ThreadsEmitAndLinkAtOnce) {
  llvm::Expected<CPUTarget> target = CPUTarget::create("native");
  ASSERT_TRUE(!!target);
  OwningOpRef<ModuleOp> module = buildAddKernel();
  ASSERT_TRUE(succeeded(lowerKernelsToLLVM(*module, *target)));
  std::vector<Bytes> results(8);
  std::vector<std::thread> threads;
  for (Bytes &result : results)
    threads.emplace_back([&] {
      llvm::Expected<Bytes> object = emitObject(*module, *target);
      if (!object)
        return llvm::consumeError(object.takeError());
      llvm::Expected<Bytes> shared = linkSharedObject(*object, {"k"});
      if (!shared)
        return llvm::consumeError(shared.takeError());
      result = *shared;
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_FALSE(results[0].empty());
  for (const Bytes &result : results)
    EXPECT_TRUE(result == results[0]);
}

TEST(CPUCompile, OnlyAskedSymbolsAreExported) {
  OwningOpRef<ModuleOp> module = buildAddKernel();
  LoadedKernels kernels = compile(*module);
  EXPECT_NE(kernels.find("k"), nullptr);
  EXPECT_EQ(kernels.find("k.body"), nullptr);
}

/// An object with the function `name`, which returns `callee`() + 1, or 1.
static Bytes emitFunction(StringRef name, StringRef callee = "") {
  MLIRContext *context = &getContext();
  ImplicitLocOpBuilder b(UnknownLoc::get(context), context);
  OwningOpRef<ModuleOp> module = ModuleOp::create(b.getLoc());
  b.setInsertionPointToEnd(module->getBody());
  FunctionType type = b.getFunctionType({}, b.getI32Type());
  if (!callee.empty())
    func::FuncOp::create(b, callee, type).setPrivate();
  auto function = func::FuncOp::create(b, name, type);
  b.setInsertionPointToStart(function.addEntryBlock());
  Value result = arith::ConstantIntOp::create(b, 1, 32);
  if (!callee.empty())
    result = arith::AddIOp::create(
        b, result,
        func::CallOp::create(b, callee, b.getI32Type()).getResult(0));
  func::ReturnOp::create(b, result);
  llvm::Expected<CPUTarget> target = CPUTarget::create("x86-64-v3");
  EXPECT_TRUE(!!target);
  EXPECT_TRUE(succeeded(lowerKernelsToLLVM(*module, *target)));
  llvm::Expected<Bytes> object = emitObject(*module, *target);
  EXPECT_TRUE(!!object);
  return *object;
}

TEST(CPULink, ObjectsCallEachOther) {
  Bytes objects[] = {emitFunction("outer", "inner"), emitFunction("inner")};
  llvm::Expected<Bytes> shared = linkSharedObject(objects, {"outer"});
  ASSERT_TRUE(!!shared) << llvm::toString(shared.takeError());
  LoadedKernels loaded(*shared);
  auto *outer = reinterpret_cast<int (*)()>(loaded.find("outer"));
  ASSERT_NE(outer, nullptr);
  EXPECT_EQ(outer(), 2);
  EXPECT_EQ(loaded.find("inner"), nullptr);
}

TEST(CPULink, MissingExportIsNamed) {
  llvm::Expected<Bytes> shared =
      linkSharedObject(emitFunction("present"), {"present", "absent"});
  ASSERT_FALSE(!!shared);
  EXPECT_EQ(llvm::toString(shared.takeError()),
            "expected generated code to define 'absent', which is to be "
            "exported");
}

TEST(CPULink, DuplicateSymbolIsAnError) {
  Bytes objects[] = {emitFunction("twice"), emitFunction("twice")};
  llvm::Expected<Bytes> shared = linkSharedObject(objects, {"twice"});
  ASSERT_FALSE(!!shared);
  EXPECT_NE(llvm::toString(shared.takeError()).find("duplicate symbol"),
            std::string::npos);
}

TEST(CPULink, LinkingWorksAgainAfterAnError) {
  Bytes object = emitFunction("once");
  Bytes objects[] = {object, object};
  llvm::consumeError(linkSharedObject(objects, {"once"}).takeError());
  llvm::Expected<Bytes> shared = linkSharedObject(object, {"once"});
  EXPECT_TRUE(!!shared) << llvm::toString(shared.takeError());
}
