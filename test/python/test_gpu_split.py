# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Products with few results and a long sum on the simulator: their sums are cut
into parts, which a second kernel adds."""

from __future__ import annotations

import os
import subprocess

import numpy as np
import onnx
import pytest
from conftest import run_in_child
from onnx import TensorProto, helper, numpy_helper

import dlc
import precision
from common import rng_for

pytestmark = pytest.mark.usefixtures("compiler", "simulator")
# Rows, elements of a sum, columns, batch; the matrix stored by columns.
SHAPES = [
    (37, 5000, 72, (), False),
    (64, 4096, 64, (), False),
    (33, 2051, 31, (), False),
    (9, 3000, 24, (3,), False),
    (50, 1030, 66, (), True),
    (65, 8190, 130, (), False),
]
# Of max|y|: roundings of products' operands, which average out over the sum.
TOLERANCES = {"fp32": 1e-6, "bf16": 1e-2, "fp16": 1e-3, "tf32": 1e-3}


def make(m: int, k: int, n: int, batch: tuple, turned: bool) -> onnx.ModelProto:
    """relu(x w + bias) + residual."""
    shape = (*batch, n, k) if turned else (*batch, k, n)
    w = rng_for("w", k).standard_normal(shape).astype(np.float32)
    bias = rng_for("bias", n).standard_normal(n).astype(np.float32)
    weights = [numpy_helper.from_array(w, "w"), numpy_helper.from_array(bias, "bias")]
    last = len(batch)
    order = [*range(last), last + 1, last]
    nodes = [helper.make_node("Transpose", ["w"], ["turned"], perm=order)]
    nodes = nodes if turned else []
    nodes += [
        helper.make_node("MatMul", ["x", "turned" if turned else "w"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["sum"]),
        helper.make_node("Relu", ["sum"], ["positive"]),
        helper.make_node("Add", ["positive", "residual"], ["y"]),
    ]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)
        for name, dims in (
            ("x", (*batch, m, k)),
            ("residual", (*batch, m, n)),
            ("y", (*batch, m, n)),
        )
    ]
    graph = helper.make_graph(nodes, "main", values[:2], values[2:], weights)
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8)


def check(shape: tuple, kind: str) -> None:
    os.environ["PTXSIM_RACE"] = "1"
    m, k, n, batch, _ = shape
    model = make(*shape)
    rng = rng_for("feeds", m)
    feeds = {
        "x": rng.standard_normal((*batch, m, k)).astype(np.float32),
        "residual": rng.standard_normal((*batch, m, n)).astype(np.float32),
    }
    compiled = dlc.compile(model, device="ptxsim", precision=kind)
    result = compiled.run(feeds)["y"]
    exact = precision.run_double(model, feeds)["y"]
    error = precision.relative_error(result, exact)
    assert error <= TOLERANCES[kind], f"{error:.1e}"
    np.testing.assert_array_equal(result, compiled.run(feeds)["y"])


@pytest.mark.parametrize("kind", TOLERANCES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_thin_product(shape, kind):
    run_in_child(check, shape, kind)


@pytest.mark.parametrize("kind", ["fp32", "bf16"])
def test_sum_is_cut(tool, tmp_path, kind):
    """That the products above take this way at all."""
    path = tmp_path / "model.onnx"
    onnx.save(make(*SHAPES[0]), path)
    command = [tool("dlc-compile"), path, "-o", "-", "--target=cuda", "--emit=ptx"]
    command.append(f"--precision={kind}")
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "_sum(" in done.stdout


def make_conv(channels: int, outputs: int, kernel: int, groups: int, dynamic: bool):
    """relu(conv(x) + bias) + residual on images of 6x5."""
    w = rng_for("w", channels).standard_normal(
        (outputs, channels // groups, kernel, kernel)
    )
    bias = rng_for("bias", outputs).standard_normal(outputs)
    weights = [
        numpy_helper.from_array(value.astype(np.float32), name)
        for name, value in (("w", w), ("bias", bias))
    ]
    pads = [kernel // 2] * 4
    nodes = [
        helper.make_node("Conv", ["x", "w", "bias"], ["c"], pads=pads, group=groups),
        helper.make_node("Relu", ["c"], ["positive"]),
        helper.make_node("Add", ["positive", "residual"], ["y"]),
    ]
    batch = "n" if dynamic else 1
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, (batch, size, 6, 5))
        for name, size in (("x", channels), ("residual", outputs), ("y", outputs))
    ]
    graph = helper.make_graph(nodes, "main", values[:2], values[2:], weights)
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8)


def check_conv(shape: tuple, kind: str) -> None:
    os.environ["PTXSIM_RACE"] = "1"
    model = make_conv(*shape)
    channels, outputs, _, _, dynamic = shape
    dims = {"n": (1, 2)} if dynamic else None
    compiled = dlc.compile(model, device="ptxsim", precision=kind, dims=dims)
    for images in (1, 2) if dynamic else (1,):
        rng = rng_for("feeds", images)
        feeds = {
            name: rng.standard_normal((images, size, 6, 5)).astype(np.float32)
            for name, size in (("x", channels), ("residual", outputs))
        }
        exact = precision.run_double(model, feeds)["y"]
        error = precision.relative_error(compiled.run(feeds)["y"], exact)
        assert error <= TOLERANCES[kind], f"{error:.1e}"


# Channels, output channels, kernel, groups, and whether the run knows the batch.
CONVS = [(512, 72, 3, 1, False), (1024, 48, 3, 2, True), (8192, 40, 1, 1, False)]


@pytest.mark.parametrize("kind", ["bf16", "fp16", "tf32"])
@pytest.mark.parametrize("shape", CONVS, ids=str)
def test_thin_convolution(shape, kind):
    run_in_child(check_conv, shape, kind)


@pytest.mark.parametrize("shape", CONVS, ids=str)
def test_convolution_is_cut(tool, tmp_path, shape):
    path = tmp_path / "model.onnx"
    onnx.save(make_conv(*shape), path)
    command = [tool("dlc-compile"), path, "-o", "-", "--target=cuda", "--emit=ptx"]
    command += ["--precision=bf16", *(["--dim=n=1..2"] if shape[-1] else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "_sum(" in done.stdout
