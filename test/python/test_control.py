# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""If, Loop and Scan against ONNX Runtime: what is known at compile time is unrolled,
the rest is refused with its reason."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
from onnx import parser

import dlc

HEAD = '<ir_version: 10, opset_import: ["": 20]>\n'

CASES = {
    # Outputs of each iteration are stacked, in front of a name from outside.
    "loop-stacks": """
        f (float[2, 3] x) => (float[2, 3] last, float[4, 2, 3] all) {
          count = Constant <value_int: int = 4> ()
          go = Constant <value: tensor = bool {1}> ()
          last, all = Loop (count, go, x) <body: graph = body (
              int64 i, bool c, float[2, 3] y)
              => (bool d, float[2, 3] z, float[2, 3] s) {
            d = Identity (c)
            f = CastLike (i, x)
            z = Mul (y, x)
            s = Add (z, f)
          }>
        }""",
    # The condition ends the loop before its count does.
    "loop-ends-early": """
        f (float[3] x) => (float[3] last) {
          count = Constant <value_int: int = 10> ()
          go = Constant <value: tensor = bool {1}> ()
          last = Loop (count, go, x) <body: graph = body (
              int64 i, bool c, float[3] y) => (bool d, float[3] z) {
            two = Constant <value_int: int = 2> ()
            d = Less (i, two)
            z = Add (y, y)
          }>
        }""",
    "loop-of-nothing": """
        f (float[3] x) => (float[3] last) {
          count = Constant <value_int: int = 0> ()
          last = Loop (count, , x) <body: graph = body (
              int64 i, bool c, float[3] y) => (bool d, float[3] z) {
            d = Identity (c)
            z = Add (y, y)
          }>
        }""",
    # Reversed inputs and outputs, and axes that are not the first.
    "scan-reversed": """
        f (float[2] h, float[2, 5] x) => (float[2] last, float[2, 5] all) {
          last, all = Scan <num_scan_inputs = 1, scan_input_axes = [1],
              scan_output_axes = [1], scan_input_directions = [1],
              scan_output_directions = [1], body: graph = body (
              float[2] y, float[2] e) => (float[2] z, float[2] s) {
            z = Add (y, e)
            s = Mul (z, e)
          }> (h, x)
        }""",
    # A branch that the shape decides.
    "if-of-a-shape": """
        f (float[2, 3] x) => (float[2, 3] y) {
          rank = Constant <value_int: int = 2> ()
          shape = Shape (x)
          size = Size (shape)
          two_dims = Equal (size, rank)
          y = If (two_dims) <then_branch: graph = yes () => (float[2, 3] a) {
            a = Neg (x)
          }, else_branch: graph = no () => (float[2, 3] b) {
            b = Abs (x)
          }>
        }""",
}


def model_of(text: str):
    return parser.parse_model(HEAD + text)


@pytest.mark.parametrize("name", CASES)
def test_matches_onnx_runtime(name):
    model = model_of(CASES[name])
    rng = np.random.default_rng(0)
    feeds = {
        value.name: rng.standard_normal(
            [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        ).astype(np.float32)
        for value in model.graph.input
    }
    session = ort.InferenceSession(model.SerializeToString())
    actual = dlc.compile(model).run(feeds)
    names = [output.name for output in model.graph.output]
    for key, expected in zip(names, session.run(names, feeds), strict=True):
        np.testing.assert_allclose(actual[key], expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("flag", [False, True])
def test_if_at_run_time_chooses(flag):
    model = model_of("""
        f (bool flag, float[3] x) => (float[3] y) {
          y = If (flag) <then_branch: graph = yes () => (float[3] a) { a = Neg (x) },
              else_branch: graph = no () => (float[3] b) { b = Exp (x) }>
        }""")
    x = np.array([1, -2, 0.5], np.float32)
    actual = dlc.compile(model).run({"flag": np.array(flag), "x": x})["y"]
    np.testing.assert_allclose(actual, -x if flag else np.exp(x), rtol=1e-6)


REFUSED = {
    "a number of iterations that is known at run time only": """
        f (int64 count, float[3] x) => (float[3] last) {
          last = Loop (count, , x) <body: graph = body (
              int64 i, bool c, float[3] y) => (bool d, float[3] z) {
            d = Identity (c)
            z = Add (y, y)
          }>
        }""",
    "a loop whose end is known at run time only": """
        f (float[3] x) => (float[3] last) {
          count = Constant <value_int: int = 10> ()
          last = Loop (count, , x) <body: graph = body (
              int64 i, bool c, float[3] y) => (bool d, float[3] z) {
            one = Constant <value_float: float = 1.0> ()
            top = ReduceMax <keepdims = 0> (y)
            d = Less (top, one)
            z = Add (y, y)
          }>
        }""",
    "above the limit": """
        f (float[3] x) => (float[3] last) {
          count = Constant <value_int: int = 100000> ()
          last = Loop (count, , x) <body: graph = body (
              int64 i, bool c, float[3] y) => (bool d, float[3] z) {
            d = Identity (c)
            z = Add (y, y)
          }>
        }""",
    "branches of different shape": """
        f (bool flag, float[3] x) => (float[k] y) {
          y = If (flag) <then_branch: graph = yes () => (float[3] a) { a = Neg (x) },
              else_branch: graph = no () => (float[6] b) {
                b = Concat <axis = 0> (x, x) }>
        }""",
}


@pytest.mark.parametrize("reason", REFUSED)
def test_refuses_with_the_reason(reason):
    with pytest.raises(dlc.UnsupportedOpError) as caught:
        dlc.compile(model_of(REFUSED[reason]))
    assert any(reason in d.message for d in caught.value.diagnostics)
