# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Attention under masks whose rows leave no finite score, or only lowest ones."""

from __future__ import annotations

import os

import numpy as np
import onnx
import pytest
from onnx import helper

import dlc
from common import relative_error, rng_for

pytestmark = pytest.mark.usefixtures("compiler", "simulator")
QUERIES, KEYS, HEAD = 21, 45, 32
LOWEST = np.finfo(np.float32).min
TOLERANCE = {"fp32": 1e-5, "tf32": 2e-3, "bf16": 1e-2, "fp16": 2e-3}


def make_model() -> onnx.ModelProto:
    shapes = {
        "q": [2, 3, QUERIES, HEAD],
        "k": [2, 3, KEYS, HEAD],
        "v": [2, 3, KEYS, HEAD],
        "mask": [2, 1, QUERIES, KEYS],
    }
    inputs = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    ]
    result = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, shapes["q"])
    node = helper.make_node("Attention", list(shapes), ["y"])
    graph = helper.make_graph([node], "main", inputs, [result])
    opsets = [helper.make_opsetid("", 23)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def make_feeds() -> dict[str, np.ndarray]:
    rng = rng_for("attention masks", 0)
    feeds = {
        "q": rng.standard_normal((2, 3, QUERIES, HEAD)),
        "k": rng.standard_normal((2, 3, KEYS, HEAD)),
        "v": rng.standard_normal((2, 3, KEYS, HEAD)),
    }
    mask = np.zeros((2, 1, QUERIES, KEYS))
    mask[:, :, 3] = LOWEST
    mask[:, :, 5, ::2] = LOWEST
    mask[:, :, 7, 4:] = -np.inf
    mask[:, :, 9, :20] = 0.75 * LOWEST
    mask[1] = rng.permuted(mask[1], axis=-1)
    feeds["mask"] = mask
    return {name: value.astype(np.float32) for name, value in feeds.items()}


def reference(q, k, v, mask) -> np.ndarray:
    """Softmax in f64 of scores that f32 rounds as it does: lowest + x is lowest."""
    scores = (q @ k.swapaxes(-1, -2) / np.float32(np.sqrt(HEAD)) + mask).astype(float)
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True) @ v.astype(float)


@pytest.mark.parametrize(
    ("device", "precision"), [("cpu", "fp32"), *(("ptxsim", p) for p in TOLERANCE)]
)
def test_lowest_scores(device, precision):
    os.environ["PTXSIM_RACE"] = "1"
    feeds = make_feeds()
    model = dlc.compile(make_model(), device=device, precision=precision)
    assert (
        relative_error(model.run(feeds)["y"], reference(**feeds)) < TOLERANCE[precision]
    )
