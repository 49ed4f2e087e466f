# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Small graphs that the graph phase and the kernels treat as a whole, against
ONNX Runtime, at sizes that fill no vector evenly.

A case is a graph in ONNX's text form. Inputs whose name is a capital letter and
digits (W0, B1) become initializers with random values.
"""

from __future__ import annotations

import re

import numpy as np
import onnx.parser
import onnxruntime as ort
import pytest
from conftest import run_in_child
from onnx import numpy_helper

import dlc
from common import relative_error, rng_for

TOLERANCE = 1e-5


def group_norm(channels: int, groups: int, epilogue: str = "Identity") -> str:
    """Statistics of `channels / groups` channels, behind a convolution, which
    brings the channels last."""
    size = f"float[{channels}]"
    return f"""
      (float[2,3,9,7] x, float[{channels},3,3,3] W0, {size} W1, {size} B1) => (y) {{
        c = Conv<pads=[1,1,1,1]>(x, W0)
        n = GroupNormalization<num_groups={groups}>(c, W1, B1)
        y = {epilogue}(n)
      }}"""


def instance_norm(channels: int) -> str:
    size = f"float[{channels}]"
    return f"""
      (float[2,3,9,7] x, float[{channels},3,1,1] W0, {size} W1, {size} B1) => (y) {{
        c = Conv(x, W0)
        n = InstanceNormalization(c, W1, B1)
        y = Relu(n)
      }}"""


CASES = {
    # One vector holds several groups, part of them, or a group several vectors.
    "group-norm-width-1": group_norm(5, 5),
    "group-norm-width-3": group_norm(24, 8, "Sigmoid"),
    "group-norm-width-4": group_norm(36, 9),
    "group-norm-width-8": group_norm(32, 4, "Relu"),
    "group-norm-width-16": group_norm(48, 3, "Tanh"),
    "group-norm-width-20": group_norm(40, 2, "Relu"),
    "group-norm-width-37": group_norm(37, 1),
    "instance-norm-5": instance_norm(5),
    "instance-norm-33": instance_norm(33),
    "matmul-dims-of-1": """
      (float[37,1,24] x, float[1,24,50] W0, float[50] B0) => (y) {
        t = Transpose<perm=[1,0,2]>(x)
        m = MatMul(t, W0)
        a = Add(m, B0)
        y = Relu(a)
      }""",
    "matvec": """
      (float[3,19,33] x, float[33,1] W0, float[1] B0) => (y) {
        m = MatMul(x, W0)
        y = Add(m, B0)
      }""",
    "outer-product": """
      (float[2,17,1] x, float[1,40] W0) => (y) {
        y = MatMul(x, W0)
      }""",
    # With one spatial dim, to channels-last and back is the same permutation.
    "conv-1d-residual": """
      (float[1,2,9] x, float[4,2,3] W0, float[4] W1, float[4] B1) => (y) {
        c = Conv(x, W0)
        n = GroupNormalization<num_groups=2>(c, W1, B1)
        y = Add(n, c)
      }""",
    "conv-1d-one-channel": """
      (float[1,2,9] x, float[1,2,3] W0, float[1] W1) => (y) {
        c = Conv(x, W0)
        n = Mul(c, W1)
        y = Add(n, c)
      }""",
    "conv-bias-of-one": """
      (float[2,5,6,7] x, float[1,5,3,3] W0, float[1] B0) => (y) {
        y = Conv(x, W0, B0)
      }""",
    "attention-heads-of-width-1": """
      (float[1,5,3] q, float[1,7,3] k, float[1,7,3] v) => (y)
      <int64[1] axis = {3}> {
        qh = Unsqueeze(q, axis)
        kh = Unsqueeze(k, axis)
        vh = Unsqueeze(v, axis)
        qt = Transpose<perm=[0,2,1,3]>(qh)
        kt = Transpose<perm=[0,2,3,1]>(kh)
        vt = Transpose<perm=[0,2,1,3]>(vh)
        s = MatMul(qt, kt)
        p = Softmax<axis=-1>(s)
        o = MatMul(p, vt)
        ot = Transpose<perm=[0,2,1,3]>(o)
        y = Squeeze(ot, axis)
      }""",
    "rnn-of-one-unit": """
      (float[4,6,1] x, float[1,1,1] W0, float[1,1,1] W1, float[1,2] B0) => (y, h) {
        y, h = RNN<hidden_size=1>(x, W0, W1, B0)
      }""",
    "lstm-joined-weights": """
      (float[6,2,10] x, float[1,80,10] W0, float[1,20,80] W1, float[1,160] B0)
      => (y, h, c) {
        r = Transpose<perm=[0,2,1]>(W1)
        w = Concat<axis=0>(W0, W0)
        q = Concat<axis=0>(r, r)
        b = Concat<axis=0>(B0, B0)
        y, h, c = LSTM<hidden_size=20, direction="bidirectional">(x, w, q, b)
      }""",
}


def build(name: str) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """The model, and values of its inputs."""
    text = '<ir_version: 10, opset_import: ["": 21]> g ' + CASES[name].strip()
    outputs = re.search(r"=> \((.*?)\)", text)[1]
    typed = ", ".join(f"float {output}" for output in outputs.split(", "))
    model = onnx.parser.parse_model(text.replace(f"({outputs})", f"({typed})", 1))
    rng = rng_for(name, 0)
    feeds = {}
    for value in list(model.graph.input):
        shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        data = rng.standard_normal(shape).astype(np.float32)
        if re.fullmatch(r"[A-Z]\d+", value.name):
            model.graph.input.remove(value)
            model.graph.initializer.append(numpy_helper.from_array(data, value.name))
        else:
            feeds[value.name] = data
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    return model, feeds


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize("name", CASES)
def test_fusion(name):
    run_in_child(check_fusion, name)


def check_fusion(name: str) -> None:
    model, feeds = build(name)
    data = model.SerializeToString()
    references = ort.InferenceSession(data).run(None, feeds)
    results = dlc.compile(data).run(feeds)
    for value, reference in zip(results.values(), references, strict=True):
        assert relative_error(value, reference) <= TOLERANCE
