# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Kernels that no model of the tables has, through ptxas: no registers are spilled."""

from __future__ import annotations

import os
import re
import subprocess

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from common import find_cuda_tool, rng_for

pytestmark = pytest.mark.usefixtures("compiler")


@pytest.fixture
def count_spills(tool, tmp_path):
    """Compiles a model for GPUs, and gives the bytes that each kernel spills."""
    ptxas = find_cuda_tool("ptxas")
    if not ptxas:
        pytest.skip("ptxas is not installed")

    def count(model: onnx.ModelProto, *options: str, arch: str = "sm_80") -> set[int]:
        source, ptx = tmp_path / "model.onnx", tmp_path / "model.ptx"
        onnx.save(model, source)
        command = [tool("dlc-compile"), source, "--target=cuda", f"--gpu-arch={arch}"]
        subprocess.run([*command, *options, "--emit=ptx", "-o", ptx], check=True)
        report = subprocess.run(
            [ptxas, "-v", f"-arch={arch}", ptx, "-o", os.devnull],
            check=True, capture_output=True, text=True,
        ).stderr  # fmt: skip
        return set(map(int, re.findall(r"(\d+) bytes spill stores", report)))

    return count


def make_model(nodes, inputs, outputs, version: int = 23) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "graph", inputs, outputs)
    opset = [helper.make_opsetid("", version)]
    return helper.make_model(graph, opset_imports=opset, ir_version=11)


def attention(head: int, value_head: int, mask: str) -> onnx.ModelProto:
    """Attention of six heads, with two for keys and values, of any batch size."""
    f32, masks = TensorProto.FLOAT, {"add": TensorProto.FLOAT, "bool": TensorProto.BOOL}
    inputs = [
        helper.make_tensor_value_info("q", f32, ["b", 6, 70, head]),
        helper.make_tensor_value_info("k", f32, ["b", 2, 90, head]),
        helper.make_tensor_value_info("v", f32, ["b", 2, 90, value_head]),
    ]
    if mask != "none":
        inputs.append(helper.make_tensor_value_info("mask", masks[mask], [70, 90]))
    traits = {"is_causal": 1, "softcap": 8.0} if mask == "add" else {}
    names = [value.name for value in inputs]
    node = helper.make_node("Attention", names, ["y"], **traits)
    outputs = [helper.make_tensor_value_info("y", f32, ["b", 6, 70, value_head])]
    return make_model([node], inputs, outputs)


@pytest.mark.parametrize("mask", ["none", "add", "bool"])
@pytest.mark.parametrize("heads", [(33, 17), (80, 256), (160, 160)])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_attention(count_spills, precision, heads, mask):
    model = attention(*heads, mask)
    assert count_spills(model, f"--precision={precision}") == {0}


def attention_form(
    number: int, heads: tuple[int, int], rows, keys, mask: str = "none", **traits
) -> tuple:
    """Node, inputs and output of attention with queries in two groups of heads."""
    f32, masks = TensorProto.FLOAT, {"add": TensorProto.FLOAT, "bool": TensorProto.BOOL}
    head, value_head = heads
    shapes = {
        "q": (f32, ["b", 4, rows, head]),
        "k": (f32, ["b", 2, keys, head]),
        "v": (f32, ["b", 2, keys, value_head]),
    }
    if mask != "none":
        shapes["mask"] = (masks[mask], ["b", 1, rows, keys])
    inputs = [
        helper.make_tensor_value_info(f"{name}{number}", *type_and_shape)
        for name, type_and_shape in shapes.items()
    ]
    names = [value.name for value in inputs]
    output = helper.make_tensor_value_info(
        f"y{number}", f32, ["b", 4, rows, value_head]
    )
    return helper.make_node("Attention", names, [output.name], **traits), inputs, output


def attention_model(forms) -> onnx.ModelProto:
    nodes, inputs, outputs = zip(*forms, strict=True)
    return make_model(nodes, [value for each in inputs for value in each], outputs, 25)


WINDOW = {"left_window_size": 5, "right_window_size": 70}
CAUSAL = {"is_causal": 1, **WINDOW}
# What spilled once, or under a laxer rule, and why.
SPILLED = {
    # The last round of a copy, of fewer chunks than threads, unrolled all rounds.
    "odd head": ("fp16", "sm_100", (193, 193), 1, 512, "bool", {}),
    # Unrolled rounds of copies of single elements and of 4 bytes.
    "odd wide head": ("bf16", "sm_80", (243, 243), 69, 45, "bool", WINDOW),
    "odd tf32 head": ("tf32", "sm_80", (51, 51), 7, "n", "bool", WINDOW),
    # ptxas chose too many blocks for a multiprocessor.
    "narrow head": ("fp16", "sm_100", (32, 32), 128, 407, "none", CAUSAL),
    "masked head": ("bf16", "sm_120", (80, 80), 128, "n", "bool", CAUSAL),
    "queries in shared memory": ("bf16", "sm_80", (168, 168), 128, "n", "add", {}),
    # The same of the generic kernel.
    "wider than tiles": ("bf16", "sm_90", (257, 257), 1, "n", "add", WINDOW),
}


