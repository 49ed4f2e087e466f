# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What code for GPUs a binary holds, and which of it a device takes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import dlc
from common import find_cuda_tool

pytestmark = pytest.mark.usefixtures("compiler", "simulator")


def find_ptxas() -> str:
    return find_cuda_tool("ptxas") or pytest.skip("ptxas is not installed")


@pytest.fixture
def model(tmp_path) -> Path:
    """y = x * x, of 7 elements."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "x"], ["y"])],
        "square",
        [value("x", TensorProto.FLOAT, [7])],
        [value("y", TensorProto.FLOAT, [7])],
    )
    path = tmp_path / "square.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), path
    )
    return path


@pytest.fixture
def compile_model(tool, model):
    """compile_model(options...): the binary's path, and what the tool printed."""

    def run(*options: str) -> tuple[Path, str]:
        output = model.with_suffix(".dlc")
        done = subprocess.run(
            [tool("dlc-compile"), model, "-o", output, "--target=cuda", *options],
            capture_output=True,
            text=True,
        )
        return output, done.stderr

    return run


@pytest.fixture
def images(tool):
    """images(binary): the code of a binary for GPUs, as dlc-run --info names it."""

    def read(binary: Path) -> list[str]:
        done = subprocess.run(
            [tool("dlc-run"), binary, "--info"],
            capture_output=True,
            text=True,
            check=True,
        )
        line = next(x for x in done.stdout.splitlines() if "for CUDA: " in x)
        names = line.split("for CUDA: ")[1].split(", ")
        return [name for name in names if name != "in use"]

    return read


@pytest.fixture
def run_on(tool, tmp_path):
    """run_on(binary, device): dlc-run on a modelled device."""

    def run(binary: Path, device: str) -> subprocess.CompletedProcess:
        x = np.arange(7, dtype=np.float32)
        np.save(tmp_path / "x.npy", x)
        files = [f"--input=x=@{tmp_path}/x.npy", f"--output=y=@{tmp_path}/y.npy"]
        done = subprocess.run(
            [tool("dlc-run"), binary, "--device=ptxsim", *files],
            capture_output=True,
            text=True,
            env={"PTXSIM_DEVICE": device},
        )
        if done.returncode == 0:
            np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), x * x)
        return done

    return run


def test_code_for_sm_80_is_always_there(compile_model, images, run_on):
    binary, _ = compile_model("--gpu-arch=sm_90a")
    assert images(binary) == ["PTX sm_90a", "PTX sm_80"]
    for device in ["sm_80", "sm_90a", "sm_120a"]:
        assert run_on(binary, device).returncode == 0


def test_machine_code_beside_ptx(compile_model, images, run_on):
    binary, _ = compile_model("--gpu-arch=sm_90", f"--cubin={find_ptxas()}")
    machine_code = ["machine code sm_90", "machine code sm_80"]
    assert images(binary) == ["PTX sm_90", "PTX sm_80", *machine_code]
    assert binary.read_bytes().count(b"\x7fELF") == 3  # and the host's
    assert run_on(binary, "sm_80").returncode == 0


def test_missing_ptxas(compile_model):
    binary, said = compile_model("--cubin=/nowhere/ptxas")
    assert "cannot run '/nowhere/ptxas' as ptxas" in said
    assert not binary.exists()


USAGE, INTERNAL = 1, 5


# What ptxas does, the exit code, and all that is said of it. That it rejects a line of
# PTX is no fault of the user's.
@pytest.mark.parametrize(
    ("script", "status", "message"),
    [
        ("exit 0", USAGE, "what it wrote is no cubin"),
        ("exit 3", USAGE, "exit status 3"),
        ('echo "unknown $1" >&2; exit 3', USAGE, "exit status 3\nunknown -arch=sm_80"),
        (
            'echo "ptxas $2, line 1; fatal   : Unsupported .version" >&2; exit 255',
            USAGE,
            "Unsupported .version",
        ),
        (
            'echo "ptxas $2, line 7; error   : Unknown symbol" >&2; exit 255',
            INTERNAL,
            "line 7; error   : Unknown symbol",
        ),
    ],
    ids=["idle", "silent", "complains", "old", "rejects"],
)
def test_failures_of_ptxas(tool, model, tmp_path, script, status, message):
    ptxas, output = tmp_path / "ptxas", tmp_path / "square.dlc"
    ptxas.write_text(f"#!/bin/sh\n{script}\n")
    ptxas.chmod(0o755)
    command = [tool("dlc-compile"), model, "-o", output, "--target=cuda"]
    done = subprocess.run(
        [*command, f"--cubin={ptxas}"], capture_output=True, text=True
    )
    assert done.returncode == status
    assert f"'{ptxas}' made no code for sm_80: " in done.stderr
    assert message in done.stderr
    if status == USAGE:
        assert done.stderr.endswith(message + "\n")
    assert not output.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cubin", "--emit=ptx"], "'ptx' has no machine code for GPUs"),
        (["--cubin", "--target=cpu"], "machine code for GPUs needs the target 'cuda'"),
        (["--gpu-arch=sm_90", "--target=cpu"], "architecture needs the target 'cuda'"),
    ],
)
def test_options_that_do_not_go_together(compile_model, options, message):
    _, said = compile_model(*options)
    assert message in said


def test_images_from_python(model, images, tmp_path):
    output = tmp_path / "python.dlc"
    ptxas = find_ptxas()
    options = {"gpu_arch": ["sm_86"], "cubin": ptxas, "output": output}
    square = dlc.compile(model, target="cuda", device="ptxsim", **options)
    machine_code = ["machine code sm_86", "machine code sm_80"]
    assert images(output) == ["PTX sm_86", "PTX sm_80", *machine_code]
    x = np.arange(7, dtype=np.float32)
    np.testing.assert_array_equal(square(x), x * x)
