# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Small graphs that the graph phase and the kernels treat as a whole, against
ONNX Runtime, at sizes that fill no vector evenly.

A case is a graph in ONNX's text form. Inputs whose name is a capital letter and
digits (W0, B1) become initializers with random values; those that start with S
have the same value everywhere.
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


def attention(bias: str, key: str, value: str, result: str) -> str:
    """Attention of 2 batches, 3 heads, 5 queries and 11 keys of 4 numbers, whose
    tensors lie in that order of their dims: b, h, q, k, d."""
    sizes = dict(b=2, h=3, q=5, k=11, d=4)

    def typed(name: str, dims: str) -> str:
        return f"float[{','.join(str(sizes[dim]) for dim in dims)}] {name}"

    def order(dims: str, source: str) -> str:
        return "perm=[" + ",".join(str(source.index(dim)) for dim in dims) + "]"

    return f"""
      ({typed("q", "bhqd")}, {typed("k", key)}, {typed("v", value)},
       {typed("bias", bias)}) => (y) {{
        kt = Transpose<{order("bhdk", key)}>(k)
        vt = Transpose<{order("bhkd", value)}>(v)
        bt = Transpose<{order("hqk" if len(bias) == 3 else "bhqk", bias)}>(bias)
        products = MatMul(q, kt)
        scores = Add(products, bt)
        p = Softmax<axis=-1>(scores)
        o = MatMul(p, vt)
        y = Transpose<{order(result, "bhqd")}>(o)
      }}"""


# Each tensor in an order that kernels read as it is, and in others.
ATTENTION_LAYOUTS = [
    ("hqk", "bhkd", "bhkd", "bqhd"),
    ("qkh", "bhkd", "bhkd", "bhqd"),  # as T5's relative positions
    ("kqh", "bkhd", "bkhd", "bhqd"),
    ("qbkh", "bhdk", "bhkd", "bhqd"),
    ("hqk", "bdkh", "bhkd", "bhqd"),  # as 1x1 convolutions with channels last
    ("hqk", "bhkd", "bhdk", "bhqd"),
    ("hqk", "bhkd", "bdkh", "bhqd"),
    ("khq", "kdhb", "dkbh", "dqbh"),
]

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
    # One number stands for the whole tensor, but kernels read it as a buffer.
    "conv-splat-bias": """
      (float[2,3,6,7] x, float[8,3,3,3] W0, float[8] S0) => (y) {
        y = Conv(x, W0, S0)
      }""",
    "attention-splat-mask": """
      (float[1,2,5,8] q, float[1,2,8,6] k, float[1,2,6,8] v, float[5,6] S0) => (y) {
        s = MatMul(q, k)
        m = Add(s, S0)
        p = Softmax<axis=-1>(m)
        y = MatMul(p, v)
      }""",
    "attention-splat-value": """
      (float[1,2,5,8] q, float[1,2,8,6] k, float[1,2,6,3] S0) => (y) {
        s = MatMul(q, k)
        p = Softmax<axis=-1>(s)
        y = MatMul(p, S0)
      }""",
    "rnn-splat-weights": """
      (float[4,6,5] x, float[1,7,5] S0, float[1,7,7] S1, float[1,14] B0) => (y, h) {
        y, h = RNN<hidden_size=7>(x, S0, S1, B0)
      }""",
    # As many ops as one kernel must not take.
    "long-chain": "(float[3,5] x) => (y) { a0 = Identity(x)\n"
    + "\n".join(f"a{i + 1} = {'Sin' if i % 2 else 'Cos'}(a{i})" for i in range(150))
    + "\ny = Neg(a150) }",
}

# Models of run-time sizes, with the sizes to try.
CASES |= {
    f"attention-{'-'.join(layout)}": attention(*layout) for layout in ATTENTION_LAYOUTS
}

# Pads as exporters write them: begins and ends in pairs from the last dim on, which
# are reversed; their sizes computed from those of the input, in floats.
CASES["reversed-pads"] = """
  (float[2,3,9,7] x) => (y) {
    given = Constant<value_ints=[1,2,0,1]>()
    count = Constant<value_ints=[4]>()
    zeros = ConstantOfShape<value = int64[1] {0}>(count)
    pads = Concat<axis=0>(given, zeros)
    pairs = Constant<value_ints=[-1,2]>()
    table = Reshape(pads, pairs)
    last = Constant<value_ints=[-1]>()
    end = Constant<value_ints=[-9223372036854775807]>()
    axis = Constant<value_ints=[0]>()
    reversed = Slice(table, last, end, axis, last)
    turned = Transpose<perm=[1,0]>(reversed)
    list = Reshape(turned, last)
    padded = Pad(x, list)
    y = Relu(padded)
  }"""
