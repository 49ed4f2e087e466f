# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Code for GPUs on the simulator: single operators and small whole models."""

from __future__ import annotations

import pytest
from conftest import BUILD, run_in_child
from test_operators import VARIANTS, check_operator

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
