# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Attention under masks whose rows leave only lowest scores, and in windows."""

from __future__ import annotations

import json
import os

import numpy as np
import onnx
import pytest
from conftest import run_in_child
from onnx import helper

import dlc
from common import relative_error, rng_for

pytestmark = pytest.mark.usefixtures("compiler", "simulator")
QUERIES, KEYS, HEAD = 21, 45, 32
LOWEST = np.finfo(np.float32).min
TOLERANCE = {"fp32": 1e-5, "tf32": 2e-3, "bf16": 1e-2, "fp16": 2e-3}


def make_model(shapes: dict[str, list[int]], **attributes) -> onnx.ModelProto:
    inputs = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    ]
    result = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, shapes["q"])
    node = helper.make_node("Attention", list(shapes), ["y"], **attributes)
    graph = helper.make_graph([node], "main", inputs, [result])
    opsets = [helper.make_opsetid("", 25)]
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


def reference(q, k, v, mask=0.0) -> np.ndarray:
    """Softmax in f64 of scores that f32 rounds as it does: lowest + x is lowest."""
    scores = (q @ k.swapaxes(-1, -2) / np.float32(np.sqrt(HEAD)) + mask).astype(float)
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True) @ v.astype(float)


def shapes_of(feeds: dict[str, np.ndarray]) -> dict[str, list[int]]:
    return {name: list(value.shape) for name, value in feeds.items()}


DEVICES = [("cpu", "fp32"), *(("ptxsim", precision) for precision in TOLERANCE)]


@pytest.mark.parametrize(("device", "precision"), DEVICES)
def test_lowest_scores(device, precision):
    os.environ["PTXSIM_RACE"] = "1"
    feeds = make_feeds()
    model = make_model(shapes_of(feeds))
    result = dlc.compile(model, device=device, precision=precision).run(feeds)["y"]
    assert relative_error(result, reference(**feeds)) < TOLERANCE[precision]


# Keys that a row sees on its left and right; -1 is all.
WINDOWS = {
    "left": {"left_window_size": 20},
    "causal": {"left_window_size": 33, "is_causal": 1},
    "both": {"left_window_size": 5, "right_window_size": 70},
    "itself": {"left_window_size": 0, "right_window_size": 0},
}


def window_feeds(length: int) -> dict[str, np.ndarray]:
    rng = rng_for("windows", 0)
    return {
        name: rng.standard_normal((1, 2, length, HEAD)).astype(np.float32)
        for name in "qkv"
    }


@pytest.mark.parametrize(("device", "precision"), DEVICES)
@pytest.mark.parametrize("name", WINDOWS)
def test_window(name, device, precision):
    os.environ["PTXSIM_RACE"] = "1"
    feeds, window = window_feeds(150), WINDOWS[name]
    distance = np.arange(150) - np.arange(150)[:, None]
    left = window["left_window_size"]
    right = 0 if "is_causal" in window else window.get("right_window_size", 150)
    hidden = np.where((distance < -left) | (distance > right), -np.inf, 0.0)
    model = make_model(shapes_of(feeds), **window)
    result = dlc.compile(model, device=device, precision=precision).run(feeds)["y"]
    assert (
        relative_error(result, reference(**feeds, mask=hidden)) < TOLERANCE[precision]
    )


@pytest.mark.parametrize("queries", [1, 9, 67])
def test_wide_head(queries):
    """Tiles of scores and of values have different numbers of rows: none reads
    what was never written, as the simulator would say."""
    os.environ["PTXSIM_RACE"] = "1"
    rng = rng_for("wide heads", queries)
    shapes = {"q": [1, 2, queries, 257], "k": [1, 2, 19, 257], "v": [1, 2, 19, 257]}
    feeds = {
        name: rng.standard_normal(shape).astype(np.float32)
        for name, shape in shapes.items()
    }
    model = make_model(shapes, scale=HEAD**-0.5)
    result = dlc.compile(model, device="ptxsim").run(feeds)["y"]
    assert relative_error(result, reference(**feeds)) < 1e-5


def check_skipped_blocks(file) -> None:
    """A window of an eighth of the keys takes less than half of the products."""
    os.environ["PTXSIM_COUNTERS"] = str(file)
    counts = []
    for window in ({}, {"left_window_size": 31, "right_window_size": 32}):
        feeds = window_feeds(512)
        model = make_model(shapes_of(feeds), **window)
        dlc.compile(model, device="ptxsim", precision="bf16").run(feeds)
        counts.append(json.loads(file.read_text())["matrix_operations"])
    # Counters add up over all that a process runs.
    whole, both = counts
    assert whole < both <= 1.4 * whole


def test_keys_outside_a_window_are_skipped(tmp_path):
    file = tmp_path / "counters.json"
    run_in_child(check_skipped_blocks, file, start="spawn")
