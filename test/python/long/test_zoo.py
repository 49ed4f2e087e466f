# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The models exported from PyTorch, against PyTorch. Run by test.sh --long."""

from __future__ import annotations

import gc

import pytest

import verify
import zoo

pytestmark = pytest.mark.usefixtures("compiler")


@pytest.mark.parametrize(("name", "variant"), zoo.variants())
def test_exported_model(name, variant):
    wrong = [str(c) for c in verify.check_zoo(name, variant) if not c.is_right]
    gc.collect()
    assert not wrong, "\n".join(wrong)
