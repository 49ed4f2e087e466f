# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Code for GPUs of the vector path on the simulator, which reports races: windows
over channels-last images, scans, sorting, arg-reductions and scatters, beside ONNX
Runtime or numpy, over sizes that fill no tile evenly, element types, ties and NaN."""

from __future__ import annotations

import os

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from conftest import run_in_child
from onnx import ValueInfoProto, helper, numpy_helper

import dlc
from common import relative_error, rng_for

pytestmark = pytest.mark.usefixtures("compiler", "simulator")
TOLERANCES = {np.dtype(np.float16): 2e-3}


def values(name: str, shape, dtype=np.float32) -> np.ndarray:
    rng = rng_for(name, 0)
    if np.dtype(dtype).kind in "iu":
        return rng.integers(-50, 50, shape).astype(dtype)
    return rng.standard_normal(shape).astype(dtype)


def image_model(op: str, inputs, attributes: dict, epilogue: str = "", dynamic=()):
    """`op` with a channels-last first input and result; the others are weights."""
    image = inputs[0]
    spatial = list(range(2, image.ndim))
    to_first = [0, image.ndim - 1, *range(1, image.ndim - 1)]
    kind = helper.np_dtype_to_tensor_dtype(image.dtype)
    shape = [f"n{d}" if d in dynamic else s for d, s in enumerate(image.shape)]
    weights = [numpy_helper.from_array(w, f"w{k}") for k, w in enumerate(inputs[1:])]
    names = ["first", *(w.name for w in weights)]
    nodes = [
        helper.make_node("Transpose", ["x"], ["first"], perm=to_first),
        helper.make_node(op, names, ["made"], **attributes),
    ]
    last = "made"
    if epilogue:
        nodes.append(helper.make_node(epilogue, [last], ["after"]))
        last = "after"
    to_last = [0, *spatial, 1]
    nodes.append(helper.make_node("Transpose", [last], ["y"], perm=to_last))
    graph = helper.make_graph(
        nodes,
        "image",
        [helper.make_tensor_value_info("x", kind, shape)],
        [ValueInfoProto(name="y")],
        weights,
    )
    opset = helper.make_opsetid("", 20)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=10)
    return onnx.shape_inference.infer_shapes(model, strict_mode=True)


def line_model(
    op: str, inputs, attributes: dict, outputs: int, constants: int, dynamic
):
    """`op` alone; its last `constants` inputs are initializers."""
    names = [f"x{k}" for k in range(len(inputs))]
    split = len(inputs) - constants
    given = []
    for name, value in zip(names[:split], inputs[:split], strict=True):
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        shape = [f"{name}n{d}" if dynamic else s for d, s in enumerate(value.shape)]
        if op == "ScatterND":
            shape[-1] = value.shape[-1]  # of indices: the rank depends on it
        given.append(helper.make_tensor_value_info(name, kind, shape))
    weights = [
        numpy_helper.from_array(v, n)
        for n, v in zip(names[split:], inputs[split:], strict=True)
    ]
    results = [f"y{k}" for k in range(outputs)]
    graph = helper.make_graph(
        [helper.make_node(op, names, results, **attributes)],
        "line",
        given,
        [ValueInfoProto(name=r) for r in results],
        weights,
    )
    opset = helper.make_opsetid("", 20)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=10)
    return onnx.shape_inference.infer_shapes(model, strict_mode=True)


def run_line(op, inputs, attributes=None, outputs=1, constants=0, dynamic=False):
    os.environ["PTXSIM_RACE"] = "1"
    model = line_model(op, inputs, attributes or {}, outputs, constants, dynamic)
    feeds = {f"x{k}": v for k, v in enumerate(inputs[: len(inputs) - constants])}
    results = dlc.compile(model, device="ptxsim").run(feeds)
    return [results[f"y{k}"] for k in range(outputs)]


def check_images(cases) -> None:
    os.environ["PTXSIM_RACE"] = "1"
    for name, op, inputs, attributes, *rest in cases:
        model = image_model(op, inputs, attributes, *rest)
        feeds = {"x": inputs[0]}
        session = ort.InferenceSession(model.SerializeToString())
        reference = session.run(["y"], feeds)[0]
        result = dlc.compile(model, device="ptxsim").run(feeds)["y"]
        assert result.dtype == reference.dtype
        tolerance = TOLERANCES.get(result.dtype, 1e-5)
        error = relative_error(result.astype(np.float32), reference.astype(np.float32))
        assert error <= tolerance, f"{name}: {error:.1e}"


POOL_SHAPES = [
    ("vectors", (2, 11, 13, 16), {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    ("halves", (1, 9, 10, 6), {"kernel_shape": [2, 3], "strides": [2, 1]}),
    ("singles", (1, 9, 10, 5), {"kernel_shape": [3, 3], "strides": [2, 2]}),
    ("ceil", (1, 12, 11, 8), dict(kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)),
    ("wide", (1, 5, 24, 8), {"kernel_shape": [2, 13], "pads": [0, 6, 0, 6]}),
    ("line", (2, 33, 12), {"kernel_shape": [4], "strides": [3], "pads": [1, 2]}),
    ("volume", (1, 5, 6, 7, 4), {"kernel_shape": [2, 3, 2]}),
    # Large enough for several pixels of a thread.
    ("many", (1, 72, 61, 128), {"kernel_shape": [3, 3], "pads": [1, 0, 1, 1]}),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("op", ["MaxPool", "AveragePool", "LpPool"])
def test_pool(op, dtype):
    cases = []
    for name, shape, attributes in POOL_SHAPES:
        if op == "LpPool" and ("ceil_mode" in attributes or dtype == np.float16):
            continue
        cases.append((name, op, [values(name, shape, dtype)], attributes))
    image = values("dilated", (1, 14, 15, 12), dtype)
    if op == "MaxPool":
        attributes = {"kernel_shape": [3, 3], "dilations": [2, 3]}
        cases.append(("dilated", op, [image], attributes, "Relu"))
    if op == "AveragePool":
        attributes = {"kernel_shape": [3, 3], "pads": [1] * 4, "count_include_pad": 1}
        cases.append(("counted", op, [image], attributes, "Relu", (0, 1, 2)))
    run_in_child(check_images, cases)


def conv_case(name, image, weights, dtype=np.float32, op="Conv", **attributes):
    channels = weights[0]
    if op == "ConvTranspose":
        channels = weights[1] * attributes.get("group", 1)
    inputs = [
        values(f"{name}{k}", shape, dtype)
        for k, shape in enumerate([image, weights, (channels,)])
    ]
    return name, op, inputs, attributes


DEPTHWISE = [
    (("3x3", (2, 11, 13, 16), (16, 1, 3, 3)), dict(group=16, pads=[1] * 4)),
    (("5x5", (1, 14, 15, 12), (12, 1, 5, 5)), dict(group=12, strides=[2, 2])),
    (("11x11", (1, 14, 15, 8), (8, 1, 11, 11)), dict(group=8, pads=[5] * 4)),
    (("odd", (1, 9, 10, 7), (7, 1, 3, 3)), dict(group=7, dilations=[2, 1])),
    (("twice", (1, 9, 10, 6), (12, 1, 3, 3)), dict(group=6)),
    (("thrice", (1, 9, 10, 4), (12, 1, 3, 3)), dict(group=4, pads=[1] * 4)),
    (("small-groups", (1, 9, 10, 32), (32, 4, 3, 3)), dict(group=8, pads=[1] * 4)),
    (("uneven-groups", (1, 9, 10, 12), (10, 6, 3, 2)), dict(group=2, strides=[2, 1])),
    (("line", (1, 37, 24), (24, 1, 4)), dict(group=24, pads=[3, 0])),
    (("many", (1, 72, 61, 128), (128, 1, 3, 3)), dict(group=128, pads=[1, 0, 1, 1])),
    (("many-2", (1, 98, 90, 128), (128, 1, 5, 5)), dict(group=128, strides=[1, 2])),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_direct_conv(dtype):
    cases = []
    for arguments, attributes in DEPTHWISE:
        case = conv_case(*arguments, dtype=dtype, **attributes)
        cases += [(*case, "Relu")]
        if arguments[0] in ("3x3", "5x5", "small-groups"):
            cases += [(*case, "", (0, 1, 2))]
    run_in_child(check_images, cases)


TRANSPOSED = [
    (("2x2", (1, 7, 8, 6), (6, 8, 2, 2)), dict(strides=[2, 2])),
    (("4x4", (2, 7, 5, 8), (8, 12, 4, 4)), dict(strides=[2, 2], pads=[1] * 4)),
    (
        ("uneven", (1, 7, 8, 6), (6, 5, 4, 3)),
        dict(strides=[2, 3], pads=[1, 0, 1, 1], output_padding=[1, 0]),
    ),
    (("grouped", (1, 5, 5, 8), (8, 4, 3, 3)), dict(group=2, strides=[3, 1])),
    (("depthwise", (1, 6, 5, 8), (8, 1, 3, 3)), dict(group=8, strides=[2, 2])),
    (("dilated", (1, 6, 5, 4), (4, 8, 3, 3)), dict(dilations=[2, 2], strides=[2, 1])),
    (("line", (1, 9, 4), (4, 8, 5)), dict(strides=[3], pads=[2, 1])),
]


def test_transposed_conv():
    cases = []
    for arguments, attributes in TRANSPOSED:
        case = conv_case(*arguments, op="ConvTranspose", **attributes)
        cases.append((*case, "Relu", (0, 1) if arguments[0] == "4x4" else ()))
    run_in_child(check_images, cases)


def scan_reference(x, axis, exclusive, reverse) -> np.ndarray:
    x = np.flip(x, axis) if reverse else x
    wide = x.astype(np.float64) if x.dtype.kind == "f" else x
    total = np.cumsum(wide, axis)
    total = total - wide if exclusive else total
    total = np.flip(total, axis) if reverse else total
    return total.astype(x.dtype)


def check_scans(dtype) -> None:
    shapes = [((3, length), 1) for length in (1, 5, 31, 64, 127, 1000, 1025, 3000)]
    shapes += [((5, 7, 4), 1), ((70, 3), 0), ((2, 100, 37), 1), ((600, 2, 3), 0)]
    for number, (shape, axis) in enumerate(shapes):
        x = values(f"scan{shape}", shape, dtype)
        exclusive, reverse = number % 2, number // 2 % 2
        attributes = {"exclusive": exclusive, "reverse": reverse}
        reference = scan_reference(x, axis, exclusive, reverse)
        for dynamic in (False, True):
            inputs = [x, np.array(axis)]
            result = run_line("CumSum", inputs, attributes, 1, 1, dynamic)[0]
            if x.dtype.kind == "f":
                # A sum of n terms in any order: n ulps of the sum of magnitudes.
                bound = np.finfo(dtype).eps * np.abs(x).sum(axis, keepdims=True)
                assert (np.abs(result - reference) <= 8 * bound).all(), shape
            else:
                np.testing.assert_array_equal(result, reference, str(shape))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64])
def test_scan(dtype):
    run_in_child(check_scans, dtype)


def with_ties(name: str, shape, dtype) -> np.ndarray:
    """Few different values, and for floats NaN, zeros of both signs, infinities."""
    rng = rng_for(name, 1)
    if np.dtype(dtype).kind != "f":
        return rng.integers(0, 4, shape).astype(dtype)
    choices = np.array([0.0, -0.0, 1.5, -2.0, np.inf, -np.inf, np.nan, 3.0])
    return rng.choice(choices, shape).astype(dtype)


def sort_reference(x, k, axis, largest) -> tuple[np.ndarray, np.ndarray]:
    """NaN is the largest value; ties keep the lower index first."""
    _, rank = np.unique(x, return_inverse=True)  # NaN last, zeros equal
    rank = rank.reshape(x.shape)
    order = np.argsort(-rank if largest else rank, axis, kind="stable")
    order = np.take(order, np.arange(k), axis)
    return np.take_along_axis(x, order, axis), order


def check_sorts(dtype) -> None:
    shapes = [
        ((5, 2), 1, 2),
        ((3, 19), 5, 1),
        ((67, 8), 8, 1),
        ((2, 128), 128, 1),
        ((3, 100), 1, 1),
        ((2, 1000), 7, 1),
        ((1, 2500), 40, 1),
        ((1, 2048), 2048, 1),
        ((9, 3, 4), 6, 0),
        # Longer than shared memory.
        ((2, 4500), 4500, 1),
        ((9000, 1), 8000, 0),
    ]
    shapes[0] = ((5, 2), 2, 1)
    for number, (shape, k, axis) in enumerate(shapes):
        for tied in (True, False):
            make = with_ties if tied else values
            x = make(f"sort{shape}", shape, dtype)
            attributes = {"axis": axis, "largest": number % 2, "sorted": 1}
            wanted = sort_reference(x, k, axis, number % 2)
            for dynamic in (False, True):
                inputs = [x, np.array([k])]
                result = run_line("TopK", inputs, attributes, 2, 1, dynamic)
                np.testing.assert_array_equal(result[1], wanted[1], f"{shape} {k}")
                np.testing.assert_array_equal(result[0], wanted[0], f"{shape} {k}")


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64, np.uint8])
def test_sort(dtype):
    run_in_child(check_sorts, dtype)


def arg_reference(x, axis, largest, last) -> np.ndarray:
    """A NaN beats every number; of equal elements the first, or the last, wins."""
    flipped = np.flip(x, axis) if last else x
    place = (np.argmax if largest else np.argmin)(flipped, axis)
    return x.shape[axis] - 1 - place if last else place


def check_arg_reductions(dtype) -> None:
    shapes = [
        ((4, 7), 1),
        ((3, 33, 5), 1),
        ((2, 1500), 1),
        ((300, 6), 0),
        ((3, 8, 40), 2),
    ]
    for shape, axis in shapes:
        for tied in (True, False):
            x = (with_ties if tied else values)(f"arg{shape}", shape, dtype)
            for largest in (True, False):
                for last in (0, 1):
                    attributes = {
                        "axis": axis,
                        "keepdims": 0,
                        "select_last_index": last,
                    }
                    op = "ArgMax" if largest else "ArgMin"
                    result = run_line(op, [x], attributes)[0]
                    wanted = arg_reference(x, axis, largest, last)
                    message = f"{op} {shape} {last}"
                    np.testing.assert_array_equal(result, wanted, message)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int32])
def test_arg_reductions(dtype):
    run_in_child(check_arg_reductions, dtype)


# Rows in registers, in shared memory besides, and longer than both.
ROW_SHAPES = [
    ((33, 50), 1),
    ((3, 5001), 1),
    ((2, 12000), 1),
    ((2, 20000), 1),
    ((1, 34000), 1),
    ((1, 45000), 1),
    ((2, 3, 400, 5), 2),
    ((1, 1300, 33), 1),
]


def row_reference(op: str, x: np.ndarray, axis: int) -> np.ndarray:
    x = x.astype(np.float64)
    if op == "LayerNormalization":
        x = x - x.mean(axis, keepdims=True)
        return x / np.sqrt((x * x).mean(axis, keepdims=True) + 1e-5)
    x = x - x.max(axis, keepdims=True)
    total = np.exp(x).sum(axis, keepdims=True)
    return x - np.log(total) if op == "LogSoftmax" else np.exp(x) / total


def check_rows(dtype) -> None:
    for shape, axis in ROW_SHAPES:
        x = values(f"rows{shape}", shape, dtype)
        ops = ["Softmax", "LogSoftmax"]
        if axis + 1 == len(shape):
            ops.append("LayerNormalization")
        for op in ops:
            scale = [np.ones(shape[-1], dtype)] if op == "LayerNormalization" else []
            wanted = row_reference(op, x, axis)
            for dynamic in (False, True):
                result = run_line(
                    op, [x, *scale], {"axis": axis}, 1, len(scale), dynamic
                )[0]
                error = relative_error(result.astype(np.float64), wanted)
                tolerance = TOLERANCES.get(np.dtype(dtype), 1e-5)
                assert error <= tolerance, f"{op} {shape} {dynamic}: {error:.1e}"


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
def test_rows(dtype):
    run_in_child(check_rows, dtype)


REDUCE = {
    "none": lambda old, new: new,
    "add": lambda old, new: old + new,
    "mul": lambda old, new: old * new,
    "min": np.minimum,
    "max": np.maximum,
}


def scatter_reference(op, dest, indices, updates, kind, axis=0) -> np.ndarray:
    """ONNX's loops, one update after another."""
    result = dest.copy()
    for place in np.ndindex(*indices.shape[: None if op == "ScatterElements" else -1]):
        if op == "ScatterElements":
            at = list(place)
            at[axis] = indices[place]
        else:
            at = indices[place]
        at = tuple(int(i) for i in at)
        result[at] = REDUCE[kind](result[at], updates[place])
    return result


