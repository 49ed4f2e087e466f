# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Memory accesses of GPU kernels, as the simulator counts them: sectors of global
memory beside those that hold the data, and wavefronts of shared memory beside those
of accesses without bank conflicts."""

from __future__ import annotations

import json
import os

import numpy as np
import onnxruntime as ort
import pytest
from conftest import run_in_child
from onnx import TensorProto, helper, numpy_helper
from test_gpu_vector import image_model
from test_operators import OpCase, f32, i64, typed

import dlc
from common import relative_error

pytestmark = pytest.mark.usefixtures("compiler", "simulator")
SECTOR = 32
MOST_SECTORS = 1.1
MOST_WAVEFRONTS = 1.05

# Each reads its inputs once, and writes its output once; the second number is how
# often an operand that rows have in common is read.
STREAMED = {
    "relu": (OpCase("relu", "Relu", [f32(64, 1000)]), 1),
    "add": (OpCase("add", "Add", [f32(3, 64, 100), f32(3, 64, 100)]), 1),
    "cast": (OpCase("cast", "Cast", [f32(64, 1024)], {"to": 10}), 1),
    "softmax": (OpCase("softmax", "Softmax", [f32(64, 768)]), 1),
    "long_softmax": (OpCase("long_softmax", "Softmax", [f32(16, 8192)]), 1),
    "outer_softmax": (
        OpCase("outer_softmax", "Softmax", [f32(4, 96, 128)], {"axis": 1}),
        1,
    ),
    # More than a block has registers for.
    "longest_softmax": (OpCase("longest_softmax", "Softmax", [f32(2, 26000)]), 1),
    "longest_norm": (
        OpCase("longest_norm", "LayerNormalization", [f32(4, 20000), f32(20000)]),
        4,
    ),
    "long_outer_softmax": (
        OpCase("long_outer_softmax", "Softmax", [f32(2, 500, 64)], {"axis": 1}),
        1,
    ),
    "layer_norm": (
        OpCase("layer_norm", "LayerNormalization", [f32(64, 768), f32(768), f32(768)]),
        64,
    ),
    "reduce_rows": (
        OpCase("reduce_rows", "ReduceMax", [f32(64, 1024)], {"keepdims": 0}, opset=17),
        1,
    ),
    "transpose": (
        OpCase("transpose", "Transpose", [f32(5, 64, 96)], {"perm": [0, 2, 1]}),
        1,
    ),
}
STREAMED["reduce_rows"][0].attributes["axes"] = [1]
STREAMED["cumsum"] = (
    OpCase("cumsum", "CumSum", [f32(64, 1000), np.array(1)], constants=1),
    1,
)
STREAMED["arg_max"] = (OpCase("arg_max", "ArgMax", [f32(64, 1000)], {"axis": 1}), 1)
STREAMED["top_k"] = (
    OpCase("top_k", "TopK", [f32(16, 1000), i64(10)], constants=1, outputs=2),
    1,
)

# Rows whose length only the run knows, and how often other operands are read.
UNKNOWN = {
    "softmax": (OpCase("softmax", "Softmax", [f32(40, 96)]), 1),
    "long_softmax": (OpCase("long_softmax", "Softmax", [f32(8, 1000)]), 1),
    "longest_softmax": (OpCase("longest_softmax", "Softmax", [f32(3, 9000)]), 1),
    "outer_softmax": (
        OpCase("outer_softmax", "Softmax", [f32(3, 400, 32)], {"axis": 1}),
        1,
    ),
    "odd_softmax": (OpCase("odd_softmax", "Softmax", [f32(2, 9001)]), 1),
    "odd_f64_softmax": (
        OpCase("odd_f64_softmax", "Softmax", [f32(20, 99).astype(np.float64)]),
        1,
    ),
    "layer_norm": (
        OpCase("layer_norm", "LayerNormalization", [f32(20, 768), f32(768)]),
        20,
    ),
}

# Rows of every place and length: shorter than a sector, no multiple of one, more than
# registers hold, with few lanes beside them; the axis of each.
ROWS = [
    ((1000, 7), 1),
    ((517, 3), 1),
    ((64, 101), 1),
    ((64, 1023), 1),
    ((9, 5001), 1),
    ((4, 8, 50, 50), 3),
    ((2, 3, 1000, 5), 2),
    ((5, 33, 7), 1),
    ((37, 40, 10), 1),
    ((3, 70, 65), 1),
    ((300, 17), 0),
]
KINDS = ("float32", "float16")


def normalised(shape: tuple[int, ...], kind: str) -> OpCase:
    inputs = [f32(*shape), f32(shape[-1]), f32(shape[-1])]
    inputs = [x.astype(kind) for x in inputs]
    return OpCase("norm", "LayerNormalization", inputs)


def grouped(shape: tuple[int, ...], groups: int, kind: str = "float32") -> OpCase:
    inputs = [f32(*shape), f32(shape[1]), f32(shape[1])]
    inputs = [x.astype(kind) for x in inputs]
    if groups == shape[1]:
        return OpCase("instances", "InstanceNormalization", inputs)
    attributes = {"num_groups": groups}
    return OpCase("groups", "GroupNormalization", inputs, attributes, opset=21)


ODD_ROWS = {
    f"softmax_{'x'.join(map(str, shape))}_{axis}_{kind}": (
        OpCase("softmax", "Softmax", [f32(*shape).astype(kind)], {"axis": axis}),
        1,
    )
    for shape, axis in ROWS
    for kind in KINDS
}
ODD_ROWS |= {
    f"norm_{'x'.join(map(str, shape))}_{kind}": (
        normalised(shape, kind),
        int(np.prod(shape[:-1])),
    )
    for shape, axis in ROWS
    for kind in KINDS
    if axis == len(shape) - 1
}
# More than a piece in shared memory: these need registers, too, and known sizes.
LONG_ROWS = {
    f"softmax_{'x'.join(map(str, shape))}_{axis}_{kind}": (
        OpCase("softmax", "Softmax", [f32(*shape).astype(kind)], {"axis": axis}),
        1,
    )
    for shape, axis in [((4000, 7), 0), ((2, 500, 33), 1), ((3, 20001), 1)]
    for kind in KINDS
}
# All of scale and bias is read once for each of the at most 32 groups.
GROUPS = {
    f"groups_{'x'.join(map(str, shape))}_{groups}": (grouped(shape, groups), 32)
    for shape, groups in [
        ((2, 16, 20, 20), 4),
        ((2, 16, 21, 21), 16),
        ((3, 12, 9, 7), 3),
        ((1, 64, 16, 16), 2),
    ]
}
# Many channels of few pixels, where a block copies scale and bias of its rows alone.
GROUPS |= {
    f"channels_{'x'.join(map(str, shape))}_{groups}_{kind}": (
        grouped(shape, groups, kind),
        1,
    )
    for shape, groups in [
        ((2, 320, 8, 8), 32),
        ((2, 320, 8, 8), 320),
        ((1, 512, 7, 7), 32),
        ((3, 500, 7, 7), 500),
    ]
    for kind in KINDS
}


# Height and width, channels, groups: pieces of 16, 40, 12, 8 and 32 bytes.
INNER_GROUPS = [(16, 32, 8), (8, 320, 32), (11, 36, 12), (7, 32, 16), (32, 64, 8)]

# Operands that repeat, in rows that are no whole number of accesses; none is worth
# counting beside the result.
REPEATED = {
    f"add_{'x'.join(map(str, shape))}_{'x'.join(map(str, other))}": OpCase(
        "add", "Add", [f32(*shape), f32(*other)]
    )
    for shape, other in [
        ((333, 77), (77,)),
        ((77, 333), (77, 1)),
        ((3, 17, 31, 31), (17, 1, 1)),
        ((40, 9, 55), (9, 55)),
    ]
}

# Scores and masks of attention: rows of odd places and lengths, and whole accesses.
MASKED = {
    f"{'x'.join(map(str, scores))}_{'x'.join(map(str, mask))}_{kind}": (
        f32(*scores).astype(kind),
        f32(*mask).astype(kind),
    )
    for scores, mask in [
        ((4, 8, 50, 51), (4, 1, 1, 51)),
        ((4, 8, 50, 51), (1, 1, 50, 51)),
        ((2, 4, 77, 1077), (2, 1, 1, 1077)),
        ((2, 4, 64, 64), (2, 1, 1, 64)),
    ]
    for kind in KINDS
}

# Transposes with dims too short for the side of a tile.
NARROW = {
    f"{'x'.join(map(str, shape))}_{''.join(map(str, order))}": OpCase(
        "transpose", "Transpose", [f32(*shape)], {"perm": order}
    )
    for shape, order in [
        ((3, 64, 96), [2, 1, 0]),
        ((96, 64, 5), [2, 1, 0]),
        ((2, 32, 40, 64), [3, 1, 0, 2]),
        ((16, 4, 128), [2, 1, 0]),
    ]
}

# Windows over channels-last images and places that indices name; the number is how
# many elements are read for one of the output: of the input, and of the filter and
# bias, which every pixel reads.
WINDOWED = {
    "pool": (
        "MaxPool",
        [f32(1, 21, 23, 64)],
        {"kernel_shape": [3, 3], "strides": [2, 1]},
        9,
    ),
    "depthwise": (
        "Conv",
        [f32(1, 18, 19, 128), f32(128, 1, 3, 3), f32(128)],
        {"group": 128},
        9 + 9 + 1,
    ),
    "strided_depthwise": (
        "Conv",
        [f32(1, 18, 19, 128).astype(np.float16)]
        + [f32(128, 1, 5, 5).astype(np.float16)],
        {"group": 128, "strides": [2, 2]},
        25 + 25,
    ),
}
_TURNS = [f32(1, 16, 32), f32(1, 16, 32)]
_SCALES = [np.zeros(0, np.float32), np.float32([1, 2, 2, 1])]
PLACED = {
    "gather": (
        OpCase("gather", "Gather", [f32(100, 512), np.arange(60) * 7 % 100]),
        1,
    ),
    "slice": (
        OpCase(
            "slice",
            "Slice",
            [f32(90, 128), i64(5, 8), i64(85, 104), i64(0, 1)],
            constants=3,
        ),
        1,
    ),
    "pad": (
        OpCase(
            "pad", "Pad", [f32(1, 30, 31, 64), i64(0, 1, 1, 0, 0, 1, 0, 0)], constants=1
        ),
        1,
    ),
    # An element and its partner, a cosine and a sine.
    "rotary": (
        OpCase(
            "rotary",
            "RotaryEmbedding",
            [f32(1, 8, 16, 64), f32(1, 16, 32), f32(1, 16, 32)],
            opset=23,
        ),
        4,
    ),
    # Whose partner is its neighbour, and is read with it.
    "rotary_interleaved": (
        OpCase(
            "rotary_interleaved",
            "RotaryEmbedding",
            [x.astype(np.float16) for x in (f32(1, 8, 16, 64), *_TURNS)],
            {"interleaved": 1},
            opset=23,
        ),
        4,
    ),
    "resize_nearest": (
        OpCase(
            "resize_nearest",
            "Resize",
            [f32(1, 10, 11, 64), *_SCALES],
            {"mode": "nearest"},
            constants=2,
        ),
        1,
    ),
    "resize_linear": (
        OpCase(
            "resize_linear",
            "Resize",
            [f32(1, 10, 11, 64), *_SCALES],
            {"mode": "linear"},
            constants=2,
        ),
        4,
    ),
}


def attention() -> OpCase:
    shapes = [f32(1, 2, 100, 64), f32(1, 2, 130, 64), f32(1, 2, 130, 64)]
    return OpCase("attention", "Attention", shapes, opset=23)


def sort(count: int) -> OpCase:
    return OpCase("sort", "TopK", [f32(1, count), i64(count)], constants=1, outputs=2)


TILED = {
    "sort": sort(1000),
    "long_sort": sort(9000),
    "gemm": OpCase("gemm", "MatMul", [f32(130, 96), f32(96, 200)], constants=1),
    "gemm_transposed": OpCase(
        "gemm_transposed",
        "Gemm",
        [f32(64, 130), f32(200, 64)],
        {"transA": 1, "transB": 1},
        constants=1,
    ),
    "odd_gemm": OpCase("odd_gemm", "MatMul", [f32(65, 97), f32(97, 131)], constants=1),
    "thin_odd_gemm": OpCase("thin_odd_gemm", "MatMul", [f32(130, 33), f32(33, 24)]),
    "odd_conv": OpCase("odd_conv", "Conv", [f32(1, 13, 15, 15), f32(30, 13, 3, 3)]),
    "narrow_conv": OpCase(
        "narrow_conv",
        "Conv",
        [f32(1, 3, 40, 40), f32(24, 3, 7, 7)],
        {"strides": [2, 2]},
        constants=1,
    ),
    "thin_gemm": OpCase("thin_gemm", "MatMul", [f32(20, 256), f32(256, 64)]),
    "gemv": OpCase("gemv", "MatMul", [f32(3, 256), f32(256, 1000)], constants=1),
    "conv": OpCase(
        "conv",
        "Conv",
        [f32(1, 16, 30, 30), f32(40, 16, 3, 3)],
        {"pads": [1, 1, 1, 1]},
        constants=1,
    ),
    "attention": attention(),
    "transpose": STREAMED["transpose"][0],
    "odd_transpose": OpCase(
        "odd_transpose", "Transpose", [f32(51, 3, 77)], {"perm": [2, 1, 0]}
    ),
    **{
        f"transpose_{kind}": OpCase(
            kind, "Transpose", [f32(65, 129).astype(kind)], {"perm": [1, 0]}
        )
        for kind in ("float16", "uint8", "int64")
    },
}


def run_model(model, feeds, file) -> tuple[dict, dict[str, np.ndarray]]:
    """The counters of one run, and its outputs."""
    os.environ["PTXSIM_COUNTERS"] = str(file)
    outputs = dlc.compile(model, device="ptxsim").run(feeds)
    return json.loads(file.read_text()), outputs


def run_counted(case: OpCase, file) -> tuple[dict, dict[str, np.ndarray]]:
    return run_model(case.model(False), case.feeds(), file)


def unknown_sizes(case: OpCase):
    """The case's model with no size known, but which are equal."""
    model = case.model(False)
    for value in model.graph.input:
        for dim in value.type.tensor_type.shape.dim:
            dim.dim_param = f"size_{dim.dim_value}"
    # Inferred from the sizes that were known.
    model.graph.output[0].type.tensor_type.ClearField("shape")
    return typed(model)