@pytest.mark.parametrize("name", SPILLED)
def test_attention_that_spilled(count_spills, name):
    precision, arch, *form, traits = SPILLED[name]
    model = attention_model([attention_form(0, *form, **traits)])
    assert count_spills(model, f"--precision={precision}", arch=arch) == {0}


def random_form(rng: np.random.Generator, number: int) -> tuple:
    def choose(*values):
        return values[rng.integers(len(values))]

    head = int(rng.integers(1, 257))
    value_head = choose(head, head, int(rng.integers(1, 257)))
    traits = {
        **choose({}, {}, {"is_causal": 1}),
        **choose({}, {}, {"softcap": 8.0}),
        **choose({}, {}, WINDOW, {"left_window_size": 33}),
    }
    sizes = [choose(None, 1, 7, 70, int(rng.integers(1, 600))) for _ in range(2)]
    sizes = [size or f"{name}{number}" for size, name in zip(sizes, "mn", strict=True)]
    mask = choose("none", "add", "bool")
    return attention_form(number, (head, value_head), *sizes, mask, **traits)


@pytest.mark.parametrize("arch", ["sm_80", "sm_90", "sm_100", "sm_120"])
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16", "fp16"])
def test_attention_of_any_form(count_spills, precision, arch):
    rng = rng_for(f"attention {precision} {arch}", 0)
    model = attention_model([random_form(rng, number) for number in range(6)])
    assert count_spills(model, f"--precision={precision}", arch=arch) == {0}


# Operator, attributes, shape of x, shape of w; letters are sizes that the run knows.
CONVOLUTIONS = {
    "tile": ("Conv", {"dilations": [3, 1]}, ["b", 7, *"hw"], [9, 7, 3, 1]),
    "groups": ("Conv", {"group": 2}, ["b", 10, *"hw"], [18, 5, 5, 1]),
    "line": ("Conv", {"strides": [3]}, ["b", 17, "h"], [3, 17, 3]),
    "space": ("Conv", {"strides": [2, 1, 3]}, ["b", 2, *"dhw"], [16, 2, 3, 1, 3]),
    "bytes": ("ConvInteger", {"pads": [1] * 6}, ["b", 32, *"dhw"], [8, 32, 3, 3, 3]),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_convolution_of_unknown_sizes(count_spills, precision, name):
    """Places in images take registers where their sizes are unknown."""
    operator, attributes, x, w = CONVOLUTIONS[name]
    of_bytes = operator == "ConvInteger"
    x_type, w_type, y_type = (
        (TensorProto.UINT8, TensorProto.INT8, TensorProto.INT32)
        if of_bytes
        else (TensorProto.FLOAT,) * 3
    )
    rng = rng_for("convolution", 0)
    filters = rng.integers(-9, 9, w).astype(np.int8 if of_bytes else np.float32)
    assert helper.np_dtype_to_tensor_dtype(filters.dtype) == w_type
    node = helper.make_node(operator, ["x", "w"], ["y"], **attributes)
    graph = helper.make_graph(
        [node],
        "graph",
        [helper.make_tensor_value_info("x", x_type, x)],
        [helper.make_tensor_value_info("y", y_type, [f"y{i}" for i in range(len(x))])],
        [numpy_helper.from_array(filters, "w")],
    )
    opset = [helper.make_opsetid("", 20)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=9)
    assert count_spills(model, f"--precision={precision}") == {0}


# Precision, architecture, equation, and the sizes of batch, k, m and n.
PRODUCTS = {
    # Rows of 16-bit elements that begin anywhere, next to a large tile's sums.
    "odd rows": ("fp16", "sm_80", "bkm,bkn->bmn", (5, 128, "m", "n")),
    # The same with steps so few that all were unrolled.
    "few steps": ("fp16", "sm_80", "bkm,bkn->bmn", (3, 256, 512, 31)),
    # A large tile's results go out one by one.
    "odd results": ("bf16", "sm_100", "bkm,bkn->bmn", (5, "k", 256, "n")),
    "transposed results": ("tf32", "sm_90", "bkm,bnk->bnm", (3, 2048, "m", 1024)),
    # Operands by tensor maps.
    "bulk copies": ("bf16", "sm_90", "bmk,bkn->bmn", (5, 4096, "m", 4096)),
    "bulk copies later": ("fp16", "sm_120", "bkm,bkn->bmn", (5, "k", 4096, 4096)),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_product(count_spills, name):
    precision, arch, equation, sizes = PRODUCTS[name]
    dims = dict(zip("bkmn", sizes, strict=True))
    shapes = [[dims[dim] for dim in each] for each in re.findall(r"\w+", equation)]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in zip("ab", shapes, strict=False)
    ]
    node = helper.make_node("Einsum", ["a", "b"], ["y"], equation=equation)
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, shapes[2])]
    model = make_model([node], inputs, outputs)
    assert count_spills(model, f"--precision={precision}", arch=arch) == {0}


