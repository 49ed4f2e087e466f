# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Single operators against ONNX Runtime, at sizes that fill no tile evenly.

ONNX's own node tests are small, and every operand of theirs is an input. Here
weights are initializers, as in real models; each case runs with static dims, and
where `dynamic` is set also with the first dim of its inputs unknown.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
import onnxruntime as ort
import pytest
from conftest import run_in_child
from onnx import ValueInfoProto, helper, numpy_helper

import dlc
from common import relative_error, rng_for

TOLERANCE = 1e-5
_SERIAL = itertools.count()


@dataclass
class OpCase:
    name: str
    op: str
    inputs: list[np.ndarray]
    attributes: dict = field(default_factory=dict)
    # How many of the inputs, from the end, are initializers.
    constants: int = 0
    dynamic: bool = False
    opset: int = 20
    outputs: int = 1

    def model(self, is_dynamic: bool):
        names = [f"x{k}" for k in range(len(self.inputs))]
        first = len(names) - self.constants
        values = []
        for name, value in zip(names[:first], self.inputs, strict=False):
            shape = list(value.shape)
            if is_dynamic and shape:
                shape[0] = f"n{shape[0]}"
            kind = helper.np_dtype_to_tensor_dtype(value.dtype)
            values.append(helper.make_tensor_value_info(name, kind, shape))
        weights = [
            numpy_helper.from_array(value, name)
            for name, value in zip(names[first:], self.inputs[first:], strict=True)
        ]
        results = [f"y{k}" for k in range(self.outputs)]
        node = helper.make_node(self.op, names, results, name="node", **self.attributes)
        graph = helper.make_graph(
            [node], "op", values, [ValueInfoProto(name=r) for r in results], weights
        )
        opset = helper.make_opsetid("", self.opset)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=10)
        return typed(model)

    def feeds(self) -> dict[str, np.ndarray]:
        first = len(self.inputs) - self.constants
        return {f"x{k}": value for k, value in enumerate(self.inputs[:first])}


def typed(model):
    """The model with the types of its outputs, which dlc asks for."""
    import onnx

    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    return inferred


def f32(*shape: int, low: float | None = None) -> np.ndarray:
    """Normal values, others each time; from `low` on upwards when that is given."""
    rng = rng_for(f"{next(_SERIAL)}", 0)
    if low is not None:
        return (low + rng.random(shape) * 3).astype(np.float32)
    return rng.standard_normal(shape).astype(np.float32)


def i64(*values) -> np.ndarray:
    return np.array(values, np.int64)


def conv(name, x, w, bias=True, op="Conv", **attributes) -> OpCase:
    channels = w[0] if op == "Conv" else w[1] * attributes.get("group", 1)
    inputs = [f32(*x), f32(*w)] + ([f32(channels)] if bias else [])
    return OpCase(name, op, inputs, attributes, len(inputs) - 1, dynamic=True)


def unary(op: str, low=None, **attributes) -> OpCase:
    return OpCase(op, op, [f32(3, 7, 19, low=low)], attributes, dynamic=True)


CONVOLUTIONS = [
    conv("3x3", (1, 5, 17, 19), (7, 5, 3, 3), pads=[1, 1, 1, 1]),
    conv("1x1", (2, 33, 14, 14), (70, 33, 1, 1), bias=False),
    conv("1x1-stride", (1, 16, 15, 15), (24, 16, 1, 1), strides=[2, 2]),
    conv("7x7-stride", (1, 3, 37, 41), (16, 3, 7, 7), strides=[2, 2], pads=[3] * 4),
    conv("uneven-pads", (1, 4, 9, 10), (6, 4, 3, 2), pads=[0, 1, 2, 0]),
    conv("dilated", (1, 4, 20, 21), (6, 4, 3, 3), dilations=[2, 3]),
    conv("grouped", (2, 12, 11, 13), (18, 4, 3, 3), group=3, pads=[1] * 4),
    conv("depthwise", (1, 21, 12, 13), (21, 1, 3, 3), group=21, pads=[1] * 4),
    conv("depthwise-5x5", (1, 16, 14, 15), (16, 1, 5, 5), group=16, strides=[2, 2]),
    conv("depth-multiplier", (1, 6, 9, 9), (12, 1, 3, 3), group=6),
    conv("same-upper", (1, 3, 10, 11), (5, 3, 3, 4), auto_pad="SAME_UPPER"),
    conv("same-lower", (1, 3, 10, 11), (5, 3, 2, 2), auto_pad="SAME_LOWER"),
    conv("1-d", (2, 6, 31), (9, 6, 5), pads=[2, 2], strides=[3]),
    conv("3-d", (1, 3, 7, 8, 9), (4, 3, 3, 3, 3), pads=[1] * 6),
    conv("many-channels", (1, 130, 7, 7), (67, 130, 3, 3), pads=[1] * 4),
    conv("one-pixel", (1, 64, 1, 1), (10, 64, 1, 1)),
    conv("up", (1, 6, 7, 8), (6, 5, 2, 2), op="ConvTranspose", strides=[2, 2]),
    conv(
        "up-uneven",
        (1, 6, 7, 8),
        (6, 5, 4, 3),
        op="ConvTranspose",
        strides=[2, 3],
        pads=[1, 0, 1, 1],
        output_padding=[1, 0],
    ),
    conv("up-grouped", (1, 6, 5, 5), (6, 4, 3, 3), op="ConvTranspose", group=2),
]

