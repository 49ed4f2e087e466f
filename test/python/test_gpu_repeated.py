# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Elementwise ops with operands that repeat, slices and concats at odd places, and
elements of one byte: values, and how kernels reach global and shared memory."""

from __future__ import annotations

import os

import numpy as np
import pytest
from conftest import run_in_child
from onnx import helper
from test_gpu_counters import MOST_SECTORS, MOST_WAVEFRONTS, SECTOR, run_model
from test_operators import OpCase, i64, typed

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


# Rows of slices that begin where no access of 16 bytes may, and are whole accesses
# themselves or not.
SLICES = [
    ((90, 128), (5, 7), (85, 103)),
    ((90, 1000), (0, 1), (90, 998)),
    ((90, 1001), (0, 3), (90, 999)),
    ((5, 18, 77), (1, 2, 0), (5, 18, 77)),
    ((5, 18, 400), (1, 2, 13), (5, 18, 399)),
]


def check_slice(shape, starts, ends, kind: str, file) -> None:
    x = random(shape, kind)
    inputs = [x, i64(*starts), i64(*ends)]
    case = OpCase("slice", "Slice", inputs, constants=2)
    counters, outputs = run_model(case.model(False), case.feeds(), file)
    result = outputs["y0"]
    place = tuple(slice(a, b) for a, b in zip(starts, ends, strict=True))
    np.testing.assert_array_equal(result, x[place])
    ratio = counters["global_sectors"] / (2 * result.nbytes / SECTOR)
    assert ratio <= MOST_SECTORS, f"{ratio:.2f} times the sectors of the data"


# What is joined along which axis.
CONCATS = [
    ([(40, 101), (40, 57)], 1),
    ([(2, 33, 7, 7), (2, 31, 7, 7), (2, 1, 7, 7)], 1),
    ([(33, 77), (41, 77)], 0),
    ([(3, 5, 900), (3, 6, 900), (3, 1, 900)], 1),
    ([(1, 9999), (1, 10001)], 1),
]


def check_concat(shapes, axis: int, kind: str, is_unknown: bool, file) -> None:
    if is_unknown:
        os.environ["PTXSIM_RACE"] = "1"
    names = ["x", *(f"z{i}" for i in range(1, len(shapes)))]
    inputs = {n: random(s, kind) for n, s in zip(names, shapes, strict=True)}
    nodes = [
        helper.make_node("Concat", names, ["c"], axis=axis),
        helper.make_node("Neg", ["c"], ["y"]),
    ]
    model = build(inputs, nodes, False)
    if is_unknown:
        for i, value in enumerate(model.graph.input):
            for j, dim in enumerate(value.type.tensor_type.shape.dim):
                dim.dim_param = f"d{j}_{i if j == axis else 0}"
        model.graph.output[0].type.tensor_type.ClearField("shape")
        model = typed(model)
    counters, outputs = run_model(model, inputs, file)
    result = outputs["y"]
    np.testing.assert_array_equal(result, -np.concatenate([*inputs.values()], axis))
    ratio = counters["global_sectors"] / (2 * result.nbytes / SECTOR)
    assert ratio <= MOST_SECTORS, f"{ratio:.2f} times the sectors of the data"
    if counters["shared_ideal"]:
        ratio = counters["shared_wavefronts"] / counters["shared_ideal"]
        assert ratio <= MOST_WAVEFRONTS, f"{ratio:.2f} wavefronts per ideal one"


def check_gate() -> None:
    """Two slices of rows, as in gated linear units, and an operand that repeats."""
    os.environ["PTXSIM_RACE"] = "1"
    inputs = {"x": random((21, 146), "float32"), "z": random((73,), "float32")}
    nodes = [
        helper.make_node("Split", ["x"], ["a", "b"], axis=1, num_outputs=2),
        helper.make_node("Sigmoid", ["b"], ["g"]),
        helper.make_node("Mul", ["a", "g"], ["p"]),
        helper.make_node("Add", ["p", "z"], ["y"]),
    ]
    model = build(inputs, nodes, False)
    result = dlc.compile(model, device="ptxsim").run(inputs)["y"]
    a, b = np.split(inputs["x"], 2, axis=1)
    expected = a / (1 + np.exp(-b)) + inputs["z"]
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


def check_bytes(op: str, kind: str, file) -> None:
    pair = [np.random.default_rng(i).integers(0, 2, (3, 1024)) for i in (0, 1)]
    case = OpCase("bytes", op, [x.astype(kind) for x in pair])
    counters, outputs = run_model(case.model(False), case.feeds(), file)
    expected = np.logical_and(*pair) if op == "And" else sum(pair)
    np.testing.assert_array_equal(outputs["y0"], expected)
    # Of 16 bytes each.
    assert counters["global_accesses"] == 3 * 3 * 1024 // 16 // 32


@pytest.mark.parametrize("kind", ["float32", "float16"])
@pytest.mark.parametrize(("shape", "starts", "ends"), SLICES)
def test_odd_slices(shape, starts, ends, kind, tmp_path):
    file = tmp_path / "counters.json"
    run_in_child(check_slice, shape, starts, ends, kind, file, start="spawn")


@pytest.mark.parametrize("is_unknown", [False, True])
@pytest.mark.parametrize("kind", ["float32", "float16"])
@pytest.mark.parametrize(("shapes", "axis"), CONCATS)
def test_odd_concats(shapes, axis, kind, is_unknown, tmp_path):
    file = tmp_path / "counters.json"
    arguments = (shapes, axis, kind, is_unknown, file)
    run_in_child(check_concat, *arguments, start="spawn")


def test_slices_that_meet():
    run_in_child(check_gate, start="spawn")


@pytest.mark.parametrize(
    ("op", "kind"), [("Add", "uint8"), ("Add", "int8"), ("And", "bool")]
)
def test_accesses_of_bytes(op, kind, tmp_path):
    run_in_child(check_bytes, op, kind, tmp_path / "counters.json", start="spawn")
