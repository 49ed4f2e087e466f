# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Rows that the blocks of a cluster share: values under every schedule, without races
and reads of what nobody wrote; what of it a binary holds, and which device takes it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from conftest import run_in_child
from onnx import TensorProto, helper
from test_gpu_counters import (
    MOST_SECTORS,
    SECTOR,
    between_convolutions,
    grouped,
    normalised,
)
from test_operators import OpCase, f32

import dlc
from common import relative_error

pytestmark = pytest.mark.usefixtures("compiler", "simulator")
SCHEDULES = [(1, 84992), (2, 4096), (4, 0), (8, 84992)]


def softmax(shape: tuple[int, ...], axis: int, kind: str = "float32") -> OpCase:
    return OpCase("softmax", "Softmax", [f32(*shape).astype(kind)], {"axis": axis})


def divided(shape: tuple[int, ...], axis: int) -> OpCase:
    return OpCase("divided", "LpNormalization", [f32(*shape)], {"axis": axis})


def with_statistics(case: OpCase) -> OpCase:
    case.outputs = 3
    return case


def of(case: OpCase) -> tuple[onnx.ModelProto, dict]:
    return case.model(False), case.feeds()


# Whole accesses; rows that begin anywhere; rows that lie side by side and fill
# sectors, few of them, and more than a block's; groups of channels, and those of
# channels that lie innermost.
CASES = {
    "rows": of(softmax((3, 9000), 1)),
    "rows_f16": of(softmax((2, 33000), 1, "float16")),
    "rows_f64": of(softmax((2, 9000), 1, "float64")),
    "odd_rows": of(softmax((2, 50257), 1)),
    "woven": of(softmax((2, 900, 33), 1)),
    "woven_f16": of(softmax((6001, 7), 0, "float16")),
    "across": of(softmax((2, 700, 64), 1)),
    "more_across": of(softmax((2, 700, 80), 1)),
    "divided": of(divided((2, 20002), 1)),
    "norm": of(with_statistics(normalised((3, 12000), "float32"))),
    "groups": of(grouped((1, 12, 50, 50), 3)),
    "instances": of(grouped((1, 3, 101, 101), 3, "float16")),
    "inner": (between_convolutions(24, 48, 4), {"x": f32(1, 8, 24, 24)}),
    "odd_inner": (between_convolutions(23, 36, 12), {"x": f32(1, 8, 23, 23)}),
}


