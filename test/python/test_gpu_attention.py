# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Attention with the logarithms of its rows' sums, on tensor cores of the simulator,
and with odd heads and masks through ptxas."""

from __future__ import annotations

import os
import re
import subprocess

import numpy as np
import onnx
import pytest
from conftest import run_in_child
from onnx import TensorProto, helper

import dlc
from common import find_cuda_tool

pytestmark = pytest.mark.usefixtures("compiler", "simulator")
# No ONNX operator has the logarithms as a result.
LOOPS = "(b, h, g, m, n, d, e)"
MODEL = f"""
func.func @main(%q: tensor<2x2x2x50x64xf32> {{nn.name = "q"}},
                %k: tensor<2x2x70x64xf32> {{nn.name = "k"}},
                %v: tensor<2x2x70x64xf32> {{nn.name = "v"}})
    -> (tensor<2x2x2x50x64xf32> {{nn.name = "y"}},
        tensor<2x2x2x50xf32> {{nn.name = "logs"}}) {{
  %y, %logs = nn.attention %q, %k, %v scale 1.25e-01 maps [
    affine_map<{LOOPS} -> (b, h, g, m, d)>, affine_map<{LOOPS} -> (b, h, n, d)>,
    affine_map<{LOOPS} -> (b, h, n, e)>, affine_map<{LOOPS} -> (b, h, g, m, e)>
  ] score {{
  }} mask {{
  }} : tensor<2x2x2x50x64xf32>, tensor<2x2x70x64xf32>, tensor<2x2x70x64xf32>
    -> tensor<2x2x2x50x64xf32>, tensor<2x2x2x50xf32>
  return %y, %logs : tensor<2x2x2x50x64xf32>, tensor<2x2x2x50xf32>
}}
"""


def check(path, error: float) -> None:
    os.environ["PTXSIM_RACE"] = "1"
    rng = np.random.default_rng(5)
    shapes = {"q": (2, 2, 2, 50, 64), "k": (2, 2, 70, 64), "v": (2, 2, 70, 64)}
    feeds = {n: rng.standard_normal(s).astype(np.float32) for n, s in shapes.items()}
    results = dlc.load(path, device="ptxsim").run(feeds)
    q, k, v = (feeds[name].astype(np.float64) for name in "qkv")
    scores = np.einsum("bhgmd,bhnd->bhgmn", q, k) / 8
    logs = np.log(np.exp(scores).sum(-1))
    values = np.einsum("bhgmn,bhne->bhgme", np.exp(scores - logs[..., None]), v)
    np.testing.assert_allclose(results["logs"], logs, rtol=0, atol=error)
    np.testing.assert_allclose(results["y"], values, rtol=0, atol=2 * error)


# A score is the sum of 64 products over 8 of numbers around 1, each rounded: about
# as far off as one such number.
@pytest.mark.parametrize(
    ("precision", "error"),
    [("fp32", 2e-6), ("tf32", 1e-3), ("fp16", 1e-3), ("bf16", 8e-3)],
)
def test_logarithms_of_sums(tool, tmp_path, precision, error):
    source, binary = tmp_path / "attention.mlir", tmp_path / "attention.dlc"
    source.write_text(MODEL)
    command = [tool("dlc-compile"), source, "--from=graph", "--target=cuda"]
    command += [f"--precision={precision}", "-o", binary]
    subprocess.run(command, check=True)
    ptx = subprocess.run(
        [*command[:-2], "--emit=ptx", "-o", "-"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert ("mma.sync" in ptx) == (precision != "fp32")
    run_in_child(check, binary, error)


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
    graph = helper.make_graph([node], "attention", inputs, outputs)
    opset = [helper.make_opsetid("", 23)]
    return helper.make_model(graph, opset_imports=opset, ir_version=11)


@pytest.mark.parametrize("mask", ["none", "add", "bool"])
@pytest.mark.parametrize("heads", [(33, 17), (80, 256), (160, 160)])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_no_registers_are_spilled(tool, tmp_path, precision, heads, mask):
    ptxas = find_cuda_tool("ptxas")
    if not ptxas:
        pytest.skip("ptxas is not installed")
    model, ptx = tmp_path / "attention.onnx", tmp_path / "attention.ptx"
    onnx.save(attention(*heads, mask), model)
    command = [tool("dlc-compile"), model, "--target=cuda", f"--precision={precision}"]
    subprocess.run([*command, "--emit=ptx", "-o", ptx], check=True)
    report = subprocess.run(
        [ptxas, "-v", "-arch=sm_80", ptx, "-o", os.devnull],
        check=True, capture_output=True, text=True,
    ).stderr  # fmt: skip
    spills = re.findall(r"(\d+) bytes spill stores", report)
    assert spills and set(spills) == {"0"}, report
