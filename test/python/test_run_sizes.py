# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Sizes that only the run's data give: right ones work, and any other brings an
error of the run that names the node, never a crash."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import run_in_child
from onnx import TensorProto, helper, numpy_helper

import dlc

HUGE = 1 << 62
WEIGHT = np.arange(6, dtype=np.float32).reshape(2, 3)


def model_of(op: str, inputs: list[str], count: int, outputs: int = 1, **attributes):
    """One node on the weight w[2, 3] and `count` numbers of the run, n."""
    names = [f"y{k}" for k in range(outputs)]
    kinds = [TensorProto.FLOAT] * outputs
    if op == "TopK":
        kinds[1] = TensorProto.INT64
    graph = helper.make_graph(
        [helper.make_node(op, inputs, names, name="sized", **attributes)],
        "sizes",
        [helper.make_tensor_value_info("n", TensorProto.INT64, [count])],
        [
            helper.make_tensor_value_info(name, kind, None)
            for name, kind in zip(names, kinds, strict=True)
        ],
        [numpy_helper.from_array(WEIGHT, "w")] if "w" in inputs else [],
    )
    opset = helper.make_opsetid("", 20)
    return helper.make_model(graph, opset_imports=[opset], ir_version=10)


MODELS = {
    "tile": lambda: model_of("Tile", ["w", "n"], 2),
    "pad": lambda: model_of("Pad", ["w", "n"], 4),
    "split": lambda: model_of("Split", ["w", "n"], 2, outputs=2, axis=1),
    "resize": lambda: model_of("Resize", ["w", "", "", "n"], 2),
    "fill": lambda: model_of("ConstantOfShape", ["n"], 2),
    "topk": lambda: model_of("TopK", ["w", "n"], 1, outputs=2),
    "reshape": lambda: model_of("Reshape", ["w", "n"], 2),
}

WRONG = [
    ("tile", [-1, 1]),
    ("tile", [HUGE, 4]),
    ("tile", [1 << 40, 1 << 40]),
    ("pad", [0, -5, 0, 0]),
    ("pad", [HUGE, 0, 0, 0]),
    ("pad", [HUGE, 0, HUGE, 0]),
    ("pad", [-HUGE, 0, HUGE, 0]),
    ("split", [-1, 4]),
    ("split", [4, -1]),
    ("split", [HUGE, HUGE]),
    ("split", [1, 1]),
    ("resize", [-1, 3]),
    ("resize", [HUGE, 3]),
    ("resize", [1 << 40, 1 << 40]),
    ("fill", [-1, 2]),
    ("fill", [1 << 40, 1 << 40]),
    ("fill", [HUGE, 4]),
    ("fill", [0, HUGE]),
    ("topk", [-1]),
    ("topk", [HUGE]),
    ("reshape", [7, 1]),
    ("reshape", [-5, 2]),
    ("reshape", [1 << 32, 1 << 32]),
    # Two factors whose product is 6 modulo 2^64.
    ("reshape", [8589934595, 6148914685509894146]),
]


def refuse(name: str, numbers: list[int]) -> None:
    model = dlc.compile(MODELS[name]())
    with pytest.raises(dlc.ShapeError, match="node 'sized'"):
        model.run({"n": np.array(numbers, np.int64)})


@pytest.mark.parametrize(("name", "numbers"), WRONG)
def test_wrong_size_is_refused(name, numbers, compiler):
    run_in_child(refuse, name, numbers)


def test_more_than_the_memory_is_a_resource_error(compiler):
    model = dlc.compile(MODELS["fill"]())
    with pytest.raises(dlc.ResourceError):
        model.run({"n": np.array([1 << 24, 1 << 23], np.int64)})


@pytest.mark.parametrize(
    ("name", "numbers", "expected"),
    [
        ("tile", [2, 2], np.tile(WEIGHT, (2, 2))),
        ("tile", [0, 2], np.zeros((0, 6), np.float32)),
        ("pad", [1, -1, 0, 2], np.pad(WEIGHT[:, 1:], ((1, 0), (0, 2)))),
        ("split", [1, 2], WEIGHT[:, :1]),
        ("fill", [2, 3], np.zeros((2, 3), np.float32)),
        ("topk", [2], WEIGHT[:, :0:-1]),
        ("reshape", [3, -1], WEIGHT.reshape(3, 2)),
    ],
)
def test_right_size(name, numbers, expected, compiler):
    results = dlc.compile(MODELS[name]()).run({"n": np.array(numbers, np.int64)})
    np.testing.assert_array_equal(results["y0"], expected)