def compile_with(tool, source: Path, schedule: str) -> Path:
    """The binary of a model whose rows have a schedule."""
    folder = source.parent
    command = [tool("dlc-compile"), "--target=cuda", "--gpu-arch=sm_90"]
    subprocess.run(
        [*command, source, "-o", folder / "own.dlc", f"--dump-ir={folder}/ir"],
        check=True,
    )
    text = (folder / "ir" / "03-dispatch-cuda-sm_90.mlir").read_text()
    rows = r"(?=(?:(?!nn\.yield).)*nn\.(?:softmax|norm|reduce) )"
    text, count = re.subn(
        rf"(result_sizes\([^)]*\)) :{rows}",
        rf"\1 schedule({schedule}) :",
        text,
        flags=re.DOTALL,
    )
    assert count > 0
    given, binary = folder / "given.mlir", folder / "given.dlc"
    given.write_text(text)
    command = [*command, given]
    done = subprocess.run(
        [*command, "--from=schedule", "-o", binary], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return binary


def run(tool, binary: Path, feeds: dict, outputs: list[str], **settings: str) -> list:
    folder = binary.parent
    command = [tool("dlc-run"), binary, "--device=ptxsim"]
    for name, value in feeds.items():
        np.save(folder / f"{name}.npy", value)
        command.append(f"--input={name}=@{folder}/{name}.npy")
    command += [f"--output={name}=@{folder}/{name}.npy" for name in outputs]
    environment = {f"PTXSIM_{key}": value for key, value in settings.items()}
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [np.load(folder / f"{name}.npy") for name in outputs]


@pytest.mark.parametrize(("blocks", "kept"), SCHEDULES)
@pytest.mark.parametrize("name", CASES)
def test_schedules(tool, tmp_path, name, blocks, kept):
    model, feeds = CASES[name]
    path = tmp_path / "op.onnx"
    onnx.save(model, path)
    schedule = f"#nn.row_schedule<blocks = {blocks}, kept_bytes = {kept}>"
    binary = compile_with(tool, path, schedule)
    names = [value.name for value in model.graph.output]
    references = ort.InferenceSession(path).run(None, feeds)
    for mode in ["eager", "late", "seed:7"]:
        checks = {"RACE": "1", "UNINITIALISED": "1", "MODE": mode}
        results = run(tool, binary, feeds, names, **checks)
        for result, reference in zip(results, references, strict=True):
            most = 1e-3 if result.dtype == np.float16 else 1e-5
            assert relative_error(result, reference) <= most


def variants(tool, binary: Path) -> list[str]:
    done = subprocess.run(
        [tool("dlc-run"), binary, "--info"], capture_output=True, text=True, check=True
    )
    lines = [x.split() for x in done.stdout.splitlines() if "for CUDA: " in x]
    return [words[1] for words in lines]


def test_variants(tool, tmp_path):
    """Code for clusters is a variant of its own, where it differs."""
    short, long = softmax((4, 1000), 1), softmax((2, 50257), 1)
    for case, is_batch, names in [
        (short, False, ["cuda"]),
        (short, True, ["cuda"]),
        (long, False, ["cuda", "cuda-sm_90"]),
        (long, True, ["cuda", "cuda-sm_90"]),
    ]:
        path, binary = tmp_path / "op.onnx", tmp_path / "op.dlc"
        model = case.model(False)
        if is_batch:
            for value in (*model.graph.input, *model.graph.output):
                value.type.tensor_type.shape.dim[0].dim_param = "batch"
        onnx.save(model, path)
        command = [tool("dlc-compile"), path, "-o", binary, "--target=cuda"]
        subprocess.run([*command, "--gpu-arch=sm_90,sm_86"], check=True)
        assert variants(tool, binary) == names
        (reference,) = ort.InferenceSession(path).run(None, case.feeds())
        for device in ["sm_80", "sm_90a", "sm_120a"]:
            (result,) = run(tool, binary, case.feeds(), ["y0"], DEVICE=device)
            assert relative_error(result, reference) <= 1e-5


# What a block, or 8 of them, can keep; norms read scale and bias for each row.
KEPT = {
    "sm_80": [
        (softmax((4, 32000), 1), 1),
        (softmax((2, 32768), 1, "float16"), 1),
        (softmax((2, 50257), 1), 1),
        (divided((4000, 7), 0), 1),
    ],
    "sm_90": [
        (softmax((2, 50257), 1, "float16"), 1),
        (softmax((2, 5000, 33), 1), 1),
        (softmax((2, 5000, 64), 1), 1),
        (softmax((40000, 7), 0), 1),
        (divided((2, 60000), 1), 1),
        (normalised((2, 70000), "float32"), 2),
        (grouped((1, 64, 64, 64), 2), 1),
        (grouped((1, 8, 200, 201), 8), 1),
    ],
}


def check_kept(arch: str, case: OpCase, repeats: int, file: Path) -> None:
    os.environ["PTXSIM_COUNTERS"] = str(file)
    model = case.model(False)
    outputs = dlc.compile(model, device="ptxsim", gpu_arch=arch).run(case.feeds())
    counters = json.loads(file.read_text())
    streamed = [case.inputs[0], *outputs.values()]
    streamed += [x for x in case.inputs[1:] for _ in range(repeats)]
    ratio = counters["global_sectors"] / sum(-(-x.nbytes // SECTOR) for x in streamed)
    assert ratio <= MOST_SECTORS, f"{ratio:.2f} times the sectors of the data"


@pytest.mark.parametrize(
    ("arch", "case", "repeats"),
    [(arch, *kept) for arch, cases in KEPT.items() for kept in cases],
)
def test_long_rows_are_read_once(arch, case, repeats, tmp_path):
    arguments = (arch, case, repeats, tmp_path / "counters.json")
    run_in_child(check_kept, *arguments, start="spawn")


# A row with several extremes, infinities, or nothing but them, is not kept: its
# extreme and sum are found together.
SPECIAL = {
    "rising": np.linspace(-300, 300, 120001),
    "falling": np.linspace(300, -300, 120001),
    "late": np.where(np.arange(120001) < 120000, -np.inf, 1),
    "first": np.where(np.arange(120001) > 0, -np.inf, 1),
    "nothing": np.full(120001, -np.inf),
    "infinite": np.where(np.arange(120001) == 70000, np.inf, 0),
    "no_number": np.where(np.arange(120001) == 119999, np.nan, 0),
}


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
def test_special_rows_that_are_not_kept(op):
    rows = np.stack(list(SPECIAL.values())).astype(np.float32)
    model = OpCase("softmax", op, [rows], {"axis": 1}).model(False)
    options = {"device": "ptxsim", "gpu_arch": "sm_80"}
    result = dlc.compile(model, **options).run({"x0": rows})["y0"]
    with np.errstate(invalid="ignore"):
        wide = rows.astype(np.float64)
        shifted = wide - wide.max(axis=1, keepdims=True)
        total = np.exp(shifted).sum(axis=1, keepdims=True)
        log = shifted - np.log(total)
        reference = log if op == "LogSoftmax" else np.exp(log)
    np.testing.assert_allclose(result, reference, rtol=3e-5, atol=1e-30)


def chained(count: int):
    """Reductions of 64-bit elements, each of the quotient by the one before."""
    nodes, last = [], "x"
    for i in range(count):
        nodes += [
            helper.make_node("ReduceSum", [last, "axes"], [f"sum{i}"]),
            helper.make_node("Div", [last, f"sum{i}"], [f"row{i}"]),
        ]
        last = f"row{i}"
    nodes[-1].output[0] = "y"
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    value = [
        helper.make_tensor_value_info(name, TensorProto.DOUBLE, [1, 3500, 32])
        for name in "xy"
    ]
    graph = helper.make_graph(nodes, "chained", value[:1], value[1:], [axes])
    opset = [helper.make_opsetid("", 20)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9)


@pytest.mark.parametrize("count", [2, 6])
def test_tables_of_many_reductions(count):
    model, x = chained(count), np.random.default_rng(0).random((1, 3500, 32)) + 1
    options = {"device": "ptxsim", "gpu_arch": "sm_90"}
    result = dlc.compile(model, **options).run({"x": x})["y"]
    assert relative_error(result, x / x.sum(axis=1, keepdims=True)) <= 1e-12


def dense_softmax():
    """A product on tensor cores and a softmax, each with the launch's memory."""
    weight = helper.make_tensor("w", TensorProto.FLOAT, [64, 32000], f32(64, 32000))
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["y"]),
    ]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in [("x", [24, 64]), ("y", [24, 32000])]
    ]
    graph = helper.make_graph(nodes, "dense", values[:1], values[1:], [weight])
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8)


@pytest.mark.parametrize("arch", ["sm_80", "sm_90"])
def test_rows_beside_products(arch):
    model, feeds = dense_softmax(), {"x": f32(24, 64)}
    options = {"device": "ptxsim", "gpu_arch": arch, "precision": "bf16"}
    result = dlc.compile(model, **options).run(feeds)["y"]
    (reference,) = ort.InferenceSession(model.SerializeToString()).run(None, feeds)
    assert relative_error(result, reference) <= 3e-2
