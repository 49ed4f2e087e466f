// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// ONNX's operator schemas, as GenSchemas.py writes them from the onnx wheel.
#ifndef DLC_LIB_IMPORT_ONNX_SCHEMA_H
#define DLC_LIB_IMPORT_ONNX_SCHEMA_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>

namespace dlc::onnx {

/// The newest opset of ai.onnx that the tables know and the oldest that is
/// imported.
inline constexpr int64_t kNewestOpset = 28, kOldestOpset = 7;
/// The newest version of the file format.
inline constexpr int64_t kNewestIr = 14;

enum class ParamKind : int { Single, Optional, Variadic };

/// One formal input. `types` has bit d set where TensorProto data type d is
/// allowed; bit 63 stands for sequences, optionals and maps. Inputs with the
/// same `typeName` have the same type.
struct ParamSpec {
  llvm::StringLiteral name, typeName;
  uint64_t types;
  int kind;
  bool homogeneous;
};

/// `type` is an AttributeProto::AttributeType.
struct AttrSpec {
  llvm::StringLiteral name;
  int32_t type;
  bool required;
};

struct Schema {
  llvm::StringLiteral domain, name;
  int64_t since;
  bool deprecated;
  int minInputs, maxInputs, minOutputs, maxOutputs;
  llvm::ArrayRef<ParamSpec> inputs;
  llvm::ArrayRef<AttrSpec> attributes;
  /// A serialised FunctionProto, or empty.
  llvm::StringRef body;

  const AttrSpec *findAttribute(llvm::StringRef attribute) const;
};

/// The newest schema of the operator with since <= version, or null.
const Schema *findSchema(llvm::StringRef domain, llvm::StringRef name,
                         int64_t version);
/// Whether any version of the operator exists.
bool isKnownOperator(llvm::StringRef domain, llvm::StringRef name);
/// Whether any schema is of that domain.
bool isKnownDomain(llvm::StringRef domain);

} // namespace dlc::onnx

#endif // DLC_LIB_IMPORT_ONNX_SCHEMA_H
