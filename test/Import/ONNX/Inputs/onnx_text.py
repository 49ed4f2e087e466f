# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Makes a model from the ONNX: lines of a test, in onnx.parser's language.

onnx_text.py TEST OUT.onnx [EDIT...]     EDIT: Python on the ModelProto `model`
"""

import sys

import onnx
import onnx.parser


def main():
    test, out, *edits = sys.argv[1:]
    with open(test, encoding="utf-8") as file:
        parts = (line.partition("ONNX:") for line in file)
        text = "".join(rest for _, mark, rest in parts if mark)
    model = onnx.parser.parse_model(text)
    for edit in edits:
        exec(edit, {"model": model, "onnx": onnx})
    onnx.save(model, out)


main()
