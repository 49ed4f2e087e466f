# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Transposes with dims too narrow for tiles: their values, and how often kernels
touch sectors of global memory and banks of shared memory."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from conftest import run_in_child
from onnx import helper, numpy_helper
from test_gpu_counters import MOST_SECTORS, MOST_WAVEFRONTS, SECTOR, run_model
from test_operators import typed

import dlc

pytestmark = pytest.mark.usefixtures("compiler", "simulator")

LAST, FIRST = [0, 2, 3, 1], [0, 3, 1, 2]
# Images whose pixels are whole vectors, and whose are not; matrices of narrow sides;
# rows between narrow dims; pixels that trade places with channels.
SHAPES = [
    ((1, 56, 56, 3), FIRST),
    ((1, 3, 56, 56), LAST),
    ((2, 57, 43, 3), FIRST),
    ((2, 3, 57, 43), LAST),
    ((1, 64, 64, 4), FIRST),
    ((1, 6, 64, 64), LAST),
    ((2, 32, 32, 8), FIRST),
    ((1, 15, 48, 48), LAST),
    ((1, 48, 48, 12), FIRST),
    ((500, 7, 5), [0, 2, 1]),
    ((500, 8, 4), [0, 2, 1]),
    ((300, 3, 5, 7), [0, 3, 2, 1]),
    ((200, 6, 9), [0, 2, 1]),
    ((99, 15, 15), [0, 2, 1]),
    ((100, 12, 14), [0, 2, 1]),
    ((50, 5, 64), [0, 2, 1]),
    ((50, 64, 5), [0, 2, 1]),
    ((10, 3, 100, 5), [0, 3, 2, 1]),
    ((2, 4, 2, 2, 32, 32), [0, 1, 4, 2, 5, 3]),
    ((2, 4, 32, 2, 32, 2), [0, 1, 3, 5, 2, 4]),
]
# Elements of all sizes for an image and for matrices.
CASES = [(*case, kind) for case in SHAPES for kind in ("float32", "float16")]
CASES += [(*SHAPES[i], kind) for i in (0, 2, 9) for kind in ("uint8", "int64")]
# Element types before and after a cast on either side of the transpose.
CASTS = [
    ((1, 56, 56, 3), FIRST, "uint8", "float32"),
    ((1, 56, 56, 3), FIRST, "uint8", "float16"),
    ((1, 3, 56, 56), LAST, "float32", "float16"),
    ((1, 3, 56, 56), LAST, "uint8", "float32"),
    ((2, 57, 43, 3), FIRST, "uint8", "float32"),
]


def values(shape: tuple[int, ...], kind: str) -> np.ndarray:
    rng = np.random.default_rng(len(shape))
    if np.dtype(kind).kind in "iu":
        return rng.integers(0, 200, shape).astype(kind)
    return rng.standard_normal(shape).astype(kind)


def build(nodes, x: np.ndarray, kind: str, free=(), constants=None):
    """y from x by `nodes`; dims `free` of x are known to the run alone."""
    shape = [f"d{i}" if i in free else n for i, n in enumerate(x.shape)]
    types = [helper.np_dtype_to_tensor_dtype(np.dtype(k)) for k in (x.dtype, kind)]
    graph = helper.make_graph(
        nodes,
        "transpose",
        [helper.make_tensor_value_info("x", types[0], shape)],
        [helper.make_tensor_value_info("y", types[1], None)],
        [numpy_helper.from_array(v, k) for k, v in (constants or {}).items()],
    )
    opset = [helper.make_opsetid("", 20)]
    return typed(helper.make_model(graph, opset_imports=opset, ir_version=9))


def transpose(perm, source="x", result="y"):
    return helper.make_node("Transpose", [source], [result], perm=perm)


def cast(kind: str, source: str, result: str):
    to = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    return helper.make_node("Cast", [source], [result], to=to)


