# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How a broken model is described, and the good model that most are made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

USAGE, UNSUPPORTED, RESOURCE, INVALID = 1, 2, 3, 6


@dataclass(frozen=True)
class BadCase:
    name: str
    write: Callable[[Path], None]
    exit_code: int
    words: tuple[str, ...] = ()
    arguments: tuple[str, ...] = field(default=())


CASES: list[BadCase] = []


def bad(exit_code: int, *words: str, arguments: tuple[str, ...] = ()):
    """Registers a case: a function that gives a model, bytes, or writes files."""

    def register(make: Callable):
        def write(folder: Path) -> None:
            folder.mkdir(parents=True, exist_ok=True)
            made = make(folder) if make.__code__.co_argcount else make()
            if isinstance(made, onnx.ModelProto):
                made = made.SerializeToString()
            if made is not None:
                (folder / "model.onnx").write_bytes(made)

        name = make.__name__.strip("_")
        CASES.append(BadCase(name, write, exit_code, words, arguments))
        return make

    return register


def floats(name: str, *dims) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)


def model_of(nodes, *, inputs=None, outputs=None, weights=(), opsets=None, ir=9):
    """A model x[2, 3] -> y[2, 3], unless said otherwise."""
    graph = helper.make_graph(
        nodes,
        "bad",
        [floats("x", 2, 3)] if inputs is None else inputs,
        [floats("y", 2, 3)] if outputs is None else outputs,
        list(weights),
    )
    opsets = {"": 17} if opsets is None else opsets
    return helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid(d, v) for d, v in opsets.items()],
        ir_version=ir,
    )


def good_model() -> onnx.ModelProto:
    """A model without a fault, which the cases break."""
    weight = numpy_helper.from_array(np.ones((2, 3), np.float32), "w")
    return model_of(
        [
            helper.make_node("Add", ["x", "w"], ["sum"], name="add_w"),
            helper.make_node("Relu", ["sum"], ["y"], name="relu_1"),
        ],
        weights=[weight],
    )
