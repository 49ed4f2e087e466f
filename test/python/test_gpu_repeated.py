# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Elementwise ops with operands that repeat: their values, and how kernels reach
global and shared memory."""

from __future__ import annotations

import os

import numpy as np
import pytest
from conftest import run_in_child
from onnx import helper
from test_gpu_counters import MOST_SECTORS, MOST_WAVEFRONTS, SECTOR, run_model
from test_operators import typed

import dlc

pytestmark = pytest.mark.usefixtures("compiler", "simulator")

# Operands too large for tables, or of any size where no size is known.
LARGE = [((64, 2001), (2001,)), ((40, 199, 55), (199, 55))]
UNKNOWN = [
    *LARGE,
    ((333, 77), (77,)),
    ((77, 333), (77, 1)),
    ((3, 17, 31, 31), (17, 1, 1)),
    ((2, 96, 7, 7), (2, 96, 1, 1)),
    ((2, 28, 28, 64), (2, 1, 1, 64)),
]
CASES = [(*case, False) for case in LARGE] + [(*case, True) for case in UNKNOWN]


def build(inputs: dict[str, np.ndarray], nodes, is_unknown: bool):
    """y of `nodes`; where sizes are unknown, equal ones that meet are the same."""
    rank = max(x.ndim for x in inputs.values())
    values = []
    for name, value in inputs.items():
        shape = list(value.shape)
        if is_unknown:
            first = rank - len(shape)
            shape = [n if n == 1 else f"d{first + i}" for i, n in enumerate(shape)]
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        values.append(helper.make_tensor_value_info(name, kind, shape))
    kind = helper.np_dtype_to_tensor_dtype(inputs["x"].dtype)
    result = helper.make_tensor_value_info("y", kind, None)
    graph = helper.make_graph(nodes, "repeated", values, [result])
    opset = [helper.make_opsetid("", 20)]
    return typed(helper.make_model(graph, opset_imports=opset, ir_version=9))


def random(shape: tuple[int, ...], kind: str) -> np.ndarray:
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(kind)


def check_accesses(shape, other, is_unknown: bool, kind: str, file) -> None:
    """Sectors where each operand is counted once for each use of it."""
    inputs = {"x": random(shape, kind), "z": random(other, kind)}
    model = build(inputs, [helper.make_node("Add", ["x", "z"], ["y"])], is_unknown)
    counters, outputs = run_model(model, inputs, file)
    result = outputs["y"]
    np.testing.assert_array_equal(result, inputs["x"] + inputs["z"])
    ratio = counters["global_sectors"] / (3 * -(-result.nbytes // SECTOR))
    assert ratio <= MOST_SECTORS, f"{ratio:.2f} times the sectors of the data"
    # Only what repeats is read element by element, all else by 16 bytes.
    accesses = counters["global_accesses"] * 32 / result.size
    assert accesses <= 1.3 + 2 * result.itemsize / 16
    if counters["shared_ideal"]:
        ratio = counters["shared_wavefronts"] / counters["shared_ideal"]
        assert ratio <= MOST_WAVEFRONTS, f"{ratio:.2f} wavefronts per ideal one"


def check_values(shapes, is_unknown: bool) -> None:
    """(x + cast(z)) * w, where z is of another type."""
    os.environ["PTXSIM_RACE"] = "1"
    shape, first, second = shapes
    inputs = {
        "x": random(shape, "float32"),
        "z": random(first, "float16"),
        "w": random(second, "float32"),
    }
    nodes = [
        helper.make_node("Cast", ["z"], ["v"], to=1),
        helper.make_node("Add", ["x", "v"], ["s"]),
        helper.make_node("Mul", ["s", "w"], ["y"]),
    ]
    model = build(inputs, nodes, is_unknown)
    result = dlc.compile(model, device="ptxsim").run(inputs)["y"]
    expected = (inputs["x"] + inputs["z"].astype(np.float32)) * inputs["w"]
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", ["float32", "float16"])
@pytest.mark.parametrize(("shape", "other", "is_unknown"), CASES)
def test_accesses_of_repeated_operands(shape, other, is_unknown, kind, tmp_path):
    file = tmp_path / "counters.json"
    run_in_child(check_accesses, shape, other, is_unknown, kind, file, start="spawn")


@pytest.mark.parametrize("is_unknown", [False, True])
@pytest.mark.parametrize(
    "shapes",
    [
        ((65, 1001), (1001,), (65, 1)),
        ((65, 1001), (1001,), (1001,)),
        ((65, 1), (1001,), (65, 1001)),
        ((7, 33, 35), (33, 35), (7, 1, 35)),
        ((3, 19, 5, 9), (19, 1, 1), (1, 9)),
        ((1, 39), (1, 39), (600, 1)),
        ((2, 3, 700), (3, 700), (1,)),
        ((5, 1, 40, 9), (7, 1, 9), (7, 40, 1)),
    ],
)
def test_repeated_operands(shapes, is_unknown):
    run_in_child(check_values, shapes, is_unknown, start="spawn")