def test_product_of_bytes_of_unknown_depth(count_spills):
    u8, i8, i32 = TensorProto.UINT8, TensorProto.INT8, TensorProto.INT32
    inputs = [
        helper.make_tensor_value_info("a", u8, ["m", "k"]),
        helper.make_tensor_value_info("b", i8, ["k", 2]),
        helper.make_tensor_value_info("zero", u8, []),
    ]
    node = helper.make_node("MatMulInteger", ["a", "b", "zero"], ["y"])
    outputs = [helper.make_tensor_value_info("y", i32, ["m", 2])]
    assert count_spills(make_model([node], inputs, outputs), arch="sm_120") == {0}


@pytest.mark.parametrize("element", [TensorProto.FLOAT, TensorProto.FLOAT16])
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax", "LayerNormalization"])
def test_rows_of_unknown_sizes(count_spills, operator, rank, element):
    dims = [f"d{i}" for i in range(rank)]
    inputs = [helper.make_tensor_value_info("x", element, dims)]
    if operator == "LayerNormalization":
        for name in ("scale", "bias"):
            inputs.append(helper.make_tensor_value_info(name, element, dims[-1:]))
    node = helper.make_node(operator, [value.name for value in inputs], ["y"])
    outputs = [helper.make_tensor_value_info("y", element, dims)]
    assert count_spills(make_model([node], inputs, outputs)) == {0}


# Elements of 64 bits, long rows that a cluster shares and those that it cannot keep.
@pytest.mark.parametrize("arch", ["sm_80", "sm_90", "sm_120"])
@pytest.mark.parametrize("element", [TensorProto.FLOAT, TensorProto.DOUBLE])
@pytest.mark.parametrize(
    ("operator", "shape"),
    [
        ("Softmax", [2, 50257]),
        ("Softmax", [1, 400000]),
        ("LogSoftmax", [5, 36767]),
        ("Softmax", [2, 1096, 64]),
        ("LpNormalization", [2, 20000]),
        ("LpNormalization", [1, 60000]),
        ("LayerNormalization", [6, 40044]),
        ("InstanceNormalization", [1, 2, 301, 303]),
    ],
)
def test_long_rows(count_spills, operator, shape, element, arch):
    inputs = [helper.make_tensor_value_info("x", element, shape)]
    traits = {"axis": 1} if operator.endswith("oftmax") else {}
    if operator.startswith(("Layer", "Instance")):
        size = shape[1]
        for name in ("scale", "bias"):
            inputs.append(helper.make_tensor_value_info(name, element, [size]))
    names = [value.name for value in inputs]
    node = helper.make_node(operator, names, ["y"], **traits)
    outputs = [helper.make_tensor_value_info("y", element, shape)]
    model = make_model([node], inputs, outputs, 22)
    assert count_spills(model, arch=arch) == {0}


@pytest.mark.parametrize("arch", ["sm_80", "sm_90", "sm_120"])
@pytest.mark.parametrize("channels", [3, 7, 16])
def test_instances_of_unknown_sizes(count_spills, channels, arch):
    """Between convolutions, which want channels innermost."""
    f32 = TensorProto.FLOAT
    image, filters = [1, 8, "height", "width"], [channels, 8, 1, 1]
    inputs = [
        helper.make_tensor_value_info("x", f32, image),
        helper.make_tensor_value_info("w", f32, filters),
        helper.make_tensor_value_info("s", f32, [channels]),
        helper.make_tensor_value_info("v", f32, [8, channels, 1, 1]),
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"]),
        helper.make_node("InstanceNormalization", ["a", "s", "s"], ["b"]),
        helper.make_node("Conv", ["b", "v"], ["y"]),
    ]
    outputs = [helper.make_tensor_value_info("y", f32, image)]
    assert count_spills(make_model(nodes, inputs, outputs, 22), arch=arch) == {0}
