# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Code for GPUs on the simulator: single operators and small whole models."""

from __future__ import annotations

import os
import re
import subprocess

import pytest
from conftest import check_ptx, run_in_child
from test_operators import VARIANTS, check_operator

import light
import verify

pytestmark = pytest.mark.usefixtures("compiler", "simulator")
DEVICE = "ptxsim"


def check_models(checks, *arguments) -> None:
    verify.device = DEVICE
    wrong = [str(check) for check in checks(*arguments) if not check.is_right]
    assert not wrong, "\n".join(wrong)


def without_races(check, *arguments) -> None:
    """Has the simulator report races, and memory that is read unwritten."""
    os.environ["PTXSIM_RACE"] = "1"
    check(*arguments)


@pytest.mark.parametrize(("name", "is_dynamic"), VARIANTS)
def test_operator(name, is_dynamic):
    run_in_child(without_races, check_operator, name, is_dynamic, DEVICE)


def test_squeezenet():
    run_in_child(without_races, check_models, verify.check_light, "squeezenet")


@pytest.mark.parametrize("name", ["shufflenet", "resnet50"])
def test_light_model(name):
    run_in_child(check_models, verify.check_light, name)


def test_minilm():
    run_in_child(without_races, check_models, verify.check_minilm, ((1, 7), (4, 37)))


@pytest.mark.parametrize(
    "name", ["light/squeezenet", "minilm", "quantised/resnet50-static"]
)
def test_ptxas(name):
    check_ptx(name)


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
