# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The models exported from PyTorch, against PyTorch. Run by test.sh --long."""

from __future__ import annotations

import pytest
from conftest import run_in_child

import verify
import zoo

pytestmark = pytest.mark.usefixtures("compiler")


def check_zoo(name: str, variant: str) -> None:
    wrong = [str(c) for c in verify.check_zoo(name, variant) if not c.is_right]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("name", "variant"), zoo.variants())
def test_exported_model(name, variant):
    # Made here: exporting starts threads that a forked process would miss.
    zoo.make(name, variant)
    run_in_child(check_zoo, name, variant)
