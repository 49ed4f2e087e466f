# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Reductions whose results go back to the rows they come from, as exporters write
norms out: against the same formula in f64, and with what a GPU reads of a row counted.
"""

from __future__ import annotations

import json
import os

import numpy as np
import onnx.numpy_helper
import onnx.parser
import pytest
from conftest import run_in_child

import dlc
from common import rng_for

pytestmark = pytest.mark.usefixtures("compiler", "simulator")
SECTOR, MOST_SECTORS = 32, 1.1
KINDS = {"float": np.float32, "float16": np.float16, "double": np.float64}
TOLERANCE = {"float": 2e-5, "float16": 4e-3, "double": 1e-12}


def mean(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    return x.mean(axes, keepdims=True)


def total(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    return x.sum(axes, keepdims=True)


def spread(x: np.ndarray, axes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    return x.min(axes, keepdims=True), x.max(axes, keepdims=True)


# Nodes, and what they compute of x over the axes a; g has the shape of x.
FORMS = {
    # torch.nn.functional.normalize
    "normalize": (
        """n = ReduceL2(x, a)
           c = Clip(n, least)
           s = Shape(x)
           e = Expand(c, s)
           y = Div(x, e)""",
        lambda x, a, g: x / np.maximum(np.sqrt(total(x * x, a)), 1e-6),
    ),
    "sum_of_exponentials": (
        """e = Exp(x)
           t = ReduceSum(e, a)
           y = Div(e, t)""",
        lambda x, a, g: np.exp(x) / total(np.exp(x), a),
    ),
    "range": (
        """l = ReduceMin(x, a)
           h = ReduceMax(x, a)
           r = Sub(h, l)
           d = Sub(x, l)
           y = Div(d, r)""",
        lambda x, a, g: (x - spread(x, a)[0]) / (spread(x, a)[1] - spread(x, a)[0]),
    ),
    "two_moments": (
        """q = Mul(x, x)
           t = ReduceMean(q, a)
           m = ReduceMean(x, a)
           o = Mul(m, m)
           v = Sub(t, o)
           r = Sqrt(v)
           d = Sub(x, m)
           y = Div(d, r)""",
        lambda x, a, g: (x - mean(x, a)) / np.sqrt(mean(x * x, a) - mean(x, a) ** 2),
    ),
    "log_sum": (
        """l = ReduceLogSumExp(x, a)
           y = Sub(x, l)""",
        lambda x, a, g: x - np.log(total(np.exp(x), a)),
    ),
    # Without the reduced dims, and an operand that only the last op reads.
    "gated": (
        """b = Abs(x)
           t = ReduceSum<keepdims=0>(b, a)
           u = Unsqueeze(t, a)
           n = Div(x, u)
           s = Sigmoid(x)
           h = Mul(n, s)
           y = Mul(h, g)""",
        lambda x, a, g: x / total(abs(x), a) / (1 + np.exp(-x)) * g,
    ),
    "mean_variance": (
        "y = MeanVarianceNormalization<axes=[AXES]>(x)",
        lambda x, a, g: (x - mean(x, a)) / (x.std(a, keepdims=True) + 1e-9),
    ),
}
# Rows along the last dims and across them, of all lengths.
SHAPES = [
    ((64, 101), (1,)),
    ((3, 20000), (1,)),
    ((5, 33, 7), (1,)),
    ((33, 40), (0,)),
    ((2, 6, 9, 12), (2, 3)),
    ((2, 8, 9, 16), (0, 2, 3)),
    ((7, 130), (0, 1)),
]


def build(form: str, shape, axes, kind: str, is_unknown: bool) -> onnx.ModelProto:
    """The model; without known sizes, all but those of the axes are the run's."""
    nodes = FORMS[form][0].replace("AXES", ",".join(map(str, axes)))
    sizes = ",".join(f"n{i}" if is_unknown else str(n) for i, n in enumerate(shape))
    gate = f", {kind}[{sizes}] g" if "g)" in nodes else ""
    text = f"""<ir_version: 10, opset_import: ["": 21]>
      graph ({kind}[{sizes}] x{gate}) => ({kind} y)
      <int64[{len(axes)}] a = {{{",".join(map(str, axes))}}}> {{ {nodes} }}"""
    model = onnx.parser.parse_model(text)
    least = onnx.numpy_helper.from_array(np.array(1e-6, KINDS[kind]), "least")
    model.graph.initializer.append(least)
    model.graph.output[0].type.tensor_type.ClearField("shape")
    return model


def check(form, shape, axes, kind, is_unknown, device, counters=None) -> None:
    # Races where nothing is counted.
    os.environ["PTXSIM_COUNTERS" if counters else "PTXSIM_RACE"] = str(counters or 1)
    rng = rng_for(f"{form} {shape} {axes}", 0)
    model = build(form, shape, axes, kind, is_unknown)
    feeds = {
        value.name: rng.standard_normal(shape).astype(KINDS[kind])
        for value in model.graph.input
    }
    (result,) = dlc.compile(model, device=device).run(feeds).values()
    wide = {name: value.astype(np.float64) for name, value in feeds.items()}
    expected = FORMS[form][1](wide["x"], axes, wide.get("g"))
    scale = max(1e-3, np.abs(expected).max())
    assert result.dtype == KINDS[kind]
    assert np.abs(result - expected).max() <= TOLERANCE[kind] * scale
    if counters:
        read = json.loads(counters.read_text())["global_sectors"]
        tensors = [*feeds.values(), result]
        ideal = sum(-(-value.nbytes // SECTOR) for value in tensors)
        assert read <= MOST_SECTORS * ideal, f"{read} sectors, {ideal} of the data"


@pytest.mark.parametrize(("shape", "axes"), SHAPES, ids=str)
@pytest.mark.parametrize("form", FORMS)
def test_fused_rows(form, shape, axes):
    run_in_child(check, form, shape, axes, "float", True, "ptxsim", start="spawn")


@pytest.mark.parametrize("device", ["cpu", "ptxsim"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FORMS)
def test_types(form, kind, device):
    if (form, kind) == ("two_moments", "float16"):
        pytest.skip("the difference of two rounded moments has no digits left")
    run_in_child(check, form, (5, 99), (1,), kind, False, device, start="spawn")


@pytest.mark.parametrize("is_unknown", [False, True], ids=["known", "unknown"])
@pytest.mark.parametrize(("shape", "axes"), SHAPES, ids=str)
@pytest.mark.parametrize("form", FORMS)
def test_rows_are_read_once(form, shape, axes, is_unknown, tmp_path):
    if is_unknown and shape[-1] > 10000:
        pytest.skip("more than is kept of a row of unknown length")
    arguments = (form, shape, axes, "float", is_unknown, "ptxsim")
    run_in_child(check, *arguments, tmp_path / "counters.json", start="spawn")
