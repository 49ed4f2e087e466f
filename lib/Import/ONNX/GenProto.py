# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes C++ structs and a wire-format reader for the messages of onnx-ml.proto.

The descriptors come from the onnx wheel. Strings and bytes stay references into
the input, so a mapped model's weights are never copied, and no protobuf library
is linked that could clash with another one in the process (Debian's static one
is not position independent, so it could not go into a shared library either).

  GenProto.py OUT.inc
"""

import sys

from onnx import onnx_ml_pb2

# Descriptor type number -> (C++ type, reader method), which checks the wire type.
SCALARS = {
    1: ("double", "readDouble"),
    2: ("float", "readFloat"),
    3: ("int64_t", "readInt64"),
    4: ("uint64_t", "readUInt64"),
    5: ("int32_t", "readInt32"),
    9: ("llvm::StringRef", "readString"),
    12: ("llvm::StringRef", "readBytes"),
    14: ("int32_t", "readInt32"),
}
MESSAGE = 11


def camel(name):
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


def cpp_name(message):
    outer = message.containing_type
    return (cpp_name(outer) if outer else "") + message.name


def reachable(message, seen):
    """The messages below `message`, inner ones first where there is no cycle."""
    if message in seen:
        return
    seen[message] = None
    for field in message.fields:
        if field.message_type:
            reachable(field.message_type, seen)


def member(field):
    name = camel(field.name)
    if field.type == MESSAGE:
        inner = cpp_name(field.message_type)
        holder = "std::vector" if field.is_repeated else "std::unique_ptr"
        return f"  {holder}<{inner}> {name};"
    kind = SCALARS[field.type][0]
    holder = "std::vector" if field.is_repeated else "std::optional"
    return f"  {holder}<{kind}> {name};"


def case(field):
    name = f"message.{camel(field.name)}"
    if field.type == MESSAGE:
        method = "readMessages" if field.is_repeated else "readMessage"
        return f"    case {field.number}: ok = in.{method}({name}, depth); break;"
    method = SCALARS[field.type][1]
    if field.is_repeated:
        method = method.replace("read", "readRepeated")
    return f"    case {field.number}: ok = in.{method}({name}); break;"


def main():
    messages = {}
    file = onnx_ml_pb2.DESCRIPTOR
    reachable(file.message_types_by_name["ModelProto"], messages)
    out = ["// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception"]
    out.append("// Written by GenProto.py from onnx-ml.proto.")
    out.append("#ifdef GET_PROTO_DECLS")
    out += [f"struct {cpp_name(message)};" for message in messages]
    for message in messages:
        name = cpp_name(message)
        out.append(f"struct {name} {{")
        out += [member(field) for field in message.fields]
        for enum in message.enum_types:
            values = ", ".join(f"{v.name} = {v.number}" for v in enum.values)
            out.append(f"  enum {enum.name} : int32_t {{ {values} }};")
        out.append("};")
        out.append(
            f"bool parse(WireReader in, {cpp_name(message)} &message, unsigned depth);"
        )
    out.append("#endif // GET_PROTO_DECLS")
    out.append("#ifdef GET_PROTO_DEFS")
    for message in messages:
        name = cpp_name(message)
        out.append(f"bool parse(WireReader in, {name} &message, unsigned depth) {{")
        out.append("  while (in.nextField()) {")
        out.append("    bool ok = true;")
        out.append("    switch (in.field()) {")
        out += [case(field) for field in message.fields]
        out.append("    default: ok = in.skip(); break;")
        out.append("    }")
        out.append("    if (!ok) return false;")
        out.append("  }")
        out.append("  return in.atEnd();")
        out.append("}")
    out.append("#endif // GET_PROTO_DEFS")
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        file.write("\n".join(out) + "\n")


main()
