# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Whole models, against ONNX Runtime: the light models and MiniLM."""

from __future__ import annotations

import pytest

import light
import verify

pytestmark = pytest.mark.usefixtures("compiler")


@pytest.mark.parametrize("name", light.MODELS)
def test_light_model_with_random_weights(name):
    wrong = [str(c) for c in verify.check_light(name) if not c.is_right]
    assert not wrong, "\n".join(wrong)


def test_minilm_for_all_sizes_in_one_binary():
    wrong = [str(c) for c in verify.check_minilm() if not c.is_right]
    assert not wrong, "\n".join(wrong)
