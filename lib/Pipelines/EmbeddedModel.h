// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A model as an object file, for programs that link it in.
#ifndef DLC_LIB_PIPELINES_EMBEDDEDMODEL_H
#define DLC_LIB_PIPELINES_EMBEDDEDMODEL_H

#include "Codegen.h"
#include "Target/Binary/ContainerWriter.h"

namespace dlc {

/// The C name of a model in the object file `path`: its stem, with what C does
/// not allow replaced by '_'; behind "model_" where that is no name that C and
/// C++ leave to programs (`int`, `main`, `exp`, `_x`, `1st`).
std::string getModelSymbol(llvm::StringRef path);

/// An object with the header, the weights, and the dlc_embedded_model `symbol`
/// that refers to both and to the variants' functions.
llvm::Expected<Bytes> emitEmbeddedModel(mlir::MLIRContext &context,
                                        llvm::StringRef symbol,
                                        llvm::ArrayRef<Variant> variants,
                                        const binary::Header &header,
                                        llvm::StringRef weights);

/// The C header that declares it.
std::string getEmbeddedModelHeader(llvm::StringRef symbol);

} // namespace dlc

#endif // DLC_LIB_PIPELINES_EMBEDDEDMODEL_H
