# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Kernels that no model of the tables has, through ptxas: no registers are spilled."""

from __future__ import annotations

import os
import re
import subprocess

import onnx
import pytest
from onnx import TensorProto, helper

from common import find_cuda_tool

pytestmark = pytest.mark.usefixtures("compiler")


@pytest.fixture
def count_spills(tool, tmp_path):
    """Compiles a model for GPUs, and gives the bytes that each kernel spills."""
    ptxas = find_cuda_tool("ptxas")
    if not ptxas:
        pytest.skip("ptxas is not installed")

    def count(model: onnx.ModelProto, *options: str) -> set[int]:
        source, ptx = tmp_path / "model.onnx", tmp_path / "model.ptx"
        onnx.save(model, source)
        command = [tool("dlc-compile"), source, "--target=cuda", *options]
        subprocess.run([*command, "--emit=ptx", "-o", ptx], check=True)
        report = subprocess.run(
            [ptxas, "-v", "-arch=sm_80", ptx, "-o", os.devnull],
            check=True, capture_output=True, text=True,
        ).stderr  # fmt: skip
        return set(map(int, re.findall(r"(\d+) bytes spill stores", report)))

    return count


def make_model(nodes, inputs, outputs) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "graph", inputs, outputs)
    opset = [helper.make_opsetid("", 23)]
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