POOLS = [
    OpCase(f"{op}-{name}", op, [f32(*x)], attributes, dynamic=True)
    for op in ("MaxPool", "AveragePool")
    for name, x, attributes in [
        ("3x3", (1, 5, 13, 15), {"kernel_shape": [3, 3], "strides": [2, 2]}),
        ("padded", (2, 5, 12, 13), {"kernel_shape": [3, 2], "pads": [1, 1, 1, 0]}),
        (
            "ceil",
            (1, 4, 12, 11),
            dict(kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
        ),
        ("1-d", (2, 4, 17), {"kernel_shape": [4], "strides": [3]}),
        ("3-d", (1, 2, 6, 7, 8), {"kernel_shape": [2, 3, 2]}),
    ]
] + [
    OpCase(
        "AveragePool-count-pad",
        "AveragePool",
        [f32(1, 3, 9, 9)],
        {"kernel_shape": [3, 3], "pads": [1] * 4, "count_include_pad": 1},
    ),
    OpCase(
        "MaxPool-dilated",
        "MaxPool",
        [f32(1, 3, 14, 14)],
        {"kernel_shape": [3, 3], "dilations": [2, 2]},
    ),
    OpCase("GlobalAveragePool", "GlobalAveragePool", [f32(2, 9, 7, 5)], dynamic=True),
    OpCase("LRN", "LRN", [f32(1, 11, 6, 7)], {"size": 5, "alpha": 0.1, "beta": 0.75}),
    OpCase("LRN-narrow", "LRN", [f32(2, 35, 6, 7)], {"size": 3, "bias": 2.0}),
    OpCase("LRN-wide", "LRN", [f32(1, 20, 6, 7)], {"size": 13, "alpha": 0.2}),
    OpCase(
        "BatchNormalization",
        "BatchNormalization",
        [f32(2, 13, 5, 6), f32(13), f32(13), f32(13), f32(13, low=0.5)],
        constants=4,
        dynamic=True,
    ),
]

PRODUCTS = [
    # Zero points of a constant factor's columns, some of them or all of them zero.
    *(
        OpCase(
            f"zeros-{step}",
            "MatMulInteger",
            [
                np.arange(5 * 64, dtype=np.uint8).reshape(5, 64),
                np.arange(64 * 96, dtype=np.int64).astype(np.int8).reshape(64, 96),
                np.array(7, np.uint8),
                (np.arange(96) * step).astype(np.int8),
            ],
            constants=3,
            dynamic=True,
        )
        for step in (0, 1)
    ),
    # Scales of one element, which only the run knows.
    OpCase(
        "quantised",
        "QLinearMatMul",
        [
            np.arange(8, dtype=np.uint8).reshape(2, 4),
            np.array([0.1], np.float32),
            np.array([3], np.uint8),
            np.arange(12, dtype=np.uint8).reshape(4, 3),
            np.array([0.2], np.float32),
            np.array([5], np.uint8),
            np.array([0.05], np.float32),
            np.array([128], np.uint8),
        ],
        dynamic=True,
        opset=10,
    ),
    OpCase("2-d", "MatMul", [f32(37, 65), f32(65, 71)], constants=1, dynamic=True),
    OpCase("row", "MatMul", [f32(1, 130), f32(130, 33)], constants=1, dynamic=True),
    OpCase("column", "MatMul", [f32(40, 33), f32(33, 1)], constants=1, dynamic=True),
    OpCase("batch", "MatMul", [f32(3, 5, 17, 9), f32(3, 5, 9, 21)]),
    OpCase("broadcast", "MatMul", [f32(3, 1, 7, 9), f32(5, 9, 4)]),
    OpCase(
        "3-d-by-2-d", "MatMul", [f32(2, 13, 48), f32(48, 50)], constants=1, dynamic=True
    ),
    OpCase("vector", "MatMul", [f32(9), f32(9, 5)]),
    OpCase("dot", "MatMul", [f32(9), f32(9)]),
    OpCase(
        "gemm",
        "Gemm",
        [f32(11, 65), f32(33, 65), f32(33)],
        {"transB": 1},
        constants=2,
        dynamic=True,
    ),
    OpCase(
        "gemm-scaled",
        "Gemm",
        [f32(6, 11), f32(6, 9), f32(11, 1)],
        {"transA": 1, "alpha": 0.5, "beta": 2.0},
    ),
    OpCase(
        "einsum",
        "Einsum",
        [f32(2, 7, 3, 5), f32(2, 9, 3, 5)],
        {"equation": "bqhd,bkhd->bhqk"},
    ),
]

ELEMENTWISE = [
    *(
        unary(op)
        for op in (
            "Relu",
            "Neg",
            "Abs",
            "Exp",
            "Tanh",
            "Sigmoid",
            "Erf",
            "Softplus",
            "Softsign",
            "Elu",
            "Selu",
            "HardSigmoid",
            "HardSwish",
            "Mish",
            "Celu",
            "Sin",
            "Cos",
            "Floor",
            "Ceil",
            "Round",
            "Sign",
            "Gelu",
        )
    ),
    *(unary(op, low=0.1) for op in ("Log", "Sqrt", "Reciprocal")),
    unary("LeakyRelu", alpha=0.2),
    OpCase("gelu-tanh", "Gelu", [f32(4, 33)], {"approximate": "tanh"}),
    OpCase("clip", "Clip", [f32(5, 9), np.float32(-0.5), np.float32(0.7)], constants=2),
    OpCase("add-broadcast", "Add", [f32(4, 1, 7), f32(5, 1)], dynamic=True),
    OpCase("mul-scalar", "Mul", [f32(4, 9), np.array(3, np.float32)], constants=1),
    OpCase("div", "Div", [f32(4, 9), f32(4, 9, low=0.5)]),
    OpCase("div-ints", "Div", [i64(7, -7, 9, -1), i64(2, 2, -4, 3)]),
    OpCase("pow", "Pow", [f32(4, 9, low=0.1), f32(9)]),
    OpCase("pow-2", "Pow", [f32(4, 9), np.array(2, np.float32)], constants=1),
    OpCase("min", "Min", [f32(4, 9), f32(9), f32(4, 1)]),
    OpCase("sum", "Sum", [f32(4, 9), f32(9), f32(4, 1)]),
    OpCase("mod", "Mod", [i64(7, -7, 9, -1), i64(2, 2, -4, 3)]),
    OpCase("where", "Where", [f32(4, 9) > 0, f32(4, 1), f32(9)]),
    OpCase("less", "Less", [f32(4, 9), f32(9)]),
    OpCase("equal", "Equal", [i64(1, 2, 3), i64(1, 0, 3)]),
    OpCase("cast", "Cast", [f32(4, 9) * 10], {"to": 7}),
    OpCase("isnan", "IsNaN", [np.array([1, np.nan, np.inf], np.float32)]),
    OpCase("prelu", "PRelu", [f32(2, 5, 4), f32(5, 1)], constants=1),
]

REDUCTIONS = [
    OpCase(
        f"{op}-{name}",
        op,
        [f32(4, 7, 33, low=0.2), i64(*axes)],
        {"keepdims": keep},
        constants=1,
        dynamic=0 not in axes,
    )
    for op in (
        "ReduceSum",
        "ReduceMean",
        "ReduceMax",
        "ReduceMin",
        "ReduceProd",
        "ReduceL1",
        "ReduceL2",
        "ReduceSumSquare",
        "ReduceLogSumExp",
    )
    for name, axes, keep in [("last", [-1], 1), ("middle", [1], 0), ("two", [0, 2], 1)]
] + [
    # Long enough for two stages on a GPU.
    OpCase("reduce-whole", "ReduceSumSquare", [f32(2, 96, 300)], {"keepdims": 0}),
    OpCase("reduce-long", "ReduceL2", [f32(3, 40960), i64(1)], constants=1),
    OpCase("reduce-columns", "ReduceMax", [f32(6000, 40), i64(0)], constants=1),
    OpCase("argmax", "ArgMax", [f32(4, 7, 9)], {"axis": 1, "keepdims": 0}),
    OpCase(
        "argmin-last",
        "ArgMin",
        [np.float32([[1, 0, 0], [2, 2, 1]])],
        {"axis": 1, "select_last_index": 1},
    ),
    OpCase("softmax", "Softmax", [f32(3, 5, 131) * 5], {"axis": -1}, dynamic=True),
    OpCase("softmax-axis-1", "Softmax", [f32(3, 17, 5)], {"axis": 1}),
    OpCase("log-softmax", "LogSoftmax", [f32(6, 40)], {"axis": -1}),
    OpCase(
        "layer-norm",
        "LayerNormalization",
        [f32(3, 5, 67), f32(67), f32(67)],
        {"axis": -1},
        constants=2,
        dynamic=True,
    ),
    OpCase(
        "layer-norm-2",
        "LayerNormalization",
        [f32(3, 5, 7), f32(5, 7)],
        {"axis": 1},
        constants=1,
    ),
    OpCase(
        "instance-norm",
        "InstanceNormalization",
        [f32(2, 5, 6, 7), f32(5), f32(5)],
        constants=2,
    ),
    # Blocks of a GPU that end amid an image, and have rows of two.
    OpCase(
        "instance-norm-blocks",
        "InstanceNormalization",
        [f32(3, 77, 6, 6), f32(77), f32(77)],
        constants=2,
    ),
    OpCase(
        "group-norm-blocks",
        "GroupNormalization",
        [f32(3, 60, 4, 4), f32(60), f32(60)],
        {"num_groups": 15},
        constants=2,
        opset=21,
    ),
    OpCase("cumsum", "CumSum", [f32(3, 7, 5), np.array(1)], constants=1),
]

MOVES = [
    # Their sizes are constants of another type than a size.
    *(
        OpCase(op, op, [np.array(10)], constants=1)
        for op in ("HannWindow", "HammingWindow", "BlackmanWindow")
    ),
    OpCase(
        "one-hot-float-depth",
        "OneHot",
        [i64(0, 2, 1), np.array(4, np.float32), np.array([0, 1], np.float32)],
        constants=2,
    ),
    OpCase(
        "transpose",
        "Transpose",
        [f32(3, 5, 7, 9)],
        {"perm": [0, 2, 3, 1]},
        dynamic=True,
    ),
    OpCase("transpose-all", "Transpose", [f32(3, 5, 7)]),
    OpCase("reshape", "Reshape", [f32(4, 6, 5), i64(0, -1)], constants=1, dynamic=True),
    OpCase("flatten", "Flatten", [f32(4, 6, 5)], {"axis": 2}),
    OpCase("squeeze", "Squeeze", [f32(4, 1, 5, 1), i64(1, -1)], constants=1),
    OpCase("unsqueeze", "Unsqueeze", [f32(4, 5), i64(0, 3)], constants=1),
    OpCase(
        "concat",
        "Concat",
        [f32(4, 3, 5), f32(4, 1, 5), f32(4, 9, 5)],
        {"axis": 1},
        dynamic=True,
    ),
    OpCase(
        "split",
        "Split",
        [f32(4, 10), i64(3, 5, 2)],
        {"axis": 1},
        constants=1,
        outputs=3,
        dynamic=True,
    ),
    OpCase(
        "slice",
        "Slice",
        [f32(9, 11), i64(1, -2), i64(8, 0), i64(0, 1), i64(2, -3)],
        constants=4,
    ),
    OpCase(
        "slice-clamped", "Slice", [f32(9, 11), i64(-99, 3), i64(2**62, 99)], constants=2
    ),
    OpCase("pad", "Pad", [f32(3, 5), i64(1, 0, 2, 3), np.float32(7)], constants=2),
    OpCase(
        "pad-reflect",
        "Pad",
        [f32(5, 7), i64(2, 1, 3, 0)],
        {"mode": "reflect"},
        constants=1,
    ),
    OpCase(
        "pad-edge", "Pad", [f32(5, 7), i64(2, 1, 3, 0)], {"mode": "edge"}, constants=1
    ),
    *(
        OpCase(
            f"transpose-{kind}",
            "Transpose",
            [(100 * f32(5, 67, 39, low=0)).astype(kind)],
            {"perm": [0, 2, 1]},
            dynamic=True,
        )
        for kind in ("uint8", "int8", "uint16", "float16", "uint64", "bool")
    ),
    OpCase("expand", "Expand", [f32(4, 1, 5), i64(2, 1, 3, 1)], constants=1),
    OpCase("tile", "Tile", [f32(3, 5), i64(2, 3)], constants=1),
    OpCase("gather", "Gather", [f32(11, 6), i64(3, -1, 0)], constants=1),
    OpCase(
        "gather-rows",
        "Gather",
        [f32(5, 7, 3), np.array([[0, 4], [2, -3]])],
        {"axis": 1},
        constants=1,
    ),
    OpCase("embedding", "Gather", [f32(50, 33), np.arange(12).reshape(3, 4) * 4]),
    OpCase(
        "gather-elements",
        "GatherElements",
        [f32(4, 5), np.array([[0, 3, 1], [2, 2, -1]])],
        {"axis": 0},
    ),
    OpCase("gather-nd", "GatherND", [f32(4, 5, 3), np.array([[0, 1], [3, 4]])]),
    *(
        OpCase(
            f"scatter-bool-{reduction}",
            "ScatterElements",
            [f32(4, 5) > 0, i64([0, 2, 2, -1, 0], [1, 1, 0, 3, 3]), f32(2, 5) > 0],
            {"reduction": reduction},
        )
        for reduction in ("add", "mul")
    ),
    OpCase("scatter-nd", "ScatterND", [f32(6, 3), np.array([[1], [4]]), f32(2, 3)]),
    OpCase("trilu", "Trilu", [f32(5, 7)], {"upper": 0}),
    OpCase("depth-to-space", "DepthToSpace", [f32(1, 12, 3, 4)], {"blocksize": 2}),
    OpCase(
        "resize-nearest",
        "Resize",
        [f32(1, 3, 5, 6), np.zeros(0, np.float32), np.float32([1, 1, 2, 2])],
        {"mode": "nearest"},
        constants=2,
    ),
    OpCase(
        "resize-linear",
        "Resize",
        [f32(1, 3, 5, 6), np.zeros(0, np.float32), np.float32([1, 1, 1.7, 2.3])],
        {"mode": "linear"},
        constants=2,
    ),
    OpCase("range", "Range", [np.array(3), np.array(20), np.array(4)], constants=3),
    OpCase(
        "one-hot",
        "OneHot",
        [i64(1, 0, 3), np.array(4), np.float32([2, 5])],
        constants=2,
    ),
    OpCase("topk", "TopK", [f32(4, 19), i64(5)], constants=1, outputs=2),
]

SAMPLES = [
    OpCase(
        f"{mode}-{padding}{'-corners' if corners else ''}",
        "GridSample",
        # A third of the points lie outside.
        [f32(2, 5, 9, 11), f32(2, 7, 6, 2)],
        {"mode": mode, "padding_mode": padding, "align_corners": corners},
        dynamic=mode == "linear",
    )
    for mode in ("nearest", "linear", "cubic")
    for padding in ("zeros", "border", "reflection")
    for corners in (0, 1)
]

CASES = {
    f"{group}-{case.op}-{case.name}": case
    for group, cases in {
        "conv": CONVOLUTIONS,
        "pool": POOLS,
        "product": PRODUCTS,
        "elementwise": ELEMENTWISE,
        "reduction": REDUCTIONS,
        "move": MOVES,
        "sample": SAMPLES,
    }.items()
    for case in cases
}
VARIANTS = [
    pytest.param(name, kind == "dynamic", id=f"{name}-{kind}")
    for name, case in CASES.items()
    for kind in (["static", "dynamic"] if case.dynamic else ["static"])
]


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize(("name", "is_dynamic"), VARIANTS)
def test_operator(name, is_dynamic):
    run_in_child(check_operator, name, is_dynamic)


def check_operator(name: str, is_dynamic: bool, device: str = "cpu") -> None:
    case = CASES[name]
    data = case.model(is_dynamic).SerializeToString()
    feeds = case.feeds()
    session = ort.InferenceSession(data)
    names = [value.name for value in session.get_outputs()]
    model = dlc.compile(data, device=device)
    results = model.run(feeds)
    for output, reference in zip(names, session.run(names, feeds), strict=True):
        value = results[output]
        assert value.dtype == reference.dtype
        if reference.dtype.kind in "fc":
            assert relative_error(value, reference) <= TOLERANCE
        else:
            np.testing.assert_array_equal(value, reference)