def check(model, x: np.ndarray, expected: np.ndarray, file) -> None:
    counters, outputs = run_model(model, {"x": x}, file)
    np.testing.assert_array_equal(outputs["y"], expected)
    ideal = -(-x.nbytes // SECTOR) - (-expected.nbytes // SECTOR)
    ratio = counters["global_sectors"] / ideal
    assert ratio <= MOST_SECTORS, f"{ratio:.2f} times the sectors of the data"
    assert counters["shared_ideal"] > 0
    ratio = counters["shared_wavefronts"] / counters["shared_ideal"]
    assert ratio <= MOST_WAVEFRONTS, f"{ratio:.2f} wavefronts per ideal one"


def check_transpose(shape, perm, kind: str, free, file) -> None:
    x = values(shape, kind)
    check(build([transpose(perm)], x, kind, free), x, x.transpose(perm), file)


def check_cast(shape, perm, before: str, after: str, is_first: bool, file) -> None:
    x = values(shape, before)
    nodes = [transpose(perm, "x", "t"), cast(after, "t", "y")]
    if is_first:
        nodes = [cast(after, "x", "t"), transpose(perm, "t", "y")]
    expected = x.transpose(perm).astype(after)
    check(build(nodes, x, after), x, expected, file)


def check_fused(shape, perm, free) -> None:
    """Values where other ops stand on both sides."""
    os.environ["PTXSIM_RACE"] = "1"
    x = values(shape, "float32")
    rank = len(shape)
    scale = values(tuple(n if i == rank - 1 else 1 for i, n in enumerate(shape)), "f")
    moved = tuple(shape[i] if i > 0 else 1 for i in perm)
    bias = values(moved, "float32") if not free else np.float32([0.5])
    nodes = [
        helper.make_node("Mul", ["x", "scale"], ["a"]),
        transpose(perm, "a", "b"),
        helper.make_node("Add", ["b", "bias"], ["y"]),
    ]
    model = build(nodes, x, "float32", free, {"scale": scale, "bias": bias})
    result = dlc.compile(model, device="ptxsim").run({"x": x})["y"]
    expected = (x * scale).transpose(perm) + bias
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-6)


def check_sliced(shape, perm) -> None:
    """Values where the transpose reads a part of its input, backwards."""
    os.environ["PTXSIM_RACE"] = "1"
    x = values(shape, "float32")
    parts = {"s": [-1], "e": [0], "a": [len(shape) - 2], "t": [-1]}
    nodes = [
        helper.make_node("Slice", ["x", *parts], ["part"]),
        transpose(perm, "part"),
    ]
    constants = {k: np.array(v) for k, v in parts.items()}
    model = build(nodes, x, "float32", (), constants)
    result = dlc.compile(model, device="ptxsim").run({"x": x})["y"]
    expected = x[..., :0:-1, :].transpose(perm)
    np.testing.assert_array_equal(result, expected)


def check_reversed(shape, perm, is_before: bool, free) -> None:
    """Values where what an op computes is read backwards, before the transpose or
    behind it."""
    os.environ["PTXSIM_RACE"] = "1"
    x = values(shape, "float32")
    parts = {"s": [-1], "e": [-10000], "a": [len(shape) - 1], "t": [-1]}
    turn = ["u", *parts] if is_before else ["v", *parts]
    nodes = [
        helper.make_node("Neg", ["x"], ["u"]),
        helper.make_node("Slice", turn, ["v" if is_before else "y"]),
        transpose(perm, "v" if is_before else "u", "y" if is_before else "v"),
    ]
    nodes = nodes if is_before else [nodes[0], nodes[2], nodes[1]]
    constants = {k: np.array(v) for k, v in parts.items()}
    model = build(nodes, x, "float32", free, constants)
    result = dlc.compile(model, device="ptxsim").run({"x": x})["y"]
    expected = -(
        x[..., ::-1].transpose(perm) if is_before else x.transpose(perm)[..., ::-1]
    )
    np.testing.assert_array_equal(result, expected)


