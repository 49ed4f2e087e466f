# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Norms of 16-bit floats whose squares the type does not hold."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

import dlc

pytestmark = pytest.mark.usefixtures("compiler", "simulator")


def length(x: np.ndarray) -> np.ndarray:
    return np.sqrt((x**2).sum(-1, keepdims=True))


OPERATORS = {
    "ReduceL2": length,
    "ReduceSumSquare": lambda x: (x**2).sum(-1, keepdims=True),
    "LpNormalization": lambda x: x / length(x),
}
# Rows of equal elements: how many, and which.
ROWS = {"large": (3, 300.0), "many": (2000, 20.0), "small": (3, 1e-4)}


@pytest.mark.parametrize("device", ["cpu", "ptxsim"])
@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("operator", OPERATORS)
def test_narrow_squares(operator, row, device):
    count, value = ROWS[row]
    x = np.full((4, count), value, np.float16)
    expected = OPERATORS[operator](x.astype(np.float64))
    options = {} if operator == "LpNormalization" else {"noop_with_empty_axes": 0}
    names = ["x"] if operator == "LpNormalization" else ["x", "axes"]
    half = TensorProto.FLOAT16
    graph = helper.make_graph(
        [helper.make_node(operator, names, ["y"], **options)],
        "graph",
        [helper.make_tensor_value_info("x", half, x.shape)],
        [helper.make_tensor_value_info("y", half, expected.shape)],
        [helper.make_tensor("axes", TensorProto.INT64, [1], [1])]
        if len(names) == 2
        else [],
    )
    opset = [helper.make_opsetid("", 22)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=10)
    result = dlc.compile(model, device=device).run({"x": x})["y"]
    with np.errstate(over="ignore"):
        expected = expected.astype(np.float16)
    np.testing.assert_allclose(result, expected, rtol=2e-3, atol=6e-8)
