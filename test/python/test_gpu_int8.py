# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Products of 8-bit integers on tensor cores, on the simulator: exact results of
MatMulInteger and ConvInteger, quantised models against ONNX Runtime."""

from __future__ import annotations

import os
import subprocess

import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import run_in_child
from onnx import helper, numpy_helper

import dlc
from common import rng_for

pytestmark = pytest.mark.usefixtures("compiler", "simulator")
INSTRUCTION = "mma.sync.aligned.m16n8k32.row.col.s32"


def make_model(nodes, inputs, outputs, weights: dict, opset: int = 21):
    def values(tensors: dict):
        return [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), dims
            )
            for name, (kind, dims) in tensors.items()
        ]

    tensors = [numpy_helper.from_array(np.asarray(w), n) for n, w in weights.items()]
    graph = helper.make_graph(nodes, "main", values(inputs), values(outputs), tensors)
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def bytes_of(rng: np.random.Generator, kind: str, *shape: int) -> np.ndarray:
    limits = np.iinfo(kind)
    return rng.integers(limits.min, limits.max, shape, kind, endpoint=True)


def run_on_simulator(model, feeds: dict) -> np.ndarray:
    os.environ["PTXSIM_RACE"] = "1"
    return next(iter(dlc.compile(model, device="ptxsim").run(feeds).values()))


def count_instructions(tool, folder, model) -> int:
    onnx.save(model, folder / "model.onnx")
    command = [tool("dlc-compile"), folder / "model.onnx", "--target=cuda"]
    done = subprocess.run(
        [*command, "--emit=ptx", "-o", "-"], capture_output=True, text=True, check=True
    )
    return done.stdout.count(INSTRUCTION)


def wide(x: np.ndarray) -> np.ndarray:
    return x.astype(np.int64)


# A's and B's element, shape of x and w, whether the zero points are vectors.
PRODUCTS = [
    ("uint8", "int8", (37, 200), (200, 72), False),
    ("int8", "uint8", (3, 20, 65), (65, 33), False),
    ("uint8", "uint8", (70, 96), (96, 40), True),
    ("int8", "int8", (5, 2048), (2048, 64), False),
]


def make_product(case):
    a, b, x_shape, w_shape, are_vectors = case
    rng = rng_for("product", w_shape[0])
    w = bytes_of(rng, b, *w_shape)
    zero = bytes_of(rng, b, w_shape[-1] if are_vectors else 1)
    zero = zero if are_vectors else zero.reshape(())
    node = helper.make_node("MatMulInteger", ["x", "w", "zx", "zw"], ["y"])
    zeros = [x_shape[-2]] if are_vectors else []
    model = make_model(
        [node],
        {"x": (a, ("rows", *x_shape[1:])), "zx": (a, zeros)},
        {"y": ("int32", ("rows", *x_shape[1:-1], w_shape[-1]))},
        {"w": w, "zw": zero},
    )
    feeds = {
        "x": bytes_of(rng, a, *x_shape),
        "zx": bytes_of(rng, a, *zeros),
    }
    column = wide(feeds["zx"])[:, None] if are_vectors else wide(feeds["zx"])
    return model, feeds, (wide(feeds["x"]) - column) @ (wide(w) - wide(zero))


def check_product(case) -> None:
    model, feeds, expected = make_product(case)
    np.testing.assert_array_equal(run_on_simulator(model, feeds), expected)


@pytest.mark.parametrize("case", PRODUCTS, ids=str)
def test_matmul_integer(case):
    run_in_child(check_product, case)


def test_matmul_integer_takes_tensor_cores(tool, tmp_path):
    assert count_instructions(tool, tmp_path, make_product(PRODUCTS[0])[0]) > 0


def check_unknown_zeros() -> None:
    """Zero points by column, of which only the run knows how many."""
    rng = np.random.default_rng(5)
    inputs = {
        "a": ("uint8", (5, 7)),
        "b": ("uint8", (7, "n")),
        "a_zero": ("uint8", ()),
        "b_zero": ("uint8", ("n",)),
    }
    node = helper.make_node("MatMulInteger", list(inputs), ["y"])
    model = make_model([node], inputs, {"y": ("int32", (5, "n"))}, {})
    feeds = {
        "a": bytes_of(rng, "uint8", 5, 7),
        "b": bytes_of(rng, "uint8", 7, 9),
        "a_zero": np.array(3, np.uint8),
        "b_zero": bytes_of(rng, "uint8", 9),
    }
    expected = (wide(feeds["a"]) - 3) @ (wide(feeds["b"]) - wide(feeds["b_zero"]))
    np.testing.assert_array_equal(run_on_simulator(model, feeds), expected)


def test_zeros_of_unknown_number():
    run_in_child(check_unknown_zeros)


# Channels, output channels, kernel, stride, pad, groups.
CONVOLUTIONS = [
    (16, 24, 3, 1, 1, 1),
    (20, 16, 3, 2, 1, 2),
    (32, 40, 1, 1, 0, 1),
    (12, 9, 5, 1, 2, 1),
    # Pieces of 1, 2 and 8 bytes; and parts of a long sum.
    (3, 16, 7, 2, 3, 1),
    (12, 16, 3, 1, 1, 2),
    (8, 24, 3, 2, 1, 1),
    (512, 40, 3, 1, 1, 1),
]


def make_convolution(case):
    channels, outputs, kernel, stride, pad, groups = case
    rng = rng_for("convolution", case[0])
    w = bytes_of(rng, "int8", outputs, channels // groups, kernel, kernel)
    zeros = bytes_of(rng, "int8", outputs)
    x = bytes_of(rng, "uint8", 2, channels, 11, 9)
    node = helper.make_node(
        "ConvInteger", ["x", "w", "zx", "zw"], ["y"], pads=[pad] * 4, group=groups,
        strides=[stride] * 2,
    )  # fmt: skip
    model = make_model(
        [node],
        {"x": ("uint8", x.shape), "zx": ("uint8", [])},
        {"y": ("int32", (2, outputs, "height", "width"))},
        {"w": w, "zw": zeros},
    )
    feeds = {"x": x, "zx": np.array(131, np.uint8)}
    image = np.pad(wide(x) - 131, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    filters = wide(w) - wide(zeros)[:, None, None, None]
    windows = np.lib.stride_tricks.sliding_window_view(image, (kernel, kernel), (2, 3))
    windows = windows[:, :, ::stride, ::stride]
    windows = windows.reshape(2, groups, channels // groups, *windows.shape[2:])
    filters = filters.reshape(groups, outputs // groups, *filters.shape[1:])
    sums = np.einsum("ngcyxrs,gocrs->ngoyx", windows, filters)
    return model, feeds, sums.reshape(2, outputs, *sums.shape[3:])


def check_convolution(case) -> None:
    model, feeds, expected = make_convolution(case)
    np.testing.assert_array_equal(run_on_simulator(model, feeds), expected)


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_conv_integer(case):
    run_in_child(check_convolution, case)


# The first, that of an image, and the one in parts.
@pytest.mark.parametrize("case", [CONVOLUTIONS[i] for i in (0, -4, -1)], ids=str)
def test_conv_integer_takes_tensor_cores(tool, tmp_path, case):
    assert count_instructions(tool, tmp_path, make_convolution(case)[0]) > 0


def test_conv_integer_in_parts(tool, tmp_path):
    onnx.save(make_convolution(CONVOLUTIONS[-1])[0], tmp_path / "model.onnx")
    command = [tool("dlc-compile"), tmp_path / "model.onnx", "--target=cuda"]
    done = subprocess.run(
        [*command, "--to=schedule", "-o", "-"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "split_k" in done.stdout


def make_quantized(is_qdq: bool):
    """Two convolutions and a product: as QLinear operators, or the same with
    floats between QuantizeLinear and DequantizeLinear."""
    rng = rng_for("quantized", 0)
    w1, w2 = (bytes_of(rng, "int8", 24, c, 3, 3) for c in (16, 24))
    w3 = bytes_of(rng, "int8", 24 * 5 * 4, 10)
    weights = {
        "w1": w1, "w2": w2, "w3": w3,
        "sw1": rng.uniform(1e-3, 2e-3, 24).astype(np.float32),
        "zw1": np.zeros(24, np.int8),
        "sw2": np.float32(1e-3), "zw2": np.int8(3), "sw3": np.float32(2e-3),
        "zw3": np.int8(0), "bias": rng.integers(-9000, 9000, 24, np.int32),
        "shape": np.array([-1, 24 * 5 * 4]),
    }  # fmt: skip
    for name, scale, zero in (("0", 0.02, 121), ("1", 0.05, 128), ("2", 0.04, 0)):
        weights[f"s{name}"], weights[f"z{name}"] = np.float32(scale), np.uint8(zero)
    weights["s3"], weights["z3"] = np.float32(0.06), np.uint8(127)
    make = helper.make_node

    def quantized(kind: str, x: int, w: int, y: str, bias=(), **attributes):
        operands = [y, f"s{x}", f"z{x}", f"w{w}", f"sw{w}", f"zw{w}", f"s{w}", f"z{w}"]
        if not is_qdq:
            return [make(f"QLinear{kind}", [*operands, *bias], [f"y{w}"], **attributes)]
        nodes = [
            make("DequantizeLinear", operands[:3], [f"x{w}_f"]),
            make("DequantizeLinear", operands[3:6], [f"w{w}_f"], axis=0),
        ]
        inputs = [f"x{w}_f", f"w{w}_f"]
        if bias:
            weights["sb"] = weights["s0"] * weights["sw1"]
            nodes.append(make("DequantizeLinear", ["bias", "sb"], ["bias_f"], axis=0))
            inputs.append("bias_f")
        return [
            *nodes,
            make(kind, inputs, [f"y{w}_f"], **attributes),
            make("QuantizeLinear", [f"y{w}_f", *operands[6:]], [f"y{w}"]),
        ]

    nodes = [
        *quantized("Conv", 0, 1, "x", ["bias"], pads=[1] * 4),
        *quantized("Conv", 1, 2, "y1", pads=[1] * 4, strides=[2, 2]),
        make("Reshape", ["y2", "shape"], ["flat"]),
        *quantized("MatMul", 2, 3, "flat"),
    ]
    model = make_model(
        nodes,
        {"x": ("uint8", ("batch", 16, 10, 8))},
        {"y3": ("uint8", ("batch", 10))},
        weights,
    )
    return model, {"x": bytes_of(rng, "uint8", 3, 16, 10, 8)}


def check_quantized(is_qdq: bool) -> None:
    model, feeds = make_quantized(is_qdq)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = (
        onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    )
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, ["CPUExecutionProvider"]
    )
    expected = session.run(None, feeds)[0]
    assert len(np.unique(expected)) > 10
    # Where a scaled sum lies between two steps, roundings decide.
    difference = np.abs(wide(run_on_simulator(model, feeds)) - wide(expected))
    assert difference.max() <= 1
    assert difference.mean() <= 0.1


@pytest.mark.parametrize("is_qdq", [False, True])
def test_quantized_model(is_qdq):
    run_in_child(check_quantized, is_qdq)


@pytest.mark.parametrize("is_qdq", [False, True])
def test_quantized_model_multiplies_integers(tool, tmp_path, is_qdq):
    model, _ = make_quantized(is_qdq)
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    command = [tool("dlc-compile"), path, "--target=cuda", f"--dump-ir={tmp_path}"]
    subprocess.run([*command, "-o", tmp_path / "model.dlc"], check=True)
    kernels = (tmp_path / "03-dispatch.mlir").read_text().splitlines()
    products = [x for x in kernels if "nn.contract " in x or "nn.conv " in x]
    assert len(products) == 3
    assert all("xi32>" in product.rsplit("->", 1)[1] for product in products)


# What is quantised, with which attributes, and the operands' shapes.
UNKNOWN_SIZES = {
    "QLinearMatMul": ({}, (37, 70), (70, 41)),
    "QLinearConv": ({"pads": [1] * 4}, (2, 5, 9, 8), (7, 5, 3, 3)),
}


def make_of_unknown_sizes(operator: str):
    """A quantised product all of whose sizes only the run knows."""
    attributes, *shapes = UNKNOWN_SIZES[operator]
    rng = rng_for(operator, 0)
    inputs, feeds = {}, {}
    scales = {"x": 0.0213, "w": 0.0317, "y": 0.5087}  # no sum lies between two steps
    for name, zero in (("x", 120), ("w", 131), ("y", 128)):
        if shapes:
            feeds[name] = bytes_of(rng, "uint8", *shapes.pop(0))
        feeds[f"s{name}"] = np.float32(scales[name])
        feeds[f"z{name}"] = np.uint8(zero)
    for name, value in feeds.items():
        dims = [f"{name}{dim}" for dim in range(np.ndim(value))]
        inputs[name] = (np.asarray(value).dtype, dims)
    node = helper.make_node(operator, list(feeds), ["r"], **attributes)
    result = [f"r{dim}" for dim in range(feeds["x"].ndim)]
    model = make_model([node], inputs, {"r": ("uint8", result)}, {})
    return model, {name: np.asarray(value) for name, value in feeds.items()}


def check_unknown_sizes(operator: str, precision: str) -> None:
    os.environ["PTXSIM_RACE"] = "1"
    model, feeds = make_of_unknown_sizes(operator)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    program = dlc.compile(model, device="ptxsim", precision=precision)
    np.testing.assert_array_equal(
        program.run(feeds)["r"], session.run(None, feeds)[0], strict=True
    )


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16", "fp16"])
@pytest.mark.parametrize("operator", UNKNOWN_SIZES)
def test_quantised_products_of_unknown_sizes(operator, precision):
    """Precision rounds nothing where the factors are 8-bit integers."""
    run_in_child(check_unknown_sizes, operator, precision)