def check_sectors(case: OpCase, repeats: int, file, is_unknown: bool = False) -> None:
    model = unknown_sizes(case) if is_unknown else case.model(False)
    counters, outputs = run_model(model, case.feeds(), file)
    streamed = [case.inputs[0], *outputs.values()]
    streamed += [x for x in case.inputs[1:] for _ in range(repeats)]
    ideal = sum(-(-value.nbytes // SECTOR) for value in streamed)
    ratio = counters["global_sectors"] / ideal
    assert ratio <= MOST_SECTORS, f"{ratio:.2f} times the sectors of the data"


def check_reads(model, feeds: dict, reads: int, file) -> None:
    """No more sectors than `reads` elements for each of the output fill."""
    counters, outputs = run_model(model, feeds, file)
    (result,) = outputs.values()
    ratio = counters["global_sectors"] / ((reads + 1) * result.nbytes / SECTOR)
    assert ratio <= MOST_SECTORS, f"{ratio:.2f} times the sectors of the data"


def masked_softmax(inputs: list[np.ndarray], is_unknown: bool):
    """Softmax of the sum of two tensors, with no size known but 1."""
    kind = helper.np_dtype_to_tensor_dtype(inputs[0].dtype)
    values = []
    for name, value in zip("xm", inputs, strict=True):
        shape = [
            f"d{i}" if is_unknown and n > 1 else n for i, n in enumerate(value.shape)
        ]
        values.append(helper.make_tensor_value_info(name, kind, shape))
    result = helper.make_tensor_value_info("y", kind, None)
    nodes = [
        helper.make_node("Add", ["x", "m"], ["z"]),
        helper.make_node("Softmax", ["z"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "masked", values, [result])
    opset = [helper.make_opsetid("", 17)]
    return typed(helper.make_model(graph, opset_imports=opset, ir_version=8))


def check_masked(inputs: list[np.ndarray], is_unknown: bool, file) -> None:
    # Scores and mask for each result.
    model = masked_softmax(inputs, is_unknown)
    check_reads(model, dict(zip("xm", inputs, strict=True)), 2, file)


def between_convolutions(size: int, channels: int, groups: int, is_unknown=False):
    """Two convolutions, which want channels innermost, with a GroupNormalization
    between them, or nothing. Height and width may be unknown."""
    weights = [f32(channels, 8, 1, 1), f32(8, channels, 1, 1), f32(channels)]
    weights = [numpy_helper.from_array(w, f"w{k}") for k, w in enumerate(weights)]
    names = ["wide", "w2", "w2"]
    norm = helper.make_node(
        "GroupNormalization", names, ["normal"], num_groups=groups or 1
    )
    last = "normal" if groups else "wide"
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["wide"]),
        *([norm] if groups else []),
        helper.make_node("Conv", [last, "w1"], ["y"]),
    ]
    shape = (1, 8, "height", "width") if is_unknown else (1, 8, size, size)
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "image", [image], [result], weights)
    opset = helper.make_opsetid("", 21)
    return helper.make_model(graph, opset_imports=[opset], ir_version=10)


def check_inner_groups(
    size: int, channels: int, groups: int, is_unknown: bool, file
) -> None:
    """What the norm adds to the sectors of the convolutions around it."""
    feeds = {"x": f32(1, 8, size, size)}
    without = between_convolutions(size, channels, 0, is_unknown)
    before, _ = run_model(without, feeds, file)
    model = between_convolutions(size, channels, groups, is_unknown)
    both, _ = run_model(model, feeds, file)
    # The second counts go on from the first.
    added = both["global_sectors"] - 2 * before["global_sectors"]
    ratio = added / (2 * size * size * channels * 4 / SECTOR)
    assert 0.9 <= ratio <= MOST_SECTORS, f"{ratio:.2f} times the sectors of the data"


def check_values_of_inner_groups(
    size: int, channels: int, groups: int, is_unknown: bool
) -> None:
    os.environ["PTXSIM_RACE"] = "1"
    model = between_convolutions(size, channels, groups, is_unknown)
    feeds = {"x": f32(1, 8, size, size)}
    reference = ort.InferenceSession(model.SerializeToString()).run(None, feeds)[0]
    result = dlc.compile(model, device="ptxsim").run(feeds)["y"]
    assert relative_error(result, reference) <= 1e-5


def check_wavefronts(case: OpCase, file) -> None:
    counters, _ = run_counted(case, file)
    assert counters["shared_ideal"] > 0
    ratio = counters["shared_wavefronts"] / counters["shared_ideal"]
    assert ratio <= MOST_WAVEFRONTS, f"{ratio:.2f} wavefronts per ideal one"


@pytest.mark.parametrize("name", STREAMED)
def test_sectors(name, tmp_path):
    # The simulator reads its settings when it is loaded.
    file = tmp_path / "counters.json"
    run_in_child(check_sectors, *STREAMED[name], file, start="spawn")


@pytest.mark.parametrize("name", ODD_ROWS)
@pytest.mark.parametrize("sizes", ["known", "unknown"])
def test_sectors_of_odd_rows(name, sizes, tmp_path):
    file = tmp_path / "counters.json"
    arguments = (*ODD_ROWS[name], file, sizes == "unknown")
    run_in_child(check_sectors, *arguments, start="spawn")


@pytest.mark.parametrize("name", LONG_ROWS)
def test_sectors_of_long_odd_rows(name, tmp_path):
    file = tmp_path / "counters.json"
    run_in_child(check_sectors, *LONG_ROWS[name], file, start="spawn")


@pytest.mark.parametrize("name", GROUPS)
def test_sectors_of_groups(name, tmp_path):
    file = tmp_path / "counters.json"
    run_in_child(check_sectors, *GROUPS[name], file, start="spawn")


@pytest.mark.parametrize(("size", "channels", "groups"), INNER_GROUPS)
@pytest.mark.parametrize("sizes", ["known", "unknown"])
def test_sectors_of_inner_groups(size, channels, groups, sizes, tmp_path):
    file = tmp_path / "counters.json"
    arguments = (size, channels, groups, sizes == "unknown", file)
    run_in_child(check_inner_groups, *arguments, start="spawn")


# And groups of more channels than a block has threads for, or of few pixels.
@pytest.mark.parametrize(
    ("size", "channels", "groups"),
    [*INNER_GROUPS, (3, 6144, 2), (2, 66, 2), (1, 63, 7), (33, 24, 4)],
)
@pytest.mark.parametrize("sizes", ["known", "unknown"])
def test_inner_groups(size, channels, groups, sizes):
    arguments = (size, channels, groups, sizes == "unknown")
    run_in_child(check_values_of_inner_groups, *arguments, start="spawn")


@pytest.mark.parametrize("name", REPEATED)
def test_sectors_of_repeated_operands(name, tmp_path):
    file = tmp_path / "counters.json"
    run_in_child(check_sectors, REPEATED[name], 0, file, start="spawn")


@pytest.mark.parametrize("name", MASKED)
@pytest.mark.parametrize("sizes", ["known", "unknown"])
def test_sectors_of_masked_softmax(name, sizes, tmp_path):
    file = tmp_path / "counters.json"
    run_in_child(check_masked, MASKED[name], sizes == "unknown", file, start="spawn")


@pytest.mark.parametrize("name", NARROW)
def test_sectors_of_narrow_transposes(name, tmp_path):
    file = tmp_path / "counters.json"
    run_in_child(check_sectors, NARROW[name], 1, file, start="spawn")


@pytest.mark.parametrize("name", NARROW)
def test_bank_conflicts_of_narrow_transposes(name, tmp_path):
    file = tmp_path / "counters.json"
    run_in_child(check_wavefronts, NARROW[name], file, start="spawn")


@pytest.mark.parametrize("name", UNKNOWN)
def test_sectors_of_unknown_sizes(name, tmp_path):
    file = tmp_path / "counters.json"
    run_in_child(check_sectors, *UNKNOWN[name], file, True, start="spawn")


@pytest.mark.parametrize("name", WINDOWED)
def test_window_sectors(name, tmp_path):
    op, inputs, attributes, reads = WINDOWED[name]
    model = image_model(op, inputs, attributes)
    file = tmp_path / "counters.json"
    run_in_child(check_reads, model, {"x": inputs[0]}, reads, file, start="spawn")


@pytest.mark.parametrize("name", PLACED)
def test_placed_sectors(name, tmp_path):
    case, reads = PLACED[name]
    file = tmp_path / "counters.json"
    arguments = (case.model(False), case.feeds(), reads, file)
    run_in_child(check_reads, *arguments, start="spawn")


@pytest.mark.parametrize("name", TILED)
def test_bank_conflicts(name, tmp_path):
    file = tmp_path / "counters.json"
    run_in_child(check_wavefronts, TILED[name], file, start="spawn")