CASES["same-pads"] = """
  (float[2,3,17,17] x, float[8,3,3,3] W0) => (y) {
    half = Constant<value_float=8.5>()
    rounded = Ceil(half)
    two = Constant<value_float=2.0>()
    most = Mul(rounded, two)
    size = Constant<value_float=17.0>()
    missing = Sub(most, size)
    number = Cast<to=7>(missing)
    axes = Constant<value_ints=[0]>()
    low = Unsqueeze(number, axes)
    none = Constant<value_ints=[0,0]>()
    pads = Concat<axis=0>(none, low, low, none, low, low)
    padded = Pad(x, pads)
    y = Conv<strides=[2,2]>(padded, W0)
  }"""

DYNAMIC_CASES = {
    # Whether C repeats, and along which dim, is known at run time only.
    "gemm": (
        """(float[m,k] a, float[k,n] b, float[p,q] c) => (y) {
          y = Gemm<alpha=0.5, beta=2.0>(a, b, c)
        }""",
        [
            dict(m=3, k=5, n=17, p=3, q=17),
            dict(m=3, k=5, n=17, p=1, q=17),
            dict(m=4, k=1, n=19, p=4, q=1),
            dict(m=1, k=2, n=1, p=1, q=1),
        ],
    ),
    # The product may be the one that repeats.
    "product-repeats": (
        """(float[m,8] a, float[8,n] b, float[p,q] c) => (y) {
          s = MatMul(a, b)
          t = Add(s, c)
          y = Sigmoid(t)
        }""",
        [
            dict(m=1, n=1, p=3, q=18),
            dict(m=1, n=18, p=3, q=18),
            dict(m=3, n=18, p=1, q=18),
            dict(m=3, n=18, p=3, q=1),
        ],
    ),
    "softmax-of-repeated": (
        """(float[m,n] a, float[p,q] c) => (y) {
          s = Mul(a, c)
          y = Softmax<axis=-1>(s)
        }""",
        [
            dict(m=3, n=18, p=3, q=18),
            dict(m=1, n=18, p=3, q=1),
            dict(m=3, n=1, p=1, q=18),
        ],
    ),
}


def parse(graph: str) -> onnx.ModelProto:
    text = '<ir_version: 10, opset_import: ["": 21]> g ' + graph.strip()
    outputs = re.search(r"=> \((.*?)\)", text)[1]
    typed = ", ".join(f"float {output}" for output in outputs.split(", "))
    model = onnx.parser.parse_model(text.replace(f"({outputs})", f"({typed})", 1))
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    return model


def build(name: str) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """The model, and values of its inputs."""
    model = parse(CASES[name])
    rng = rng_for(name, 0)
    feeds = {}
    for value in list(model.graph.input):
        shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        data = rng.standard_normal(shape).astype(np.float32)
        if value.name.startswith("S"):
            data[...] = 0.25
        if re.fullmatch(r"[A-Z]\d+", value.name):
            model.graph.input.remove(value)
            model.graph.initializer.append(numpy_helper.from_array(data, value.name))
        else:
            feeds[value.name] = data
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


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize("name", DYNAMIC_CASES)
def test_dynamic_fusion(name):
    run_in_child(check_dynamic_fusion, name)


def check_dynamic_fusion(name: str) -> None:
    graph, all_sizes = DYNAMIC_CASES[name]
    model = parse(graph)
    data = model.SerializeToString()
    reference, compiled = ort.InferenceSession(data), dlc.compile(data)
    rng = rng_for(name, 0)
    for sizes in all_sizes:
        feeds = {}
        for value in model.graph.input:
            dims = value.type.tensor_type.shape.dim
            shape = [sizes.get(dim.dim_param, dim.dim_value) for dim in dims]
            feeds[value.name] = rng.standard_normal(shape).astype(np.float32)
        (result,) = compiled.run(feeds).values()
        assert relative_error(result, reference.run(None, feeds)[0]) <= TOLERANCE