NAMES = ["x".join(map(str, shape)) for shape, _ in SHAPES]


@pytest.mark.parametrize(("shape", "perm", "kind"), CASES)
def test_narrow_transposes(shape, perm, kind, tmp_path):
    file = tmp_path / "counters.json"
    run_in_child(check_transpose, shape, perm, kind, (), file, start="spawn")


@pytest.mark.parametrize("kind", ["float32", "float16"])
@pytest.mark.parametrize(
    ("shape", "perm", "free"),
    [
        ((1, 64, 64, 3), FIRST, (0, 1, 2)),
        ((1, 3, 57, 43), LAST, (0, 2, 3)),
        ((2, 4, 64, 64), LAST, (0, 2, 3)),
        ((3, 56, 56, 3), FIRST, (0,)),
        ((500, 7, 5), [0, 2, 1], (0,)),
        ((60, 3, 16, 5), [0, 3, 2, 1], (0,)),
    ],
)
def test_narrow_transposes_of_unknown_sizes(shape, perm, free, kind, tmp_path):
    file = tmp_path / "counters.json"
    run_in_child(check_transpose, shape, perm, kind, free, file, start="spawn")


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize(("shape", "perm", "before", "after"), CASTS)
def test_narrow_transposes_with_casts(shape, perm, before, after, is_first, tmp_path):
    file = tmp_path / "counters.json"
    arguments = (shape, perm, before, after, is_first, file)
    run_in_child(check_cast, *arguments, start="spawn")


@pytest.mark.parametrize(("shape", "perm"), SHAPES, ids=NAMES)
def test_ops_around_narrow_transposes(shape, perm):
    run_in_child(check_fused, shape, perm, (), start="spawn")
    run_in_child(check_fused, shape, perm, (0,), start="spawn")


@pytest.mark.parametrize(("shape", "perm"), SHAPES, ids=NAMES)
def test_slices_before_narrow_transposes(shape, perm):
    run_in_child(check_sliced, shape, perm, start="spawn")


@pytest.mark.parametrize("free", [(), (1, 2)])
@pytest.mark.parametrize("is_before", [True, False])
@pytest.mark.parametrize(
    ("shape", "perm"), [((1, 48, 64, 3), FIRST), ((2, 33, 31, 3), FIRST)]
)
def test_reversed_beside_narrow_transposes(shape, perm, is_before, free):
    run_in_child(check_reversed, shape, perm, is_before, free, start="spawn")


def check_tiles(shape, perm, before: str, after: str, width: int, file) -> None:
    """Sectors and wavefronts of tiles, and accesses that move `width` elements."""
    x = values(shape, before)
    nodes = [transpose(perm, "x", "t"), cast(after, "t", "y")]
    if before == after:
        nodes = [transpose(perm)]
    expected = x.transpose(perm).astype(after)
    check(build(nodes, x, after), x, expected, file)
    counters = json.loads(file.read_text())
    assert counters["global_accesses"] * 32 * width <= 2.2 * x.size


@pytest.mark.parametrize(
    ("shape", "perm", "before", "after", "width"),
    [
        ((3, 128, 192), [0, 2, 1], "float32", "float32", 4),
        ((3, 128, 192), [0, 2, 1], "float16", "float16", 8),
        ((64, 3, 192), [2, 1, 0], "float16", "float16", 8),
        ((128, 192), [1, 0], "uint8", "uint8", 8),
        ((128, 192), [1, 0], "int64", "int64", 1),
        ((128, 192), [1, 0], "uint8", "float32", 4),
        ((120, 200), [1, 0], "float32", "float16", 4),
    ],
)
def test_tiles(shape, perm, before, after, width, tmp_path):
    arguments = (shape, perm, before, after, width, tmp_path / "counters.json")
    run_in_child(check_tiles, *arguments, start="spawn")
