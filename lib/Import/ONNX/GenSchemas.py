# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes the operator schemas of the onnx wheel as C++ tables (see Schema.h).

Arity, types of the inputs, attributes, and the serialised body of each operator
that ONNX defines as a function of other operators.

  GenSchemas.py OUT.inc
"""

import sys

import onnx
import onnx.defs

OTHER = 1 << 63  # sequences, optionals, maps
OPTIONS = ("Single", "Optional", "Variadic")


def type_mask(types):
    mask = 0
    for text in types:
        if text.startswith("tensor(") and text.endswith(")"):
            name = text[len("tensor(") : -1]
            mask |= 1 << onnx.TensorProto.DataType.Value(name.upper())
        else:
            mask |= OTHER
    return mask


class Tables:
    """Array initialisers, each distinct one written once."""

    def __init__(self):
        self.names = {}
        self.lines = []

    def array(self, kind, rows):
        if not rows:
            return "{}"
        body = ", ".join(rows)
        name = self.names.get((kind, body))
        if name is None:
            name = f"table{len(self.names)}"
            self.names[(kind, body)] = name
            self.lines.append(f"static const {kind} {name}[] = {{{body}}};")
        return name

    def body(self, schema):
        if not schema.has_function or schema.has_context_dependent_function:
            return "{}"
        # A call that leaves an attribute out gets the schema's default.
        function = onnx.FunctionProto()
        function.CopyFrom(schema.function_body)
        for attribute in schema.attributes.values():
            if attribute.default_value.type:
                function.attribute_proto.append(attribute.default_value)
        data = function.SerializeToString()
        name = f"body{len(self.lines)}"
        text = "".join(f"\\x{byte:02x}" for byte in data)
        self.lines.append(f'static const char {name}[] = "{text}";')
        return f"llvm::StringRef({name}, {len(data)})"

    def parameters(self, parameters):
        return self.array(
            "ParamSpec",
            [
                f'{{"{p.name}", "{p.type_str}", {type_mask(p.types):#x}u, '
                f"{OPTIONS.index(p.option.name)}, {str(p.is_homogeneous).lower()}}}"
                for p in parameters
            ],
        )

    def attributes(self, schema):
        return self.array(
            "AttrSpec",
            [
                f'{{"{name}", {spec.type.value}, {str(spec.required).lower()}}}'
                for name, spec in sorted(schema.attributes.items())
            ],
        )


def main():
    tables = Tables()
    rows = []
    schemas = onnx.defs.get_all_schemas_with_history()
    for schema in sorted(schemas, key=lambda s: (s.domain, s.name, s.since_version)):
        row = [
            f'"{schema.domain}"',
            f'"{schema.name}"',
            str(schema.since_version),
            str(schema.deprecated).lower(),
            *map(str, (schema.min_input, schema.max_input)),
            *map(str, (schema.min_output, schema.max_output)),
            tables.parameters(schema.inputs),
            tables.attributes(schema),
            tables.body(schema),
        ]
        rows.append("{" + ", ".join(row) + "}")
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        file.write("// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception\n")
        file.write("// Written by GenSchemas.py from the onnx wheel.\n")
        file.write("\n".join(tables.lines) + "\n")
        file.write("static const Schema kSchemas[] = {\n" + ",\n".join(rows) + "};\n")


main()
