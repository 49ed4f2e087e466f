# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Code for GPUs on the simulator: single operators and small whole models."""

from __future__ import annotations

import re
import subprocess

import pytest
from conftest import BUILD, run_in_child
from test_operators import VARIANTS, check_operator

import light
import verify

pytestmark = pytest.mark.usefixtures("compiler")
DEVICE = "ptxsim"


@pytest.fixture(autouse=True)
def simulator():
    if not (BUILD / "lib" / "libptxsim.so").exists():
        pytest.skip("libptxsim.so is not built")


def check_models(checks, *arguments) -> None:
    verify.device = DEVICE
    wrong = [str(check) for check in checks(*arguments) if not check.is_right]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("name", "is_dynamic"), VARIANTS)
def test_operator(name, is_dynamic):
    run_in_child(check_operator, name, is_dynamic, DEVICE)


def test_squeezenet():
    run_in_child(check_models, verify.check_light, "squeezenet")


def test_minilm():
    run_in_child(check_models, verify.check_minilm, ((1, 7), (4, 37)))


def param_offsets(text: str) -> set[int]:
    return {int(at) for at in re.findall(r"rt\.param_address @\S+ at (\d+)", text)}


def test_a_device_gets_no_weights_of_the_cpu_alone(tool, tmp_path):
    compiler = [tool("dlc-compile"), light.make("squeezenet"), "-o", tmp_path / "m.dlc"]
    options = ["--target=cuda,cpu", "--cpu=x86-64-v3", f"--dump-ir={tmp_path}"]
    subprocess.run([*compiler, *options], check=True)
    device = param_offsets((tmp_path / "05-codegen-cuda.mlir").read_text())
    host = param_offsets((tmp_path / "05-codegen-x86-64-v3.mlir").read_text())
    assert device & host, "expected params that both read as they are"
    assert host - device, "expected params that are packed for the CPU"
    assert max(host - device) < min(device)