def check_scatters(dtype) -> None:
    rng = rng_for("scatter", 0)
    for kind in REDUCE:
        for dest, shape, axis in [
            ((6, 5), (9, 5), 0),
            ((4, 33), (4, 70), 1),
            ((40,), (77,), 0),
            ((3, 9, 8), (2, 20, 7), 1),
        ]:
            data = values(f"dest{dest}", dest, dtype)
            updates = values(f"updates{shape}", shape, dtype)
            size = dest[axis]
            indices = rng.integers(-size, size, shape)
            wanted = scatter_reference(
                "ScatterElements", data, indices, updates, kind, axis
            )
            attributes = {"axis": axis, "reduction": kind}
            for dynamic in (False, True):
                inputs = [data, indices, updates]
                result = run_line("ScatterElements", inputs, attributes, 1, 0, dynamic)[
                    0
                ]
                np.testing.assert_array_equal(result, wanted, f"{kind} {dest}")
        for dest, count, depth in [
            ((7, 16), 12, 1),
            ((5, 6, 3), 40, 2),
            ((30,), 50, 1),
            # Enough for the threads of a block to look for them together.
            ((300,), 1100, 1),
            ((7, 24), 600, 1),
            ((5, 6, 3), 520, 2),
        ]:
            data = values(f"dest{dest}", dest, dtype)
            indices = np.stack(
                [rng.integers(0, dest[d], count) for d in range(depth)], axis=-1
            )
            updates = values(f"rows{dest}", (count, *dest[depth:]), dtype)
            wanted = scatter_reference("ScatterND", data, indices, updates, kind)
            for dynamic in (False, True):
                inputs = [data, indices, updates]
                result = run_line(
                    "ScatterND", inputs, {"reduction": kind}, 1, 0, dynamic
                )[0]
                np.testing.assert_array_equal(result, wanted, f"{kind} {dest}")


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64])
def test_scatter(dtype):
    run_in_child(check_scatters, dtype)
