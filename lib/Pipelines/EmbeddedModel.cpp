// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The data of an embedded model, as globals of an LLVM module.
#include "EmbeddedModel.h"

#include "Target/CPU/CPUTarget.h"
#include "Target/CPU/LowerToLLVM.h"
#include "dlc/exec.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/Support/Path.h"
#include "llvm/TargetParser/Triple.h"

using namespace mlir;

namespace dlc {

/// The keywords of C23 and C++23, in alphabetical order; without those that
/// begin with '_'.
static constexpr StringLiteral kKeywords[] = {"alignas",
                                              "alignof",
                                              "and",
                                              "and_eq",
                                              "asm",
                                              "auto",
                                              "bitand",
                                              "bitor",
                                              "bool",
                                              "break",
                                              "case",
                                              "catch",
                                              "char",
                                              "char16_t",
                                              "char32_t",
                                              "char8_t",
                                              "class",
                                              "co_await",
                                              "co_return",
                                              "co_yield",
                                              "compl",
                                              "concept",
                                              "const",
                                              "const_cast",
                                              "consteval",
                                              "constexpr",
                                              "constinit",
                                              "continue",
                                              "decltype",
                                              "default",
                                              "delete",
                                              "do",
                                              "double",
                                              "dynamic_cast",
                                              "else",
                                              "enum",
                                              "explicit",
                                              "export",
                                              "extern",
                                              "false",
                                              "float",
                                              "for",
                                              "friend",
                                              "goto",
                                              "if",
                                              "inline",
                                              "int",
                                              "long",
                                              "mutable",
                                              "namespace",
                                              "new",
                                              "noexcept",
                                              "not",
                                              "not_eq",
                                              "nullptr",
                                              "operator",
                                              "or",
                                              "or_eq",
                                              "private",
                                              "protected",
                                              "public",
                                              "register",
                                              "reinterpret_cast",
                                              "requires",
                                              "restrict",
                                              "return",
                                              "short",
                                              "signed",
                                              "sizeof",
                                              "static",
                                              "static_assert",
                                              "static_cast",
                                              "struct",
                                              "switch",
                                              "template",
                                              "this",
                                              "thread_local",
                                              "throw",
                                              "true",
                                              "try",
                                              "typedef",
                                              "typeid",
                                              "typename",
                                              "typeof",
                                              "typeof_unqual",
                                              "union",
                                              "unsigned",
                                              "using",
                                              "virtual",
                                              "void",
                                              "volatile",
                                              "wchar_t",
                                              "while",
                                              "xor",
                                              "xor_eq"};

/// Whether a program may give an object this name.
static bool isFreeName(StringRef name) {
  if (name.empty() || llvm::isDigit(name[0]) || name[0] == '_') {
    return false;
  }
  llvm::TargetLibraryInfoImpl library{llvm::Triple(kCPUTriple)};
  llvm::LibFunc function;
  return name != "main" && !llvm::is_contained(kKeywords, name) &&
         !library.getLibFunc(name, function);
}

std::string getModelSymbol(StringRef path) {
  std::string name = llvm::sys::path::stem(path).str();
  for (char &c : name) {
    c = llvm::isAlnum(c) ? c : '_';
  }
  return isFreeName(name) ? name : "model_" + name;
}

namespace {

class DataEmitter {
public:
  DataEmitter(ModuleOp module, StringRef symbol)
      : b(ImplicitLocOpBuilder::atBlockEnd(module.getLoc(), module.getBody())),
        symbol(symbol), pointer(LLVM::LLVMPointerType::get(b.getContext())) {}

  /// A global of bytes.
  std::string emitBytes(StringRef suffix, StringRef bytes, unsigned alignment) {
    std::string name = (symbol + suffix).str();
    auto type = LLVM::LLVMArrayType::get(b.getI8Type(), bytes.size());
    LLVM::GlobalOp::create(b, type, /*isConstant=*/true,
                           LLVM::Linkage::Internal, name,
                           b.getStringAttr(bytes), alignment);
    return name;
  }

