# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Memory accesses of GPU kernels, as the simulator counts them: sectors of global
memory beside those that hold the data, and wavefronts of shared memory beside those
of accesses without bank conflicts."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from conftest import run_in_child
from test_operators import OpCase, f32

import dlc

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


def attention() -> OpCase:
    shapes = [f32(1, 2, 100, 64), f32(1, 2, 130, 64), f32(1, 2, 130, 64)]
    return OpCase("attention", "Attention", shapes, opset=23)


TILED = {
    "gemm": OpCase("gemm", "MatMul", [f32(130, 96), f32(96, 200)], constants=1),
    "gemm_transposed": OpCase(
        "gemm_transposed",
        "Gemm",
        [f32(64, 130), f32(200, 64)],
        {"transA": 1, "transB": 1},
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
}


def run_counted(case: OpCase, file) -> tuple[dict, dict[str, np.ndarray]]:
    """The counters of one run, and its outputs."""
    os.environ["PTXSIM_COUNTERS"] = str(file)
    model = dlc.compile(case.model(False), device="ptxsim")
    outputs = model.run(case.feeds())
    return json.loads(file.read_text()), outputs


def check_sectors(case: OpCase, repeats: int, file) -> None:
    counters, outputs = run_counted(case, file)
    streamed = [case.inputs[0], *outputs.values()]
    streamed += [x for x in case.inputs[1:] for _ in range(repeats)]
    ideal = sum(value.nbytes for value in streamed) / SECTOR
    ratio = counters["global_sectors"] / ideal
    assert ratio <= MOST_SECTORS, f"{ratio:.2f} times the sectors of the data"


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


@pytest.mark.parametrize("name", TILED)
def test_bank_conflicts(name, tmp_path):
    file = tmp_path / "counters.json"
    run_in_child(check_wavefronts, TILED[name], file, start="spawn")
