# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Lower precisions on the simulator: MiniLM, and models made by PyTorch against
its own eager execution. Run by test.sh --long."""

from __future__ import annotations

import pytest
from conftest import run_in_child

import precision

pytestmark = pytest.mark.usefixtures("compiler")
DEVICE = "ptxsim"


def judge(checks) -> None:
    checks = list(checks)
    wrong = [str(check) for check in checks if not check.is_right]
    assert checks
    assert not wrong, "\n".join(wrong)


def check_torch(name: str, kind: str) -> None:
    import torch_precision

    judge(torch_precision.check_model(name, kind, DEVICE))


def check_minilm(kind: str) -> None:
    judge(precision.check_model("minilm", kind, DEVICE))


@pytest.mark.parametrize("kind", precision.PRECISIONS)
def test_minilm(kind):
    run_in_child(check_minilm, kind)


@pytest.mark.parametrize("kind", precision.PRECISIONS)
@pytest.mark.parametrize("name", ["resnet50", "gpt2", "llama"])
def test_against_eager(name, kind):
    run_in_child(check_torch, name, kind)