  /// A global of type `type` whose part i is `field(i)`.
  std::string emitAggregate(StringRef suffix, Type type, LLVM::Linkage linkage,
                            unsigned count,
                            llvm::function_ref<Value(unsigned)> field) {
    std::string name = (symbol + suffix).str();
    auto global = LLVM::GlobalOp::create(b, type, /*isConstant=*/true, linkage,
                                         name, Attribute());
    OpBuilder::InsertionGuard guard(b);
    b.createBlock(&global.getInitializerRegion());
    Value value = LLVM::UndefOp::create(b, type);
    for (unsigned i = 0; i < count; ++i) {
      value = LLVM::InsertValueOp::create(b, value, field(i), int64_t(i));
    }
    LLVM::ReturnOp::create(b, value);
    return name;
  }

  /// The functions `<prefix><suffix>` of all variants; null for those that
  /// have none.
  std::string emitFunctions(StringRef suffix, ArrayRef<Variant> variants,
                            llvm::function_ref<bool(unsigned)> hasFunction) {
    for (unsigned i = 0; i < variants.size(); ++i) {
      if (hasFunction(i)) {
        LLVM::LLVMFuncOp::create(
            b, variants[i].prefix + suffix.str(),
            LLVM::LLVMFunctionType::get(b.getI32Type(), {pointer}));
      }
    }
    return emitAggregate(
        suffix, LLVM::LLVMArrayType::get(pointer, variants.size()),
        LLVM::Linkage::Internal, variants.size(), [&](unsigned i) -> Value {
          return hasFunction(i) ? address(variants[i].prefix + suffix.str())
                                : null();
        });
  }

  Value address(StringRef name) {
    return LLVM::AddressOfOp::create(b, pointer, name);
  }
  Value integer(int64_t value) {
    return LLVM::ConstantOp::create(b, b.getI64Type(),
                                    b.getI64IntegerAttr(value));
  }
  Value null() { return LLVM::ZeroOp::create(b, pointer); }

  ImplicitLocOpBuilder b;
  StringRef symbol;
  Type pointer;
};

} // namespace

llvm::Expected<Bytes> emitEmbeddedModel(MLIRContext &context, StringRef symbol,
                                        ArrayRef<Variant> variants,
                                        const binary::Header &header,
                                        StringRef weights) {
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
  DataEmitter emitter(*module, symbol);
  std::vector<char> encoded = binary::encodeHeader(header);
  std::vector<char> images = binary::encodeImages(header);
  std::string headerName = emitter.emitBytes(
      "_header", StringRef(encoded.data(), encoded.size()), 8);
  std::string weightsName = emitter.emitBytes("_weights", weights, 64);
  std::string imagesName =
      images.empty()
          ? ""
          : emitter.emitBytes("_images",
                              StringRef(images.data(), images.size()), 64);
  std::string run =
      emitter.emitFunctions("_run", variants, [](unsigned) { return true; });
  std::string size =
      emitter.emitFunctions("_size", variants, [&](unsigned variant) {
        uint32_t program = header.variants[variant].program;
        return !(program ? header.otherPrograms[program - 1] : header).noSizing;
      });
  Type pointer = emitter.pointer, i64 = emitter.b.getI64Type();
  auto type = LLVM::LLVMStructType::getLiteral(
      &context,
      {i64, pointer, i64, pointer, i64, pointer, pointer, pointer, i64});
  static_assert(sizeof(dlc_embedded_model) == 9 * 8);
  emitter.emitAggregate(
      "", type, LLVM::Linkage::External, 9, [&](unsigned i) -> Value {
        switch (i) {
        case 0:
          return emitter.integer(sizeof(dlc_embedded_model));
        case 1:
          return emitter.address(headerName);
        case 2:
          return emitter.integer(encoded.size());
        case 3:
          return emitter.address(weightsName);
        case 4:
          return emitter.integer(weights.size());
        case 5:
          return emitter.address(size);
        case 6:
          return emitter.address(run);
        case 7:
          return images.empty() ? emitter.null() : emitter.address(imagesName);
        default:
          return emitter.integer(images.size());
        }
      });
  return emitObject(*module, variants.front().target);
}

std::string getEmbeddedModelHeader(StringRef symbol) {
  std::string guard = "DLC_MODEL_" + symbol.upper() + "_H";
  return "/* The model in the object file of the same name; for "
         "dlc_model_load_embedded. */\n#ifndef " +
         guard + "\n#define " + guard +
         "\n\n#include <dlc/dlc.h>\n\n#ifdef __cplusplus\nextern \"C\" {\n"
         "#endif\nextern const dlc_embedded_model " +
         symbol.str() + ";\n#ifdef __cplusplus\n}\n#endif\n\n#endif /* " +
         guard + " */\n";
}

} // namespace dlc
