# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Whole models, against ONNX Runtime: the light models and MiniLM."""

from __future__ import annotations

import pytest
from conftest import run_in_child

import light
import verify

pytestmark = pytest.mark.usefixtures("compiler")


def check_light(name: str) -> None:
    wrong = [str(c) for c in verify.check_light(name) if not c.is_right]
    assert not wrong, "\n".join(wrong)


def check_minilm() -> None:
    wrong = [str(c) for c in verify.check_minilm() if not c.is_right]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", light.MODELS)
def test_light_model_with_random_weights(name):
    run_in_child(check_light, name)


def test_minilm_for_all_sizes_in_one_binary():
    run_in_child(check_minilm)
